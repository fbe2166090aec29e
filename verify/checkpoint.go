package verify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// timeExtension is the extension line that says when a checkpoint was signed. Within one log it
// never goes backwards.
const timeExtension = "time "

// Checkpoint is the state of a log at one moment (C2SP tlog-checkpoint): the origin line, the
// number of leaves, the root hash and one extension line with the time of signing.
type Checkpoint struct {
	Origin string
	Tree   tlog.Tree
	Time   time.Time // to the second, UTC; zero: the log gave none
}

// Text returns the body of the signed note.
func (c Checkpoint) Text() string {
	s := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Tree.N, c.Tree.Hash)
	if !c.Time.IsZero() {
		s += timeExtension + strconv.FormatInt(c.Time.Unix(), 10) + "\n"
	}
	return s
}

// ParseCheckpoint reads the body of a checkpoint. Extension lines it doesn't know are passed over,
// as the specification asks. A tree of more than 2^53−1 entries is refused: there is none, and code
// that walks trees may never end in it.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return Checkpoint{}, fmt.Errorf("a checkpoint has an origin, a size and a root hash, each on a line of its own")
	}
	if lines[0] == "" {
		return Checkpoint{}, fmt.Errorf("the checkpoint names no origin")
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || n > maxSafeInteger || strconv.FormatInt(n, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("the checkpoint's size %q is not a plain number", lines[1])
	}
	hash, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's root: %w", err)
	}
	c := Checkpoint{Origin: lines[0], Tree: tlog.Tree{N: n, Hash: hash}}
	for _, line := range lines[3 : len(lines)-1] {
		if line == "" {
			return Checkpoint{}, fmt.Errorf("the checkpoint has an empty extension line")
		}
		if s, ok := strings.CutPrefix(line, timeExtension); ok {
			sec, err := strconv.ParseInt(s, 10, 64)
			if err != nil || strconv.FormatInt(sec, 10) != s || !c.Time.IsZero() {
				return Checkpoint{}, fmt.Errorf("the checkpoint's time line %q is malformed", line)
			}
			c.Time = time.Unix(sec, 0).UTC()
		}
	}
	return c, nil
}

// OpenCheckpoint checks the signature of a signed checkpoint with a verifier key and returns what
// was signed. The key's name must be the checkpoint's origin. Signatures by others (witnesses) are
// allowed and not checked.
func OpenCheckpoint(signed []byte, key string) (Checkpoint, error) {
	n, err := openNote(signed, key)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, fault(BadCheckpoint, "%v", err)
	}
	if n.Sigs[0].Name != c.Origin {
		return Checkpoint{}, fault(OtherLog, "the checkpoint of log %q is signed by %q", c.Origin, n.Sigs[0].Name)
	}
	return c, nil
}

// openNote opens a signed note under one verifier key. It takes one spelling of key and signatures
// only, so that no byte of them can be changed unnoticed.
func openNote(signed []byte, key string) (*note.Note, error) {
	v, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return nil, fault(BadSignature, "the note is not signed by %s, or it was altered (%v)", v.Name(), err)
	}
	for _, s := range append(n.Sigs[:len(n.Sigs):len(n.Sigs)], n.UnverifiedSigs...) {
		if _, ok := decode64(s.Base64); !ok {
			return nil, fault(BadSignature, "a signature of the note is not spelled as it was written")
		}
	}
	return n, nil
}

// parseKey reads the verifier key of a log, in the one spelling that it was written in.
func parseKey(key string) (note.Verifier, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fault(BadKey, "the verifier key is malformed")
	}
	_, rest, _ := strings.Cut(key, "+")
	if rest[:8] != strings.ToLower(rest[:8]) {
		return nil, fault(BadKey, "the verifier key's hash is not spelled in lower case")
	}
	if !spelled64(rest[9:]) {
		return nil, fault(BadKey, "the verifier key is not spelled as it was written")
	}
	return v, nil
}

func spelled64(s string) bool {
	_, ok := decode64(s)
	return ok
}

func parseHash(s string) (tlog.Hash, error) {
	b, ok := decode64(s)
	if !ok || len(b) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("%q is not 32 bytes of base64", s)
	}
	return tlog.Hash(b), nil
}
