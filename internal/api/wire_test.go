package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The traps that unchanged Genesys clients set (W1 to W22). Each was seen on the wire.
func TestWireTraps(t *testing.T) {
	h := newHouse(t)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	credentials := append([]string{"Authorization", basic(clientID, secret)}, form...)

	t.Run("W1 a token request with a length, and one in chunks", func(t *testing.T) {
		h.do(t, "POST", "/oauth/token", "grant_type=client_credentials", credentials...).want(t, 200)
		req, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/oauth/token", io.MultiReader(strings.NewReader("grant_type="), strings.NewReader("client_credentials")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", basic(clientID, secret))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		h.send(t, req).want(t, 200)
	})
	t.Run("W2 the token's answer is 200 with exactly these members", func(t *testing.T) {
		a := h.do(t, "POST", "/oauth/token", "grant_type=client_credentials&client_id="+clientID+"&client_secret="+secret, form...).want(t, 200)
		if a.at("token_type") != "bearer" || a.at("expires_in") != 86400.0 || a.str(t, "access_token") == "" {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("W3 a token error has error, description and error_description", func(t *testing.T) {
		for name, c := range map[string]struct {
			body, auth string
			status     int
			code       string
		}{
			"a wrong secret":     {"grant_type=client_credentials", basic(clientID, "wrong-secret"), 401, "invalid_client"},
			"an unknown client":  {"grant_type=client_credentials", basic("nobody", "wrong-secret"), 401, "invalid_client"},
			"no credentials":     {"grant_type=client_credentials", "", 401, "invalid_client"},
			"another grant type": {"grant_type=password", basic(clientID, secret), 400, "unsupported_grant_type"},
			"no grant type":      {"x=y", basic(clientID, secret), 400, "unsupported_grant_type"},
		} {
			a := h.do(t, "POST", "/oauth/token", c.body, append([]string{"Authorization", c.auth}, form...)...)
			if a.status != c.status || a.at("error") != c.code || a.str(t, "description") == "" || a.at("description") != a.at("error_description") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	})
	t.Run("W4 a GET with a content type and no body", func(t *testing.T) {
		h.call(t, "GET", "/api/v2/gdpr/requests", "").want(t, 200)
	})
	t.Run("W5 and W6 zero, empty and absent parameters mean the default", func(t *testing.T) {
		for _, query := range []string{"", "?pageSize=0&pageNumber=0", "?pageSize=&pageNumber=", "?pageNumber=1&pageSize=25"} {
			a := h.call(t, "GET", "/api/v2/gdpr/requests"+query, "").want(t, 200)
			if a.at("pageSize") != 25.0 || a.at("pageNumber") != 1.0 {
				t.Errorf("%q: %s", query, a.body)
			}
		}
		h.call(t, "POST", "/api/v2/gdpr/requests?deleteConfirmed=", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`).want(t, 200)
		h.call(t, "POST", "/api/v2/gdpr/requests?deleteConfirmed=false", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`).want(t, 200)
	})
	t.Run("W7 the order of the parameters does not matter", func(t *testing.T) {
		for _, q := range []string{"pageSize=1&pageNumber=2", "pageNumber=2&pageSize=1"} {
			if a := h.call(t, "GET", "/api/v2/gdpr/requests?"+q, ""); a.at("pageNumber") != 2.0 {
				t.Errorf("%s: %s", q, a.body)
			}
		}
	})
	t.Run("W8 a page out of range is 200 and empty", func(t *testing.T) {
		for _, path := range []string{"/api/v2/gdpr/requests", "/api/v2/journey/outcomes"} {
			a := h.call(t, "GET", path+"?pageNumber=1000", "").want(t, 200)
			if list, ok := a.at("entities").([]any); !ok || len(list) != 0 {
				t.Errorf("%s: %s", path, a.body)
			}
		}
	})
	t.Run("W9 nextUri holds neither cursor nor after", func(t *testing.T) {
		a := h.call(t, "GET", "/api/v2/gdpr/requests?pageSize=1", "").want(t, 200)
		next := a.str(t, "nextUri")
		if strings.Contains(next, "cursor") || strings.Contains(next, "after") {
			t.Errorf("nextUri is %s", next)
		}
		h.call(t, "GET", next, "").want(t, 200)
	})
	t.Run("W10 an empty POST is 400 and creates nothing", func(t *testing.T) {
		before := h.call(t, "GET", "/api/v2/gdpr/requests", "").at("total")
		for _, body := range []string{"", " ", "{}", "null", "[]", `""`} {
			a := h.call(t, "POST", "/api/v2/gdpr/requests", body)
			if a.status != 400 {
				t.Errorf("%q: %d", body, a.status)
			}
		}
		if now := h.call(t, "GET", "/api/v2/gdpr/requests", "").at("total"); now != before {
			t.Errorf("there are %v requests, there were %v", now, before)
		}
	})
	t.Run("W11 W12 and W17 a refusal is a 4xx other than 429, in JSON", func(t *testing.T) {
		a := h.call(t, "POST", "/api/v2/gdpr/requests", `{"requestType":"GDPR_DELETE","subject":{"name":"A"}}`).want(t, 400)
		if a.str(t, "message") == "" || a.at("status") != 400.0 {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("W13 a request that is sent again in full is taken", func(t *testing.T) {
		body := `{"requestType":"GDPR_EXPORT","subject":{"name":"Twice"}}`
		first, second := h.call(t, "POST", "/api/v2/gdpr/requests", body).want(t, 200), h.call(t, "POST", "/api/v2/gdpr/requests", body).want(t, 200)
		if first.at("id") == second.at("id") {
			t.Error("two requests have one id")
		}
	})
	t.Run("W14 and W15 every error is JSON", func(t *testing.T) {
		huge := `{"requestType":"` + strings.Repeat("x", 70<<10) + `"}`
		for name, c := range map[string]struct {
			method, path, body string
			headers            []string
			status             int
			code               string
		}{
			"404":                 {"GET", "/api/v2/nothing", "", nil, 404, "not.found"},
			"404 in a sub-path":   {"GET", "/api/v2/gdpr/requests/1/2", "", nil, 404, "not.found"},
			"404 for no UUID":     {"GET", "/api/v2/gdpr/requests/1", "", nil, 404, "not.found"},
			"404 with dots":       {"GET", "/api/v2/../v2/tokens/me", "", nil, 404, "not.found"},
			"405":                 {"PUT", "/api/v2/gdpr/requests", "{}", nil, 405, "method.not.allowed"},
			"413":                 {"POST", "/api/v2/gdpr/requests", huge, nil, 413, "request.entity.too.large"},
			"415":                 {"POST", "/api/v2/gdpr/requests", "<x/>", []string{"Content-Type", "application/xml"}, 415, "unsupported.media.type"},
			"400 for broken JSON": {"POST", "/api/v2/gdpr/requests", "{", nil, 400, "bad.request"},
			"400 for a user":      {"GET", "/api/v2/users/me", "", nil, 400, "bad.request"},
		} {
			headers := append([]string{"Authorization", "Bearer " + h.bearer, "Content-Type", "application/json"}, c.headers...)
			a := h.do(t, c.method, c.path, c.body, headers...)
			if a.status != c.status || a.at("code") != c.code || a.at("status") != float64(c.status) || a.str(t, "contextId") == "" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
			for _, member := range []string{"details", "errors"} {
				if _, ok := a.at(member).([]any); !ok {
					t.Errorf("%s: %s is no list in %s", name, member, a.body)
				}
			}
		}
		if a := h.do(t, "PUT", "/api/v2/gdpr/requests", "{}"); a.header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("Allow is %q", a.header.Get("Allow"))
		}
	})
	t.Run("W16 every answer carries a correlation id", func(t *testing.T) {
		seen := map[string]bool{}
		for _, path := range []string{"/api/v2/tokens/me", "/nothing", "/healthz", "/oauth/token"} {
			a := h.do(t, "GET", path, "")
			v := a.header.Get("Inin-Correlation-Id")
			if v == "" || seen[v] {
				t.Errorf("%s: id %q", path, v)
			}
			seen[v] = true
			if c := a.at("contextId"); c != nil && c != v {
				t.Errorf("%s: the body says %v, the header %s", path, c, v)
			}
		}
	})
	t.Run("W18 a POST is answered at once and carried out afterwards", func(t *testing.T) {
		a := h.call(t, "POST", "/api/v2/gdpr/requests", `{"requestType":"GDPR_EXPORT","subject":{"emailAddresses":["a@example.org"]}}`).want(t, 200)
		if a.at("status") != "INITIATED" {
			t.Errorf("got %s", a.body)
		}
		h.finished(t, a.str(t, "id"))
	})
	t.Run("W19 the headers of the command line client are no obstacle", func(t *testing.T) {
		h.do(t, "GET", "/api/v2/gdpr/requests?pageSize=25&pageNumber=1", "", "Authorization", "Bearer "+h.bearer,
			"User-Agent", "PureCloud SDK/go-cli", "purecloud-sdk", "166.0.0", "Cache-Control", "no-cache", "Connection", "close").want(t, 200)
	})
	t.Run("W20 a browser may ask before it calls", func(t *testing.T) {
		a := h.do(t, "OPTIONS", "/api/v2/gdpr/requests", "", "Origin", "https://tool.example", "Access-Control-Request-Method", "POST").want(t, 204)
		if a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") {
			t.Errorf("got %v", a.header)
		}
		if a := h.call(t, "GET", "/api/v2/gdpr/requests", ""); a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("the answer itself lacks the permission: %v", a.header)
		}
		h.do(t, "OPTIONS", "/nothing", "", "Origin", "https://tool.example").want(t, 404)
	})
	t.Run("W21 the token tells whom it belongs to, and can be given back", func(t *testing.T) {
		token := h.token(t, clientID, secret)
		auth := []string{"Authorization", "bearer " + token}
		a := h.do(t, "GET", "/api/v2/tokens/me", "", auth...).want(t, 200)
		if a.str(t, "organization.id") != h.tenant.String() || a.at("OAuthClient.authorizedGrantType") != "CLIENT-CREDENTIALS" {
			t.Errorf("got %s", a.body)
		}
		if head := h.do(t, "HEAD", "/api/v2/tokens/me", "", auth...).want(t, 200); len(head.body) > 0 {
			t.Error("the answer to HEAD has a body")
		}
		h.do(t, "DELETE", "/api/v2/tokens/me", "", auth...).want(t, 204)
		h.do(t, "GET", "/api/v2/tokens/me", "", auth...).want(t, 401)
	})
	t.Run("W22 members that nobody knows are ignored", func(t *testing.T) {
		h.call(t, "POST", "/api/v2/gdpr/requests", `{"requestType":"GDPR_EXPORT","surprise":{"x":[1]},"subject":{"name":"A","y":2}}`).want(t, 200)
	})
	t.Run("leading slashes are collapsed before routing", func(t *testing.T) {
		h.do(t, "POST", "//oauth/token", "grant_type=client_credentials", credentials...).want(t, 200)
		h.call(t, "POST", "///api/v2/gdpr/requests", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`).want(t, 200)
		h.call(t, "GET", "//api/v2/gdpr/requests?pageSize=1", "").want(t, 200)
	})
	t.Run("dates end in Z and have milliseconds", func(t *testing.T) {
		h.clk.Advance(time.Millisecond + 4*time.Microsecond)
		a := h.call(t, "POST", "/api/v2/gdpr/requests", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`)
		if d := a.str(t, "createdDate"); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(d) {
			t.Errorf("createdDate is %s", d)
		}
	})
	t.Run("bootstrap of the Terraform provider", func(t *testing.T) {
		a := h.call(t, "GET", "/api/v2/organizations/me", "").want(t, 200)
		if a.str(t, "defaultCountryCode") == "" || a.str(t, "id") != h.tenant.String() {
			t.Errorf("got %s", a.body)
		}
		p := h.call(t, "GET", "/api/v2/authorization/products", "").want(t, 200)
		if list, ok := p.at("entities").([]any); !ok || len(list) == 0 || p.at("total") == nil {
			t.Errorf("got %s", p.body)
		}
	})
}

// The rules of the GDPR API (V1 to V11), as its clients see them.
func TestGDPRRules(t *testing.T) {
	h := newHouse(t)
	post := func(t *testing.T, query, body string) *answer {
		t.Helper()
		return h.call(t, "POST", "/api/v2/gdpr/requests"+query, body)
	}
	t.Run("V1 the answer to replacement terms in an export, to the letter", func(t *testing.T) {
		a := post(t, "", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"},"replacementTerms":[{"type":"NAME","existingValue":"A","updatedValue":"B"}]}`).want(t, 400)
		want := `{"message":"Invalid data","code":"bad.request","status":400,"messageParams":{},"contextId":"` + a.str(t, "contextId") + `","details":[],"errors":[]}`
		if got := strings.TrimSpace(string(a.body)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("V2 the smallest body", func(t *testing.T) {
		a := post(t, "", `{"requestType":"GDPR_EXPORT","subject":{"phoneNumbers":["+46701234567"]}}`).want(t, 200)
		for _, member := range []string{"id", "createdDate", "status", "selfUri", "createdBy.id", "createdBy.selfUri"} {
			if a.at(member) == nil {
				t.Errorf("%s is missing in %s", member, a.body)
			}
		}
		if list, ok := a.at("subject.phoneNumbers").([]any); !ok || len(list) != 1 {
			t.Errorf("the subject is not told back: %s", a.body)
		}
	})
	for name, c := range map[string]struct {
		query, body string
		status      int
	}{
		"V3 a name beside an id":                  {"", `{"requestType":"GDPR_EXPORT","subject":{"name":"A","externalId":"7"}}`, 400},
		"V4 a delete that is not confirmed":       {"", `{"requestType":"GDPR_DELETE","subject":{"emailAddresses":["a@example.org"]}}`, 400},
		"V4 a delete that is confirmed":           {"?deleteConfirmed=true", `{"requestType":"GDPR_DELETE","subject":{"emailAddresses":["a@example.org"]}}`, 200},
		"V5 a journey customer without a type":    {"", `{"requestType":"GDPR_EXPORT","subject":{"journeyCustomer":{"id":"x"}}}`, 400},
		"V6 an update without terms":              {"", `{"requestType":"GDPR_UPDATE","subject":{"name":"A"}}`, 400},
		"V6 an update with half a term":           {"", `{"requestType":"GDPR_UPDATE","subject":{"name":"A"},"replacementTerms":[{"type":"NAME","existingValue":"A"}]}`, 400},
		"V6 an update":                            {"", `{"requestType":"GDPR_UPDATE","subject":{"name":"A"},"replacementTerms":[{"type":"NAME","existingValue":"A","updatedValue":"B"}]}`, 200},
		"V8 one request, one subject":             {"", `{"requestType":"GDPR_EXPORT","subject":[{"name":"A"},{"name":"B"}]}`, 400},
		"V9 a name alone":                         {"", `{"requestType":"GDPR_EXPORT","subject":{"name":"Ada Lovelace"}}`, 200},
		"no subject":                              {"", `{"requestType":"GDPR_EXPORT"}`, 400},
		"an unknown type":                         {"", `{"requestType":"GDPR_FORGET","subject":{"name":"A"}}`, 400},
		"no type":                                 {"", `{"subject":{"name":"A"}}`, 400},
		"a wrong type of a member":                {"", `{"requestType":7,"subject":{"name":"A"}}`, 400},
		"WHATSAPP is a type of replacement terms": {"", `{"requestType":"GDPR_UPDATE","subject":{"name":"A"},"replacementTerms":[{"type":"WHATSAPP","existingValue":"+46701","updatedValue":"+46702"}]}`, 200},
	} {
		t.Run(name, func(t *testing.T) { post(t, c.query, c.body).want(t, c.status) })
	}
	t.Run("V7 and V11 a search says how many it found, and nonsense finds nobody", func(t *testing.T) {
		for _, q := range []string{"searchType=PHONE&searchValue=abc", "searchType=NAME&searchValue=Nobody", "searchType=WHATSAPP&searchValue=%2B46701"} {
			a := h.call(t, "GET", "/api/v2/gdpr/subjects?"+q, "").want(t, 200)
			if list, ok := a.at("entities").([]any); !ok || len(list) != 0 || a.at("total") != 0.0 {
				t.Errorf("%s: %s", q, a.body)
			}
		}
		for _, q := range []string{"", "searchType=EMAIL", "searchValue=x", "searchType=SHOE&searchValue=44"} {
			h.call(t, "GET", "/api/v2/gdpr/subjects?"+q, "").want(t, 400)
		}
	})
	t.Run("V10 the results' address is read from the request itself", func(t *testing.T) {
		a := post(t, "", `{"requestType":"GDPR_EXPORT","subject":{"emailAddresses":["x@example.org"]}}`).want(t, 200)
		if a.at("resultsUrl") != nil {
			t.Errorf("there are results before there is a file: %s", a.body)
		}
		h.finished(t, a.str(t, "id"))
		got := h.call(t, "GET", a.str(t, "selfUri"), "").want(t, 200)
		if got.at("status") != "COMPLETED" {
			t.Fatalf("got %s", got.body)
		}
		results := got.str(t, "resultsUrl")
		if list, ok := got.at("resultsUrls").([]any); !ok || len(list) != 1 || list[0] != results {
			t.Errorf("got %s", got.body)
		}
		path := strings.TrimPrefix(results, h.URL)
		h.do(t, "GET", path, "").want(t, 401)
		told := h.call(t, "GET", path+"?issueRedirect=false&redirectToAuth=true&contentDisposition=", "").want(t, 200)
		signed := strings.TrimPrefix(told.str(t, "url"), h.URL)
		file := h.do(t, "GET", signed, "").want(t, 200)
		if file.header.Get("Content-Type") != "application/zip" || !strings.HasPrefix(string(file.body), "PK") {
			t.Errorf("the file is %v", file.header)
		}
		moved := h.call(t, "GET", path, "").want(t, 302)
		h.do(t, "GET", strings.TrimPrefix(moved.header.Get("Location"), h.URL), "").want(t, 200)
		h.clk.Advance(10 * time.Minute)
		h.do(t, "GET", signed, "").want(t, 403)
		h.clk.Advance(15 * 24 * time.Hour)
		token := h.token(t, clientID, secret)
		h.do(t, "GET", path, "", "Authorization", "Bearer "+token).want(t, 404)
	})
}

// What a client of the Genesys API gets must be readable by its own types.
func TestListingsHaveEveryMember(t *testing.T) {
	h := newHouse(t)
	for range 3 {
		h.call(t, "POST", "/api/v2/gdpr/requests", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`).want(t, 200)
		h.clk.Advance(time.Millisecond)
	}
	a := h.call(t, "GET", "/api/v2/gdpr/requests?pageSize=2&pageNumber=1", "").want(t, 200)
	var page struct {
		Entities []struct{ ID, Status, RequestType string }
		Total    int
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Entities) != 2 || page.Total != 3 || a.at("pageCount") != 2.0 {
		t.Errorf("got %s", a.body)
	}
	for _, member := range []string{"firstUri", "lastUri", "selfUri", "nextUri"} {
		if a.str(t, member) == "" {
			t.Errorf("%s is missing", member)
		}
	}
}
