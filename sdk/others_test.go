package sdk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"probity/e2e/chromium"
	"probity/internal/notice"
)

// outside is the host of other tools. Each of its scripts notes on the page that it ran.
type outside struct {
	url string
	mu  sync.Mutex
	got []string // paths that were asked for
}

func newOutside(t *testing.T) *outside {
	o := &outside{}
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	o.url = s.URL
	return o
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.got = append(o.got, r.URL.Path)
	o.mu.Unlock()
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch {
	case strings.HasSuffix(r.URL.Path, ".js"):
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, "(window.order ||= []).push(%q)", strings.TrimSuffix(r.URL.Path[1:], ".js"))
	case strings.HasSuffix(r.URL.Path, ".svg"):
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	default:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>A map</title>")
	}
}

// asked returns the paths, sorted, each once.
func (o *outside) asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(o.got)))
}

// strict is a policy with a nonce that lets this host in and wants Trusted Types by these names.
func (s *site) strict(o *outside, types string) {
	s.policy = fmt.Sprintf("default-src 'none'; script-src 'self' 'nonce-n0nce' %[1]s %[2]s; style-src 'self' %[1]s; connect-src %[1]s; img-src 'self' %[2]s; frame-src %[2]s; require-trusted-types-for 'script'; trusted-types %[3]s", s.desk.url, o.url, types)
}

// grant opens a page and switches these purposes on.
func (b *tab) grant(path string, purposes ...string) {
	b.t.Helper()
	b.open(path)
	b.banner()
	b.Press("[data-probity=settings]")
	for _, p := range purposes {
		b.Press(".probity input[name=" + p + "]")
	}
	b.Press("[data-probity=save]")
	b.Until("!document.querySelector('.probity') && localStorage.probity_choice")
}

// tools is a page with tools for two purposes, one for a purpose that nobody knows and one for none.
func tools(o *outside) string {
	return strings.ReplaceAll(`
<script type="text/plain" data-purpose="measure" data-src="OUT/first.js" crossorigin="anonymous" integrity="sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="></script>
<script type="text/plain" data-purpose="measure" data-src="OUT/second.js"></script>
<script type="text/plain" data-purpose="measure" nonce="n0nce">(window.order ||= []).push('inline')</script>
<script type="text/plain" data-purpose="measure" data-type="module" nonce="n0nce">(window.order ||= []).push('module')</script>
<script type="text/plain" data-purpose="measure" src="OUT/third.js" data-keys="_tool _tool_*"></script>
<script type="text/plain" data-purpose="marketing" data-src="OUT/marketing.js"></script>
<script type="text/plain" data-purpose="measure marketing" data-src="OUT/both.js"></script>
<script type="text/plain" data-purpose data-src="OUT/none.js"></script>
<script type="text/plain" data-purpose="telepathy" data-src="OUT/unknown.js"></script>
<script type="text/plain" data-purpose="n" data-src="OUT/refusal.js"></script>
<script type="text/plain" data-purpose="v1" data-src="OUT/version.js"></script>
<img alt="" data-purpose="measure" data-src="OUT/pixel.svg">
<iframe title="A map" data-purpose="marketing" data-src="OUT/map"></iframe>
<iframe title="A riddle" data-purpose="telepathy" data-src="OUT/riddle"></iframe>`, "OUT", o.url)
}

func TestS8_OtherToolsWaitForTheirPurposesAndThenRunInOrderUnderAStrictPolicy(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.Before(`window.violations = []; document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI))`)
	b.open("/")
	b.banner()
	b.Until("document.querySelector('.probity-blocked button')")
	b.calm()
	if got := o.asked(); len(got) > 0 {
		t.Errorf("before any choice the page asked for %q", got)
	}
	b.grant("/", "measure")
	b.Until("window.order?.includes('third')")
	b.calm()
	// The first has a digest that does not fit, which the browser hears of: it does not run, and the next does.
	if got := chromium.Value[string](b.Tab, "order.join(' ')"); got != "second inline module third" {
		t.Errorf("ran: %s", got)
	}
	if got, want := o.asked(), []string{"/first.js", "/pixel.svg", "/second.js", "/third.js"}; !slices.Equal(got, want) {
		t.Errorf("the page asked for %q, want %q", got, want)
	}
	if got := chromium.Value[[]string](b.Tab, "violations"); len(got) > 0 {
		t.Errorf("the policy stopped %q", got)
	}
	// A frame for a purpose that nobody can grant has no button.
	if got := chromium.Value[int](b.Tab, "document.querySelectorAll('.probity-blocked').length * 10 + document.querySelectorAll('.probity-blocked button').length"); got != 21 {
		t.Errorf("placeholders and buttons: %d, want 2 and 1", got)
	}
}

