package rights_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestASupplementaryStatementStandsSealedBesideTheDataAndInTheAccess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		const words = "I was ill in those weeks."
		q := h.carryOut(t, rights.Request{Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}}, Statement: words})
		if q.State != rights.Verified || !q.Certified {
			t.Fatalf("the request is %s: %s %+v", q.State, q.Problem, q.Report)
		}
		if c := find(t, q.Report, "statements"); c.Did != "added" || c.Counts[0].N != 1 {
			t.Errorf("the report says %+v", c)
		}
		certificate, err := h.Certificate(t.Context(), h.t, q.ID)
		if err != nil || bytes.Contains(certificate, []byte(words)) {
			t.Errorf("the certificate holds the statement, or there is none: %v", err)
		}
		var sealed []byte
		err = h.db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT sealed FROM rights_statement WHERE tenant_id = $1 AND subject = $2`, h.t, p.subject).Scan(&sealed)
		})
		if err != nil || len(sealed) == 0 || bytes.Contains(sealed, []byte("ill")) {
			t.Errorf("at rest it is %q, %v", sealed, err)
		}
		sections, err := rights.Statements(h.db, h.keys).Export(t.Context(), h.t, []id.Subject{p.subject})
		if err != nil || len(sections) != 1 {
			t.Fatalf("the export has %v, %v", sections, err)
		}
		if raw, err := json.Marshal(sections[0].Data); err != nil || !bytes.Contains(raw, []byte(words)) {
			t.Errorf("the export says %s, %v", raw, err)
		}
		done := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
		if done.State != rights.Verified {
			t.Fatalf("the erasure is %s: %s %+v", done.State, done.Problem, done.Report)
		}
		if c := find(t, done.Report, "statements"); c.Counts[0].N != 1 {
			t.Errorf("the erasure says %+v", c)
		}
	})
}

func TestAStatementOfSomebodyUnknownIsSaidToStandNowhere(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	q := h.carryOut(t, rights.Request{Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{"nobody@example.org"}}, Statement: "Hello."})
	if q.State != rights.Verified || len(q.Report.Decisions) != 1 {
		t.Errorf("the request is %s: %+v", q.State, q.Report)
	}
	if _, err := h.Submit(t.Context(), h.t, rights.Request{Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{"a@example.org"}}, Statement: "  "}); !fail.Is(err, fail.Invalid) {
		t.Errorf("an empty correction: %v", err)
	}
}
