package binary

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"probity/internal/store/storetest"
)

// company is a database that the documentation's dataset file describes.
type company struct {
	dir, dsn string
	db       *sql.DB
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{dir: t.TempDir(), dsn: storetest.PostgresURL(t)}
	var err error
	if c.db, err = sql.Open("pgx", c.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.db.Close() })
	if _, err := c.db.ExecContext(t.Context(), `
		CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100) UNIQUE, name VARCHAR(40) NOT NULL);
		CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), advisor_id INTEGER, details JSONB);
		CREATE INDEX ON orders (customer_id);
		INSERT INTO customers VALUES (1, 'ann@example.com', 'Ann'), (2, 'bob@example.com', 'Bob');
		INSERT INTO orders VALUES (10, 1, 2, '{"phone": "+44 20 7946 0958", "n": 1}'), (11, 2, 1, '{"phone": "+44 20 7946 0000", "n": 2}')`); err != nil {
		t.Fatal(err)
	}
	// The page shows parts of files too.
	blocks := slices.DeleteFunc(fenced(documents(t)["docs/datamap.md"], "yaml"), func(b string) bool { return !strings.Contains(b, "fides_key:") })
	if len(blocks) != 1 {
		t.Fatalf("docs/datamap.md has %d dataset files", len(blocks))
	}
	c.write(t, "shop.yml", blocks[0])
	return c
}

func (c *company) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run returns what the program prints and its exit code.
func (c *company) run(t *testing.T, env string, args ...string) (out, said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = c.dir, append(environment(), env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// oneObject decodes the output, which must be one JSON object and nothing else.
func oneObject(t *testing.T, out string) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more than one value in %q", out)
	}
	return v
}

