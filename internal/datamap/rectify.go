package datamap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"probity/internal/fail"
)

// Replacement is one correction: where a field of the kind holds the old value, the new one is written.
type Replacement struct {
	Kind string // a kind of identity such as email, or a data category such as user.name, with all below it
	Old  string // the whole value, as the store holds it; free text that only mentions it is left
	New  string
}

// Correction is a request to rectify (Art. 16 GDPR).
type Correction struct {
	Request
	Replace  []Replacement
	DryRun   bool    // everything is tried, and nothing is kept
	MaxShare float64 // refuse when a larger share of a table would be hit; 0: half
}

// Rectified is what was corrected, or in a dry run what would be. Close it after use.
type Rectified struct {
	Changed     []Changed // counted by field, in the order of the datasets
	Skipped     []Shared  // rows that hold an old value and belong to others, too or alone
	Refused     []Refused // with any, nothing was changed
	Unreachable []string
	Verified    bool // every value was read again after the commit and found corrected
	records     spool
}

// Changed is how many rows of a field were corrected.
type Changed struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Rows       int    `json:"rows"`
}

// Corrected is one value that was corrected.
type Corrected struct {
	Collection string          `json:"collection"`
	Key        json.RawMessage `json:"key"`
	Field      string          `json:"field"`
	Kind       string          `json:"kind"` // of the replacement
}

// Refused is a field in which the store does not take the new value.
type Refused struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Why        string `json:"why"`
}

// WriteJSON writes the result as one JSON object, with empty lists where nothing is.
func (r *Rectified) WriteJSON(w io.Writer) error {
	o := newObject(w)
	list(o, "changed", r.Changed)
	o.lines("records", &r.records)
	list(o, "skipped_shared", r.Skipped)
	list(o, "refused", r.Refused)
	list(o, "unreachable", r.Unreachable)
	o.field("verified", r.Verified)
	return o.end()
}

// Records calls f for each corrected value.
func (r *Rectified) Records(f func(Corrected) error) error {
	return r.records.each(func(line []byte) error {
		var c Corrected
		if err := json.Unmarshal(line, &c); err != nil {
			return fail.Wrap(fail.Internal, err, "read the records again")
		}
		return f(c)
	})
}

// Close drops the records.
func (r *Rectified) Close() { r.records.close() }

// MarshalJSON writes the result as WriteJSON does.
func (r *Rectified) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := r.WriteJSON(&b)
	return b.Bytes(), err
}

// Describe writes the result for a person.
func (r *Rectified) Describe(w io.Writer) {
	for _, c := range r.Changed {
		fmt.Fprintf(w, "%6d corrected  %s.%s\n", c.Rows, c.Collection, c.Field)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "kept           %s %s, %d owners\n", s.Collection, s.Key, s.Owners)
	}
	for _, u := range r.Refused {
		fmt.Fprintf(w, "REFUSED        %s.%s: %s\n", u.Collection, u.Field, u.Why)
	}
	for _, name := range r.Unreachable {
		fmt.Fprintf(w, "unreachable    %s\n", name)
	}
	fmt.Fprintf(w, "read again and found corrected: %t\n", r.Verified)
}

// fix is a row with what is to be written into it. Its hit keeps the row as it was.
type fix struct {
	*hit
	sets []set
	by   map[*Field][]int // the replacements that apply to a field
}

// rectifier carries a correction through the stores. Of the eraser it uses what changes and reads rows.
type rectifier struct {
	*eraser
	replace []Replacement
	out     *Rectified
	asked   map[value]bool // new values of identities
	refused map[Refused]bool
}

