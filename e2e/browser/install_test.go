package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"probity/e2e/chromium"
)

// documented returns the n-th block of code in that language under a heading of docs/site.md, for this
// product.
func (p *product) documented(heading, language string, n int) string {
	p.t.Helper()
	text, err := os.ReadFile("../../docs/site.md")
	if err != nil {
		p.t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n"+heading+"\n")
	level, _, _ := strings.Cut(heading, " ")
	if next := regexp.MustCompile(`(?m)^#{1,` + fmt.Sprint(len(level)) + `} `).FindStringIndex(part); next != nil {
		part = part[:next[0]]
	}
	blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(part, -1)
	if !found || len(blocks) <= n {
		p.t.Fatalf("docs/site.md has no block %d of %s under %q", n, language, heading)
	}
	return strings.NewReplacer("https://probity.example", p.base, "DEPLOYMENT-ID", deployment).Replace(blocks[n][1])
}

// installed serves a site whose pages and scripts are these, by path. Pages whose path starts with
// /strict/ have a content security policy that forbids everything inline.
func installed(t *testing.T, p *product, files map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		switch {
		case !ok:
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, ".js"):
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, text)
		default:
			if strings.HasPrefix(r.URL.Path, "/strict/") {
				w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s; style-src %[1]s; connect-src %[1]s; require-trusted-types-for 'script'", p.base))
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title>%s</head><body><h1>Pots</h1></body></html>`, r.URL.Path, text)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// refuses answers the banner of a page with a refusal, and checks that nothing came of it.
func refuses(t *testing.T, p *product, page string) {
	t.Helper()
	b := p.tab(t, chromium.New(t, chromium.Shared(t)))
	b.Before(counting)
	b.Open(page)
	b.Visible(".probity")
	b.Press("[data-probity=reject]")
	b.Until("localStorage.probity_choice && !document.querySelector('.probity')")
	b.Holds("local probity_choice")
	if n := chromium.Value[int](b, taken); n != 0 {
		t.Errorf("%s: %d batches of events after a refusal", page, n)
	}
}

// agrees answers the banner of a page with a grant, and waits until the page is counted.
func agrees(t *testing.T, p *product, page string) *chromium.Tab {
	t.Helper()
	b := p.tab(t, chromium.New(t, chromium.Shared(t)))
	b.Before(counting + `; window.violations = []; document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI))`)
	accept(b, page)
	b.Until(taken + " >= 1")
	b.Visible("[data-privacy-choices]")
	if got := chromium.Value[[]string](b, "violations"); len(got) > 0 {
		t.Errorf("%s: the policy was violated: %q", page, got)
	}
	return b
}

func TestInstalledByTheScriptTagOfTheDocument(t *testing.T) {
	p := start(t, "serve")
	site := installed(t, p, map[string]string{"/strict/shop": p.documented("### A script tag", "html", 0)})
	refuses(t, p, site+"/strict/shop")
	agrees(t, p, site+"/strict/shop")
}

func TestInstalledAsAModule(t *testing.T) {
	p := start(t, "serve")
	// As whoever installed the package would: resolved by its own exports, and bundled.
	modules := t.TempDir() + "/node_modules"
	pack(t, modules)
	bundle := func(source string) string {
		out := api.Build(api.BuildOptions{
			Stdin:  &api.StdinOptions{Contents: source, ResolveDir: modules + "/.."},
			Bundle: true, Format: api.FormatESModule, TreeShaking: api.TreeShakingTrue,
		})
		if len(out.Errors) > 0 {
			t.Fatalf("the package can't be bundled: %+v", out.Errors)
		}
		return string(out.OutputFiles[0].Contents)
	}
	const load = `<script type="module" src="%s"></script>`
	site := installed(t, p, map[string]string{
		"/strict/served": fmt.Sprintf(load, "/served.js"), "/served.js": p.documented("### A module", "js", 0) + "\nwindow.probity = { consent, record }",
		"/strict/packed": fmt.Sprintf(load, "/packed.js"), "/packed.js": bundle(p.documented("### A module", "js", 1) + "\nwindow.probity = { consent }"),
	})
	for _, page := range []string{site + "/strict/served", site + "/strict/packed"} {
		refuses(t, p, page)
		b := agrees(t, p, page)
		if got := chromium.Value[string](b, "probity.consent.granted().join()"); !strings.HasPrefix(got, "measure,") {
			t.Errorf("%s: granted are %q", page, got)
		}
		b.Script("probity.consent.open()")
		b.Visible("[data-probity=withdraw_all]")
		b.Press("[data-probity=close]")
		b.Script("probity.consent.withdraw()")
		b.Until("!document.cookie && probity.consent.granted().length == 0")
	}

	b := agrees(t, p, site+"/strict/served")
	b.Until("document.documentElement.dataset.granted.startsWith('measure ')")
	b.Script("probity.record('recipe_kept', { servings: 2 })")
	b.Until(taken + " >= 2")
	b.Press("[data-privacy-choices]")
	b.Press("[data-probity=withdraw_all]")
	b.Until("document.documentElement.dataset.granted === ''")
	if got := chromium.Value[string](b, "probity.record('recipe_kept')"); got != "consent.required" {
		t.Errorf("after the withdrawal a call returned %q", got)
	}

	if all := bundle(`import 'probity-sdk'`); strings.Contains(all, "ac.js") {
		t.Errorf("a bundle that uses nothing of it holds\n%s", all)
	}
	if some := bundle(`import { consent } from 'probity-sdk'; console.log(consent.granted())`); strings.Contains(some, "ac.js") || !strings.Contains(some, "probity_choice") {
		t.Errorf("a bundle that only asks what is granted holds\n%s", some)
	}
}

func TestInstalledBehindATagManager(t *testing.T) {
	p := start(t, "serve")
	tag := p.documented("### A tag manager", "html", 0)
	gate := p.base + "/journey/sdk/js/web/v1/ac.js"
	ways := map[string]string{
		// Inserted while the page is parsed, and long after.
		"/early": tag,
		"/late":  `<script>addEventListener('load', () => setTimeout(() => { const s = document.createElement('script'); s.textContent = ` + "`" + strings.NewReplacer("<script>", "", "</script>", "").Replace(tag) + "`" + `; document.body.append(s) }, 300))</script>`,
		// Fetched as text and run without a script element, so that there is no document.currentScript.
		"/evaluated": `<script>addEventListener('load', async () => { const text = await (await fetch('` + gate + `?deployment=` + deployment + `')).text(); await 0; window.current = document.currentScript; (0, eval)(text) })</script>`,
		// Without an id, and told of it later.
		"/told": `<script>addEventListener('load', () => { const s = document.createElement('script'); s.src = '` + gate + `'; s.onload = () => setTimeout(() => ac('init', 'an-organisation', { deploymentId: '` + deployment + `' }), 200); document.head.append(s) })</script>`,
	}
	files := map[string]string{"/tag": p.documented("### A script tag", "html", 0)}
	for path, html := range ways {
		files[path] = html
	}
	site := installed(t, p, files)
	for path := range ways {
		refuses(t, p, site+path)
		b := agrees(t, p, site+path)
		if n := chromium.Value[int](b, "document.querySelectorAll('body > [data-privacy-choices]:not([data-privacy-choices=withdraw]), html > [data-privacy-choices]').length"); n != 1 {
			t.Errorf("%s: there are %d controls, want one", path, n)
		}
	}

	// A consent given before, by whatever way the SDK came then, holds.
	b := agrees(t, p, site+"/tag")
	for path := range ways {
		b.Open(site + path)
		b.Until(taken + " >= 1")
		if chromium.Value[bool](b, "!!document.querySelector('.probity')") {
			t.Errorf("%s: somebody who had agreed was asked again", path)
		}
	}
	if chromium.Value[string](p.opened(t, site+"/evaluated"), "String(window.current)") != "null" {
		t.Error("the script that was evaluated had a script element, so that this shows nothing")
	}
}

// opened opens a page whose banner can be seen.
func (p *product) opened(t *testing.T, page string) *chromium.Tab {
	t.Helper()
	b := p.tab(t, chromium.New(t, chromium.Shared(t)))
	b.Open(page)
	b.Visible(".probity")
	return b
}
