package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestStaffSeeHowPeopleAnswerAndThatItCanBeProved walks through the pages on consent with the demo's
// visitors, and audits them.
func TestStaffSeeHowPeopleAnswerAndThatItCanBeProved(t *testing.T) {
	p := start(t, "demo", "--visitors", "4")
	link := p.said.find(t, `http\S+/console/sign-in\?token=\S+`)
	browser := chromium.Start(t)
	staff := p.tab(t, chromium.New(t, browser))
	staff.Open(link)
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")

	// Somebody agrees to everything, looks around and takes it all back.
	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	visitor := accept(b, p.base+"/demo/")
	b.Until("accepted >= 1")
	b.Script("ac('identify', 'proof-1', { givenName: 'Prudence' })")
	b.Until("accepted >= 2")
	staff.Until("[...document.querySelectorAll('[data-testid=live] tbody tr')].find(r => r.textContent.includes('Prudence'))")
	staff.Script("[...document.querySelectorAll('[data-testid=live] tbody tr')].find(r => r.textContent.includes('Prudence')).querySelector('a').click()")
	staff.Visible("[data-testid=steps]")
	staff.Press("[data-testid=consent-history]")
	staff.Visible("[data-testid=timeline]")
	history := chromium.Value[string](staff, "location.pathname")
	words := func() string { return chromium.Value[string](staff, "document.querySelector('main').innerText") }
	if page := words(); !strings.Contains(page, "verified now") || !strings.Contains(page, "“Accept all”") || strings.Contains(page, "does not hold") || strings.Contains(page, visitor) {
		t.Errorf("the history of a visitor:\n%s", page)
	}
	b.Press("[data-privacy-choices]:not([hidden])")
	b.Press("[data-probity=withdraw_all]")
	staff.Reload("document.querySelectorAll('[data-testid=timeline] .tag.good').length >= 2 && /withdrawn|refused/.test(document.querySelector('[data-testid=timeline]').innerText)")

	staff.Press("a[href='/console/consent']")
	staff.Visible("#matters")
	staff.Reload("document.querySelector('[data-testid=today]')")
	staff.Open(p.base + "/console/consent/rates")
	staff.Visible("[data-testid=rates]")
	if page := words(); !strings.Contains(page, "Version 1") || !strings.Contains(page, "Time to the choice") {
		t.Errorf("the rates:\n%s", page)
	}
	staff.Open(p.base + "/console/consent/ledger")
	staff.Press("button[data-testid=audit]")
	staff.Until("location.hash == '#audit' && document.readyState == 'complete'")
	staff.Visible("[data-testid=audited] .tag.good")

	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 1600}, {320, 640}} {
			staff.Prefer("prefers-color-scheme", scheme)
			staff.Resize(size[0], size[1])
			for name, path := range map[string]string{
				"overview": "/console/consent", "rates": "/console/consent/rates?by=version", "rates-day": "/console/consent/rates?by=day",
				"ledger": "/console/consent/ledger", "history": history + "?at=2026-01-01T12:00",
			} {
				staff.Open(p.base + path)
				for _, fault := range staff.Audit() {
					t.Errorf("%s, %s, %d wide: %s", name, scheme, size[0], fault)
				}
				if dir := os.Getenv("PROBITY_PICTURES"); dir != "" {
					file := "consent-" + name + "-" + scheme + map[bool]string{true: "-narrow"}[size[0] < 480] + ".png"
					if err := os.WriteFile(filepath.Join(dir, file), staff.Picture(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
