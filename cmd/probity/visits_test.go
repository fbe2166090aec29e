package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"probity/internal/audit"
	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/rights"
)

// promise publishes a notice by which records of visits are deleted after so many months; 0: it names none.
func (r *rooms) promise(t *testing.T, months int) {
	t.Helper()
	_, err := r.consent.Publish(t.Context(), r.tenant, notice.Draft{
		Facts: notice.Facts{Controller: "Fernhill Ltd", RetentionMonths: months}, Purposes: notice.DefaultPurposes(), Texts: notice.DefaultTexts(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stored returns when the person's events were, oldest first.
func (r *rooms) stored(t *testing.T, who *consent.Outcome) (at []time.Time) {
	t.Helper()
	exported, err := r.journey.Export(t.Context(), r.tenant, []id.Subject{who.Subject})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range exported {
		for _, e := range x.Events {
			at = append(at, e.At)
		}
	}
	return at
}

// visits looks at pages at these times, each a visit of its own. The last stays open.
func (r *rooms) visits(t *testing.T, fake *clock.Fake, who *consent.Outcome, times ...time.Time) {
	t.Helper()
	for _, at := range times {
		fake.Set(at)
		r.looksAtAPage(t, who)
	}
}

func TestVisitsAreDeletedWhenTheTimeIsOverThatTheNoticePromises(t *testing.T) {
	r, fake := furnished(t)
	watched, held := r.agrees(t), r.agrees(t)
	r.promise(t, 13)
	first, second, third := noon, noon.AddDate(0, 2, 0), noon.AddDate(0, 4, 0)
	r.visits(t, fake, watched, first, second, third)
	r.visits(t, fake, held, first, second, third)
	hold, err := r.rights.Keep(t.Context(), r.tenant, rights.Who{Subjects: []id.Subject{held.Subject}}, "Art. 17(3)(e)", "A claim is pending.", rights.Actor{})
	if err != nil {
		t.Fatal(err)
	}

	due := first.AddDate(0, 13, 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.keepVisits(ctx) }()
	stands := func(when string, at time.Time, who *consent.Outcome, want ...time.Time) {
		t.Helper()
		fake.Set(at)
		fake.Awaited(1) // the round is over
		if got := r.stored(t, who); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s: events of %v, want %v", when, got, want)
		}
		if report, err := audit.Events(t.Context(), r.consent, r.journey, r.tenant); err != nil || report.Violated > 0 {
			t.Errorf("%s: %+v, %v", when, report, err)
		}
	}
	stands("a day before", due.Add(-visitsEvery), watched, first, second, third)
	stands("within a day after", due.Add(visitsEvery), watched, second, third)
	stands("what is held for a claim", due.Add(2*visitsEvery), held, first, second, third)
	stands("when the second is due", second.AddDate(0, 13, 2), watched, third)
	if err := r.rights.Release(t.Context(), r.tenant, hold.ID, "The claim was settled.", rights.Actor{}); err != nil {
		t.Fatal(err)
	}
	stands("what is held no more", second.AddDate(0, 13, 4), held, third)
	r.promise(t, 0)
	stands("when the notice names no time any more", third.AddDate(20, 0, 0), watched, third)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatCameFromThePastStaysAsLongAsIfItWereNew(t *testing.T) {
	r, fake := furnished(t)
	who := r.agrees(t)
	r.promise(t, 13)
	// An import of visits of three years ago.
	r.looked(t, who, noon.AddDate(-3, 0, 0), noon)
	r.looked(t, who, noon.AddDate(-3, 0, 1), noon)
	if err := r.retireVisits(t.Context(), r.tenant); err != nil {
		t.Fatal(err)
	}
	if got := r.stored(t, who); len(got) != 2 {
		t.Errorf("what was imported today is gone: %v", got)
	}
	fake.Set(noon.AddDate(0, 13, 1))
	if err := r.retireVisits(t.Context(), r.tenant); err != nil {
		t.Fatal(err)
	}
	// The visit that never ended is the worker's to end.
	if got := r.stored(t, who); len(got) != 1 {
		t.Errorf("after thirteen months: %v", got)
	}
}
