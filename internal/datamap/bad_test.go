package datamap

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/store/storetest"
)

const peopleMap = `
dataset:
- fides_key: d
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: name, data_categories: [user.name]}
`

const people = `CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(100), name VARCHAR(100));
INSERT INTO people VALUES (1, 'a@x', 'Ann'), (2, 'b@x', 'Bob');
`

const peopleBefore = "1|a@x|Ann\n2|b@x|Bob"

// refuses erases and expects an error of the kind, with nothing changed and no value in the message.
func refuses(t *testing.T, req *Request, strategy string, kind fail.Kind) (*Erased, string) {
	t.Helper()
	r := *req
	r.Targets = []string{"user"}
	out, err := Erase(t.Context(), &Erasure{Request: r, Strategy: strategy})
	if !fail.Is(err, kind) {
		t.Fatalf("got %v, of kind %v, want %v", err, fail.KindOf(err), kind)
	}
	if out.Verified || len(out.Masked) > 0 || len(out.Deleted) > 0 {
		t.Errorf("it failed and says %s", jsonOf(t, out))
	}
	for _, v := range []string{"a@x", "Ann"} {
		if strings.Contains(err.Error(), v) {
			t.Errorf("the message holds %q: %v", v, err)
		}
	}
	return out, err.Error()
}

func TestAStoreThatDoesNotAnswerIsNamedAndNothingIsTouched(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, people)
		two := strings.Replace(peopleMap, "dataset:", "dataset:\n- fides_key: far\n  collections:\n  - name: x\n    fields:\n    - {name: email, fides_meta: {identity: email}}", 1)
		for _, dsn := range []string{"postgres://u:secret@127.0.0.1:1/x", "mysql://u:secret@127.0.0.1:1/x"} {
			req := request(t, d, two, "email", "a@x")
			req.Connections["far"] = dsn
			out, why := refuses(t, req, Null, fail.Unavailable)
			if jsonOf(t, out.Unreachable) != `["far"]` || strings.Contains(why, "secret") {
				t.Errorf("unreachable %v: %s", out.Unreachable, why)
			}
			expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
			found, err := Access(t.Context(), req)
			if !fail.Is(err, fail.Unavailable) || found == nil {
				t.Fatalf("access: %v", err)
			}
			if found.Count("d:people") != 1 || jsonOf(t, found.Unreachable) != `["far"]` {
				t.Errorf("access: %d rows, unreachable %v", found.Count("d:people"), found.Unreachable)
			}
			found.Close()
		}
	})
}

func TestAWrongConnectionIsRefusedWithoutItsPassword(t *testing.T) {
	d := &database{dsn: "x"}
	for _, dsn := range []string{"sqlite://x", "postgres://u:secret@[::1", "mysql://u:secret@h/", "mysql://u:secret@h/d?what=1", "postgres://u:secret@h:port/x", "secret", "mysql://u:secret@h/d?tls=nonsense"} {
		req := request(t, d, peopleMap, "email", "a@x")
		req.Connections["d"] = dsn
		_, why := refuses(t, req, Null, fail.Invalid)
		if strings.Contains(why, "secret") && dsn != "secret" {
			t.Errorf("the password is in %s", why)
		}
	}
	req := request(t, d, peopleMap, "email", "a@x")
	req.Connections = nil
	if _, why := refuses(t, req, Null, fail.Invalid); !strings.Contains(why, "--connection d=") {
		t.Errorf("not said what to do: %s", why)
	}
}

