package datamap

import (
	"context"
	"maps"
	"slices"

	"probity/internal/fail"
)

// person is one of the people whom the identity values of the stores tell apart. Values that stand
// in one row are one person's.
type person int

// maxPointers limits how many rows may point at a row whose owners are counted.
const maxPointers = 200_000

// node is a row whose owners are asked for.
type node struct {
	row
	c        *Collection
	named    []person  // by its identity values
	ups      [][]*node // for each reference that may name somebody, the rows it leads to
	downs    []*node   // rows that point at it
	hasUps   bool
	hasDowns bool
	own      []person // sorted
	done     bool
}

type lookup struct {
	f     *Field
	value string
}

type value struct{ kind, text string }

// owners answers whose a row is. It remembers what it has seen of the stores, and must not outlive
// their transactions.
type owners struct {
	g       *graph
	find    func(ctx context.Context, l *layout, f *Field, values []string, yield func(*row) error) error
	layouts map[*Collection]*layout
	nodes   map[*Collection]map[string]*node
	looked  map[lookup][]*node

	people  map[value]person
	parent  []person
	loaded  map[value]bool // what else its rows name is known
	subject person
}

// newOwners returns an oracle for the person who has the identities.
func newOwners(g *graph, layouts map[*Collection]*layout, find func(context.Context, *layout, *Field, []string, func(*row) error) error, ids []Identity) *owners {
	o := &owners{g: g, find: find, layouts: layouts, people: map[value]person{}, loaded: map[value]bool{}, subject: -1}
	o.forget()
	for _, id := range ids {
		p := o.person(value{id.Kind, id.Value})
		if o.subject < 0 {
			o.subject = p
		}
		o.join(o.subject, p)
	}
	return o
}

// forget drops the rows that are remembered; who is who stays.
func (o *owners) forget() {
	o.nodes = map[*Collection]map[string]*node{}
	o.looked = map[lookup][]*node{}
}

// size returns how many rows are remembered.
func (o *owners) size() int {
	n := 0
	for _, m := range o.nodes {
		n += len(m)
	}
	return n
}

func (o *owners) person(v value) person {
	p, ok := o.people[v]
	if !ok {
		p = person(len(o.parent))
		o.parent = append(o.parent, p)
		o.people[v] = p
	}
	return o.root(p)
}

func (o *owners) root(p person) person {
	for o.parent[p] != p {
		o.parent[p] = o.parent[o.parent[p]]
		p = o.parent[p]
	}
	return p
}

func (o *owners) join(a, b person) {
	a, b = o.root(a), o.root(b)
	if a > b {
		a, b = b, a
	}
	o.parent[b] = a
}

// isSubject tells whether p is the person of the request.
func (o *owners) isSubject(p person) bool { return o.subject >= 0 && o.root(p) == o.root(o.subject) }

// names returns the people whom the field's values name, masked values left out.
func (o *owners) names(r *row, f *Field) []person {
	var out []person
	for _, v := range r.values(f) {
		if v != "" && !masked(v) {
			out = append(out, o.person(value{f.Identity, v}))
		}
	}
	return out
}

// of finds the owners of the rows, which belong to the collection.
func (o *owners) of(ctx context.Context, c *Collection, rows []*row) ([]*node, error) {
	if o.size() > 50_000 {
		o.forget()
	}
	out := make([]*node, len(rows))
	for i, r := range rows {
		out[i] = o.node(c, r)
	}
	return out, o.settle(ctx, out)
}

func (o *owners) node(c *Collection, r *row) *node {
	m := o.nodes[c]
	if m == nil {
		m = map[string]*node{}
		o.nodes[c] = m
	}
	if n := m[r.id]; n != nil {
		return n
	}
	n := &node{row: *r, c: c}
	m[r.id] = n
	return n
}

