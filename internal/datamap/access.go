package datamap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"probity/internal/fail"
)

// spoolMemory is how many bytes of rows are kept in memory before they go to a file without a name.
const spoolMemory = 1 << 20

// Found is the answer to an access request. Close it after use.
type Found struct {
	Shared      []Shared
	Unreachable []string       // collections no identity leads to, and stores that did not answer
	Hints       map[string]int // identity values that were found beside those given, by kind
	spools      map[string]*spool
	order       []string
}

// spool holds the rows of one collection, each a line of JSON.
type spool struct {
	rows int
	mem  bytes.Buffer
	file *os.File
	w    *bufio.Writer
}

func (s *spool) add(line []byte) error {
	s.rows++
	if s.file == nil && s.mem.Len()+len(line) > spoolMemory {
		f, err := nameless("probity-access-")
		if err != nil {
			return err
		}
		s.file, s.w = f, bufio.NewWriterSize(f, 64<<10)
		if _, err := s.w.Write(s.mem.Bytes()); err != nil {
			return fail.Wrap(fail.Unavailable, err, "write the rows")
		}
		s.mem = bytes.Buffer{}
	}
	if s.file == nil {
		s.mem.Write(line)
		s.mem.WriteByte('\n')
		return nil
	}
	_, err := s.w.Write(line)
	if err == nil {
		err = s.w.WriteByte('\n')
	}
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "write the rows")
	}
	return nil
}

// each calls f for every row.
func (s *spool) each(f func(line []byte) error) error {
	var r io.Reader = bytes.NewReader(s.mem.Bytes())
	if s.file != nil {
		if err := s.w.Flush(); err != nil {
			return fail.Wrap(fail.Unavailable, err, "write the rows")
		}
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return fail.Wrap(fail.Unavailable, err, "read the rows again")
		}
		r = s.file
	}
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			if err := f(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fail.Wrap(fail.Unavailable, err, "read the rows again")
		}
	}
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// Close drops the rows.
func (f *Found) Close() {
	for _, s := range f.spools {
		s.close()
	}
}

// Collections returns the names of the collections in the answer, in the order of the datasets.
func (f *Found) Collections() []string { return f.order }

// Count returns the number of rows of a collection.
func (f *Found) Count(collection string) int {
	if s := f.spools[collection]; s != nil {
		return s.rows
	}
	return 0
}

// Rows calls fn for each row of the collection, a JSON object that fn must not keep.
func (f *Found) Rows(collection string, fn func(row []byte) error) error {
	if s := f.spools[collection]; s != nil {
		return s.each(fn)
	}
	return nil
}

// WriteJSON writes the answer as one JSON object.
func (f *Found) WriteJSON(w io.Writer) error {
	b := bufio.NewWriterSize(w, 64<<10)
	b.WriteString(`{"rows":{`)
	for i, name := range f.order {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quoted(name))
		b.WriteString(":[")
		first := true
		err := f.Rows(name, func(row []byte) error {
			if !first {
				b.WriteByte(',')
			}
			first = false
			_, err := b.Write(row)
			return err
		})
		if err != nil {
			return err
		}
		b.WriteByte(']')
	}
	b.WriteString(`},"shared":[`)
	for i, s := range f.Shared {
		if i > 0 {
			b.WriteByte(',')
		}
		withheld := s.Withheld
		if withheld == nil {
			withheld = []string{}
		}
		list, err := json.Marshal(withheld)
		if err != nil {
			return err
		}
		owners, _ := json.Marshal(s.Owners)
		b.WriteString(`{"collection":`)
		b.Write(quoted(s.Collection))
		b.WriteString(`,"key":`)
		b.Write(s.Key)
		b.WriteString(`,"owners":`)
		b.Write(owners)
		b.WriteString(`,"withheld":`)
		b.Write(list)
		b.WriteByte('}')
	}
	b.WriteString(`],"unreachable":`)
	list := f.Unreachable
	if list == nil {
		list = []string{}
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return err
	}
	b.Write(raw)
	b.WriteString("}\n")
	return b.Flush()
}

// Access collects what the stores hold about the person. It only reads.
//
// If a store doesn't answer, Access returns what the others hold together with an error of kind
// fail.Unavailable; the store is named in Unreachable.
func Access(ctx context.Context, req *Request) (*Found, error) {
	out := &Found{spools: map[string]*spool{}}
	stores, down, failure := connect(ctx, req)
	if failure != nil && len(down) == 0 {
		return nil, failure
	}
	defer closeAll(stores)
	w, err := newWalker(ctx, req, stores, true)
	if err != nil {
		return nil, err
	}
	defer w.rollback()
	targets := req.Targets
	type held struct {
		Shared
		over bool // a later way shows the row whole
	}
	shared := map[*Collection]map[digest]int32{}
	var list []held
	lists := map[string][]string{} // of what is withheld: few, for very many rows
	report := func(c *Collection, f found, withheld map[*Field]bool) {
		names := sortedNames(withheld)
		if k := strings.Join(names, "\x00"); lists[k] != nil {
			names = lists[k]
		} else {
			lists[k] = names
		}
		s := held{Shared: Shared{Collection: c.String(), Key: keyOf(c, f.row, withheld), Owners: len(f.own), Withheld: names}}
		if w.once[c] {
			list = append(list, s)
			return
		}
		if shared[c] == nil {
			shared[c] = map[digest]int32{}
		}
		id := digestOf(f.id)
		if i, ok := shared[c][id]; ok {
			list[i] = s
			return
		}
		shared[c][id] = int32(len(list))
		list = append(list, s)
	}
	err = w.walk(ctx, func(c *Collection, f found) error {
		var withheld map[*Field]bool
		if req.Mode == ModeGuarded {
			switch f.status {
			case foreign:
				all := c.all()
				// A key of the map is a field of the row, and withheld with the rest.
				report(c, f, all)
				return nil
			case owned, accessed:
				withheld = w.own.withheld(f.node)
				others := len(f.own) > 1 || f.status == accessed && len(f.own) > 0
				if others || len(withheld) > 0 {
					report(c, f, withheld)
				} else if i, ok := shared[c][digestOf(f.id)]; ok {
					list[i].over = true
				}
			}
		}
		line := render(c, f.row, func(g *Field) bool {
			return !withheld[g] && (len(targets) == 0 || g.Matches(targets))
		})
		if line == nil {
			return nil
		}
		s := out.spools[c.String()]
		if s == nil {
			s = &spool{}
			out.spools[c.String()] = s
		}
		return s.add(line)
	})
	if err != nil {
		out.Close()
		return nil, err
	}
	left := slices.DeleteFunc(list, func(h held) bool { return h.over })
	list, shared, lists = nil, nil, nil // they are large
	if len(left) > 0 {
		out.Shared = make([]Shared, len(left))
	}
	for i, h := range left {
		out.Shared[i] = h.Shared
	}
	reach := w.g.reachable(req.kinds())
	for _, c := range w.g.collections {
		if reach[c] && (len(targets) == 0 || out.Count(c.String()) > 0) {
			out.order = append(out.order, c.String())
		}
	}
	out.Hints = w.more()
	out.Unreachable = slices.Concat(w.unreachable(), down)
	return out, failure
}
