package legacy

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// all reads a file to its end and returns its rows and faults.
func all(text string, jsonl bool) (rows []cells, lines []int64, faults []*Fault) {
	f, err := newFile(strings.NewReader(text), jsonl)
	for err == nil {
		var c cells
		var line int64
		if c, line, err = f.next(); err == nil {
			rows, lines = append(rows, c), append(lines, line)
			continue
		}
		if fault, ok := err.(*Fault); ok && !fault.last {
			faults = append(faults, fault)
			err = nil
		}
	}
	if fault, ok := err.(*Fault); ok {
		faults = append(faults, fault)
	} else if err != io.EOF {
		panic(err)
	}
	return rows, lines, faults
}

const header = "email,said_at,granted,evidence\n"

func TestAFileIsReadHoweverSpreadsheetsWriteIt(t *testing.T) {
	want := cells{"email": "a@example.org", "said_at": "2026-05-01", "granted": "sales marketing", "evidence": "form 1"}
	for name, text := range map[string]string{
		"plain":                "email,said_at,granted,evidence\na@example.org,2026-05-01,sales marketing,form 1\n",
		"with a BOM":           "\ufeffemail,said_at,granted,evidence\na@example.org,2026-05-01,sales marketing,form 1\n",
		"with CRLF":            "email,said_at,granted,evidence\r\na@example.org,2026-05-01,sales marketing,form 1\r\n",
		"without a last break": "email,said_at,granted,evidence\na@example.org,2026-05-01,sales marketing,form 1",
		"with semicolons":      "email;said_at;granted;evidence\na@example.org;2026-05-01;sales marketing;form 1\n",
		"with tabs":            "email\tsaid_at\tgranted\tevidence\na@example.org\t2026-05-01\tsales marketing\tform 1\n",
		"quoted":               "\"Email\", said_at ,granted,evidence\n\"a@example.org\",2026-05-01,\"sales marketing\",\"form 1\"\n",
		"in another order":     "evidence,granted,said_at,email\nform 1,sales marketing,2026-05-01,a@example.org\n",
		"with empty lines":     "\n\nemail,said_at,granted,evidence\n\na@example.org,2026-05-01,sales marketing,form 1\n\n",
	} {
		rows, _, faults := all(text, false)
		if len(faults) > 0 || len(rows) != 1 || !maps.Equal(rows[0], want) {
			t.Errorf("%s: %v %v", name, rows, faults)
		}
	}
	for name, text := range map[string]string{
		"a list":  `{"email":"a@example.org","said_at":"2026-05-01","granted":["sales","marketing"],"evidence":"form 1"}`,
		"a text":  "\ufeff" + `{"email":"a@example.org","said_at":"2026-05-01","granted":"sales marketing","evidence":"form 1","phone":null}` + "\r\n\r\n",
		"escaped": `{"email":"a\u0040example.org","said_at":"2026-05-01","granted":["sales","marketing"],"evidence":"form 1"}` + "\n",
	} {
		rows, _, faults := all(text, true)
		if len(faults) > 0 || len(rows) != 1 || !maps.Equal(rows[0], want) {
			t.Errorf("JSONL with %s: %v %v", name, rows, faults)
		}
	}
}

