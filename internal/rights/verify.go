package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// stepVerify reads everything again. For an erasure: no key of the person is left, no table of the
// database, whichever room owns it, has a row of them, and none of the identifiers leads to them.
// Rows that a writer brought in meanwhile send the procedure back to the deletion a few times; after
// that the request fails, and is never called complete.
func (r *Room) stepVerify(ctx context.Context, j *job) error {
	if j.typ == Rectification {
		return r.verifyRectified(ctx, j)
	}
	residue, err := r.residue(ctx, j)
	if err != nil {
		return err
	}
	if len(residue) == 0 {
		after, err := r.countRows(ctx, j)
		if err != nil {
			return err
		}
		return r.step(ctx, j, stepRecord, Certifying, func(tx *store.Tx, j *job) error {
			if err := forgetRestrictions(ctx, tx, j.id); err != nil {
				return err
			}
			j.report.Residue = nil
			if j.report.Matched {
				j.report.add("database", "rows of the person after", after)
			}
			j.report.Kept, j.report.NotPerformed = kept, j.notPerformed()
			j.report.Horizon = r.horizon(r.Clock.Now())
			if !j.report.Matched {
				j.report.Kept = nil
				j.report.Decisions = append(j.report.Decisions, "Nothing is held under these identifiers.")
			}
			return nil
		})
	}
	if j.work.Rounds < maxRounds {
		return r.step(ctx, j, stepShred, Erasing, func(_ *store.Tx, j *job) error {
			j.work.Rounds++
			return nil
		})
	}
	j.report.Residue = residue
	j.step = stepShred // who tries again begins with another round
	return r.end(ctx, j, Failed, "after the erasure something of the person was still found; see residue", nil, nil)
}

// kept is what an erasure leaves in Probity's own stores.
var kept = []Kept{
	{
		What:    "keyed digests of the identifiers, which nobody can turn back, and the erased devices' random references, which lead nowhere any more; both also in the register of erasures",
		Why:     "so that late or replayed events, and restored backups, do not bring the person back",
		Article: "Art. 5(1)(f), 17(1)",
	},
	{
		What:    "commitments in the ledger: random values once their contents and salts are deleted",
		Why:     "so that nobody, the operator included, can alter or drop the history of consents unnoticed",
		Article: "Art. 5(2), 7(1), 17(3)(e)",
	},
	{
		What:    "the record of this request: type, dates, kinds of identifiers without values, counts",
		Why:     "to be able to show that the request was received and carried out in time",
		Article: "Art. 5(2), 12(3)",
	},
	{
		What:    "ciphertext in the event log until it is trimmed, and in backups",
		Why:     "its key is destroyed; backups of the key store lose theirs by the date given as horizon",
		Article: "Art. 17(1), 32(1)(a)",
	},
}

// residue lists what is still held about the subjects.
func (r *Room) residue(ctx context.Context, j *job) ([]Count, error) {
	var left []Count
	keys := int64(0)
	for _, s := range j.work.Subjects {
		has, err := r.Keys.Has(ctx, j.tenant, s)
		if err != nil {
			return nil, err
		}
		if has {
			keys++
		}
	}
	if keys > 0 {
		left = append(left, Count{"data keys", keys})
	}
	rows, err := r.countRows(ctx, j)
	if err != nil {
		return nil, err
	}
	for _, c := range rows {
		if c.N > 0 {
			left = append(left, Count{"rows in " + c.What, c.N})
		}
	}
	for _, i := range j.content.Who.identifiers() {
		found, err := r.find(ctx, j.tenant, i)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(found, func(s id.Subject) bool { return slices.Contains(j.work.Subjects, s) }) {
			left = append(left, Count{"lookups by " + string(i.kind), 1})
		}
	}
	return left, nil
}

func (r *Room) countRows(ctx context.Context, j *job) (counts []Count, err error) {
	err = r.DB.Tenant(j.tenant).Read(ctx, func(tx *store.Tx) error {
		counts, err = rowsOf(ctx, tx, j.work.Subjects)
		return err
	})
	return counts, err
}

// rowsOf counts the subjects' rows in every table of the database that has a column for a subject,
// with zeros. It asks the database's catalogue instead of the rooms: a table that a room forgot is
// found.
func rowsOf(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error) {
	columns, err := subjectColumns(ctx, tx)
	if err != nil {
		return nil, err
	}
	counts := make([]Count, len(columns))
	for i, c := range columns {
		counts[i].What = c.table
		for batch := range slices.Chunk(subjects, 100) {
			args := []any{tx.TenantID()}
			marks := make([]string, len(batch))
			for k, s := range batch {
				args = append(args, s)
				marks[k] = fmt.Sprintf("$%d", k+2)
			}
			var n int64
			query := `SELECT count(*) FROM ` + quote(c.table) + ` WHERE tenant_id = $1 AND ` + quote(c.column) + ` IN (` + strings.Join(marks, ", ") + `)`
			if err := tx.QueryRow(ctx, query, args...).Scan(&n); err != nil {
				return nil, err
			}
			counts[i].N += n
		}
	}
	return counts, nil
}

type column struct{ table, column string }

// subjectColumns lists the columns that hold a subject reference. By the rule of the house these
// are called subject, or something that ends in _subject, and stand next to a tenant_id.
func subjectColumns(ctx context.Context, tx *store.Tx) ([]column, error) {
	query := `
		SELECT m.name, c.name
		FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND (c.name = 'subject' OR c.name LIKE '%\_subject' ESCAPE '\')
			AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) o WHERE o.name = 'tenant_id')
		ORDER BY m.name, c.name`
	if tx.Dialect() == store.Postgres {
		query = `
		SELECT c.table_name, c.column_name
		FROM information_schema.columns c
		WHERE c.table_schema = current_schema() AND c.data_type = 'bytea'
			AND (c.column_name = 'subject' OR c.column_name LIKE '%\_subject' ESCAPE '\')
			AND EXISTS (
				SELECT 1 FROM information_schema.columns o
				WHERE o.table_schema = c.table_schema AND o.table_name = c.table_name AND o.column_name = 'tenant_id')
		ORDER BY c.table_name, c.column_name`
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.table, &c.column); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail.New(fail.Internal, "the database has no table with a column for subjects; there is nothing to verify against")
	}
	return list, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
