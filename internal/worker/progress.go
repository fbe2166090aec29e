package worker

import (
	"context"
	"sync"
	"time"

	"probity/internal/fail"
)

// progress tells how far a partition is processed, and lets others wait for it.
type progress struct {
	mu      *sync.Mutex // guards all below
	seq     uint64
	moved   chan struct{} // closed and replaced when seq moves
	over    chan struct{} // closed when the partition is not ours
	oldest  []time.Time   // receipt of the oldest record of each batch under way
	running bool
}

func newProgress() progress {
	over := make(chan struct{})
	close(over)
	return progress{mu: new(sync.Mutex), moved: make(chan struct{}), over: over}
}

func (p *progress) start(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = make(chan struct{})
	p.running = true
	p.seq = seq // it may be lower than before, if the log began again
	p.move(seq)
}

func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.oldest = nil
	p.running = false
	close(p.over)
}

// begin notes that a batch is under way.
func (p *progress) begin(oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.oldest = append(p.oldest, oldest)
}

// advance notes that a batch is done.
func (p *progress) advance(seq uint64, b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.last > 0 && len(p.oldest) > 0 {
		p.oldest = p.oldest[1:]
	}
	p.move(seq)
}

func (p *progress) move(seq uint64) {
	p.seq = max(p.seq, seq)
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *progress) stopped() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

func (p *progress) at() (seq uint64, ours bool, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seq, p.running, p.moved
}

// behind returns when the oldest record that is not yet processed was received; zero if there is
// none.
func (p *progress) behind() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.oldest) == 0 {
		return time.Time{}
	}
	return p.oldest[0]
}

// pollEvery is how often a partition that another process owns is looked at.
const pollEvery = 20 * time.Millisecond

// Wait returns when the frame of that number has taken effect: what it brought about can be read.
// It is for requests whose answer depends on the event they brought. Errors: ctx's; fail.Invalid
// for a partition that does not exist.
func (w *Worker) Wait(ctx context.Context, number int, seq uint64) error {
	if number < 0 || number >= len(w.parts) {
		return fail.New(fail.Invalid, "there is no partition %d", number)
	}
	p := w.parts[number]
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	select {
	case p.hurry <- struct{}{}:
	default:
	}
	for {
		at, ours, moved := p.done.at()
		if at >= seq {
			return nil
		}
		if ours {
			select {
			case <-moved:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		all, err := w.offsets(ctx)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.partition == number && o.seq >= seq {
				return nil
			}
		}
		pauseFor(ctx, pollEvery)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Lag returns how long the oldest record that was read from the log and is not yet processed has
// been waiting, over the partitions of this process; 0 if none waits.
func (w *Worker) Lag() time.Duration {
	var lag time.Duration
	now := w.Clock.Now()
	for _, p := range w.parts {
		if t := p.done.behind(); !t.IsZero() {
			lag = max(lag, now.Sub(t))
		}
	}
	return lag
}

// Admit keeps the lag bounded: call it before an event is accepted. While processing keeps up it
// returns at once. Behind SoftLag it waits, the longer the further behind, so that processing gets
// its share of the machine; behind HardLag it fails with fail.Unavailable.
func (w *Worker) Admit(ctx context.Context) error {
	lag := w.Lag()
	if lag < w.opts.SoftLag {
		return nil
	}
	if lag >= w.opts.HardLag {
		e := fail.New(fail.Unavailable, "events come in faster than they can be processed; try again later").WithCode("lag")
		e.RetryAfter = 5 * time.Second
		return e
	}
	share := float64(lag-w.opts.SoftLag) / float64(w.opts.HardLag-w.opts.SoftLag)
	pauseFor(ctx, time.Duration(float64(200*time.Millisecond)*share)+time.Millisecond)
	return ctx.Err()
}
