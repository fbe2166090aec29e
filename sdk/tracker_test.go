package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

const snippet = `window._genesysJourneySdk = 'ac'; var ac = window.ac = function () { (ac.q = ac.q || []).push(arguments) }; ac.l = 1 * new Date;
	ac('init', 'an-org', { region: 'euc1', deploymentId: '` + deployment + `' });`

func trackerTests(t *testing.T, newTab func(*testing.T) *tab) {
	run(t, "init names the deployment as well as the script tag does", func(t *testing.T) {
		b := newTab(t)
		b.site.hideTag = true
		b.site.loader = snippet
		b.choose("/", "accept")
		b.events("page_viewed", 1)
	})

	run(t, "the gate can stand in the page itself", func(t *testing.T) {
		b := newTab(t)
		b.site.inline = true
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		b.open("/next")
		b.events("page_viewed", 2)
		if n := len(b.site.asked("/ac.js")); n != 0 {
			t.Errorf("the gate was fetched %d times", n)
		}
	})

	run(t, "where storage is blocked nothing is remembered and nothing is sent", func(t *testing.T) {
		b := newTab(t)
		b.Before(`Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError') } })`)
		b.open("/")
		b.banner()
		b.Press("[data-probity=accept]")
		b.Until(`document.querySelector('[role=status]')?.textContent`)
		b.calm()
		if cookie := chromium.Value[string](b.Tab, "document.cookie"); cookie != "" || len(b.site.named("")) > 0 {
			t.Errorf("cookie %q, events %v", cookie, b.site.named(""))
		}
		b.open("/next")
		b.banner()
	})

	run(t, "a server that is down breaks nothing on the page", func(t *testing.T) {
		b := newTab(t)
		b.Before(`window.broken = []; addEventListener('unhandledrejection', e => broken.push(String(e.reason))); addEventListener('error', e => broken.push(e.message))`)
		b.site.set(func(path string) int {
			if strings.HasSuffix(path, "/ac.js") || strings.HasSuffix(path, "banner.js") {
				return 0
			}
			return 503
		})
		b.open("/")
		b.Until("document.querySelector('[data-privacy-choices]')")
		b.site.until(t, b.ctx, "the notice to be asked for", func() bool { return len(b.site.requests) > 3 })
		b.Press("[data-privacy-choices]")
		b.calm()
		if got := chromium.Value[[]string](b.Tab, "broken"); len(got) > 0 {
			t.Errorf("the page reports %q", got)
		}
		b.Holds()
	})

	run(t, "what the page says about a page view belongs to the one that was counted", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		b.site.loader = snippet + `ac('pageview', { title: 'A product', customAttributes: { sku: 'X1', nested: { no: 1 } } })`
		b.open("/product/x1")
		e := b.events("page_viewed", 2)[1]
		if e.Title != "A product" || e.Attributes["sku"] != "X1" || len(e.Attributes) != 1 {
			t.Errorf("sent %+v", e)
		}
	})

	run(t, "the page is counted before what is done on it", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		b.site.loader = snippet + `ac('record', 'product_viewed')`
		b.open("/product")
		b.events("product_viewed", 1)
		var order []string
		for _, e := range b.site.named("") {
			order = append(order, e.Name)
		}
		if want := []string{"page_viewed", "page_viewed", "product_viewed"}; !slices.Equal(order, want) {
			t.Errorf("sent %q, want %q", order, want)
		}
	})

	run(t, "a page that names its own address is counted under that alone", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		b.site.loader = snippet + `ac('pageview', { location: '/virtual/1' })`
		b.open("/real")
		b.events("page_viewed", 2)
		b.calm()
		if e := b.events("page_viewed", 2)[1]; !strings.HasSuffix(e.URL, "/virtual/1") {
			t.Errorf("counted %s", e.URL)
		}
	})

	run(t, "addresses, titles and searches are masked before they leave", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		b.Script(`document.title = 'Order of mary@example.com'; history.pushState(0, '', '/u/mary%40example.com/4915112345678?q=call+me+0511+123456789&email=mary@example.com&utm_source=letter')`)
		e := b.events("page_viewed", 2)[1]
		if e.URL != b.site.url+"/u/(email)/(number)?q=call+me(number)&utm_source=letter" {
			t.Errorf("the address was sent as %s", e.URL)
		}
		if e.Title != "Order of (email)" || e.Search != "call me (number)" {
			t.Errorf("title %q, search %q", e.Title, e.Search)
		}
		if strings.Contains(b.site.dump(), "mary@") {
			t.Error("the e-mail address left the page")
		}
	})

	run(t, "T4 every form of a call is understood", func(t *testing.T) { commandForms(t, newTab(t)) })

	run(t, "T4 the messenger's forms are understood", func(t *testing.T) {
		b := newTab(t)
		b.site.hideTag = true
		b.site.loader = `window._genesysJs = 'Genesys'; window.Genesys = function () { (Genesys.q = Genesys.q || []).push(arguments) }; Genesys.t = 1 * new Date; Genesys.c = { environment: 'prod', deploymentId: '` + deployment + `' };
			window.log = []; Genesys('subscribe', 'Journey.ready', () => log.push('ready'));
			Genesys('command', 'Journey.record', { eventName: 'too_early' }, () => {}, (e) => log.push('refused ' + e));
			Genesys('command', 'Journey.trackClickEvents', { clickEvents: [{ selector: '.buy', eventName: 'buy_clicked', customAttributes: { at: 'top' } }] })`
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		b.Script(`Genesys('command', 'Journey.record', { eventName: 'product_added', customAttributes: { price: 15.99, code: 'CDE-123', hasBatteries: false }, traitsMapper: [] }, () => log.push('recorded'), () => log.push('failed'));
			Genesys('command', 'Journey.pageview', { pageTitle: 'Virtual', pageLocation: location.origin + '/virtual' })`)
		b.Press("#act")
		e := b.events("product_added", 1)[0]
		if e.Attributes["price"] != 15.99 || e.Attributes["code"] != "CDE-123" || e.Attributes["hasBatteries"] != false {
			t.Errorf("sent %+v", e.Attributes)
		}
		if v := b.events("page_viewed", 2)[1]; v.Title != "Virtual" || !strings.HasSuffix(v.URL, "/virtual") {
			t.Errorf("sent %+v", v)
		}
		if c := b.events("buy_clicked", 1)[0]; c.Attributes["at"] != "top" {
			t.Errorf("sent %+v", c)
		}
		if got := chromium.Value[[]string](b.Tab, "log"); !slices.Equal(got, []string{"ready", "recorded"}) {
			t.Errorf("the page heard %q", got)
		}
		if n := len(b.site.named("too_early")); n != 0 {
			t.Error("a call before the grant was sent")
		}
	})

	run(t, "what the server can't take comes again, once", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		failures := 2
		b.site.set(func(path string) int {
			if strings.HasSuffix(path, "/events") && failures > 0 {
				failures--
				return 503
			}
			return 0
		})
		b.Script(`for (let i = 1; i < 251; i++) ac('record', 'thing_' + i % 10, { i })`)
		b.site.until(t, b.ctx, "the newest of the events", func() bool { return len(b.site.namedLocked("thing_0")) >= 20 })
		b.calm()
		seen := map[int]bool{}
		last := 0
		for _, e := range b.site.named("") {
			if seen[e.Seq] || e.Seq < last {
				t.Errorf("number %d came twice or out of order", e.Seq)
			}
			seen[e.Seq], last = true, e.Seq
		}
		if len(seen) != 201 { // the page view and the two hundred newest
			t.Errorf("%d events arrived, want 201", len(seen))
		}
	})

	run(t, "one malformed event does not take the others with it", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		b.events("page_viewed", 1)
		d := b.site.desk
		d.set(func(path string) int {
			if last := d.requests[len(d.requests)-1]; strings.HasSuffix(path, "/events") && strings.Contains(last.body, "malformed") {
				return 400
			}
			return 0
		})
		b.Script(`ac('record', 'before'); ac('record', 'malformed'); ac('record', 'after')`)
		b.events("before", 1)
		b.events("after", 1)
	})

	for status, again := range map[int]bool{400: false, 401: false, 403: false, 410: false, 413: false, 422: false, 429: true, 500: true} {
		run(t, fmt.Sprintf("an answer of %d", status), func(t *testing.T) {
			b := newTab(t)
			b.choose("/", "accept")
			b.events("page_viewed", 1)
			tries := 0
			b.site.set(func(path string) int {
				if strings.HasSuffix(path, "/events") {
					if tries++; tries == 1 {
						return status
					}
				}
				return 0
			})
			b.Script(`ac('record', 'once')`)
			b.site.until(t, b.ctx, "the first try", func() bool { return tries >= 1 })
			if again {
				b.events("once", 1)
				return
			}
			b.calm()
			if tries != 1 {
				t.Errorf("tried %d times", tries)
			}
		})
	}

	for status, asks := range map[string]bool{"ConsentWithdrawn": false, "Objected": false, "ConsentRequested": true, "ConsentExpired": true, "": true} {
		run(t, fmt.Sprintf("W12 W13 a grant that the server holds as %q", status), func(t *testing.T) {
			b := newTab(t)
			b.choose("/", "accept")
			b.events("page_viewed", 1)
			b.site.mu.Lock()
			clear(b.site.granted)
			b.site.status = status
			b.site.mu.Unlock()
			b.Script(`ac('record', 'unwanted')`)
			b.Until("!document.cookie")
			if asks {
				b.banner()
				b.Holds()
			} else {
				b.calm()
				b.Holds("local probity_choice")
				if chromium.Value[bool](b.Tab, "!!document.querySelector('.probity')") {
					t.Error("who said no is asked again")
				}
			}
			if got := chromium.Value[string](b.Tab, `ac('record', 'more')`); got != "consent.required" {
				t.Errorf("a later call answers %q", got)
			}
		})
	}

	run(t, "the server can stop the page", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "accept")
		visitor := b.events("page_viewed", 1)[0].Visitor
		b.site.until(t, b.ctx, "a live stream", func() bool { return len(b.site.streams[visitor]) == 1 })
		b.site.send(visitor, "stop", map[string]any{"purposes": []string{"actions", "marketing"}})
		b.Until(`ac('record', 'late') == 'consent.required'`)
		b.Until(`!/actions|marketing/.test(localStorage.probity_choice)`)
		b.Holds("cookie _actmu", "local probity_choice")
		b.site.send(visitor, "stop", map[string]any{"purposes": []string{"measure"}})
		b.Until("!document.cookie")
		b.Holds("local probity_choice")
	})

	run(t, "the tracker of an earlier deployment is cleaned up", func(t *testing.T) {
		b := newTab(t)
		b.open("/")
		b.Script(`document.cookie = '_actvc=2;path=/'; document.cookie = '_actts=1.2.3;path=/'; localStorage._actmu = 'x'`)
		b.banner()
		b.Press("[data-probity=reject]")
		b.Until("!document.cookie")
		b.Holds("local probity_choice")
	})

}

