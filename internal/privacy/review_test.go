package privacy

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/store"
)

// own returns the requests that the visitor's centre lists, newest first.
func (o *office) own() []*rights.Request {
	o.t.Helper()
	list, err := o.rights.OfSubjects(o.t.Context(), o.tenant, []id.Subject{o.subject})
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

func TestAnObjectionIsARequestWithADueDateATrailAndItsOwnWords(t *testing.T) {
	o := newOffice(t)
	if err := o.rights.Set(t.Context(), o.tenant, rights.Settings{SecondPerson: []rights.Type{rights.Objection}}); err != nil {
		t.Fatal(err)
	}
	o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Support}, "reason": {"I am known in this town."}})
	list := o.own()
	if len(list) != 1 {
		t.Fatalf("an objection made %d requests", len(list))
	}
	q := list[0]
	if q.Type != rights.Objection || q.Channel != "privacy-centre" || q.CreatedBy.Kind != "subject" || q.Statement != "I am known in this town." || q.Language != "en" {
		t.Errorf("the request is %+v", q)
	}
	if q.State != rights.Received || q.Facts.Identity.Method != rights.ByCookie || !q.DueAt.After(o.clk.Now().Add(28*24*time.Hour)) {
		t.Errorf("it is %s, known by %s, due %v: nothing is left to approve", q.State, q.Facts.Identity.Method, q.DueAt)
	}
	overview := o.get("/privacy/?lang=en")
	if !strings.Contains(overview, "Your requests") || !strings.Contains(overview, q.ID.String()) || !strings.Contains(overview, "Objection") {
		t.Errorf("the overview does not list it:\n%s", overview)
	}
	// Pressed again, it is the same objection.
	o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Support}})
	if n := len(o.own()); n != 1 {
		t.Errorf("pressed twice, there are %d requests", n)
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	q, err := o.rights.Get(t.Context(), o.tenant, q.ID)
	if err != nil || q.State != rights.Verified || o.open(notice.Support) || !o.open(notice.Marketing) || !o.open(notice.Measure) {
		t.Errorf("it is %s (%v), or more or less than what it was about ended", q.State, err)
	}
	trail, err := o.rights.Trail(t.Context(), o.tenant, q.ID)
	if err != nil || len(trail) < 2 || trail[0].By.Kind != "subject" {
		t.Errorf("the trail is %+v (%v)", trail, err)
	}
	page := o.get("/privacy/requests/" + q.ID.String() + "?lang=en")
	for _, want := range []string{"Objection: done", "no longer use your data for it", `data-testid="objected"`, "You objected on 22 November 2026.", `data-testid="receipt-support"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the objection lacks %q:\n%s", want, page)
		}
	}
	// Another purpose is another request.
	o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Marketing}})
	if n := len(o.own()); n != 2 {
		t.Errorf("after a second objection there are %d requests", n)
	}
}

func TestAnObjectionThatWasRecordedBeforeTheProcessDiedGetsItsRequestWhenItIsMadeAgain(t *testing.T) {
	o := newOffice(t)
	if err := o.consent.Object(t.Context(), o.tenant, o.subject, []string{notice.Support}); err != nil {
		t.Fatal(err)
	}
	o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Support}})
	if list := o.own(); len(list) != 1 || o.open(notice.Support) {
		t.Errorf("there are %d requests", len(list))
	}
}

func TestWhatIsAgreedToAfterAnObjectionStaysThoughItsRequestIsCarriedOutLater(t *testing.T) {
	o := newOffice(t)
	o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Actions}})
	if o.open(notice.Actions) {
		t.Fatal("the objection did not count at once")
	}
	o.clk.Advance(time.Minute)
	nonce := regexp.MustCompile(`name="nonce" value="([^"]+)"`).FindStringSubmatch(o.get("/privacy/give?lang=en"))
	o.done("/privacy/give", url.Values{"lang": {"en"}, "nonce": {nonce[1]}, "purpose": {notice.Actions, notice.Measure}})
	if !o.open(notice.Actions) {
		t.Fatal("agreeing anew does not open the purpose")
	}
	o.clk.Advance(time.Minute)
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q := o.own()[0]; q.State != rights.Verified || !o.open(notice.Actions) {
		t.Errorf("the request is %s (%s), and closed what was agreed to after it", q.State, q.Problem)
	}
}

// offered is a store with one offer of the visitor.
type offered struct{ offer uuid.UUID }

func (offered) Name() string { return "journey" }

func (s offered) Export(context.Context, id.Tenant, []id.Subject) ([]rights.Section, error) {
	return []rights.Section{{File: "journey/offers", Title: "Offers", Data: []map[string]string{
		{"id": uuid.NewString(), "at": "2026-11-01T10:00:00Z"}, {"id": s.offer.String(), "at": "2026-11-20T10:00:00Z"},
	}}}, nil
}

func (offered) Erase(context.Context, *store.Tx, []id.Subject) ([]rights.Count, error) {
	return nil, nil
}

func TestAReviewNamesTheDecisionIsMadeByAHumanAndExplained(t *testing.T) {
	o := newOffice(t)
	offer := uuid.New()
	o.rights.Stores = append(o.rights.Stores, offered{offer})
	form := o.get("/privacy/review?lang=en")
	latest, older := strings.Index(form, "An offer of 20 November 2026"), strings.Index(form, "An offer of 1 November 2026")
	if latest < 0 || older < latest || strings.Contains(form, `required checked`) {
		t.Errorf("the offers are not listed with the latest on top, or one is chosen already:\n%s", form)
	}
	for _, decision := range []string{"", "offer", "offer." + uuid.NewString(), "x"} {
		if w := o.post("/privacy/review", url.Values{"decision": {decision}}); w.Code != http.StatusBadRequest {
			t.Errorf("a review of %q: %d", decision, w.Code)
		}
	}
	w := o.post("/privacy/review", url.Values{"lang": {"en"}, "decision": {"offer." + offer.String()}, "why": {" I ordered\r\nbefore. "}})
	q := o.own()[0]
	if w.Code != http.StatusSeeOther || q.Type != rights.HumanReview || q.Facts.Automated.ID != offer || q.Facts.Automated.Kind != "offer" || q.Statement != "I ordered\nbefore." {
		t.Fatalf("%d, %+v", w.Code, q)
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := o.get("/privacy/requests/" + q.ID.String() + "?lang=en")
	if !strings.Contains(page, "being decided") || !strings.Contains(page, "22 December 2026") {
		t.Errorf("the page does not say that it is being decided, and until when:\n%s", page)
	}
	_, err := o.rights.Act(t.Context(), o.tenant, q.ID, rights.Act{
		Do: rights.MoveDecide, By: rights.Actor{Kind: "staff", ID: uuid.New()}, Outcome: rights.OutcomeConfirmed, Told: "letter",
		Reason: "The shop was <closed>.", Complaint: "Write to the authority.", Remedy: "Go to the court of Fernhill.",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	page = o.get("/privacy/requests/" + q.ID.String() + "?lang=en")
	for _, want := range []string{"A person has reviewed the decision.", "The decision stays as it is.", "The shop was &lt;closed&gt;.", "Write to the authority.", "Go to the court of Fernhill."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the decision lacks %q:\n%s", want, page)
		}
	}
}
