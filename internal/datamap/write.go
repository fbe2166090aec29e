package datamap

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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
		at, is := "?", s.dialect.read(col, name)
		if _, ok := s.dialect.(postgres); ok {
			at = "$" + strconv.Itoa(used+len(args)) + "::text"
		} else if col.class == text {
			// Collations take other cases, and spaces at the end, for the same.
			is = "BINARY CONVERT(" + is + " USING utf8mb4)"
		}
		conds = append(conds, is+" = "+at)
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
	var rows []*hit
	var sets [][]set
	for _, h := range list {
		var first []set
		for _, list := range x.choose(c, h, true) {
			first = append(first, list[0])
		}
		if len(first) > 0 {
			rows, sets = append(rows, h), append(sets, first)
		}
	}
	if err := x.writeMany(ctx, c, rows, sets); err != nil {
		return err
	}
	for i, h := range rows {
		x.wrote(h, sets[i])
	}
	return nil
}

// writeMany changes rows, which must be there, with as few statements as it can.
func (x *eraser) writeMany(ctx context.Context, c *Collection, list []*hit, values [][]set) error {
	s := x.stores[c.Dataset]
	t := s.tables[c]
	type batch struct {
		columns []string
		rows    []*hit
		sets    [][]set
	}
	batches := map[string]*batch{}
	var order []string
	for i, h := range list {
		var names []string
		for _, v := range values[i] {
			names = append(names, v.col.name)
		}
		k := strings.Join(names, "\x00")
		if batches[k] == nil {
			batches[k] = &batch{columns: names}
			order = append(order, k)
		}
		batches[k].rows = append(batches[k].rows, h)
		batches[k].sets = append(batches[k].sets, values[i])
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
