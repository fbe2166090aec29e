package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"probity/internal/consent"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

const said = `"channel":"phone","said_at":"2026-11-20T08:00:00Z","language":"en","text":"May we call you about offers?","evidence":"call 1"`

func TestL25_AnAssertionOverTheAPIIsMarkedAsOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouseOn(t, db)
		body := `{"person":{"phone":"+49 30 901820"},"purposes":{"marketing":true},"key":"k1",` + said + `}`
		a := h.call(t, "POST", "/probity/v1/consent/assertions", body).want(t, 201)
		if a.at("proof_level") != "assertion" || a.at("states.marketing") != "ConsentGiven" || a.at("receipt.entry.assertion.recorded_by") != "client:"+clientID {
			t.Errorf("got %s", a.body)
		}
		h.call(t, "POST", "/probity/v1/consent/assertions", body).want(t, 200)
		for name, bad := range map[string]string{
			"nobody":     `{"person":{},"purposes":{"marketing":true},` + said + `}`,
			"two people": `{"person":{"phone":"+49 30 901820","email":"a@example.org"},"purposes":{"marketing":true},` + said + `}`,
			"no purpose": `{"person":{"phone":"+49 30 901820"},` + said + `}`,
		} {
			if got := h.call(t, "POST", "/probity/v1/consent/assertions", bad); got.status != 400 || strings.Contains(string(got.body), "901820") {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		s := h.call(t, "POST", "/probity/v1/consent/person/state", `{"person":{"phone":"+4930901820"}}`).want(t, 200)
		if !strings.Contains(string(s.body), `"marketing":{"status":"ConsentGiven","since":"2026-11-20T09:00:00Z","asserted":true}`) {
			t.Errorf("the state is %s", s.body)
		}
		l := h.call(t, "POST", "/probity/v1/consent/links", `{"person":{"phone":"+4930901820"},"purposes":["marketing"]}`).want(t, 201)
		url := l.str(t, "url")
		if l.at("headers.List-Unsubscribe") != "<"+url+">" || l.at("headers.List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.Contains(url, "/privacy/l/") {
			t.Errorf("the link is %s", l.body)
		}
		token := url[strings.LastIndexByte(url, '/')+1:]
		if _, _, err := h.consent.WithdrawLink(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		s = h.call(t, "POST", "/probity/v1/consent/person/state", `{"person":{"phone":"+4930901820"}}`)
		if !strings.Contains(string(s.body), `"marketing":{"status":"ConsentWithdrawn"`) {
			t.Errorf("after the link the state is %s", s.body)
		}
		record := a.str(t, "record_id")
		h.call(t, "POST", "/probity/v1/consent/records/"+record+"/invalidate", `{"reason":"short"}`).want(t, 400)
		if v := h.call(t, "POST", "/probity/v1/consent/records/"+record+"/invalidate", `{"reason":"The call was not recorded at all."}`).want(t, 200); !strings.Contains(string(v.body), `"ended":[]`) {
			t.Errorf("what is withdrawn is invalidated again: %s", v.body)
		}
	})
}

func TestAPersonWhoSignedInChoosesFirstHandForTheAccount(t *testing.T) {
	h := newHouse(t)
	nonce := func() string {
		return h.do(t, "POST", "/probity/v1/consent/served", `{"deployment":"`+deployment+`","notice":"privacy","version":1,"language":"en"}`,
			"Content-Type", "application/json").want(t, 200).str(t, "nonce")
	}
	body := func(yes bool) string {
		return fmt.Sprintf(`{"external_id":"C-1","deployment":%q,"nonce":%q,"purposes":{"measure":true,"actions":false,"identity":false,"predict":false,"support":false,"sales":false,"marketing":%v},
			"ui":{"component":"form","action":"save","dwell_ms":10,"trusted":true},"client_time":"2026-11-20T09:00:00Z"}`, deployment, nonce(), yes)
	}
	a := h.call(t, "POST", "/probity/v1/consent/person/choices", body(true)).want(t, 201)
	if a.at("receipt.entry.proof_level") != "first-hand" || a.at("visitor") != nil || a.at("purposes.marketing") != true {
		t.Errorf("got %s", a.body)
	}
	h.clk.Advance(1e9)
	h.call(t, "POST", "/probity/v1/consent/person/choices", body(false)).want(t, 201)
	s := h.call(t, "POST", "/probity/v1/consent/person/state", `{"person":{"external_id":"C-1"}}`).want(t, 200)
	if !strings.Contains(string(s.body), `"marketing":{"status":"ConsentRefused"`) || !strings.Contains(string(s.body), `"measure":{"status":"ConsentGiven"`) {
		t.Errorf("the state is %s", s.body)
	}
	forged := strings.Replace(body(true), `"nonce":"`, `"nonce":"x`, 1)
	h.call(t, "POST", "/probity/v1/consent/person/choices", forged).want(t, 400)
	if n := h.call(t, "POST", "/probity/v1/consent/person/state", `{"person":{"external_id":"C-2"}}`).want(t, 200); n.at("known") != false {
		t.Errorf("somebody unknown: %s", n.body)
	}
}

