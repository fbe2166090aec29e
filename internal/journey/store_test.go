package journey_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// room is a journey store with real keys.
type room struct {
	*journey.Store
	read   *journey.Reader // of everything
	t      testing.TB
	db     *store.DB
	keys   *vault.Vault
	clock  *clock.Fake
	tenant id.Tenant
}

func newRoom(t testing.TB, db *store.DB) *room {
	t.Helper()
	clk := clock.NewFake(noon)
	keys, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{1}, clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := journey.NewStore(db, keys, clk)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &room{Store: s, read: s.For(open{}), t: t, db: db, keys: keys, clock: clk, tenant: id.NewTenant()}
}

func (r *room) subject() id.Subject {
	r.t.Helper()
	s := id.NewSubject()
	if err := r.keys.CreateSubject(r.t.Context(), r.tenant, s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// tell applies and saves events, as the worker does.
func (r *room) tell(plan *journey.Plan, sub id.Subject, events ...*event.Event) journey.Effects {
	r.t.Helper()
	c, fx := r.prepare(plan, sub, events...)
	if lost := r.save(c); len(lost) > 0 {
		r.t.Fatal("the subject counts as erased")
	}
	return fx
}

func (r *room) prepare(plan *journey.Plan, sub id.Subject, events ...*event.Event) (*journey.Change, journey.Effects) {
	r.t.Helper()
	found, err := r.Load(r.t.Context(), r.tenant, sub)
	if err != nil {
		r.t.Fatal(err)
	}
	env := journey.Env{Allow: func(string) bool { return true }}
	var fx journey.Effects
	for _, ev := range events {
		found[0].ApplyTo(&fx, plan, ev, &env)
	}
	return r.seal(plan, found[0], &fx), fx
}

func (r *room) seal(plan *journey.Plan, v *journey.Visitor, fx *journey.Effects) *journey.Change {
	r.t.Helper()
	c, err := r.Seal(r.t.Context(), r.tenant, plan, v, fx, r.clock.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *room) save(changes ...*journey.Change) (lost []id.Subject) {
	r.t.Helper()
	if err := r.db.Tenant(r.tenant).Write(r.t.Context(), func(tx *store.Tx) (err error) {
		lost, err = r.Save(r.t.Context(), tx, changes)
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return lost
}

func happened(minutes int, name string) *event.Event {
	at := noon.Add(time.Duration(minutes) * time.Minute)
	return &event.Event{
		ID: id.New(), Name: name, At: at, Received: at,
		Page:    event.Page{URL: fmt.Sprintf("https://shop.example/p/%d", minutes), Path: fmt.Sprintf("/p/%d", minutes), Host: "shop.example"},
		Device:  event.Device{Category: "desktop"},
		Purpose: "measure", Ground: event.Ground{Basis: "consent", Ledger: 1},
	}
}

func emptyPlan() *journey.Plan { return journey.NewPlan(nil, nil, nil, nil) }

func TestSessionsAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		sub := r.subject()
		purchase := journey.EventOutcome("Purchase", "order_completed")
		purchase.ID = id.New()
		plan := journey.NewPlan([]journey.Outcome{purchase}, nil, nil, nil)

		first := r.tell(plan, sub, happened(0, event.PageViewed), happened(1, "order_completed")).Started[0].ID
		open, err := r.read.Session(ctx, r.tenant, first)
		if err != nil || !open.Open() || open.Events != 2 || !open.HasAchieved(purchase.ID) {
			t.Fatalf("open session: %+v, %v", open, err)
		}
		second := r.tell(plan, sub, happened(60, event.PageViewed)).Started[0].ID
		ended, err := r.read.Session(ctx, r.tenant, first)
		if err != nil || ended.Open() || ended.Events != 2 || ended.PageViews != 1 || ended.Subject != sub || len(ended.Achieved) != 1 {
			t.Fatalf("ended session: %+v, %v", ended, err)
		}
		all, err := r.read.SessionsOf(ctx, r.tenant, 0, sub)
		if err != nil || len(all) != 2 || all[0].ID != second || all[1].ID != first {
			t.Fatalf("sessions: %v, %v", all, err)
		}
		if some, err := r.read.SessionsOf(ctx, r.tenant, 1, sub); err != nil || len(some) != 1 || some[0].ID != second {
			t.Errorf("the latest session: %v, %v", some, err)
		}

		// A late event raises the counts of the ended session and can be read with it.
		r.tell(plan, sub, happened(2, "late"))
		if ended, err = r.read.Session(ctx, r.tenant, first); err != nil || ended.Events != 3 {
			t.Fatalf("after a late event: %+v, %v", ended, err)
		}
		page, err := r.read.SessionEvents(ctx, r.tenant, first, "", 200)
		if err != nil || len(page.Events) != 3 || page.Events[2].Name != "late" || page.Next != "" {
			t.Fatalf("events of the ended session: %+v, %v", page, err)
		}

		other := id.NewTenant()
		if _, err := r.read.Session(ctx, other, first); !fail.Is(err, fail.NotFound) {
			t.Errorf("another organisation sees the session: %v", err)
		}
		if _, err := r.read.Session(ctx, r.tenant, id.New()); !fail.Is(err, fail.NotFound) {
			t.Errorf("an unknown session: %v", err)
		}

		today := noon.UnixMicro() / 86_400_000_000
		counts, err := r.Counts(ctx, r.tenant, today, today)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, c := range counts {
			got[c.What] += c.N
		}
		if got[journey.CountSessions] != 2 || got[journey.CountEvents] != 4 || got[journey.CountAchieved] != 1 {
			t.Errorf("counts %v", got)
		}
	})
}

func TestEventsComeBackInOrderPageByPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		sub := r.subject()
		var want []uuid.UUID
		var session uuid.UUID
		for i := 0; i < 100; i += 5 {
			var some []*event.Event
			for j := range 5 {
				some = append(some, happened(i+j, "step"))
				want = append(want, some[j].ID)
			}
			if fx := r.tell(emptyPlan(), sub, some...); len(fx.Started) > 0 {
				session = fx.Started[0].ID
			}
		}
		for _, size := range []int{1, 7, 16, 99, 100, 200} {
			var (
				got    []uuid.UUID
				cursor string
				pages  int
			)
			for {
				page, err := r.read.SessionEvents(ctx, r.tenant, session, cursor, size)
				if err != nil {
					t.Fatal(err)
				}
				for _, ev := range page.Events {
					got = append(got, ev.ID)
				}
				pages++
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if !slices.Equal(got, want) || pages != (100+size-1)/size {
				t.Errorf("pages of %d: %d events on %d pages", size, len(got), pages)
			}
		}
		if _, err := r.read.SessionEvents(ctx, r.tenant, session, "!", 10); !fail.Is(err, fail.Invalid) {
			t.Errorf("a cursor that is none: %v", err)
		}
	})
}

