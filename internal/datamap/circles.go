package datamap

import (
	"slices"
)

// judgement is the graph of rows in which it is decided whose each row is. A row's owner depends on the
// rows that its naming references lead to and, if it names nobody, on the rows that point at it. Where
// these dependencies form no circle, the rules apply one row after the other.
//
// In a circle of rows that name each other nobody is named by the circle itself: only a reference that
// leads out of it, to a row that somebody owns, names a person. Rows of a circle that no such reference
// names belong to all whose rows point into it.
type judgement struct {
	o      *owners
	nodes  []*node
	at     map[*node]int
	ups    [][]*node // by the references of role owner
	owned  []bool    // somebody owns the row
	byDown []bool    // the row names nobody, so that those who point at it own it
	circle []int     // the number of the circle the row is in; a row alone is one
	order  [][]int   // the circles, each after those that it depends on
}

// evaluate finds the owners of the nodes, given those that are done, and returns the nodes that name
// nobody.
func (o *owners) evaluate(all map[*node]bool) []*node {
	j := &judgement{o: o, at: map[*node]int{}}
	for n := range all {
		j.at[n] = len(j.nodes)
		j.nodes = append(j.nodes, n)
	}
	size := len(j.nodes)
	j.ups, j.owned, j.byDown = make([][]*node, size), make([]bool, size), make([]bool, size)
	users := make([][]int, size)   // rows whose references lead to it
	pointed := make([][]int, size) // rows that it points at
	for i, n := range j.nodes {
		for k, ref := range o.g.names[n.c] {
			if !ref.accessor && k < len(n.ups) {
				j.ups[i] = append(j.ups[i], n.ups[k]...)
			}
		}
		for _, u := range j.ups[i] {
			if at, ok := j.at[u]; ok {
				users[at] = append(users[at], i)
			}
		}
		for _, d := range n.downs {
			if at, ok := j.at[d]; ok {
				pointed[at] = append(pointed[at], i)
			}
		}
	}
	// Whom identity values name, and whoever is led to from there.
	spread := func(start []int, also [][]int) {
		for len(start) > 0 {
			i := start[0]
			start = start[1:]
			if j.owned[i] {
				continue
			}
			j.owned[i] = true
			start = append(start, users[i]...)
			if also != nil {
				start = append(start, also[i]...)
			}
		}
	}
	var start []int
	for i, n := range j.nodes {
		if len(n.named) > 0 || slices.ContainsFunc(j.ups[i], func(u *node) bool { return u.done && len(u.own) > 0 }) {
			start = append(start, i)
		}
	}
	spread(start, nil)
	start = nil
	for i, n := range j.nodes {
		j.byDown[i] = !j.owned[i]
		if j.owned[i] {
			start = append(start, pointed[i]...)
		} else if slices.ContainsFunc(n.downs, func(d *node) bool { return d.done && len(d.own) > 0 }) {
			start = append(start, i)
		}
	}
	spread(start, pointed)
	for again := true; again; {
		j.findCircles()
		again = false
		for i := range j.nodes {
			if j.byDown[i] && slices.ContainsFunc(j.ups[i], func(u *node) bool { return j.names(i, u) }) {
				j.byDown[i] = false
				again = true
			}
		}
	}
	for _, circle := range j.order {
		j.settle(circle)
	}
	var unnamed []*node
	for i, n := range j.nodes {
		if j.byDown[i] {
			unnamed = append(unnamed, n)
		}
	}
	return unnamed
}

// names tells whether the reference of row i to u names a person by itself.
func (j *judgement) names(i int, u *node) bool {
	if u.done {
		return len(u.own) > 0
	}
	at := j.at[u]
	return j.owned[at] && j.circle[at] != j.circle[i]
}

// depends returns the rows on which the owner of row i depends.
func (j *judgement) depends(i int) []*node {
	if j.byDown[i] {
		return slices.Concat(j.ups[i], j.nodes[i].downs)
	}
	return j.ups[i]
}

// findCircles finds the sets of rows that depend on each other (Tarjan's algorithm).
func (j *judgement) findCircles() {
	size := len(j.nodes)
	index, low := make([]int, size), make([]int, size)
	on := make([]bool, size)
	j.circle, j.order = make([]int, size), nil
	var stack []int
	next := 0
	var visit func(i int)
	visit = func(i int) {
		next++
		index[i], low[i] = next, next
		stack = append(stack, i)
		on[i] = true
		for _, d := range j.depends(i) {
			at, ok := j.at[d]
			switch {
			case !ok:
			case index[at] == 0:
				visit(at)
				low[i] = min(low[i], low[at])
			case on[at]:
				low[i] = min(low[i], index[at])
			}
		}
		if low[i] != index[i] {
			return
		}
		var circle []int
		for {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			on[top] = false
			j.circle[top] = len(j.order)
			circle = append(circle, top)
			if top == i {
				break
			}
		}
		j.order = append(j.order, circle)
	}
	for i := range size {
		if index[i] == 0 {
			visit(i)
		}
	}
}

// settle finds the owners of the rows of a circle.
func (j *judgement) settle(circle []int) {
	for _, i := range circle {
		j.nodes[i].own = nil
	}
	for changed := true; changed; {
		changed = false
		for _, i := range circle {
			n := j.nodes[i]
			var own []person
			for _, p := range n.named {
				own = append(own, j.o.root(p))
			}
			for _, d := range j.depends(i) {
				for _, p := range d.own {
					own = append(own, j.o.root(p))
				}
			}
			slices.Sort(own)
			own = slices.Compact(own)
			if !slices.Equal(own, n.own) {
				n.own = own
				changed = true
			}
		}
	}
}
