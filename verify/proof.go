package verify

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const proofHeader = "c2sp.org/tlog-proof@v1"

// Proof says that a leaf is part of a log (C2SP tlog-proof@v1): its index, the hashes from the leaf
// to the root, and the signed checkpoint that states the root.
type Proof struct {
	Index      int64
	Path       tlog.RecordProof
	Checkpoint []byte // signed note
}

// Text returns the proof in its text format.
func (p Proof) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nindex %d\n", proofHeader, p.Index)
	for _, h := range p.Path {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.String()
}

// ParseProof reads the text format. The optional line with extra data is refused, because nothing
// here gives it a meaning.
func ParseProof(text string) (Proof, error) {
	head, checkpoint, ok := strings.Cut(text, "\n\n")
	if !ok || checkpoint == "" {
		return Proof{}, fmt.Errorf("the proof holds no checkpoint")
	}
	lines := strings.Split(head, "\n")
	if lines[0] != proofHeader {
		return Proof{}, fmt.Errorf("the proof does not start with %s", proofHeader)
	}
	if len(lines) < 2 || len(lines) > 2+63 {
		return Proof{}, fmt.Errorf("the proof has %d lines before its checkpoint", len(lines))
	}
	s, ok := strings.CutPrefix(lines[1], "index ")
	n, err := strconv.ParseInt(s, 10, 64)
	if !ok || err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return Proof{}, fmt.Errorf("the proof's second line is not an index")
	}
	p := Proof{Index: n, Checkpoint: []byte(checkpoint)}
	for _, line := range lines[2:] {
		h, err := parseHash(line)
		if err != nil {
			return Proof{}, fmt.Errorf("a hash of the proof: %w", err)
		}
		p.Path = append(p.Path, h)
	}
	return p, nil
}

// Check tells whether the leaf's line stands at the proof's index under a checkpoint that the key
// signed, and returns that checkpoint.
func (p Proof) Check(leaf []byte, key string) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, key)
	if err != nil {
		return Checkpoint{}, err
	}
	if p.Index >= c.Tree.N {
		return Checkpoint{}, fault(BadProof, "entry %d is beyond the %d entries of the checkpoint", p.Index, c.Tree.N)
	}
	if err := tlog.CheckRecord(p.Path, c.Tree.N, c.Tree.Hash, p.Index, tlog.RecordHash(leaf)); err != nil {
		return Checkpoint{}, fault(BadProof, "the log entry is not part of the tree that the checkpoint states")
	}
	return c, nil
}