func TestAnAccountThatMayOnlyReadChangesNothing(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		eachPostgres(t, func(t *testing.T, d *database) {
			d.exec(t, people+"REVOKE UPDATE, DELETE ON people FROM CURRENT_USER;\n")
			for _, strategy := range []string{Null, Delete} {
				refuses(t, request(t, d, peopleMap, "email", "a@x"), strategy, fail.Forbidden)
			}
			expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
			d.exec(t, "REVOKE SELECT ON people FROM CURRENT_USER;\n")
			refuses(t, request(t, d, peopleMap, "email", "a@x"), Null, fail.Unavailable)
		})
	})
	t.Run("postgres server", func(t *testing.T) {
		eachPostgres(t, func(t *testing.T, d *database) {
			d.exec(t, people)
			d.dsn += map[bool]string{true: "&", false: "?"}[strings.Contains(d.dsn, "?")] + "options=" + "-c%20default_transaction_read_only%3Don"
			refuses(t, request(t, d, peopleMap, "email", "a@x"), Hash, fail.Forbidden)
		})
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, db := storetest.MariaDB(t)
		d := &database{dsn: dsn, db: db}
		name := strings.TrimSuffix(d.table(t, "SELECT DATABASE()"), "\n")
		reader := "reader_" + name[len(name)-8:]
		d.exec(t, people+"CREATE USER "+reader+"@localhost IDENTIFIED BY 'secret';\nGRANT SELECT ON "+name+".* TO "+reader+"@localhost;\n")
		defer db.Exec("DROP USER " + reader + "@localhost")
		d.dsn = strings.Replace(dsn, "root@", reader+":secret@", 1)
		for _, strategy := range []string{Null, Delete} {
			refuses(t, request(t, d, peopleMap, "email", "a@x"), strategy, fail.Forbidden)
		}
		expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
	})
}

func TestASchemaThatChangedIsNamed(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, people)
		for was, is := range map[string]string{"name: name": "name: nick", "name: people": "name: persons"} {
			req := request(t, d, strings.Replace(peopleMap, was, is, 1), "email", "a@x")
			_, why := refuses(t, req, Null, fail.Invalid)
			if !strings.Contains(why, strings.TrimPrefix(is, "name: ")) {
				t.Errorf("it says %q", why)
			}
			if out, err := Access(t.Context(), req); out != nil || err == nil {
				t.Error("access went on")
			}
		}
		expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
	})
}

func TestAConnectionLostOnTheWayLeavesAllAsItWas(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, people+`CREATE TABLE notes (id INTEGER PRIMARY KEY, email VARCHAR(100), body TEXT);
INSERT INTO notes VALUES (1, 'a@x', 'hello');
CREATE FUNCTION lose() RETURNS trigger AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER lose BEFORE UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION lose();
`)
		dataset := peopleMap + "  - name: notes\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: body, data_categories: [user.content]}\n"
		for _, strategy := range []string{Null, Delete} {
			refuses(t, request(t, d, dataset, "email", "a@x"), strategy, fail.Unavailable)
			expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
			expect(t, "notes", d.table(t, "SELECT * FROM notes"), "1|a@x|hello")
		}
		d.exec(t, "DROP TRIGGER lose ON notes;\n")
		if out := erase(t, request(t, d, dataset, "email", "a@x"), Null, true, "user"); !out.Verified {
			t.Error("not verified")
		}
	})
}

// twoStores is a map whose first store leads to the second.
const twoStores = `
dataset:
- fides_key: near
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: name, data_categories: [user.name]}
- fides_key: far
  collections:
  - name: notes
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: person, fides_meta: {references: [{dataset: near, field: people.id, direction: from}]}}
    - {name: body, data_categories: [user.content]}
`

const notes = `CREATE TABLE notes (id INTEGER PRIMARY KEY, person INTEGER, body VARCHAR(100));
INSERT INTO notes VALUES (1, 1, 'hello'), (2, 2, 'theirs');
`

func TestErase_Child(t *testing.T) {
	near, far := os.Getenv("PROBITY_TEST_NEAR"), os.Getenv("PROBITY_TEST_FAR")
	if near == "" {
		return // run by TestAKillBetweenTwoStoresIsFinishedByAskingAgain
	}
	sets, err := Parse("two", []byte(twoStores))
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Datasets: sets, Connections: map[string]string{"near": near, "far": far}, Identities: []Identity{{"email", "a@x"}}, Targets: []string{"user"}}
	out, err := Erase(context.Background(), &Erasure{Request: req, Strategy: Hash})
	t.Fatalf("it came to an end: %s, %v", jsonOf(t, out), err)
}

