package sdk_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"

	"probity/e2e/chromium"
	"probity/internal/notice"
)

// What stands on the visitor's device and what leaves it: the checks S, T and W in a real browser.

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.End()
	os.Exit(code)
}

// fresh opens a tab with an empty profile on a site of its own.
func fresh(t *testing.T) *tab {
	t.Helper()
	return newSite(t).visit(t, chromium.Shared(t))
}

// probes notes, before any script of the page, every write to the device, every look at what tells
// browsers apart, and the timers that still run.
const probes = `window.wrote = []; window.read = []; window.timers = new Set();
	const around = (o, name, list) => { const f = o && o[name]; if (typeof f == 'function') o[name] = function () { list.push(name + ' ' + arguments[0]); return f.apply(this, arguments) } };
	const getter = (o, name, list) => { const d = o && Object.getOwnPropertyDescriptor(o, name); if (d && d.get) Object.defineProperty(o, name, { ...d, get() { list.push(name); return d.get.call(this) } }) };
	around(Storage.prototype, 'setItem', wrote); around(IDBFactory.prototype, 'open', wrote);
	around(window.CacheStorage?.prototype, 'open', wrote); around(window.ServiceWorkerContainer?.prototype, 'register', wrote); around(window.CookieStore?.prototype, 'set', wrote);
	const cookie = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
	Object.defineProperty(Document.prototype, 'cookie', { ...cookie, set(v) { wrote.push('cookie ' + v); cookie.set.call(this, v) } });
	for (const n of ['getContext', 'toDataURL', 'toBlob']) around(HTMLCanvasElement.prototype, n, read);
	around(window.OffscreenCanvas?.prototype, 'getContext', read);
	for (const n of ['AudioContext', 'OfflineAudioContext', 'FontFace', 'RTCPeerConnection', 'OffscreenCanvas']) if (window[n]) window[n] = new Proxy(window[n], { construct(...a) { read.push(n); return Reflect.construct(...a) } });
	for (const n of ['plugins', 'mimeTypes', 'hardwareConcurrency', 'deviceMemory', 'userAgent', 'platform', 'mediaDevices']) getter(Navigator.prototype, n, read);
	around(Navigator.prototype, 'getBattery', read); getter(Document.prototype, 'fonts', read);
	for (const n of ['width', 'height', 'colorDepth', 'availWidth']) getter(Screen.prototype, n, read);
	for (const [set, clear] of [['setTimeout', 'clearTimeout'], ['setInterval', 'clearInterval']]) {
		const s = window[set], c = window[clear];
		window[set] = (f, ms, ...a) => { const n = s(() => { if (set == 'setTimeout') timers.delete(n); f(...a) }, ms); timers.add(n); return n };
		window[clear] = (n) => { timers.delete(n); c(n) };
	}`

// No timer runs, nothing is under way, so that half a minute more would change nothing.
func TestS1_S3_AVisitorWhoDoesNothingLeavesNothingAndIsNotLookedAt(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.Before(probes)
	b.open("/private/page?secret=1")
	b.banner()
	if n := chromium.Value[int](b.Tab, "timers.size"); n != 0 {
		t.Errorf("%d timers run while the visitor does nothing", n)
	}
	b.calm()
	for _, what := range []string{"wrote", "read"} {
		if got := chromium.Value[[]string](b.Tab, what); len(got) > 0 {
			t.Errorf("before any choice the page %s %q", what, got)
		}
	}
	b.Holds()
	b.site.mu.Lock()
	for _, r := range b.site.requests {
		if r.method != "GET" || r.cookie != "" || r.body != "" || strings.Contains(r.referrer, "private") {
			t.Errorf("before any choice: %+v", r)
		}
	}
	b.site.mu.Unlock()
	// The probes see what they are there for.
	b.Script(`localStorage.setItem('a', 1); document.cookie = 'a=1'; indexedDB.open('a'); document.createElement('canvas').getContext('2d'); new OfflineAudioContext(1, 1, 8000); navigator.plugins; document.fonts; setTimeout(() => {}, 9999)`)
	if n := chromium.Value[int](b.Tab, "wrote.length * 100 + read.length * 10 + timers.size"); n != 341 {
		t.Errorf("the probes count %d, want 341: they are blind", n)
	}
}

