package datamap

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"probity/internal/fail"
)

// Erasure is a request to mask or delete.
type Erasure struct {
	Request
	Strategy string  // one of Strategies
	DryRun   bool    // everything is tried, and nothing is kept
	MaxShare float64 // refuse when a larger share of a table would be hit; 0: half
}

// Below these numbers of rows the brake doesn't judge: small tables are soon hit by half.
const (
	brakeRows     = 1000 // hit in any way
	brakeIdentity = 100  // hit by an identity of the request itself
)

// Erased is what was done, or in a dry run what would be.
type Erased struct {
	Masked      map[string]int `json:"masked"`
	Deleted     map[string]int `json:"deleted"`
	Skipped     []Shared       `json:"skipped_shared"`
	Unmaskable  []Unmaskable   `json:"unmaskable"`
	Substituted []Substituted  `json:"substituted"`
	Unreachable []string       `json:"unreachable"`
	Verified    bool           `json:"verified"` // every value due was read again after the commit and found gone
	Fields      []FieldCount   `json:"-"`        // the same field by field, with zeros, for certificates
}

// Unmaskable is a field that no strategy can mask, or a row that can't go.
type Unmaskable struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Why        string `json:"why"`
}

// Substituted is a field that was masked in another way than asked, because a constraint forbids that.
type Substituted struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Asked      string `json:"asked"`
	Used       string `json:"used"`
}

// WriteJSON writes the result as one JSON object, with empty lists and maps where nothing is.
func (e *Erased) WriteJSON(w io.Writer) error {
	counts := func(m map[string]int) map[string]int {
		if m == nil {
			return map[string]int{}
		}
		return m
	}
	o := newObject(w)
	o.field("masked", counts(e.Masked))
	o.field("deleted", counts(e.Deleted))
	list(o, "skipped_shared", e.Skipped)
	list(o, "unmaskable", e.Unmaskable)
	list(o, "substituted", e.Substituted)
	list(o, "unreachable", e.Unreachable)
	o.field("verified", e.Verified)
	return o.end()
}

// MarshalJSON writes the result as WriteJSON does.
func (e *Erased) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := e.WriteJSON(&b)
	return b.Bytes(), err
}

// Describe writes the result for a person.
func (e *Erased) Describe(w io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(e.Masked)) {
		fmt.Fprintf(w, "%6d masked   %s\n", e.Masked[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Deleted)) {
		fmt.Fprintf(w, "%6d deleted  %s\n", e.Deleted[name], name)
	}
	for _, s := range e.Skipped {
		fmt.Fprintf(w, "kept         %s %s, %d owners\n", s.Collection, s.Key, s.Owners)
	}
	for _, s := range e.Substituted {
		fmt.Fprintf(w, "substituted  %s.%s: %s instead of %s\n", s.Collection, s.Field, s.Used, s.Asked)
	}
	for _, u := range e.Unmaskable {
		fmt.Fprintf(w, "NOT MASKED   %s.%s: %s\n", u.Collection, u.Field, u.Why)
	}
	for _, name := range e.Unreachable {
		fmt.Fprintf(w, "unreachable  %s\n", name)
	}
	fmt.Fprintf(w, "read again and found masked: %t\n", e.Verified)
}

// eraser carries an erasure through the stores.
type eraser struct {
	*walker
	e       *Erasure
	m       *masker
	out     *Erased
	scratch *scratch
	hits    map[*Collection]*hits
	named   map[string]bool   // what is in Unmaskable and Substituted already
	usual   map[*Field]string // the strategy that the field's column accepted before
	skipped map[*Collection]map[digest]int32
	byID    map[*Collection]map[digest]int32    // the number of a hit, by the id that the row had at first; filled when rows go
	moved   map[*Collection]map[string][]string // the first ids of the rows that a cut made what this id says
	savings int
}

