package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/downstream"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/mail"
	"probity/internal/opendsr"
	"probity/internal/org"
	"probity/internal/predict"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/stream"
	"probity/internal/subject"
	"probity/internal/withdrawn"
	"probity/internal/witness"
	"probity/internal/worker"
	"probity/sdk"
)

// rooms are the rooms of the house, wired to the engines and to each other.
type rooms struct {
	*engines
	org       *org.Room
	ledger    *ledger.Ledger
	subjects  *subject.Room
	consent   *consent.Room
	mail      *mail.Room
	predict   *predict.Room
	journey   *journey.Store
	collector *collect.Collector
	worker    *worker.Worker
	rights    *rights.Room
	others    *downstream.Room // systems that are told of withdrawals
	opendsr   *opendsr.Room    // requests of controllers
	withdrawn *withdrawn.Room
	witness   *witness.Witness
	publisher *witness.Publisher
	upkeep    upkeep
	tenant    id.Tenant // the default organisation
}

// furnish builds and migrates the rooms, ground floor first, and makes the default organisation.
func furnish(ctx context.Context, e *engines, s *settings) (*rooms, error) {
	r := &rooms{engines: e}
	r.org = org.New(e.db, e.keys, e.clock, org.Options{})
	r.ledger = ledger.New(e.db, e.keys, e.clock, logOrigin(s.PublicURL))
	r.subjects = subject.New(e.db, e.keys, e.clock)
	r.consent = consent.New(e.db, r.ledger, r.subjects, e.keys, e.clock, busOf(e.stream))
	r.consent.Describe(terms(s))
	var err error
	if r.mail, err = mail.New(e.db, e.keys, e.clock, e.log, mail.Options{URL: s.SMTPURL, From: s.MailFrom}); err != nil {
		return nil, err
	}
	if r.mail.Enabled() {
		r.consent.UsePost(&post{r, s.publicURL()}, e.keys)
	}
	r.predict = predict.New(e.db, e.clock, r.mayPredict, predict.Options{Keys: e.keys, Logger: e.log})
	if r.journey, err = journey.NewStore(e.db, e.keys, e.clock); err != nil {
		return nil, err
	}
	if r.others, err = downstream.New(e.db, e.clock, e.log, downstream.Options{URL: s.ConsentWebhook, Secret: s.ConsentWebhookSecret}); err != nil {
		return nil, err
	}
	r.withdrawn = withdrawn.New(withdrawn.Deps{
		DB: e.db, Records: r.consent, Journey: r.journey, Lessons: r.predict, Forget: r.forget, Clock: e.clock, Logger: e.log,
		Default: withdrawn.Policy(s.WithdrawnData),
		Stays: func(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error) {
			return r.rights.MustStay(ctx, tx, subjects)
		},
	})
	r.consent.OnClosed(r.closed)
	lessons := rights.Lessons(r.predict)
	r.rights = rights.New(rights.Deps{
		DB: e.db, Keys: e.keys, People: r.subjects, Ledger: r.ledger,
		Stores: []rights.Store{
			rights.Identities(r.subjects), rights.Choices(r.consent), rights.Journeys(r.journey), lessons, r.others, r.withdrawn,
			rights.Letters(r.mail), rights.Statements(e.db, e.keys),
		},
		Models: lessons, Register: e.erased, Bus: busOf(e.stream), Gate: r.consent, Closed: r.consent, Mail: r.mail, Controller: r.controller, Clock: e.clock, Logger: e.log,
		PublicURL: s.PublicURL,
	})
	r.consent.RestrictedBy(r.rights.Restricted)
	r.consent.KeptBy(r.rights.KeepClosed)
	r.consent.FreshBy(func(ctx context.Context) error { _, err := r.catchUp(ctx); return err })
	if r.opendsr, err = openOpenDSR(e, r.rights, s); err != nil {
		return nil, err
	}
	if err := r.publish(s); err != nil {
		return nil, err
	}
	migrations := []struct {
		room    string
		migrate func(context.Context) error
	}{
		{"org", r.org.Migrate}, {"ledger", r.ledger.Migrate}, {"subject", r.subjects.Migrate},
		{"consent", r.consent.Migrate}, {"predict", r.predict.Migrate}, {"journey", r.journey.Migrate},
		{"rights", r.rights.Migrate}, {"downstream", r.others.Migrate}, {"withdrawn", r.withdrawn.Migrate}, {"mail", r.mail.Migrate},
		{"opendsr", r.opendsr.Migrate},
		{"witness", r.publisher.Migrate},
	}
	for _, m := range migrations {
		if err := m.migrate(ctx); err != nil {
			return nil, fmt.Errorf("migrate %s: %w", m.room, err)
		}
	}
	if err := r.resumeLogs(ctx); err != nil {
		return nil, err
	}
	r.tenant, err = r.org.EnsureDefault(ctx, org.Bootstrap{
		Client: s.BootstrapClient, Deployment: s.BootstrapDeployment, Basis: s.BootstrapBasis,
		Declare: r.declareBootstrap,
	})
	if err != nil {
		return nil, err
	}
	if err := r.consent.EnsureDefaults(ctx, r.tenant); err != nil {
		return nil, err
	}
	if r.rights.Push, err = s.push(); err != nil {
		return nil, err
	}
	if r.rights.Databases, err = readDatabases(s.Databases, r.tenant); err != nil {
		return nil, err
	}
	return r, r.predict.Load(ctx)
}

