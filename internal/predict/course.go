package predict

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"probity/internal/event"
)

// Course is what a visit in progress keeps for predictions: its counters, and the features after each
// event so far, from which training rows are made when it is closed. It is plain data of a few bytes
// an event. One goroutine at a time uses it.
type Course struct {
	Progress Progress
	Trace    Trace
	now      Vector
}

// NewCourse returns the course of a visit that begins, of somebody who has been here earlierVisits
// times before.
func NewCourse(earlierVisits int) *Course {
	c := &Course{}
	c.Progress.Begin(earlierVisits)
	return c
}

// Observe counts one event.
func (c *Course) Observe(ev *event.Event) {
	c.Progress.Observe(ev)
	c.Progress.Vector(&c.now)
	c.Trace.Add(&c.now)
}

// Vector returns the features after the latest event. It is valid until the next one.
func (c *Course) Vector() *Vector { return &c.now }

var errCourse = errors.New("the counters of a visit are damaged or of another version")

const courseVersion = 1

// MarshalBinary returns c in a compact form that UnmarshalBinary reads.
func (c *Course) MarshalBinary() ([]byte, error) {
	return append(c.Progress.appendBinary([]byte{courseVersion}), c.Trace.data...), nil
}

// UnmarshalBinary reads what MarshalBinary wrote. It fails, and leaves c as it was, if that was
// another version.
func (c *Course) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != courseVersion {
		return errCourse
	}
	var out Course
	rest, err := out.Progress.decode(b[1:])
	if err != nil {
		return err
	}
	if err := out.Trace.UnmarshalBinary(rest); err != nil {
		return err
	}
	out.Progress.Vector(&out.now)
	*c = out
	return nil
}

// MarshalBinary returns p in a compact form that UnmarshalBinary reads.
func (p *Progress) MarshalBinary() ([]byte, error) {
	return p.appendBinary([]byte{courseVersion}), nil
}

// UnmarshalBinary reads what MarshalBinary wrote. It fails, and leaves p as it was, if that was
// another version.
func (p *Progress) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != courseVersion {
		return errCourse
	}
	var out Progress
	rest, err := out.decode(b[1:])
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errCourse
	}
	*p = out
	return nil
}

// counters lists the counts in the order of the binary form.
func (p *Progress) counters() [14]*uint32 {
	return [14]*uint32{
		&p.Events, &p.PageViews, &p.ProductViews, &p.ListViews, &p.Searches, &p.CartAdds, &p.CartRemoves,
		&p.CartViews, &p.CheckoutSteps, &p.AccountSteps, &p.HelpViews, &p.FormStarts, &p.FormSubmits, &p.EarlierVisits,
	}
}

// amounts lists the measures in the order of the binary form.
func (p *Progress) amounts() [4]*float64 {
	return [4]*float64{&p.PriceSeen, &p.CartValue, &p.ActiveSeconds, &p.PauseSeconds}
}

func (p *Progress) appendBinary(dst []byte) []byte {
	flags := byte(0)
	for i, set := range [...]bool{p.Mobile, p.Campaign, p.FromSearch, !p.Last.IsZero()} {
		if set {
			flags |= 1 << i
		}
	}
	dst = append(dst, flags)
	for _, n := range p.counters() {
		dst = binary.AppendUvarint(dst, uint64(*n))
	}
	for _, x := range p.amounts() {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(*x))
	}
	if !p.Last.IsZero() {
		dst = binary.AppendVarint(dst, p.Last.UnixMicro())
	}
	for _, set := range [...][]uint32{p.Paths, p.Products} {
		dst = append(dst, byte(len(set)))
		for _, h := range set {
			dst = binary.LittleEndian.AppendUint32(dst, h)
		}
	}
	return dst
}

// decode reads what appendBinary wrote and returns what follows it.
func (p *Progress) decode(b []byte) (rest []byte, err error) {
	if len(b) == 0 || b[0] > 15 {
		return nil, errCourse
	}
	flags := b[0]
	b = b[1:]
	p.Mobile, p.Campaign, p.FromSearch = flags&1 != 0, flags&2 != 0, flags&4 != 0
	for _, n := range p.counters() {
		x, w := binary.Uvarint(b)
		if w <= 0 || x > math.MaxUint32 {
			return nil, errCourse
		}
		*n, b = uint32(x), b[w:]
	}
	for _, x := range p.amounts() {
		if len(b) < 8 {
			return nil, errCourse
		}
		*x, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		if !(*x >= 0) || math.IsInf(*x, 0) {
			return nil, errCourse
		}
	}
	if flags&8 != 0 {
		at, w := binary.Varint(b)
		if w <= 0 {
			return nil, errCourse
		}
		p.Last, b = time.UnixMicro(at).UTC(), b[w:]
	}
	for _, set := range [...]*[]uint32{&p.Paths, &p.Products} {
		if len(b) == 0 || b[0] > seenLimit || len(b) < 1+4*int(b[0]) {
			return nil, errCourse
		}
		n := int(b[0])
		b = b[1:]
		for range n {
			*set = append(*set, binary.LittleEndian.Uint32(b))
			b = b[4:]
		}
	}
	return b, nil
}
