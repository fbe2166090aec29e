package journey

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
)

// What a visitor keeps of sessions that have ended.
const (
	maxPast     = 3
	pastForgets = 2 * time.Hour
	// importSilence is how long nothing must have come in before a session of imported history is
	// taken to be over. History runs faster than the clock on the wall.
	importSilence = time.Minute
)

// pastSession is what must be known of an ended session to count a late event to it.
type pastSession struct {
	id            uuid.UUID
	started, last time.Time
	events        int
}

// Apply takes one event of the visitor, in the order in which the log holds them.
//
//   - An event that was seen before changes nothing.
//   - A silence longer than the plan's idle time, or the cap, ends the session; the event begins the
//     next one.
//   - An event whose own time lies within a session that has ended is counted to that session and
//     moves neither outcomes nor scores. Any other late event belongs to the open session, but
//     imported history, which may be years old, begins one of its own.
//   - Then segments, outcomes, scores and action maps follow, in that order.
func (v *Visitor) Apply(plan *Plan, ev *event.Event, env Env) Effects {
	var fx Effects
	v.ApplyTo(&fx, plan, ev, &env)
	return fx
}

// ApplyTo is Apply that adds to the effects of earlier steps.
func (v *Visitor) ApplyTo(fx *Effects, plan *Plan, ev *event.Event, env *Env) {
	encoded, err := ev.AppendBinary(fx.scratch[:0])
	if err != nil {
		fx.Refused++
		return
	}
	fx.scratch = encoded
	if !v.fresh(ev) {
		fx.Duplicates++
		return
	}
	if s := v.Session; s != nil {
		if end := plan.endOf(s); ev.At.After(end) {
			v.end(fx, plan, env, end)
		}
	}
	if v.late(fx, plan, ev) {
		return
	}
	if s := v.Session; s != nil && ev.Origin == event.FromImport && ev.At.Before(s.Started.Add(-plan.idle())) {
		v.end(fx, plan, env, plan.endOf(s)) // history out of order: it must not swell another session
	}
	begins := v.Session == nil
	if begins {
		v.begin(ev)
	}
	s := v.Session
	index := s.Events
	s.count(ev)
	v.learn(fx, ev)
	if begins {
		fx.Started = append(fx.Started, s.copy())
	}
	fx.Events = append(fx.Events, Counted{Event: ev, Session: s.ID, Index: index})
	v.tail.add(s.ID, encoded)
	v.assign(fx, plan, ev)
	v.achieve(fx, plan, ev, index)
	v.score(fx, plan, ev, env)
	v.decide(fx, plan, ev, env)
}

// Tick lets time pass: it ends the session if the silence has become too long, and makes offers
// whose time has come. It tells through Wake when it wants to be called again.
func (v *Visitor) Tick(plan *Plan, now time.Time, env Env) Effects {
	var fx Effects
	s := v.Session
	if s == nil {
		return fx
	}
	if !now.Before(v.silentAt(plan)) {
		v.end(&fx, plan, &env, plan.endOf(s))
		return fx
	}
	v.decideDue(&fx, plan, now, &env)
	return fx
}

// Wake returns when Tick has something to do; zero if never.
func (v *Visitor) Wake(plan *Plan) time.Time {
	s := v.Session
	if s == nil {
		return time.Time{}
	}
	wake := v.silentAt(plan)
	for i := range s.Actions {
		if a := &s.Actions[i]; a.State == Waiting && a.Due.Before(wake) {
			wake = a.Due
		}
	}
	return wake
}

// silentAt returns the moment, by the clock on the wall, when the session is over if nothing comes.
// The silence is measured from when the latest event reached us, because a browser's clock may be
// wrong by up to an hour.
func (v *Visitor) silentAt(plan *Plan) time.Time {
	s := v.Session
	if s.history {
		return s.heard.Add(importSilence)
	}
	return s.heard.Add(plan.idle())
}

func (p *Plan) idle() time.Duration {
	if p.Idle > 0 {
		return p.Idle
	}
	return DefaultIdle
}

// endOf returns the moment after which an event no longer belongs to s.
func (p *Plan) endOf(s *Session) time.Time {
	limit := p.Cap
	if limit <= 0 {
		limit = DefaultCap
	}
	end := s.LastEvent.At.Add(p.idle())
	if last := s.Started.Add(limit); last.Before(end) {
		return last
	}
	return end
}

