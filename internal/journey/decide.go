package journey

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
)

// offerLife is how long an offer of which nothing more is heard stands in the way of another one.
const offerLife = 30 * time.Minute

// decide lets the action maps look at the event: those whose triggers are met qualify, once in a
// session; those that qualified and were blocked are tried again, because the visitor may have come
// to the right page, or another offer may have ended.
func (v *Visitor) decide(fx *Effects, plan *Plan, ev *event.Event, env *Env) {
	s := v.Session
	for i := range plan.ActionMaps {
		m := &plan.ActionMaps[i]
		if !m.Active {
			continue
		}
		a := s.mapState(m.ID)
		if a == nil {
			trigger, ok := m.triggered(s, ev)
			if !ok {
				continue
			}
			s.Actions = append(s.Actions, MapState{
				Map: m.ID, Version: m.Version, At: ev.At, State: Waiting,
				Action:  derive(ev.At, "action", s.ID[:], m.ID[:]),
				Outcome: trigger.outcome, Reached: trigger.reached,
			})
			a = &s.Actions[len(s.Actions)-1]
			if m.Activation.Type == ActivateDelay && m.Activation.Delay > 0 {
				a.Due = ev.Received.Add(time.Duration(m.Activation.Delay) * time.Second)
				fx.Offers = append(fx.Offers, s.offer(plan, a))
			}
		}
		if a.State != Waiting && a.State != Blocked {
			continue
		}
		if !a.Due.IsZero() && ev.Received.Before(a.Due) {
			continue
		}
		v.offer(fx, plan, m, a, ev.At, env)
	}
}

// decideDue makes the offers whose time has come while the visitor was silent.
func (v *Visitor) decideDue(fx *Effects, plan *Plan, now time.Time, env *Env) {
	for i := range plan.ActionMaps {
		m := &plan.ActionMaps[i]
		a := v.Session.mapState(m.ID)
		if m.Active && a != nil && a.State == Waiting && !a.Due.IsZero() && !now.Before(a.Due) {
			v.offer(fx, plan, m, a, now, env)
		}
	}
}

// offer makes the offer, or notes why not.
func (v *Visitor) offer(fx *Effects, plan *Plan, m *ActionMap, a *MapState, at time.Time, env *Env) {
	s := v.Session
	block := v.blocked(plan, m, at, env)
	if block != BlockNone {
		if a.State == Blocked && a.Block == block {
			return
		}
		a.State, a.Block = Blocked, block
	} else {
		a.State, a.Block, a.Made = Qualified, BlockNone, at
		v.Pending = Pending{Action: a.Action, Map: m.ID, Made: at}
	}
	fx.Offers = append(fx.Offers, s.offer(plan, a))
}

// blocked returns the first reason not to make the offer now.
func (v *Visitor) blocked(plan *Plan, m *ActionMap, at time.Time, env *Env) Block {
	switch {
	case m.Start != nil && at.Before(*m.Start), m.End != nil && !at.Before(*m.End):
		return BlockSchedule
	case !env.allow(m.purpose()):
		return BlockPurpose
	case !m.onPage(v.Session.Last.URL):
		return BlockPage
	case v.pending(at, env):
		return BlockExisting
	case m.Action.Media == MediaContent:
		t, ok := plan.Templates[m.Action.Template]
		if !ok || t.State != "Active" || t.Content == nil {
			return BlockTemplate
		}
	}
	return BlockNone
}

func (m *ActionMap) purpose() string {
	if m.Purpose == "" {
		return PurposeMarketing
	}
	return m.Purpose
}

// onPage tells whether all page conditions hold.
func (m *ActionMap) onPage(url string) bool {
	for _, p := range m.Pages {
		if !compare(url, p.Operator, p.Values, true) {
			return false
		}
	}
	return true
}

// pending tells whether another offer stands in the way.
func (v *Visitor) pending(at time.Time, env *Env) bool {
	p := &v.Pending
	if p.Action == uuid.Nil {
		return false
	}
	if at.Sub(p.Made) > offerLife || env.Finished != nil && env.Finished(p.Action) {
		*p = Pending{}
		return false
	}
	return true
}

