package store

import (
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestAPostgresSchemaIsRewrittenForSQLite(t *testing.T) {
	src, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	got := portableSchema(string(src))
	if *update {
		if err := os.WriteFile("testdata/schema.sqlite.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/schema.sqlite.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func FuzzPortableSchemaKeepsEverythingButTypes(f *testing.F) {
	f.Add("CREATE TABLE a (b BYTEA); -- c\n'd' \"e\" /* f */ DOUBLE PRECISION")
	f.Add("'unclosed")
	f.Add("/* unclosed")
	f.Fuzz(func(t *testing.T, src string) {
		// What is inside of quotes and comments must come out untouched.
		quoted := "'" + strings.ReplaceAll(src, "'", "''") + "'"
		if got := portableSchema(quoted); got != quoted {
			t.Errorf("%q became %q", quoted, got)
		}
		_ = portableSchema(src) // must end
	})
}

func TestTheMappedFileIsAsLongAsItSays(t *testing.T) {
	files := sqliteFS{fstest.MapFS{"001_a.sql": {Data: []byte("CREATE TABLE a (b BYTEA);")}}}
	info, err := fs.Stat(files, "001_a.sql")
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(files, "001_a.sql")
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != int64(len(data)) || string(data) != "CREATE TABLE a (b BLOB) STRICT;" {
		t.Errorf("%d bytes: %q", info.Size(), data)
	}
}
