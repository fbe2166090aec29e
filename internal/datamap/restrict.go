package datamap

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"probity/internal/fail"
)

// RestrictBy is how the use of a collection's rows is restricted (Art. 18 GDPR): by a column that the
// organisation's programs obey. Nil: somebody must do it by hand.
type RestrictBy struct {
	Column string
	Set    string // what restricts; empty: true, for a column of the kind yes or no
	Lift   string // what does not
	Null   bool   // NULL does not restrict, and is written to lift
	// With is the collection whose column covers the rows of this one too; the other fields are empty then.
	With *Collection

	with string
	line int
}

// restrictionYAML is what stands under probity_meta.restriction: task, or a mapping.
type restrictionYAML struct {
	Column string    `yaml:"column"`
	Set    string    `yaml:"set"`
	Lift   yaml.Node `yaml:"lift"`
	With   string    `yaml:"with"`
	task   bool
	line   int
}

// byHand is what a file says of a collection that somebody must restrict by hand. It is the default.
const byHand = "task"

func (r *restrictionYAML) UnmarshalYAML(n *yaml.Node) error {
	r.line = n.Line
	if n.Kind == yaml.ScalarNode {
		if n.Value != byHand {
			return fmt.Errorf("line %d: a restriction is %s, or names a column, or a collection under with", n.Line, byHand)
		}
		r.task = true
		return nil
	}
	type plain restrictionYAML
	return decodeAt(n, (*plain)(r))
}

// restrictBy reads how a collection is restricted.
func (y *probityYAML) restrictBy() (*RestrictBy, error) {
	if y == nil || y.Restriction == nil || y.Restriction.task {
		return nil, nil
	}
	r := y.Restriction
	by := &RestrictBy{Column: r.Column, Set: r.Set, with: r.With, line: r.line}
	switch {
	case (r.Column == "") == (r.With == ""):
		return nil, fmt.Errorf("a restriction names a column, or a collection under with")
	case r.With != "" && (r.Set != "" || r.Lift.Kind != 0):
		return nil, fmt.Errorf("a restriction by another collection sets nothing of its own")
	case (r.Set == "") != (r.Lift.Kind == 0):
		return nil, fmt.Errorf("a restriction names both the value to set and the one to lift it, or neither")
	case r.Lift.Kind != 0 && r.Lift.Kind != yaml.ScalarNode:
		return nil, fmt.Errorf("the value that lifts a restriction is a plain value or null")
	}
	if by.Lift = r.Lift.Value; r.Lift.Tag == "!!null" {
		by.Lift, by.Null = "", true
	}
	if r.Set != "" && !by.Null && by.Set == by.Lift {
		return nil, fmt.Errorf("the value that restricts and the one that lifts are the same")
	}
	return by, nil
}

// resolveRestrictions finds the collections named under with.
func resolveRestrictions(d *Dataset) error {
	for _, c := range d.Collections {
		if c.Restrict == nil || c.Restrict.with == "" {
			continue
		}
		i := slices.IndexFunc(d.Collections, func(o *Collection) bool { return o.Name == c.Restrict.with })
		if i < 0 || d.Collections[i].Restrict == nil || d.Collections[i].Restrict.Column == "" {
			return fail.New(fail.Invalid, "%s (line %d): is restricted with %s, which is no collection of the dataset that has a column for it", c, c.Restrict.line, c.Restrict.with)
		}
		c.Restrict.With = d.Collections[i]
	}
	return nil
}

// Restriction is a request to restrict, or to lift the restriction again.
type Restriction struct {
	Request
	Lift bool
	// Before are the rows that were restricted before, as Restricted.Before named them: not by this request,
	// so that they stay as they are.
	Before   []string
	DryRun   bool    // everything is tried, and nothing is kept
	MaxShare float64 // refuse when a larger share of a table would be hit; 0: half
}

