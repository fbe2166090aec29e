package api_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"probity/internal/api"
	"probity/internal/org"
)

var param = regexp.MustCompile(`\{[^}]+\}`)

// Every line of the route table is called without a token, with a token that may do everything but
// what the line asks for, and with one that may do nothing else.
func TestEveryRouteIsGuarded(t *testing.T) {
	h := newHouse(t)
	secretOf := func(name string, permissions []string) string {
		t.Helper()
		if _, err := h.org.CreateClient(t.Context(), h.tenant, name, "secret-"+name, name, permissions); err != nil {
			t.Fatal(err)
		}
		return h.token(t, name, "secret-"+name)
	}
	tokens := map[string]string{} // one client for each permission that some route asks for, and one that lacks it
	guarded, public := 0, 0
	for i, rt := range h.api.Routes() {
		path := param.ReplaceAllString(rt.Path, "0194a1b2-0000-7000-8000-0000000000ff")
		call := func(token string) *answer {
			t.Helper()
			headers := []string{"Content-Type", "application/json"}
			if token != "" {
				headers = append(headers, "Authorization", "Bearer "+token)
			}
			return h.do(t, rt.Method, path, "", headers...)
		}
		name := rt.Method + " " + rt.Path
		switch {
		case rt.Public != "":
			public++
			if a := call(""); a.status == 401 {
				t.Errorf("%s is public but asks for a token", name)
			}
		case rt.AnyToken:
			guarded++
			if a := call(""); a.status != 401 {
				t.Errorf("%s without a token: %d", name, a.status)
			}
			if a := call("made-up"); a.status != 401 {
				t.Errorf("%s with a made-up token: %d", name, a.status)
			}
		case len(rt.AnyOf) == 0:
			t.Errorf("%s says neither who may call it nor why everybody may", name)
		default:
			guarded++
			key := strings.Join(rt.AnyOf, "|")
			if tokens[key+"+"] == "" {
				id := "c" + string(rune('a'+i%26)) + string(rune('a'+i/26))
				var rest []string
				for _, p := range org.Permissions() {
					if !contains(rt.AnyOf, p) {
						rest = append(rest, p)
					}
				}
				if len(rest)+len(rt.AnyOf) != len(org.Permissions()) {
					t.Errorf("%s asks for a permission that does not exist: %v", name, rt.AnyOf)
					continue
				}
				tokens[key+"+"] = secretOf(id+"-may", rt.AnyOf[:1])
				tokens[key+"-"] = secretOf(id+"-may-not", rest)
			}
			if a := call(""); a.status != 401 {
				t.Errorf("%s without a token: %d", name, a.status)
			}
			a := call(tokens[key+"-"])
			if a.status != 403 || !strings.Contains(string(a.body), rt.AnyOf[0]) {
				t.Errorf("%s with every other permission: %d %s", name, a.status, a.body)
			}
			if code := a.at("code"); code != "missing.permissions" && code != "missing.any.permissions" {
				t.Errorf("%s: code %v", name, code)
			}
			if a := call(tokens[key+"+"]); a.status == 401 || a.status == 403 || a.status >= 500 {
				t.Errorf("%s with %s alone: %d %s", name, rt.AnyOf[0], a.status, a.body)
			}
		}
	}
	if guarded < 40 || public < 15 {
		t.Errorf("only %d guarded and %d public routes: is the table whole?", guarded, public)
	}
}

func contains(list []string, v string) bool {
	for _, l := range list {
		if l == v {
			return true
		}
	}
	return false
}

func TestMissingPermissionsAreNamed(t *testing.T) {
	h := newHouse(t)
	if _, err := h.org.CreateClient(t.Context(), h.tenant, "reader", "secret-reader", "reader", []string{org.PermissionGDPR}); err != nil {
		t.Fatal(err)
	}
	auth := []string{"Authorization", "Bearer " + h.token(t, "reader", "secret-reader")}
	a := h.do(t, "POST", "/api/v2/gdpr/requests", `{}`, auth...).want(t, 403)
	if a.at("message") != "You are missing the following permission(s): gdpr:request:add" || a.at("messageParams.permissions") != "gdpr:request:add" {
		t.Errorf("got %s", a.body)
	}
}

