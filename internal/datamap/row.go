package datamap

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cell is a value as text.
type cell struct {
	text string
	null bool
}

// layout says which columns of a table are read, and in which order.
type layout struct {
	c       *Collection
	s       *store
	t       *table
	columns []*column
	at      map[string]int
	rowID   bool  // the store's own row number stands before the columns
	key     []int // columns that tell rows apart; with none and no row number, all do
	query   string
	bare    bool // rows are read without what tells them apart
}

// layout makes the layout that reads the fields' columns and the key of the table.
func (s *store) layout(c *Collection, fields []*Field) *layout {
	t := s.tables[c]
	l := &layout{c: c, s: s, t: t, at: map[string]int{}}
	add := func(name string) int {
		if i, ok := l.at[name]; ok {
			return i
		}
		l.at[name] = len(l.columns)
		l.columns = append(l.columns, t.column(name))
		return len(l.columns) - 1
	}
	for _, f := range fields {
		add(f.Column())
	}
	switch {
	case len(t.key) > 0:
		for _, k := range t.key {
			l.key = append(l.key, add(k))
		}
	case t.hasRowID:
		l.rowID = true
	default:
		for _, col := range t.columns {
			add(col.name)
		}
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	if l.rowID {
		b.WriteString(t.place("t.") + ", ")
	}
	for i, col := range l.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.dialect.read(col, "t."+s.dialect.quote(col.name)))
	}
	b.WriteString(" FROM " + s.name(t) + " t")
	l.query = b.String()
	return l
}

// bare makes the layout that reads the fields' columns alone. Rows that are alike in them may come
// once.
func (s *store) bare(c *Collection, fields []*Field) *layout {
	t := s.tables[c]
	l := &layout{c: c, s: s, t: t, at: map[string]int{}, bare: true}
	exprs := []string{}
	for _, f := range fields {
		name := f.Column()
		if _, ok := l.at[name]; ok {
			continue
		}
		l.at[name] = len(l.columns)
		l.columns = append(l.columns, t.column(name))
		exprs = append(exprs, s.dialect.read(t.column(name), "t."+s.dialect.quote(name)))
	}
	if len(exprs) == 0 {
		exprs = []string{"1"}
		l.columns = []*column{{name: "", class: integer}}
	}
	distinct := ""
	if _, ok := s.dialect.(postgres); ok { // MariaDB would take A and a for one
		distinct = "DISTINCT "
	}
	l.query = "SELECT " + distinct + strings.Join(exprs, ", ") + " FROM " + s.name(t) + " t"
	return l
}

// row is a row as read.
type row struct {
	l     *layout
	id    string // unlike that of any other row of the table
	cells []cell
	ctid  string
}

// cell returns the value of a column.
func (r *row) cell(column string) cell { return r.cells[r.l.at[column]] }

// values returns the texts that the field holds in the row: none for NULL, several for arrays.
func (r *row) values(f *Field) []string {
	c := r.cell(f.Column())
	if c.null {
		return nil
	}
	col := r.l.t.column(f.Column())
	if len(f.Path) == 1 && col.class != array && !(col.class == jsonClass && (strings.HasSuffix(f.Type, "[]") || f.Identity != "" || len(f.References) > 0)) {
		return []string{c.text}
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(c.text))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return []string{c.text}
	}
	var out []string
	walk(v, f.Path[1:], func(s string) { out = append(out, s) })
	return out
}

// walk calls f for every scalar at the path, through arrays.
func walk(v any, path []string, f func(string)) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			walk(e, path, f)
		}
	case map[string]any:
		if len(path) > 0 {
			walk(x[path[0]], path[1:], f)
		}
	case nil:
	case string:
		if len(path) == 0 {
			f(x)
		}
	case json.Number:
		if len(path) == 0 {
			f(x.String())
		}
	case bool:
		if len(path) == 0 {
			f(strconv.FormatBool(x))
		}
	}
}

