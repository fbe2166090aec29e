package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"probity/internal/journey"
	"probity/internal/recent"
	"probity/internal/stream"
)

// partition is one partition of the log and the loop that processes it. Three goroutines share the
// work while the partition is ours: one reads frames, one prepares batches, one writes them. Each
// hands over through a channel; only preparing touches visitors.
type partition struct {
	w        *Worker
	number   int
	visitors *recent.Cache[key, *journey.Visitor]
	calls    chan *batch   // what the clock asks for
	rechecks rechecks      // whose consent has changed
	hurry    chan struct{} // somebody waits for what was just accepted
	waiting  atomic.Int32  // how many
	patience time.Duration // how long a batch waits to fill; only gathering touches it
	done     progress
	writing  writing
	held     atomic.Bool  // the partition is ours
	broken   map[key]bool // visitors whose stored state is damaged; only preparing touches it
	failures atomic.Int32 // times it was started again since the last commit
}

const (
	// frameQueue is how many frames are read ahead. A frame has at most half a megabyte.
	frameQueue = 16
	// batchBytes is the size of records at which a batch ends. A record may hold a hundred events, and
	// each takes ten times its size while it is worked on.
	batchBytes = 1 << 20
)

func newPartition(w *Worker, n, visitors int) *partition {
	return &partition{
		w: w, number: n,
		visitors: recent.New[key, *journey.Visitor](max(1, visitors/2)),
		calls:    make(chan *batch, 16),
		rechecks: rechecks{due: make(chan struct{}, 1)},
		hurry:    make(chan struct{}, 1),
		patience: w.opts.Linger,
		broken:   make(map[key]bool),
		done:     newProgress(),
		writing:  newWriting(),
	}
}

// run claims the partition again and again, and processes it while it holds it.
func (p *partition) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := time.Duration(0)
		l, err := p.w.claim(ctx, p.number)
		switch {
		case err != nil:
			pause = time.Second
			p.complain(ctx, err)
		case l == nil:
			pause = p.w.opts.Lease / 2
		default:
			err := p.process(ctx, l)
			if ctx.Err() != nil {
				p.w.release(l)
				return
			}
			pause = 20 * time.Millisecond
			if !errors.Is(err, stream.ErrRenewed) && !errors.Is(err, errAgain) {
				p.complain(ctx, err)
				pause = min(50*time.Millisecond<<min(p.failures.Load(), 8), 2*time.Second)
			}
		}
		pauseFor(ctx, pause)
	}
}

func (p *partition) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		p.w.stats.retries.Add(1)
		p.failures.Add(1)
		p.w.Logger.Warn("a partition is processed again from its last commit", "partition", p.number, "error", err)
	}
}

func pauseFor(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// process works off the partition until something goes wrong. Whatever it was, what is in memory is
// forgotten then: the outcome of the last write may be unknown, and the database knows it.
func (p *partition) process(ctx context.Context, l *lease) error {
	p.visitors.Clear()
	p.done.start(l.seq)
	if err := p.w.compare(ctx, l); err != nil {
		return err
	}
	renewed := p.w.renewals()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	frames := make(chan stream.Frame, frameQueue)
	batches := make(chan *batch)
	ended := make(chan struct{}, 3)
	p.held.Store(true)

	go func() {
		defer func() { ended <- struct{}{} }()
		cancel(p.w.Log.Follow(ctx, p.number, l.seq, func(f stream.Frame) error {
			select {
			case frames <- f:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		cancel(p.write(ctx, l, batches))
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		select {
		case <-renewed:
			cancel(errAgain)
		case <-ctx.Done():
		}
	}()
	err := p.read(ctx, frames, batches)
	cancel(err)
	for range 3 {
		<-ended
	}
	p.held.Store(false)
	p.visitors.Clear()
	p.writing.clear()
	p.done.stop()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// read gathers and prepares batches and hands them on for writing.
func (p *partition) read(ctx context.Context, frames <-chan stream.Frame, batches chan<- *batch) error {
	for {
		b, err := p.gather(ctx, frames)
		if err != nil {
			return err
		}
		if err := p.prepare(ctx, b); err != nil {
			b.finish(err)
			return err
		}
		p.writing.add(b)
		select {
		case batches <- b:
		case <-ctx.Done():
			b.finish(ctx.Err())
			return ctx.Err()
		}
	}
}

// gather returns the next batch. It is as large as what has come in while the last one was written,
// and waits a little for more while nobody waits for it: fewer, larger transactions, in which the
// events of one visitor are written together, leave more of the machine to those who accept events.
func (p *partition) gather(ctx context.Context, frames <-chan stream.Frame) (*batch, error) {
	b := newBatch()
	alive := time.NewTimer(p.w.opts.Lease / 3)
	defer alive.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case call := <-p.calls:
		return call, nil
	case <-p.rechecks.due:
		for _, k := range p.rechecks.take() {
			b.group(k).recheck = true
		}
		return b, nil
	case <-alive.C:
		b.keepsLease = true
		return b, nil
	case f := <-frames:
		p.take(b, f)
	}
	p.done.begin(b.oldest)
	began := p.w.Clock.Now()
	linger := time.NewTimer(p.patience)
	defer linger.Stop()
	patient := p.patience > 0
	for b.records < p.w.opts.Batch && b.bytes < batchBytes {
		busy, changed := p.writing.state()
		if !patient || p.waiting.Load() > 0 {
			select {
			case f := <-frames:
				p.take(b, f)
				continue
			default:
			}
			if p.waiting.Load() > 0 || !busy {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case f := <-frames:
			p.take(b, f)
		case <-p.hurry: // somebody waits now
		case <-linger.C:
			patient = false
		case <-changed:
		}
	}
	p.adapt(b.records, p.w.Clock.Now().Sub(began))
	return b, nil
}

// busyRate is how many records a second make it worth while to wait longer.
const busyRate = 1000

// adapt chooses how long the next batch waits, by how fast records came in while this one waited.
func (p *partition) adapt(records int, took time.Duration) {
	least, most := p.w.opts.Linger, p.w.opts.LingerBusy
	if least <= 0 {
		return
	}
	if float64(records) > busyRate*max(took, least).Seconds() {
		p.patience = min(2*p.patience, most)
	} else {
		p.patience = max(p.patience/2, least)
	}
}

func (p *partition) take(b *batch, f stream.Frame) {
	if n := b.add(f, p.w.Records.Head); n > 0 {
		p.w.stats.damaged.Add(int64(n))
		p.w.Logger.Error("records in the log are damaged and can't be processed", "partition", p.number, "frame", f.Seq, "records", n)
	}
}

// call hands a batch to the loop and waits until it is written. It returns at once if the partition
// is not ours: its owner does the same.
func (p *partition) call(ctx context.Context, b *batch) error {
	if !p.held.Load() {
		return nil
	}
	done := make(chan error, 1)
	b.done = done
	select {
	case p.calls <- b:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done.stopped():
		return fmt.Errorf("the partition was lost while the clock was asked")
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done.stopped():
		return fmt.Errorf("the partition was lost while the clock was asked")
	}
}

// rechecks are visitors whose consent has changed since they were last looked at. However many
// change at once, they are looked at together.
type rechecks struct {
	due chan struct{} // holds a value while there are any

	mu   sync.Mutex // guards keys
	keys map[key]bool
}

func (r *rechecks) add(k key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = make(map[key]bool)
	}
	r.keys[k] = true
	select {
	case r.due <- struct{}{}:
	default:
	}
}

func (r *rechecks) take() []key {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := slices.Collect(maps.Keys(r.keys))
	r.keys = nil
	return keys
}