// Rectify writes new values over old ones in what the stores hold about the person.
//
// Only rows that are the person's alone are changed, and in rows with several owners the fields that
// name the person and nobody else. A field is changed if it is of the kind of a replacement and holds
// the old value exactly; numbers are compared as numbers. All replacements look at the values as they
// were before, so that two values can be exchanged.
//
// A new value that a store does not take, by its type, length or constraints, or that names somebody
// else already, is named in Refused; then nothing is changed anywhere, and the error is a Conflict.
// Each store has one transaction, and what was written is read again before and after its commit. A
// correction that was interrupted between stores is finished by asking again with the same identities.
func Rectify(ctx context.Context, c *Correction) (*Rectified, error) {
	out := &Rectified{}
	if err := c.validate(); err != nil {
		return out, err
	}
	stores, down, failure := connect(ctx, &c.Request)
	if failure != nil {
		closeAll(stores)
		out.Unreachable = down
		return out, failure
	}
	defer closeAll(stores)
	w, err := newWalker(ctx, &c.Request, stores, false)
	if err != nil {
		return out, err
	}
	defer w.rollback()
	x := &rectifier{
		eraser:  newEraser(w, &Erasure{Request: c.Request, DryRun: c.DryRun, MaxShare: c.MaxShare}, &Erased{}),
		replace: c.Replace, out: out, asked: map[value]bool{}, refused: map[Refused]bool{},
	}
	defer x.scratch.close()
	out.Unreachable = w.unreachable()
	if err := x.plan(ctx); err != nil {
		return out, err
	}
	if err := x.brake(ctx); err != nil {
		return out, err
	}
	if err := x.nobodyElse(ctx); err != nil {
		return out, err
	}
	if err := x.write(ctx); err != nil {
		return out, err
	}
	if _, err := x.verify(ctx, func(c *Collection) querier { return w.txs[c.Dataset] }, true); err != nil {
		return out, err
	}
	if n := len(out.Refused); n > 0 {
		return out, fail.New(fail.Conflict, "%d fields do not take the new value; nothing was changed", n)
	}
	if err := x.count(); err != nil {
		return out, err
	}
	if c.DryRun {
		return out, nil
	}
	if err := x.commit(ctx); err != nil {
		out.Close()
		out.Changed, out.records = nil, spool{}
		out.Unreachable = append(out.Unreachable, x.eraser.out.Unreachable...)
		return out, err
	}
	if out.Verified, err = x.verify(ctx, func(c *Collection) querier { return w.stores[c.Dataset].db }, false); err != nil {
		return out, err
	}
	if !out.Verified {
		return out, fail.New(fail.Conflict, "not every value was found corrected when it was read again; ask again")
	}
	return out, nil
}

func (c *Correction) validate() error {
	if len(c.Replace) == 0 {
		return fail.New(fail.Invalid, "a correction needs at least one replacement")
	}
	for i, r := range c.Replace {
		switch {
		case r.Kind == "":
			return fail.New(fail.Invalid, "replacement %d has no kind; give a kind of identity such as email, or a data category such as user.name", i+1)
		case r.Old == "" || r.New == "":
			return fail.New(fail.Invalid, "replacement %d needs an old and a new value; to remove a value, erase it", i+1)
		case r.Old == r.New:
			return fail.New(fail.Invalid, "replacement %d: the old and the new value are the same", i+1)
		case strings.Contains(r.New, "\x00") || !utf8.ValidString(r.New):
			return fail.New(fail.Invalid, "replacement %d: the new value is no text", i+1)
		}
		for _, other := range c.Replace[:i] {
			if other.Kind == r.Kind && other.Old == r.Old && other.New != r.New {
				return fail.New(fail.Invalid, "replacement %d gives an old value a second new one", i+1)
			}
		}
	}
	for i, r := range c.Replace {
		if !Holds(c.Datasets, r.Kind) {
			return fail.New(fail.Invalid, "replacement %d: no field of the datasets is an identity of the kind %s or of the category %s", i+1, r.Kind, r.Kind)
		}
	}
	return nil
}

