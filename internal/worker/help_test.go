package worker_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/predict"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/stream"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/internal/worker"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// gate is a consent room with nothing but a list of what was withdrawn.
type gate struct {
	mu   sync.Mutex // guards shut
	shut map[string]time.Time
}

func (g *gate) close(s id.Subject, purpose string, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(map[string]time.Time)
	}
	g.shut[s.String()+purpose] = at
}

func (g *gate) Allowed(_ context.Context, _ id.Tenant, s id.Subject, purpose string, _ consent.Ground, received time.Time) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, shut := g.shut[s.String()+purpose]
	return !shut || received.Before(at), nil
}

func (g *gate) GateFor(_ context.Context, _ id.Tenant, s id.Subject, _ uuid.UUID, purpose string) (consent.Ground, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, shut := g.shut[s.String()+purpose]; shut {
		return consent.Ground{}, fail.New(fail.ConsentRequired, "no consent for %s", purpose)
	}
	return consent.Ground{Basis: "consent", Ledger: 42}, nil
}

// counting predicts that the outcome comes closer with every event, and keeps the visits it is given.
type counting struct {
	mu     sync.Mutex // guards visits
	visits []predict.Visit
}

func (c *counting) Score(_ id.Tenant, outcome uuid.UUID, v *predict.Vector) (predict.Score, bool) {
	return predict.Score{Outcome: outcome, Probability: float64(v[0]) / 10, Shown: true, Stage: predict.StageRegression}, true
}

func (c *counting) RecordVisit(_ context.Context, _ *store.Tx, v predict.Visit) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.visits = append(c.visits, v)
	return nil
}

func (c *counting) seen() []predict.Visit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]predict.Visit(nil), c.visits...)
}

// site is everything that a worker needs, in files of its own.
type site struct {
	t         testing.TB
	dir       string
	db        *store.DB
	keys      *vault.Vault
	log       *stream.Engine
	journey   *journey.Store
	people    *subject.Room
	gate      *gate
	predictor *counting
	clock     *clock.Fake
	tenant    id.Tenant
	outcome   uuid.UUID
	parts     int
}

func newSite(t testing.TB, db *store.DB) *site { return newPartitionedSite(t, db, 1) }

