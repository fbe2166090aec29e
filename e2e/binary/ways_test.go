package binary

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every call that docs/other-ways.md shows is made in the order in which it stands there, with ids,
// nonces and times that exist.
func TestTheCallsOfTheOtherWaysWork(t *testing.T) {
	t.Parallel()
	text := documents(t)[filepath.Join("docs", "other-ways.md")]
	calls := fenced(text, "http")
	if len(calls) < 11 {
		t.Fatalf("the page has %d calls", len(calls))
	}
	h := newHouse(t, "--smtp-url", "smtp://127.0.0.1:9", "--mail-from", "shop@example.org")
	s := h.start(t)
	bearer := s.token(t)
	said, next := regexp.MustCompile(`"said_at": "[^"]*"`), regexp.MustCompile(`"review": "[^"]*"`)
	record := ""
	called := map[string]bool{}
	for _, block := range calls {
		line, body, _ := strings.Cut(block, "\n")
		method, path, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("%q is no call", line)
		}
		called[method+" "+path] = true
		body = said.ReplaceAllString(body, `"said_at": "`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+`"`)
		body = next.ReplaceAllString(body, `"review": "`+time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339)+`"`)
		for from, to := range map[string]string{"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11": deployment, "RECORD": record} {
			path, body = strings.ReplaceAll(path, from, to), strings.ReplaceAll(body, from, to)
		}
		if strings.Contains(body, "NONCE") {
			body = strings.ReplaceAll(body, "NONCE", s.nonce(t))
		}
		headers := []string{"Authorization", bearer}
		if strings.HasSuffix(path, "/optins") || strings.HasSuffix(path, "/parents") {
			headers = []string{"Origin", origin}
		}
		a := s.do(t, method, path, body, headers...)
		if a.status/100 != 2 {
			t.Errorf("%s answers %d: %s", line, a.status, a.body)
			continue
		}
		var out struct {
			Record  string            `json:"record_id"`
			Headers map[string]string `json:"headers"`
			Refused []any             `json:"refused"`
			Ended   []any             `json:"ended"`
		}
		if len(a.body) > 0 {
			if err := json.Unmarshal(a.body, &out); err != nil {
				t.Fatal(err)
			}
		}
		if out.Record != "" {
			record = out.Record
		}
		switch {
		case strings.HasSuffix(path, "/imports") && len(out.Refused) > 0:
			t.Errorf("the import refuses %s", a.body)
		case strings.HasSuffix(path, "/links") && out.Headers["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
			t.Errorf("the link has the headers %v", out.Headers)
		case strings.HasSuffix(path, "/invalidate") && len(out.Ended) != 1:
			t.Errorf("%s ends %s", line, a.body)
		}
	}
	// Each call that the table names is shown.
	for _, m := range regexp.MustCompile("`POST (/probity/v1/consent/[a-z/]+)`").FindAllStringSubmatch(text, -1) {
		if !called["POST "+m[1]] {
			t.Errorf("the page names POST %s and shows no such call", m[1])
		}
	}
}