// Holds tells whether a field of the datasets is an identity of the kind, or of the category.
func Holds(sets []*Dataset, kind string) bool {
	return slices.ContainsFunc(sets, func(d *Dataset) bool {
		return slices.ContainsFunc(d.Collections, func(c *Collection) bool {
			return slices.ContainsFunc(c.leaves, func(f *Field) bool { return f.Identity == kind || f.Matches([]string{kind}) })
		})
	})
}

// matching returns the replacements that are about the field.
func (x *rectifier) matching(f *Field) []int {
	var out []int
	for i, r := range x.replace {
		if f.Identity == r.Kind || f.Matches([]string{r.Kind}) {
			out = append(out, i)
		}
	}
	return out
}

// corrected returns what the column of the field should hold instead of text, and the replacements
// that apply. None apply: nothing is due.
func (x *rectifier) corrected(col *column, f *Field, text string) (string, []int) {
	var applied []int
	with := func(value string, same func(a, b string) bool) (string, bool) {
		for _, i := range x.matching(f) {
			if same(value, x.replace[i].Old) {
				if !slices.Contains(applied, i) {
					applied = append(applied, i)
				}
				return x.replace[i].New, true
			}
		}
		return value, false
	}
	exact := func(a, b string) bool { return a == b }
	if len(f.Path) == 1 && col.class != array && col.class != jsonClass {
		value, _ := with(text, col.same)
		return value, applied
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return text, nil
	}
	v = change(v, f.Path[1:], func(v any) any {
		switch s := v.(type) {
		case string:
			value, _ := with(s, exact)
			return value
		case json.Number:
			if value, ok := with(s.String(), sameNumber); ok {
				if isDecimal(value) && json.Valid([]byte(value)) {
					return json.Number(value)
				}
				return value
			}
		}
		return v
	})
	if len(applied) == 0 {
		return text, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return text, nil
	}
	return strings.TrimSpace(b.String()), applied
}

// same tells whether the column would call two values the same.
func (c *column) same(a, b string) bool {
	switch {
	case a == b:
		return true
	case c.class == integer || c.class == decimal:
		return sameNumber(a, b)
	case c.class == text && (c.typ == "character" || strings.HasPrefix(c.typ, "char(")):
		return strings.TrimRight(a, " ") == strings.TrimRight(b, " ") // padded to its length
	}
	return false
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	if !isDecimal(a) || !isDecimal(b) {
		return false
	}
	x, ok := new(big.Rat).SetString(a)
	if !ok {
		return false
	}
	y, ok := new(big.Rat).SetString(b)
	return ok && x.Cmp(y) == 0
}

// plan walks to all rows and notes which hold an old value.
func (x *rectifier) plan(ctx context.Context) error {
	skipped := map[*Collection]map[digest]int32{}
	return x.walk(ctx, func(c *Collection, f found) error {
		if f.status == public {
			return nil
		}
		h := &hit{row: f.row, clear: f.cells}
		kept := false
		texts := map[string]string{}
		for _, l := range c.leaves {
			next, by := x.correct(texts, h, l)
			if len(by) == 0 {
				continue
			}
			if x.req.Mode == ModeGuarded && (f.status != owned || !f.alone && !x.namesOnly(f.node, l)) {
				kept = true
				continue
			}
			texts[l.Column()] = next
			h.due = append(h.due, l)
			for _, i := range by {
				if l.Identity != "" {
					x.asked[value{l.Identity, x.replace[i].New}] = true
				}
			}
		}
		if !kept && len(h.due) == 0 {
			return nil
		}
		if x.req.Mode == ModeGuarded && !f.alone {
			h.withheld = c.all()
			if f.status != foreign {
				h.withheld = x.own.withheld(f.node)
			}
		}
		if kept {
			s := Shared{Collection: c.String(), Key: keyOf(c, h.row, h.withheld), Owners: len(f.own)}
			id := digestOf(f.id)
			if skipped[c] == nil {
				skipped[c] = map[digest]int32{}
			}
			if i, ok := skipped[c][id]; ok {
				x.out.Skipped[i] = s
			} else {
				skipped[c][id] = int32(len(x.out.Skipped))
				x.out.Skipped = append(x.out.Skipped, s)
			}
		}
		if len(h.due) == 0 {
			return nil
		}
		return x.hit(c, h, mark{})
	})
}

