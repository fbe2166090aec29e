package rights_test

import (
	"testing"

	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

func TestARectificationMovesAPersonToTheNewValue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		p := h.newPerson(t)
		q := h.carryOut(t, rights.Request{
			Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
			Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: "right@example.org"}},
		})
		if q.State != rights.Verified || !q.Certified {
			t.Fatalf("the request is %s: %s %+v", q.State, q.Problem, q.Report)
		}
		if c := find(t, q.Report, "identities"); c.Counts[0].N != 1 {
			t.Errorf("the report says %+v", c)
		}
		if found, err := h.subjects.Find(ctx, h.t, subject.Email, p.email); err != nil || len(found) > 0 {
			t.Errorf("the old address finds %v, %v", found, err)
		}
		found, err := h.subjects.Find(ctx, h.t, subject.Email, "right@example.org")
		if err != nil || len(found) != 1 || found[0] != p.subject {
			t.Errorf("the new address finds %v, %v", found, err)
		}
	})
}

func TestARectificationThatMatchesNothingSaysSo(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	for name, term := range map[string]rights.ReplacementTerm{
		"another value":       {Type: "EMAIL", Existing: "other@example.org", Updated: "right@example.org"},
		"no phone number":     {Type: "PHONE", Existing: "abc", Updated: "def"},
		"a name nobody has":   {Type: "NAME", Existing: "Bob", Updated: "Robert"},
		"the very same value": {Type: "EXTERNAL_ID", Existing: "7", Updated: "7"},
	} {
		t.Run(name, func(t *testing.T) {
			q := h.carryOut(t, rights.Request{
				Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}}, Replacements: []rights.ReplacementTerm{term},
			})
			if q.State != rights.Verified || len(q.Report.Decisions) == 0 {
				t.Errorf("the request is %s: %+v", q.State, q.Report)
			}
		})
	}
}
