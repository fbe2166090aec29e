package consent_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

func TestL26_ABundleOfOnePersonVerifiesOffline(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	w.choose(t, nil, notice.Actions)
	w.fake.Advance(time.Hour)
	w.withdraw(t, *out.Visitor)
	b, err := w.Bundle(t.Context(), w.tenant, []id.Subject{out.Subject})
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.ledger.VerifierKey(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.File(file, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Entries) != 4 || report.Entries[0].Kind != "notice.published" || report.Entries[1].Kind != "notice.served" ||
		report.Entries[2].Kind != "consent.given" || report.Entries[3].Kind != "consent.withdrawn" {
		t.Errorf("the report is %+v", report)
	}
}

func TestAnAuditFindsARecordThatIsNotWhatThePersonChose(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range []struct{ name, query string }{
			{"a refusal turned into a grant", `UPDATE consent_record SET effects = replace(effects, 'predict=ConsentRefused', 'predict=ConsentGiven') WHERE tenant_id = $1`},
			{"a purpose was left out", `UPDATE consent_record SET effects = 'measure=ConsentGiven' WHERE tenant_id = $1`},
			{"a grant was back-dated", `UPDATE consent_record SET at = at - 1000000 WHERE tenant_id = $1`},
			{"a grant was prolonged", `UPDATE consent_record SET until = 0 WHERE tenant_id = $1`},
			{"another notice", `UPDATE consent_record SET version = 2 WHERE tenant_id = $1`},
			{"the record was moved to another entry", `UPDATE consent_record SET ledger = 0 WHERE tenant_id = $1`},
			{"another notice was served", `UPDATE consent_record SET served = 0 WHERE tenant_id = $1`},
			{"the record was moved beyond the log", `UPDATE consent_record SET ledger = 99 WHERE tenant_id = $1`},
		} {
			t.Run(c.name, func(t *testing.T) {
				w := newWorld(t, db)
				w.choose(t, nil, notice.Measure)
				if err := w.Audit(t.Context(), w.tenant); err != nil {
					t.Fatal(err)
				}
				w.write(t, func(tx *store.Tx) error {
					n, err := tx.Exec(t.Context(), c.query, w.tenant)
					if err == nil && n != 1 {
						return errors.New("the tampering changed nothing")
					}
					return err
				})
				var m *consent.Mismatch
				if err := w.Audit(t.Context(), w.tenant); !errors.As(err, &m) {
					t.Errorf("got %v", err)
				}
			})
		}
	})
}

func TestAChoiceOfAVisitorErasedMeanwhileIsNotRecorded(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	w.write(t, func(tx *store.Tx) error {
		// The rows go, as an erasure on another machine would have it, and nobody tells this one.
		for _, table := range []string{"subject", "consent_record"} {
			if _, err := tx.Exec(t.Context(), `DELETE FROM `+table+` WHERE tenant_id = $1 AND subject = $2`, w.tenant, out.Subject); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := w.Choose(t.Context(), w.tenant, w.choice(t, out.Visitor, notice.Measure)); err == nil {
		t.Error("the choice was recorded")
	}
	if got := w.withdraw(t, *out.Visitor); got.Receipt != nil {
		t.Error("the withdrawal was recorded")
	}
	if n := w.count(t, "consent_record"); n != 0 {
		t.Errorf("%d records were made", n)
	}
}

// Entries are proved under the newest tree that witnesses signed, and those that came later under a
// larger one. What is enclosed must then prove that these are not two histories.
func TestL26_L9_ABundleUnderSeveralCheckpointsProvesThatTheyAreOfOneHistory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		out := w.choose(t, nil, notice.Measure)
		cosign := func() {
			t.Helper()
			if _, err := w.ledger.Checkpoint(t.Context(), w.tenant); err != nil {
				t.Fatal(err)
			}
			w.write(t, func(tx *store.Tx) error {
				line := "— witness.test " + base64.StdEncoding.EncodeToString(make([]byte, 4+8+64)) + "\n"
				n, err := tx.Exec(t.Context(), `
					INSERT INTO ledger_cosignature (tenant_id, generation, size, witness, line)
					SELECT tenant_id, generation, size, 'witness.test', $2 FROM ledger_checkpoint WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1`,
					w.tenant, line)
				if err == nil && n != 1 {
					return errors.New("there is no checkpoint to sign")
				}
				return err
			})
		}
		cosign()
		w.fake.Advance(time.Hour)
		w.choose(t, out.Visitor, notice.Measure, notice.Actions)
		w.fake.Advance(time.Hour)
		w.withdraw(t, *out.Visitor)
		b, err := w.Bundle(t.Context(), w.tenant, []id.Subject{out.Subject})
		if err != nil {
			t.Fatal(err)
		}
		check := func(b verify.Bundle) error {
			t.Helper()
			file, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			_, err = verify.File(file)
			return err
		}
		if len(b.Consistency) == 0 { // how many checkpoints were signed meanwhile is for the ledger to say
			t.Fatal("no consistency proof is enclosed")
		}
		if err := check(*b); err != nil {
			t.Fatal(err)
		}
		bare := *b
		bare.Consistency = []verify.Extension{}
		if err := check(bare); verify.ReasonOf(err) != verify.Incomplete {
			t.Errorf("without the proof: %v", err)
		}
		cosign()
		if b, err = w.Bundle(t.Context(), w.tenant, []id.Subject{out.Subject}); err != nil {
			t.Fatal(err)
		}
		if err := check(*b); err != nil {
			t.Error(err)
		}
	})
}
