package rights_test

import (
	"strings"
	"testing"

	"probity/internal/store"
)

// dumpSQLite returns every value of every table.
func dumpSQLite(t *testing.T, db *store.DB) string {
	t.Helper()
	var out strings.Builder
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		var tables []string
		rows, err := tx.Query(t.Context(), `SELECT name FROM sqlite_schema WHERE type = 'table'`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			tables = append(tables, name)
		}
		for _, name := range tables {
			rows, err := tx.Query(t.Context(), `SELECT * FROM "`+name+`"`)
			if err != nil {
				return err
			}
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				cells := make([]any, len(columns))
				for i := range cells {
					cells[i] = new([]byte)
				}
				if err := rows.Scan(cells...); err != nil {
					return err
				}
				for _, c := range cells {
					out.Write(*c.(*[]byte))
					out.WriteByte('\n')
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		t.Fatal("the dump is empty")
	}
	return out.String()
}