// The words and the button of a frame's place grant its purpose and nothing else, by a choice of its own.
func TestS8_APlaceholderGrantsItsPurposeAloneInTheLanguageOfThePage(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.lang = "de"
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.open("/")
	b.banner()
	b.Until("document.querySelector('.probity-blocked button')")
	if got := chromium.Value[string](b.Tab, "document.querySelector('.probity-blocked').innerText.replace(/\\s+/g, ' ')"); got != "Inhalte von 127.0.0.1 werden nicht geladen, weil Sie nicht zugestimmt haben: Angebote zeigen. ZUSTIMMEN UND LADEN" {
		t.Errorf("the place of the frame says %q", got)
	}
	b.Press(".probity-blocked [data-probity=allow]")
	// The banner has its answer, and what was granted runs.
	b.Until("window.order?.includes('marketing') && !document.querySelector('.probity') && !document.querySelector('iframe[src]').hidden")
	b.calm()
	if got, want := o.asked(), []string{"/map", "/marketing.js"}; !slices.Equal(got, want) {
		t.Errorf("the page asked for %q, want %q", got, want)
	}
	if got := b.site.grants(); !slices.Equal(got, []string{"marketing"}) {
		t.Errorf("granted are %q", got)
	}
	b.site.mu.Lock()
	ui := b.site.choices[0]["ui"].(map[string]any)
	b.site.mu.Unlock()
	if ui["component"] != "placeholder" || ui["trusted"] != true {
		t.Errorf("the choice says it was made by %v", ui)
	}
	b.Holds("local probity_choice")
}

func TestS8_AWithdrawalEmptiesFramesDeletesKeysAndNamesWhatStillRuns(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.Before(`addEventListener('probity-still-running', (e) => { window.still = e.detail; if ((window.times = (window.times || 0) + 1) < 99) document.body.append('Please load the page anew.') }, true)`)
	b.choose("/", "accept")
	b.Until("window.order?.includes('both') && document.querySelector('iframe[src]')")
	if got := chromium.Value[int](b.Tab, "frames.length"); got != 2 {
		t.Fatalf("%d frames", got)
	}
	b.Script(`document.cookie = '_tool=1;path=/'; document.cookie = '_tool_9=1;path=/'; document.cookie = '_toolbox=1;path=/'; localStorage._tool_x = 1; window.old = document.querySelector('iframe').contentWindow`)
	b.Press("[data-privacy-choices=withdraw]")
	b.Until("window.still && old.closed && !document.querySelector('iframe[src],img[src]')")
	b.Until("document.querySelector('.probity-blocked button')")
	b.Until("document.cookie == '_toolbox=1'")
	b.Holds("cookie _toolbox", "local probity_choice")
	for _, name := range []string{"/second.js", "/third.js", "/marketing.js", "/both.js"} {
		if !strings.Contains(strings.Join(chromium.Value[[]string](b.Tab, "still"), " "), name) {
			t.Errorf("%s ran, and is not named as what still does", name)
		}
	}
	if n := chromium.Value[int](b.Tab, "times"); n != 1 {
		t.Errorf("the page, which adds a word each time, was told %d times", n)
	}
	// What a tool writes after the withdrawal goes with the next page, on which it does not run.
	b.Script(`document.cookie = '_tool=2;path=/'`)
	o.mu.Lock()
	o.got = nil
	o.mu.Unlock()
	b.open("/next")
	b.Until("document.cookie == '_toolbox=1'")
	b.calm()
	if got := o.asked(); len(got) > 0 {
		t.Errorf("after the withdrawal the next page asked for %q", got)
	}
}

