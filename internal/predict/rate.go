package predict

import "math"

// rate is a share with its 95 % interval.
type rate struct{ share, low, high float64 }

// baseRate returns the share of visits that achieve an outcome. The interval is that of the Beta
// distribution which the counts leave of Jeffreys' prior, so it is honest from the first visit on.
// Nothing seen yet counts as a share of 0 within an interval that is nearly everything.
//
// It is computed when a model is loaded and is no part of it, so the mathematics may be those of the
// machine.
func baseRate(n counts) rate {
	a, b := float64(n.conversions)+0.5, float64(n.visits-n.conversions)+0.5
	r := rate{low: betaQuantile(0.025, a, b), high: betaQuantile(0.975, a, b)}
	if n.visits > 0 {
		r.share = float64(n.conversions) / float64(n.visits)
	}
	if n.conversions == 0 {
		r.low = 0
	}
	if n.conversions == n.visits {
		r.high = 1
	}
	return r
}

// betaQuantile returns where the Beta(a, b) distribution reaches p, by bisection.
func betaQuantile(p, a, b float64) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		mid := (low + high) / 2
		if betaDistribution(mid, a, b) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// betaDistribution returns the regularised incomplete beta function, by its continued fraction in
// Lentz's form.
func betaDistribution(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) { // the fraction converges fast on the other side
		return 1 - betaDistribution(1-x, b, a)
	}
	gab, _ := math.Lgamma(a + b)
	ga, _ := math.Lgamma(a)
	gb, _ := math.Lgamma(b)
	front := math.Exp(gab-ga-gb+a*math.Log(x)+b*math.Log1p(-x)) / a
	const tiny = 1e-300
	c, d := 1.0, 1-(a+b)*x/(a+1)
	if math.Abs(d) < tiny {
		d = tiny
	}
	d = 1 / d
	f := d
	for m := 1.0; m < 10_000; m++ {
		for _, num := range [2]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 + num*d
			if math.Abs(d) < tiny {
				d = tiny
			}
			c = 1 + num/c
			if math.Abs(c) < tiny {
				c = tiny
			}
			d = 1 / d
			f *= c * d
		}
		if math.Abs(c*d-1) < 1e-14 {
			break
		}
	}
	return front * f
}