// settle finds the owners of the nodes and of all that decide it.
func (o *owners) settle(ctx context.Context, start []*node) error {
	all := map[*node]bool{}
	var open []*node
	add := func(list []*node) {
		for _, n := range list {
			if !n.done && !all[n] {
				all[n] = true
				open = append(open, n)
			}
		}
	}
	add(start)
	for {
		for len(open) > 0 {
			batch := open
			open = nil
			if err := o.identify(ctx, batch); err != nil {
				return err
			}
			if err := o.up(ctx, batch); err != nil {
				return err
			}
			for _, n := range batch {
				for _, ups := range n.ups {
					add(ups)
				}
			}
		}
		o.evaluate(all)
		// Rows that name nobody belong to those whose rows point at them.
		var unnamed []*node
		for n := range all {
			if len(n.own) == 0 && !n.hasDowns && len(o.g.pointers[n.c]) > 0 {
				unnamed = append(unnamed, n)
			}
		}
		if len(unnamed) == 0 {
			break
		}
		if err := o.down(ctx, unnamed); err != nil {
			return err
		}
		for _, n := range unnamed {
			add(n.downs)
		}
	}
	for n := range all {
		n.done = true
	}
	return nil
}

// identify learns whom the identity values of the rows name, and which values are one person's.
func (o *owners) identify(ctx context.Context, nodes []*node) error {
	var fresh []value
	for _, n := range nodes {
		n.named = nil
		for _, f := range n.c.leaves {
			if f.Identity == "" {
				continue
			}
			for _, v := range n.values(f) {
				if v == "" || masked(v) {
					continue
				}
				id := value{f.Identity, v}
				n.named = append(n.named, o.person(id))
				fresh = append(fresh, id)
			}
		}
		for i := 1; i < len(n.named); i++ {
			o.join(n.named[0], n.named[i])
		}
	}
	return o.close(ctx, fresh)
}

