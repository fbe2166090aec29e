package journey

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
)

func TestSession(t *testing.T) {
	plan := shopPlan()

	t.Run("silence of more than twenty minutes ends a session twenty minutes after its last event", func(t *testing.T) {
		v := NewVisitor(device)
		fx := apply(t, v, plan, Env{}, view(0), view(20), view(40.5))
		if len(fx.Started) != 2 || len(fx.Ended) != 1 {
			t.Fatalf("started %d and ended %d sessions, want 2 and 1", len(fx.Started), len(fx.Ended))
		}
		first := fx.Ended[0]
		if first.Events != 2 || first.Duration() != 20*time.Minute || !first.Ended.Equal(noon.Add(40*time.Minute)) {
			t.Errorf("first session: %d events, %v, ended %v", first.Events, first.Duration(), first.Ended)
		}
		if v.Session.Number != 2 || v.Session.ID == first.ID || !v.Session.Open() {
			t.Errorf("the event after the silence began session %d (open: %v)", v.Session.Number, v.Session.Open())
		}
	})

	t.Run("the plan's own idle time counts", func(t *testing.T) {
		short := shopPlan()
		short.Idle = 5 * time.Minute
		if fx := apply(t, NewVisitor(device), short, Env{}, view(0), view(5), view(10.1)); len(fx.Started) != 2 {
			t.Errorf("%d sessions, want 2", len(fx.Started))
		}
	})

	t.Run("a session that never falls silent ends after a day", func(t *testing.T) {
		v := NewVisitor(device)
		var fx Effects
		for m := 0.0; m <= 24*60+10; m += 10 {
			env := Env{}
			v.ApplyTo(&fx, plan, view(m), &env)
		}
		if len(fx.Ended) != 1 || !fx.Ended[0].Ended.Equal(noon.Add(24*time.Hour)) {
			t.Fatalf("%d sessions ended, want one at 24 h", len(fx.Ended))
		}
	})

	t.Run("the clock ends a session exactly when the silence has lasted", func(t *testing.T) {
		v := NewVisitor(device)
		apply(t, v, plan, Env{}, view(0), view(3))
		if wake := v.Wake(plan); !wake.Equal(noon.Add(23 * time.Minute)) {
			t.Fatalf("wants to be woken at %v", wake)
		}
		if fx := v.Tick(plan, noon.Add(23*time.Minute-1), Env{}); len(fx.Ended) != 0 {
			t.Fatal("ended too early")
		}
		fx := v.Tick(plan, noon.Add(23*time.Minute), Env{})
		if len(fx.Ended) != 1 || v.Session != nil || !v.Wake(plan).IsZero() {
			t.Fatalf("ended %d, open %v", len(fx.Ended), v.Session != nil)
		}
	})

	t.Run("a browser whose clock is an hour slow keeps its session", func(t *testing.T) {
		v := NewVisitor(device)
		slow := func(ev *event.Event) { ev.Received = ev.At.Add(59 * time.Minute) }
		apply(t, v, plan, Env{}, at(0, "a", slow))
		if fx := v.Tick(plan, noon.Add(60*time.Minute), Env{}); len(fx.Ended) != 0 {
			t.Fatal("the session ended although its event came in a minute ago")
		}
		if fx := apply(t, v, plan, Env{}, at(5, "b", slow)); len(fx.Started) != 0 || v.Session.Events != 2 {
			t.Fatal("the second event did not join the session")
		}
	})

	t.Run("the session id is the same on a replay and sorts by time", func(t *testing.T) {
		a, b := NewVisitor(device), NewVisitor(device)
		apply(t, a, plan, Env{}, view(0))
		apply(t, b, plan, Env{}, view(0), view(1), view(100))
		c := NewVisitor(device)
		apply(t, c, plan, Env{}, view(0), view(1), view(100))
		if b.Session.ID != c.Session.ID || a.Session.ID.String() >= b.Session.ID.String() {
			t.Errorf("%v, %v, %v", a.Session.ID, b.Session.ID, c.Session.ID)
		}
		if a.Session.ID.Version() != 7 || a.Session.ID.Variant() != uuid.RFC4122 {
			t.Errorf("version %d", a.Session.ID.Version())
		}
	})

	t.Run("how the visitor came is kept from the first event that tells, where they are from the last", func(t *testing.T) {
		came := func(medium, source string) func(*event.Event) {
			return func(ev *event.Event) {
				ev.Referrer = &event.Referrer{URL: "https://" + medium + ".example", Medium: medium}
				ev.Campaign = &event.Campaign{Source: source}
			}
		}
		v := NewVisitor(device)
		apply(t, v, plan, Env{}, view(0),
			at(1, event.PageViewed, came("internal", "mail")), at(2, event.PageViewed, came("search", "other")),
			at(3, "product_seen", came("social", "third"), attribute("sku", "1")),
			at(4, event.PageViewed, page("https://shop.example/end"), attribute("sku", "2")))
		s := v.Session
		if s.Referrer.Medium != "search" || s.Campaign.Source != "mail" {
			t.Errorf("came from %q by campaign %q", s.Referrer.Medium, s.Campaign.Source)
		}
		if s.Entry.Path != "/p/page_viewed" || s.Last.URL != "https://shop.example/end" {
			t.Errorf("entry %q, last %q", s.Entry.Path, s.Last.URL)
		}
		if s.Events != 5 || s.PageViews != 4 || s.Attributes["sku"].Value != "2" {
			t.Errorf("%d events, %d page views, sku %q", s.Events, s.PageViews, s.Attributes["sku"].Value)
		}
	})

	t.Run("an event that comes late within its session does not move the last page back", func(t *testing.T) {
		v := NewVisitor(device)
		apply(t, v, plan, Env{}, view(0), at(5, event.PageViewed, page("https://shop.example/new")), view(4))
		if s := v.Session; s.Last.URL != "https://shop.example/new" || s.Events != 3 || s.LastEvent.At != noon.Add(5*time.Minute) {
			t.Errorf("last page %q, %d events, last at %v", s.Last.URL, s.Events, s.LastEvent.At)
		}
	})

	t.Run("searches and attributes are bounded", func(t *testing.T) {
		v := NewVisitor(device)
		for i := range 60 {
			apply(t, v, plan, Env{}, at(float64(i)/10, "search_made", attribute(fmt.Sprintf("name%02d", i), "x"),
				func(ev *event.Event) { ev.Search = fmt.Sprintf("term %d", i) }))
		}
		s := v.Session
		if len(s.Search) != MaxSearches || s.Search[MaxSearches-1] != "term 59" {
			t.Errorf("%d searches, last %q", len(s.Search), s.Search[len(s.Search)-1])
		}
		if len(s.Attributes) != MaxAttributes {
			t.Errorf("%d attributes", len(s.Attributes))
		}
	})
}

