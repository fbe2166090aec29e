package audit_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/withdrawn"
)

// lessons counts what it was told to forget.
type lessons struct{ forgotten []id.Subject }

func (l *lessons) Forget(_ context.Context, _ *store.Tx, subjects []id.Subject) (int64, error) {
	l.forgotten = append(l.forgotten, subjects...)
	return 0, nil
}

// everything is a gate for reading what is stored.
type everything struct{}

func (everything) Standing(context.Context, id.Tenant, id.Subject, string) (bool, error) {
	return true, nil
}

func TestWhatAnOrganisationSaysAboutWithdrawnDataWinsOverTheInstallation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, ctx := newHouse(t, db), t.Context()
		r := withdrawn.New(withdrawn.Deps{DB: db, Clock: h.clk, Logger: slog.New(slog.DiscardHandler), Default: withdrawn.Erase})
		if err := r.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		h.consent.OnClosed(r.Closed)
		var want int64
		for _, one := range []struct {
			policy withdrawn.Policy
			erases int64
		}{{withdrawn.Keep, 0}, {withdrawn.Erase, 1}, {"", 1}} {
			if err := r.SetPolicy(ctx, h.tenant, one.policy); err != nil {
				t.Fatal(err)
			}
			out := h.choose(nil, notice.Actions)
			h.clk.Advance(time.Second)
			h.withdraw(*out.Visitor, notice.Actions)
			want += one.erases
			if n, _, err := r.Open(ctx, h.tenant); err != nil || n != want {
				t.Errorf("%q: data of %d withdrawals is to go, want %d (%v)", one.policy, n, want, err)
			}
		}
		if err := r.SetPolicy(ctx, h.tenant, "shred"); !fail.Is(err, fail.Invalid) {
			t.Errorf("another policy: %v", err)
		}
	})
}

func TestWithdrawnDataStaysAsLongAsItIsHeldForClaims(t *testing.T) {
	h, ctx := newHouse(t, storetest.SQLite(t)), t.Context()
	held := true
	r := withdrawn.New(withdrawn.Deps{
		DB: h.db, Records: h.consent, Journey: h.journey, Lessons: &lessons{}, Forget: func(id.Tenant, ...id.Subject) {},
		Clock: h.clk, Logger: slog.New(slog.DiscardHandler), Default: withdrawn.Erase,
		Stays: func(context.Context, *store.Tx, []id.Subject) (bool, error) { return held, nil },
	})
	if err := r.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	h.consent.OnClosed(r.Closed)
	out := h.choose(nil, notice.Actions)
	h.clk.Advance(time.Second)
	h.plant(out.Subject, h.receive(out.Subject, notice.Actions))
	w := h.withdraw(*out.Visitor, notice.Actions)
	for _, want := range []int{1, 0} {
		if err := r.Do(ctx, h.tenant); err != nil {
			t.Fatal(err)
		}
		if n := len(h.covered(w.RecordID)); n != want {
			t.Errorf("held %v, %d events are there, want %d", held, n, want)
		}
		held = false
		h.clk.Advance(time.Hour)
	}
}

