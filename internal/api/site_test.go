package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

func TestSDKFilesAreTheSameForEverybody(t *testing.T) {
	h := newHouse(t)
	for path, kind := range map[string]string{
		"/journey/sdk/js/web/v1/ac.js": "text/javascript; charset=utf-8",
		"/probity/sdk/v1/ac.js":        "text/javascript; charset=utf-8",
		"/probity/sdk/v1/banner.css":   "text/css; charset=utf-8",
	} {
		a := h.do(t, "GET", path, "", "Origin", "https://anywhere.example", "Cookie", "_actmu=x").want(t, 200)
		if a.header.Get("Content-Type") != kind || a.header.Get("Cache-Control") != "public, max-age=3600" ||
			a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Set-Cookie") != "" || a.header.Get("Vary") != "" {
			t.Errorf("%s: %v", path, a.header)
		}
		h.do(t, "GET", path, "", "If-None-Match", a.header.Get("ETag")).want(t, 304)
	}
	for _, path := range []string{"/probity/sdk/v1/none.js", "/probity/sdk/v1/..", "/probity/sdk/v1/dist"} {
		h.do(t, "GET", path, "").want(t, 404)
	}
}

func TestTheGateSpeaksTheLanguageOfItsAddress(t *testing.T) {
	h := newHouse(t)
	const gate = "/journey/sdk/js/web/v1/ac.js"
	for query, want := range map[string]string{
		"":            `gate(d.currentScript,"Privacy choices")`,
		"?lang=en":    `gate(d.currentScript,"Privacy choices")`,
		"?lang=xx":    `gate(d.currentScript,"Privacy choices")`,
		"?lang=de-AT": `gate(d.currentScript,"` + notice.DefaultTexts()["de"].Labels.Manage + `")`,
		"?lang=de&deployment=" + deployment: `gate({src:"` + h.URL + `/",dataset:{deployment:"` + deployment + `"}},"` +
			notice.DefaultTexts()["de"].Labels.Manage + `")`,
	} {
		for _, path := range []string{gate, "/probity/sdk/v1/ac.js"} {
			a := h.do(t, "GET", path+query, "", "Accept-Language", "fr").want(t, 200)
			if string(a.body) != want {
				t.Errorf("%s%s is %s, want %s", path, query, a.body, want)
			}
			if a.header.Get("Vary") != "" || a.header.Get("Cache-Control") != "public, max-age=3600" || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s%s can't be shared by all: %v", path, query, a.header)
			}
		}
	}
	h.do(t, "GET", gate+"?deployment=%22%7D)%2Calert(1)", "").want(t, 404)
}

