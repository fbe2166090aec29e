package datamap

import (
	"context"
	"slices"
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
		first := true
		err := x.hits[c].change(func(rows []*hit) error {
			list := slices.DeleteFunc(rows, func(h *hit) bool { return h.goes || len(h.due) == 0 })
			if len(list) == 0 {
				return nil
			}
			if t.view {
				x.unmaskable(c, "", "it is a view: name the tables behind it in the dataset")
				return nil
			}
			if t.plain {
				x.unmaskable(c, "", "its engine has no transactions, so a change could stay half done")
				return nil
			}
			for _, h := range list {
				h.clear = h.cells
			}
			if first {
				// Alone, to learn what the columns accept.
				if err := x.maskRow(ctx, c, list[0]); err != nil {
					return err
				}
				first, list = false, list[1:]
			}
			return x.maskRows(ctx, c, list)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maskRows masks rows of one collection together, and one by one where that fails.
func (x *eraser) maskRows(ctx context.Context, c *Collection, list []*hit) error {
	const together = 500
	tx := x.txs[c.Dataset]
	for chunk := range slices.Chunk(list, together) {
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
			if err != nil && foreignKeyRefused(err) {
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