func TestW9_WhereTheOperatorWantsItDataGoesWithItsConsentAndTheGrantStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, ctx := newHouse(t, db), t.Context()
		taught := &lessons{}
		r := withdrawn.New(withdrawn.Deps{
			DB: db, Records: h.consent, Journey: h.journey, Lessons: taught, Forget: func(id.Tenant, ...id.Subject) {},
			Clock: h.clk, Logger: slog.New(slog.DiscardHandler),
		})
		if err := r.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		h.consent.OnClosed(r.Closed)
		if err := r.SetPolicy(ctx, h.tenant, withdrawn.Erase); err != nil {
			t.Fatal(err)
		}
		out, other := h.choose(nil, notice.Measure, notice.Actions, notice.Identity), h.choose(nil, notice.Actions)
		s := out.Subject
		h.clk.Advance(time.Second)
		var kept []*event.Event
		for range 2 { // two sessions of ten events: several chunks and a tail
			var all []*event.Event
			for range 5 {
				view, act := h.receive(s, notice.Measure), h.receive(s, notice.Actions)
				act.Attributes = map[string]event.Attr{"colour": {Type: event.TypeString, Value: "green"}}
				view.ExternalID = "crm-7"
				all, kept = append(all, view, act), append(kept, view)
				h.clk.Advance(time.Second)
			}
			h.plant(s, all...)
			h.clk.Advance(journey.DefaultIdle + time.Minute)
		}
		h.plant(other.Subject, h.receive(other.Subject, notice.Actions))
		before, err := h.consent.Receipt(ctx, h.tenant, s, out.RecordID)
		if err != nil {
			t.Fatal(err)
		}
		first := h.withdraw(*out.Visitor, notice.Actions)
		if n := len(h.covered(first.RecordID)); n != 10 {
			t.Fatalf("the withdrawal covers %d events", n)
		}
		stored := func(sub id.Subject) (events []*event.Event, sessions []*journey.Session) {
			t.Helper()
			read := h.journey.For(everything{})
			if err := read.Events(ctx, h.tenant, sub, time.Time{}, func(e journey.StoredEvent) error {
				events = append(events, e.Event)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			sessions, err := read.SessionsOf(ctx, h.tenant, 0, sub)
			if err != nil {
				t.Fatal(err)
			}
			return events, sessions
		}
		do := func() {
			t.Helper()
			if err := r.Do(ctx, h.tenant); err != nil {
				t.Fatal(err)
			}
		}
		do()
		events, sessions := stored(s)
		if !same(ids(events...), ids(kept...)) || len(sessions) != 2 {
			t.Fatalf("%d events and %d sessions are left", len(events), len(sessions))
		}
		for _, one := range sessions {
			if one.Events != 5 || one.PageViews != 5 || len(one.Attributes) != 0 {
				t.Errorf("a session still knows what was done in it: %d events, %v", one.Events, one.Attributes)
			}
		}
		if n := len(h.covered(first.RecordID)); n != 0 {
			t.Errorf("%d events are still there", n)
		}
		if len(taught.forgotten) != 1 || taught.forgotten[0] != s {
			t.Errorf("training rows of %v were forgotten", taught.forgotten)
		}
		if n, since, err := r.Open(ctx, h.tenant); err != nil || n != 1 || since.IsZero() || since.After(h.clk.Now()) {
			t.Errorf("%d withdrawals are open since %v (%v)", n, since, err)
		}
		if list, err := r.List(ctx, h.tenant, []id.Subject{s}); err != nil || len(list) != 1 || list[0].Events != 10 || list[0].Done != nil {
			t.Errorf("at first %+v, %v", list, err)
		}
		// An event that was in the log at that moment is stored late, and goes too.
		late := happened(h.clk.Now().Add(-time.Second), notice.Actions)
		late.Ground = kept[0].Ground
		h.plant(s, late)
		h.clk.Advance(2 * time.Minute)
		do()
		if list, err := r.List(ctx, h.tenant, []id.Subject{s}); err != nil || list[0].Events != 11 || list[0].Done == nil {
			t.Errorf("at last %+v, %v", list, err)
		}
		if n, since, err := r.Open(ctx, h.tenant); err != nil || n != 0 || !since.IsZero() {
			t.Errorf("%d withdrawals are still open since %v (%v)", n, since, err)
		}
		// All else taken back: nothing is left, and the visitor may begin anew.
		h.withdraw(*out.Visitor)
		do()
		if events, sessions = stored(s); len(events) != 0 || len(sessions) != 0 {
			t.Errorf("%d events and %d sessions are left", len(events), len(sessions))
		}
		if events, _ := stored(other.Subject); len(events) != 1 {
			t.Errorf("somebody else lost data: %d events", len(events))
		}
		after, err := h.consent.Receipt(ctx, h.tenant, s, out.RecordID)
		if err != nil || string(after.Entry) != string(before.Entry) {
			t.Errorf("the grant changed: %v", err)
		}
		h.clk.Advance(time.Second)
		h.choose(out.Visitor, notice.Measure)
		h.clk.Advance(time.Second)
		h.plant(s, h.receive(s, notice.Measure))
		if events, sessions = stored(s); len(events) != 1 || len(sessions) != 1 {
			t.Errorf("after a new grant: %d events, %d sessions", len(events), len(sessions))
		}
		if report := h.audit(); report.Violated != 0 {
			t.Errorf("%+v", report)
		}
	})
}