// close finds all values that share a row with the given ones, and so on.
func (o *owners) close(ctx context.Context, fresh []value) error {
	for len(fresh) > 0 {
		byKind := map[string][]string{}
		for _, v := range fresh {
			if !o.loaded[v] {
				o.loaded[v] = true
				byKind[v.kind] = append(byKind[v.kind], v.text)
			}
		}
		fresh = nil
		for _, kind := range slices.Sorted(maps.Keys(byKind)) {
			for _, f := range o.g.identities[kind] {
				var fields []*Field
				for _, other := range f.Collection.leaves {
					if other.Identity != "" {
						fields = append(fields, other)
					}
				}
				if len(fields) < 2 && len(f.Path) == 1 && o.layouts[f.Collection].t.column(f.Column()).class != array {
					continue // its rows hold one value each
				}
				for values := range slices.Chunk(byKind[kind], 1000) {
					err := o.find(ctx, o.layouts[f.Collection], f, values, func(r *row) error {
						first := person(-1)
						for _, g := range fields {
							for _, v := range r.values(g) {
								if v == "" || masked(v) {
									continue
								}
								id := value{g.Identity, v}
								p := o.person(id)
								if first < 0 {
									first = p
								}
								o.join(first, p)
								if !o.loaded[id] {
									fresh = append(fresh, id)
								}
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// up loads the rows to which the nodes' naming references lead.
func (o *owners) up(ctx context.Context, nodes []*node) error {
	want := map[*Field]map[string]bool{}
	for _, n := range nodes {
		if n.hasUps {
			continue
		}
		for _, ref := range o.g.names[n.c] {
			for _, v := range n.values(ref.field) {
				if _, ok := o.looked[lookup{ref.target, v}]; !ok {
					if want[ref.target] == nil {
						want[ref.target] = map[string]bool{}
					}
					want[ref.target][v] = true
				}
			}
		}
	}
	if err := o.load(ctx, want); err != nil {
		return err
	}
	for _, n := range nodes {
		if n.hasUps {
			continue
		}
		n.hasUps = true
		for _, ref := range o.g.names[n.c] {
			var ups []*node
			for _, v := range n.values(ref.field) {
				ups = append(ups, o.looked[lookup{ref.target, v}]...)
			}
			n.ups = append(n.ups, ups)
		}
	}
	return nil
}

// down loads the rows that point at the nodes.
func (o *owners) down(ctx context.Context, nodes []*node) error {
	want := map[*Field]map[string]bool{}
	for _, n := range nodes {
		for _, ref := range o.g.pointers[n.c] {
			for _, v := range n.values(ref.target) {
				if _, ok := o.looked[lookup{ref.field, v}]; !ok {
					if want[ref.field] == nil {
						want[ref.field] = map[string]bool{}
					}
					want[ref.field][v] = true
				}
			}
		}
	}
	if err := o.load(ctx, want); err != nil {
		return err
	}
	for _, n := range nodes {
		n.hasDowns = true
		for _, ref := range o.g.pointers[n.c] {
			for _, v := range n.values(ref.target) {
				n.downs = append(n.downs, o.looked[lookup{ref.field, v}]...)
			}
		}
	}
	return nil
}

// load fetches the rows in which the fields have the values.
func (o *owners) load(ctx context.Context, want map[*Field]map[string]bool) error {
	for f, set := range want {
		for values := range slices.Chunk(slices.Sorted(maps.Keys(set)), 1000) {
			for _, v := range values {
				o.looked[lookup{f, v}] = nil
			}
			count := 0
			err := o.find(ctx, o.layouts[f.Collection], f, values, func(r *row) error {
				if count++; count > maxPointers {
					return fail.New(fail.Invalid, "more than %d rows of %s lead to a few rows of another collection, so that their owners can't be counted; give the reference in the dataset file another direction, or say that the collection is about no user", maxPointers, f.Collection)
				}
				n := o.node(f.Collection, r)
				for _, v := range r.values(f) {
					if set[v] {
						at := lookup{f, v}
						if !slices.Contains(o.looked[at], n) || len(o.looked[at]) > 64 {
							o.looked[at] = append(o.looked[at], n)
						}
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// evaluate applies the rules until nothing changes: a row belongs to whom it names; if it names
// nobody, to whoever owns a row that points at it.
func (o *owners) evaluate(all map[*node]bool) {
	for n := range all {
		n.own = nil
	}
	next := make(map[*node][]person, len(all))
	// Each round carries ownership one step further. Chains are as long as the number of rows at most;
	// more rounds mean that rows name each other in a circle through rows that nobody owns: then all who
	// were named in it count, which withholds more and gives away nothing.
	for round := 0; ; round++ {
		changed := false
		for n := range all {
			own := o.judge(n)
			if round > len(all)+2 {
				own = union(own, n.own)
			}
			next[n] = own
		}
		for n, own := range next {
			if !slices.Equal(own, n.own) {
				n.own = own
				changed = true
			}
		}
		if !changed {
			return
		}
	}
}

// judge applies the rules to one row, given what is known of the others.
func (o *owners) judge(n *node) []person {
	var own []person
	for _, p := range n.named {
		own = append(own, o.root(p))
	}
	for i, ref := range o.g.names[n.c] {
		if ref.accessor || i >= len(n.ups) {
			continue
		}
		for _, up := range n.ups[i] {
			own = append(own, o.roots(up.own)...)
		}
	}
	if len(own) == 0 {
		for _, d := range n.downs {
			own = append(own, o.roots(d.own)...)
		}
	}
	slices.Sort(own)
	return slices.Compact(own)
}

func (o *owners) roots(list []person) []person {
	for i, p := range list {
		list[i] = o.root(p)
	}
	return list
}

func union(a, b []person) []person {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// mine tells whether the person of the request is among the owners.
func (o *owners) mine(n *node) bool { return slices.ContainsFunc(n.own, o.isSubject) }

// alone tells whether the person of the request is the only owner.
func (o *owners) alone(n *node) bool { return o.mine(n) && len(n.own) == 1 }

// withheld returns the fields of a row shown to the person that must be left out because they are
// about others.
func (o *owners) withheld(n *node) map[*Field]bool {
	out := map[*Field]bool{}
	names := map[*Field]bool{} // fields that name the person
	var others, mine bool
	for _, f := range n.c.leaves {
		if f.Identity == "" {
			continue
		}
		for _, p := range o.names(&n.row, f) {
			if o.isSubject(p) {
				mine, names[f] = true, true
			} else {
				others, out[f] = true, true
			}
		}
	}
	for i, ref := range o.g.names[n.c] {
		var me, them bool
		for _, up := range n.ups[i] {
			if o.mine(up) {
				me = true
			} else if len(up.own) > 0 {
				them = true
			}
		}
		if me {
			names[ref.field] = true
		} else if them {
			out[ref.field] = true
		}
	}
	if others && !mine {
		for _, f := range n.c.leaves {
			if f.Matches([]string{"user"}) && !names[f] {
				out[f] = true
			}
		}
	}
	return out
}
