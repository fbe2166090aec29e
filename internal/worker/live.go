package worker

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
)

// Topics of the bus.
const (
	topicLive  = "live."  // + tenant: what the console shows while it happens
	topicOffer = "offer." // + subject: offers for the browser
	topicInval = "inval." // + tenant: what others must forget
	topicPlan  = "plan."  // + tenant: the configuration has changed
)

// livePerSecond is how many messages a worker sends to the console of each organisation. More could
// not be read by anybody, and making them would take the time that processing needs.
const livePerSecond = 300

// allowance counts what was sent in the present second.
type allowance struct {
	mu     sync.Mutex // guards all below
	second int64
	sent   map[id.Tenant]int
}

// take returns how many of n messages may be sent now.
func (a *allowance) take(t id.Tenant, n int, now time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := now.Unix(); s != a.second || a.sent == nil {
		a.second, a.sent = s, make(map[id.Tenant]int)
	}
	n = min(n, livePerSecond-a.sent[t])
	a.sent[t] += n
	return n
}

// Live is one message to the console. Values that identify a person are not in it: whoever may see
// them asks the store.
type Live struct {
	Type        string     `json:"type"` // session, event, outcome, segment, score or offer
	Subject     id.Subject `json:"subject"`
	Session     uuid.UUID  `json:"session"`
	At          time.Time  `json:"at"`
	Name        string     `json:"name,omitempty"`  // of the event
	Title       string     `json:"title,omitempty"` // of its page
	Path        string     `json:"path,omitempty"`
	State       string     `json:"state,omitempty"` // of a session: started, ended; of an offer
	Block       string     `json:"block,omitempty"` // why an offer was not made
	ID          *uuid.UUID `json:"id,omitempty"`    // of the outcome, segment or action map
	Probability *float64   `json:"probability,omitempty"`
	Max         *float64   `json:"max,omitempty"`
	BaseRate    *float64   `json:"base_rate,omitempty"` // where there is no probability yet

	purpose string // that must be allowed for it to be sent; empty: see allowed
}

// offerMessage is an offer as the browser gets it: the shape of the Genesys wire.
type offerMessage struct {
	ID         uuid.UUID             `json:"id"`
	Media      string                `json:"mediaType"`
	Map        uuid.UUID             `json:"actionMapId"`
	MapVersion int                   `json:"actionMapVersion"`
	Session    uuid.UUID             `json:"sessionId"`
	Content    *journey.ContentOffer `json:"contentOfferProperties,omitempty"`
}

// announce tells whoever listens what a batch that is now on disk has brought about. Nothing is lost
// with a message: it can all be read from the store.
func (w *Worker) announce(b *batch, merged []merge) {
	for _, m := range merged {
		for _, s := range m.subjects {
			w.publish(topicInval+m.tenant.String(), map[string]string{"subject": s.String(), "why": "merged"})
		}
	}
	for _, part := range b.tenants() {
		topic, full := topicLive+part.tenant.String(), false
		for _, g := range part.groups {
			for i := range g.fx.Offers {
				w.offer(g, &g.fx.Offers[i])
			}
			if full {
				continue
			}
			messages := w.stillAllowed(g, g.live())
			n := w.live.take(part.tenant, len(messages), w.Clock.Now())
			for _, m := range messages[:n] {
				w.publish(topic, m)
			}
			full = n < len(messages)
		}
	}
}

// stillAllowed leaves out what the visitor took back while the batch was being written.
func (w *Worker) stillAllowed(g *group, messages []Live) []Live {
	q := questions{ctx: context.Background(), w: w, key: g.key, deployment: g.deployment}
	kept := messages[:0]
	for _, m := range messages {
		if m.allowed(&q) {
			kept = append(kept, m)
		}
	}
	return kept
}

// allowed tells whether the message may be sent now: its event's or offer's purpose, for a score that
// of predictions, and for what was concluded from several events one of theirs. That a session has
// begun or ended says nothing of what was done in it.
func (m *Live) allowed(q *questions) bool {
	may := func(purpose string) bool { _, ok := q.ask(purpose); return ok }
	switch {
	case m.purpose != "":
		return may(m.purpose)
	case m.Type == "segment", m.Type == "outcome":
		return may(purposeMeasure) || may(purposeActions)
	}
	return true
}

func (w *Worker) offer(g *group, o *journey.Offer) {
	if o.State != journey.Qualified {
		return
	}
	q := questions{ctx: context.Background(), w: w, key: g.key, deployment: g.deployment}
	if _, ok := q.ask(o.Purpose); !ok {
		return // taken back while the batch was being written; it is blocked at the next look
	}
	w.publish(topicOffer+g.subject.String(), offerMessage{
		ID: o.ID, Media: o.Media, Map: o.Map, MapVersion: o.MapVersion, Session: o.Session, Content: o.Content,
	})
}

