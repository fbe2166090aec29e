// Package clock gives every room its notion of now, so that tests can turn time by hand.
package clock

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface {
	// Now returns the present moment in UTC.
	Now() time.Time
}

// Alarm is a clock that can wait.
type Alarm interface {
	Clock
	// Until returns a channel that is closed when the clock stands at t or later. A wait that is given
	// up costs nothing but its memory until then.
	Until(t time.Time) <-chan struct{}
}

// Every calls do at once, and then again each time that the period has passed on the clock since do
// was called last, until ctx ends. What takes longer than a period is not made up for.
func Every(ctx context.Context, c Alarm, period time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		next := c.Now().Add(period)
		do(ctx)
		select {
		case <-ctx.Done():
		case <-c.Until(next):
		}
	}
}

// System returns the clock of the machine.
func System() Alarm { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now().UTC() }

func (s system) Until(t time.Time) <-chan struct{} {
	reached := make(chan struct{})
	time.AfterFunc(t.Sub(s.Now()), func() { close(reached) })
	return reached
}

// Fake is a clock that stands still until it is told otherwise. It is safe for concurrent use.
type Fake struct {
	mu     sync.Mutex // guards what follows
	now    time.Time
	waits  []wait
	waited sync.Cond // of mu: somebody began to wait
}

type wait struct {
	until   time.Time
	reached chan struct{}
}

// NewFake returns a clock that stands at t.
func NewFake(t time.Time) *Fake {
	f := &Fake{now: t.UTC()}
	f.waited.L = &f.mu
	return f
}

// Now returns where the clock stands.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Until returns a channel that is closed once the clock was moved to t or beyond.
func (f *Fake) Until(t time.Time) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := wait{t, make(chan struct{})}
	f.waits = append(f.waits, w)
	f.ring()
	f.waited.Broadcast()
	return w.reached
}

// Awaited returns once n waits or more are under way: what is done on the clock's time has been done.
func (f *Fake) Awaited(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waits) < n {
		f.waited.Wait()
	}
}

// Advance moves the clock by d, which may be negative, and returns the new time.
func (f *Fake) Advance(d time.Duration) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	f.ring()
	return f.now
}

// Set puts the clock at t.
func (f *Fake) Set(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = t.UTC()
	f.ring()
}

// ring ends the waits that are over. The caller holds mu.
func (f *Fake) ring() {
	f.waits = slices.DeleteFunc(f.waits, func(w wait) bool {
		over := !f.now.Before(w.until)
		if over {
			close(w.reached)
		}
		return over
	})
}
