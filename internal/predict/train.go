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
	maxVisits = 10_000
	// maxRows bounds the rows that a training reads.
	maxRows = 50_000
)

// procedure names the code that trains. It changes whenever the same rows would give other bytes.
const procedure = "probity/predict/procedure/v1"

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
