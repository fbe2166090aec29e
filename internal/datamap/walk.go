package datamap

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"

	"probity/internal/fail"
)

// Mode says whether rows are guarded.
type Mode int

// The modes.
const (
	ModeGuarded   Mode = iota // rows of others are neither shown nor touched
	ModeReference             // what Fides would return or mask
)

// Identity is what a request knows about the person: a kind such as email and the value.
type Identity struct {
	Kind, Value string
}

// Request says whose data is meant and where it lies.
type Request struct {
	Datasets    []*Dataset
	Connections map[string]string // DSN by dataset key
	Identities  []Identity        // empty values are left out
	Targets     []string          // data categories; with none, access returns everything
	Mode        Mode
}

// Shared is a row that belongs to others, too or alone.
type Shared struct {
	Collection string          `json:"collection"`
	Key        json.RawMessage `json:"key"`
	Owners     int             `json:"owners"`
	Withheld   []string        `json:"withheld,omitempty"`
}

// status is what a row that was reached is to the person.
type status int

const (
	foreign  status = iota // another's
	accessed               // another's, and the person may see it
	owned                  // the person's, perhaps with others
	public                 // nobody's by nature
)

// found is a row that was reached.
type found struct {
	*row
	*node
	status status
	alone  bool
}

// walker goes from the identities to all rows that the references lead to.
type walker struct {
	req     *Request
	g       *graph
	stores  map[*Dataset]*store
	txs     map[*Dataset]*sql.Tx
	layouts map[*Collection]*layout
	own     *owners
	seen    map[*Collection]map[digest]status
	asked   map[digest]struct{}
	queue   []task
	// visit is called for each row once, or twice when a later way shows more of it.
	visit func(c *Collection, f found) error
	// extra identity values that the person's rows hold, by kind; none of them was walked.
	extra map[value]bool
}

// digest stands for a row or a question that was met: short, so that millions fit.
type digest [16]byte

func digestOf(s string) digest {
	h := sha256.Sum256([]byte(s))
	return digest(h[:16])
}

// question is what was already asked of a store.
type question struct {
	f             *Field
	value         string
	access, owner bool
}

type task struct{ question }

// connect opens the stores of the datasets. Stores that don't answer are returned by key; the
// others are open.
func connect(ctx context.Context, req *Request) (stores map[*Dataset]*store, down []string, err error) {
	stores = map[*Dataset]*store{}
	for _, d := range req.Datasets {
		if req.Connections[d.Key] == "" {
			return nil, nil, fail.New(fail.Invalid, "the dataset %s has no connection: add --connection %s=DSN", d.Key, d.Key)
		}
	}
	for key := range req.Connections {
		if !slices.ContainsFunc(req.Datasets, func(d *Dataset) bool { return d.Key == key }) {
			return nil, nil, fail.New(fail.Invalid, "there is a connection %s and no dataset of that name", key)
		}
	}
	if c := skippedTarget(req.Datasets); c != nil {
		return nil, nil, fail.New(fail.Invalid, "%s is skipped (skip_processing) and others refer to it: nothing behind it can be found; drop the mark or the references", c)
	}
	var failures []error
	for _, d := range req.Datasets {
		s, err := open(ctx, d, req.Connections[d.Key])
		switch {
		case fail.Is(err, fail.Unavailable):
			down = append(down, d.Key)
			failures = append(failures, err)
		case err != nil:
			closeAll(stores)
			return nil, nil, err
		default:
			stores[d] = s
		}
	}
	if len(failures) > 0 {
		err = failures[0]
	}
	return stores, down, err
}

func closeAll(stores map[*Dataset]*store) {
	for _, s := range stores {
		s.db.Close()
	}
}

// newWalker starts a transaction in each store and reads the catalogues.
func newWalker(ctx context.Context, req *Request, stores map[*Dataset]*store, readOnly bool) (*walker, error) {
	w := &walker{req: req, stores: stores, txs: map[*Dataset]*sql.Tx{}, layouts: map[*Collection]*layout{},
		seen: map[*Collection]map[digest]status{}, asked: map[digest]struct{}{}, extra: map[value]bool{}}
	var up []*Dataset
	for _, d := range req.Datasets {
		if s := stores[d]; s != nil {
			up = append(up, d)
			tx, err := s.begin(ctx, readOnly)
			if err != nil {
				w.rollback()
				return nil, err
			}
			w.txs[d] = tx
			if err := s.load(ctx, tx); err != nil {
				w.rollback()
				return nil, err
			}
		}
	}
	w.g = newGraph(up)
	for _, c := range w.g.collections {
		w.layouts[c] = w.stores[c.Dataset].layout(c, c.Fields)
	}
	w.own = newOwners(w.g, w.stores, w.find, req.identities())
	return w, nil
}

func (w *walker) rollback() {
	for _, tx := range w.txs {
		tx.Rollback()
	}
}

// identities returns the identities that hold a value.
func (r *Request) identities() []Identity {
	return slices.DeleteFunc(slices.Clone(r.Identities), func(i Identity) bool { return i.Value == "" || i.Kind == "" })
}

// kinds returns the kinds of identity that hold a value.
func (r *Request) kinds() []string {
	var out []string
	for _, i := range r.identities() {
		out = append(out, i.Kind)
	}
	return out
}

func (w *walker) find(ctx context.Context, l *layout, f *Field, values []string, yield func(*row) error) error {
	err := l.find(ctx, w.txs[l.c.Dataset], f, values, yield)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if state, _ := sqlState(err); state == "" && fail.KindOf(err) != fail.Internal {
		return err
	}
	return fail.Wrap(fail.Unavailable, scrub(err), "read %s", l.c)
}

