package verify

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxFile is the size, in bytes, above which File refuses to look at its input.
const MaxFile = 64 << 20

// Report says in plain words what was verified and what was not. It is only made for a file that
// holds; a file that doesn't gives an Error.
type Report struct {
	Type       string       // the file's type
	Log        string       // origin of the log
	Key        string       // the verifier key that was used
	Trusted    bool         // the reader gave that key; false: it came from the file itself
	Entries    []Proven     // the log entries proved, in the file's order; of an excerpt none: see Kinds
	Verified   []string     // one sentence each
	Unverified []string     // one sentence each: what the reader must know by other means
	Statements []*Statement // what the file's certificates state, in their order; of a body of another program's none

	Kinds            map[string]int64 // of an excerpt: its entries by kind
	Erased, Withheld int64            // of an excerpt: its entries without content
}

// Proven is one log entry that the file proves.
type Proven struct {
	Index int64
	Kind  string
	Time  time.Time // to the minute
	Entry []byte    // canonical JSON
}

// String returns the report for a terminal: verified lines start with "✓", the others with "?".
func (r *Report) String() string {
	var b strings.Builder
	for _, s := range r.Verified {
		fmt.Fprintf(&b, "✓ %s\n", s)
	}
	for _, s := range r.Unverified {
		fmt.Fprintf(&b, "? %s\n", s)
	}
	return b.String()
}

// File verifies a file of any type but a text of checkpoints. With trusted verifier keys the file's
// key must be one of them; without, the key inside the file is used and the report says so. Trust.File
// takes witnesses and periods of keys into account too.
//
// The error is an *Error whose Reason names what is wrong. Nothing is verified partially: one bad
// part fails the whole file.
func File(data []byte, trusted ...string) (*Report, error) { return file(data, Trust{Keys: trusted}) }

func file(data []byte, trust Trust) (*Report, error) {
	if len(data) > MaxFile {
		return nil, fault(Malformed, "the file is larger than %d MB", MaxFile>>20)
	}
	if bytes.HasPrefix(data, []byte(`{"type":"`+ExcerptType)) {
		return readExcerpt(bufio.NewReader(bytes.NewReader(data)), trust)
	}
	if isHandover(data) {
		return newChecker(handoverType, trust).handover(string(data))
	}
	v, err := parse(data)
	if err != nil {
		return nil, fault(Malformed, "not JSON: %v", err)
	}
	if v.kind != kindObject {
		return nil, fault(Malformed, "not a JSON object")
	}
	t := v.get("type")
	if t == nil || t.kind != kindString {
		return nil, fault(Malformed, `member "type" is missing`)
	}
	c := newChecker(t.text, trust)
	switch t.text {
	case ReceiptType:
		r, err := decodeReceipt(v, "")
		if err != nil {
			return nil, err
		}
		return c.finish(r.VerifierKey, func() error { return c.receipt(r) })
	case CertificateType:
		cert, err := decodeCertificate(v, "")
		if err != nil {
			return nil, err
		}
		return c.finish(cert.VerifierKey, func() error { return c.certificate(cert) })
	case BundleType:
		b, err := decodeBundle(v)
		if err != nil {
			return nil, err
		}
		return c.finish(b.VerifierKey, func() error { return c.bundle(b) })
	case EquivocationType:
		e, err := decodeEvidence(v)
		if err != nil {
			return nil, err
		}
		return c.finish(e.VerifierKey, func() error { return c.evidence(e) })
	case KeychainType:
		k, err := decodeKeychain(v)
		if err != nil {
			return nil, err
		}
		return c.keychain(k)
	}
	return nil, fault(Malformed, "type %q is not known to this program", t.text)
}

// checker gathers the report and sees to it that all parts belong to one log.
type checker struct {
	report    Report
	trust     Trust
	sizes     map[int64]tlog.Hash // roots of the checkpoints met so far
	witnessed map[int64]bool      // sizes whose witnesses the report has named
	grown     []growth            // trees that are proved to be a beginning of a larger one
	people    []person            // the entries about people, in the order of the log
}

// growth is what one consistency proof proves, by the sizes of the trees.
type growth struct{ from, to int64 }

