package journey

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
)

// The purposes that events are received for.
const (
	purposeMeasure  = "measure"  // page views
	purposeActions  = "actions"  // everything else
	purposeIdentity = "identity" // traits and external ids
)

// Standing tells whether what is kept of a subject may be used for a purpose now: the question that
// *consent.Room answers. An error means no.
type Standing interface {
	Standing(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (bool, error)
}

// Reader reads what visitors did, and what was concluded from it, as far as it may be used now. There
// is no other way to read it but an access package (Store.Export), which is the person's right, the
// worker's own state (Store.Load), and an audit, which sees no content (Store.EachGround).
//
//   - An event is there while the purpose that it was received for stands. Its traits and external id
//     are there while "identity" stands.
//   - A session is there while one of the purposes of its events stands. If another of them does not,
//     what was put together from the events (pages, searches, attributes, segments, outcomes, scores)
//     can't be taken apart any more and is left out.
//   - Scores are there while "predict" stands, offers while their own purpose does. That an offer was
//     held back, and why, is there with the session.
//   - Whoever reads for a purpose of its own sees nothing of people for whom that does not stand.
//
// Of single subjects that must not be read nothing is told: fail.ConsentRequired, as from the gate.
// Lists leave them out.
type Reader struct {
	store *Store
	gate  Standing
	use   []string
}

// For returns a reader that asks the gate. use are purposes that the reading itself serves, such as
// "predict" for whoever scores; none if staff look at what was received.
func (s *Store) For(gate Standing, use ...string) *Reader {
	return &Reader{store: s, gate: gate, use: use}
}

// permits are the gate's answers about one subject.
type permits struct {
	reader  *Reader
	ctx     context.Context
	tenant  id.Tenant
	subject id.Subject
	known   map[string]bool
}

// of asks whether the subject may be read at all.
func (r *Reader) of(ctx context.Context, t id.Tenant, s id.Subject) (*permits, error) {
	p := &permits{reader: r, ctx: ctx, tenant: t, subject: s, known: map[string]bool{}}
	for _, purpose := range r.use {
		ok, err := p.stands(purpose)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, refused()
		}
	}
	return p, nil
}

func refused() error {
	return fail.New(fail.ConsentRequired, "this visitor no longer allows that").WithCode("consent.required")
}

func (p *permits) stands(purpose string) (bool, error) {
	ok, asked := p.known[purpose]
	if !asked {
		var err error
		if ok, err = p.reader.gate.Standing(p.ctx, p.tenant, p.subject, purpose); err != nil {
			return false, err
		}
		p.known[purpose] = ok
	}
	return ok, nil
}

// event takes out of an event what must not be read; false if nothing is left.
func (p *permits) event(ev *event.Event) (bool, error) {
	ok, err := p.stands(ev.Purpose)
	if err != nil || !ok {
		return false, err
	}
	if len(ev.Traits) > 0 || ev.ExternalID != "" {
		ok, err := p.stands(purposeIdentity)
		if err != nil {
			return false, err
		}
		if !ok {
			ev.Traits, ev.ExternalID = nil, ""
		}
	}
	return true, nil
}

// sources returns the purposes that the session's events were received for.
func (s *Session) sources() (all []string) {
	if s.PageViews > 0 {
		all = append(all, purposeMeasure)
	}
	if s.Events > s.PageViews {
		all = append(all, purposeActions)
	}
	return all
}

// session returns what may be read of a session, nil if nothing.
func (p *permits) session(s *Session) (*Session, error) {
	if s == nil {
		return nil, nil
	}
	sources, standing := s.sources(), 0
	for _, purpose := range sources {
		ok, err := p.stands(purpose)
		if err != nil {
			return nil, err
		}
		if ok {
			standing++
		}
	}
	if standing == 0 {
		return nil, nil
	}
	predict, err := p.stands(PurposePredict)
	if err != nil {
		return nil, err
	}
	identity, err := p.stands(purposeIdentity)
	if err != nil {
		return nil, err
	}
	if standing < len(sources) {
		return s.bare(p.known[purposeMeasure]), nil
	}
	out := s.copy()
	out.Authenticated = out.Authenticated && identity
	if !predict {
		out.unscored()
	}
	return out, nil
}