func (v *Visitor) begin(ev *event.Event) {
	v.Sessions++
	v.features, v.kept = nil, nil
	s := &Session{
		ID:      derive(ev.At, "session", ev.ID[:], v.Subject[:]),
		Subject: v.Subject, Type: "web", Number: v.Sessions,
		Started: ev.At, LastEvent: Event{ID: ev.ID, Name: ev.Name, At: ev.At},
		FirstChunk: v.tail.number,
		Observed:   -1,
	}
	v.Session = s
}

// end closes the session. What still waited for its time is not made any more.
func (v *Visitor) end(fx *Effects, plan *Plan, env *Env, at time.Time) {
	s := v.Session
	s.Ended = at
	s.LastChunk = v.tail.number
	for i := range s.Actions {
		if a := &s.Actions[i]; a.State == Waiting {
			a.State, a.Block = Blocked, BlockEnded
			fx.Offers = append(fx.Offers, s.offer(plan, a))
		}
	}
	v.past = append(v.past, pastSession{id: s.ID, started: s.Started, last: s.LastEvent.At, events: s.Events})
	for len(v.past) > maxPast || len(v.past) > 0 && at.Sub(v.past[0].last) > pastForgets {
		v.past = v.past[1:]
	}
	if s.Observed >= 0 {
		s.final = v.observed(env, s)
	}
	v.Session, v.features, v.kept = nil, nil, nil
	fx.Ended = append(fx.Ended, s)
}

// late counts an event to a session that has ended, if it lies within one.
func (v *Visitor) late(fx *Effects, plan *Plan, ev *event.Event) bool {
	if s := v.Session; s != nil && !ev.At.Before(s.Started) {
		return false
	}
	for i := len(v.past) - 1; i >= 0; i-- {
		p := &v.past[i]
		if ev.At.After(p.last.Add(plan.idle())) || ev.At.Before(p.started.Add(-plan.idle())) {
			continue
		}
		fx.Events = append(fx.Events, Counted{Event: ev, Session: p.id, Index: p.events, Late: true})
		p.events++
		v.tail.add(p.id, fx.scratch)
		v.learn(fx, ev)
		return true
	}
	return false
}

// count notes what the event says about the visit. What described how the visitor came (referrer,
// campaign) is kept from the first event that tells; what describes where they are, from the
// latest.
func (s *Session) count(ev *event.Event) {
	s.Events++
	if s.heard.Before(ev.Received) {
		s.heard = ev.Received
	}
	s.history = ev.Origin == event.FromImport
	s.Deployment = ev.Deployment
	if event.IsPageView(ev.Name) {
		s.PageViews++
	}
	latest := !ev.At.Before(s.LastEvent.At)
	if latest {
		s.LastEvent = Event{ID: ev.ID, Name: ev.Name, At: ev.At}
	}
	if ev.Page.URL != "" {
		if s.Entry.URL == "" {
			s.Entry = ev.Page
		}
		if latest || s.Last.URL == "" {
			s.Last = ev.Page
		}
	}
	if s.Referrer == nil && ev.Referrer != nil && ev.Referrer.Medium != "internal" {
		s.Referrer = ev.Referrer
	}
	if s.Campaign == nil {
		s.Campaign = ev.Campaign
	}
	if ev.Device != (event.Device{}) && (latest || s.Device == (event.Device{})) {
		s.Device = ev.Device
	}
	if ev.Browser != (event.Browser{}) && (latest || s.Browser == (event.Browser{})) {
		s.Browser = ev.Browser
	}
	if ev.IP != "" {
		s.IP = ev.IP
	}
	s.search(ev.Search)
	for name, a := range ev.Attributes {
		s.attribute(name, a)
	}
}

func (s *Session) search(term string) {
	if term == "" || len(s.Search) > 0 && s.Search[len(s.Search)-1] == term {
		return
	}
	if len(s.Search) >= MaxSearches {
		s.Search = append([]string(nil), s.Search[1:]...)
	}
	s.Search = append(s.Search, term)
}

// attribute keeps an attribute of an event. When there are more names than fit, the ones that sort
// first stay, so that the order within one event can't matter.
func (s *Session) attribute(name string, a event.Attr) {
	if s.Attributes == nil {
		s.Attributes = make(map[string]event.Attr)
	}
	if len(a.Value) > maxText {
		a.Value = strings.ToValidUTF8(a.Value[:maxText], "")
	}
	s.Attributes[name] = a
	if len(s.Attributes) > MaxAttributes {
		last := ""
		for n := range s.Attributes {
			last = max(last, n)
		}
		delete(s.Attributes, last)
	}
}