func (w *Worker) publish(topic string, message any) {
	data, err := json.Marshal(message)
	if err == nil {
		err = w.Bus.Publish(topic, data)
	}
	if err != nil {
		w.stats.unsent.Add(1)
	}
}

// live returns the messages about one visitor, in order.
func (g *group) live() []Live {
	fx := &g.fx
	all := make([]Live, 0, len(fx.Events)+len(fx.Started)+len(fx.Ended)+len(fx.Offers)+len(fx.Scores))
	for _, s := range fx.Started {
		all = append(all, Live{Type: "session", Subject: g.subject, Session: s.ID, At: s.Started, State: "started"})
	}
	for i := range fx.Events {
		e := &fx.Events[i]
		m := Live{Type: "event", Subject: g.subject, Session: e.Session, At: e.Event.At, Name: e.Event.Name, purpose: e.Event.Purpose}
		if event.IsPageView(e.Event.Name) {
			m.Title, m.Path = e.Event.Page.Title, e.Event.Page.Path
		}
		all = append(all, m)
	}
	for i := range fx.Assigned {
		a := &fx.Assigned[i]
		all = append(all, Live{Type: "segment", Subject: g.subject, Session: a.Session, At: a.At, ID: &a.Segment})
	}
	for i := range fx.Achieved {
		a := &fx.Achieved[i]
		all = append(all, Live{Type: "outcome", Subject: g.subject, Session: a.Session, At: a.At, ID: &a.Outcome})
	}
	for i := range fx.Scores {
		s := &fx.Scores[i]
		m := Live{Type: "score", Subject: g.subject, Session: s.Session, At: s.At, ID: &s.Outcome, purpose: journey.PurposePredict}
		if s.Shown {
			m.Probability, m.Max = &s.Probability, &s.Max
		} else {
			m.BaseRate = &s.BaseRate
		}
		all = append(all, m)
	}
	for i := range fx.Offers {
		o := &fx.Offers[i]
		m := Live{
			Type: "offer", Subject: g.subject, Session: o.Session, At: o.Qualified,
			State: string(o.State), Block: string(o.Block), ID: &o.Map, purpose: o.Purpose,
		}
		if o.State == journey.Blocked {
			m.purpose = "" // why nothing was offered
		}
		all = append(all, m)
	}
	for _, s := range fx.Ended {
		all = append(all, Live{Type: "session", Subject: g.subject, Session: s.ID, At: s.Ended, State: "ended"})
	}
	return all
}

// listen hears what changes elsewhere.
func (w *Worker) listen() (cancel func(), err error) {
	plan, err := w.Bus.Subscribe(topicPlan+"*", func(topic string, _ []byte) {
		if t, err := id.ParseTenant(strings.TrimPrefix(topic, topicPlan)); err == nil {
			w.plans.drop(t)
		}
	})
	if err != nil {
		return nil, err
	}
	inval, err := w.Bus.Subscribe(topicInval+"*", func(topic string, data []byte) {
		t, err := id.ParseTenant(strings.TrimPrefix(topic, topicInval))
		if err != nil {
			return
		}
		var m struct {
			Subject id.Subject `json:"subject"`
			Why     string     `json:"why"`
		}
		if json.Unmarshal(data, &m) != nil {
			return
		}
		switch m.Why {
		case "erased":
			w.Forget(t, m.Subject)
		case "consent":
			w.recheck(t, m.Subject)
		}
	})
	if err != nil {
		plan()
		return nil, err
	}
	return func() { plan(); inval() }, nil
}

// Forget drops what is held in memory of the subjects. What a batch that is under way holds of an
// erased subject is not written: see journey.Store.Save.
func (w *Worker) Forget(t id.Tenant, subjects ...id.Subject) {
	for _, s := range subjects {
		w.partition(t, s).visitors.Drop(key{t, s})
	}
}

// PlanChanged makes the worker read the organisation's plan again. The message plan.<tenant> on the
// bus does the same in every process.
func (w *Worker) PlanChanged(t id.Tenant) { w.plans.drop(t) }

// Recheck has the worker take back what the subjects no longer allow, without waiting for it. The
// message inval.<tenant> with why "consent" does the same.
func (w *Worker) Recheck(t id.Tenant, subjects []id.Subject) {
	for _, s := range subjects {
		w.recheck(t, s)
	}
}

// recheck has the loop take back what the subject no longer allows. It does not wait: whoever sends
// messages over the bus must not be kept.
func (w *Worker) recheck(t id.Tenant, s id.Subject) {
	if p := w.partition(t, s); p.held.Load() {
		p.rechecks.add(key{t, s})
	}
}

// Withdrawn takes back offers and scores that the subject no longer allows and returns when that is
// written. The message inval.<tenant> with why "consent" does the same without waiting.
func (w *Worker) Withdrawn(ctx context.Context, t id.Tenant, s id.Subject) error {
	b := newBatch()
	b.group(key{t, s}).recheck = true
	return w.partition(t, s).call(ctx, b)
}
