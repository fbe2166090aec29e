package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

var errUndo = errors.New("undo")

// TestL10_EveryRandomMutationIsDetected damages a log at random, in a transaction that is rolled
// back afterwards, and audits it with a checkpoint that was kept elsewhere.
func TestL10_EveryRandomMutationIsDetected(t *testing.T) {
	drills := 8000
	if testing.Short() {
		drills = 200
	}
	db := storetest.SQLite(t)
	clk := clock.NewFake(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	keys, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{1}, clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := New(db, keys, clk, "probity.test")
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	tenant := id.NewTenant()
	const entries = 13
	for n := range entries {
		clk.Advance(time.Minute)
		err := db.Tenant(tenant).Write(t.Context(), func(tx *store.Tx) error {
			_, err := l.Append(t.Context(), tx, Entry{Kind: NoticePublished, Payload: fmt.Appendf(nil, `{"n":%d}`, n)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	kept, err := l.Checkpoint(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	unguard(t, db)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range drills {
		var what string
		err := db.Tenant(tenant).Write(t.Context(), func(tx *store.Tx) error {
			what = mutate(t, tx, tenant, random, entries)
			if err := l.auditor(tenant).run(t.Context(), tx, [][]byte{kept}); err == nil {
				t.Errorf("drill %d was not detected: %s", i, what)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatalf("drill %d: %s: %v", i, what, err)
		}
	}
	if err := l.Audit(t.Context(), tenant, kept); err != nil {
		t.Errorf("the log is damaged after all drills were undone: %v", err)
	}
}

// mutate damages one thing and says what.
func mutate(t *testing.T, tx *store.Tx, tenant id.Tenant, random *rand.Rand, entries int64) string {
	t.Helper()
	n := random.Int64N(entries)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	column := func(table, column string) []byte {
		t.Helper()
		var b []byte
		if err := tx.QueryRow(t.Context(), `SELECT `+column+` FROM `+table+` WHERE tenant_id = $1 AND n = $2`, tenant, n).Scan(&b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	flip := func(b []byte) []byte {
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		return b
	}
	switch random.IntN(6) {
	case 0:
		exec(`UPDATE ledger_payload SET body = $3 WHERE tenant_id = $1 AND n = $2`, tenant, n, flip(column("ledger_payload", "body")))
		return fmt.Sprintf("a bit of payload %d", n)
	case 1:
		exec(`UPDATE ledger_entry SET leaf = $3 WHERE tenant_id = $1 AND n = $2`, tenant, n, string(flip(column("ledger_entry", "leaf"))))
		return fmt.Sprintf("a bit of leaf %d", n)
	case 2:
		exec(`UPDATE ledger_entry SET hashes = $3 WHERE tenant_id = $1 AND n = $2`, tenant, n, flip(column("ledger_entry", "hashes")))
		return fmt.Sprintf("a bit of the hashes of entry %d", n)
	case 3:
		exec(`DELETE FROM ledger_entry WHERE tenant_id = $1 AND n = $2`, tenant, n)
		return fmt.Sprintf("entry %d dropped", n)
	case 4:
		m := (n + 1 + random.Int64N(entries-1)) % entries
		exec(`UPDATE ledger_entry SET n = -1 WHERE tenant_id = $1 AND n = $2`, tenant, n)
		exec(`UPDATE ledger_entry SET n = $2 WHERE tenant_id = $1 AND n = $3`, tenant, n, m)
		exec(`UPDATE ledger_entry SET n = $2 WHERE tenant_id = $1 AND n = -1`, tenant, m)
		return fmt.Sprintf("entries %d and %d swapped", n, m)
	default:
		exec(`DELETE FROM ledger_entry WHERE tenant_id = $1 AND n >= $2`, tenant, n)
		exec(`DELETE FROM ledger_payload WHERE tenant_id = $1 AND n >= $2`, tenant, n)
		exec(`DELETE FROM ledger_checkpoint WHERE tenant_id = $1`, tenant)
		exec(`UPDATE ledger_head SET size = $2 WHERE tenant_id = $1`, tenant, n)
		return fmt.Sprintf("the log cut off at entry %d, its checkpoints too", n)
	}
}

func unguard(t *testing.T, db *store.DB) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		for _, name := range []string{"ledger_entry_no_UPDATE", "ledger_entry_no_DELETE", "ledger_payload_no_UPDATE", "ledger_checkpoint_no_DELETE"} {
			if _, err := tx.Exec(t.Context(), "DROP TRIGGER "+name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
