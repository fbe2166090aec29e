package predict

// forest is an estimator of many small decision trees, each of which corrects those before it
// (gradient boosting).
type forest struct {
	bias  float64 // log-odds before any tree
	trees []tree
}

// tree is a list of nodes; the first is the root, and children stand behind their parent.
type tree []node

// node is a question about one feature, or a leaf.
type node struct {
	feature   int8   // -1: a leaf
	threshold uint16 // compact; values up to it go left, others right
	left      uint16
	right     uint16
	value     float64 // what the tree would add if it ended here
}

const leaf = -1

func (f *forest) logOdds(v *Vector) float64 {
	sum := f.bias
	for i := range f.trees {
		sum += f.trees[i].at(v)
	}
	return sum
}

// at returns what the tree adds.
func (t tree) at(v *Vector) float64 {
	n := &t[0]
	for n.feature != leaf {
		if v[n.feature] <= expand(n.threshold) {
			n = &t[n.left]
		} else {
			n = &t[n.right]
		}
	}
	return n.value
}

// explain gives each feature what its questions changed on the way from the root to the leaf. The
// base is what all roots say: the visit of which nothing is known.
func (f *forest) explain(v *Vector) (base float64, parts [NumFeatures]float64) {
	base = f.bias
	for _, t := range f.trees {
		n := &t[0]
		base += n.value
		for n.feature != leaf {
			next := &t[n.right]
			if v[n.feature] <= expand(n.threshold) {
				next = &t[n.left]
			}
			parts[n.feature] += next.value - n.value
			n = next
		}
	}
	return base, parts
}

// append writes the binary form.
func (f *forest) append(b []byte) []byte {
	b = appendFloats(b, f.bias)
	b = appendInts(b, len(f.trees))
	for _, t := range f.trees {
		b = appendInts(b, len(t))
		for _, n := range t {
			b = append(b, byte(n.feature))
			b = appendFloats(b, n.value)
			if n.feature != leaf {
				b = appendInts(b, int(n.threshold), int(n.left), int(n.right))
			}
		}
	}
	return b
}

// forest reads what append wrote. Children must stand behind their parent, so that every way through
// a tree ends.
func (r *reader) forest() (f forest) {
	var trees int
	r.floats(&f.bias)
	r.ints(&trees)
	for ; trees > 0 && !r.failed; trees-- {
		var size int
		r.ints(&size)
		if size < 1 || size > len(r.b) || size > 1<<12 {
			r.failed = true
			return forest{}
		}
		t := make(tree, size)
		for i := range t {
			t[i].feature = int8(r.byte())
			r.floats(&t[i].value)
			if t[i].feature == leaf {
				continue
			}
			var threshold, left, right int
			r.ints(&threshold, &left, &right)
			if t[i].feature < 0 || t[i].feature >= NumFeatures || threshold >= 0x7f80 ||
				left <= i || right <= i || left >= size || right >= size {
				r.failed = true
				return forest{}
			}
			t[i].threshold, t[i].left, t[i].right = uint16(threshold), uint16(left), uint16(right)
		}
		f.trees = append(f.trees, t)
	}
	return f
}
