package store_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// Commits follow each other without a pause and together write several times what the log may hold.
func TestTheLogIsBegunAnewWhileSomebodyCommitsAllTheTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy.db")
	db := storetest.Open(t, store.Config{URL: "sqlite:" + path})
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE busy (tenant_id BYTEA NOT NULL, n BIGINT NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (tenant_id, n))`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const writers, rounds, rows = 4, 400, 10
	tenant, body := id.NewTenant(), make([]byte, 3000)
	longest := int64(0)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				err := db.Tenant(tenant).Write(t.Context(), func(tx *store.Tx) error {
					for k := range rows {
						n := int64(w*rounds+i)*rows + int64(k)
						if _, err := tx.Exec(t.Context(), `INSERT INTO busy (tenant_id, n, body) VALUES ($1, $2, $3)`, tenant, n, body); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
				if info, err := os.Stat(path + "-wal"); err == nil && w == 0 {
					longest = max(longest, info.Size())
				}
			}
		})
	}
	wg.Wait()
	var n int64
	if err := db.Tenant(tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM busy WHERE tenant_id = $1`, tenant).Scan(&n)
	}); err != nil || n != writers*rounds*rows {
		t.Fatalf("%d rows, %v", n, err)
	}
	if longest > 40<<20 {
		t.Errorf("the log grew to %d MiB", longest>>20)
	}
	t.Logf("the log grew to %d MiB at most", longest>>20)
}
