package rights

import (
	"slices"
	"strings"
	"time"

	"probity/internal/id"
	"probity/internal/journey"
)

// sessionFile is a visit as readers of Genesys Cloud exports know it. What only conversations with
// people have is there and null.
type sessionFile struct {
	ID                   string   `json:"id"`
	Type                 string   `json:"type"`
	ConversationSubject  *string  `json:"conversationSubject"`
	OriginatingDirection *string  `json:"originatingDirection"`
	Channels             []string `json:"channels"`
	CreatedDate          int64    `json:"createdDate"` // milliseconds since 1970, as are all dates here
	EndedDate            *int64   `json:"endedDate"`
	DurationInSeconds    int64    `json:"durationInSeconds"`
	LastACDOutcome       *string  `json:"lastAcdOutcome"`
	LastConnectedQueue   *string  `json:"lastConnectedQueue"`
	LastConnectedUser    *string  `json:"lastConnectedUser"`
	EventCount           int      `json:"eventCount"`
	ExternalContactID    string   `json:"externalContactId"`
}

func newSessionFile(device id.Subject, s *journey.Session) sessionFile {
	f := sessionFile{
		ID: s.ID.String(), Type: s.Type, Channels: []string{s.Type}, CreatedDate: s.Started.UnixMilli(),
		EventCount: s.Events, ExternalContactID: device.String(),
	}
	until := s.LastEvent.At
	if !s.Ended.IsZero() {
		ended := s.Ended.UnixMilli()
		f.EndedDate, until = &ended, s.Ended
	}
	f.DurationInSeconds = max(0, int64(until.Sub(s.Started)/time.Second))
	return f
}

// eventViews are the events of a person.
type eventViews []eventView

// basis names what the events are held on, each ground once.
func (l eventViews) basis() string {
	var all []string
	for _, e := range l {
		basis, _, _ := strings.Cut(e.Basis, ",")
		if basis != "" && !slices.Contains(all, basis) {
			all = append(all, basis)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// portable leaves the events that rest on consent or a contract: only those can be taken elsewhere
// (Art. 20(1)(a) GDPR).
func (l eventViews) portable() (any, string) {
	some := eventViews{}
	for _, e := range l {
		if basis, _, _ := strings.Cut(e.Basis, ","); portableBasis(basis) {
			some = append(some, e)
		}
	}
	return some, some.basis()
}

// portableBasis tells whether data held on nothing but these grounds can be taken elsewhere.
func portableBasis(basis string) bool {
	for b := range strings.SplitSeq(basis, ",") {
		if b != "consent" && b != "contract" {
			return false
		}
	}
	return true
}
