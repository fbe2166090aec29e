// Package tombstone keeps the register of erasures: which data subjects were erased, in files outside
// of every database, so that a restored backup brings nobody back. Beside the erasures it holds what
// else must not be undone by a backup: what people closed, restrictions, legal holds, and that somebody
// was corrected.
//
// A register holds no personal data: the random references that subjects were stored under, keyed
// digests of their identifiers, and the number of the request. What it says is applied to every
// database that does not know it yet, before anything is served from there; see package rights.
//
// # The files
//
// A file is a line that says what it is, and then one line an entry, as JSON. Each line names the one
// before it and is authenticated under a key that is derived from the installation's root key: a line
// that was altered, left out or put in is found when the file is opened. Lines are only ever added.
// All files of a register hold the same entries, not necessarily in the same order; one that lacks
// some, because it is new or was restored from a backup, gets them from the others.
package tombstone

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// Kind is what an entry says. Kinds are stored: don't change them.
type Kind string

// The kinds.
const (
	Erased     Kind = ""           // the person was erased; the files of former versions know no other kind
	Closed     Kind = "closed"     // the person, or the controller, closed purposes: a withdrawal, a refusal, an objection
	Restricted Kind = "restricted" // the person's data may only be stored (Art. 18)
	Lifted     Kind = "lifted"     // the restriction of that request ended
	Held       Kind = "held"       // the person's data is kept from erasure (Art. 17(3))
	Released   Kind = "released"   // that hold ended
	Corrected  Kind = "corrected"  // values of the person were replaced (Art. 16); which, the register does not say
)

// Entry is one decision about a person, or a part of one: an erasure that found more of a person while
// it was being carried out has several entries.
type Entry struct {
	ID       uuid.UUID    `json:"id"` // follows from what the entry says, see New
	At       time.Time    `json:"at"`
	Tenant   id.Tenant    `json:"tenant"`
	Kind     Kind         `json:"kind,omitempty"`
	Request  uuid.UUID    `json:"request"`         // or the record of consent that closed, or the hold
	Subjects []id.Subject `json:"subjects"`        // the person's references
	Keys     []id.Subject `json:"keys,omitempty"`  // other keys that held something of the person
	Names    []Name       `json:"names,omitempty"` // what nothing is accepted under any more; of a hold, whom it names

	Of      id.Subject `json:"of,omitzero"`       // Closed: whose record it is
	Effects string     `json:"effects,omitempty"` // Closed: which purposes, and how, as the consent room writes it
	Article string     `json:"article,omitempty"` // Held: that allows it
	Words   []byte     `json:"words,omitempty"`   // Held: why, sealed under the organisation's key
	By      string     `json:"by,omitempty"`      // Held: kind and id of who placed it
}

// Name is a keyed digest of an identifier. Nobody without the organisation's key can compute it or
// turn it back.
type Name struct {
	Kind   string `json:"kind"`
	Digest []byte `json:"digest"`
}

// New returns an entry whose number follows from all it says except the time, so that saying the same
// twice makes one entry.
func New(e Entry) Entry {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Subjects, e.Keys = sorted(e.Subjects), sorted(e.Keys)
	e.Names = slices.SortedFunc(slices.Values(e.Names), func(a, b Name) int {
		return slices.Compare([]byte(a.Kind+"\x00"+string(a.Digest)), []byte(b.Kind+"\x00"+string(b.Digest)))
	})
	e.Names = slices.CompactFunc(e.Names, func(a, b Name) bool { return a.Kind == b.Kind && string(a.Digest) == string(b.Digest) })
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	part(e.Tenant[:])
	part(e.Request[:])
	for _, list := range [][]id.Subject{e.Subjects, e.Keys} {
		part(binary.BigEndian.AppendUint32(nil, uint32(len(list))))
		for _, s := range list {
			part(s[:])
		}
	}
	for _, n := range e.Names {
		part([]byte(n.Kind))
		part(n.Digest)
	}
	if e.Kind != Erased {
		for _, b := range [][]byte{[]byte(e.Kind), e.Of[:], []byte(e.Effects), []byte(e.Article), e.Words, []byte(e.By)} {
			part(b)
		}
	}
	e.ID = uuid.UUID(h.Sum(nil)[:16])
	return e
}

