package verify

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// people is a log with a choice, what was served before it, and an assertion.
func people(t testing.TB) (s *shadow, contents map[int64]string, shown Document) {
	t.Helper()
	s = newShadow(t, "probity.test/log/4", 5)
	shown = Document{MediaType: noticeMediaType, Language: "en", Text: noticeText}
	contents = map[int64]string{
		0: `{"id":"s1","nonce":"aa"}`,
		1: fmt.Sprintf(`{"id":"c1","served":{"id":"s1","nonce":"aa"},"notice":{"language":"en","text_sha256":%q}}`, shown.Digest()),
		2: `{"id":"c2","proof_level":"assertion"}`,
	}
	for n, kind := range []string{"notice.served", "consent.given", "consent.imported", "rights.received", "rights.received"} {
		entry, ok := contents[int64(n)]
		if !ok {
			entry = fmt.Sprintf(`{"n":%d}`, n)
		}
		s.add(t, kind, entry)
	}
	return s, contents, shown
}

func TestL25_AnImportedConsentIsAnAssertionAndNeverFirstHand(t *testing.T) {
	s, contents, shown := people(t)
	b := NewBundle(s.key)
	b.Receipts = append(b.Receipts, *s.receipt(t, 2, contents[2]))
	for name, file := range map[string][]byte{"a receipt": encode(t, s.receipt(t, 2, contents[2])), "a bundle": encode(t, b), "an excerpt": s.excerptOf(t, 0, contents, shown)} {
		report, err := File(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(report.Unverified, "\n"), "not first-hand") {
			t.Errorf("%s: the report does not say that it is an assertion:\n%s", name, report)
		}
	}
	report, err := File(encode(t, s.receipt(t, 1, contents[1])))
	if err != nil || strings.Contains(report.String(), "first-hand") {
		t.Errorf("a choice that was recorded when it was made: %v, %v", report, err)
	}
}

func TestL26_AnyChangeToAnExcerptThatChangesTheMeaningIsDetected(t *testing.T) {
	s, contents, shown := people(t)
	for first := range int64(3) {
		file := s.excerptOf(t, first, contents, shown)
		original := canonicalLines(file)
		rapid.Check(t, func(t *rapid.T) {
			from := rapid.IntRange(0, len(file)-1).Draw(t, "from")
			to := rapid.IntRange(from, min(len(file), from+8)).Draw(t, "to")
			with := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "with")
			mutated := append(append(append([]byte(nil), file[:from]...), with...), file[to:]...)
			report, err := Read(bytes.NewReader(mutated), s.key)
			if err != nil || canonicalLines(mutated) == original {
				return
			}
			// What was asked for stands outside of the log; the report repeats it for the reader to see.
			if strings.Contains(string(mutated), string(file[bytes.IndexByte(file, '\n'):])) {
				return
			}
			t.Fatalf("bytes %d to %d were replaced by %q unnoticed: %s", from, to, with, report)
		})
	}
}

// canonicalLines is the meaning of a file of lines.
func canonicalLines(file []byte) string {
	var b strings.Builder
	for _, line := range bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n")) {
		c, err := Canonical(line)
		if err != nil {
			return ""
		}
		b.Write(c)
		b.WriteByte('\n')
	}
	return b.String()
}

// endless is an excerpt that never comes to its end, of leaves that are all alike.
type endless struct {
	head, leaf []byte
	left       int
	rest       []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left--
		e.rest = e.leaf
		if e.head != nil {
			e.rest, e.head = e.head, nil
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestAnExcerptOfAnySizeIsReadInLittleMemory(t *testing.T) {
	s, contents, shown := people(t)
	lines := bytes.SplitAfter(s.excerptOf(t, 0, contents, shown), []byte("\n"))
	leaf := fmt.Sprintf(`{"leaf":%q,"entry":{"n":3},"salt":%q}`+"\n", s.leaves[3].Text(), s.receipt(t, 3, `{"n":3}`).Salt)
	const total = 200 << 20
	in := &endless{head: lines[0], leaf: []byte(leaf), left: total / len(leaf)}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := Read(in)
	runtime.ReadMemStats(&after)
	if ReasonOf(err) != Incomplete {
		t.Errorf("got %v", err)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
		t.Errorf("200 MB of entries took %d MB of memory", grown>>20)
	}
}

func TestAnErrorOfTheReaderIsNoWordAboutTheFile(t *testing.T) {
	s, contents, shown := people(t)
	file := s.excerptOf(t, 0, contents, shown)
	for _, n := range []int{0, 10, 200, len(file) - 3} {
		_, err := Read(io.MultiReader(bytes.NewReader(file[:n]), broken{}))
		if err != io.ErrClosedPipe {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzRead(f *testing.F) {
	s, contents, shown := people(f)
	good := s.excerptOf(f, 0, contents, shown)
	f.Add(good)
	f.Add(s.excerptOf(f, 3, contents))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, errA := Read(bytes.NewReader(data), s.key)
		b, errB := File(data, s.key)
		if ReasonOf(errA) != ReasonOf(errB) || errA != nil && ReasonOf(errA) == "" {
			t.Fatalf("Read says %v, File %v", errA, errB)
		}
		if errA == nil && a.String() != b.String() {
			t.Fatal("the two reports differ")
		}
	})
}

func BenchmarkExcerpt(b *testing.B) {
	s := newShadow(b, "probity.test/log/7", 8)
	contents := map[int64]string{}
	for n := range int64(1000) {
		contents[n] = fmt.Sprintf(`{"id":"c%d","purposes":[{"id":"measure","state":"ConsentGiven"}]}`, n)
		s.add(b, "rights.received", contents[n])
	}
	file := s.excerptOf(b, 0, contents)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(file), s.key); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "entries/s")
}