func TestAnObjectionToAnotherBasisIsRecorded(t *testing.T) {
	h := newHouse(t)
	d, _ := uuid.Parse(declared)
	if _, err := h.org.SaveDeployment(t.Context(), h.tenant, org.Deployment{ID: d, Name: "Servers", AllowedOrigins: []string{origin}}); err != nil {
		t.Fatal(err)
	}
	a := h.do(t, "POST", "/probity/v1/consent/choices", h.choice(t), "Origin", origin).want(t, 201)
	who := `{"deployment":"` + declared + `","visitor":"` + a.str(t, "visitor") + `"`
	ui := `,"ui":{"component":"preferences","action":"save"},"client_time":"2026-11-20T09:00:00Z"}`
	h.do(t, "POST", "/probity/v1/consent/object", who+ui, "Origin", origin).want(t, 400)
	h.do(t, "POST", "/probity/v1/consent/object", who+`,"purposes":["none"]`+ui, "Origin", origin).want(t, 400)
	h.do(t, "POST", "/probity/v1/consent/object", who+`,"purposes":["actions"]`+ui, "Origin", "https://evil.example").want(t, 403)
	for range 2 {
		o := h.do(t, "POST", "/probity/v1/consent/object", who+`,"purposes":["actions"]`+ui, "Origin", origin, "Content-Type", "text/plain").want(t, 200)
		if o.at("purposes.actions") != false || o.at("purposes.measure") != true {
			t.Errorf("got %s", o.body)
		}
	}
	s := h.do(t, "POST", "/probity/v1/consent/state", who+"}", "Origin", origin).want(t, 200)
	if s.at("purposes.actions.status") != "Objected" {
		t.Errorf("got %s", s.body)
	}
	why := `,"reason":"I am a journalist."` + ui
	o := h.do(t, "POST", "/probity/v1/consent/object", who+`,"purposes":["support"]`+why, "Origin", origin).want(t, 200)
	h.do(t, "POST", "/probity/v1/consent/object", who+`,"purposes":["support"],"reason":"`+strings.Repeat("x", consent.MaxReason+1)+`"`+ui, "Origin", origin).want(t, 400)
	gone := h.do(t, "POST", "/probity/v1/consent/withdraw", who+`,"purposes":["measure"]`+why, "Origin", origin).want(t, 200)
	receipt := h.do(t, "POST", "/probity/v1/consent/receipt", who+`,"record_id":"`+o.str(t, "record_id")+`"}`, "Origin", origin).want(t, 200)
	subject, err := uuid.Parse(receipt.str(t, "entry.subject"))
	if err != nil || strings.Contains(string(receipt.body), "journalist") {
		t.Fatalf("the receipt: %s", receipt.body)
	}
	reasons, err := h.consent.Reasons(t.Context(), h.tenant, []id.Subject{id.Subject(subject)})
	if err != nil || len(reasons) != 1 || reasons[uuid.MustParse(o.str(t, "record_id"))] != "I am a journalist." {
		t.Errorf("kept are %q, %v; not kept may be why %s was taken back", reasons, err, gone.str(t, "record_id"))
	}
	stranger := strings.ReplaceAll(who, a.str(t, "visitor"), uuid.NewString())
	if o := h.do(t, "POST", "/probity/v1/consent/object", stranger+`,"purposes":["actions"]`+ui, "Origin", origin).want(t, 200); o.at("record_id") != nil {
		t.Errorf("got %s", o.body)
	}
}

func TestDoNotTrackIsToldToTheBannerWhereItIsHonoured(t *testing.T) {
	h := newHouse(t)
	path := "/probity/v1/deployments/" + deployment
	if n := h.do(t, "GET", path+"/notice?lang=en", "").want(t, 200); n.at("labels.dnt") != nil || n.at("language") != "en" {
		t.Errorf("got %s", n.body)
	}
	h.call(t, "PUT", path+"/signals", `{"honour_dnt":true}`).want(t, 200)
	if n := h.do(t, "GET", path+"/notice?lang=en", "").want(t, 200); n.at("labels.dnt") != notice.DefaultTexts()["en"].Labels.DNT {
		t.Errorf("got %s", n.body)
	}
	if c := h.do(t, "GET", path+"/config?lang=de", "").want(t, 200); c.at("honour_dnt") != true || c.at("withdraw_all") != notice.DefaultTexts()["de"].Labels.WithdrawAll {
		t.Errorf("got %s", c.body)
	}
}

func TestG5_ADeploymentSaysWhichPurposeStandsForEachKindOfGooglesConsent(t *testing.T) {
	h := newHouse(t)
	path := "/probity/v1/deployments/" + deployment
	if c := h.do(t, "GET", path+"/config?lang=en", "").want(t, 200); c.at("consent_mode") != nil || c.at("blocked") != notice.DefaultTexts()["en"].Labels.Blocked || c.at("allow") != notice.DefaultTexts()["en"].Labels.Allow {
		t.Errorf("got %s", c.body)
	}
	h.call(t, "PUT", path+"/consent-mode", `{"kinds":{"ad_storage":"marketing","analytics_storage":"measure"}}`).want(t, 200)
	// Another setting leaves this one alone.
	h.call(t, "PUT", path+"/signals", `{"honour_dnt":true}`).want(t, 200)
	if c := h.do(t, "GET", path+"/config?lang=en", "").want(t, 200); c.at("consent_mode.ad_storage") != "marketing" || c.at("consent_mode.analytics_storage") != "measure" {
		t.Errorf("got %s", c.body)
	}
	h.call(t, "PUT", path+"/consent-mode", `{"kinds":{"ad_storage":"telepathy"}}`).want(t, 400)
	h.call(t, "PUT", path+"/consent-mode", `{"kinds":{"mind_storage":"measure"}}`).want(t, 400)
	h.do(t, "PUT", path+"/consent-mode", `{"kinds":{}}`).want(t, 401)
	h.call(t, "PUT", path+"/consent-mode", `{"kinds":{}}`).want(t, 200)
	if c := h.do(t, "GET", path+"/config?lang=en", "").want(t, 200); c.at("consent_mode") != nil {
		t.Errorf("got %s", c.body)
	}
}