func TestABrokenFileIsRefusedByLineAndColumn(t *testing.T) {
	good := "a@example.org,2026-05-01,sales,x\n"
	for name, c := range map[string]struct {
		text   string
		jsonl  bool
		line   int64
		column string
		what   string
	}{
		"nothing":                     {"", false, 1, "", "empty"},
		"a header named twice":        {"email,said_at,granted,EMAIL\n", false, 1, "email", "twice"},
		"an unknown column":           {"email,said_at,granted,name\n", false, 1, "name", "no such column"},
		"no column of people":         {"said_at,granted\n", false, 1, "", "names people"},
		"no time":                     {"email,granted\n", false, 1, "said_at", "lacks"},
		"no purposes":                 {"email,said_at\n", false, 1, "", "purposes"},
		"a field too many":            {header + good + "a@example.org,2026-05-01,sales,x,y\n" + good, false, 3, "", "5 fields"},
		"a field too few":             {header + "a@example.org\n" + good, false, 2, "", "1 fields"},
		"an open quote":               {header + good + "a@example.org,2026-05-01,sales,\"x\n" + good, false, 3, "", "never closed"},
		"a quote within":              {header + "a@example.org,2026-05-01,sales,5\" screen\n", false, 2, "", "does not begin with one"},
		"behind a quote":              {header + "a@example.org,2026-05-01,sales,\"x\"y\n", false, 2, "", "closing quote"},
		"a NUL":                       {header + good + "a@example.org,2026-05-01,sales,x\x00\n" + good, false, 3, "", "NUL"},
		"Latin-1":                     {header + good + good + "a@example.org,2026-05-01,sales,Stra\xdfe\n", false, 4, "evidence", "UTF-8"},
		"UTF-16":                      {"\xff\xfee\x00m\x00", false, 1, "", "UTF-16"},
		"ten megabytes in a line":     {header + good + strings.Repeat("x", 10<<20) + "\n" + good, false, 3, "", "longer than"},
		"a quote over many lines":     {header + "a@example.org,2026-05-01,sales,\"" + strings.Repeat("x\n", 40<<10) + "\"\n", false, 2, "", "not closed within"},
		"JSONL: no object":            {"{}\n[]\n", true, 2, "", "no JSON object"},
		"JSONL: cut off":              {`{"email":"a@example.org"`, true, 1, "", "no JSON object"},
		"JSONL: a name twice":         {`{"email":"a@example.org","email":"b@example.org"}`, true, 1, "", "twice"},
		"JSONL: an unknown name":      {`{"mail":"a@example.org"}`, true, 1, "mail", "no such member"},
		"JSONL: an object within":     {`{"email":{"work":"a@example.org"}}`, true, 1, "email", "must be a text"},
		"JSONL: Latin-1":              {"{\"evidence\":\"Stra\xdfe\"}", true, 1, "", "UTF-8"},
		"JSONL: an escaped NUL":       {`{"evidence":"a\u0000b"}`, true, 1, "evidence", "must be"},
		"JSONL: a line of 10 MB":      {strings.Repeat(" ", 10<<20) + "\n", true, 1, "", "longer than"},
		"JSONL: two objects in a row": {`{"email":"a@example.org"} {}`, true, 1, "", "no JSON object"},
	} {
		_, _, faults := all(c.text, c.jsonl)
		if len(faults) != 1 || faults[0].Line != c.line || faults[0].Column != c.column || !strings.Contains(faults[0].What, c.what) {
			t.Errorf("%s: %v", name, faults)
			continue
		}
		if text := faults[0].Error(); len(text) > 400 || strings.Contains(text, "example.org") || strings.Contains(text, "screen") {
			t.Errorf("%s: the fault repeats what stands in the file: %.500s", name, text)
		}
	}
}

// What encoding/csv writes is read back as it was, and each row begins on the line where it stands.
func TestEveryTableThatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cell := rapid.StringOfN(rapid.RuneFrom([]rune("ab,;\"'\n =+-@\tß€")), 0, 12, -1)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 4, 4), 0, 8).Draw(rt, "rows")
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Comma = rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(rt, "comma")
		w.UseCRLF = rapid.Bool().Draw(rt, "crlf")
		names := []string{"email", "said_at", "granted", "evidence"}
		if err := w.WriteAll(append([][]string{names}, rows...)); err != nil {
			rt.Fatal(err)
		}
		got, lines, faults := all(text.String(), false)
		if len(faults) > 0 || len(got) != len(rows) {
			rt.Fatalf("%d rows of %d, %v\n%q", len(got), len(rows), faults, text.String())
		}
		line := int64(2)
		for i, row := range rows {
			for k, name := range names {
				if got[i][name] != strings.TrimSpace(row[k]) {
					rt.Fatalf("row %d: %q is %q, want %q", i, name, got[i][name], row[k])
				}
			}
			if lines[i] != line {
				rt.Fatalf("row %d is said to begin on line %d, and begins on %d", i, lines[i], line)
			}
			line += 1 + int64(strings.Count(strings.Join(row, ""), "\n"))
		}
	})
}