// unreachable names the collections that the identities of the request can't lead to.
func (w *walker) unreachable() []string {
	reach := w.g.reachable(w.req.kinds())
	var out []string
	for _, c := range w.g.collections {
		if !reach[c] {
			out = append(out, c.String())
		}
	}
	return out
}

// walk visits all rows that can be reached.
func (w *walker) walk(ctx context.Context, visit func(c *Collection, f found) error) error {
	w.visit = visit
	for _, id := range w.req.identities() {
		for _, f := range w.g.identities[id.Kind] {
			w.ask(question{f: f, value: id.Value})
		}
	}
	for len(w.queue) > 0 {
		// All that is asked of one field in one way goes in one statement.
		type group struct {
			f             *Field
			access, owner bool
		}
		groups := map[group][]string{}
		var order []group
		for _, t := range w.queue {
			k := group{t.f, t.access, t.owner}
			if groups[k] == nil {
				order = append(order, k)
			}
			groups[k] = append(groups[k], t.value)
		}
		w.queue = nil
		for _, k := range order {
			for values := range slices.Chunk(groups[k], 1000) {
				if err := w.fetch(ctx, k.f, k.access, k.owner, values); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *walker) ask(q question) {
	d := digestOf(fmt.Sprintf("%s\x00%t%t\x00%s", q.f, q.access, q.owner, q.value))
	if _, ok := w.asked[d]; !ok {
		w.asked[d] = struct{}{}
		w.queue = append(w.queue, task{q})
	}
}

// fetch reads the rows in which the field has one of the values and judges them.
func (w *walker) fetch(ctx context.Context, f *Field, access, owner bool, values []string) error {
	c := f.Collection
	if w.seen[c] == nil {
		w.seen[c] = map[digest]status{}
	}
	l := w.layouts[c]
	// Judging asks the same connection again, so the answer is read to its end first: the first rows
	// into memory, the others into a file.
	var batch []*row
	var rest *spool
	err := w.find(ctx, l, f, values, func(r *row) error {
		before, ok := w.seen[c][digestOf(r.id)]
		if ok && before >= w.least(c, access, owner) {
			return nil
		}
		if len(batch) < batchRows {
			batch = append(batch, r)
			return nil
		}
		if rest == nil {
			rest = &spool{}
		}
		line, err := json.Marshal(spooled(r))
		if err != nil {
			return err
		}
		return rest.add(line)
	})
	if rest != nil {
		defer rest.close()
	}
	if err != nil {
		return err
	}
	if err := w.judge(ctx, c, batch, access, owner); err != nil {
		return err
	}
	if rest == nil {
		return nil
	}
	batch = batch[:0:0]
	err = rest.each(func(line []byte) error {
		r, err := unspooled(l, line)
		if err != nil {
			return err
		}
		if batch = append(batch, r); len(batch) < batchRows {
			return nil
		}
		list := batch
		batch = nil
		return w.judge(ctx, c, list, access, owner)
	})
	if err != nil {
		return err
	}
	return w.judge(ctx, c, batch, access, owner)
}

// batchRows is how many rows are judged together.
const batchRows = 512

// least returns the status below which looking at a row again can change it.
func (w *walker) least(c *Collection, access, owner bool) status {
	switch {
	case w.req.Mode == ModeReference:
		return foreign
	case w.g.open(c):
		if owner {
			return public + 1
		}
		return public
	case access:
		return accessed
	}
	return foreign
}

// judge finds out what the rows are to the person, visits them and goes on through those that are
// the person's.
func (w *walker) judge(ctx context.Context, c *Collection, rows []*row, access, owner bool) error {
	if len(rows) == 0 {
		return nil
	}
	var nodes []*node
	open := w.g.open(c)
	if w.req.Mode == ModeReference || open {
		nodes = make([]*node, len(rows))
		for i := range nodes {
			nodes[i] = &node{c: c}
		}
	} else {
		var err error
		if nodes, err = w.own.of(ctx, c, rows); err != nil {
			return err
		}
	}
	for i, n := range nodes {
		r := rows[i]
		f := found{row: r, node: n}
		through := false
		switch {
		case w.req.Mode == ModeReference:
			f.status, f.alone, through = owned, true, true
		case open:
			f.status, through = public, owner
		case w.own.mine(n):
			f.status, f.alone, through = owned, w.own.alone(n), true
		case access:
			f.status = accessed
		}
		before, again := w.seen[c][digestOf(r.id)]
		if !again || f.status > before {
			w.seen[c][digestOf(r.id)] = f.status
			if err := w.visit(c, f); err != nil {
				return err
			}
		}
		if !through {
			continue
		}
		if open && owner {
			w.seen[c][digestOf(r.id)] = public + 1 // walked through
		}
		for _, e := range w.g.out[c] {
			for _, v := range r.values(e.from) {
				w.ask(question{f: e.to, value: v, access: e.access, owner: e.owner})
			}
		}
		if w.req.Mode == ModeGuarded {
			for _, g := range c.leaves {
				if g.Identity != "" {
					for _, v := range r.values(g) {
						if v != "" && !masked(v) {
							w.extra[value{g.Identity, v}] = true
						}
					}
				}
			}
		}
	}
	return nil
}

// more returns how many identity values by kind the person's rows hold beyond those of the request.
func (w *walker) more() map[string]int {
	given := map[value]bool{}
	for _, id := range w.req.identities() {
		given[value{id.Kind, id.Value}] = true
	}
	out := map[string]int{}
	for v := range w.extra {
		if !given[v] && w.own.isSubject(w.own.person(v)) {
			out[v.kind]++
		}
	}
	return out
}

// sorted returns the fields' names in order.
func sortedNames(set map[*Field]bool) []string {
	var out []string
	for f := range maps.Keys(set) {
		out = append(out, f.Name())
	}
	sort.Strings(out)
	return out
}
