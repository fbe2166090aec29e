package datamap

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"probity/internal/store/storetest"
)

// most is how many megabytes a run may take, however many rows the tables and the person have.
const most = 100

// crowd is a table with a million rows, of which 200,000 belong to one person.
type crowd struct {
	dsn   string
	db    *sql.DB
	serie func(n int) string // a table expression with the numbers from 1 to n as i
	join  string             // joins a text and i, with %s
}

// eachCrowd runs the test on PostgreSQL and on MariaDB.
func eachCrowd(t *testing.T, test func(t *testing.T, c *crowd)) {
	if testing.Short() {
		t.Skip("a million rows take their time")
	}
	t.Run("postgres", func(t *testing.T) {
		dsn := storetest.PostgresURL(t)
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, &crowd{dsn: dsn, db: db, serie: func(n int) string { return fmt.Sprintf("(SELECT generate_series(1, %d) AS i) s", n) }, join: "'%s' || i"})
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, db := storetest.MariaDB(t)
		test(t, &crowd{dsn: dsn, db: db, serie: func(n int) string { return fmt.Sprintf("(SELECT seq AS i FROM seq_1_to_%d) s", n) }, join: "CONCAT('%s', i)"})
	})
}

func (c *crowd) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.60s: %v", s, err)
		}
	}
}

