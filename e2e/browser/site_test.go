package browser

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/e2e/chromium"
)

// customer is a site of somebody else, on another origin, with the snippet installed under a strict
// content security policy. Its host is 127.0.0.1, so that cookies reach the product as they do where
// the privacy centre lies on the controller's own host.
func customer(t *testing.T, p *product) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/site.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `window._genesysJourneySdk = 'ac'; var ac = window.ac = function () { (ac.q = ac.q || []).push(arguments) };
				ac('init', 'an-organisation', {}); ac('load', 'autotrackUrlChange'); ac('record', 'page_ready');
				ac('forms:track', 'form', { formName: 'letter' });
				ac('load', 'autotrackClick', { clickEvents: [{ selector: '#buy', eventName: 'product_added', customAttributes: { price: 12.5 } }] })`)
		case "/favicon.ico":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s; style-src %[1]s; connect-src %[1]s; require-trusted-types-for 'script'", p.base))
			fmt.Fprintf(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A customer's site</title><script src="/site.js"></script>
				<script async src="%s/journey/sdk/js/web/v1/ac.js" data-deployment="%s"></script></head><body><h1>Pots</h1><button id="buy">Buy</button><form><label>Mail <input name="mail" type="email"></label></form>
				<noscript><a id="choices" href="%[1]s/privacy/choices">Privacy choices</a></noscript></body></html>`, p.base, deployment)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// compressed returns how many bytes the content is on the wire.
func compressed(t *testing.T, content []byte) int {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// session returns the visitor's session id: a web event of the Genesys wire says it.
func (p *product) session(visitor, page string) string {
	p.t.Helper()
	var out struct {
		Session struct{ ID string }
	}
	p.ask("POST", "/api/v2/journey/deployments/"+deployment+"/webevents", "", map[string]any{
		"customerCookieId": visitor, "eventName": "page_viewed", "page": map[string]string{"url": page + "/from-server", "title": "From the server"},
		"createdDate": time.Now().UTC().Format(time.RFC3339),
	}, http.StatusOK, &out)
	return out.Session.ID
}

// events returns the names of the session's events.
func (p *product) events(session, token string) []string {
	p.t.Helper()
	var out struct {
		Entities []struct{ WebEvent struct{ EventName string } }
	}
	p.ask("GET", "/api/v2/journey/sessions/"+session+"/events?pageSize=200", token, nil, http.StatusOK, &out)
	names := []string{}
	for _, e := range out.Entities {
		names = append(names, e.WebEvent.EventName)
	}
	return names
}

// accept answers the banner on a page and waits until the visitor is known.
func accept(b *chromium.Tab, page string) (visitor string) {
	b.T.Helper()
	b.Open(page)
	b.Visible(".probity")
	b.Press("[data-probity=accept]")
	b.Until("document.cookie.includes('_actmu=') && !document.querySelector('.probity')")
	return chromium.Value[string](b, `/_actmu=([^;]+)/.exec(document.cookie)[1]`)
}

// counting keeps, on the page, how many requests the server accepted.
const counting = `window.accepted = 0; window.answers = []; const asked = window.fetch;
	window.fetch = async (...a) => { const r = await asked(...a); const path = new URL(a[0]).pathname; answers.push(r.status + ' ' + path);
		if (r.status == 202) accepted += (await r.clone().json()).accepted; return r }`

func TestACustomersSite(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	browser := chromium.Start(t)

	t.Run("what a visitor must load to choose stays within its budget", func(t *testing.T) {
		for _, lang := range []string{"en", "de"} {
			total := 0
			for _, path := range []string{"/probity/sdk/v1/banner.js", "/probity/sdk/v1/banner.css", "/probity/v1/deployments/" + deployment + "/notice?lang=" + lang} {
				total += compressed(t, p.download(path))
			}
			if total > 6144 {
				t.Errorf("%s: %d bytes compressed, at most 6144 are allowed", lang, total)
			}
			t.Logf("%s: %d of 6144 bytes", lang, total)
		}
	})

	t.Run("a refusal leaves one key and nothing on the server but an entry without a name", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		b.Open(site + "/")
		b.Visible(".probity")
		b.Holds()
		if got := chromium.Value[[]string](b, "answers"); slices.ContainsFunc(got, func(a string) bool { return strings.Contains(a, "events") || strings.Contains(a, "choices") }) {
			t.Errorf("before any choice the page asked %q", got)
		}
		b.Press("[data-probity=reject]")
		b.Until("answers.some(a => a == '201 /probity/v1/consent/choices')")
		b.Holds("local probity_choice")
		b.Open(site + "/again")
		b.Until("document.querySelector('[data-privacy-choices]')")
		b.Holds("local probity_choice")
	})

	t.Run("a grant counts from that moment, and a withdrawal ends it everywhere", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		b.Open(site + "/")
		b.Visible(".probity")
		b.Press("#buy") // before the choice: never counted
		visitor := accept(b, site+"/pots?utm_source=letter&secret=1")
		b.Until("accepted == 1")
		b.Press("#buy")
		b.Until("accepted == 2")
		b.Script("history.pushState(0, '', '/pots/blue'); ac('record', 'pot_turned', { degrees: 90 })")
		b.Until("accepted == 4")

		token := p.token()
		session := p.session(visitor, site)
		got := p.events(session, token)
		slices.Sort(got)
		want := []string{"page_viewed", "page_viewed", "page_viewed", "pot_turned", "product_added"}
		if !slices.Equal(got, want) {
			t.Errorf("the server holds %q, want %q", got, want)
		}

		other := p.tab(t, b.Beside())
		other.Before(counting)
		other.Open(site + "/other-tab")
		other.Until("accepted == 2") // the page view, and what site.js records on each page
		b.Press("[data-privacy-choices=withdraw]")
		b.Until("!document.cookie")
		b.Holds("local probity_choice")
		other.Until("ac('record', 'too_late') == 'consent.required'")
		var state struct {
			Purposes map[string]struct{ Status string }
		}
		p.ask("POST", "/probity/v1/consent/state", "", map[string]any{"deployment": deployment, "visitor": visitor}, http.StatusOK, &state)
		for purpose, s := range state.Purposes {
			if s.Status != "ConsentWithdrawn" {
				t.Errorf("the server has %s as %s", purpose, s.Status)
			}
		}
		if len(state.Purposes) != 7 {
			t.Errorf("the server knows %d purposes of the visitor, want 7", len(state.Purposes))
		}
		// The server refuses from that instant, whatever is sent.
		event := map[string]any{"visitor": visitor, "visit": "b7f9e9c5-4a36-4b39-a6a2-6a52b6df6f0c", "events": []any{map[string]any{"seq": 1, "name": "page_viewed", "at": time.Now().UTC().Format(time.RFC3339), "url": site + "/"}}}
		req, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		status := chromium.Value[string](b, fmt.Sprintf(`fetch(%q, { method: 'POST', body: %q }).then(async r => r.status + ' ' + await r.text())`, p.base+"/probity/v1/deployments/"+deployment+"/events", req))
		if !strings.Contains(status, "consent.required") {
			t.Errorf("an event after the withdrawal was answered with %s", status)
		}
	})

	t.Run("taking consent back in the privacy centre stops the open page", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		accept(b, site+"/")
		b.Until("accepted >= 1 && answers.some(a => a.endsWith('/live'))")
		centre := p.tab(t, b.Beside())
		centre.Open(p.base + "/privacy/choices?lang=en")
		centre.Press("[data-testid=withdraw-all]")
		centre.Visible("[data-testid=saved]")
		if text := chromium.Value[string](centre, "document.querySelector('[data-testid=state-measure]')?.textContent ?? 'no longer known'"); text == "" || chromium.Value[bool](centre, "!!document.querySelector('[data-testid=withdraw-all]')") {
			t.Errorf("after the withdrawal the centre still offers it; measure is %q", text)
		}
		b.Until("!document.cookie && ac('record', 'too_late') == 'consent.required'")
		b.Holds("local probity_choice")
		b.Open(site + "/later")
		b.Until("document.querySelector('[data-privacy-choices]')")
		if chromium.Value[bool](b, "!!document.querySelector('.probity')") {
			t.Error("who took consent back is asked again")
		}
	})

	t.Run("a visitor corrects an address", func(t *testing.T) {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		accept(b, site+"/")
		b.Until("accepted >= 1")
		b.Script("ac('identify', 'customer-9', { email: 'wrong@example.com' })")
		b.Until("accepted >= 2")
		b.Open(p.base + "/privacy/correct?lang=en")
		b.Reload("document.getElementById('f0')?.value == 'wrong@example.com'")
		b.Script("document.getElementById('f0').value = ''")
		b.Type("#f0", "right@example.com")
		b.Press("[data-testid=correct]")
		b.Until("location.pathname.startsWith('/privacy/requests/')")
		b.Reload("document.querySelector('[data-testid=request]')?.dataset.state == 'verified'")
		b.Open(p.base + "/privacy/data?lang=en")
		page := chromium.Value[string](b, "document.querySelectorAll('details').forEach(d => d.open = true) ?? document.body.innerText")
		if !strings.Contains(page, "right@example.com") || strings.Contains(page, "wrong@example.com") {
			t.Errorf("after the correction the centre shows:\n%s", page)
		}
	})
}
