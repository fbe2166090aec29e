package api_test

import (
	"strings"
	"testing"

	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestL25_ConsentsOfOtherSystemsAreImportedAsAssertionsAndOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouseOn(t, db)
		body := `{"text":"May we write to you?","language":"en","rows":[
			{"person":{"email":"ada@example.org"},"purposes":{"marketing":true},"said_at":"2025-11-20T08:00:00Z","key":"1"},
			{"person":{"email":"ada@example.org","phone":"+4930901820"},"purposes":{"marketing":true},"said_at":"2026-11-19T08:00:00Z","key":"2"},
			{"person":{"email":"bob@example.org"},"purposes":{"fortune":true},"said_at":"2026-11-19T08:00:00Z","key":"3"},
			{"person":{"email":"eve@example.org"},"purposes":{"marketing":true,"sales":false},"said_at":"2026-11-19T08:00:00Z","key":"4"}]}`
		dry := h.call(t, "POST", "/probity/v1/consent/imports", strings.Replace(body, `{"text"`, `{"dry_run":true,"text"`, 1)).want(t, 200)
		if dry.at("recorded") != 2.0 || dry.at("dry_run") != true {
			t.Errorf("a rehearsal answers %s", dry.body)
		}
		a := h.call(t, "POST", "/probity/v1/consent/imports", body).want(t, 200)
		if a.at("recorded") != 2.0 || a.at("repeated") != 0.0 {
			t.Errorf("got %s", a.body)
		}
		for _, want := range []string{`{"row":1,"code":"bad.request","field":"person",`, `{"row":2,"code":"bad.request","field":"purposes",`} {
			if !strings.Contains(string(a.body), want) {
				t.Errorf("the answer lacks %s: %s", want, a.body)
			}
		}
		if strings.Contains(string(a.body), "example.org") {
			t.Errorf("the answer repeats what was sent: %s", a.body)
		}
		if again := h.call(t, "POST", "/probity/v1/consent/imports", body).want(t, 200); again.at("recorded") != 0.0 || again.at("repeated") != 2.0 {
			t.Errorf("the second time: %s", again.body)
		}
		s := h.call(t, "POST", "/probity/v1/consent/person/state", `{"person":{"email":"eve@example.org"}}`).want(t, 200)
		if !strings.Contains(string(s.body), `"marketing":{"status":"ConsentGiven"`) || !strings.Contains(string(s.body), `"asserted":true`) {
			t.Errorf("the state is %s", s.body)
		}
		// What ran out before it came in is recorded and opens nothing.
		s = h.call(t, "POST", "/probity/v1/consent/person/state", `{"person":{"email":"ada@example.org"}}`).want(t, 200)
		if !strings.Contains(string(s.body), `"marketing":{"status":"ConsentExpired"`) {
			t.Errorf("the state of an old consent is %s", s.body)
		}
		h.call(t, "POST", "/probity/v1/consent/imports", `{"rows":[]}`).want(t, 400)
		h.call(t, "POST", "/probity/v1/consent/imports", `{"rows":[`+strings.Repeat(`{},`, 300)+`{}]}`).want(t, 200)
	})
}
