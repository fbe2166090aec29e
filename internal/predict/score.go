package predict

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"probity/internal/id"
)

// predictor is a model made ready for scoring. It is never changed.
type predictor struct {
	model     *model
	hash      [32]byte
	rate      rate
	estimator estimator   // nil: the base rate
	below     *cumulative // nil: the base rate
}

func newPredictor(m *model) *predictor {
	p := &predictor{model: m, hash: m.hash(), rate: baseRate(m.counts), estimator: m.estimator()}
	if m.maxima != nil {
		p.below = m.maxima.below()
	}
	return p
}

// score estimates the outcome from the features.
func (p *predictor) score(v *Vector) Score {
	s := Score{
		Outcome:  p.model.outcome,
		BaseRate: p.rate.share, Low: p.rate.low, High: p.rate.high,
		Stage: p.model.stage,
		Model: p.hash,
	}
	if p.estimator == nil {
		s.Probability = p.rate.share
		s.Max = s.Probability
		return s
	}
	z := p.model.calibration.at(p.estimator.logOdds(v))
	s.Shown = true
	s.Probability = sigmoid(z)
	s.Quantile = p.below[binOf(z)]
	s.Max, s.MaxQuantile = s.Probability, s.Quantile
	return s
}

// scaleVector writes the features as a regression takes them into x, which must be empty.
func scaleVector(v *Vector, x *[NumFeatures]float64) {
	for j, f := range v {
		if f != 0 {
			x[j] = scaleValue(j, f)
		}
	}
}

// Score estimates an outcome from the features of a visit so far; false if no predictor is enabled
// for it. It takes no lock and doesn't allocate. Max and MaxQuantile are those of this score alone;
// Score.After carries those of the visit over.
func (r *Room) Score(t id.Tenant, outcome uuid.UUID, v *Vector) (Score, bool) {
	p, ok := r.current.Load().tenants[t][outcome]
	if !ok {
		return Score{}, false
	}
	return p.score(v), true
}

// Enabled returns the outcomes that are predicted, sorted.
func (r *Room) Enabled(t id.Tenant) []uuid.UUID {
	var list []uuid.UUID
	for o := range r.current.Load().tenants[t] {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return list
}