// Withdraw takes back what the visitor no longer allows: offers that were made and not finished,
// or wait, for one of the purposes; scores, if "predict" is one of them; and whatever was concluded
// from the session's events, if they were received for one of them: scores, segments, progress and
// the offers that these led to. Conclusions can't be taken apart by the purposes of their events.
func (v *Visitor) Withdraw(plan *Plan, purposes []string) Effects {
	var fx Effects
	s := v.Session
	if s == nil {
		return fx
	}
	sources := slices.ContainsFunc(s.sources(), func(p string) bool { return slices.Contains(purposes, p) })
	if sources || slices.Contains(purposes, PurposePredict) {
		v.features, v.kept, s.Scores, s.Observed = nil, nil, nil, -1
	}
	if sources {
		s.Segments, s.steps = nil, nil
	}
	for i := range s.Actions {
		a := &s.Actions[i]
		m := plan.actionMap(a.Map)
		if m == nil || !sources && !slices.Contains(purposes, m.purpose()) {
			continue
		}
		if a.State == Waiting || a.State == Qualified {
			a.State, a.Block = Blocked, BlockWithdrawn
			if v.Pending.Action == a.Action {
				v.Pending = Pending{}
			}
			fx.Offers = append(fx.Offers, s.offer(plan, a))
		}
	}
	return fx
}

func (p *Plan) actionMap(id uuid.UUID) *ActionMap {
	for i := range p.ActionMaps {
		if p.ActionMaps[i].ID == id {
			return &p.ActionMaps[i]
		}
	}
	return nil
}

func (s *Session) mapState(id uuid.UUID) *MapState {
	for i := range s.Actions {
		if s.Actions[i].Map == id {
			return &s.Actions[i]
		}
	}
	return nil
}

// offer returns the offer as it stands.
func (s *Session) offer(plan *Plan, a *MapState) Offer {
	o := Offer{
		ID: a.Action, Subject: s.Subject, Session: s.ID, Map: a.Map, MapVersion: a.Version,
		State: a.State, Block: a.Block, Qualified: a.At, Made: a.Made,
		Outcome: a.Outcome, Reached: a.Reached,
	}
	if m := plan.actionMap(a.Map); m != nil {
		o.Media, o.Purpose, o.Template = m.Action.Media, m.purpose(), m.Action.Template
		if t, ok := plan.Templates[m.Action.Template]; ok && a.State == Qualified {
			o.Content = t.Content
		}
	}
	return o
}

// trigger is what made a map qualify, for the explanation.
type trigger struct {
	outcome uuid.UUID
	reached float64
}

// triggered tells whether every kind of trigger that the map names is met by the session.
func (m *ActionMap) triggered(s *Session, ev *event.Event) (trigger, bool) {
	var t trigger
	if len(m.Segments)+len(m.Events)+len(m.Probabilities)+len(m.Quantiles) == 0 {
		return t, false
	}
	if !s.advanceEvents(m, ev) {
		return t, false
	}
	if len(m.Segments) > 0 && !slices.ContainsFunc(m.Segments, s.InSegment) {
		return t, false
	}
	for _, c := range m.Probabilities {
		sc, ok := s.Score(c.Outcome)
		if !ok || !sc.Shown || s.HasAchieved(c.Outcome) || sc.Max < c.Reached || c.Below != nil && sc.Probability > *c.Below {
			return t, false
		}
		t = trigger{outcome: c.Outcome, reached: sc.Probability}
	}
	for _, c := range m.Quantiles {
		sc, ok := s.Score(c.Outcome)
		if !ok || !sc.Shown || s.HasAchieved(c.Outcome) || sc.MaxQuantile <= c.Above || c.Below != nil && sc.Quantile >= *c.Below {
			return t, false
		}
		t = trigger{outcome: c.Outcome, reached: sc.Probability}
	}
	return t, true
}

// advanceEvents counts the event for the map's event conditions, which must be met one after the
// other.
func (s *Session) advanceEvents(m *ActionMap, ev *event.Event) bool {
	if len(m.Events) == 0 {
		return true
	}
	st := s.steps[m.ID]
	if st.pattern < len(m.Events) && m.Events[st.pattern].matches(s.Type, ev) {
		st.pattern++
		if s.steps == nil {
			s.steps = make(map[uuid.UUID]step)
		}
		s.steps[m.ID] = st
	}
	return st.pattern >= len(m.Events)
}

// Purposes returns the purposes whose lawful bases the journey asks for: those that events are
// received for, that of predictions, and those of the action maps.
func (p *Plan) Purposes() []string {
	all := []string{purposeMeasure, purposeActions, PurposePredict}
	for i := range p.ActionMaps {
		if purpose := p.ActionMaps[i].purpose(); !slices.Contains(all, purpose) {
			all = append(all, purpose)
		}
	}
	return all
}
