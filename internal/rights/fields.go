package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"probity/internal/id"
	"probity/internal/store"
)

// FieldReport says what was done with one field of a table, and in how many rows it held something.
// Zero is a statement too: the field might have held something of the person, and was looked at.
type FieldReport struct {
	Table string `json:"table"`
	Field string `json:"field"`
	Did   string `json:"did"`
	N     int64  `json:"n"`
}

// fieldsOf counts, for every field of every table that has a column for a subject, in how many of the
// subjects' rows it holds something. It asks the database's catalogue, as rowsOf does: a table that a
// room forgot is found, and a field that was added later is counted.
func fieldsOf(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]FieldReport, error) {
	columns, err := subjectColumns(ctx, tx)
	if err != nil {
		return nil, err
	}
	var list []FieldReport
	for i := 0; i < len(columns); {
		table := columns[i].table
		var named []string
		for ; i < len(columns) && columns[i].table == table; i++ {
			named = append(named, columns[i].column)
		}
		fields, err := fieldsOfTable(ctx, tx, table)
		if err != nil {
			return nil, err
		}
		counts, err := countFields(ctx, tx, table, named, fields, subjects)
		if err != nil {
			return nil, err
		}
		for k, f := range fields {
			list = append(list, FieldReport{table, f, "deleted", counts[k]})
		}
	}
	return list, nil
}

// fieldsOfTable lists a table's columns, the tenant's excepted.
func fieldsOfTable(ctx context.Context, tx *store.Tx, table string) ([]string, error) {
	query := `SELECT name FROM pragma_table_info($1) WHERE name <> 'tenant_id' ORDER BY cid`
	if tx.Dialect() == store.Postgres {
		query = `
		SELECT column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 AND column_name <> 'tenant_id'
		ORDER BY ordinal_position`
	}
	rows, err := tx.Query(ctx, query, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	return list, rows.Err()
}

// countFields counts the rows of the subjects in which each field is set. named are the columns that
// may refer to a subject.
func countFields(ctx context.Context, tx *store.Tx, table string, named, fields []string, subjects []id.Subject) ([]int64, error) {
	total := make([]int64, len(fields))
	what := make([]string, len(fields))
	for i, f := range fields {
		what[i] = "count(" + quote(f) + ")"
	}
	for batch := range slices.Chunk(subjects, 100) {
		args, marks := []any{tx.TenantID()}, make([]string, len(batch))
		for k, s := range batch {
			args = append(args, s)
			marks[k] = fmt.Sprintf("$%d", k+2)
		}
		who := make([]string, len(named))
		for i, n := range named {
			who[i] = quote(n) + " IN (" + strings.Join(marks, ", ") + ")"
		}
		counts := make([]int64, len(fields))
		into := make([]any, len(fields))
		for i := range counts {
			into[i] = &counts[i]
		}
		query := `SELECT ` + strings.Join(what, ", ") + ` FROM ` + quote(table) + ` WHERE tenant_id = $1 AND (` + strings.Join(who, " OR ") + `)`
		if err := tx.QueryRow(ctx, query, args...).Scan(into...); err != nil {
			return nil, err
		}
		for i, n := range counts {
			total[i] += n
		}
	}
	return total, nil
}

// notPerformed lists what an erasure left undone, with the reason.
func (j *job) notPerformed() []Kept {
	list := []Kept{}
	if d := j.report.Databases; d != nil {
		for _, k := range d.Kept {
			list = append(list, Kept{
				What: fmt.Sprintf("%d rows of %s as a whole", k.Rows, k.Collection), Why: "they are about others too; the fields that name this person alone were dealt with", Article: "Art. 4(1), 17(1)",
			})
		}
		for _, u := range d.Unmaskable {
			list = append(list, Kept{What: u.Collection + "." + u.Field, Why: u.Why + "; it stays because: " + d.Settled, Article: "Art. 17(3)"})
		}
		for _, name := range d.Unreachable {
			list = append(list, Kept{What: name, Why: "no identifier of this person leads there", Article: "Art. 11(2)"})
		}
	}
	for _, i := range j.content.Who.identifiers() {
		if i.kind == nameKind || i.kind == addressKind {
			one := Kept{What: "a search by " + string(i.kind), Why: "nothing is found by it, as many people share one; the other identifiers were searched", Article: "Art. 11(2)"}
			if !slices.Contains(list, one) {
				list = append(list, one)
			}
		}
	}
	return list
}
