package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SaltSize is the number of random bytes that hide an entry behind its commitment.
const SaltSize = 32

const (
	leafVersion  = "v1"
	commitDomain = "probity/ledger/leaf/v1\x00"
)

// decode64 reads base64 in the one spelling that an encoder writes: no line breaks, no padding bits
// that are not zero.
func decode64(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil && base64.StdEncoding.EncodeToString(b) == s
}

// Leaf is what the log itself holds of an entry: its coarse kind, its minute and a commitment that
// tells nothing about the entry to someone without the salt.
type Leaf struct {
	Kind       string // such as "consent.given"; lower-case letters, digits, dots and dashes
	Minute     int64  // minutes since 1970 UTC
	Commitment [32]byte
}

// Commit returns the commitment to an entry: SHA-256 over a fixed domain, the salt and the entry's
// canonical JSON. With 32 random bytes of salt nobody can test a guess of the entry against it.
func Commit(salt [SaltSize]byte, entry []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(commitDomain))
	h.Write(salt[:])
	h.Write(entry)
	return [32]byte(h.Sum(nil))
}

// Text returns the line that the log hashes.
func (l Leaf) Text() []byte {
	b := make([]byte, 0, 96)
	b = append(b, leafVersion...)
	b = append(b, '|')
	b = append(b, l.Kind...)
	b = append(b, '|')
	b = strconv.AppendInt(b, l.Minute, 10)
	b = append(b, '|')
	return base64.StdEncoding.AppendEncode(b, l.Commitment[:])
}

// Time returns the start of the leaf's minute in UTC.
func (l Leaf) Time() time.Time { return time.Unix(l.Minute*60, 0).UTC() }

// ParseLeaf reads a line made by Text. Any other spelling is an error.
func ParseLeaf(text string) (Leaf, error) {
	parts := strings.Split(text, "|")
	if len(parts) != 4 {
		return Leaf{}, fmt.Errorf("a leaf has four parts separated by |, not %d", len(parts))
	}
	if parts[0] != leafVersion {
		return Leaf{}, fmt.Errorf("the leaf has version %q; this program knows %s", parts[0], leafVersion)
	}
	if !ValidKind(parts[1]) {
		return Leaf{}, fmt.Errorf("the leaf's kind %q is malformed", parts[1])
	}
	minute, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || strconv.FormatInt(minute, 10) != parts[2] {
		return Leaf{}, fmt.Errorf("the leaf's minute %q is not a plain number", parts[2])
	}
	sum, ok := decode64(parts[3])
	if !ok || len(sum) != sha256.Size {
		return Leaf{}, fmt.Errorf("the leaf's commitment is not 32 bytes of base64")
	}
	return Leaf{Kind: parts[1], Minute: minute, Commitment: [32]byte(sum)}, nil
}

// ValidKind tells whether s can be the kind of an entry: 1 to 40 lower-case letters, digits, dots
// and dashes.
func ValidKind(s string) bool {
	if s == "" || len(s) > 40 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}
