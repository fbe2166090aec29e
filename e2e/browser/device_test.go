package browser

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/e2e/chromium"
	"probity/internal/demo"
)

// exchange is one request and what the server answered, as they went over the wire.
type exchange struct {
	request string      // method, path, query and body
	sent    http.Header // what the browser sent
	got     http.Header
	body    []byte
}

// overheard returns the product behind a proxy that keeps every exchange, and what was kept since the last call.
func overheard(t *testing.T, p *product) (*product, func() []exchange) {
	t.Helper()
	target, err := url.Parse(p.base)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard []exchange
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			e := exchange{r.Request.Method + " " + r.Request.URL.RequestURI(), r.Request.Header.Clone(), r.Header.Clone(), nil}
			if r.Header.Get("Content-Type") != "text/event-stream" {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return err
				}
				e.body = body
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, e)
			return nil
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	through := *p
	through.base = s.URL
	return &through, func() []exchange {
		mu.Lock()
		defer mu.Unlock()
		out := heard
		heard = nil
		return out
	}
}

// Every visitor who has not chosen asks for the same files, says nothing about itself, and gets the same bytes and
// headers: the tag of a file is made of its content, so that it can't name a visitor.
func TestS1_S2_TwentyVisitorsWhoHaveNotChosenCannotBeToldApart(t *testing.T) {
	p, heard := overheard(t, start(t, "serve"))
	site := customer(t, p)
	browser := chromium.Shared(t)
	var first map[string]exchange
	for i := range 20 {
		b := p.tab(t, chromium.New(t, browser))
		b.Open(fmt.Sprintf("%s/secret/%d?for=%d", site, i, i))
		b.Visible(".probity")
		b.Holds()
		got := map[string]exchange{}
		for _, e := range heard() {
			got[e.request] = e
			if !strings.HasPrefix(e.request, "GET ") || e.sent.Get("Cookie") != "" || e.sent.Get("Authorization") != "" || strings.Contains(fmt.Sprint(e.request, e.sent), "secret") {
				t.Errorf("before any choice: %s %v", e.request, e.sent)
			}
			if e.got.Values("Set-Cookie") != nil || !strings.HasPrefix(e.got.Get("Cache-Control"), "public") {
				t.Errorf("%s is answered with %v", e.request, e.got)
			}
			// The deployment is the website's, the same for all who visit it.
			if regexp.MustCompile(`[?&](?:[^l]|l[^a])`).MatchString(strings.Replace(e.request, "?deployment="+deployment, "", 1)) {
				t.Errorf("a request carries more than the language and the website: %s", e.request)
			}
		}
		if first == nil {
			first = got
			if len(first) != 4 {
				t.Errorf("a visitor who does nothing asks for %q, want gate, banner, its style and the notice", slices.Sorted(maps.Keys(first)))
			}
			continue
		}
		if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(first))) {
			t.Errorf("visitor %d asked for %q, the first for %q", i, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(first)))
		}
		for request, e := range got {
			one := first[request]
			for name := range maps.Keys(e.got) {
				// The moment of an answer, and the number under which its request is logged, are no one's own.
				if name != "Date" && name != "Inin-Correlation-Id" && !slices.Equal(e.got[name], one.got[name]) {
					t.Errorf("%s: %s is %q for visitor %d and %q for the first", request, name, e.got[name], i, one.got[name])
				}
			}
			if !bytes.Equal(e.body, one.body) || !maps.EqualFunc(e.sent, one.sent, slices.Equal) {
				t.Errorf("%s differs between visitors:\n%v\n%v", request, e.sent, one.sent)
			}
		}
	}
}

// shop serves the demo shop in front of a product.
func shop(t *testing.T, p *product) string {
	t.Helper()
	s := httptest.NewServer(demo.Shop(uuid.MustParse(deployment), p.base))
	t.Cleanup(s.Close)
	return s.URL + "/demo"
}

// pages are all templates of the demo shop; the basket and the checkout hold something.
var pages = []string{"/", "/c/green", "/p/sencha-morning-hill", "/search?q=sencha", "/basket", "/checkout", "/account", "/newsletter", "/privacy", "/none"}

// fill puts something into the basket.
func fill(b *chromium.Tab, shop string) {
	b.T.Helper()
	b.Open(shop + "/p/sencha-morning-hill")
	b.Press("form[data-record=product_added] button")
	b.Until("location.pathname == '/demo/basket'")
}

