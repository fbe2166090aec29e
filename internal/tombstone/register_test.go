package tombstone_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/tombstone"
)

var key = []byte("a key of thirty-two bytes or so.")

func entry(n byte) tombstone.Entry {
	return tombstone.New(tombstone.Entry{
		At: time.Date(2026, 11, 28, 9, 0, int(n), 0, time.UTC), Tenant: id.Tenant{1}, Request: uuid.UUID{n},
		Subjects: []id.Subject{{n}, {n, 2}}, Keys: []id.Subject{{n, 3}},
		Names: []tombstone.Name{{Kind: "email", Digest: []byte{n, 4}}},
	})
}

func open(t *testing.T, paths ...string) *tombstone.Register {
	t.Helper()
	r, err := tombstone.Open(key, paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func add(t *testing.T, r *tombstone.Register, entries ...tombstone.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := r.Add(e); err != nil {
			t.Fatal(err)
		}
	}
}

func requests(t *testing.T, r *tombstone.Register) (all []byte) {
	t.Helper()
	if err := r.Each(func(e tombstone.Entry) error { all = append(all, e.Request[0]); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatWasAddedIsThereAfterItIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	r := open(t, path)
	add(t, r, entry(1), entry(2), entry(1))
	if got := requests(t, r); !slices.Equal(got, []byte{1, 2}) {
		t.Errorf("the register holds %v", got)
	}
	r.Close()
	again := open(t, path)
	if !again.Has(entry(2).ID) || again.Has(entry(3).ID) || again.Len() != 2 {
		t.Errorf("opened again it holds %d entries", again.Len())
	}
	add(t, again, entry(3))
	var all []tombstone.Entry
	if err := again.Each(func(e tombstone.Entry) error { all = append(all, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := entry(3); len(all) != 3 || all[2].ID != want.ID || !all[2].At.Equal(want.At) || !slices.Equal(all[2].Subjects, want.Subjects) ||
		!bytes.Equal(all[2].Names[0].Digest, want.Names[0].Digest) {
		t.Errorf("it says %+v", all)
	}
}

func TestTheSameErasureIsOneEntryWheneverItIsSaid(t *testing.T) {
	a := entry(1)
	a.At, a.Subjects = a.At.Add(time.Hour), []id.Subject{{1, 2}, {1}, {1}}
	if tombstone.New(a).ID != entry(1).ID {
		t.Error("another time or order makes another entry")
	}
	a.Names = append(a.Names, tombstone.Name{Kind: "phone", Digest: []byte{9}})
	if tombstone.New(a).ID == entry(1).ID {
		t.Error("one name more makes the same entry")
	}
}

func TestACopyThatLacksEntriesGetsThem(t *testing.T) {
	dir := t.TempDir()
	own, copied := filepath.Join(dir, "own"), filepath.Join(dir, "copy")
	r := open(t, own, copied)
	add(t, r, entry(1))
	old, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	add(t, r, entry(2))
	r.Close()
	// The data directory goes back to a time before the second entry, and another one is made there.
	if err := os.WriteFile(own, old, 0o600); err != nil {
		t.Fatal(err)
	}
	alone := open(t, own)
	add(t, alone, entry(3))
	alone.Close()
	if got := requests(t, open(t, own, copied)); !slices.Equal(got, []byte{1, 3, 2}) {
		t.Errorf("the register holds %v", got)
	}
	if got := requests(t, open(t, copied)); !slices.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("the copy holds %v", got)
	}
}

func TestAnythingAlteredIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	r := open(t, path)
	add(t, r, entry(1), entry(2), entry(3))
	r.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, altered := range map[string][]byte{
		"a letter":              bytes.Replace(whole, []byte(`"subjects"`), []byte(`"subjectz"`), 1),
		"a reference":           bytes.Replace(whole, []byte("01020000"), []byte("01090000"), 1),
		"a line left out":       slices.Concat(lines[0], lines[1], lines[3]),
		"the first line gone":   slices.Concat(lines[0], lines[2], lines[3]),
		"lines in other order":  slices.Concat(lines[0], lines[2], lines[1], lines[3]),
		"a line twice":          slices.Concat(whole, lines[3]),
		"something else":        []byte("something else altogether, and longer than the first line of a register of erasures would ever be, to be sure\n"),
		"an empty line between": slices.Concat(lines[0], lines[1], []byte("\n"), lines[2], lines[3]),
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(altered, whole) {
				t.Fatal("nothing was altered")
			}
			if err := os.WriteFile(path, altered, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := tombstone.Open(key, path); !fail.Is(err, fail.Conflict) {
				t.Errorf("it opens: %v", err)
			}
		})
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tombstone.Open([]byte("another key"), path); !fail.Is(err, fail.Conflict) {
		t.Errorf("it opens with another key: %v", err)
	}
}

// A process dies while it writes: at each byte of a line.
func TestALineThatWasCutOffIsTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	r := open(t, path)
	add(t, r, entry(1))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	add(t, r, entry(2))
	r.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(before); n < len(whole); n++ {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := tombstone.Open(key, path)
		if err != nil {
			t.Fatalf("cut off at %d: %v", n, err)
		}
		add(t, again, entry(3))
		if got := requests(t, again); !slices.Equal(got, []byte{1, 3}) {
			t.Fatalf("cut off at %d it holds %v", n, got)
		}
		again.Close()
	}
	// The first line too.
	for n := range strings.Index(string(whole), "\n") {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := tombstone.Open(key, path)
		if err != nil {
			t.Fatalf("cut off at %d: %v", n, err)
		}
		again.Close()
	}
}

func TestSeveralProcessesWriteOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	var writers sync.WaitGroup
	for w := range 4 {
		r := open(t, path)
		writers.Go(func() {
			for n := range 25 {
				if err := r.Add(entry(byte(1 + w*25 + n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if n := open(t, path).Len(); n != 100 {
		t.Errorf("the file holds %d entries, want 100", n)
	}
}

func TestARegisterThatCannotBeWrittenSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	r := open(t, path)
	r.Close()
	if err := r.Add(entry(1)); !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
	if r.Has(entry(1).ID) {
		t.Error("an entry that is on no disk is said to be there")
	}
	if _, err := tombstone.Open(key, filepath.Join(t.TempDir(), "no", "folder")); !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestAnEntryOfADatabaseMustBeWhatItsNumberSays(t *testing.T) {
	b, err := tombstone.Encode(entry(1))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := tombstone.Decode(b); err != nil || e.ID != entry(1).ID {
		t.Errorf("got %v, %v", e.ID, err)
	}
	if _, err := tombstone.Decode(bytes.Replace(b, []byte("01020000"), []byte("01090000"), 1)); !fail.Is(err, fail.Conflict) {
		t.Errorf("an altered entry: %v", err)
	}
}

func TestAFileOfAFormerVersionIsReadAndGoesOn(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("testdata", "erasures-only.register"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "register")
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if !r.Has(entry(1).ID) || !r.Has(entry(2).ID) || r.Len() != 2 {
		t.Fatalf("of the old file it knows %d entries", r.Len())
	}
	add(t, r, closing(3))
	r.Close()
	if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, old) {
		t.Errorf("the old lines were changed (%v)", err)
	}
	if got := requests(t, open(t, path)); !slices.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("the register holds %v", got)
	}
}

// closing is an entry that says that somebody closed purposes.
func closing(n byte) tombstone.Entry {
	return tombstone.New(tombstone.Entry{
		At: time.Date(2026, 11, 28, 10, 0, int(n), 0, time.UTC), Tenant: id.Tenant{1}, Kind: tombstone.Closed, Request: uuid.UUID{n},
		Subjects: []id.Subject{{n}, {n, 2}}, Of: id.Subject{n, 2}, Effects: "marketing=ConsentWithdrawn",
	})
}

func TestTheNumberOfAnEntryFollowsFromAllThatItSays(t *testing.T) {
	seen := map[uuid.UUID]int{closing(1).ID: 0}
	for i, change := range []func(e *tombstone.Entry){
		func(e *tombstone.Entry) { e.Kind = tombstone.Restricted },
		func(e *tombstone.Entry) { e.Of = id.Subject{1} },
		func(e *tombstone.Entry) { e.Effects = "marketing=Objected" },
		func(e *tombstone.Entry) { e.Article = "Art. 17(3)(e)" },
		func(e *tombstone.Entry) { e.Words = []byte("sealed") },
		func(e *tombstone.Entry) { e.By = "staff" },
	} {
		e := closing(1)
		change(&e)
		if was, ok := seen[tombstone.New(e).ID]; ok {
			t.Errorf("change %d makes the entry of change %d", i+1, was)
		}
		seen[tombstone.New(e).ID] = i + 1
	}
	raw, err := tombstone.Encode(closing(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tombstone.Decode(bytes.Replace(raw, []byte("ConsentWithdrawn"), []byte("ConsentGivenAgan"), 1)); !fail.Is(err, fail.Conflict) {
		t.Errorf("an altered entry: %v", err)
	}
}

func TestManyWhoComeTogetherAreWrittenTogetherAndEachIsThere(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "own"), filepath.Join(dir, "copy")}
	first, second := open(t, paths...), open(t, paths...) // as two servers would
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			r := first
			if n%2 == 1 {
				r = second
			}
			if err := r.Add(closing(byte(n))); err != nil {
				t.Error(err)
			}
			if !r.Has(closing(byte(n)).ID) {
				t.Errorf("entry %d was acknowledged and is not there", n)
			}
		})
	}
	all.Wait()
	for _, path := range paths {
		if got := open(t, path).Len(); got != 200 {
			t.Errorf("%s holds %d entries", path, got)
		}
	}
}

// BenchmarkAdd says what one more closing costs whoever waits for it, alone and among many.
func BenchmarkAdd(b *testing.B) {
	for name, many := range map[string]int{"alone": 1, "among 50": 50} {
		b.Run(name, func(b *testing.B) {
			r, err := tombstone.Open(key, filepath.Join(b.TempDir(), "register"))
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			b.SetParallelism(max(1, many/runtime.GOMAXPROCS(0)))
			if many == 1 {
				for b.Loop() {
					if err := r.Add(tombstone.New(tombstone.Entry{Kind: tombstone.Closed, Request: uuid.New(), Of: id.NewSubject()})); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := r.Add(tombstone.New(tombstone.Entry{Kind: tombstone.Closed, Request: uuid.New(), Of: id.NewSubject()})); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func TestAnExaminationCountsWhatCannotBeReadAndChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	r := open(t, path)
	add(t, r, entry(1), closing(2), entry(3), closing(4))
	r.Close()
	x, err := tombstone.Examine(key, path)
	if err != nil || x.Entries != 4 || x.Unreadable != 0 || !x.Last.Equal(closing(4).At) {
		t.Fatalf("it says %+v, %v", x, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	without := bytes.Join(slices.Delete(bytes.SplitAfter(whole, []byte("\n")), 2, 3), nil) // the second entry
	for name, c := range map[string]struct {
		file              []byte
		entries, bad, one int
	}{
		"a byte of the second entry": {bytes.Replace(whole, []byte("ConsentWithdrawn"), []byte("ConsentWithdrawm"), 1), 3, 1, 3},
		"the end is cut off":         {whole[:len(whole)-9], 3, 1, 5},
		"no headline":                {whole[bytes.IndexByte(whole, '\n')+1:], 4, 0, 0},
		"another file":               {[]byte("hello\nworld\n"), 0, 2, 1},
		"a line is missing":          {without, 2, 1, 3},
		"nothing":                    {nil, 0, 0, 0},
	} {
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := tombstone.Examine(key, path)
		if err != nil || x.Entries != c.entries || x.Unreadable != c.bad || x.FirstBad != c.one {
			t.Errorf("%s: it says %+v, %v", name, x, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.file) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
	if _, err := tombstone.Examine(key, filepath.Join(t.TempDir(), "none")); !fail.Is(err, fail.Unavailable) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAMarkBelongsToWhatWasWrittenAndNotToAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "register")
	r := open(t, path)
	if ok, err := r.Covers(r.Mark()); err != nil || ok {
		t.Errorf("the beginning is a mark: %v, %v", ok, err)
	}
	add(t, r, entry(1), closing(2))
	m := r.Mark()
	long := entry(3)
	for n := range 2000 {
		long.Subjects = append(long.Subjects, id.Subject{3, byte(n), byte(n >> 8)})
	}
	add(t, r, tombstone.New(long))
	far := r.Mark()
	add(t, r, entry(4))
	for name, c := range map[string]struct {
		m    tombstone.Mark
		ok   bool
		rest []byte
	}{
		"of before":          {m, true, []byte{3, 4}},
		"after a long line":  {far, true, []byte{4}},
		"the end":            {r.Mark(), true, nil},
		"within a line":      {tombstone.Mark{Place: m.Place + 7, Code: m.Code}, false, nil},
		"with another code":  {tombstone.Mark{Place: m.Place, Code: far.Code}, false, nil},
		"after the end":      {tombstone.Mark{Place: 1 << 40, Code: m.Code}, false, nil},
		"before the entries": {tombstone.Mark{Place: 3, Code: m.Code}, false, nil},
	} {
		ok, err := r.Covers(c.m)
		if err != nil || ok != c.ok {
			t.Errorf("%s: covered is %v, %v", name, ok, err)
		}
		if !ok {
			continue
		}
		var rest []byte
		end, err := r.Since(c.m, func(e tombstone.Entry) error { rest = append(rest, e.Request[0]); return nil })
		if err != nil || !slices.Equal(rest, c.rest) || end != r.Mark() {
			t.Errorf("%s: there are %v up to %v, %v", name, rest, end, err)
		}
	}
	copied := open(t, filepath.Join(dir, "copy"), path) // it begins the same
	if ok, err := copied.Covers(far); err != nil || !ok {
		t.Errorf("a copy does not have the mark: %v, %v", ok, err)
	}
	other := open(t, filepath.Join(dir, "other"))
	add(t, other, entry(7), closing(2), tombstone.New(long))
	if ok, err := other.Covers(far); err != nil || ok {
		t.Errorf("a register that began otherwise has the mark: %v, %v", ok, err)
	}
}

// BenchmarkOpen says how long the files of a register with a million entries take to be read.
func BenchmarkOpen(b *testing.B) {
	const many, part = 1_000_000, 10_000
	path := filepath.Join(b.TempDir(), "register")
	r, err := tombstone.Open(key, path)
	if err != nil {
		b.Fatal(err)
	}
	for range many / part {
		list := make([]tombstone.Entry, part)
		for i := range list {
			list[i] = tombstone.New(tombstone.Entry{
				At: time.Now(), Tenant: id.Tenant{1}, Request: uuid.New(), Subjects: []id.Subject{id.NewSubject()}, Keys: []id.Subject{id.NewSubject()},
				Names: []tombstone.Name{{Kind: "cookie", Digest: bytes.Repeat([]byte{7}, 32)}},
			})
		}
		if err := r.Add(list...); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := tombstone.Open(key, path)
		if err != nil || r.Len() != many {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
