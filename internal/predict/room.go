package predict

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// purposePredict is the purpose that a data subject must allow for a visit to be learnt from.
const purposePredict = "predict"

// Keys seals what is kept of a person under that person's key. *vault.Vault satisfies it.
type Keys interface {
	Seal(ctx context.Context, t id.Tenant, s id.Subject, aad, plain []byte) ([]byte, error)
	Open(ctx context.Context, t id.Tenant, s id.Subject, aad, sealed []byte) ([]byte, error)
}

// Allow tells whether a data subject allows a purpose now. It may read the database, and is never
// called within a transaction.
type Allow func(ctx context.Context, t id.Tenant, s id.Subject, purpose string) bool

// DefaultRetention is how long counters of finished visits are kept where Options say nothing.
const DefaultRetention = 180 * 24 * time.Hour

// Options configures a Room. The zero value of every field is usable, but only tests leave Keys out.
type Options struct {
	// Keys seals training rows. Nil: they are stored as they are.
	Keys Keys
	// Retention is how long training rows are kept; 0 means 180 days.
	Retention time.Duration
	// Workers is how many goroutines train; 0 means one for each processor.
	Workers int
	// Logger receives what Run can't return; nil: nobody does.
	Logger *slog.Logger
}

// Room owns the predictors of all organisations: their training rows, models and scores. Its methods
// may be called concurrently.
type Room struct {
	db    *store.DB
	clock clock.Clock
	allow Allow
	opts  Options

	current atomic.Pointer[snapshot]
	change  sync.Mutex // held while current is replaced

	mu       sync.Mutex // guards training
	training map[id.Tenant]*sync.Mutex
}

// snapshot holds the predictors of all organisations. It is never changed, only replaced.
type snapshot struct {
	tenants map[id.Tenant]map[uuid.UUID]*predictor
}

// New returns the room. Call Migrate, then Load, before anything else.
func New(db *store.DB, clk clock.Clock, allow Allow, o Options) *Room {
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Room{db: db, clock: clk, allow: allow, opts: o, training: map[id.Tenant]*sync.Mutex{}}
	r.current.Store(&snapshot{tenants: map[id.Tenant]map[uuid.UUID]*predictor{}})
	return r
}

// Migrate brings the tables of the room up to date.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "predict", files)
}

// turn returns the lock under which the organisation's models are trained: one training at a time.
func (r *Room) turn(t id.Tenant) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	lock, ok := r.training[t]
	if !ok {
		lock = new(sync.Mutex)
		r.training[t] = lock
	}
	return lock
}

// swap replaces the predictors of one organisation.
func (r *Room) swap(t id.Tenant, list map[uuid.UUID]*predictor) {
	r.change.Lock()
	defer r.change.Unlock()
	next := maps.Clone(r.current.Load().tenants)
	if len(list) == 0 {
		delete(next, t)
	} else {
		next[t] = list
	}
	r.current.Store(&snapshot{tenants: next})
}
