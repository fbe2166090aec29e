package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"probity/e2e/chromium"
)

// states asks the server what it has about each purpose of a visitor.
func (p *product) states(visitor string) map[string]string {
	p.t.Helper()
	var out struct {
		Purposes map[string]struct{ Status string }
	}
	p.ask("POST", "/probity/v1/consent/state", "", map[string]any{"deployment": deployment, "visitor": visitor}, http.StatusOK, &out)
	states := map[string]string{}
	for purpose, s := range out.Purposes {
		states[purpose] = s.Status
	}
	return states
}

// said returns the text of an element of the page.
func said(b *chromium.Tab, selector string) string {
	b.T.Helper()
	return chromium.Value[string](b, fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector))
}

func TestB33_WithoutScriptsNobodyIsTrackedAndTheCentreDoesEverything(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	browser := chromium.Start(t)

	t.Run("who never runs a script is asked nothing, and leaves nothing", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Scripts(false)
		b.Open(site + "/pots")
		if chromium.Value[bool](b, "!!document.querySelector('.probity') || !!document.querySelector('button[data-privacy-choices]')") {
			t.Error("without scripts something of ours is shown")
		}
		if kept := chromium.Value[string](b, "document.cookie + Object.keys(localStorage) + Object.keys(sessionStorage)"); kept != "" {
			t.Errorf("the device holds %q", kept)
		}
		b.Press("#choices") // the page's own link, which stands there only without scripts
		b.Visible("h1")
		if title := said(b, "h1"); title != "Nothing is linked to this browser" {
			t.Errorf("the control leads to %q", title)
		}
	})

	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	visitor := accept(b, site+"/")
	b.Until("accepted >= 1")
	events := len(p.events(p.session(visitor, site), p.token()))
	p.ask("POST", "/probity/v1/consent/declarations", p.token(), map[string]any{
		"basis": "legitimate_interest", "purposes": []string{"support", "marketing"},
		"assessment": map[string]any{
			"interest": "Help for visitors who are stuck.", "necessity": "Nothing milder finds them.", "balancing": "They expect help and can object.",
			"safeguards": "No profile is made.", "reviewer": "data protection officer", "review": time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339),
		},
	}, http.StatusCreated, nil)
	b.Scripts(false)

	// The control of the page leads to the choices, in the language of the browser.
	b.Open(site + "/pots/blue")
	b.Press("#choices")
	b.Visible("[data-testid=state-measure]")
	if got := len(p.events(p.session(visitor, site), p.token())); got != events+1 { // asking for the session sends one itself
		t.Errorf("on a page without scripts %d events became %d", events, got)
	}

	t.Run("reading", func(t *testing.T) {
		page := said(b, "main")
		for _, want := range []string{"See which pages are visited", "on version 1 of the notice", "Art. 6(1)(f) GDPR", "Art. 21(1) GDPR", "This is direct marketing."} {
			if !strings.Contains(page, want) {
				t.Errorf("the choices lack %q", want)
			}
		}
		b.Press(".back")
		b.Press("[data-testid=go-data]")
		b.Visible("[data-testid=part]")
		if held := said(b, "main"); !strings.Contains(held, site+"/") {
			t.Error("the pages visited are not shown")
		}
		b.Press(".back")
		b.Press("[data-testid=go-choices]")
	})

	t.Run("withdrawing one purpose", func(t *testing.T) {
		b.Press("[data-testid=withdraw-sales]")
		b.Visible("[data-testid=saved]")
		if off, got := said(b, "[data-testid=state-sales]"), p.states(visitor); off != "off" || got["sales"] != "ConsentWithdrawn" || got["measure"] != "ConsentGiven" {
			t.Errorf("the page says %s, the server %v", off, got)
		}
	})

	t.Run("giving", func(t *testing.T) {
		b.Press("[data-testid=go-give]")
		b.Visible("[data-testid=give]")
		if chromium.Value[bool](b, "document.getElementById('p-sales').checked || !document.getElementById('p-measure').checked") {
			t.Error("the boxes do not show what holds")
		}
		b.Press("#p-sales")
		b.Press("[data-testid=give]")
		b.Visible("[data-testid=saved]")
		if on, got := said(b, "[data-testid=state-sales]"), p.states(visitor); on != "on" || got["sales"] != "ConsentGiven" || got["measure"] != "ConsentGiven" {
			t.Errorf("the page says %s, the server %v", on, got)
		}
	})

	t.Run("objecting", func(t *testing.T) {
		b.Type("#why-support", "I find it intrusive.")
		b.Press("[data-testid=object-support]")
		b.Visible("[data-testid=objected-support]")
		if text := said(b, "[data-testid=objected-support]"); !strings.Contains(text, "You objected on "+time.Now().UTC().Format("2 January 2006")) || !strings.Contains(said(b, "main"), "I find it intrusive.") {
			t.Errorf("afterwards the page says %q", text)
		}
		b.Press("[data-testid=object-marketing]")
		b.Visible("[data-testid=objected-marketing]")
		if got := p.states(visitor); got["support"] != "Objected" || got["marketing"] != "Objected" || got["sales"] != "ConsentGiven" {
			t.Errorf("the server has %v", got)
		}
		file := p.download(chromium.Value[string](b, "document.querySelector('[data-testid=receipt-support]').getAttribute('href')"), &http.Cookie{Name: "_actmu", Value: visitor})
		if out, err := p.verify(file); err != nil || !strings.Contains(out, "consent.objected") {
			t.Errorf("the receipt: %v\n%s", err, out)
		}
	})

	t.Run("one click on a link", func(t *testing.T) {
		var link struct{ URL string }
		p.ask("POST", "/probity/v1/consent/links", p.token(), map[string]any{"person": map[string]string{"cookie": visitor}, "deployment": deployment, "purposes": []string{"identity"}}, http.StatusCreated, &link)
		stranger := p.tab(t, chromium.New(t, browser)) // the letter is read on another device
		stranger.Scripts(false)
		stranger.Open(link.URL)
		stranger.Visible("[data-testid=purposes]")
		if got := p.states(visitor); got["identity"] != "ConsentGiven" {
			t.Errorf("looking at the link left %v", got)
		}
		stranger.Press("[data-testid=withdraw]")
		stranger.Visible("[data-testid=told]")
		if got := p.states(visitor); got["identity"] != "ConsentWithdrawn" || got["measure"] != "ConsentGiven" {
			t.Errorf("the link left %v", got)
		}
	})

	t.Run("with nothing but the receipt", func(t *testing.T) {
		b.Open(p.base + "/privacy/choices?lang=en")
		file := p.download(chromium.Value[string](b, "document.querySelector('[data-testid=receipt-sales]').getAttribute('href')"), &http.Cookie{Name: "_actmu", Value: visitor})
		if out, err := p.verify(file); err != nil || !strings.Contains(out, "Where the link to withdraw leads") {
			t.Errorf("the receipt: %v\n%s", err, out)
		}
		var receipt struct {
			Link string `json:"withdrawal_link"`
		}
		if err := json.Unmarshal(file, &receipt); err != nil || !strings.HasPrefix(receipt.Link, "/privacy/l/") {
			t.Fatalf("the receipt's link is %q (%v)", receipt.Link, err)
		}
		finder := p.tab(t, chromium.New(t, browser))
		finder.Scripts(false)
		finder.Open(p.base + receipt.Link)
		finder.Press("[data-testid=withdraw]")
		finder.Visible("[data-testid=told]")
		if got := p.states(visitor); got["sales"] != "ConsentWithdrawn" || got["measure"] != "ConsentWithdrawn" || got["support"] != "Objected" {
			t.Errorf("the receipt's link left %v", got)
		}
		b.Press("[data-testid=go-give]")
		b.Press("#p-measure")
		b.Press("[data-testid=give]")
		b.Visible("[data-testid=saved]")
	})

	t.Run("withdrawing everything", func(t *testing.T) {
		b.Open(p.base + "/privacy/choices?lang=en")
		b.Press("[data-testid=withdraw-all]")
		b.Visible("[data-testid=saved]")
		for purpose, status := range p.states(visitor) {
			if status == "ConsentGiven" {
				t.Errorf("%s is %s", purpose, status)
			}
		}
		event, err := json.Marshal(map[string]any{"visitor": visitor, "visit": "b7f9e9c5-4a36-4b39-a6a2-6a52b6df6f0c", "events": []any{
			map[string]any{"seq": 1, "name": "page_viewed", "at": time.Now().UTC().Format(time.RFC3339), "url": site + "/"}}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(p.base+"/probity/v1/deployments/"+deployment+"/events", "text/plain", strings.NewReader(string(event)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil || !strings.Contains(string(answer), "consent.required") {
			t.Errorf("an event after the withdrawal was answered with %d: %s (%v)", res.StatusCode, answer, err)
		}
	})

	// The same pages, audited.
	b.Scripts(true)
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 800}, {320, 640}} {
			b.Prefer("prefers-color-scheme", scheme)
			b.Resize(size[0], size[1])
			for _, path := range []string{"/privacy/choices", "/privacy/give"} {
				b.Open(p.base + path)
				for _, fault := range b.Audit() {
					t.Errorf("%s, %s, %d wide: %s", path, scheme, size[0], fault)
				}
			}
		}
	}
}