// Restricted is what was restricted or lifted, or in a dry run what would be.
type Restricted struct {
	Rows        []RestrictedRows `json:"rows"`
	Tasks       []RestrictTask   `json:"by_hand"`        // what somebody must do
	Skipped     []Shared         `json:"skipped_shared"` // rows that belong to others too: left as they are
	Unreachable []string         `json:"unreachable"`
	Verified    bool             `json:"verified"` // every row was read again after the commit and found so
	Before      []string         `json:"-"`        // digests of rows that were restricted before
}

// RestrictedRows counts the rows of a collection whose column was set.
type RestrictedRows struct {
	Collection string `json:"collection"`
	Column     string `json:"column"`
	Rows       int    `json:"rows"`
	Before     int    `json:"before"` // rows that were as they should be already
}

// RestrictTask is a collection in which rows of the person are that nothing here can restrict.
type RestrictTask struct {
	Collection string `json:"collection"`
	Rows       int    `json:"rows"`
	Why        string `json:"why"`
}

// MarshalJSON writes empty lists where nothing is.
func (r *Restricted) MarshalJSON() ([]byte, error) {
	type plain Restricted
	p := plain(*r)
	p.Rows = append([]RestrictedRows{}, p.Rows...)
	p.Tasks = append([]RestrictTask{}, p.Tasks...)
	p.Skipped = append([]Shared{}, p.Skipped...)
	p.Unreachable = append([]string{}, p.Unreachable...)
	return json.Marshal(p)
}

// Describe writes the result for a person.
func (r *Restricted) Describe(w io.Writer) {
	for _, c := range r.Rows {
		fmt.Fprintf(w, "%6d set      %s.%s, %d were so before\n", c.Rows, c.Collection, c.Column, c.Before)
	}
	for _, t := range r.Tasks {
		fmt.Fprintf(w, "%6d BY HAND  %s: %s\n", t.Rows, t.Collection, t.Why)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "kept         %s %s, %d owners\n", s.Collection, s.Key, s.Owners)
	}
	for _, name := range r.Unreachable {
		fmt.Fprintf(w, "unreachable  %s\n", name)
	}
	fmt.Fprintf(w, "read again and found so: %t\n", r.Verified)
}

// restrictor carries a restriction through the stores. Of the eraser it uses what changes and reads rows.
type restrictor struct {
	*eraser
	r    *Restriction
	out  *Restricted
	ways map[*Collection]*way
}

// way is how one collection is dealt with, and what was found there.
type way struct {
	column      *column
	target      cell   // what is written
	set, lift   cell   // what restricts and what does not
	why         string // it is done by hand, because of this
	rows        int    // that are the person's alone
	before, due int    // rows that were so before, and rows to change
}

// Restrict sets, in what the stores hold about the person, the columns by which the organisation's programs
// know that data may only be stored; with Lift it takes back what it set.
//
// Rows are found and guarded as an erasure does it: only those that are the person's alone are changed, and
// those of others too are named. A row whose column holds something else than the two values is not changed:
// what it held would be lost when the restriction is lifted. Collections without a column, and those whose
// store does not take the value, are tasks for somebody; everything else is done all the same.
//
// Each store has one transaction, and what was written is read again before and after its commit. It is
// idempotent as long as Before is that of the first dry run.
func Restrict(ctx context.Context, r *Restriction) (*Restricted, error) {
	out := &Restricted{}
	stores, down, failure := connect(ctx, &r.Request)
	if failure != nil {
		closeAll(stores)
		out.Unreachable = down
		return out, failure
	}
	defer closeAll(stores)
	w, err := newWalker(ctx, &r.Request, stores, r.DryRun)
	if err != nil {
		return out, err
	}
	defer w.rollback()
	x := &restrictor{
		eraser: newEraser(w, &Erasure{Request: r.Request, MaxShare: r.MaxShare}, &Erased{}), r: r, out: out, ways: map[*Collection]*way{},
	}
	defer x.scratch.close()
	out.Unreachable = w.unreachable()
	for _, c := range x.g.collections {
		x.ways[c] = x.way(c)
	}
	if err := x.plan(ctx); err != nil {
		return out, err
	}
	if err := x.brake(ctx); err != nil {
		return out, err
	}
	if !r.DryRun {
		if err := x.write(ctx); err != nil {
			return out, err
		}
		if _, err := x.verify(ctx, func(c *Collection) querier { return w.txs[c.Dataset] }, true); err != nil {
			return out, err
		}
	}
	x.count()
	if r.DryRun {
		return out, nil
	}
	if err := x.commit(ctx); err != nil {
		out.Rows = nil
		out.Unreachable = append(out.Unreachable, x.eraser.out.Unreachable...)
		return out, err
	}
	if out.Verified, err = x.verify(ctx, func(c *Collection) querier { return w.stores[c.Dataset].db }, false); err != nil {
		return out, err
	}
	if !out.Verified {
		return out, fail.New(fail.Conflict, "not every row was found as it should be when it was read again; it is tried again")
	}
	return out, nil
}

