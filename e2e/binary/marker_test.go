package binary

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// The marks of one person who exists nowhere else. Each part is searched for by itself, so that a
// value is found however it is put together.
const (
	markedMailbox = "qzx7k4mvw"
	markedDomain  = "jwpyt3nh"
	markedMail    = "Qzx7k4mvw@jwpyt3nh.example"
	markedPhone   = "+4915799246813"
	markedDigits  = "15799246813"
	markedAddress = "203.0.113.77"
)

// needles are the byte sequences of which none may be found: the marks as they are, and as base64,
// hex, percent and JSON escapes have them. Texts are compared in lower case.
func needles(marks ...string) map[string][]byte {
	found := map[string][]byte{}
	for _, m := range marks {
		lower := strings.ToLower(m)
		found[m] = []byte(lower)
		found[m+" in hex"] = []byte(hex.EncodeToString([]byte(m)))
		found[m+" in UTF-16"] = []byte(strings.Join(strings.Split(lower, ""), "\x00"))
		var percent, escaped strings.Builder
		for i := range len(m) {
			fmt.Fprintf(&percent, "%%%02x", m[i])
			fmt.Fprintf(&escaped, `\u%04x`, m[i])
		}
		found[m+" in percent escapes"] = []byte(percent.String())
		found[m+" in JSON escapes"] = []byte(escaped.String())
		// Base64 depends on what stands before: there are three ways. What the ends share with their
		// neighbours is cut off.
		for _, form := range []string{m, lower, strings.ToUpper(m), strings.ToUpper(m[:1]) + m[1:]} {
			for shift := range 3 {
				text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + form))
				from, to := (shift*8+5)/6, (shift+len(form))*8/6
				for name, alphabet := range map[string]string{"base64": text, "URL base64": strings.NewReplacer("+", "-", "/", "_").Replace(text)} {
					found[fmt.Sprintf("%s in %s, shifted by %d", form, name, shift)] = []byte(strings.ToLower(alphabet[from:to]))
				}
			}
		}
	}
	return found
}

// search returns the names of the needles in b.
func search(b []byte, needles map[string][]byte) (names []string) {
	b = bytes.ToLower(b)
	for name, needle := range needles {
		if bytes.Contains(b, needle) {
			names = append(names, name)
		}
	}
	return names
}

