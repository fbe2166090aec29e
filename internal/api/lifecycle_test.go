package api_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"probity/internal/mail"
	"probity/internal/org"
	"probity/internal/store"
)

// letterbox keeps the letters whose transaction committed. It is safe for concurrent use.
type letterbox struct {
	mu   sync.Mutex
	sent []mail.Letter
}

func (*letterbox) Enabled() bool { return true }

func (b *letterbox) SendTx(_ context.Context, tx *store.Tx, l mail.Letter) error {
	tx.AfterCommit(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sent = append(b.sent, l)
	})
	return nil
}

func (b *letterbox) last(t testing.TB) mail.Letter {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sent) == 0 {
		t.Fatal("no letter was sent")
	}
	return b.sent[len(b.sent)-1]
}

// reaches waits until the request is in the state, and returns it.
func (h *house) reaches(t testing.TB, self, state string) *answer {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		a := h.call(t, "GET", self, "").want(t, 200)
		if a.at("state") == state {
			return a
		}
		if time.Now().After(end) {
			t.Fatalf("it stays %v: %s", a.at("state"), a.body)
		}
	}
}

func TestARestrictedVisitorIsNeitherFollowedNorReadNorOfferedAnything(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t)
	other := h.visitor(t)
	events := "/api/v2/journey/deployments/" + deployment + "/webevents"
	sent := h.do(t, "POST", events, h.webEvent(v, "page_viewed"), "Origin", origin, "Content-Type", "application/json").want(t, 200)
	session := "/api/v2/journey/sessions/" + sent.str(t, "session.id")
	read := func(status int) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			a := h.call(t, "GET", session, "")
			if a.status == status {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the session answers %d, want %d: %s", a.status, status, a.body)
			}
		}
	}
	read(200)
	q := h.call(t, "POST", "/probity/v1/requests", `{"type":"restriction","ground":"b","identity":{"method":"cookie"},"subject":{"journeyCustomer":{"type":"cookie","id":"`+v+`"}}}`).want(t, 202)
	q = h.reaches(t, q.str(t, "self"), "verified")
	read(403)
	before := h.call(t, "GET", "/api/v2/journey/sessions/"+sent.str(t, "session.id")+"/events", "")
	if before.status != 403 {
		t.Errorf("the events answer %d: %s", before.status, before.body)
	}
	if a := h.do(t, "POST", events, h.webEvent(v, "page_viewed"), "Origin", origin, "Content-Type", "application/json"); a.status == 200 && a.at("session.id") != nil {
		t.Errorf("an event of a restricted visitor is taken: %s", a.body)
	}
	h.do(t, "POST", events, h.webEvent(other, "page_viewed"), "Origin", origin, "Content-Type", "application/json").want(t, 200)
	// The Genesys surface knows no such request.
	id := q.str(t, "id")
	h.call(t, "GET", "/api/v2/gdpr/requests/"+id, "").want(t, 404)
	if a := h.call(t, "GET", "/api/v2/gdpr/requests", ""); strings.Contains(string(a.body), id) {
		t.Error("the Genesys listing shows it")
	}
	// Their right of access stays.
	a := h.call(t, "POST", "/probity/v1/requests", `{"type":"access","subject":{"journeyCustomer":{"type":"cookie","id":"`+v+`"}}}`).want(t, 202)
	if a = h.reaches(t, a.str(t, "self"), "verified"); a.at("package") == nil {
		t.Errorf("a restricted person gets no copy: %s", a.body)
	}
	h.call(t, "POST", q.str(t, "self")+"/announcement", `{"reason":"It was right.","told":"letter"}`).want(t, 200)
	h.call(t, "POST", q.str(t, "self")+"/lifting", `{"reason":"It was right."}`).want(t, 409)
	h.clk.Advance(25 * time.Hour)
	h.bearer = h.token(t, clientID, secret)
	h.call(t, "POST", q.str(t, "self")+"/lifting", `{"reason":"It was right."}`).want(t, 200)
	h.do(t, "POST", events, h.webEvent(v, "page_viewed"), "Origin", origin, "Content-Type", "application/json").want(t, 200)
}