func TestConfigAndNotice(t *testing.T) {
	h := newHouse(t)
	c := h.do(t, "GET", "/probity/v1/deployments/"+deployment+"/config", "", "Origin", origin).want(t, 200)
	if c.at("deployment") != deployment || c.at("notice.id") != "privacy" || c.at("session_idle_seconds") != 1200.0 ||
		c.at("choice_days") != 182.0 || c.at("privacy_url") != "/privacy/" {
		t.Errorf("got %s", c.body)
	}
	if list, ok := c.at("purposes").([]any); !ok || len(list) != 7 {
		t.Errorf("purposes are %v", c.at("purposes"))
	}
	de := h.do(t, "GET", "/probity/v1/deployments/"+deployment+"/notice?lang=de-AT", "").want(t, 200)
	if de.at("language") != "de" || de.str(t, "labels.reject") == "" {
		t.Errorf("got %s", de.body)
	}
	page := h.do(t, "GET", de.str(t, "details_url"), "").want(t, 200)
	if page.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(string(page.body), de.str(t, "title")) {
		t.Errorf("the notice's page is %v", page.header)
	}
	h.do(t, "GET", "/probity/v1/deployments/"+uuid.NewString()+"/config", "").want(t, 404)
	h.do(t, "GET", "/probity/v1/notices/privacy/99/de", "").want(t, 404)
	h.do(t, "GET", "/probity/v1/notices/privacy/x/de", "").want(t, 404)
}