func TestS6_T1_APartialGrantAllowsItsPartOnly(t *testing.T) {
	t.Parallel()
	for _, grant := range [][]string{{"measure"}, {"actions"}, {"identity"}, {"measure", "actions"}, {"measure", "identity"}, {"actions", "identity"}, {"measure", "actions", "identity"}, {}} {
		run(t, strings.Join(grant, " and "), func(t *testing.T) { partial(t, fresh(t), grant) })
	}
}

// published returns the names and days of the table of the README on what is kept on the device.
func published(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (localStorage|cookie) \\|[^|]*\\| (\\d+) days").FindAllStringSubmatch(string(text), -1) {
		table[strings.TrimSuffix(row[2], "Storage")+" "+row[1]] = row[3]
	}
	return table
}

func TestS7_EveryKeyIsPublished(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Script(`ac('record', 'thing_done'); ac('identify', 'customer-7'); history.pushState(0, '', '/next')`)
	b.events("page_viewed", 2)
	table := published(t)
	keys := b.Keys()
	for _, key := range keys {
		if table[key] != "182" {
			t.Errorf("the device holds %q; the README says %q days of it", key, table[key])
		}
	}
	// What a child's choice keeps is walked through where an age is asked for.
	if len(keys) != len(table)-1 || table["local _act_parent"] == "" {
		t.Errorf("the device holds %q, the README lists %v", keys, table)
	}
	declared := map[string]string{}
	for _, k := range notice.Stored() {
		declared[k.Kind+" "+k.Name] = strconv.Itoa(k.Days)
	}
	if !maps.Equal(declared, table) {
		t.Errorf("notices list %v, the README %v", declared, table)
	}
}

func TestT5_NoneOfFiftyCanariesTypedIntoFormsLeavesThePage(t *testing.T) {
	t.Parallel()
	formCanaries(t, fresh(t))
}

// Each page is left 20 ms after its tracker began: the page view still waits then, and so does what was recorded last.
func TestT7_OfTwoHundredPagesTheViewAndTheLastEventArrive(t *testing.T) {
	t.Parallel()
	const tabs, pages = 4, 50
	s := newSite(t)
	s.loader = snippet + fmt.Sprintf(`const real = window.fetch;
		window.fetch = (...a) => { const r = real(...a); if (/config\?/.test(a[0])) r.then((x) => x.clone().text()).then(() => setTimeout(leave, 20)); return r };
		const leave = () => {
			const n = +(/walk.(\d+)/.exec(location.pathname) || [])[1];
			if (n) ac('record', 'last_word', { n });
			if (n < %d) location.href = location.pathname.replace(/\d+$/, n + 1);
		}`, pages)
	var walkers []*tab
	for i := range tabs {
		b := s.visit(t, chromium.Shared(t))
		b.choose(fmt.Sprintf("/start/%d", i), "accept")
		walkers = append(walkers, b)
	}
	for i, b := range walkers {
		b.Script(fmt.Sprintf(`location.href = '/%d/walk/1'`, i))
	}
	for _, b := range walkers {
		b.site.until(t, b.ctx, "the last page's event", func() bool {
			n := 0
			for _, e := range s.namedLocked("last_word") {
				if e.Attributes["n"] == float64(pages) {
					n++
				}
			}
			return n == tabs
		})
	}
	views, last := map[string]int{}, map[string]int{}
	for _, e := range s.named("") {
		if strings.Contains(e.URL, "/walk/") {
			if e.Name == "page_viewed" {
				views[e.URL]++
			} else {
				last[e.URL]++
			}
		}
	}
	for what, got := range map[string]map[string]int{"page views": views, "last events": last} {
		t.Logf("%d of %d %s arrived", len(got), tabs*pages, what)
		if len(got) < tabs*pages*99/100 {
			t.Errorf("%d of %d %s arrived, want 99 %%", len(got), tabs*pages, what)
		}
		for url, n := range got {
			if n != 1 {
				t.Errorf("%s: %d %s", url, n, what)
			}
		}
	}
}

