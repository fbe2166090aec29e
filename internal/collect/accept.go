package collect

import (
	"context"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/org"
	"probity/internal/subject"
)

// Web takes one event of the Genesys wire. Errors by kind:
//
//   - Invalid, TooLarge: the body; codes event.too.old, event.in.future
//   - TooMany: the deployment or the peer sends too fast
//   - NotFound: no such deployment; Forbidden: its pages do not include the origin
//   - ConsentRequired: no lawful basis for the event's purpose
//   - Gone, code subject.erased: the cookie belonged to somebody whose data was erased
//   - Unavailable: nothing was stored, try again
func (c *Collector) Web(ctx context.Context, deployment uuid.UUID, req Request) (*Accepted, error) {
	received := c.now()
	if err := c.limiter.allow(deployment, req.Peer, received); err != nil {
		return nil, c.refused(err)
	}
	w, err := event.DecodeWeb(req.Body)
	if err != nil {
		return nil, c.refused(err)
	}
	e := &w.Event
	if err := event.CheckTime(e.At, received); err != nil {
		return nil, c.refused(err)
	}
	d, err := c.deployment(ctx, deployment, req.Origin)
	if err != nil {
		return nil, c.refused(err)
	}
	stamp(e, deployment, received)
	if req.Origin != "" {
		e.Origin = event.FromBrowser
	}
	c.describe(w, req)
	c.policy.Minimise(e)

	v, err := c.visitor(ctx, d, w.Cookie, e, req)
	if err != nil {
		return nil, c.refused(err)
	}
	if err := c.admit(ctx, v, e); err != nil {
		return nil, c.refused(err)
	}
	a := &Accepted{Tenant: d.Tenant, Subject: v.subject, Event: e}
	if a.Partition, a.Seq, err = c.store(ctx, v, []*event.Event{e}); err != nil {
		return nil, c.refused(err)
	}
	c.stats.accepted.Add(1)
	return a, nil
}

// Batch takes events of our own tracker. Those that can't be taken are listed with the reason, and
// the others are stored together or not at all. Errors are those of Web, for the whole batch.
func (c *Collector) Batch(ctx context.Context, deployment uuid.UUID, req Request) (accepted int, refused []Refusal, err error) {
	received := c.now()
	if err := c.limiter.allow(deployment, req.Peer, received); err != nil {
		return 0, nil, c.refused(err)
	}
	b := c.batches.Get().(*event.Batch)
	defer func() {
		if b.Reset(); cap(b.Events) <= maxPooledEvents {
			c.batches.Put(b)
		}
	}()
	if err := b.Decode(req.Body); err != nil {
		return 0, nil, c.refused(err)
	}
	d, err := c.deployment(ctx, deployment, req.Origin)
	if err != nil {
		return 0, nil, c.refused(err)
	}
	refuse := func(e *event.Event, err error) {
		refused = append(refused, Refusal{Seq: e.Seq, Code: codeOf(err), Message: messageOf(err)})
		c.stats.refused.Add(1)
	}
	var room [20]*event.Event
	timely := room[:0]
	agent := c.agent(req.UserAgent)
	network := event.TruncateIP(req.Peer)
	for i := range b.Events {
		e := &b.Events[i]
		if err := event.CheckTime(e.At, received); err != nil {
			refuse(e, err)
			continue
		}
		stamp(e, deployment, received)
		e.IP = network
		agent.describe(e)
		timely = append(timely, e)
	}
	if len(timely) == 0 {
		return 0, refused, nil
	}
	c.policy.MinimiseAll(timely)
	v, err := c.visitor(ctx, d, b.Visitor, timely[0], req)
	if err != nil {
		if !fail.Is(err, fail.ConsentRequired) {
			return 0, nil, c.refused(err)
		}
		for _, e := range timely {
			refuse(e, err)
		}
		return 0, refused, nil
	}
	admitted := timely[:0]
	for _, e := range timely {
		switch err := c.admit(ctx, v, e); {
		case err == nil:
			admitted = append(admitted, e)
		case fail.Is(err, fail.ConsentRequired), fail.Is(err, fail.Gone):
			refuse(e, err)
		default:
			return 0, nil, c.refused(err)
		}
	}
	if len(admitted) == 0 {
		return 0, refused, nil
	}
	if _, _, err := c.store(ctx, v, admitted); err != nil {
		return 0, nil, c.refused(err)
	}
	c.stats.accepted.Add(int64(len(admitted)))
	return len(admitted), refused, nil
}

// now returns the time of receipt. It is stamped before anything is asked, so that no ground is
// used for something that came after its withdrawal.
func (c *Collector) now() time.Time { return c.deps.Clock.Now().Truncate(time.Microsecond) }

