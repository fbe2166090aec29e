// Package predict estimates, after every event of a visit, how likely each outcome still is, and can
// prove that it has forgotten somebody.
//
// A visit is reduced to a few named counters (features), all of them on a closed list: no
// identifier, no text, no address can become one. From closed visits of people who allow it, one
// model per outcome is trained: the base rate while there is little data, then a logistic
// regression, then boosted trees. A model is a function of the set of its training rows, of this code and of its
// configuration: the same set gives the same bytes, in whatever order the rows come. So training
// again without a person's rows is not an approximation of forgetting, it is the model that would be
// there if they had never come (Art. 17 GDPR), and whoever holds the rows can check it.
package predict

import (
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
)

// Score is what is expected of one outcome after the latest event of a visit.
type Score struct {
	Outcome     uuid.UUID
	Probability float64 // that the outcome is still achieved in this visit
	Shown       bool    // false: there is too little data to call Probability one; nothing may be decided by it
	BaseRate    float64 // share of all visits that achieve the outcome
	Low, High   float64 // 95 % interval of BaseRate
	Stage       int     // which kind of model: StageBase, StageRegression or StageForest
	Model       [32]byte
	Quantile    float64 // share of visits whose highest probability was below Probability
	Max         float64 // highest probability of this visit so far
	MaxQuantile float64 // Quantile at Max
}

// After returns s with its maxima raised to those of the same visit's previous score of the outcome.
func (s Score) After(previous Score) Score {
	s.Max = max(s.Max, previous.Max)
	s.MaxQuantile = max(s.MaxQuantile, previous.MaxQuantile)
	return s
}

// The stages that a predictor grows through.
const (
	StageBase       = 0 // the base rate
	StageRegression = 1 // logistic regression
	StageForest     = 2 // boosted trees, mixed with the regression
)

// Visit is one closed visit, from which training rows are made. Its subject must allow the purpose
// "predict" when it is recorded, and is asked about again whenever a model is trained.
type Visit struct {
	Session uuid.UUID
	Subject id.Subject
	Closed  time.Time
	// Vectors holds the features after each event, in order. Of a longer visit only the first
	// MaxVectors are used.
	Vectors []Vector
	// Achieved tells for each outcome that was achieved by which event, counted from 0.
	Achieved map[uuid.UUID]int
	// Ground is the index of the ledger entry that allows training, -1 if it was another basis.
	Ground int64
}

// MaxVectors is the number of events of a visit that training looks at.
const MaxVectors = 64
