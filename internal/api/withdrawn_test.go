package api_test

import "testing"

func TestAnOrganisationSaysWhatBecomesOfWithdrawnData(t *testing.T) {
	h := newHouse(t)
	auth := []string{"Authorization", "Bearer " + h.bearer}
	const path = "/probity/v1/consent/withdrawn-data"
	says := func(a *answer, policy string, own bool) {
		t.Helper()
		if a.at("policy") != policy || a.at("own") != own || a.at("default") != "keep" {
			t.Errorf("got %s, want %s", a.body, policy)
		}
	}
	says(h.do(t, "GET", path, "", auth...).want(t, 200), "keep", false)
	says(h.do(t, "PUT", path, `{"policy":"erase"}`, auth...).want(t, 200), "erase", true)
	says(h.do(t, "GET", path, "", auth...).want(t, 200), "erase", true)
	h.do(t, "PUT", path, `{"policy":"shred"}`, auth...).want(t, 400)
	says(h.do(t, "PUT", path, `{"policy":""}`, auth...).want(t, 200), "keep", false)
	h.do(t, "PUT", path, `{"policy":"erase"}`).want(t, 401)
}
