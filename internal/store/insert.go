package store

import (
	"context"
	"strconv"
	"strings"
)

// insertWidth is how many rows one statement of Insert writes. Others are written one by one, so that no
// more than two statements are prepared for a table.
const insertWidth = 16

// Insert writes many rows with few statements: on PostgreSQL each costs a round trip. head is the
// statement up to VALUES, tail what follows the values, such as ON CONFLICT DO NOTHING. All rows have as
// many values as head has columns. It returns how many rows were written.
func (tx *Tx) Insert(ctx context.Context, head string, rows [][]any, tail string) (written int64, err error) {
	for len(rows) > 0 {
		width := 1
		if len(rows) >= insertWidth {
			width = insertWidth
		}
		var query strings.Builder
		query.WriteString(head)
		query.WriteString(" VALUES ")
		var args []any
		for i, row := range rows[:width] {
			if i > 0 {
				query.WriteString(", ")
			}
			for k, v := range row {
				query.WriteString([2]string{"(", ", "}[min(k, 1)])
				query.WriteByte('$')
				args = append(args, v)
				query.WriteString(strconv.Itoa(len(args)))
			}
			query.WriteByte(')')
		}
		query.WriteByte(' ')
		query.WriteString(tail)
		n, err := tx.Exec(ctx, query.String(), args...)
		if err != nil {
			return written, err
		}
		written += n
		rows = rows[width:]
	}
	return written, nil
}
