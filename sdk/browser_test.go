package sdk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity/e2e/chromium"
	"probity/sdk"
)

// run runs a test beside the others: they mostly wait.
func run(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t)
	})
}

// site is a customer's site with the SDK installed, on another origin than the desk, under a
// content security policy that allows no inline code and no inline style.
type site struct {
	*desk
	url     string
	loader  string // what /site.js runs before the gate arrives
	lang    string
	onPage  string // more markup on every page
	hideTag bool   // leave the deployment out of the script tag
	plain   bool   // leave the SDK out
	policy  string // instead of the usual one
	inline  bool   // put the gate into the page, which then has no policy against it
}

func newSite(t *testing.T) *site {
	s := &site{desk: newDesk(t), lang: "en"}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	// Another host than the desk's, so that all requests to it cross origins.
	s.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/site.js":
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, s.loader)
	case "/site.css":
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, "body{font:18px/1.6 Georgia,serif;margin:2rem;color:#222;background:#fbfaf7}button{background:#a00;color:#fff;border:0;text-transform:uppercase;letter-spacing:2px;min-height:28px}a{color:inherit}@media(prefers-color-scheme:dark){body{background:#14181d;color:#e8e8e8}}")
	case "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s; style-src 'self' %[1]s; connect-src %[1]s; img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'", s.desk.url))
		if s.policy != "" {
			w.Header().Set("Content-Security-Policy", s.policy)
		}
		tag := fmt.Sprintf(` data-deployment="%s"`, deployment)
		if s.hideTag {
			tag = ""
		}
		gate := fmt.Sprintf(`<script async src="%s/journey/sdk/js/web/v1/ac.js"%s></script>`, s.desk.url, tag)
		if s.plain {
			gate = ""
		}
		if s.inline {
			w.Header().Del("Content-Security-Policy")
			content, _ := sdk.File("ac.js")
			gate = fmt.Sprintf(`<script data-host="%s"%s>%s</script>`, s.desk.url, tag, content)
		}
		fmt.Fprintf(w, `<!doctype html><html lang="%[1]s" dir="%[5]s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Page %[2]s</title>
<link rel="stylesheet" href="/site.css"><script src="/site.js"></script>%[3]s</head>
<body><main><h1>Page %[2]s</h1><p><a id="link" href="/elsewhere">A link</a> <button id="act" class="buy" type="button">Buy</button></p>%[4]s<p id="end">The end.</p></main></body></html>`, s.lang, r.URL.Path, gate, s.onPage, map[bool]string{false: "ltr", true: "rtl"}[s.rtl])
	}
}

// tab is one tab that shows the site.
type tab struct {
	*chromium.Tab
	t    *testing.T
	ctx  context.Context // ends a little before the tab gives up
	site *site
}

// visit opens a tab with a fresh profile.
func (s *site) visit(t *testing.T, browser context.Context) *tab {
	t.Helper()
	return s.tab(t, chromium.New(t, browser))
}

func (s *site) tab(t *testing.T, c *chromium.Tab) *tab {
	t.Helper()
	c.Explain = s.dump
	ctx, cancel := context.WithTimeout(c.Context, time.Minute)
	t.Cleanup(cancel)
	return &tab{c, t, ctx, s}
}

// beside opens another tab of the same profile.
func (b *tab) beside() *tab {
	b.t.Helper()
	return b.site.tab(b.t, b.Tab.Beside())
}

// open loads a page of the site.
func (b *tab) open(path string) {
	b.t.Helper()
	b.Open(b.site.url + path)
}

// banner waits for the dialog.
func (b *tab) banner() {
	b.t.Helper()
	b.Visible(".probity")
}

// choose opens a page and answers the banner.
func (b *tab) choose(path, answer string) {
	b.t.Helper()
	b.open(path)
	b.banner()
	b.Press("[data-probity=" + answer + "]")
	b.Until("!document.querySelector('.probity') && localStorage.probity_choice")
}

// calm waits until what the page did has had twice the time that the tracker takes to send it.
func (b *tab) calm() {
	b.t.Helper()
	b.Script("await new Promise(r => setTimeout(r, 250))")
}

// events waits until the desk holds n events of the name.
func (b *tab) events(name string, n int) []event {
	b.t.Helper()
	d := b.site.desk
	d.until(b.t, b.ctx, fmt.Sprintf("%d events %q", n, name), func() bool { return len(d.namedLocked(name)) >= n })
	got := d.named(name)
	if len(got) != n {
		b.t.Fatalf("got %d events %q, want %d: %+v", len(got), name, n, got)
	}
	return got
}