// terms are what every entry of consent says about this installation.
func terms(s *settings) consent.Terms {
	f := consent.Terms{
		Jurisdiction: s.Jurisdiction, Storage: s.StorageLocation, Retention: s.Retention,
		PublicURL: strings.TrimRight(s.PublicURL, "/"),
		Build:     consent.Build{Version: sdk.Version(), Files: map[string][]byte{}},
	}
	for _, name := range []string{"banner.js", "banner.css"} {
		if body, ok := sdk.File(name); ok {
			f.Build.Files[name] = body
		}
	}
	return f
}

// closed is what happens in the transaction that closes purposes of somebody.
func (r *rooms) closed(ctx context.Context, tx *store.Tx, rec *consent.Record, purposes []string) error {
	if err := r.others.Closed(ctx, tx, rec, purposes); err != nil {
		return err
	}
	return r.withdrawn.Closed(ctx, tx, rec, purposes)
}

// forget drops what this process holds of visitors in memory. There is nothing to drop before the
// worker is there.
func (r *rooms) forget(t id.Tenant, subjects ...id.Subject) {
	if r.worker != nil {
		r.worker.Forget(t, subjects...)
	}
}

// follow adds what needs the log: the edge and the worker.
func (r *rooms) follow(ctx context.Context, s *settings) error {
	partition := func(t id.Tenant, sub id.Subject) int { return collect.Partition(t, sub, r.stream.Partitions()) }
	r.worker = worker.New(worker.Deps{
		DB: r.db, Log: r.stream, Bus: r.stream, Records: records{r.engines}, Journey: r.journey,
		Consent: r.consent, People: r.subjects, Predict: r.predict, Merged: r.consent.Merged, Tenants: r.tenants,
		Partition: partition, Clock: r.clock, Logger: r.log,
	}, worker.Options{Partitions: r.stream.Partitions()})
	if err := r.worker.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate worker: %w", err)
	}
	r.consent.OnChange(r.worker.Recheck) // what another process recorded, even if its message was lost
	r.collector = collect.New(collect.Deps{
		Deployments: r.org, Subjects: r.subjects, Gate: r.consent, Sealer: r.keys,
		Log: admitted{r.worker, r.stream}, Clock: r.clock, Logger: r.log, Partitions: r.stream.Partitions(),
		Declarations: r.consent, Outcomes: outcomes{r},
		Erased: func(ctx context.Context) error { _, err := r.catchUp(ctx); return err },
	})
	return nil
}

// logOrigin names the ledger in checkpoints. It must stay the same for the life of the log, so it
// holds no port and no scheme.
func logOrigin(publicURL string) string {
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "probity.invalid"
}

func (r *rooms) tenants(ctx context.Context) ([]id.Tenant, error) {
	all, err := r.org.Organisations(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]id.Tenant, len(all))
	for i, o := range all {
		list[i] = o.ID
	}
	return list, nil
}

// organisationName is how pages for visitors call the controller.
func (r *rooms) organisationName(ctx context.Context) string {
	o, err := r.org.Organisation(ctx, r.tenant)
	if err != nil {
		return unnamed
	}
	return o.Name
}

// controllerName is how the pages that links in letters lead to call the organisation the letter came
// from. A link that is none of ours is answered in the name of the installation.
func (r *rooms) controllerName(ctx context.Context, t id.Tenant) string {
	if t.IsZero() {
		return r.organisationName(ctx)
	}
	if name, err := r.consent.Controller(ctx, t); err == nil && name != "" {
		return name
	}
	if o, err := r.org.Organisation(ctx, t); err == nil {
		return o.Name
	}
	return unnamed
}

// unnamed is how an organisation is called that can't be looked up.
const unnamed = "the operator of this website"

func (r *rooms) mayPredict(ctx context.Context, t id.Tenant, s id.Subject, purpose string) bool {
	ok, err := r.consent.Learnable(ctx, t, s, purpose, collect.PurposeMeasure, collect.PurposeActions)
	return err == nil && ok
}

