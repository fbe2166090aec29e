package predict

import (
	"math"
	"sync"
)

// design is a matrix of examples with a label and a weight each. It is read by several goroutines at
// once. Values must not be negative zero or not a number.
type design interface {
	// width returns the number of columns.
	width() int
	// len returns the number of examples.
	len() int
	// example writes the columns of example i into x and returns its label and weight. Examples of
	// weight 0 count for nothing.
	example(i int, x []float64) (positive bool, weight float64)
}

// linear is a linear function of the columns: intercept + sum of coefficient*column.
type linear struct {
	intercept float64
	coef      []float64
}

func (l *linear) at(x []float64) float64 {
	sum := l.intercept
	for j, c := range l.coef {
		sum += float64(c * x[j])
	}
	return sum
}

// moments are the weighted mean and standard deviation of each column.
type moments struct {
	weight   float64 // of all examples
	positive float64 // of the positive ones
	mean, sd []float64
}

// chunk is how many examples are summed up together. Sums are made within chunks and then over
// chunks in their order, so that they don't depend on how many goroutines there are.
const chunk = 1024

// overChunks calls fn for each chunk of n examples, from several goroutines, and then sum for each
// result in order.
func overChunks[T any](n, workers int, fn func(from, to int) T, sum func(T)) {
	chunks := (n + chunk - 1) / chunk
	results := make([]T, chunks)
	var wg sync.WaitGroup
	for w := range max(1, min(workers, chunks)) {
		wg.Go(func() {
			for c := w; c < chunks; c += max(1, workers) {
				results[c] = fn(c*chunk, min((c+1)*chunk, n))
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		sum(r)
	}
}

// measure returns the moments of a design.
func measure(d design, workers int) moments {
	type sums struct {
		weight, positive float64
		x, xx            []float64
	}
	k := d.width()
	total := sums{x: make([]float64, k), xx: make([]float64, k)}
	overChunks(d.len(), workers, func(from, to int) sums {
		s := sums{x: make([]float64, k), xx: make([]float64, k)}
		x := make([]float64, k)
		for i := from; i < to; i++ {
			positive, w := d.example(i, x)
			if w == 0 {
				continue
			}
			s.weight += w
			if positive {
				s.positive += w
			}
			for j, v := range x {
				if v != 0 {
					wv := float64(w * v)
					s.x[j] += wv
					s.xx[j] += float64(wv * v)
				}
			}
		}
		return s
	}, func(s sums) {
		total.weight += s.weight
		total.positive += s.positive
		for j := range total.x {
			total.x[j] += s.x[j]
			total.xx[j] += s.xx[j]
		}
	})
	m := moments{weight: total.weight, positive: total.positive, mean: total.x, sd: total.xx}
	for j := range m.mean {
		m.mean[j] /= max(total.weight, math.SmallestNonzeroFloat64)
		variance := m.sd[j]/max(total.weight, math.SmallestNonzeroFloat64) - float64(m.mean[j]*m.mean[j])
		if variance < 1e-9 {
			variance = 0
		}
		m.sd[j] = math.Sqrt(variance)
	}
	return m
}

const (
	// penalty keeps coefficients small while there are few conversions. It is that of the sum of the
	// losses, so its weight against the data fades as the data grows.
	penalty = 3.0

	newtonSteps     = 40
	newtonPrecision = 1e-8 // of the penalised loss per unit of weight
)

// regress fits a logistic regression by Newton's method. The loss is the weighted log loss plus half
// of penalty times the sum of the squared coefficients of the standardised columns; the intercept is
// free. Columns that don't vary get the coefficient 0. start, if not nil, is where the search begins;
// the optimum is the same.
func regress(d design, m moments, penalty float64, start *linear, workers int) linear {
	k := d.width()
	l := linear{coef: make([]float64, k)}
	if start != nil {
		l.intercept = start.intercept
		copy(l.coef, start.coef)
	} else {
		rate := (m.positive + 0.5) / (m.weight + 1)
		l.intercept = logit(rate)
	}
	for j, sd := range m.sd {
		if sd == 0 {
			l.coef[j] = 0
		}
	}
	cur := derive(d, m, &l, penalty, workers)
	for range newtonSteps {
		step, ok := cur.solve(m)
		if !ok {
			return l
		}
		improved := false
		for scale := 1.0; scale > 1e-4; scale /= 2 {
			try := linear{intercept: l.intercept + float64(scale*step[k]), coef: make([]float64, k)}
			for j := range try.coef {
				try.coef[j] = l.coef[j] + float64(scale*step[j])
			}
			next := derive(d, m, &try, penalty, workers)
			if next.loss < cur.loss {
				gain := cur.loss - next.loss
				l, cur, improved = try, next, gain > float64(newtonPrecision*m.weight)
				break
			}
		}
		if !improved {
			return l
		}
	}
	return l
}

// derivatives of the penalised loss. The last row and column belong to the intercept; the Hessian is
// the lower triangle, row by row.
type derivatives struct {
	loss     float64
	gradient []float64
	hessian  []float64
}

func newDerivatives(k int) derivatives {
	return derivatives{gradient: make([]float64, k+1), hessian: make([]float64, (k+1)*(k+2)/2)}
}

// derive computes the penalised loss at l with its derivatives.
func derive(d design, m moments, l *linear, penalty float64, workers int) derivatives {
	k := d.width()
	total := newDerivatives(k)
	overChunks(d.len(), workers, func(from, to int) derivatives {
		s := newDerivatives(k)
		x := make([]float64, k)
		at := make([]int, 0, k+1) // columns that aren't 0
		for i := from; i < to; i++ {
			positive, w := d.example(i, x)
			if w == 0 {
				continue
			}
			at = at[:0]
			for j, v := range x {
				if v != 0 && m.sd[j] != 0 {
					at = append(at, j)
				}
			}
			s.add(l, x, at, positive, w)
		}
		return s
	}, func(s derivatives) {
		total.loss += s.loss
		for j, v := range s.gradient {
			total.gradient[j] += v
		}
		for j, v := range s.hessian {
			total.hessian[j] += v
		}
	})
	for j, c := range l.coef {
		p := float64(penalty * float64(m.sd[j]*m.sd[j]))
		total.loss += float64(float64(p*c)*c) / 2
		total.gradient[j] += float64(p * c)
		total.hessian[j*(j+1)/2+j] += p
	}
	return total
}

// add sums up one example, of which only the columns in at matter.
func (s *derivatives) add(l *linear, x []float64, at []int, positive bool, w float64) {
	z := l.intercept
	for _, j := range at {
		z += float64(l.coef[j] * x[j])
	}
	p, l1 := sigmoidAndLoss(z, positive)
	s.loss += float64(w * l1)
	g := p
	if positive {
		g = p - 1
	}
	g = float64(w * g)
	h := float64(w * float64(p*(1-p)))
	k := len(x)
	last := s.hessian[k*(k+1)/2:]
	for a, j := range at {
		s.gradient[j] += float64(g * x[j])
		hx := float64(h * x[j])
		row := s.hessian[j*(j+1)/2:]
		for _, i := range at[:a+1] {
			row[i] += float64(hx * x[i])
		}
		last[j] += hx
	}
	s.gradient[k] += g
	last[k] += h
}

// solve returns the Newton step by Cholesky decomposition; false if the Hessian is not positive
// definite.
func (s *derivatives) solve(m moments) ([]float64, bool) {
	n := len(s.gradient)
	lower := append([]float64(nil), s.hessian...)
	cell := func(i, j int) *float64 { return &lower[i*(i+1)/2+j] }
	for j, sd := range m.sd {
		if sd == 0 { // its row is empty
			*cell(j, j) = 1
		}
	}
	for i := range n {
		for j := 0; j <= i; j++ {
			sum := *cell(i, j)
			for k := range j {
				sum -= float64(*cell(i, k) * *cell(j, k))
			}
			if i == j {
				if !(sum > 1e-12) {
					return nil, false
				}
				*cell(i, i) = math.Sqrt(sum)
			} else {
				*cell(i, j) = sum / *cell(j, j)
			}
		}
	}
	step := make([]float64, n)
	for i := range n {
		sum := -s.gradient[i]
		for k := range i {
			sum -= float64(*cell(i, k) * step[k])
		}
		step[i] = sum / *cell(i, i)
	}
	for i := n - 1; i >= 0; i-- {
		sum := step[i]
		for k := i + 1; k < n; k++ {
			sum -= float64(*cell(k, i) * step[k])
		}
		step[i] = sum / *cell(i, i)
	}
	return step, true
}