func TestThePersonSendsTheCodeBackWithoutAnyToken(t *testing.T) {
	h := newHouse(t)
	q := h.call(t, "POST", "/probity/v1/requests", `{"type":"access","subject":{"emailAddresses":["ada@example.org"]},"identity":{"method":"email-code"}}`).want(t, 202)
	if q.at("state") != "identity_pending" || q.at("genesys_status") != "INITIATED" || q.at("clock") != "paused" {
		t.Fatalf("got %s", q.body)
	}
	self := q.str(t, "self")
	check := func(path, code string) *answer {
		t.Helper()
		return h.do(t, "POST", path+"/code/check", `{"code":"`+code+`"}`, "Content-Type", "application/json")
	}
	if a := check(self, "12345678").want(t, 403); a.at("code") != "code.wrong" {
		t.Errorf("got %s", a.body)
	}
	if a := check("/probity/v1/requests/0194a1b2-0000-7000-8000-0000000000ff", "12345678").want(t, 403); a.at("code") != "code.wrong" {
		t.Errorf("a request that is not there: %s", a.body)
	}
	code := regexp.MustCompile(`(?m)^\d{4} \d{4}$`).FindString(h.letters.last(t).Text)
	if a := check(self, code).want(t, 200); strings.Contains(string(a.body), "ada") {
		t.Errorf("the answer says too much: %s", a.body)
	}
	q = h.reaches(t, self, "verified")
	if q.at("clock") != "stopped" || q.at("identity.method") != "email-code" {
		t.Errorf("got %s", q.body)
	}
	trail := h.call(t, "GET", q.str(t, "trail"), "").want(t, 200)
	if !strings.Contains(string(trail.body), `"what":"code-wrong"`) || !strings.Contains(string(trail.body), `"kind":"subject"`) {
		t.Errorf("the trail is %s", trail.body)
	}
	policy := h.call(t, "GET", q.str(t, "policy"), "").want(t, 200)
	if policy.at("sha256") != q.at("policy_sha256") || policy.at("policy.months_to_answer") != 1.0 || policy.at("policy.tries_of_a_code") != 5.0 {
		t.Errorf("the policy is %s", policy.body)
	}
	for _, secret := range []string{code, strings.ReplaceAll(code, " ", ""), "ada@example.org"} {
		if strings.Contains(h.logs.String(), secret) {
			t.Error("the log has a code or an address in it")
		}
	}
}