// way finds out how the collection is restricted, as its table is now.
func (x *restrictor) way(c *Collection) *way {
	by := c.Restrict
	if by == nil || by.With != nil {
		return &way{why: "the dataset names no column for it"}
	}
	s := x.stores[c.Dataset]
	t := s.tables[c]
	col := t.column(by.Column)
	switch {
	case col == nil:
		return &way{why: "the table has no column " + by.Column}
	case t.view:
		return &way{why: "it is a view: name the tables behind it in the dataset"}
	case t.plain:
		return &way{why: "its engine has no transactions, so a change could stay half done"}
	case col.generated:
		return &way{why: "the store computes the column " + by.Column + " itself"}
	case slices.Contains(t.key, col.name):
		return &way{why: "the column " + by.Column + " is part of the key"}
	}
	w := &way{column: col, set: cell{text: by.Set}, lift: cell{text: by.Lift, null: by.Null}}
	switch {
	case col.class == boolean:
		w.set.text, w.lift.text = truth(by.Set, true, "true", "false"), truth(by.Lift, false, "true", "false")
	case col.class == integer:
		w.set.text, w.lift.text = truth(by.Set, true, "1", "0"), truth(by.Lift, false, "1", "0")
	case by.Set == "":
		return &way{why: "the column " + by.Column + " is no yes or no; name the values to set and to lift in the dataset"}
	}
	if w.lift.null {
		w.lift.text = ""
	}
	w.target = w.set
	if x.r.Lift {
		w.target = w.lift
	}
	if _, ok := x.layouts[c].at[col.name]; !ok {
		x.layouts[c] = s.layout(c, append(slices.Clone(c.Fields), &Field{Collection: c, Path: []string{col.name}}))
	}
	return w
}

// truth writes yes or no as the column does; other values stay as they are.
func truth(value string, empty bool, yes, no string) string {
	switch strings.ToLower(value) {
	case "true":
		return yes
	case "false":
		return no
	case "":
		if empty {
			return yes
		}
		return no
	}
	return value
}

// holds tells whether the row's column holds the value.
func (w *way) holds(r *row, value cell) bool {
	now := r.cell(w.column.name)
	return now.null == value.null && (now.null || w.column.same(now.text, value.text))
}

// plan walks to all rows and notes which must change.
func (x *restrictor) plan(ctx context.Context) error {
	before := map[string]bool{}
	for _, d := range x.r.Before {
		before[d] = true
	}
	return x.walk(ctx, func(c *Collection, f found) error {
		if f.status != owned {
			return nil
		}
		if x.r.Mode == ModeGuarded && !f.alone {
			x.out.Skipped = append(x.out.Skipped, Shared{Collection: c.String(), Key: keyOf(c, f.row, x.own.withheld(f.node)), Owners: len(f.own)})
			return nil
		}
		w := x.ways[c]
		w.rows++
		if w.column == nil {
			return nil
		}
		switch {
		case w.holds(f.row, w.target):
			w.before++
			if !x.r.Lift {
				x.out.Before = append(x.out.Before, w.digest(f.row))
			}
			return nil
		case x.r.Lift && (!w.holds(f.row, w.set) || before[w.digest(f.row)]):
			w.before++ // somebody else's, or lifted already
			return nil
		case !x.r.Lift && !w.holds(f.row, w.lift) && !f.row.cell(w.column.name).null:
			w.why = "the column " + w.column.name + " holds something else than the two values, which would be lost"
			return nil
		}
		w.due++
		return x.hit(c, &hit{row: f.row}, mark{})
	})
}

