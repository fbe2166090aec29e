package datamap

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"

	"probity/internal/fail"
)

// hit is a row in which something is due.
type hit struct {
	*row
	*mark
	due      []*Field        // to be changed
	clear    []cell          // the row as it was, once it is being changed; nil before
	withheld map[*Field]bool // fields that are about others, and stay out of the reports of a correction
}

// mark is what became of a hit.
type mark struct {
	masked bool // a column was changed
	goes   bool // the row is deleted
	gone   bool
}

// hits are the rows of one collection in which something is due, in the order in which they were met.
// They are kept in a scratch file by pages, of which only those in use are in memory, so that a person
// may have any number of rows. The marks alone, three bytes a row, are at hand for all.
type hits struct {
	l       *layout
	file    *scratch
	pages   []page
	marks   []mark
	last    []byte // the page that is being filled
	open    map[int]*opened
	byGiven int // rows in which an identity field holds an identity of the request
}

// page is where some rows stand in the scratch file.
type page struct {
	from, rows int // the first row's number and how many
	at         int64
	size       int
}

// opened is a page in memory. Whoever looks at one of its rows sees what others changed in it.
type opened struct {
	rows    []*hit
	users   int
	changed bool
}

// A page is full when it has as many rows or as many bytes.
const (
	pageRows  = 500
	pageBytes = 256 << 10
)

// add keeps a row. All rows are added before the first is looked at.
func (l *hits) add(h *hit, m mark) error {
	if l.l == nil {
		l.l = h.l
	}
	if len(l.pages) == 0 || l.pages[len(l.pages)-1].size > 0 {
		l.pages = append(l.pages, page{from: len(l.marks)})
	}
	p := &l.pages[len(l.pages)-1]
	l.marks = append(l.marks, m)
	l.last = h.write(l.last)
	if p.rows++; p.rows < pageRows && len(l.last) < pageBytes {
		return nil
	}
	return l.full()
}

// full writes the page that was being filled.
func (l *hits) full() (err error) {
	if len(l.last) == 0 {
		return nil
	}
	p := &l.pages[len(l.pages)-1]
	p.size = len(l.last)
	p.at, err = l.file.add(l.last)
	l.last = l.last[:0]
	return err
}

// size returns the number of rows.
func (l *hits) size() int {
	if l == nil {
		return 0
	}
	return len(l.marks)
}

// each hands out the rows page by page.
func (l *hits) each(f func([]*hit) error) error { return l.pass(false, f) }

// change hands out the rows page by page, and keeps what f changes in them.
func (l *hits) change(f func([]*hit) error) error { return l.pass(true, f) }

