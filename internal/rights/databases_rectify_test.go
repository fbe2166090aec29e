package rights_test

import (
	"testing"

	"probity/internal/rights"
)

func TestARectificationReachesTheDatabasesAndStaysOpenWhereOneRefuses(t *testing.T) {
	eachShop(t, "null", func(t *testing.T, h *house, s *shop) {
		p := h.newPerson(t)
		s.buy(t, 7, p)
		ask := func(updated string) *rights.Request {
			return h.carryOut(t, rights.Request{
				Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
				Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: updated}, {Type: "ADDRESS", Existing: "Marked Street 1", Updated: "Right Street 2"}},
			})
		}
		open := ask("other.person@example.org")
		if open.State.Final() || len(open.Report.Residue) == 0 {
			t.Errorf("an address of another customer: the request is %s, %+v", open.State, open.Report)
		}
		if n := s.count(t, `SELECT count(*) FROM orders WHERE address = 'Marked Street 1'`); n != 2 {
			t.Errorf("%d orders are as they were", n)
		}
		done := ask("right@example.org")
		if done.State != rights.Verified {
			t.Fatalf("the request is %s: %s %+v", done.State, done.Problem, done.Report)
		}
		if c := find(t, done.Report, "databases"); len(c.Counts) != 2 || c.Counts[0].N != 1 || c.Counts[1].N != 2 {
			t.Errorf("the report says %+v", c)
		}
		if n := s.count(t, `SELECT count(*) FROM customers WHERE id = 7 AND email = 'right@example.org'`); n != 1 {
			t.Error("the customer was not corrected")
		}
		if n := s.count(t, `SELECT count(*) FROM orders WHERE address = 'Right Street 2'`); n != 2 {
			t.Errorf("%d orders were corrected", n)
		}
	})
}