func newChecker(typ string, trust Trust) *checker {
	trust.Keys = slices.Clone(trust.Keys) // which a list of keys adds to
	return &checker{report: Report{Type: typ}, trust: trust, sizes: map[int64]tlog.Hash{}, witnessed: map[int64]bool{}}
}

func (c *checker) finish(key string, check func() error) (*Report, error) {
	c.report.Key = key
	if err := c.trust.key(key); err != nil {
		return nil, err
	}
	c.report.Trusted = len(c.trust.Keys) > 0
	if err := check(); err != nil {
		return nil, err
	}
	r := &c.report
	if r.Trusted {
		r.verified("The signing key is one that you trust.")
	} else {
		r.unverified("Whose key it is: the key in the file was used. Compare it with the one that the organisation publishes: %s", key)
	}
	if len(r.Entries) > 0 {
		r.unverified("When it really happened: the times are those of the operator's clock, which the log only keeps from going backwards.")
	}
	if slices.ContainsFunc(r.Entries, func(e Proven) bool { return strings.HasPrefix(e.Kind, "consent.") }) {
		r.unverified("Who chose: a log can't tell a person from a script.")
	}
	if r.Kinds != nil {
		r.unverified("When it really happened: the times are those of the operator's clock, which the log only keeps from going backwards.")
		r.unverified("That everything that happened was logged: an excerpt is complete as to the log, not as to the world.")
	}
	r.unverified("That the log shows everybody the same entries: compare this checkpoint with one that somebody else keeps.")
	return r, nil
}

func (c *checker) receipt(r *Receipt) error {
	if r.VerifierKey != c.report.Key {
		return fault(OtherLog, "parts of the file name different keys")
	}
	leaf, at, err := r.Check(r.VerifierKey)
	if err != nil {
		return err
	}
	if err := c.checkpoint(at); err != nil {
		return err
	}
	proof, err := ParseProof(r.Proof)
	if err != nil {
		return fault(Malformed, "proof: %v", err)
	}
	if err := c.proven(proof.Checkpoint, r.VerifierKey, at); err != nil {
		return err
	}
	c.report.Entries = append(c.report.Entries, Proven{Index: proof.Index, Kind: leaf.Kind, Time: leaf.Time(), Entry: r.Entry})
	c.report.verified("Entry %d of log %s, %q of %s UTC, is unaltered and part of the log's first %d entries.",
		proof.Index, at.Origin, leaf.Kind, leaf.Time().Format("2 January 2006 15:04"), at.Tree.N)
	entry, err := parse(r.Entry)
	if err != nil {
		return fault(Malformed, "entry: %v", err)
	}
	if asserted(leaf.Kind, entry) {
		c.report.unverified("Whether entry %d was chosen: it is an assertion of the operator, brought in from elsewhere, and not first-hand.", proof.Index)
	}
	if strings.HasPrefix(leaf.Kind, "consent.") || leaf.Kind == "notice.served" {
		nonce := textAt(entry, "served", "nonce")
		if leaf.Kind == "notice.served" {
			nonce = textAt(entry, "nonce")
		}
		c.people = append(c.people, person{
			kind: leaf.Kind, id: textAt(entry, "id"), subject: textAt(entry, "subject"), prev: textAt(entry, "prev_id"),
			served: textAt(entry, "served", "id"), nonce: nonce, index: proof.Index,
		})
	}
	if r.Withdrawal != "" {
		c.report.unverified("Where the link to withdraw leads: it stands beside what is signed. Before you open it, see that the address is the organisation's. It can only take consent back.")
	}
	if r.Notice != nil {
		c.report.verified("The notice enclosed (%s) is the exact text that entry %d cites.", r.Notice.Language, proof.Index)
	}
	return nil
}

func (c *checker) certificate(cert *Certificate) error {
	if cert.VerifierKey != c.report.Key {
		return fault(OtherLog, "parts of the file name different keys")
	}
	if _, _, err := cert.Check(cert.VerifierKey); err != nil {
		return err
	}
	if err := c.receipt(cert.Receipt); err != nil {
		return err
	}
	c.report.verified("The certificate is signed, unaltered, and cited by that log entry.")
	if body, err := parse(cert.Body); err == nil {
		if s := statement(body); s != nil {
			c.report.Statements = append(c.report.Statements, s)
		}
	}
	return nil
}