// visitor is whom the events of one request are about, with the grounds that were found for it.
type visitor struct {
	deployment *org.Deployment
	channel    uuid.UUID // the deployment whose declared basis counts; zero: none does
	subject    id.Subject
	gpc        bool

	measure, actions, identity verdict
}

// verdict is the gate's answer for one purpose, asked at most once a request.
type verdict struct {
	asked  bool
	ground consent.Ground
	err    error
}

// visitor finds the subject of a cookie. A cookie that nobody knows has made no choice: its event
// is refused, unless it comes from a server and a declared basis covers it; only then a subject is
// made. A browser's event needs a choice whatever the basis (ePrivacy Directive, Art. 5(3)).
func (c *Collector) visitor(ctx context.Context, d *org.Deployment, cookie uuid.UUID, first *event.Event, req Request) (*visitor, error) {
	v := &visitor{deployment: d, gpc: req.GPC}
	if req.Origin == "" {
		v.channel = d.ID
	}
	return v, c.find(ctx, v, cookie.String(), first)
}

// find sets v.subject to the one of the identity.
func (c *Collector) find(ctx context.Context, v *visitor, identity string, first *event.Event) error {
	t := v.deployment.Tenant
	s, known, err := c.deps.Subjects.Lookup(ctx, t, subject.Cookie, identity)
	if err != nil {
		return c.failure(ctx, err)
	}
	if known {
		v.subject = s
		return nil
	}
	erased, err := c.deps.Subjects.Suppressed(ctx, t, subject.Cookie, identity)
	if err != nil {
		return c.failure(ctx, err)
	}
	if erased {
		return errErased()
	}
	// The zero subject has made no choice: what opens for it, opens for everybody.
	if _, err := c.ask(ctx, v, purposeOf(first)); err != nil {
		return err
	}
	if v.subject, err = c.deps.Subjects.Ensure(ctx, t, subject.Cookie, identity); err != nil {
		return c.failure(ctx, err)
	}
	v.measure, v.actions, v.identity = verdict{}, verdict{}, verdict{}
	return nil
}

func errErased() error {
	return fail.New(fail.Gone, "the data of this visitor was erased").WithCode("subject.erased")
}

// admit asks the gate for the event's purpose and writes the ground into the event. Traits and
// external id need a purpose of their own; without it they are dropped, and the event stays.
func (c *Collector) admit(ctx context.Context, v *visitor, e *event.Event) error {
	e.Purpose = purposeOf(e)
	ground, err := c.ask(ctx, v, e.Purpose)
	if err != nil {
		return err
	}
	e.Ground = event.Ground(ground)
	if e.Traits == nil && e.ExternalID == "" {
		return nil
	}
	switch _, err := c.ask(ctx, v, PurposeIdentity); {
	case err == nil:
		return c.refuseLate(ctx, v.deployment.Tenant, e)
	case fail.Is(err, fail.ConsentRequired):
		e.Traits, e.ExternalID = nil, ""
		c.stats.identityDropped.Add(1)
	default:
		return err
	}
	return nil
}

// ask returns the ground for a purpose, or why there is none.
func (c *Collector) ask(ctx context.Context, v *visitor, purpose string) (consent.Ground, error) {
	known := &v.actions
	switch purpose {
	case PurposeMeasure:
		known = &v.measure
	case PurposeIdentity:
		known = &v.identity
	}
	if !known.asked {
		known.asked = true
		known.ground, known.err = c.gate(ctx, v, purpose)
	}
	return known.ground, known.err
}

func (c *Collector) gate(ctx context.Context, v *visitor, purpose string) (g consent.Ground, err error) {
	t := v.deployment.Tenant
	if v.channel == (uuid.UUID{}) {
		g, err = c.deps.Gate.Gate(ctx, t, v.subject, purpose)
	} else {
		g, err = c.deps.Gate.GateFor(ctx, t, v.subject, v.channel, purpose)
	}
	if err != nil {
		return g, c.failure(ctx, err)
	}
	// Global Privacy Control is an objection (Art. 21(5)). It ends what rests on interest; consent
	// that the same person gave here stands.
	if v.gpc && (g.Basis == "legitimate_interest" || g.Basis == "public_task") {
		return consent.Ground{}, fail.New(fail.ConsentRequired, "the browser objects by Global Privacy Control").WithCode("consent.required")
	}
	return g, nil
}

// refused counts an error that is about to be returned.
func (c *Collector) refused(err error) error {
	if !fail.Is(err, fail.Unavailable) {
		c.stats.refused.Add(1)
	}
	return err
}
