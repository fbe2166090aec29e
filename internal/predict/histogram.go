package predict

import "math"

// histogram counts visits by the highest log-odds they reached, in whole numbers, so that what was
// added can be taken away exactly. A visit counts 16, to leave room for shares.
type histogram struct {
	bins  [histogramBins]int64
	total int64
}

const (
	histogramBins  = 1024
	histogramReach = 12.0 // log-odds; what lies beyond counts as that
)

func binOf(logOdds float64) int {
	at := math.Floor((logOdds + histogramReach) * (histogramBins / (2 * histogramReach)))
	if !(at > 0) { // not a number counts as nothing, too
		return 0
	}
	return int(min(at, histogramBins-1))
}

func (h *histogram) add(logOdds float64, n int64) {
	h.bins[binOf(logOdds)] += n
	h.total += n
}

// cumulative is a histogram made for looking up.
type cumulative [histogramBins]float64

// below returns, for each bin, the share of the visits that stayed below it.
func (h *histogram) below() *cumulative {
	c := new(cumulative)
	if h.total == 0 {
		return c
	}
	sum := int64(0)
	for i, n := range h.bins {
		c[i] = float64(sum) / float64(h.total)
		sum += n
	}
	return c
}
