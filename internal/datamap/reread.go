package datamap

import (
	"context"
	"slices"

	"probity/internal/fail"
)

// verify reads every row that was hit again. In the transaction, early, it names what a trigger put
// back; after the commit it answers whether all is gone.
func (x *eraser) verify(ctx context.Context, on func(*Collection) querier, early bool) (bool, error) {
	all := true
	for _, c := range x.g.collections {
		s := x.stores[c.Dataset]
		t := s.tables[c]
		found := map[string]*row{}
		l := s.layout(c, c.Fields)
		scanned := func(r *row) error { found[r.id] = r; return nil }
		err := x.hits[c].each(func(rows []*hit) error {
			chunk := slices.DeleteFunc(rows, func(h *hit) bool { return !h.gone && len(h.clear) == 0 })
			if len(chunk) == 0 {
				return nil
			}
			clear(found)
			if err := x.reread(ctx, on(c), l, chunk, scanned); err != nil {
				return fail.Wrap(fail.Unavailable, scrub(err), "read %s again", c)
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
			return nil
		})
		if err != nil {
			return false, err
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