// A script that ran can't be stopped. The visitor is told so where the page does not say it itself, and one press ends it.
func TestS8_WhatRunsOnIsSaidInTheLanguageOfThePageAndEndsWithOnePress(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.lang = "de"
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.Before(`window.violations = []; document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI))`)
	b.choose("/", "accept")
	b.Until("window.order?.includes('both')")
	if n := chromium.Value[int](b.Tab, "document.querySelectorAll('.probity-still').length"); n != 0 {
		t.Error("something is said to run on before anything was taken back")
	}
	if got := len(b.site.asked("/still.js")); got != 0 {
		t.Errorf("who takes nothing back fetched what says so %d times", got)
	}
	b.Press("[data-privacy-choices=withdraw]")
	b.Visible("[data-probity=reload]")
	words, _ := notice.DefaultLabels("de")
	if got, want := chromium.Value[string](b.Tab, "[...document.querySelector('.probity-still').children].map((e) => e.textContent).join(' ')"), words.Still+" "+words.Reload; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	if got := chromium.Value[string](b.Tab, "document.querySelector('.probity-still').lang + ' ' + document.querySelector('.probity-still').getAttribute('role')"); got != "de status" {
		t.Errorf("language and role are %q", got)
	}
	b.Script("window.stale = true")
	b.Press("[data-probity=reload]")
	b.Until("!window.stale && document.readyState == 'complete'")
	b.Until("document.querySelector('.probity-blocked button')")
	b.calm()
	if chromium.Value[bool](b.Tab, "!!window.order || !!document.querySelector('.probity-still')") {
		t.Error("after the page was loaded anew a tool ran, or is still said to")
	}
	if got := chromium.Value[[]string](b.Tab, "violations"); len(got) > 0 {
		t.Errorf("the policy stopped %q", got)
	}
}

func TestS8_APageThatSaysItselfWhatRunsOnIsNotSpokenOver(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.Before(`addEventListener('probity-still-running', (e) => { e.preventDefault(); window.told = true }, true)`)
	b.choose("/", "accept")
	b.Until("window.order?.includes('both')")
	b.Press("[data-privacy-choices=withdraw]")
	b.Until("window.told")
	b.calm()
	if chromium.Value[bool](b.Tab, "!!document.querySelector('.probity-still')") {
		t.Error("it is said twice")
	}
}

// What is granted again runs rightly: nothing needs a reload any more.
func TestS8_WhatIsGrantedAgainIsNoLongerSaidToRunOn(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.choose("/", "accept")
	b.Until("window.order?.includes('both')")
	b.Press("[data-privacy-choices=withdraw]")
	b.Visible("[data-probity=reload]")
	b.Press("body > [data-privacy-choices='']")
	b.banner()
	b.Press("[data-probity=accept]")
	b.Until("!document.querySelector('.probity-still')")
}

func TestS8_WhatIsInsertedLaterWaitsAndRunsToo(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = `<div data-purpose></div>`
	b.site.strict(o, "probity")
	b.grant("/", "measure")
	add := func(purpose, name string) {
		b.Script(fmt.Sprintf(`const s = document.createElement('script'); s.type = 'text/plain'; s.dataset.purpose = '%s'; s.dataset.src = '%s/%s.js'; document.body.append(s)`, purpose, o.url, name))
	}
	add("marketing", "no")
	add("measure", "yes")
	b.Until("window.order?.includes('yes')")
	b.Script(fmt.Sprintf(`const f = document.createElement('iframe'); f.dataset.purpose = 'measure'; f.dataset.src = '%s/map'; document.body.append(f)`, o.url))
	b.Until("document.querySelector('iframe[src]')")
	b.calm()
	if got := o.asked(); !slices.Equal(got, []string{"/map", "/yes.js"}) {
		t.Errorf("the page asked for %q", got)
	}
}

