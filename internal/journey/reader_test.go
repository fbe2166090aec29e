package journey_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// shut is a gate that is open for all purposes but some.
type shut []string

func (g shut) Standing(_ context.Context, _ id.Tenant, _ id.Subject, purpose string) (bool, error) {
	return !slices.Contains(g, purpose), nil
}

// seen is what a reader shows of one visitor.
type seen struct {
	events, traits, pages int
	session, bare         bool
	segments, scores      int
	offers, live          int
}

func (r *room) seen(gate journey.Standing, sub id.Subject, sid uuid.UUID, use ...string) (s seen) {
	r.t.Helper()
	read, ctx := r.For(gate, use...), r.t.Context()
	check := func(err error) {
		r.t.Helper()
		if err != nil && !fail.Is(err, fail.ConsentRequired) {
			r.t.Fatal(err)
		}
	}
	check(read.Events(ctx, r.tenant, sub, time.Time{}, func(e journey.StoredEvent) error {
		s.events++
		s.traits += len(e.Event.Traits)
		return nil
	}))
	page, err := read.SessionEvents(ctx, r.tenant, sid, "", 100)
	if check(err); err == nil {
		s.pages = len(page.Events)
	}
	session, err := read.Session(ctx, r.tenant, sid)
	if check(err); err == nil {
		s.session, s.bare = true, session.Last.URL == ""
		s.segments, s.scores = len(session.Segments), len(session.Scores)
	}
	offers, err := read.ActionsOf(ctx, r.tenant, sub)
	if check(err); err == nil {
		s.offers = len(offers)
	}
	visitors, err := read.Visitors(ctx, r.tenant, 10)
	if check(err); err == nil {
		s.live = len(visitors)
	}
	return s
}

// Each line shuts the gate for a purpose and names what is no longer there. The last lines are the
// mutation: with the filter taken out, which a gate that is always open does, all of it is there.
func TestT4_NothingCanBeReadForAPurposeThatIsNotActive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		sub, ctx := r.subject(), t.Context()
		shopper := journey.Segment{
			Meta: journey.Meta{ID: uuid.UUID{1}}, Active: true, Name: "Shopper", Journey: journey.EventOutcome("", "product_added").Journey,
		}
		support := journey.ActionMap{
			Meta: journey.Meta{ID: uuid.UUID{2}, Version: 1}, Active: true, Name: "Help", Segments: []uuid.UUID{shopper.ID}, Purpose: "support",
			Action: journey.Action{Media: journey.MediaWebchat},
		}
		likely := journey.EventOutcome("Purchase", "order_completed")
		likely.ID = uuid.UUID{3}
		plan := journey.NewPlan([]journey.Outcome{likely}, []journey.Segment{shopper}, []journey.ActionMap{support}, nil)
		found, err := r.Load(ctx, r.tenant, sub)
		if err != nil {
			t.Fatal(err)
		}
		env := journey.Env{
			Allow:    func(string) bool { return true },
			Features: func(int) journey.Features { return &nothing{} },
			Score: func(outcome uuid.UUID, _ journey.Features) (journey.Score, bool) {
				return journey.Score{Outcome: outcome, Probability: 0.4, Shown: true}, true
			},
		}
		var fx journey.Effects
		for i, name := range []string{event.PageViewed, "product_added", "user_identified"} {
			ev := happened(i, name)
			if i > 0 {
				ev.Purpose = "actions"
			}
			if i == 2 {
				ev.Traits = map[string]event.Attr{"givenName": {Type: event.TypeString, Value: "Ann"}}
			}
			found[0].ApplyTo(&fx, plan, ev, &env)
		}
		sid := found[0].Session.ID
		r.save(r.seal(plan, found[0], &fx))

		for _, c := range []struct {
			name string
			gate journey.Standing
			use  []string
			want seen
		}{
			{"everything stands", shut{}, nil, seen{3, 1, 3, true, false, 1, 1, 1, 1}},
			{"page views do not", shut{"measure"}, nil, seen{2, 1, 2, true, true, 0, 0, 1, 1}},
			{"actions do not", shut{"actions"}, nil, seen{1, 0, 1, true, true, 0, 0, 1, 1}},
			{"neither does", shut{"measure", "actions"}, nil, seen{0, 0, 0, false, false, 0, 0, 1, 0}},
			{"identity does not", shut{"identity"}, nil, seen{3, 0, 3, true, false, 1, 1, 1, 1}},
			{"profiling does not", shut{"predict"}, nil, seen{3, 1, 3, true, false, 1, 0, 1, 1}},
			{"offers of help do not", shut{"support"}, nil, seen{3, 1, 3, true, false, 1, 1, 0, 1}},
			{"whoever scores sees nothing without profiling", shut{"predict"}, []string{"predict"}, seen{}},
			{"the filter taken out of reading", open{}, nil, seen{3, 1, 3, true, false, 1, 1, 1, 1}},
			{"the filter taken out of scoring", open{}, []string{"predict"}, seen{3, 1, 3, true, false, 1, 1, 1, 1}},
		} {
			if got := r.seen(c.gate, sub, sid, c.use...); got != c.want {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
		}
		for _, gate := range []journey.Standing{broken{}} {
			if _, err := r.For(gate).VisitorOf(ctx, r.tenant, sub); !fail.Is(err, fail.Unavailable) {
				t.Errorf("a gate that can't answer: %v", err)
			}
		}
	})
}