func commandForms(t *testing.T, b *tab) {
	b.site.loader = snippet + `ac('init', 'an-org', { globalTraitsMapper: [{ fieldName: 'mail', traitName: 'email' }] })`
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Script(`ac('record', 'plain_one');
		ac('record', 'with_attributes', { price: 9.5, name: 'Jug', hot: true, list: [1] });
		ac('record', 'with_label', 'the label', { more: 1 });
		ac('record', { eventName: 'as_object', customAttributes: { a: 1 } });
		ac('record', 'with_callback', {}, {}, () => window.called = true);
		ac('record', 'with_traits', { mail: 'mary@example.com', tel: '+49 511 123' }, { traitsMapper: [{ fieldName: 'tel', traitName: 'cellPhone' }] });
		ac('identify', 'customer-7', { givenName: 'Mary', email: 'mary@example.com' });
		ac('identify', null);
		ac('once', 'contentOffer:offered', () => {}); ac('off', 'contentOffer:offered'); ac('unknown', 1); ac('api.visit.get', () => {})`)
	identified := b.events("user_identified", 1)[0]
	if identified.ExternalID != "customer-7" || identified.Traits["givenName"] != "Mary" || identified.Traits["email"] != "mary@example.com" {
		t.Errorf("identify sent %+v", identified)
	}
	for name, want := range map[string]map[string]any{
		"plain_one":       {},
		"with_attributes": {"price": 9.5, "name": "Jug", "hot": true},
		"with_label":      {"label": "the label", "more": 1.0},
		"as_object":       {"a": 1.0},
		"with_callback":   {},
		"with_traits":     {"mail": "mary@example.com", "tel": "+49 511 123"},
	} {
		e := b.events(name, 1)[0]
		if fmt.Sprint(e.Attributes) != fmt.Sprint(want) {
			t.Errorf("%s sent %v, want %v", name, e.Attributes, want)
		}
	}
	if traits := b.site.named("with_traits")[0].Traits; traits["email"] != "mary@example.com" || traits["cellPhone"] != "+49 511 123" {
		t.Errorf("mapped traits: %v", traits)
	}
	if !chromium.Value[bool](b.Tab, "window.called === true") {
		t.Error("the callback was not called")
	}
}

