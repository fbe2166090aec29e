package predict

import (
	"math"

	"github.com/google/uuid"
)

// The stages of growth and what training never uses more of. They are part of the models' identity.
const (
	// minConversions is the number of visits that achieved an outcome, and of those that didn't,
	// below which nothing but the base rate is known.
	minConversions = 10
	// minCalibrated is the number of conversions from which two calibration parameters are learnt.
	minCalibrated = 50
	// maxVisits bounds the visits that one model learns from. Of more, all that achieved the outcome
	// are taken (up to half) and a fixed sample of the others, which count for more in return.
	maxVisits = 20_000
)

// procedure names the code that trains. It changes whenever the same rows would give other bytes.
const procedure = "probity/predict/procedure/v1"

// examples is the design of one outcome: every prefix of every visit that came before the outcome was
// achieved, with a weight of one in total for each visit.
type examples struct {
	set    *rowSet
	scaled *scaledValues
	cell   []int32 // which prefix of the set
	visit  []int32 // which visit of the list below
	weight []float32
	visits []visitLabel
	// only and without restrict the examples to one fold or to all others; -1: not.
	without int
}

type visitLabel struct {
	positive bool
	fold     uint8
	weight   float32 // 1, or more if it stands for others
	from, to int32   // its examples
}

func (e *examples) width() int { return NumFeatures }
func (e *examples) len() int   { return len(e.cell) }

func (e *examples) example(i int, x []float64) (bool, float64) {
	v := &e.visits[e.visit[i]]
	if int(v.fold) == e.without {
		return v.positive, 0
	}
	e.columns(i, x)
	return v.positive, float64(e.weight[i])
}

// columns writes the scaled features of an example into x.
func (e *examples) columns(i int, x []float64) {
	at := int(e.cell[i]) * NumFeatures
	for j, q := range e.set.cells[at : at+NumFeatures] {
		x[j] = e.scaled.of(j, q)
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
func newExamples(set *rowSet, scaled *scaledValues, outcome uuid.UUID, since int64) (*examples, counts) {
	e := &examples{set: set, scaled: scaled, without: -1}
	var n counts
	for i := range set.rows {
		r := &set.rows[i]
		if r.recorded < since {
			continue
		}
		n.visits++
		if _, ok := r.achieved[outcome]; ok {
			n.conversions++
		}
	}
	takePositive, takeNegative := sampling(n)
	for i := range set.rows {
		r := &set.rows[i]
		if r.recorded < since {
			continue
		}
		at, positive := r.achieved[outcome]
		to := r.to
		if positive {
			to = min(to, r.from+int32(min(at, MaxVectors)))
		}
		take := takeNegative
		if positive {
			take = takePositive
		}
		if to == r.from || !take.includes(&r.hash) {
			continue
		}
		v := visitLabel{positive: positive, fold: r.fold, weight: take.weight, from: int32(len(e.cell))}
		each := take.weight / float32(to-r.from)
		for c := r.from; c < to; c++ {
			e.cell = append(e.cell, c)
			e.visit = append(e.visit, int32(len(e.visits)))
			e.weight = append(e.weight, each)
		}
		v.to = int32(len(e.cell))
		e.visits = append(e.visits, v)
	}
	return e, n
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

// trainOutcome makes the model of one outcome. It is a function of the set of rows and of since:
// whatever the order of the rows was and however many workers there are, the result is the same.
func trainOutcome(set *rowSet, scaled *scaledValues, outcome uuid.UUID, since int64, workers int) *model {
	e, n := newExamples(set, scaled, outcome, since)
	m := &model{outcome: outcome, counts: n, calibration: identity}
	usable := counts{}
	for i := range e.visits {
		usable.visits++
		if e.visits[i].positive {
			usable.conversions++
		}
	}
	if usable.conversions < minConversions || usable.visits-usable.conversions < minConversions {
		return m
	}
	stat := measure(e, workers)
	fitted := regress(e, stat, penalty, nil, workers)
	unseen, prior := crossFit(e, stat, &fitted, workers)
	calibration := identity
	if usable.conversions >= minCalibrated {
		calibration = calibrate(e, unseen, workers)
	}
	q := assess(e, unseen, prior, calibration)
	m.quality = q
	if !q.admitted() {
		return m
	}
	m.stage, m.calibration = StageRegression, calibration
	m.regression = regression{linear: fitted, mean: stat.mean}
	m.maxima = maxima(e, m)
	return m
}

// crossFit returns for each example the log-odds from the model that has not seen any visit of its
// fold, and those from the base rate of the same training examples.
func crossFit(e *examples, all moments, start *linear, workers int) (unseen, prior []float64) {
	unseen, prior = make([]float64, e.len()), make([]float64, e.len())
	x := make([]float64, NumFeatures)
	for fold := range folds {
		part := e.leaving(fold)
		stat := measure(part, workers)
		rate := logit((stat.positive + 0.5) / (stat.weight + 1))
		fitted := regress(part, stat, penalty, start, workers)
		for i := range e.cell {
			if int(e.visits[e.visit[i]].fold) == fold {
				e.columns(i, x)
				unseen[i], prior[i] = fitted.at(x), rate
			}
		}
	}
	return unseen, prior
}

// calibration maps a model's log-odds to those it should have given (Platt scaling): slope times the
// log-odds plus shift.
type calibration struct{ slope, shift float64 }

var identity = calibration{slope: 1}

func (c calibration) at(x float64) float64 { return float64(c.slope*x) + c.shift }

// calibrate learns a calibration from log-odds that were given to people the model had not seen.
// Every event counts the same, because a score is shown after every event.
func calibrate(e *examples, unseen []float64, workers int) calibration {
	d := &platt{e: e, x: unseen}
	l := regress(d, measure(d, workers), 1, &linear{coef: []float64{1}}, workers)
	if !(l.coef[0] > 0) {
		return identity // scores that rank the wrong way round are not repaired but refused
	}
	return calibration{slope: l.coef[0], shift: l.intercept}
}

// platt is a design of one column: the log-odds.
type platt struct {
	e *examples
	x []float64
}

func (p *platt) width() int { return 1 }
func (p *platt) len() int   { return len(p.x) }
func (p *platt) example(i int, x []float64) (bool, float64) {
	v := &p.e.visits[p.e.visit[i]]
	x[0] = p.x[i]
	return v.positive, float64(v.weight)
}

// maxima counts the visits by the highest score they reached.
func maxima(e *examples, m *model) *histogram {
	h := new(histogram)
	var x [NumFeatures]float64
	for i := range e.visits {
		v := &e.visits[i]
		best := math.Inf(-1)
		for k := v.from; k < v.to; k++ {
			e.columns(int(k), x[:])
			best = max(best, m.calibration.at(m.regression.at(x[:])))
		}
		h.add(best, int64(math.Round(float64(v.weight*16))))
	}
	return h
}