func TestAKillBetweenTwoStoresIsFinishedByAskingAgain(t *testing.T) {
	eachPostgres(t, func(t *testing.T, far *database) {
		eachPostgres(t, func(t *testing.T, near *database) {
			far.exec(t, notes)
			// The commit of the near store, which comes last, hangs until somebody lets it go.
			near.exec(t, people+`CREATE FUNCTION hang() RETURNS trigger AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$ LANGUAGE plpgsql;
CREATE CONSTRAINT TRIGGER hang AFTER UPDATE ON people DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang();
`)
			lock, err := near.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if _, err := lock.ExecContext(t.Context(), "SELECT pg_advisory_lock(7)"); err != nil {
				t.Fatal(err)
			}
			child := exec.Command(os.Args[0], "-test.run=^TestErase_Child$")
			child.Env = append(os.Environ(), "PROBITY_TEST_NEAR="+near.dsn, "PROBITY_TEST_FAR="+far.dsn)
			var said bytes.Buffer
			child.Stdout, child.Stderr = &said, &said
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			waiting := func() bool {
				var n int
				if err := lock.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n > 0
			}
			for end := time.Now().Add(60 * time.Second); !waiting(); {
				if time.Now().After(end) {
					child.Process.Kill()
					t.Fatalf("the commit was never reached: %s", said.String())
				}
			}
			if err := child.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			child.Wait()
			// The server of the near store notices that nobody is there any more.
			if _, err := lock.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(60 * time.Second); waiting() && time.Now().Before(end); {
			}
			if _, err := lock.ExecContext(t.Context(), "SELECT pg_advisory_unlock(7)"); err != nil {
				t.Fatal(err)
			}
			if got := far.table(t, "SELECT body = 'hello' FROM notes WHERE id = 1"); got != "false\n" {
				t.Fatalf("the far store was not done before the near one: %s", got)
			}
			expect(t, "people after the kill", near.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
			req := request(t, near, twoStores, "email", "a@x")
			req.Connections["far"] = far.dsn
			if out := erase(t, req, Hash, true, "user"); !out.Verified || out.Masked["near:people"] != 1 || out.Masked["far:notes"] != 0 {
				t.Errorf("asked again: %s", jsonOf(t, out))
			}
			expect(t, "people", near.table(t, "SELECT id, email = 'a@x', name = 'Ann' FROM people ORDER BY id"), "1|false|false\n2|false|false")
			expect(t, "notes", far.table(t, "SELECT id, body = 'hello', body = 'theirs' FROM notes ORDER BY id"), "1|false|false\n2|false|true")
		})
	})
}

func TestTheBrakeStopsAnIdentityThatIsNobodys(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(100), name VARCHAR(100));\n")
		var rows []string
		for i := range 400 {
			rows = append(rows, "("+number10(i)+", '"+map[bool]string{true: "unknown@x", false: "p" + number10(i) + "@x"}[i < 220]+"', 'Ann')")
		}
		d.exec(t, "INSERT INTO people VALUES "+strings.Join(rows, ", ")+";\n")
		req := request(t, d, peopleMap, "email", "unknown@x")
		_, why := refuses(t, req, Null, fail.Conflict)
		if !strings.Contains(why, "the brake: 220 of about 400 rows") {
			t.Errorf("it says %q", why)
		}
		expect(t, "untouched", d.table(t, "SELECT count(*) FROM people WHERE name = 'Ann'"), "400")
		r := *req
		r.Targets = []string{"user"}
		out, err := Erase(t.Context(), &Erasure{Request: r, Strategy: Null, MaxShare: 1})
		if err != nil || out.Masked["d:people"] != 220 || !out.Verified {
			t.Errorf("without the brake: %s, %v", jsonOf(t, out), err)
		}
	})
}

