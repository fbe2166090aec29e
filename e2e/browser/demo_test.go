package browser

import (
	"fmt"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestTheDemo is what a newcomer does within the first minutes: watch visitors appear, agree, shop, see
// the probability of a purchase move with each step, and get an offer when it crosses the threshold.
func TestTheDemo(t *testing.T) {
	p := start(t, "demo", "--visitors", "4")
	link := p.said.find(t, `http\S+/console/sign-in\?token=\S+`)
	for _, path := range []string{"/demo/", "/console/", "/privacy/"} {
		if !strings.Contains(p.said.String(), p.base+path) {
			t.Errorf("the demo did not print the address of %s", path)
		}
	}
	browser := chromium.Start(t)
	staff := p.tab(t, chromium.New(t, browser))
	staff.Open(link)
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")
	staff.Until("document.querySelector('[data-testid=live] tbody tr')") // simulated visitors
	staff.Open(p.base + "/console/outcomes")
	staff.Reload("document.querySelector('.tag.good')") // the shop's past is learnt from
	staff.Open(p.base + "/console/")

	// Nothing is sent or kept before the newcomer has chosen.
	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	b.Open(p.base + "/")
	b.Visible(".probity")
	if path := chromium.Value[string](b, "location.pathname"); path != "/demo/" {
		t.Errorf("the front door leads to %s", path)
	}
	b.Holds()
	if asked := chromium.Value[string](b, "answers.join()"); strings.Contains(asked, "events") || strings.Contains(asked, "consent") {
		t.Errorf("before any choice the page asked %s", asked)
	}
	visitor := accept(b, p.base+"/demo/")
	b.Until("accepted >= 1")
	b.Script("ac('identify', 'newcomer-1', { givenName: 'Zelda' })")
	b.Until("accepted >= 2")

	const row = `[...document.querySelectorAll('[data-testid=live] tbody tr')].find(r => r.textContent.includes('Zelda'))`
	probability := func(page string) float64 {
		t.Helper()
		staff.Until(fmt.Sprintf(`%s?.querySelector('meter') && %[1]s.querySelector('.page').textContent.includes(%q)`, row, page))
		return chromium.Value[float64](staff, row+".querySelector('meter').value")
	}
	seen := []float64{probability("Tea, and things")}
	b.Open(p.base + "/demo/c/green")
	b.Until("accepted >= 1")
	seen = append(seen, probability("Green tea"))
	b.Press(".card a")
	b.Until("document.body.dataset.record == 'product_viewed' && accepted >= 2")
	seen = append(seen, probability("Sencha"))
	offered := "document.querySelector('[data-testid=probity-offer]')"
	b.Press("form[data-record=product_added] button")
	b.Until("location.pathname == '/demo/basket'")
	b.Until(offered + " || accepted >= 1")
	if !chromium.Value[bool](b, "!!"+offered) {
		b.Open(p.base + "/demo/checkout")
	}
	b.Visible("[data-testid=probity-offer]")
	b.Until("answers.some(a => /^20. .*actionevent/.test(a))")
	staff.Script(row + ".querySelector('a').click()")
	staff.Visible("[data-testid=steps]")
	page := chromium.Value[string](staff, "document.body.innerText")
	if !strings.Contains(page, "product added") || !strings.Contains(page, "nearly there") {
		t.Errorf("the visitor's page lacks what was added, or the offer:\n%s", page)
	}
	seen = append(seen, chromium.Value[float64](staff, `parseFloat(document.querySelector('[data-testid=score] .big').textContent) / 100`))
	moves := 0
	for i := 1; i < len(seen); i++ {
		if seen[i] != seen[i-1] {
			moves++
		}
	}
	if moves < 2 || seen[len(seen)-1] <= seen[0] {
		t.Errorf("the probability went over %.3f", seen)
	}
	b.Press("[data-testid=probity-offer] button")
	b.Until("!" + offered)
	staff.Reload(`/rejected|turned down|declined/i.test(document.querySelector('[aria-labelledby=offers]').innerText)`)

	// The privacy centre of the demo knows the newcomer.
	b.Open(p.base + "/privacy/data?lang=en")
	held := chromium.Value[string](b, "document.querySelectorAll('details').forEach(d => d.open = true) ?? document.body.innerText")
	for _, want := range []string{"Zelda", "product_added", visitor} {
		if !strings.Contains(held, want) {
			t.Errorf("the visitor is not shown %q", want)
		}
	}
}