func TestAChoiceFromTheBannerToTheReceipt(t *testing.T) {
	h := newHouse(t)
	body := h.choice(t)
	a := h.do(t, "POST", "/probity/v1/consent/choices", body, "Origin", origin, "Content-Type", "application/json").want(t, 201)
	visitor := a.str(t, "visitor")
	if a.header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("the page may not read the answer: %v", a.header)
	}
	if !strings.HasPrefix(a.str(t, "choice"), "v1.") || a.at("purposes.measure") != true {
		t.Errorf("got %s", a.body)
	}
	receipt, err := json.Marshal(a.at("receipt"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := h.ledger.VerifierKey(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.File(receipt, key); err != nil {
		t.Errorf("the receipt does not verify: %v", err)
	}
	t.Run("a nonce works once", func(t *testing.T) {
		again := h.do(t, "POST", "/probity/v1/consent/choices", body, "Origin", origin).want(t, 409)
		if again.at("code") != "consent.nonce.used" || again.at("status") != 409.0 {
			t.Errorf("got %s", again.body)
		}
	})
	who := `{"deployment":"` + deployment + `","visitor":"` + visitor + `"}`
	t.Run("the state is told with receipts", func(t *testing.T) {
		s := h.do(t, "POST", "/probity/v1/consent/state", who, "Origin", origin, "Content-Type", "text/plain").want(t, 200)
		if s.at("purposes.marketing.status") != "ConsentGiven" || s.at("purposes.marketing.record_id") != a.at("record_id") {
			t.Errorf("got %s", s.body)
		}
		if list, ok := s.at("receipts").([]any); !ok || len(list) != 1 {
			t.Errorf("receipts are %v", s.at("receipts"))
		}
		one := h.do(t, "POST", "/probity/v1/consent/receipt", strings.TrimSuffix(who, "}")+`,"record_id":"`+a.str(t, "record_id")+`"}`, "Origin", origin).want(t, 200)
		if _, err := verify.File(one.body, key); err != nil {
			t.Errorf("the receipt does not verify: %v", err)
		}
		h.do(t, "POST", "/probity/v1/consent/receipt", strings.TrimSuffix(who, "}")+`,"record_id":"`+uuid.NewString()+`"}`, "Origin", origin).want(t, 404)
	})
	t.Run("a withdrawal closes the door at once, and again is fine", func(t *testing.T) {
		withdraw := strings.TrimSuffix(who, "}") + `,"purposes":["measure"],"ui":{"component":"preferences","action":"save","dwell_ms":1,"trusted":true,"viewport":"m"},"client_time":"2026-11-20T09:00:00Z"}`
		for range 2 {
			w := h.do(t, "POST", "/probity/v1/consent/withdraw", withdraw, "Origin", origin).want(t, 200)
			if w.at("purposes.measure") != false || w.at("purposes.actions") != true {
				t.Errorf("got %s", w.body)
			}
		}
		e := h.do(t, "POST", "/probity/v1/deployments/"+deployment+"/events", batch(h, visitor, "page_viewed", "product_added"), "Origin", origin, "Content-Type", "text/plain").want(t, 202)
		if e.at("accepted") != 1.0 || !strings.Contains(string(e.body), `"code":"consent.required"`) {
			t.Errorf("got %s", e.body)
		}
	})
	t.Run("a full refusal leaves no identifier", func(t *testing.T) {
		r := h.do(t, "POST", "/probity/v1/consent/choices", h.choice(t, "*"), "Origin", origin).want(t, 201)
		if r.at("visitor") != nil || !strings.HasPrefix(r.str(t, "choice"), "v1.n.") {
			t.Errorf("got %s", r.body)
		}
	})
	t.Run("nobody knows a made-up visitor", func(t *testing.T) {
		s := h.do(t, "POST", "/probity/v1/consent/state", `{"deployment":"`+deployment+`","visitor":"`+uuid.NewString()+`"}`, "Origin", origin).want(t, 200)
		if m, ok := s.at("purposes").(map[string]any); !ok || len(m) != 0 {
			t.Errorf("got %s", s.body)
		}
	})
}

// batch is a body of our own tracker.
func batch(h *house, visitor string, names ...string) string {
	var events []map[string]any
	for i, name := range names {
		events = append(events, map[string]any{
			"seq": i + 1, "name": name, "at": h.clk.Now().Format(time.RFC3339Nano), "url": "https://shop.example/p/1", "title": "One",
		})
	}
	b, _ := json.Marshal(map[string]any{"visitor": visitor, "visit": uuid.NewString(), "context": map[string]any{"lang": "en"}, "events": events})
	return string(b)
}

func TestEventsFromForeignPagesAreRefused(t *testing.T) {
	h := newHouse(t)
	visitor := h.visitor(t)
	for path, body := range map[string]string{
		"/probity/v1/deployments/" + deployment + "/events":          batch(h, visitor, "page_viewed"),
		"/probity/v1/deployments/" + deployment + "/live":            `{"visitor":"` + visitor + `"}`,
		"/api/v2/journey/deployments/" + deployment + "/webevents":   h.webEvent(visitor, "page_viewed"),
		"/api/v2/journey/deployments/" + deployment + "/actionevent": `{"sessionId":"` + uuid.NewString() + `","actionId":"` + uuid.NewString() + `","actionState":"offered"}`,
		"/probity/v1/consent/served":                                 `{"deployment":"` + deployment + `","notice":"privacy","version":1,"language":"en"}`,
		"/probity/v1/consent/choices":                                h.choice(t),
		"/probity/v1/consent/state":                                  `{"deployment":"` + deployment + `","visitor":"` + visitor + `"}`,
		"/probity/v1/consent/withdraw":                               `{"deployment":"` + deployment + `","visitor":"` + visitor + `"}`,
	} {
		a := h.do(t, "POST", path, body, "Origin", "https://evil.example", "Content-Type", "text/plain")
		if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s %v", path, a.status, a.body, a.header)
		}
		if a := h.do(t, "OPTIONS", path, "", "Origin", "https://evil.example"); a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s lets foreign pages send credentials", path)
		}
	}
}

