package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/predict"
	"probity/internal/vault"
)

// The purposes that events are received for, and the one that covers what an event tells about who the
// visitor is.
const (
	purposeMeasure  = "measure"
	purposeActions  = "actions"
	purposeIdentity = "identity"
)

// prepare does everything that needs no transaction: loads visitors, opens records, asks for
// consent, lets the journeys follow, and seals what has become of them. Visitors are independent of
// each other, so they are spread over the cores.
func (p *partition) prepare(ctx context.Context, b *batch) error {
	if err := p.load(ctx, b); err != nil {
		return err
	}
	work := func(g *group) { g.err = p.follow(ctx, g) }
	if n := min(runtime.GOMAXPROCS(0), len(b.groups)/8); n > 1 {
		var (
			next    atomic.Int64
			running sync.WaitGroup
		)
		for range n {
			running.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(b.groups) {
						return
					}
					work(b.groups[i])
				}
			})
		}
		running.Wait()
	} else {
		for _, g := range b.groups {
			work(g)
		}
	}
	for _, g := range b.groups {
		if g.err != nil {
			return g.err
		}
	}
	return nil
}

// load finds the visitors of the batch: in memory, or all others in few queries. What a batch that
// is still being written knows of a visitor is not in the database yet, so it waits for that.
func (p *partition) load(ctx context.Context, b *batch) error {
	epoch := p.visitors.Epoch()
	for _, part := range b.tenants() {
		var missing []*group
		for _, g := range part.groups {
			if p.broken[g.key] {
				g.broken = true
				continue
			}
			if v, ok := p.visitors.Get(g.key); ok {
				g.visitor = v
				continue
			}
			missing = append(missing, g)
		}
		if len(missing) == 0 {
			continue
		}
		subjects := make([]id.Subject, len(missing))
		for i, g := range missing {
			subjects[i] = g.subject
			if err := p.writing.wait(ctx, g.key); err != nil {
				return err
			}
		}
		found, err := p.w.Journey.Load(ctx, part.tenant, subjects...)
		if err != nil && p.failures.Load() >= triesUnknown && !fail.Is(err, fail.Unavailable) {
			// One visitor's state can't be read. The others must not wait for it.
			found, err = p.loadEach(ctx, part.tenant, missing)
		}
		if err != nil {
			return err
		}
		for i, g := range missing {
			if g.visitor = found[i]; g.visitor != nil {
				p.visitors.Put(g.key, g.visitor, epoch)
			}
		}
	}
	return nil
}

// loadEach loads visitors one by one and marks the groups of those whose state is damaged.
func (p *partition) loadEach(ctx context.Context, t id.Tenant, groups []*group) ([]*journey.Visitor, error) {
	visitors := make([]*journey.Visitor, len(groups))
	for i, g := range groups {
		found, err := p.w.Journey.Load(ctx, t, g.subject)
		switch {
		case ctx.Err() != nil || fail.Is(err, fail.Unavailable):
			return nil, err
		case err != nil:
			p.w.Logger.Error("the stored state of a visitor is damaged; its events are not processed", "partition", p.number, "error", err)
			g.broken, p.broken[g.key] = true, true
		default:
			visitors[i] = found[0]
		}
	}
	return visitors, nil
}

// follow brings one visitor up to date.
func (p *partition) follow(ctx context.Context, g *group) error {
	w := p.w
	if g.broken {
		g.damaged = len(g.records)
		return nil
	}
	if g.visitor == nil {
		g.lost = len(g.records)
		return nil
	}
	plan, err := w.plans.get(ctx, g.tenant)
	if err != nil {
		return err
	}
	q := questions{ctx: ctx, w: w, key: g.key}
	env := q.env()
	for _, r := range g.records {
		events, err := w.Records.Open(ctx, r)
		switch {
		case fail.Is(err, fail.Gone):
			g.lost++
			continue
		case err != nil && p.damaged(ctx, err):
			g.damaged++
			continue
		case err != nil:
			return fmt.Errorf("open a record: %w", err)
		}
		for _, ev := range events {
			g.taken++
			ok, err := w.Consent.Allowed(ctx, g.tenant, g.subject, ev.Purpose, consent.Ground(ev.Ground), ev.Received)
			if err != nil {
				return fmt.Errorf("ask for the consent to an event: %w", err)
			}
			if !ok {
				g.refused++
				continue
			}
			q.deployment = ev.Deployment
			if len(ev.Traits) > 0 || ev.ExternalID != "" {
				if _, ok := q.ask(purposeIdentity); !ok {
					ev.Traits, ev.ExternalID = nil, "" // withdrawn while the event was in the log
				}
			}
			g.visitor.ApplyTo(&g.fx, plan, ev, &env)
		}
	}
	now := w.Clock.Now()
	if g.tick || g.recheck {
		s := g.visitor.Session
		if s == nil {
			return nil
		}
		q.deployment = s.Deployment
		if g.recheck {
			g.fx = g.visitor.Withdraw(plan, q.withdrawn(plan))
		} else {
			g.fx = g.visitor.Tick(plan, now, env)
		}
	} else if g.taken == g.refused {
		return nil
	}
	if q.err != nil {
		return q.err
	}
	g.closed(&q)
	if q.err != nil {
		return q.err
	}
	g.deployment = q.deployment
	g.change, err = w.Journey.Seal(ctx, g.tenant, plan, g.visitor, &g.fx, now)
	if fail.Is(err, fail.Gone) {
		g.lost, g.change, g.fx = len(g.records), nil, journey.Effects{}
		p.visitors.Drop(g.key)
		return nil
	}
	if err == nil {
		g.change.Shard = p.number
	}
	return err
}