func TestABasisIsDeclaredWithItsAssessment(t *testing.T) {
	h := newHouse(t)
	full := `{"basis":"legitimate_interest","purposes":["support"],"assessment":{"interest":"Helping visitors who are stuck.","necessity":"Nothing milder shows where they are stuck.",
		"balancing":"Visitors expect help and can object with one click.","safeguards":"Kept for 30 days; no profile is made.","reviewer":"data protection officer","review":"2027-11-20T00:00:00Z"}}`
	for _, gap := range []string{"interest", "necessity", "balancing", "safeguards", "reviewer"} {
		h.call(t, "POST", "/probity/v1/consent/declarations", strings.Replace(full, `"`+gap+`"`, `"x`+gap+`"`, 1)).want(t, 400)
	}
	h.call(t, "POST", "/probity/v1/consent/declarations", strings.Replace(full, "2027-11-20", "2026-11-19", 1)).want(t, 400)
	h.call(t, "POST", "/probity/v1/consent/declarations", strings.Replace(full, "legitimate_interest", "contract", 1)).want(t, 400)
	record := h.call(t, "POST", "/probity/v1/consent/declarations", full).want(t, 201).str(t, "record_id")
	list := h.call(t, "GET", "/probity/v1/consent/declarations", "").want(t, 200)
	if !strings.Contains(string(list.body), `"safeguards":"Kept for 30 days; no profile is made."`) || strings.Contains(string(list.body), `"review_due":true`) {
		t.Errorf("got %s", list.body)
	}
	h.clk.Advance(366 * 24 * 3600 * 1e9)
	h.bearer = h.token(t, clientID, secret)
	if list = h.call(t, "GET", "/probity/v1/consent/declarations", ""); !strings.Contains(string(list.body), `"review_due":true`) {
		t.Errorf("a review that is due is not named: %s", list.body)
	}
	h.call(t, "POST", "/probity/v1/consent/declarations/"+record+"/end", "{}").want(t, 204)
	if list = h.call(t, "GET", "/probity/v1/consent/declarations", ""); strings.Contains(string(list.body), `"review_due":true`) {
		t.Errorf("an ended one is due: %s", list.body)
	}
}

// letters keeps the questions that were sent.
type letters struct{ sent []consent.Question }

func (l *letters) Ask(_ context.Context, _ *store.Tx, q consent.Question) error {
	l.sent = append(l.sent, q)
	return nil
}

func TestL24_AnOptInComesFromAnAllowedPageWithAFreshNonce(t *testing.T) {
	h := newHouse(t)
	served := func() string {
		return h.do(t, "POST", "/probity/v1/consent/served", `{"deployment":"`+deployment+`","notice":"privacy","version":1,"language":"en"}`,
			"Content-Type", "application/json").want(t, 200).str(t, "nonce")
	}
	body := func(n string) string {
		return `{"deployment":"` + deployment + `","nonce":"` + n + `","email":"ada@example.org","purposes":["marketing"]}`
	}
	h.do(t, "POST", "/probity/v1/consent/optins", body(served()), "Content-Type", "application/json").want(t, 409) // no mail server is set
	post := &letters{}
	h.consent.UsePost(post, h.keys)
	n := served()
	a := h.do(t, "POST", "/probity/v1/consent/optins", body(n), "Content-Type", "application/json").want(t, 202)
	if a.at("status") != "ConsentRequested" || strings.Contains(string(a.body), "ada@") || len(post.sent) != 1 {
		t.Errorf("got %s, %d letters", a.body, len(post.sent))
	}
	h.do(t, "POST", "/probity/v1/consent/optins", body(n), "Content-Type", "application/json").want(t, 409)
	h.do(t, "POST", "/probity/v1/consent/optins", body(served()), "Content-Type", "application/json", "Origin", "https://evil.example").want(t, 403)
	h.do(t, "POST", "/probity/v1/consent/optins", body("x"+served()), "Content-Type", "application/json").want(t, 400)
	if len(post.sent) != 1 {
		t.Errorf("%d letters were sent", len(post.sent))
	}
}

func TestF8_AnAgeGateIsSetAndAsksTheParent(t *testing.T) {
	h := newHouse(t)
	h.call(t, "PUT", "/probity/v1/deployments/"+deployment+"/agegate", `{"on":true,"country":"germany"}`).want(t, 400)
	question := func() any {
		return h.do(t, "GET", "/probity/v1/deployments/"+deployment+"/notice?lang=nl", "").want(t, 200).at("age.title")
	}
	if q := question(); q != nil {
		t.Errorf("without a gate the banner gets %v", q)
	}
	h.call(t, "PUT", "/probity/v1/deployments/"+deployment+"/agegate", `{"on":true,"country":"DE"}`).want(t, 204)
	if q := question(); q != (&notice.Notice{Language: "nl"}).Age().Title {
		t.Errorf("with a gate the banner gets %v", q)
	}
	choose := func(age string) *answer {
		n := h.do(t, "POST", "/probity/v1/consent/served", `{"deployment":"`+deployment+`","notice":"privacy","version":1,"language":"en"}`,
			"Content-Type", "application/json").want(t, 200).str(t, "nonce")
		return h.do(t, "POST", "/probity/v1/consent/choices", `{"deployment":"`+deployment+`","nonce":"`+n+`",`+age+`
			"purposes":{"measure":true,"actions":false,"identity":false,"predict":false,"support":false,"sales":false,"marketing":false},
			"ui":{"component":"banner","action":"save","dwell_ms":10,"trusted":true},"client_time":"2026-11-20T09:00:00Z"}`, "Content-Type", "application/json")
	}
	if a := choose(""); a.status != 400 || a.at("code") != "consent.age.required" {
		t.Errorf("without an age: %s", a.body)
	}
	if a := choose(`"age_band":"13",`); a.status != 403 || a.at("code") != "consent.parent.required" {
		t.Errorf("at 13: %s", a.body)
	}
	choose(`"age_band":"16+",`).want(t, 201)
	if !contains(org.Permissions(), org.PermissionAssert) {
		t.Error("the permission is not known")
	}
}
