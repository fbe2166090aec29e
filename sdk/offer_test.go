package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"probity/e2e/chromium"
)

// offered is a content offer as it comes over the live stream.
func offered(id, mode string) map[string]any {
	return map[string]any{
		"id": id, "mediaType": "contentOffer", "actionMapId": "a-map", "actionMapVersion": 2, "sessionId": "a-session", "customerIdType": "cookie",
		"contentOfferProperties": map[string]any{
			"displayMode": mode, "layoutMode": "TextOnly", "title": "Ten per cent off your first jug", "headline": "Until Sunday", "body": "Use the code KILN at the checkout.",
			"callToAction": map[string]any{"text": "To the jugs", "url": "/jugs", "target": "Self"},
			"style":        map[string]any{"ctaButton": map[string]any{"fontSize": "18px"}},
		},
	}
}

// states returns what was reported of the offer.
func (d *desk) states(id string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.statesLocked(id)
}

func (d *desk) statesLocked(id string) []string {
	var out []string
	for _, a := range d.actions {
		if a["actionId"] == id {
			out = append(out, a["actionState"].(string))
		}
	}
	return out
}

// ready grants everything and waits for the live stream.
func (b *tab) ready() (visitor string) {
	b.t.Helper()
	b.choose("/", "accept")
	visitor = b.events("page_viewed", 1)[0].Visitor
	b.site.until(b.t, b.ctx, "a live stream", func() bool { return len(b.site.streams[visitor]) == 1 })
	return visitor
}

func (b *tab) reported(id string, states ...string) {
	b.t.Helper()
	b.site.until(b.t, b.ctx, fmt.Sprintf("%s to be %q", id, states), func() bool { return len(b.site.statesLocked(id)) >= len(states) })
	if got := b.site.states(id); !slices.Equal(got, states) {
		b.t.Errorf("reported %q of %s, want %q", got, id, states)
	}
}

func offerTests(t *testing.T, newTab func(*testing.T) *tab) {
	run(t, "a modal offer keeps the focus, can be dismissed, and gives the focus back", func(t *testing.T) {
		b := newTab(t)
		b.Before(`window.violations = []; document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective))`)
		visitor := b.ready()
		b.Focus("#act")
		b.site.send(visitor, "offer", offered("offer-1", "Modal"))
		b.Visible(".probity-offer")
		b.reported("offer-1", "offered")
		for range 4 {
			b.Key(kb.Tab)
			if chromium.Value[bool](b.Tab, `document.activeElement.matches('#act, #link')`) {
				t.Fatal("the focus left the dialog for the page behind it")
			}
		}
		if name := chromium.Value[string](b.Tab, `document.getElementById(document.querySelector('.probity-offer').getAttribute('aria-labelledby')).textContent`); name != "Ten per cent off your first jug" {
			t.Errorf("the dialog is called %q", name)
		}
		b.Key(kb.Escape)
		b.reported("offer-1", "offered", "rejected")
		b.Until("!document.querySelector('.probity-offer') && document.activeElement.id == 'act'")
		b.site.send(visitor, "offer", offered("offer-1", "Modal"))
		b.site.send(visitor, "offer", offered("offer-2", "Modal"))
		b.Visible(".probity-offer")
		b.Press(".probity-offer a")
		b.Until("location.pathname == '/jugs'")
		b.reported("offer-2", "offered", "accepted")
		if got := b.site.states("offer-1"); len(got) != 2 {
			t.Errorf("an offer that was turned down came again: %q", got)
		}
		if got := chromium.Value[[]string](b.Tab, "violations"); len(got) > 0 {
			t.Errorf("the policy was violated: %q", got)
		}
	})

	run(t, "a toast leaves the page alone", func(t *testing.T) {
		b := newTab(t)
		visitor := b.ready()
		b.Focus("#act")
		b.site.send(visitor, "offer", offered("offer-1", "Toast"))
		b.Visible(".probity-offer")
		if !chromium.Value[bool](b.Tab, "document.activeElement.id == 'act'") {
			t.Error("the toast took the focus")
		}
		b.Press(".probity-offer button")
		b.reported("offer-1", "offered", "rejected")
	})

	run(t, "an offer that is left behind was ignored", func(t *testing.T) {
		b := newTab(t)
		visitor := b.ready()
		b.site.send(visitor, "offer", offered("offer-1", "Toast"))
		b.Visible(".probity-offer")
		b.open("/away")
		b.reported("offer-1", "offered", "ignored")
	})

	run(t, "pages hear of offers and can report on their own", func(t *testing.T) {
		b := newTab(t)
		b.site.loader = snippet + `window.log = [];
			ac('on', 'contentOffer:offered', (p) => log.push('on ' + p.actionState + ' ' + p.actionMapId + ' ' + p.customerIdType));
			ac('once', 'contentOffer:rejected', () => log.push('once'));
			ac('subscribe', 'Journey.qualifiedOpenAction', ({ data }) => { log.push(data.openActionProperties.openActionName); ac('recordActionStateChange', { actionId: data.id, actionState: 'accepted' }) })`
		visitor := b.ready()
		for _, id := range []string{"offer-1", "offer-2"} {
			b.site.send(visitor, "offer", offered(id, "Toast"))
			b.Visible(".probity-offer")
			b.Press(".probity-offer button")
			b.reported(id, "offered", "rejected")
		}
		b.site.send(visitor, "offer", map[string]any{"id": "call-1", "mediaType": "openAction", "actionMapId": "m", "actionMapVersion": 1, "sessionId": "a-session", "openActionProperties": map[string]any{"openActionName": "callback"}})
		b.reported("call-1", "accepted")
		want := "on offered a-map cookie,once,on offered a-map cookie,callback"
		if got := strings.Join(chromium.Value[[]string](b.Tab, "log"), ","); got != want {
			t.Errorf("the page heard %s, want %s", got, want)
		}
	})

	run(t, "no offer without a purpose for it, none after a withdrawal, and none that runs code", func(t *testing.T) {
		b := newTab(t)
		visitor := b.ready()
		evil := offered("evil", "Modal")
		evil["contentOfferProperties"].(map[string]any)["callToAction"] = map[string]any{"text": "Click", "url": "javascript:window.owned=1"}
		evil["contentOfferProperties"].(map[string]any)["body"] = `<img src=x onerror="window.owned=1">`
		b.site.send(visitor, "offer", evil)
		b.Visible(".probity-offer")
		if n := chromium.Value[int](b.Tab, `document.querySelectorAll('.probity-offer a, .probity-offer img').length`); n != 0 {
			t.Error("an offer made markup or a link to code")
		}
		b.Script(`document.querySelector('.probity-offer button').click()`)
		b.site.send(visitor, "offer", offered("open", "Toast"))
		b.Visible(".probity-offer")
		b.site.send(visitor, "stop", map[string]any{"purposes": []string{"support", "sales", "marketing"}})
		b.Until(`!/marketing/.test(localStorage.probity_choice)`)
		b.site.send(visitor, "offer", offered("late", "Toast"))
		b.site.send(visitor, "stop", map[string]any{"purposes": nil})
		b.Until("!document.cookie && !document.querySelector('.probity-offer')")
		if got := b.site.states("late"); len(got) > 0 {
			t.Errorf("an offer without a purpose was %q", got)
		}
	})
}