// digest names a row whatever its column holds: by its key, or by everything else that is read of it.
func (w *way) digest(r *row) string {
	var b strings.Builder
	b.WriteString(r.l.c.String())
	for i, col := range r.l.columns {
		if col == w.column || len(r.l.key) > 0 && !slices.Contains(r.l.key, i) {
			continue
		}
		fmt.Fprintf(&b, "\x00%t%d:%s", r.cells[i].null, len(r.cells[i].text), r.cells[i].text)
	}
	d := digestOf(b.String())
	return hex.EncodeToString(d[:])
}

// write sets the columns, collection by collection. What a store refuses becomes a task, and nothing of the
// collection is changed; a failure of a store is an error.
func (x *restrictor) write(ctx context.Context) error {
	for _, c := range x.g.collections {
		w := x.ways[c]
		if w.due == 0 || w.why != "" {
			continue
		}
		to := []set{{col: w.column, cell: w.target}}
		err := x.savepoint(ctx, x.txs[c.Dataset], func() error {
			return x.hits[c].change(func(rows []*hit) error {
				for _, h := range rows {
					if err := x.eraser.write(ctx, c, h, to); err != nil {
						return err
					}
					h.masked = true
					h.cells[h.l.at[w.column.name]] = w.target
				}
				return nil
			})
		})
		switch {
		case err == nil:
		case isLost(err) || refusal(err) == "":
			return broken(c, err)
		default:
			w.why = "the store does not take the value of " + w.column.name + ": " + why(err)
		}
	}
	return nil
}

// verify reads every row that was changed again. In the transaction, early, a collection in which the store
// made something else of the value becomes a task; after the commit it answers whether all is as it should be.
func (x *restrictor) verify(ctx context.Context, on func(*Collection) querier, early bool) (bool, error) {
	all := true
	for _, c := range x.g.collections {
		w := x.ways[c]
		if w.due == 0 || w.why != "" {
			continue
		}
		found := map[string]*row{}
		err := x.hits[c].each(func(rows []*hit) error {
			clear(found)
			err := x.reread(ctx, on(c), x.layouts[c], rows, func(r *row) error { found[r.id] = r; return nil })
			if err != nil {
				return fail.Wrap(fail.Unavailable, scrub(err), "read %s again", c)
			}
			for _, h := range rows {
				now := found[h.place()]
				switch {
				case now != nil && w.holds(now, w.target):
				case now == nil && !early && len(h.l.key) > 0: // somebody else deleted the row
				default:
					all = false
					if early {
						w.why = "the store made something else of the value of " + w.column.name + ": a trigger or a rule"
					}
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return all, nil
}

// count fills in what was done and what somebody must do.
func (x *restrictor) count() {
	for _, c := range x.g.collections {
		w := x.ways[c]
		if by := c.Restrict; by != nil && by.With != nil && w.rows > 0 {
			if other := x.ways[by.With]; other.why == "" && other.due+other.before > 0 {
				continue
			}
			w.why = "no row of the person in " + by.With.Name + " covers it"
		}
		switch {
		case w.rows == 0:
		case w.why != "":
			x.out.Tasks = append(x.out.Tasks, RestrictTask{c.String(), w.rows, w.why})
		default:
			x.out.Rows = append(x.out.Rows, RestrictedRows{c.String(), w.column.name, w.due, w.before})
		}
	}
}
