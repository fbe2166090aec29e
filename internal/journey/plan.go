// Package journey follows visitors. It keeps the sessions, segments and outcomes of each data
// subject's device, and decides when an action map makes an offer.
//
// The core (Visitor.Apply, Visitor.Tick) is a deterministic state machine without I/O: the same
// events in the same order give the same bytes, however they were split into batches. Store keeps
// its state, sealed under the key of the data subject.
package journey

import (
	"time"

	"github.com/google/uuid"
)

// Plan is what an organisation has configured, as one immutable snapshot. Make it with NewPlan or
// Store.Plan; it is safe for concurrent use and must not be changed afterwards.
type Plan struct {
	Outcomes   []Outcome
	Segments   []Segment
	ActionMaps []ActionMap // by descending weight, then by id: the order in which they are tried
	Templates  map[uuid.UUID]ActionTemplate

	Idle time.Duration // a session ends after this much silence; 0: DefaultIdle
	Cap  time.Duration // a session ends this long after its start, whatever happens; 0: DefaultCap
}

// How long a session lasts unless the plan says otherwise.
const (
	DefaultIdle = 20 * time.Minute
	DefaultCap  = 24 * time.Hour
)

// Meta is what every configured thing has. Version counts from 1 and goes up by one with every
// change; a change that names an older version is refused, so that nobody overwrites what they
// have not seen.
type Meta struct {
	ID       uuid.UUID `json:"id"`
	Version  int       `json:"version"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
}

// Outcome is something the organisation hopes for or fears, such as a purchase. A session achieves
// it at most once: when the journey patterns were met in order and the context patterns hold.
// An outcome without any pattern is never achieved.
type Outcome struct {
	Meta
	Active      bool             `json:"active"`
	Name        string           `json:"name"`
	Description string           `json:"description,omitempty"`
	Positive    bool             `json:"positive"`
	Context     []ContextPattern `json:"context,omitempty"`
	Journey     []JourneyPattern `json:"journey,omitempty"`
	Value       *ValueField      `json:"value,omitempty"` // nil: an achievement has no value
}

// ValueField names the numeric attribute of the achieving event that tells what it was worth.
type ValueField struct {
	Name string `json:"name"`
	Type string `json:"type"` // "Number" or "Integer"
}

// Segment is a group of sessions that are alike. A session that once matched stays in it until the
// session ends. A segment without any pattern matches no session.
type Segment struct {
	Meta
	Active         bool             `json:"active"`
	Name           string           `json:"name"`
	Description    string           `json:"description,omitempty"`
	Color          string           `json:"color,omitempty"` // #rrggbb
	Scope          string           `json:"scope"`           // "Session"
	ShowToAgent    bool             `json:"show_to_agent"`
	Context        []ContextPattern `json:"context,omitempty"`
	Journey        []JourneyPattern `json:"journey,omitempty"`
	ExpirationDays *int             `json:"expiration_days,omitempty"`
	ExternalID     string           `json:"external_id,omitempty"`
	ExternalName   string           `json:"external_name,omitempty"`
	ExternalSource string           `json:"external_source,omitempty"`
}

// ContextPattern says what must be true of the visit. All criteria must hold.
type ContextPattern struct {
	Criteria []Criterion `json:"criteria"`
}

// JourneyPattern says what must have happened, and how often. Patterns of one list are met one
// after the other: an event counts for the first pattern that is not yet met.
type JourneyPattern struct {
	Criteria    []Criterion `json:"criteria"`
	Count       int         `json:"count"`        // how many events must match; below 1 means 1
	Stream      string      `json:"stream"`       // "Web" or "App"; empty: any
	SessionType string      `json:"session_type"` // "web" or "app"; empty: any
	EventName   string      `json:"event_name,omitempty"`
}

// Criterion compares one property with values. See Operator for how, ContextKeys and JourneyKeys
// for which.
type Criterion struct {
	Key        string   `json:"key"`
	Operator   Operator `json:"operator"`
	Values     []string `json:"values"`
	IgnoreCase bool     `json:"ignore_case"`
}

// ActionMap says when to make which offer. It qualifies at most once in a session, when every kind
// of trigger it names is met: any of Segments, all of Events in order, all of Probabilities, all of
// Quantiles. A map that names no trigger never qualifies.
type ActionMap struct {
	Meta
	Active             bool                   `json:"active"`
	Name               string                 `json:"name"`
	Segments           []uuid.UUID            `json:"segments,omitempty"`
	Events             []EventCondition       `json:"events,omitempty"`
	Probabilities      []ProbabilityCondition `json:"probabilities,omitempty"`
	Quantiles          []QuantileCondition    `json:"quantiles,omitempty"`
	Pages              []PageCondition        `json:"pages,omitempty"` // all must hold for the page's address when the offer is made
	Activation         Activation             `json:"activation"`
	Weight             int                    `json:"weight"` // 1 low, 2 medium, 3 high: the higher one is tried first
	Action             Action                 `json:"action"`
	IgnoreFrequencyCap bool                   `json:"ignore_frequency_cap"`
	Start              *time.Time             `json:"start,omitempty"` // nil: since ever
	End                *time.Time             `json:"end,omitempty"`   // nil: for ever
	Purpose            string                 `json:"purpose"`         // the purpose whose lawful basis an offer needs; empty: PurposeMarketing
}

// The purposes that the journey asks for.
const (
	PurposePredict   = "predict"   // without it nothing is scored and no features are kept
	PurposeMarketing = "marketing" // without it no offer is made, unless the map names another
)

// EventCondition is a trigger by what the visitor does.
type EventCondition struct {
	Criterion
	Stream      string `json:"stream"`
	SessionType string `json:"session_type"`
	EventName   string `json:"event_name,omitempty"`
}

// ProbabilityCondition is a trigger by how likely an outcome is. It holds when the highest
// probability of the session reached Reached and, if Below is set, the present one is not above
// Below: "was keen, is cooling". Only probabilities that may be shown count.
type ProbabilityCondition struct {
	Outcome uuid.UUID `json:"outcome"`
	Reached float64   `json:"reached"` // Genesys: maximumProbability
	Below   *float64  `json:"below"`   // Genesys: probability; nil: not asked for
}

// QuantileCondition is as ProbabilityCondition, for the rank among this site's sessions.
type QuantileCondition struct {
	Outcome uuid.UUID `json:"outcome"`
	Above   float64   `json:"above"` // Genesys: maxQuantileThreshold
	Below   *float64  `json:"below"` // Genesys: fallbackQuantileThreshold; nil: not asked for
}

// PageCondition says on which pages an offer may be made.
type PageCondition struct {
	Operator Operator `json:"operator"`
	Values   []string `json:"values"`
}

// Activation says when an offer follows a qualification.
type Activation struct {
	Type  string `json:"type"`  // one of the Activate constants
	Delay int    `json:"delay"` // seconds, for ActivateDelay
}

// The times of activation.
const (
	ActivateNow     = "immediate"
	ActivateDelay   = "delay"
	ActivateVisit   = "on-next-visit"
	ActivateSession = "on-next-session"
)

// Action says what is offered.
type Action struct {
	Media    string    `json:"media"`              // one of the Media constants
	Template uuid.UUID `json:"template,omitempty"` // for MediaContent
	Target   string    `json:"target,omitempty"`   // the desk that answers, for chat and callback
	Pacing   bool      `json:"pacing"`
	Extra    []byte    `json:"extra,omitempty"` // JSON of the media types that the journey only passes on
}

// The media types of an action, as on the Genesys wire.
const (
	MediaContent    = "contentOffer"
	MediaMessaging  = "webMessagingOffer"
	MediaOpenAction = "openAction"
	MediaFlow       = "architectFlow"
	MediaWebchat    = "webchat"
)

// ActionTemplate is the content of an offer.
type ActionTemplate struct {
	Meta
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Media       string        `json:"media"`
	State       string        `json:"state"` // "Active", "Inactive" or "Deleted"
	Content     *ContentOffer `json:"content,omitempty"`
}

// ContentOffer is what a visitor is shown. Its JSON is the shape of the Genesys wire, because the
// browser reads it as it stands.
type ContentOffer struct {
	ImageURL     string        `json:"imageUrl,omitempty"`
	DisplayMode  string        `json:"displayMode"` // Modal, Overlay or Toast
	LayoutMode   string        `json:"layoutMode"`  // TextOnly, ImageOnly, LeftText, RightText, TopText or BottomText
	Title        string        `json:"title,omitempty"`
	Headline     string        `json:"headline,omitempty"`
	Body         string        `json:"body,omitempty"`
	CallToAction *CallToAction `json:"callToAction,omitempty"`
	ImageAltText string        `json:"imageAltText,omitempty"`
}

// CallToAction is the button of a content offer.
type CallToAction struct {
	Text   string `json:"text,omitempty"`
	URL    string `json:"url"`
	Target string `json:"target,omitempty"` // Blank or Self
}

// EventOutcome returns the simplest outcome: achieved by the first event of that name.
func EventOutcome(name, eventName string) Outcome {
	return Outcome{
		Active: true, Name: name, Positive: true,
		Journey: []JourneyPattern{{
			Criteria:  []Criterion{{Key: "eventName", Operator: Equal, Values: []string{eventName}}},
			Count:     1,
			EventName: eventName,
			Stream:    "Web", SessionType: "web",
		}},
	}
}
