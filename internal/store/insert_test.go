package store_test

import (
	"testing"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestManyRowsAreInsertedByFewStatementsAndWhatIsThereIsCountedOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		h := db.Tenant(id.NewTenant())
		rows := func(from, to int) (list [][]any) {
			for n := from; n < to; n++ {
				list = append(list, []any{h.ID(), n, []byte{byte(n)}})
			}
			return list
		}
		const head, tail = `INSERT INTO note (tenant_id, id, body)`, `ON CONFLICT DO NOTHING`
		for _, c := range []struct {
			from, to int
			want     int64
		}{{0, 0, 0}, {0, 40, 40}, {30, 50, 10}, {0, 16, 0}, {50, 51, 1}} {
			if err := h.Write(t.Context(), func(tx *store.Tx) error {
				n, err := tx.Insert(t.Context(), head, rows(c.from, c.to), tail)
				if err == nil && n != c.want {
					t.Errorf("rows %d to %d: %d written, want %d", c.from, c.to, n, c.want)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		// Each row keeps its own values.
		if err := h.Read(t.Context(), func(tx *store.Tx) error {
			list, err := tx.Query(t.Context(), `SELECT id, body FROM note WHERE tenant_id = $1 ORDER BY id`, h.ID())
			if err != nil {
				return err
			}
			defer list.Close()
			at := 0
			for ; list.Next(); at++ {
				var n int
				var body []byte
				if err := list.Scan(&n, &body); err != nil {
					return err
				}
				if n != at || len(body) != 1 || int(body[0]) != n {
					t.Errorf("row %d is %d with %v", at, n, body)
				}
			}
			if at != 51 {
				t.Errorf("%d rows", at)
			}
			return list.Err()
		}); err != nil {
			t.Fatal(err)
		}
		if err := h.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Insert(t.Context(), head, rows(20, 60), "")
			return err
		}); err == nil {
			t.Error("what is there already was written again")
		}
	})
}
