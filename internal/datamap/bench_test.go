package datamap

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"

	"probity/internal/store/storetest"
)

// bigShop fills twelve tables with about a million rows, of which about 250 belong to one person,
// and returns the dataset file.
func bigShop(tb testing.TB, db *sql.DB) string {
	tb.Helper()
	var script, m strings.Builder
	m.WriteString("dataset:\n- fides_key: big\n  collections:\n  - name: customers\n    fields:\n    - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: name, data_categories: [user.name]}\n")
	script.WriteString("CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100) UNIQUE, name VARCHAR(60) NOT NULL);\nINSERT INTO customers SELECT i, 'c' || i || '@example.com', 'Name ' || i FROM generate_series(1, 50000) i;\n")
	// Each table refers to the one before or to the customers.
	parent, parentRows := "customers", 50000
	for i, rows := range []int{150000, 150000, 100000, 100000, 90000, 90000, 80000, 70000, 60000, 40000, 30000} {
		name := fmt.Sprintf("t%d", i+1)
		if i%3 == 0 {
			parent, parentRows = "customers", 50000
		}
		fmt.Fprintf(&script, "CREATE TABLE %s (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES %s(id), note VARCHAR(200), amount NUMERIC(10,2), made DATE);\nINSERT INTO %s SELECT i, 1 + i %% %d, 'note ' || i, i / 7.0, '2024-01-01' FROM generate_series(1, %d) i;\nCREATE INDEX ON %s (parent);\n", name, parent, name, parentRows, rows, name)
		fmt.Fprintf(&m, "  - name: %s\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: parent, data_categories: [system], fides_meta: {references: [{dataset: big, field: %s.id, direction: from}]}}\n    - {name: note, data_categories: [user.content]}\n    - {name: amount, data_categories: [user.financial]}\n    - {name: made, data_categories: [system]}\n", name, parent)
		parent, parentRows = name, rows
	}
	script.WriteString("ANALYZE;\n")
	for _, s := range bytes.Split([]byte(script.String()), []byte(";\n")) {
		if len(s) == 0 {
			continue
		}
		if _, err := db.Exec(string(s)); err != nil {
			tb.Fatalf("%s: %v", s, err)
		}
	}
	return m.String()
}

// BenchmarkMillion measures access and erasure for one person among a million rows in twelve tables,
// beside the bare statement that reads the person's row.
func BenchmarkMillion(b *testing.B) {
	dsn := storetest.PostgresURL(b)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	sets, err := Parse("big", []byte(bigShop(b, db)))
	if err != nil {
		b.Fatal(err)
	}
	req := func(n int) Request {
		return Request{Datasets: sets, Connections: map[string]string{"big": dsn}, Identities: []Identity{{"email", fmt.Sprintf("c%d@example.com", n)}}}
	}
	b.Run("access", func(b *testing.B) {
		rows := 0
		for i := range b.N {
			r := req(i%40000 + 1)
			out, err := Access(context.Background(), &r)
			if err != nil {
				b.Fatal(err)
			}
			rows = 0
			for _, c := range out.Collections() {
				rows += out.Count(c)
			}
			if err := out.WriteJSON(io.Discard); err != nil {
				b.Fatal(err)
			}
			out.Close()
		}
		b.ReportMetric(float64(rows), "rows")
	})
	b.Run("erase", func(b *testing.B) {
		rows := 0
		for i := range b.N {
			r := req(i%10000 + 40001)
			r.Targets = []string{"user"}
			out, err := Erase(context.Background(), &Erasure{Request: r, Strategy: Hash})
			if err != nil {
				b.Fatal(err)
			}
			rows = 0
			for _, n := range out.Masked {
				rows += n
			}
		}
		b.ReportMetric(float64(rows), "rows")
	})
}
