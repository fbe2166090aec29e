package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// CertificateType is the value of a certificate's "type" member.
const CertificateType = "probity/certificate/v1"

// Certificate states that a request of a data subject was carried out, such as an erasure (Art. 17)
// or a rectification (Art. 16). As a file it is a JSON object:
//
//	type          "probity/certificate/v1"
//	body          what was done, a JSON object
//	note          Ed25519 signed note over the digest of the body
//	verifier_key  the key of the note, which is the key of the log
//	receipt       proof that the log holds an entry citing the body's digest at body_sha256
//
// The signed note's text is two lines: the type, and the SHA-256 of the body's canonical JSON in
// hex.
type Certificate struct {
	Type        string          `json:"type"`
	Body        json.RawMessage `json:"body"`
	Note        string          `json:"note"`
	VerifierKey string          `json:"verifier_key"`
	Receipt     *Receipt        `json:"receipt"`
}

// BodyDigest returns the SHA-256 of a certificate body's canonical JSON in hex. The entry that the
// certificate's receipt proves must hold it at body_sha256.
func BodyDigest(body []byte) (string, error) {
	canonical, err := Canonical(body)
	if err != nil {
		return "", fmt.Errorf("the body: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// NewCertificate signs a body. The receipt must prove an entry that cites BodyDigest(body).
func NewCertificate(body []byte, signer note.Signer, key string, receipt *Receipt) (*Certificate, error) {
	digest, err := BodyDigest(body)
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: certificateText(digest)}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate: %w", err)
	}
	canonical, err := Canonical(body)
	if err != nil {
		return nil, err
	}
	c := &Certificate{Type: CertificateType, Body: canonical, Note: string(signed), VerifierKey: key, Receipt: receipt}
	if _, _, err := c.Check(key); err != nil {
		return nil, err
	}
	return c, nil
}

// Check verifies the certificate under the key: signature, digest, and the log entry behind it.
func (c *Certificate) Check(key string) (Leaf, Checkpoint, error) {
	body, err := parse(c.Body)
	if err != nil {
		return Leaf{}, Checkpoint{}, fault(Malformed, "body: %v", err)
	}
	if body.kind != kindObject {
		return Leaf{}, Checkpoint{}, fault(Malformed, "body: not a JSON object")
	}
	sum := sha256.Sum256(body.append(nil))
	digest := hex.EncodeToString(sum[:])
	n, err := openNote([]byte(c.Note), key)
	if err != nil {
		return Leaf{}, Checkpoint{}, err
	}
	if n.Text != certificateText(digest) {
		return Leaf{}, Checkpoint{}, fault(EditedBody, "the body is not the one that was signed")
	}
	if c.Receipt == nil {
		return Leaf{}, Checkpoint{}, fault(Malformed, "receipt: missing")
	}
	leaf, checkpoint, err := c.Receipt.Check(key)
	if err != nil {
		return Leaf{}, Checkpoint{}, err
	}
	entry, err := parse(c.Receipt.Entry)
	if err != nil {
		return Leaf{}, Checkpoint{}, fault(Malformed, "receipt.entry: %v", err)
	}
	if cited := entry.get("body_sha256"); cited == nil || cited.text != digest {
		return Leaf{}, Checkpoint{}, fault(EditedBody, "the log entry does not cite this body")
	}
	return leaf, checkpoint, nil
}

func certificateText(digest string) string {
	return strings.Join([]string{CertificateType, digest, ""}, "\n")
}
