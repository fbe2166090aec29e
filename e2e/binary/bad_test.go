package binary

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/store"
)

// rows counts the rows of every table of both databases, beside the running server.
func (h *house) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, file := range []string{"probity.db", "vault.db"} {
		db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(h.data, file), ReadConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
			if err != nil {
				return err
			}
			defer rows.Close()
			var names []string
			for rows.Next() {
				var name string
				if err := rows.Scan(&name); err != nil {
					return err
				}
				names = append(names, name)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			for _, name := range names {
				var n int
				if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM "`+name+`"`).Scan(&n); err != nil {
					return err
				}
				counts[file+" "+name] = n
			}
			return nil
		})
		if cerr := db.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// The head of the ledger is signed from time to time, whatever comes in.
	maps.DeleteFunc(counts, func(name string, _ int) bool { return strings.Contains(name, "checkpoint") })
	return counts
}

// shape checks an error answer: the fields of our own API, or those of Genesys.
func shape(t *testing.T, path string, a *answer) {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Errorf("the error is no JSON: %.200s", a.body)
		return
	}
	if ct := a.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("the error is %q", ct)
	}
	if path == "/oauth/token" {
		if e["error"] == nil || e["description"] == nil {
			t.Errorf("the error of a token request is %s", a.body)
		}
		return
	}
	for _, name := range []string{"message", "code", "status", "contextId"} {
		if e[name] == nil || e[name] == "" {
			t.Errorf("the error has no %s: %s", name, a.body)
		}
	}
	if e["status"] != float64(a.status) {
		t.Errorf("the error says %v and the answer %d", e["status"], a.status)
	}
	if genesys := strings.HasPrefix(path, "/api/"); genesys != (e["errors"] != nil && e["details"] != nil && e["messageParams"] != nil) {
		t.Errorf("the error of %s has the other API's shape: %s", path, a.body)
	}
}

func TestBadInputIsRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	auth := s.token(t)
	cookie, _ := s.grant(t)
	s.send(t, batch(cookie, event(1, nil)), 1)
	s.settle(t)

	used := s.nonce(t)
	all := map[string]bool{}
	for _, p := range purposes {
		all[p] = true
	}
	s.do(t, "POST", "/probity/v1/consent/choices", object(choice(used, all)), "Origin", origin).want(t, 201)
	before := h.rows(t)
	if before["probity.db journey_visitor"] == 0 || before["vault.db subject_key"] == 0 {
		t.Fatalf("the tables were not counted: %v", before)
	}
	accepted := s.metric(t, "probity_events_accepted_total")

	const importPath, requestsPath, gdprPath = "/probity/v1/import", "/probity/v1/requests", "/api/v2/gdpr/requests"
	big := strings.Repeat("x", 1<<20)
	padded := func(n int) string { return batch(cookie, event(2, map[string]any{"title": strings.Repeat("y", n)})) }
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }
	elsewhere := strings.Replace(eventsPath, deployment, uuid.NewString(), 1)
	elsewhereWeb := strings.Replace(webEventsPath, deployment, uuid.NewString(), 1)
	foreign := []string{"Origin", "https://attacker.example"}
	replayed := object(choice(used, all))
	forged := object(choice("v1.forged.forged", all))
	history := func(events string) string {
		return `{"deployment":"` + deployment + `","basis":"legitimate_interest","assessment":"The history of orders tells which journeys lead to one.","events":` + events + `}`
	}
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = event(i+2, nil)
	}

	type bad struct {
		path, body string
		headers    []string
		status     int // 0: any 4xx
		code       string
	}
	cases := map[string]bad{
		"an event for an unknown deployment":        {elsewhere, batch(cookie, event(2, nil)), nil, 404, ""},
		"a web event for an unknown deployment":     {elsewhereWeb, webEvent(cookie, nil), nil, 404, ""},
		"a deployment that is no id":                {"/probity/v1/deployments/shop/events", batch(cookie, event(2, nil)), nil, 404, ""},
		"a foreign origin":                          {eventsPath, batch(cookie, event(2, nil)), foreign, 403, "origin.foreign"},
		"a web event from a foreign origin":         {webEventsPath, webEvent(cookie, nil), foreign, 403, "origin.foreign"},
		"a choice from a foreign origin":            {"/probity/v1/consent/choices", object(choice(s.nonce(t), all)), foreign, 403, "origin.foreign"},
		"a nonce that was used":                     {"/probity/v1/consent/choices", replayed, nil, 409, "consent.nonce.used"},
		"a nonce that is forged":                    {"/probity/v1/consent/choices", forged, nil, 400, ""},
		"a choice of some purposes":                 {"/probity/v1/consent/choices", object(choice(s.nonce(t), map[string]bool{"measure": true})), nil, 400, ""},
		"a media type that is no JSON":              {eventsPath, batch(cookie, event(2, nil)), []string{"Content-Type", "application/xml"}, 415, "unsupported.media.type"},
		"a web event in a form":                     {webEventsPath, webEvent(cookie, nil), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported.media.type"},
		"a request in plain text":                   {gdprPath, `{}`, []string{"Content-Type", "text/plain"}, 415, "unsupported.media.type"},
		"an event of more than 64 KiB":              {eventsPath, padded(65 << 10), nil, 413, "request.entity.too.large"},
		"a web event of more than 64 KiB":           {webEventsPath, webEvent(cookie, map[string]any{"searchQuery": strings.Repeat("y", 65<<10)}), nil, 413, "request.entity.too.large"},
		"a batch of more than 1 MiB":                {eventsPath, padded(1 << 20), nil, 413, "request.entity.too.large"},
		"a batch of more than 1 MiB of white space": {eventsPath, strings.Repeat(" ", 1<<20) + batch(cookie, event(2, nil)), nil, 413, "request.entity.too.large"},
		"an import of more than 1 MiB":              {importPath, history(`[{"visitor":"` + big + `"}]`), nil, 413, "request.entity.too.large"},
		"a request of more than 64 KiB":             {gdprPath, `{"subject":{"name":"` + big + `"}}`, nil, 413, "request.entity.too.large"},
		"a batch of 101 events":                     {eventsPath, batch(cookie, many...), nil, 400, ""},
		"a batch without events":                    {eventsPath, batch(cookie), nil, 400, ""},
		"a web event of two hours ago":              {webEventsPath, webEvent(cookie, map[string]any{"createdDate": at(-2 * time.Hour)}), nil, 400, ""},
		"a web event in six minutes":                {webEventsPath, webEvent(cookie, map[string]any{"createdDate": at(6 * time.Minute)}), nil, 400, ""},
		"a visitor that is no UUID":                 {eventsPath, batch("me", event(2, nil)), nil, 400, ""},
		"an event with a text for a number":         {eventsPath, batch(cookie, event(2, map[string]any{"seq": "2"})), nil, 400, ""},
		"an event with a list for a name":           {eventsPath, batch(cookie, event(2, map[string]any{"name": []string{"a"}})), nil, 400, ""},
		"an event with an object for an attribute":  {eventsPath, batch(cookie, event(2, map[string]any{"attributes": map[string]any{"a": map[string]any{}}})), nil, 400, ""},
		"an event with NUL in its title":            {eventsPath, batch(cookie, event(2, map[string]any{"title": "a\x00b"})), nil, 400, ""},
		"a web event with NUL in its title":         {webEventsPath, webEvent(cookie, map[string]any{"page": map[string]any{"url": "https://a.example/", "title": "a\x00b"}}), nil, 400, ""},
		"an event at no address":                    {eventsPath, batch(cookie, event(2, map[string]any{"url": "not a url"})), nil, 400, ""},
		"a web event without a page":                {webEventsPath, `{"customerCookieId":"` + cookie + `","eventName":"page_viewed","createdDate":"` + now() + `"}`, nil, 400, ""},
		"an import without a basis":                 {importPath, `{"deployment":"` + deployment + `","events":[{"visitor":"1","time":"2026-01-01T00:00:00Z","name":"a"}]}`, nil, 400, ""},
		"an import on a basis that is none":         {importPath, strings.Replace(history(`[{"visitor":"1","time":"2026-01-01T00:00:00Z","name":"a"}]`), "legitimate_interest", "curiosity", 1), nil, 400, ""},
		"a request of an unknown type":              {gdprPath, `{"requestType":"GDPR_FORGET","subject":{"name":"A"}}`, nil, 400, ""},
		"an erasure that is not confirmed":          {gdprPath, object(map[string]any{"requestType": "GDPR_DELETE", "subject": customer(cookie)}), nil, 400, ""},
		"a request about nobody":                    {requestsPath, `{"type":"access","subject":{}}`, nil, 400, ""},
		"a request without a token":                 {gdprPath, `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`, []string{"Authorization", ""}, 401, ""},
		"a request with another token":              {gdprPath, `{"requestType":"GDPR_EXPORT","subject":{"name":"A"}}`, []string{"Authorization", "Bearer nonsense"}, 401, ""},
		"an import without a token":                 {importPath, history(`[]`), []string{"Authorization", ""}, 401, ""},
		"a token for another grant":                 {"/oauth/token", "grant_type=password", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, ""},
		"a withdrawal of a purpose that is none":    {"/probity/v1/consent/withdraw", object(map[string]any{"deployment": deployment, "visitor": cookie, "purposes": []string{"nonsense"}, "ui": map[string]any{"component": "banner", "action": "save"}}), nil, 400, ""},
		"a report about an offer that was not made": {"/api/v2/journey/deployments/" + deployment + "/actionevent", object(map[string]any{"actionId": uuid.NewString(), "sessionId": uuid.NewString(), "actionState": "shown"}), nil, 404, ""},
		"a stream of a visitor who is not known":    {"/probity/v1/deployments/" + deployment + "/live", object(map[string]any{"visitor": uuid.NewString()}), nil, 403, "consent.required"},
		"a receipt of a visitor who is not known":   {"/probity/v1/consent/receipt", object(map[string]any{"deployment": deployment, "visitor": uuid.NewString(), "record_id": uuid.NewString()}), nil, 404, ""},
	}
	// What is no valid JSON is refused at every door alike.
	for name, body := range map[string]string{
		"cut short": `{"visitor":"`, "no JSON": `hello`, "a list": `[1,2]`, "a number": `42`, "two objects": `{}{}`, "nothing but space": "  ",
		"deep nesting":  strings.Repeat(`{"events":`, 5000) + "1" + strings.Repeat("}", 5000),
		"deep lists":    `{"events":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		"invalid UTF-8": "{\"visitor\":\"\xff\xfe\",\"title\":\"\xc3\x28\"}", "a raw NUL": "{\"visitor\":\"a\x00b\"}", "an escaped NUL": `{"visitor":"\u0000","deployment":"\u0000"}`,
		"a lone surrogate": `{"visitor":"\ud800","deployment":"\ud800"}`, "a name twice": `{"visitor":1,"visitor":2}`,
		"wrong types": `{"visitor":[],"events":"x","deployment":7,"subject":3,"requestType":{},"customerCookieId":1,"actionId":[]}`,
	} {
		for _, path := range []string{eventsPath, webEventsPath, importPath, requestsPath, gdprPath, "/probity/v1/consent/choices", "/probity/v1/consent/withdraw", "/probity/v1/deployments/" + deployment + "/live"} {
			c := bad{path, body, nil, 400, ""}
			if name == "deep nesting" {
				c.status = 0 // where the member is unknown and the depth bearable, what is missing decides
			}
			cases[path+" with "+name] = c
		}
	}
	for name, c := range cases {
		headers := []string{"Origin", origin}
		if strings.HasPrefix(c.path, "/probity/v1/import") || strings.HasPrefix(c.path, requestsPath) || c.path == gdprPath {
			headers = []string{"Authorization", auth}
		}
		a := s.do(t, "POST", c.path, c.body, append(headers, c.headers...)...)
		if a.status != c.status && (c.status != 0 || a.status < 400 || a.status > 499) {
			t.Errorf("%s: status %d, want %d: %.300s", name, a.status, c.status, a.body)
			continue
		}
		shape(t, c.path, a)
		var e struct{ Code string }
		if c.code != "" {
			if a.into(t, &e); e.Code != c.code {
				t.Errorf("%s: code %q, want %q", name, e.Code, c.code)
			}
		}
	}
	// In a batch each event has its own answer.
	var got sent
	s.do(t, "POST", eventsPath, batch(cookie, event(2, map[string]any{"at": at(-61 * time.Minute)}), event(3, map[string]any{"at": at(6 * time.Minute)})), "Origin", origin).want(t, 202).into(t, &got)
	if got.Accepted != 0 || len(got.Refused) != 2 {
		t.Errorf("events an hour old and in the future: %+v", got)
	}

	s.settle(t)
	if after := s.metric(t, "probity_events_accepted_total"); after != accepted {
		t.Errorf("%s events were accepted, before it were %s", after, accepted)
	}
	after := h.rows(t)
	for table, n := range after {
		if n != before[table] {
			t.Errorf("%s has %d rows, before the bad input it had %d", table, n, before[table])
		}
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Error("a handler panicked")
	}
	// The good go through still.
	s.send(t, batch(cookie, event(2, nil)), 1)
	s.settle(t)
	if n := h.countEvents(t, s, cookie); n != 2 {
		t.Errorf("%d events are stored, want 2", n)
	}
}
