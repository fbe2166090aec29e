package console

import (
	"strings"
	"testing"

	"probity/internal/consent"
	"probity/internal/notice"
)

func TestStaffWhoWeighAnObjectionSeeItsReason(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure)
	if _, err := o.consent.ObjectFrom(t.Context(), o.tenant, consent.Withdrawal{
		Subject: out.Subject, Purposes: []string{notice.Support}, Reason: "My sister <reads> along.", UI: consent.UI{Component: "form", Action: "save"},
	}); err != nil {
		t.Fatal(err)
	}
	page := o.page("/console/visitors/" + out.Subject.String() + "/consent")
	if strings.Count(page, "Why: My sister <reads> along.") != 1 {
		t.Errorf("the history does not show the reason once:\n%s", page)
	}
}
