package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// withoutTenant are the tables that belong to no tenant, and why.
var withoutTenant = map[string]string{
	"vault_root":           "proves that the root key belongs to the vault",
	"worker_partition":     "a partition of the log carries events of every tenant",
	"worker_incident":      "what went wrong with a partition",
	"rights_register_mark": "the register of erasures is the installation's",
	"register_mark":        "the register of erasures is the installation's",
	"staff_session":        "exists before anybody has signed in",
}

// acrossTenants are the queries of system scope that rightly look at every tenant's rows, word for
// word, and why.
var acrossTenants = map[string]string{
	"SELECT count(*) FROM oauth_client WHERE id = $1": "the name of an OAuth client is taken if any organisation has it",
}

var (
	createTable = regexp.MustCompile(`(?is)CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)\s*\((.*?)\n\)`)
	primaryKey  = regexp.MustCompile(`(?is)PRIMARY\s+KEY\s*\(\s*(\w+)`)
	// tableUse finds the tables a query reads or changes.
	tableUse = regexp.MustCompile(`(?i)\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)`)
	isQuery  = regexp.MustCompile(`(?is)^\s*(?:WITH\b.*)?(?:SELECT|INSERT|UPDATE|DELETE)\b`)
	comment  = regexp.MustCompile(`--[^\n]*`)
)

// schemaFiles returns every migration below internal/.
func schemaFiles(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".sql" && !strings.Contains(path, "testdata") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// tenantTables returns the tables with a tenant_id, and reports tables that should have one.
func tenantTables(t *testing.T) map[string]bool {
	t.Helper()
	tables := map[string]bool{}
	for _, path := range schemaFiles(t) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(src), "-- +goose Down")
		for _, m := range createTable.FindAllStringSubmatch(comment.ReplaceAllString(up, ""), -1) {
			name, body := m[1], m[2]
			switch {
			case withoutTenant[name] != "":
				continue
			case !regexp.MustCompile(`(?m)^\s*tenant_id\s+BYTEA\s+NOT NULL`).MatchString(body):
				t.Errorf("%s: table %s has no column tenant_id BYTEA NOT NULL", path, name)
				continue
			}
			tables[name] = true
			if key := primaryKey.FindStringSubmatch(body); key != nil && key[1] != "tenant_id" {
				t.Errorf("%s: the primary key of %s starts with %s instead of tenant_id", path, name, key[1])
			}
		}
	}
	return tables
}

// packageTexts are the string constants of one package, by name.
type packageTexts map[string]string

// text returns what a string expression says, with $x for the parts only known when it runs.
func (p packageTexts) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.ParenExpr:
		return p.text(e.X)
	case *ast.Ident:
		s, ok := p[e.Name]
		return s, ok
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, okLeft := p.text(e.X)
		right, okRight := p.text(e.Y)
		if !okLeft {
			left = " $x "
		}
		if !okRight {
			right = " $x "
		}
		return left + right, okLeft || okRight
	}
	return "", false
}

// queriesIn calls fn with every SQL query written in the .go files of a folder, tests apart.
func queriesIn(t *testing.T, dir string, fn func(pos token.Position, query string)) {
	t.Helper()
	fset := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	texts := packageTexts{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		files = append(files, f)
	}
	for range 2 { // the second round knows constants made of constants
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if v, ok := n.(*ast.ValueSpec); ok {
					for i, name := range v.Names {
						if i < len(v.Values) {
							if s, ok := texts.text(v.Values[i]); ok {
								texts[name.Name] = s
							}
						}
					}
				}
				return true
			})
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if _, ident := e.(*ast.Ident); ident {
				return true // judged where it is declared
			}
			s, ok := texts.text(e)
			if !ok {
				return true
			}
			if isQuery.MatchString(s) {
				fn(fset.Position(e.Pos()), s)
			}
			return false // its parts have been judged with it
		})
	}
}

func TestEveryQueryOnATenantsTableNamesTheTenant(t *testing.T) {
	tables := tenantTables(t)
	if len(tables) < 4 {
		t.Fatalf("only %d tenant tables were found: the test looks in the wrong place", len(tables))
	}
	dirs := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			dirs[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for dir := range dirs {
		queriesIn(t, dir, func(pos token.Position, query string) {
			queries++
			for _, table := range untenanted(tables, query) {
				t.Errorf("%s: a query uses %s without tenant_id", pos, table)
			}
		})
	}
	if queries < 20 {
		t.Errorf("only %d queries were found: the test is blind", queries)
	}
}

// untenanted returns the tenant tables a query uses without naming tenant_id.
func untenanted(tables map[string]bool, query string) (found []string) {
	if strings.Contains(query, "tenant_id") || acrossTenants[strings.TrimSpace(query)] != "" {
		return nil
	}
	for _, m := range tableUse.FindAllStringSubmatch(query, -1) {
		if tables[m[1]] {
			found = append(found, m[1])
		}
	}
	return found
}

func TestTheSearchForForgetfulQueriesFindsThem(t *testing.T) {
	dir := t.TempDir()
	src := `package x
const where = " WHERE id = $1"
const good = "SELECT a FROM note WHERE tenant_id = $1"
const bad1 = "SELECT a FROM note" + where
func f(tx T, col string) {
	tx.Exec(ctx, "DELETE FROM note WHERE id = $1", 1)
	tx.Exec(ctx, "SELECT " + col + " FROM tag t JOIN note n ON true", 1)
	tx.Exec(ctx, "UPDATE note SET a = 1 WHERE tenant_id = $1" + col, 1)
	say("Please select a note from the list")
}
`
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := map[int]int{}
	queriesIn(t, dir, func(pos token.Position, query string) {
		lines[pos.Line] += len(untenanted(map[string]bool{"note": true, "tag": true}, query))
	})
	for line, want := range map[int]int{3: 0, 4: 1, 6: 1, 7: 2, 8: 0, 9: 0} {
		if lines[line] != want {
			t.Errorf("line %d: %d findings, want %d", line, lines[line], want)
		}
	}
}
