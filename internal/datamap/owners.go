package datamap

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"probity/internal/fail"
)

// person is one of the people whom the identity values of the stores tell apart. Values that stand
// in one row are one person's.
type person int32

// maxPointers limits how many different rows may point at a few rows whose owners are counted.
const maxPointers = 100_000

// remembered is how many rows are remembered at least from one question to the next.
const remembered = 10_000

// node is what decides whose a row is: the values of its identity fields, of the references that may
// name somebody, and of the fields that others point at. Rows that are alike in these are one node,
// so that a person's two hundred thousand events are asked about once.
type node struct {
	row      *row // of the layout that holds these values
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
	g      *graph
	find   func(ctx context.Context, l *layout, f *Field, values []string, yield func(*row) error) error
	stores map[*Dataset]*store
	nodes  map[*Collection]map[string]*node
	looked map[lookup][]*node
	lean   map[*Collection]*layout // what decides the owner
	search map[*Field]*layout      // the same, and the field

	people  map[digest]person // by kind and text
	parent  []person
	values  []known // by the person that the value was before others turned out to be the same
	subject person
}

// known is what is known of an identity value.
type known struct {
	kind   string
	loaded bool // and what else its rows name
	held   bool // a row of the person of the request holds it
}

// newOwners returns an oracle for the person who has the identities.
func newOwners(g *graph, stores map[*Dataset]*store, find func(context.Context, *layout, *Field, []string, func(*row) error) error, ids []Identity) *owners {
	o := &owners{g: g, find: find, stores: stores, lean: map[*Collection]*layout{}, search: map[*Field]*layout{},
		people: map[digest]person{}, subject: -1}
	for _, c := range g.collections {
		o.lean[c] = stores[c.Dataset].bare(c, o.deciding(c))
	}
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

// deciding returns the fields of the collection by which the owner of a row is found.
func (o *owners) deciding(c *Collection) []*Field {
	var out []*Field
	for _, f := range c.leaves {
		if f.Identity != "" {
			out = append(out, f)
		}
	}
	for _, n := range o.g.names[c] {
		out = append(out, n.field)
	}
	for _, n := range o.g.pointers[c] {
		out = append(out, n.target)
	}
	return out
}

// by returns the layout that reads what decides the owner and the field.
func (o *owners) by(f *Field) *layout {
	if o.search[f] == nil {
		c := f.Collection
		o.search[f] = o.stores[c.Dataset].bare(c, append(o.deciding(c), f))
	}
	return o.search[f]
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

func (o *owners) person(v value) person { return o.root(o.number(v)) }

// number returns the person whom the value alone is.
func (o *owners) number(v value) person {
	d := digestOf(v.kind + "\x00" + v.text)
	p, ok := o.people[d]
	if !ok {
		p = person(len(o.parent))
		o.parent = append(o.parent, p)
		o.values = append(o.values, known{kind: v.kind})
		o.people[d] = p
	}
	return p
}

// hold notes that a row of the person of the request holds the value.
func (o *owners) hold(v value) { o.values[o.number(v)].held = true }

// more counts by kind the identity values that the person's rows hold beyond the given ones.
func (o *owners) more(given []Identity) map[string]int {
	known := map[person]bool{}
	for _, id := range given {
		known[o.number(value{id.Kind, id.Value})] = true
	}
	out := map[string]int{}
	for n, v := range o.values {
		if v.held && !known[person(n)] && o.isSubject(person(n)) {
			out[v.kind]++
		}
	}
	return out
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
	if o.size() > remembered {
		o.forget()
	}
	out := make([]*node, len(rows))
	for i, r := range rows {
		out[i] = o.node(c, r)
	}
	return out, o.settle(ctx, out)
}

// node returns the node that stands for the row, read by any layout that holds what decides.
func (o *owners) node(c *Collection, r *row) *node {
	m := o.nodes[c]
	if m == nil {
		m = map[string]*node{}
		o.nodes[c] = m
	}
	lean := &row{l: o.lean[c], cells: make([]cell, len(o.lean[c].columns))}
	var b strings.Builder
	for i, col := range o.lean[c].columns {
		if col.name == "" { // nothing decides: all rows are alike
			continue
		}
		v := r.cell(col.name)
		lean.cells[i] = v
		if v.null {
			b.WriteString("-;")
		} else {
			b.WriteString(strconv.Itoa(len(v.text)) + ":" + v.text + ";")
		}
	}
	if n := m[b.String()]; n != nil {
		return n
	}
	n := &node{row: lean, c: c}
	m[b.String()] = n
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
		// Rows that name nobody belong to those whose rows point at them.
		var unnamed []*node
		for _, n := range o.evaluate(all) {
			if !n.hasDowns && len(o.g.pointers[n.c]) > 0 {
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
			for _, v := range n.row.values(f) {
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
			if at := &o.values[o.number(v)]; !at.loaded {
				at.loaded = true
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
				if len(fields) < 2 && len(f.Path) == 1 && f.Type == "" && o.lean[f.Collection].t.column(f.Column()).class == text {
					continue // its rows hold one value each
				}
				for values := range slices.Chunk(byKind[kind], 1000) {
					err := o.find(ctx, o.by(f), f, values, func(r *row) error {
						first := person(-1)
						for _, g := range fields {
							for _, v := range r.values(g) {
								if v == "" || masked(v) {
									continue
								}
								id := value{g.Identity, v}
								p := o.number(id)
								if first < 0 {
									first = p
								}
								o.join(first, p)
								if !o.values[p].loaded {
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
			for _, v := range n.row.values(ref.field) {
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
			for _, v := range n.row.values(ref.field) {
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
			for _, v := range n.row.values(ref.target) {
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
			for _, v := range n.row.values(ref.target) {
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
			met := map[lookup]map[*node]bool{}
			before := len(o.nodes[f.Collection])
			err := o.find(ctx, o.by(f), f, values, func(r *row) error {
				n := o.node(f.Collection, r)
				if len(o.nodes[f.Collection])-before > maxPointers {
					return fail.New(fail.Invalid, "more than %d rows of %s lead to a few rows of another collection, so that their owners can't be counted; give the reference in the dataset file another direction, or say that the collection is about no user", maxPointers, f.Collection)
				}
				for _, v := range r.values(f) {
					at := lookup{f, v}
					if set[v] && !met[at][n] {
						if met[at] == nil {
							met[at] = map[*node]bool{}
						}
						met[at][n] = true
						o.looked[at] = append(o.looked[at], n)
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
		for _, p := range o.names(n.row, f) {
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
