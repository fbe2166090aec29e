package journey

import (
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// State is where an offer stands.
type State string

// The states of an offer, as on the Genesys wire; Blocked is ours and never leaves by that wire.
const (
	Blocked   State = "blocked"   // qualified, but not made; Block says why; tried again at later events
	Waiting   State = "waiting"   // qualified, and due later
	Qualified State = "qualified" // made, not yet seen by the browser
	Offered   State = "offered"   // shown
	Accepted  State = "accepted"
	Rejected  State = "rejected"
	Ignored   State = "ignored"  // the visitor navigated away
	TimedOut  State = "timedout" // the visitor did nothing
	Errored   State = "errored"
	Started   State = "started" // chat only, as the next three
	Engaged   State = "engaged"
	Completed State = "completed"
	Abandoned State = "abandoned"
)

// Block is the reason why a qualified offer was not made.
type Block string

// The reasons, in the order in which they are asked.
const (
	BlockNone      Block = ""
	BlockSchedule  Block = "outside_schedule" // before the start or after the end of the map
	BlockPurpose   Block = "purpose"          // no lawful basis for the purpose of the map
	BlockPage      Block = "page"             // the page is not one of those the map names
	BlockExisting  Block = "existing_offer"   // another offer is open
	BlockTemplate  Block = "template"         // the template is missing or inactive
	BlockWithdrawn Block = "withdrawn"        // made, then taken back because consent was withdrawn
	BlockEnded     Block = "session_ended"    // the session ended while the offer waited for its time
)

// MapState is what became of one action map in a session.
type MapState struct {
	Map     uuid.UUID
	Version int
	Action  uuid.UUID // id of the offer; derived, so that a replay finds the same one
	State   State
	Block   Block     // why it is Blocked
	At      time.Time // when the map qualified
	Due     time.Time // when to make the offer; zero: at once
	Made    time.Time // when the offer was made; zero: not yet
	Outcome uuid.UUID // whose probability was the trigger; zero if none was
	Reached float64   // the probability at that moment
}

// Offer is an offer as it is stored and reported.
type Offer struct {
	ID         uuid.UUID
	Subject    id.Subject
	Session    uuid.UUID
	Map        uuid.UUID
	MapVersion int
	Media      string
	Purpose    string
	Template   uuid.UUID     // zero for media without one
	Content    *ContentOffer // filled from the template when the offer is made; nil for other media
	State      State
	Block      Block
	Qualified  time.Time
	Made       time.Time // zero: not made
	Shown      time.Time // zero: not shown
	Closed     time.Time // zero: open
	ErrorCode  string
	Outcome    uuid.UUID // the outcome whose probability triggered it; zero if none did
	Reached    float64   // the probability that triggered it
}

// Open tells whether the offer still stands in the way of another one.
func (o *Offer) Open() bool { return o.State == Qualified || o.State == Offered }

// Final tells whether nothing can follow state s for a content offer.
func (s State) Final() bool {
	switch s {
	case Rejected, Ignored, TimedOut, Errored, Completed, Abandoned:
		return true
	}
	return false
}

// next lists what may follow each state.
var next = map[State][]State{
	Qualified: {Offered, Errored, Ignored},
	Offered:   {Accepted, Rejected, Ignored, TimedOut, Errored},
	Accepted:  {Started, Engaged, Completed, Abandoned, Errored},
	Started:   {Engaged, Completed, Abandoned, Errored},
	Engaged:   {Completed, Abandoned, Errored},
}

// Transition checks that an offer of that media type may go from one state to another. Reporting
// the present state again is allowed and changes nothing. A content offer ends when it is accepted.
//
// Errors: fail.Invalid for a state that no client may report, fail.Conflict for a step that the
// present state forbids.
func Transition(media string, from, to State) error {
	if _, known := next[to]; !known && !to.Final() {
		return fail.Field("actionState", "%q is not a state of an action", string(to))
	}
	if from == to {
		return nil
	}
	if media == MediaContent && from == Accepted {
		return fail.New(fail.Conflict, "the offer was accepted, which is final for a content offer").WithCode("action.final")
	}
	for _, s := range next[from] {
		if s == to {
			return nil
		}
	}
	return fail.New(fail.Conflict, "an action that is %s can't become %s", from, to).WithCode("action.transition")
}
