package datamap

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
)

// mariadb is MySQL from version 8 on and MariaDB from version 10.6 on.
type mariadb struct{}

func (mariadb) quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func (mariadb) setup(ctx context.Context, q querier) error {
	if _, err := q.ExecContext(ctx, "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 30"); err != nil {
		return err
	}
	// Values that don't fit must be refused and never cut.
	if _, err := q.ExecContext(ctx, "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"); err != nil {
		return err
	}
	// The two name their limit differently, in milliseconds and in seconds.
	if _, err := q.ExecContext(ctx, fmt.Sprintf("SET SESSION max_execution_time = %d", statementTimeout.Milliseconds())); err != nil {
		_, err = q.ExecContext(ctx, fmt.Sprintf("SET SESSION max_statement_time = %d", int(statementTimeout.Seconds())))
		return err
	}
	return nil
}

func (m mariadb) catalogue(ctx context.Context, q querier, schema, name string) (*table, error) {
	t := &table{byName: map[string]*column{}, leading: map[string]bool{}}
	var engine, kind sql.NullString
	var estimate sql.NullInt64
	find := func(schema, name string) error {
		return scan(ctx, q, []any{&t.schema, &t.name, &kind, &engine, &estimate}, `
			SELECT table_schema, table_name, table_type, engine, table_rows FROM information_schema.tables
			WHERE table_schema = COALESCE(NULLIF(?, ''), DATABASE()) AND table_name = ?`, schema, name)
	}
	err := find(schema, name)
	if before, after, dotted := strings.Cut(name, "."); errors.Is(err, sql.ErrNoRows) && dotted && schema == "" {
		err = find(before, after)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.view = kind.String != "BASE TABLE"
	t.plain = !t.view && !strings.EqualFold(engine.String, "InnoDB") && !strings.EqualFold(engine.String, "RocksDB") && !strings.EqualFold(engine.String, "ndbcluster")
	t.estimate = estimate.Int64
	err = each(ctx, q, func(r *sql.Rows) error {
		var c column
		var typ, nullable, extra string
		var length, digits, scale sql.NullInt64
		var generation, collation sql.NullString
		if err := r.Scan(&c.name, &typ, &c.typ, &nullable, &extra, &length, &digits, &scale, &generation, &collation); err != nil {
			return err
		}
		c.nullable = nullable == "YES"
		c.generated = generation.String != "" || strings.Contains(strings.ToUpper(extra), "GENERATED") && !strings.Contains(strings.ToUpper(extra), "DEFAULT_GENERATED")
		c.class = myClass(strings.ToLower(typ))
		c.unsigned = strings.Contains(c.typ, "unsigned")
		c.onUpdate = strings.Contains(strings.ToUpper(extra), "ON UPDATE")
		switch c.class {
		case text:
			if !strings.HasSuffix(typ, "text") {
				c.length = int(length.Int64)
			} else if length.Int64 < 1<<20 {
				c.length = int(length.Int64) / 4 // bytes
			}
		case binaryClass:
			c.length = int(length.Int64)
		case integer:
			c.bits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "year": 8}[typ]
		case decimal:
			c.digits, c.scale = int(digits.Int64), int(scale.Int64)
		case enum:
			c.labels = myLabels(c.typ)
		}
		t.columns = append(t.columns, &c)
		t.byName[c.name] = &c
		return nil
	}, `
		SELECT column_name, data_type, column_type, is_nullable, extra, character_maximum_length, numeric_precision, numeric_scale,
			generation_expression, collation_name
		FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`, t.schema, t.name)
	if err != nil {
		return nil, err
	}
	indexes := map[string][]string{}
	unique := map[string]bool{}
	var order []string
	err = each(ctx, q, func(r *sql.Rows) error {
		var name string
		var col sql.NullString
		var nonUnique int
		if err := r.Scan(&name, &nonUnique, &col); err != nil {
			return err
		}
		if indexes[name] == nil {
			order = append(order, name)
			if col.Valid {
				t.leading[col.String] = true
			}
		}
		indexes[name] = append(indexes[name], col.String)
		unique[name] = nonUnique == 0
		return nil
	}, `SELECT index_name, non_unique, column_name FROM information_schema.statistics
		WHERE table_schema = ? AND table_name = ? ORDER BY index_name, seq_in_index`, t.schema, t.name)
	if err != nil {
		return nil, err
	}
	for _, name := range order {
		if unique[name] {
			t.uniques = append(t.uniques, indexes[name])
		}
		if name == "PRIMARY" {
			t.key = indexes[name]
		}
	}
	keys := map[string]*foreignKey{}
	order = nil
	err = each(ctx, q, func(r *sql.Rows) error {
		var fk foreignKey
		var col, ref string
		if err := r.Scan(&fk.name, &fk.schema, &fk.table, &fk.refSchema, &fk.refTo, &fk.onUpdate, &fk.onDelete, &col, &ref); err != nil {
			return err
		}
		id := fk.schema + "\x00" + fk.table + "\x00" + fk.name
		if keys[id] == nil {
			keys[id] = &fk
			order = append(order, id)
		}
		keys[id].columns = append(keys[id].columns, col)
		keys[id].refColumns = append(keys[id].refColumns, ref)
		return nil
	}, `
		SELECT r.constraint_name, r.constraint_schema, r.table_name, u.referenced_table_schema, r.referenced_table_name, r.update_rule, r.delete_rule,
			u.column_name, u.referenced_column_name
		FROM information_schema.referential_constraints r JOIN information_schema.key_column_usage u
			ON u.constraint_schema = r.constraint_schema AND u.constraint_name = r.constraint_name AND u.table_name = r.table_name
		WHERE (r.constraint_schema = ? AND r.table_name = ?) OR (u.referenced_table_schema = ? AND u.referenced_table_name = ?)
		ORDER BY r.constraint_name, u.ordinal_position`, t.schema, t.name, t.schema, t.name)
	if err != nil {
		return nil, err
	}
	for _, id := range order {
		fk := *keys[id]
		if fk.schema == t.schema && fk.table == t.name {
			t.out = append(t.out, fk)
		}
		if fk.refSchema == t.schema && fk.refTo == t.name {
			t.in = append(t.in, fk)
		}
	}
	if err := m.checks(ctx, q, t); err != nil {
		return nil, err
	}
	// MariaDB's JSON is a long text with a constraint.
	for _, c := range t.checks {
		for _, col := range t.columns {
			if col.class == text && strings.EqualFold(strings.ReplaceAll(c.expr, " ", ""), "json_valid("+m.quote(col.name)+")") {
				col.class = jsonClass
			}
		}
	}
	return t, nil
}

