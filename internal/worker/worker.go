// Package worker turns the log into journeys. It owns partitions of the log, reads them in order,
// asks again whether each event was allowed, lets the journey and the predictions follow, and
// writes what came of it in one transaction that also moves the partition's offset. So every
// acknowledged event takes effect exactly once, whatever dies in between.
package worker

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/predict"
	"probity/internal/store"
	"probity/internal/stream"
	"probity/internal/subject"
)

// Records reads what collect has put into the log. Safe for concurrent use.
type Records interface {
	// Head reads the clear header. An error means that the record is damaged.
	Head(record []byte) (Head, error)
	// Open returns the events of a record in the order in which they were received. It fails with
	// fail.Gone if the subject was erased, with fail.Unavailable if the keys can't be reached, with
	// an error of vault or event if the record is damaged. After any other error the record is tried
	// some more times.
	Open(ctx context.Context, record []byte) ([]*event.Event, error)
}

// Head is what a record says in clear.
type Head struct {
	Tenant   id.Tenant
	Subject  id.Subject
	Received time.Time
}

// Consent answers for lawful bases. *consent.Room satisfies it.
type Consent interface {
	// Allowed tells whether the ground of something received earlier held at that moment.
	Allowed(ctx context.Context, t id.Tenant, s id.Subject, purpose string, g consent.Ground, received time.Time) (bool, error)
	// GateFor returns what allows a purpose now, or fails with fail.ConsentRequired.
	GateFor(ctx context.Context, t id.Tenant, s id.Subject, deployment uuid.UUID, purpose string) (consent.Ground, error)
}

// People binds identities to subjects. *subject.Room satisfies it.
type People interface {
	Identify(ctx context.Context, tx *store.Tx, s id.Subject, ids map[subject.Kind]string) (merged []id.Subject, err error)
	// Timely leaves out identities of people who were erased after something was received.
	Timely(ctx context.Context, tx *store.Tx, ids map[subject.Kind]string, received time.Time) (map[subject.Kind]string, error)
}

// Predictor scores outcomes and keeps training rows. *predict.Room satisfies it.
type Predictor interface {
	Score(t id.Tenant, outcome uuid.UUID, v *predict.Vector) (predict.Score, bool)
	RecordVisit(ctx context.Context, tx *store.Tx, v predict.Visit) error
}

// Journeys is the state that the worker moves. *journey.Store satisfies it.
type Journeys interface {
	Plan(ctx context.Context, t id.Tenant) (*journey.Plan, error)
	Load(ctx context.Context, t id.Tenant, subjects ...id.Subject) ([]*journey.Visitor, error)
	Seal(ctx context.Context, t id.Tenant, plan *journey.Plan, v *journey.Visitor, fx *journey.Effects, now time.Time) (*journey.Change, error)
	Save(ctx context.Context, tx *store.Tx, changes []*journey.Change) (erased []id.Subject, err error)
	Due(ctx context.Context, t id.Tenant, now time.Time, limit int) ([]id.Subject, error)
	Finished(ctx context.Context, t id.Tenant, action uuid.UUID) (bool, error)
}

// Deps is what a worker needs. All fields but Predict are required.
type Deps struct {
	DB      *store.DB
	Log     stream.Log
	Bus     stream.Bus
	Records Records
	Journey Journeys
	Consent Consent
	People  People
	Predict Predictor // nil: nothing is predicted
	// Merged is told, in the transaction that did it, whom a subject was merged with: consent.Room.Merged.
	// nil: nobody is.
	Merged func(ctx context.Context, tx *store.Tx, s id.Subject) error
	// Tenants lists the organisations, for the clock that ends sessions.
	Tenants func(ctx context.Context) ([]id.Tenant, error)
	// Partition tells which partition a subject's records go to. It is the one that collect uses.
	Partition func(t id.Tenant, s id.Subject) int
	Clock     clock.Clock
	Logger    *slog.Logger
}

