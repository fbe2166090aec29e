package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// ReceiptType is the value of a receipt's "type" member.
const ReceiptType = "probity/receipt/v1"

// Receipt proves that one entry stands in an organisation's log. As a file it is a JSON object:
//
//	type          "probity/receipt/v1"
//	leaf          the line in the log, see Leaf
//	entry         what was recorded, a JSON object
//	salt          32 bytes, base64
//	proof         C2SP tlog-proof@v1 with the signed checkpoint, text
//	verifier_key  the public key of the log, as golang.org/x/mod/sumdb/note writes it
//	notice        optional: the exact text that was shown, see Document
//	withdrawal_link  optional: opens a page whose button takes this consent back, without signing in
//
// The link stands beside what the log committed to: nothing can be proved of it, and nothing depends on
// it. It is no part of the log, so that the log holds nothing that acts for somebody. Whoever has it can
// narrow what may be done with the data, and nothing else.
//
// The entry holds what the person said and what was shown, under a random reference. Whoever has
// the file can read it.
type Receipt struct {
	Type        string          `json:"type"`
	Leaf        string          `json:"leaf"`
	Entry       json.RawMessage `json:"entry"`
	Salt        string          `json:"salt"`
	Proof       string          `json:"proof"`
	VerifierKey string          `json:"verifier_key"`
	Notice      *Document       `json:"notice,omitempty"`
	Withdrawal  string          `json:"withdrawal_link,omitempty"`
}

// Document is an artefact that an entry cites by its SHA-256, enclosed so that it can be read years
// later. The entry must hold the digest, in hex, at notice.text_sha256.
type Document struct {
	MediaType string `json:"media_type"`
	Language  string `json:"language"`
	Text      string `json:"text"`
}

// NewReceipt builds a receipt. entry is canonicalised; it fails if entry is no JSON object.
func NewReceipt(leaf Leaf, entry []byte, salt [SaltSize]byte, proof Proof, key string) (*Receipt, error) {
	canonical, err := Canonical(entry)
	if err != nil {
		return nil, fmt.Errorf("the entry: %w", err)
	}
	return &Receipt{
		Type:        ReceiptType,
		Leaf:        string(leaf.Text()),
		Entry:       canonical,
		Salt:        base64.StdEncoding.EncodeToString(salt[:]),
		Proof:       proof.Text(),
		VerifierKey: key,
	}, nil
}

// Check verifies the receipt under the key. The error names what does not fit; see Reason.
func (r *Receipt) Check(key string) (Leaf, Checkpoint, error) {
	leaf, err := ParseLeaf(r.Leaf)
	if err != nil {
		return Leaf{}, Checkpoint{}, fault(Malformed, "leaf: %v", err)
	}
	if r.Withdrawal != "" && !(strings.HasPrefix(leaf.Kind, "consent.") && isWithdrawalLink(r.Withdrawal)) {
		return Leaf{}, Checkpoint{}, fault(Malformed, "withdrawal_link: not the address of a link that takes a consent back")
	}
	salt, ok := decode64(r.Salt)
	if !ok || len(salt) != SaltSize {
		return Leaf{}, Checkpoint{}, fault(Malformed, "salt: not %d bytes of base64", SaltSize)
	}
	entry, err := parse(r.Entry)
	if err != nil {
		return Leaf{}, Checkpoint{}, fault(Malformed, "entry: %v", err)
	}
	if entry.kind != kindObject {
		return Leaf{}, Checkpoint{}, fault(Malformed, "entry: not a JSON object")
	}
	if Commit([SaltSize]byte(salt), entry.append(nil)) != leaf.Commitment {
		return Leaf{}, Checkpoint{}, fault(EditedEntry, "the entry or its salt is not what the log committed to")
	}
	proof, err := ParseProof(r.Proof)
	if err != nil {
		return Leaf{}, Checkpoint{}, fault(Malformed, "proof: %v", err)
	}
	c, err := proof.Check([]byte(r.Leaf), key)
	if err != nil {
		return Leaf{}, Checkpoint{}, err
	}
	if r.Notice != nil {
		if err := r.Notice.check(entry); err != nil {
			return Leaf{}, Checkpoint{}, err
		}
	}
	return leaf, c, nil
}

// isWithdrawalLink tells whether the text is an address of https or http, or only its path, that ends in
// /privacy/l/ and a token of letters, digits, dashes and underscores.
func isWithdrawalLink(s string) bool {
	const page = "/privacy/l/"
	at := strings.LastIndex(s, page)
	if at < 0 || len(s) > 2048 {
		return false
	}
	host, token := s[:at], s[at+len(page):]
	if host != "" {
		rest, web := strings.CutPrefix(host, "https://")
		if !web {
			rest, web = strings.CutPrefix(host, "http://")
		}
		if !web || rest == "" || strings.Trim(rest, linkLetters+":./[]") != "" {
			return false
		}
	}
	return token != "" && strings.Trim(token, linkLetters) == ""
}

const linkLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Digest returns the SHA-256 of the text in hex.
func (d *Document) Digest() string {
	sum := sha256.Sum256([]byte(d.Text))
	return hex.EncodeToString(sum[:])
}

func (d *Document) check(entry *value) error {
	var cited, language *value
	if n := entry.get("notice"); n != nil {
		cited, language = n.get("text_sha256"), n.get("language")
	}
	if cited == nil || cited.kind != kindString {
		return fault(EditedNotice, "a notice is enclosed, but the entry cites none")
	}
	if d.Digest() != cited.text {
		return fault(EditedNotice, "the notice enclosed is not the text whose digest the entry cites")
	}
	if language == nil || language.text != d.Language {
		return fault(EditedNotice, "the notice enclosed is said to be in another language than the entry says")
	}
	if d.MediaType != noticeMediaType {
		return fault(EditedNotice, "the notice enclosed has media type %q instead of %s", d.MediaType, noticeMediaType)
	}
	return nil
}
