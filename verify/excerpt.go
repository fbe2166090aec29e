package verify

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// ExcerptType is the value of the "type" member in an excerpt's first line.
const ExcerptType = "probity/excerpt/v1"

// MaxLine is the largest line, in bytes, that an excerpt may have.
const MaxLine = 4 << 20

// ExcerptHead is the first line of an excerpt: everything that a log holds between two of its
// checkpoints, for a supervisory authority. An excerpt is a file of JSON objects, one a line, so
// that one of any size is written and verified in little memory:
//
//	the head      see the members below
//	{"receipt":…} any number, anywhere: proof of an entry before the excerpt that still counts in it
//	{"notice":…}  a Document, somewhere before the first entry that cites it
//	{"leaf":…,"entry":{…},"salt":…}  an entry, or instead of entry and salt:
//	{"leaf":…,"state":"erased"}      its content was erased and is in nobody's hands
//	{"leaf":…,"state":"withheld"}    its content is about something that was not asked for
//	{"end":{…}}   see ExcerptEnd
//
// Every leaf from First to the size of the last checkpoint is there, in order: the tree that they
// give, on top of the spine, must have the root that the last checkpoint states. So nothing can be
// left out, whoever made the file.
type ExcerptHead struct {
	Type        string   `json:"type"`
	VerifierKey string   `json:"verifier_key"` // of the last checkpoint
	From        string   `json:"from"`         // RFC 3339, what was asked for
	To          string   `json:"to"`           // RFC 3339
	Site        string   `json:"site"`         // the deployment that was asked for; empty: all
	First       int64    `json:"first"`        // index of the first leaf, which is the size of the old checkpoint
	Spine       []string `json:"spine"`        // roots of the complete subtrees below First, largest first
	Old         *Signed  `json:"old"`          // null if First is 0
}

// Signed is a signed checkpoint with the key that signed it.
type Signed struct {
	Checkpoint  string `json:"checkpoint"`
	VerifierKey string `json:"verifier_key"`
}

// ExcerptEnd is the last line of an excerpt. Its counts are what the reader's program counts again.
type ExcerptEnd struct {
	Entries    int64            `json:"entries"`
	Kinds      map[string]int64 `json:"kinds"` // entries by kind
	Erased     int64            `json:"erased"`
	Withheld   int64            `json:"withheld"`
	Checkpoint string           `json:"checkpoint"` // signed, of First+Entries entries
}

// The states of an entry without content.
const (
	Erased   = "erased"
	Withheld = "withheld"
)

// ExcerptWriter writes an excerpt line by line. It is not safe for concurrent use.
type ExcerptWriter struct {
	w   *bufio.Writer
	end ExcerptEnd
}

// NewExcerptWriter writes the head.
func NewExcerptWriter(w io.Writer, head ExcerptHead) (*ExcerptWriter, error) {
	head.Type = ExcerptType
	if head.Spine == nil {
		head.Spine = []string{}
	}
	x := &ExcerptWriter{w: bufio.NewWriterSize(w, 64<<10), end: ExcerptEnd{Kinds: map[string]int64{}}}
	return x, x.line(head)
}

func (x *ExcerptWriter) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > MaxLine {
		return fmt.Errorf("a line of an excerpt would have %d bytes", len(b))
	}
	if _, err := x.w.Write(b); err != nil {
		return err
	}
	return x.w.WriteByte('\n')
}

// Receipt adds the proof of an entry outside of the excerpt.
func (x *ExcerptWriter) Receipt(r *Receipt) error {
	return x.line(struct {
		Receipt *Receipt `json:"receipt"`
	}{r})
}

// Notice adds a text that entries after it cite.
func (x *ExcerptWriter) Notice(d *Document) error {
	return x.line(struct {
		Notice *Document `json:"notice"`
	}{d})
}

// Entry adds the next entry.
func (x *ExcerptWriter) Entry(leaf Leaf, entry []byte, salt [SaltSize]byte) error {
	x.end.Entries++
	x.end.Kinds[leaf.Kind]++
	return x.line(struct {
		Leaf  string          `json:"leaf"`
		Entry json.RawMessage `json:"entry"`
		Salt  string          `json:"salt"`
	}{string(leaf.Text()), entry, base64.StdEncoding.EncodeToString(salt[:])})
}

// Bare adds the next entry without its content; state is Erased or Withheld.
func (x *ExcerptWriter) Bare(leaf Leaf, state string) error {
	x.end.Entries++
	x.end.Kinds[leaf.Kind]++
	switch state {
	case Erased:
		x.end.Erased++
	case Withheld:
		x.end.Withheld++
	default:
		return fmt.Errorf("%q is not a state of an entry", state)
	}
	return x.line(struct {
		Leaf  string `json:"leaf"`
		State string `json:"state"`
	}{string(leaf.Text()), state})
}

