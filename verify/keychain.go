package verify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// KeychainType is the value of a key list's "type" member.
const KeychainType = "probity/keys/v1"

const handoverType = "probity/handover/v1"

// The reasons for which a log's key gives way to another.
const (
	Rotated = "rotated" // a new key for the same log
	Bridged = "bridged" // a new log that goes on where a restored, older copy of the old one ends
)

// Handover is the statement by which the key of a log names its successor. Both sign it: the old key
// because it is believed, the new one to show that somebody holds it. Two handovers of one key to
// different successors prove that its holder lied.
type Handover struct {
	Kind  string    // Rotated or Bridged
	Old   string    // verifier key
	New   string    // verifier key
	Until int64     // the old key signed no tree larger than this
	From  int64     // the new key signs no tree smaller than this; at most Until if entries were lost
	Time  time.Time // to the second, UTC
}

// Lost returns the range of entries that were part of the old log but are not part of the new one:
// first and how many. It is none unless the log was bridged.
func (h *Handover) Lost() (first, n int64) {
	if h.Kind != Bridged {
		return 0, 0
	}
	return h.From - 1, max(0, h.Until-h.From+1)
}

// Text returns the text that both keys sign.
func (h *Handover) Text() string {
	return fmt.Sprintf("%s\n%s\n%s\n%s\n%d\n%d\n%d\n", handoverType, h.Kind, h.Old, h.New, h.Until, h.From, h.Time.Unix())
}

// Sign returns the signed note.
func (h *Handover) Sign(old, new note.Signer) (string, error) {
	signed, err := note.Sign(&note.Note{Text: h.Text()}, old, new)
	return string(signed), err
}

// OpenHandover reads a signed handover and checks that both keys it names signed it.
func OpenHandover(signed string) (*Handover, error) {
	text, _, ok := strings.Cut(signed, "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 7 || lines[0] != handoverType {
		return nil, fault(Malformed, "handover: not a statement of one key about its successor")
	}
	h := &Handover{Kind: lines[1], Old: lines[2], New: lines[3]}
	if h.Kind != Rotated && h.Kind != Bridged {
		return nil, fault(Malformed, "handover: the kind %q is not known to this program", h.Kind)
	}
	var numbers [3]int64
	for i, s := range lines[4:] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
			return nil, fault(Malformed, "handover: %q is not a plain number", s)
		}
		numbers[i] = n
	}
	h.Until, h.From, h.Time = numbers[0], numbers[1], time.Unix(numbers[2], 0).UTC()
	for _, key := range []string{h.Old, h.New} {
		n, err := openNote([]byte(signed), key)
		if err != nil {
			return nil, err
		}
		if n.Text != h.Text() {
			return nil, fault(BadSignature, "handover: the text is not the one that was signed")
		}
	}
	oldLog, _, _ := strings.Cut(h.Old, "+")
	newLog, _, _ := strings.Cut(h.New, "+")
	if (h.Kind == Rotated) != (oldLog == newLog) || h.Old == h.New {
		return nil, fault(Malformed, "handover: %s from %s to %s makes no sense", h.Kind, oldLog, newLog)
	}
	if h.Kind == Rotated && h.From <= h.Until {
		return nil, fault(Malformed, "handover: both keys would sign trees of %d entries", h.Until)
	}
	return h, nil
}

// Keychain is the list of all keys that an organisation's log ever had, which the organisation
// publishes. As a file it is a JSON object:
//
//	type  "probity/keys/v1"
//	keys  oldest first: verifier_key, and for all but the first one handover: the signed statement
//	      of the key before it
//
// Whoever trusts one key of the list can trust the others, each within its own period.
type Keychain struct {
	Type string         `json:"type"`
	Keys []PublishedKey `json:"keys"`
}

// PublishedKey is one key of a log.
type PublishedKey struct {
	VerifierKey string `json:"verifier_key"`
	Handover    string `json:"handover,omitempty"` // empty for the first key
}

// NewKeychain returns a key list without keys.
func NewKeychain() *Keychain { return &Keychain{Type: KeychainType, Keys: []PublishedKey{}} }

// Period is what one key of a checked list may have signed.
type Period struct {
	Key      string
	From     int64     // no smaller tree
	Until    int64     // no larger tree; -1: it is in use
	Handover *Handover // to this key; nil for the first one
}

// Covers tells whether a tree of that size lies in the period.
func (p *Period) Covers(size int64) bool { return size >= p.From && (p.Until < 0 || size <= p.Until) }

// ParseKeychain reads a key list and checks it, see Check.
func ParseKeychain(data []byte) (*Keychain, []Period, error) {
	if len(data) > MaxFile {
		return nil, nil, fault(Malformed, "the file is larger than %d MB", MaxFile>>20)
	}
	v, err := parse(data)
	if err != nil {
		return nil, nil, fault(Malformed, "not JSON: %v", err)
	}
	k, err := decodeKeychain(v)
	if err != nil {
		return nil, nil, err
	}
	periods, err := k.Check()
	return k, periods, err
}

func decodeKeychain(v *value) (*Keychain, error) {
	f := open(v, "", KeychainType)
	k := NewKeychain()
	if f.err == nil {
		for _, item := range f.list("keys") {
			e := open(item, "keys", "")
			if e.err != nil {
				return nil, e.err
			}
			p := PublishedKey{VerifierKey: e.text("verifier_key")}
			if item.get("handover") != nil {
				p.Handover = e.text("handover")
			}
			if err := e.done(); err != nil {
				return nil, err
			}
			k.Keys = append(k.Keys, p)
		}
	}
	return k, f.done()
}

// Check verifies every handover and returns the period of each key, oldest first.
func (k *Keychain) Check() ([]Period, error) {
	if len(k.Keys) == 0 {
		return nil, fault(Malformed, "the list holds no key")
	}
	periods := make([]Period, len(k.Keys))
	for i, key := range k.Keys {
		if _, err := parseKey(key.VerifierKey); err != nil {
			return nil, within("key", i, err)
		}
		periods[i] = Period{Key: key.VerifierKey, Until: -1}
		if i == 0 {
			if key.Handover != "" {
				return nil, fault(Malformed, "the first key of the list can't have been handed over by another")
			}
			continue
		}
		h, err := OpenHandover(key.Handover)
		if err != nil {
			return nil, within("key", i, err)
		}
		if h.Old != k.Keys[i-1].VerifierKey || h.New != key.VerifierKey {
			return nil, fault(OtherLog, "key %d of the list was handed over between other keys", i+1)
		}
		periods[i-1].Until = h.Until
		periods[i].From, periods[i].Handover = h.From, h
	}
	return periods, nil
}
