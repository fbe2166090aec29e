package console

import (
	"fmt"
	"strings"
	"time"
)

// chart is how a probability moved over the events of a visit, drawn as steps in an inline SVG of
// 600 by 120 units. Events stand at equal distances: what matters is what each of them did.
type chart struct {
	at []time.Time
	p  []float64
}

const (
	chartWidth  = 600.0
	chartHeight = 120.0
)

func (c *chart) add(at time.Time, p float64) { c.at, c.p = append(c.at, at), append(c.p, p) }

// Any tells whether there is something to draw.
func (c chart) Any() bool { return len(c.p) > 1 }

// Top is the probability at the upper edge: the next round tenth above the highest.
func (c chart) Top() float64 {
	top := 0.1
	for _, p := range c.p {
		for p > top && top < 1 {
			top += 0.1
		}
	}
	return min(top, 1)
}

// Line is the points of the curve.
func (c chart) Line() string {
	var b strings.Builder
	top := c.Top()
	for i, p := range c.p {
		x := chartWidth * float64(i) / float64(max(1, len(c.p)-1))
		y := chartHeight * (1 - p/top)
		fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
	}
	return strings.TrimSpace(b.String())
}

// Area is the points of the surface below the curve.
func (c chart) Area() string {
	return fmt.Sprintf("0,%.0f %s %.0f,%.0f", chartHeight, c.Line(), chartWidth, chartHeight)
}

// Last is the latest probability.
func (c chart) Last() float64 {
	if len(c.p) == 0 {
		return 0
	}
	return c.p[len(c.p)-1]
}

// Words says the curve to those who can't see it.
func (c chart) Words() string {
	if !c.Any() {
		return ""
	}
	low, high := c.p[0], c.p[0]
	for _, p := range c.p {
		low, high = min(low, p), max(high, p)
	}
	return fmt.Sprintf("From %s at the first event to %s at the latest; lowest %s, highest %s.",
		percent(c.p[0]), percent(c.Last()), percent(low), percent(high))
}
