package redact

import (
	"errors"
	"io"
	"slices"
	"unicode/utf8"
	"unsafe"
)

// A text is read in windows, so that any length needs the same memory. A window decides about the
// spans that begin in it; it sees `before` bytes of what was decided already, because words before
// a number say what it is, and `beyond` bytes of what follows, because spans do not end where
// windows do. No span is longer than `longest`. Where windows begin depends on the text alone, never
// on how it was read.
const (
	window  = 256 << 10
	before  = 4 << 10
	beyond  = 8 << 10
	longest = 4 << 10
)

// each reads text window by window and hands over each decided piece with the spans in it.
func (r *Redactor) each(text io.Reader, use func(piece string, spans []Span) error) error {
	var (
		s    = scan{r: r}
		buf  = make([]byte, 0, before+window+beyond+longest)
		from = 0 // what stands before it is decided
		done = false
	)
	for {
		for !done && len(buf) < from+window+beyond {
			n, err := text.Read(buf[len(buf):min(cap(buf), from+window+beyond)])
			buf = buf[:len(buf)+n]
			if errors.Is(err, io.EOF) {
				done = true
			} else if err != nil {
				return err
			}
		}
		if from == len(buf) {
			return nil
		}
		end := min(len(buf), from+window+beyond)
		begin := max(0, from-before)
		// The string is only looked at until the next window moves the bytes.
		view := unsafe.String(unsafe.SliceData(buf), len(buf))
		spans, next := s.window(view[begin:end], from-begin, done && end == len(buf))
		next += begin
		for i := range spans {
			spans[i].Start += begin - from
			spans[i].End += begin - from
		}
		if err := use(view[from:next], spans); err != nil {
			return err
		}
		keep := max(0, next-before)
		buf = append(buf[:0], buf[keep:]...)
		from = next - keep
	}
}

// scan is the working memory of one reader.
type scan struct {
	r          *Redactor
	text       string
	tokens     []token
	candidates []candidate
	spans      []Span
	webEnd     int // where the last URL ends: what looks like another inside of it is a part of it
}

// candidate is a span with its claim: where two overlap, the stronger one stays, then the longer,
// then the earlier.
type candidate struct {
	Span
	claim int
}

// Claims, weakest first. Names yield to everything that is checked.
const (
	claimPlace = iota
	claimName
	claimDate
	claimPhone
	claimNational
	claimKnown
	claimAddress // of the network
	claimCard
	claimBank
	claimMail
	claimWeb // a URL may hold an e-mail address
)

// window returns the spans that begin at or after from and before the next window, and where that
// begins. The spans are valid until the next call.
func (s *scan) window(text string, from int, last bool) ([]Span, int) {
	s.text, s.webEnd = text, 0
	limit := len(text)
	if !last {
		limit = min(limit, from+window)
		for limit < len(text) && !utf8.RuneStart(text[limit]) {
			limit++
		}
	}
	s.candidates = s.candidates[:0]
	s.tokens = s.r.words.tokens(s.tokens[:0], text)
	s.look()
	s.names()
	s.again()
	s.places()
	s.ownNames()
	spans := s.matches(s.resolve())
	kept := spans[:0]
	next := limit
	for _, f := range spans {
		if f.Start >= from && f.Start < limit {
			kept = append(kept, f)
			next = max(next, f.End)
		}
	}
	return kept, next
}

// add claims a span.
func (s *scan) add(start, end int, t Type, claim int) {
	if end <= start || end-start > longest {
		return
	}
	s.candidates = append(s.candidates, candidate{Span{start, end, t}, claim})
}

// resolve picks among candidates that overlap and returns the rest sorted.
func (s *scan) resolve() []Span {
	slices.SortFunc(s.candidates, func(a, b candidate) int { return a.Start - b.Start })
	s.spans = s.spans[:0]
	for from := 0; from < len(s.candidates); {
		// Those that overlap directly or through others are settled among themselves.
		to, end := from+1, s.candidates[from].End
		for to < len(s.candidates) && s.candidates[to].Start < end {
			end = max(end, s.candidates[to].End)
			to++
		}
		s.settle(s.candidates[from:to])
		from = to
	}
	return s.spans
}

// settle appends the strongest candidates that do not overlap.
func (s *scan) settle(list []candidate) {
	first := len(s.spans)
	if len(list) > 1 {
		slices.SortFunc(list, func(a, b candidate) int {
			switch {
			case a.claim != b.claim:
				return b.claim - a.claim
			case a.End-a.Start != b.End-b.Start:
				return (b.End - b.Start) - (a.End - a.Start)
			}
			return a.Start - b.Start
		})
	}
	for _, c := range list {
		i, taken := slices.BinarySearchFunc(s.spans[first:], c.Start, func(x Span, start int) int { return x.Start - start })
		i += first
		if taken || i > first && s.spans[i-1].End > c.Start || i < len(s.spans) && s.spans[i].Start < c.End {
			continue
		}
		s.spans = slices.Insert(s.spans, i, c.Span)
	}
}
