package datamap

import (
	"slices"
)

// class is what a column's type comes down to.
type class int

const (
	other class = iota
	text
	integer
	decimal
	float
	boolean
	date
	timestamp
	clocktime
	uuidClass
	jsonClass
	binaryClass
	enum
	array
	citext
)

// column is a column as the store's own catalogue describes it.
type column struct {
	name      string
	class     class
	typ       string // as SQL writes it, for casts
	length    int    // most characters, 0 without limit
	bits      int    // of an integer, sign included
	unsigned  bool
	digits    int // of a decimal, before and behind the point together; 0 without limit
	scale     int
	nullable  bool
	generated bool // computed by the store: can't be written
	labels    []string
	elem      class
	onUpdate  bool // MariaDB sets it to the time of a change unless the change names it
}

// foreignKey is a constraint by which rows of one table refer to rows of another.
type foreignKey struct {
	name             string
	schema, table    string // where the reference stands
	columns          []string
	refSchema, refTo string
	refColumns       []string
	onDelete         string // NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT
	onUpdate         string
	deferrable       bool
}

// check is a CHECK constraint.
type check struct {
	name, expr string
	columns    []string // empty if the store doesn't say
}

// table is a table as the store's own catalogue describes it.
type table struct {
	schema, name string
	columns      []*column
	byName       map[string]*column
	key          []string // columns of the primary key
	hasRowID     bool     // PostgreSQL's ctid tells rows without a key apart
	parts        bool     // the table is partitioned: a ctid belongs to one partition
	heirs        bool     // rows of tables that inherit from it are read with its own; the key doesn't tell them apart
	view         bool
	plain        bool       // no transactions: nothing may be changed there
	uniques      [][]string // columns of each unique constraint or index, the key's included
	out, in      []foreignKey
	checks       []check
	leading      map[string]bool // columns by which an index finds rows
	estimate     int64           // rows, roughly
}

// place is the expression that tells where a row of PostgreSQL stands.
func (t *table) place(alias string) string {
	if t.parts {
		return alias + "tableoid::bigint::text || " + alias + "ctid::text"
	}
	return alias + "ctid::text"
}

func (t *table) column(name string) *column { return t.byName[name] }

// unique tells whether the column takes part in a unique constraint.
func (t *table) unique(name string) bool {
	return slices.ContainsFunc(t.uniques, func(cols []string) bool { return slices.Contains(cols, name) })
}

// refers returns the foreign keys in which the column stands.
func (t *table) refers(name string) []foreignKey {
	var out []foreignKey
	for _, fk := range t.out {
		if slices.Contains(fk.columns, name) {
			out = append(out, fk)
		}
	}
	return out
}

// referred returns the foreign keys of any table that lead to the column.
func (t *table) referred(name string) []foreignKey {
	var out []foreignKey
	for _, fk := range t.in {
		if slices.Contains(fk.refColumns, name) {
			out = append(out, fk)
		}
	}
	return out
}
