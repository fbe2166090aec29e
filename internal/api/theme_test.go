package api_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestB3_TheBannersStyleIsServedInTheThemeAndAPoorOneIsRefused(t *testing.T) {
	h := newHouse(t)
	path, css := "/probity/v1/deployments/"+deployment+"/theme", "/probity/sdk/v1/banner.css?deployment="
	plain := h.do(t, "GET", "/probity/sdk/v1/banner.css", "").want(t, 200)
	if a := h.do(t, "GET", css+deployment, "").want(t, 200); string(a.body) != string(plain.body) {
		t.Errorf("without a theme: %s", a.body)
	}
	if a := h.call(t, "GET", path, "").want(t, 200); a.at("own") != false || a.at("theme.position") != "" {
		t.Errorf("got %s", a.body)
	}

	h.call(t, "PUT", "/probity/v1/theme", `{"position":"centre"}`).want(t, 200)
	if a := h.call(t, "GET", path, "").want(t, 200); a.at("own") != false || a.at("theme.position") != "centre" {
		t.Errorf("the organisation's theme does not hold for its deployment: %s", a.body)
	}
	const dark = `"dark":{"background":"#101418","text":"#f0f4f8","button":"#c8e0ff","button_text":"#101418"}`
	if a := h.call(t, "PUT", path, `{"position":"corner","radius":4,"font":"inherit",`+dark+`}`).want(t, 200); a.at("own") != true {
		t.Errorf("got %s", a.body)
	}
	a := h.do(t, "GET", css+deployment, "").want(t, 200)
	if !strings.HasPrefix(string(a.body), string(plain.body)) || !strings.Contains(string(a.body), "#c8e0ff") || a.header.Get("Cache-Control") != "public, max-age=60" || a.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("the style sheet in the theme: %s %v", a.body, a.header)
	}
	if got := h.do(t, "GET", css+deployment, "", "If-None-Match", a.header.Get("ETag")); got.status != 304 {
		t.Errorf("the same style sheet again: %d", got.status)
	}
	// Pages of our own that show a notice name no deployment.
	if got := h.do(t, "GET", css+uuid.Nil.String(), "").want(t, 200); string(got.body) != string(plain.body) {
		t.Errorf("got %s", got.body)
	}
	h.do(t, "GET", css+uuid.NewString(), "").want(t, 404)
	h.do(t, "GET", css+"nonsense", "").want(t, 404)

	for name, bad := range map[string][2]string{
		"words that can't be read":   {`{"light":{"background":"#ffffff","text":"#aaaaaa","button":"#000000","button_text":"#ffffff"}}`, "text on background is 2.32:1"},
		"a button in the dark":       {`{"dark":{"background":"#101418","text":"#f0f4f8","button":"#20262c","button_text":"#f0f4f8"}}`, "button on background"},
		"a colour for one button":    {`{"reject":{"button":"#ffffff"}}`, ""},
		"a colour for one, in light": {`{"light":{"background":"#ffffff","text":"#000000","button":"#000000","button_text":"#ffffff","reject":"#ffffff"}}`, ""},
		"a place in the way":         {`{"position":"cover"}`, "bottom, corner, centre"},
		"a style of one's own":       {`{"css":"[data-probity=reject]{display:none}"}`, ""},
		"rules in a colour":          {`{"light":{"background":"#ffffff","text":"#000000}","button":"#000000","button_text":"#ffffff"}}`, "#1a2b3c"},
	} {
		if got := h.call(t, "PUT", path, bad[0]).want(t, 400); !strings.Contains(string(got.body), bad[1]) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if got := h.do(t, "GET", css+deployment, "").want(t, 200); string(got.body) != string(a.body) {
		t.Error("a theme that was refused was served")
	}
	h.call(t, "PUT", "/probity/v1/deployments/"+uuid.NewString()+"/theme", `{"position":"corner"}`).want(t, 404)

	h.call(t, "DELETE", path, "").want(t, 204)
	h.call(t, "DELETE", "/probity/v1/theme", "").want(t, 204)
	if got := h.do(t, "GET", css+deployment, "").want(t, 200); string(got.body) != string(plain.body) {
		t.Errorf("after the themes were taken away: %s", got.body)
	}
}

// The example of docs/site.md is a theme that is allowed.
func TestTheThemeOfTheDocumentIsAllowed(t *testing.T) {
	h := newHouse(t)
	text, err := os.ReadFile("../../docs/site.md")
	if err != nil {
		t.Fatal(err)
	}
	_, look, _ := strings.Cut(string(text), "\n## Look\n")
	_, block, _ := strings.Cut(look, "```\nPUT ")
	block, _, _ = strings.Cut(block, "```")
	path, body, _ := strings.Cut(block, "\n")
	if a := h.call(t, "PUT", strings.Replace(path, "DEPLOYMENT-ID", deployment, 1), body).want(t, 200); a.at("own") != true || a.at("theme.dark.button") != "#e3c9a8" {
		t.Errorf("got %s", a.body)
	}
}