func newPartitionedSite(t testing.TB, db *store.DB, parts int) *site {
	t.Helper()
	s := &site{
		t: t, dir: t.TempDir(), db: db, gate: &gate{}, predictor: &counting{}, clock: clock.NewFake(noon),
		tenant: id.NewTenant(), parts: parts,
	}
	ctx := t.Context()
	var err error
	if s.keys, err = vault.Open(ctx, storetest.SQLite(t), vault.RootKey{1}, s.clock, vault.Options{}); err != nil {
		t.Fatal(err)
	}
	s.openLog("log")
	if s.journey, err = journey.NewStore(db, s.keys, s.clock); err != nil {
		t.Fatal(err)
	}
	s.people = subject.New(db, s.keys, s.clock)
	for _, migrate := range []func(context.Context) error{s.journey.Migrate, s.people.Migrate, s.worker("migrating", nil).Migrate} {
		if err := migrate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.plan()
	return s
}

func (s *site) openLog(name string) {
	s.t.Helper()
	log, err := stream.Open(s.t.Context(), stream.Options{Dir: filepath.Join(s.dir, name), Partitions: s.parts})
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = log
	s.t.Cleanup(func() { log.Close() })
}

// plan configures one outcome and one offer that is made when the outcome has become likely.
func (s *site) plan() {
	s.t.Helper()
	ctx := s.t.Context()
	o, err := s.journey.CreateOutcome(ctx, s.tenant, journey.EventOutcome("Purchase", "order_completed"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.outcome = o.ID
	a, err := s.journey.CreateTemplate(ctx, s.tenant, journey.ActionTemplate{
		Name: "Voucher", Content: &journey.ContentOffer{DisplayMode: "Modal", LayoutMode: "TextOnly", Headline: "Can we help?"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.journey.CreateActionMap(ctx, s.tenant, journey.ActionMap{
		Active: true, Name: "Help", Probabilities: []journey.ProbabilityCondition{{Outcome: o.ID, Reached: 0.5}},
		Action: journey.Action{Media: journey.MediaContent, Template: a.ID},
	}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) worker(name string, change func(*worker.Options)) *worker.Worker {
	return s.workerOn(s.log, name, change)
}

func (s *site) workerWith(r worker.Records, name string) *worker.Worker {
	d := s.deps()
	d.Records = r
	return worker.New(d, s.options(name))
}

func (s *site) workerOn(log stream.Log, name string, change func(*worker.Options)) *worker.Worker {
	d, o := s.deps(), s.options(name)
	d.Log = log
	if change != nil {
		change(&o)
	}
	return worker.New(d, o)
}

func (s *site) options(name string) worker.Options {
	return worker.Options{Name: name, Partitions: s.parts, Linger: -1, Every: time.Hour}
}

func (s *site) deps() worker.Deps {
	return worker.Deps{
		DB: s.db, Log: s.log, Bus: s.log, Records: records{s.keys}, Journey: s.journey, Consent: s.gate, People: s.people,
		Predict:   s.predictor,
		Tenants:   func(context.Context) ([]id.Tenant, error) { return []id.Tenant{s.tenant}, nil },
		Partition: s.partitionOf,
		Clock:     s.clock, Logger: slog.New(slog.DiscardHandler),
	}
}

func (s *site) partitionOf(t id.Tenant, sub id.Subject) int {
	return collect.Partition(t, sub, s.parts)
}

// start runs a worker until stop is called or the test ends.
func (s *site) start(w *worker.Worker) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				s.t.Errorf("the worker ended with %v", err)
			}
		})
	}
	s.t.Cleanup(stop)
	return stop
}

// visitor makes a subject as collect does.
func (s *site) visitor() id.Subject {
	s.t.Helper()
	sub, err := s.people.Ensure(s.t.Context(), s.tenant, subject.Cookie, uuid.NewString())
	if err != nil {
		s.t.Fatal(err)
	}
	return sub
}

// send puts events into the log, in one record, and returns its number.
func (s *site) send(sub id.Subject, events ...*event.Event) uint64 {
	s.t.Helper()
	record, err := s.record(sub, events...)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.raw(s.partition(sub), record)
}

func (s *site) partition(sub id.Subject) int { return collect.Partition(s.tenant, sub, s.parts) }

func (s *site) raw(partition int, record []byte) uint64 {
	s.t.Helper()
	seq, err := s.log.Append(s.t.Context(), partition, record)
	if err != nil {
		s.t.Fatal(err)
	}
	return seq
}

func (s *site) record(sub id.Subject, events ...*event.Event) ([]byte, error) {
	var plain []byte
	for _, ev := range events {
		b, err := ev.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		plain = binary.AppendUvarint(plain, uint64(len(b)))
		plain = append(plain, b...)
	}
	r := collect.Record{Tenant: s.tenant, Subject: sub, Event: events[0].ID, Received: events[0].Received}
	var err error
	if r.Sealed, err = s.keys.SealAppend(context.Background(), s.tenant, sub, nil, r.AAD(), plain); err != nil {
		return nil, err
	}
	return collect.EncodeRecord(r), nil
}

// wait returns when the record has taken effect.
func (s *site) wait(w *worker.Worker, sub id.Subject, seq uint64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	if err := w.Wait(ctx, s.partition(sub), seq); err != nil {
		s.t.Fatalf("the record did not take effect: %v", err)
	}
}

func (s *site) sessions(sub id.Subject) []*journey.Session {
	s.t.Helper()
	all, err := s.journey.For(open{}).SessionsOf(s.t.Context(), s.tenant, 0, sub)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// records reads the log as the program does.
type records struct{ keys *vault.Vault }

func (records) Head(b []byte) (worker.Head, error) {
	r, err := collect.DecodeRecord(b)
	return worker.Head{Tenant: r.Tenant, Subject: r.Subject, Received: r.Received}, err
}

func (r records) Open(ctx context.Context, b []byte) ([]*event.Event, error) {
	rec, err := collect.DecodeRecord(b)
	if err != nil {
		return nil, err
	}
	return rec.Open(ctx, r.keys)
}

// at returns an event that came in so many seconds after noon.
func at(seconds int, name string) *event.Event {
	t := noon.Add(time.Duration(seconds) * time.Second)
	return &event.Event{
		ID: id.New(), Name: name, At: t, Received: t,
		Page:    event.Page{URL: fmt.Sprintf("https://shop.example/%s/%d", name, seconds), Path: fmt.Sprintf("/%s/%d", name, seconds), Title: name},
		Purpose: "measure", Ground: event.Ground{Basis: "consent", Ledger: 1},
	}
}

// open is a gate for reading what is there, whatever anybody allows.
type open struct{}

func (open) Standing(context.Context, id.Tenant, id.Subject, string) (bool, error) { return true, nil }