// correct returns what the column of the field should hold, as far as the field goes, and the
// replacements that apply. The texts are those of the columns that change: two fields may lie in one
// document.
func (x *rectifier) correct(texts map[string]string, h *hit, f *Field) (string, []int) {
	col := h.l.t.column(f.Column())
	before := h.clear[h.l.at[col.name]]
	if before.null {
		return "", nil
	}
	now, ok := texts[col.name]
	if !ok {
		now = before.text
	}
	return x.corrected(col, f, now)
}

// fix returns what is to be written into the row.
func (x *rectifier) fix(h *hit) *fix {
	fx := &fix{hit: h, by: map[*Field][]int{}}
	texts := map[string]string{}
	for _, f := range h.due {
		texts[f.Column()], fx.by[f] = x.correct(texts, h, f)
	}
	seen := map[string]bool{}
	for _, f := range h.due {
		if seen[f.Column()] {
			continue
		}
		seen[f.Column()] = true
		s := set{col: h.l.t.column(f.Column()), cell: cell{text: texts[f.Column()]}}
		for _, g := range h.due {
			if g.Column() == f.Column() {
				s.fields = append(s.fields, g)
			}
		}
		fx.sets = append(fx.sets, s)
	}
	return fx
}

func (x *rectifier) refuse(c *Collection, field, why string) {
	r := Refused{c.String(), field, why}
	if !x.refused[r] {
		x.refused[r] = true
		x.out.Refused = append(x.out.Refused, r)
	}
}

// nobodyElse refuses a new value that already names another person, who would become one with this one.
func (x *rectifier) nobodyElse(ctx context.Context) error {
	if x.req.Mode != ModeGuarded {
		return nil
	}
	for v := range x.asked {
		for _, f := range x.g.identities[v.kind] {
			c := f.Collection
			others := false
			err := x.each(ctx, f, v.text, func(rows []*row) error {
				nodes, err := x.own.of(ctx, c, rows)
				for _, n := range nodes {
					others = others || len(n.own) > 0 && !x.own.mine(n)
				}
				return err
			})
			if err != nil {
				return err
			}
			if others {
				x.refuse(c, f.Name(), "the new value names somebody else already")
			}
		}
	}
	return nil
}

