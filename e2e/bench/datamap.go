package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"probity/internal/store/storetest"
)

// tables of the company whose database is measured: a million rows in twelve tables, each of which
// refers to the one before or to the customers.
var tables = []int{150000, 150000, 100000, 100000, 90000, 90000, 80000, 70000, 60000, 40000, 30000}

const customers = 40000

// company is a database of one engine.
type company struct {
	engine, dsn string
	db          *sql.DB
	series      func(n int) string // a table expression with the numbers from 1 to n as i
	text        string             // joins texts, with %s
}

// datamap measures what an access and an erasure in databases outside Probity cost, each as a process of
// its own, beside the bare statements that read the same rows.
func (b *bench) datamap(ctx context.Context) error {
	admin, err := storetest.PostgresAdmin()
	if err != nil {
		remark("PostgreSQL is not measured: %v", err)
		return nil
	}
	pg, err := sql.Open("pgx", admin)
	if err != nil {
		return err
	}
	defer pg.Close()
	name := fmt.Sprintf("probity_bench_%d", os.Getpid())
	if _, err := pg.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return err
	}
	defer pg.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
	u, err := url.Parse(admin)
	if err != nil {
		return err
	}
	u.Path = "/" + name
	c := &company{engine: "postgres", dsn: u.String(), series: func(n int) string { return fmt.Sprintf("(SELECT generate_series(1, %d) AS i) s", n) }, text: "'%s' || i || '%s'"}
	if c.db, err = sql.Open("pgx", c.dsn); err != nil {
		return err
	}
	defer c.db.Close()
	if err := b.company(ctx, c); err != nil {
		return err
	}
	socket, err := storetest.MariaSocket()
	if err != nil {
		remark("MariaDB is not measured: %v", err)
		return nil
	}
	root, err := sql.Open("mysql", "root@unix("+socket+")/")
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4"); err != nil {
		return err
	}
	defer root.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name)
	m := &company{engine: "mariadb", dsn: "mysql://root@localhost/" + name + "?socket=" + socket, series: func(n int) string { return fmt.Sprintf("(SELECT seq AS i FROM seq_1_to_%d) s", n) }, text: "CONCAT('%s', i, '%s')"}
	if m.db, err = sql.Open("mysql", "root@unix("+socket+")/"+name); err != nil {
		return err
	}
	defer m.db.Close()
	return b.company(ctx, m)
}

// fill makes the tables and returns the dataset file.
func (c *company) fill(ctx context.Context) (string, error) {
	var m strings.Builder
	m.WriteString("dataset:\n- fides_key: big\n  collections:\n  - name: customers\n    fields:\n    - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: name, data_categories: [user.name]}\n")
	script := []string{
		"CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100) UNIQUE, name VARCHAR(60) NOT NULL)",
		"INSERT INTO customers SELECT i, " + fmt.Sprintf(c.text, "c", "@example.com") + ", " + fmt.Sprintf(c.text, "Name ", "") + " FROM " + c.series(customers),
	}
	parent, parents := "customers", customers
	for i, rows := range tables {
		name := fmt.Sprintf("t%d", i+1)
		if i%3 == 0 {
			parent, parents = "customers", customers
		}
		script = append(script,
			fmt.Sprintf("CREATE TABLE %s (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, note VARCHAR(200), amount DECIMAL(10,2), made DATE)", name),
			fmt.Sprintf("INSERT INTO %s SELECT i, 1 + MOD(i, %d), %s, i / 7.0, '2024-01-01' FROM %s", name, parents, fmt.Sprintf(c.text, "note ", ""), c.series(rows)),
			fmt.Sprintf("CREATE INDEX by_parent_%s ON %s (parent)", name, name),
			fmt.Sprintf("ALTER TABLE %s ADD FOREIGN KEY (parent) REFERENCES %s (id)", name, parent))
		fmt.Fprintf(&m, "  - name: %s\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: parent, data_categories: [system], fides_meta: {references: [{dataset: big, field: %s.id, direction: from}]}}\n    - {name: note, data_categories: [user.content]}\n    - {name: amount, data_categories: [user.financial]}\n    - {name: made, data_categories: [system]}\n", name, parent)
		parent, parents = name, rows
	}
	// One person with 200,000 of a million rows, one with 20,000, and a million rows that no index finds.
	script = append(script,
		"CREATE TABLE events (id INTEGER PRIMARY KEY, who VARCHAR(40), what VARCHAR(200), at_time TIMESTAMP NULL)",
		"INSERT INTO events SELECT i, CASE WHEN i <= 200000 THEN 'much' WHEN i <= 220000 THEN 'some' ELSE 'others' END, "+fmt.Sprintf(c.text, "a page that was looked at, number ", "")+", '2024-01-01 10:00:00' FROM "+c.series(1_000_000),
		"CREATE INDEX by_who ON events (who)",
		"CREATE TABLE bare (id INTEGER PRIMARY KEY, who VARCHAR(40), what VARCHAR(200))",
		"INSERT INTO bare SELECT i, "+fmt.Sprintf(c.text, "w", "")+", 'x' FROM "+c.series(1_000_000))
	m.WriteString("  - name: events\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: who, data_categories: [user.unique_id], fides_meta: {identity: who}}\n    - {name: what, data_categories: [user.behavior]}\n    - {name: at_time, data_categories: [user.behavior]}\n" +
		"  - name: bare\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: who, data_categories: [user.unique_id], fides_meta: {identity: bare}}\n    - {name: what, data_categories: [user.behavior]}\n")
	if c.engine == "postgres" {
		script = append(script, "ANALYZE")
	}
	for _, s := range script {
		if _, err := c.db.ExecContext(ctx, s); err != nil {
			return "", fmt.Errorf("%.60s: %w", s, err)
		}
	}
	return m.String(), nil
}

