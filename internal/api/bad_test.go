package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"probity/internal/rights"
)

// Every door that takes a body gets every kind of rubbish. The answer is a 4xx in the right shape.
func TestRubbishIsRefusedInTheRightShape(t *testing.T) {
	h := newHouse(t)
	rubbish := map[string]string{
		"cut short":                  `{"deployment":"`,
		"no JSON":                    `hello`,
		"a number":                   `42`,
		"a list":                     `[1,2,3]`,
		"deep nesting":               strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000),
		"deep lists":                 strings.Repeat("[", 30000) + strings.Repeat("]", 30000),
		"invalid UTF-8":              "{\"deployment\":\"\xff\xfe\"}",
		"NUL":                        "{\"deployment\":\"\x00\"}",
		"an escaped NUL":             `{"deployment":"\u0000"}`,
		"a lone surrogate":           `{"deployment":"\ud800"}`,
		"a name twice":               `{"deployment":"a","deployment":"b"}`,
		"wrong types":                `{"deployment":7,"visitor":[],"events":"x","requestType":{},"subject":3,"outcome":1,"displayName":[],"customerCookieId":1,"actionId":{}}`,
		"an unknown deployment":      `{"deployment":"` + uuid.NewString() + `","visitor":"` + uuid.NewString() + `"}`,
		"a text of a megabyte":       `{"deployment":"` + strings.Repeat("x", 1<<20) + `"}`,
		"more than the largest body": `{"x":"` + strings.Repeat("x", 2<<20) + `"}`,
		"two objects":                `{}{}`,
	}
	doors := 0
	for _, rt := range h.api.Routes() {
		if rt.Method != http.MethodPost && rt.Method != http.MethodPatch {
			continue
		}
		doors++
		path := strings.ReplaceAll(rt.Path, "{deploymentId}", deployment)
		path = param.ReplaceAllString(path, uuid.NewString())
		for name, body := range rubbish {
			a := h.call(t, rt.Method, path, body)
			if a.status < 400 || a.status > 499 {
				t.Errorf("%s %s with %s: %d %.200s", rt.Method, rt.Path, name, a.status, a.body)
				continue
			}
			own := strings.HasPrefix(rt.Path, "/probity/")
			switch {
			case rt.Path == "/oauth/token":
				if a.at("error") == nil {
					t.Errorf("%s with %s: %.200s", rt.Path, name, a.body)
				}
			case strings.HasPrefix(rt.Path, "/opendsr/") && a.status == http.StatusBadRequest: // its own shape, section 7.6 of OpenDSR
				if e, _ := a.at("error").(map[string]any); e["code"] != float64(a.status) || e["message"] == nil || e["errors"] == nil {
					t.Errorf("%s with %s: %.200s", rt.Path, name, a.body)
				}
			case a.at("message") == nil || a.at("code") == nil || a.at("status") != float64(a.status) || a.at("contextId") == nil || own == (a.at("errors") != nil):
				t.Errorf("%s %s with %s has another shape: %.200s", rt.Method, rt.Path, name, a.body)
			}
		}
		if a := h.call(t, rt.Method, path, ""); a.status < 400 || a.status > 499 {
			t.Errorf("%s %s without a body: %d", rt.Method, rt.Path, a.status)
		}
		if a := h.do(t, rt.Method, path, "<x/>", "Authorization", "Bearer "+h.bearer, "Content-Type", "application/xml"); a.status != 415 && rt.Path != "/oauth/token" {
			t.Errorf("%s %s with XML: %d", rt.Method, rt.Path, a.status)
		}
	}
	if doors < 15 {
		t.Errorf("only %d doors", doors)
	}
	if list, total, err := h.rights.List(t.Context(), h.tenant, 0, 10); err != nil || total != 0 {
		t.Errorf("rubbish made requests: %v, %v", list, err)
	}
	if visitors, err := h.journey.For(h.consent).Visitors(t.Context(), h.tenant, 10); err != nil || len(visitors) != 0 {
		t.Errorf("rubbish made visitors: %v, %v", visitors, err)
	}
}