// searchFiles fails the test for each needle in any byte of any file below dir, and in their names.
func searchFiles(t *testing.T, dir string, needles map[string][]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if names := search([]byte(strings.TrimPrefix(path, dir)), needles); len(names) > 0 {
			t.Errorf("the name of %s holds %v", path, names)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		files++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if names := search(b, needles); len(names) > 0 {
			low := bytes.ToLower(b)
			at := bytes.Index(low, needles[names[0]])
			t.Errorf("%s holds %v at byte %d: %q", path, names, at, b[max(0, at-80):min(len(b), at+80)])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 3 {
		t.Errorf("only %d files were searched: that is no data directory", files)
	}
}

func TestSearchFindsEveryFormOfAMark(t *testing.T) {
	look := needles(markedMailbox, markedDigits)
	for name, text := range map[string]string{
		"as it is":       "x" + markedMail + "y",
		"upper case":     strings.ToUpper(markedMail),
		"in a URL":       url.QueryEscape(markedMail),
		"UTF-16":         strings.Join(strings.Split(markedMail, ""), "\x00"),
		"base64":         base64.StdEncoding.EncodeToString([]byte(markedMail)),
		"base64 shifted": base64.RawURLEncoding.EncodeToString([]byte("ab" + markedPhone + "c")),
		"hex":            hex.EncodeToString([]byte(strings.ToLower(markedMail))),
	} {
		if len(search([]byte(text), look)) == 0 {
			t.Errorf("%s: %q is not found", name, text)
		}
	}
	if found := search([]byte("nobody@elsewhere.example +4915700000000"), look); found != nil {
		t.Errorf("another's values are taken for the marks: %v", found)
	}
}

// marker sends the marks through everything that takes input, and collects what came back.
type marker struct {
	*server
	auth    string
	cookie  string
	errors  []string // error answers that hold a mark
	look    map[string][]byte
	answers int
}

func newMarker(t *testing.T, s *server) *marker {
	t.Helper()
	m := &marker{server: s, auth: s.token(t), look: needles(markedMailbox, markedDomain, markedDigits)}
	m.cookie, _ = s.grant(t)
	return m
}

// tell sends a request with the marks also in every header that may be logged. An answer that
// refuses must not repeat them: who sees it need not be who sent them.
func (m *marker) tell(t *testing.T, method, path, body string, headers ...string) *answer {
	t.Helper()
	a := m.do(t, method, path, body, append([]string{
		"User-Agent", "Mozilla/5.0 (" + markedMail + "; " + markedPhone + ") Chrome/129.0.0.0",
		"Referer", "https://shop.example/?email=" + url.QueryEscape(markedMail),
		"Accept-Language", "en, x-" + markedMailbox,
		"Cookie", "seen=" + markedMailbox + "; _actmu=" + m.cookie,
		"X-Forwarded-For", markedAddress, "Forwarded", "for=" + markedMail,
		"ININ-Correlation-Id", markedMail, "X-Request-Id", markedPhone, "Traceparent", markedMail,
	}, headers...)...)
	m.answers++
	if a.status >= 400 {
		if found := search(append([]byte(fmt.Sprint(a.header)), a.body...), m.look); found != nil {
			m.errors = append(m.errors, fmt.Sprintf("%s %s answered %d with %v: %s", method, path, a.status, found, a.body))
		}
	}
	return a
}

// everything sends the marks as a visitor, as the visitor's site, and as staff of the organisation.
func (m *marker) everything(t *testing.T) {
	t.Helper()
	m.fromVisitors(t)
	m.fromThePrivacyCentre(t)
	m.fromServers(t)
	m.fromOtherWays(t)
	m.nonsense(t)
	m.everyRoute(t)
}

// route is a method and a pattern of net/http.
var route = regexp.MustCompile(`"(GET|POST|PATCH|DELETE)(?:", "| )(/[^"]*)"`)

// everyRoute sends the marks to every address that the sources name, also to those that were added
// after this test was written.
func (m *marker) everyRoute(t *testing.T) {
	t.Helper()
	routes := map[string]bool{}
	for _, file := range []string{"api/table.go", "api/config.go", "privacy/privacy.go", "console/console.go"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "internal", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range route.FindAllSubmatch(b, -1) {
			routes[string(r[1])+" "+string(r[2])] = true
		}
		for _, r := range regexp.MustCompile(`path: "(/[^"]*)"`).FindAllSubmatch(b, -1) {
			path := string(r[1])
			for _, one := range []string{"GET " + path, "POST " + path, "GET " + path + "/{id}", "PATCH " + path + "/{id}", "DELETE " + path + "/{id}"} {
				routes[one] = true
			}
		}
	}
	if len(routes) < 80 {
		t.Fatalf("only %d routes were found in the sources", len(routes))
	}
	// What an organisation calls its outcomes and segments is configuration and stands in the clear:
	// without a name none is made here.
	body := object(map[string]any{
		markedMail: markedPhone, "deployment": deployment, "visitor": uuid.NewString(), "notice": markedMail, "language": markedMail, "nonce": markedMail,
		"name": 7, "displayName": 7, "email": markedMail, "version": 1, "subject": map[string]any{"name": markedMail}, "requestType": markedMail,
	})
	param := regexp.MustCompile(`\{[^}]*\}`)
	for r := range routes {
		method, pattern, _ := strings.Cut(r, " ")
		for _, value := range []string{markedMailbox, url.PathEscape(markedMail), uuid.NewString(), deployment} {
			path := param.ReplaceAllString(strings.TrimSuffix(pattern, "{$}"), value)
			if strings.HasSuffix(path, "/live") || strings.HasSuffix(path, "/stream") {
				continue // a stream has no end; marks were sent to it already
			}
			auth := m.auth
			if method == "DELETE" {
				auth = "Bearer " + markedMail // or our own token would be gone
			}
			sent := body
			if method == "GET" {
				sent = ""
			}
			m.tell(t, method, path+"?email="+url.QueryEscape(markedMail)+"&lang="+markedMailbox+"&after="+markedMailbox+"&id="+markedPhone, sent,
				"Authorization", auth, "Origin", m.base, "Cookie", "seen="+markedMailbox) // without the visitor's cookie: one of the routes erases
		}
	}
}

const markedURL = "https://shop.example/account/" + markedMailbox + "@" + markedDomain + ".example/%2B" + "49" + markedDigits +
	"?email=" + markedMailbox + "%40" + markedDomain + ".example&utm_source=" + markedMailbox + "%40" + markedDomain + ".example&q=call%20" + "%2B49" + markedDigits + "#" + markedMail

func (m *marker) fromVisitors(t *testing.T) {
	t.Helper()
	marked := map[string]any{
		"url": markedURL, "title": "Hello " + markedMail + " " + markedPhone, "referrer": markedURL,
		"search":      "order of " + markedMail + " or " + markedPhone,
		"attributes":  map[string]any{"note": markedMail, "tel": markedPhone, markedMailbox: true},
		"traits":      map[string]any{"email": markedMail, "phone": markedPhone, "givenName": markedMailbox},
		"external_id": markedMail, "unknown": markedMail,
	}
	var a sent
	m.tell(t, "POST", eventsPath, object(map[string]any{
		"visitor": m.cookie, "visit": uuid.NewString(), "extra": markedMail,
		"context": map[string]any{"lang": markedMailbox, "screen": []int{100, 100}, "more": markedMail},
		"events":  []any{event(1, marked), event(2, map[string]any{"name": markedMailbox}), event(3, map[string]any{"name": markedMail})},
	}), "Origin", origin).into(t, &a)
	if a.Accepted == 0 {
		// One bad name refuses the batch: send what is good by itself.
		m.tell(t, "POST", eventsPath, batch(m.cookie, event(1, marked), event(2, map[string]any{"name": markedMailbox})), "Origin", origin).want(t, 202).into(t, &a)
	}
	if a.Accepted < 2 {
		t.Fatalf("the marked events were not taken: %v", a.Refused)
	}
	stranger := uuid.NewString()
	m.tell(t, "POST", eventsPath, batch(stranger, event(1, marked)), "Origin", origin)
	m.tell(t, "POST", eventsPath, batch(markedMail, event(1, marked)), "Origin", origin)
	m.tell(t, "POST", eventsPath, batch(m.cookie, event(1, marked)), "Origin", "https://"+markedDomain+".example")
	m.tell(t, "POST", "/probity/v1/deployments/"+markedMailbox+"/events", batch(m.cookie, event(1, marked)), "Origin", origin)
	m.tell(t, "POST", eventsPath+"?who="+url.QueryEscape(markedMail), batch(m.cookie, event(4, marked)), "Origin", origin)

	web := map[string]any{
		"page":        map[string]any{"url": markedURL, "title": markedMail, "keywords": markedMail, "lang": "en"},
		"searchQuery": markedPhone, "referrerUrl": markedURL, "ipAddress": markedAddress,
		"userAgentString": "Mozilla/5.0 (" + markedMail + ")", "browser": map[string]any{"family": markedMailbox, "version": "1", "lang": "en"},
		"device":     map[string]any{"category": "desktop", "type": markedMailbox, "osFamily": markedMailbox, "osVersion": "1", "screenHeight": 1, "screenWidth": 1, "fingerprint": markedMail},
		"attributes": map[string]any{"mail": map[string]any{"value": markedMail, "dataType": "string"}},
		"traits":     map[string]any{"email": map[string]any{"value": markedMail, "dataType": "string"}, "phone": map[string]any{"value": markedPhone, "dataType": "string"}},
		"externalId": markedPhone,
	}
	if a := m.tell(t, "POST", webEventsPath, webEvent(m.cookie, web)); a.status != 200 {
		delete(web, "device") // where the shape of one part is refused, the others still have to get in
		delete(web, "browser")
		m.tell(t, "POST", webEventsPath, webEvent(m.cookie, web)).want(t, 200)
	}
	m.tell(t, "POST", webEventsPath, webEvent(stranger, web))
	m.tell(t, "POST", webEventsPath, webEvent(markedMail, web))
	m.tell(t, "POST", strings.Replace(webEventsPath, "webevents", "appevents", 1), webEvent(m.cookie, web)).want(t, 404)
	ping := "/api/v2/journey/deployments/" + deployment + "/customers/"
	m.tell(t, "GET", ping+m.cookie+"/ping?dl="+url.QueryEscape(markedURL)+"&dt="+markedMail, "").want(t, 200)
	m.tell(t, "GET", ping+url.PathEscape(markedMail)+"/ping?dl="+url.QueryEscape(markedURL), "")
	m.tell(t, "POST", "/api/v2/journey/deployments/"+deployment+"/actionevent", object(map[string]any{
		"actionId": markedMail, "sessionId": markedPhone, "sessionCustomerId": markedMail, "actionState": markedMail, "errorCode": markedMail, "errorMessage": markedMail,
	}))

	// The consent endpoints.
	all := map[string]bool{markedMailbox: true}
	for _, p := range purposes {
		all[p] = true
	}
	c := choice(m.nonce(t), all)
	m.tell(t, "POST", "/probity/v1/consent/choices", object(c), "Origin", origin)
	delete(all, markedMailbox)
	c["email"], c["nonce"], c["visitor"] = markedMail, m.nonce(t), m.cookie
	c["ui"] = map[string]any{"component": markedMail, "action": markedMail, "dwell_ms": 1, "trusted": true, "viewport": markedMail}
	m.tell(t, "POST", "/probity/v1/consent/choices", object(c), "Origin", origin)
	c["ui"], c["nonce"] = map[string]any{"component": "banner", "action": "accept_all", "viewport": "d", "note": markedMail}, m.nonce(t)
	m.tell(t, "POST", "/probity/v1/consent/choices", object(c), "Origin", origin).want(t, 201)
	c["nonce"] = markedMail
	m.tell(t, "POST", "/probity/v1/consent/choices", object(c), "Origin", origin)
	m.tell(t, "POST", "/probity/v1/consent/served", object(map[string]any{"deployment": deployment, "notice": markedMail, "version": 1, "language": markedMail}), "Origin", origin)
	m.tell(t, "POST", "/probity/v1/consent/served", object(map[string]any{"deployment": markedMail}), "Origin", origin)
	for _, path := range []string{"state", "receipt"} {
		m.tell(t, "POST", "/probity/v1/consent/"+path, object(map[string]any{"deployment": deployment, "visitor": m.cookie, "record_id": markedMail}), "Origin", origin)
		m.tell(t, "POST", "/probity/v1/consent/"+path, object(map[string]any{"deployment": deployment, "visitor": markedMail}), "Origin", origin)
		m.tell(t, "POST", "/probity/v1/consent/"+path, object(map[string]any{"deployment": deployment, "visitor": stranger, "mail": markedMail}), "Origin", origin)
	}
	m.tell(t, "POST", "/probity/v1/consent/withdraw", object(map[string]any{"deployment": deployment, "visitor": m.cookie, "purposes": []string{markedMail}, "ui": map[string]any{"component": "banner", "action": markedMail}, "client_time": now()}), "Origin", origin)
	m.tell(t, "POST", "/probity/v1/consent/withdraw", object(map[string]any{"deployment": deployment, "visitor": markedMail}), "Origin", origin)
	m.tell(t, "POST", "/probity/v1/deployments/"+deployment+"/live", object(map[string]any{"visitor": stranger, "mail": markedMail}), "Origin", origin)
	for _, path := range []string{
		"/probity/v1/deployments/" + deployment + "/notice?lang=" + url.QueryEscape(markedMail), "/probity/v1/deployments/" + markedMailbox + "/config",
		"/probity/v1/notices/" + markedMailbox + "/1/en", "/probity/v1/notices/privacy/1/en?deployment=" + url.QueryEscape(markedMail),
		"/probity/sdk/v1/" + markedMailbox, "/" + markedMailbox, "/" + url.PathEscape(markedMail) + "?x=" + markedPhone, "//" + markedMailbox,
		"/probity/v1/downloads/" + uuid.NewString() + "?until=9999999999&signature=" + markedMailbox,
		"/console/sign-in?token=" + markedMailbox, "/console/visitors/" + markedMailbox, "/demo/" + markedMailbox,
	} {
		m.tell(t, "GET", path, "")
	}
	m.tell(t, strings.ToUpper(markedMailbox), "/healthz", "")
}

func (m *marker) fromThePrivacyCentre(t *testing.T) {
	t.Helper()
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", m.base}
	m.tell(t, "POST", "/privacy/correct", url.Values{"kind": {"EMAIL", markedMail}, "old": {strings.ToLower(markedMail), markedMail}, "new": {"New" + markedMail, markedPhone}}.Encode(), form...)
	m.tell(t, "POST", "/privacy/copy", url.Values{"type": {markedMail}}.Encode(), form...)
	m.tell(t, "POST", "/privacy/choices", url.Values{"purpose": {markedMail}}.Encode(), form...)
	m.tell(t, "POST", "/privacy/choices?lang="+url.QueryEscape(markedMail), url.Values{"purpose": {"sales"}, "note": {markedMail}}.Encode(), form...)
	m.tell(t, "POST", "/privacy/erase", url.Values{"why": {markedMail}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://"+markedDomain+".example")
	m.tell(t, "GET", "/privacy/receipts/"+markedMailbox+"?lang="+markedMailbox, "")
	m.tell(t, "GET", "/privacy/requests/"+markedMailbox+"/file", "")
	m.tell(t, "POST", "/console/sign-in", url.Values{"token": {markedMail}}.Encode(), form...)
}

func (m *marker) fromServers(t *testing.T) {
	t.Helper()
	a := []string{"Authorization", m.auth}
	subject := func(s map[string]any) map[string]any {
		return map[string]any{"requestType": "GDPR_EXPORT", "subject": s, "note": markedMail}
	}
	for _, s := range []map[string]any{
		{"emailAddresses": []string{markedMail}}, {"phoneNumbers": []string{markedPhone}}, {"externalId": markedMail},
		{"name": markedMail, "addresses": []string{markedMail}}, {"journeyCustomer": map[string]any{"type": "email", "id": markedMail}},
		{"socialHandle": map[string]any{"type": "TWITTER", "value": markedMailbox}}, {"userId": markedMail}, {"journeyCustomer": map[string]any{"type": markedMail, "id": markedMail}},
		{"dialerContactId": map[string]any{"id": markedMail, "contactListId": markedMail}}, {"externalContactId": markedMail},
	} {
		m.tell(t, "POST", "/api/v2/gdpr/requests", object(subject(s)), a...)
		m.tell(t, "POST", "/probity/v1/requests", object(map[string]any{"type": "access", "subject": s, "channel": "letter"}), a...)
	}
	m.tell(t, "POST", "/api/v2/gdpr/requests", object(map[string]any{
		"requestType": "GDPR_UPDATE", "subject": map[string]any{"emailAddresses": []string{markedMail}},
		"replacementTerms": []any{map[string]any{"type": "PHONE", "existingValue": markedPhone, "updatedValue": "+491579924681399"}, map[string]any{"type": "EMAIL", "existingValue": markedMail, "updatedValue": "b" + markedMail}},
	}), a...)
	m.tell(t, "POST", "/api/v2/gdpr/requests?deleteConfirmed="+markedMailbox, object(map[string]any{"requestType": markedMail, "subject": map[string]any{"name": markedMail}}), a...)
	m.tell(t, "POST", "/probity/v1/requests", object(map[string]any{"type": markedMail, "subject": map[string]any{"name": markedMail}}), a...)
	for _, channel := range []string{markedMail, markedPhone} {
		m.tell(t, "POST", "/probity/v1/requests", object(map[string]any{"type": "access", "subject": customer(m.cookie), "channel": channel}), a...)
	}
	for _, kind := range []string{"EMAIL", "PHONE", "NAME", "EXTERNAL_ID", markedMailbox} {
		for _, value := range []string{markedMail, markedPhone} {
			m.tell(t, "GET", "/api/v2/gdpr/subjects?searchType="+kind+"&searchValue="+url.QueryEscape(value), "", a...)
		}
	}
	for _, path := range []string{
		"/api/v2/gdpr/requests?pageSize=" + markedMailbox, "/api/v2/gdpr/requests/" + markedMailbox, "/api/v2/downloads/" + markedMailbox,
		"/api/v2/journey/sessions/" + markedMailbox, "/api/v2/journey/sessions/" + uuid.NewString() + "/events?after=" + markedMailbox + "&eventType=" + markedMailbox,
		"/api/v2/journey/outcomes?outcomeIds=" + markedMailbox, "/api/v2/journey/segments/" + markedMailbox,
		"/probity/v1/requests/" + markedMailbox, "/probity/v1/requests?pageNumber=" + markedPhone,
	} {
		m.tell(t, "GET", path, "", a...)
	}
	m.tell(t, "POST", "/probity/v1/import", object(map[string]any{
		"deployment": deployment, "basis": "legitimate_interest", "assessment": "The history of orders tells which journeys lead to one.", "note": markedMail,
		"events": []any{map[string]any{"visitor": markedMail, "time": now(), "name": "page_viewed", "page": markedURL, "attributes": map[string]any{"mail": markedMail, "tel": markedPhone}, "search": markedMail, "referrer": markedURL}},
	}), a...).want(t, 200)
	m.tell(t, "POST", "/probity/v1/import", object(map[string]any{"deployment": markedMail, "basis": markedMail, "assessment": markedMail, "events": []any{map[string]any{"visitor": markedMail}}}), a...)
	m.tell(t, "POST", "/probity/v1/import", "{\"deployment\":\""+deployment+"\",\"basis\":\"legitimate_interest\",\"assessment\":\"Long enough to say why.\"}\n{\"visitor\":\""+markedMail+"\"", append(a, "Content-Type", "application/x-ndjson")...)
	// Configuration is the organisation's own; what is wrong with it must not be told with its content.
	for _, path := range []string{"outcomes", "segments", "actionmaps", "actiontemplates", "outcomes/predictors"} {
		m.tell(t, "POST", "/api/v2/journey/"+path, object(map[string]any{markedMail: markedMail, "displayName": 7, "name": 7, "outcome": map[string]any{"id": markedMail}}), a...)
	}
}

// fromOtherWays sends the marks through every other way that consent comes in and goes. What the
// organisation writes itself, such as the assessment of a declared basis, is its own and stands in the
// clear.
func (m *marker) fromOtherWays(t *testing.T) {
	t.Helper()
	m.settle(t) // the visitor's address leads to them from here on
	a := []string{"Authorization", m.auth}
	person := map[string]any{"email": markedMail}
	said := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano)
	m.tell(t, "POST", "/probity/v1/consent/assertions", object(map[string]any{
		"person": person, "channel": "phone", "purposes": map[string]any{"marketing": true}, "said_at": said, "language": "en",
		"text": "May we write to you?", "evidence": "call with " + markedMail + " " + markedPhone, "key": "crm-" + markedMail,
	}), a...).want(t, 201)
	var imported struct {
		Recorded int `json:"recorded"`
	}
	m.tell(t, "POST", "/probity/v1/consent/imports", object(map[string]any{
		"text": "Yes, write to me.", "language": "en", "rows": []any{
			map[string]any{"person": map[string]any{"email": markedMail}, "purposes": map[string]any{"marketing": true}, "said_at": said, "key": "import-" + markedMail, "evidence": markedPhone},
			map[string]any{"person": map[string]any{"phone": markedPhone}, "purposes": map[string]any{"sales": false}, "said_at": said, "key": "import-" + markedPhone},
		},
	}), a...).want(t, 200).into(t, &imported)
	if imported.Recorded != 2 {
		t.Fatalf("%d marked consents were imported, want 2", imported.Recorded)
	}
	m.tell(t, "POST", "/probity/v1/consent/imports", object(map[string]any{
		"text": "Yes.", "language": "en", "rows": []any{map[string]any{"person": map[string]any{"email": markedMailbox}, "purposes": map[string]any{markedMail: true}, "said_at": markedMail, "key": markedMail}},
	}), a...)
	m.tell(t, "POST", "/probity/v1/consent/optins", object(map[string]any{
		"deployment": deployment, "nonce": m.nonce(t), "email": markedMail, "purposes": []string{"marketing"},
	}), "Origin", origin).want(t, 202)
	m.tell(t, "POST", "/probity/v1/consent/parents", object(map[string]any{
		"deployment": deployment, "nonce": m.nonce(t), "parent_email": markedMail, "purposes": []string{"support"}, "age_band": "0-12", "country": "DE",
	}), "Origin", origin).want(t, 202)
	m.tell(t, "POST", "/probity/v1/consent/object", object(map[string]any{
		"deployment": deployment, "visitor": m.cookie, "purposes": []string{"sales"}, "reason": "They write to " + markedMail + " and call " + markedPhone + ".",
		"ui": map[string]any{"component": "preferences", "action": "save", "dwell_ms": 900, "trusted": true, "viewport": "d"}, "client_time": now(),
	}), "Origin", origin).want(t, 200)
	m.tell(t, "POST", "/probity/v1/consent/links", object(map[string]any{"person": person, "purposes": []string{"marketing"}}), a...)
	m.tell(t, "POST", "/probity/v1/consent/links", object(map[string]any{"person": map[string]any{"email": markedMail}, "purposes": []string{"marketing"}}), a...).want(t, 201)
	m.tell(t, "POST", "/probity/v1/consent/person/state", object(map[string]any{"person": person}), a...)
	all := map[string]bool{}
	for _, p := range purposes {
		all[p] = true
	}
	c := choice(m.nonce(t), all)
	delete(c, "visitor")
	c["external_id"], c["ui"] = markedMail, map[string]any{"component": "form", "action": "save", "dwell_ms": 5200, "trusted": true}
	m.tell(t, "POST", "/probity/v1/consent/person/choices", object(c), a...).want(t, 201)
	m.tell(t, "POST", "/probity/v1/consent/invalidations", object(map[string]any{"notice": markedMail, "reason": markedMail}), a...)
	m.tell(t, "POST", "/probity/v1/requests", object(map[string]any{
		"type": "rectification", "channel": "letter", "subject": customer(m.cookie), "statement": "I also answer at " + markedPhone + ".",
	}), a...)
}

// nonsense sends the marks where they are no valid input at all.
func (m *marker) nonsense(t *testing.T) {
	t.Helper()
	for _, path := range []string{
		eventsPath, webEventsPath, "/probity/v1/consent/choices", "/probity/v1/consent/served", "/probity/v1/consent/state", "/probity/v1/consent/withdraw",
		"/probity/v1/import", "/probity/v1/requests", "/api/v2/gdpr/requests", "/probity/v1/deployments/" + deployment + "/live",
		"/api/v2/journey/deployments/" + deployment + "/actionevent", "/oauth/token",
	} {
		for _, body := range []string{
			`{"` + markedMail + `":"` + markedPhone + `"`, `{"` + markedMail + `":1,"` + markedMail + `":2}`, `"` + markedMail + `"`, markedMail,
			`{"visitor":{"` + markedMail + `":1},"events":"` + markedMail + `"}`, `{"visitor":"` + markedMail + "\x00" + `"}`, "{\"visitor\":\"" + markedMail + "\xff\"}",
			`{"deployment":["` + markedMail + `"],"subject":"` + markedMail + `","customerCookieId":{"a":"` + markedMail + `"}}`,
		} {
			m.tell(t, "POST", path, body, "Authorization", m.auth, "Origin", origin)
		}
		m.tell(t, "POST", path, `{"a":1}`, "Content-Type", "text/"+markedMailbox, "Authorization", m.auth)
		m.tell(t, "POST", path, `{"a":1}`, "Authorization", "Bearer "+markedMail)
		m.tell(t, "POST", path, `{"a":1}`, "Authorization", markedMail+" "+markedPhone)
	}
	form := "application/x-www-form-urlencoded"
	for _, credentials := range []string{
		base64.StdEncoding.EncodeToString([]byte(markedMail + ":" + markedPhone)), base64.StdEncoding.EncodeToString([]byte(client + ":" + markedMail)),
		markedMail,
	} {
		m.tell(t, "POST", "/oauth/token", "grant_type=client_credentials", "Content-Type", form, "Authorization", "Basic "+credentials)
	}
	m.tell(t, "POST", "/oauth/token", url.Values{"grant_type": {markedMail}, "client_id": {markedMail}, "client_secret": {markedPhone}}.Encode(), "Content-Type", form)
}

// offer lets the visitor qualify for an offer and reports an error of it with marks in it.
func (m *marker) offer(t *testing.T) {
	t.Helper()
	a := []string{"Authorization", m.auth}
	var template struct{ ID string }
	m.do(t, "POST", "/api/v2/journey/actiontemplates", object(map[string]any{
		"name": "Free", "mediaType": "contentOffer", "state": "Active",
		"contentOffer": map[string]any{"displayMode": "Modal", "layoutMode": "TextOnly", "title": "Free", "body": "Until Sunday.",
			"callToAction": map[string]any{"text": "Go", "url": "https://shop.example/", "target": "Self"}},
	}), a...).want(t, 200).into(t, &template)
	m.do(t, "POST", "/api/v2/journey/actionmaps", object(map[string]any{
		"displayName": "Basket", "isActive": true, "weight": 2, "activation": map[string]any{"type": "immediate"},
		"triggerWithEventConditions": []any{map[string]any{"key": "eventName", "values": []string{"product_added"}, "operator": "equal", "streamType": "Web", "sessionType": "web"}},
		"pageUrlConditions":          []any{}, "action": map[string]any{"mediaType": "contentOffer", "actionTemplate": map[string]any{"id": template.ID}},
	}), a...).want(t, 200)
	cookie, _ := m.grant(t)
	m.do(t, "POST", webEventsPath, webEvent(cookie, nil)).want(t, 200)
	type action struct {
		ID        string `json:"id"`
		SessionID string `json:"sessionId"`
	}
	var ping struct {
		Actions []action `json:"actions"`
	}
	// The plan with the new map reaches the worker over the bus.
	eventually(t, "an offer is made", func() bool {
		m.do(t, "POST", webEventsPath, webEvent(cookie, map[string]any{"eventName": "product_added"})).want(t, 200)
		m.do(t, "GET", "/api/v2/journey/deployments/"+deployment+"/customers/"+cookie+"/ping?dl=https%3A%2F%2Fshop.example%2F", "").want(t, 200).into(t, &ping)
		return len(ping.Actions) > 0
	})
	path := "/api/v2/journey/deployments/" + deployment + "/actionevent"
	report := map[string]any{"actionId": ping.Actions[0].ID, "sessionId": ping.Actions[0].SessionID, "sessionCustomerId": cookie, "sessionCustomerIdType": "cookie", "actionState": "errored", "errorCode": markedMail, "errorMessage": markedPhone}
	m.tell(t, "POST", path, object(report)).want(t, 204)
}

func TestMarksOfAPersonStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "--log-level", "debug", "--smtp-url", "smtp://127.0.0.1:9", "--mail-from", "shop@example.org")
	s := h.start(t)
	m := newMarker(t, s)
	m.everything(t)
	m.offer(t)
	s.settle(t)

	access := s.request(t, m.auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": customer(m.cookie)}))
	pack := s.do(t, "GET", "/probity/v1/requests/"+access+"/package", "", "Authorization", m.auth).want(t, 200)
	if len(search(unzip(t, pack.body), m.look)) == 0 {
		t.Error("the person's own copy holds none of the marks: nothing was stored, and this test would pass whatever happens")
	}

	t.Run("no error tells them to anybody", func(t *testing.T) {
		for _, e := range m.errors {
			t.Error(e)
		}
		for _, path := range []string{eventsPath, webEventsPath, "/probity/v1/consent/state", "/api/v2/gdpr/requests"} {
			a := s.do(t, "POST", path, `{"broken`, "Origin", origin)
			if found := search(a.body, m.look); found != nil {
				t.Errorf("%s tells another caller %v", path, found)
			}
		}
	})
	t.Run("no other visitor sees them", func(t *testing.T) {
		other, _ := s.grant(t)
		for _, path := range []string{
			"/privacy/", "/privacy/data", "/privacy/choices", "/privacy/correct", "/privacy/requests/" + access, "/privacy/requests/" + access + "/file",
			"/api/v2/journey/deployments/" + deployment + "/customers/" + other + "/ping?dl=https%3A%2F%2Fshop.example%2F",
			"/console/", "/console/requests/" + access, "/probity/v1/requests/" + access, "/probity/v1/requests/" + access + "/package", "/api/v2/gdpr/requests/" + access,
		} {
			a := s.do(t, "GET", path, "", "Cookie", "_actmu="+other)
			if found := search(append([]byte(fmt.Sprint(a.header)), a.body...), m.look); found != nil {
				t.Errorf("%s shows another visitor %v", path, found)
			}
		}
	})
	t.Run("no metric holds them", func(t *testing.T) {
		if found := search(s.do(t, "GET", "/metrics", "").want(t, 200).body, m.look); found != nil {
			t.Errorf("found %v", found)
		}
	})
	everything := needles(markedMailbox, markedDomain, markedDigits, markedAddress, m.cookie)
	t.Run("no byte of the running data directory shows them", func(t *testing.T) { searchFiles(t, h.data, everything) })
	s.stop(t)
	t.Run("no byte of the stopped data directory shows them", func(t *testing.T) { searchFiles(t, h.data, everything) })
	t.Run("no line of the log holds them", func(t *testing.T) {
		if found := search([]byte(s.log.String()+s.out.String()), everything); found != nil {
			for line := range strings.SplitSeq(s.log.String(), "\n") {
				if search([]byte(line), everything) != nil {
					t.Errorf("%v in %s", found, line)
				}
			}
		}
		if !strings.Contains(s.log.String(), "route=") {
			t.Error("the log has no lines of requests: it was not searched")
		}
	})
	t.Logf("%d requests with marks", m.answers)

	t.Run("erased, and the key replaced, nothing of the person opens", func(t *testing.T) { erasedForGood(t, h, m) })
}

// unzip returns all files of an archive, one after the other.
func unzip(t *testing.T, b []byte) (all []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("the package is no archive: %v", err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		part, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	return all
}

// liveStream opens a stream of offers, which stays open until the server ends it.
func (s *server) liveStream(t *testing.T, cookie string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.base+"/probity/v1/deployments/"+deployment+"/live", strings.NewReader(object(map[string]string{"visitor": cookie})))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Content-Type", "text/plain")
	res, err := (&http.Client{Timeout: 2 * time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 {
		t.Fatalf("the stream answers %d", res.StatusCode)
	}
	return res
}