func TestLiveListAndDue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		a, b, c := r.subject(), r.subject(), r.subject()
		r.tell(emptyPlan(), a, happened(0, "x"))
		r.tell(emptyPlan(), b, happened(1, "x"))
		r.tell(emptyPlan(), c, happened(2, "x"))
		r.tell(emptyPlan(), a, happened(3, "x"))
		r.clock.Set(noon.Add(4 * time.Minute))

		live, err := r.read.Visitors(ctx, r.tenant, 2)
		if err != nil || len(live) != 2 || live[0].Subject != a || live[1].Subject != c {
			t.Fatalf("live: %v, %v", live, err)
		}
		if due, err := r.Due(ctx, r.tenant, noon.Add(19*time.Minute), 10); err != nil || len(due) != 0 {
			t.Fatalf("due too early: %v, %v", due, err)
		}
		due, err := r.Due(ctx, r.tenant, noon.Add(22*time.Minute), 10)
		if err != nil || len(due) != 3 {
			t.Fatalf("due: %v, %v", due, err)
		}
		r.clock.Set(noon.Add(22 * time.Minute))
		for _, sub := range due {
			found, err := r.Load(ctx, r.tenant, sub)
			if err != nil {
				t.Fatal(err)
			}
			fx := found[0].Tick(emptyPlan(), r.clock.Now(), journey.Env{})
			if ended := len(fx.Ended) == 1; ended == (sub == a) {
				t.Errorf("ended: %v for the visitor heard last: %v", ended, sub == a)
			}
			r.save(r.seal(emptyPlan(), found[0], &fx))
		}
		if due, err = r.Due(ctx, r.tenant, noon.Add(22*time.Minute), 10); err != nil || len(due) != 0 {
			t.Fatalf("still due: %v, %v", due, err)
		}
		if due, err = r.Due(ctx, r.tenant, noon.Add(23*time.Minute), 10); err != nil || !slices.Equal(due, []id.Subject{a}) {
			t.Fatalf("due at last: %v, %v", due, err)
		}
		if live, err = r.read.Visitors(ctx, r.tenant, 10); err != nil || len(live) != 1 {
			t.Fatalf("live at last: %v, %v", live, err)
		}
	})
}