// find calls yield for each row in which the field has one of the values. No row comes twice.
func (l *layout) find(ctx context.Context, q querier, f *Field, values []string, yield func(*row) error) error {
	col := l.t.column(f.Column())
	expr := "t." + l.s.dialect.quote(col.name)
	want := make(map[string]bool, len(values))
	for _, v := range values {
		want[v] = true
	}
	var cond string
	var args []any
	// Values are compared by their text, whatever the store's type or collation takes for equal.
	confirm := func(r *row) bool {
		return slices.ContainsFunc(r.values(f), func(v string) bool { return want[v] })
	}
	switch {
	case len(f.Path) > 1 || col.class == jsonClass:
		// What a JSON document holds is looked at here; PostgreSQL can leave most rows out before.
		cond, args = expr+" IS NOT NULL", nil
		if _, ok := l.s.dialect.(postgres); ok && col.class == jsonClass {
			path, vars := jsonPath(f.Path[1:], values)
			cond = "jsonb_path_exists(" + expr + "::jsonb, $1::text::jsonpath, $2::text::jsonb)"
			args = []any{path, vars}
		}
	case col.class == array:
		if _, ok := l.s.dialect.(postgres); !ok {
			return nil
		}
		fallthrough
	default:
		var ok bool
		if cond, args, ok = l.s.dialect.match(col, expr, values, 1); !ok {
			return nil
		}
	}
	return l.scan(ctx, q, " WHERE "+cond, args, func(r *row) error {
		if !confirm(r) {
			return nil
		}
		return yield(r)
	})
}

// jsonPath returns a path of PostgreSQL that exists where one of the values stands, as text or as
// number.
func jsonPath(path, values []string) (string, string) {
	var b strings.Builder
	b.WriteString("$")
	for _, p := range path {
		name, _ := json.Marshal(p)
		b.WriteString("." + string(name))
	}
	b.WriteString(" ? (@ == $v[*])")
	list := []any{}
	for _, v := range values {
		list = append(list, v)
		if isDecimal(v) && v[len(v)-1] != '.' && v[0] != '.' && json.Valid([]byte(v)) {
			list = append(list, json.Number(v))
		}
		if v == "true" || v == "false" {
			list = append(list, v == "true")
		}
	}
	vars, _ := json.Marshal(map[string]any{"v": list})
	return b.String(), string(vars)
}

