package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/rights"
)

// send posts a form and returns the answer.
func (o *office) send(path string, form url.Values) *http.Response {
	o.t.Helper()
	return ask(o, "POST", path, form.Encode()+"&sent=1", o.cookies)
}

// went posts a form that must be taken, and returns the page it leads to.
func (o *office) went(path string, form url.Values) string {
	o.t.Helper()
	r := o.send(path, form)
	if r.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("POST %s: %d\n%s", path, r.StatusCode, text(o.t, r))
	}
	return o.see(r.Header.Get("Location"), http.StatusOK)
}

// become signs somebody else in.
func (o *office) become(name string, permissions ...string) {
	o.t.Helper()
	o.door.person = &org.Staff{ID: uuid.New(), Tenant: o.tenant, Name: name, Permissions: permissions}
	o.door.link = "secret"
	o.cookies = ask(o, "POST", "/console/sign-in", "token=secret", nil).Cookies()
}

func TestARequestByLetterIsWrittenDownAskedAboutIdentifiedAndApprovedByASecondPerson(t *testing.T) {
	o := newOffice(t)
	if page := o.went("/console/requests/settings", url.Values{"key": {"k"}, "type.erasure": {"on"}, "days_a_package_lives": {"9"}}); !strings.Contains(page, "Write down a request") {
		t.Error("the settings do not lead back to the queue")
	}
	if page := o.see("/console/requests/settings", http.StatusOK); !strings.Contains(page, `name="days_a_package_lives"`) || !strings.Contains(page, `value="9"`) {
		t.Error("the settings do not say how long packages live")
	}
	if !strings.Contains(o.see("/console/requests/settings", http.StatusOK), `id="f-type-erasure" name="type.erasure" value="on" checked`) {
		t.Error("the setting is not shown")
	}
	out := o.choose(nil, notice.Measure, notice.Actions)
	o.visit(out.Subject, notice.Measure)
	letter := url.Values{"type": {"erasure"}, "channel": {"letter"}, "received_at": {"2026-11-20T09:00"}, "kind": {"external_id"}, "identity": {"customer-7"}, "method": {"ask"}, "told": {"letter"}}
	if r := o.send("/console/requests/new", letter); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), `id="f-reason-faults"`) {
		t.Errorf("a request with an empty question: %d", r.StatusCode)
	}
	letter.Set("reason", "Which orders did you make with us?")
	page := o.went("/console/requests/new", letter)
	for _, want := range []string{"waits for the person", "the clock stands", "not established", "Nothing is searched before it is", "Which orders did you make", "Dana Desk", "nothing under these identifiers", "20 Nov 2026 09:00"} {
		if !strings.Contains(page, want) {
			t.Errorf("the request lacks %q", want)
		}
	}
	q := o.only()
	at := "/console/requests/" + q.ID.String()
	if queue := o.see("/console/requests", http.StatusOK); !strings.Contains(queue, "the clock stands") || strings.Contains(queue, "days left") {
		t.Error("the queue does not say that the clock stands")
	}
	if r := o.send(at+"/steps/verify", url.Values{"method": {"staff"}}); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), `id="f-reason-faults"`) {
		t.Errorf("an identity without a reason: %d", r.StatusCode)
	}
	o.clk.Advance(48 * time.Hour)
	page = o.went(at+"/steps/verify", url.Values{"method": {"staff"}, "reason": {"Named two orders."}})
	for _, want := range []string{"waits for approval", "a decision of staff", "of a second person is needed", "Named two orders.", "Answered"} {
		if !strings.Contains(page, want) {
			t.Errorf("after the identity was established the request lacks %q", want)
		}
	}
	if r := o.send(at+"/steps/approve", nil); r.StatusCode != http.StatusForbidden || !strings.Contains(text(t, r), "Somebody else must approve") {
		t.Errorf("approved by who wrote it down: %d", r.StatusCode)
	}
	o.become("Second Person", slices.DeleteFunc(org.Permissions(), func(p string) bool { return p == org.PermissionDecide })...)
	if page := o.see(at, http.StatusOK); !strings.Contains(page, "/steps/approve") || strings.Contains(page, "/steps/refuse") {
		t.Error("the page does not offer exactly the steps that the person may take")
	}
	o.see(at+"/steps/refuse", http.StatusForbidden)
	o.see(at+"/steps/nonsense", http.StatusNotFound)
	o.see(at+"/steps/lift", http.StatusForbidden)
	page = o.went(at+"/steps/approve", nil)
	if !strings.Contains(page, "A second person approved") || !strings.Contains(page, "Second Person") || !strings.Contains(page, "Being carried out") {
		t.Errorf("after the approval:\n%s", page)
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := o.see(at, http.StatusOK)
	for _, want := range []string{"done and verified", "verified now", "A second person approved"} {
		if !strings.Contains(done, want) {
			t.Errorf("the finished request lacks %q", want)
		}
	}
	o.see(at+"/steps/approve", http.StatusConflict)
}

// only returns the one request there is.
func (o *office) only() *rights.Request {
	o.t.Helper()
	page, total, err := o.rights.Queue(o.t.Context(), o.tenant, rights.Queue{Show: rights.ShowAll}, 0, 10)
	if err != nil || total != 1 {
		o.t.Fatalf("%d requests, %v", total, err)
	}
	q, err := o.rights.Get(o.t.Context(), o.tenant, page[0].ID)
	if err != nil {
		o.t.Fatal(err)
	}
	return q
}