// Erase masks or deletes what the stores hold about the person.
//
// Nothing is changed if a store doesn't answer, if the account may not write, or if the brake on the
// share of rows refuses. Each store has one transaction; the stores that lie farthest from the
// identities are committed first, so that an erasure that was interrupted finds its rest when it is
// asked for again. After the commit everything that was due is read again.
//
// The result says all that was not done; then, or if a store failed, the error is not nil.
func Erase(ctx context.Context, e *Erasure) (*Erased, error) {
	out := &Erased{Masked: map[string]int{}, Deleted: map[string]int{}}
	if !slices.Contains(Strategies, e.Strategy) {
		return out, fail.New(fail.Invalid, "the strategy %q is unknown; known are %v", e.Strategy, Strategies)
	}
	if len(e.Targets) == 0 {
		return out, fail.New(fail.Invalid, "an erasure needs at least one target category")
	}
	stores, down, failure := connect(ctx, &e.Request)
	if failure != nil {
		closeAll(stores)
		out.Unreachable = down
		return out, failure
	}
	defer closeAll(stores)
	w, err := newWalker(ctx, &e.Request, stores, false)
	if err != nil {
		return out, err
	}
	defer w.rollback()
	x := newEraser(w, e, out)
	defer x.scratch.close()
	out.Unreachable = w.unreachable()
	if err := x.plan(ctx); err != nil {
		return out, err
	}
	if err := x.brake(ctx); err != nil {
		return out, err
	}
	if err := x.delete(ctx); err != nil {
		return out, x.nothing(err)
	}
	if err := x.mask(ctx); err != nil {
		return out, x.nothing(err)
	}
	if _, err := x.verify(ctx, func(c *Collection) querier { return w.txs[c.Dataset] }, true); err != nil {
		return out, x.nothing(err)
	}
	if err := x.count(); err != nil {
		return out, x.nothing(err)
	}
	if e.DryRun {
		return out, x.incomplete()
	}
	if err := x.commit(ctx); err != nil {
		return out, err
	}
	ok, err := x.verify(ctx, func(c *Collection) querier { return w.stores[c.Dataset].db }, false)
	if err != nil {
		return out, err
	}
	out.Verified = ok && len(out.Unmaskable) == 0
	return out, x.incomplete()
}

func newEraser(w *walker, e *Erasure, out *Erased) *eraser {
	key := make([]byte, 32)
	rand.Read(key)
	return &eraser{walker: w, e: e, m: &masker{key: key}, out: out, scratch: &scratch{}, hits: map[*Collection]*hits{}, named: map[string]bool{}, usual: map[*Field]string{},
		skipped: map[*Collection]map[digest]int32{}, byID: map[*Collection]map[digest]int32{}, moved: map[*Collection]map[string][]string{}}
}

// nothing clears what was counted: the stores roll back.
func (x *eraser) nothing(err error) error {
	x.out.Masked, x.out.Deleted = map[string]int{}, map[string]int{}
	return err
}

// incomplete returns the error of a request that must stay open.
func (x *eraser) incomplete() error {
	if n := len(x.out.Unmaskable); n > 0 {
		return fail.New(fail.Conflict, "%d fields or rows can't be masked; the request stays open", n)
	}
	if !x.e.DryRun && !x.out.Verified {
		return fail.New(fail.Conflict, "not everything was found masked when it was read again; the request stays open")
	}
	return nil
}

func (x *eraser) unmaskable(c *Collection, field, why string) {
	k := c.String() + "\x00" + field + "\x00" + why
	if !x.named[k] {
		x.named[k] = true
		x.out.Unmaskable = append(x.out.Unmaskable, Unmaskable{c.String(), field, why})
	}
}

func (x *eraser) substituted(f *Field, asked, used string) {
	k := "s\x00" + f.String() + "\x00" + asked + "\x00" + used
	if asked != used && !x.named[k] {
		x.named[k] = true
		x.out.Substituted = append(x.out.Substituted, Substituted{f.Collection.String(), f.Name(), asked, used})
	}
}

// plan walks to all rows and notes what is due in them.
func (x *eraser) plan(ctx context.Context) error {
	skip := func(c *Collection, f found) {
		// The list is for whoever carries out the request, not for the person: it names the row, and only
		// a key that names others stays out.
		s := Shared{Collection: c.String(), Key: keyOf(c, f.row, x.own.withheld(f.node)), Owners: len(f.own)}
		if x.once[c] {
			x.out.Skipped = append(x.out.Skipped, s)
			return
		}
		if x.skipped[c] == nil {
			x.skipped[c] = map[digest]int32{}
		}
		id := digestOf(f.id)
		if i, ok := x.skipped[c][id]; ok {
			x.out.Skipped[i] = s
			return
		}
		x.skipped[c][id] = int32(len(x.out.Skipped))
		x.out.Skipped = append(x.out.Skipped, s)
	}
	return x.walk(ctx, func(c *Collection, f found) error {
		var targeted []*Field
		anyTarget := false
		for _, l := range c.leaves {
			if !l.Matches(x.e.Targets) {
				continue
			}
			anyTarget = true
			if !l.PrimaryKey {
				targeted = append(targeted, l)
			}
		}
		if !anyTarget || f.status == public {
			return nil
		}
		h := &hit{row: f.row}
		remove := x.e.Strategy == Delete || c.Delete
		if x.e.Mode == ModeGuarded {
			if f.status != owned {
				skip(c, f)
				return nil
			}
			if !f.alone {
				skip(c, f)
				remove = false
				targeted = slices.DeleteFunc(targeted, func(l *Field) bool { return !x.namesOnly(f.node, l) })
			}
		}
		if !remove {
			for _, l := range targeted {
				if x.holds(h.row, l) {
					h.due = append(h.due, l)
				}
			}
			if len(h.due) == 0 {
				return nil
			}
		}
		return x.hit(c, h, mark{goes: remove})
	})
}

