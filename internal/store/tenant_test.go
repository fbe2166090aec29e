package store_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", to look at PostgreSQL from outside

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestATenantSeesOnlyItsOwnRows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		ctx := t.Context()
		a, b := db.Tenant(id.NewTenant()), db.Tenant(id.NewTenant())
		for _, h := range []store.Handle{a, b} {
			if err := h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 1, h.ID().String()) }); err != nil {
				t.Fatal(err)
			}
		}
		for _, h := range []store.Handle{a, b} {
			got, err := notesOf(ctx, h)
			if err != nil || len(got) != 1 || got[1] != h.ID().String() {
				t.Errorf("got %v, %v", got, err)
			}
		}
	})
}

func TestRowLevelSecurityBitesWhenAQueryForgetsTheTenant(t *testing.T) {
	db := storetest.Postgres(t)
	migrateNotes(t, db)
	ctx := t.Context()
	a, b := db.Tenant(id.NewTenant()), db.Tenant(id.NewTenant())
	if err := a.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 1, "a's") }); err != nil {
		t.Fatal(err)
	}
	count := func(tx *store.Tx) (n int) {
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM note").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	if err := b.Read(ctx, func(tx *store.Tx) error {
		if n := count(tx); n != 0 {
			t.Errorf("b sees %d rows of a", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE note SET body = $1", []byte("b was here"))
		if n != 0 {
			t.Errorf("b changed %d rows of a", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err := b.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO note (tenant_id, id, body) VALUES ($1, 2, $2)", a.ID(), []byte("planted"))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("b planted a row with a: %v", err)
	}
	if err := db.Read(ctx, func(tx *store.Tx) error {
		if n := count(tx); n != 1 {
			t.Errorf("the system sees %d rows, want 1", n)
		}
		narrow, err := tx.As(ctx, b.ID())
		if err != nil {
			return err
		}
		if n := count(narrow); n != 0 {
			t.Errorf("narrowed to b, the system sees %d rows of a", n)
		}
		if n := count(tx); n != 1 {
			t.Errorf("after narrowing, the system's own view has %d rows, want 1", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAConnectionThatNamesNoTenantSeesNothing(t *testing.T) {
	url := storetest.PostgresURL(t)
	db := storetest.Open(t, store.Config{URL: url})
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	if err := h.Write(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 1, "x") }); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var n int
	if err := raw.QueryRow("SELECT count(*) FROM note").Scan(&n); err != nil || n != 0 {
		t.Errorf("sees %d rows, %v", n, err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	if _, err := raw.Exec("ALTER TABLE note NO FORCE ROW LEVEL SECURITY"); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); !fail.Is(err, fail.Conflict) || !strings.Contains(err.Error(), "note") {
		t.Errorf("check with a belt undone: %v", err)
	}
	migrateNotes(t, db)
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check after the next start: %v", err)
	}
}

func TestATransactionOfOneTenantCannotActForAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Tenant(id.NewTenant()).Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.As(t.Context(), id.NewTenant())
			return err
		})
		if !fail.Is(err, fail.Internal) {
			t.Errorf("got %v", err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.As(t.Context(), id.Tenant{})
			return err
		}); !fail.Is(err, fail.Internal) {
			t.Errorf("narrowed to nobody: %v", err)
		}
	})
}

func TestConcurrentReadModifyWriteLosesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		ctx := t.Context()
		h := db.Tenant(id.NewTenant())
		if err := h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 0, "") }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					err := h.Write(ctx, func(tx *store.Tx) error {
						var body []byte
						if err := tx.QueryRow(ctx, "SELECT body FROM note WHERE tenant_id = $1 AND id = 0", tx.TenantID()).Scan(&body); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, "UPDATE note SET body = $1 WHERE tenant_id = $2 AND id = 0", append(body, 'x'), tx.TenantID())
						return err
					})
					if err != nil {
						t.Errorf("write: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		got, err := notesOf(ctx, h)
		if err != nil || len(got[0]) != 80 {
			t.Errorf("%d of 80 additions are there, %v", len(got[0]), err)
		}
	})
}

func TestAReadSeesOneMoment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		ctx := context.Background()
		h := db.Tenant(id.NewTenant())
		if err := h.Read(ctx, func(tx *store.Tx) error {
			count := func() (n int) {
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM note WHERE tenant_id = $1", tx.TenantID()).Scan(&n); err != nil {
					t.Error(err)
				}
				return n
			}
			before := count()
			written := make(chan error)
			go func() {
				written <- h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 1, "x") })
			}()
			if err := <-written; err != nil {
				return err
			}
			if after := count(); after != before {
				t.Errorf("a read saw %d rows, then %d", before, after)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n := countNotes(t, h); n != 1 {
			t.Errorf("%d notes, want 1", n)
		}
	})
}

func TestAReadTransactionCannotWriteOnPostgres(t *testing.T) {
	db := storetest.Postgres(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	if err := h.Read(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 1, "x") }); err == nil {
		t.Error("a read transaction wrote")
	}
}

func TestValuesComeBackAsTheyWereStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		ctx := t.Context()
		h := db.Tenant(id.NewTenant())
		made := id.New()
		if err := h.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `
INSERT INTO note (tenant_id, id, body, flag, weight, doc) VALUES ($2, $1, $3, $4, $5, $6)`,
				int64(1)<<62, tx.TenantID(), made, true, 0.1, `{"a":1}`)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO note (tenant_id, id, body, weight, doc) VALUES ($1, $2, $3, $4, $5)",
				tx.TenantID(), 2, []byte{}, nil, (*string)(nil))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := h.Read(ctx, func(tx *store.Tx) error {
			var (
				n      int64
				tenant id.Tenant
				got    uuid.UUID
				flag   bool
				weight float64
				doc    string
			)
			err := tx.QueryRow(ctx, "SELECT id, tenant_id, body, flag, weight, doc FROM note WHERE tenant_id = $1 AND flag", tx.TenantID()).
				Scan(&n, &tenant, &got, &flag, &weight, &doc)
			if err != nil {
				return err
			}
			if n != 1<<62 || tenant != h.ID() || got != made || !flag || weight != 0.1 || strings.ReplaceAll(doc, " ", "") != `{"a":1}` {
				t.Errorf("got %d %v %v %v %v %q", n, tenant, got, flag, weight, doc)
			}
			var (
				body  []byte
				null  sql.NullFloat64
				nodoc sql.NullString
			)
			err = tx.QueryRow(ctx, "SELECT body, weight, doc FROM note WHERE tenant_id = $1 AND NOT flag", tx.TenantID()).Scan(&body, &null, &nodoc)
			if body == nil || len(body) != 0 || null.Valid || nodoc.Valid {
				t.Errorf("got %v %v %v", body, null, nodoc)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