// Close writes the last line. checkpoint states the tree that the entries lead to.
func (x *ExcerptWriter) Close(checkpoint []byte) error {
	x.end.Checkpoint = string(checkpoint)
	if err := x.line(struct {
		End ExcerptEnd `json:"end"`
	}{x.end}); err != nil {
		return err
	}
	return x.w.Flush()
}

// Read verifies a file of any type from a stream: as File does, but an excerpt may be of any size,
// and takes no more memory than its longest line. An error of r is returned as it is.
func Read(r io.Reader, trusted ...string) (*Report, error) { return read(r, Trust{Keys: trusted}) }

func read(r io.Reader, trust Trust) (*Report, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	start, err := in.Peek(len(`{"type":"` + ExcerptType))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(start) == `{"type":"`+ExcerptType {
		return readExcerpt(in, trust)
	}
	data, err := io.ReadAll(io.LimitReader(in, MaxFile+1))
	if err != nil {
		return nil, err
	}
	return file(data, trust)
}

// excerpt is one excerpt on its way through the verifier.
type excerpt struct {
	*checker
	head    ExcerptHead
	spine   []tlog.Hash // roots of the complete subtrees so far, largest first
	n       int64       // leaves so far
	minute  int64
	counted ExcerptEnd
	notices map[string]string // digest to language
	cited   map[string]bool   // digests
	before  *value            // the entry just before, nil if its content is not there
	old     Checkpoint
	claims  int64 // entries that are assertions
	proved  int64 // receipts
}

func readExcerpt(in *bufio.Reader, trust Trust) (*Report, error) {
	line, err := readLine(in)
	if err != nil {
		return nil, err
	}
	v, err := parse(line)
	if err != nil {
		return nil, fault(Malformed, "line 1: %v", err)
	}
	head, err := decodeExcerptHead(v)
	if err != nil {
		return nil, err
	}
	x := &excerpt{
		checker: newChecker(ExcerptType, trust), head: *head,
		counted: ExcerptEnd{Kinds: map[string]int64{}}, notices: map[string]string{}, cited: map[string]bool{},
	}
	return x.finish(head.VerifierKey, func() error { return x.run(in) })
}

// readLine returns the next line without its end, io.EOF if there is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > MaxLine+1 {
			return nil, fault(Malformed, "a line is longer than %d MB", MaxLine>>20)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		default:
			return nil, err
		}
	}
}

func (x *excerpt) run(in *bufio.Reader) error {
	if err := x.start(); err != nil {
		return err
	}
	for number := 2; ; number++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return fault(Incomplete, "the file ends after entry %d, without its last line", x.n-1)
		}
		if err != nil {
			return err
		}
		v, err := parse(line)
		if err != nil {
			return fault(Malformed, "line %d: %v", number, err)
		}
		if v.kind != kindObject {
			return fault(Malformed, "line %d: not a JSON object", number)
		}
		last, err := x.line(v)
		if err != nil {
			return within("line", number-1, err)
		}
		if !last {
			continue
		}
		if _, err := readLine(in); !errors.Is(err, io.EOF) {
			return fault(Malformed, "there is something after the last line")
		}
		return x.finishEntries()
	}
}

// start checks the old checkpoint against the spine.
func (x *excerpt) start() error {
	h := &x.head
	from, err := time.Parse(time.RFC3339, h.From)
	if err != nil {
		return fault(Malformed, "from: not a time of RFC 3339")
	}
	if to, err := time.Parse(time.RFC3339, h.To); err != nil || to.Before(from) {
		return fault(Malformed, "to: not a time of RFC 3339 after that of from")
	}
	if h.First < 0 || len(h.Spine) != bits.OnesCount64(uint64(h.First)) {
		return fault(Malformed, "spine: %d hashes can't stand for %d entries", len(h.Spine), h.First)
	}
	for _, s := range h.Spine {
		hash, err := parseHash(s)
		if err != nil {
			return fault(Malformed, "spine: %v", err)
		}
		x.spine = append(x.spine, hash)
	}
	x.n = h.First
	if h.First == 0 {
		if h.Old != nil {
			return fault(Malformed, "old: an excerpt from the first entry on needs no earlier checkpoint")
		}
		return nil
	}
	if h.Old == nil {
		return fault(Malformed, "old: missing")
	}
	if err := x.trust.key(h.Old.VerifierKey); err != nil {
		return err
	}
	if x.old, err = OpenCheckpoint([]byte(h.Old.Checkpoint), h.Old.VerifierKey); err != nil {
		return err
	}
	if err := x.checkpoint(x.old); err != nil {
		return err
	}
	if err := x.trust.period(h.Old.VerifierKey, x.old); err != nil {
		return err
	}
	if x.old.Tree.N != h.First {
		return fault(Incomplete, "the excerpt begins at entry %d, the checkpoint before it states %d entries", h.First, x.old.Tree.N)
	}
	if x.old.Tree.Hash != root(x.spine) {
		return fault(SplitView, "what the log held before the excerpt is not what the checkpoint of %d entries states", h.First)
	}
	if x.old.Time.After(from) {
		return fault(Incomplete, "the checkpoint before the excerpt was signed after the period began: entries of the period may be missing")
	}
	if h.Old.VerifierKey != h.VerifierKey {
		x.report.unverified("That the log's earlier key, under which the excerpt begins, was the operator's too: %s", h.Old.VerifierKey)
	}
	return nil
}