func (l *hits) pass(change bool, f func([]*hit) error) error {
	if l == nil {
		return nil
	}
	if err := l.full(); err != nil {
		return err
	}
	for i := range l.pages {
		o, err := l.take(i)
		if err != nil {
			return err
		}
		o.changed = o.changed || change
		err = f(slices.Clone(o.rows))
		if e := l.put(i, o); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// edit hands out the row with the number, and keeps what f changes in it.
func (l *hits) edit(n int, f func(*hit)) error {
	i, found := slices.BinarySearchFunc(l.pages, n, func(p page, n int) int { return p.from - n })
	if !found {
		i--
	}
	o, err := l.take(i)
	if err != nil {
		return err
	}
	o.changed = true
	f(o.rows[n-l.pages[i].from])
	return l.put(i, o)
}

// take brings a page into memory.
func (l *hits) take(i int) (*opened, error) {
	if l.open == nil {
		l.open = map[int]*opened{}
	}
	o := l.open[i]
	if o == nil {
		p := l.pages[i]
		b, err := l.file.read(p.at, p.size)
		if err != nil {
			return nil, err
		}
		r := &pageReader{b: b}
		o = &opened{}
		for n := range p.rows {
			h := r.hit(l.l)
			h.mark = &l.marks[p.from+n]
			o.rows = append(o.rows, h)
		}
		if r.short {
			return nil, errShort
		}
		l.open[i] = o
	}
	o.users++
	return o, nil
}

// put lets go of a page; the last who does writes what was changed.
func (l *hits) put(i int, o *opened) error {
	if o.users--; o.users > 0 {
		return nil
	}
	delete(l.open, i)
	if !o.changed {
		return nil
	}
	var b []byte
	for _, h := range o.rows {
		b = h.write(b)
	}
	at, err := l.file.add(b)
	l.pages[i].at, l.pages[i].size = at, len(b)
	return err
}

// snapshot is what the rows were at a moment. What is written later does not overwrite it.
type snapshot struct {
	pages []page
	marks []mark
}

// snapshot must not be asked for while a page is handed out.
func (l *hits) snapshot() (snapshot, error) {
	err := l.full()
	return snapshot{slices.Clone(l.pages), slices.Clone(l.marks)}, err
}

// back makes the rows what they were. Those that were found to stay since then stay.
func (l *hits) back(s snapshot) {
	copy(l.pages, s.pages)
	for i, m := range s.marks {
		m.goes = m.goes && l.marks[i].goes
		l.marks[i] = m
	}
}

// write appends the row to a page.
func (h *hit) write(b []byte) []byte {
	b = appendText(b, h.id)
	b = appendText(b, h.ctid)
	field := func(f *Field) { b = binary.AppendUvarint(b, uint64(slices.Index(h.l.c.leaves, f))) }
	b = binary.AppendUvarint(b, uint64(len(h.due)))
	for _, f := range h.due {
		field(f)
	}
	b = binary.AppendUvarint(b, uint64(len(h.withheld)))
	for f := range h.withheld {
		field(f)
	}
	b = binary.AppendUvarint(b, uint64(len(h.cells)))
	for _, c := range h.cells {
		b = appendCell(b, c)
	}
	b = binary.AppendUvarint(b, uint64(len(h.clear)))
	for i, c := range h.clear {
		if c == h.cells[i] {
			b = append(b, cellSame)
			continue
		}
		b = appendCell(b, c)
	}
	return b
}

// What stands before a cell in a page.
const (
	cellNull = iota
	cellText
	cellSame // as in the row now
)

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendCell(b []byte, c cell) []byte {
	if c.null {
		return append(b, cellNull)
	}
	return appendText(append(b, cellText), c.text)
}

var errShort = errors.New("a page of the scratch file is cut short")

// pageReader reads the rows of a page.
type pageReader struct {
	b     []byte
	short bool
}

func (r *pageReader) number() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *pageReader) text() string {
	n := r.number()
	if n > len(r.b) {
		r.short, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// cell reads a cell; now is what the row holds in its place.
func (r *pageReader) cell(now cell) cell {
	switch r.number() {
	case cellNull:
		return cell{null: true}
	case cellSame:
		return now
	}
	return cell{text: r.text()}
}

func (r *pageReader) hit(l *layout) *hit {
	h := &hit{row: &row{l: l, id: r.text(), ctid: r.text()}}
	for range r.number() {
		h.due = append(h.due, l.c.leaves[r.number()])
	}
	for n := r.number(); n > 0; n-- {
		if h.withheld == nil {
			h.withheld = map[*Field]bool{}
		}
		h.withheld[l.c.leaves[r.number()]] = true
	}
	h.cells = make([]cell, r.number())
	for i := range h.cells {
		h.cells[i] = r.cell(cell{})
	}
	if n := r.number(); n > 0 {
		h.clear = make([]cell, n)
		for i := range h.clear {
			h.clear[i] = r.cell(h.cells[i])
		}
	}
	return h
}

// scratch is what a run has to keep but not in memory: the first bytes of it are, the rest is in a file
// without a name, which ends with the process, however that ends.
type scratch struct {
	mem  []byte
	file *os.File
	size int64
}

// scratchMemory is how many bytes stay in memory.
const scratchMemory = 2 << 20

// add keeps the bytes and returns where they begin.
func (s *scratch) add(b []byte) (int64, error) {
	at := s.size
	if s.file == nil && len(s.mem)+len(b) <= scratchMemory {
		s.mem = append(s.mem, b...)
		s.size += int64(len(b))
		return at, nil
	}
	if s.file == nil {
		f, err := nameless("probity-rows-")
		if err != nil {
			return 0, err
		}
		s.file = f
	}
	// What is in memory stays there, so that no place moves: the file begins where memory ends.
	if _, err := s.file.WriteAt(b, at-int64(len(s.mem))); err != nil {
		return 0, fail.Wrap(fail.Unavailable, err, "write the rows")
	}
	s.size += int64(len(b))
	return at, nil
}

// read returns the bytes that were kept there. They are the caller's until the next call of add.
func (s *scratch) read(at int64, n int) ([]byte, error) {
	if at < int64(len(s.mem)) {
		return s.mem[at : at+int64(n)], nil
	}
	b := make([]byte, n)
	if _, err := s.file.ReadAt(b, at-int64(len(s.mem))); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "read the rows again")
	}
	return b, nil
}

func (s *scratch) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// nameless makes a file that ends with the process, however that ends.
func nameless(pattern string) (*os.File, error) {
	f, err := os.CreateTemp("", pattern)
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "make a file for the rows")
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fail.Wrap(fail.Unavailable, err, "make a file for the rows")
	}
	return f, nil
}