func TestLateEvents(t *testing.T) {
	plan := shopPlan()
	v := NewVisitor(device)
	first := apply(t, v, plan, everything(), view(0), view(10), view(40)).Started

	fx := apply(t, v, plan, everything(), at(11, "order_completed"))
	if len(fx.Events) != 1 || !fx.Events[0].Late || fx.Events[0].Session != first[0].ID || fx.Events[0].Index != 2 {
		t.Fatalf("an event of the ended session was counted as %+v", fx.Events)
	}
	if len(fx.Achieved)+len(fx.Scores) != 0 || v.Session.Events != 1 {
		t.Error("a late event moved the outcomes or the open session")
	}
	fx = apply(t, v, plan, everything(), at(39, "b"))
	if len(fx.Events) != 1 || fx.Events[0].Session != v.Session.ID && fx.Events[0].Session != first[0].ID {
		t.Fatalf("an event between two sessions was counted as %+v", fx.Events)
	}

	v.Tick(plan, noon.Add(2*time.Hour), everything())
	fx = apply(t, v, plan, everything(), at(41, "c"))
	if len(fx.Started) != 0 || !fx.Events[0].Late || v.Session != nil {
		t.Errorf("an event of a session that the clock has ended began another: %+v", fx.Events)
	}
	if fx = apply(t, v, plan, everything(), at(100, "d")); len(fx.Started) != 1 {
		t.Error("an event long after the session began none")
	}
}

func TestHistoryOutOfOrderDoesNotSwellAnotherSession(t *testing.T) {
	plan := shopPlan()
	v := NewVisitor(device)
	imported := func(ev *event.Event) { ev.Origin, ev.Received = event.FromImport, noon }
	fx := apply(t, v, plan, Env{}, view(0), at(-10*24*60, "a", imported), at(-10*24*60+1, "b", imported), at(-20*24*60, "c", imported))
	if len(fx.Started) != 3 || len(fx.Ended) != 2 || fx.Ended[0].Events != 1 || fx.Ended[1].Events != 2 || v.Session.Events != 1 {
		t.Errorf("%d sessions started, %d ended", len(fx.Started), len(fx.Ended))
	}
}

