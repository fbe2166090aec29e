package journey

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
)

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

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