// Options tune a worker. The zero value is usable.
type Options struct {
	Name       string        // of this process among those that share the log; empty: a random one
	Partitions int           // of the log; 0: 1
	Batch      int           // a batch ends when it has this many records or a megabyte of them, at the end of a frame; 0: 2000
	Linger     time.Duration // how long a batch waits to fill while nobody waits for it; 0: 25 ms, below 0: not at all
	LingerBusy time.Duration // as Linger, while more than a thousand records a second come in; 0: 150 ms
	Visitors   int           // how many visitors are kept at hand, over all partitions; 0: 16384
	Lease      time.Duration // how long a partition stays ours without a sign of life; 0: 10 s
	Every      time.Duration // how often sessions are ended, the log is compared and trimmed; 0: 10 s
	SoftLag    time.Duration // from here on Admit slows down; 0: 1 s
	HardLag    time.Duration // from here on Admit refuses; 0: 20 s
}

func (o *Options) defaults() {
	if o.Name == "" {
		o.Name = uuid.NewString()
	}
	o.Partitions = max(o.Partitions, 1)
	if o.Batch <= 0 {
		o.Batch = 2000
	}
	switch {
	case o.Linger == 0:
		o.Linger = 25 * time.Millisecond
	case o.Linger < 0:
		o.Linger = 0
	}
	if o.LingerBusy <= 0 {
		o.LingerBusy = 150 * time.Millisecond
	}
	o.LingerBusy = max(o.LingerBusy, o.Linger)
	if o.Visitors <= 0 {
		o.Visitors = 16384
	}
	if o.Lease <= 0 {
		o.Lease = 10 * time.Second
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.SoftLag <= 0 {
		o.SoftLag = time.Second
	}
	if o.HardLag <= 0 {
		o.HardLag = 20 * time.Second
	}
}

// Worker processes the partitions it can get hold of. Make it with New, migrate once, then Run it.
// All methods are safe for concurrent use.
type Worker struct {
	Deps
	opts  Options
	parts []*partition
	plans plans
	stats counters
	live  allowance

	guarding sync.Mutex // held while the log is compared with the offsets

	mu      sync.Mutex // guards renewed
	renewed chan struct{}
}

//go:embed migrations/*.sql
var migrations embed.FS

// New returns a worker.
func New(d Deps, o Options) *Worker {
	o.defaults()
	w := &Worker{Deps: d, opts: o, renewed: make(chan struct{})}
	w.plans.load = d.Journey.Plan
	for n := range o.Partitions {
		w.parts = append(w.parts, newPartition(w, n, max(64, o.Visitors/o.Partitions)))
	}
	return w
}

// Migrate brings the tables up to date.
func (w *Worker) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return w.DB.Migrate(ctx, "worker", files)
}

// Run processes until ctx ends, then gives its partitions back and returns nil. It returns an error
// only if the bus refuses to be listened to: everything else is tried again.
func (w *Worker) Run(ctx context.Context) error {
	cancel, err := w.listen()
	if err != nil {
		return err
	}
	defer cancel()
	var running sync.WaitGroup
	for _, p := range w.parts {
		running.Go(func() { p.run(ctx) })
	}
	running.Go(func() { w.chores(ctx) })
	running.Wait()
	return nil
}

// chores ends sessions, compares the log with the offsets and trims it, every now and then.
func (w *Worker) chores(ctx context.Context) {
	timer := time.NewTicker(w.opts.Every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := w.Tick(ctx); err != nil && ctx.Err() == nil {
			w.Logger.Warn("sessions could not be ended; it is tried again", "error", err)
		}
		if err := w.guard(ctx); err != nil && ctx.Err() == nil {
			w.Logger.Warn("the log could not be compared with what was processed; it is tried again", "error", err)
		}
		w.trim(ctx)
	}
}

// errAgain makes a partition claim and load everything again.
var errAgain = errors.New("start the partition again")
