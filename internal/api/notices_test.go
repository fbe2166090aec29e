package api_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"
)

func TestANoticeIsDraftedLintedPreviewedAndPublished(t *testing.T) {
	h := newHouse(t)
	auth := []string{"Authorization", "Bearer " + h.bearer}
	with := func(tag string) []string { return append([]string{"If-Match", tag}, auth...) }
	const path = "/probity/v1/notices/draft"
	h.do(t, "GET", path, "", auth...).want(t, 404)
	begun := h.do(t, "POST", path, `{"from":"published","languages":["en","de"]}`, auth...).want(t, 201)
	h.do(t, "POST", path, `{}`, auth...).want(t, 409)
	tag := begun.header.Get("ETag")
	var d struct {
		Notice map[string]any `json:"notice"`
	}
	if err := json.Unmarshal(begun.body, &d); err != nil {
		t.Fatal(err)
	}
	if a := h.do(t, "GET", path+"/lint", "", auth...).want(t, 200); a.at("publishable") != false || !strings.Contains(string(a.body), "controller-unnamed") {
		t.Errorf("a draft without a controller: %s", a.body)
	}
	h.do(t, "POST", path+"/publish", `{}`, with(tag)...).want(t, 400)
	d.Notice["facts"].(map[string]any)["controller"] = "Example Shop Ltd"
	body, err := json.Marshal(d.Notice)
	if err != nil {
		t.Fatal(err)
	}
	h.do(t, "PUT", path, string(body), auth...).want(t, 400) // no If-Match
	h.do(t, "PUT", path, strings.Replace(string(body), `"facts"`, `"fact"`, 1), with(tag)...).want(t, 400)
	saved := h.do(t, "PUT", path, string(body), with(tag)...).want(t, 200)
	h.do(t, "PUT", path, string(body), with(tag)...).want(t, 409)
	tag = saved.header.Get("ETag")
	if a := h.do(t, "POST", "/probity/v1/notices/lint", string(body), auth...).want(t, 200); a.at("publishable") != false || !strings.Contains(string(a.body), "basis-contradicted") {
		t.Errorf("a notice that says consent where an interest is declared: %s", a.body)
	}
	list, err := h.consent.Declarations(t.Context(), h.tenant)
	if err != nil || len(list) != 1 {
		t.Fatalf("declared are %+v (%v)", list, err)
	}
	if err := h.consent.EndDeclaration(t.Context(), h.tenant, list[0].Record.String(), "test"); err != nil {
		t.Fatal(err)
	}
	h.clk.Advance(time.Second)
	if a := h.do(t, "POST", "/probity/v1/notices/lint", string(body), auth...).want(t, 200); a.at("publishable") != true {
		t.Errorf("a good notice: %s", a.body)
	}
	preview := h.do(t, "GET", path+"/preview?lang=de", "", auth...).want(t, 200)
	h.do(t, "GET", path+"/preview?lang=fr", "", auth...).want(t, 404)
	if a := h.do(t, "GET", path+"/changes", "", auth...).want(t, 200); a.at("material") != false || !strings.Contains(string(a.body), "Example Shop Ltd") {
		t.Errorf("what changed: %s", a.body)
	}
	if a := h.do(t, "POST", path+"/publish", `{"material":true}`, with(tag)...).want(t, 201); a.at("version") != 2.0 || a.at("material") != true || a.at("by") == "" {
		t.Errorf("published was %s", a.body)
	}
	if a := h.do(t, "GET", "/probity/v1/notices/privacy/2/de", "").want(t, 200); preview.at("artefact") != string(a.body) {
		t.Error("the preview is not what was published")
	}
	if a := h.do(t, "GET", "/probity/v1/notices", "", auth...).want(t, 200); strings.Count(string(a.body), `"version"`) != 2 {
		t.Errorf("the versions are %s", a.body)
	}
	h.do(t, "GET", "/probity/v1/notices/privacy/2/changes?since=1", "", auth...).want(t, 200)
	h.do(t, "GET", "/probity/v1/notices/other/2", "", auth...).want(t, 404)
	if a := h.do(t, "GET", "/probity/v1/notices/privacy/2/de/shown", "").want(t, 200); !strings.Contains(string(a.body), "Example Shop Ltd") {
		t.Errorf("shown is %s", a.body)
	}
	if a := h.do(t, "GET", "/probity/v1/purposes", "", auth...).want(t, 200); !strings.Contains(string(a.body), `"_actmu"`) {
		t.Errorf("the purposes are %s", a.body)
	}
}

func TestL20_AScreenshotIsPutOnceForEachViewport(t *testing.T) {
	h := newHouse(t)
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 375, 667))); err != nil {
		t.Fatal(err)
	}
	const path = "/probity/v1/notices/privacy/1/en/screenshots/m"
	auth := []string{"Authorization", "Bearer " + h.bearer, "Content-Type", "image/png"}
	h.do(t, "GET", path, "", auth...).want(t, 404)
	if a := h.do(t, "PUT", path, b.String(), auth...).want(t, 200); a.at("sha256") == "" || a.at("ledger_entry") == nil {
		t.Errorf("got %s", a.body)
	}
	if a := h.do(t, "GET", path, "", auth...).want(t, 200); !bytes.Equal(a.body, b.Bytes()) {
		t.Error("another picture comes back")
	}
	h.do(t, "PUT", path, "no picture", auth...).want(t, 400)
	h.do(t, "PUT", path, b.String(), "Authorization", "Bearer "+h.bearer).want(t, 415)
	h.do(t, "PUT", strings.Replace(path, "/1/", "/7/", 1), b.String(), auth...).want(t, 404)
	if a := h.do(t, "GET", "/probity/v1/notices/privacy/1/screenshots", "", auth...).want(t, 200); strings.Count(string(a.body), "sha256") != 1 {
		t.Errorf("listed are %s", a.body)
	}
}