// checks reads the CHECK constraints. MariaDB says of which table they are in another place than
// MySQL.
func (m mariadb) checks(ctx context.Context, q querier, t *table) error {
	add := func(r *sql.Rows) error {
		var c check
		if err := r.Scan(&c.name, &c.expr); err != nil {
			return err
		}
		for _, col := range t.columns {
			if strings.Contains(c.expr, m.quote(col.name)) || c.name == col.name {
				c.columns = append(c.columns, col.name)
			}
		}
		t.checks = append(t.checks, c)
		return nil
	}
	err := each(ctx, q, add, `SELECT constraint_name, check_clause FROM information_schema.check_constraints
		WHERE constraint_schema = ? AND table_name = ?`, t.schema, t.name)
	if err == nil {
		return nil
	}
	t.checks = nil
	return each(ctx, q, add, `
		SELECT k.constraint_name, k.check_clause FROM information_schema.check_constraints k JOIN information_schema.table_constraints c
			ON c.constraint_schema = k.constraint_schema AND c.constraint_name = k.constraint_name
		WHERE k.constraint_schema = ? AND c.table_name = ?`, t.schema, t.name)
}

// myLabels takes the labels out of enum('a','b').
func myLabels(typ string) []string {
	_, list, _ := strings.Cut(typ, "(")
	list = strings.TrimSuffix(list, ")")
	var out []string
	for s := range strings.SplitSeq(list, "','") {
		out = append(out, strings.ReplaceAll(strings.Trim(s, "'"), "''", "'"))
	}
	return out
}

