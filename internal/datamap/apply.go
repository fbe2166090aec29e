package datamap

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"probity/internal/fail"
)

// set is a new value for a column of a row.
type set struct {
	col      *column
	fields   []*Field // whose values it masks
	used     []string // the strategy, for each field
	cell     cell
	strategy string
}

// asked returns the strategy that a field is to be masked with.
func (x *eraser) asked(f *Field) string {
	if f.Override != nil {
		return f.Override.Strategy
	}
	if x.e.Strategy == Delete {
		return Null
	}
	return x.e.Strategy
}

// mask masks the due fields of all rows.
func (x *eraser) mask(ctx context.Context) error {
	for _, c := range x.g.collections {
		t := x.stores[c.Dataset].tables[c]
		var list []*hit
		for _, h := range x.hits[c] {
			if !h.goes && len(h.due) > 0 {
				list = append(list, h)
			}
		}
		if len(list) == 0 {
			continue
		}
		if t.view {
			x.unmaskable(c, "", "it is a view: name the tables behind it in the dataset")
			continue
		}
		if t.plain {
			x.unmaskable(c, "", "its engine has no transactions, so a change could stay half done")
			continue
		}
		for _, h := range list {
			h.clear = h.cells
		}
		if err := x.maskRows(ctx, c, list); err != nil {
			return err
		}
	}
	return nil
}