func TestAWebEventIsProcessedBeforeItIsAnswered(t *testing.T) {
	h := newHouse(t)
	visitor := h.visitor(t)
	path := "/api/v2/journey/deployments/" + deployment + "/webevents"
	agent := `"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"`
	a := h.do(t, "POST", path, h.webEvent(visitor, "page_viewed", "userAgentString", agent)).want(t, 200)
	session := a.str(t, "session.id")
	if a.at("customerId") != visitor || a.at("customerIdType") != "cookie" || a.at("session.eventCount") != 1.0 || a.at("eventName") != "page_viewed" {
		t.Errorf("got %s", a.body)
	}
	if strings.Contains(string(a.body), "secret=1") {
		t.Errorf("a query parameter that is not on the list came through: %s", a.body)
	}
	h.clk.Advance(time.Second)
	h.do(t, "POST", path, h.webEvent(visitor, "product_added", "attributes", `{"price":{"dataType":"Number","value":"9.5"}}`, "userAgentString", agent)).want(t, 200)

	t.Run("the session", func(t *testing.T) {
		s := h.call(t, "GET", "/api/v2/journey/sessions/"+session, "").want(t, 200)
		if s.at("eventCount") != 2.0 || s.at("pageviewCount") != 1.0 || s.at("customerId") != visitor || s.at("browser.family") != "Firefox" ||
			s.at("lastEvent.eventName") != "product_added" || s.at("authenticated") != false || s.at("selfUri") != "/api/v2/journey/sessions/"+session {
			t.Errorf("got %s", s.body)
		}
		h.call(t, "GET", "/api/v2/journey/sessions/"+uuid.NewString(), "").want(t, 404)
		h.call(t, "GET", "/api/v2/journey/sessions/nonsense", "").want(t, 404)
	})
	t.Run("its events, page by page", func(t *testing.T) {
		first := h.call(t, "GET", "/api/v2/journey/sessions/"+session+"/events?pageSize=1", "").want(t, 200)
		if list := first.at("entities").([]any); len(list) != 1 {
			t.Fatalf("got %s", first.body)
		}
		next := first.str(t, "nextUri")
		if !strings.Contains(next, "after=") {
			t.Errorf("nextUri is %s", next)
		}
		second := h.call(t, "GET", next, "").want(t, 200)
		list := second.at("entities").([]any)
		if len(list) != 1 || second.at("nextUri") != nil {
			t.Fatalf("got %s", second.body)
		}
		e := list[0].(map[string]any)
		if e["eventType"] != "com.genesys.journey.WebEvent" || e["webEvent"].(map[string]any)["eventName"] != "product_added" {
			t.Errorf("got %s", second.body)
		}
		h.call(t, "GET", "/api/v2/journey/sessions/"+session+"/events?after=nonsense!", "").want(t, 400)
		h.call(t, "GET", "/api/v2/journey/sessions/"+session+"/events?eventType=x", "").want(t, 400)
		none := h.call(t, "GET", "/api/v2/journey/sessions/"+session+"/events?eventType=com.genesys.journey.AppEvent", "").want(t, 200)
		if list := none.at("entities").([]any); len(list) != 0 {
			t.Errorf("got %s", none.body)
		}
	})
	t.Run("its scores", func(t *testing.T) {
		s := h.call(t, "GET", "/api/v2/journey/sessions/"+session+"/outcomescores", "").want(t, 200)
		if list, ok := s.at("outcomeScores").([]any); !ok || len(list) != 0 {
			t.Errorf("a score without a model: %s", s.body)
		}
	})
	t.Run("without consent nothing is stored", func(t *testing.T) {
		a := h.do(t, "POST", path, h.webEvent(uuid.NewString(), "page_viewed")).want(t, 403)
		if a.at("code") != "consent.required" {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("a declared basis opens the door for servers only", func(t *testing.T) {
		theirs := "/api/v2/journey/deployments/" + declared + "/webevents"
		h.do(t, "POST", theirs, h.webEvent(uuid.NewString(), "page_viewed")).want(t, 200)
		h.do(t, "POST", theirs, h.webEvent(uuid.NewString(), "page_viewed"), "Sec-GPC", "1").want(t, 403)
	})
}

func TestAnOfferReachesTheBrowserAndIsReportedBack(t *testing.T) {
	h := newHouse(t)
	visitor := h.visitor(t)
	tpl := h.call(t, "POST", "/api/v2/journey/actiontemplates", `{"name":"Ten off","mediaType":"contentOffer","state":"Active",
		"contentOffer":{"displayMode":"Modal","layoutMode":"TextOnly","title":"Ten off","callToAction":{"text":"Go","url":"https://shop.example/ten"}}}`).want(t, 200)
	seg := h.call(t, "POST", "/api/v2/journey/segments", `{"displayName":"Added something","journey":{"patterns":[{"criteria":[{"key":"eventName","values":["product_added"],"operator":"equal"}],"count":1,"streamType":"Web","sessionType":"web"}]}}`).want(t, 200)
	h.call(t, "POST", "/api/v2/journey/actionmaps", `{"displayName":"Offer","triggerWithSegments":["`+seg.str(t, "id")+`"],"activation":{"type":"immediate"},
		"action":{"mediaType":"contentOffer","actionTemplate":{"id":"`+tpl.str(t, "id")+`"}},"startDate":"2026-01-02T15:04:05.000000"}`).want(t, 200)

	type onItsWay struct {
		topic string
		data  []byte
	}
	sent := make(chan onItsWay, 10)
	cancel, err := h.bus.Subscribe("offer.*", func(topic string, data []byte) { sent <- onItsWay{topic, slices.Clone(data)} })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	events := h.live(t, visitor)
	path := "/api/v2/journey/deployments/" + deployment
	h.do(t, "POST", path+"/webevents", h.webEvent(visitor, "product_added")).want(t, 200)

	e := events.next(t, "offer")
	var live struct{ ID, SessionID, MediaType string }
	if err := json.Unmarshal([]byte(e), &live); err != nil {
		t.Fatal(err)
	}
	if live.MediaType != "contentOffer" || !strings.Contains(e, "Ten off") {
		t.Errorf("the stream offers %s", e)
	}
	ping := path + "/customers/" + visitor + "/ping"
	if a := h.do(t, "GET", ping, "").want(t, 200); len(a.at("actions").([]any)) != 0 {
		t.Errorf("a ping without dl gets an offer: %s", a.body)
	}
	a := h.do(t, "GET", ping+"?dl=https://shop.example/", "", "Origin", origin).want(t, 200)
	list := a.at("actions").([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != live.ID || a.at("pollIntervalMilliseconds") == nil {
		t.Fatalf("the ping gets %s", a.body)
	}
	report := func(state string) string {
		return `{"actionId":"` + live.ID + `","sessionId":"` + live.SessionID + `","actionState":"` + state + `"}`
	}
	h.do(t, "POST", path+"/actionevent", report("offered"), "Origin", origin).want(t, 204)
	h.do(t, "POST", path+"/actionevent", report("nonsense"), "Origin", origin).want(t, 400)
	h.do(t, "POST", path+"/actionevent", report("rejected"), "Origin", origin).want(t, 204)
	h.do(t, "POST", path+"/actionevent", report("accepted"), "Origin", origin).want(t, 409)
	h.do(t, "POST", path+"/actionevent", strings.Replace(report("accepted"), live.ID, uuid.NewString(), 1), "Origin", origin).want(t, 404)
	if a := h.do(t, "GET", ping+"?dl=https://shop.example/", ""); len(a.at("actions").([]any)) != 0 {
		t.Errorf("a rejected offer is made again: %s", a.body)
	}

	t.Run("a withdrawal stops the browser at once", func(t *testing.T) {
		h.do(t, "POST", "/probity/v1/consent/withdraw", `{"deployment":"`+deployment+`","visitor":"`+visitor+`","ui":{"component":"preferences","action":"withdraw_all"}}`, "Origin", origin).want(t, 200)
		if e := events.next(t, "stop"); !strings.Contains(e, "marketing") {
			t.Errorf("the stream says %s", e)
		}
		if a := h.do(t, "GET", ping+"?dl=x", ""); len(a.at("actions").([]any)) != 0 {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("an offer that was on its way to the page is not shown any more", func(t *testing.T) {
		late := <-sent
		if err := h.bus.Publish(late.topic, late.data); err != nil {
			t.Fatal(err)
		}
		// It stands before this one in the stream, if it is there.
		if err := h.bus.Publish("consent."+strings.TrimPrefix(late.topic, "offer."), []byte(`{"withdrawn":["support"]}`)); err != nil {
			t.Fatal(err)
		}
		for events.lines.Scan() && events.lines.Text() != "event: stop" {
			if events.lines.Text() == "event: offer" {
				t.Error("the browser was told to show an offer after the withdrawal")
			}
		}
		if err := events.lines.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// sse is a stream of server-sent events.
type sse struct {
	lines *bufio.Scanner
	head  http.Header
}

func (h *house) live(t *testing.T, visitor string) *sse {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "POST", h.URL+"/probity/v1/deployments/"+deployment+"/live", strings.NewReader(`{"visitor":"`+visitor+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 {
		t.Fatalf("the stream answers %d", res.StatusCode)
	}
	s := &sse{lines: bufio.NewScanner(res.Body), head: res.Header}
	if !s.lines.Scan() || s.lines.Text() != ": connected" {
		t.Fatalf("the stream begins with %q", s.lines.Text())
	}
	return s
}

// next returns the data of the next event of a name.
func (s *sse) next(t *testing.T, name string) string {
	t.Helper()
	for s.lines.Scan() {
		if s.lines.Text() == "event: "+name && s.lines.Scan() {
			return strings.TrimPrefix(s.lines.Text(), "data: ")
		}
	}
	t.Fatalf("the stream ended before a %s: %v", name, s.lines.Err())
	return ""
}

func TestLiveStreams(t *testing.T) {
	h := newHouse(t)
	visitor := h.visitor(t)
	path := "/probity/v1/deployments/" + deployment + "/live"
	t.Run("nobody who has not agreed gets one", func(t *testing.T) {
		h.do(t, "POST", path, `{"visitor":"`+uuid.NewString()+`"}`, "Origin", origin).want(t, 403)
	})
	var last *sse
	for range 8 {
		last = h.live(t, visitor)
	}
	if last.head.Get("Content-Type") != "text/event-stream" || last.head.Get("Cache-Control") != "no-store" {
		t.Errorf("the stream is %v", last.head)
	}
	t.Run("one browser has a limited number", func(t *testing.T) {
		a := h.do(t, "POST", path, `{"visitor":"`+visitor+`"}`, "Origin", origin).want(t, 429)
		if a.header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
	})
	t.Run("they end when the server stops", func(t *testing.T) {
		h.api.Close()
		for last.lines.Scan() {
		}
		h.do(t, "POST", path, `{"visitor":"`+h.visitor(t)+`"}`, "Origin", origin).want(t, 503)
	})
}

func TestImport(t *testing.T) {
	h := newHouse(t)
	body := `{"deployment":"` + deployment + `","basis":"legitimate_interest","assessment":"Weighed on 20 November 2026: history of the shop, kept to learn from.",
		"events":[{"visitor":"v-1","time":"2026-01-05T10:00:00Z","name":"page_viewed","page":"https://shop.example/"},{"visitor":"v-2","time":"2099-01-05T10:00:00Z","name":"page_viewed","page":"https://shop.example/"}]}`
	a := h.call(t, "POST", "/probity/v1/import", body).want(t, 200)
	if a.at("accepted") != 1.0 || len(a.at("refused").([]any)) != 1 {
		t.Errorf("got %s", a.body)
	}
	h.do(t, "POST", "/probity/v1/import", body).want(t, 401)
	h.call(t, "POST", "/probity/v1/import", `{"deployment":"`+uuid.NewString()+`","basis":"contract"}`).want(t, 400)
}

func TestOwnRequests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { testOwnRequests(t, newHouseOn(t, db)) })
}

func testOwnRequests(t *testing.T, h *house) {
	visitor := h.visitor(t)
	h.do(t, "POST", "/api/v2/journey/deployments/"+deployment+"/webevents", h.webEvent(visitor, "page_viewed")).want(t, 200)
	add := func(kind string) *answer {
		t.Helper()
		a := h.call(t, "POST", "/probity/v1/requests", `{"type":"`+kind+`","channel":"letter","received_at":"2026-11-19T12:00:00Z","subject":{"journeyCustomer":{"type":"cookie","id":"`+visitor+`"}}}`).want(t, 202)
		if a.header.Get("Location") != a.str(t, "self") {
			t.Errorf("Location is %q", a.header.Get("Location"))
		}
		h.finished(t, a.str(t, "id"))
		return h.call(t, "GET", a.str(t, "self"), "").want(t, 200)
	}
	access := add("access")
	if access.at("state") != "verified" || access.at("channel") != "letter" || access.at("due_at") != "2026-12-22T00:00:00.000Z" {
		t.Errorf("got %s", access.body)
	}
	file := h.call(t, "GET", access.str(t, "package.href"), "").want(t, 200)
	if !strings.HasPrefix(string(file.body), "PK") || !strings.Contains(file.header.Get("Content-Disposition"), access.str(t, "package.name")) {
		t.Errorf("the package is %v", file.header)
	}
	erasure := add("erasure")
	if erasure.at("state") != "verified" || erasure.at("genesys_status") != "COMPLETED" {
		t.Fatalf("got %s", erasure.body)
	}
	key, err := h.ledger.VerifierKey(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	certificate := h.call(t, "GET", erasure.str(t, "certificate"), "").want(t, 200)
	if _, err := verify.File(certificate.body, key); err != nil {
		t.Errorf("the certificate does not verify: %v", err)
	}
	t.Run("afterwards nothing is known and late events are refused", func(t *testing.T) {
		h.call(t, "GET", access.str(t, "package.href"), "").want(t, 404)
		a := h.do(t, "POST", "/api/v2/journey/deployments/"+deployment+"/webevents", h.webEvent(visitor, "page_viewed"))
		if a.status != 410 || a.at("code") != "subject.erased" {
			t.Errorf("a late event: %d %s", a.status, a.body)
		}
		found := h.call(t, "GET", "/api/v2/gdpr/requests/"+erasure.str(t, "id"), "").want(t, 200)
		if strings.Contains(string(found.body), visitor) {
			t.Errorf("the request still names the visitor: %s", found.body)
		}
	})
	list := h.call(t, "GET", "/probity/v1/requests", "").want(t, 200)
	if list.at("total") != 2.0 {
		t.Errorf("got %s", list.body)
	}
	if a := h.call(t, "GET", "/probity/v1/requests/"+uuid.NewString(), "").want(t, 404); a.at("contextId") == nil || a.at("errors") != nil {
		t.Errorf("not the shape of our own errors: %s", a.body)
	}
	h.call(t, "POST", "/probity/v1/requests", `{"type":"forget","subject":{"name":"A"}}`).want(t, 400)
	h.call(t, "POST", "/probity/v1/requests", `{"type":"access"}`).want(t, 400)
	if cp := h.call(t, "GET", "/probity/v1/ledger/checkpoint", "").want(t, 200); !strings.HasPrefix(string(cp.body), "probity.test/log/") {
		t.Errorf("the checkpoint is %s", cp.body)
	}
}

func TestG3_WellKnownFiles(t *testing.T) {
	h := newHouse(t)
	if a := h.do(t, "GET", "/.well-known/gpc.json", "").want(t, 200); a.at("gpc") != true || a.at("lastUpdate") != "2026-11-20" {
		t.Errorf("got %s", a.body)
	}
	a := h.do(t, "GET", "/.well-known/security.txt", "").want(t, 200)
	if !strings.Contains(string(a.body), "Contact: mailto:security@shop.example\n") || !strings.Contains(string(a.body), "Expires: 2027-05-20T") {
		t.Errorf("got %s", a.body)
	}
	h.do(t, "GET", "/healthz", "").want(t, 200)
	h.do(t, "GET", "/readyz", "").want(t, 200)
}

func TestDeploymentsOfABrowserAreThoseOfTheSite(t *testing.T) {
	h := newHouse(t)
	if _, err := h.org.SaveDeployment(t.Context(), h.tenant, org.Deployment{ID: uuid.MustParse(declared), Name: "Shop", AllowedOrigins: []string{"https://shop.example"}}); err != nil {
		t.Fatal(err)
	}
	body := `{"deployment":"` + declared + `","notice":"privacy","version":1,"language":"en"}`
	a := h.do(t, "POST", "/probity/v1/consent/served", body, "Origin", "https://shop.example").want(t, 200)
	if a.header.Get("Access-Control-Allow-Origin") != "https://shop.example" || a.header.Get("Vary") != "Origin" {
		t.Errorf("got %v", a.header)
	}
	h.do(t, "POST", "/probity/v1/consent/served", body, "Origin", origin).want(t, 403)
}
