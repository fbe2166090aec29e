package datamap

import (
	"slices"
)

// edge is one way in which the values of a field lead to rows of a collection.
type edge struct {
	from, to *Field
	owner    bool // the owner of the row at from owns the row at to, if nothing else rules
	access   bool // the owner of the row at from may see the row at to
}

// graph is what the datasets say about the ways between collections.
type graph struct {
	collections []*Collection // those that requests touch, in the order of the files
	out         map[*Collection][]edge
	names       map[*Collection][]naming // references that may name a person to the rows of a collection
	pointers    map[*Collection][]naming // references of other collections that point at the rows of a collection
	identities  map[string][]*Field      // by kind
}

// naming is a reference that takes part in the question whose a row is.
type naming struct {
	field    *Field // holds the value
	target   *Field
	accessor bool
}

// newGraph connects the collections of the datasets.
func newGraph(sets []*Dataset) *graph {
	g := &graph{out: map[*Collection][]edge{}, names: map[*Collection][]naming{}, pointers: map[*Collection][]naming{}, identities: map[string][]*Field{}}
	for _, d := range sets {
		for _, c := range d.Collections {
			if c.Skip {
				continue
			}
			g.collections = append(g.collections, c)
			for _, f := range c.leaves {
				if f.Identity != "" {
					g.identities[f.Identity] = append(g.identities[f.Identity], f)
				}
				for _, r := range f.References {
					g.add(f, r)
				}
			}
		}
	}
	return g
}

func (g *graph) add(f *Field, r Reference) {
	t := r.Target
	switch r.Direction {
	case From:
		g.out[t.Collection] = append(g.out[t.Collection], edge{from: t, to: f, owner: !r.Accessor, access: r.Accessor})
		g.names[f.Collection] = append(g.names[f.Collection], naming{field: f, target: t, accessor: r.Accessor})
	case To:
		g.out[f.Collection] = append(g.out[f.Collection], edge{from: f, to: t, owner: !r.Accessor, access: r.Accessor})
		if !r.Accessor {
			g.pointers[t.Collection] = append(g.pointers[t.Collection], naming{field: f, target: t})
		}
	default:
		g.out[t.Collection] = append(g.out[t.Collection], edge{from: t, to: f, access: r.Accessor})
		g.out[f.Collection] = append(g.out[f.Collection], edge{from: f, to: t, access: r.Accessor})
	}
}

// skippedTarget returns a collection that no request may touch although others refer to it, nil if
// there is none.
func skippedTarget(sets []*Dataset) *Collection {
	for _, d := range sets {
		for _, c := range d.Collections {
			for _, f := range c.leaves {
				for _, r := range f.References {
					if r.Target.Collection.Skip && !c.Skip {
						return r.Target.Collection
					}
				}
			}
		}
	}
	return nil
}

// open tells whether the rows of the collection are nobody's by nature, like a list of products: no
// field is about a user and no row names a person.
func (g *graph) open(c *Collection) bool {
	if c.personal() {
		return false
	}
	for _, f := range c.leaves {
		if f.Identity != "" {
			return false
		}
	}
	return !slices.ContainsFunc(g.names[c], func(n naming) bool { return !n.accessor })
}

// reachable returns the collections that the kinds of identity can lead to.
func (g *graph) reachable(kinds []string) map[*Collection]bool {
	seen := map[*Collection]bool{}
	var queue []*Collection
	visit := func(c *Collection) {
		if !c.Skip && !seen[c] {
			seen[c] = true
			queue = append(queue, c)
		}
	}
	for _, k := range kinds {
		for _, f := range g.identities[k] {
			visit(f.Collection)
		}
	}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		for _, e := range g.out[c] {
			visit(e.to.Collection)
		}
	}
	return seen
}