// maskRows masks the rows of one collection: the first alone, to learn what the columns accept, the
// others together, and one by one where that fails.
func (x *eraser) maskRows(ctx context.Context, c *Collection, list []*hit) error {
	const together = 500
	tx := x.txs[c.Dataset]
	if err := x.maskRow(ctx, c, list[0]); err != nil {
		return err
	}
	for chunk := range slices.Chunk(list[1:], together) {
		places := make([]string, len(chunk))
		for i, h := range chunk {
			places[i] = h.ctid
		}
		err := x.savepoint(ctx, tx, func() error { return x.maskTogether(ctx, c, chunk) })
		if err == nil {
			continue
		}
		for i, h := range chunk {
			if h.l.rowID {
				h.ctid, h.id = places[i], places[i]
			}
		}
		if _, ok := err.(lost); ok || refusal(err) == "" {
			return broken(c, err)
		}
		for _, h := range chunk {
			h.masked = false
			if err := x.maskRow(ctx, c, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose returns what to write into the columns of a row, with the strategy that the column accepted
// before in the first place; if that one makes a value, it is all that is looked at when it must be quick.
// A column that can't be masked is left out, and named.
func (x *eraser) choose(c *Collection, h *hit, quick bool) (sets [][]set) {
	t := x.stores[c.Dataset].tables[c]
	seen := map[string]bool{}
	for _, f := range h.due {
		if seen[f.Column()] {
			continue
		}
		seen[f.Column()] = true
		col := t.column(f.Column())
		if col.generated {
			continue // what it is computed from is masked, or else verify finds it
		}
		var fields []*Field
		for _, g := range h.due {
			if g.Column() == f.Column() {
				fields = append(fields, g)
			}
		}
		var list []set
		clear := h.cell(f.Column())
		if len(f.Path) > 1 {
			for _, s := range []string{"", Redact, Pseudonymise, FormatPreserving, Null} {
				doc := clear.text
				var used []string
				ok := true
				for _, g := range fields {
					want := s
					if s == "" {
						want = x.asked(g)
					}
					next, how, err := x.m.within(g, want, doc)
					if err != nil {
						ok = false
						break
					}
					doc = next
					used = append(used, how)
				}
				if ok && doc != clear.text {
					list = append(list, set{col: col, fields: fields, used: used, cell: cell{text: doc}, strategy: s})
				}
			}
			if col.nullable {
				list = append(list, set{col: col, fields: fields, used: slices.Repeat([]string{Null}, len(fields)), cell: cell{null: true}, strategy: Null})
			}
		} else {
			only := ""
			if quick {
				if only = x.usual[f]; only == "" {
					only = x.asked(f)
				}
			}
			for _, p := range x.m.propose(f, col, t, x.asked(f), only, clear.text) {
				list = append(list, set{col: col, fields: fields, used: []string{p.strategy}, cell: p.cell, strategy: p.strategy})
			}
		}
		if usual := x.usual[f]; usual != "" {
			slices.SortStableFunc(list, func(a, b set) int {
				switch {
				case a.strategy == usual && b.strategy != usual:
					return -1
				case b.strategy == usual && a.strategy != usual:
					return 1
				}
				return 0
			})
		}
		if len(list) == 0 {
			why := "no value but the clear one fits the column's type and length"
			if col.class == boolean || col.class == enum {
				why = "the column is NOT NULL and its other values would say as much"
			}
			x.unmaskable(c, f.Name(), why)
			continue
		}
		sets = append(sets, list)
	}
	return sets
}

// maskRow masks one row: all columns at once if the store takes that, else one after the other, each
// with the nearest value that it takes.
func (x *eraser) maskRow(ctx context.Context, c *Collection, h *hit) error {
	tx := x.txs[c.Dataset]
	choice := x.choose(c, h, false)
	if len(choice) == 0 {
		return nil
	}
	var first []set
	for _, list := range choice {
		first = append(first, list[0])
	}
	err := x.savepoint(ctx, tx, func() error { return x.write(ctx, c, h, first) })
	if err == nil {
		x.wrote(h, first)
		return nil
	}
	if _, ok := err.(lost); ok || refusal(err) == "" {
		return broken(c, err)
	}
	for _, list := range choice {
		var why error
		done := false
		for i, s := range list {
			if i >= 60 {
				break
			}
			err := x.savepoint(ctx, tx, func() error { return x.write(ctx, c, h, []set{s}) })
			if err != nil && refusal(err) == "a foreign key forbids it"+constraintOf(err) {
				place := h.ctid
				if alt := x.savepoint(ctx, tx, func() error { return x.writeReferred(ctx, c, h, s) }); alt == nil {
					err = nil
				} else if _, ok := alt.(lost); ok {
					return broken(c, alt)
				} else if h.l.rowID {
					h.ctid, h.id = place, place
				}
			}
			if err == nil {
				x.wrote(h, []set{s})
				done = true
				break
			}
			if _, ok := err.(lost); ok || refusal(err) == "" {
				return broken(c, err)
			}
			if why == nil || s.strategy != Null {
				why = err
			}
		}
		if !done {
			for _, f := range list[0].fields {
				x.unmaskable(c, f.Name(), refusal(why))
			}
		}
	}
	return nil
}

func constraintOf(err error) string {
	if state, name := sqlState(err); state != "" && name != "" && state[:2] == "23" {
		return " (" + name + ")"
	}
	return ""
}

// wrote notes what was done to the row.
func (x *eraser) wrote(h *hit, sets []set) {
	h.masked = true
	h.cells = slices.Clone(h.cells) // the row as it was is remembered
	for _, s := range sets {
		for i, f := range s.fields {
			x.substituted(f, x.asked(f), s.used[i])
			if x.usual[f] == "" || s.used[i] == x.asked(f) {
				x.usual[f] = s.strategy // one row's exception is no rule
			}
		}
		h.cells[h.l.at[s.col.name]] = s.cell
	}
}

// write changes one row, which must be there.
func (x *eraser) write(ctx context.Context, c *Collection, h *hit, sets []set) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	var b strings.Builder
	var args []any
	fmt.Fprintf(&b, "UPDATE %s SET ", s.name(t))
	for i, v := range sets {
		if i > 0 {
			b.WriteString(", ")
		}
		args = append(args, v.cell.arg())
		b.WriteString(s.dialect.quote(v.col.name) + " = " + s.dialect.param(v.col, len(args)))
	}
	for _, col := range t.columns {
		if col.onUpdate && !slices.ContainsFunc(sets, func(v set) bool { return v.col == col }) {
			b.WriteString(", " + s.dialect.quote(col.name) + " = " + s.dialect.quote(col.name))
		}
	}
	where, more := s.where(h.row, len(args))
	args = append(args, more...)
	if h.l.rowID {
		// An updated row stands in another place.
		var place string
		err := scan(ctx, x.txs[c.Dataset], []any{&place}, b.String()+where+" RETURNING "+t.place(""), args...)
		if errors.Is(err, sql.ErrNoRows) {
			return errSilent
		}
		if err == nil {
			h.ctid, h.id = place, place
		}
		return err
	}
	res, err := x.txs[c.Dataset].ExecContext(ctx, b.String()+where, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 {
		return errSilent
	}
	return nil
}

// errSilent says that the store took the change and did nothing: a trigger or a rule of its own.
var errSilent = errors.New("the store did not change the row")

func (c cell) arg() any {
	if c.null {
		return nil
	}
	return c.text
}

// where returns the condition that holds for the row alone.
func (s *store) where(r *row, used int) (string, []any) {
	if r.l.rowID {
		at := "$" + strconv.Itoa(used+1) + "::text"
		if r.l.t.parts {
			return " WHERE tableoid = split_part(" + at + ", '(', 1)::oid AND ctid = ('(' || split_part(" + at + ", '(', 2))::tid", []any{r.ctid}
		}
		return " WHERE ctid = " + at + "::tid", []any{r.ctid}
	}
	columns := make([]*column, 0, len(r.l.columns))
	if len(r.l.key) > 0 {
		for _, i := range r.l.key {
			columns = append(columns, r.l.columns[i])
		}
	} else {
		for _, col := range r.l.t.columns {
			if !col.generated {
				columns = append(columns, col)
			}
		}
	}
	var conds []string
	var args []any
	for _, col := range columns {
		v := r.cell(col.name)
		name := s.dialect.quote(col.name)
		if v.null {
			conds = append(conds, name+" IS NULL")
			continue
		}
		args = append(args, v.text)
		if len(r.l.key) > 0 {
			conds = append(conds, name+" = "+s.dialect.param(col, used+len(args)))
			continue
		}
		// The text is what was read: floats and documents don't compare well otherwise.
		at := "?"
		if _, ok := s.dialect.(postgres); ok {
			at = "$" + strconv.Itoa(used+len(args)) + "::text"
		}
		conds = append(conds, s.dialect.read(col, name)+" = "+at)
	}
	one := ""
	if _, ok := s.dialect.(mariadb); ok && len(r.l.key) == 0 {
		one = " LIMIT 1" // of rows that are alike
	}
	return " WHERE " + strings.Join(conds, " AND ") + one, args
}

// errOneByOne says that the rows can't be changed together.
var errOneByOne = errors.New("rows differ")

// maskTogether masks many rows with as few statements as it can.
func (x *eraser) maskTogether(ctx context.Context, c *Collection, list []*hit) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	type batch struct {
		columns []string
		rows    []*hit
		sets    [][]set
	}
	batches := map[string]*batch{}
	var order []string
	for _, h := range list {
		choice := x.choose(c, h, true)
		var first []set
		var names []string
		for _, list := range choice {
			first = append(first, list[0])
			names = append(names, list[0].col.name)
		}
		if len(first) == 0 {
			continue
		}
		k := strings.Join(names, "\x00")
		if batches[k] == nil {
			batches[k] = &batch{columns: names}
			order = append(order, k)
		}
		batches[k].rows = append(batches[k].rows, h)
		batches[k].sets = append(batches[k].sets, first)
	}
	_, pg := s.dialect.(postgres)
	for _, k := range order {
		b := batches[k]
		switch {
		case !pg && len(t.key) == 1 && !slices.Contains(b.columns, t.key[0]):
			for from := 0; from < len(b.rows); from += togetherMaria {
				to := min(from+togetherMaria, len(b.rows))
				if err := x.writeCases(ctx, c, b.columns, b.rows[from:to], b.sets[from:to]); err != nil {
					return err
				}
			}
			continue
		case !pg || t.parts || len(t.key) != 1 && !b.rows[0].l.rowID:
			for i, h := range b.rows {
				if err := x.write(ctx, c, h, b.sets[i]); err != nil {
					return err
				}
			}
			continue
		}
		if err := x.writeTogether(ctx, c, b.columns, b.rows, b.sets); err != nil {
			return err
		}
	}
	for _, k := range order {
		for i, h := range batches[k].rows {
			x.wrote(h, batches[k].sets[i])
		}
	}
	return nil
}

// togetherMaria is how many rows MariaDB changes in one statement: it looks through them for each.
const togetherMaria = 125

// writeCases changes rows of MariaDB in one statement.
func (x *eraser) writeCases(ctx context.Context, c *Collection, columns []string, rows []*hit, sets [][]set) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	key := t.column(t.key[0])
	keys := make([]any, len(rows))
	for i, h := range rows {
		keys[i] = h.cell(key.name).text
		if key.class == integer {
			// As a text it would be compared as a floating point number.
			n, ok := number(h.cell(key.name).text)
			if !ok {
				return errOneByOne
			}
			keys[i] = n
		}
	}
	var b strings.Builder
	var args []any
	b.WriteString("UPDATE " + s.name(t) + " SET ")
	for j, name := range columns {
		if j > 0 {
			b.WriteString(", ")
		}
		col := t.column(name)
		b.WriteString(s.dialect.quote(name) + " = ")
		first := sets[0][j].cell
		if !slices.ContainsFunc(sets, func(v []set) bool { return v[j].cell != first }) {
			b.WriteString(s.dialect.param(col, 0))
			args = append(args, first.arg())
			continue
		}
		b.WriteString("CASE " + s.dialect.quote(key.name))
		for i := range rows {
			b.WriteString(" WHEN " + s.dialect.param(key, 0) + " THEN " + s.dialect.param(col, 0))
			args = append(args, keys[i], sets[i][j].cell.arg())
		}
		b.WriteString(" END")
	}
	for _, col := range t.columns {
		if col.onUpdate && !slices.Contains(columns, col.name) {
			b.WriteString(", " + s.dialect.quote(col.name) + " = " + s.dialect.quote(col.name))
		}
	}
	b.WriteString(" WHERE " + s.dialect.quote(key.name) + " IN (" + strings.TrimSuffix(strings.Repeat(s.dialect.param(key, 0)+",", len(keys)), ",") + ")")
	res, err := x.txs[c.Dataset].ExecContext(ctx, b.String(), append(args, keys...)...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err == nil && n != int64(len(rows)) {
		return errOneByOne
	}
	return nil
}

// writeTogether changes rows of PostgreSQL in one statement.
func (x *eraser) writeTogether(ctx context.Context, c *Collection, columns []string, rows []*hit, sets [][]set) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	var args []any
	keys := make([]string, len(rows))
	keyType := "tid"
	match := "t.ctid"
	if !rows[0].l.rowID {
		key := t.column(t.key[0])
		keyType, match = key.typ, "t."+s.dialect.quote(key.name)
		for i, h := range rows {
			keys[i] = h.cell(key.name).text
		}
	} else {
		for i, h := range rows {
			keys[i] = h.ctid
		}
	}
	args = append(args, keys)
	from := []string{"$1::text[]"}
	names := []string{"k"}
	var assign []string
	for j, name := range columns {
		col := t.column(name)
		values := make([]*string, len(rows))
		for i := range rows {
			if v := sets[i][j].cell; !v.null {
				values[i] = &v.text
			}
		}
		args = append(args, values)
		from = append(from, "$"+strconv.Itoa(len(args))+"::text[]")
		names = append(names, "c"+strconv.Itoa(j))
		assign = append(assign, s.dialect.quote(name)+" = "+strings.ReplaceAll(s.dialect.param(col, 0), "$0", "v.c"+strconv.Itoa(j)))
	}
	query := fmt.Sprintf("UPDATE %s t SET %s FROM unnest(%s) AS v(%s) WHERE %s = v.k::%s",
		s.name(t), strings.Join(assign, ", "), strings.Join(from, ", "), strings.Join(names, ", "), match, keyType)
	if rows[0].l.rowID {
		places := map[string]string{}
		err := each(ctx, x.txs[c.Dataset], func(r *sql.Rows) error {
			var was, is string
			if err := r.Scan(&was, &is); err != nil {
				return err
			}
			places[was] = is
			return nil
		}, query+" RETURNING v.k, t.ctid::text", args...)
		if err != nil {
			return err
		}
		if len(places) != len(rows) {
			return errOneByOne
		}
		for _, h := range rows {
			h.ctid = places[h.ctid]
			h.id = h.ctid
		}
		return nil
	}
	res, err := x.txs[c.Dataset].ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err == nil && n != int64(len(rows)) {
		return errOneByOne
	}
	return nil
}

// writeReferred changes a value to which rows of other tables refer, and lets them follow: their
// reference is NULL for a moment, inside the transaction.
func (x *eraser) writeReferred(ctx context.Context, c *Collection, h *hit, v set) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	tx := x.txs[c.Dataset]
	old := h.cell(v.col.name)
	type follow struct {
		table, column string
		rows          []any
		typ           *column
		key           string
		keyCol        *column
	}
	var follows []follow
	for _, fk := range t.referred(v.col.name) {
		if fk.onUpdate == "CASCADE" || fk.onUpdate == "SET NULL" {
			continue
		}
		if len(fk.columns) != 1 {
			return errOneByOne
		}
		child, err := s.dialect.catalogue(ctx, tx, fk.schema, fk.table)
		if err != nil {
			return err
		}
		if child == nil || len(child.key) != 1 {
			return errOneByOne
		}
		col := child.column(fk.columns[0])
		if col == nil || !col.nullable || col.generated {
			return errOneByOne
		}
		f := follow{table: s.name(child), column: s.dialect.quote(col.name), typ: col, keyCol: child.column(child.key[0]), key: s.dialect.quote(child.key[0])}
		err = each(ctx, tx, func(r *sql.Rows) error {
			var k string
			if err := r.Scan(&k); err != nil {
				return err
			}
			f.rows = append(f.rows, k)
			return nil
		}, "SELECT "+s.dialect.read(f.keyCol, f.key)+" FROM "+f.table+" WHERE "+f.column+" = "+s.dialect.param(col, 1), old.text)
		if err != nil {
			return err
		}
		if len(f.rows) > 0 {
			if _, err := tx.ExecContext(ctx, "UPDATE "+f.table+" SET "+f.column+" = NULL WHERE "+f.column+" = "+s.dialect.param(col, 1), old.text); err != nil {
				return err
			}
			follows = append(follows, f)
		}
	}
	if err := x.write(ctx, c, h, []set{v}); err != nil {
		return err
	}
	if v.cell.null {
		return nil
	}
	for _, f := range follows {
		for _, k := range f.rows {
			if _, err := tx.ExecContext(ctx, "UPDATE "+f.table+" SET "+f.column+" = "+s.dialect.param(f.typ, 1)+" WHERE "+f.key+" = "+s.dialect.param(f.keyCol, 2), v.cell.text, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// verify reads every row that was hit again. In the transaction, early, it names what a trigger put
// back; after the commit it answers whether all is gone.
func (x *eraser) verify(ctx context.Context, on func(*Collection) querier, early bool) (bool, error) {
	all := true
	for _, c := range x.g.collections {
		s := x.stores[c.Dataset]
		t := s.tables[c]
		var rows []*hit
		for _, h := range x.hits[c] {
			if h.gone || len(h.clear) > 0 {
				rows = append(rows, h)
			}
		}
		if len(rows) == 0 {
			continue
		}
		found := map[string]*row{}
		l := s.layout(c, c.Fields)
		scanned := func(r *row) error { found[r.id] = r; return nil }
		for chunk := range slices.Chunk(rows, 1000) {
			clear(found)
			if err := x.reread(ctx, on(c), l, chunk, scanned); err != nil {
				return false, fail.Wrap(fail.Unavailable, scrub(err), "read %s again", c)
			}
			for _, h := range chunk {
				now := found[h.place()]
				if h.gone {
					if now != nil && (!l.rowID || slices.Equal(now.cells, h.cells)) {
						all = false
						if early {
							h.gone = false
							x.unmaskable(c, "", "the row was deleted and is there again: a trigger or a rule of the store")
						}
					}
					continue
				}
				if now == nil {
					// With a key, somebody else deleted the row; without one it could not be found again.
					if !h.masked || len(t.key) == 0 {
						all = false
					}
					continue
				}
				for _, f := range h.due {
					before := h.clear[h.l.at[f.Column()]]
					still := !before.null && now.cell(f.Column()) == before
					if len(f.Path) > 1 && !still {
						old := (&row{l: l, cells: replaced(l, now, f.Column(), before)}).values(f)
						for _, v := range now.values(f) {
							if !masked(v) && slices.Contains(old, v) {
								still = true
							}
						}
					}
					if !still {
						continue
					}
					all = false
					if early && !x.namedField(c, f) {
						why := "the value is still there after the change: a trigger or a rule of the store puts it back"
						if t.column(f.Column()).generated {
							why = "the store computes the column itself, from values that stay"
						}
						x.unmaskable(c, f.Name(), why)
					}
				}
			}
		}
	}
	return all, nil
}

// namedField tells whether the field is in Unmaskable already.
func (x *eraser) namedField(c *Collection, f *Field) bool {
	return slices.ContainsFunc(x.out.Unmaskable, func(u Unmaskable) bool { return u.Collection == c.String() && (u.Field == f.Name() || u.Field == "") })
}

// replaced returns the cells of the row with one column as it was.
func replaced(l *layout, r *row, column string, was cell) []cell {
	out := slices.Clone(r.cells)
	out[l.at[column]] = was
	return out
}

// place returns what identifies the row now: masking may have changed its key.
func (h *hit) place() string { return h.l.identify(h.row) }

// reread fetches the rows by their keys.
func (x *eraser) reread(ctx context.Context, q querier, l *layout, rows []*hit, yield func(*row) error) error {
	if len(l.key) == 1 {
		col := l.columns[l.key[0]]
		values := make([]string, 0, len(rows))
		for _, h := range rows {
			values = append(values, h.cells[h.l.at[col.name]].text)
		}
		expr := "t." + l.s.dialect.quote(col.name)
		if cond, args, ok := l.s.dialect.match(col, expr, values, 1); ok {
			return l.scan(ctx, q, " WHERE "+cond, args, yield)
		}
	}
	if l.rowID {
		values := make([]string, 0, len(rows))
		for _, h := range rows {
			values = append(values, h.ctid)
		}
		if l.t.parts {
			return l.scan(ctx, q, " WHERE "+l.t.place("t.")+" = ANY($1::text[])", []any{values}, yield)
		}
		return l.scan(ctx, q, " WHERE t.ctid = ANY($1::text[]::tid[])", []any{values}, yield)
	}
	for _, h := range rows {
		where, args := l.s.where(h.row, 0)
		seen := false
		err := l.scan(ctx, q, where, args, func(r *row) error {
			if seen {
				return nil
			}
			seen = true
			r.id = l.identify(r)
			return yield(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
