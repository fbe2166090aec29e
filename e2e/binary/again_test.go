package binary

import (
	"net/url"
	"testing"
	"time"

	"probity/internal/collect"
)

const markedCustomer = "C-zq77x9"

// What an erased person's data does when it comes again, on each way in: late, dated ahead, replayed,
// imported or asserted it is refused; the person's own new word makes somebody new.
func TestWhatComesAgainOfAnErasedPersonIsRefusedAndANewVisitIsANewPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	auth := s.token(t)
	a := []string{"Authorization", auth}
	traits := map[string]any{"traits": map[string]any{"email": markedMail, "phone": markedPhone}, "external_id": markedCustomer}
	old, _ := s.grant(t)
	s.send(t, batch(old, event(1, traits)), 1)
	history := object(map[string]any{
		"deployment": deployment, "basis": "legitimate_interest", "assessment": "The history of orders tells which journeys lead to one.",
		"events": []any{
			map[string]any{"visitor": markedMail, "time": now(), "name": "page_viewed", "page": "https://shop.example/a"},
			map[string]any{"visitor": "512", "time": now(), "name": "page_viewed", "page": "https://shop.example/a"},
		},
	})
	type imported struct {
		Accepted int `json:"accepted"`
		Refused  []struct {
			Index int    `json:"index"`
			Code  string `json:"code"`
		} `json:"refused"`
	}
	var got imported
	s.do(t, "POST", "/probity/v1/import", history, a...).want(t, 200).into(t, &got)
	if got.Accepted != 2 {
		t.Fatalf("the history was not taken: %+v", got)
	}
	s.settle(t)
	before := time.Now()
	s.request(t, auth, "?deleteConfirmed=true", object(map[string]any{"requestType": "GDPR_DELETE", "subject": map[string]any{"emailAddresses": []string{markedMail}}}))

	late := func(cookie string, at time.Time, more map[string]any) sent {
		t.Helper()
		e := event(50, more)
		e["at"] = at.UTC().Format(time.RFC3339Nano)
		var out sent
		r := s.do(t, "POST", eventsPath, batch(cookie, e), "Origin", origin)
		if r.status == 202 {
			r.into(t, &out)
		} else if r.status != 410 && r.status != 403 {
			t.Errorf("it answers %d: %s", r.status, r.body)
		}
		return out
	}
	t.Run("the device's own events, whatever time they state", func(t *testing.T) {
		for _, at := range []time.Time{before.Add(-30 * time.Minute), time.Now(), time.Now().Add(4 * time.Minute)} {
			if out := late(old, at, nil); out.Accepted != 0 {
				t.Errorf("an event of %v was accepted", at)
			}
			if r := s.do(t, "POST", webEventsPath, webEvent(old, map[string]any{"createdDate": at.UTC().Format(time.RFC3339Nano)})); r.status != 410 && r.status != 403 {
				t.Errorf("a web event of %v answers %d", at, r.status)
			}
		}
	})
	t.Run("an event of before under another cookie", func(t *testing.T) {
		another, _ := s.grant(t)
		out := late(another, before.Add(-time.Minute), traits)
		if out.Accepted != 0 || len(out.Refused) != 1 || out.Refused[0].Code != "subject.erased" {
			t.Errorf("got %+v", out)
		}
		for _, one := range []map[string]any{
			{"traits": map[string]any{"email": markedMail}}, {"traits": map[string]any{"cellPhone": markedPhone}}, {"external_id": markedCustomer},
		} {
			if out := late(another, before.Add(-time.Minute), one); out.Accepted != 0 {
				t.Errorf("an event that names the person by %v was accepted", one)
			}
		}
		web := webEvent(another, map[string]any{
			"createdDate": before.Add(-time.Minute).UTC().Format(time.RFC3339Nano),
			"traits":      map[string]any{"email": map[string]any{"value": markedMail, "dataType": "string"}},
		})
		if r := s.do(t, "POST", webEventsPath, web); r.status != 410 {
			t.Errorf("a web event answers %d: %s", r.status, r.body)
		}
		if out := late(another, before.Add(-time.Minute), nil); out.Accepted != 1 {
			t.Errorf("an event that names nobody: %+v", out)
		}
	})
	t.Run("history, replayed", func(t *testing.T) {
		var got imported
		s.do(t, "POST", "/probity/v1/import", history, a...).want(t, 200).into(t, &got)
		if got.Accepted != 1 || len(got.Refused) != 1 || got.Refused[0].Index != 0 || got.Refused[0].Code != "subject.erased" {
			t.Errorf("got %+v", got)
		}
	})
	assert := func(said time.Time, key string) map[string]any {
		return map[string]any{
			"person": map[string]any{"email": markedMail}, "channel": "phone", "purposes": map[string]any{"marketing": true},
			"said_at": said.UTC().Format(time.RFC3339Nano), "language": "en", "text": "May we write to you?", "evidence": "recording 1", "key": key,
		}
	}
	rows := func(said time.Time, key string) (recorded, refused int) {
		t.Helper()
		var out struct {
			Recorded int   `json:"recorded"`
			Refused  []any `json:"refused"`
		}
		s.do(t, "POST", "/probity/v1/consent/imports", object(map[string]any{
			"text": "Yes, write to me.", "language": "en",
			"rows": []any{map[string]any{"person": map[string]any{"email": markedMail}, "purposes": map[string]any{"marketing": true}, "said_at": said.UTC().Format(time.RFC3339Nano), "key": key}},
		}), a...).want(t, 200).into(t, &out)
		return out.Recorded, len(out.Refused)
	}
	found := func() int {
		t.Helper()
		var subjects struct {
			Entities []any `json:"entities"`
		}
		s.do(t, "GET", "/api/v2/gdpr/subjects?searchType=EMAIL&searchValue="+url.QueryEscape(markedMail), "", a...).want(t, 200).into(t, &subjects)
		return len(subjects.Entities)
	}
	t.Run("a consent of before, imported or asserted", func(t *testing.T) {
		if recorded, refused := rows(before.Add(-time.Hour), "crm-1"); recorded != 0 || refused != 1 {
			t.Errorf("an import: %d recorded, %d refused", recorded, refused)
		}
		if r := s.do(t, "POST", "/probity/v1/consent/assertions", object(assert(before.Add(-time.Hour), "crm-2")), a...); r.status != 410 {
			t.Errorf("an assertion answers %d: %s", r.status, r.body)
		}
		if n := found(); n != 0 {
			t.Errorf("the address leads to %d people", n)
		}
	})
	t.Run("a new visit is a new person", func(t *testing.T) {
		fresh, _ := s.grant(t)
		s.send(t, batch(fresh, event(1, traits)), 1)
		s.settle(t)
		if n := found(); n != 1 {
			t.Fatalf("the address leads to %d people, want the new one", n)
		}
		access := s.request(t, auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": map[string]any{"emailAddresses": []string{markedMail}}}))
		pack := unzip(t, s.do(t, "GET", "/probity/v1/requests/"+access+"/package", "", a...).want(t, 200).body)
		if len(search(pack, needles(fresh))) == 0 || len(search(pack, needles(old, collect.PastVisitor(markedMail)))) > 0 {
			t.Error("the new person's package is not that of the new visit alone")
		}
		if out := late(old, time.Now(), nil); out.Accepted != 0 {
			t.Error("the erased device counts again")
		}
		s.request(t, auth, "?deleteConfirmed=true", object(map[string]any{"requestType": "GDPR_DELETE", "subject": customer(fresh)}))
		if recorded, _ := rows(before.Add(time.Millisecond), "crm-3"); recorded != 0 {
			t.Error("a consent between the two erasures counts after the second")
		}
	})
	t.Run("a consent given afterwards is a new person's", func(t *testing.T) {
		if recorded, refused := rows(time.Now(), "crm-4"); recorded != 1 || refused != 0 {
			t.Errorf("an import: %d recorded, %d refused", recorded, refused)
		}
		if n := found(); n != 1 {
			t.Errorf("the address leads to %d people, want the new one", n)
		}
		s.do(t, "POST", "/probity/v1/consent/assertions", object(assert(time.Now(), "crm-5")), a...).want(t, 201)
	})
	s.stop(t)
}
