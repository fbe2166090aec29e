package tombstone

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// headline starts a file, so that a person who finds one knows what it is.
const headline = "probity register of erasures v1: only ever added to; keep it apart from the backups, it must not go back with them\n"

// file is one file of a register.
type file struct {
	path  string
	key   []byte
	file  *os.File
	known map[uuid.UUID]bool
	end   int64     // bytes that were read and found good
	last  string    // the code of the last line; empty before the first
	mac   hash.Hash // of check
}

// line is one entry in the file.
type line struct {
	Entry json.RawMessage `json:"entry"`
	Prev  string          `json:"prev"` // the code of the line before
	Code  string          `json:"code"` // authenticates Entry and Prev
}

func openFile(path string, key []byte) (_ *file, err error) {
	f := &file{path: path, key: key, known: map[uuid.UUID]bool{}}
	if f.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the register of erasures %s can't be opened", path)
	}
	if err := f.catchUp(); err != nil {
		_ = f.file.Close() // the first error is the one to report
		return nil, err
	}
	return f, syncFolder(path)
}

// catchUp reads what was added since, by whomever. A line that a crash cut off was never acknowledged
// and is taken away.
func (f *file) catchUp() (err error) {
	if err := lock(f.file); err != nil {
		return f.unavailable(err, "locked")
	}
	defer func() { err = errors.Join(err, unlock(f.file)) }()
	return f.catchUpLocked()
}

func (f *file) catchUpLocked() error {
	info, err := f.file.Stat()
	if err != nil {
		return f.unavailable(err, "read")
	}
	if info.Size() == f.end && f.end > 0 {
		return nil
	}
	if info.Size() < f.end {
		return fail.New(fail.Conflict, "the register of erasures %s became shorter while it was open: put its newest copy back and start again", f.path)
	}
	if f.end == 0 {
		if done, err := f.begin(info.Size()); done || err != nil {
			return err
		}
	}
	return f.lines(f.end, info.Size(), func(raw []byte) error {
		entry, code, err := f.check(raw)
		if err != nil {
			return err
		}
		f.known[entry], f.last = true, code
		f.end += int64(len(raw))
		return nil
	})
}

// begin writes the headline of a new file, or passes over that of an old one.
func (f *file) begin(size int64) (fresh bool, err error) {
	head := make([]byte, min(size, int64(len(headline))))
	if _, err := f.file.ReadAt(head, 0); err != nil {
		return false, f.unavailable(err, "read")
	}
	switch {
	case string(head) == headline:
		f.end = int64(len(headline))
		return false, nil
	case len(head) < len(headline) && bytes.HasPrefix([]byte(headline), head):
		// Empty, or cut off before it was ever used.
		if err := f.write(0, []byte(headline)); err != nil {
			return false, err
		}
		f.end = int64(len(headline))
		return true, nil
	}
	return false, fail.New(fail.Conflict, "%s is not a register of erasures", f.path)
}

// each calls fn for every entry.
func (f *file) each(fn func(Entry) error) error {
	return f.since(Mark{Place: int64(len(headline))}, fn)
}

// covers tells whether the line that ends at the mark's place is good and has its code.
func (f *file) covers(m Mark) (bool, error) {
	begin := int64(len(headline))
	if m.Code == "" || m.Place <= begin || m.Place > f.end {
		return false, nil
	}
	for size := int64(1 << 12); ; size *= 4 {
		from := max(begin, m.Place-size)
		part := make([]byte, m.Place-from)
		if _, err := f.file.ReadAt(part, from); err != nil {
			return false, f.unavailable(err, "read")
		}
		if part[len(part)-1] != '\n' {
			return false, nil
		}
		at := bytes.LastIndexByte(part[:len(part)-1], '\n') + 1
		if at == 0 && from > begin {
			continue // the line is longer
		}
		var l line
		if err := json.Unmarshal(part[at:], &l); err != nil {
			return false, nil
		}
		return l.Code == m.Code && hmac.Equal([]byte(l.Code), []byte(f.code(l.Prev, l.Entry))), nil
	}
}

// since calls fn for every entry after a mark that the file has.
func (f *file) since(m Mark, fn func(Entry) error) error {
	prev := f.last
	defer func() { f.last = prev }()
	f.last = m.Code
	return f.read(m.Place, f.end, func(_ []byte, e Entry, code string) error {
		f.last = code
		return fn(e)
	})
}

// read checks the lines between two offsets, each against the code of the one before, which the caller
// keeps in last.
func (f *file) read(from, to int64, each func(raw []byte, e Entry, code string) error) error {
	return f.lines(from, to, func(raw []byte) error {
		e, code, err := f.open(raw)
		if err != nil {
			return err
		}
		return each(raw, e, code)
	})
}

// lines calls each for the whole lines between two offsets.
func (f *file) lines(from, to int64, each func(raw []byte) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(f.file, from, to-from), 1<<16)
	at := from
	for {
		raw, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(raw) == 0 {
				return nil
			}
			if err := f.file.Truncate(at); err != nil {
				return f.unavailable(err, "mended")
			}
			return nil
		}
		if err != nil {
			return f.unavailable(err, "read")
		}
		at += int64(len(raw))
		if err := each(raw); err != nil {
			return err
		}
	}
}

