package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/subject"
)

const assessment = "Old orders teach which pages sell; nobody is contacted because of them."

// outcomes notes which outcomes were asked for.
type outcomes struct{ names []string }

func (o *outcomes) EnsureOutcomes(_ context.Context, _ id.Tenant, names []string) error {
	o.names = append(o.names, names...)
	return nil
}

func past(h *house, events ...string) collect.Request {
	return collect.Request{Body: fmt.Appendf(nil, `{"deployment":%q,"basis":"legitimate_interest","assessment":%q,"source":"0193a6c1-0000-7000-8000-0000000000aa","events":[%s]}`,
		h.deployment, assessment, strings.Join(events, ","))}
}

func pastItem(visitor string, seq int, more string) string {
	return fmt.Sprintf(`{"visitor":%q,"seq":%d,"time":"2019-10-01T00:00:%02dZ","name":"view"%s}`, visitor, seq, seq%60, more)
}

func TestImportStoresHistoryUnderItsOwnClock(t *testing.T) {
	h := newHouse(t)
	got, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, `,"page":"https://shop.example.com/p?x=1"`), pastItem("u2", 2, ""), pastItem("u1", 3, `,"attributes":{"email":"mary@example.com","price":5}`)))
	if err != nil || got.Accepted != 3 || len(got.Refused) != 0 {
		t.Fatal(got, err)
	}
	if h.log.len() != 2 {
		t.Fatalf("two visitors took %d records", h.log.len())
	}
	events := h.events(t)
	slices.SortFunc(events, func(a, b *event.Event) int { return int(a.Seq) - int(b.Seq) })
	for i, e := range events {
		if !e.At.Equal(time.Date(2019, 10, 1, 0, 0, i+1, 0, time.UTC)) || !e.Received.Equal(noon) || e.Origin != event.FromImport ||
			e.Deployment != collect.Channel(h.deployment, "legitimate_interest", assessment) || e.Ground.Basis != "legitimate_interest" || e.Ground.Declared == "" {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if events[0].Page.URL != "https://shop.example.com/p" || events[2].Traits != nil || len(events[2].Attributes) != 1 {
		t.Errorf("not minimised: %+v", events)
	}
	if _, ok, _ := h.subjects.Lookup(t.Context(), h.tenant, subject.Cookie, collect.PastVisitor("u1")); !ok {
		t.Error("the visitor can't be found by the name the source gave it")
	}
	if _, ok, _ := h.subjects.Lookup(t.Context(), h.tenant, subject.Cookie, "u1"); ok {
		t.Error("a name from a file is taken for a live cookie")
	}
}

func TestRepeatingAnImportRepeatsTheIDs(t *testing.T) {
	h := newHouse(t)
	for range 2 {
		if _, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, ""), pastItem("u1", 2, ""))); err != nil {
			t.Fatal(err)
		}
	}
	e := h.events(t)
	if e[0].ID != e[2].ID || e[1].ID != e[3].ID || e[0].ID == e[1].ID || e[0].Visit != e[2].Visit || e[0].Visit == (uuid.UUID{}) || e[0].Seq != 1 {
		t.Fatalf("got %v %v %v %v", e[0].ID, e[1].ID, e[2].ID, e[3].ID)
	}
}

func TestABasisIsDeclaredOnceAndOpensNoOtherDoor(t *testing.T) {
	h := newHouse(t)
	for i := range 3 {
		if _, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", i+1, ""))); err != nil {
			t.Fatal(err)
		}
	}
	all, err := h.consent.Declarations(t.Context(), h.tenant)
	if err != nil || len(all) != 1 || all[0].Assessment != assessment || string(all[0].Basis) != "legitimate_interest" {
		t.Fatalf("declared %+v, %v", all, err)
	}
	live := request(web(uuid.New(), "view", ""))
	live.Origin = ""
	_, err = h.Web(t.Context(), h.deployment, live)
	wantFailure(t, err, fail.ConsentRequired, "consent.required")

	other := past(h, pastItem("u1", 9, ""))
	other.Body = []byte(strings.Replace(string(other.Body), assessment, "Another reason, which stands by itself.", 1))
	if _, err := h.Import(t.Context(), h.tenant, other); err != nil {
		t.Fatal(err)
	}
	if all, _ := h.consent.Declarations(t.Context(), h.tenant); len(all) != 2 {
		t.Fatalf("declared %+v", all)
	}
}

func TestAnEndedDeclarationIsMadeAnew(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, ""))); err != nil {
		t.Fatal(err)
	}
	all, _ := h.consent.Declarations(t.Context(), h.tenant)
	if err := h.consent.EndDeclaration(t.Context(), h.tenant, all[0].Record.String(), ""); err != nil {
		t.Fatal(err)
	}
	h.clk.Advance(time.Second)
	if got, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 2, ""))); err != nil || got.Accepted != 1 {
		t.Fatal(got, err)
	}
	if all, _ := h.consent.Declarations(t.Context(), h.tenant); len(all) != 2 {
		t.Fatalf("declared %+v", all)
	}
}

func TestImportRefuses(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		name     string
		old, new string
		tenant   id.Tenant
		kind     fail.Kind
	}{
		{"no basis", `"basis":"legitimate_interest",`, ``, h.tenant, fail.Invalid},
		{"consent, which history can't have", `legitimate_interest`, `consent`, h.tenant, fail.Invalid},
		{"a basis the law does not know", `legitimate_interest`, `curiosity`, h.tenant, fail.Invalid},
		{"no assessment", assessment, ``, h.tenant, fail.Invalid},
		{"outcomes when nobody can make them", `"events"`, `"outcomes":["purchase"],"events"`, h.tenant, fail.Invalid},
		{"an unknown deployment", h.deployment.String(), uuid.NewString(), h.tenant, fail.NotFound},
		{"the deployment of somebody else", ``, ``, id.NewTenant(), fail.NotFound},
		{"a line that is no event", `"visitor":"u1"`, `"visitor":7`, h.tenant, fail.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := past(h, pastItem("u1", 1, ""))
			r.Body = []byte(strings.Replace(string(r.Body), c.old, c.new, 1))
			got, err := h.Import(t.Context(), c.tenant, r)
			if !fail.Is(err, c.kind) {
				t.Fatalf("got %+v, %v", got, err)
			}
			if h.log.len() != 0 {
				t.Fatal("something was stored")
			}
		})
	}
}

