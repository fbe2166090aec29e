package journey

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
)

// The binary form of a visitor's state. It has no tags: every version writes all fields in a fixed
// order, and a reader that meets another version says so. Times are microseconds, most of them as
// the difference to the start of the session.
const stateVersion = 1

// session writes everything about a session but its subject.
func (w *writer) session(s *Session) {
	w.id(s.ID)
	w.text(s.Type)
	w.uint(uint64(s.Number))
	w.time(s.Started)
	w.id(s.LastEvent.ID)
	w.text(s.LastEvent.Name)
	w.since(s.LastEvent.At, s.Started)
	w.since(s.Ended, s.Started)
	w.since(s.heard, s.Started)
	w.uint(uint64(s.Events))
	w.uint(uint64(s.PageViews))
	w.flag(s.Referrer != nil, s.Campaign != nil, s.Authenticated, s.history)
	w.page(&s.Entry)
	w.page(&s.Last)
	if s.Referrer != nil {
		w.referrer(s.Referrer)
	}
	if s.Campaign != nil {
		w.campaign(s.Campaign)
	}
	w.machine(&s.Device, &s.Browser)
	w.text(s.IP)
	w.uint(uint64(len(s.Search)))
	for _, t := range s.Search {
		w.text(t)
	}
	w.uint(uint64(len(s.Attributes)))
	for _, name := range sorted(s.Attributes) {
		w.text(name)
		w.text(s.Attributes[name].Type)
		w.text(s.Attributes[name].Value)
	}
	w.uint(uint64(len(s.Achieved)))
	for i := range s.Achieved {
		a := &s.Achieved[i]
		w.id(a.Outcome)
		w.since(a.At, s.Started)
		w.uint(uint64(a.Event))
		w.flag(a.Value != nil)
		if a.Value != nil {
			w.double(*a.Value)
		}
	}
	w.uint(uint64(len(s.Segments)))
	for _, a := range s.Segments {
		w.id(a.Segment)
		w.since(a.At, s.Started)
	}
	w.uint(uint64(len(s.Scores)))
	for i := range s.Scores {
		w.score(&s.Scores[i], s.Started)
	}
	w.uint(uint64(len(s.Actions)))
	for i := range s.Actions {
		a := &s.Actions[i]
		w.id(a.Map)
		w.uint(uint64(a.Version))
		w.id(a.Action)
		w.text(string(a.State))
		w.text(string(a.Block))
		w.since(a.At, s.Started)
		w.since(a.Due, s.Started)
		w.since(a.Made, s.Started)
		w.id(a.Outcome)
		w.double(a.Reached)
	}
	w.id(s.Deployment)
	w.int(int64(s.Observed))
	w.uint(uint64(s.FirstChunk))
	w.uint(uint64(s.LastChunk))
	w.uint(uint64(len(s.steps)))
	owners := make([]uuid.UUID, 0, len(s.steps))
	for owner := range s.steps {
		owners = append(owners, owner)
	}
	slices.SortFunc(owners, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	for _, owner := range owners {
		w.id(owner)
		w.uint(uint64(s.steps[owner].pattern))
		w.uint(uint64(s.steps[owner].count))
	}
}

func (w *writer) score(sc *Score, base time.Time) {
	w.id(sc.Outcome)
	w.flag(sc.Shown)
	w.uint(uint64(sc.Stage))
	for _, f := range [...]float64{sc.Probability, sc.BaseRate, sc.Low, sc.High, sc.Max, sc.Quantile, sc.MaxQuantile} {
		w.double(f)
	}
	w.b = append(w.b, sc.Model[:]...)
	w.since(sc.At, base)
}

func (r *reader) score(base time.Time) (sc Score) {
	sc.Outcome = r.id()
	sc.Shown = r.flags()&1 != 0
	sc.Stage = r.small()
	for _, f := range [...]*float64{&sc.Probability, &sc.BaseRate, &sc.Low, &sc.High, &sc.Max, &sc.Quantile, &sc.MaxQuantile} {
		*f = r.double()
	}
	copy(sc.Model[:], r.take(uint64(len(sc.Model))))
	sc.At = r.since(base)
	return sc
}

func (r *reader) session(subject id.Subject) *Session {
	s := &Session{Subject: subject}
	s.ID = r.id()
	s.Type = r.text()
	s.Number = r.small()
	s.Started = r.time()
	s.LastEvent.ID = r.id()
	s.LastEvent.Name = r.text()
	s.LastEvent.At = r.since(s.Started)
	s.Ended = r.since(s.Started)
	s.heard = r.since(s.Started)
	s.Events, s.PageViews = r.small(), r.small()
	f := r.flags()
	s.Authenticated, s.history = f&4 != 0, f&8 != 0
	s.Entry, s.Last = r.page(), r.page()
	if f&1 != 0 {
		s.Referrer = r.referrer()
	}
	if f&2 != 0 {
		s.Campaign = r.campaign()
	}
	s.Device, s.Browser = r.machine()
	s.IP = r.text()
	for range r.count() {
		s.Search = append(s.Search, r.text())
	}
	if n := r.count(); n > 0 {
		s.Attributes = make(map[string]event.Attr, n)
		for range n {
			name := r.text()
			s.Attributes[name] = event.Attr{Type: r.text(), Value: r.text()}
		}
	}
	for range r.count() {
		a := Achievement{Outcome: r.id(), At: r.since(s.Started), Event: r.small()}
		if r.flags()&1 != 0 {
			v := r.double()
			a.Value = &v
		}
		s.Achieved = append(s.Achieved, a)
	}
	for range r.count() {
		s.Segments = append(s.Segments, Assignment{Segment: r.id(), At: r.since(s.Started)})
	}
	for range r.count() {
		s.Scores = append(s.Scores, r.score(s.Started))
	}
	for range r.count() {
		s.Actions = append(s.Actions, MapState{
			Map: r.id(), Version: r.small(), Action: r.id(), State: State(r.text()), Block: Block(r.text()),
			At: r.since(s.Started), Due: r.since(s.Started), Made: r.since(s.Started),
			Outcome: r.id(), Reached: r.double(),
		})
	}
	s.Deployment = r.id()
	s.Observed = int(r.int())
	s.FirstChunk, s.LastChunk = r.small(), r.small()
	if n := r.count(); n > 0 {
		s.steps = make(map[uuid.UUID]step, n)
		for range n {
			owner := r.id()
			s.steps[owner] = step{pattern: r.small(), count: r.small()}
		}
	}
	return s
}

// AppendBinary appends the state to dst. Chunks that were filled since the last save are not part
// of it: Store.Seal takes them.
func (v *Visitor) AppendBinary(dst []byte) ([]byte, error) {
	w := writer{b: append(dst, stateVersion)}
	w.uint(uint64(v.Sessions))
	w.flag(v.Session != nil, v.features != nil || v.kept != nil, v.Pending.Action != uuid.Nil)
	if v.Session != nil {
		w.session(v.Session)
	}
	switch {
	case v.features != nil:
		kept, err := v.features.MarshalBinary()
		if err != nil {
			return dst, fmt.Errorf("keep the counters of a session: %w", err)
		}
		w.bytes(kept)
	case v.kept != nil:
		w.bytes(v.kept)
	}
	if v.Pending.Action != uuid.Nil {
		w.id(v.Pending.Action)
		w.id(v.Pending.Map)
		w.time(v.Pending.Made)
	}
	w.uint(uint64(len(v.Traits)))
	for _, name := range sorted(v.Traits) {
		w.text(name)
		w.text(v.Traits[name])
	}
	w.uint(uint64(len(v.past)))
	for i := range v.past {
		p := &v.past[i]
		w.id(p.id)
		w.time(p.started)
		w.since(p.last, p.started)
		w.uint(uint64(p.events))
	}
	w.uint(uint64(len(v.seen)))
	heard := int64(0)
	for i := range v.seen {
		s := &v.seen[i]
		w.fixed(s.key)
		w.uint(uint64(s.top))
		w.uint(s.bits)
		w.int(s.at - heard)
		heard = s.at
	}
	w.uint(uint64(len(v.loose)))
	for _, key := range v.loose {
		w.fixed(key)
	}
	w.uint(uint64(v.tail.number))
	w.uint(uint64(v.tail.events))
	w.id(v.tail.session)
	w.bytes(v.tail.bytes)
	return w.b, nil
}

// MarshalBinary returns the state, as AppendBinary.
func (v *Visitor) MarshalBinary() ([]byte, error) { return v.AppendBinary(nil) }

// UnmarshalBinary reads what MarshalBinary wrote for the same subject. v must be fresh from
// NewVisitor; it keeps no reference to b.
func (v *Visitor) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	if version := r.flags(); version != stateVersion {
		return fmt.Errorf("the stored state of a visitor has version %d, which this program does not know", version)
	}
	v.Sessions = r.small()
	f := r.flags()
	if f&1 != 0 {
		v.Session = r.session(v.Subject)
	}
	if f&2 != 0 {
		v.kept = slices.Clone(r.bytes())
		if v.kept == nil {
			v.kept = []byte{}
		}
	}
	if f&4 != 0 {
		v.Pending = Pending{Action: r.id(), Map: r.id(), Made: r.time()}
	}
	if n := r.count(); n > 0 {
		v.Traits = make(map[string]string, n)
		for range n {
			name := r.text()
			v.Traits[name] = r.text()
		}
	}
	for range r.count() {
		p := pastSession{id: r.id(), started: r.time()}
		p.last, p.events = r.since(p.started), r.small()
		v.past = append(v.past, p)
	}
	heard := int64(0)
	for range r.count() {
		s := seenVisit{key: r.fixed(), top: uint32(r.uint()), bits: r.uint(), at: heard + r.int()}
		heard = s.at
		v.seen = append(v.seen, s)
	}
	for range r.count() {
		v.loose = append(v.loose, r.fixed())
	}
	v.tail.number, v.tail.events = r.small(), r.small()
	v.tail.session = r.id()
	if b := r.bytes(); len(b) > 0 {
		v.tail.bytes = slices.Clone(b)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail()
	}
	return r.err
}
