package replay

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// row is one line of the CSV, or several if a quoted field has line breaks. fields are valid until
// the next row is read.
type row struct {
	fields []string
	line   int64 // in the file, from 1
	number int64 // of the row, from 1, without the header
}

// rows reads a CSV file and knows where in the file it is.
type rows struct {
	file   *os.File
	name   string
	plan   *plan
	header []string
	size   int64

	csv    *csv.Reader
	base   int64 // offset at which csv began
	lines  int64 // line breaks before base
	number int64 // of the last row that was read
}

// openRows opens the file, reads its header and binds the map to it.
func openRows(name string, p *plan) (*rows, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the CSV: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read the CSV: %w", err)
	}
	r := &rows{file: f, name: name, plan: p, size: info.Size()}
	r.begin(0, 0)
	if err := r.readHeader(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *rows) close() { r.file.Close() }

// begin sets the reader on the file's present position.
func (r *rows) begin(offset, lines int64) {
	r.csv = csv.NewReader(r.file)
	r.csv.Comma, _ = utf8.DecodeRuneInString(r.plan.delimiter())
	r.csv.ReuseRecord = true
	r.csv.FieldsPerRecord = -1 // counted here, to name the line
	r.base, r.lines = offset, lines
}

func (r *rows) readHeader() error {
	if len(r.plan.Columns) > 0 {
		r.header = r.plan.Columns
		return r.plan.bind(r.header)
	}
	fields, err := r.csv.Read()
	if err == io.EOF {
		return fmt.Errorf("%s:1: the file is empty", r.name)
	}
	if err != nil {
		return r.broken(err)
	}
	r.header = slices.Clone(fields)
	r.header[0] = strings.TrimPrefix(r.header[0], "\uFEFF") // spreadsheets put it there
	for i := range r.header {
		r.header[i] = strings.TrimSpace(r.header[i])
	}
	return r.plan.bind(r.header)
}

// seek goes to where the state says.
func (r *rows) seek(s *state) error {
	if s.Offset > r.size {
		return fmt.Errorf("%s: the file is shorter than when the replay stopped", r.name)
	}
	lines, err := countLines(io.NewSectionReader(r.file, 0, s.Offset))
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	if _, err := r.file.Seek(s.Offset, io.SeekStart); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	r.begin(s.Offset, lines)
	r.number = s.Row
	return nil
}

// position writes where the last row ended into the state.
func (r *rows) position(s *state) {
	s.Offset, s.Row = r.base+r.csv.InputOffset(), r.number
}

// next returns the next row, or io.EOF.
func (r *rows) next() (row, error) {
	fields, err := r.csv.Read()
	if err == io.EOF {
		return row{}, err
	}
	if err != nil {
		return row{}, r.broken(err)
	}
	at, _ := r.csv.FieldPos(0)
	line := r.lines + int64(at)
	if len(fields) != len(r.header) {
		return row{}, fmt.Errorf("%s:%d: the row has %d fields, and the header has %d", r.name, line, len(fields), len(r.header))
	}
	for i, f := range fields {
		if !utf8.ValidString(f) {
			return row{}, fmt.Errorf("%s:%d: column %q is not UTF-8; convert the file first", r.name, line, r.header[i])
		}
	}
	r.number++
	return row{fields: fields, line: line, number: r.number}, nil
}

// countLines returns how many line breaks there are.
func countLines(from io.Reader) (n int64, err error) {
	buf := make([]byte, 1<<16)
	for {
		k, err := from.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte("\n")))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// broken names file and line of a CSV error.
func (r *rows) broken(err error) error {
	p, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return fmt.Errorf("%s:%d: %s", r.name, r.lines+int64(p.Line), p.Err)
}