func TestErasureLeavesNothingAndLetsNothingComeBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		gone, stays := r.subject(), r.subject()
		plan := offerPlan(t, r)
		for i := range 40 {
			r.tell(plan, gone, happened(i, "x"))
			r.tell(plan, stays, happened(i, "x"))
		}
		session := r.tell(plan, gone, happened(100, event.PageViewed)).Started[0].ID
		if n, err := r.Remains(ctx, r.tenant, []id.Subject{gone}); err != nil || n.Visitors != 1 || n.Sessions != 1 || n.Chunks != 5 || n.Actions == 0 {
			t.Fatalf("before: %+v, %v", n, err)
		}

		// A batch is prepared before the erasure and written after it; another one meets a new subject
		// that is erased before its first row is written.
		underWay, _ := r.prepare(plan, gone, happened(101, "x"))
		fresh := r.subject()
		first, _ := r.prepare(plan, fresh, happened(101, "x"))
		var counts journey.Erased
		if err := db.Tenant(r.tenant).Write(ctx, func(tx *store.Tx) (err error) {
			counts, err = r.Erase(ctx, tx, []id.Subject{gone, fresh})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if counts.Visitors != 1 || counts.Sessions != 1 || counts.Chunks != 5 || counts.Total() < 5 {
			t.Errorf("erased %+v", counts)
		}
		lost := r.save(underWay, first)
		if !slices.Equal(lost, []id.Subject{gone, fresh}) {
			t.Errorf("the batch under way lost %v", lost)
		}
		if n, err := r.Remains(ctx, r.tenant, []id.Subject{gone, fresh}); err != nil || n.Total() != 0 {
			t.Errorf("after: %+v, %v", n, err)
		}
		if _, err := r.read.Session(ctx, r.tenant, session); !fail.Is(err, fail.NotFound) {
			t.Errorf("the session of the erased: %v", err)
		}
		if _, err := r.read.VisitorOf(ctx, r.tenant, gone); !fail.Is(err, fail.NotFound) {
			t.Errorf("the visitor: %v", err)
		}
		if n, err := r.Remains(ctx, r.tenant, []id.Subject{stays}); err != nil || n.Visitors != 1 || n.Chunks != 4 {
			t.Errorf("somebody else: %+v, %v", n, err)
		}
	})
}

func TestADestroyedKeyClosesTheJourney(t *testing.T) {
	r, ctx := newRoom(t, storetest.SQLite(t)), t.Context()
	sub := r.subject()
	session := r.tell(emptyPlan(), sub, happened(0, "x")).Started[0].ID
	if err := r.keys.Shred(ctx, r.tenant, sub); err != nil {
		t.Fatal(err)
	}
	if _, err := r.read.Session(ctx, r.tenant, session); !fail.Is(err, fail.NotFound) {
		t.Errorf("session: %v", err)
	}
	if found, err := r.Load(ctx, r.tenant, sub); err != nil || found[0] != nil {
		t.Errorf("load: %v, %v", found, err)
	}
	if _, err := r.read.VisitorOf(ctx, r.tenant, sub); !fail.Is(err, fail.Gone) {
		t.Errorf("visitor: %v", err)
	}
	if live, err := r.read.Visitors(ctx, r.tenant, 10); err != nil || len(live) != 0 {
		t.Errorf("live: %v, %v", live, err)
	}
	if all, err := r.Export(ctx, r.tenant, []id.Subject{sub}); err != nil || len(all) != 0 {
		t.Errorf("export: %v, %v", all, err)
	}
}