func TestARefusalNeedsItsThreePartsAndShowsThem(t *testing.T) {
	o := newOffice(t)
	q := o.asked(rights.Access, rights.Who{ExternalID: "customer-7"}, day)
	at := "/console/requests/" + q.ID.String()
	form := url.Values{"article": {"Art. 12(5)(b) GDPR"}, "told": {"letter"}}
	for _, part := range []string{"reason", "complaint", "remedy"} {
		for _, other := range []string{"reason", "complaint", "remedy"} {
			form.Set(other, "Words about the "+other+".")
		}
		form.Set(part, " ")
		r := o.send(at+"/steps/refuse", form)
		if page := text(t, r); r.StatusCode != http.StatusBadRequest || !strings.Contains(page, `id="f-`+part+`-faults"`) || !strings.Contains(page, "Words about the ") {
			t.Errorf("without %s: %d, and not shown beside its field with the rest kept", part, r.StatusCode)
		}
	}
	if q := o.only(); q.State != rights.Received {
		t.Fatalf("half a refusal made it %s", q.State)
	}
	form.Set("remedy", "Words about the remedy.")
	page := o.went(at+"/steps/refuse", form)
	for _, want := range []string{"refused", "Words about the reason.", "Words about the complaint.", "Words about the remedy.", "Art. 12(5)(b) GDPR", `data-testid="refusal"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the refused request lacks %q", want)
		}
	}
}

func TestStaffExtendHoldReleaseAndChargeFromTheDesk(t *testing.T) {
	o := newOffice(t)
	q := o.asked(rights.Erasure, rights.Who{ExternalID: "customer-7"}, day)
	at := "/console/requests/" + q.ID.String()
	if r := o.send(at+"/steps/extend", url.Values{"told": {"letter"}}); r.StatusCode != http.StatusBadRequest {
		t.Errorf("an extension without reasons: %d", r.StatusCode)
	}
	if r := o.send(at+"/steps/extend", url.Values{"reason": {"Many systems."}}); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), `id="f-told-faults"`) {
		t.Errorf("an extension that the person is not told: %d", r.StatusCode)
	}
	page := o.went(at+"/steps/extend", url.Values{"reason": {"Many systems."}, "told": {"letter"}})
	if !strings.Contains(page, "by two months; told by letter") || strings.Contains(page, "/steps/extend") {
		t.Error("the extension is not shown, or offered twice")
	}
	page = o.went(at+"/steps/hold", url.Values{"article": {"Art. 17(3)(e) GDPR"}, "reason": {"A lawsuit."}})
	if !strings.Contains(page, "data kept for now") || !strings.Contains(page, "Kept since") || !strings.Contains(page, "Plan: what it would do") {
		t.Error("the hold is not shown")
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	page = o.went(at+"/steps/fee", url.Values{"amount": {"12.50"}, "currency": {"EUR"}, "reason": {"The fifth time this month."}, "told": {"phone"}})
	if !strings.Contains(page, "12.50 EUR, told by phone") {
		t.Error("the fee is not shown")
	}
	page = o.went(at+"/steps/release", url.Values{"reason": {"Settled."}})
	if !strings.Contains(page, "Being carried out") {
		t.Error("the erasure does not go on after the hold")
	}
}

func TestAnOpenRequestShowsAPlanInNumbersOnly(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure, notice.Actions)
	o.visit(out.Subject, notice.Measure)
	o.went("/console/requests/settings", url.Values{"key": {"k"}, "type.erasure": {"on"}, "type.access": {"on"}})
	for _, typ := range []rights.Type{rights.Erasure, rights.Access} {
		q := o.asked(typ, rights.Who{JourneyCustomer: &rights.JourneyCustomer{Type: "cookie", ID: out.Visitor.String()}}, 0)
		page := o.see("/console/requests/"+q.ID.String(), http.StatusOK)
		for _, want := range []string{"Plan: what it would do", "1 device of the person", "waits for approval"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q\n%s", typ, want, page)
			}
		}
		if typ == rights.Erasure && !strings.Contains(page, "journey_") {
			t.Error("the plan of an erasure names no table")
		}
	}
}

func TestARequestIsTakenOnAndTheQueueTellsWhatNobodyHas(t *testing.T) {
	o := newOffice(t)
	mine := o.asked(rights.Access, rights.Who{ExternalID: "customer-7"}, 0)
	free := o.asked(rights.Access, rights.Who{ExternalID: "customer-8"}, 0)
	at := "/console/requests/" + mine.ID.String()
	if page := o.went(at+"/take", nil); !strings.Contains(page, "Dana Desk takes care of it") || !strings.Contains(page, "Leave it to others") {
		t.Errorf("taken on:\n%s", page)
	}
	for query, want := range map[string][]string{"whose=nobody": {free.ID.String()}, "whose=mine": {mine.ID.String()}, "whose=else": {mine.ID.String(), free.ID.String()}} {
		got := listed(o.see("/console/requests?"+query, http.StatusOK))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", query, got, want)
		}
	}
	if page := o.went(at+"/take", url.Values{"leave": {"on"}}); strings.Contains(page, `data-testid="taken"`) || !strings.Contains(page, "Nobody takes care of it any more") {
		t.Errorf("left to others:\n%s", page)
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := o.send(at+"/take", nil); r.StatusCode != http.StatusConflict {
		t.Errorf("a finished request taken on: %d", r.StatusCode)
	}
}
