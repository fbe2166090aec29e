package rights_test

import (
	"slices"
	"testing"

	"probity/internal/rights"
	"probity/internal/store/storetest"
)

func TestARecipientIsToldOnlyOfWhatTouchesTheirCategories(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	for name, categories := range map[string][]string{
		"mailer": {"user.contact.email"}, "printer": {"user.contact.address.street", "user.name"}, "analyst": {"user.behavior"},
		"bank": {"user.financial"}, "holding": {"user"}, "agency": {"user.financial", "whatever we agreed on"},
	} {
		if _, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: name, Contact: "x", Categories: categories, Way: rights.ByLetter}); err != nil {
			t.Fatal(err)
		}
	}
	p, there := h.newPerson(t), person{email: "known.there.only@example.org", phone: "+46700000009"}
	s.buy(t, 1, there)
	told := func(q rights.Request) []string {
		t.Helper()
		done := h.carryOut(t, q)
		if done.State != rights.Verified {
			t.Fatalf("the request is %s: %s", done.State, done.Problem)
		}
		var names, reported []string
		for name := range h.told(t, done) {
			names = append(names, name)
		}
		for _, r := range done.Report.Recipients {
			reported = append(reported, r.Name)
		}
		slices.Sort(names)
		slices.Sort(reported)
		if !slices.Equal(names, reported) {
			t.Errorf("%v are told, and the report names %v", names, reported)
		}
		return names
	}
	for _, c := range []struct {
		name string
		q    rights.Request
		want []string
	}{
		{"a corrected address of e-mail", rights.Request{
			Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
			Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: "right@example.org"}},
		}, []string{"agency", "holding", "mailer"}},
		{"a restriction", rights.Request{Type: rights.Restriction, Who: rights.Who{PhoneNumbers: []string{p.phone}}},
			[]string{"agency", "analyst", "bank", "holding", "mailer", "printer"}},
		{"an erasure of a visitor", rights.Request{Type: rights.Erasure, Who: rights.Who{PhoneNumbers: []string{p.phone}}},
			[]string{"agency", "analyst", "holding", "mailer", "printer"}},
		{"an erasure in the shop alone", rights.Request{Type: rights.Erasure, Who: rights.Who{PhoneNumbers: []string{there.phone}}},
			[]string{"agency", "holding", "mailer", "printer"}},
	} {
		if got := told(c.q); !slices.Equal(got, c.want) {
			t.Errorf("of %s %v are told, want %v", c.name, got, c.want)
		}
	}
}
