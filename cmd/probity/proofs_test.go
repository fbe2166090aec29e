package main

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"probity/internal/audit"
	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/verify"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var site = uuid.MustParse("5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d")

// furnished is a house with the settings that an operator has who sets nothing, on a clock that stands
// at noon. Nothing runs in it yet.
func furnished(t *testing.T) (*rooms, *clock.Fake) {
	t.Helper()
	s := &settings{}
	parser, err := kong.New(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--data", t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	e, err := openKeys(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	fake := clock.NewFake(noon)
	e.clock = fake
	r, err := furnish(t.Context(), e, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.consent.EnsureDefaults(t.Context(), r.tenant); err != nil {
		t.Fatal(err)
	}
	return r, fake
}

func (r *rooms) agrees(t *testing.T) *consent.Outcome {
	t.Helper()
	nonce, err := r.consent.Nonce(t.Context(), r.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	c := consent.Choice{Deployment: site, Nonce: nonce, Purposes: map[string]bool{}, UI: consent.UI{Component: "banner", Action: "accept_all"}}
	for _, p := range notice.DefaultPurposes() {
		c.Purposes[p.ID] = true
	}
	out, err := r.consent.Choose(t.Context(), r.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// looksAtAPage stores an event that rests on the person's choice.
func (r *rooms) looksAtAPage(t *testing.T, who *consent.Outcome) {
	t.Helper()
	r.looked(t, who, r.clock.Now(), r.clock.Now())
}

// looked stores an event of a time that was received at another.
func (r *rooms) looked(t *testing.T, who *consent.Outcome, at, received time.Time) {
	t.Helper()
	history, err := r.consent.History(t.Context(), r.tenant, []id.Subject{who.Subject})
	if err != nil {
		t.Fatal(err)
	}
	found, err := r.journey.Load(t.Context(), r.tenant, who.Subject)
	if err != nil {
		t.Fatal(err)
	}
	plan, fx := journey.NewPlan(nil, nil, nil, nil), journey.Effects{}
	found[0].ApplyTo(&fx, plan, &event.Event{
		ID: id.New(), Name: "page_viewed", At: at, Received: received, Deployment: site,
		Page:    event.Page{URL: "https://shop.example/", Path: "/", Host: "shop.example"},
		Purpose: notice.Measure, Ground: event.Ground{Basis: "consent", Ledger: history[0].Ledger},
	}, &journey.Env{Allow: func(string) bool { return true }})
	change, err := r.journey.Seal(t.Context(), r.tenant, plan, found[0], &fx, at)
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, func(tx *store.Tx) error {
		_, err := r.journey.Save(t.Context(), tx, []*journey.Change{change})
		return err
	})
}

func (r *rooms) write(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := r.db.Tenant(r.tenant).Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// A proof is deleted in the hour in which it is due and not before. What is needed to prove that
// something stored was allowed stays, however old it is, until that is deleted too.
func TestL17_ProofsAreDeletedWhenDueNotADayEarlierAndNeverWhileSomethingStoredRestsOnThem(t *testing.T) {
	r, fake := furnished(t)
	old, watched := r.agrees(t), r.agrees(t)
	r.looksAtAPage(t, watched)
	const day = 24 * time.Hour
	due := noon.Add(consent.Validity + 26280*time.Hour) // three years after the grant has ended

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.keepProofs(ctx) }()
	there := func(who *consent.Outcome) bool {
		t.Helper()
		receipt, err := r.consent.Receipt(t.Context(), r.tenant, who.Subject, who.RecordID)
		if fail.Is(err, fail.NotFound) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := receipt.Check(receipt.VerifierKey); err != nil {
			t.Errorf("a proof that is there does not verify: %v", err)
		}
		return true
	}
	stands := func(when string, at time.Time, wantOld, wantWatched bool) {
		t.Helper()
		fake.Set(at)
		fake.Awaited(1) // the round is over
		if a, b := there(old), there(watched); a != wantOld || b != wantWatched {
			t.Errorf("%s: the proof is there %v, that of somebody whose event is stored %v; want %v, %v", when, a, b, wantOld, wantWatched)
		}
		if err := r.ledger.Audit(t.Context(), r.tenant); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := r.consent.Audit(t.Context(), r.tenant); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		report, err := audit.Events(t.Context(), r.consent, r.journey, r.tenant)
		if err != nil || report.Violated > 0 {
			t.Errorf("%s: %+v, %v", when, report, err)
		}
	}
	stands("at first", noon, true, true)
	stands("a day before", due.Add(-day), true, true)
	stands("an hour before", due.Add(-time.Hour), true, true)
	stands("when it is due", due.Add(time.Second+time.Hour), false, true)
	stands("ten years later", due.Add(3650*day), false, true)
	r.write(t, func(tx *store.Tx) error {
		_, err := r.journey.Forget(t.Context(), tx, watched.Subject, journey.Forgetting{Match: func(journey.Grounded) bool { return true }})
		return err
	})
	stands("once nothing rests on it", due.Add(3650*day+2*time.Hour), false, false)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	// Both deletions are in the log, and the persons' own copies still verify.
	lines, err := r.ledger.Lines(t.Context(), r.tenant, 0, 1<<40, 1000)
	if err != nil {
		t.Fatal(err)
	}
	retired := 0
	for _, l := range lines {
		if l.Leaf.Kind == "payload.retired" {
			retired++
		}
	}
	if retired != 2 {
		t.Errorf("the log tells of %d deletions, want 2", retired)
	}
	for _, own := range []*verify.Receipt{old.Receipt, watched.Receipt} {
		if _, _, err := own.Check(own.VerifierKey); err != nil {
			t.Errorf("a copy in the person's hands: %v", err)
		}
	}
}

func TestProofsAreKeptForEverWhereNoTimeIsSet(t *testing.T) {
	r, fake := furnished(t)
	out := r.agrees(t)
	fake.Advance(100 * 365 * 24 * time.Hour)
	r.upkeep.retire.After = 0
	if err := r.keepProofs(t.Context()); err != nil {
		t.Fatal(err)
	}
	history, err := r.consent.History(t.Context(), r.tenant, []id.Subject{out.Subject})
	if err != nil || !slices.ContainsFunc(history, func(rec consent.Record) bool { return rec.ID == out.RecordID }) {
		t.Errorf("%v, %v", history, err)
	}
}