// root folds the complete subtrees into the root of the whole tree.
func root(spine []tlog.Hash) tlog.Hash {
	if len(spine) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := spine[len(spine)-1]
	for i := len(spine) - 2; i >= 0; i-- {
		h = tlog.NodeHash(spine[i], h)
	}
	return h
}

func (x *excerpt) line(v *value) (last bool, err error) {
	f := open(v, "", "")
	switch {
	case v.get("receipt") != nil:
		item := f.need("receipt", kindObject)
		if err := f.done(); err != nil {
			return false, err
		}
		r, err := decodeReceipt(item, "receipt")
		if err != nil {
			return false, err
		}
		return false, x.outside(r)
	case v.get("notice") != nil:
		item := f.need("notice", kindObject)
		if err := f.done(); err != nil {
			return false, err
		}
		d := open(item, "notice", "")
		doc := Document{MediaType: d.text("media_type"), Language: d.text("language"), Text: d.text("text")}
		if err := d.done(); err != nil {
			return false, err
		}
		if doc.MediaType != noticeMediaType {
			return false, fault(EditedNotice, "the notice has media type %q instead of %s", doc.MediaType, noticeMediaType)
		}
		x.notices[doc.Digest()] = doc.Language
		return false, nil
	case v.get("leaf") != nil:
		text := f.text("leaf")
		if v.get("state") != nil {
			state := f.text("state")
			if err := f.done(); err != nil {
				return false, err
			}
			return false, x.bare(text, state)
		}
		entry := f.need("entry", kindObject)
		salt := f.text("salt")
		if err := f.done(); err != nil {
			return false, err
		}
		return false, x.entry(text, entry, salt)
	case v.get("end") != nil:
		item := f.need("end", kindObject)
		if err := f.done(); err != nil {
			return false, err
		}
		return true, x.end(item)
	}
	return false, fault(Malformed, "the line is none of receipt, notice, leaf and end")
}

// outside checks a receipt for an entry before the excerpt.
func (x *excerpt) outside(r *Receipt) error {
	if r.VerifierKey != x.head.VerifierKey {
		return fault(OtherLog, "parts of the file name different keys")
	}
	_, at, err := r.Check(r.VerifierKey)
	if err != nil {
		return err
	}
	proof, err := ParseProof(r.Proof)
	if err != nil {
		return fault(Malformed, "proof: %v", err)
	}
	if err := x.proven(proof.Checkpoint, r.VerifierKey, at); err != nil {
		return err
	}
	x.proved++
	return x.checkpoint(at)
}

// leaf takes the next leaf into the tree.
func (x *excerpt) leaf(text string) (Leaf, error) {
	leaf, err := ParseLeaf(text)
	if err != nil {
		return leaf, fault(Malformed, "leaf: %v", err)
	}
	if leaf.Minute < x.minute {
		return leaf, fault(BadOrder, "entry %d is dated before the one that precedes it", x.n)
	}
	x.minute = leaf.Minute
	h := tlog.RecordHash([]byte(text))
	for m := x.n; m&1 == 1; m >>= 1 {
		h = tlog.NodeHash(x.spine[len(x.spine)-1], h)
		x.spine = x.spine[:len(x.spine)-1]
	}
	x.spine = append(x.spine, h)
	x.n++
	x.counted.Entries++
	x.counted.Kinds[leaf.Kind]++
	return leaf, nil
}

func (x *excerpt) bare(text, state string) error {
	if _, err := x.leaf(text); err != nil {
		return err
	}
	x.before = nil
	switch state {
	case Erased:
		x.counted.Erased++
	case Withheld:
		x.counted.Withheld++
	default:
		return fault(Malformed, "state: %q is neither %s nor %s", state, Erased, Withheld)
	}
	return nil
}

