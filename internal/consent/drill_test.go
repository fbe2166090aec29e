package consent_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// TestL10_EveryRandomMutationOfRecordsAndNoticesIsDetected damages one value at random, audits, and
// puts it back. With the drill of package ledger there are 10,000 mutations.
func TestL10_EveryRandomMutationOfRecordsAndNoticesIsDetected(t *testing.T) {
	drills := 2000
	if testing.Short() {
		drills = 100
	}
	w := newWorld(t, storetest.SQLite(t))
	for i := range 3 {
		out := w.choose(t, nil, notice.Measure)
		w.fake.Advance(time.Minute)
		if i == 0 {
			w.withdraw(t, *out.Visitor)
		}
	}
	if err := w.Audit(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	columns := []struct{ table, column, kind string }{
		{"consent_record", "kind", "text"}, {"consent_record", "source", "text"}, {"consent_record", "effects", "text"},
		{"consent_record", "record", "bytes"}, {"consent_record", "deployment", "bytes"}, {"consent_record", "subject", "bytes"},
		{"consent_record", "at", "number"}, {"consent_record", "until", "number"}, {"consent_record", "ledger", "number"},
		{"consent_record", "gpc", "truth"},
		{"consent_notice", "artefact", "bytes"}, {"consent_notice", "sha256", "bytes"}, {"consent_notice", "published", "number"},
		{"consent_notice", "material", "truth"}, {"consent_notice", "ledger", "number"},
	}
	exec := func(query string, args ...any) {
		t.Helper()
		w.write(t, func(tx *store.Tx) error {
			n, err := tx.Exec(t.Context(), query, args...)
			if err == nil && n != 1 {
				err = fmt.Errorf("%d rows were changed by %s", n, query)
			}
			return err
		})
	}
	for i := range drills {
		c := columns[random.IntN(len(columns))]
		var row int64
		var before any
		err := w.db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT rowid, `+c.column+` FROM `+c.table+` WHERE tenant_id = $1 ORDER BY random() LIMIT 1`, w.tenant).Scan(&row, &before)
		})
		if err != nil {
			t.Fatal(err)
		}
		var after any
		switch v := before.(type) {
		case []byte:
			b := append([]byte{}, v...)
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			after = b
		case string:
			b := []byte(v)
			b[random.IntN(len(b))] ^= 1 << random.IntN(7)
			after = string(b)
		case int64:
			switch {
			case c.kind == "truth":
				after = 1 - v
			case c.column == "ledger":
				after = v + 1000 + random.Int64N(1000)
			default:
				// Records and entries keep milliseconds.
				after = v + 1000 + random.Int64N(1e12)
			}
		case bool:
			after = !v
		default:
			t.Fatalf("%s.%s is a %T", c.table, c.column, before)
		}
		set := `UPDATE ` + c.table + ` SET ` + c.column + ` = $2 WHERE tenant_id = $1 AND rowid = $3`
		exec(set, w.tenant, after, row)
		if err := w.Audit(t.Context(), w.tenant); err == nil {
			t.Errorf("drill %d: %s.%s changed from %v to %v, which was not detected", i, c.table, c.column, before, after)
		}
		exec(set, w.tenant, before, row)
	}
	if err := w.Audit(t.Context(), w.tenant); err != nil {
		t.Errorf("damaged after all drills were undone: %v", err)
	}
}
