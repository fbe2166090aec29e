package predict

import (
	"math"

	"github.com/google/uuid"

	"probity/internal/fail"
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
	maxVisits = 10_000
	// maxRows bounds the rows that a training reads.
	maxRows = 50_000
)

// procedure names the code that trains. It changes whenever the same rows would give other bytes.
const procedure = "probity/predict/procedure/v1"

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

// trainOutcome makes the model of one outcome. It is a function of the set of rows and of since:
// whatever the order of the rows was and however many workers there are, the result is the same.
func trainOutcome(set *rowSet, scaled *scaledValues, outcome uuid.UUID, since int64, workers int) (*model, error) {
	e, n, err := newExamples(set, scaled, outcome, since)
	if err != nil {
		return nil, err
	}
	m := &model{outcome: outcome, counts: n, calibration: identity}
	usable := counts{}
	for i := range e.visits {
		usable.visits++
		if e.visits[i].positive {
			usable.conversions++
		}
	}
	if usable.conversions < minConversions || usable.visits-usable.conversions < minConversions {
		return m, nil
	}
	stat := measure(e, workers)
	fitted := regress(e, stat, penalty, nil, workers)
	unseen := crossFit(e, &fitted, workers)
	m.stage, m.regression = StageRegression, regression{linear: fitted, mean: stat.mean}
	if usable.conversions >= forestConversions && usable.visits >= forestVisits {
		leaves := fewLeaves
		if usable.conversions >= manyConversions {
			leaves = manyLeaves
		}
		grown, seenBy := crossGrow(e, leaves, workers)
		if share := bestShare(e, unseen, seenBy); share > 0 {
			m.stage, m.forest, m.share = StageForest, grown, share
			unseen = mix(unseen, seenBy, share)
		}
	}
	if usable.conversions >= minCalibrated {
		m.calibration = calibrate(e, unseen, workers)
	}
	m.quality = assess(e, unseen, m.calibration)
	if !m.quality.admitted() {
		return &model{outcome: outcome, counts: n, calibration: identity, quality: m.quality}, nil
	}
	m.maxima = maxima(e, m.estimator(), m.calibration)
	return m, nil
}

// bestShare returns the share of the forest in its mixture with the regression that does best on
// unseen people. Each errs where the other doesn't: the one has no steps, the other no slopes.
func bestShare(e *examples, regression, forest []float64) (best float64) {
	least := math.Inf(1)
	for _, share := range [...]float64{0, 0.25, 0.5, 0.75, 1} {
		total := 0.0
		for i, z := range mix(regression, forest, share) {
			total += float64(float64(e.weight[i]) * loss(z, e.visits[e.visit[i]].positive))
		}
		if total < least {
			best, least = share, total
		}
	}
	return best
}

func mix(regression, forest []float64, share float64) []float64 {
	out := make([]float64, len(regression))
	for i := range out {
		out[i] = float64((1-share)*regression[i]) + float64(share*forest[i])
	}
	return out
}

// crossFit returns for each example the log-odds from the regression that has not seen any visit of
// its fold.
func crossFit(e *examples, start *linear, workers int) []float64 {
	unseen := make([]float64, e.len())
	x := make([]float64, NumFeatures)
	for fold := range folds {
		part := e.leaving(fold)
		fitted := regress(part, measure(part, workers), penalty, start, workers)
		for i := range e.visit {
			if int(e.visits[e.visit[i]].fold) == fold {
				e.columns(i, x)
				unseen[i] = fitted.at(x)
			}
		}
	}
	return unseen
}

// priors returns for each fold the log-odds of the base rate outside of it.
func priors(e *examples) (list [folds]float64) {
	for fold := range list {
		var positive, weight float64
		for i := range e.visits {
			if v := &e.visits[i]; int(v.fold) != fold {
				weight += float64(v.weight)
				if v.positive {
					positive += float64(v.weight)
				}
			}
		}
		list[fold] = logit((positive + 0.5) / (weight + 1))
	}
	return list
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
func maxima(e *examples, by estimator, c calibration) *histogram {
	h := new(histogram)
	var x Vector
	for i := range e.visits {
		v := &e.visits[i]
		best := math.Inf(-1)
		for k := v.from; k < v.to; k++ {
			e.vector(int(k), &x)
			best = max(best, c.at(by.logOdds(&x)))
		}
		h.add(best, int64(math.Round(float64(v.weight)*16)))
	}
	return h
}
