package datamap

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is PostgreSQL from version 12 on.
type postgres struct{}

func (postgres) quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (postgres) setup(ctx context.Context, q querier) error {
	_, err := q.ExecContext(ctx, fmt.Sprintf(`SET LOCAL statement_timeout = %d`, statementTimeout.Milliseconds()))
	if err == nil {
		_, err = q.ExecContext(ctx, `SET LOCAL lock_timeout = '30s'`)
	}
	if err == nil {
		_, err = q.ExecContext(ctx, `SET LOCAL TimeZone = 'UTC'`)
	}
	if err == nil {
		_, err = q.ExecContext(ctx, `SET LOCAL DateStyle = 'ISO, YMD'`)
	}
	if err == nil {
		_, err = q.ExecContext(ctx, `SET LOCAL extra_float_digits = 1`)
	}
	if err == nil {
		// Few rows of large tables are wanted: a thousand looks into an index cost less than the table.
		_, err = q.ExecContext(ctx, `SET LOCAL random_page_cost = 1.1`)
	}
	return err
}

func (p postgres) catalogue(ctx context.Context, q querier, schema, name string) (*table, error) {
	var oid int64
	t := &table{byName: map[string]*column{}, leading: map[string]bool{}}
	find := func(regclass string) (bool, error) {
		var kind string
		var estimate float64
		err := scan(ctx, q, []any{&oid, &t.schema, &t.name, &kind, &estimate, &t.heirs}, `
			SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, c.reltuples::float8, c.relhassubclass AND c.relkind = 'r'
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`, regclass)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		t.hasRowID = kind == "r" || kind == "p"
		t.parts = kind == "p"
		t.view = kind != "r" && kind != "p"
		t.estimate = int64(estimate)
		return err == nil, err
	}
	full := p.quote(name)
	if schema != "" {
		full = p.quote(schema) + "." + full
	}
	ok, err := find(full)
	if before, after, dotted := strings.Cut(name, "."); !ok && err == nil && dotted && schema == "" {
		ok, err = find(p.quote(before) + "." + p.quote(after))
	}
	if !ok || err != nil {
		return nil, err
	}
	numbers := map[int]string{}
	err = each(ctx, q, func(r *sql.Rows) error {
		var n, typmod, domainMod int
		var c column
		var notNull, domainNotNull bool
		var generated, base, category, elem, collation string
		var labels sql.NullString
		if err := r.Scan(&n, &c.name, &c.typ, &base, &category, &elem, &typmod, &domainMod, &notNull, &domainNotNull, &generated, &labels, &collation); err != nil {
			return err
		}
		if typmod < 0 {
			typmod = domainMod
		}
		c.nullable = !notNull && !domainNotNull
		c.generated = generated != ""
		c.class = pgClass(base, category)
		if c.class == array {
			c.elem = pgClass(elem, "")
		}
		switch base {
		case "varchar", "bpchar":
			if typmod > 4 {
				c.length = typmod - 4
			}
		case "int2":
			c.bits = 16
		case "int4":
			c.bits = 32
		case "int8":
			c.bits = 64
		case "numeric":
			if typmod > 4 {
				c.digits, c.scale = (typmod-4)>>16&0xffff, (typmod-4)&0x7ff
			}
		}
		if labels.Valid {
			c.labels = strings.Split(labels.String, "\x1f")
		}
		numbers[n] = c.name
		t.columns = append(t.columns, &c)
		t.byName[c.name] = &c
		return nil
	}, `
		SELECT a.attnum, a.attname, format_type(a.atttypid, NULL), COALESCE(b.typname, y.typname)::text,
			COALESCE(b.typcategory, y.typcategory)::text, COALESCE(e.typname, '')::text, a.atttypmod, COALESCE(y.typtypmod, -1),
			a.attnotnull, y.typnotnull, (a.attgenerated::text || CASE WHEN a.attidentity = 'a' THEN 'a' ELSE '' END),
			(SELECT string_agg(l.enumlabel, chr(31) ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = COALESCE(b.oid, y.oid)), ''
		FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
			LEFT JOIN pg_type b ON y.typtype = 'd' AND b.oid = y.typbasetype
			LEFT JOIN pg_type e ON e.oid = COALESCE(b.typelem, y.typelem)
		WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, oid)
	if err != nil {
		return nil, err
	}
	names := func(list string) []string {
		var out []string
		for s := range strings.SplitSeq(list, ",") {
			n, _ := strconv.Atoi(s)
			out = append(out, numbers[n])
		}
		return out
	}
	err = each(ctx, q, func(r *sql.Rows) error {
		var cols string
		var first, usable bool
		var unique bool
		if err := r.Scan(&cols, &unique, &first, &usable); err != nil {
			return err
		}
		list := names(cols)
		if unique {
			t.uniques = append(t.uniques, slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" }))
		}
		if first {
			t.key = list
		}
		if usable && list[0] != "" {
			t.leading[list[0]] = true
		}
		return nil
	}, `
		SELECT array_to_string(i.indkey::int2[], ','), i.indisunique, i.indisprimary, i.indisvalid AND i.indpred IS NULL
		FROM pg_index i WHERE i.indrelid = $1::bigint::oid ORDER BY i.indexrelid`, oid)
	if err != nil {
		return nil, err
	}
	err = each(ctx, q, func(r *sql.Rows) error {
		var fk foreignKey
		var from, to, cols, refs string
		var update, del string
		if err := r.Scan(&fk.name, &fk.schema, &fk.table, &fk.refSchema, &fk.refTo, &cols, &refs, &update, &del, &fk.deferrable, &from, &to); err != nil {
			return err
		}
		fk.columns, fk.refColumns = strings.Split(cols, "\x1f"), strings.Split(refs, "\x1f")
		fk.onUpdate, fk.onDelete = pgAction(update), pgAction(del)
		if from == strconv.FormatInt(oid, 10) {
			t.out = append(t.out, fk)
		}
		if to == strconv.FormatInt(oid, 10) {
			t.in = append(t.in, fk)
		}
		return nil
	}, `
		SELECT k.conname, n1.nspname, c1.relname, n2.nspname, c2.relname,
			(SELECT string_agg(a.attname, chr(31) ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u(num, n) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
			(SELECT string_agg(a.attname, chr(31) ORDER BY u.n) FROM unnest(k.confkey) WITH ORDINALITY u(num, n) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num),
			k.confupdtype::text, k.confdeltype::text, k.condeferrable, k.conrelid::bigint::text, k.confrelid::bigint::text
		FROM pg_constraint k JOIN pg_class c1 ON c1.oid = k.conrelid JOIN pg_namespace n1 ON n1.oid = c1.relnamespace
			JOIN pg_class c2 ON c2.oid = k.confrelid JOIN pg_namespace n2 ON n2.oid = c2.relnamespace
		WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = $1::bigint::oid OR k.confrelid = $1::bigint::oid) ORDER BY k.oid`, oid)
	if err != nil {
		return nil, err
	}
	err = each(ctx, q, func(r *sql.Rows) error {
		var c check
		var cols string
		if err := r.Scan(&c.name, &c.expr, &cols); err != nil {
			return err
		}
		if cols != "" {
			c.columns = strings.Split(cols, "\x1f")
		}
		t.checks = append(t.checks, c)
		return nil
	}, `
		SELECT k.conname, pg_get_constraintdef(k.oid),
			COALESCE((SELECT string_agg(a.attname, chr(31)) FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)), '')
		FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid = $1::bigint::oid
		UNION ALL
		SELECT k.conname, pg_get_constraintdef(k.oid), a.attname
		FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid AND y.typtype = 'd' JOIN pg_constraint k ON k.contypid = y.oid
		WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped`, oid)
	return t, err
}

func pgAction(a string) string {
	return map[string]string{"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}[a]
}

func pgClass(base, category string) class {
	if category == "A" || strings.HasPrefix(base, "_") {
		return array
	}
	if category == "E" {
		return enum
	}
	switch base {
	case "text", "varchar", "bpchar", "name", "char":
		return text
	case "citext":
		return citext
	case "int2", "int4", "int8":
		return integer
	case "numeric":
		return decimal
	case "float4", "float8":
		return float
	case "bool":
		return boolean
	case "date":
		return date
	case "timestamp", "timestamptz":
		return timestamp
	case "time", "timetz":
		return clocktime
	case "uuid":
		return uuidClass
	case "json", "jsonb":
		return jsonClass
	case "bytea":
		return binaryClass
	}
	return other
}

func (postgres) read(c *column, expr string) string {
	switch c.class {
	case binaryClass:
		return "encode(" + expr + ", 'hex')"
	case array:
		return "to_json(" + expr + ")::text"
	}
	if c.typ == "inet" { // the plain cast adds the length of the network
		return "abbrev(" + expr + ")"
	}
	return expr + "::text"
}

func (p postgres) match(c *column, expr string, values []string, arg int) (string, []any, bool) {
	at := "$" + strconv.Itoa(arg)
	keep := func(ok func(string) bool) []string {
		// What PostgreSQL can't hold, it can't have.
		return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !ok(v) || strings.Contains(v, "\x00") || !utf8.ValidString(v) })
	}
	switch c.class {
	case text:
		values = keep(func(string) bool { return true })
		if c.typ == "character" {
			return expr + " = ANY(" + at + "::text[]::bpchar[])", []any{values}, len(values) > 0
		}
		return expr + " = ANY(" + at + "::text[])", []any{values}, len(values) > 0
	case integer:
		ints := canonicalInts(values)
		return expr + " = ANY(" + at + "::bigint[])", []any{ints}, len(ints) > 0
	case uuidClass:
		values = keep(func(v string) bool {
			u, err := uuid.Parse(v)
			return err == nil && u.String() == strings.ToLower(v)
		})
		return expr + " = ANY(" + at + "::text[]::uuid[])", []any{values}, len(values) > 0
	case citext, enum:
		// The text is what counts; enums refuse labels that they don't know.
		values = keep(func(v string) bool { return c.class == citext || slices.Contains(c.labels, v) })
		return expr + " = ANY(" + at + "::text[]::" + c.typ + "[])", []any{values}, len(values) > 0
	case decimal:
		values = keep(isDecimal)
		return expr + " = ANY(" + at + "::text[]::numeric[])", []any{values}, len(values) > 0
	case date:
		values = keep(func(v string) bool { _, err := time.Parse(time.DateOnly, v); return err == nil })
		return expr + " = ANY(" + at + "::text[]::date[])", []any{values}, len(values) > 0
	case boolean:
		values = keep(func(v string) bool { return v == "true" || v == "false" })
		return expr + " = ANY(" + at + "::text[]::boolean[])", []any{values}, len(values) > 0
	case array:
		values = keep(func(string) bool { return true })
		return expr + "::text[] && " + at + "::text[]", []any{values}, len(values) > 0
	}
	values = keep(func(string) bool { return true })
	return p.read(c, expr) + " = ANY(" + at + "::text[])", []any{values}, len(values) > 0
}

func (postgres) param(c *column, n int) string {
	at := "$" + strconv.Itoa(n)
	switch c.class {
	case binaryClass:
		return "decode(" + at + "::text, 'hex')"
	case text:
		// A cast to a limited type would cut silently; the assignment refuses.
		return at + "::text"
	case array:
		return "(SELECT CASE WHEN " + at + "::text IS NULL THEN NULL ELSE ARRAY(SELECT json_array_elements_text(" + at + "::text::json)) END)::" + c.typ
	}
	return at + "::text::" + c.typ
}

func (postgres) tables(ctx context.Context, q querier, schema string) (out []string, err error) {
	err = each(ctx, q, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		out = append(out, name)
		return err
	}, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = COALESCE(NULLIF($1::text, ''), current_schema()) ORDER BY c.relname`, schema)
	return out, err
}

