package journey

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
)

// Session is one visit: events of one data subject's device with no silence longer than the idle
// time of the plan between them. Only Visitor changes it; what Store returns is a copy.
type Session struct {
	ID      uuid.UUID // derived from the first event, so that a replay finds the same one
	Subject id.Subject
	Type    string // "web" or "app"
	Number  int    // this was the device's nth session, from 1

	Started   time.Time
	LastEvent Event     // the latest by its own time
	Ended     time.Time // the moment the silence became too long; zero while the session is open

	Events    int
	PageViews int

	Entry    event.Page // the first page; zero if none was seen
	Last     event.Page // the latest page
	Referrer *event.Referrer
	Campaign *event.Campaign
	Device   event.Device
	Browser  event.Browser
	IP       string // the network only
	Search   []string
	// Attributes are those of the events, the latest value of each name, at most MaxAttributes names.
	Attributes map[string]event.Attr

	Achieved []Achievement
	Segments []Assignment
	Scores   []Score
	Actions  []MapState

	Deployment    uuid.UUID // that the latest event came through
	Authenticated bool      // an identity other than the cookie was given in this session

	// Observed is the first event that the predictions of this session know of; -1 if none are made.
	Observed int
	// FirstChunk and LastChunk say where the events are stored. LastChunk is set when the session
	// ends.
	FirstChunk, LastChunk int

	heard   time.Time          // when the latest event reached us
	history bool               // the latest event was imported
	final   Features           // what was counted when the session ended
	steps   map[uuid.UUID]step // how far segments, outcomes and event triggers have come
}

// Features returns what was counted of a session that Effects says has ended, for the making of
// training rows; nil if nothing was counted, because it was not allowed.
func (s *Session) Features() Features { return s.final }

// copy returns a session that later steps do not change.
func (s *Session) copy() *Session {
	c := *s
	c.Search = slices.Clone(s.Search)
	c.Attributes = maps.Clone(s.Attributes)
	c.Achieved = slices.Clone(s.Achieved)
	c.Segments = slices.Clone(s.Segments)
	c.Scores = slices.Clone(s.Scores)
	c.Actions = slices.Clone(s.Actions)
	c.steps = maps.Clone(s.steps)
	return &c
}

// Event names the latest event of a session.
type Event struct {
	ID   uuid.UUID
	Name string
	At   time.Time
}

// Achievement says that the session achieved an outcome.
type Achievement struct {
	Outcome uuid.UUID
	At      time.Time
	Event   int      // which event of the session achieved it, from 0
	Value   *float64 // what it was worth; nil if the outcome has no value field or the event no number there
}

// Assignment says that the session belongs to a segment.
type Assignment struct {
	Segment uuid.UUID
	At      time.Time
}

// Score is the latest prediction of one outcome in a session. Where Shown is false there is not
// enough data for a probability: show the base rate and its interval instead.
type Score struct {
	Outcome     uuid.UUID
	Probability float64
	Shown       bool
	BaseRate    float64 // share of past sessions that achieved the outcome
	Low, High   float64 // 95 % interval of BaseRate
	Stage       int     // 0 base rate, 1 logistic regression, 2 trees
	Model       [32]byte
	Max         float64 // the highest shown probability of the session
	Quantile    float64 // share of sessions whose highest probability is below Probability
	MaxQuantile float64
	At          time.Time
}

// Bounds of what a session keeps, so that no visitor can make its state grow without end.
const (
	MaxAttributes = 50
	MaxSearches   = 20
	maxText       = 1024 // bytes of one kept attribute value
)

// Duration returns the time between the first and the latest event.
func (s *Session) Duration() time.Duration {
	if d := s.LastEvent.At.Sub(s.Started); d > 0 {
		return d
	}
	return 0
}

// Open tells whether the session may still receive events.
func (s *Session) Open() bool { return s.Ended.IsZero() }

// ShortID returns six digits by which people can name the session to each other. It is not unique.
func (s *Session) ShortID() string {
	h := fnv.New32a()
	h.Write(s.ID[:])
	return fmt.Sprintf("%06d", h.Sum32()%1_000_000)
}

// Score returns the latest prediction of an outcome.
func (s *Session) Score(outcome uuid.UUID) (Score, bool) {
	for _, sc := range s.Scores {
		if sc.Outcome == outcome {
			return sc, true
		}
	}
	return Score{}, false
}

// HasAchieved tells whether the session achieved the outcome.
func (s *Session) HasAchieved(outcome uuid.UUID) bool {
	for _, a := range s.Achieved {
		if a.Outcome == outcome {
			return true
		}
	}
	return false
}

// InSegment tells whether the session belongs to the segment.
func (s *Session) InSegment(segment uuid.UUID) bool {
	for _, a := range s.Segments {
		if a.Segment == segment {
			return true
		}
	}
	return false
}

// displayName returns the display name, else given and family name, else "".
func displayName(traits map[string]string) string {
	if n := traits["displayName"]; n != "" {
		return n
	}
	switch given, family := traits["givenName"], traits["familyName"]; {
	case given != "" && family != "":
		return given + " " + family
	default:
		return given + family
	}
}
