package browser

import (
	"net/http"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestAVisitorAsksForErasureAndStaffApproveIt follows one erasure from the privacy centre through the
// desk to a certificate that verifies, and audits every page of the desk on the way.
func TestAVisitorAsksForErasureAndStaffApproveIt(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	browser := chromium.Start(t)
	staff := p.tab(t, chromium.New(t, browser))
	audit := func(b *chromium.Tab, what string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			b.Prefer("prefers-color-scheme", scheme)
			for _, size := range [][2]int64{{1280, 800}, {320, 640}} {
				b.Resize(size[0], size[1])
				for _, fault := range b.Audit() {
					t.Errorf("%s, %s, %d wide: %s", what, scheme, size[0], fault)
				}
			}
		}
		b.Resize(1280, 800)
	}
	staff.Open(p.signIn())
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")
	staff.Open(p.base + "/console/requests")
	audit(staff, "an empty queue")

	// Erasures need a second person from now on.
	staff.Open(p.base + "/console/requests/settings")
	audit(staff, "the settings")
	staff.Press("[name='type.erasure']")
	staff.Press("[data-testid=check]")
	staff.Until("location.pathname == '/console/requests'")

	// The visitor agrees, looks around, and asks.
	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	visitor := accept(b, site+"/")
	b.Until("accepted == 1")
	b.Open(p.base + "/privacy/?lang=en")
	b.Press("[data-testid=go-restrict]")
	b.Visible("[data-testid=restrict]")
	audit(b, "restricting the use")
	b.Open(p.base + "/privacy/?lang=en")
	b.Press("[data-testid=go-erase]")
	b.Press("[data-testid=erase]")
	b.Until("location.pathname.startsWith('/privacy/requests/')")
	audit(b, "a request that waits")
	address := chromium.Value[string](b, "location.pathname")
	if page := chromium.Value[string](b, "document.body.innerText"); !strings.Contains(page, "waiting for approval") || !strings.Contains(page, "at the latest") {
		t.Errorf("the visitor is not told where the request stands:\n%s", page)
	}

	// Staff see it due, with what it would do.
	staff.Open(p.base + "/console/requests")
	queue := chromium.Value[string](staff, "document.querySelector('[data-testid=requests]').innerText")
	if !strings.Contains(queue, "Erasure") || !strings.Contains(queue, "waits for approval") || !strings.Contains(queue, "days left") {
		t.Errorf("the queue does not show the request as due:\n%s", queue)
	}
	audit(staff, "the queue")
	staff.Press("[data-testid=requests] tbody a")
	staff.Visible("[data-testid=plan]")
	audit(staff, "a request with its plan")
	desk := chromium.Value[string](staff, "location.pathname")
	if page := chromium.Value[string](staff, "document.body.innerText"); !strings.Contains(page, "1 device of the person") || !strings.Contains(page, "the browser holds the random id") {
		t.Errorf("the request shows neither plan nor identity:\n%s", page)
	}

	// A refusal without its parts is sent back with the faults beside the fields.
	staff.Open(p.base + desk + "/steps/refuse")
	staff.Press("[data-testid=check]")
	staff.Visible("[aria-invalid=true]")
	audit(staff, "a refusal that lacks its parts")

	// Approved, it is carried out, and its certificate is verified on the page and by the program.
	staff.Open(p.base + desk)
	staff.Press("[href$='/steps/approve']")
	staff.Visible("[data-testid=check]")
	audit(staff, "the approval")
	staff.Press("[data-testid=check]")
	staff.Until("location.pathname == '" + desk + "'")
	staff.Reload("document.querySelector('[data-state=verified]')")
	if page := chromium.Value[string](staff, "document.body.innerText"); !strings.Contains(page, "verified now") || !strings.Contains(page, "A second person approved") {
		t.Errorf("the finished request:\n%s", page)
	}
	audit(staff, "a finished erasure")
	b.Open(p.base + address + "?lang=en")
	b.Reload("document.querySelector('[data-testid=certificate]')")
	certificate := p.download(chromium.Value[string](b, "document.querySelector('[data-testid=certificate]').getAttribute('href')"), &http.Cookie{Name: "_actmu", Value: visitor})
	if said, err := p.verify(certificate); err != nil || strings.Contains(string(certificate), visitor) {
		t.Errorf("probity verify: %v\n%s", err, said)
	}

	// A letter is written down.
	staff.Open(p.base + "/console/requests/new")
	audit(staff, "writing a request down")
	staff.Type("[name=identity]", "nobody@example.org")
	staff.Type("[name=reason]", "Known at the counter.")
	staff.Press("[data-testid=check]")
	staff.Until("/^.console.requests.[0-9a-f-]{36}$/.test(location.pathname)")
	staff.Reload("document.querySelector('[data-state=verified]')")
	staff.Visible("[data-testid=package]")
	audit(staff, "a finished copy")
	b.Holds()
}
