package rights_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// recipient is the system of a recipient.
type recipient struct {
	*httptest.Server
	status int
	bodies [][]byte
	heads  []http.Header
	paths  []string
}

func newRecipient(t *testing.T) *recipient {
	r := &recipient{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.bodies, r.heads, r.paths = append(r.bodies, body), append(r.heads, q.Header), append(r.paths, q.URL.Path)
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

// told returns what became of telling the recipients of a request, by name.
func (h *house) told(t *testing.T, q *rights.Request) map[string]rights.Told {
	t.Helper()
	list, err := h.Told(t.Context(), h.t, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]rights.Told{}
	for _, d := range list {
		out[d.Name] = d
	}
	return out
}

func (h *house) tellDue(t *testing.T, want int) {
	t.Helper()
	if n, err := h.Tell(t.Context()); err != nil || n != want {
		t.Errorf("%d calls were taken, want %d: %v", n, want, err)
	}
}

func TestRecipientsAreToldOfAnErasureUntilTheyTakeIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		shop, processor := newRecipient(t), newRecipient(t)
		shop.status, processor.status = http.StatusServiceUnavailable, http.StatusCreated
		var hook *rights.Recipient
		for _, p := range []rights.Recipient{
			{Name: "Mailer", Contact: "dpo@mailer.example", Categories: []string{"contact"}, Way: rights.ByWebhook, URL: shop.URL + "/hook"},
			{Name: "Parcel", Contact: "Parcel Road 1", Categories: []string{"address"}, Way: rights.ByLetter},
			{Name: "Processor", Contact: "dpo@processor.example", Categories: []string{"events"}, Way: rights.ByOpenDSR, URL: processor.URL + "/v2"},
		} {
			made, err := h.AddRecipient(t.Context(), h.t, p)
			if err != nil {
				t.Fatal(err)
			}
			if p.Way == rights.ByWebhook {
				hook = made
			}
		}
		p := h.newPerson(t)
		q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
		if q.State != rights.Verified || len(q.Report.Recipients) != 3 {
			t.Fatalf("the request is %s: %s %+v", q.State, q.Problem, q.Report.Recipients)
		}
		certificate, err := h.Certificate(t.Context(), h.t, q.ID)
		if err != nil || !bytes.Contains(certificate, []byte("Parcel")) || bytes.Contains(certificate, []byte(p.email)) {
			t.Errorf("the certificate does not name who is told, or names the person: %v", err)
		}
		h.tellDue(t, 1)
		all := h.told(t, q)
		if all["Processor"].State != rights.TellSent || all["Mailer"].State != rights.TellDue || all["Mailer"].Outcome != "HTTP 503" || all["Parcel"].State != rights.TellTask {
			t.Errorf("got %+v", all)
		}
		h.tellDue(t, 0)
		if len(shop.bodies) != 1 {
			t.Errorf("the shop was called %d times at once", len(shop.bodies))
		}
		h.clk.Advance(2 * time.Second)
		shop.status = http.StatusNoContent
		h.tellDue(t, 1)
		all = h.told(t, q)
		if d := all["Mailer"]; d.State != rights.TellDone || d.Tries != 2 || d.At == nil {
			t.Errorf("got %+v", d)
		}
		var m rights.Message
		if err := json.Unmarshal(shop.bodies[1], &m); err != nil || m.Event != q.ID || m.Type != rights.Erasure || len(m.Identifiers) == 0 || m.Identifiers[0].Value != p.email {
			t.Errorf("the shop heard %s, %v", shop.bodies[1], err)
		}
		signature := shop.heads[1].Get(rights.SignatureHeader)
		if want := rights.Sign(hook.Secret, h.clk.Now(), shop.bodies[1]); signature != want || len(hook.Secret) < 32 {
			t.Errorf("signed %s, want %s", signature, want)
		}
		if processor.paths[0] != "/v2/requests" || !bytes.Contains(processor.bodies[0], []byte(`"subject_request_type":"erasure"`)) || !bytes.Contains(processor.bodies[0], []byte(`"identity_value":"`+p.email)) {
			t.Errorf("the processor heard %s at %s", processor.bodies[0], processor.paths[0])
		}
		if n := h.rows(t, "rights_told"); n != 3 {
			t.Errorf("there are %d rows", n)
		}
		parcel := all["Parcel"].Recipient
		if task, err := h.TellTaskMessage(t.Context(), h.t, q.ID, parcel); err != nil || task.Identifiers[0].Value != p.email {
			t.Errorf("the task is %+v, %v", task, err)
		}
		if _, err := h.TellTaskMessage(t.Context(), h.t, q.ID, hook.ID); !fail.Is(err, fail.Gone) {
			t.Errorf("a message that was told is kept: %v", err)
		}
		staff := rights.Actor{Kind: "staff"}
		if err := h.SettleTold(t.Context(), h.t, q.ID, parcel, staff, true, " "); !fail.Is(err, fail.Invalid) {
			t.Errorf("waived without a reason: %v", err)
		}
		if err := h.SettleTold(t.Context(), h.t, q.ID, parcel, staff, true, "The company was dissolved."); err != nil {
			t.Fatal(err)
		}
		if d := h.told(t, q)["Parcel"]; d.State != rights.TellWaived || d.At == nil {
			t.Errorf("got %+v", d)
		}
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		if err != nil || trail[len(trail)-1].What != "recipient-waived" || trail[len(trail)-1].Words["reason"] != "The company was dissolved." {
			t.Errorf("the trail ends with %+v, %v", trail[len(trail)-1], err)
		}
		if err := h.SettleTold(t.Context(), h.t, q.ID, parcel, staff, false, "Letter"); !fail.Is(err, fail.Conflict) {
			t.Errorf("settled twice: %v", err)
		}
	})
}