func TestF4_WhoRefusesGetsTheSamePagesAsWhoAgrees(t *testing.T) {
	p := start(t, "serve")
	shop := shop(t, p)
	// What differs is the control that takes consent back, which only who agreed can need.
	const page = `(() => { const d = document.documentElement.cloneNode(true);
		d.querySelectorAll('body > [data-privacy-choices=withdraw], body > [role=status]').forEach(e => e.remove());
		return d.outerHTML })()`
	seen := map[string][]string{}
	for _, answer := range []string{"accept", "reject"} {
		b := p.tab(t, chromium.New(t, chromium.Shared(t)))
		b.Open(shop + "/")
		b.Visible(".probity")
		b.Press("[data-probity=" + answer + "]")
		b.Until("!document.querySelector('.probity') && localStorage.probity_choice")
		fill(b, shop)
		for _, path := range pages {
			b.Open(shop + path)
			b.Until("document.querySelector('[data-privacy-choices]')" + map[string]string{"accept": " && document.cookie.includes('_actmu')"}[answer])
			seen[path] = append(seen[path], chromium.Value[string](b, page))
		}
	}
	for path, got := range seen {
		if len(got[0]) < 2000 || got[0] != got[1] {
			t.Errorf("%s: %d bytes for who agreed, %d for who refused:\n%s\n%s", path, len(got[0]), len(got[1]), got[0], got[1])
		}
	}
}

func TestW1_TheControlStandsOnEveryPageOfTheShopAndIsReachedByKeyboard(t *testing.T) {
	p := start(t, "serve")
	shop := shop(t, p)
	b := p.tab(t, chromium.New(t, chromium.Shared(t)))
	accept(b, shop+"/")
	fill(b, shop)
	for _, path := range pages {
		b.Open(shop + path)
		b.Until(`document.querySelector('[data-privacy-choices=""]')?.checkVisibility()`)
		b.Focus(`[data-privacy-choices=""]`)
		if !chromium.Value[bool](b, `document.activeElement.matches('button[data-privacy-choices=""]') && document.activeElement.tabIndex == 0`) {
			t.Errorf("%s: the keyboard does not reach the control", path)
		}
	}
	b.Key("\r")
	b.Visible(".probity")
	b.Press("[data-probity=withdraw_all]")
	b.Until("!document.cookie.includes('_actmu')")
	b.Until("!document.querySelector('.probity')")
	b.Holds("local probity_choice")
}

// The entry of a withdrawal that was made without a network tells both when it was made and when it came.
func TestW6_TheEntryOfAWithdrawalMadeOfflineTellsBothTimes(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	b := p.tab(t, chromium.New(t, chromium.Shared(t)))
	visitor := accept(b, site+"/")
	b.Until("document.querySelector('[data-privacy-choices=withdraw]')")
	// Load what takes consent back once, so that it is there without a network.
	b.Press(`[data-privacy-choices=""]`)
	b.Visible(".probity")
	b.Offline(true)
	b.Press("[data-probity=withdraw_all]")
	b.Until(`localStorage.probity_choice.split('.')[1] == 'n'`)
	made := time.Now()
	b.Script("await new Promise(r => setTimeout(r, 1200))")
	b.Offline(false)
	b.Until("!document.cookie")
	var state struct {
		Purposes map[string]struct {
			Status   string
			RecordID string `json:"record_id"`
		}
	}
	p.ask("POST", "/probity/v1/consent/state", "", map[string]any{"deployment": deployment, "visitor": visitor}, http.StatusOK, &state)
	var receipt struct {
		Entry struct {
			ClientTime time.Time `json:"client_time"`
			ServerTime time.Time `json:"server_time"`
		}
	}
	p.ask("POST", "/probity/v1/consent/receipt", "", map[string]any{"deployment": deployment, "visitor": visitor, "record_id": state.Purposes["measure"].RecordID}, http.StatusOK, &receipt)
	if r := receipt.Entry; r.ClientTime.IsZero() || r.ClientTime.After(made) || r.ServerTime.Sub(r.ClientTime) < time.Second {
		t.Errorf("the entry says made %v and received %v; it was made before %v", r.ClientTime, r.ServerTime, made)
	}
}

func TestW2_TheReceiptProvesTheChoiceOffline(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	b := p.tab(t, chromium.New(t, chromium.Shared(t)))
	visitor := accept(b, site+"/")
	b.Press("[data-privacy-choices='']")
	b.Visible(".probity")
	b.Script(`URL.createObjectURL = (blob) => { blob.text().then((t) => window.receipt = t); return 'data:,' }; document.addEventListener('click', e => e.target.download && e.preventDefault(), true)`)
	b.Press("[data-probity=receipt]")
	b.Until("window.receipt")
	receipt := chromium.Value[string](b, "receipt")
	said, err := p.verify([]byte(receipt))
	if err != nil {
		t.Fatalf("probity verify: %v\n%s\n%s", err, said, receipt)
	}
	if _, err := p.verify([]byte(strings.Replace(receipt, "measure", "measurf", 1))); err == nil {
		t.Error("an altered receipt was verified")
	}
	if strings.Contains(said, visitor) {
		t.Error("the report names the visitor")
	}
}
