package store_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestALostConnectionIsUnavailableAndTheNextWriteGetsAnother(t *testing.T) {
	db := storetest.Postgres(t)
	migrateNotes(t, db)
	ctx := t.Context()
	h := db.Tenant(id.NewTenant())
	err := h.Write(ctx, func(tx *store.Tx) error {
		var pid int
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			return err
		}
		if err := addNote(ctx, tx, 1, "x"); err != nil {
			return err
		}
		if err := db.Read(ctx, func(other *store.Tx) error {
			var done bool
			return other.QueryRow(ctx, "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&done)
		}); err != nil {
			t.Errorf("terminate: %v", err)
		}
		return addNote(ctx, tx, 2, "x")
	})
	if !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
	if err := h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 3, "x") }); err != nil {
		t.Errorf("the next write: %v", err)
	}
	if n := countNotes(t, h); n != 1 {
		t.Errorf("%d notes, want 1", n)
	}
}

func TestAServerThatIsNotThereIsReportedWithoutThePassword(t *testing.T) {
	for _, url := range []string{
		"postgres://someone:hunter2@127.0.0.1:1/none?connect_timeout=2",
		"postgres://someone:hunter2@127.0.0.1:bad/none",
	} {
		_, err := store.Open(t.Context(), store.Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}

func TestACrowdThatWantsTheSameRowGetsThroughOnBothEngines(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		ctx := context.Background()
		h := db.Tenant(id.NewTenant())
		if err := h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 0, "") }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				err := h.Write(ctx, func(tx *store.Tx) error {
					var weight float64
					if err := tx.QueryRow(ctx, `
UPDATE note SET weight = coalesce(weight, 0) + 1 WHERE tenant_id = $1 AND id = 0 RETURNING weight`, tx.TenantID()).Scan(&weight); err != nil {
						return err
					}
					return addNote(ctx, tx, int64(weight), strings.Repeat("x", i))
				})
				if err != nil {
					t.Errorf("write: %v", err)
				}
			})
		}
		wg.Wait()
		if n := countNotes(t, h); n != 41 {
			t.Errorf("%d notes, want 41", n)
		}
	})
}
