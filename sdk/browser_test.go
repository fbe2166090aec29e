package sdk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what must happen; it is reached only by failing tests.
const patience = 30 * time.Second

// chromium starts one browser for all tests; each test gets a profile of its own.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("PROBITY_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		t.Fatal("no Chromium found; run apt-get install chromium, or set PROBITY_CHROMIUM to its path")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(t.TempDir()),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

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
		fmt.Fprint(w, "body{font:18px/1.6 Georgia,serif;margin:2rem;color:#222;background:#fbfaf7}button{background:#a00;color:#fff;border:0;text-transform:uppercase;letter-spacing:2px}@media(prefers-color-scheme:dark){body{background:#14181d;color:#e8e8e8}}")
	case "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s; style-src 'self' %[1]s; connect-src %[1]s; img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'", s.desk.url))
		tag := fmt.Sprintf(` data-deployment="%s"`, deployment)
		if s.hideTag {
			tag = ""
		}
		fmt.Fprintf(w, `<!doctype html><html lang="%s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Page %s</title>
<link rel="stylesheet" href="/site.css"><script src="/site.js"></script><script async src="%s/journey/sdk/js/web/v1/ac.js"%s></script></head>
<body><h1>Page %[2]s</h1><p><a id="link" href="/elsewhere">A link</a> <button id="act" class="buy" type="button">Buy</button></p>%[5]s<p id="end">The end.</p></body></html>`, s.lang, r.URL.Path, s.desk.url, tag, s.onPage)
	}
}

// tab is one tab of a profile.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site *site
}

// visit opens a tab with a fresh profile.
func (s *site) visit(t *testing.T, browser context.Context) *tab {
	t.Helper()
	return s.open(t, browser, chromedp.WithNewBrowserContext())
}

func (s *site) open(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	b := &tab{t, ctx, s}
	b.resize(1280, 800)
	return b
}

// beside opens another tab of the same profile.
func (b *tab) beside() *tab {
	b.t.Helper()
	return b.site.open(b.t, b.ctx)
}

type step = chromedp.Action[chromedp.Void]

func (b *tab) run(steps ...step) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.fatal(err)
	}
}

// fatal ends the test with what the server was asked and what the page looks like.
func (b *tab) fatal(err error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Second)
	defer cancel()
	state, bad := chromedp.Run(ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML.slice(0, 6000)`))
	if bad != nil {
		state = "the page can't be read: " + bad.Error()
	}
	b.t.Fatalf("%v\n%s\n%s", err, b.site.dump(), state)
}

// call sends a command of the DevTools protocol to the tab.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.fatal(err)
	}
	return r
}

func (b *tab) resize(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 480})
}

// away moves the mouse to where it hovers over nothing.
func (b *tab) away() {
	b.t.Helper()
	b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
}

// prefer sets a media feature, such as prefers-color-scheme.
func (b *tab) prefer(features ...*emulation.MediaFeature) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
}

// open loads a page of the site.
func (b *tab) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.site.url + path))
}

// press clicks with the mouse, as a person does: the browser calls the event trusted.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// until waits until the expression is true on the page, or on the one that replaces it meanwhile.
func (b *tab) until(expression string) {
	b.t.Helper()
	poll := chromedp.Poll[chromedp.Void]("!!("+expression+")", chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(20*time.Millisecond))
	for {
		err := chromedp.Do(b.ctx, poll)
		if err == nil {
			return
		}
		if left := strings.Contains(err.Error(), "(-32000)"); !left || b.ctx.Err() != nil {
			b.fatal(fmt.Errorf("%s: %w", expression, err))
		}
	}
}

// value evaluates an expression, and waits for it if it is a promise.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fatal(fmt.Errorf("%s: %w", expression, err))
	}
	return v
}

func (b *tab) do(script string) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void]("(async()=>{"+script+"})()", chromedp.EvalAwaitPromise))
}

func (b *tab) focus(selector string) {
	b.t.Helper()
	b.run(chromedp.Focus(chromedp.CSS(selector)))
}

func (b *tab) visible(selector string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(chromedp.CSS(selector)))
}

// banner waits for the dialog.
func (b *tab) banner() {
	b.t.Helper()
	b.visible(".probity")
}

// choose opens a page and answers the banner.
func (b *tab) choose(path, answer string) {
	b.t.Helper()
	b.open(path)
	b.banner()
	b.press("[data-probity=" + answer + "]")
	b.until("!document.querySelector('.probity') && localStorage.probity_choice")
}

// calm waits until what the page did has had twice the time that the tracker takes to send it.
func (b *tab) calm() {
	b.t.Helper()
	b.do("await new Promise(r => setTimeout(r, 250))")
}

// waits until the desk holds n events of the name.
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

// keys returns what stands on the device: names of cookies and of storage.
func (b *tab) keys() []string {
	b.t.Helper()
	return value[[]string](b, `(async () => [
		...document.cookie.split('; ').filter(Boolean).map(c => 'cookie ' + c.split('=')[0]),
		...Object.keys(localStorage).map(k => 'local ' + k),
		...Object.keys(sessionStorage).map(k => 'session ' + k),
		...(await indexedDB.databases()).map(d => 'database ' + d.name),
		...(await caches.keys()).map(c => 'cache ' + c),
		...(await navigator.serviceWorker.getRegistrations()).map(() => 'worker'),
	])()`)
}

func (b *tab) holds(want ...string) {
	b.t.Helper()
	if got := b.keys(); !slices.Equal(got, want) {
		b.t.Errorf("the device holds %q, want %q", got, want)
	}
}

// before runs a script in every page before the page's own.
func (b *tab) before(script string) {
	b.t.Helper()
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}