func TestRecipientsAreToldOfARectificationAndOfNothingThatMatchedNobody(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	shop := newRecipient(t)
	if _, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: "Mailer", Contact: "x", Categories: []string{"contact"}, Way: rights.ByWebhook, URL: shop.URL}); err != nil {
		t.Fatal(err)
	}
	p := h.newPerson(t)
	terms := []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: "right@example.org"}}
	q := h.carryOut(t, rights.Request{Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}}, Replacements: terms})
	if q.State != rights.Verified {
		t.Fatalf("the request is %s: %s", q.State, q.Problem)
	}
	h.tellDue(t, 1)
	if !strings.Contains(string(shop.bodies[0]), "right@example.org") || !strings.Contains(string(shop.bodies[0]), `"type":"rectification"`) {
		t.Errorf("the shop heard %s", shop.bodies[0])
	}
	h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{"nobody@example.org"}}})
	h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{"right@example.org"}}})
	h.tellDue(t, 0)
	if len(shop.bodies) != 1 {
		t.Errorf("the shop was called %d times", len(shop.bodies))
	}
}

func TestARecipientWhoNeverAnswersBecomesATaskAndItsMessageGoes(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	shop := newRecipient(t)
	shop.status = http.StatusInternalServerError
	if _, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: "Mailer", Contact: "x", Categories: []string{"contact"}, Way: rights.ByWebhook, URL: shop.URL}); err != nil {
		t.Fatal(err)
	}
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
	for range 200 {
		h.tellDue(t, 0)
		h.clk.Advance(time.Hour)
	}
	d := h.told(t, q)["Mailer"]
	if d.State != rights.TellTask || d.Tries < 100 {
		t.Errorf("after eight days it is %+v", d)
	}
}

func TestARecipientThatCannotBeToldIsRefused(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	for name, p := range map[string]rights.Recipient{
		"no name":         {Contact: "x", Categories: []string{"c"}, Way: rights.ByLetter},
		"no contact":      {Name: "x", Categories: []string{"c"}, Way: rights.ByLetter},
		"no category":     {Name: "x", Contact: "x", Way: rights.ByLetter},
		"in the clear":    {Name: "x", Contact: "x", Categories: []string{"c"}, Way: rights.ByWebhook, URL: "http://shop.example/hook"},
		"with a password": {Name: "x", Contact: "x", Categories: []string{"c"}, Way: rights.ByWebhook, URL: "https://a:b@shop.example/hook"},
		"no way":          {Name: "x", Contact: "x", Categories: []string{"c"}},
	} {
		if _, err := h.AddRecipient(t.Context(), h.t, p); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