// hit keeps a row in which something is due.
func (x *eraser) hit(c *Collection, h *hit, m mark) error {
	l := x.hits[c]
	if l == nil {
		l = &hits{file: x.scratch}
		x.hits[c] = l
	}
	if slices.ContainsFunc(x.req.identities(), func(i Identity) bool {
		return slices.ContainsFunc(c.leaves, func(f *Field) bool { return f.Identity == i.Kind && slices.Contains(h.values(f), i.Value) })
	}) {
		l.byGiven++
	}
	return l.add(h, m)
}

// holds tells whether the field has a clear value in the row.
func (x *eraser) holds(r *row, f *Field) bool {
	if r.cell(f.Column()).null {
		return false
	}
	if len(f.Path) == 1 {
		v := r.cell(f.Column()).text
		if f.Override != nil && f.Override.Strategy == Constant && v == f.Override.Value {
			return false
		}
		switch r.l.t.column(f.Column()).class {
		case integer:
			return f.Identity == "" && !f.linked || !masked(v)
		case decimal, float:
			return true
		}
		return !masked(v)
	}
	return slices.ContainsFunc(r.values(f), func(v string) bool { return !masked(v) })
}

// namesOnly tells whether the field of a row with several owners names the person, and nobody else.
func (x *eraser) namesOnly(n *node, f *Field) bool {
	only := false
	if f.Identity != "" {
		for _, p := range x.own.names(n.row, f) {
			if !x.own.isSubject(p) {
				return false
			}
			only = true
		}
	}
	for i, ref := range x.g.names[n.c] {
		if ref.field != f || ref.accessor {
			continue
		}
		for _, up := range n.ups[i] {
			if !x.own.alone(up) {
				return false
			}
			only = true
		}
	}
	return only
}

// DefaultShare is the share of a table's rows that no erasure goes beyond unless told otherwise.
const DefaultShare = 0.5

// brake refuses an erasure that would hit a large share of a table: an identity such as
// unknown@example.com is nobody's.
func (x *eraser) brake(ctx context.Context) error {
	most := x.e.MaxShare
	if most <= 0 {
		most = DefaultShare
	}
	if most >= 1 {
		return nil
	}
	for _, c := range x.g.collections {
		hits := x.hits[c].size()
		if hits < brakeIdentity || hits < brakeRows && x.hits[c].byGiven < brakeIdentity {
			continue
		}
		total, err := x.stores[c.Dataset].dialect.estimate(ctx, x.txs[c.Dataset], x.stores[c.Dataset].tables[c])
		if err != nil {
			return fail.Wrap(fail.Unavailable, scrub(err), "count the rows of %s", c)
		}
		if hits < brakeRows {
			hits = x.hits[c].byGiven
		}
		if total > 0 && float64(hits) >= most*float64(total) {
			return fail.New(fail.Conflict, "the brake: %d of about %d rows of %s would be hit; check the identity, or raise --max-share", hits, total, c)
		}
	}
	return nil
}

// savepoint runs f; if it fails, what it did is undone and the error of the store is returned, which
// is nobody's to see but ours.
func (x *eraser) savepoint(ctx context.Context, tx *sql.Tx, f func() error) error {
	x.savings++
	name := "p" + strconv.Itoa(x.savings)
	if _, err := tx.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return err
	}
	if err := f(); err != nil {
		if _, back := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+name); back != nil {
			return lost{back}
		}
		if ctx.Err() != nil {
			return lost{ctx.Err()}
		}
		return err
	}
	_, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT "+name)
	return err
}

// lost is the end of a transaction: nothing more can be tried in it.
type lost struct{ error }