func TestMetricsAreForThisMachineOrWithPermission(t *testing.T) {
	h := newHouse(t)
	h.do(t, "GET", "/metrics", "").want(t, 200)
	h.do(t, "GET", "/metrics", "", "X-Forwarded-For", "203.0.113.9").want(t, 401)
	h.do(t, "GET", "/metrics", "", "X-Forwarded-For", "203.0.113.9", "Authorization", "Bearer "+h.bearer).want(t, 200)
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/healthz", "/readyz", "/api/v2/tokens/me", "/nothing", "/journey/sdk/js/web/v1/ac.js", "/.well-known/gpc.json"} {
		a := h.do(t, "GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", path)
		}
	}
}

func TestAPanicBecomesA500InJSON(t *testing.T) {
	h := newHouse(t)
	h = h.with(t, api.New(api.Deps{Org: h.org, Journey: h.journey, Bus: h.bus})) // no rights room
	a := h.do(t, "GET", "/api/v2/gdpr/requests", "", "Authorization", "Bearer "+h.bearer).want(t, http.StatusInternalServerError)
	if a.at("code") != "internal.server.error" || a.header.Get("Inin-Correlation-Id") == "" || strings.Contains(string(a.body), "nil pointer") {
		t.Errorf("got %s", a.body)
	}
}

func TestOneNetworkCanNotFillTheLedger(t *testing.T) {
	h := newHouse(t).seenFrom(t, "203.0.113.7:4711")
	body := `{"deployment":"` + deployment + `","notice":"privacy","version":1,"language":"en"}`
	taken := 0
	var last *answer
	for range 500 {
		if last = h.do(t, "POST", "/probity/v1/consent/served", body); last.status != 200 {
			break
		}
		taken++
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" || taken < 100 {
		t.Fatalf("after %d requests: %d %s", taken, last.status, last.body)
	}
	h.clk.Advance(time.Second)
	h.do(t, "POST", "/probity/v1/consent/served", body).want(t, 200)
	h.seenFrom(t, "198.51.100.7:4711").do(t, "POST", "/probity/v1/consent/served", body).want(t, 200)
}

// seenFrom returns the house as somebody at an address sees it.
func (h *house) seenFrom(t *testing.T, peer string) *house {
	return h.with(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = peer
		h.api.ServeHTTP(w, r)
	}))
}

// with returns the house behind another handler.
func (h *house) with(t *testing.T, handler http.Handler) *house {
	t.Helper()
	other := *h
	other.Server = httptest.NewServer(handler)
	t.Cleanup(other.Server.Close)
	return &other
}

func TestOnlyTrustedProxiesSayWhoCalls(t *testing.T) {
	h := newHouse(t)
	// Metrics tell whether a call is taken for one from this machine.
	for name, c := range map[string]struct {
		peer, forwarded string
		proto           string
		base            string
	}{
		"a proxy that is trusted":     {"192.0.2.9:1", "203.0.113.9", "https", "https://"},
		"somebody who claims to be":   {"203.0.113.9:1", "127.0.0.1", "https", "http://"},
		"a proxy without the headers": {"192.0.2.9:1", "", "", "http://"},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.seenFrom(t, c.peer)
			h.do(t, "GET", "/metrics", "", "X-Forwarded-For", c.forwarded).want(t, 401)
			q := h.do(t, "POST", "/api/v2/gdpr/requests", `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`, "Authorization", "Bearer "+h.bearer).want(t, 200)
			h.finished(t, q.str(t, "id"))
			got := h.do(t, "GET", q.str(t, "selfUri"), "", "Authorization", "Bearer "+h.bearer, "X-Forwarded-For", c.forwarded, "X-Forwarded-Proto", c.proto).want(t, 200)
			if !strings.HasPrefix(got.str(t, "resultsUrl"), c.base) {
				t.Errorf("resultsUrl is %s", got.str(t, "resultsUrl"))
			}
		})
	}
}
