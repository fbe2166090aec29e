package browser

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestL25_StaffRecordAConsentByPhoneFindItAndEndIt walks through the pages on what was said elsewhere
// without a script, and audits them.
func TestL25_StaffRecordAConsentByPhoneFindItAndEndIt(t *testing.T) {
	p := start(t, "serve")
	token := p.token()
	b := p.tab(t, chromium.New(t, chromium.Start(t)))
	b.Open(p.signIn())
	b.Press("[data-testid=sign-in]")
	b.Until("location.pathname == '/console/'")
	state := func() string {
		var s struct {
			References []map[string]struct {
				Status   string `json:"status"`
				Asserted bool   `json:"asserted"`
			} `json:"references"`
		}
		p.ask("POST", "/probity/v1/consent/person/state", token, map[string]any{"person": map[string]string{"phone": "+4930901820"}}, 200, &s)
		if len(s.References) != 1 || !s.References[0]["marketing"].Asserted {
			t.Fatalf("the state is %+v", s)
		}
		return s.References[0]["marketing"].Status
	}

	b.Open(p.base + "/console/consent/ways")
	b.Press("[data-testid=record]")
	b.Visible("#f-purposes-marketing")
	b.Script("document.querySelector('#f-kind').value = 'phone'; document.querySelector('#f-purposes-marketing').value = 'yes'")
	b.Type("#f-identity", "+49 30 901820")
	b.Type("#f-evidence", "recording 7")
	b.Press("[data-testid=check]")
	b.Visible("[data-testid=foreseen]")
	if page := chromium.Value[string](b, "document.querySelector('main').innerText"); !strings.Contains(page, "nothing is written yet") || !strings.Contains(page, "never as first-hand") {
		t.Errorf("before it is written:\n%s", page)
	}
	for _, fault := range b.Audit() {
		t.Errorf("the page that checks: %s", fault)
	}
	b.Press("[data-testid=write]")
	b.Visible("[data-testid=timeline]")
	history := chromium.Value[string](b, "location.pathname")
	if got := state(); got != "ConsentGiven" {
		t.Errorf("after it was recorded: %s", got)
	}

	// Staff find it again by the number, with its proof and its mark.
	b.Open(p.base + "/console/consent/ways")
	b.Script("document.querySelector('#kind').value = 'phone'")
	b.Type("#identity", "030 901820")
	b.Press("[data-testid=find]")
	b.Visible("[role=alert]")
	for _, fault := range b.Audit() {
		t.Errorf("nobody found: %s", fault)
	}
	b.Script("document.querySelector('#identity').value = ''")
	b.Type("#identity", "+4930901820")
	b.Press("[data-testid=find]")
	b.Until("location.pathname == " + quoted(history))
	b.Visible("[data-testid=timeline]")
	if page := chromium.Value[string](b, "document.querySelector('[data-testid=timeline]').innerText"); !strings.Contains(page, "assertion: somebody wrote down") || !strings.Contains(page, "verified now") ||
		!strings.Contains(page, "evidence: recording 7") || strings.Contains(page, "901820") {
		t.Errorf("the history:\n%s", page)
	}

	b.Press("[data-testid=end]")
	b.Visible("#f-purposes-marketing:checked")
	b.Press("[data-testid=check]")
	b.Visible("[data-testid=foreseen]")
	b.Press("[data-testid=write]")
	b.Until("document.querySelectorAll('[data-testid=timeline] > li').length == 2")
	if got := state(); got != "ConsentWithdrawn" {
		t.Errorf("after it was ended: %s", got)
	}

	subject := url.QueryEscape(path.Base(path.Dir(history)))
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 1600}, {320, 640}} {
			b.Prefer("prefers-color-scheme", scheme)
			b.Resize(size[0], size[1])
			for _, page := range []string{"/console/consent/ways", "/console/consent/ways/record", "/console/consent/ways/end?subject=" + subject,
				"/console/consent/ways/optin", "/console/consent/ways/parent", "/console/consent/bases", "/console/consent/bases/new"} {
				b.Open(p.base + page)
				for _, fault := range b.Audit() {
					t.Errorf("%s, %s, %d wide: %s", page, scheme, size[0], fault)
				}
			}
		}
	}
}

func quoted(s string) string { return "'" + s + "'" }