// constraintOf names the constraint that a store's refusal rests on, empty if it names none.
func constraintOf(err error) string {
	if state, name := sqlState(err); state != "" && name != "" && state[:2] == "23" {
		return " (" + name + ")"
	}
	return ""
}

// foreignKeyRefused tells whether a foreign key forbids the change.
func foreignKeyRefused(err error) bool {
	state, name := sqlState(err)
	return state == "23503" || name == "error 1451" || name == "error 1452"
}

// refusal tells what a store's refusal means: "" if it is no refusal but a failure.
func refusal(err error) string {
	switch {
	case errors.Is(err, errSilent):
		return "the store's own rules undo the change"
	case errors.Is(err, errOneByOne):
		return "rows differ"
	}
	state, name := sqlState(err)
	if len(state) < 2 {
		return ""
	}
	of := constraintOf(err)
	switch {
	case state == "23502", state == "23000" && name == "error 1048":
		return "the column is NOT NULL"
	case foreignKeyRefused(err):
		return "a foreign key forbids it" + of
	case state == "23505", name == "error 1062", name == "error 1586":
		return "the value must be unique" + of
	case state == "23514", name == "error 3819", name == "error 4025":
		return "a CHECK constraint forbids every value that was tried" + of
	case state[:2] == "22", state == "HY000" && !slices.Contains([]string{"error 1205", "error 1290", "error 1836", "error 1213"}, name), state == "01000":
		return "the column's type takes no other value"
	case state[:2] == "23":
		return "a constraint forbids it" + of
	case state == "42501", name == "error 1142", name == "error 1143":
		return "" // no permission: a failure of the whole
	case state == "42804", state == "42846", state == "428C9", name == "error 3105", name == "error 1906":
		return "the store computes the column itself"
	case state == "P0001", state == "45000", state == "0A000", state == "55000":
		return "the store's own rules refuse the change"
	}
	return ""
}

// broken makes a failure of the store into an error for the caller.
func broken(c *Collection, err error) error {
	if l, ok := err.(lost); ok {
		err = l.error
	}
	state, name := sqlState(err)
	if state == "42501" || name == "error 1142" || name == "error 1143" || state == "25006" || name == "error 1792" {
		return fail.New(fail.Forbidden, "%s: the account of the connection may not change rows; grant it UPDATE and DELETE", c)
	}
	return fail.Wrap(fail.Unavailable, scrub(err), "change rows of %s; nothing was changed", c)
}

// count fills in how many rows were changed and deleted.
func (x *eraser) count() (err error) {
	for c, l := range x.hits {
		for _, m := range l.marks {
			switch {
			case m.gone:
				x.out.Deleted[c.String()]++
			case m.masked:
				x.out.Masked[c.String()]++
			}
		}
	}
	x.out.Fields, err = x.fields()
	return err
}

// commit ends the transactions, those farthest from the identities first.
func (x *eraser) commit(ctx context.Context) error {
	dist := x.distance()
	sets := slices.SortedStableFunc(maps.Keys(x.txs), func(a, b *Dataset) int {
		if d := dist[b] - dist[a]; d != 0 {
			return d
		}
		return slices.Index(x.req.Datasets, a) - slices.Index(x.req.Datasets, b)
	})
	for i, d := range sets {
		if err := x.txs[d].Commit(); err != nil {
			done := "nothing was changed"
			if i > 0 {
				done = fmt.Sprintf("%d stores before it are done; ask again to finish", i)
			}
			x.out.Masked, x.out.Deleted = map[string]int{}, map[string]int{}
			x.out.Unreachable = append(x.out.Unreachable, d.Key)
			return fail.Wrap(fail.Unavailable, scrub(err), "the store %s did not take the change; %s", d.Key, done)
		}
	}
	return nil
}

// distance returns how many references lie between the identities and each dataset.
func (x *eraser) distance() map[*Dataset]int {
	dist := map[*Collection]int{}
	var queue []*Collection
	for _, k := range x.req.kinds() {
		for _, f := range x.g.identities[k] {
			if _, ok := dist[f.Collection]; !ok {
				dist[f.Collection] = 0
				queue = append(queue, f.Collection)
			}
		}
	}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		for _, e := range x.g.out[c] {
			if _, ok := dist[e.to.Collection]; !ok {
				dist[e.to.Collection] = dist[c] + 1
				queue = append(queue, e.to.Collection)
			}
		}
	}
	out := map[*Dataset]int{}
	for c, n := range dist {
		if have, ok := out[c.Dataset]; !ok || n < have {
			out[c.Dataset] = n
		}
	}
	return out
}