// triesUnknown is how often a record is tried that fails for a reason nobody foresaw.
const triesUnknown = 5

// damaged tells whether a record that could not be opened is given up. What may be a trouble of the
// engines is tried again, for ever if it is known to be one: an acknowledged event must not be lost
// because a database was closed.
func (p *partition) damaged(ctx context.Context, err error) bool {
	switch {
	case ctx.Err() != nil, fail.Is(err, fail.Unavailable):
		return false
	case errors.Is(err, vault.ErrUnreadable), errors.Is(err, vault.ErrNoKey), errors.Is(err, event.ErrEncoding):
		return true
	}
	return p.failures.Load() >= triesUnknown
}

// closed makes training material of the sessions that have ended.
func (g *group) closed(q *questions) {
	for _, s := range g.fx.Ended {
		seen, ok := s.Features().(*observed)
		if !ok || seen.trace.Len() == 0 || q.w.Predict == nil {
			continue
		}
		q.deployment = s.Deployment
		ground, ok := q.ask(journey.PurposePredict)
		if !ok {
			continue
		}
		visit := predict.Visit{
			Session: s.ID, Subject: g.subject, Closed: s.Ended, Ground: -1,
			Vectors: seen.trace.Vectors(), Achieved: make(map[uuid.UUID]int, len(s.Achieved)),
		}
		if ground.Declared == "" {
			visit.Ground = ground.Ledger
		}
		complete := true
		for _, a := range s.Achieved {
			// Achieved before predictions were allowed: there is nothing to be learned from.
			complete = complete && a.Event >= s.Observed
			visit.Achieved[a.Outcome] = a.Event - s.Observed
		}
		if complete {
			g.visits = append(g.visits, visit)
		}
	}
}

// questions answers what one visitor's steps ask of the world. Within a batch the answers stay the
// same.
type questions struct {
	ctx        context.Context
	w          *Worker
	key        key
	deployment uuid.UUID
	answers    []answer
	err        error // the first that kept a question from being answered
}

type answer struct {
	purpose    string
	deployment uuid.UUID
	ground     consent.Ground
	allowed    bool
}

func (q *questions) env() journey.Env {
	env := journey.Env{
		Allow:    func(purpose string) bool { _, ok := q.ask(purpose); return ok },
		Finished: q.finished,
	}
	if q.w.Predict != nil {
		env.Features = func(earlier int) journey.Features {
			o := &observed{}
			o.progress.Begin(earlier)
			return o
		}
		env.Score = q.score
	}
	return env
}

// ask returns what allows the purpose now.
func (q *questions) ask(purpose string) (consent.Ground, bool) {
	for i := range q.answers {
		if a := &q.answers[i]; a.purpose == purpose && a.deployment == q.deployment {
			return a.ground, a.allowed
		}
	}
	ground, err := q.w.Consent.GateFor(q.ctx, q.key.tenant, q.key.subject, q.deployment, purpose)
	if err != nil && !fail.Is(err, fail.ConsentRequired) && !fail.Is(err, fail.Gone) && !fail.Is(err, fail.NotFound) && q.err == nil {
		q.err = fmt.Errorf("ask for the lawful basis of %s: %w", purpose, err)
	}
	q.answers = append(q.answers, answer{purpose, q.deployment, ground, err == nil})
	return ground, err == nil
}

func (q *questions) score(outcome uuid.UUID, f journey.Features) (journey.Score, bool) {
	o, ok := f.(*observed)
	if !ok {
		return journey.Score{}, false
	}
	s, ok := q.w.Predict.Score(q.key.tenant, outcome, &o.vector)
	return journey.Score{
		Outcome: s.Outcome, Probability: s.Probability, Shown: s.Shown, BaseRate: s.BaseRate, Low: s.Low, High: s.High,
		Stage: s.Stage, Model: s.Model, Quantile: s.Quantile,
	}, ok
}

func (q *questions) finished(action uuid.UUID) bool {
	done, err := q.w.Journey.Finished(q.ctx, q.key.tenant, action)
	if err != nil && q.err == nil {
		q.err = fmt.Errorf("look up an offer: %w", err)
	}
	return done
}

// withdrawn returns the purposes, among those the plan and predictions need, that nothing allows
// now.
func (q *questions) withdrawn(plan *journey.Plan) (purposes []string) {
	for _, purpose := range plan.Purposes() {
		if _, ok := q.ask(purpose); !ok && q.err == nil {
			purposes = append(purposes, purpose)
		}
	}
	return purposes
}
