package legacy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"probity/internal/fail"
)

// maxRecord bounds one row in bytes. What is longer is no row but a broken file.
const maxRecord = 64 << 10

// Fault is why a file can't be read to its end. It holds nothing of what stands in the file.
type Fault struct {
	Line   int64
	Column string // empty: the line as a whole
	What   string
	last   bool // what follows can't be told apart
}

// Error names the line and the column.
func (f *Fault) Error() string {
	if f.Column != "" {
		return fmt.Sprintf("%d: column %q: %s", f.Line, f.Column, f.What)
	}
	return fmt.Sprintf("%d: %s", f.Line, f.What)
}

// file reads rows. next returns io.EOF at the end and a *Fault for what is no row.
type file struct {
	closer io.Closer
	in     *bufio.Reader
	line   int64 // of the last line that was read

	jsonl  bool
	comma  byte
	header []string
}

// open opens a file and reads the header of a CSV.
func open(name, format string) (*file, error) {
	if format == "" {
		switch strings.ToLower(filepath.Ext(name)) {
		case ".csv", ".tsv", ".txt":
			format = "csv"
		case ".jsonl", ".ndjson":
			format = "jsonl"
		default:
			return nil, fail.Field("format", "The name of the file does not tell whether it is CSV or JSONL: say --format csv or --format jsonl.")
		}
	}
	if format != "csv" && format != "jsonl" {
		return nil, fail.Field("format", "The format is neither csv nor jsonl.")
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fail.Field("file", "%s is no file: it is read twice, so it can't be a pipe.", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "The file can't be opened")
	}
	out, err := newFile(f, format == "jsonl")
	if err != nil {
		f.Close()
		if fault, ok := err.(*Fault); ok {
			return nil, fail.New(fail.Invalid, "Nothing was recorded: %s:%s", name, fault.Error())
		}
		return nil, err
	}
	out.closer = f
	return out, nil
}

func newFile(r io.Reader, jsonl bool) (*file, error) {
	f := &file{in: bufio.NewReaderSize(r, maxRecord+4), jsonl: jsonl}
	head, err := f.in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = f.in.Discard(3) // spreadsheets put it there
	case bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, &Fault{Line: 1, What: "the file is UTF-16; save it as UTF-8"}
	}
	if jsonl {
		return f, nil
	}
	return f, f.readHeader()
}

func (f *file) close() { f.closer.Close() }

// physical returns the next line without its end, or io.EOF. A line that is too long, has a NUL or is
// not UTF-8 is a Fault, and is passed over.
func (f *file) physical() ([]byte, error) {
	text, err := f.in.ReadSlice('\n')
	if err == io.EOF && len(text) == 0 {
		return nil, io.EOF
	}
	f.line++
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = f.in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, &Fault{Line: f.line, What: fmt.Sprintf("the line is longer than %d bytes; is a line break or a quote missing?", maxRecord)}
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, &Fault{Line: f.line, What: "it holds a NUL byte: the file is damaged or no text; export it again as UTF-8"}
	}
	return text, nil
}

const notUTF8 = "it is not UTF-8; convert the file, for example with iconv -f LATIN1 -t UTF-8"

// next returns the next row and the line it begins on.
func (f *file) next() (cells, int64, error) {
	if f.jsonl {
		return f.nextJSON()
	}
	fields, line, err := f.record()
	if err != nil {
		return nil, line, err
	}
	if len(fields) != len(f.header) {
		return nil, line, &Fault{Line: line, What: fmt.Sprintf("the row has %d fields, and the header has %d; put fields with %q between quotes", len(fields), len(f.header), f.comma)}
	}
	out := cells{}
	for i, v := range fields {
		if !utf8.ValidString(v) {
			return nil, line, &Fault{Line: line, Column: f.header[i], What: notUTF8}
		}
		if v = strings.TrimSpace(v); v != "" {
			out[f.header[i]] = v
		}
	}
	return out, line, nil
}

// record returns the fields of the next CSV record. Empty lines are passed over.
func (f *file) record() ([]string, int64, error) {
	var text []byte
	var first int64
	for {
		line, err := f.physical()
		if fault, ok := err.(*Fault); ok && text != nil {
			fault.last = true
		}
		if err == io.EOF && text != nil {
			return nil, first, &Fault{Line: first, What: "a quote that begins here is never closed", last: true}
		}
		if err != nil {
			return nil, f.line, err
		}
		if text == nil {
			if len(line) == 0 {
				continue
			}
			first = f.line
			text = slices.Clone(line)
		} else {
			text = append(append(text, '\n'), line...)
		}
		if len(text) > maxRecord {
			return nil, first, &Fault{Line: first, What: fmt.Sprintf("a quote that begins here is not closed within %d bytes", maxRecord), last: true}
		}
		fields, open, what := split(text, f.comma)
		if what != "" {
			// A quote is where none may be: which of the following ones opens a field can't be told.
			return nil, first, &Fault{Line: first, What: what, last: true}
		}
		if !open {
			return fields, first, nil
		}
	}
}

