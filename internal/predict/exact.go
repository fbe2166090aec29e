package predict

import "math"

// The functions below give the same bits on every machine, which those of package math don't: it
// uses assembly on some, and the compiler may fuse x*y+z into one rounding on others. Go fuses
// across no explicit conversion, so each product that is added to is converted. They are accurate to
// about one unit in the last place.

// expSeries is the Taylor series of the exponential, highest power first. For |x| <= ln(2)/2 it has
// converged after the 13th.
var expSeries = [...]float64{
	1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
	1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1,
}

// logSeries is that of artanh(s)/s-1 in s*s, highest power first. For |s| < 0.1716 it has converged.
var logSeries = [...]float64{
	1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3,
}

// exp returns e**x.
func exp(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01 // ln 2 without its last bits, so that k*ln2Hi is exact
		ln2Lo = 1.90821492927058770002e-10
		log2e = 1.44269504088896338700e+00
	)
	switch {
	case x != x:
		return x
	case x > 709:
		return math.Inf(1)
	case x < -708:
		return 0
	}
	k := math.Floor(float64(x*log2e) + 0.5)
	r := x - float64(k*ln2Hi)
	r -= float64(k * ln2Lo)
	sum := 0.0
	for _, c := range expSeries {
		sum = c + float64(r*sum)
	}
	return math.Float64frombits(math.Float64bits(sum) + uint64(int64(k))<<52)
}

// log returns the natural logarithm of a positive, normal x.
func log(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01
		ln2Lo = 1.90821492927058770002e-10
	)
	m, e := math.Frexp(x) // takes bits apart only
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	// ln m = 2 artanh s with |s| < 0.1716.
	s := (m - 1) / (m + 1)
	s2 := float64(s * s)
	sum := 0.0
	for _, c := range logSeries {
		sum = float64(s2 * (c + sum))
	}
	k := float64(e)
	return float64(k*ln2Hi) + (float64(2*s) + (float64(float64(2*s)*sum) + float64(k*ln2Lo)))
}

// logPlus1 returns ln(1+x) for x from 0. Features are whole numbers or coarse amounts, so the digits
// that 1+x loses don't matter.
func logPlus1(x float64) float64 {
	if x == 0 {
		return 0
	}
	return log(1 + x)
}

// sigmoid turns log-odds into a probability.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + exp(-x))
	}
	e := exp(x)
	return e / (1 + e)
}

// logit turns a probability into log-odds.
func logit(p float64) float64 { return log(p / (1 - p)) }

// loss returns the log loss of log-odds x if the label is positive or not.
func loss(x float64, positive bool) float64 {
	_, l := sigmoidAndLoss(x, positive)
	return l
}

// sigmoidAndLoss returns sigmoid(x) and the log loss together.
func sigmoidAndLoss(x float64, positive bool) (p, l float64) {
	e := exp(-math.Abs(x))
	p = 1 / (1 + e)
	if x < 0 {
		p = e / (1 + e)
	}
	l = log(1 + e)
	if (x < 0) == positive { // on the wrong side
		l += math.Abs(x)
	}
	return p, l
}
