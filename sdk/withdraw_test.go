package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/e2e/chromium"
)

// partial checks that a grant of some purposes lets through exactly the calls for them: T1 and S6.
func partial(t *testing.T, b *tab, grant []string) {
	b.open("/")
	b.banner()
	b.Press("[data-probity=settings]")
	b.Visible("[data-probity=save]")
	for _, p := range grant {
		b.Press(".probity input[name=" + p + "]")
	}
	b.Press("[data-probity=save]")
	b.Until("!document.querySelector('.probity') && localStorage.probity_choice")
	measured := slices.Contains(grant, "measure")
	if measured {
		b.events("page_viewed", 1)
	}
	// Without measuring there is no visitor id, so that nothing else can be told apart either.
	want := []string{}
	for call, purpose := range map[string]string{"record": "actions", "identify": "identity"} {
		got := chromium.Value[string](b.Tab, `String(ac('`+call+`', 'thing_done', {size: 4}))`)
		if measured && slices.Contains(grant, purpose) {
			want = append(want, map[string]string{"record": "thing_done", "identify": "user_identified"}[call])
			if got != "undefined" {
				t.Errorf("%s was refused: %s", call, got)
			}
		} else if got != "consent.required" {
			t.Errorf("%s answered %q without its purpose", call, got)
		}
	}
	b.calm()
	var got []string
	for _, e := range b.site.named("") {
		if e.Name != "page_viewed" {
			got = append(got, e.Name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if measured {
		b.Holds("cookie _actmu", "local probity_choice")
	} else {
		b.Holds("local probity_choice")
		if n := len(b.site.asked("/tracker.js")); n != 0 {
			t.Error("the tracker was loaded without a grant to measure")
		}
	}
}

// listeners counts what listens on the window and the document, by the browser's own book.
func (b *tab) listeners() int {
	b.t.Helper()
	return chromium.Value[int](b.Tab, "window.listening.size")
}

// counting keeps book of listeners added with a signal, and of the timers and observers that run,
// apart from the timer with which the test itself waits.
const counting = `window.listening = new Set();
	const add = EventTarget.prototype.addEventListener, remove = EventTarget.prototype.removeEventListener;
	EventTarget.prototype.addEventListener = function (type, fn, o) {
		const entry = { type, fn };
		if (this === window || this === document || this === window.navigation) {
			listening.add(entry);
			if (o && o.signal) add.call(o.signal, 'abort', () => listening.delete(entry));
		}
		return add.call(this, type, fn, o);
	};
	EventTarget.prototype.removeEventListener = function (type, fn, o) {
		for (const e of listening) if (e.type == type && e.fn == fn) listening.delete(e);
		return remove.call(this, type, fn, o);
	};
	window.observing = 0;
	const { observe, disconnect } = IntersectionObserver.prototype;
	IntersectionObserver.prototype.observe = function (e) { observing++; return observe.call(this, e) };
	IntersectionObserver.prototype.disconnect = function () { observing = 0; return disconnect.call(this) };
	window.ticking = new Set();
	const set = setTimeout, clear = clearTimeout;
	window.setTimeout = (fn, ms, ...a) => { const n = set(() => { ticking.delete(n); fn(...a) }, ms); if (ms > 500 && ms != PATIENCE) ticking.add(n); return n };
	window.clearTimeout = (n) => { ticking.delete(n); clear(n) };`

func withdrawal(t *testing.T, b *tab) {
	b.Before(strings.ReplaceAll(counting, "PATIENCE", fmt.Sprint(chromium.Patience.Milliseconds())))
	b.site.loader = `window._genesysJourneySdk = 'ac'; var ac = window.ac = function () { (ac.q = ac.q || []).push(arguments) };
		ac('init', 'an-org', {});
		ac('load', 'autotrackUrlChange');
		ac('load', 'autotrackClick', { clickEvents: [{ selector: '.buy', eventName: 'buy_clicked' }] });
		ac('load', 'autotrackIdle', { idleEvents: [{ idleAfter: 900, eventName: 'idled' }] });
		ac('load', 'autotrackInViewport', { inViewportEvents: [{ selector: '#end', eventName: 'end_seen' }] });
		ac('load', 'autotrackScrollDepth', { scrollDepthEvents: [{ percentage: 99, eventName: 'read' }] });
		ac('forms:track', 'form')`
	b.open("/")
	b.banner()
	atRest := b.listeners()
	b.Press("[data-probity=accept]")
	b.events("page_viewed", 1)
	b.events("end_seen", 1)
	b.site.until(t, b.ctx, "a live stream", func() bool { return len(b.site.streams) == 1 })
	if n := b.listeners(); n <= atRest {
		t.Errorf("the tracker added no listener: %d before, %d after; the count is blind", atRest, n)
	}

	// The control is there, and shows what holds.
	b.Press("body > [data-privacy-choices='']")
	b.banner()
	state := chromium.Value[string](b.Tab, `document.querySelector('.probity').innerText`)
	for _, want := range []string{"March 14, 2026", "(v3)", "Download receipt", "Withdraw all", "Close"} {
		if !strings.Contains(state, want) {
			t.Errorf("the choices don't show %q:\n%s", want, state)
		}
	}
	if n := chromium.Value[int](b.Tab, `document.querySelectorAll('.probity input:checked').length`); n != len(purposes) {
		t.Errorf("%d switches are on, want all", n)
	}
	b.Script(`window.refusing = [...document.querySelectorAll('.probity-acts button')].map(b => b.textContent)`)

	// Something waits in the queue when the visitor withdraws.
	b.Script(`ac('record', 'in_the_queue'); document.querySelector('[data-probity=withdraw_all]').click()`)
	b.Until("!document.cookie && !document.querySelector('.probity')")
	sent := len(b.site.named(""))
	b.Press("#act")
	b.Script(`ac('record', 'too_late'); history.pushState(0, '', '/too/late'); scrollTo(0, 9999); dispatchEvent(new Event('scroll')); dispatchEvent(new Event('pagehide'))`)
	b.calm()
	if n := len(b.site.named("")); n != sent {
		t.Errorf("%d events came after the withdrawal: %+v", n-sent, b.site.named("")[sent:])
	}
	if got := b.site.named("in_the_queue"); len(got) > 0 {
		t.Error("what waited in the queue was sent after the withdrawal")
	}
	if n := b.listeners(); n > atRest {
		t.Errorf("%d listeners stay: %s", n-atRest, chromium.Value[string](b.Tab, `[...listening].map(l => l.type).join()`))
	}
	if n := chromium.Value[int](b.Tab, "observing"); n != 0 {
		t.Errorf("%d elements are still observed", n)
	}
	if n := chromium.Value[int](b.Tab, "ticking.size"); n > 1 { // the word that it is saved goes away by itself
		t.Errorf("%d timers still run", n)
	}
	b.site.until(t, b.ctx, "the end of the live stream", func() bool {
		for _, s := range b.site.streams {
			if len(s) > 0 {
				return false
			}
		}
		return true
	})
	b.Holds("local probity_choice")
	b.site.mu.Lock()
	if len(b.site.taken) != 1 || b.site.taken[0]["purposes"] != nil {
		t.Errorf("the server heard %v; want one withdrawal of everything", b.site.taken)
	}
	b.site.mu.Unlock()

	// A new grant is a new visitor, and what the page set up works again.
	first := b.site.named("page_viewed")[0]
	if n := chromium.Value[int](b.Tab, `document.querySelectorAll('[data-privacy-choices]').length`); n != 1 {
		t.Errorf("%d controls are left after the withdrawal, want one", n)
	}
	b.Press("body > [data-privacy-choices]")
	b.banner()
	b.Press("[data-probity=accept]")
	b.events("page_viewed", 2)
	b.Press("#act")
	again := b.events("buy_clicked", 1)[0]
	if again.Visitor == first.Visitor || again.Visit == first.Visit {
		t.Error("the new grant continues the old visitor")
	}
}

func threeTabs(t *testing.T, b *tab) {
	b.choose("/one", "accept")
	b.events("page_viewed", 1)
	tabs := []*tab{b, b.beside(), b.beside()}
	for i, other := range tabs[1:] {
		other.open("/other")
		other.events("page_viewed", i+2)
		other.Script(`window.stopped = new Promise(done => { const look = () => ac('record', 'still_here') == 'consent.required' ? done(Date.now()) : setTimeout(look, 20); look() })`)
	}
	b.Script(`window.at = Date.now()`)
	b.Press("[data-privacy-choices]")
	b.banner()
	b.Script(`window.at = Date.now(); document.querySelector('[data-probity=withdraw_all]').click()`)
	at := chromium.Value[float64](b.Tab, "at")
	for i, other := range tabs[1:] {
		if late := chromium.Value[float64](other.Tab, "stopped") - at; late > 1000 {
			t.Errorf("tab %d stopped %v ms after the withdrawal", i+2, late)
		}
		other.Script(`history.pushState(0, '', '/on'); ac('pageview')`)
	}
	count := len(b.site.named("page_viewed"))
	for _, other := range tabs {
		other.calm()
	}
	if n := len(b.site.named("page_viewed")); n != count {
		t.Errorf("%d page views after the withdrawal", n-count)
	}
	tabs[2].Holds("local probity_choice")
}

func offline(t *testing.T, b *tab) {
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	// Load the preference centre once, so that it is there without a network.
	b.Press("[data-privacy-choices]")
	b.banner()
	b.Offline(true)
	b.Press("[data-probity=withdraw_all]")
	b.Until("!document.querySelector('.probity')")
	if got := chromium.Value[string](b.Tab, `ac('record', 'too_late')`); got != "consent.required" {
		t.Errorf("offline, a call after the withdrawal answers %q", got)
	}
	if got := chromium.Value[string](b.Tab, `localStorage.probity_choice.split('.')[1]`); got != "n" {
		t.Errorf("offline, the device holds %q", got)
	}
	if n := len(b.site.asked("/withdraw")); n != 0 {
		t.Fatalf("the test is not offline: %d withdrawals arrived", n)
	}
	made := time.Now()
	b.Offline(false)
	b.site.until(t, b.ctx, "the withdrawal", func() bool { return len(b.site.taken) == 1 })
	at, err := time.Parse(time.RFC3339, b.site.taken[0]["client_time"].(string))
	if err != nil || at.After(made) {
		t.Errorf("the withdrawal says it was made at %v (%v), it was before %v", at, err, made)
	}
	b.Until("!document.cookie")
	b.Holds("local probity_choice")
}

func TestTheControlThatTakesEverythingBackSpeaksTheLanguageOfThePage(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string]string{"de": "Alles widerrufen", "en": "Withdraw all"} {
		b := fresh(t)
		b.site.lang = lang
		b.choose("/", "accept")
		b.Visible("[data-privacy-choices=withdraw]")
		if got := chromium.Value[string](b.Tab, "document.querySelector('[data-privacy-choices=withdraw]').textContent"); got != want {
			t.Errorf("in %s it says %q, want %q", lang, got, want)
		}
	}
}
