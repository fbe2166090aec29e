package predict

import (
	"encoding/binary"
	"errors"
)

// Trace collects the vectors of one visit in a few bytes each, so that they can be kept with the
// visit until it is closed. The zero value is empty. It is not safe for concurrent use.
//
// Each vector is coded as the difference to the one before: a bit set of the features that changed
// (3 bytes), then two bytes for each of those.
type Trace struct {
	data []byte
	n    int
	last [NumFeatures]uint16
}

const changeBytes = (NumFeatures + 7) / 8

var errTrace = errors.New("the vectors of a visit are damaged")

// Add appends the features after one event. Vectors beyond MaxVectors are left out.
func (t *Trace) Add(v *Vector) {
	if t.n >= MaxVectors {
		return
	}
	at := len(t.data)
	t.data = append(t.data, make([]byte, changeBytes)...)
	for i, x := range v {
		q := compact(float64(x))
		if q == t.last[i] {
			continue
		}
		t.data[at+i/8] |= 1 << (i % 8)
		t.data = binary.LittleEndian.AppendUint16(t.data, q)
		t.last[i] = q
	}
	t.n++
}

// Len returns the number of vectors in it.
func (t *Trace) Len() int { return t.n }

// Vectors returns the vectors in the order in which they were added.
func (t *Trace) Vectors() []Vector {
	out := make([]Vector, 0, t.n)
	_ = eachVector(t.data, func(q *[NumFeatures]uint16) {
		var v Vector
		for i, x := range q {
			v[i] = expand(x)
		}
		out = append(out, v)
	})
	return out
}

// MarshalBinary returns the trace in its compact form.
func (t *Trace) MarshalBinary() ([]byte, error) { return append([]byte(nil), t.data...), nil }

// UnmarshalBinary reads what MarshalBinary wrote. It fails if data is not that.
func (t *Trace) UnmarshalBinary(data []byte) error {
	out := Trace{data: append([]byte(nil), data...)}
	err := eachVector(data, func(q *[NumFeatures]uint16) {
		out.n++
		out.last = *q
	})
	if err != nil {
		return err
	}
	if out.n > MaxVectors {
		return errTrace
	}
	*t = out
	return nil
}

// eachVector calls fn for every vector in a trace's compact form. fn must not keep its argument.
func eachVector(data []byte, fn func(q *[NumFeatures]uint16)) error {
	var v [NumFeatures]uint16
	for len(data) > 0 {
		if len(data) < changeBytes {
			return errTrace
		}
		changed := data[:changeBytes]
		data = data[changeBytes:]
		for i := range v {
			if changed[i/8]&(1<<(i%8)) == 0 {
				continue
			}
			if len(data) < 2 {
				return errTrace
			}
			q := binary.LittleEndian.Uint16(data)
			if q == v[i] || q >= 0x7f80 { // no change, or not a finite number from 0
				return errTrace
			}
			v[i] = q
			data = data[2:]
		}
		fn(&v)
	}
	return nil
}
