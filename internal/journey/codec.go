package journey

import (
	"encoding/binary"
	"fmt"
	"math"
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

// writer appends values.
type writer struct{ b []byte }

func (w *writer) uint(n uint64)    { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) int(n int64)      { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) id(u uuid.UUID)   { w.b = append(w.b, u[:]...) }
func (w *writer) text(s string)    { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) bytes(b []byte)   { w.uint(uint64(len(b))); w.b = append(w.b, b...) }
func (w *writer) fixed(n uint64)   { w.b = binary.LittleEndian.AppendUint64(w.b, n) }
func (w *writer) double(f float64) { w.fixed(math.Float64bits(f)) }
func (w *writer) time(t time.Time) { w.int(micros(t)) }
func (w *writer) flag(flags ...bool) {
	var b byte
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	w.b = append(w.b, b)
}

// since writes a time as its distance from base; the zero time has a mark of its own.
func (w *writer) since(t, base time.Time) {
	if t.IsZero() {
		w.b = append(w.b, 0)
		return
	}
	w.b = append(w.b, 1)
	w.int(t.UnixMicro() - base.UnixMicro())
}

// reader takes values from the front. After the first failure every read gives zero and err stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = fmt.Errorf("the stored state of a visitor is damaged")
	}
	r.b = nil
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uint() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) int() int64 {
	n, w := binary.Varint(r.b)
	if w <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) { // every element takes at least a byte
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) small() int {
	n := r.uint()
	if n > math.MaxInt32 {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) id() (u uuid.UUID) {
	copy(u[:], r.take(uint64(len(u))))
	return u
}

func (r *reader) fixed() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) double() float64 { return math.Float64frombits(r.fixed()) }
func (r *reader) text() string    { return string(r.take(r.uint())) }
func (r *reader) bytes() []byte   { return r.take(r.uint()) }
func (r *reader) time() time.Time { return fromMicros(r.int()) }

func (r *reader) flags() (b byte) {
	if f := r.take(1); f != nil {
		return f[0]
	}
	return 0
}

func (r *reader) since(base time.Time) time.Time {
	switch r.flags() {
	case 0:
		return time.Time{}
	case 1:
		return time.UnixMicro(base.UnixMicro() + r.int()).UTC()
	}
	r.fail()
	return time.Time{}
}

// micros returns t as it is stored; 0 stands for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func (w *writer) page(p *event.Page) {
	for _, s := range [...]string{p.URL, p.Title, p.Host, p.Domain, p.Path, p.Query, p.Fragment, p.Keywords, p.Lang} {
		w.text(s)
	}
}

func (r *reader) page() (p event.Page) {
	for _, s := range [...]*string{&p.URL, &p.Title, &p.Host, &p.Domain, &p.Path, &p.Query, &p.Fragment, &p.Keywords, &p.Lang} {
		*s = r.text()
	}
	return p
}

func (w *writer) referrer(f *event.Referrer) {
	for _, s := range [...]string{f.URL, f.Host, f.Domain, f.Path, f.Query, f.Keywords, f.Medium, f.Name} {
		w.text(s)
	}
}

func (r *reader) referrer() *event.Referrer {
	var f event.Referrer
	for _, s := range [...]*string{&f.URL, &f.Host, &f.Domain, &f.Path, &f.Query, &f.Keywords, &f.Medium, &f.Name} {
		*s = r.text()
	}
	return &f
}

func (w *writer) campaign(c *event.Campaign) {
	for _, s := range [...]string{c.Source, c.Medium, c.Name, c.Term, c.Content, c.ClickID, c.Network} {
		w.text(s)
	}
}

func (r *reader) campaign() *event.Campaign {
	var c event.Campaign
	for _, s := range [...]*string{&c.Source, &c.Medium, &c.Name, &c.Term, &c.Content, &c.ClickID, &c.Network} {
		*s = r.text()
	}
	return &c
}

func (w *writer) machine(d *event.Device, b *event.Browser) {
	for _, s := range [...]string{d.Category, d.Type, d.OSFamily, d.OSVersion, d.Manufacturer, b.Family, b.Version, b.Lang} {
		w.text(s)
	}
	w.flag(d.Mobile)
	w.uint(uint64(d.ScreenWidth))
	w.uint(uint64(d.ScreenHeight))
	w.uint(uint64(d.Density))
}

func (r *reader) machine() (d event.Device, b event.Browser) {
	for _, s := range [...]*string{&d.Category, &d.Type, &d.OSFamily, &d.OSVersion, &d.Manufacturer, &b.Family, &b.Version, &b.Lang} {
		*s = r.text()
	}
	d.Mobile = r.flags()&1 != 0
	d.ScreenWidth, d.ScreenHeight, d.Density = r.small(), r.small(), r.small()
	return d, b
}

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

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
