package datamap

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"probity/internal/fail"
)

// errStays says that a row could not go after all, and that the rest is to be looked at again.
var errStays = errors.New("a row stays")

// delete removes the rows that go. A row that stays and refers to one of them loses the reference; if
// it can't, the row that it refers to stays too, and is named.
func (x *eraser) delete(ctx context.Context) error {
	any := false
	for _, c := range x.g.collections {
		t := x.stores[c.Dataset].tables[c]
		l := x.hits[c]
		if l == nil || !slices.ContainsFunc(l.marks, func(m mark) bool { return m.goes }) {
			continue
		}
		switch {
		case t.view:
			x.unmaskable(c, "", "it is a view: name the tables behind it in the dataset")
		case t.plain:
			x.unmaskable(c, "", "its engine has no transactions, so a change could stay half done")
		default:
			any = true
			continue
		}
		for i := range l.marks {
			l.marks[i].goes = false
		}
	}
	if !any {
		return nil
	}
	if err := x.number(); err != nil {
		return err
	}
	for {
		nulled := map[*Collection]map[string]bool{}
		var names []string
		before := map[*Collection]snapshot{}
		for c, l := range x.hits {
			var err error
			if before[c], err = l.snapshot(); err != nil {
				return err
			}
		}
		for d, tx := range x.txs {
			x.savings++
			name := fmt.Sprintf("d%d", x.savings)
			if _, err := tx.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
				return fail.Wrap(fail.Unavailable, scrub(err), "the store %s does not answer", d.Key)
			}
			names = append(names, d.Key+"\x00"+name)
		}
		err := x.deleteOnce(ctx, nulled)
		if err == nil {
			for c, rows := range nulled {
				x.out.Masked[c.String()] += len(rows)
			}
			return nil
		}
		if !errors.Is(err, errStays) {
			return err
		}
		for _, n := range names {
			key, name, _ := strings.Cut(n, "\x00")
			for d, tx := range x.txs {
				if d.Key == key {
					if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+name); err != nil {
						return fail.Wrap(fail.Unavailable, scrub(err), "the store %s does not answer", d.Key)
					}
				}
			}
		}
		for c, l := range x.hits {
			l.back(before[c])
		}
		x.moved = map[*Collection]map[string][]string{}
	}
}

// number makes the hits known by the ids of their rows.
func (x *eraser) number() error {
	for c, l := range x.hits {
		m := make(map[digest]int32, l.size())
		err := l.each(func(rows []*hit) error {
			for _, h := range rows {
				m[digestOf(h.id)] = int32(len(m))
			}
			return nil
		})
		if err != nil {
			return err
		}
		x.byID[c] = m
	}
	return nil
}

// stay keeps a row, and says why.
func (x *eraser) stay(c *Collection, h *hit, field, why string) error {
	h.goes = false
	x.unmaskable(c, field, why)
	return errStays
}

// deleteOnce cuts the references of rows that stay, and deletes. It returns errStays when it had to
// keep one row more.
func (x *eraser) deleteOnce(ctx context.Context, nulled map[*Collection]map[string]bool) error {
	for _, c := range x.g.collections {
		err := x.hits[c].each(func(rows []*hit) error {
			chunk := going(rows)
			if len(chunk) == 0 {
				return nil
			}
			if err := x.cutKeys(ctx, c, chunk, nulled); err != nil {
				return err
			}
			return x.cutMapped(ctx, c, chunk, nulled)
		})
		if err != nil {
			return err
		}
	}
	return x.remove(ctx)
}

// going leaves of the rows those that are still to be deleted.
func going(rows []*hit) []*hit {
	return slices.DeleteFunc(rows, func(h *hit) bool { return !h.goes || h.gone })
}

// collection returns the mapped collection of a table, nil if no dataset of the store knows it.
func (x *eraser) collection(s *store, schema, name string) *Collection {
	for c, t := range s.tables {
		if t.schema == schema && t.name == name {
			return c
		}
	}
	return nil
}

