package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/internal/fail"
)

// openFile opens a fresh file with one table.
func openFile(t testing.TB) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probity.db")
	db, err := Open(t.Context(), Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	ctx := context.Background()
	if err := db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE thing (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return db, path
}

func fill(t testing.TB, db *DB, rows int) {
	t.Helper()
	ctx := context.Background()
	if err := db.Write(ctx, func(tx *Tx) error {
		for range rows {
			if _, err := tx.Exec(ctx, "INSERT INTO thing (body) VALUES ($1)", bytes.Repeat([]byte("payload "), 100)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTheSettingsThatDurabilityAndErasureNeedAreOnEveryConnection(t *testing.T) {
	db, path := openFile(t)
	ctx := t.Context()
	check := func(tx *Tx) error {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1",
			"trusted_schema": "0", "mmap_size": "0", "temp_store": "2", "busy_timeout": "5000",
		} {
			var got string
			if err := tx.QueryRow(ctx, "PRAGMA "+pragma).Scan(&got); err != nil {
				return fmt.Errorf("%s: %w", pragma, err)
			}
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
		}
		return nil
	}
	if err := db.Write(ctx, check); err != nil {
		t.Error(err)
	}
	if err := db.Read(ctx, check); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

func TestADamagedFileIsRefusedAndNamed(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"the header is cut short": func(t *testing.T, path string) {
			if err := os.Truncate(path, 50); err != nil {
				t.Fatal(err)
			}
		},
		"the end is missing": func(t *testing.T, path string) {
			if err := os.Truncate(path, 4096*20); err != nil {
				t.Fatal(err)
			}
		},
		"it is not a database": func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("nonsense"), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"the schema page is overwritten": func(t *testing.T, path string) { scribble(t, path, 100) },
		"the root of a table is overwritten": func(t *testing.T, path string) {
			scribble(t, path, 4096)
		},
		"a page deep inside is overwritten": func(t *testing.T, path string) { scribble(t, path, 4096*60) },
	} {
		t.Run(name, func(t *testing.T) {
			db, path := openFile(t)
			fill(t, db, 400)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, path)
			db, err := Open(t.Context(), Config{URL: "sqlite:" + path})
			if err == nil {
				_ = db.Close()
				t.Fatal("it was opened")
			}
			if !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDamageDuringOperationIsFoundByCheck(t *testing.T) {
	db, path := openFile(t)
	fill(t, db, 500)
	if err := db.Scrub(t.Context()); err != nil { // all pages into the main file
		t.Fatal(err)
	}
	scribble(t, path, 4096*60)
	if err := db.Check(t.Context()); !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

// scribble overwrites the head of a page.
func scribble(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, 64), at); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatIsMissingIsReported(t *testing.T) {
	_, err := Open(t.Context(), Config{URL: "sqlite:" + t.TempDir() + "/no/such/probity.db"})
	if !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"", "sqlite:", "mysql://x", "postgres://bad:port:x/"} {
		if _, err := Open(t.Context(), Config{URL: url}); !fail.Is(err, fail.Invalid) {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

// filesHold tells in which of the database's files needle is found.
func filesHold(t *testing.T, path string, needle []byte) (found []string) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, needle) {
			found = append(found, filepath.Base(name))
		}
	}
	return found
}

func TestScrubLeavesNoDeletedByteInTheFiles(t *testing.T) {
	db, path := openFile(t)
	ctx := t.Context()
	fill(t, db, 300)
	secret := bytes.Repeat([]byte("SECRET-0123456789"), 20)
	exec := func(query string, args ...any) {
		t.Helper()
		if err := db.Write(ctx, func(tx *Tx) error { _, err := tx.Exec(ctx, query, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec("INSERT INTO thing (id, body) VALUES (100000, $1)", secret)
	if err := db.Scrub(ctx); err != nil { // moves it into the main file, too
		t.Fatal(err)
	}
	exec("UPDATE thing SET body = $1 WHERE id = 5", secret)
	if len(filesHold(t, path, secret[:34])) == 0 {
		t.Fatal("the secret can't be found even before it is deleted")
	}
	exec("DELETE FROM thing WHERE id = 100000")
	exec("UPDATE thing SET body = $1 WHERE id = 5", []byte("gone"))
	if err := db.Scrub(ctx); err != nil {
		t.Fatal(err)
	}
	if found := filesHold(t, path, []byte("SECRET-0123")); len(found) > 0 {
		t.Errorf("the deleted secret is still in %v", found)
	}
}

func TestScrubReportsAReaderInTheWayAndWorksOnceItIsGone(t *testing.T) {
	db, _ := openFile(t)
	ctx := context.Background()
	fill(t, db, 10)
	e, ok := db.engine.(*sqliteEngine)
	if !ok {
		t.Fatalf("engine %T", db.engine)
	}
	e.scrubTries = 2
	if err := db.Read(ctx, func(tx *Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM thing").Scan(&n); err != nil {
			return err
		}
		fill(t, db, 10)
		if err := db.Scrub(ctx); !fail.Is(err, fail.Unavailable) {
			t.Errorf("with a reader: %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(ctx); err != nil {
		t.Errorf("without a reader: %v", err)
	}
}

func TestSizeGrowsWithTheData(t *testing.T) {
	db, _ := openFile(t)
	before, err := db.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 1000)
	after, err := db.Size(t.Context())
	if err != nil || after < before+800_000 {
		t.Errorf("%d before, %d after, %v", before, after, err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestVersionsAreComparedByNumber(t *testing.T) {
	for _, c := range []struct {
		version string
		want    bool
	}{{"3.51.3", true}, {"3.54.1", true}, {"3.51.10", true}, {"4.0.0", true}, {"3.51.2", false}, {"3.9.9", false}, {"3.51", false}, {"x.y.z", false}} {
		if got := atLeast(c.version, oldestSQLite); got != c.want {
			t.Errorf("%s at least %s: %v", c.version, oldestSQLite, got)
		}
	}
}

func TestAWriteIsNeverInterruptedInTheMiddleOfAStatement(t *testing.T) {
	db, _ := openFile(t)
	ctx := t.Context() // ends with the test: it could be interrupted
	if err := db.Write(ctx, func(tx *Tx) error {
		inner, err := tx.enter(ctx)
		if err == nil && inner.Done() != nil {
			t.Error("a write's statement can be interrupted, and with it everybody's transaction")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Read(ctx, func(tx *Tx) error {
		inner, err := tx.enter(ctx)
		if err == nil && inner.Done() == nil {
			t.Error("a read's statement can't be interrupted")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestATransactionKeptBeyondItsFunctionIsRefused(t *testing.T) {
	db, _ := openFile(t)
	ctx := t.Context()
	var kept *Tx
	if err := db.Write(ctx, func(tx *Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Exec(ctx, "DELETE FROM thing"); !errors.Is(err, errEnded) {
		t.Errorf("exec: %v", err)
	}
	if _, err := kept.Query(ctx, "SELECT 1"); !errors.Is(err, errEnded) {
		t.Errorf("query: %v", err)
	}
	var n int
	if err := kept.QueryRow(ctx, "SELECT 1").Scan(&n); err == nil {
		t.Error("a row was read")
	}
}

// rawConn returns the caching connection that writes.
func rawConn(t *testing.T, db *DB) *cachingConn {
	t.Helper()
	e, ok := db.engine.(*sqliteEngine)
	if !ok {
		t.Fatalf("engine %T", db.engine)
	}
	return e.writer.raw
}

func TestAStatementIsPreparedOnceAndKept(t *testing.T) {
	db, _ := openFile(t)
	ctx := t.Context()
	raw := rawConn(t, db)
	fill(t, db, 1)
	misses := raw.misses
	fill(t, db, 1000)
	if raw.misses != misses {
		t.Errorf("a thousand equal statements were prepared %d times again", raw.misses-misses)
	}
	if err := db.Write(ctx, func(tx *Tx) error {
		for i := range 3 * statementsPerConn {
			if _, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM thing WHERE id = $1 AND id <> %d", i), -1); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(raw.byQuery) > statementsPerConn || raw.recent.Len() != len(raw.byQuery) {
		t.Errorf("%d statements are kept, %d in order, at most %d allowed", len(raw.byQuery), raw.recent.Len(), statementsPerConn)
	}
}

func TestAQueryCanRunAgainWhileItsRowsAreBeingRead(t *testing.T) {
	db, _ := openFile(t)
	ctx := t.Context()
	fill(t, db, 5)
	const query = "SELECT id FROM thing WHERE id > $1 ORDER BY id"
	pairs := 0
	if err := db.Write(ctx, func(tx *Tx) error {
		outer, err := tx.Query(ctx, query, 0)
		if err != nil {
			return err
		}
		for outer.Next() {
			var a, b int
			if err := outer.Scan(&a); err != nil {
				return err
			}
			inner, err := tx.Query(ctx, query, a)
			if err != nil {
				return err
			}
			for inner.Next() {
				if err := inner.Scan(&b); err != nil {
					return err
				}
				pairs++
			}
			if err := inner.Close(); err != nil {
				return err
			}
		}
		return outer.Err()
	}); err != nil {
		t.Fatal(err)
	}
	if pairs != 10 {
		t.Errorf("%d pairs of 5 rows, want 10", pairs)
	}
	for query, p := range rawConn(t, db).byQuery {
		if p.busy {
			t.Errorf("the statement %q is still marked busy", query)
		}
	}
}

func TestAnEvictedStatementIsClosedWhenItsRowsAre(t *testing.T) {
	db, _ := openFile(t)
	ctx := t.Context()
	fill(t, db, 3)
	if err := db.Write(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, "SELECT id FROM thing")
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			n++
			for i := range statementsPerConn + 1 {
				if _, err := tx.Exec(ctx, fmt.Sprintf("UPDATE thing SET id = id WHERE id = -%d", i+1)); err != nil {
					return err
				}
			}
		}
		if n != 3 {
			t.Errorf("%d rows", n)
		}
		return rows.Close()
	}); err != nil {
		t.Fatal(err)
	}
}
