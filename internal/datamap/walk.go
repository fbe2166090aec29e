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
	"strconv"

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
type status int8

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
	routes  map[route]int        // how many identities and edges lead along each
	once    map[*Collection]bool // no row can come twice
	seen    map[*Collection]map[digest]status
	asked   map[digest]struct{}
	queue   []*questions
	byRoute map[route]*questions // of the queue
	// visit is called for each row once, or twice when a later way shows more of it.
	visit func(c *Collection, f found) error
}

// digest stands for a row or a question that was met: short, so that millions fit.
type digest [16]byte

func digestOf(s string) digest {
	h := sha256.Sum256([]byte(s))
	return digest(h[:16])
}

// route is a field in which rows are looked for, and what follows for a row that is found there.
type route struct {
	f             *Field
	access, owner bool
}

// questions are the values that are to be looked for along one route.
type questions struct {
	route
	values spool
}

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
		routes: map[route]int{}, once: map[*Collection]bool{}, seen: map[*Collection]map[digest]status{}, asked: map[digest]struct{}{}, byRoute: map[route]*questions{}}
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
	w.countRoutes()
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
	defer func() {
		for _, q := range w.queue {
			q.values.close()
		}
		w.seen, w.asked, w.queue = nil, nil, nil // they are large
	}()
	for _, id := range w.req.identities() {
		for _, f := range w.g.identities[id.Kind] {
			if err := w.ask(route{f: f}, id.Value); err != nil {
				return err
			}
		}
	}
	for len(w.queue) > 0 {
		queue := w.queue
		w.queue, w.byRoute = nil, map[route]*questions{}
		for i, q := range queue {
			err := w.answer(ctx, q)
			q.values.close()
			if err != nil {
				for _, q := range queue[i:] {
					q.values.close()
				}
				return err
			}
		}
	}
	return nil
}

// ask puts a question into the queue, unless it was there before.
func (w *walker) ask(to route, value string) error {
	d := digestOf(fmt.Sprintf("%s\x00%t%t\x00%s", to.f, to.access, to.owner, value))
	if _, ok := w.asked[d]; ok {
		return nil
	}
	w.asked[d] = struct{}{}
	return w.put(to, value)
}

// put puts a question that was not there before into the queue.
func (w *walker) put(to route, value string) error {
	q := w.byRoute[to]
	if q == nil {
		q = &questions{route: to}
		w.byRoute[to] = q
		w.queue = append(w.queue, q)
	}
	return q.values.add(strconv.AppendQuote(nil, value))
}

// answer looks for the values, many in one statement.
func (w *walker) answer(ctx context.Context, q *questions) error {
	var values []string
	ask := func() error {
		list := values
		values = nil
		if len(list) == 0 {
			return nil
		}
		return w.fetch(ctx, q.route, list)
	}
	err := q.values.each(func(line []byte) error {
		v, err := strconv.Unquote(string(line))
		if err != nil {
			return fail.Wrap(fail.Internal, err, "read the questions again")
		}
		if values = append(values, v); len(values) < 1000 {
			return nil
		}
		return ask()
	})
	if err != nil {
		return err
	}
	return ask()
}

// fetch reads the rows in which the field has one of the values and judges them.
func (w *walker) fetch(ctx context.Context, from route, values []string) error {
	c := from.f.Collection
	if w.seen[c] == nil && !w.once[c] {
		w.seen[c] = map[digest]status{}
	}
	// Judging asks the same connection again, so the answer is read to its end first.
	file := &scratch{}
	defer file.close()
	rows := &hits{file: file}
	err := w.find(ctx, w.layouts[c], from.f, values, func(r *row) error {
		if !w.once[c] {
			if before, ok := w.seen[c][digestOf(r.id)]; ok && before >= w.least(c, from.access, from.owner) {
				return nil
			}
		}
		return rows.add(&hit{row: r}, mark{})
	})
	if err != nil {
		return err
	}
	return rows.each(func(page []*hit) error {
		list := make([]*row, len(page))
		for i, h := range page {
			list[i] = h.row
		}
		return w.judge(ctx, c, list, from.access, from.owner)
	})
}

// countRoutes finds the collections of which no row can come twice: one route alone leads there, along a field
// that holds one value. Their rows need not be remembered, however many they are.
func (w *walker) countRoutes() {
	for _, k := range w.req.kinds() {
		for _, f := range w.g.identities[k] {
			w.routes[route{f: f}]++
		}
	}
	reach := w.g.reachable(w.req.kinds())
	for c, edges := range w.g.out {
		if !reach[c] {
			continue
		}
		for _, e := range edges {
			w.routes[route{e.to, e.access, e.owner}]++
		}
	}
	into := map[*Collection]int{}
	for to := range w.routes {
		into[to.f.Collection]++
	}
	for to := range w.routes {
		w.once[to.f.Collection] = into[to.f.Collection] == 1 && w.single(to.f)
	}
}

// single tells whether the field holds at most one value in a row.
func (w *walker) single(f *Field) bool {
	class := w.layouts[f.Collection].t.column(f.Column()).class
	return len(f.Path) == 1 && class != array && class != jsonClass
}

// fresh tells whether the values that lead along the edge are all different and come from nowhere else,
// so that none of them was asked for before.
func (w *walker) fresh(e edge) bool {
	t := w.layouts[e.from.Collection].t
	return w.once[e.from.Collection] && w.routes[route{e.to, e.access, e.owner}] == 1 &&
		!t.heirs && len(t.key) == 1 && t.key[0] == e.from.Column()
}

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
		fresh := true
		if !w.once[c] {
			before, again := w.seen[c][digestOf(r.id)]
			if fresh = !again || f.status > before; fresh {
				w.seen[c][digestOf(r.id)] = f.status
			}
			if open && owner {
				w.seen[c][digestOf(r.id)] = public + 1 // walked through
			}
		}
		if fresh {
			if err := w.visit(c, f); err != nil {
				return err
			}
		}
		if !through {
			continue
		}
		for _, e := range w.g.out[c] {
			ask := w.ask
			if w.fresh(e) {
				ask = w.put
			}
			for _, v := range r.values(e.from) {
				if err := ask(route{e.to, e.access, e.owner}, v); err != nil {
					return err
				}
			}
		}
		if w.req.Mode == ModeGuarded {
			for _, g := range c.leaves {
				if g.Identity != "" {
					for _, v := range r.values(g) {
						if v != "" && !masked(v) {
							w.own.hold(value{g.Identity, v})
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
	return w.own.more(w.req.identities())
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
