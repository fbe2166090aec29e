package predict

import (
	"github.com/google/uuid"

	"probity/internal/fail"
)

// examples is the design of one outcome: every prefix of every visit that came before the outcome was
// achieved, with a weight of one in total for each visit.
type examples struct {
	scaled  *scaledValues
	cells   []uint16 // the features of each example, compact
	visit   []int32  // which visit of the list below it belongs to
	weight  []float32
	visits  []visitLabel
	without int // the fold whose examples weigh nothing; -1: none
}

type visitLabel struct {
	positive bool
	fold     uint8
	weight   float32 // 1, or more if it stands for others
	from, to int32   // its examples
}

func (e *examples) width() int { return NumFeatures }
func (e *examples) len() int   { return len(e.visit) }

func (e *examples) example(i int, x []float64) (bool, float64) {
	v := &e.visits[e.visit[i]]
	if int(v.fold) == e.without {
		return v.positive, 0
	}
	e.columns(i, x)
	return v.positive, float64(e.weight[i])
}

// compact returns the features of an example as they are kept.
func (e *examples) compact(i int) []uint16 { return e.cells[i*NumFeatures : (i+1)*NumFeatures] }

// columns writes the scaled features of an example into x.
func (e *examples) columns(i int, x []float64) {
	for j, q := range e.compact(i) {
		x[j] = e.scaled.of(j, q)
	}
}

// vector writes the features of an example into v.
func (e *examples) vector(i int, v *Vector) {
	for j, q := range e.compact(i) {
		v[j] = expand(q)
	}
}

// leaving returns the same examples without those of one fold.
func (e *examples) leaving(fold int) *examples {
	c := *e
	c.without = fold
	return &c
}

// scaledValues holds the logarithm of one plus every value that a feature can have.
type scaledValues [1 << 15]float64

func newScaledValues() *scaledValues {
	s := new(scaledValues)
	for q := range s {
		if q < 0x7f80 {
			s[q] = logPlus1(float64(expand(uint16(q))))
		}
	}
	return s
}

func (s *scaledValues) of(feature int, q uint16) float64 {
	if features[feature].scale == flag {
		return float64(expand(q))
	}
	return s[q&0x7fff]
}

// scaleValue is the same for one value.
func scaleValue(feature int, v float32) float64 {
	if features[feature].scale == flag {
		return float64(v)
	}
	return logPlus1(float64(v))
}

// counts of the visits that an outcome could be achieved in.
type counts struct {
	visits, conversions int
}

// newExamples lays out the examples of an outcome from the rows recorded since it was watched.
func newExamples(set *rowSet, scaled *scaledValues, outcome uuid.UUID, since int64) (*examples, counts, error) {
	e := &examples{scaled: scaled, without: -1}
	var n counts
	for i := range set.rows {
		if set.rows[i].recorded < since {
			continue
		}
		at, _, err := set.rows[i].achieved(outcome)
		if err != nil {
			return nil, n, err
		}
		n.visits++
		if at >= 0 {
			n.conversions++
		}
	}
	takePositive, takeNegative := sampling(n)
	for i := range set.rows {
		r := &set.rows[i]
		if r.recorded < since {
			continue
		}
		at, trace, err := r.achieved(outcome)
		if err != nil {
			return nil, n, err
		}
		take, upTo := takeNegative, MaxVectors
		if at >= 0 {
			take, upTo = takePositive, min(at, MaxVectors)
		}
		if !take.includes(&r.hash) {
			continue
		}
		if err := e.add(visitLabel{positive: at >= 0, fold: foldOf(set.tenant, r.subject), weight: take.weight}, trace, upTo); err != nil {
			return nil, n, err
		}
	}
	return e, n, nil
}

// add makes examples of the first events of a visit. A visit of which none is left is left out.
func (e *examples) add(v visitLabel, trace []byte, upTo int) error {
	v.from = int32(e.len())
	err := eachVector(trace, func(q *[NumFeatures]uint16) {
		if e.len()-int(v.from) < upTo {
			e.cells = append(e.cells, q[:]...)
			e.visit = append(e.visit, int32(len(e.visits)))
		}
	})
	if err != nil {
		return fail.Wrap(fail.Internal, err, "a training row can't be read")
	}
	v.to = int32(e.len())
	for range v.to - v.from {
		e.weight = append(e.weight, v.weight/float32(v.to-v.from))
	}
	if v.to > v.from {
		e.visits = append(e.visits, v)
	}
	return nil
}

// share is which part of the rows is taken, by their hashes: a row's place is its own and doesn't
// move when others go.
type share struct {
	below  uint64 // of the first 8 bytes of the hash, with all: no limit
	all    bool
	weight float32
}

func (s share) includes(hash *[32]byte) bool {
	if s.all {
		return true
	}
	place := uint64(0)
	for _, b := range hash[:8] {
		place = place<<8 | uint64(b)
	}
	return place < s.below
}

// sampling says which share of the visits with and without the outcome is learnt from.
func sampling(n counts) (positive, negative share) {
	part := func(have, want int) share {
		if have <= want {
			return share{all: true, weight: 1}
		}
		rate := float64(want) / float64(have)
		return share{below: uint64(rate * (1 << 63) * 2), weight: float32(1 / rate)}
	}
	positive = part(n.conversions, maxVisits/2)
	return positive, part(n.visits-n.conversions, maxVisits-min(n.conversions, maxVisits/2))
}
