package worker

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"probity/internal/event"
	"probity/internal/predict"
)

// observed is what predictions know of one session: running counters, and the features after each
// event, from which training rows are made when the session has ended.
type observed struct {
	progress predict.Progress
	trace    predict.Trace
	vector   predict.Vector // after the latest event; not kept, because the next one replaces it
}

// Observe counts one event.
func (o *observed) Observe(ev *event.Event) {
	o.progress.Observe(ev)
	o.progress.Vector(&o.vector)
	o.trace.Add(&o.vector)
}

const observedVersion = 1

var errObserved = errors.New("the kept counters of a session can't be read")

// MarshalBinary returns the counters in a compact form.
func (o *observed) MarshalBinary() ([]byte, error) {
	p := &o.progress
	b := make([]byte, 1, 160)
	b[0] = observedVersion
	for _, n := range counters32(p) {
		b = binary.AppendUvarint(b, uint64(*n))
	}
	for _, f := range counters64(p) {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*f))
	}
	var flags byte
	for i, f := range []bool{p.Mobile, p.Campaign, p.FromSearch, !p.Last.IsZero()} {
		if f {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	if !p.Last.IsZero() {
		b = binary.AppendVarint(b, p.Last.UnixMicro())
	}
	for _, set := range [][]uint32{p.Paths, p.Products} {
		b = binary.AppendUvarint(b, uint64(len(set)))
		for _, h := range set {
			b = binary.LittleEndian.AppendUint32(b, h)
		}
	}
	trace, err := o.trace.MarshalBinary()
	return append(b, trace...), err
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (o *observed) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != observedVersion {
		return errObserved
	}
	b = b[1:]
	var (
		p   predict.Progress
		bad bool
	)
	uint := func(most uint64) uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > most {
			bad, b = true, nil
			return 0
		}
		b = b[w:]
		return n
	}
	take := func(n int) []byte {
		if len(b) < n {
			bad, b = true, nil
			return make([]byte, n)
		}
		head := b[:n]
		b = b[n:]
		return head
	}
	for _, n := range counters32(&p) {
		*n = uint32(uint(math.MaxUint32))
	}
	for _, f := range counters64(&p) {
		*f = math.Float64frombits(binary.LittleEndian.Uint64(take(8)))
	}
	flags := take(1)[0]
	p.Mobile, p.Campaign, p.FromSearch = flags&1 != 0, flags&2 != 0, flags&4 != 0
	if flags&8 != 0 {
		at, w := binary.Varint(b)
		if w <= 0 {
			return errObserved
		}
		b = b[w:]
		p.Last = time.UnixMicro(at).UTC()
	}
	for _, set := range []*[]uint32{&p.Paths, &p.Products} {
		for range uint(uint64(len(b))) {
			*set = append(*set, binary.LittleEndian.Uint32(take(4)))
		}
	}
	if bad {
		return errObserved
	}
	var trace predict.Trace
	if err := trace.UnmarshalBinary(b); err != nil {
		return err
	}
	o.progress, o.trace = p, trace
	return nil
}

func counters32(p *predict.Progress) []*uint32 {
	return []*uint32{
		&p.Events, &p.PageViews, &p.ProductViews, &p.ListViews, &p.Searches, &p.CartAdds, &p.CartRemoves, &p.CartViews,
		&p.CheckoutSteps, &p.AccountSteps, &p.HelpViews, &p.FormStarts, &p.FormSubmits, &p.EarlierVisits,
	}
}

func counters64(p *predict.Progress) []*float64 {
	return []*float64{&p.PriceSeen, &p.CartValue, &p.ActiveSeconds, &p.PauseSeconds}
}
