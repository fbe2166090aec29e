package browser

import (
	"bytes"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestAnEditorWritesANoticeAndPublishesItWithoutAScript walks through the editor and audits its pages.
func TestAnEditorWritesANoticeAndPublishesItWithoutAScript(t *testing.T) {
	p := start(t, "serve")
	b := p.tab(t, chromium.New(t, chromium.Start(t)))
	b.Open(p.signIn())
	b.Press("[data-testid=sign-in]")
	b.Until("location.pathname == '/console/'")
	b.Open(p.base + "/console/notices")
	b.Press("[data-testid=begin]")
	b.Until("location.pathname == '/console/notices/draft/facts'")
	b.Visible("#f-facts-controller-faults")
	b.Type("#f-facts-controller", "Example Shop Ltd")
	b.Press("[data-testid=save]")
	b.Until("document.querySelector('#f-facts-controller')?.value == 'Example Shop Ltd' && !document.querySelector('#f-facts-controller-faults')")

	b.Open(p.base + "/console/notices/draft/text?lang=en")
	b.Script("document.querySelector('#f-texts-en-labels-reject').value = 'Maybe later'")
	b.Press("[data-testid=save]")
	b.Visible("#f-texts-en-labels-reject-faults")
	if said := chromium.Value[string](b, "document.querySelector('#f-texts-en-labels-reject-faults').textContent"); !strings.Contains(said, "refusal-label") || !strings.Contains(said, "EDPB 03/2022") {
		t.Errorf("beside the label stands %q", said)
	}
	// The frames of the preview show the real banner, and can do nothing else.
	b.Open(p.base + "/console/notices/draft/frame?lang=de")
	b.Visible(".probity[lang=de] [data-probity=reject]")
	if chromium.Value[string](b, "origin") != "null" {
		t.Error("the frame is not in a world of its own")
	}
	b.Press("[data-probity=reject]")
	pages := []string{"", "/draft/facts", "/draft/purposes", "/draft/text?lang=en", "/draft/text?lang=el", "/draft/preview?lang=de", "/draft/publish", "/versions/1"}
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 800}, {320, 640}} {
			b.Prefer("prefers-color-scheme", scheme)
			b.Resize(size[0], size[1])
			for _, page := range pages {
				b.Open(p.base + "/console/notices" + page)
				for _, fault := range b.Audit() {
					t.Errorf("%s, %s, %d wide: %s", page, scheme, size[0], fault)
				}
				if dir := os.Getenv("PROBITY_PICTURES"); dir != "" {
					name := strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace("notices"+page) + "-" + scheme + map[bool]string{true: "-narrow"}[size[0] < 480] + ".png"
					if err := os.WriteFile(filepath.Join(dir, name), b.Picture(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	b.Resize(1280, 800)
	// Without a reason it is not published; the right label needs none.
	b.Open(p.base + "/console/notices/draft/text?lang=en")
	b.Script("document.querySelector('#f-texts-en-labels-reject').value = 'Reject all'")
	b.Press("[data-testid=save]")
	b.Until("document.querySelector('#f-texts-en-labels-reject')?.value == 'Reject all' && !document.querySelector('#f-texts-en-labels-reject-faults')")
	b.Open(p.base + "/console/notices/draft/publish")
	b.Press("[data-testid=publish]")
	b.Until("location.pathname == '/console/notices/versions/2'")

	// The page that pictures are taken of shows the real banner in the language asked for.
	b.Open(p.base + "/probity/v1/notices/privacy/2/de/shown")
	b.Visible(".probity[lang=de] [data-probity=reject]")
	if said := chromium.Value[string](b, "document.querySelector('.probity').innerText"); !strings.Contains(said, "Example Shop Ltd") {
		t.Errorf("the banner says %q", said)
	}
}

func TestL20_PicturesOfEveryLanguageOnBothViewportsAreTakenAndKept(t *testing.T) {
	p := start(t, "serve")
	token := p.token()
	var draft struct {
		Revision int64          `json:"revision"`
		Notice   map[string]any `json:"notice"`
	}
	p.ask("POST", "/probity/v1/notices/draft", token, map[string]any{"languages": []string{"de", "el"}}, 201, &draft)
	take := func(more ...string) (string, error) {
		cmd := exec.Command(p.path, append([]string{"notice", "screenshots", "--url", p.base, "--client", clientID + ":" + clientSecret}, more...)...)
		cmd.Env = append(os.Environ(), "PROBITY_CHROMIUM=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := take("--chromium", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Errorf("pictures were taken without a browser: %s", out)
	}
	draft.Notice["facts"].(map[string]any)["controller"] = "Example Shop Ltd"
	publish(p, token, draft.Revision, draft.Notice)
	if out, err := take(); err != nil || strings.Count(out, "\n") != 4 {
		t.Fatalf("%v: %s", err, out)
	}
	var list struct {
		Screenshots []struct {
			Language, Viewport, SHA256 string
		} `json:"screenshots"`
	}
	p.ask("GET", "/probity/v1/notices/privacy/2/screenshots", token, nil, 200, &list)
	seen := map[string]bool{}
	for _, s := range list.Screenshots {
		seen[s.SHA256] = true
	}
	if len(list.Screenshots) != 4 || len(seen) != 4 {
		t.Errorf("kept are %+v", list.Screenshots)
	}
	picture := p.get("/probity/v1/notices/privacy/2/el/screenshots/m", token)
	if size, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil || size.Width != 390 {
		t.Errorf("the picture of a phone: %+v, %v", size, err)
	}
	if dir := os.Getenv("PROBITY_PICTURES"); dir != "" {
		for _, one := range []string{"el/screenshots/m", "de/screenshots/d"} {
			if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(one, "/", "-")+".png"), p.get("/probity/v1/notices/privacy/2/"+one, token), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := take(); err != nil || out != "" {
		t.Errorf("taken again: %v %s", err, out)
	}
}

// publish saves the notice as the draft and publishes it.
func publish(p *product, token string, revision int64, n map[string]any) {
	p.t.Helper()
	for _, step := range []struct {
		method, path string
		body         any
		status       int
	}{
		{http.MethodPut, "/probity/v1/notices/draft", n, http.StatusOK},
		{http.MethodPost, "/probity/v1/notices/draft/publish", map[string]any{}, http.StatusCreated},
	} {
		content, err := json.Marshal(step.body)
		if err != nil {
			p.t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(p.t.Context(), step.method, p.base+step.path, bytes.NewReader(content))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-Match", strconv.FormatInt(revision, 10))
		p.do(req, step.status, nil)
		revision++
	}
}

// get reads something that is not JSON.
func (p *product) get(path, token string) []byte {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s %v %s", path, res.Status, err, body)
	}
	return body
}
