package browser

import (
	"net/http"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestAnOffer configures an action map through the API and lets a visitor's click qualify for it.
func TestAnOffer(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	browser := chromium.Start(t)
	token := p.token()

	var template, actionMap struct{ ID string }
	p.ask("POST", "/api/v2/journey/actiontemplates", token, map[string]any{
		"name": "First pot", "mediaType": "contentOffer", "state": "Active",
		"contentOffer": map[string]any{
			"displayMode": "Modal", "layoutMode": "TextOnly", "title": "Your first pot travels free", "body": "Until Sunday, with the code KILN.",
			"callToAction": map[string]any{"text": "To the checkout", "url": site + "/checkout", "target": "Self"},
		},
	}, http.StatusOK, &template)
	p.ask("POST", "/api/v2/journey/actionmaps", token, map[string]any{
		"displayName": "Into the basket", "isActive": true, "weight": 2, "activation": map[string]any{"type": "immediate"},
		"triggerWithEventConditions": []any{map[string]any{"key": "eventName", "values": []string{"product_added"}, "operator": "equal", "streamType": "Web", "sessionType": "web"}},
		"pageUrlConditions":          []any{}, "action": map[string]any{"mediaType": "contentOffer", "actionTemplate": map[string]any{"id": template.ID}},
	}, http.StatusOK, &actionMap)

	staff := p.tab(t, chromium.New(t, browser))
	staff.Open(p.signIn())
	staff.Press("[data-testid=sign-in]")
	staff.Until("document.getElementById('stream-state')?.textContent == 'live'")

	t.Run("who agreed to advertising gets it, once", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		accept(b, site+"/")
		b.Until("accepted == 1 && answers.some(a => a.endsWith('/live'))")
		b.Press("#buy")
		b.Visible("[data-testid=probity-offer]")
		if title := chromium.Value[string](b, "document.querySelector('[data-testid=probity-offer] h2').textContent"); title != "Your first pot travels free" {
			t.Errorf("the offer is titled %q", title)
		}
		b.Until("answers.some(a => /^20. .*actionevent/.test(a))")
		staff.Press("[data-testid=live] tbody a")
		staff.Until("location.pathname.startsWith('/console/visitors/')")
		staff.Reload(`/offered|shown/i.test(document.querySelector('[aria-labelledby=offers]').innerText)`)
		b.Press("[data-testid=probity-offer] a")
		b.Until("location.pathname == '/checkout'")
		staff.Reload(`/accepted/i.test(document.querySelector('[aria-labelledby=offers]').innerText)`)
		b.Until("accepted >= 1")
		b.Press("#buy")
		b.Until("accepted >= 3")
		if chromium.Value[bool](b, "!!document.querySelector('[data-testid=probity-offer]')") {
			t.Error("the offer came twice in one session")
		}
	})

	t.Run("who did not agree to advertising gets none", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		b.Open(site + "/")
		b.Visible(".probity")
		b.Press("[data-probity=settings]")
		for _, purpose := range []string{"measure", "actions", "predict"} {
			b.Press(".probity input[name=" + purpose + "]")
		}
		b.Press("[data-probity=save]")
		b.Until("accepted == 1")
		b.Press("#buy")
		b.Until("accepted == 2")
		staff.Open(p.base + "/console/")
		staff.Until(`[...document.querySelectorAll('[data-testid=live] tbody tr')].some(r => /agree|consent|purpose/i.test(r.lastElementChild.innerText))`)
		if chromium.Value[bool](b, "!!document.querySelector('[data-testid=probity-offer]')") {
			t.Error("an offer was made without its purpose")
		}
		if said := chromium.Value[string](b, "answers.join()"); strings.Contains(said, "actionevent") {
			t.Errorf("an action was reported: %s", said)
		}
	})
}