func (c *crowd) count(t *testing.T, query string) (n int) {
	t.Helper()
	if err := c.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// task is what a process of its own does, so that its memory can be told.
type task struct {
	Map      string
	DSN      string
	Who      string
	Strategy string
	Replace  []Replacement
}

func TestMemory_Child(t *testing.T) {
	given := os.Getenv("PROBITY_TEST_TASK")
	if given == "" {
		return // run by the tests below
	}
	var w task
	if err := json.Unmarshal([]byte(given), &w); err != nil {
		t.Fatal(err)
	}
	sets, err := Parse("crowd", []byte(w.Map))
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Datasets: sets, Connections: map[string]string{"crowd": w.DSN}, Identities: []Identity{{"who", w.Who}}, Targets: []string{"user"}}
	var out interface{ WriteJSON(io.Writer) error }
	if len(w.Replace) > 0 {
		out, err = Rectify(context.Background(), &Correction{Request: req, Replace: w.Replace, MaxShare: 1})
	} else {
		out, err = Erase(context.Background(), &Erasure{Request: req, Strategy: w.Strategy, MaxShare: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := out.WriteJSON(os.NewFile(3, "answer")); err != nil {
		t.Fatal(err)
	}
	// What the system counts of the process as a whole begins with what its parent held.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.NewFile(4, "status").Write(status); err != nil {
		t.Fatal(err)
	}
}

// run does the task in a process of its own and says how many megabytes it took at most.
func run(t *testing.T, w task, out any) float64 {
	t.Helper()
	given, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for _, name := range []string{"answer", "status"} {
		f, err := os.Create(t.TempDir() + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory_Child$")
	cmd.Env = append(os.Environ(), "PROBITY_TEST_TASK="+string(given))
	cmd.ExtraFiles = files
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	raw, err := os.ReadFile(files[0].Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(files[1].Name())
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(status), "VmHWM:")
	var kb float64
	if _, err := fmt.Sscan(after, &kb); err != nil || !found {
		t.Fatalf("the system does not tell how much memory a process took: %v", err)
	}
	return kb / 1024
}

const crowdMap = `
dataset:
- fides_key: crowd
  collections:
  - name: events
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: who, data_categories: [user.unique_id], fides_meta: {identity: who}}
    - {name: what, data_categories: [user.behavior]}
    - {name: made, data_categories: [user.behavior]}
`

func TestAPersonWithTwoHundredThousandOfAMillionRowsIsErasedInBoundedMemory(t *testing.T) {
	eachCrowd(t, func(t *testing.T, c *crowd) {
		c.exec(t, "CREATE TABLE events (id INTEGER PRIMARY KEY, who VARCHAR(100), what VARCHAR(200), made DATE)",
			"INSERT INTO events SELECT i, CASE WHEN MOD(i, 5) = 0 THEN 'much' ELSE "+fmt.Sprintf(c.join, "w")+" END, "+fmt.Sprintf(c.join, "a page that was looked at, number ")+", '2024-01-01' FROM "+c.serie(1_000_000),
			"CREATE INDEX by_who ON events (who)")
		others := "SELECT COUNT(*) FROM events WHERE who LIKE 'w%' AND what LIKE 'a page%' AND made = '2024-01-01'"
		w := task{Map: crowdMap, DSN: c.dsn, Who: "much", Strategy: Hash}
		var out Erased
		mb := run(t, w, &out)
		t.Logf("%.0f MB", mb)
		if mb > most {
			t.Errorf("it took %.0f MB, more than %d", mb, most)
		}
		if !out.Verified || out.Masked["crowd:events"] != 200_000 {
			t.Errorf("got %s", jsonOf(t, &out))
		}
		if n := c.count(t, "SELECT COUNT(*) FROM events WHERE who = 'much' OR MOD(id, 5) = 0 AND (what LIKE 'a page%' OR made = '2024-01-01')"); n != 0 {
			t.Errorf("%d rows of the person are clear", n)
		}
		if n := c.count(t, others); n != 800_000 {
			t.Errorf("of 800000 rows of others %d are what they were", n)
		}
		again := Erased{}
		run(t, w, &again)
		if !again.Verified || len(again.Masked) > 0 {
			t.Errorf("a second run says %s", jsonOf(t, &again))
		}
		if n := c.count(t, others); n != 800_000 {
			t.Errorf("after a second run %d rows of others are what they were", n)
		}
	})
}

// bookMap is a company whose customer has 200,000 orders with an item each.
var bookMap = strings.TrimSuffix(crowdMap, "\n")[:strings.Index(crowdMap, "  - name: events")] + `  - name: customers
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: who, data_categories: [user.unique_id], fides_meta: {identity: who}}
  - name: orders
    fields:
    - {name: id, data_categories: [user.financial], fides_meta: {primary_key: true}}
    - {name: customer, fides_meta: {references: [{dataset: crowd, field: customers.id, direction: from}]}}
    - {name: note, data_categories: [user.content]}
  - name: items
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: of_order, fides_meta: {references: [{dataset: crowd, field: orders.id, direction: from}]}}
    - {name: note, data_categories: [user.content]}
`

func TestOrdersAndTheirItemsAreDeletedInBoundedMemory(t *testing.T) {
	eachCrowd(t, func(t *testing.T, c *crowd) {
		c.exec(t, "CREATE TABLE customers (id INTEGER PRIMARY KEY, who VARCHAR(100))",
			"CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, note VARCHAR(200), FOREIGN KEY (customer) REFERENCES customers (id))",
			"CREATE TABLE items (id INTEGER PRIMARY KEY, of_order INTEGER NOT NULL, note VARCHAR(200), FOREIGN KEY (of_order) REFERENCES orders (id))",
			"INSERT INTO customers VALUES (1, 'much'), (2, 'other')",
			"INSERT INTO orders SELECT i, CASE WHEN i <= 200000 THEN 1 ELSE 2 END, "+fmt.Sprintf(c.join, "an order with a note, number ")+" FROM "+c.serie(300_000),
			"INSERT INTO items SELECT i, i, "+fmt.Sprintf(c.join, "an item with a note, number ")+" FROM "+c.serie(300_000),
			"CREATE INDEX by_customer ON orders (customer)", "CREATE INDEX by_order ON items (of_order)")
		var out Erased
		mb := run(t, task{Map: bookMap, DSN: c.dsn, Who: "much", Strategy: Delete}, &out)
		t.Logf("%.0f MB", mb)
		if mb > most {
			t.Errorf("it took %.0f MB, more than %d", mb, most)
		}
		if !out.Verified || out.Deleted["crowd:customers"] != 1 || out.Deleted["crowd:orders"] != 200_000 || out.Deleted["crowd:items"] != 200_000 {
			t.Errorf("got %s", jsonOf(t, &out))
		}
		if n := c.count(t, "SELECT (SELECT COUNT(*) FROM customers) + (SELECT COUNT(*) FROM orders) + (SELECT COUNT(*) FROM items)"); n != 200_001 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestTwoHundredThousandRowsAreCorrectedInBoundedMemory(t *testing.T) {
	eachCrowd(t, func(t *testing.T, c *crowd) {
		c.exec(t, "CREATE TABLE events (id INTEGER PRIMARY KEY, who VARCHAR(100), what VARCHAR(200), made DATE)",
			"INSERT INTO events SELECT i, CASE WHEN i <= 200000 THEN 'much' ELSE 'other' END, 'a page', '2024-01-01' FROM "+c.serie(300_000),
			"CREATE INDEX by_who ON events (who)")
		var out struct {
			Changed  []Changed
			Records  []Corrected
			Verified bool
		}
		mb := run(t, task{Map: crowdMap, DSN: c.dsn, Who: "much", Replace: []Replacement{{Kind: "who", Old: "much", New: "less"}}}, &out)
		t.Logf("%.0f MB", mb)
		if mb > most {
			t.Errorf("it took %.0f MB, more than %d", mb, most)
		}
		if !out.Verified || len(out.Records) != 200_000 || len(out.Changed) != 1 || out.Changed[0].Rows != 200_000 {
			t.Errorf("verified %t, %d records, changed %v", out.Verified, len(out.Records), out.Changed)
		}
		if n := c.count(t, "SELECT COUNT(*) FROM events WHERE who = 'less' AND id <= 200000"); n != 200_000 {
			t.Errorf("%d rows are corrected", n)
		}
	})
}
