package collect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const shop = "https://shop.example.com"

// house is a collector over the real rooms, with a log in memory.
type house struct {
	*collect.Collector
	db       *store.DB
	vault    *vault.Vault
	subjects *subject.Room
	consent  *consent.Room
	org      *org.Room
	clk      *clock.Fake
	log      *memoryLog
	lines    *bytes.Buffer // what was logged
	steps    *trace
	deps     collect.Deps

	tenant     id.Tenant
	deployment uuid.UUID
}

// memoryLog keeps records in memory. It fails with err if that is set.
type memoryLog struct {
	mu      sync.Mutex // guards all below
	records [][]byte
	err     error
}

func (l *memoryLog) Append(_ context.Context, _ int, record []byte) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	l.records = append(l.records, bytes.Clone(record))
	return uint64(len(l.records)), nil
}

func (l *memoryLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

func newHouse(t testing.TB, change ...func(*collect.Deps)) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{db: storetest.SQLite(t), clk: clock.NewFake(noon), log: &memoryLog{}, lines: &bytes.Buffer{}, steps: &trace{}}
	var err error
	if h.vault, err = vault.Open(ctx, storetest.SQLite(t), vault.RootKey{1}, h.clk, vault.Options{}); err != nil {
		t.Fatal(err)
	}
	l := ledger.New(h.db, h.vault, h.clk, "probity.test")
	h.subjects = subject.New(h.db, h.vault, h.clk)
	h.consent = consent.New(h.db, l, h.subjects, h.vault, h.clk, nil)
	h.org = org.New(h.db, h.vault, h.clk, org.Options{SecretRounds: 1})
	for _, migrate := range []func(context.Context) error{l.Migrate, h.subjects.Migrate, h.consent.Migrate, h.org.Migrate} {
		if err := migrate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if h.tenant, err = h.org.EnsureDefault(ctx, org.Bootstrap{}); err != nil {
		t.Fatal(err)
	}
	if err := h.consent.EnsureDefaults(ctx, h.tenant); err != nil {
		t.Fatal(err)
	}
	d, err := h.org.SaveDeployment(ctx, h.tenant, org.Deployment{Name: "Shop", AllowedOrigins: []string{shop}})
	if err != nil {
		t.Fatal(err)
	}
	h.deployment = d.ID
	h.deps = collect.Deps{
		Deployments: tracedDeployments{h.org, h.steps}, Subjects: tracedSubjects{h.subjects, h.steps},
		Gate: tracedGate{h.consent, h.steps}, Sealer: tracedSealer{h.vault, h.steps}, Log: tracedLog{h.log, h.steps},
		Clock: tracedClock{h.clk, h.steps}, Logger: slog.New(slog.NewJSONHandler(h.lines, nil)),
		Declarations: h.consent,
	}
	for _, f := range change {
		f(&h.deps)
	}
	h.Collector = collect.New(h.deps)
	return h
}

// visitor returns the cookie of somebody who granted the purposes and refused the others.
func (h *house) visitor(t testing.TB, purposes ...string) uuid.UUID {
	t.Helper()
	ctx := t.Context()
	notice, err := h.consent.Notice(ctx, h.tenant, "en")
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.consent.Purposes(ctx, h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	chosen := map[string]bool{}
	for _, p := range all {
		chosen[p.ID] = false
	}
	for _, p := range purposes {
		chosen[p] = true
	}
	nonce, err := h.consent.Nonce(ctx, h.tenant, consent.NonceFor{Deployment: h.deployment, NoticeID: notice.ID, Version: notice.Version, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := h.consent.Choose(ctx, h.tenant, consent.Choice{Deployment: h.deployment, Nonce: nonce, Purposes: chosen,
		UI: consent.UI{Component: "banner", Action: "save"}, ClientTime: h.clk.Now()})
	if err != nil {
		t.Fatal(err)
	}
	h.clk.Advance(time.Millisecond)
	return *o.Visitor
}

// erase does what an erasure does to subject and key.
func (h *house) erase(t testing.TB, visitor uuid.UUID) {
	t.Helper()
	ctx := t.Context()
	s, ok, err := h.subjects.Lookup(ctx, h.tenant, subject.Cookie, visitor.String())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	err = h.db.Tenant(h.tenant).Write(ctx, func(tx *store.Tx) error {
		return errors.Join(h.subjects.Erase(ctx, tx, []id.Subject{s}), h.consent.Erase(ctx, tx, []id.Subject{s}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.vault.Shred(ctx, h.tenant, s); err != nil {
		t.Fatal(err)
	}
	h.subjects.Forget(h.tenant, s)
	h.consent.Invalidate(h.tenant, s)
}

// events opens everything in the log.
func (h *house) events(t testing.TB) (all []*event.Event) {
	t.Helper()
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	for _, raw := range h.log.records {
		r, err := collect.DecodeRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		events, err := r.Open(t.Context(), h.vault)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

// request wraps a body as a page of the shop sends it.
func request(body string) collect.Request {
	return collect.Request{Body: []byte(body), Origin: shop, UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"}
}

// item is one event of a batch, at noon.
func item(seq int, name, more string) string {
	return fmt.Sprintf(`{"seq":%d,"name":%q,"at":"2026-11-22T12:00:00Z","url":"https://shop.example.com/p/4711"%s}`, seq, name, more)
}

func batch(visitor uuid.UUID, items ...string) string {
	return fmt.Sprintf(`{"visitor":%q,"visit":"0193a6c1-0000-7000-8000-000000000001","context":{"lang":"de","screen":[1920,1080]},"events":[%s]}`,
		visitor, strings.Join(items, ","))
}

func web(visitor uuid.UUID, name, more string) string {
	return fmt.Sprintf(`{"customerCookieId":%q,"eventName":%q,"page":{"url":"https://shop.example.com/p/4711","title":"Chair"},"createdDate":"2026-11-22T12:00:00Z"%s}`, visitor, name, more)
}

// trace notes which room was asked, in order.
type trace struct {
	mu    sync.Mutex // guards all below
	names []string
	fail  map[string]error // what a room shall fail with
}

func (s *trace) step(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
	return s.fail[name]
}

func (s *trace) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.names
	s.names = nil
	return names
}

type tracedClock struct {
	*clock.Fake
	*trace
}

func (c tracedClock) Now() time.Time {
	_ = c.step("clock")
	return c.Fake.Now()
}

type tracedDeployments struct {
	*org.Room
	*trace
}

func (d tracedDeployments) Deployment(ctx context.Context, deployment uuid.UUID) (*org.Deployment, error) {
	if err := d.step("deployment"); err != nil {
		return nil, err
	}
	return d.Room.Deployment(ctx, deployment)
}

type tracedSubjects struct {
	*subject.Room
	*trace
}

func (s tracedSubjects) Lookup(ctx context.Context, t id.Tenant, k subject.Kind, value string) (id.Subject, bool, error) {
	if err := s.step("lookup"); err != nil {
		return id.Subject{}, false, err
	}
	return s.Room.Lookup(ctx, t, k, value)
}

func (s tracedSubjects) Suppressed(ctx context.Context, t id.Tenant, k subject.Kind, value string) (bool, error) {
	if err := s.step("suppressed"); err != nil {
		return false, err
	}
	return s.Room.Suppressed(ctx, t, k, value)
}

func (s tracedSubjects) Ensure(ctx context.Context, t id.Tenant, k subject.Kind, value string) (id.Subject, error) {
	if err := s.step("ensure"); err != nil {
		return id.Subject{}, err
	}
	return s.Room.Ensure(ctx, t, k, value)
}

type tracedGate struct {
	*consent.Room
	*trace
}

func (g tracedGate) Gate(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (consent.Ground, error) {
	if err := g.step("gate " + purpose); err != nil {
		return consent.Ground{}, err
	}
	return g.Room.Gate(ctx, t, s, purpose)
}

func (g tracedGate) GateFor(ctx context.Context, t id.Tenant, s id.Subject, d uuid.UUID, purpose string) (consent.Ground, error) {
	if err := g.step("gate " + purpose); err != nil {
		return consent.Ground{}, err
	}
	return g.Room.GateFor(ctx, t, s, d, purpose)
}

type tracedSealer struct {
	*vault.Vault
	*trace
}

func (s tracedSealer) SealAppend(ctx context.Context, t id.Tenant, sub id.Subject, dst, aad, plain []byte) ([]byte, error) {
	if err := s.step("seal"); err != nil {
		return dst, err
	}
	return s.Vault.SealAppend(ctx, t, sub, dst, aad, plain)
}

type tracedLog struct {
	*memoryLog
	*trace
}

func (l tracedLog) Append(ctx context.Context, partition int, record []byte) (uint64, error) {
	if err := l.step("append"); err != nil {
		return 0, err
	}
	return l.memoryLog.Append(ctx, partition, record)
}

// wantFailure checks kind and code of an error.
func wantFailure(t testing.TB, err error, kind fail.Kind, code string) {
	t.Helper()
	f, ok := errors.AsType[*fail.Error](err)
	if !ok || f.Kind != kind || f.Code != code {
		t.Fatalf("got %v (%+v), want kind %d code %q", err, f, kind, code)
	}
}
