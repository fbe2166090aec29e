package clock_test

import (
	"context"
	"testing"
	"time"

	"probity/internal/clock"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestWhatIsDueIsDoneAtOnceAndThenWheneverThePeriodHasPassed(t *testing.T) {
	fake := clock.NewFake(noon)
	ctx, cancel := context.WithCancel(t.Context())
	var at []time.Duration
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		clock.Every(ctx, fake, time.Hour, func(context.Context) { at = append(at, fake.Now().Sub(noon)) })
	}()
	for _, step := range []time.Duration{0, 59 * time.Minute, time.Minute, 5 * time.Hour, 30 * time.Minute, 30 * time.Minute} {
		fake.Advance(step)
		fake.Awaited(1)
	}
	cancel()
	<-ended
	want := []time.Duration{0, time.Hour, 6 * time.Hour, 7 * time.Hour} // hours that were slept through are not made up for
	if len(at) != len(want) {
		t.Fatalf("it was done at %v, want %v", at, want)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Errorf("it was done at %v, want %v", at, want)
		}
	}
}

func TestAClockThatIsAlreadyThereNeedsNoWaiting(t *testing.T) {
	for name, c := range map[string]clock.Alarm{"system": clock.System(), "fake": clock.NewFake(noon)} {
		select {
		case <-c.Until(c.Now().Add(-time.Second)):
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it waits for what is past", name)
		}
	}
}

func TestTheClockOfTheMachineComesThere(t *testing.T) {
	c := clock.System()
	due := c.Now().Add(20 * time.Millisecond)
	<-c.Until(due)
	if c.Now().Before(due) {
		t.Error("the wait ended too early")
	}
}
