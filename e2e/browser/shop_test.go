package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/e2e/chromium"
	"probity/internal/demo"
)

// history returns past visits of the shop: every third one bought.
func history(shop string, visits int) map[string]any {
	events := []any{}
	begin := time.Now().UTC().AddDate(0, 0, -30)
	for i := range visits {
		at := begin.Add(time.Duration(i) * time.Hour)
		step := func(name, path string) {
			at = at.Add(20 * time.Second)
			events = append(events, map[string]any{"visitor": fmt.Sprintf("past-%d", i), "time": at.Format(time.RFC3339), "name": name, "page": shop + path, "title": "Fernhill"})
		}
		step("page_viewed", "/demo/")
		step("page_viewed", "/demo/c/green")
		if i%2 == 0 || i%3 == 0 {
			step("page_viewed", "/demo/p/sencha-morning-hill")
			step("product_viewed", "/demo/p/sencha-morning-hill")
		}
		if i%3 == 0 {
			step("product_added", "/demo/p/sencha-morning-hill")
			step("page_viewed", "/demo/basket")
			step("checkout_started", "/demo/checkout")
			step("order_completed", "/demo/checkout")
		}
		at = at.AddDate(0, 0, 1) // they came back, which ended the visit before
		step("page_viewed", "/demo/")
	}
	return map[string]any{"deployment": deployment, "basis": "legitimate_interest", "assessment": "Weighed for this test: the shop's own past visits, without names.", "outcomes": []string{"order_completed"}, "events": events}
}

// TestAShopper walks the demo shop to the checkout: the probability of an order moves with every step,
// and an offer comes when it crosses the threshold.
func TestAShopper(t *testing.T) {
	p := start(t, "serve")
	server := httptest.NewServer(demo.Shop(uuid.MustParse(deployment), p.base))
	t.Cleanup(server.Close)
	shop := server.URL
	token := p.token()

	var imported struct{ Accepted int }
	past := history(shop, 300)
	p.ask("POST", "/probity/v1/import", token, past, http.StatusOK, &imported)
	if imported.Accepted != len(past["events"].([]any)) {
		t.Fatalf("%d of %d past events were accepted", imported.Accepted, len(past["events"].([]any)))
	}
	var outcomes struct {
		Entities []struct{ ID, DisplayName string }
	}
	p.ask("GET", "/api/v2/journey/outcomes", token, nil, http.StatusOK, &outcomes)
	if len(outcomes.Entities) != 1 {
		t.Fatalf("there are %d outcomes, want the one that the import named", len(outcomes.Entities))
	}
	outcome := outcomes.Entities[0].ID
	var template struct{ ID string }
	p.ask("POST", "/api/v2/journey/actiontemplates", token, map[string]any{
		"name": "Free delivery", "mediaType": "contentOffer", "state": "Active",
		"contentOffer": map[string]any{"displayMode": "Toast", "layoutMode": "TextOnly", "title": "Delivery is on us today", "callToAction": map[string]any{"text": "To the checkout", "url": shop + "/demo/checkout"}},
	}, http.StatusOK, &template)
	p.ask("POST", "/api/v2/journey/actionmaps", token, map[string]any{
		"displayName": "About to buy", "isActive": true, "weight": 2, "activation": map[string]any{"type": "immediate"},
		"triggerWithOutcomeProbabilityConditions": []any{map[string]any{"outcomeId": outcome, "maximumProbability": 0.8}},
		"pageUrlConditions":                       []any{}, "action": map[string]any{"mediaType": "contentOffer", "actionTemplate": map[string]any{"id": template.ID}},
	}, http.StatusOK, nil)

	browser := chromium.Start(t)
	staff := p.tab(t, chromium.New(t, browser))
	staff.Open(p.signIn())
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")
	staff.Open(p.base + "/console/outcomes")
	staff.Reload("document.querySelector('.tag.good')") // the model is trained and in use
	staff.Open(p.base + "/console/")
	staff.Until("document.getElementById('stream-state')?.textContent == 'live'")

	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	probability := func(page string) float64 {
		t.Helper()
		staff.Until(fmt.Sprintf(`document.querySelector('[data-testid=live] tbody tr td.page')?.textContent.includes(%q) && document.querySelector('[data-testid=live] meter')`, page))
		return chromium.Value[float64](staff, "document.querySelector('[data-testid=live] meter').value")
	}

	accept(b, shop+"/demo/")
	b.Until("accepted >= 1")
	home := probability("Tea")
	b.Open(shop + "/demo/search?q=sencha")
	b.Until("accepted >= 1")
	b.Open(shop + "/demo/p/sencha-morning-hill")
	b.Until("accepted >= 2")
	product := probability("Sencha")
	b.Press("form[data-record=product_added] button")
	b.Until("location.pathname == '/demo/basket' && accepted >= 1")
	basket := probability("basket")
	if home == product || product == basket || basket <= home {
		t.Errorf("the probability went from %.3f over %.3f to %.3f", home, product, basket)
	}
	t.Logf("the probability went from %.3f over %.3f to %.3f", home, product, basket)

	// The threshold is crossed; what was added arrived although its page was left at once.
	b.Visible("[data-testid=probity-offer]")
	staff.Press("[data-testid=live] tbody a")
	staff.Visible("[data-testid=steps]")
	page := chromium.Value[string](staff, "document.body.innerText")
	for _, want := range []string{"product added", "product viewed", "About to buy"} {
		if !strings.Contains(page, want) {
			t.Errorf("the visitor's page lacks %q:\n%s", want, page)
		}
	}
	b.Press("[data-testid=probity-offer] a")
	b.Until("location.pathname == '/demo/checkout' && accepted >= 1")
	staff.Reload(`/accepted/i.test(document.querySelector('[aria-labelledby=offers]').innerText)`)

	for field, text := range map[string]string{"name": "Mary Miller", "email": "mary@example.com", "street": "1 Mill Road", "city": "Fernhill"} {
		b.Type("main form [name="+field+"]", text)
	}
	b.Press("main form button[type=submit]")
	b.Until("document.body.dataset.record == 'order_completed' && accepted >= 2")
	staff.Open(p.base + "/console/")
	staff.Until("/done/.test(document.querySelector('[data-testid=live] tbody .score')?.innerText)")

	// What was typed into the checkout stayed in the shop.
	staff.Press("[data-testid=live] tbody a")
	staff.Visible("[data-testid=steps]")
	if page := chromium.Value[string](staff, "document.body.innerText"); strings.Contains(page, "Miller") || strings.Contains(page, "Mill Road") {
		t.Errorf("the console shows what was typed:\n%s", page)
	}
}