// assign puts the session into the segments whose patterns are met.
func (v *Visitor) assign(fx *Effects, plan *Plan, ev *event.Event) {
	s := v.Session
	for i := range plan.Segments {
		g := &plan.Segments[i]
		if !g.Active || len(g.Context)+len(g.Journey) == 0 || s.InSegment(g.ID) {
			continue
		}
		if s.advance(g.ID, g.Journey, ev) && holds(g.Context, s) {
			a := Assignment{Segment: g.ID, At: ev.At}
			s.Segments = append(s.Segments, a)
			fx.Assigned = append(fx.Assigned, SessionAssignment{Session: s.ID, Assignment: a})
		}
	}
}

// achieve notes the outcomes that the event completes.
func (v *Visitor) achieve(fx *Effects, plan *Plan, ev *event.Event, index int) {
	s := v.Session
	for i := range plan.Outcomes {
		o := &plan.Outcomes[i]
		if !o.Active || len(o.Context)+len(o.Journey) == 0 || s.HasAchieved(o.ID) {
			continue
		}
		if s.advance(o.ID, o.Journey, ev) && holds(o.Context, s) {
			a := Achievement{Outcome: o.ID, At: ev.At, Event: index, Value: o.value(ev)}
			s.Achieved = append(s.Achieved, a)
			fx.Achieved = append(fx.Achieved, SessionAchievement{Session: s.ID, Achievement: a})
		}
	}
}

// advance counts the event for a list of journey patterns and tells whether all are met. Only
// lists that have begun and are not complete at once need to be remembered.
func (s *Session) advance(owner uuid.UUID, patterns []JourneyPattern, ev *event.Event) bool {
	if len(patterns) == 0 {
		return true
	}
	st := s.steps[owner]
	before := st
	done := st.advance(patterns, s.Type, ev)
	if st != before {
		if s.steps == nil {
			s.steps = make(map[uuid.UUID]step)
		}
		s.steps[owner] = st
	}
	return done
}

// score predicts every outcome that the session has not achieved.
func (v *Visitor) score(fx *Effects, plan *Plan, ev *event.Event, env *Env) {
	s := v.Session
	if env.Features == nil || env.Score == nil || !env.allow(PurposePredict) {
		v.features, v.kept, s.Scores, s.Observed = nil, nil, nil, -1
		return
	}
	if v.observed(env, s) == nil {
		v.features, s.Observed = env.Features(s.Number-1), s.Events-1
	}
	v.features.Observe(ev)
	for i := range plan.Outcomes {
		o := &plan.Outcomes[i]
		if !o.Active || s.HasAchieved(o.ID) {
			continue
		}
		sc, ok := env.Score(o.ID, v.features)
		if !ok {
			continue
		}
		sc.Outcome, sc.At = o.ID, ev.At
		s.keep(&sc)
		fx.Scores = append(fx.Scores, SessionScore{Session: s.ID, Event: ev.ID, Score: sc})
	}
}

// observed returns the counters of the session; nil if there are none, or if another version kept
// them in a form that can't be read.
func (v *Visitor) observed(env *Env, s *Session) Features {
	if v.features == nil && v.kept != nil && env.Features != nil {
		f := env.Features(s.Number - 1)
		if f.UnmarshalBinary(v.kept) == nil {
			v.features = f
		}
		v.kept = nil
	}
	return v.features
}

// keep stores the score and carries the session's maxima over. What is not shown as a probability
// raises no maximum.
func (s *Session) keep(sc *Score) {
	sc.Max, sc.MaxQuantile = 0, 0
	if sc.Shown {
		sc.Max, sc.MaxQuantile = sc.Probability, sc.Quantile
	}
	for i := range s.Scores {
		if old := &s.Scores[i]; old.Outcome == sc.Outcome {
			sc.Max = max(sc.Max, old.Max)
			sc.MaxQuantile = max(sc.MaxQuantile, old.MaxQuantile)
			*old = *sc
			return
		}
	}
	s.Scores = append(s.Scores, *sc)
}

// derive makes an identifier from what it belongs to: of the shape of a version 7 UUID, so that it
// sorts by time, but the same on every replay.
func derive(at time.Time, kind string, parts ...[]byte) uuid.UUID {
	h := sha256.New()
	h.Write([]byte("probity/journey/" + kind))
	for _, p := range parts {
		h.Write(p)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	var u uuid.UUID
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(0, at.UnixMilli())))
	copy(u[:6], ms[2:])
	copy(u[6:], sum[:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// value returns what an achievement by ev is worth.
func (o *Outcome) value(ev *event.Event) *float64 {
	if o.Value == nil {
		return nil
	}
	return number(ev.Attributes[o.Value.Name].Value)
}
