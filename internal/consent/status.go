package consent

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
)

// Status is the state of a purpose for a subject, in the words of the W3C Data Privacy Vocabulary
// where it has them.
type Status string

// The statuses. Given is the only one that opens the gate.
const (
	Unknown   Status = "ConsentUnknown"   // never asked, or never answered
	Given     Status = "ConsentGiven"     // in force
	Refused   Status = "ConsentRefused"   // asked, and no
	Withdrawn Status = "ConsentWithdrawn" // given once, taken back by the person
	Expired   Status = "ConsentExpired"   // given or refused once, older than its validity
	Suspended Status = "ConsentRequested" // given under a notice that has changed materially since
	Objected  Status = "Objected"         // the person objected to another basis (Art. 21)

	Invalidated Status = "ConsentInvalidated" // the controller found that it was never valid
	Revoked     Status = "ConsentRevoked"     // the controller ended it
)

// denies tells whether the status closes the purpose on all devices of the person, and to any other
// basis.
func (s Status) denies() bool { return s == Refused || s == Withdrawn || s == Objected }

// closes tells whether the status keeps every basis out on this device: a denial does, and so does the
// controller's own word that there was no valid consent, because another basis must not step in for it
// afterwards (EDPB 05/2020 §122).
func (s Status) closes() bool { return s.denies() || s == Invalidated || s == Revoked }

// Effect is what one record says about one purpose.
type Effect struct {
	Purpose string
	Status  Status
}

// Record is one choice, withdrawal, objection or expiry, or an assertion of one.
type Record struct {
	ID               uuid.UUID
	Subject          id.Subject
	Ledger           int64 // index in the tenant's log
	Kind             string
	Source           string // "banner", "preferences", "link", "form", "api"
	Deployment       uuid.UUID
	At               time.Time // the server's clock; from this instant the record counts
	Until            time.Time // zero: no end
	Notice           string
	Version          int
	Language         string
	Effects          []Effect  // sorted by purpose
	ConflictsWithGPC bool      // granted although the browser sent Global Privacy Control
	Said             time.Time // when the person said it, by the word of whoever recorded it; zero: at At, and first-hand
	Served           int64     // index of the entry that says which notice was served; -1: none
}

// State is the effective state of one purpose for one subject.
type State struct {
	Purpose       string
	Status        Status
	Since         time.Time // zero for Unknown
	Until         time.Time // end of validity; zero: none
	NoticeVersion int
	Ledger        int64 // the entry that decides; -1: none
	RecordID      uuid.UUID
	Asserted      bool // nobody but the controller says so: there is no first-hand proof
	Elsewhere     bool // another device of the same person decides: it refused, this one did not
}

// Ground is the lawful basis that the gate found. It is stored with whatever is processed on it.
type Ground struct {
	Basis    string // "consent", or the declared one
	Ledger   int64  // entry of the grant, or of the declaration
	Declared string // record id of the declaration; empty: consent
}

// encodeEffects writes effects as they stand in the table.
func encodeEffects(effects []Effect) string {
	var b strings.Builder
	for i, e := range effects {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.Purpose)
		b.WriteByte('=')
		b.WriteString(string(e.Status))
	}
	return b.String()
}

func decodeEffects(s string) ([]Effect, error) {
	if s == "" {
		return nil, nil
	}
	parts := strings.Split(s, ",")
	out := make([]Effect, len(parts))
	for i, p := range parts {
		purpose, status, ok := strings.Cut(p, "=")
		if !ok || purpose == "" {
			return nil, fmt.Errorf("a consent record has malformed effects")
		}
		switch Status(status) {
		case Given, Refused, Withdrawn, Expired, Objected, Invalidated, Revoked:
		default:
			return nil, fmt.Errorf("a consent record has an unknown status")
		}
		out[i] = Effect{purpose, Status(status)}
	}
	return out, nil
}