// declareBootstrap records the basis that the operator declared for the first deployment.
func (r *rooms) declareBootstrap(ctx context.Context, t id.Tenant, deployment uuid.UUID, basis string) (string, error) {
	if err := r.consent.EnsureDefaults(ctx, t); err != nil {
		return "", err
	}
	purposes, err := r.consent.Purposes(ctx, t)
	if err != nil {
		return "", err
	}
	var all []string
	for _, p := range purposes {
		all = append(all, p.ID)
	}
	return r.consent.Declare(ctx, t, consent.Declaration{
		Deployment: deployment, Basis: basis, Purposes: all,
		Assessment: "Declared by the operator when this installation was first started (PROBITY_BOOTSTRAP_BASIS). Replace it with an assessment of your own.",
	})
}

// controller gathers what an answer to a data subject must say about the organisation.
func (r *rooms) controller(ctx context.Context, t id.Tenant) (rights.Controller, error) {
	o, err := r.org.Organisation(ctx, t)
	if err != nil {
		return rights.Controller{}, err
	}
	purposes, err := r.consent.Purposes(ctx, t)
	if err != nil {
		return rights.Controller{}, err
	}
	newest, err := r.consent.Newest(ctx, t)
	if err != nil {
		return rights.Controller{}, err
	}
	c := rights.Controller{
		Name: o.Name, Country: o.DefaultCountry, Notice: newest, ProofDays: int(r.upkeep.retire.After / (24 * time.Hour)),
	}
	if newest != nil && newest.Draft.Facts.Controller != "" {
		c.Name = newest.Draft.Facts.Controller
	}
	for _, p := range purposes {
		texts := map[string]rights.PurposeText{}
		for language, one := range p.Texts {
			texts[language] = rights.PurposeText{Title: one.Title, Description: one.Description}
		}
		c.Purposes = append(c.Purposes, rights.Purpose{ID: p.ID, Basis: string(p.Basis), Texts: texts})
	}
	return c, nil
}

// busOf keeps a missing engine from becoming a non-nil interface.
func busOf(e *stream.Engine) publisher {
	if e == nil {
		return nil
	}
	return e
}

type publisher interface {
	Publish(topic string, data []byte) error
}

// records lets the worker read what collect wrote.
type records struct{ *engines }

// Head implements worker.Records.
func (records) Head(record []byte) (worker.Head, error) {
	rec, err := collect.DecodeRecord(record)
	return worker.Head{Tenant: rec.Tenant, Subject: rec.Subject, Received: rec.Received}, err
}

// Open implements worker.Records.
func (r records) Open(ctx context.Context, record []byte) ([]*event.Event, error) {
	rec, err := collect.DecodeRecord(record)
	if err != nil {
		return nil, err
	}
	return rec.Open(ctx, r.keys)
}

// admitted lets the worker hold back what it could not process in time.
type admitted struct {
	worker *worker.Worker
	log    *stream.Engine
}

// Append implements collect.Log.
func (a admitted) Append(ctx context.Context, partition int, record []byte) (uint64, error) {
	if err := a.worker.Admit(ctx); err != nil {
		return 0, err
	}
	return a.log.Append(ctx, partition, record)
}

// outcomes makes the outcomes that an import of history names, and has them predicted.
type outcomes struct{ *rooms }

// EnsureOutcomes implements collect.Outcomes.
func (o outcomes) EnsureOutcomes(ctx context.Context, t id.Tenant, eventNames []string) error {
	have, err := o.journey.Outcomes(ctx, t)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, one := range have {
		for _, p := range one.Journey {
			known[p.EventName] = true
		}
	}
	for _, name := range eventNames {
		if known[name] {
			continue
		}
		made, err := o.journey.CreateOutcome(ctx, t, journey.EventOutcome(name, name))
		if err != nil {
			return err
		}
		if err := o.predict.Enable(ctx, t, made.ID); err != nil {
			return err
		}
		known[name] = true
		o.worker.PlanChanged(t)
	}
	return nil
}

// invalidate drops what this process remembers of a subject when another room, or another process,
// announces a change on the bus. The caller cancels when the process ends.
func (r *rooms) invalidate() (cancel func(), err error) {
	return r.stream.Subscribe("inval.*", func(topic string, data []byte) {
		var m struct {
			Subject id.Subject `json:"subject"`
			Why     string     `json:"why"`
		}
		t, err := id.ParseTenant(topic[len("inval."):])
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			r.log.Warn("an announcement on the bus could not be read", slog.String("error", err.Error()))
			return
		}
		r.consent.Invalidate(t, m.Subject)
		if m.Why == "erased" {
			r.subjects.Forget(t, m.Subject)
			r.keys.Forget(t, m.Subject)
			r.worker.Forget(t, m.Subject)
		}
	})
}
