package predict

import (
	"cmp"
	"math"
	"slices"
)

// Quality says how well a model did on visits of people it had not learnt from. All losses are
// averages per visit, in which every event of a visit counts the same.
type Quality struct {
	Visits      int     // that it was tried on
	Conversions int     // of them
	Events      int     // in them, before the outcome
	LogLoss     float64 // of the calibrated model
	PriorLoss   float64 // of the base rate alone
	LossSE      float64 // standard error of PriorLoss-LogLoss
	AUC         float64 // over all events: how often an event of a visit that converts scores higher
	Brier       float64 // mean squared error over all events
}

// Skill is the part of the base rate's loss that the model saves; 0 if it was not tried.
func (q Quality) Skill() float64 {
	if q.PriorLoss == 0 {
		return 0
	}
	return 1 - q.LogLoss/q.PriorLoss
}

// admitted tells whether the model may be used: it must beat the base rate by more than chance. It
// is not compared with the model that it replaces, because then it would depend on what came before
// and not on its rows alone.
func (q Quality) admitted() bool { return q.PriorLoss-q.LogLoss > q.LossSE }

// assess compares log-odds given to unseen people with the base rate.
func assess(e *examples, unseen []float64, c calibration) Quality {
	prior := priors(e)
	q := Quality{Visits: len(e.visits), Events: e.len()}
	labels := make([]bool, len(unseen))
	var weight, model, base, gain, gain2, brier, events float64
	for i := range e.visits {
		v := &e.visits[i]
		if v.positive {
			q.Conversions++
		}
		m, b := 0.0, loss(prior[v.fold], v.positive)
		for k := v.from; k < v.to; k++ {
			labels[k] = v.positive
			z := c.at(unseen[k])
			m += loss(z, v.positive)
			miss := sigmoid(z)
			if v.positive {
				miss = 1 - miss
			}
			brier += float64(float64(v.weight) * float64(miss*miss))
			events += float64(v.weight)
		}
		n := float64(v.to - v.from)
		m /= n
		w := float64(v.weight)
		weight += w
		model += float64(w * m)
		base += float64(w * b)
		gain += float64(w * (b - m))
		gain2 += float64(float64(w*(b-m)) * (b - m))
	}
	q.LogLoss, q.PriorLoss, q.Brier = model/weight, base/weight, brier/events
	mean := gain / weight
	q.LossSE = math.Sqrt(max(0, gain2/weight-float64(mean*mean)) / float64(len(e.visits)))
	q.AUC = areaUnderCurve(unseen, labels)
	return q
}

// areaUnderCurve returns the probability that a positive example scores higher than a negative one,
// ties counted half; 0.5 if there are only examples of one kind.
func areaUnderCurve(scores []float64, labels []bool) float64 {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var positives, negatives, won int64 // won counts halves
	for i := 0; i < len(order); {
		j, pos, neg := i, int64(0), int64(0)
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			if labels[order[j]] {
				pos++
			} else {
				neg++
			}
		}
		won += pos * (2*negatives + neg)
		positives += pos
		negatives += neg
		i = j
	}
	if positives == 0 || negatives == 0 {
		return 0.5
	}
	return float64(won) / float64(2*positives*negatives)
}
