package verify

import (
	"bytes"
	"fmt"
	"strings"
)

// EquivocationType is the value of the "type" member of a proof that a log signed two histories.
const EquivocationType = "probity/equivocation/v1"

// Evidence holds two signed checkpoints of one log that can't both be true. Whoever has it can show
// anybody that the holder of the key lied. As a file it is a JSON object:
//
//	type          "probity/equivocation/v1"
//	verifier_key  the public key of the log
//	checkpoints   the two signed checkpoints, text
type Evidence struct {
	Type        string   `json:"type"`
	VerifierKey string   `json:"verifier_key"`
	Checkpoints []string `json:"checkpoints"`
}

// NewEvidence returns the proof that two checkpoints contradict each other, an error if they don't.
func NewEvidence(a, b []byte, key string) (*Evidence, error) {
	e := &Evidence{Type: EquivocationType, VerifierKey: key, Checkpoints: []string{string(a), string(b)}}
	_, _, err := e.Check(key)
	return e, err
}

// Check verifies that the key signed both checkpoints and that they can't both be true: they state
// different roots for one size, or the larger tree was signed before the smaller one.
func (e *Evidence) Check(key string) (a, b Checkpoint, err error) {
	if len(e.Checkpoints) != 2 {
		return a, b, fault(Malformed, "checkpoints: there must be two")
	}
	if a, err = OpenCheckpoint([]byte(e.Checkpoints[0]), key); err != nil {
		return a, b, err
	}
	if b, err = OpenCheckpoint([]byte(e.Checkpoints[1]), key); err != nil {
		return a, b, err
	}
	if !contradict(a, b) {
		return a, b, fault(BadProof, "the two checkpoints don't contradict each other: they prove nothing against the log")
	}
	return a, b, nil
}

// contradict tells whether an honest log can't have signed both.
func contradict(a, b Checkpoint) bool {
	if a.Tree.N == b.Tree.N {
		return a.Tree.Hash != b.Tree.Hash
	}
	if a.Tree.N > b.Tree.N {
		a, b = b, a
	}
	return !a.Time.IsZero() && !b.Time.IsZero() && b.Time.Before(a.Time)
}

// why says in what way two checkpoints contradict each other.
func why(a, b Checkpoint) string {
	if a.Tree.N == b.Tree.N {
		return fmt.Sprintf("the log signed two different trees of %d entries", a.Tree.N)
	}
	if a.Tree.N > b.Tree.N {
		a, b = b, a
	}
	return fmt.Sprintf("the log signed a tree of %d entries earlier than one of %d", b.Tree.N, a.Tree.N)
}

func decodeEvidence(v *value) (*Evidence, error) {
	f := open(v, "", EquivocationType)
	e := &Evidence{Type: EquivocationType}
	if f.err == nil {
		e.VerifierKey = f.text("verifier_key")
		for _, item := range f.list("checkpoints") {
			if item.kind != kindString {
				return nil, fault(Malformed, "checkpoints: not a string")
			}
			e.Checkpoints = append(e.Checkpoints, item.text)
		}
	}
	return e, f.done()
}

func (c *checker) evidence(e *Evidence) error {
	a, b, err := e.Check(e.VerifierKey)
	if err != nil {
		return err
	}
	c.report.Log = a.Origin
	c.report.verified("Whoever holds the key of log %s lied: %s. Both checkpoints carry its signature.", a.Origin, why(a, b))
	return nil
}

// IsCheckpoints tells whether a file looks like signed checkpoints in text, rather than JSON.
func IsCheckpoints(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] != '{' && !isHandover(data) && bytes.Contains(data, []byte("\n\n— "))
}

// Checkpoints verifies a text file with one or more signed checkpoints of one log, one after the
// other, and compares them. keys are verifier keys that the reader trusts; at least one is needed,
// because a checkpoint does not carry its key.
//
// Two checkpoints that can't both be true give an error with the reason SplitView, and the evidence
// to show to others.
func Checkpoints(data []byte, keys ...string) (*Report, *Evidence, error) {
	return Trust{Keys: keys}.Checkpoints(data)
}

