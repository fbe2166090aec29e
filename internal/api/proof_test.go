package api_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"probity/verify"
)

func TestL26_StaffGetBundlesThatAStrangerCanVerify(t *testing.T) {
	h := newHouse(t)
	auth := []string{"Authorization", "Bearer " + h.bearer}
	from := h.clk.Now()
	h.clk.Advance(time.Minute)
	a := h.do(t, "POST", "/probity/v1/consent/choices", h.choice(t), "Origin", origin, "Content-Type", "text/plain").want(t, 201)
	visitor := a.str(t, "visitor")
	given := h.clk.Now()
	h.clk.Advance(time.Hour)
	h.do(t, "POST", "/probity/v1/consent/withdraw", `{"deployment":"`+deployment+`","visitor":"`+visitor+`","ui":{"component":"preferences","action":"withdraw_all"}}`, "Origin", origin).want(t, 200)
	h.clk.Advance(time.Hour)

	excerpt := h.do(t, "GET", "/probity/v1/ledger/bundle?deployment="+deployment+"&from="+from.Format(time.RFC3339), "", auth...).want(t, 200)
	report, err := verify.Read(bytes.NewReader(excerpt.body))
	if err != nil {
		t.Fatal(err)
	}
	if report.Kinds["consent.given"] != 1 || report.Kinds["consent.withdrawn"] != 1 || report.Kinds["notice.served"] != 1 {
		t.Errorf("counted %v", report.Kinds)
	}
	bundle := h.do(t, "GET", "/probity/v1/consent/bundle?visitor="+visitor, "", auth...).want(t, 200)
	if report, err = verify.File(bundle.body); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]string{given: "ConsentGiven", h.clk.Now(): "ConsentWithdrawn"} {
		s := h.do(t, "GET", "/probity/v1/consent/state?visitor="+visitor+"&at="+url.QueryEscape(at.Format(time.RFC3339)), "", auth...).want(t, 200)
		if got := s.at("purposes.measure.status"); got != want {
			t.Errorf("L8: at %s the state is %v, want %s", at, got, want)
		}
		found := false
		for _, st := range report.StateAt(at) {
			if st.Purpose == "measure" {
				found = st.Status == want
			}
		}
		if !found {
			t.Errorf("L8: the bundle says otherwise: %+v", report.StateAt(at))
		}
	}
	record := a.str(t, "record_id")
	for _, format := range []string{"", "receipt", "iso27560", "iso27560-receipt", "kantara", "dpv"} {
		if a := h.do(t, "GET", "/probity/v1/consent/records/"+record+"?format="+format, "", auth...); a.status != 200 {
			t.Errorf("L6: staff ask for %q: %d %s", format, a.status, a.body)
		}
		body := `{"deployment":"` + deployment + `","visitor":"` + visitor + `","record_id":"` + record + `","format":"` + format + `"}`
		if a := h.do(t, "POST", "/probity/v1/consent/receipt", body, "Origin", origin, "Content-Type", "text/plain"); a.status != 200 {
			t.Errorf("L6: the visitor asks for %q: %d %s", format, a.status, a.body)
		}
	}
	h.do(t, "GET", "/probity/v1/consent/records/"+record+"?format=xml", "", auth...).want(t, 400)
	for path, field := range map[string]string{
		"/probity/v1/ledger/bundle":                                                   "from",
		"/probity/v1/ledger/bundle?from=yesterday":                                    "from",
		"/probity/v1/ledger/bundle?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "to",
		"/probity/v1/consent/state":                                                   "subject",
		"/probity/v1/consent/state?visitor=x":                                         "visitor",
		"/probity/v1/consent/state?visitor=" + visitor + "&at=x":                      "at",
	} {
		if a := h.do(t, "GET", path, "", auth...).want(t, 400); !strings.Contains(string(a.body), field) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestL13_TheVerifierIsServedUnderAPolicyThatLetsNothingElseIn(t *testing.T) {
	h := newHouse(t)
	a := h.do(t, "GET", "/probity/verify/", "").want(t, 200)
	policy := a.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'sha256-") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "connect-src") {
		t.Errorf("the policy is %q", policy)
	}
	if !strings.Contains(string(a.body), "<title>Check a proof of consent</title>") {
		t.Errorf("got %.200s", a.body)
	}
}
