package binary

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"probity/internal/rights"
	"probity/internal/store"
)

// Every table of both databases is declared, with what becomes of it, and nothing is declared that is
// not there.
func TestEveryTableIsDeclared(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	var answer struct {
		Stores []struct {
			Store    string   `json:"store"`
			Strategy string   `json:"strategy"`
			Tables   []string `json:"tables"`
		} `json:"stores"`
	}
	s.do(t, "GET", "/probity/v1/stores", "", "Authorization", s.token(t)).want(t, 200).into(t, &answer)
	if len(answer.Stores) != len(rights.Inventory()) {
		t.Errorf("the API tells of %d stores, %d are declared", len(answer.Stores), len(rights.Inventory()))
	}
	s.stop(t)
	for where, file := range map[string]string{"main database": "probity.db", "vault": "vault.db"} {
		var declared, there []string
		for _, p := range rights.Inventory() {
			if p.Where == where {
				declared = append(declared, p.Tables...)
			}
		}
		db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(h.data, file)})
		if err != nil {
			t.Fatal(err)
		}
		personal := map[string]bool{}
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), `
				SELECT m.name, EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'subject' OR c.name LIKE '%\_subject' ESCAPE '\')
				FROM sqlite_schema m WHERE m.type = 'table' ORDER BY m.name`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var name string
				var subject bool
				if err := rows.Scan(&name, &subject); err != nil {
					return err
				}
				if !strings.HasPrefix(name, "goose_") && !strings.HasPrefix(name, "sqlite_") {
					there = append(there, name)
					personal[name] = subject
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for _, table := range there {
			if !slices.Contains(declared, table) {
				t.Errorf("%s of the %s is declared nowhere: say in internal/rights/inventory.go what an erasure does with it", table, where)
			}
		}
		for _, table := range declared {
			if !slices.Contains(there, table) {
				t.Errorf("%s is declared, and the %s has no such table", table, where)
			}
		}
		for _, p := range rights.Inventory() {
			for _, table := range p.Tables {
				if p.Where == where && personal[table] && p.Strategy == rights.Nobodys {
					t.Errorf("%s has a column for subjects and is declared as nobody's", table)
				}
			}
		}
	}
}
