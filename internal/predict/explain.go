package predict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// Contribution is the part that one feature has in a score, against a visit in which that feature
// is average (Art. 15(1)(h) GDPR: the logic involved, in a form that its data subject understands).
type Contribution struct {
	Feature string  `json:"feature"`
	Value   float64 `json:"value"`    // of the feature in this visit, in plain units
	LogOdds float64 `json:"log_odds"` // what it adds to the score's log-odds; negative: takes away
	Without float64 `json:"without"`  // the probability if this feature were average
	Words   string  `json:"words"`    // one sentence for a person
}

// Explain returns what a score is made of, the strongest part first; parts that change nothing are
// left out. It is empty while there is only a base rate. It fails with fail.NotFound if the outcome
// isn't predicted.
func (r *Room) Explain(t id.Tenant, outcome uuid.UUID, v *Vector) ([]Contribution, error) {
	p, ok := r.current.Load().tenants[t][outcome]
	if !ok {
		return nil, fail.New(fail.NotFound, "no predictor is enabled for this outcome")
	}
	return p.explain(v), nil
}

func (p *predictor) explain(v *Vector) []Contribution {
	if p.estimator == nil {
		return nil
	}
	_, parts := p.estimator.explain(v)
	z := p.model.calibration.at(p.estimator.logOdds(v))
	var list []Contribution
	for j, part := range parts {
		part *= p.model.calibration.slope
		if math.Abs(part) < 1e-9 {
			continue
		}
		c := Contribution{
			Feature: features[j].name, Value: float64(v[j]), LogOdds: part,
			Without: sigmoid(z - part),
		}
		c.Words = inWords(j, v[j], c.Without, sigmoid(z))
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b Contribution) int {
		return cmp.Compare(math.Abs(b.LogOdds), math.Abs(a.LogOdds))
	})
	return list
}

// inWords says what a feature does to the estimate, such as "4 product pages viewed: raises the
// estimate from 3 % to 8 %".
func inWords(feature int, value float32, without, with float64) string {
	f := features[feature]
	what := f.words
	switch {
	case f.scale == flag && value == 0:
		what = "not so: " + what
	case f.scale == flag:
	case value == float32(math.Trunc(float64(value))):
		what = fmt.Sprintf("%.0f %s", value, what)
	default:
		what = fmt.Sprintf("%.2f %s", value, what)
	}
	verb := "raises"
	if with < without {
		verb = "lowers"
	}
	return fmt.Sprintf("%s: %s the estimate from %s to %s", what, verb, percent(without), percent(with))
}

// percent writes a probability with as many digits as it takes to tell it from nothing.
func percent(p float64) string {
	x := 100 * p
	switch {
	case x >= 10 && x <= 90:
		return fmt.Sprintf("%.0f %%", x)
	case x >= 0.1 && x <= 99.9:
		return strings.Replace(fmt.Sprintf("%.1f %%", x), ".0 ", " ", 1)
	case x < 0.1:
		return "less than 0.1 %"
	default:
		return "more than 99.9 %"
	}
}
