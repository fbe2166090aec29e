package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"probity/e2e/chromium"
)

// The forms of the privacy centre work without scripts, on an origin of its own, so they can't change what the
// device keeps. The server is the stricter of the two, whatever that is, and the device learns of it with its
// next event.
func TestW7_WhatIsTakenBackByFormHoldsWhateverTheDeviceKeeps(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	b := p.tab(t, chromium.New(t, chromium.Start(t)))
	b.Before(counting)
	visitor := accept(b, site+"/")
	b.Until("accepted >= 1")
	kept := chromium.Value[string](b, "localStorage.probity_choice")

	b.Scripts(false)
	b.Open(p.base + "/privacy/choices?lang=en")
	b.Press("[data-testid=withdraw-all]")
	b.Visible("[data-testid=saved]")
	b.Open(site + "/pots")
	if got := chromium.Value[string](b, "localStorage.probity_choice + document.cookie"); got != kept+"_actmu="+visitor {
		t.Fatalf("the form changed what the device keeps from %q to %q, so this shows nothing", kept, got)
	}

	b.Scripts(true)
	b.Open(site + "/pots/blue")
	b.Until("localStorage.probity_choice?.startsWith('v1.n.') && !document.cookie")
	if answers := chromium.Value[string](b, "answers.join()"); chromium.Value[int](b, "accepted") != 0 || !strings.Contains(answers, "/events") {
		t.Errorf("the device sent what was taken back, and the server answered %s", answers)
	}
	var audit struct{ Checked, Violated int }
	p.ask("GET", "/probity/v1/consent/audit/events", p.token(), nil, http.StatusOK, &audit)
	if audit.Checked == 0 || audit.Violated > 0 {
		t.Errorf("of %d events stored %d had no basis when they came", audit.Checked, audit.Violated)
	}
	b.Open(site + "/pots/red")
	b.Until("document.querySelector('[data-privacy-choices]')")
	if chromium.Value[bool](b, "!!document.querySelector('.probity')") {
		t.Error("who took everything back by form is asked again")
	}
}

// What is newly given by form waits for the visitor's word on the website: the page says so, and how.
func TestB33_WhatIsGivenByFormStartsOnTheWebsiteOnlyOnceItIsSaidThereToo(t *testing.T) {
	p := start(t, "serve")
	site := customer(t, p)
	b := p.tab(t, chromium.New(t, chromium.Start(t)))
	b.Before(counting)
	visitor := accept(b, site+"/")
	b.Until("accepted >= 1")
	narrow := "v1.measure." + time.Now().UTC().Format("20060102") // as if the visitor had agreed to page views alone
	b.Script("localStorage.probity_choice = '" + narrow + "'")

	b.Scripts(false)
	b.Open(p.base + "/privacy/give?lang=en")
	const says = "starts on the website only after you open “Privacy choices” there and save your choice."
	if text := said(b, "[data-testid=device]"); !strings.Contains(text, says) {
		t.Errorf("before it is given the page says %q", text)
	}
	b.Press("[data-testid=give]")
	b.Visible("[data-testid=saved]")
	if text := said(b, "[data-testid=saved]"); !strings.Contains(text, says) {
		t.Errorf("afterwards the page says %q", text)
	}
	if got := p.states(visitor); got["actions"] != "ConsentGiven" {
		t.Errorf("the server has %v", got)
	}

	b.Scripts(true)
	b.Open(site + "/pots")
	b.Until("accepted == 1") // the page view, and not what the page records
	b.Press("[data-privacy-choices='']")
	b.Visible("[data-probity=save]")
	b.Press("input[name=actions]")
	b.Press("[data-probity=save]")
	b.Until("localStorage.probity_choice.includes('actions') && !document.querySelector('.probity')")
	b.Script("ac('record', 'said_here_too')")
	b.Until("accepted == 2")
}
