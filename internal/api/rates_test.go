package api_test

import (
	"strings"
	"testing"
)

func TestRatesAreCountedAndSmallOnesHidden(t *testing.T) {
	h := newHouse(t)
	auth := []string{"Authorization", "Bearer " + h.bearer}
	const path = "/probity/v1/consent/rates"
	for range 14 {
		h.visitor(t)
	}
	a := h.do(t, "GET", path+"?by=version", "", auth...).want(t, 200)
	if a.at("by") != "version" || a.at("hidden_below") != 10.0 || a.at("rounded_to") != 10.0 || a.at("from") != "2026-10-22" || a.at("to") != "2026-11-20" {
		t.Errorf("the frame of the answer: %s", a.body)
	}
	if !strings.Contains(string(a.body), `"group":"1","purpose":"measure","answers":10,"given":10,"refused":null,"withdrawn":null,"share_low":0.5263157894736842,"share_high":1`) {
		t.Errorf("fourteen who agreed: %s", a.body)
	}
	if a := h.do(t, "GET", path+"?language=de", "", auth...).want(t, 200); !strings.Contains(string(a.body), `"rates":[]`) {
		t.Errorf("nobody answered in German: %s", a.body)
	}
	table := h.do(t, "GET", path+"?by=day&format=csv", "", auth...).want(t, 200)
	if got := table.header.Get("Content-Type"); got != "text/csv; charset=utf-8" || !strings.Contains(string(table.body), "2026-11-20,measure,10,10,fewer than 10,fewer than 10,") {
		t.Errorf("as a table (%s): %s", got, table.body)
	}
	for _, bad := range []string{"?by=subject", "?from=yesterday", "?version=x", "?deployment=x", "?format=pdf", "?viewport=tablet"} {
		h.do(t, "GET", path+bad, "", auth...).want(t, 400)
	}
	h.do(t, "GET", path, "").want(t, 401)
}