// Checkpoints verifies a text file of checkpoints as the function Checkpoints does, with all that the
// reader knows. A contradiction is told before anything else that is wrong.
func (t Trust) Checkpoints(data []byte) (*Report, *Evidence, error) {
	if len(data) > MaxFile {
		return nil, nil, fault(Malformed, "the file is larger than %d MB", MaxFile>>20)
	}
	if len(t.Keys) == 0 {
		return nil, nil, fault(WrongKey, "a checkpoint does not carry its key: name the verifier key that the organisation published")
	}
	notes, err := splitNotes(string(data))
	if err != nil {
		return nil, nil, err
	}
	ck := newChecker("checkpoint", t)
	r := &ck.report
	r.Trusted = true
	var opened []Checkpoint
	var by []string
	var unfit error // the first checkpoint that its key might not sign, or that too few witnessed
	for i, signed := range notes {
		c, key, err := openAny(signed, t.Keys)
		if err != nil {
			return nil, nil, within("checkpoint", i, err)
		}
		if r.Log == "" {
			r.Log, r.Key = c.Origin, key
		}
		if c.Origin != r.Log {
			return nil, nil, fault(OtherLog, "the checkpoints belong to %q and to %q", r.Log, c.Origin)
		}
		r.verified("Checkpoint %d: log %s had %d entries at %s UTC; its signature holds.", i+1, c.Origin, c.Tree.N, c.Time.Format("2 January 2006 15:04:05"))
		for j, other := range opened {
			if contradict(other, c) {
				detail := fault(SplitView, "%s: checkpoints %d and %d, both signed; together they prove that the holder of the key lied", why(other, c), j+1, i+1)
				if by[j] != key {
					return nil, nil, detail // two keys of one log: the two notes are the evidence
				}
				e, err := NewEvidence([]byte(notes[j]), []byte(signed), key)
				if err != nil {
					return nil, nil, err
				}
				return nil, e, detail
			}
		}
		if err := ck.proven([]byte(signed), key, c); err != nil && unfit == nil {
			unfit = within("checkpoint", i, err)
		}
		opened, by = append(opened, c), append(by, key)
	}
	if unfit != nil {
		return nil, nil, unfit
	}
	if len(notes) > 1 {
		r.verified("No two of the %d checkpoints contradict each other in what they state.", len(notes))
		r.unverified("That the larger trees extend the smaller ones: that takes a consistency proof of the log.")
	}
	return r, nil, nil
}

func openAny(signed string, keys []string) (c Checkpoint, key string, err error) {
	for _, key = range keys {
		if c, err = OpenCheckpoint([]byte(signed), key); err == nil {
			return c, key, nil
		}
	}
	return c, "", err
}

// splitNotes takes signed notes that stand one after the other apart: a note ends where lines that
// start with a dash are followed by one that doesn't.
func splitNotes(s string) ([]string, error) {
	var notes []string
	for s = strings.TrimLeft(s, "\n"); s != ""; s = strings.TrimLeft(s, "\n") {
		_, sigs, ok := strings.Cut(s, "\n\n")
		if !ok || !strings.HasPrefix(sigs, "— ") {
			return nil, fault(Malformed, "the file is not made of signed checkpoints")
		}
		end := len(s) - len(sigs)
		for strings.HasPrefix(s[end:], "— ") {
			i := strings.IndexByte(s[end:], '\n')
			if i < 0 {
				return nil, fault(Malformed, "the last line of the file is cut off")
			}
			end += i + 1
		}
		notes, s = append(notes, s[:end]), s[end:]
		if len(notes) > 1000 {
			return nil, fault(Malformed, "the file holds more than a thousand checkpoints")
		}
	}
	if len(notes) == 0 {
		return nil, fault(Malformed, "the file holds no checkpoint")
	}
	return notes, nil
}
