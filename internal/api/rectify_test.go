package api_test

import "testing"

func TestARectificationIsPreviewedBeforeItIsHandedIn(t *testing.T) {
	h := newHouse(t)
	a := h.call(t, "POST", "/probity/v1/rectifications/preview", `{"subject":{"emailAddresses":["nobody@example.org"]},"replacements":[{"type":"EMAIL","existingValue":"nobody@example.org","updatedValue":"somebody@example.org"}]}`).want(t, 200)
	if a.at("matched") != false || a.at("found") != 0.0 {
		t.Errorf("got %s", a.body)
	}
	if list := h.call(t, "GET", "/api/v2/gdpr/requests", "").want(t, 200); list.at("total") != 0.0 {
		t.Errorf("the preview made a request: %s", list.body)
	}
	h.call(t, "POST", "/probity/v1/rectifications/preview", `{"subject":{"emailAddresses":["nobody@example.org"]}}`).want(t, 400)
	h.call(t, "POST", "/probity/v1/rectifications/preview", `{}`).want(t, 400)
}