// cutKeys looks at the foreign keys of the store's catalogue that lead to the rows.
func (x *eraser) cutKeys(ctx context.Context, c *Collection, going []*hit, nulled map[*Collection]map[string]bool) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	tx := x.txs[c.Dataset]
	for _, fk := range t.in {
		child := x.collection(s, fk.schema, fk.table)
		q := s.dialect
		full := q.quote(fk.schema) + "." + q.quote(fk.table)
		groups := slices.Collect(slices.Chunk(going, 1))
		if len(fk.columns) == 1 {
			groups = [][]*hit{going}
		}
		for _, group := range groups {
			cond, args, ok := s.refersTo(t, fk, group, "t")
			if !ok {
				continue
			}
			if child == nil {
				if fk.onDelete == "SET NULL" || fk.onDelete == "SET DEFAULT" {
					continue
				}
				var one int
				err := scan(ctx, tx, []any{&one}, "SELECT 1 FROM "+full+" t WHERE "+cond+" LIMIT 1", args...)
				if errors.Is(err, sql.ErrNoRows) {
					continue
				}
				if err != nil {
					return fail.Wrap(fail.Unavailable, scrub(err), "read what refers to %s", c)
				}
				for _, h := range group {
					cond, args, ok := s.refersTo(t, fk, []*hit{h}, "t")
					if !ok {
						continue
					}
					if len(group) > 1 {
						err := scan(ctx, tx, []any{&one}, "SELECT 1 FROM "+full+" t WHERE "+cond+" LIMIT 1", args...)
						if errors.Is(err, sql.ErrNoRows) {
							continue
						}
						if err != nil {
							return fail.Wrap(fail.Unavailable, scrub(err), "read what refers to %s", c)
						}
					}
					return x.stay(c, h, strings.Join(fk.refColumns, ","), fmt.Sprintf("the row stays: %s.%s, which is in no dataset, refers to it", fk.table, strings.Join(fk.columns, ",")))
				}
				continue
			}
			var staying []*row
			l := s.referring(child, fk)
			err := l.scan(ctx, tx, " WHERE "+cond, args, func(r *row) error {
				if !x.goes(child, r.id) {
					staying = append(staying, r)
				}
				return nil
			})
			if err != nil {
				return fail.Wrap(fail.Unavailable, scrub(err), "read %s", child)
			}
			if len(staying) == 0 {
				continue
			}
			var cols []string
			ct := s.tables[child]
			for _, name := range fk.columns {
				if col := ct.column(name); col.nullable && !col.generated && !slices.Contains(ct.key, name) {
					cols = append(cols, name)
				}
			}
			by := map[string]*hit{}
			for _, h := range group {
				if at, ok := h.l.at[fk.refColumns[0]]; ok {
					by[h.cells[at].text] = h
				}
			}
			for _, r := range staying {
				h := by[r.cell(fk.columns[0]).text]
				if h == nil {
					h = group[0]
				}
				if len(cols) == 0 {
					return x.stay(c, h, strings.Join(fk.refColumns, ","), fmt.Sprintf("the row stays: %s.%s of a row that stays refers to it and can't be NULL", child, strings.Join(fk.columns, ",")))
				}
				if err := x.cut(ctx, c, h, child, r, cols, nulled); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// referring returns the layout that reads the fields of the collection and the columns of a foreign key
// that the map may not know.
func (s *store) referring(c *Collection, fk foreignKey) *layout {
	fields := slices.Clone(c.Fields)
	for _, name := range fk.columns {
		fields = append(fields, &Field{Collection: c, Path: []string{name}})
	}
	return s.layout(c, fields)
}

// refersTo returns the condition under which a row of the foreign key's table refers to one of the rows:
// to one alone if the key has several columns.
func (s *store) refersTo(t *table, fk foreignKey, rows []*hit, alias string) (string, []any, bool) {
	if len(fk.columns) == 1 {
		var values []string
		for _, h := range rows {
			if at, ok := h.l.at[fk.refColumns[0]]; ok && !h.cells[at].null {
				values = append(values, h.cells[at].text)
			}
		}
		return s.dialect.match(t.column(fk.refColumns[0]), alias+"."+s.dialect.quote(fk.columns[0]), values, 1)
	}
	var conds []string
	var args []any
	h := rows[0]
	for i, name := range fk.columns {
		ref := fk.refColumns[i]
		at, ok := h.l.at[ref]
		if !ok || h.cells[at].null {
			return "", nil, false
		}
		args = append(args, h.cells[at].text)
		conds = append(conds, alias+"."+s.dialect.quote(name)+" = "+s.dialect.param(t.column(ref), len(args)))
	}
	return strings.Join(conds, " AND "), args, true
}

// cutMapped looks at the references of the dataset files that lead to the rows and that the store
// itself doesn't know.
func (x *eraser) cutMapped(ctx context.Context, c *Collection, going []*hit, nulled map[*Collection]map[string]bool) error {
	s := x.stores[c.Dataset]
	for _, child := range x.g.collections {
		for _, f := range child.leaves {
			if len(f.Path) > 1 {
				continue
			}
			for _, ref := range f.References {
				if ref.Target.Collection != c || x.knownKey(child, f, ref.Target) {
					continue
				}
				by := map[string][]*hit{}
				var values []string
				for _, h := range going {
					for _, v := range h.values(ref.Target) {
						if by[v] == nil {
							values = append(values, v)
						}
						by[v] = append(by[v], h)
					}
				}
				// A value that rows keep which stay is no lost reference.
				if t := s.tables[c]; !(len(t.uniques) > 0 && slices.ContainsFunc(t.uniques, func(u []string) bool { return len(u) == 1 && u[0] == ref.Target.Column() })) {
					err := x.find(ctx, x.layouts[c], ref.Target, values, func(r *row) error {
						if !x.goes(c, r.id) {
							for _, v := range r.values(ref.Target) {
								delete(by, v)
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
				}
				var staying []*row
				err := x.find(ctx, x.layouts[child], f, values, func(r *row) error {
					if !x.goes(child, r.id) {
						staying = append(staying, r)
					}
					return nil
				})
				if err != nil {
					return err
				}
				ct := x.stores[child.Dataset].tables[child]
				col := ct.column(f.Column())
				for _, r := range staying {
					var h *hit
					for _, v := range r.values(f) {
						if len(by[v]) > 0 {
							h = by[v][0]
						}
					}
					if h == nil {
						continue
					}
					if !col.nullable || col.generated || f.PrimaryKey || slices.Contains(ct.key, col.name) {
						return x.stay(c, h, ref.Target.Name(), fmt.Sprintf("the row stays: %s of a row that stays refers to it and can't be NULL", f))
					}
					if err := x.cut(ctx, c, h, child, r, []string{col.name}, nulled); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// knownKey tells whether the reference is a foreign key of the store.
func (x *eraser) knownKey(child *Collection, f, target *Field) bool {
	if child.Dataset != target.Collection.Dataset {
		return false
	}
	t := x.stores[child.Dataset].tables[target.Collection]
	ct := x.stores[child.Dataset].tables[child]
	return slices.ContainsFunc(t.in, func(fk foreignKey) bool {
		return fk.schema == ct.schema && fk.table == ct.name && len(fk.columns) == 1 && fk.columns[0] == f.Column() && fk.refColumns[0] == target.Column()
	})
}

// cut sets the columns of a row that stays to NULL. If the store refuses, the row referred to stays.
func (x *eraser) cut(ctx context.Context, c *Collection, h *hit, child *Collection, r *row, cols []string, nulled map[*Collection]map[string]bool) error {
	ct := x.stores[child.Dataset].tables[child]
	var sets []set
	for _, name := range cols {
		if at, ok := r.l.at[name]; ok && r.cells[at].null {
			continue
		}
		sets = append(sets, set{col: ct.column(name), cell: cell{null: true}})
	}
	if len(sets) == 0 {
		return nil
	}
	first, alike := x.first(child, r.id), !r.l.rowID && len(r.l.key) == 0
	if alike {
		// Of rows that are alike any may be the one: all of them refer to the row that goes.
		first = r.id
		if was := x.moved[child][r.l.identify(r)]; len(was) > 0 {
			first, x.moved[child][r.l.identify(r)] = was[0], was[1:]
		}
	}
	err := x.savepoint(ctx, x.txs[child.Dataset], func() error { return x.write(ctx, child, &hit{row: r}, sets) })
	if err != nil {
		if _, ok := err.(lost); ok || refusal(err) == "" {
			return broken(child, err)
		}
		return x.stay(c, h, "", fmt.Sprintf("the row stays: %s of a row that stays refers to it, and the store refuses NULL there: %s", child, refusal(err)))
	}
	if nulled[child] == nil {
		nulled[child] = map[string]bool{}
	}
	is := r.id
	if alike {
		now := &row{l: r.l, cells: slices.Clone(r.cells)}
		for _, s := range sets {
			now.cells[r.l.at[s.col.name]] = s.cell
		}
		is = r.l.identify(now)
	}
	if is != first {
		if x.moved[child] == nil {
			x.moved[child] = map[string][]string{}
		}
		x.moved[child][is] = append(x.moved[child][is], first)
	}
	if n, ok := x.byID[child][digestOf(first)]; ok {
		// The row is due for masking too: it goes on from here.
		return x.hits[child].edit(int(n), func(other *hit) {
			other.ctid, other.id = r.ctid, r.id
			other.masked = true
			for _, s := range sets {
				if at, ok := other.l.at[s.col.name]; ok {
					other.cells[at] = cell{null: true}
				}
			}
			other.due = slices.DeleteFunc(other.due, func(f *Field) bool { return other.cell(f.Column()).null })
		})
	}
	nulled[child][first] = true
	return nil
}

// first returns the id that a row had when the erasure began: a row of PostgreSQL without a key stands
// in another place after each change.
func (x *eraser) first(c *Collection, id string) string {
	if was := x.moved[c][id]; len(was) > 0 {
		return was[0]
	}
	return id
}

// goes tells whether the row is to be deleted.
func (x *eraser) goes(c *Collection, id string) bool {
	n, ok := x.byID[c][digestOf(x.first(c, id))]
	return ok && x.hits[c].marks[n].goes
}

// remove deletes the rows, children before parents.
func (x *eraser) remove(ctx context.Context) error {
	cutCircles := false
	for {
		progress, left := false, false
		var first error
		var at *Collection
		for _, c := range x.g.collections {
			tx := x.txs[c.Dataset]
			err := x.hits[c].each(func(rows []*hit) error {
				chunk := going(rows)
				if len(chunk) == 0 {
					return nil
				}
				err := x.savepoint(ctx, tx, func() error { return x.drop(ctx, c, chunk) })
				if err == nil {
					for _, h := range chunk {
						h.gone = true
					}
					progress = true
					return nil
				}
				if _, ok := err.(lost); ok || refusal(err) == "" {
					return broken(c, err)
				}
				left = true
				first, at = err, c
				return nil
			})
			if err != nil {
				return err
			}
		}
		switch {
		case !left:
			return nil
		case progress:
		case !cutCircles:
			cutCircles = true
			if err := x.cutCircles(ctx); err != nil {
				return err
			}
		default:
			// One by one: those that can't go stay.
			var one *hit // that can't go
			err := x.hits[at].each(func(rows []*hit) error {
				for _, h := range going(rows) {
					err := x.savepoint(ctx, x.txs[at.Dataset], func() error { return x.drop(ctx, at, []*hit{h}) })
					if err == nil {
						h.gone = true
						progress = true
						continue
					}
					if _, ok := err.(lost); ok || refusal(err) == "" {
						return broken(at, err)
					}
					first = err
					if one == nil {
						one = h
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if !progress {
				return x.stay(at, one, "", "the row stays: "+refusal(first))
			}
		}
	}
}

// drop deletes the rows.
func (x *eraser) drop(ctx context.Context, c *Collection, rows []*hit) error {
	s := x.stores[c.Dataset]
	tx := x.txs[c.Dataset]
	l := rows[0].l
	if len(l.key) == 1 {
		col := l.columns[l.key[0]]
		values := make([]string, len(rows))
		for i, h := range rows {
			values[i] = h.cell(col.name).text
		}
		if cond, args, ok := s.dialect.match(col, s.dialect.quote(col.name), values, 1); ok {
			_, err := tx.ExecContext(ctx, "DELETE FROM "+s.name(l.t)+" WHERE "+cond, args...)
			return err
		}
	}
	for _, h := range rows {
		where, args := s.where(h.row, 0)
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+s.name(l.t)+where, args...); err != nil {
			return err
		}
	}
	return nil
}

// cutCircles sets the foreign keys of rows that go to NULL where that is possible, so that rows which
// refer to each other can go.
func (x *eraser) cutCircles(ctx context.Context) error {
	for _, c := range x.g.collections {
		t := x.stores[c.Dataset].tables[c]
		err := x.hits[c].change(func(rows []*hit) error {
			for _, h := range going(rows) {
				for _, fk := range t.out {
					var sets []set
					for _, name := range fk.columns {
						if col := t.column(name); col.nullable && !col.generated && !slices.Contains(t.key, name) {
							sets = append(sets, set{col: col, cell: cell{null: true}})
						}
					}
					if len(sets) == 0 {
						continue
					}
					err := x.savepoint(ctx, x.txs[c.Dataset], func() error { return x.write(ctx, c, h, sets) })
					if err != nil {
						if _, ok := err.(lost); ok || refusal(err) == "" {
							return broken(c, err)
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