func (p postgres) estimate(ctx context.Context, q querier, t *table) (int64, error) {
	if t.estimate > 100_000 {
		return t.estimate, nil
	}
	var n int64
	err := scan(ctx, q, []any{&n}, "SELECT count(*) FROM "+p.quote(t.schema)+"."+p.quote(t.name))
	return n, err
}

// canonicalInts returns those values that are integers written as the store writes them: 007 is not
// 7, because values are compared by their text.
func canonicalInts(values []string) []int64 {
	out := make([]int64, 0, len(values))
	for _, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && strconv.FormatInt(n, 10) == v {
			out = append(out, n)
		}
	}
	return out
}

func isDecimal(v string) bool {
	digits := 0
	for i, c := range v {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '-' && i == 0, c == '.':
		default:
			return false
		}
	}
	return digits > 0 && strings.Count(v, ".") <= 1 && len(v) < 200
}

// scan reads one row.
func scan(ctx context.Context, q querier, into []any, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Close()
}

// each calls f for every row.
func each(ctx context.Context, q querier, f func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// sqlState returns the SQLSTATE of a store's refusal and a message without values, empty if err is
// none.
func sqlState(err error) (state, message string) {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		message = e.ConstraintName
		if message == "" {
			message = e.ColumnName
		}
		switch e.Code[:2] {
		case "28", "42", "57", "53", "55", "08", "25", "3D":
			message = e.Message // names of objects and no values
		}
		return e.Code, message
	}
	return mysqlState(err)
}

// isHex tells whether v is bytes written in hexadecimal.
func isHex(v string) bool {
	_, err := hex.DecodeString(v)
	return err == nil
}