func (x *excerpt) entry(text string, entry *value, salt64 string) error {
	salt, ok := decode64(salt64)
	if !ok || len(salt) != SaltSize {
		return fault(Malformed, "salt: not %d bytes of base64", SaltSize)
	}
	leaf, err := x.leaf(text)
	if err != nil {
		return err
	}
	if Commit([SaltSize]byte(salt), entry.append(nil)) != leaf.Commitment {
		return fault(EditedEntry, "entry %d or its salt is not what the log committed to", x.n-1)
	}
	if digest, language := citedNotice(leaf.Kind, entry); digest != "" {
		got, ok := x.notices[digest]
		if !ok {
			return fault(EditedNotice, "the text that entry %d cites is not enclosed before it", x.n-1)
		}
		if got != language {
			return fault(EditedNotice, "the text that entry %d cites is said to be in another language", x.n-1)
		}
		x.cited[digest] = true
	}
	if which := textAt(entry, "served", "id"); which != "" && x.before != nil {
		if textAt(x.before, "id") != which || textAt(x.before, "nonce") != textAt(entry, "served", "nonce") {
			return fault(BadOrder, "entry %d cites a notice served that is not the entry before it", x.n-1)
		}
	}
	if asserted(leaf.Kind, entry) {
		x.claims++
	}
	x.before = entry
	return nil
}

func (x *excerpt) end(v *value) error {
	e, err := decodeExcerptEnd(v)
	if err != nil {
		return err
	}
	at, err := OpenCheckpoint([]byte(e.Checkpoint), x.head.VerifierKey)
	if err != nil {
		return err
	}
	if err := x.checkpoint(at); err != nil {
		return err
	}
	if err := x.proven([]byte(e.Checkpoint), x.head.VerifierKey, at); err != nil {
		return err
	}
	if at.Tree.N != x.n {
		return fault(Incomplete, "the excerpt has the entries from %d to before %d, its last checkpoint states %d", x.head.First, x.n, at.Tree.N)
	}
	if at.Tree.Hash != root(x.spine) {
		return fault(Incomplete, "the entries don't give the tree that the last checkpoint states: one was left out, added, changed or moved")
	}
	if at.Time.Before(x.old.Time) {
		return fault(SplitView, "the larger checkpoint claims to be older: the log's clock went backwards")
	}
	if e.Entries != x.counted.Entries || e.Erased != x.counted.Erased || e.Withheld != x.counted.Withheld || !maps.Equal(e.Kinds, x.counted.Kinds) {
		return fault(Incomplete, "the counts in the last line are not those of the entries")
	}
	for digest := range x.notices {
		if !x.cited[digest] {
			return fault(EditedNotice, "a text is enclosed that no entry of the excerpt cites")
		}
	}
	x.counted.Checkpoint = e.Checkpoint
	return x.covers(at)
}

// covers says which part of the period asked for the excerpt covers.
func (x *excerpt) covers(at Checkpoint) error {
	to, _ := time.Parse(time.RFC3339, x.head.To)
	until := to
	if at.Time.Before(to) {
		until = at.Time
	}
	x.report.verified("Every entry of log %s from %s to %s UTC is listed: %d entries, the first is number %d. They give the tree that the checkpoint of %d entries states.",
		at.Origin, x.head.From, until.UTC().Format(time.RFC3339), x.counted.Entries, x.head.First, at.Tree.N)
	if at.Time.Before(to) {
		x.report.unverified("What was logged after %s: the last checkpoint was signed then, before the end of the period asked for.", at.Time.Format(time.RFC3339))
	}
	return nil
}

// finishEntries says what was found.
func (x *excerpt) finishEntries() error {
	r := &x.report
	r.Kinds = x.counted.Kinds
	r.Erased, r.Withheld = x.counted.Erased, x.counted.Withheld
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, r.Kinds[kind]))
	}
	if len(parts) > 0 {
		r.verified("Counted again by kind: %s.", strings.Join(parts, ", "))
	}
	if n := x.counted.Entries - r.Erased - r.Withheld; n > 0 {
		r.verified("The content of %d entries is enclosed and unaltered.", n)
	}
	if n := len(x.cited); n > 0 {
		r.verified("Each notice that they cite is enclosed, %d in all, as the exact text that was published.", n)
	}
	if x.proved > 0 {
		r.verified("%d entries before the period are proved beside it.", x.proved)
	}
	if r.Erased > 0 {
		r.unverified("What %d erased entries said: nobody can show their content any more.", r.Erased)
	}
	if r.Withheld > 0 {
		r.unverified("What %d entries say whose content was not asked for; their kinds are counted above.", r.Withheld)
	}
	if x.claims > 0 {
		r.unverified("Whether %d choices were made: they are assertions of the operator, brought in from elsewhere, and not first-hand.", x.claims)
	}
	return nil
}