func TestImportIsRefusedWhereNoBasisCanBeDeclared(t *testing.T) {
	h := newHouse(t, func(d *collect.Deps) { d.Declarations = nil })
	_, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, "")))
	wantFailure(t, err, fail.Unavailable, "")
}

func TestImportRefusesSingleEvents(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Import(t.Context(), h.tenant, past(h, pastItem("erased", 1, ""), pastItem("objects", 2, ""))); err != nil {
		t.Fatal(err)
	}
	find := func(name string) id.Subject {
		s, ok, err := h.subjects.Lookup(t.Context(), h.tenant, subject.Cookie, collect.PastVisitor(name))
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return s
	}
	gone := find("erased")
	if err := h.db.Tenant(h.tenant).Write(t.Context(), func(tx *store.Tx) error { return h.subjects.Erase(t.Context(), tx, []id.Subject{gone}) }); err != nil {
		t.Fatal(err)
	}
	h.subjects.Forget(h.tenant, gone)
	h.clk.Advance(10 * time.Second)
	if err := h.consent.Object(t.Context(), h.tenant, find("objects"), []string{"actions"}); err != nil {
		t.Fatal(err)
	}
	got, err := h.Import(t.Context(), h.tenant, past(h, pastItem("erased", 3, ""), pastItem("u1", 4, ""), pastItem("objects", 5, ""),
		strings.Replace(pastItem("u1", 6, ""), "2019", "2030", 1), strings.Replace(pastItem("objects", 7, ""), "view", "page_viewed", 1)))
	if err != nil || got.Accepted != 2 {
		t.Fatal(got, err)
	}
	var codes []string
	for _, r := range got.Refused {
		codes = append(codes, fmt.Sprintf("%d/%d %s", r.Index, r.Seq, r.Code))
	}
	if want := "0/3 subject.erased, 2/5 consent.required, 3/6 event.in.future"; strings.Join(codes, ", ") != want {
		t.Fatalf("got %v", codes)
	}
}

func TestImportMakesItsOutcomes(t *testing.T) {
	made := &outcomes{}
	h := newHouse(t, func(d *collect.Deps) { d.Outcomes = made })
	r := past(h, pastItem("u1", 1, ""))
	r.Body = []byte(strings.Replace(string(r.Body), `"events"`, `"outcomes":["purchase"," sign up "],"events"`, 1))
	if _, err := h.Import(t.Context(), h.tenant, r); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(made.names, []string{"purchase", "sign_up"}) {
		t.Fatalf("made %v", made.names)
	}
}

func TestAnImportThatMeetsAFailureIsUnavailable(t *testing.T) {
	h := newHouse(t)
	for _, step := range []string{"lookup", "suppressed", "ensure", "seal", "append", "gate actions"} {
		h.steps.fail = map[string]error{step: errors.New("down")}
		_, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, "")))
		wantFailure(t, err, fail.Unavailable, "")
	}
	h.steps.fail = nil
	if got, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, ""))); err != nil || got.Accepted != 1 || h.log.len() != 1 {
		t.Fatal(got, err)
	}
}

func TestManyVisitorsImportTogether(t *testing.T) {
	h := newHouse(t)
	var items []string
	for i := range 300 {
		items = append(items, pastItem(fmt.Sprint("u", i%100), i+1, ""))
	}
	got, err := h.Import(t.Context(), h.tenant, past(h, items...))
	if err != nil || got.Accepted != 300 || h.log.len() != 100 {
		t.Fatal(got, err, h.log.len())
	}
	last := map[uuid.UUID]uint32{}
	for _, raw := range h.log.records {
		r, _ := collect.DecodeRecord(raw)
		events, err := r.Open(t.Context(), h.vault)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if k := uuid.UUID(r.Subject); e.Seq <= last[k] {
				t.Fatalf("the events of a visitor are out of order: %d after %d", e.Seq, last[k])
			} else {
				last[k] = e.Seq
			}
		}
	}
}

// slowDeclarations takes a second to declare.
type slowDeclarations struct {
	*consent.Room
	h *house
}

func (s slowDeclarations) Declare(ctx context.Context, t id.Tenant, d consent.Declaration) (string, error) {
	s.h.clk.Advance(time.Second)
	return s.Room.Declare(ctx, t, d)
}

// TestTheFirstImportIsReceivedAfterItsDeclaration: the events of the request for which the basis was
// declared carried an earlier time of receipt, and were dropped when they were processed.
func TestTheFirstImportIsReceivedAfterItsDeclaration(t *testing.T) {
	h := newHouse(t)
	h.deps.Declarations = slowDeclarations{h.consent, h}
	h.Collector = collect.New(h.deps)
	if _, err := h.Import(t.Context(), h.tenant, past(h, pastItem("u1", 1, ""))); err != nil {
		t.Fatal(err)
	}
	r, err := collect.DecodeRecord(h.log.records[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range h.events(t) {
		if !h.consent.AllowedAt(t.Context(), h.tenant, r.Subject, e.Purpose, consent.Ground(e.Ground), e.Received) {
			t.Fatalf("received at %s, which is before its ground", e.Received)
		}
	}
}
