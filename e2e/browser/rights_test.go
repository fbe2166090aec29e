package browser

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// TestFromConsentToErasure follows one visitor through everything: what staff see, what the visitor
// sees and takes along, and that nothing is left after the erasure.
func TestFromConsentToErasure(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	browser := chromium.Start(t)

	staff := p.tab(t, chromium.New(t, browser))
	staff.Open(p.signIn())
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")
	staff.Until("document.getElementById('stream-state')?.textContent == 'live'")
	if chromium.Value[bool](staff, "!!document.querySelector('[data-testid=live] tbody tr')") {
		t.Error("somebody is on the site before anybody came")
	}

	// The visitor agrees, and appears on the live page without a reload.
	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	visitor := accept(b, site+"/")
	b.Until("accepted == 1")
	b.Press("#buy")
	b.Script("ac('identify', 'customer-7', { email: 'mary.miller@example.com', givenName: 'Mary' }); history.pushState(0, '', '/pots/blue')")
	b.Until("accepted == 4")
	staff.Until("document.querySelector('[data-testid=live] tbody td.num')?.textContent == '4'")
	b.Press("#buy")
	staff.Until("document.querySelector('[data-testid=live] tbody td.num')?.textContent == '5'")

	// One visitor's page: every event cites what allows it.
	staff.Press("[data-testid=live] tbody a")
	staff.Visible("[data-testid=steps]")
	person := chromium.Value[string](staff, "location.pathname")
	steps := chromium.Value[string](staff, "document.querySelector('[data-testid=steps]').innerText")
	if n := strings.Count(steps, "allowed by"); n != 5 {
		t.Errorf("%d of 5 events say what allows them:\n%s", n, steps)
	}
	if page := chromium.Value[string](staff, "document.body.innerText"); !strings.Contains(page, "Mary") {
		t.Errorf("the page does not show who it is about:\n%s", page)
	}
	if n := chromium.Value[int](staff, "document.querySelectorAll('[data-testid=choices] .good').length"); n != 7 {
		t.Errorf("the page shows %d grants, want 7", n)
	}

	// The privacy centre knows the visitor by the cookie, and shows the same.
	b.Open(p.base + "/privacy/?lang=en")
	b.Press("[data-testid=go-data]")
	b.Visible("[data-testid=part]")
	held := chromium.Value[string](b, "document.querySelectorAll('details').forEach(d => d.open = true) ?? document.body.innerText")
	for _, want := range []string{"mary.miller@example.com", "/pots/blue", "product_added", visitor} {
		if !strings.Contains(held, want) {
			t.Errorf("the visitor is not shown %q", want)
		}
	}

	// A copy to take along.
	cookie := &http.Cookie{Name: "_actmu", Value: visitor}
	b.Open(p.base + "/privacy/copy?lang=en")
	b.Press("[data-testid=make-copy]")
	b.Until("location.pathname.startsWith('/privacy/requests/')")
	b.Reload("document.querySelector('[data-testid=package]')")
	pack := p.download(chromium.Value[string](b, "document.querySelector('[data-testid=package]').getAttribute('href')"), cookie)
	readPackage(t, pack, "mary.miller@example.com", "/pots/blue")

	// Erasure, proved.
	b.Open(p.base + "/privacy/erase?lang=en")
	b.Press("[data-testid=erase]")
	b.Until("location.pathname.startsWith('/privacy/requests/')")
	b.Reload("document.querySelector('[data-testid=certificate]')")
	certificate := p.download(chromium.Value[string](b, "document.querySelector('[data-testid=certificate]').getAttribute('href')"), cookie)
	said, err := p.verify(certificate)
	if err != nil {
		t.Errorf("probity verify: %v\n%s\n%s", err, said, certificate)
	}
	if strings.Contains(string(certificate)+said, "mary") || strings.Contains(string(certificate), visitor) {
		t.Errorf("the certificate names who was erased:\n%s", certificate)
	}
	if _, err := p.verify(bytes.Replace(certificate, []byte(`"n":`), []byte(`"n":1`), 1)); err == nil {
		t.Error("an altered certificate was verified")
	}

	// Nothing is left: not for staff, not for the visitor, not for late events.
	staff.Open(p.base + "/console/")
	staff.Until("document.getElementById('stream-state')?.textContent == 'live'")
	if page := chromium.Value[string](staff, "document.querySelector('#rows').innerText"); strings.Contains(page, "Mary") || chromium.Value[bool](staff, "!!document.querySelector('[data-testid=live] tbody tr')") {
		t.Errorf("the console still shows the erased visitor:\n%s", page)
	}
	staff.Open(p.base + person)
	if page := chromium.Value[string](staff, "document.body.innerText"); strings.Contains(page, "Mary") || strings.Contains(page, "allowed by") {
		t.Errorf("the visitor's page still shows:\n%s", page)
	}
	b.Script("document.cookie = '_actmu=" + visitor + ";path=/'")
	b.Open(p.base + "/privacy/data?lang=en")
	if page := chromium.Value[string](b, "document.body.innerText"); strings.Contains(page, "mary") || strings.Contains(page, "/pots") {
		t.Errorf("the privacy centre still shows:\n%s", page)
	}
	b.Open(site + "/back-again")
	b.Visible(".probity") // nobody knows this browser: it is asked anew
	if n := chromium.Value[int](b, "accepted"); n != 0 {
		t.Errorf("%d events of an erased visitor were accepted", n)
	}
	b.Holds()
}

// readPackage checks that an access package is whole and holds what it must.
func readPackage(t *testing.T, pack []byte, want ...string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(pack), int64(len(pack)))
	if err != nil {
		t.Fatalf("the package is no zip file: %v\n%.200q", err, pack)
	}
	all := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = string(content)
	}
	for _, name := range []string{"index.html", "manifest.json"} {
		if all[name] == "" {
			t.Errorf("the package has no %s", name)
		}
	}
	for _, text := range want {
		found := false
		for _, content := range all {
			found = found || strings.Contains(content, text)
		}
		if !found {
			t.Errorf("the package lacks %q", text)
		}
	}
}
