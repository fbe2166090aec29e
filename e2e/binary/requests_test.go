package binary

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every call that docs/requests.md shows is made in the order in which it stands there, with people,
// holds and times that exist.
func TestTheCallsOfTheRequestsPageWork(t *testing.T) {
	t.Parallel()
	text := documents(t)[filepath.Join("docs", "requests.md")]
	calls := fenced(text, "http")
	if len(calls) < 30 {
		t.Fatalf("the page has %d calls", len(calls))
	}
	h := newHouse(t, "--smtp-url", "smtp://127.0.0.1:9", "--mail-from", "shop@example.org")
	s := h.start(t)
	bearer := s.token(t)
	visitor, _ := s.grant(t)
	request, hold := "", ""
	received := regexp.MustCompile(`"received_at": "[^"]*"`)
	// What can't succeed here: the code lies with a mail server that is down, there is one client only,
	// and no day passes.
	otherwise := map[string]int{"/code/check": 403, "/approval": 403, "/lifting": 409}
	called := map[string]bool{}
	for _, block := range calls {
		line, body, _ := strings.Cut(block, "\n")
		method, path, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("%q is no call", line)
		}
		body = received.ReplaceAllString(body, `"received_at": "`+time.Now().AddDate(0, 0, -2).UTC().Format(time.RFC3339)+`"`)
		body = strings.ReplaceAll(body, "VISITOR", visitor)
		path = strings.ReplaceAll(strings.ReplaceAll(path, "REQUEST", request), "HOLD", hold)
		want := 200
		for suffix, status := range otherwise {
			if strings.HasSuffix(path, suffix) {
				want = status
			}
		}
		step := path[strings.LastIndex(path, "/"):]
		called[step] = true
		headers := []string{"Authorization", bearer, "Content-Type", "application/json"}
		if step == "/check" {
			headers = headers[2:]
		}
		if step == "/announcement" || step == "/decision" {
			s.waits(t, bearer, request, map[string]string{"/announcement": "verified", "/decision": "deciding"}[step])
		}
		a := s.do(t, method, path, strings.TrimSpace(body), headers...)
		if a.status != want && (want != 200 || a.status/100 != 2) {
			t.Errorf("%s answers %d, want %d: %s", line, a.status, want, a.body)
			continue
		}
		var out struct{ ID, Type string }
		if len(a.body) == 0 || a.status/100 != 2 {
			continue
		}
		if err := json.Unmarshal(a.body, &out); err != nil {
			t.Fatal(err)
		}
		switch {
		case method == "POST" && path == "/probity/v1/requests":
			request = out.ID
			if out.Type == "restriction" {
				s.waits(t, bearer, request, "verified")
			}
		case path == "/probity/v1/holds":
			hold = out.ID
		case step == "/trail" && !strings.Contains(string(a.body), `"what":"received"`):
			t.Errorf("the trail is %s", a.body)
		}
	}
	// Each step that the page names is shown.
	for _, m := range regexp.MustCompile("/(question|answer|identity|code|extension|fee|withdrawal|refusal|hold|release|decision|announcement|lifting|approval)`").FindAllStringSubmatch(text, -1) {
		if step := "/" + m[1]; !called[step] {
			t.Errorf("the page names %s and shows no such call", step)
		}
	}
}

// waits until the request is in the state.
func (s *server) waits(t *testing.T, bearer, request, state string) {
	t.Helper()
	var q struct{ State, Problem string }
	for end := time.Now().Add(20 * time.Second); q.State != state; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the request stays %s: %s", q.State, q.Problem)
		}
		s.do(t, "GET", "/probity/v1/requests/"+request, "", "Authorization", bearer).want(t, 200).into(t, &q)
	}
}
