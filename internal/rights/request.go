package rights

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// Type is what a data subject asks for.
type Type string

// The types, with the article each rests on.
const (
	Access        Type = "access"        // Art. 15: a copy of everything, with the information of 15(1)
	Portability   Type = "portability"   // Art. 20: what the person provided, on consent or contract only
	Rectification Type = "rectification" // Art. 16: old values replaced by new ones
	Erasure       Type = "erasure"       // Art. 17
	Restriction   Type = "restriction"   // Art. 18: the data is stored and not used
	Objection     Type = "objection"     // Art. 21: to processing on other grounds than consent, and to direct marketing
	HumanReview   Type = "human-review"  // Art. 22(3): of an automated decision
)

// State is how far a request has come. It is finer than the statuses of the Genesys API: see Status.
type State string

// The states. A request waits for people in IdentityPending, Held, ApprovalPending and Deciding, and is
// carried out in the others; Verified, Failed, Refused and Withdrawn are final. See Apply for what
// people can do.
const (
	IdentityPending State = "identity_pending" // a question to the person is open, or the identity is not verified
	Held            State = "hold"             // the data must be kept for now (Art. 17(3))
	ApprovalPending State = "approval_pending" // a second person must agree
	Deciding        State = "deciding"         // a human weighs an objection, or reviews a decision
	Restricting     State = "restricting"
	Settling        State = "settling"  // what was decided is being carried out
	Withdrawn       State = "withdrawn" // the person took the request back

	Received   State = "received"
	Locating   State = "locating"
	Rewriting  State = "rewriting"
	Erasing    State = "erasing"
	Verifying  State = "verifying" // re-reading every store: what was erased must not be found
	Packaging  State = "packaging"
	Certifying State = "certifying"
	Verified   State = "verified"
	Failed     State = "failed"
	Refused    State = "refused"
)

// Final tells whether nothing more happens in the state.
func (s State) Final() bool {
	return s == Verified || s == Failed || s == Refused || s == Withdrawn
}

// Status returns the status that the Genesys GDPR API shows for the state. It invents none:
// clients of that API break on unknown ones.
func (s State) Status() string {
	switch s {
	case Received, IdentityPending, Held, ApprovalPending, Deciding:
		return "INITIATED"
	case Locating:
		return "SEARCHING"
	case Rewriting, Restricting, Settling:
		return "UPDATING"
	case Erasing:
		return "DELETING"
	case Verifying, Packaging, Certifying:
		return "FINALIZING"
	case Verified:
		return "COMPLETED"
	}
	return "ERROR"
}

// Who names the data subject, in the words of the person or of the controller for them. Everything
// that is set must belong to the same person; all of it is searched. It is sealed at rest, and
// forgotten when an erasure is complete.
type Who struct {
	Name              string           `json:"name,omitempty"`
	UserID            string           `json:"userId,omitempty"`
	ExternalContactID string           `json:"externalContactId,omitempty"`
	DialerContactID   *DialerContactID `json:"dialerContactId,omitempty"`
	JourneyCustomer   *JourneyCustomer `json:"journeyCustomer,omitempty"`
	SocialHandle      *SocialHandle    `json:"socialHandle,omitempty"`
	ExternalID        string           `json:"externalId,omitempty"`
	Addresses         []string         `json:"addresses,omitempty"`
	PhoneNumbers      []string         `json:"phoneNumbers,omitempty"`
	EmailAddresses    []string         `json:"emailAddresses,omitempty"`
	// Subjects are references already known, such as that of the visitor who is signed in to the
	// privacy centre. They are not part of any API.
	Subjects []id.Subject `json:"subjects,omitempty"`
}

// JourneyCustomer names a customer of the journey: type is "cookie", "email", "phone" or another
// kind of identity, id its value.
type JourneyCustomer struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id,omitempty"`
}

// SocialHandle is a name on a social network.
type SocialHandle struct {
	Type  string `json:"type,omitempty"`
	Value string `json:"value,omitempty"`
}

