package predict

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"

	"github.com/google/uuid"
)

// model is what was learnt about one outcome. It is never changed once made.
type model struct {
	outcome uuid.UUID
	counts
	stage       int
	regression  regression // from StageRegression on
	forest      forest     // of StageForest, and
	share       float64    // its share in the mixture with the regression
	calibration calibration
	maxima      *histogram // nil in StageBase
	quality     Quality
}

// estimator gives the log-odds of an outcome, and says what they are made of.
type estimator interface {
	// logOdds returns the log-odds before calibration.
	logOdds(v *Vector) float64
	// explain returns the part of each feature in the log-odds, as the difference to a visit of
	// average features, and the log-odds of such a visit: base plus all parts is logOdds(v).
	explain(v *Vector) (base float64, parts [NumFeatures]float64)
}

// estimator returns what the stage of the model estimates with; nil for the base rate.
func (m *model) estimator() estimator {
	switch m.stage {
	case StageRegression:
		return &m.regression
	case StageForest:
		return &mixture{regression: &m.regression, forest: &m.forest, share: m.share}
	default:
		return nil
	}
}

// regression is a linear estimator of the scaled features, with their average in training.
type regression struct {
	linear
	mean []float64
}

func (r *regression) logOdds(v *Vector) float64 {
	var x [NumFeatures]float64
	scaleVector(v, &x)
	return r.at(x[:])
}

func (r *regression) explain(v *Vector) (base float64, parts [NumFeatures]float64) {
	var x [NumFeatures]float64
	scaleVector(v, &x)
	for j := range x {
		parts[j] = float64(r.coef[j] * (x[j] - r.mean[j]))
	}
	return r.at(r.mean), parts
}

// mixture is the weighted mean of two estimators.
type mixture struct {
	regression *regression
	forest     *forest
	share      float64 // of the forest
}

func (m *mixture) logOdds(v *Vector) float64 {
	return float64((1-m.share)*m.regression.logOdds(v)) + float64(m.share*m.forest.logOdds(v))
}

func (m *mixture) explain(v *Vector) (base float64, parts [NumFeatures]float64) {
	b1, p1 := m.regression.explain(v)
	b2, p2 := m.forest.explain(v)
	for j := range parts {
		parts[j] = float64((1-m.share)*p1[j]) + float64(m.share*p2[j])
	}
	return float64((1-m.share)*b1) + float64(m.share*b2), parts
}

// append writes the binary form.
func (r *regression) append(b []byte) []byte {
	b = appendFloats(b, r.intercept)
	b = appendFloats(b, r.coef...)
	return appendFloats(b, r.mean...)
}

// regression reads what append wrote.
func (r *reader) regression() (l regression) {
	l.coef, l.mean = make([]float64, NumFeatures), make([]float64, NumFeatures)
	r.floats(&l.intercept)
	for _, list := range [...][]float64{l.coef, l.mean} {
		for j := range list {
			r.floats(&list[j])
		}
	}
	return l
}

const modelMagic = "probity/predict/model/v1\x00"

var errModel = errors.New("the stored model is damaged or of another version")

// encode returns the one binary form of m, of which its hash is taken.
func (m *model) encode() []byte {
	b := []byte(modelMagic)
	b = append(b, m.outcome[:]...)
	b = append(b, byte(m.stage))
	b = appendInts(b, m.visits, m.conversions, m.quality.Visits, m.quality.Conversions, m.quality.Events)
	b = appendFloats(b, m.quality.LogLoss, m.quality.PriorLoss, m.quality.LossSE, m.quality.AUC, m.quality.Brier)
	if m.stage == StageBase {
		return b
	}
	b = appendFloats(b, m.calibration.slope, m.calibration.shift)
	b = m.regression.append(b)
	if m.stage == StageForest {
		b = m.forest.append(appendFloats(b, m.share))
	}
	return m.maxima.append(b)
}

// hash names the model by its content.
func (m *model) hash() [32]byte { return sha256.Sum256(m.encode()) }

// decodeModel reads what encode wrote.
func decodeModel(b []byte) (*model, error) {
	r := reader{b: b}
	if string(r.bytes(len(modelMagic))) != modelMagic {
		return nil, errModel
	}
	m := &model{outcome: uuid.UUID(r.bytes(16)), stage: int(r.byte()), calibration: identity}
	r.ints(&m.visits, &m.conversions, &m.quality.Visits, &m.quality.Conversions, &m.quality.Events)
	r.floats(&m.quality.LogLoss, &m.quality.PriorLoss, &m.quality.LossSE, &m.quality.AUC, &m.quality.Brier)
	switch m.stage {
	case StageBase:
	case StageRegression:
		r.floats(&m.calibration.slope, &m.calibration.shift)
		m.regression = r.regression()
		m.maxima = r.histogram()
	case StageForest:
		r.floats(&m.calibration.slope, &m.calibration.shift)
		m.regression = r.regression()
		r.floats(&m.share)
		m.forest = r.forest()
		m.maxima = r.histogram()
	default:
		return nil, errModel
	}
	if r.failed || len(r.b) > 0 {
		return nil, errModel
	}
	return m, nil
}

func appendInts(b []byte, list ...int) []byte {
	for _, n := range list {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func appendFloats(b []byte, list ...float64) []byte {
	for _, x := range list {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

// append writes the bins that aren't empty, each with its distance to the one before.
func (h *histogram) append(b []byte) []byte {
	used := 0
	for _, n := range h.bins {
		if n != 0 {
			used++
		}
	}
	b = binary.AppendUvarint(b, uint64(used))
	last := 0
	for i, n := range h.bins {
		if n != 0 {
			b = appendInts(b, i-last, int(n))
			last = i
		}
	}
	return b
}

// reader takes a model's binary form apart. After a failure it returns zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) bytes(n int) []byte {
	if len(r.b) < n {
		r.failed, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte { return r.bytes(1)[0] }

func (r *reader) ints(list ...*int) {
	for _, p := range list {
		x, w := binary.Uvarint(r.b)
		if w <= 0 || x > math.MaxInt64 {
			r.failed, r.b = true, nil
			return
		}
		*p, r.b = int(x), r.b[w:]
	}
}

func (r *reader) floats(list ...*float64) {
	for _, p := range list {
		x := math.Float64frombits(binary.LittleEndian.Uint64(r.bytes(8)))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			r.failed, r.b, x = true, nil, 0
		}
		*p = x
	}
}

func (r *reader) histogram() *histogram {
	h := new(histogram)
	var used, step, n int
	r.ints(&used)
	for at := 0; used > 0 && !r.failed; used-- {
		r.ints(&step, &n)
		at += step
		if at < 0 || at >= histogramBins || n <= 0 {
			r.failed = true
			return h
		}
		h.bins[at] = int64(n)
		h.total += int64(n)
	}
	return h
}
