package predict

import (
	"math"
	"sync"
)

// How forests are grown. Part of the models' identity.
const (
	maxTrees      = 100
	patience      = 10 // trees that may bring nothing before growing ends
	learningRate  = 0.1
	fewLeaves     = 6 // of a tree, until manyConversions
	manyLeaves    = 15
	leafPenalty   = 1.0 // added to the curvature of each leaf
	leafCurvature = 1.0 // least curvature of a leaf: about one visit that converts
	maxBins       = 64

	forestConversions = 75 // from which a forest is tried, with
	forestVisits      = 500
	manyConversions   = 300
)

// fixed is the scale at which gradients become whole numbers. Sums of whole numbers don't depend on
// their order, so neither do the trees.
const fixed = 1 << 24

// binned holds the features of examples as numbers of bins, example by example.
type binned struct {
	codes []uint8 // NumFeatures for each example
	upper [NumFeatures][]uint16
	used  []int // features with more than one bin
}

// newBinned divides the values of each feature into bins that hold about the same number of
// examples, or one bin a value where there are few.
func newBinned(e *examples) *binned {
	n := e.len()
	c := &binned{codes: make([]uint8, n*NumFeatures)}
	seen := make([]uint32, 1<<15)
	bin := make([]uint8, 1<<15)
	for f := range NumFeatures {
		clear(seen)
		distinct := 0
		for i := range n {
			q := e.cells[i*NumFeatures+f]
			if seen[q] == 0 {
				distinct++
			}
			seen[q]++
		}
		var upper []uint16 // highest value of each bin, compact
		filled, want := uint32(0), uint32(0)
		if distinct > maxBins {
			want = uint32((n + maxBins - 1) / maxBins)
		}
		for q, k := range seen {
			if k == 0 {
				continue
			}
			bin[q] = uint8(len(upper))
			filled += k
			if filled >= want && len(upper) < maxBins-1 {
				upper = append(upper, uint16(q))
				filled = 0
			}
		}
		if filled > 0 { // the last bin takes the rest
			upper = append(upper, 0x7f7f)
		}
		for i := range n {
			c.codes[i*NumFeatures+f] = bin[e.cells[i*NumFeatures+f]]
		}
		c.upper[f] = upper
		if len(upper) > 1 {
			c.used = append(c.used, f)
		}
	}
	return c
}

// sums of gradients and curvatures, in units of 1/fixed.
type sums struct{ g, h int64 }

func (s *sums) add(o sums) { s.g += o.g; s.h += o.h }
func (s *sums) sub(o sums) { s.g -= o.g; s.h -= o.h }

// bins holds the sums of the examples of a branch by feature and bin.
type bins [NumFeatures][maxBins]sums

// score is what a leaf of these sums saves.
func (s sums) score() float64 {
	g := float64(s.g)
	return g * g / (float64(s.h) + leafPenalty*fixed)
}

// value is what such a leaf adds to the log-odds.
func (s sums) value() float64 {
	return -float64(learningRate*float64(s.g)) / (float64(s.h) + leafPenalty*fixed)
}

// grower grows the trees of one forest.
type grower struct {
	e      *examples
	c      *binned
	leaves int
	forest forest
	unseen []int32   // examples of the fold that is left out
	losses []float64 // on those, by number of trees

	logOdds []float64 // of each example so far
	parts   []sums    // of each example for the next tree
	order   []int32   // examples to learn from, grouped by leaf
	spare   []int32
}

// branch is a leaf that may still be divided.
type branch struct {
	node     int
	from, to int // its examples in order
	total    sums
	bins     *bins
	split    split
}

// split is the best question to divide a branch by.
type split struct {
	gain    float64 // 0: none
	feature int
	bin     int // up to which examples go left
	left    sums
}

func newGrower(e *examples, c *binned, leaves int) *grower {
	g := &grower{e: e, c: c, leaves: leaves, logOdds: make([]float64, e.len()), parts: make([]sums, e.len())}
	var positive, weight float64
	for i := range e.visit {
		v := &e.visits[e.visit[i]]
		if int(v.fold) == e.without {
			g.unseen = append(g.unseen, int32(i))
			continue
		}
		g.order = append(g.order, int32(i))
		weight += float64(e.weight[i])
		if v.positive {
			positive += float64(e.weight[i])
		}
	}
	g.spare = make([]int32, len(g.order))
	g.forest.bias = logit((positive + 0.5) / (weight + 1))
	for i := range g.logOdds {
		g.logOdds[i] = g.forest.bias
	}
	return g
}

// grow adds one tree to the forest.
func (g *grower) grow() {
	t := g.tree()
	g.forest.trees = append(g.forest.trees, t)
	total := 0.0
	for _, i := range g.unseen {
		g.logOdds[i] += g.walk(t, int(i))
		total += float64(float64(g.e.weight[i]) * loss(g.logOdds[i], g.e.visits[g.e.visit[i]].positive))
	}
	g.losses = append(g.losses, total)
}

// walk returns what a tree adds to an example.
func (g *grower) walk(t tree, i int) float64 {
	n := &t[0]
	for n.feature != leaf {
		f := int(n.feature)
		if g.c.upper[f][g.c.codes[i*NumFeatures+f]] <= n.threshold {
			n = &t[n.left]
		} else {
			n = &t[n.right]
		}
	}
	return n.value
}

