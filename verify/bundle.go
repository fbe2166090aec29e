package verify

import (
	"golang.org/x/mod/sumdb/tlog"
)

// BundleType is the value of a bundle's "type" member.
const BundleType = "probity/bundle/v1"

// Bundle holds several proofs of one log, for a person's access package or for a regulator. As a
// file it is a JSON object:
//
//	type          "probity/bundle/v1"
//	verifier_key  the public key of the log
//	receipts      any number of Receipt
//	certificates  any number of Certificate
//	consistency   any number of Extension: later checkpoints that extend earlier ones
//
// Each part must verify under the one key, no two checkpoints may contradict each other, and where there
// are several, consistency must lead from each to the largest: else two of them could be of two
// histories that nobody compared.
type Bundle struct {
	Type         string        `json:"type"`
	VerifierKey  string        `json:"verifier_key"`
	Receipts     []Receipt     `json:"receipts"`
	Certificates []Certificate `json:"certificates"`
	Consistency  []Extension   `json:"consistency"`
}

// Extension proves that the tree of one checkpoint is a beginning of the tree of another: nothing
// below the old size was changed, dropped or moved.
type Extension struct {
	Old    string   `json:"old"`               // signed checkpoint
	OldKey string   `json:"old_key,omitempty"` // verifier key of Old if the log's key was replaced since
	New    string   `json:"new"`               // signed checkpoint
	Proof  []string `json:"proof"`             // hashes, base64
}

// NewBundle returns an empty bundle of the log with that verifier key.
func NewBundle(key string) *Bundle {
	return &Bundle{
		Type:         BundleType,
		VerifierKey:  key,
		Receipts:     []Receipt{},
		Certificates: []Certificate{},
		Consistency:  []Extension{},
	}
}

// NewExtension builds the proof that new extends old.
func NewExtension(old, new []byte, proof tlog.TreeProof) Extension {
	e := Extension{Old: string(old), New: string(new), Proof: make([]string, len(proof))}
	for i, h := range proof {
		e.Proof[i] = h.String()
	}
	return e
}

// Check verifies that the new checkpoint, which the key signed, extends the old one and returns both.
// The old one is checked under OldKey if there is one: whether that key was the operator's too is for
// the caller to know, see Keychain. Two checkpoints of one size with different roots, or a proof that
// does not hold, give the reason SplitView: the log signed two histories.
func (e *Extension) Check(key string) (old, new Checkpoint, err error) {
	before := key
	if e.OldKey != "" {
		before = e.OldKey
	}
	if old, err = OpenCheckpoint([]byte(e.Old), before); err != nil {
		return old, new, err
	}
	if new, err = OpenCheckpoint([]byte(e.New), key); err != nil {
		return old, new, err
	}
	if new.Tree.N < old.Tree.N {
		return old, new, fault(Malformed, "the newer checkpoint is the smaller one")
	}
	if new.Time.Before(old.Time) {
		return old, new, fault(SplitView, "the larger checkpoint claims to be older: the log's clock went backwards")
	}
	if new.Tree.N == old.Tree.N {
		if new.Tree.Hash != old.Tree.Hash {
			return old, new, fault(SplitView, "two checkpoints of %d entries state different roots; both are signed", old.Tree.N)
		}
		if len(e.Proof) > 0 {
			return old, new, fault(BadProof, "checkpoints of one size need no hashes between them")
		}
		return old, new, nil
	}
	proof := make(tlog.TreeProof, len(e.Proof))
	for i, s := range e.Proof {
		if proof[i], err = parseHash(s); err != nil {
			return old, new, fault(Malformed, "consistency proof: %v", err)
		}
	}
	if old.Tree.N == 0 {
		if len(proof) > 0 {
			return old, new, fault(BadProof, "nothing needs to be proved about an empty log")
		}
		return old, new, nil
	}
	if tlog.CheckTree(proof, new.Tree.N, new.Tree.Hash, old.Tree.N, old.Tree.Hash) != nil {
		return old, new, fault(SplitView, "the %d entries of the newer checkpoint do not extend the %d of the older one as proved", new.Tree.N, old.Tree.N)
	}
	return old, new, nil
}

// Equivocation tells whether two signed checkpoints of one log contradict each other: same size,
// different roots. Both signatures are checked first, so that a true answer is proof against the
// holder of the key.
func Equivocation(a, b []byte, key string) (bool, error) {
	ca, err := OpenCheckpoint(a, key)
	if err != nil {
		return false, err
	}
	cb, err := OpenCheckpoint(b, key)
	if err != nil {
		return false, err
	}
	return ca.Tree.N == cb.Tree.N && ca.Tree.Hash != cb.Tree.Hash, nil
}