func sorted(list []id.Subject) []id.Subject {
	out := slices.SortedFunc(slices.Values(list), func(a, b id.Subject) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

// Register is the register of one installation, in one file or several. It is safe for concurrent use,
// also by several processes on the same files.
type Register struct {
	mu    sync.Mutex // guards files and what they know
	files []*file

	queue   sync.Mutex // guards waiting
	waiting []*adding
}

// adding are entries on their way into the files.
type adding struct {
	entries []Entry
	done    bool // guarded by Register.mu, as err is
	err     error
}

// Open opens the files of a register, makes those that are missing, and brings all of them up to what
// any of them knows. The first is the installation's own; the others are copies, best kept where no
// backup of the installation is ever restored.
//
// Errors: fail.Conflict for a file that was altered or belongs to another root key, fail.Unavailable
// for one that can't be read or written.
func Open(key []byte, paths ...string) (_ *Register, err error) {
	r := &Register{}
	defer func() {
		if err != nil {
			_ = r.Close() // the first error is the one to report
		}
	}()
	for _, path := range paths {
		f, err := openFile(path, key)
		if err != nil {
			return nil, err
		}
		r.files = append(r.files, f)
	}
	if len(r.files) == 0 {
		return nil, fail.New(fail.Internal, "a register of erasures needs a file")
	}
	return r, r.Sync()
}

// Sync brings each file up to what any of them knows, other processes' entries included.
func (r *Register) Sync() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, from := range r.files {
		if err := from.catchUp(); err != nil {
			return err
		}
		for _, to := range r.files {
			if to == from || !from.hasMore(to) {
				continue
			}
			if err := from.copyTo(to); err != nil {
				return err
			}
		}
	}
	return nil
}

// Add adds entries and returns when they are on disk in every file. An entry that is there already is
// not added again. Whoever comes while the disk is busy waits and is written together with all others
// who came meanwhile. Errors: fail.Unavailable; then some of the files may have them, and Add is to be
// called again.
func (r *Register) Add(entries ...Entry) error {
	a := &adding{entries: entries}
	r.queue.Lock()
	r.waiting = append(r.waiting, a)
	r.queue.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.done {
		return a.err
	}
	r.queue.Lock()
	group := r.waiting
	r.waiting = nil
	r.queue.Unlock()
	var all []Entry
	for _, w := range group {
		all = append(all, w.entries...)
	}
	var err error
	for _, f := range r.files {
		if err = f.add(all...); err != nil {
			break
		}
	}
	for _, w := range group {
		w.done, w.err = true, err
	}
	return err
}

// Has tells whether the register has the entry.
func (r *Register) Has(entry uuid.UUID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[0].known[entry]
}

// Len returns how many entries there are.
func (r *Register) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.files[0].known)
}

// Each calls fn for every entry, oldest first, reading them from the first file.
func (r *Register) Each(fn func(Entry) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[0].each(fn)
}

// Examined says how one file of a register stands.
type Examined struct {
	Path       string
	Entries    int
	Last       time.Time // of the newest entry by its own time; zero: none
	Unreadable int       // lines that were altered, or are no entries
	FirstBad   int       // number of the first of them, counted from 1
}

// Examine reads a file of a register from beginning to end, and goes on after a line that is not good. It
// changes nothing, and reads a file too that Open refuses. Errors: fail.Unavailable if it can't be read.
func Examine(key []byte, path string) (x Examined, err error) {
	f := &file{path: path, key: key}
	if f.file, err = os.Open(path); err != nil {
		return Examined{Path: path}, f.unavailable(err, "read")
	}
	x, err = f.examine()
	return x, errors.Join(err, f.file.Close())
}

// Mark is a place in the first file of a register, by how far it is from the beginning and by the code of
// the line that ends there. The code follows from all lines before, so that a mark belongs to what was
// written and not to a file: one that was put in its place has it if and only if it begins the same.
type Mark struct {
	Place int64
	Code  string // empty: the beginning
}

// Mark returns the end of what was read and written so far.
func (r *Register) Mark() Mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Mark{r.files[0].end, r.files[0].last}
}

// Covers tells whether the first file has the mark. The beginning is no mark.
func (r *Register) Covers(m Mark) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[0].covers(m)
}

// Since is Each for the entries after a mark that the file has, and returns the mark of its end. The zero
// mark is the beginning.
func (r *Register) Since(m Mark, fn func(Entry) error) (Mark, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.files[0]
	if m.Code == "" {
		m.Place = int64(len(headline))
	}
	end := Mark{f.end, f.last}
	return end, f.since(m, fn)
}

// Close closes the files.
func (r *Register) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var first error
	for _, f := range r.files {
		if err := f.file.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Encode returns the entry as a database keeps it beside the register.
func Encode(e Entry) ([]byte, error) { return json.Marshal(e) }

// Decode reads what Encode made. It fails with fail.Conflict for an entry whose number does not follow
// from what it says.
func Decode(b []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fail.Wrap(fail.Conflict, err, "an entry of the register of erasures can't be read")
	}
	if New(e).ID != e.ID {
		return e, fail.New(fail.Conflict, "an entry of the register of erasures was altered")
	}
	return e, nil
}
