// Package chromium drives a real Chromium in tests: it finds and starts the browser, opens tabs, and
// waits for what happens on a page instead of for time to pass.
package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Patience is how long a tab waits for what must happen; only failing tests reach it.
const Patience = 45 * time.Second

// Start starts a browser that ends with the test, with an empty profile. PROBITY_CHROMIUM names the
// program if it is not on the PATH. Without a browser the test fails and says what to install.
func Start(t *testing.T) context.Context {
	t.Helper()
	browser, end, err := launch(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return browser
}

var (
	sharing sync.Mutex // guards browser and endAll
	browser context.Context
	endAll  = func() {}
)

// Shared returns one browser for all tests of a package, started for the first that asks: New gives
// each its own profile. The package's TestMain calls End.
func Shared(t *testing.T) context.Context {
	t.Helper()
	sharing.Lock()
	defer sharing.Unlock()
	if browser == nil {
		profile, err := os.MkdirTemp("", "probity-chromium")
		if err != nil {
			t.Fatal(err)
		}
		ctx, end, err := launch(context.Background(), profile)
		if err != nil {
			_ = os.RemoveAll(profile)
			t.Fatal(err)
		}
		browser, endAll = ctx, func() {
			end()
			_ = os.RemoveAll(profile)
		}
	}
	return browser
}

// End ends the browser of Shared, if it was started.
func End() {
	sharing.Lock()
	defer sharing.Unlock()
	endAll()
	browser, endAll = nil, func() {}
}

func launch(ctx context.Context, profile string) (browser context.Context, end func(), err error) {
	path := os.Getenv("PROBITY_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		return nil, nil, errors.New("no Chromium found; run apt-get install chromium, or set PROBITY_CHROMIUM to its path")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(profile),
		chromedp.WSURLReadTimeout(Patience),
	)
	ctx, endProgram := chromedp.NewExecAllocator(ctx, options...)
	ctx, endBrowser := chromedp.NewContext(ctx)
	end = func() {
		endBrowser()
		endProgram()
	}
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, end, nil
}

// Tab is one tab. Its methods end the test when the browser does not do as told.
type Tab struct {
	T       *testing.T
	Context context.Context
	Explain func() string // said beside every failure; may be nil
}

// New opens a tab with a profile of its own: no cookies, nothing stored.
func New(t *testing.T, browser context.Context) *Tab {
	t.Helper()
	return open(t, browser, chromedp.WithNewBrowserContext())
}

// Beside opens another tab of the same profile.
func (b *Tab) Beside() *Tab {
	b.T.Helper()
	return open(b.T, b.Context)
}

func open(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	// The tab lives as long as the context of the first command, so that one has no deadline.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	b := &Tab{T: t, Context: ctx}
	b.Resize(1280, 800)
	return b
}

// Fatal ends the test and shows the page.
func (b *Tab) Fatal(err error) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Context, 2*time.Second)
	defer cancel()
	state, bad := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + '\n' + document.documentElement.outerHTML.slice(0, 8000)`))
	if bad != nil {
		state = "the page can't be read: " + bad.Error()
	}
	if b.Explain != nil {
		state = b.Explain() + "\n" + state
	}
	b.T.Fatalf("%v\n%s", err, state)
}

// Do performs steps of chromedp.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// Call sends a command of the DevTools protocol to the tab.
func Call[P, R any](b *Tab, command cdp.Command[P, R], params P) R {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// Value evaluates an expression on the page, and waits for it if it is a promise.
func Value[T any](b *Tab, expression string) T {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(fmt.Errorf("%s: %w", expression, err))
	}
	return v
}

// Script runs statements on the page; they may await.
func (b *Tab) Script(statements string) {
	b.T.Helper()
	b.Do(chromedp.Evaluate[chromedp.Void]("(async()=>{"+statements+"})()", chromedp.EvalAwaitPromise))
}

// Before runs a script in every page before the page's own.
func (b *Tab) Before(script string) {
	b.T.Helper()
	Call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// Open loads a page.
func (b *Tab) Open(url string) {
	b.T.Helper()
	b.Do(chromedp.Navigate(url))
}

// Press clicks with the mouse, as a person does: the browser calls the event trusted. An element that
// the page replaces meanwhile is looked up again.
func (b *Tab) Press(selector string) {
	b.T.Helper()
	b.again("press "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// again repeats a step that a change of the page cut short.
func (b *Tab) again(what string, step chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, step)
		if err == nil {
			return
		}
		if replaced := strings.Contains(err.Error(), "(-32000)"); !replaced || ctx.Err() != nil {
			b.Fatal(fmt.Errorf("%s: %w", what, err))
		}
	}
}

// Key presses keys; see the constants of chromedp/kb.
func (b *Tab) Key(keys string) {
	b.T.Helper()
	b.Do(chromedp.KeyEvent(keys))
}

// Type writes text into a field.
func (b *Tab) Type(selector, text string) {
	b.T.Helper()
	b.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Focus gives an element the focus.
func (b *Tab) Focus(selector string) {
	b.T.Helper()
	b.Do(chromedp.Focus(chromedp.CSS(selector)))
}

// Visible waits until an element can be seen.
func (b *Tab) Visible(selector string) {
	b.T.Helper()
	b.Do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Until waits until the expression is true on the page, or on the one that replaces it meanwhile. It asks
// anew every few seconds: a page that goes into the history takes a question with it and never answers.
func (b *Tab) Until(expression string) {
	b.T.Helper()
	const once = 3 * time.Second
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	step := chromedp.Poll[chromedp.Void]("!!("+expression+")", chromedp.WithPollingTimeout(Patience), chromedp.WithPollingInterval(20*time.Millisecond))
	for {
		attempt, end := context.WithTimeout(ctx, once)
		err := chromedp.Do(attempt, step)
		unanswered := attempt.Err() != nil
		end()
		if err == nil {
			return
		}
		if replaced := strings.Contains(err.Error(), "(-32000)"); !replaced && !unanswered || ctx.Err() != nil {
			b.Fatal(fmt.Errorf("wait for %s: %w", expression, err))
		}
	}
}

// Reload loads the page again and again until the expression is true on it.
func (b *Tab) Reload(until string) {
	b.T.Helper()
	for end := time.Now().Add(Patience); !Value[bool](b, "!!("+until+")"); {
		if time.Now().After(end) {
			b.Fatal(fmt.Errorf("reloaded in vain for %s", until))
		}
		b.Do(chromedp.Reload())
	}
}

// Away moves the mouse to where it hovers over nothing.
func (b *Tab) Away() {
	b.T.Helper()
	b.Do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
}

// Resize sets the size of the page in CSS pixels; below 480 wide it is a phone's.
func (b *Tab) Resize(width, height int64) {
	b.T.Helper()
	Call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 480})
}

// Prefer sets media features, given as name and value in turn, such as "prefers-color-scheme", "dark".
func (b *Tab) Prefer(features ...string) {
	b.T.Helper()
	var list []*emulation.MediaFeature
	for pair := range slices.Chunk(features, 2) {
		list = append(list, &emulation.MediaFeature{Name: pair[0], Value: pair[1]})
	}
	Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
}

// Scripts switches the scripts of pages on or off, from the next page on. With them off what this tab
// asks a page for is still answered, but nothing that waits for a timer or a promise of the page.
func (b *Tab) Scripts(on bool) {
	b.T.Helper()
	Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// Offline takes the network away from the tab, or gives it back.
func (b *Tab) Offline(off bool) {
	b.T.Helper()
	Call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}}})
	Call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
}

// Keys returns the names of all that the page's origin keeps on the device.
func (b *Tab) Keys() []string {
	b.T.Helper()
	return Value[[]string](b, `(async () => [
		...document.cookie.split('; ').filter(Boolean).map(c => 'cookie ' + c.split('=')[0]),
		...Object.keys(localStorage).map(k => 'local ' + k),
		...Object.keys(sessionStorage).map(k => 'session ' + k),
		...(await indexedDB.databases()).map(d => 'database ' + d.name),
		...(await caches.keys()).map(c => 'cache ' + c),
		...(await navigator.serviceWorker.getRegistrations()).map(() => 'worker'),
	])()`)
}

// Holds checks Keys.
func (b *Tab) Holds(want ...string) {
	b.T.Helper()
	if got := b.Keys(); !slices.Equal(got, want) {
		b.T.Errorf("the device holds %q, want %q", got, want)
	}
}

// Picture returns a PNG of what the tab shows.
func (b *Tab) Picture() []byte {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	return png
}
