package rights_test

import (
	"encoding/json"
	"slices"
	"testing"

	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

// body reads what a certificate states, after it was verified under the organisation's key.
func (h *house) body(t testing.TB, q *rights.Request) (b struct {
	Article      string               `json:"article"`
	Stores       []rights.StoreReport `json:"stores"`
	Fields       []rights.FieldReport `json:"fields"`
	Kept         []rights.Kept        `json:"kept"`
	NotPerformed []rights.Kept        `json:"not_performed"`
	Horizon      string               `json:"backup_horizon"`
}) {
	t.Helper()
	file, err := h.Certificate(t.Context(), h.t, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	key, err := h.ledger.VerifierKey(t.Context(), h.t)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.File(file, key); err != nil {
		t.Fatal(err)
	}
	var c verify.Certificate
	if err := json.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c.Body, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACertificateTellsFieldByFieldWhatWasDone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}, Addresses: []string{"Marked Street 1"}}})
		b := h.body(t, q)
		if b.Article != "Art. 17 GDPR" || b.Horizon == "" || len(b.Kept) == 0 {
			t.Errorf("the certificate says %+v", b)
		}
		some, none, tables := 0, 0, map[string]bool{}
		for _, f := range b.Fields {
			tables[f.Table] = true
			if f.N > 0 {
				some++
			} else {
				none++
			}
			if f.Did != "deleted" || f.Field == "" || f.Field == "tenant_id" {
				t.Errorf("field %+v", f)
			}
		}
		if some < 10 || none < 2 {
			t.Errorf("%d fields held something, %d nothing: %+v", some, none, b.Fields)
		}
		for _, table := range []string{"subject_identity", "consent_record", "journey_session", "ledger_payload"} {
			if !tables[table] {
				t.Errorf("no field of %s is listed: %v", table, tables)
			}
		}
		if !slices.ContainsFunc(b.NotPerformed, func(k rights.Kept) bool { return k.What == "a search by address" && k.Article == "Art. 11(2)" }) {
			t.Errorf("not performed: %+v", b.NotPerformed)
		}
		if !slices.ContainsFunc(b.Stores, func(s rights.StoreReport) bool { return s.Store == "keys" && s.Did == "destroyed" }) {
			t.Errorf("stores: %+v", b.Stores)
		}
	})
}
