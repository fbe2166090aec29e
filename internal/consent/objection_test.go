package consent_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func (w *world) object(t testing.TB, s id.Subject, reason string, purposes ...string) *consent.Outcome {
	t.Helper()
	out, err := w.ObjectFrom(t.Context(), w.tenant, consent.Withdrawal{
		Subject: s, Purposes: purposes, Reason: reason, UI: consent.UI{Component: "form", Action: "save"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestB29_AnObjectionShutsADeclaredBasisAtOnceAndItsReasonIsKeptSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const reason = "I look after my sister, and she reads along."
		w := newWorld(t, db)
		w.publishWith(t, notice.Support, notice.LegitimateInterest)
		c := w.choice(t, nil, notice.Measure)
		c.Nonce = w.nonceFor(t, 2)
		delete(c.Purposes, notice.Support)
		given, err := w.Choose(t.Context(), w.tenant, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Declare(t.Context(), w.tenant, consent.Declaration{
			Basis: string(notice.LegitimateInterest), Purposes: []string{notice.Support, notice.Measure}, Assessment: "Visitors who are stuck expect help, and can object with one click.",
		}); err != nil {
			t.Fatal(err)
		}
		bases, err := w.OtherBases(t.Context(), w.tenant)
		if err != nil || len(bases) != 2 || !slices.Equal(bases[notice.Support], []notice.Basis{notice.LegitimateInterest}) || !slices.Equal(bases[notice.Measure], []notice.Basis{notice.LegitimateInterest}) {
			t.Fatalf("the other bases are %v (%v)", bases, err)
		}
		if !w.open(t, given.Subject, notice.Support) {
			t.Fatal("the declared basis does not hold before anybody objects")
		}
		w.fake.Advance(time.Second)
		out := w.object(t, given.Subject, "  "+strings.ReplaceAll(reason, ",", ",\r\n")+"\n", notice.Support)
		if w.open(t, given.Subject, notice.Support) || !w.open(t, given.Subject, notice.Measure) {
			t.Error("the gate does not fit the objection")
		}
		entry := w.verified(t, out.Receipt)
		if entry["type"] != "consent.objected" || strings.Contains(strings.Join(keysOf(entry), " "), "reason") {
			t.Errorf("the entry is %v", entry)
		}
		reasons, err := w.Reasons(t.Context(), w.tenant, []id.Subject{given.Subject})
		if err != nil || reasons[out.RecordID] != strings.ReplaceAll(reason, ",", ",\n") {
			t.Errorf("the reasons are %v (%v)", reasons, err)
		}
		var sealed []byte
		w.write(t, func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT sealed FROM consent_objection WHERE tenant_id = $1`, w.tenant).Scan(&sealed)
		})
		if bytes.Contains(sealed, []byte("sister")) {
			t.Error("the reason lies in the clear")
		}

		// Objecting again is no new word; a reason given then replaces the first.
		entries := w.count(t, "ledger_entry")
		again := w.object(t, given.Subject, "Another reason.", notice.Support)
		reasons, err = w.Reasons(t.Context(), w.tenant, []id.Subject{given.Subject})
		if err != nil || again.RecordID != out.RecordID || w.count(t, "ledger_entry") != entries || len(reasons) != 1 || reasons[out.RecordID] != "Another reason." {
			t.Errorf("the second time gave %v, reasons %v (%v)", again.RecordID, reasons, err)
		}

		w.write(t, func(tx *store.Tx) error {
			if err := w.Erase(t.Context(), tx, []id.Subject{given.Subject}); err != nil {
				return err
			}
			return w.subjects.Erase(t.Context(), tx, []id.Subject{given.Subject})
		})
		if n := w.count(t, "consent_objection"); n != 0 {
			t.Errorf("the erasure left %d reasons", n)
		}
	})
}

func keysOf(m map[string]any) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func TestAnOverlongReasonIsRefusedAndTheObjectionCanBeMadeWithout(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Measure)
	object := consent.Withdrawal{
		Subject: given.Subject, Purposes: []string{notice.Measure}, Reason: strings.Repeat("ä", consent.MaxReason+1), UI: consent.UI{Component: "form", Action: "save"},
	}
	if _, err := w.ObjectFrom(t.Context(), w.tenant, object); !fail.Is(err, fail.Invalid) {
		t.Errorf("a reason of %d characters gave %v", consent.MaxReason+1, err)
	}
	if !w.open(t, given.Subject, notice.Measure) {
		t.Error("a refused objection took effect")
	}
	object.Reason = object.Reason[2:]
	if _, err := w.ObjectFrom(t.Context(), w.tenant, object); err != nil {
		t.Errorf("a reason of %d characters gave %v", consent.MaxReason, err)
	}
}