// DialerContactID names a contact of an outbound contact list.
type DialerContactID struct {
	ID            string `json:"id,omitempty"`
	ContactListID string `json:"contactListId,omitempty"`
}

// ReplacementTerm is one correction of a rectification: existing value out, updated value in.
type ReplacementTerm struct {
	Type     string `json:"type"` // NAME, ADDRESS, PHONE, EMAIL, TWITTER, INSTAGRAM, FACEBOOK, APPLE_MESSAGES, WHATSAPP, EXTERNAL_ID
	Existing string `json:"existingValue"`
	Updated  string `json:"updatedValue"`
}

// Actor is who submitted a request: an OAuth client, a member of staff, or the person.
type Actor struct {
	Kind string    `json:"kind"` // "client", "staff", "subject", "system"
	ID   uuid.UUID `json:"id"`   // zero for "subject": the request itself says who
}

// Request is one data-subject request. Submit reads Type, Who, Replacements, Channel, CreatedBy and
// ReceivedAt; the Room sets the rest. A *Request handed out is the caller's own copy.
type Request struct {
	ID           uuid.UUID
	Tenant       id.Tenant
	Type         Type
	Who          Who      // empty after a completed erasure, and when it can't be opened any more
	Identifiers  []string // kinds of identifiers that Who held, such as "email"; stays after an erasure
	Replacements []ReplacementTerm
	DeliverTo    string // https address that a portability package is sent to (Art. 20(2)); may be empty
	Language     string // that the answer is written in, such as "de"; empty: that of the person's last choice
	Channel      string // "api", "privacy-centre", "console", "letter", …
	CreatedBy    Actor
	ReceivedAt   time.Time // when it reached the controller: the clock of Art. 12(3) starts here
	DueAt        time.Time // start of the day after which it is late, see Due
	FinishedAt   time.Time // zero while it is open
	State        State
	Report       Report
	Package      *Package // access and portability, until it expires
	Certified    bool     // a certificate can be had
	Problem      string   // why it failed or was refused, in words, without personal data
	Article      string   // for Refused: the article that allows it
	Statement    string   // the person's own words, such as why they object; goes with Who
	Facts        Facts

	step  string // where the procedure stands
	facts string // as stored
}

// Report tells store by store what was done. It holds no personal data and stays with the request.
type Report struct {
	Found   int           `json:"found"`            // data subjects (devices) that belong to the person
	Matched bool          `json:"matched"`          // false: nothing is held under these identifiers
	Stores  []StoreReport `json:"stores"`           // in the order of execution
	Models  []ModelReport `json:"models,omitempty"` // retrained without the person
	Fields  []FieldReport `json:"fields,omitempty"` // of an erasure: field by field in the own stores
	// NotPerformed is what an erasure did not do, and why.
	NotPerformed []Kept           `json:"not_performed,omitempty"`
	Databases    *DatabasesReport `json:"databases,omitempty"` // what was done in the organisation's databases
	// Restricted is what a restriction did in the organisation's databases.
	Restricted *RestrictionReport `json:"restricted,omitempty"`
	Kept       []Kept             `json:"kept,omitempty"`     // what stays, and the article that allows it
	Residue    []Count            `json:"residue,omitempty"`  // what verification still found; empty when all is well
	Expiring   []Expiring         `json:"expiring,omitempty"` // what would have ended by itself within 30 days; it was included
	Horizon    string             `json:"horizon,omitempty"`  // after this date backups hold no key that opens the data
	Decisions  []string           `json:"decisions,omitempty"`
	Recipients []Informed         `json:"recipients,omitempty"`       // who are told (Art. 19)
	Masked     int                `json:"masked_of_others,omitempty"` // addresses of others in texts of a package
	Copies     int                `json:"copy,omitempty"`             // of a package: 2 for the second one made for the person
}