func myClass(typ string) class {
	switch typ {
	case "varchar", "char", "text", "tinytext", "mediumtext", "longtext":
		return text
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		return integer
	case "decimal":
		return decimal
	case "float", "double":
		return float
	case "date":
		return date
	case "datetime", "timestamp":
		return timestamp
	case "time":
		return clocktime
	case "uuid":
		return uuidClass
	case "json":
		return jsonClass
	case "binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob":
		return binaryClass
	case "enum":
		return enum
	}
	return other // set, bit, geometry, inet6
}

func (mariadb) read(c *column, expr string) string {
	switch {
	case c.class == binaryClass:
		return "LOWER(HEX(" + expr + "))"
	case strings.HasPrefix(c.typ, "bit"), strings.Contains(c.typ, "zerofill"):
		return "CAST(" + expr + " AS UNSIGNED)"
	case c.class == float, c.class == date, c.class == timestamp, c.class == clocktime, c.class == jsonClass:
		return "CAST(" + expr + " AS CHAR)"
	}
	return expr
}

func (m mariadb) match(c *column, expr string, values []string, arg int) (string, []any, bool) {
	var args []any
	add := func(ok func(string) bool) {
		for _, v := range values {
			if ok(v) && utf8.ValidString(v) {
				args = append(args, v)
			}
		}
	}
	switch c.class {
	case integer:
		for _, v := range values {
			if n, ok := number(v); ok {
				args = append(args, n)
			}
		}
	case decimal:
		add(isDecimal)
	case float:
		add(func(v string) bool { _, err := strconv.ParseFloat(v, 64); return err == nil })
	case date:
		add(func(v string) bool { _, err := time.Parse(time.DateOnly, v); return err == nil })
	case enum:
		add(func(v string) bool { return slices.Contains(c.labels, v) })
	case binaryClass:
		for _, v := range values {
			if isHex(v) {
				args = append(args, v)
			}
		}
		expr = m.read(c, expr)
	default:
		// The index compares as the column's collation does, which may be without case and accents;
		// whoever asked compares the answers again. A cast on the value keeps the column's collation.
		add(func(string) bool { return true })
	}
	if len(args) == 0 {
		return "", nil, false
	}
	return expr + " IN (?" + strings.Repeat(",?", len(args)-1) + ")", args, true
}

// number returns an integer that is written as the store writes it.
func number(v string) (any, bool) {
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && strconv.FormatInt(n, 10) == v {
		return n, true
	}
	if n, err := strconv.ParseUint(v, 10, 64); err == nil && strconv.FormatUint(n, 10) == v {
		return n, true
	}
	return nil, false
}

func (mariadb) param(c *column, _ int) string {
	switch {
	case c.class == binaryClass:
		return "UNHEX(?)"
	case strings.HasPrefix(c.typ, "bit"): // a text would be taken for its bytes
		return "CAST(? AS UNSIGNED)"
	}
	return "?"
}

func (mariadb) tables(ctx context.Context, q querier, schema string) (out []string, err error) {
	err = each(ctx, q, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		out = append(out, name)
		return err
	}, `SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'
		AND table_schema = COALESCE(NULLIF(?, ''), DATABASE()) ORDER BY table_name`, schema)
	return out, err
}

func (m mariadb) estimate(ctx context.Context, q querier, t *table) (int64, error) {
	if t.estimate > 100_000 {
		return t.estimate, nil
	}
	var n int64
	err := scan(ctx, q, []any{&n}, "SELECT COUNT(*) FROM "+m.quote(t.schema)+"."+m.quote(t.name))
	return n, err
}

// mysqlState returns the SQLSTATE of a refusal by MySQL. Its messages repeat values, so only the
// number goes on.
func mysqlState(err error) (state, message string) {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return string(e.SQLState[:]), fmt.Sprintf("error %d", e.Number)
	}
	return "", ""
}
