package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// notes is the schema of a small room for tests.
var notes = fstest.MapFS{"001_note.sql": {Data: []byte(`-- +goose Up
CREATE TABLE note (
	tenant_id BYTEA NOT NULL,
	id BIGINT NOT NULL,
	body BYTEA NOT NULL,
	flag BOOLEAN NOT NULL DEFAULT FALSE,
	weight DOUBLE PRECISION,
	doc JSONB,
	PRIMARY KEY (tenant_id, id)
);
-- +goose Down
DROP TABLE note;
`)}}

func migrateNotes(t testing.TB, db *store.DB) {
	t.Helper()
	if err := db.Migrate(t.Context(), "note", notes); err != nil {
		t.Fatal(err)
	}
}

func addNote(ctx context.Context, tx *store.Tx, n int64, body string) error {
	_, err := tx.Exec(ctx, "INSERT INTO note (tenant_id, id, body) VALUES ($1, $2, $3)", tx.TenantID(), n, []byte(body))
	return err
}

func countNotes(t testing.TB, h store.Handle) (n int) {
	t.Helper()
	err := h.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM note WHERE tenant_id = $1", tx.TenantID()).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAWriteIsSeenByLaterReadsAndAFailedOneLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		h := db.Tenant(id.NewTenant())
		committed := 0
		if err := h.Write(t.Context(), func(tx *store.Tx) error {
			tx.AfterCommit(func() { committed++ })
			return addNote(t.Context(), tx, 1, "kept")
		}); err != nil {
			t.Fatal(err)
		}
		boom := errors.New("boom")
		err := h.Write(t.Context(), func(tx *store.Tx) error {
			tx.AfterCommit(func() { committed += 100 })
			if err := addNote(t.Context(), tx, 2, "dropped"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v, want the function's own error", err)
		}
		if n := countNotes(t, h); n != 1 {
			t.Errorf("%d notes, want 1", n)
		}
		if committed != 1 {
			t.Errorf("AfterCommit counted %d, want 1", committed)
		}
		err = h.Write(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 1, "again") })
		if !store.IsUnique(err) {
			t.Errorf("got %v, want a unique violation", err)
		}
	})
}

func TestAHandleOfNoTenantIsRefused(t *testing.T) {
	db := storetest.SQLite(t)
	err := db.Tenant(id.Tenant{}).Write(t.Context(), func(*store.Tx) error { return nil })
	if !fail.Is(err, fail.Internal) {
		t.Errorf("got %v", err)
	}
}
