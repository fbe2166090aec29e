package verify

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// A cosignature (C2SP tlog-cosignature, version 1) is a witness's statement that, at the time it
// names, the tree of a checkpoint was the largest it had seen of that log, and that it extended
// every tree of that log which the witness had cosigned before.

// cosignatureAlgorithm tells a cosigner's verifier key from that of a log.
const cosignatureAlgorithm = 4

const cosignatureSize = 8 + ed25519.SignatureSize

// NewCosigner returns the signer of a witness, for note.Sign, and its verifier key. Each signature
// carries the time that now returns.
func NewCosigner(name string, key ed25519.PrivateKey, now func() time.Time) (note.Signer, string, error) {
	if !validName(name) {
		return nil, "", fault(BadKey, "a witness can't be named %q", name)
	}
	public := key.Public().(ed25519.PublicKey)
	c := &cosigner{cosignatureKey{name, cosignatureHash(name, public), public}, key, now}
	return c, c.text(), nil
}

// NewCosignatureVerifier returns the verifier of a witness's signatures from its verifier key.
func NewCosignatureVerifier(key string) (note.Verifier, error) {
	k, err := parseCosignatureKey(key)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Cosignature is a witness's signature on a checkpoint.
type Cosignature struct {
	Key  string // the witness's verifier key
	Name string
	Time time.Time // what the witness's clock said
	Line string    // as it stands below the checkpoint, with its line break
}

// Cosignatures returns the signatures on a signed checkpoint by the witnesses with these verifier
// keys, in the order of the keys. Witnesses that did not sign are left out, signatures of others
// passed over; one that claims to be by one of the keys and doesn't hold is an error.
func Cosignatures(signed []byte, keys ...string) ([]Cosignature, error) {
	var out []Cosignature
	for _, key := range keys {
		v, err := parseCosignatureKey(key)
		if err != nil {
			return nil, err
		}
		n, err := note.Open(signed, note.VerifierList(v))
		if _, none := err.(*note.UnverifiedNoteError); none {
			continue
		}
		if err != nil {
			return nil, fault(BadSignature, "the signature of witness %s does not hold", v.name)
		}
		sig, ok := decode64(n.Sigs[0].Base64)
		if !ok || len(sig) != 4+cosignatureSize {
			return nil, fault(BadSignature, "the signature of witness %s is not spelled as it was written", v.name)
		}
		out = append(out, Cosignature{
			Key: key, Name: v.name, Time: time.Unix(int64(binary.BigEndian.Uint64(sig[4:])), 0).UTC(),
			Line: fmt.Sprintf("— %s %s\n", n.Sigs[0].Name, n.Sigs[0].Base64),
		})
	}
	return out, nil
}

type cosignatureKey struct {
	name   string
	hash   uint32
	public ed25519.PublicKey
}

// Name implements note.Verifier.
func (k *cosignatureKey) Name() string { return k.name }

// KeyHash implements note.Verifier.
func (k *cosignatureKey) KeyHash() uint32 { return k.hash }

// Verify implements note.Verifier.
func (k *cosignatureKey) Verify(msg, sig []byte) bool {
	if len(sig) != cosignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return at < 1<<63 && ed25519.Verify(k.public, cosigned(msg, at), sig[8:])
}

func (k *cosignatureKey) text() string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.hash, base64.StdEncoding.EncodeToString(append([]byte{cosignatureAlgorithm}, k.public...)))
}

type cosigner struct {
	cosignatureKey
	private ed25519.PrivateKey
	now     func() time.Time
}

// Sign implements note.Signer.
func (c *cosigner) Sign(msg []byte) ([]byte, error) {
	at := uint64(c.now().Unix())
	sig := binary.BigEndian.AppendUint64(make([]byte, 0, cosignatureSize), at)
	return append(sig, ed25519.Sign(c.private, cosigned(msg, at))...), nil
}

// cosigned is what a witness signs: two lines and the whole text of the checkpoint.
func cosigned(text []byte, at uint64) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), text...)
}

func cosignatureHash(name string, public ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{cosignatureAlgorithm})
	h.Write(public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func parseCosignatureKey(text string) (*cosignatureKey, error) {
	name, rest, _ := strings.Cut(text, "+")
	hash, encoded, ok := strings.Cut(rest, "+")
	raw, spelled := decode64(encoded)
	if !ok || !spelled || !validName(name) || len(raw) != 1+ed25519.PublicKeySize || raw[0] != cosignatureAlgorithm {
		return nil, fault(BadKey, "the witness's verifier key is malformed")
	}
	k := &cosignatureKey{name, cosignatureHash(name, raw[1:]), raw[1:]}
	if hash != fmt.Sprintf("%08x", k.hash) {
		return nil, fault(BadKey, "the witness's verifier key is malformed: its hash does not fit")
	}
	return k, nil
}

func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r == '+' || r == unicode.ReplacementChar || unicode.IsSpace(r) })
}
