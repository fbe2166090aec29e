package browser

import (
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"probity/e2e/chromium"
	"probity/internal/demo"
)

// TestEveryPageCanBeUsedByEverybody audits all kinds of pages in light and dark, wide and narrow.
func TestEveryPageCanBeUsedByEverybody(t *testing.T) {
	p := start(t, "serve")
	server := httptest.NewServer(demo.Shop(uuid.MustParse(deployment), p.base))
	t.Cleanup(server.Close)
	shop := server.URL
	browser := chromium.Start(t)
	staff := p.tab(t, chromium.New(t, browser))
	staff.Open(p.signIn())
	check := func(b *chromium.Tab, what string) {
		t.Helper()
		for _, fault := range b.Audit() {
			t.Errorf("%s: %s", what, fault)
		}
	}
	check(staff, "console sign-in")
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")

	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 800}, {320, 640}} {
			look := scheme
			if size[0] < 480 {
				look += ", narrow"
			}
			for _, tab := range []*chromium.Tab{b, staff} {
				tab.Prefer("prefers-color-scheme", scheme)
				tab.Resize(size[0], size[1])
			}
			if !chromium.Value[bool](b, "location.protocol == 'http:' && document.cookie.includes('_actmu')") {
				b.Open(shop + "/demo/")
				b.Visible(".probity")
				check(b, "banner, "+look)
				b.Press("[data-probity=settings]")
				b.Visible("[data-probity=save]")
				check(b, "banner's second layer, "+look)
				b.Press("[data-probity=accept]")
				b.Until("accepted >= 1")
			}
			for _, path := range []string{"/demo/", "/demo/c/green", "/demo/p/sencha-morning-hill", "/demo/basket", "/demo/search?q=tea", "/demo/account", "/demo/privacy"} {
				b.Open(shop + path)
				b.Until("accepted >= 1")
				check(b, path+", "+look)
			}
			b.Press("[data-privacy-choices]:not([hidden])")
			b.Visible(".probity")
			check(b, "privacy choices, "+look)
			for _, path := range []string{"/privacy/", "/privacy/data", "/privacy/choices", "/privacy/copy", "/privacy/correct", "/privacy/restrict", "/privacy/review", "/privacy/erase", "/privacy/nowhere"} {
				b.Open(p.base + path)
				check(b, path+", "+look)
			}
			for _, path := range []string{"/console/", "/console/outcomes", "/console/requests", "/console/tasks", "/console/recipients", "/console/databases", "/console/masking", "/console/nowhere"} {
				staff.Open(p.base + path)
				check(staff, path+", "+look)
			}
			staff.Open(p.base + "/console/")
			staff.Press("[data-testid=live] tbody a")
			staff.Visible("[data-testid=steps]")
			check(staff, "a visitor's page, "+look)
		}
	}
}