// Marked personal data goes through every door; it must stand in no log, no metric and no error.
func TestPersonalDataIsInNoLogMetricOrError(t *testing.T) {
	h := newHouse(t)
	const email, phone, name = "marked.person@example.org", "+46701239876", "Markedname Personsson"
	visitor := h.visitor(t)
	h.do(t, "POST", "/api/v2/journey/deployments/"+deployment+"/webevents", h.webEvent(visitor, "form_submitted",
		"traits", `{"email":{"dataType":"string","value":"`+email+`"},"cellPhone":{"dataType":"string","value":"`+phone+`"},"givenName":{"dataType":"string","value":"`+name+`"}}`)).want(t, 200)
	markers := []string{email, phone, name, visitor}
	var answers bytes.Buffer
	for _, rt := range h.api.Routes() {
		path := strings.ReplaceAll(rt.Path, "{deploymentId}", deployment)
		path = strings.ReplaceAll(path, "{customerCookieId}", visitor)
		path = param.ReplaceAllString(path, visitor)
		if rt.Method == "GET" {
			path += "?searchType=EMAIL&searchValue=" + strings.ReplaceAll(email, "@", "%40") + "&dl=" + email + "&queryFields=displayName&queryValue=" + email
		}
		if strings.HasSuffix(path, "/live") || strings.Contains(path, "gdpr/subjects") || strings.Contains(path, "/ping") || strings.HasSuffix(rt.Path, "/webevents") {
			continue // a stream; and answers whose job it is to say who somebody is
		}
		body := `{"deployment":"` + email + `","visitor":"` + phone + `","requestType":"` + name + `","subject":{"name":"` + name + `","externalId":"` + email + `"},
			"` + email + `":1,"displayName":"","outcome":{"id":"` + email + `"},"actionId":"` + phone + `","type":"` + name + `","grant_type":"` + email + `"}`
		if rt.Method == "GET" || rt.Method == "DELETE" {
			body = ""
		}
		if rt.Path == "/api/v2/tokens/me" && rt.Method == "DELETE" {
			continue // the token is still needed
		}
		a := h.call(t, rt.Method, path, body)
		if a.status >= 400 {
			answers.Write(a.body)
			answers.WriteByte('\n')
		}
	}
	q := h.call(t, "POST", "/api/v2/gdpr/requests?deleteConfirmed=true", `{"requestType":"GDPR_DELETE","subject":{"emailAddresses":["`+email+`"]}}`).want(t, 200)
	if done := h.finished(t, q.str(t, "id")); done.State != rights.Verified || done.Report.Found != 1 {
		t.Fatalf("the erasure is %s: %+v", done.State, done.Report)
	}
	metrics := h.do(t, "GET", "/metrics", "").body
	log := h.logs.String()
	if !strings.Contains(log, `"msg":"request"`) {
		t.Fatal("nothing was logged")
	}
	for _, m := range markers {
		for where, text := range map[string]string{"the log": log, "the metrics": string(metrics), "an error": answers.String()} {
			if i := strings.Index(text, m); i >= 0 {
				t.Errorf("%q stands in %s: …%s…", m, where, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// FuzzDoors throws bytes at every door that takes a body. No answer may be a 5xx, and every answer
// is JSON.
func FuzzDoors(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`, `{"type":"access","subject":{"emailAddresses":["a@b.example"]}}`,
		`{"displayName":"A","journey":{"patterns":[{"criteria":[{"key":"eventName","values":["x"]}],"count":1}]}}`,
		`{"deployment":"` + deployment + `","visitor":"` + deployment + `","purposes":["measure"],"ui":{"component":"banner"},"client_time":"2026-01-01T00:00:00Z"}`,
		`{"displayName":"A","action":{"mediaType":"openAction","openActionFields":{"x":[1,{"y":null}]}},"startDate":"2026-01-02T15:04:05"}`,
	} {
		for door := range 12 {
			f.Add(uint8(door), []byte(seed))
		}
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, door uint8, body []byte) {
		var doors []string
		for _, rt := range h.api.Routes() {
			if rt.Method == http.MethodPost && !strings.HasSuffix(rt.Path, "/live") {
				doors = append(doors, strings.ReplaceAll(rt.Path, "{deploymentId}", deployment))
			}
		}
		r := httptest.NewRequest(http.MethodPost, doors[int(door)%len(doors)], bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+h.bearer)
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s answers %d: %s", r.URL.Path, w.Code, w.Body)
		}
		if w.Code != http.StatusNoContent && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s answers no JSON: %s", r.URL.Path, w.Body)
		}
	})
}

func TestBodiesThatAreTooLarge(t *testing.T) {
	h := newHouse(t)
	visitor := h.visitor(t)
	large := strings.Repeat("x", 66<<10)
	for name, c := range map[string]struct{ path, body string }{
		"a web event over 64 KiB":         {"/api/v2/journey/deployments/" + deployment + "/webevents", h.webEvent(visitor, "page_viewed", "searchQuery", `"`+large+`"`)},
		"an event of a batch over 64 KiB": {"/probity/v1/deployments/" + deployment + "/events", strings.Replace(batch(h, visitor, "page_viewed"), `"title":"One"`, `"title":"`+large+`"`, 1)},
		"a batch over 1 MiB":              {"/probity/v1/deployments/" + deployment + "/events", batch(h, visitor, "page_viewed") + strings.Repeat(" ", 1<<20)},
		"a choice over 64 KiB":            {"/probity/v1/consent/choices", `{"nonce":"` + large + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := h.do(t, "POST", c.path, c.body, "Origin", origin, "Content-Type", "text/plain").want(t, 413)
			if a.at("code") != "request.entity.too.large" || a.at("status") != 413.0 {
				t.Errorf("got %s", a.body)
			}
		})
	}
}

func TestALogThatIsDownIsA503ThatSaysWhenToTryAgain(t *testing.T) {
	h := newHouse(t)
	visitor := h.visitor(t)
	if err := h.bus.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v2/journey/deployments/" + deployment + "/webevents", "/probity/v1/deployments/" + deployment + "/events"} {
		body := h.webEvent(visitor, "page_viewed")
		if strings.HasSuffix(path, "/events") {
			body = batch(h, visitor, "page_viewed")
		}
		a := h.do(t, "POST", path, body, "Origin", origin, "Content-Type", "text/plain").want(t, 503)
		if a.header.Get("Retry-After") == "" || a.at("code") == nil {
			t.Errorf("%s: %v %s", path, a.header, a.body)
		}
	}
}
