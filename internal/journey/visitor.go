package journey

import (
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
)

// Visitor is the state of one data subject's device. Whoever holds it owns it: it is not safe for
// concurrent use. Take it from Store.Load or NewVisitor, change it with Apply, Tick, Withdraw and
// Report only, and hand it back to Store.Save.
type Visitor struct {
	Subject id.Subject
	// Session is the open session; nil if there is none.
	Session *Session
	// Sessions counts the sessions begun so far.
	Sessions int
	// Traits are what the site told about the person, such as givenName; only names of TraitNames.
	Traits map[string]string
	// Pending is the offer that stands in the way of another one; zero if there is none.
	Pending Pending

	past  []pastSession // closed sessions young enough to be met by a late event, oldest first
	seen  []seenVisit   // what was received of each page visit, the least recently heard first
	loose []uint64      // ids of the latest events that carry no sequence number, oldest first
	tail  tail          // events that are not yet in a full chunk

	features Features // of the present session; nil: none, or not yet decoded from kept
	kept     []byte   // the binary form of features as it was stored
	row      row      // the clear columns as they are stored
}

// Pending names an open offer.
type Pending struct {
	Action uuid.UUID
	Map    uuid.UUID
	Made   time.Time
}

// NewVisitor returns the state of a device that was never seen before.
func NewVisitor(s id.Subject) *Visitor { return &Visitor{Subject: s} }

// Features counts what a session did, for predictions. Counters are kept only while the purpose
// "predict" is allowed, and start again with every session. What they count is the business of
// whoever scores.
type Features interface {
	// Observe counts one event.
	Observe(ev *event.Event)
	// MarshalBinary returns a form that UnmarshalBinary of fresh counters reads.
	MarshalBinary() ([]byte, error)
	UnmarshalBinary(b []byte) error
}

// Env is what a step may ask of the world. All functions must give the same answer throughout one
// step. A nil function counts as "no".
type Env struct {
	// Allow tells whether there is a lawful basis for the purpose now.
	Allow func(purpose string) bool
	// Features returns fresh counters for a session that begins to be observed;
	// earlier is the number of sessions before it.
	Features func(earlier int) Features
	// Score predicts an outcome from the counters; false if no predictor is enabled for it. It fills
	// every field but Max, MaxQuantile and At.
	Score func(outcome uuid.UUID, f Features) (Score, bool)
	// Finished tells whether the offer has come to its end, so that another may be made. Asked only
	// when a map qualified while an offer is pending.
	Finished func(action uuid.UUID) bool
}

func (e *Env) allow(purpose string) bool { return e.Allow != nil && e.Allow(purpose) }

// Effects is what one or more steps brought about, in order. Sessions in it are copies that later
// steps do not change.
type Effects struct {
	Started  []*Session
	Ended    []*Session
	Events   []Counted
	Achieved []SessionAchievement
	Assigned []SessionAssignment
	Scores   []SessionScore // the scores after each event
	Offers   []Offer        // made, blocked or taken back; the latest state of each id is the last
	Identify map[string]string
	Traits   map[string]string

	Duplicates int // events that were seen before and changed nothing
	Refused    int // events that can't be stored, because a time or measure in them is out of range

	scratch []byte // the encoded form of the event that is being applied
}

// Counted is an event with the session it was counted to.
type Counted struct {
	Event   *event.Event
	Session uuid.UUID
	Index   int  // its place in the session, from 0
	Late    bool // it belongs to a session that has ended
}

// SessionAchievement is an achievement with its session.
type SessionAchievement struct {
	Session uuid.UUID
	Achievement
}

// SessionAssignment is an assignment with its session.
type SessionAssignment struct {
	Session uuid.UUID
	Assignment
}

// SessionScore is a score with its session and the event after which it was made.
type SessionScore struct {
	Session uuid.UUID
	Event   uuid.UUID
	Score
}