// check is open for whoever only asks which entry it is. It takes a line apart as add writes it, without
// reading the entry, which the code authenticates; of any other form open judges.
func (f *file) check(raw []byte) (entry uuid.UUID, code string, err error) {
	const head, prev, next, end, digits = `{"entry":`, `,"prev":"`, `","code":"`, "\"}\n", 2 * sha256.Size
	slow := func() (uuid.UUID, string, error) {
		e, code, err := f.open(raw)
		return e.ID, code, err
	}
	before := len(prev) + len(f.last) + len(next) + digits + len(end)
	if len(raw) < len(head)+before {
		return slow()
	}
	body, tail := raw[len(head):len(raw)-before], raw[len(raw)-before:]
	tail = tail[:len(tail)-len(end)]
	stated := tail[len(tail)-digits:]
	const number = `{"id":"`
	if string(raw[:len(head)]) != head || string(tail[:len(tail)-digits]) != prev+f.last+next || string(raw[len(raw)-len(end):]) != end ||
		len(body) < len(number)+36 || string(body[:len(number)]) != number {
		return slow()
	}
	if f.mac == nil {
		f.mac = hmac.New(sha256.New, f.key)
	}
	f.mac.Reset()
	f.mac.Write([]byte("probity/erasures/v1\n" + f.last + "\n"))
	f.mac.Write(body)
	var sum [sha256.Size]byte
	var want [digits]byte
	hex.Encode(want[:], f.mac.Sum(sum[:0]))
	if entry, err = uuid.ParseBytes(body[len(number) : len(number)+36]); err != nil || !hmac.Equal(want[:], stated) {
		return slow()
	}
	return entry, string(stated), nil
}

// examine counts what the file holds. A line that is not good is counted, and the next one is held to
// what it says of the line before.
func (f *file) examine() (x Examined, err error) {
	x.Path = f.path
	info, err := f.file.Stat()
	if err != nil {
		return x, f.unavailable(err, "read")
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f.file, 0, info.Size()), 1<<16)
	for n := 1; ; n++ {
		raw, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return x, f.unavailable(err, "read")
		}
		switch {
		case len(raw) == 0:
			return x, nil
		case n == 1 && string(raw) == headline:
			continue
		}
		e, code, bad := f.open(raw)
		if bad == nil {
			x.Entries++
			if e.At.After(x.Last) {
				x.Last = e.At
			}
		} else {
			x.Unreadable++
			if x.FirstBad == 0 {
				x.FirstBad = n
			}
			var l line
			_ = json.Unmarshal(raw, &l) // what can't be read names no line before the next
			code = l.Code
		}
		f.last = code
	}
}

func (f *file) open(raw []byte) (Entry, string, error) {
	var l line
	err := json.Unmarshal(raw, &l)
	if err != nil || l.Prev != f.last || !hmac.Equal([]byte(l.Code), []byte(f.code(l.Prev, l.Entry))) {
		return Entry{}, "", fail.New(fail.Conflict, "the register of erasures %s was altered, or belongs to another root key: "+
			"put its newest copy back; nothing is served before it is whole, because somebody who was erased could return", f.path).
			WithCode("erasures.altered")
	}
	e, err := Decode(l.Entry)
	return e, l.Code, err
}

func (f *file) code(prev string, entry []byte) string {
	h := hmac.New(sha256.New, f.key)
	h.Write([]byte("probity/erasures/v1\n" + prev + "\n"))
	h.Write(entry)
	return hex.EncodeToString(h.Sum(nil))
}

// hasMore tells whether the file has an entry that the other lacks.
func (f *file) hasMore(other *file) bool {
	for entry := range f.known {
		if !other.known[entry] {
			return true
		}
	}
	return false
}

// add appends the entries that are not there, and returns when they are on disk.
func (f *file) add(entries ...Entry) (err error) {
	if !f.lacks(entries) {
		return nil
	}
	if err := lock(f.file); err != nil {
		return f.unavailable(err, "locked")
	}
	defer func() { err = errors.Join(err, unlock(f.file)) }()
	if err := f.catchUpLocked(); err != nil {
		return err
	}
	var text []byte
	last, news := f.last, map[uuid.UUID]bool{}
	for _, e := range entries {
		if f.known[e.ID] || news[e.ID] {
			continue
		}
		entry, err := Encode(e)
		if err != nil {
			return err
		}
		code := f.code(last, entry)
		raw, err := json.Marshal(line{Entry: entry, Prev: last, Code: code})
		if err != nil {
			return err
		}
		text = append(append(text, raw...), '\n')
		last, news[e.ID] = code, true
	}
	if len(news) == 0 {
		return nil
	}
	if err := f.write(f.end, text); err != nil {
		// Half a line must not stand before the next one.
		return errors.Join(err, f.file.Truncate(f.end))
	}
	for n := range news {
		f.known[n] = true
	}
	f.last = last
	f.end += int64(len(text))
	return nil
}

// copyTo adds to the other file what it lacks, many entries at once.
func (f *file) copyTo(other *file) error {
	const many = 1000
	var part []Entry
	err := f.each(func(e Entry) error {
		if other.known[e.ID] {
			return nil
		}
		if part = append(part, e); len(part) < many {
			return nil
		}
		defer func() { part = part[:0] }()
		return other.add(part...)
	})
	if err != nil {
		return err
	}
	return other.add(part...)
}

// lacks tells whether one of the entries is not known to be in the file.
func (f *file) lacks(entries []Entry) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return !f.known[e.ID] })
}

func (f *file) write(at int64, b []byte) error {
	_, err := f.file.WriteAt(b, at)
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return f.unavailable(err, "written")
	}
	return nil
}

func (f *file) unavailable(err error, what string) error {
	return fail.Wrap(fail.Unavailable, err, "the register of erasures %s can't be %s", f.path, what)
}

// syncFolder makes the name of a new file durable.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the folder of the register of erasures can't be opened")
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the register of erasures %s can't be made durable", path)
	}
	return nil
}
