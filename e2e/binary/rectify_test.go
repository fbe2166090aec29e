package binary

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"probity/internal/store/storetest"
)

func TestTheCommandOfRectifyDoesWhatItsPageSays(t *testing.T) {
	t.Parallel()
	dsn := storetest.PostgresURL(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.ExecContext(t.Context(), `
		CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(60) UNIQUE, name VARCHAR(40));
		INSERT INTO customers VALUES (1, 'ann@example.com', 'Ann'), (2, 'bob@example.com', 'Ann')`); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.yml"), []byte(`
dataset:
- fides_key: shop
  collections:
  - name: customers
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: name, data_categories: [user.name]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir, cmd.Env = dir, append(environment(), "PROBITY_DSN_SHOP="+dsn)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	rows := func() string {
		var s string
		if err := db.QueryRowContext(t.Context(), `SELECT string_agg(id || ' ' || email || ' ' || name, ', ' ORDER BY id) FROM customers`).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := rows()
	blocks := fenced(documents(t)["docs/rectify.md"], "sh")
	if len(blocks) == 0 {
		t.Fatal("docs/rectify.md has no command")
	}
	line := words(strings.TrimSpace(blocks[0]))[1:]
	out, err := run(line...)
	want := "     1 corrected  shop:customers.email\n     1 corrected  shop:customers.name\nread again and found corrected: "
	if err != nil || out != want+"false\n" || rows() != before {
		t.Errorf("the dry run printed %q, %v, and left %s", out, err, rows())
	}
	out, err = run(line[:len(line)-1]...)
	if err != nil || out != want+"true\n" || rows() != "1 anne@example.com Anne, 2 bob@example.com Ann" {
		t.Errorf("the correction printed %q, %v, and left %s", out, err, rows())
	}
	out, err = run("datamap", "rectify", "--dataset", "shop.yml", "--identity", "email=anne@example.com", "--replace", "email:anne@example.com=bob@example.com", "--json")
	if err == nil || !strings.Contains(out, `"refused":[{"collection":"shop:customers","field":"email"`) || strings.Contains(out, "anne@") || strings.Contains(out, "bob@") {
		t.Errorf("an address of another was not refused, or the answer holds it: %q, %v", out, err)
	}
	out, err = run("datamap", "rectify", "--dataset", "shop.yml", "--identity", "email=anne@example.com", "--replace", `user.name:Anne=A\=\\B`)
	if err != nil || rows() != `1 anne@example.com A=\B, 2 bob@example.com Ann` {
		t.Errorf("a value with an equals sign: %q, %v, %s", out, err, rows())
	}
	if out, err := run("datamap", "rectify", "--dataset", "shop.yml", "--identity", "email=anne@example.com", "--replace", "user.name:a=b=c"); err == nil || !strings.Contains(out, "KIND:OLD=NEW") {
		t.Errorf("a replacement with two equals signs: %q, %v", out, err)
	}
}