// StoreReport is what happened in one store.
type StoreReport struct {
	Store  string  `json:"store"`
	Did    string  `json:"did"` // such as "deleted", "rewritten", "exported"
	Counts []Count `json:"counts"`
}

// Count is a number of records of one kind. Zero is a statement too: it was looked at.
type Count struct {
	What string `json:"what"`
	N    int64  `json:"n"`
}

// ModelReport says that a model was trained anew without the person's rows.
type ModelReport struct {
	Outcome    uuid.UUID `json:"outcome"`
	RowsBefore int64     `json:"rows_before"`
	RowsAfter  int64     `json:"rows_after"`
	OldModel   string    `json:"old_model"` // hex SHA-256
	NewModel   string    `json:"new_model"`
	RowsRoot   string    `json:"rows_root"` // Merkle root of the hashes of the rows that remain
	Procedure  string    `json:"procedure"` // hash of the training code's version and configuration
}

// Kept names what an erasure leaves and why it may.
type Kept struct {
	What    string `json:"what"`
	Why     string `json:"why"`
	Article string `json:"article"`
}

// Package is the file made for an access request.
type Package struct {
	ID        uuid.UUID
	Name      string // file name, results-<request>-<time>.zip
	Size      int64
	SHA256    [32]byte
	MadeAt    time.Time
	ExpiresAt time.Time
	Downloads int
}

// Validate checks what the caller must get right. The rules carry the names of the wire contract:
//
//	V1 replacement terms only with a rectification
//	V3 a name only when no id field is set
//	V5 type and id of journeyCustomer, type and value of socialHandle, together or neither
//	V6 a rectification needs at least one complete replacement term, or a supplementary statement
//	V9 a name alone is enough
//
// It fails with Invalid and names the field.
func (r *Request) Validate() error {
	switch r.Type {
	case Access, Portability, Erasure, Restriction, Objection, HumanReview:
		if len(r.Replacements) > 0 {
			return fail.New(fail.Invalid, "Invalid data")
		}
	case Rectification:
		if len(r.Replacements) == 0 && strings.TrimSpace(r.Statement) == "" {
			return fail.Field("replacementTerms", "an update needs at least one replacement term")
		}
	default:
		return fail.Field("requestType", "there is no such type of request")
	}
	for _, t := range r.Replacements {
		if _, ok := termKinds[t.Type]; !ok {
			return fail.Field("replacementTerms.type", "there is no such type of replacement term")
		}
		if strings.TrimSpace(t.Existing) == "" || strings.TrimSpace(t.Updated) == "" {
			return fail.Field("replacementTerms", "each replacement term needs existingValue and updatedValue")
		}
		if len(t.Existing) > maxValue || len(t.Updated) > maxValue {
			return fail.Field("replacementTerms", "a value is at most %d bytes long", maxValue)
		}
	}
	if chained(r.Replacements) {
		return fail.Field("replacementTerms", "the updated value of one term is the existing value of another, so the order would decide; send them one request after the other")
	}
	if r.DeliverTo != "" {
		if r.Type != Portability {
			return fail.Field("deliver_to", "only a portability package is sent on; others are downloaded")
		}
		if err := checkTarget(r.DeliverTo); err != nil {
			return err
		}
	}
	if len(r.Language) > maxLanguage {
		return fail.Field("language", "a language is a tag such as de or pt-BR")
	}
	if err := r.validateFacts(); err != nil {
		return err
	}
	return r.Who.validate()
}

