package store_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// newerNotes is the room's schema one version later.
func newerNotes() fstest.MapFS {
	return fstest.MapFS{
		"001_note.sql": notes["001_note.sql"],
		"002_tag.sql": {Data: []byte(`-- +goose Up
CREATE TABLE tag (
	tenant_id BYTEA NOT NULL,
	note BIGINT NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (tenant_id, note, name)
) /* WITHOUT ROWID */;
INSERT INTO tag (tenant_id, note, name) SELECT tenant_id, id, 'old' FROM note;
-- +goose Down
DROP TABLE tag;
`)},
	}
}

func TestAMigrationMovesTheRowsOfEveryTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		migrateNotes(t, db)
		handles := []store.Handle{db.Tenant(id.NewTenant()), db.Tenant(id.NewTenant())}
		for _, h := range handles {
			if err := h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 1, "x") }); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second time there is nothing to do
			if err := db.Migrate(ctx, "note", newerNotes()); err != nil {
				t.Fatal(err)
			}
		}
		for _, h := range handles {
			var n int
			if err := h.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, "SELECT count(*) FROM tag WHERE tenant_id = $1", tx.TenantID()).Scan(&n)
			}); err != nil || n != 1 {
				t.Errorf("%d tags, %v", n, err)
			}
		}
		if err := db.Check(ctx); err != nil {
			t.Errorf("check: %v", err)
		}
	})
}

func TestADatabaseOfANewerProgramIsRefusedByName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), "note", newerNotes()); err != nil {
			t.Fatal(err)
		}
		err := db.Migrate(t.Context(), "note", notes)
		if !fail.Is(err, fail.Conflict) || !strings.Contains(err.Error(), "note are at version 2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAMigrationThatFailsLeavesNothingAndCanBeRunAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		broken := newerNotes()
		good := broken["002_tag.sql"]
		broken["002_tag.sql"] = &fstest.MapFile{Data: []byte(strings.Replace(string(good.Data), "FROM note;", "FROM nowhere;", 1))}
		if err := db.Migrate(ctx, "note", broken); err == nil {
			t.Fatal("a broken migration passed")
		}
		broken["002_tag.sql"] = good
		if err := db.Migrate(ctx, "note", broken); err != nil {
			t.Errorf("the mended migration: %v", err)
		}
	})
}

func TestRoomsKeepTheirVersionsApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		other := fstest.MapFS{"001_other.sql": {Data: []byte("-- +goose Up\nCREATE TABLE other (tenant_id BYTEA NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));\n")}}
		if err := db.Migrate(t.Context(), "other", other); err != nil {
			t.Fatal(err)
		}
		migrateNotes(t, db)
		if err := db.Migrate(t.Context(), "no; room", other); !fail.Is(err, fail.Internal) {
			t.Errorf("a strange room name: %v", err)
		}
	})
}