// A policy that allows no Trusted Types policy at all lets in what the browser itself finds in the page, and no more.
func TestS8_WhereNoTrustedTypesPolicyIsAllowedNothingSlipsPast(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = tools(o)
	b.site.strict(o, "'none'")
	b.grant("/", "measure")
	b.Until("window.order?.includes('third')")
	b.calm()
	if got := o.asked(); !slices.Equal(got, []string{"/pixel.svg", "/third.js"}) {
		t.Errorf("the page asked for %q", got)
	}
}

func TestS8_WithoutTheSettingsOfTheDeploymentNothingIsLetIn(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.onPage = tools(o)
	b.site.strict(o, "probity")
	b.site.set(func(path string) int {
		if strings.HasSuffix(path, "/config") {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	b.choose("/", "accept")
	b.calm()
	if got := o.asked(); len(got) > 0 {
		t.Errorf("the page asked for %q", got)
	}
}

// What Google's tag would send is seen at a host of our own; the queue of commands is the page's.
func TestG5_GoogleHearsDeniedFirstThenTheChoiceAndIsAskedForNothingBefore(t *testing.T) {
	t.Parallel()
	b, o := fresh(t), newOutside(t)
	b.site.google = map[string]string{"ad_storage": "marketing", "ad_user_data": "marketing", "ad_personalization": "marketing", "analytics_storage": "measure"}
	b.site.loader = `window.dataLayer = [['of', 'the page']]`
	b.site.onPage = strings.ReplaceAll(`<script type="text/plain" data-purpose="measure" data-src="OUT/gtag/js.js" data-keys="_ga _ga_*"></script>
<script type="text/plain" data-purpose="measure" nonce="n0nce">function gtag() { dataLayer.push(arguments) } gtag('js', 1); gtag('config', 'G-1')</script>`, "OUT", o.url)
	b.site.strict(o, "probity")
	const heard = `JSON.stringify(dataLayer.map((c) => [...c]).map((c) => c[0] == 'consent' ? [c[1], Object.values(c[2]).filter((v) => v == 'granted').length, Object.keys(c[2]).length].join(' ') : c[0]))`
	b.open("/")
	b.banner()
	b.Until("dataLayer.length > 1")
	b.calm()
	if got := o.asked(); len(got) > 0 {
		t.Errorf("before any choice Google was asked for %q", got)
	}
	if got := chromium.Value[string](b.Tab, heard); got != `["default 0 7","of"]` {
		t.Errorf("before any choice the queue holds %s", got)
	}
	if !chromium.Value[bool](b.Tab, "Object.prototype.toString.call(dataLayer[0]) == '[object Arguments]'") {
		t.Error("Google takes only the arguments of a function for a command")
	}
	b.grant("/", "measure")
	b.Until("dataLayer.some((c) => c[0] == 'config')")
	if got := chromium.Value[string](b.Tab, heard); got != `["default 0 7","of","update 1 7","js","config"]` {
		t.Errorf("after the choice the queue holds %s", got)
	}
	if got := chromium.Value[string](b.Tab, "dataLayer[2][2].analytics_storage + dataLayer[2][2].ad_storage"); got != "granteddenied" {
		t.Errorf("measuring and advertising are %s", got)
	}
	b.Script(`document.cookie = '_ga=1;path=/'`)
	b.Press("[data-privacy-choices=withdraw]")
	b.Until("dataLayer.at(-1)[1] == 'update' && !document.cookie")
	if got := chromium.Value[string](b.Tab, heard); got != `["default 0 7","of","update 1 7","js","config","update 0 7"]` {
		t.Errorf("after the withdrawal the queue holds %s", got)
	}
	// Who refused is told to Google's queue, and Google is never asked.
	o.mu.Lock()
	o.got = nil
	o.mu.Unlock()
	b.open("/again")
	b.Until("dataLayer.length > 2")
	b.calm()
	if got := o.asked(); len(got) > 0 {
		t.Errorf("after the refusal Google was asked for %q", got)
	}
}