// bare reads a customer's rows by hand: the limit.
func (c *company) bare(ctx context.Context, n int) (time.Duration, int, error) {
	begin := time.Now()
	ids := map[string][]int{"customers": {n}}
	rows, parent := 1, "customers"
	for i := range tables {
		name := fmt.Sprintf("t%d", i+1)
		if i%3 == 0 {
			parent = "customers"
		}
		if len(ids[parent]) == 0 {
			parent = name
			continue
		}
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids[parent]), " ", ","), "[]")
		r, err := c.db.QueryContext(ctx, "SELECT id, parent, note, amount, made FROM "+name+" WHERE parent IN ("+list+")")
		if err != nil {
			return 0, 0, err
		}
		for r.Next() {
			var id, up int
			var a, b, d sql.NullString
			if err := r.Scan(&id, &up, &a, &b, &d); err != nil {
				return 0, 0, err
			}
			ids[name] = append(ids[name], id)
			rows++
		}
		if err := r.Err(); err != nil {
			return 0, 0, err
		}
		r.Close()
		parent = name
	}
	return time.Since(begin), rows, nil
}

// budgetMB is how much memory a run may take, however many rows the tables and the person have.
const budgetMB = 100

// measured is what a run of the program took.
type measured struct {
	took time.Duration
	mb   float64 // most memory
	cpu  time.Duration
	rows int
}

// ask runs one of the commands and counts the rows in its answer.
func (b *bench) ask(ctx context.Context, file string, c *company, args ...string) (measured, error) {
	cmd := exec.CommandContext(ctx, b.binary, append([]string{"datamap", args[0], "--dataset", file, "--connection", "big=" + c.dsn, "--json"}, args[1:]...)...)
	// The answer goes to a file: what this process holds would count as the other's memory.
	out, err := os.Create(filepath.Join(b.dir, "answer.json"))
	if err != nil {
		return measured{}, err
	}
	defer out.Close()
	var why bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &why
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return measured{}, fmt.Errorf("%s: %w: %s", args[0], err, why.String())
	}
	m := measured{took: time.Since(begin)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.mb = float64(usage.Maxrss) / 1024
	}
	m.cpu = cmd.ProcessState.UserTime()
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return measured{}, err
	}
	if args[0] == "access" {
		m.rows, err = countRows(json.NewDecoder(out))
		return m, err
	}
	var answer struct {
		Masked   map[string]int `json:"masked"`
		Verified bool           `json:"verified"`
	}
	if err := json.NewDecoder(out).Decode(&answer); err != nil {
		return measured{}, err
	}
	for _, n := range answer.Masked {
		m.rows += n
	}
	if !answer.Verified {
		return measured{}, errors.New("an erasure is not verified")
	}
	return m, nil
}

// countRows counts the rows of an access, which begins with {"rows":{"name":[{…},…],…}.
func countRows(d *json.Decoder) (int, error) {
	depth, n := 0, 0
	for {
		t, err := d.Token()
		if err != nil {
			return 0, err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth == 4 {
				n++
			}
		case json.Delim('}'), json.Delim(']'):
			if depth--; depth == 1 {
				return n, nil
			}
		}
	}
}

// company measures one engine.
func (b *bench) company(ctx context.Context, c *company) error {
	data, err := c.fill(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, c.engine+".yml")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		return err
	}
	var bare, access, erase time.Duration
	var byHand, rows int
	most := 0.0
	for i := range b.rounds {
		took, n, err := c.bare(ctx, i+1)
		if err != nil {
			return err
		}
		bare, byHand = bare+took, n
		m, err := b.ask(ctx, file, c, "access", "--identity", fmt.Sprintf("email=c%d@example.com", i+1))
		if err != nil {
			return err
		}
		access, rows, most = access+m.took, m.rows, max(most, m.mb)
		if m, err = b.ask(ctx, file, c, "erase", "--identity", fmt.Sprintf("email=c%d@example.com", i+101), "--target", "user", "--strategy", "hash"); err != nil {
			return err
		}
		erase, most = erase+m.took, max(most, m.mb)
	}
	mean := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.rounds) }
	report("datamap_access_"+c.engine, mean(access), "ms", mean(bare)/mean(access))
	report("datamap_erase_"+c.engine, mean(erase), "ms", mean(bare)/mean(erase))
	remark("a person's %d rows among a million in twelve tables (by hand %d rows in %.1f ms); the process from start to end, %.0f MB; erasures read again", rows, byHand, mean(bare), most)
	for _, one := range []struct {
		name string
		args []string
	}{
		{"datamap_access_no_index", []string{"access", "--identity", "bare=w500000"}},
		{"datamap_access_200k_rows", []string{"access", "--identity", "who=much"}},
		{"datamap_erase_20k_rows", []string{"erase", "--identity", "who=some", "--target", "user", "--strategy", "hash", "--max-share", "1"}},
		{"datamap_erase_200k_rows", []string{"erase", "--identity", "who=much", "--target", "user", "--strategy", "null", "--max-share", "1"}},
	} {
		m, err := b.ask(ctx, file, c, one.args...)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		report(one.name+"_"+c.engine, m.took.Seconds()*1000, "ms", 0)
		report(one.name+"_memory_"+c.engine, m.mb, "MB", 0)
		remark("%d rows, %.2f s of its own computing; the budget is %d MB whatever the table", m.rows, m.cpu.Seconds(), budgetMB)
	}
	return nil
}