// tree grows one tree, always dividing the leaf that gains most, and adds it to the log-odds.
func (g *grower) tree() tree {
	var total sums
	for _, i := range g.order {
		w := float64(g.e.weight[i])
		p := sigmoid(g.logOdds[i])
		miss := p
		if g.e.visits[g.e.visit[i]].positive {
			miss = p - 1
		}
		s := sums{
			g: int64(math.Round(float64(w*miss) * fixed)),
			h: int64(math.Round(float64(w*float64(p*(1-p))) * fixed)),
		}
		g.parts[i] = s
		total.add(s)
	}
	t := tree{{feature: leaf, value: total.value()}}
	root := branch{to: len(g.order), total: total, bins: g.count(g.order)}
	root.split = g.best(&root)
	open := []branch{root}
	for leaves := 1; leaves < g.leaves; leaves++ {
		at := -1
		for i := range open {
			if open[i].split.gain > 0 && (at < 0 || open[i].split.gain > open[at].split.gain) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		b := open[at]
		left, right := g.divide(&b)
		left.node, right.node = len(t), len(t)+1
		n := &t[b.node]
		n.feature, n.threshold = int8(b.split.feature), g.c.upper[b.split.feature][b.split.bin]
		n.left, n.right = uint16(left.node), uint16(right.node)
		t = append(t, node{feature: leaf, value: left.total.value()}, node{feature: leaf, value: right.total.value()})
		open[at] = left
		open = append(open, right)
	}
	for i := range open {
		v := t[open[i].node].value
		for _, k := range g.order[open[i].from:open[i].to] {
			g.logOdds[k] += v
		}
	}
	return t
}

// count sums up examples by feature and bin.
func (g *grower) count(list []int32) *bins {
	b := new(bins)
	for _, i := range list {
		p := g.parts[i]
		codes := g.c.codes[int(i)*NumFeatures : int(i)*NumFeatures+NumFeatures]
		for _, f := range g.c.used {
			s := &b[f][codes[f]&(maxBins-1)]
			s.g += p.g
			s.h += p.h
		}
	}
	return b
}

// best finds the question that gains most; of equals, that of the first feature and lowest bin.
func (g *grower) best(b *branch) (s split) {
	const least = int64(leafCurvature * fixed)
	if b.total.h < 2*least {
		return s
	}
	whole := b.total.score()
	for _, f := range g.c.used {
		var left sums
		for bin := range len(g.c.upper[f]) - 1 {
			left.add(b.bins[f][bin])
			right := b.total
			right.sub(left)
			if left.h < least || right.h < least {
				continue
			}
			if gain := left.score() + right.score() - whole; gain > s.gain+1e-6*fixed {
				s = split{gain: gain, feature: f, bin: bin, left: left}
			}
		}
	}
	return s
}

// divide parts the examples of a branch, keeping their order. Only the smaller side is counted; the
// other is what remains.
func (g *grower) divide(b *branch) (left, right branch) {
	f, bin := b.split.feature, uint8(b.split.bin)
	middle, spare := b.from, 0
	for _, i := range g.order[b.from:b.to] {
		if g.c.codes[int(i)*NumFeatures+f] <= bin {
			g.order[middle] = i
			middle++
		} else {
			g.spare[spare] = i
			spare++
		}
	}
	copy(g.order[middle:b.to], g.spare[:spare])
	left = branch{from: b.from, to: middle, total: b.split.left}
	right = branch{from: middle, to: b.to, total: b.total}
	right.total.sub(left.total)
	small, large := &left, &right
	if right.to-right.from < left.to-left.from {
		small, large = large, small
	}
	small.bins = g.count(g.order[small.from:small.to])
	large.bins = b.bins
	for _, f := range g.c.used {
		for k := range g.c.upper[f] {
			large.bins[f][k].sub(small.bins[f][k])
		}
	}
	left.split, right.split = g.best(&left), g.best(&right)
	return left, right
}

// crossGrow grows a forest for each fold without it, tree by tree, until more trees do no better on
// the people each has not seen; then one of that many trees on all examples. It returns that forest
// and the log-odds given to unseen people.
func crossGrow(e *examples, leaves, workers int) (f forest, unseen []float64) {
	c := newBinned(e)
	parts := make([]*grower, folds)
	eachOf(folds, workers, func(k int) { parts[k] = newGrower(e.leaving(k), c, leaves) })
	size, least := 0, math.Inf(1)
	for n := 1; n <= maxTrees && n <= size+patience; n++ {
		eachOf(folds, workers, func(k int) { parts[k].grow() })
		total := 0.0
		for _, g := range parts {
			total += g.losses[n-1]
		}
		if total < least {
			size, least = n, total
		}
	}
	all := newGrower(e.leaving(-1), c, leaves)
	for range size {
		all.grow()
	}
	unseen = make([]float64, e.len())
	var v Vector
	for _, g := range parts {
		g.forest.trees = g.forest.trees[:size]
		for _, i := range g.unseen {
			e.vector(int(i), &v)
			unseen[i] = g.forest.logOdds(&v)
		}
	}
	return all.forest, unseen
}

// eachOf calls fn for 0 to n-1 from several goroutines.
func eachOf(n, workers int, fn func(i int)) {
	var wg sync.WaitGroup
	for w := range max(1, min(workers, n)) {
		wg.Go(func() {
			for i := w; i < n; i += max(1, workers) {
				fn(i)
			}
		})
	}
	wg.Wait()
}