// validateFacts checks what belongs to some types of requests only.
func (r *Request) validateFacts() error {
	f := &r.Facts
	switch letters := map[Type]string{Erasure: "abcdef", Restriction: "abcd"}[r.Type]; {
	case f.Ground != "" && (len(f.Ground) != 1 || !strings.Contains(letters, f.Ground)):
		return fail.Field("ground", "The ground is a letter of Art. 17(1), a to f, for an erasure, or of Art. 18(1), a to d, for a restriction.")
	case r.Type != Objection && (f.Marketing || len(f.Purposes) > 0):
		return fail.Field("purposes", "Only an objection names purposes.")
	case r.Type == Objection && !f.Marketing && len(f.Purposes) == 0:
		return fail.Field("purposes", "Say what the objection is to: purposes, or direct_marketing.")
	case f.AtOnce && (r.Type != Objection || len(f.Purposes) == 0):
		return fail.Field("at_once", "Only an objection to purposes can end them at once.")
	case r.Type == HumanReview && f.Automated == nil:
		return fail.Field("automated_decision", "Name the decision to review: its kind, and its id.")
	case r.Type != HumanReview && f.Automated != nil:
		return fail.Field("automated_decision", "Only a human review names a decision.")
	case f.Automated != nil && !slices.Contains([]string{"offer", "score", "segment", "other"}, f.Automated.Kind):
		return fail.Field("automated_decision.kind", "A decision is an offer, a score, a segment or other.")
	case utf8.RuneCountInString(r.Statement) > MaxWords || !utf8.ValidString(r.Statement):
		return fail.Field("statement", "The statement is longer than %d characters, or no text.", MaxWords)
	}
	for _, p := range f.Purposes {
		if len(p) > 40 || p == "" || strings.ContainsFunc(p, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' }) {
			return fail.Field("purposes", "A purpose is named by its id, such as marketing.")
		}
	}
	return nil
}

const (
	maxValue    = 1024 // bytes of one identifier
	maxLanguage = 35   // bytes of a language tag
	maxValues   = 100  // e-mail addresses, phone numbers or addresses in one request
)

// hasID tells whether the person is named by an id of some system.
func (w *Who) hasID() bool {
	return w.UserID != "" || w.ExternalContactID != "" || w.DialerContactID != nil || w.JourneyCustomer != nil || w.ExternalID != ""
}

func (w *Who) validate() error {
	if w.Name != "" && w.hasID() {
		return fail.Field("subject.name", "a name can't be combined with an id; set only the identifier you mean")
	}
	if c := w.JourneyCustomer; c != nil {
		if c.Type == "" || c.ID == "" {
			return fail.Field("subject.journeyCustomer", "type and id are given together or not at all")
		}
		if _, ok := customerKinds[strings.ToLower(c.Type)]; !ok {
			return fail.Field("subject.journeyCustomer.type", "there is no such type of customer; use cookie, email, phone or externalId")
		}
	}
	if h := w.SocialHandle; h != nil {
		if h.Type == "" || h.Value == "" {
			return fail.Field("subject.socialHandle", "type and value are given together or not at all")
		}
		if k, ok := termKinds[h.Type]; !ok || !slices.Contains(socialKinds, k) {
			return fail.Field("subject.socialHandle.type", "there is no such social network")
		}
	}
	if w.DialerContactID != nil && w.DialerContactID.ID == "" {
		return fail.Field("subject.dialerContactId.id", "an id is needed")
	}
	values := slices.Concat([]string{w.Name, w.UserID, w.ExternalContactID, w.ExternalID}, w.Addresses, w.PhoneNumbers, w.EmailAddresses)
	if w.JourneyCustomer != nil {
		values = append(values, w.JourneyCustomer.ID)
	}
	if w.SocialHandle != nil {
		values = append(values, w.SocialHandle.Value)
	}
	if w.DialerContactID != nil {
		values = append(values, w.DialerContactID.ID, w.DialerContactID.ContactListID)
	}
	any := len(w.Subjects) > 0
	for _, v := range values {
		if len(v) > maxValue {
			return fail.Field("subject", "a value is at most %d bytes long", maxValue)
		}
		any = any || strings.TrimSpace(v) != ""
	}
	if !any {
		return fail.Field("subject", "at least one identifier of the data subject is needed")
	}
	if max(len(w.Addresses), len(w.PhoneNumbers), len(w.EmailAddresses)) > maxValues {
		return fail.Field("subject", "a request names at most %d values of a kind; send one request for each data subject", maxValues)
	}
	return nil
}