// broken is a gate whose store is out of reach.
type broken struct{}

func (broken) Standing(context.Context, id.Tenant, id.Subject, string) (bool, error) {
	return true, fail.New(fail.Unavailable, "out of reach")
}

// nothing counts nothing.
type nothing struct{}

func (nothing) Observe(*event.Event)           {}
func (nothing) MarshalBinary() ([]byte, error) { return []byte{1}, nil }
func (nothing) UnmarshalBinary([]byte) error   { return nil }

// Nobody can forget to ask: of the store's own methods none returns what a visitor did, but for those
// that are named here with the reason.
func TestT4_TheStoreGivesNothingAwayButThroughAReader(t *testing.T) {
	reasons := map[string]string{
		"Load":   "the worker's own state, which it asks about event by event",
		"Export": "an access package is the person's right",
		"Report": "a browser moves its own offer on",
	}
	var holds func(of reflect.Type, deep int) bool
	holds = func(of reflect.Type, deep int) bool {
		switch of {
		case reflect.TypeFor[journey.Session](), reflect.TypeFor[journey.Visitor](), reflect.TypeFor[journey.Offer](),
			reflect.TypeFor[event.Event](), reflect.TypeFor[journey.StoredEvent](), reflect.TypeFor[journey.EventPage]():
			return true
		}
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Chan:
			return holds(of.Elem(), deep)
		case reflect.Func:
			for i := range of.NumIn() {
				if holds(of.In(i), deep) {
					return true
				}
			}
		case reflect.Struct:
			for i := 0; i < of.NumField() && deep < 3; i++ {
				if of.Field(i).IsExported() && holds(of.Field(i).Type, deep+1) {
					return true
				}
			}
		}
		return false
	}
	all := reflect.TypeFor[*journey.Store]()
	for i := range all.NumMethod() {
		m := all.Method(i)
		gives := false
		for o := range m.Type.NumOut() {
			gives = gives || holds(m.Type.Out(o), 0) && m.Type.Out(o) != reflect.TypeFor[*journey.Reader]()
		}
		for n := 1; n < m.Type.NumIn(); n++ {
			if in := m.Type.In(n); in.Kind() == reflect.Func {
				gives = gives || holds(in, 0)
			}
		}
		if gives && reasons[m.Name] == "" {
			t.Errorf("Store.%s gives away what visitors did, without asking whether it may", m.Name)
		}
		if strings.HasPrefix(m.Name, "Events") {
			t.Errorf("Store.%s reads events", m.Name)
		}
	}
}