func number10(n int) string {
	return string([]byte{'0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)})
}

func TestNamesAndValuesThatLookLikeSQLStayNames(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		q := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
		if !strings.HasPrefix(d.dsn, "postgres") {
			q = func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
		}
		table, column, key := "Order'; DROP TABLE keep; --", "select \"from\" `where`", "Group"
		d.exec(t, "CREATE TABLE keep (id INTEGER);\nCREATE TABLE "+q(table)+" ("+q(key)+" INTEGER PRIMARY KEY, "+q(column)+" VARCHAR(100), "+q("order")+" TEXT)")
		nasty := `'; DROP TABLE keep; -- \" \0 %_ $1 ?`
		if _, err := d.db.Exec("INSERT INTO " + q(table) + " VALUES (1, " + "'" + strings.NewReplacer("'", "''").Replace(strings.ReplaceAll(nasty, `\`, map[bool]string{true: `\`, false: `\\`}[strings.HasPrefix(d.dsn, "postgres")])) + "', 'x')"); err != nil {
			t.Fatal(err)
		}
		y := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
		dataset := "dataset:\n- fides_key: d\n  collections:\n  - name: " + y(table) + "\n    fields:\n    - {name: Group, fides_meta: {primary_key: true}}\n    - {name: " + y(column) + ", data_categories: [user.contact.email], fides_meta: {identity: \"it's; --\"}}\n    - {name: order, data_categories: [user.content]}\n"
		req := request(t, d, dataset, "it's; --", nasty)
		if got := access(t, req); !strings.Contains(got, `"Group": 1`) {
			t.Errorf("not found: %s", got)
		}
		if out := erase(t, req, Pseudonymise, true, "user"); !out.Verified || out.Masked["d:"+table] != 1 {
			t.Errorf("got %s", jsonOf(t, out))
		}
		expect(t, "keep", d.table(t, "SELECT count(*) FROM keep"), "0")
	})
}

func TestIdentitiesThatNoStoreCanHoldMatchNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, people+"INSERT INTO people VALUES (3, '', 'nobody'), (4, NULL, 'nobody');\n")
		for _, v := range []string{"", "\x00", "a@x\x00", "\xff\xfe", strings.Repeat("a", 1<<20), "A@X", "a@x ", "á@x"} {
			found, err := Access(t.Context(), request(t, d, peopleMap, "email", v))
			if err != nil {
				t.Errorf("%.20q: %v", v, err)
				continue
			}
			if n := found.Count("d:people"); n != 0 {
				t.Errorf("%.20q matches %d rows", v, n)
			}
			found.Close()
			if out := erase(t, request(t, d, peopleMap, "email", v), Null, true, "user"); len(out.Masked) != 0 {
				t.Errorf("%.20q masks %s", v, jsonOf(t, out))
			}
		}
	})
}

func TestAHugeTextIsShownAndMasked(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(100), name "+map[bool]string{true: "TEXT", false: "LONGTEXT"}[strings.HasPrefix(d.dsn, "postgres")]+");\nINSERT INTO people VALUES (1, 'a@x', REPEAT('ab\nc', 3000000));\n")
		found, err := Access(t.Context(), request(t, d, peopleMap, "email", "a@x"))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := found.WriteJSON(&b); err != nil || b.Len() < 12_000_000 {
			t.Errorf("%d bytes, %v", b.Len(), err)
		}
		found.Close()
		if out := erase(t, request(t, d, peopleMap, "email", "a@x"), Hash, true, "user"); !out.Verified {
			t.Error("not verified")
		}
	})
}

func TestACollectionThatIsSkippedAndReferredToStopsAll(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, people+notes)
		dataset := strings.ReplaceAll(strings.ReplaceAll(twoStores, "- fides_key: far\n  collections:\n", ""), "near", "d")
		dataset = strings.Replace(dataset, "name: people\n", "name: people\n    fides_meta: {skip_processing: true}\n", 1)
		req := request(t, d, dataset, "email", "a@x")
		refuses(t, req, Null, fail.Invalid)
		if out, err := Access(t.Context(), req); out != nil || !fail.Is(err, fail.Invalid) {
			t.Errorf("access: %v", err)
		}
		expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
	})
}

func TestCirclesWithoutKeysComeToAnEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE a (email VARCHAR(20), x INTEGER, y INTEGER, body VARCHAR(20));
CREATE TABLE b (x INTEGER, y INTEGER, body VARCHAR(20));
INSERT INTO a VALUES ('a@x', 1, 2, 'A'), ('a@x', 1, 2, 'A'), (NULL, 2, 1, 'B'), ('b@x', 9, 9, 'C');
INSERT INTO b VALUES (1, 2, 'D'), (1, 2, 'D'), (2, 1, 'E'), (9, 9, 'F');
`)
		dataset := `
dataset:
- fides_key: d
  collections:
  - name: a
    fields:
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: x, fides_meta: {references: [{dataset: d, field: a.y, direction: from}, {dataset: d, field: b.y, direction: from}]}}
    - {name: y}
    - {name: body, data_categories: [user.content]}
  - name: b
    fields:
    - {name: x, fides_meta: {references: [{dataset: d, field: a.x, direction: from}]}}
    - {name: y, fides_meta: {references: [{dataset: d, field: b.x, direction: from}]}}
    - {name: body, data_categories: [user.content]}
`
		req := request(t, d, dataset, "email", "a@x")
		if out := erase(t, req, Redact, true, "user.content"); !out.Verified || out.Masked["d:a"] != 3 || out.Masked["d:b"] != 3 {
			t.Errorf("masked %s", jsonOf(t, out))
		}
		expect(t, "a", d.table(t, "SELECT body FROM a ORDER BY x, y"), "[personal info]\n[personal info]\n[personal info]\nC")
		if out := erase(t, req, Delete, true, "user"); !out.Verified || out.Deleted["d:a"] != 3 || out.Deleted["d:b"] != 3 {
			t.Errorf("deleted %s", jsonOf(t, out))
		}
		expect(t, "b", d.table(t, "SELECT x, y, body FROM b"), "9|9|F")
	})
}

func TestDatasetFilesThatAreUnsafeOrWrongAreRefused(t *testing.T) {
	deep := "dataset:\n- fides_key: d\n  collections:\n  - name: t\n    fields:\n    - name: f\n      x: " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\n"
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += string(i) + ": &" + string(i) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(i-1)+",", 10), ",") + "]\n"
	}
	bomb += "dataset: *j\n"
	field := func(s string) string {
		return "dataset:\n- fides_key: d\n  collections:\n  - name: t\n    fields:\n    - {name: f, " + s + "}\n"
	}
	for name, file := range map[string]string{
		"a tag that runs code":          "dataset: !!python/object/apply:os.system [ls]\n",
		"a tag of one's own":            "dataset: !own\n- fides_key: d\n",
		"sixty levels":                  deep,
		"an alias bomb":                 bomb,
		"no YAML":                       "dataset: [",
		"empty":                         "",
		"a number":                      "7",
		"no dataset":                    "other: []\n",
		"an empty list":                 "dataset: []\n",
		"no key":                        "dataset:\n- name: x\n",
		"a key twice in a mapping":      "dataset:\n- fides_key: d\n  fides_key: e\n",
		"two datasets of one key":       "dataset:\n- fides_key: d\n- fides_key: d\n",
		"a collection twice":            "dataset:\n- fides_key: d\n  collections:\n  - name: t\n  - name: t\n",
		"a field twice":                 "dataset:\n- fides_key: d\n  collections:\n  - name: t\n    fields:\n    - name: f\n    - name: f\n",
		"a collection without a name":   "dataset:\n- fides_key: d\n  collections:\n  - fields: []\n",
		"an unknown direction":          field("fides_meta: {references: [{dataset: d, field: t.f, direction: up}]}"),
		"an unknown role":               field("fides_meta: {references: [{dataset: d, field: t.f, role: friend}]}"),
		"an unknown dataset":            field("fides_meta: {references: [{dataset: e, field: t.f}]}"),
		"an unknown collection":         field("fides_meta: {references: [{dataset: d, field: u.f}]}"),
		"an unknown field":              field("fides_meta: {references: [{dataset: d, field: t.g}]}"),
		"a reference without a dot":     field("fides_meta: {references: [{dataset: d, field: t}]}"),
		"a negative length":             field("fides_meta: {length: -1}"),
		"an unknown strategy":           field("fides_meta: {masking_strategy_override: {strategy: shred}}"),
		"a list where a text should be": field("fides_meta: {identity: [email]}"),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file.yml")
			if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path); !fail.Is(err, fail.Invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yml")); !fail.Is(err, fail.Invalid) {
		t.Errorf("a file that isn't there: %v", err)
	}
}