// Beside others, a browser short of memory throws a waiting page away.
func TestT8_APageThatComesBackWholeFromTheHistoryIsCountedOnce(t *testing.T) {
	b := fresh(t)
	b.choose("/one", "accept")
	b.events("page_viewed", 1)
	// The page itself tells that it came back: the driver's questions may have gone into the history with it.
	b.Script(`addEventListener('pageshow', (e) => { ac('record', 'came_back', { whole: e.persisted }); setTimeout(() => ac('record', 'settled'), 400) }); setTimeout(() => location.href = '/two')`)
	b.Until("location.pathname == '/two'")
	b.events("page_viewed", 2)
	b.Script("setTimeout(() => history.back())")
	if back := b.events("came_back", 1)[0]; back.Attributes["whole"] != true {
		t.Error("the browser loaded the page anew, so this shows nothing of its cache")
	}
	b.events("settled", 1)
	got := b.events("page_viewed", 3)
	if !strings.HasSuffix(got[2].URL, "/one") || got[2].Visit != got[0].Visit {
		t.Errorf("the page that came back is counted as %+v", got[2])
	}
}

// The gate alone runs on a refuser's page; what a grant adds is the tracker. Both are measured at a quarter of the
// machine's speed, in time of the page's own thread, and printed. Milliseconds differ between machines, so what is
// held is their ratio to a script that looks once at the storage and the cookies and adds a control by hand, on the
// same page in the same run: 2.5 for the gate and 2.9 for the tracker when the limits were set.
func TestT10_GateAndTrackerCostAFewTimesWhatOneLookAtTheDeviceCosts(t *testing.T) {
	const byHand = `localStorage['probity_choice']; document.cookie; addEventListener('DOMContentLoaded', () => { const button = document.createElement('button'); button.textContent = 'Choices'; button.style.cssText = 'position:fixed;bottom:0;left:0;min-height:44px;z-index:99'; document.body.append(button) })`
	spent := func(answer string, without bool) float64 {
		b := fresh(t)
		b.choose("/", answer)
		views := 0
		if answer == "accept" {
			b.events("page_viewed", 1)
			views++
		}
		if without {
			b.site.loader = byHand
			chromium.Call(b.Tab, network.Enable, network.EnableParams{})
			chromium.Call(b.Tab, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/journey/*", Block: true}}})
		}
		chromium.Call(b.Tab, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
		chromium.Call(b.Tab, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
		// The count begins anew with each page.
		scripts := func() float64 {
			for _, m := range chromium.Call(b.Tab, performance.GetMetrics, cdp.Empty{}).Metrics {
				if m.Name == "ScriptDuration" {
					return m.Value * 1e3
				}
			}
			t.Fatal("the browser does not tell how long scripts took")
			return 0
		}
		var costs []float64
		for i := range 9 {
			b.open(fmt.Sprintf("/measured/%d", i))
			if views > 0 {
				views++
				b.events("page_viewed", views)
			}
			b.calm()
			costs = append(costs, scripts())
			if ran := chromium.Value[bool](b.Tab, "typeof ac == 'function'"); ran == without {
				t.Fatalf("the gate ran: %t", ran)
			}
		}
		slices.Sort(costs)
		return costs[len(costs)/2]
	}
	reference, refused, agreed := spent("reject", true), spent("reject", false), spent("accept", false)
	gate, tracker := refused, agreed-refused
	t.Logf("at a quarter of the speed: reference %.1f ms, gate %.1f ms, tracker %.1f ms more", reference, gate, tracker)
	if gate > 4*reference {
		t.Errorf("the gate takes %.1f ms, at most four times the reference of %.1f ms is allowed", gate, reference)
	}
	if tracker > 6*reference {
		t.Errorf("the tracker takes %.1f ms, at most six times the reference of %.1f ms is allowed", tracker, reference)
	}
	if reference <= 0 || gate <= reference/2 || tracker <= 0 {
		t.Error("the measurement is blind")
	}
}

// The network answers after twenty seconds: the page does not wait for it.
func TestW3_ARequestUnderWayIsAbortedByTheWithdrawal(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.Before(`window.ends = []; const real = window.fetch; window.fetch = (...a) => { const r = real(...a); if (/events$/.test(a[0])) r.then(() => ends.push('answered'), (e) => ends.push(e.name)); return r }`)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Until("ends.length == 1 && document.querySelector('[data-privacy-choices=withdraw]')")
	chromium.Call(b.Tab, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Latency: 20_000, DownloadThroughput: -1, UploadThroughput: -1}}})
	b.Script(`ac('record', 'under_way'); await new Promise(r => setTimeout(r, 250)); document.querySelector('[data-privacy-choices=withdraw]').click()`)
	b.Until("ends.length == 2")
	if got := chromium.Value[string](b.Tab, "ends[1]"); got != "AbortError" {
		t.Errorf("the request that was under way ended with %s", got)
	}
}

func TestW4_KeysOfTheParentDomainAndOfTheSessionGoToo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.url = strings.Replace(s.url, "localhost", "shop.fernhill.localhost", 1)
	b := s.visit(t, chromium.Shared(t))
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Script(`document.cookie = '_actvc=2;path=/;domain=fernhill.localhost'; document.cookie = '_actts=1;path=/;domain=shop.fernhill.localhost'; sessionStorage._actx = 1; localStorage._actmu = 1; document.cookie = 'basket=3;path=/'`)
	if n := len(strings.Split(chromium.Value[string](b.Tab, "document.cookie"), "; ")); n != 4 {
		t.Fatalf("the browser took %d of 4 cookies", n)
	}
	b.Press("[data-privacy-choices=withdraw]")
	b.Until("document.cookie == 'basket=3'")
	b.Holds("cookie basket", "local probity_choice")
}

func TestW5_AllTabsStopWithinASecond(t *testing.T) {
	t.Parallel()
	threeTabs(t, fresh(t))
}

// A browser throws a waiting page away when a message comes for it, which stops it too; a page that hears
// nothing, as the last case makes sure, looks at the choice when it comes back.
func TestW5_APageThatWaitsInTheHistoryStopsWhenItComesBack(t *testing.T) {
	for how, deaf := range map[string]bool{"told by a message": false, "told nothing": true} {
		run(t, how, func(t *testing.T) {
			b := fresh(t)
			// The page itself tells what it answers after it came back: the driver's questions may have gone into
			// the history with it.
			b.site.loader = fmt.Sprintf(`addEventListener('pageshow', (e) => (e.persisted || name == 'back') && setTimeout(() => {
				const answer = ac('record', 'too_late'); history.pushState(0, '', '/three'); ac('pageview');
				setTimeout(() => fetch('%s/told/' + [e.persisted, answer, document.cookie.length, Object.keys(localStorage)].join('/')), 400) }, 400))`, b.site.desk.url)
			if deaf {
				b.site.loader += `; if (location.pathname == '/two') window.BroadcastChannel = class { postMessage() {} close() {} }`
			}
			b.choose("/one", "accept")
			b.events("page_viewed", 1)
			b.Script(`setTimeout(() => location.href = '/two')`)
			b.Until("location.pathname == '/two'")
			b.events("page_viewed", 2)
			b.Press("[data-privacy-choices=withdraw]")
			b.Until("!document.cookie")
			b.Script("name = 'back'; setTimeout(() => history.back())")
			told := func() (said []string) {
				for _, r := range b.site.desk.requests {
					if rest, ok := strings.CutPrefix(r.path, "/told/"); ok {
						said = append(said, rest)
					}
				}
				return said
			}
			b.site.desk.until(t, b.ctx, "what the page tells", func() bool { return len(told()) > 0 })
			b.site.desk.mu.Lock()
			said := told()[0]
			b.site.desk.mu.Unlock()
			whole, rest, _ := strings.Cut(said, "/")
			if deaf && whole != "true" {
				t.Error("the browser loaded the page anew, so this shows nothing of its cache")
			}
			if rest != "consent.required/0/probity_choice" {
				t.Errorf("the page that came back tells %q", rest)
			}
			b.site.desk.mu.Lock()
			withdrawn := slices.IndexFunc(b.site.desk.requests, func(r request) bool { return strings.HasSuffix(r.path, "/withdraw") })
			for _, r := range b.site.desk.requests[withdrawn+1:] {
				if strings.HasSuffix(r.path, "/live") {
					t.Error("the page that came back asked for offers with the id that was withdrawn")
				}
			}
			b.site.desk.mu.Unlock()
			b.events("page_viewed", 2)
			b.events("too_late", 0)
		})
	}
}

func TestW12_WhoRefusedIsNotAskedAgainWhenTheNoticeChangesAndWhoAgreedIs(t *testing.T) {
	t.Parallel()
	for answer, asked := range map[string]bool{"accept": true, "reject": false} {
		run(t, answer, func(t *testing.T) {
			b := fresh(t)
			b.choose("/", answer)
			if answer == "accept" {
				b.events("page_viewed", 1)
			}
			// The controller publishes a version that changes what was agreed to: no grant holds.
			b.site.mu.Lock()
			clear(b.site.granted)
			b.site.status = "ConsentRequested"
			b.site.mu.Unlock()
			b.open("/later")
			if asked {
				b.banner()
				b.Holds()
				return
			}
			b.Until("document.querySelector('[data-privacy-choices]')")
			b.calm()
			if chromium.Value[bool](b.Tab, "!!document.querySelector('.probity')") {
				t.Error("who refused is asked again")
			}
			b.Holds("local probity_choice")
		})
	}
}

func TestS4_S5_ARefusalLeavesOneKeyWithoutAnIdentifierAndNothingIsLoadedOrSent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var kept []string
	for range 2 {
		b := s.visit(t, chromium.Shared(t))
		b.choose("/", "reject")
		for _, path := range []string{"/a", "/b", "/c"} {
			b.open(path)
			b.Until("document.querySelector('[data-privacy-choices]')")
		}
		b.Script(`history.pushState(0, '', '/d'); ac('pageview'); ac('record', 'product_viewed'); document.querySelector('#act').click()`)
		b.calm()
		b.Holds("local probity_choice")
		kept = append(kept, chromium.Value[string](b.Tab, "localStorage.probity_choice"))
	}
	if kept[0] != kept[1] || !regexp.MustCompile(`^v1\.n\.\d{8}$`).MatchString(kept[0]) {
		t.Errorf("two refusals hold %q", kept)
	}
	if n := len(s.asked("/tracker.js")) + len(s.asked("/events")) + len(s.asked("/live")) + len(s.asked("/config")); n != 0 {
		t.Errorf("%d requests of the tracker after a refusal", n)
	}
	if n := len(s.asked("/banner.js")); n != 2 {
		t.Errorf("the banner was loaded %d times by two refusers", n)
	}
	for _, c := range s.choices {
		if c["visitor"] != nil {
			t.Errorf("a refusal carries the visitor %v", c["visitor"])
		}
	}
}

func TestS9_WhatHappenedBeforeTheGrantIsNeverSent(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.site.loader = `window._genesysJourneySdk = 'ac'; var ac = window.ac = function () { (ac.q = ac.q || []).push(arguments) };
		ac('pageview'); ac('record', 'too_early', { a: 1 }); ac('identify', 'early-bird');
		ac('load', 'autotrackClick', { clickEvents: [{ selector: '.buy', eventName: 'buy_clicked' }] })`
	b.open("/")
	b.banner()
	if got := chromium.Value[string](b.Tab, `ac('record', 'still_too_early')`); got != "consent.required" {
		t.Errorf("an early call answers %q", got)
	}
	b.Press("#act")
	from := time.Now()
	b.Press("[data-probity=accept]")
	b.events("page_viewed", 1)
	b.Press("#act")
	b.events("buy_clicked", 1)
	b.calm()
	for _, e := range b.site.named("") {
		if e.Name != "page_viewed" && e.Name != "buy_clicked" || e.At.Before(from) {
			t.Errorf("sent %+v; the grant came at %v", e, from)
		}
	}
	b.Holds("cookie _actmu", "local probity_choice")
}

func TestW2_W3_W4_TheControlShowsTheChoiceAndTakesItBackAtOnce(t *testing.T) {
	t.Parallel()
	withdrawal(t, fresh(t))
}

func TestW1_W7_TakingBackTakesOneClickAsGivingDid(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Press("[data-privacy-choices=withdraw]")
	b.Until("!document.cookie && !document.querySelector('[data-privacy-choices=withdraw]')")
	b.Until(`document.querySelector('[role=status]')?.textContent == 'Your choice is saved.'`)
	b.Holds("local probity_choice")
	if chromium.Value[bool](b.Tab, "!!document.querySelector('.probity')") {
		t.Error("a question stands between the visitor and the withdrawal")
	}
}

func TestW1_PagesBringTheirOwnControls(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.site.onPage = `<button type="button" id="out" data-privacy-choices="withdraw">Withdraw consent</button><button type="button" data-privacy-choices>Choices</button>`
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Press("#out")
	b.Until("!document.cookie")
	b.Holds("local probity_choice")
	if n := chromium.Value[int](b.Tab, "document.querySelectorAll('[data-privacy-choices]').length"); n != 2 {
		t.Errorf("there are %d controls; the page brought its own two", n)
	}
}

func TestW6_AWithdrawalWithoutANetworkHoldsAtOnceAndIsDeliveredLater(t *testing.T) {
	t.Parallel()
	offline(t, fresh(t))
}

func TestW10_OnePurposeCanBeTakenBackAlone(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Press("[data-privacy-choices]")
	b.banner()
	b.Press(".probity input[name=actions]")
	b.Press("[data-probity=save]")
	b.Until("!document.querySelector('.probity')")
	if got := chromium.Value[string](b.Tab, `ac('record', 'too_late')`); got != "consent.required" {
		t.Errorf("a call for the purpose taken back answers %q", got)
	}
	b.Script(`history.pushState(0, '', '/next'); ac('pageview')`)
	b.events("page_viewed", 2)
	if got := b.site.grants(); slices.Contains(got, "actions") || !slices.Contains(got, "measure") {
		t.Errorf("the server holds %q", got)
	}
	b.Holds("cookie _actmu", "local probity_choice")
}

func TestW11_NoBannerForHalfAYearAfterEitherChoiceThenAgain(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"reject", "accept"} {
		b := fresh(t)
		b.choose("/", answer)
		for days, asks := range map[int]bool{181: false, 183: true} {
			day := time.Now().UTC().AddDate(0, 0, -days).Format("20060102")
			b.Script(fmt.Sprintf(`localStorage.probity_choice = localStorage.probity_choice.replace(/\d{8}$/, '%s')`, day))
			b.open("/later")
			if asks {
				b.banner()
			} else {
				b.Until("document.querySelector('[data-privacy-choices]')")
				b.calm()
				if chromium.Value[bool](b.Tab, "!!document.querySelector('.probity')") {
					t.Errorf("%s: asked again after %d days", answer, days)
				}
			}
		}
	}
}

func TestT8_OnePageViewForEachChangeOfTheAddress(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.site.loader = snippet + `ac('load', 'autotrackUrlChange', { onUrlChange: (u) => window.seen = u })`
	b.choose("/start?page=1&token=secret#top", "accept")
	first := b.events("page_viewed", 1)[0]
	if !strings.HasSuffix(first.URL, "/start?page=1") {
		t.Errorf("the address was sent as %s", first.URL)
	}
	for i, step := range []string{
		`document.title = 'Two'; history.pushState(0, '', '/two')`,
		`history.replaceState(0, '', '/three')`,
		`location.hash = 'part'`,
		`history.back()`,
		`history.forward()`,
	} {
		b.Script(step)
		b.events("page_viewed", i+2)
	}
	b.Script(`history.replaceState({ scroll: 3 }, '', location.href); history.pushState(0, '', location.pathname + '?token=other' + location.hash); ac('pageview')`)
	b.calm()
	got := b.events("page_viewed", 6)
	for i, e := range got {
		if e.Seq != got[0].Seq+i || e.Visit != first.Visit {
			t.Errorf("event %d has number %d of visit %s", i, e.Seq, e.Visit)
		}
	}
	if got[1].Title != "Two" || !strings.HasSuffix(got[1].Referrer, "/start?page=1") {
		t.Errorf("the second page view is %+v", got[1])
	}
	if !chromium.Value[bool](b.Tab, "!!window.seen") {
		t.Error("onUrlChange was not called")
	}
}

func TestT6_WhatHappensWithoutANetworkIsDeliveredOnceWhenItReturns(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Offline(true)
	b.Script(`for (let i = 0; i < 5; i++) { ac('record', 'unplugged'); await new Promise(r => setTimeout(r, 150)) }`)
	if n := len(b.site.named("unplugged")); n != 0 {
		t.Fatalf("the test is not offline: %d events arrived", n)
	}
	b.Offline(false)
	b.events("unplugged", 5)
	b.calm()
	b.events("unplugged", 5)
}

func TestS7_TheCookieEndsWithTheChoice(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	cookies := chromium.Call(b.Tab, network.GetCookies, network.GetCookiesParams{}).Cookies
	if len(cookies) != 1 {
		t.Fatalf("there are %d cookies", len(cookies))
	}
	c := cookies[0]
	days := time.Until(time.Unix(int64(c.Expires), 0)).Hours() / 24
	if c.Name != "_actmu" || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || days > 182 || days < 181 {
		t.Errorf("the cookie is %+v and lives %v days", c, days)
	}
}