func (c *checker) bundle(b *Bundle) error {
	for i := range b.Receipts {
		if err := c.receipt(&b.Receipts[i]); err != nil {
			return within("receipt", i, err)
		}
	}
	slices.SortStableFunc(c.people, func(a, b person) int { return cmp.Compare(a.index, b.index) })
	c.people = slices.Compact(c.people) // the same receipt twice says nothing new
	if err := c.chain(); err != nil {
		return err
	}
	for i := range b.Certificates {
		if err := c.certificate(&b.Certificates[i]); err != nil {
			return within("certificate", i, err)
		}
	}
	for i := range b.Consistency {
		if err := c.extension(&b.Consistency[i], b.VerifierKey); err != nil {
			return within("consistency proof", i, err)
		}
	}
	if len(b.Receipts)+len(b.Certificates)+len(b.Consistency) == 0 {
		c.report.unverified("Anything: the bundle is empty.")
	}
	return c.oneTree()
}

// oneTree sees to it that each tree that the file proves something of is proved to be a beginning of the
// largest. That one tree begins both of two others says nothing of these two.
func (c *checker) oneTree() error {
	if len(c.sizes) == 0 {
		return nil
	}
	sizes := slices.Sorted(maps.Keys(c.sizes))
	largest := sizes[len(sizes)-1]
	begins := map[int64]bool{0: true, largest: true}
	slices.SortFunc(c.grown, func(a, b growth) int { return cmp.Compare(b.to, a.to) })
	for _, g := range c.grown {
		begins[g.from] = begins[g.from] || begins[g.to]
	}
	for _, n := range sizes {
		if !begins[n] {
			return fault(Incomplete, "nothing enclosed proves that the tree of %d entries is the beginning of the one of %d: they may be two histories", n, largest)
		}
	}
	return nil
}

func (c *checker) extension(e *Extension, key string) error {
	old, new, err := e.Check(key)
	if err != nil {
		return err
	}
	if err := c.checkpoint(old); err != nil {
		return err
	}
	if err := c.checkpoint(new); err != nil {
		return err
	}
	if e.OldKey == "" {
		if err := c.trust.period(key, old); err != nil {
			return err
		}
	} else {
		if err := c.trust.key(e.OldKey); err != nil {
			return err
		}
		if err := c.trust.period(e.OldKey, old); err != nil {
			return err
		}
		if !c.report.Trusted {
			c.report.unverified("That the log's earlier key, which signed its first %d entries, was the operator's too: %s", old.Tree.N, e.OldKey)
		}
	}
	if err := c.trust.period(key, new); err != nil {
		return err
	}
	c.grown = append(c.grown, growth{old.Tree.N, new.Tree.N})
	c.report.verified("Between %d and %d entries nothing earlier was changed, dropped or moved.", old.Tree.N, new.Tree.N)
	return nil
}

// checkpoint sees to it that all checkpoints of the file are of one log and don't contradict.
func (c *checker) checkpoint(p Checkpoint) error {
	if c.report.Log == "" {
		c.report.Log = p.Origin
	}
	if c.report.Log != p.Origin {
		return fault(OtherLog, "parts of the file belong to %q and to %q", c.report.Log, p.Origin)
	}
	if root, ok := c.sizes[p.Tree.N]; ok && root != p.Tree.Hash {
		return fault(SplitView, "two checkpoints of %d entries state different roots; both are signed", p.Tree.N)
	}
	c.sizes[p.Tree.N] = p.Tree.Hash
	return nil
}

func (r *Report) verified(format string, args ...any) {
	r.Verified = append(r.Verified, fmt.Sprintf(format, args...))
}

func (r *Report) unverified(format string, args ...any) {
	r.Unverified = append(r.Unverified, fmt.Sprintf(format, args...))
}

// within says which part of a bundle an error is about.
func within(what string, i int, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return fault(e.Reason, "%s %d: %s", what, i+1, e.Detail)
	}
	return err
}