// bare returns the session without what was put together from its events. Counts are those of the
// purpose that is left.
func (s *Session) bare(views bool) *Session {
	out := &Session{
		ID: s.ID, Subject: s.Subject, Type: s.Type, Number: s.Number, Started: s.Started, Ended: s.Ended,
		LastEvent: Event{At: s.LastEvent.At}, Deployment: s.Deployment, Observed: -1,
		FirstChunk: s.FirstChunk, LastChunk: s.LastChunk, heard: s.heard, history: s.history,
	}
	if views {
		out.Events, out.PageViews = s.PageViews, s.PageViews
	} else {
		out.Events = s.Events - s.PageViews
	}
	return out
}

// unscored takes out what was predicted.
func (s *Session) unscored() {
	s.Scores, s.Observed = nil, -1
	for i := range s.Actions {
		s.Actions[i].Outcome, s.Actions[i].Reached = uuid.Nil, 0
	}
}

// offer returns what may be read of an offer, nil if nothing.
func (p *permits) offer(o *Offer) (*Offer, error) {
	if o.State != Blocked {
		ok, err := p.stands(o.Purpose)
		if err != nil || !ok {
			return nil, err
		}
	}
	predict, err := p.stands(PurposePredict)
	if err != nil {
		return nil, err
	}
	if !predict {
		o.Outcome, o.Reached = uuid.Nil, 0
	}
	return o, nil
}

// visitor returns what may be read of a visitor.
func (p *permits) visitor(v *Visitor) (*Visitor, error) {
	identity, err := p.stands(purposeIdentity)
	if err != nil {
		return nil, err
	}
	out := &Visitor{Subject: v.Subject, Sessions: v.Sessions, Pending: v.Pending}
	if identity {
		out.Traits = v.Traits
	}
	out.Session, err = p.session(v.Session)
	return out, err
}

// VisitorOf returns what is known of a subject's device. Its state can't be saved. Errors:
// fail.NotFound if it was never seen, fail.Gone if it was erased, fail.ConsentRequired if none of the
// purposes that its data was received for stands.
func (r *Reader) VisitorOf(ctx context.Context, t id.Tenant, s id.Subject) (*Visitor, error) {
	p, err := r.of(ctx, t, s)
	if err != nil {
		return nil, err
	}
	v, err := r.store.visitorOf(ctx, t, s)
	if err != nil {
		return nil, err
	}
	open := false
	for _, purpose := range []string{purposeMeasure, purposeActions} {
		ok, err := p.stands(purpose)
		if err != nil {
			return nil, err
		}
		open = open || ok
	}
	if !open {
		return nil, refused()
	}
	return p.visitor(v)
}

// Session returns a session, open or ended; an ended one without its Actions, see ActionsOf. Errors:
// fail.NotFound, also after an erasure; fail.ConsentRequired.
func (r *Reader) Session(ctx context.Context, t id.Tenant, sid uuid.UUID) (*Session, error) {
	s, err := r.store.session(ctx, t, sid)
	if err != nil {
		return nil, err
	}
	p, err := r.of(ctx, t, s.Subject)
	if err != nil {
		return nil, err
	}
	out, err := p.session(s)
	if err == nil && out == nil {
		err = refused()
	}
	return out, err
}

// SessionsOf returns the sessions of the subjects, the latest first, at most limit (0: all).
func (r *Reader) SessionsOf(ctx context.Context, t id.Tenant, limit int, subjects ...id.Subject) ([]*Session, error) {
	all, err := r.store.sessionsOf(ctx, t, limit, subjects...)
	if err != nil {
		return nil, err
	}
	kept := all[:0]
	answers := map[id.Subject]*permits{}
	for _, s := range all {
		p, ok := answers[s.Subject]
		if !ok {
			if p, err = r.of(ctx, t, s.Subject); err != nil && !fail.Is(err, fail.ConsentRequired) {
				return nil, err
			}
			answers[s.Subject] = p
		}
		if p == nil {
			continue
		}
		out, err := p.session(s)
		if err != nil {
			return nil, err
		}
		if out != nil {
			kept = append(kept, out)
		}
	}
	return kept, nil
}