func TestDuplicates(t *testing.T) {
	plan := shopPlan()
	v := NewVisitor(device)
	apply(t, v, plan, Env{}, at(0, "a", numbered(1)), at(1, "b", numbered(2)), at(2, "d", numbered(4)))

	t.Run("a number that was seen is dropped, one that was skipped is taken", func(t *testing.T) {
		for _, c := range []struct {
			seq  uint32
			take bool
		}{{1, false}, {2, false}, {4, false}, {3, true}, {3, false}, {100, true}, {36, true}, {36, false}, {30, false}, {35, false}} {
			before := v.Session.Events
			fx := apply(t, v, plan, Env{}, at(3, fmt.Sprint(c.seq), numbered(c.seq)))
			if took := v.Session.Events > before; took != c.take || fx.Duplicates != map[bool]int{true: 0, false: 1}[c.take] {
				t.Errorf("number %d: taken %v, want %v", c.seq, took, c.take)
			}
		}
	})
	t.Run("page visits are told apart", func(t *testing.T) {
		other := func(ev *event.Event) { ev.Visit, ev.Seq = uuid.UUID{15: 2}, 1 }
		if fx := apply(t, v, plan, Env{}, at(3, "other", other)); fx.Duplicates != 0 {
			t.Error("the first event of another page visit counted as a duplicate")
		}
	})
	t.Run("an event without a number is known by its id", func(t *testing.T) {
		if fx := apply(t, v, plan, Env{}, at(4, "server"), at(4, "server"), at(4, "server2")); fx.Duplicates != 1 || len(fx.Events) != 2 {
			t.Errorf("%d duplicates", fx.Duplicates)
		}
	})
	t.Run("the memory of page visits is bounded and keeps the ones heard last", func(t *testing.T) {
		for i := range 2 * maxVisits {
			apply(t, v, plan, Env{}, at(5, fmt.Sprint("v", i), func(ev *event.Event) { ev.Visit, ev.Seq = uuid.UUID{8: 9, 15: byte(i)}, 1 }))
		}
		if len(v.seen) != maxVisits {
			t.Errorf("%d page visits are remembered", len(v.seen))
		}
		last := at(5, "again", func(ev *event.Event) { ev.Visit, ev.Seq = uuid.UUID{8: 9, 15: 2*maxVisits - 1}, 1 })
		if fx := apply(t, v, plan, Env{}, last); fx.Duplicates != 1 {
			t.Error("the page visit heard last was forgotten")
		}
	})
}

func TestIdentity(t *testing.T) {
	traits := func(pairs ...string) func(*event.Event) {
		return func(ev *event.Event) {
			ev.Traits = map[string]event.Attr{}
			for i := 0; i < len(pairs); i += 2 {
				ev.Traits[pairs[i]] = event.Attr{Type: event.TypeString, Value: pairs[i+1]}
			}
		}
	}
	v := NewVisitor(device)
	fx := apply(t, v, shopPlan(), Env{}, at(0, "user_identified",
		traits("email", " ann@example.com ", "homePhone", "+441111", "cellPhone", "+442222", "givenName", "Ann", "familyName", "Lee", "shoeSize", "38")))
	want := map[string]string{KindEmail: "ann@example.com", KindPhone: "+442222"}
	if len(fx.Identify) != 2 || fx.Identify[KindEmail] != want[KindEmail] || fx.Identify[KindPhone] != want[KindPhone] {
		t.Errorf("identities %v, want %v", fx.Identify, want)
	}
	if v.Name() != "Ann Lee" || len(v.Traits) != 2 || !v.Session.Authenticated {
		t.Errorf("name %q, traits %v, authenticated %v", v.Name(), v.Traits, v.Session.Authenticated)
	}
	fx = apply(t, v, shopPlan(), Env{}, at(1, "b", traits("displayName", "A. Lee"), func(ev *event.Event) { ev.ExternalID = "crm-7" }))
	if fx.Identify[KindExternalID] != "crm-7" || v.Name() != "A. Lee" || fx.Traits["displayName"] != "A. Lee" {
		t.Errorf("identities %v, name %q", fx.Identify, v.Name())
	}
}