func (c *company) content(t *testing.T) string {
	t.Helper()
	var s string
	if err := c.db.QueryRowContext(t.Context(), `SELECT string_agg(concat_ws(' ', c.id, c.email, c.name, o.id, o.details->>'phone'), ', ' ORDER BY c.id)
		FROM customers c LEFT JOIN orders o ON o.id = c.id + 9`).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheCommandsOfTheDataMapDoWhatTheirPageSays(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	before := c.content(t)
	blocks := fenced(documents(t)["docs/datamap.md"], "sh")
	if len(blocks) != 1 {
		t.Fatalf("docs/datamap.md has %d blocks of commands", len(blocks))
	}
	lines := strings.Split(strings.TrimSpace(blocks[0]), "\n")
	if len(lines) != 5 {
		t.Fatalf("docs/datamap.md has other commands: %q", lines)
	}
	env := "PROBITY_DSN_SHOP=" + c.dsn
	run := func(line string) (string, string, int) {
		args := words(line)[1:]
		for i, a := range args {
			if strings.HasPrefix(a, "shop=postgres://") {
				args[i] = "shop=" + c.dsn
			}
		}
		return c.run(t, env, args...)
	}
	draft, said, code := run(lines[0])
	if code != 0 || !strings.Contains(draft, "identity: email") {
		t.Errorf("discover: %d, %s%s", code, draft, said)
	}
	c.write(t, "draft.yml", draft)
	if out, said, code := c.run(t, env, "datamap", "access", "--dataset", "draft.yml", "--identity", "email=ann@example.com", "--json"); code != 0 || !strings.Contains(out, `"name":"Ann"`) {
		t.Errorf("the draft does not work: %d, %s%s", code, out, said)
	}
	if out, _, code := run(lines[1]); code == 0 || !strings.Contains(out, "no-category") || strings.Contains(out, "@") {
		t.Errorf("lint: %d, %s", code, out)
	}
	out, said, code := run(lines[2])
	if code != 0 {
		t.Fatalf("access: %d, %s", code, said)
	}
	want := `{"rows":{"shop:customers":[{"id":1,"email":"ann@example.com","name":"Ann"}],"shop:orders":[{"id":10,"customer_id":1,"details":{"phone":"+44 20 7946 0958"}},{"id":11,"advisor_id":1,"details":{"phone":"+44 20 7946 0000"}}]},` +
		`"shared":[{"collection":"shop:orders","key":{"id":10},"owners":1,"withheld":["advisor_id"]},{"collection":"shop:orders","key":{"id":11},"owners":1,"withheld":["customer_id"]}],"unreachable":[]}` + "\n"
	if out != want {
		t.Errorf("access printed\n%swant\n%s", out, want)
	}
	dry, said, code := run(lines[3])
	if code != 0 || c.content(t) != before {
		t.Errorf("the dry run: %d, %s%s, and left %s", code, dry, said, c.content(t))
	}
	out, said, code = run(lines[4])
	if v := oneObject(t, out); code != 0 || v["verified"] != true {
		t.Errorf("erase: %d, %s%s", code, out, said)
	}
	if strings.ReplaceAll(out, `"verified":true`, `"verified":false`) != dry {
		t.Errorf("the dry run said\n%sand done was\n%s", dry, out)
	}
	after := c.content(t)
	if strings.Contains(after, "Ann") || strings.Contains(after, "ann@") || strings.Contains(after, "0958") || !strings.Contains(after, "2 bob@example.com Bob 11 +44 20 7946 0000") {
		t.Errorf("left is %s", after)
	}
}

func TestTheDataMapPrintsOneObjectWhateverHappens(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	before := c.content(t)
	file, err := os.ReadFile(filepath.Join(c.dir, "shop.yml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	c.write(t, "tag.yml", "dataset: !!python/object/apply:os.system [ls]\n")
	c.write(t, "column.yml", strings.Replace(text, "name: name,", "name: nick,", 1))
	c.write(t, "table.yml", strings.ReplaceAll(text, "name: orders", "name: \"orders; DROP TABLE customers\""))
	c.write(t, "skip.yml", strings.Replace(text, "name: customers\n", "name: customers\n    fides_meta: {skip_processing: true}\n", 1))
	up := "PROBITY_DSN_SHOP=" + c.dsn
	for name, try := range map[string]struct {
		env, file   string
		unreachable string
	}{
		"a store that does not answer":     {"PROBITY_DSN_SHOP=postgres://u:secret@127.0.0.1:1/x", "shop.yml", "shop"},
		"another store that doesn't":       {"PROBITY_DSN_SHOP=mysql://u:secret@127.0.0.1:1/x", "shop.yml", "shop"},
		"a database that is not there":     {"PROBITY_DSN_SHOP=" + strings.Replace(c.dsn, "/probity_", "/nothing_", 1), "shop.yml", "shop"},
		"no connection":                    {"X=", "shop.yml", ""},
		"a DSN that is none":               {"PROBITY_DSN_SHOP=nonsense", "shop.yml", ""},
		"a tag that runs code":             {up, "tag.yml", ""},
		"a file that is not there":         {up, "none.yml", ""},
		"a column that is not there":       {up, "column.yml", ""},
		"a table that is not there":        {up, "table.yml", ""},
		"a skipped collection referred to": {up, "skip.yml", ""},
	} {
		for _, args := range [][]string{{"access"}, {"erase", "--target", "user", "--strategy", "delete"}, {"erase", "--target", "user", "--strategy", "hash", "--dry-run"}} {
			line := append([]string{"datamap"}, args...)
			out, said, code := c.run(t, try.env, append(line, "--dataset", try.file, "--identity", "email=ann@example.com", "--json")...)
			if code == 0 || said == "" || strings.Contains(said, "secret") || strings.Contains(said, "ann@") {
				t.Errorf("%s, %s: exit %d, said %q", name, args[0], code, said)
			}
			v := oneObject(t, out)
			if list, _ := v["unreachable"].([]any); try.unreachable != "" && (len(list) != 1 || list[0] != try.unreachable) {
				t.Errorf("%s, %s: unreachable %v", name, args[0], v["unreachable"])
			}
			if rows, _ := v["rows"].(map[string]any); len(rows) > 0 && len(rows["shop:customers"].([]any)) > 0 {
				t.Errorf("%s: rows in %s", name, out)
			}
			if v["verified"] == true {
				t.Errorf("%s: verified in %s", name, out)
			}
		}
	}
	if got := c.content(t); got != before {
		t.Errorf("something was changed: %s", got)
	}
	// An identity that leads nowhere, and an empty one, are no failures.
	for _, id := range []string{"passport=7", "email=", "email=nobody@example.com"} {
		out, said, code := c.run(t, up, "datamap", "access", "--dataset", "shop.yml", "--identity", id, "--json")
		if oneObject(t, out); code != 0 {
			t.Errorf("%s: exit %d, %s", id, code, said)
		}
	}
}