// SessionEvents returns the events of a session in the order in which they were counted, at most
// limit (1 to MaxPage) of them, from the cursor after, which is empty or the Next of another page.
// A page may hold fewer events than there is a next page for: those that must not be read are left
// out. Errors: fail.NotFound, fail.ConsentRequired, fail.Invalid for a cursor that is not ours.
func (r *Reader) SessionEvents(ctx context.Context, t id.Tenant, sid uuid.UUID, after string, limit int) (*EventPage, error) {
	s, err := r.Session(ctx, t, sid)
	if err != nil {
		return nil, err
	}
	p, err := r.of(ctx, t, s.Subject)
	if err != nil {
		return nil, err
	}
	page, err := r.store.sessionEvents(ctx, t, s, after, limit)
	if err != nil {
		return nil, err
	}
	kept := page.Events[:0]
	for _, ev := range page.Events {
		ok, err := p.event(ev)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, ev)
		}
	}
	page.Events = kept
	return page, nil
}

// Visitors returns who is there now: visitors with an open session, the latest heard first, at most
// limit. It looks at no more than the 500 sessions that began last. Imported history is nobody's
// presence.
func (r *Reader) Visitors(ctx context.Context, t id.Tenant, limit int) ([]*Visitor, error) {
	all, err := r.store.visitors(ctx, t)
	if err != nil {
		return nil, err
	}
	kept := []*Visitor{}
	for _, v := range all {
		if len(kept) >= max(limit, 0) {
			break
		}
		p, err := r.of(ctx, t, v.Subject)
		if fail.Is(err, fail.ConsentRequired) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out, err := p.visitor(v)
		if err != nil {
			return nil, err
		}
		if out.Session != nil {
			kept = append(kept, out)
		}
	}
	return kept, nil
}

// Events calls fn for the stored events of a subject that happened at or after since (zero: all) and
// may be read, in the order in which they were counted, and ends with fn's error. Errors: fail.Gone if
// the subject was erased, fail.ConsentRequired.
func (r *Reader) Events(ctx context.Context, t id.Tenant, s id.Subject, since time.Time, fn func(StoredEvent) error) error {
	p, err := r.of(ctx, t, s)
	if err != nil {
		return err
	}
	return r.store.events(ctx, t, s, since, func(e StoredEvent) error {
		ok, err := p.event(e.Event)
		if err != nil || !ok {
			return err
		}
		return fn(e)
	})
}

// ActionsOf returns the offers and blocked qualifications of a subject, the latest first.
func (r *Reader) ActionsOf(ctx context.Context, t id.Tenant, s id.Subject) ([]*Offer, error) {
	all, err := r.store.actionsOf(ctx, t, s)
	return r.offers(ctx, t, all, err)
}

// Actions returns the latest offers and blocked qualifications of everybody, at most limit.
func (r *Reader) Actions(ctx context.Context, t id.Tenant, limit int) ([]*Offer, error) {
	all, err := r.store.actions(ctx, t, `ORDER BY id DESC LIMIT $2`, min(max(limit, 1), MaxPage))
	return r.offers(ctx, t, all, err)
}

// Waiting returns the offers that were made to the subject and that its browser has not shown yet,
// oldest first, with their content. Offers that nobody fetched in half an hour are stale and left
// out. Ask the gate again for each before it is shown: it knows the deployment.
func (r *Reader) Waiting(ctx context.Context, t id.Tenant, s id.Subject) ([]*Offer, error) {
	all, err := r.store.waiting(ctx, t, s)
	return r.offers(ctx, t, all, err)
}

func (r *Reader) offers(ctx context.Context, t id.Tenant, all []*Offer, err error) ([]*Offer, error) {
	if err != nil {
		return nil, err
	}
	kept := all[:0]
	answers := map[id.Subject]*permits{}
	for _, o := range all {
		p, ok := answers[o.Subject]
		if !ok {
			if p, err = r.of(ctx, t, o.Subject); err != nil && !fail.Is(err, fail.ConsentRequired) {
				return nil, err
			}
			answers[o.Subject] = p
		}
		if p == nil {
			continue
		}
		out, err := p.offer(o)
		if err != nil {
			return nil, err
		}
		if out != nil {
			kept = append(kept, out)
		}
	}
	return slices.Clip(kept), nil
}

// Plan returns what the organisation has configured, which is about nobody.
func (r *Reader) Plan(ctx context.Context, t id.Tenant) (*Plan, error) { return r.store.Plan(ctx, t) }