func TestABulkOverHTTPIsMadeOnce(t *testing.T) {
	h := newHouse(t)
	body := `{"requests":[
		{"type":"access","subject":{"emailAddresses":["a@example.org"]}},
		{"type":"access","channel":"a@example.org","subject":{"emailAddresses":["a@example.org"]}},
		{"type":"forget","subject":{"emailAddresses":["b@example.org"]}},
		{"type":"portability"},
		{"type":"erasure","ground":"a","subject":{"emailAddresses":["b@example.org"]}}]}`
	send := func(key, body string) *answer {
		t.Helper()
		return h.do(t, "POST", "/probity/v1/requests/bulk", body, "Authorization", "Bearer "+h.bearer, "Idempotency-Key", key)
	}
	type results struct {
		Results []struct {
			Status int
			ID     string
			Error  struct{ Field string }
		}
	}
	var first, second results
	if err := json.Unmarshal(send("k1", body).want(t, 200).body, &first); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		status int
		field  string
	}{{202, ""}, {400, "channel"}, {400, "requestType"}, {400, "subject"}, {202, ""}} {
		if r := first.Results[i]; r.Status != want.status || r.Error.Field != want.field || (r.ID != "") != (r.Status == 202) {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	if err := json.Unmarshal(send("k1", body).want(t, 200).body, &second); err != nil {
		t.Fatal(err)
	}
	if first.Results[0].ID != second.Results[0].ID || first.Results[4].ID != second.Results[4].ID {
		t.Error("the second call made requests of its own")
	}
	if a := send("k1", strings.Replace(body, `"ground":"a"`, `"ground":"b"`, 1)).want(t, 409); a.at("code") != "idempotency.key" {
		t.Errorf("got %s", a.body)
	}
	if list := h.call(t, "GET", "/probity/v1/requests?sort=due", ""); list.at("total") != 2.0 {
		t.Errorf("there are %v requests, want 2", list.at("total"))
	}
	if list := h.call(t, "GET", "/probity/v1/requests?type=erasure,access&state=received,verified,locating,packaging&pageSize=1", "").want(t, 200); list.at("pageSize") != 1.0 {
		t.Errorf("got %s", list.body)
	}
}

func TestTheLifeOfPackagesIsASetting(t *testing.T) {
	h := newHouse(t)
	for _, wrong := range []string{"-1", "31", "1.5", `"7"`} {
		if a := h.call(t, "PUT", "/probity/v1/requests/settings", `{"days_a_package_lives":`+wrong+`}`).want(t, 400); wrong == "31" && a.at("field") != "days_a_package_lives" {
			t.Errorf("got %s", a.body)
		}
	}
	h.call(t, "PUT", "/probity/v1/requests/settings", `{"days_a_package_lives":3}`).want(t, 200)
	if a := h.call(t, "GET", "/probity/v1/requests/settings", "").want(t, 200); a.at("days_a_package_lives") != 3.0 {
		t.Errorf("got %s", a.body)
	}
}

func TestTheSecondPersonIsAnotherClient(t *testing.T) {
	h := newHouse(t)
	h.call(t, "PUT", "/probity/v1/requests/settings", `{"second_person_for":["erasure"]}`).want(t, 200)
	q := h.call(t, "POST", "/probity/v1/requests", `{"type":"erasure","ground":"b","subject":{"emailAddresses":["a@example.org"]}}`).want(t, 202)
	if q.at("state") != "approval_pending" {
		t.Fatalf("got %s", q.body)
	}
	if a := h.call(t, "POST", q.str(t, "self")+"/approval", `{}`).want(t, 403); a.at("code") != "second.person" {
		t.Errorf("got %s", a.body)
	}
	if _, err := h.org.CreateClient(t.Context(), h.tenant, "second", "secret-second", "second", []string{org.PermissionApprove}); err != nil {
		t.Fatal(err)
	}
	h.do(t, "POST", q.str(t, "self")+"/approval", `{}`, "Authorization", "Bearer "+h.token(t, "second", "secret-second")).want(t, 200)
	h.reaches(t, q.str(t, "self"), "verified")
	plan := h.call(t, "POST", "/probity/v1/requests/simulate", `{"type":"erasure","subject":{"emailAddresses":["a@example.org"]}}`).want(t, 200)
	if plan.at("second_person") != true || plan.at("matched") != false {
		t.Errorf("got %s", plan.body)
	}
}

func TestWhatIsLateIsFoundAndWhatStandsIsNot(t *testing.T) {
	h := newHouse(t)
	old := h.clk.Now().AddDate(0, -3, 0).Format(time.RFC3339)
	recent := h.clk.Now().AddDate(0, 0, -2).Format(time.RFC3339)
	late := h.call(t, "POST", "/probity/v1/requests", `{"type":"access","received_at":"`+old+`","channel":"letter","subject":{"emailAddresses":["a@example.org"]},"identity":{"question":"Who are you?"}}`).want(t, 202)
	h.call(t, "POST", "/probity/v1/requests", `{"type":"access","received_at":"`+recent+`","channel":"letter","subject":{"emailAddresses":["b@example.org"]},"identity":{"question":"Who are you?"}}`).want(t, 202)
	h.clk.Advance(90 * 24 * time.Hour)
	h.bearer = h.token(t, clientID, secret)
	a := h.call(t, "GET", "/probity/v1/requests?late=true", "").want(t, 200)
	if a.at("total") != 1.0 || !strings.Contains(string(a.body), late.str(t, "id")) || !strings.Contains(string(a.body), `"late":true`) {
		t.Errorf("got %s", a.body)
	}
	if a := h.call(t, "GET", "/probity/v1/requests?open=true", "").want(t, 200); a.at("total") != 2.0 {
		t.Errorf("%v are open", a.at("total"))
	}
}