// scan calls yield for the rows of the rest of the statement.
func (l *layout) scan(ctx context.Context, q querier, rest string, args []any, yield func(*row) error) error {
	rows, err := q.QueryContext(ctx, l.query+rest, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	texts := make([]sql.NullString, len(l.columns))
	into := make([]any, 0, len(texts)+1)
	var ctid string
	if l.rowID {
		into = append(into, &ctid)
	}
	for i := range texts {
		into = append(into, &texts[i])
	}
	var same map[string]int
	if !l.bare && !l.rowID && len(l.key) == 0 {
		same = map[string]int{}
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		r := &row{l: l, cells: make([]cell, len(texts)), ctid: ctid}
		for i, t := range texts {
			r.cells[i] = cell{text: t.String, null: !t.Valid}
		}
		if !l.bare {
			r.id = l.identify(r)
		}
		if same != nil {
			// Rows that are alike in every column can only be counted.
			same[r.id]++
			r.id += "#" + strconv.Itoa(same[r.id])
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// identify returns what tells the row apart from others.
func (l *layout) identify(r *row) string {
	if l.rowID {
		return r.ctid
	}
	if len(l.key) == 1 {
		return r.cells[l.key[0]].text
	}
	var b bytes.Buffer
	write := func(c cell) {
		if c.null {
			b.WriteString("-;")
			return
		}
		fmt.Fprintf(&b, "%d:%s;", len(c.text), c.text)
	}
	if len(l.key) > 0 {
		for _, i := range l.key {
			write(r.cells[i])
		}
	} else {
		// Every column of the table, in the table's order: the same whatever else is read.
		for _, col := range l.t.columns {
			if !col.generated {
				write(r.cell(col.name))
			}
		}
	}
	return b.String()
}

// keyOf returns the key under which reports name the row: the map's primary key, else the table's.
func keyOf(c *Collection, r *row, withheld map[*Field]bool) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	put := func(name string) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		n, _ := json.Marshal(name)
		b.Write(n)
		b.WriteByte(':')
		b.Write(encode(r.l.t.column(name), r.cell(name)))
	}
	keys := c.Keys()
	for _, f := range keys {
		if !withheld[f] {
			put(f.Column())
		}
	}
	if len(keys) == 0 {
		hidden := map[string]bool{}
		for f := range withheld {
			hidden[f.Column()] = true
		}
		for _, name := range r.l.t.key {
			if !hidden[name] {
				put(name)
			}
		}
	}
	b.WriteByte('}')
	return bytes.Clone(b.Bytes()) // a report may hold very many
}

// encode writes a value as JSON in the store's type.
func encode(col *column, c cell) []byte {
	if c.null {
		return []byte("null")
	}
	switch col.class {
	case integer, decimal, float:
		if json.Valid([]byte(c.text)) { // NaN and Infinity are not
			return []byte(c.text)
		}
	case boolean:
		if c.text == "true" || c.text == "false" {
			return []byte(c.text)
		}
	case jsonClass, array:
		// On one line: a document keeps the line ends with which it was written.
		var b bytes.Buffer
		if json.Compact(&b, []byte(c.text)) == nil {
			return b.Bytes()
		}
	case other:
		if strings.HasPrefix(col.typ, "bit") && json.Valid([]byte(c.text)) {
			return []byte(c.text)
		}
	}
	return quoted(c.text)
}

// quoted writes a text as JSON without escaping what HTML would.
func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return []byte(`""`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// render writes the fields of the row that keep allows as a JSON object. It returns nil if none is
// left.
func render(c *Collection, r *row, keep func(*Field) bool) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, f := range c.Fields {
		var value []byte
		if len(f.Fields) == 0 {
			if !keep(f) {
				continue
			}
			value = encode(r.l.t.column(f.Column()), r.cell(f.Column()))
		} else {
			cl := r.cell(f.Column())
			if cl.null {
				if !anyLeaf(f, keep) {
					continue
				}
				value = []byte("null")
			} else {
				var v any
				dec := json.NewDecoder(strings.NewReader(cl.text))
				dec.UseNumber()
				if dec.Decode(&v) != nil {
					// No JSON after all: nothing within it can be told apart, so nothing is given away.
					continue
				}
				pruned, any := prune(v, f, keep)
				if !any {
					continue
				}
				var out bytes.Buffer
				e := json.NewEncoder(&out)
				e.SetEscapeHTML(false)
				if e.Encode(pruned) != nil {
					continue
				}
				value = bytes.TrimSpace(out.Bytes())
			}
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(quoted(f.Path[0]))
		b.WriteByte(':')
		b.Write(value)
	}
	if b.Len() == 1 {
		return nil
	}
	b.WriteByte('}')
	return b.Bytes()
}

func anyLeaf(f *Field, keep func(*Field) bool) bool {
	if len(f.Fields) == 0 {
		return keep(f)
	}
	return slices.ContainsFunc(f.Fields, func(g *Field) bool { return anyLeaf(g, keep) })
}

// prune leaves of a JSON value what the map knows and keep allows.
func prune(v any, f *Field, keep func(*Field) bool) (any, bool) {
	if len(f.Fields) == 0 {
		return v, keep(f)
	}
	switch x := v.(type) {
	case []any:
		out := make([]any, 0, len(x))
		for _, e := range x {
			if p, ok := prune(e, f, keep); ok {
				out = append(out, p)
			}
		}
		return out, anyLeaf(f, keep)
	case map[string]any:
		out := map[string]any{}
		for _, g := range f.Fields {
			e, ok := x[g.Path[len(g.Path)-1]]
			if !ok {
				continue
			}
			if p, ok := prune(e, g, keep); ok {
				out[g.Path[len(g.Path)-1]] = p
			}
		}
		return out, anyLeaf(f, keep)
	}
	return nil, false
}