// Whatever is in a file: it is read to its end or refused, never read otherwise than encoding/csv would,
// and each row becomes a Row or a refusal that names a column.
func FuzzFile(f *testing.F) {
	f.Add([]byte(header+"a@example.org,2026-05-01,sales,x\n"), false)
	f.Add([]byte("\ufeffemail;said_at;granted\r\n\"a\"\"\";2026;\"x\ny\"\r\n"), false)
	f.Add([]byte(`{"email":"a@example.org","said_at":"2026-05-01T00:00:00Z","refused":["sales"],"version":2,"explicit":true}`), true)
	f.Fuzz(func(t *testing.T, text []byte, jsonl bool) {
		rows, _, faults := all(string(text), jsonl)
		for _, c := range rows {
			row, identity, refusal := c.row(true)
			switch {
			case refusal != nil:
				if refusal.Message == "" || refusal.Code == "" || !slices.Contains(columns, refusal.Column) {
					t.Fatalf("%q is refused by %+v", c, refusal)
				}
			case row.Person[identity] == "" || len(row.Purposes) == 0 || row.SaidAt.Year() < 1:
				t.Fatalf("%q became %+v", c, row)
			}
		}
		if jsonl || len(faults) > 0 {
			return
		}
		in, err := newFile(bytes.NewReader(text), false)
		if err != nil {
			t.Fatal(err)
		}
		again := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
		again.Comma = rune(in.comma)
		again.FieldsPerRecord = -1
		want, err := again.ReadAll()
		if err != nil || len(want) != len(rows)+1 {
			// encoding/csv takes a line with nothing but a carriage return for a record of one field.
			if errors.Is(err, csv.ErrBareQuote) || errors.Is(err, csv.ErrQuote) {
				t.Fatalf("it was read, and is no CSV: %v", err)
			}
		}
	})
}

func TestARowSaysWhatIsWrongAndWhere(t *testing.T) {
	good := cells{"email": "a@example.org", "said_at": "2026-05-01T09:30:00+02:00", "granted": "sales, support", "notice": "privacy", "version": "3", "language": "de"}
	row, identity, refusal := good.row(false)
	if refusal != nil || identity != "email" || !row.Purposes["sales"] || !row.Purposes["support"] || row.Version != 3 ||
		!row.SaidAt.Equal(time.Date(2026, 5, 1, 7, 30, 0, 0, time.UTC)) {
		t.Fatalf("%+v %+v", row, refusal)
	}
	for name, c := range map[string]struct {
		column, value, wrong string
	}{
		"nobody":                 {"email", "", "email"},
		"two people":             {"phone", "+4930901820", "phone"},
		"no time":                {"said_at", "", "said_at"},
		"a time without a zone":  {"said_at", "2026-05-01 09:30", "said_at"},
		"a day that is none":     {"said_at", "2026-02-30", "said_at"},
		"no purpose":             {"granted", "", "granted"},
		"a purpose twice":        {"granted", "sales sales", "granted"},
		"yes and no":             {"refused", "sales", "refused"},
		"an objection and a yes": {"objected", "predict", "objected"},
		"a version in words":     {"version", "three", "version"},
		"a version below one":    {"version", "0", "version"},
		"explicitness in words":  {"explicit", "perhaps", "explicit"},
		"a deployment by name":   {"deployment", "shop", "deployment"},
		"a grant without a text": {"notice", "", "notice"},
	} {
		bad := maps.Clone(good)
		bad[c.column] = c.value
		_, _, refusal := bad.row(false)
		if refusal == nil || refusal.Column != c.wrong || strings.Contains(refusal.Message, "a@example.org") {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
}