// each hands out the rows in which the field has the value, some at a time.
func (x *rectifier) each(ctx context.Context, f *Field, v string, yield func([]*row) error) error {
	var rows []*row
	err := x.find(ctx, x.layouts[f.Collection], f, []string{v}, func(r *row) error {
		if len(rows) < pageRows { // more rows of one identity would tell nothing else
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	return yield(rows)
}

// write writes all new values. What a store refuses is named; a failure of a store is an error.
func (x *rectifier) write(ctx context.Context) error {
	for _, c := range x.g.collections {
		if x.hits[c].size() == 0 {
			continue
		}
		switch t := x.stores[c.Dataset].tables[c]; {
		case t.view:
			x.refuse(c, "", "it is a view: name the tables behind it in the dataset")
			continue
		case t.plain:
			x.refuse(c, "", "its engine has no transactions, so a change could stay half done")
			continue
		}
		err := x.hits[c].change(func(rows []*hit) error {
			return x.writeRows(ctx, c, rows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes into all rows together if the store takes that, else into one after the other.
func (x *rectifier) writeRows(ctx context.Context, c *Collection, list []*hit) error {
	var fixes []*fix
	var rows []*hit
	var sets [][]set
	for _, h := range list {
		fx := x.fix(h)
		if fit := x.fitting(c, fx); len(fit) > 0 {
			fixes, rows, sets = append(fixes, fx), append(rows, h), append(sets, fit)
		}
	}
	places := make([]string, len(rows))
	for i, h := range rows {
		places[i] = h.ctid
	}
	err := x.savepoint(ctx, x.txs[c.Dataset], func() error { return x.writeMany(ctx, c, rows, sets) })
	if err == nil {
		for i, h := range rows {
			x.wrote(h, sets[i])
		}
		return nil
	}
	if isLost(err) || refusal(err) == "" {
		return broken(c, err)
	}
	for i, h := range rows {
		if h.l.rowID {
			h.ctid, h.id = places[i], places[i]
		}
	}
	for i, fx := range fixes {
		if err := x.writeRow(ctx, c, fx, sets[i]); err != nil {
			return err
		}
	}
	return nil
}

// fitting returns what is to be written into the row as far as it is not too long, and names the rest.
func (x *rectifier) fitting(c *Collection, fx *fix) []set {
	var sets []set
	for _, s := range fx.sets {
		if s.col.generated {
			continue // verify finds it, unless what it is computed from was corrected too
		}
		fits := true
		for _, f := range s.fields {
			if why := tooLong(s.col, f, x.news(fx, f)); why != "" {
				x.refuse(c, f.Name(), why)
				fits = false
			}
		}
		if fits {
			sets = append(sets, s)
		}
	}
	return sets
}

// writeRow writes all columns of a row at once if the store takes that, else one after the other, to
// learn which it refuses.
func (x *rectifier) writeRow(ctx context.Context, c *Collection, fx *fix, sets []set) error {
	tx := x.txs[c.Dataset]
	err := x.savepoint(ctx, tx, func() error { return x.eraser.write(ctx, c, fx.hit, sets) })
	if err == nil {
		x.wrote(fx.hit, sets)
		return nil
	}
	if isLost(err) || refusal(err) == "" {
		return broken(c, err)
	}
	for _, s := range sets {
		place := fx.ctid
		err := x.savepoint(ctx, tx, func() error { return x.eraser.write(ctx, c, fx.hit, []set{s}) })
		if err != nil && strings.HasPrefix(refusal(err), "a foreign key forbids it") {
			// Rows that refer to the value may follow it.
			if alt := x.savepoint(ctx, tx, func() error { return x.writeReferred(ctx, c, fx.hit, s) }); alt == nil {
				err = nil
			} else if isLost(alt) {
				return broken(c, alt)
			}
		}
		if err == nil {
			x.wrote(fx.hit, []set{s})
			continue
		}
		if fx.l.rowID {
			fx.ctid, fx.id = place, place
		}
		if isLost(err) || refusal(err) == "" {
			return broken(c, err)
		}
		for _, f := range s.fields {
			x.refuse(c, f.Name(), why(err))
		}
	}
	return nil
}

func isLost(err error) bool {
	var l lost
	return errors.As(err, &l)
}

// wrote notes what stands in the row now.
func (x *rectifier) wrote(h *hit, sets []set) {
	h.masked = true
	for _, s := range sets {
		h.cells[h.l.at[s.col.name]] = s.cell
	}
}

// news returns the new values that a row gets in a field.
func (x *rectifier) news(fx *fix, f *Field) []string {
	var out []string
	for _, i := range fx.by[f] {
		out = append(out, x.replace[i].New)
	}
	return out
}

// tooLong tells why the values are too long for the field, "" if they are not.
func tooLong(col *column, f *Field, values []string) string {
	most := f.Length
	if len(f.Path) == 1 && (col.class == text || col.class == citext) && col.length > 0 && (most == 0 || col.length < most) {
		most = col.length
	}
	for _, v := range values {
		if most > 0 && utf8.RuneCountInString(v) > most {
			return fmt.Sprintf("the new value is longer than the %d characters that the field takes", most)
		}
	}
	return ""
}

// why tells what a store's refusal of a new value means.
func why(err error) string {
	r := refusal(err)
	switch {
	case strings.HasPrefix(r, "a CHECK constraint"):
		return "a CHECK constraint forbids the new value" + constraintOf(err)
	case strings.HasPrefix(r, "the value must be unique"):
		return "the new value stands in another row, and must be unique" + constraintOf(err)
	case r == "the column's type takes no other value":
		return "the column's type does not take the new value"
	case r == "rows differ":
		return "rows that refer to the old value can't follow it"
	}
	return r
}

// verify reads every row that was to be corrected again. In the transaction, early, it names what the
// store made of the new value; after the commit it answers whether all is as it should be.
func (x *rectifier) verify(ctx context.Context, on func(*Collection) querier, early bool) (bool, error) {
	all := true
	for _, c := range x.g.collections {
		s := x.stores[c.Dataset]
		t := s.tables[c]
		l := s.layout(c, c.Fields)
		err := x.hits[c].each(func(rows []*hit) error {
			found := map[string]*row{}
			err := x.reread(ctx, on(c), l, rows, func(r *row) error { found[r.id] = r; return nil })
			if err != nil {
				return fail.Wrap(fail.Unavailable, scrub(err), "read %s again", c)
			}
			for _, h := range rows {
				fx := x.fix(h)
				now := found[fx.place()]
				for _, set := range fx.sets {
					why := ""
					switch {
					case now == nil:
						why = "the row was not found again after the change: a trigger or a rule of the store moved it"
					case !took(set, now.cell(set.col.name), fx.clear[fx.l.at[set.col.name]]):
						why = "the store made something else of the new value: a trigger, a rule or the column's type"
						if t.column(set.col.name).generated {
							why = "the store computes the column itself, from values that stay"
						}
					}
					if why == "" {
						continue
					}
					all = false
					if early {
						for _, f := range set.fields {
							if !x.refusedField(c, f) {
								x.refuse(c, f.Name(), why)
							}
						}
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

// took tells whether a column holds what was written. Types that write a value in their own way are
// taken at their word as long as the old value is gone.
func took(s set, now, before cell) bool {
	if now.null {
		return false
	}
	switch s.col.class {
	case text, integer, decimal, uuidClass, enum, citext:
		return s.col.same(now.text, s.cell.text) || s.col.class == uuidClass && strings.EqualFold(now.text, s.cell.text)
	case jsonClass, array:
		return sameJSON(now.text, s.cell.text)
	}
	return !s.col.same(now.text, before.text)
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	p, err := json.Marshal(x)
	if err != nil {
		return false
	}
	q, err := json.Marshal(y)
	return err == nil && string(p) == string(q)
}

// refusedField tells whether the field is in Refused already.
func (x *rectifier) refusedField(c *Collection, f *Field) bool {
	return slices.ContainsFunc(x.out.Refused, func(r Refused) bool { return r.Collection == c.String() && (r.Field == f.Name() || r.Field == "") })
}

// count fills in what was corrected.
func (x *rectifier) count() error {
	for _, c := range x.g.collections {
		rows := map[*Field]int{}
		err := x.hits[c].each(func(page []*hit) error {
			for _, h := range page {
				by := x.fix(h).by
				key := keyOf(c, h.row, h.withheld)
				for _, f := range h.due {
					rows[f]++
					for _, i := range by[f] {
						line, err := json.Marshal(Corrected{c.String(), key, f.Name(), x.replace[i].Kind})
						if err != nil {
							return fail.Wrap(fail.Internal, err, "name a row of %s", c)
						}
						if err := x.out.records.add(line); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range slices.SortedFunc(maps.Keys(rows), func(a, b *Field) int { return slices.Index(c.leaves, a) - slices.Index(c.leaves, b) }) {
			x.out.Changed = append(x.out.Changed, Changed{c.String(), f.Name(), rows[f]})
		}
	}
	return nil
}