func formCanaries(t *testing.T, b *tab) {
	var form strings.Builder
	n := 0
	for _, kind := range []string{"text", "email", "tel", "password", "search", "url", "number", "hidden", "date", "time", "color", "range", "checkbox", "radio", "month", "week", "datetime-local"} {
		for _, name := range []string{"field", "card", "pin"} {
			n++
			fmt.Fprintf(&form, `<input type="%s" name="%s_%s"%s>`, kind, name, kind, map[string]string{"range": ` max="9999999"`}[kind])
		}
	}
	b.site.onPage = `<form id="f" name="order" action="/sent" novalidate>` + form.String() + `<textarea name="words"></textarea><div contenteditable id="free"></div><fieldset data-private><input name="hush"></fieldset><select name="size"><option>S</option><option value="canary-select">L</option></select></form>`
	b.site.loader = snippet + `ac('forms:track', '#f', { captureFormDataOnSubmit: true, captureFormDataOnAbandon: true, customAttributes: { where: 'shop' } })`
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	fill := `for (const e of document.querySelectorAll('#f input, #f textarea, #f select')) {
			const canary = { number: '424242', date: '2001-02-03', month: '2001-02', week: '2001-W07', 'datetime-local': '2001-02-03T03:07:09.417', time: '03:07:09.417', color: '#c0ffee', range: '7654321', email: 'canary@example.com', url: 'https://canary.example/' }[e.type] || 'canary-' + e.name;
			if (e.type == 'checkbox' || e.type == 'radio') { e.value = canary; e.checked = true } else if (e.tagName == 'SELECT') e.selectedIndex = 1; else e.value = canary;
			e.dispatchEvent(new Event('change', { bubbles: true }));
		}
		document.querySelector('#free').textContent = 'canary free';`
	b.Script(fill + `document.querySelector('#f').addEventListener('submit', e => e.preventDefault()); document.querySelector('#f').requestSubmit()`)
	e := b.events("form_submitted", 1)[0]
	if e.Attributes["formName"] != "order" || e.Attributes["where"] != "shop" || !strings.Contains(e.Attributes["fields"].(string), "field_text,field_email") {
		t.Errorf("sent %+v", e.Attributes)
	}
	for _, secret := range []string{"password", "hidden", "card", "pin", "hush"} {
		if strings.Contains(e.Attributes["fields"].(string), secret) {
			t.Errorf("the field %q is named: %s", secret, e.Attributes["fields"])
		}
	}
	b.Script(fill)
	b.open("/left")
	b.events("form_abandoned", 1)
	if n < 50 {
		t.Errorf("the form has %d canaries, want 50", n)
	}
	b.site.mu.Lock()
	for _, r := range b.site.requests {
		for _, canary := range []string{"canary", "424242", "2001-02", "2001-W07", "03:07:09.417", "c0ffee", "7654321"} {
			if strings.Contains(r.path+r.referrer+r.body, canary) {
				t.Errorf("%q left the page: %s %s", canary, r.path, r.body)
			}
		}
	}
	b.site.mu.Unlock()
	for _, e := range b.site.named("") {
		if strings.Contains(fmt.Sprint(e.Attributes, e.Traits), "canary") {
			t.Errorf("a typed value left the page: %+v", e)
		}
	}
}
