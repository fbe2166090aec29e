package console

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/subject"
)

func (o *office) post(path string, form url.Values) *http.Response {
	return ask(o, "POST", path, form.Encode(), o.cookies)
}

// hidden are the hidden fields of the last form of a page, as a browser sends them again.
func hidden(page string) url.Values {
	out := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		out.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return out
}

func (o *office) entries() (n int) {
	o.t.Helper()
	if err := o.db.Tenant(o.tenant).Read(o.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(o.t.Context(), `SELECT count(*) FROM ledger_entry WHERE tenant_id = $1`, o.tenant).Scan(&n)
	}); err != nil {
		o.t.Fatal(err)
	}
	return n
}

func TestL25_StaffRecordAPhoneCallAsAnAssertionOnceAndEndIt(t *testing.T) {
	o := newOffice(t)
	o.clk.Advance(time.Hour)
	o.says("/console/consent/ways/record", "never counts as the person's own proof", "Where the evidence is kept")
	form := url.Values{"key": {"k1"}, "kind": {"phone"}, "identity": {"+49 30 901820"}, "channel": {"phone"}, "version": {"1"}, "language": {"en"}, "purposes.marketing": {"yes"}}
	for field, bad := range map[string]string{"identity": "x", "channel": "pigeon", "said_at": "2031-01-01T10:00", "version": "9", "deployment": "x"} {
		wrong := url.Values{}
		for k, v := range form {
			wrong[k] = v
		}
		wrong.Set(field, bad)
		r := o.post("/console/consent/ways/record/check", wrong)
		if page := text(t, r); r.StatusCode != http.StatusBadRequest || !strings.Contains(page, `id="f-`+strings.ReplaceAll(field, ".", "-")+`-faults"`) {
			t.Errorf("%s: status %d, no fault beside the field:\n%s", field, r.StatusCode, page)
		}
	}
	before := o.entries()
	page := text(t, o.post("/console/consent/ways/record/check", form))
	for _, want := range []string{"nothing is written yet", "assertion, never as first-hand", "notice version 1, English", "A new reference will be made", "nothing but your word"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page that checks lacks %q:\n%s", want, page)
		}
	}
	if o.entries() != before {
		t.Error("checking wrote something")
	}
	sent := hidden(page)
	r := o.post("/console/consent/ways/record", sent)
	history := r.Header.Get("Location")
	if r.StatusCode != http.StatusSeeOther || !strings.HasSuffix(history, "/consent") {
		t.Fatalf("status %d to %q:\n%s", r.StatusCode, history, text(t, r))
	}
	after := o.entries()
	if again := o.post("/console/consent/ways/record", sent); again.Header.Get("Location") != history || o.entries() != after {
		t.Errorf("the second press: status %d, %d entries instead of %d", again.StatusCode, o.entries(), after)
	}
	o.says(history, "assertion: somebody wrote down", "By phone", "verified now", "recorded by "+o.door.person.Name)
	if r := o.post("/console/consent/ways/person", url.Values{"kind": {"phone"}, "identity": {"+4930901820"}}); r.Header.Get("Location") != history {
		t.Errorf("looked for, the person is at %q", r.Header.Get("Location"))
	}
	s, _, err := o.subject.Lookup(t.Context(), o.tenant, subject.Phone, "+4930901820")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.consent.Gate(t.Context(), o.tenant, s, notice.Marketing); err != nil {
		t.Errorf("what was recorded does not open: %v", err)
	}
	o.clk.Advance(time.Minute)
	page = text(t, o.post("/console/consent/ways/end/check", url.Values{"key": {"k2"}, "subject": {s.String()}, "channel": {"phone"}, "purposes.marketing": {"on"}}))
	if r := o.post("/console/consent/ways/end", hidden(page)); r.Header.Get("Location") != history {
		t.Fatalf("ended: status %d\n%s", r.StatusCode, page)
	}
	if ok, err := o.consent.Standing(t.Context(), o.tenant, s, notice.Marketing); err != nil || ok {
		t.Errorf("it is open still: %v", err)
	}
	o.says(history, "withdrawn")
}

func TestWhatSomebodyRefusedThemselvesIsForeseenToStay(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure)
	o.clk.Advance(time.Hour)
	page := text(t, o.post("/console/consent/ways/record/check", url.Values{"key": {"k"}, "subject": {out.Subject.String()}, "channel": {"phone"}, "version": {"1"}, "language": {"en"}, "purposes.marketing": {"yes"}}))
	if !strings.Contains(page, "Only they can open it again") {
		t.Errorf("nothing is said of the refusal:\n%s", page)
	}
}

func TestStaffEndWhatWasNeverValidWithAReason(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure)
	path := "/console/consent/ways/records/" + out.RecordID.String() + "/end"
	if r := o.post(path, url.Values{"subject": {out.Subject.String()}, "reason": {"short"}}); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), "f-reason-faults") {
		t.Errorf("a short reason: status %d", r.StatusCode)
	}
	form := url.Values{"subject": {out.Subject.String()}, "reason": {"The banner hid the refusal in that week."}}
	o.post(path, form)
	n := o.entries()
	if r := o.post(path, form); r.StatusCode != http.StatusSeeOther || o.entries() != n {
		t.Errorf("twice: status %d, %d entries instead of %d", r.StatusCode, o.entries(), n)
	}
	if ok, err := o.consent.Standing(t.Context(), o.tenant, out.Subject, notice.Measure); err != nil || ok {
		t.Errorf("it is open still: %v", err)
	}
	o.says("/console/visitors/"+out.Subject.String()+"/consent", "found invalid")
}

// letters keeps the questions that were sent.
type letters struct{ sent []consent.Question }