// split takes a record apart (RFC 4180). open tells that it ends within quotes; what is wrong with it
// is empty if nothing is.
func split(text []byte, comma byte) (fields []string, open bool, what string) {
	for i := 0; ; {
		if i < len(text) && text[i] == '"' {
			var field []byte
			for i++; ; i++ {
				if i >= len(text) {
					return nil, true, ""
				}
				if text[i] != '"' {
					field = append(field, text[i])
					continue
				}
				if i+1 < len(text) && text[i+1] == '"' {
					field = append(field, '"')
					i++
					continue
				}
				break
			}
			i++
			fields = append(fields, string(field))
			if i < len(text) && text[i] != comma {
				return nil, false, "something stands behind a closing quote; a quote within a field is written twice"
			}
		} else {
			end := bytes.IndexByte(text[i:], comma)
			if end < 0 {
				end = len(text) - i
			}
			field := text[i : i+end]
			if bytes.IndexByte(field, '"') >= 0 {
				return nil, false, "a quote stands in a field that does not begin with one; put the field between quotes and write the quote twice"
			}
			fields = append(fields, string(field))
			i += end
		}
		if i >= len(text) {
			return fields, false, ""
		}
		i++ // the comma
	}
}

// columns are the names that a header, or a JSON object, may have.
var columns = []string{
	"email", "phone", "external_id", "cookie", "said_at", "granted", "refused", "objected",
	"notice", "version", "language", "text", "deployment", "evidence", "explicit", "key",
}

func (f *file) readHeader() error {
	f.comma = ','
	// The delimiter is the one that stands in the header most: its names have none of them.
	head, _ := f.in.Peek(maxRecord)
	if end := bytes.IndexByte(head, '\n'); end >= 0 {
		head = head[:end]
	}
	most := bytes.Count(head, []byte{','})
	for _, c := range []byte{';', '\t'} {
		if n := bytes.Count(head, []byte{c}); n > most {
			f.comma, most = c, n
		}
	}
	fields, line, err := f.record()
	if err == io.EOF {
		return &Fault{Line: 1, What: "the file is empty; the first line names the columns"}
	}
	if err != nil {
		return err
	}
	for _, name := range fields {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !utf8.ValidString(name):
			return &Fault{Line: line, What: "a name of a column: " + notUTF8}
		case slices.Contains(f.header, name):
			return &Fault{Line: line, Column: name, What: "the header names it twice; leave one out"}
		case !slices.Contains(columns, name):
			return &Fault{Line: line, Column: clip(name), What: "there is no such column; the columns are " + strings.Join(columns, ", ")}
		}
		f.header = append(f.header, name)
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(f.header, n) })
	}
	switch {
	case !has("email", "phone", "external_id", "cookie"):
		return &Fault{Line: line, What: "the header has no column that names people: email, phone, external_id or cookie"}
	case !has("said_at"):
		return &Fault{Line: line, Column: "said_at", What: "the header lacks it: the time when each person said it"}
	case !has("granted", "refused", "objected"):
		return &Fault{Line: line, What: "the header has no column of purposes: granted, refused or objected"}
	}
	return nil
}

// clip keeps a name from filling the screen.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// nextJSON returns the next object of a JSONL file. Empty lines are passed over.
func (f *file) nextJSON() (cells, int64, error) {
	for {
		text, err := f.physical()
		if err != nil {
			return nil, f.line, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		out, fault := readObject(text)
		if fault != nil {
			fault.Line = f.line
			return nil, f.line, fault
		}
		return out, f.line, nil
	}
}

func readObject(text []byte) (cells, *Fault) {
	if !utf8.Valid(text) {
		return nil, &Fault{What: notUTF8}
	}
	var object map[string]jsontext.Value
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, &Fault{What: "it is no JSON object, or a name stands in it twice; each line is an object of its own"}
	}
	out := cells{}
	for name, v := range object {
		if !slices.Contains(columns, name) {
			return nil, &Fault{Column: clip(name), What: "there is no such member; they are " + strings.Join(columns, ", ")}
		}
		s, ok := scalar(v)
		if !ok {
			return nil, &Fault{Column: name, What: "it must be a text, a number, true or false, or a list of texts"}
		}
		if s = strings.TrimSpace(s); s != "" {
			out[name] = s
		}
	}
	return out, nil
}

// scalar returns a JSON value as it would stand in a CSV.
func scalar(v jsontext.Value) (string, bool) {
	switch v.Kind() {
	case '"':
		var s string
		return s, json.Unmarshal(v, &s) == nil && !strings.Contains(s, "\x00")
	case '0', 't', 'f':
		return string(v), true
	case 'n':
		return "", true
	case '[':
		var list []string
		err := json.Unmarshal(v, &list)
		return strings.Join(list, " "), err == nil && !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "\x00") })
	}
	return "", false
}