func TestExportHoldsEverything(t *testing.T) {
	r, ctx := newRoom(t, storetest.SQLite(t)), t.Context()
	sub := r.subject()
	plan := offerPlan(t, r)
	for i := range 40 {
		r.tell(plan, sub, happened(i, "x"))
	}
	named := happened(100, "user_identified")
	named.Traits = map[string]event.Attr{"givenName": {Type: event.TypeString, Value: "Ann"}}
	r.tell(plan, sub, named)
	all, err := r.Export(ctx, r.tenant, []id.Subject{sub, r.subject()})
	if err != nil || len(all) != 1 {
		t.Fatalf("export: %v, %v", all, err)
	}
	if e := all[0]; len(e.Sessions) != 2 || len(e.Events) != 41 || len(e.Actions) == 0 || e.Traits["givenName"] != "Ann" {
		t.Errorf("%d sessions, %d events, %d actions, traits %v", len(e.Sessions), len(e.Events), len(e.Actions), e.Traits)
	}
}

// offerPlan stores a plan whose only map makes an offer at the first event.
func offerPlan(t testing.TB, r *room) *journey.Plan {
	t.Helper()
	ctx := t.Context()
	tmpl, err := r.CreateTemplate(ctx, r.tenant, journey.ActionTemplate{
		Name:    "Voucher",
		Content: &journey.ContentOffer{DisplayMode: "Modal", LayoutMode: "TextOnly", CallToAction: &journey.CallToAction{URL: "/demo/cart"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateActionMap(ctx, r.tenant, journey.ActionMap{
		Active: true, Name: "At once", Events: []journey.EventCondition{{EventName: "x"}},
		Action: journey.Action{Media: journey.MediaContent, Template: tmpl.ID},
	}); err != nil {
		t.Fatal(err)
	}
	plan, err := r.Plan(ctx, r.tenant)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestOffersAreReported(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		sub := r.subject()
		plan := offerPlan(t, r)
		made := r.tell(plan, sub, happened(0, "x")).Offers[0]

		waiting, err := r.read.Waiting(ctx, r.tenant, sub)
		if err != nil || len(waiting) != 1 || waiting[0].ID != made.ID || waiting[0].Content == nil || waiting[0].Content.CallToAction.URL != "/demo/cart" {
			t.Fatalf("waiting: %+v, %v", waiting, err)
		}
		if done, err := r.Finished(ctx, r.tenant, made.ID); err != nil || done {
			t.Fatalf("finished before it was shown: %v, %v", done, err)
		}
		report := journey.Report{Action: made.ID, Session: made.Session, State: journey.Offered}
		if o, err := r.Report(ctx, r.tenant, report); err != nil || o.State != journey.Offered || o.Shown.IsZero() {
			t.Fatalf("offered: %+v, %v", o, err)
		}
		// The worker may write the visitor again: what the browser said stays.
		r.tell(plan, sub, happened(1, "x"))
		report.State = journey.Accepted
		if o, err := r.Report(ctx, r.tenant, report); err != nil || o.Closed.IsZero() {
			t.Fatalf("accepted: %+v, %v", o, err)
		}
		if done, err := r.Finished(ctx, r.tenant, made.ID); err != nil || !done {
			t.Errorf("finished: %v, %v", done, err)
		}
		report.State = journey.Rejected
		if _, err := r.Report(ctx, r.tenant, report); !fail.Is(err, fail.Conflict) {
			t.Errorf("rejected after it was accepted: %v", err)
		}
		report.Session = id.New()
		if _, err := r.Report(ctx, r.tenant, report); !fail.Is(err, fail.NotFound) {
			t.Errorf("reported from another session: %v", err)
		}
		if waiting, err = r.read.Waiting(ctx, r.tenant, sub); err != nil || len(waiting) != 0 {
			t.Errorf("still waiting: %v, %v", waiting, err)
		}
		all, err := r.read.ActionsOf(ctx, r.tenant, sub)
		if err != nil || len(all) != 1 || all[0].State != journey.Accepted || !all[0].Qualified.Equal(noon) {
			t.Errorf("actions: %+v, %v", all, err)
		}
		if all, err = r.read.Actions(ctx, r.tenant, 10); err != nil || len(all) != 1 {
			t.Errorf("everybody's actions: %v, %v", all, err)
		}
	})
}

func TestConfigurationHasVersions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		o, err := r.CreateOutcome(ctx, r.tenant, journey.EventOutcome("Purchase", "order_completed"))
		if err != nil || o.Version != 1 || o.ID == uuid.Nil || !o.Created.Equal(noon) {
			t.Fatalf("created %+v, %v", o, err)
		}
		r.clock.Advance(time.Hour)
		changed := *o
		changed.Name = "Order"
		after, err := r.UpdateOutcome(ctx, r.tenant, changed)
		if err != nil || after.Version != 2 || !after.Created.Equal(noon) || !after.Modified.Equal(noon.Add(time.Hour)) {
			t.Fatalf("updated %+v, %v", after, err)
		}
		if _, err := r.UpdateOutcome(ctx, r.tenant, changed); !fail.Is(err, fail.Conflict) {
			t.Errorf("an old version was taken: %v", err)
		}
		changed.Version = 0
		if after, err = r.UpdateOutcome(ctx, r.tenant, changed); err != nil || after.Version != 3 {
			t.Errorf("without a version: %+v, %v", after, err)
		}
		got, err := r.Outcome(ctx, r.tenant, o.ID)
		if err != nil || got.Name != "Order" || got.Version != 3 || len(got.Journey) != 1 {
			t.Errorf("read %+v, %v", got, err)
		}
		if _, err := r.Outcome(ctx, id.NewTenant(), o.ID); !fail.Is(err, fail.NotFound) {
			t.Errorf("another organisation reads it: %v", err)
		}
		if err := r.DeleteOutcome(ctx, r.tenant, o.ID); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteOutcome(ctx, r.tenant, o.ID); !fail.Is(err, fail.NotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		if all, err := r.Outcomes(ctx, r.tenant); err != nil || len(all) != 0 {
			t.Errorf("left: %v, %v", all, err)
		}
	})
}

func TestConfigurationIsChecked(t *testing.T) {
	r, ctx := newRoom(t, storetest.SQLite(t)), t.Context()
	outcome := func(change func(*journey.Outcome)) error {
		o := journey.EventOutcome("Purchase", "order_completed")
		change(&o)
		_, err := r.CreateOutcome(ctx, r.tenant, o)
		return err
	}
	action := func(change func(*journey.ActionMap)) error {
		m := journey.ActionMap{Name: "A", Action: journey.Action{Media: journey.MediaContent, Template: id.New()}}
		change(&m)
		_, err := r.CreateActionMap(ctx, r.tenant, m)
		return err
	}
	offer := func(change func(*journey.ContentOffer)) error {
		c := &journey.ContentOffer{DisplayMode: "Modal", LayoutMode: "TextOnly", CallToAction: &journey.CallToAction{URL: "/x"}}
		change(c)
		_, err := r.CreateTemplate(ctx, r.tenant, journey.ActionTemplate{Name: "T", Content: c})
		return err
	}
	for _, c := range []struct {
		name, field string
		err         error
	}{
		{"no name", "displayName", outcome(func(o *journey.Outcome) { o.Name = " " })},
		{"an unknown key", "journey.patterns[0].criteria[0].key", outcome(func(o *journey.Outcome) { o.Journey[0].Criteria[0].Key = "mood" })},
		{"an unknown operator", "journey.patterns[0].criteria[0].operator", outcome(func(o *journey.Outcome) { o.Journey[0].Criteria[0].Operator = "is" })},
		{"no values", "journey.patterns[0].criteria[0].values", outcome(func(o *journey.Outcome) { o.Journey[0].Criteria[0].Values = nil })},
		{"a count below one", "journey.patterns[0].count", outcome(func(o *journey.Outcome) { o.Journey[0].Count = -1 })},
		{"a stream that is not served", "journey.patterns[0].streamType", outcome(func(o *journey.Outcome) { o.Journey[0].Stream = "Custom" })},
		{"a journey key in the context", "context.patterns[0].criteria[0].key", outcome(func(o *journey.Outcome) {
			o.Context = []journey.ContextPattern{{Criteria: []journey.Criterion{{Key: "page.url", Values: []string{"x"}}}}}
		})},
		{"a probability above one", "triggerWithOutcomeProbabilityConditions[0].maximumProbability", action(func(m *journey.ActionMap) {
			m.Probabilities = []journey.ProbabilityCondition{{Outcome: id.New(), Reached: 1.1}}
		})},
		{"a weight of four", "weight", action(func(m *journey.ActionMap) { m.Weight = 4 })},
		{"a content offer without a template", "action.actionTemplate.id", action(func(m *journey.ActionMap) { m.Action.Template = uuid.Nil })},
		{"an unknown activation", "activation.type", action(func(m *journey.ActionMap) { m.Activation.Type = "soon" })},
		{"an address that runs script", "contentOffer.callToAction.url", offer(func(c *journey.ContentOffer) { c.CallToAction.URL = "javascript:alert(1)" })},
		{"an address without a scheme", "contentOffer.imageUrl", offer(func(c *journey.ContentOffer) { c.ImageURL = "//evil.example/x.png" })},
		{"an unknown display", "contentOffer.displayMode", offer(func(c *journey.ContentOffer) { c.DisplayMode = "Popup" })},
	} {
		var f *fail.Error
		if !errors.As(c.err, &f) || f.Kind != fail.Invalid || f.Field != c.field {
			t.Errorf("%s: %v, want a complaint about %s", c.name, c.err, c.field)
		}
	}
}

func TestARewrittenVisitorIsNotOverwritten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, ctx := newRoom(t, db), t.Context()
		sub := r.subject()
		named := happened(0, "user_identified")
		named.Traits = map[string]event.Attr{"givenName": {Type: event.TypeString, Value: "Anne"}, "email": {Type: event.TypeString, Value: "anne@old.example"}}
		r.tell(emptyPlan(), sub, named)
		for i := range 20 {
			r.tell(emptyPlan(), sub, happened(i+1, "x"))
		}
		stale, _ := r.prepare(emptyPlan(), sub, happened(30, "x"))
		rectify := func(kind, old, updated string) (n journey.Rectified) {
			t.Helper()
			if err := db.Tenant(r.tenant).Write(ctx, func(tx *store.Tx) (err error) {
				n, err = r.Rectify(ctx, tx, []id.Subject{sub}, kind, old, updated)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := rectify("email", "Anne@old.example", "anne@new.example"); n.Events != 1 {
			t.Errorf("rectified %+v", n)
		}
		if n := rectify("givenName", "Anne", "Ann"); n.Events != 1 || n.Visitors != 1 {
			t.Errorf("rectified %+v", n)
		}
		if n := rectify("givenName", "Anne", "Ann"); n.Events+n.Visitors != 0 {
			t.Errorf("rectified again %+v", n)
		}
		err := db.Tenant(r.tenant).Write(ctx, func(tx *store.Tx) error {
			_, err := r.Save(ctx, tx, []*journey.Change{stale})
			return err
		})
		if !errors.Is(err, journey.ErrStale) {
			t.Errorf("a batch under way was written over the rectification: %v", err)
		}
		all, err := r.Export(ctx, r.tenant, []id.Subject{sub})
		if err != nil || len(all) != 1 || all[0].Traits["givenName"] != "Ann" || all[0].Events[0].Traits["email"].Value != "anne@new.example" {
			t.Fatalf("after: %+v, %v", all, err)
		}
		if len(all[0].Events) != 21 {
			t.Errorf("%d events are left", len(all[0].Events))
		}
	})
}

// open is a gate for reading what is there, whatever anybody allows.
type open struct{}

func (open) Standing(context.Context, id.Tenant, id.Subject, string) (bool, error) { return true, nil }