func (l *letters) Ask(_ context.Context, _ *store.Tx, q consent.Question) error {
	l.sent = append(l.sent, q)
	return nil
}

func TestStaffSendALetterOnceAndAskAParent(t *testing.T) {
	o := newOffice(t)
	optin := url.Values{"key": {"k"}, "email": {"ada@example.org"}, "language": {"en"}, "deployment": {site.String()}, "purposes.marketing": {"on"}}
	page := text(t, o.post("/console/consent/ways/optin/check", optin))
	if r := o.post("/console/consent/ways/optin", hidden(page)); r.StatusCode != http.StatusConflict {
		t.Errorf("without a mail server: status %d", r.StatusCode)
	}
	post := &letters{}
	o.consent.UsePost(post, o.keys)
	for range 2 {
		if r := o.post("/console/consent/ways/optin", hidden(page)); r.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d\n%s", r.StatusCode, text(t, r))
		}
	}
	if len(post.sent) != 1 || post.sent[0].To != "ada@example.org" {
		t.Errorf("letters: %+v", post.sent)
	}
	child := url.Values{"key": {"k"}, "kind": {"external_id"}, "identity": {"C-1"}, "age_band": {"16+"}, "country": {"de"}, "parent_email": {"mum@example.org"}, "language": {"en"}, "deployment": {site.String()}, "purposes.measure": {"on"}}
	if r := o.post("/console/consent/ways/parent/check", child); r.StatusCode != http.StatusBadRequest {
		t.Errorf("somebody who decides alone: status %d", r.StatusCode)
	}
	child.Set("age_band", "13")
	page = text(t, o.post("/console/consent/ways/parent/check", child))
	if r := o.post("/console/consent/ways/parent", hidden(page)); r.StatusCode != http.StatusSeeOther || len(post.sent) != 2 || post.sent[1].Kind != consent.AskParent {
		t.Errorf("a parent: status %d, %+v\n%s", r.StatusCode, post.sent, text(t, r))
	}
}

func TestABasisIsDeclaredReviewedInTimeAndEnded(t *testing.T) {
	o := newOffice(t)
	form := url.Values{
		"key": {"k1"}, "basis": {"legitimate_interest"}, "purposes.support": {"on"}, "assessment.interest": {"Helping those who are stuck."}, "assessment.necessity": {"Nothing milder shows it."},
		"assessment.balancing": {"Visitors expect help."}, "assessment.reviewer": {"data protection officer"}, "assessment.review": {"2027-11-22"},
	}
	if r := o.post("/console/consent/bases", form); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), "f-assessment-safeguards-faults") {
		t.Errorf("without safeguards: status %d", r.StatusCode)
	}
	form.Set("assessment.safeguards", "Kept for 30 days.")
	for range 2 {
		if r := o.post("/console/consent/bases", form); r.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d\n%s", r.StatusCode, text(t, r))
		}
	}
	all, err := o.consent.Declarations(t.Context(), o.tenant)
	if err != nil || len(all) != 1 {
		t.Fatalf("declared are %+v %v", all, err)
	}
	o.says("/console/consent/bases", "Legitimate interest, Art. 6(1)(f)", "in force", "Kept for 30 days.", "next review 2027-11-22", "Objections", "does not say that support rests on")
	o.clk.Advance(366 * 24 * time.Hour)
	o.cookies = nil
	o.door.link = "again"
	o.cookies = ask(o, "POST", "/console/sign-in", "token=again", nil).Cookies()
	for _, path := range []string{"/console/consent/bases", "/console/consent", "/console/consent/ledger"} {
		o.says(path, "was to be reviewed by 2027-11-22")
	}
	page := o.page("/console/consent/bases/" + all[0].Record.String())
	if !strings.Contains(page, "Kept for 30 days.") {
		t.Errorf("the review begins with nothing:\n%s", page)
	}
	form.Set("key", "k2")
	form.Set("replaces", all[0].Record.String())
	form.Set("assessment.review", "2028-11-22")
	if r := o.post("/console/consent/bases", form); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("reviewed: status %d\n%s", r.StatusCode, text(t, r))
	}
	if page := o.page("/console/consent/ledger"); strings.Contains(page, "was to be reviewed") {
		t.Error("a review that was done is due")
	}
	all, err = o.consent.Declarations(t.Context(), o.tenant)
	if err != nil || len(all) != 2 || all[0].Ended.IsZero() {
		t.Fatalf("declared are %+v %v", all, err)
	}
	if r := o.post("/console/consent/bases/"+all[1].Record.String()+"/end", nil); r.StatusCode != http.StatusSeeOther {
		t.Errorf("ended: status %d", r.StatusCode)
	}
	if page := o.page("/console/consent/bases"); strings.Contains(page, "in force") {
		t.Error("it is in force still")
	}
}

func TestTheOtherWaysNeedTheirPermissionsAndOurOwnPages(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{"/ways/record", "/ways/end", "/ways/optin", "/ways/parent", "/ways/records/" + site.String() + "/end", "/bases", "/bases/" + site.String() + "/end", "/ways/person"} {
		if r := ask(o, "POST", "/console/consent"+path, "", o.cookies, "Sec-Fetch-Site", "cross-site"); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another site: status %d", path, r.StatusCode)
		}
	}
	o.door.person.Permissions = []string{org.PermissionNotice, org.PermissionConsole}
	for _, path := range []string{"/ways/record", "/ways/end", "/ways/optin", "/ways/parent", "/ways/records/" + site.String() + "/end", "/bases", "/bases/new"} {
		if r := o.get("/console/consent" + path); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s without its permission: status %d", path, r.StatusCode)
		}
	}
}
