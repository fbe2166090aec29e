package rights_test

import (
	"bytes"
	"testing"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestAPackageMasksWhatTheOrganisationsRulesFind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		h.write(t, p.subject, "https://shop.example/note", map[string]string{"note": "Seen by KD-123456 and KD-777777 at the desk."})
		rule, err := h.AddMaskingRule(t.Context(), h.t, rights.MaskingRule{Name: "Customers", Substitute: "#", Definition: `KD-\d{6}`, Enabled: true})
		if err != nil {
			t.Fatal(err)
		}
		ask := rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}, ExternalID: "KD-777777"}}
		q, files := h.packageOf(t, ask)
		all := bytes.Join(values(files), nil)
		if bytes.Contains(all, []byte("KD-123456")) || !bytes.Contains(all, []byte("Seen by ######### and KD-777777 at")) || q.Report.Masked == 0 {
			t.Errorf("the number of another stands in the package, or the person's own doesn't; masked %d", q.Report.Masked)
		}
		if _, err := h.ChangeMaskingRule(t.Context(), h.t, rule.ID, func(m *rights.MaskingRule) { m.Enabled = false }); err != nil {
			t.Fatal(err)
		}
		_, files = h.packageOf(t, ask)
		if !bytes.Contains(bytes.Join(values(files), nil), []byte("KD-123456")) {
			t.Error("a rule that is off masks")
		}
		if _, err := h.MaskingRule(t.Context(), id.NewTenant(), rule.ID); !fail.Is(err, fail.NotFound) {
			t.Errorf("another organisation finds the rule: %v", err)
		}
	})
}
