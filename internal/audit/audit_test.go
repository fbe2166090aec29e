package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/audit"
	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	site = uuid.MustParse("5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d")
)

// house is what an audit reads, over the real rooms.
type house struct {
	t        testing.TB
	db       *store.DB
	clk      *clock.Fake
	keys     *vault.Vault
	subjects *subject.Room
	consent  *consent.Room
	journey  *journey.Store
	tenant   id.Tenant
}

func newHouse(t testing.TB, db *store.DB) *house {
	t.Helper()
	h := &house{t: t, db: db, clk: clock.NewFake(noon), tenant: id.NewTenant()}
	var err error
	if h.keys, err = vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{7}, h.clk, vault.Options{}); err != nil {
		t.Fatal(err)
	}
	log := ledger.New(db, h.keys, h.clk, "probity.test")
	h.subjects = subject.New(db, h.keys, h.clk)
	h.consent = consent.New(db, log, h.subjects, h.keys, h.clk, nil)
	if h.journey, err = journey.NewStore(db, h.keys, h.clk); err != nil {
		t.Fatal(err)
	}
	for _, migrate := range []func() error{
		func() error { return log.Migrate(t.Context()) },
		func() error { return h.subjects.Migrate(t.Context()) },
		func() error { return h.consent.Migrate(t.Context()) },
		func() error { return h.journey.Migrate(t.Context()) },
		func() error { return h.consent.EnsureDefaults(t.Context(), h.tenant) },
	} {
		if err := migrate(); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// choose says yes to the purposes and no to all others.
func (h *house) choose(visitor *uuid.UUID, yes ...string) *consent.Outcome {
	h.t.Helper()
	nonce, err := h.consent.Nonce(h.t.Context(), h.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
	if err != nil {
		h.t.Fatal(err)
	}
	purposes := map[string]bool{}
	for _, p := range notice.DefaultPurposes() {
		purposes[p.ID] = slices.Contains(yes, p.ID)
	}
	out, err := h.consent.Choose(h.t.Context(), h.tenant, consent.Choice{
		Deployment: site, Nonce: nonce, Visitor: visitor, Purposes: purposes, UI: consent.UI{Component: "banner", Action: "save"},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *house) withdraw(visitor uuid.UUID, purposes ...string) *consent.Outcome {
	h.t.Helper()
	out, err := h.consent.Withdraw(h.t.Context(), h.tenant, consent.Withdrawal{
		Deployment: site, Visitor: visitor, Purposes: purposes, UI: consent.UI{Component: "preferences", Action: "withdraw_all"},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// receive makes an event as the edge does: only on a ground that the gate gives, stamped before it is
// asked.
func (h *house) receive(s id.Subject, purpose string) *event.Event {
	h.t.Helper()
	ev := happened(h.clk.Now(), purpose)
	g, err := h.consent.Gate(h.t.Context(), h.tenant, s, purpose)
	if err != nil {
		h.t.Fatal(err)
	}
	ev.Ground = event.Ground(g)
	return ev
}

func happened(at time.Time, purpose string) *event.Event {
	name := event.PageViewed
	if purpose != notice.Measure {
		name = "product_added"
	}
	return &event.Event{
		ID: id.New(), Name: name, At: at, Received: at, Deployment: site, Purpose: purpose,
		Page: event.Page{URL: "https://shop.example/p", Path: "/p", Host: "shop.example"},
	}
}

// plant writes events into the database whatever anybody allows.
func (h *house) plant(s id.Subject, events ...*event.Event) {
	h.t.Helper()
	ctx := h.t.Context()
	found, err := h.journey.Load(ctx, h.tenant, s)
	if err != nil {
		h.t.Fatal(err)
	}
	plan := journey.NewPlan(nil, nil, nil, nil)
	env := journey.Env{Allow: func(string) bool { return true }}
	var fx journey.Effects
	for _, ev := range events {
		found[0].ApplyTo(&fx, plan, ev, &env)
	}
	if len(fx.Events) != len(events) {
		h.t.Fatalf("%d of %d events were counted", len(fx.Events), len(events))
	}
	c, err := h.journey.Seal(ctx, h.tenant, plan, found[0], &fx, h.clk.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.db.Tenant(h.tenant).Write(ctx, func(tx *store.Tx) error {
		_, err := h.journey.Save(ctx, tx, []*journey.Change{c})
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) audit() *audit.Report {
	h.t.Helper()
	report, err := audit.Events(h.t.Context(), h.consent, h.journey, h.tenant)
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

func (h *house) covered(record uuid.UUID) []uuid.UUID {
	h.t.Helper()
	var all []uuid.UUID
	for from := 0; ; {
		c, err := audit.Record(h.t.Context(), h.consent, h.journey, h.tenant, record, from, 3)
		if err != nil {
			h.t.Fatal(err)
		}
		sum := 0
		for _, p := range c.Purposes {
			sum += p.Events
		}
		if sum != c.Events {
			h.t.Errorf("the sums are %+v of %d events", c.Purposes, c.Events)
		}
		all = append(all, c.Page...)
		if from = c.Next; from == 0 {
			return all
		}
	}
}

func ids(events ...*event.Event) (all []uuid.UUID) {
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

func same(a, b []uuid.UUID) bool {
	sort := func(l []uuid.UUID) []uuid.UUID {
		l = slices.Clone(l)
		slices.SortFunc(l, func(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) })
		return l
	}
	return slices.Equal(sort(a), sort(b))
}

func TestW9_AWithdrawalSelectsExactlyTheEventsItCoveredAndLeavesTheGrant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		out := h.choose(nil, notice.Measure, notice.Actions)
		s := out.Subject
		h.clk.Advance(time.Second)
		var views, acts []*event.Event
		for range 10 { // more than a chunk holds
			views, acts = append(views, h.receive(s, notice.Measure)), append(acts, h.receive(s, notice.Actions))
			h.clk.Advance(time.Second)
		}
		h.plant(s, append(slices.Clone(views), acts...)...)
		before, err := h.consent.Receipt(t.Context(), h.tenant, s, out.RecordID)
		if err != nil {
			t.Fatal(err)
		}
		first := h.withdraw(*out.Visitor, notice.Actions)
		h.clk.Advance(time.Second)
		again := h.choose(out.Visitor, notice.Measure, notice.Actions)
		h.clk.Advance(time.Second)
		later := []*event.Event{h.receive(s, notice.Measure), h.receive(s, notice.Actions)}
		h.plant(s, later...)
		h.clk.Advance(time.Second)
		second := h.withdraw(*out.Visitor)

		for _, c := range []struct {
			name   string
			record uuid.UUID
			want   []uuid.UUID
		}{
			{"the first grant", out.RecordID, ids(append(slices.Clone(views), acts...)...)},
			{"the first withdrawal, of actions", first.RecordID, ids(acts...)},
			{"the second grant", again.RecordID, ids(later...)},
			{"the second withdrawal, of everything", second.RecordID, ids(append(slices.Clone(views), later...)...)},
		} {
			if got := h.covered(c.record); !same(got, c.want) {
				t.Errorf("%s covers %d events, want %d", c.name, len(got), len(c.want))
			}
		}
		after, err := h.consent.Receipt(t.Context(), h.tenant, s, out.RecordID)
		if err != nil || string(after.Entry) != string(before.Entry) {
			t.Errorf("the grant changed: %v", err)
		}
		if report := h.audit(); report.Checked != 22 || report.Violated != 0 {
			t.Errorf("what was received before a withdrawal is no longer lawful: %+v", report)
		}
		if _, err := audit.Record(t.Context(), h.consent, h.journey, h.tenant, uuid.New(), 0, 10); !fail.Is(err, fail.NotFound) {
			t.Errorf("a record that there is not: %v", err)
		}
	})
}

func TestT2_AnEventWithoutALiveBasisAtReceiptIsNamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		out, other := h.choose(nil, notice.Measure), h.choose(nil, notice.Measure)
		s := out.Subject
		h.clk.Advance(time.Second)
		good := h.receive(s, notice.Measure)
		h.plant(s, good)
		declared, err := h.consent.Declare(t.Context(), h.tenant, consent.Declaration{
			Deployment: uuid.New(), Basis: "legitimate_interest", Purposes: []string{notice.Measure}, Assessment: "Weighed against the interests of visitors.",
		})
		if err != nil {
			t.Fatal(err)
		}
		h.clk.Advance(time.Minute)
		h.withdraw(*out.Visitor)
		h.clk.Advance(time.Minute)
		if report := h.audit(); report.Checked != 1 || report.Violated != 0 {
			t.Fatalf("before anything is planted: %+v", report)
		}
		stranger := id.NewSubject()
		if err := h.keys.CreateSubject(t.Context(), h.tenant, stranger); err != nil {
			t.Fatal(err)
		}
		lawful := other.Subject
		received := h.clk.Now()
		for _, c := range []struct {
			name, reason string
			subject      id.Subject
			change       func(*event.Event)
		}{
			{"received after the withdrawal", "ConsentWithdrawn", s, func(e *event.Event) { e.Ground = good.Ground }},
			{"received before the grant", "ConsentUnknown", lawful, func(e *event.Event) { e.Received = noon.Add(-time.Hour) }},
			{"for a purpose that was refused", "ConsentRefused", lawful, func(e *event.Event) { e.Purpose = notice.Actions }},
			{"cites somebody else's choice", "no choice of this visitor", lawful, func(e *event.Event) { e.Ground = good.Ground }},
			{"of somebody who never chose", "ConsentUnknown", stranger, func(*event.Event) {}},
			{"cites a declaration that there is not", "that there is not", stranger, func(e *event.Event) {
				e.Ground = event.Ground{Basis: "legitimate_interest", Declared: uuid.NewString()}
			}},
			{"cites a declaration for elsewhere", "another", stranger, func(e *event.Event) {
				e.Ground = event.Ground{Basis: "legitimate_interest", Declared: declared}
			}},
			{"holds traits without identity", "without a basis for the purpose identity", lawful, func(e *event.Event) {
				e.ExternalID = "crm-7"
			}},
		} {
			bad := happened(received, notice.Measure)
			received = received.Add(time.Second)
			bad.At, bad.Received = received, received
			g, err := h.consent.Gate(t.Context(), h.tenant, lawful, notice.Measure)
			if err != nil {
				t.Fatal(err)
			}
			bad.Ground = event.Ground(g)
			c.change(bad)
			before := h.audit()
			h.plant(c.subject, bad)
			report := h.audit()
			if report.Violated != before.Violated+1 || report.Checked != before.Checked+1 {
				t.Fatalf("%s: %+v", c.name, report)
			}
			i := slices.IndexFunc(report.Violations, func(v audit.Violation) bool { return v.Event == bad.ID })
			if i < 0 || !strings.Contains(report.Violations[i].Reason, c.reason) {
				t.Errorf("%s: %+v", c.name, report.Violations)
			}
			if strings.Contains(fmt.Sprint(report.Violations), "crm-7") {
				t.Error("the report holds personal data")
			}
		}
	})
}

// A record that was edited so that it says yes does not make an event lawful.
func TestT2_AnEditedRecordCoversNothing(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	out := h.choose(nil, notice.Measure)
	h.clk.Advance(time.Second)
	ev := h.receive(out.Subject, notice.Measure)
	ev.Purpose = notice.Actions
	if err := h.db.Tenant(h.tenant).Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE consent_record SET effects = replace(effects, 'actions=ConsentRefused', 'actions=ConsentGiven') WHERE tenant_id = $1`, h.tenant)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	h.plant(out.Subject, ev)
	if report := h.audit(); report.Violated != 1 || !strings.Contains(report.Violations[0].Reason, "not what was logged") {
		t.Errorf("got %+v", report)
	}
}

// Devices that are found to be one person's later do not make lawful events unlawful.
func TestL29_AMergeDoesNotReachBackInTime(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	phone := h.choose(nil, notice.Identity)
	laptop := h.choose(nil, notice.Identity, notice.Measure)
	h.clk.Advance(time.Second)
	h.plant(laptop.Subject, h.receive(laptop.Subject, notice.Measure))
	h.clk.Advance(time.Minute)
	for _, s := range []id.Subject{phone.Subject, laptop.Subject} {
		if err := h.db.Tenant(h.tenant).Write(t.Context(), func(tx *store.Tx) error {
			_, err := h.subjects.Identify(t.Context(), tx, s, map[subject.Kind]string{subject.Email: "ann@example.org"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if report := h.audit(); report.Checked != 1 || report.Violated != 0 {
		t.Errorf("after the merge: %+v", report)
	}
	h.clk.Advance(2 * time.Second)
	late := happened(h.clk.Now(), notice.Measure)
	late.Ground = event.Ground{Basis: "consent", Ledger: 2}
	h.plant(laptop.Subject, late)
	if report := h.audit(); report.Violated != 1 || report.Violations[0].Event != late.ID {
		t.Errorf("an event after the merge: %+v", report)
	}
}

func BenchmarkAuditOfEvents(b *testing.B) {
	h := newHouse(b, storetest.SQLite(b))
	const people, each = 200, 40
	for range people {
		out := h.choose(nil, notice.Measure)
		h.clk.Advance(time.Millisecond)
		events := make([]*event.Event, each)
		for i := range events {
			events[i] = h.receive(out.Subject, notice.Measure)
			h.clk.Advance(time.Millisecond)
		}
		h.plant(out.Subject, events...)
	}
	n := 0
	for b.Loop() {
		report := h.audit()
		if report.Checked != people*each || report.Violated != 0 {
			b.Fatalf("%+v", report)
		}
		n += int(report.Checked)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func TestEventsOfManyRecordsAreCountedAsThoseOfEach(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	var records []uuid.UUID
	out := h.choose(nil, notice.Measure, notice.Actions)
	records = append(records, out.RecordID)
	for range 3 {
		h.clk.Advance(time.Minute)
		h.plant(out.Subject, h.receive(out.Subject, notice.Measure), h.receive(out.Subject, notice.Actions))
		records = append(records, h.withdraw(*out.Visitor, notice.Actions).RecordID)
		h.clk.Advance(time.Minute)
		records = append(records, h.choose(out.Visitor, notice.Measure, notice.Actions).RecordID)
	}
	counts, err := audit.Counts(t.Context(), h.consent, h.journey, h.tenant, records)
	if err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, record := range records {
		want := len(h.covered(record))
		if all += want; counts[record] != want {
			t.Errorf("record %s covers %d events, counted together %d", record, want, counts[record])
		}
	}
	if all == 0 {
		t.Error("the records cover nothing")
	}
	if _, err := audit.Counts(t.Context(), h.consent, h.journey, h.tenant, []uuid.UUID{uuid.New()}); !fail.Is(err, fail.NotFound) {
		t.Errorf("a record that there is not: %v", err)
	}
}
