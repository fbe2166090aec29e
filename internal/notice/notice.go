// Package notice says what an organisation tells people before they choose: purposes, the texts of a
// notice with the facts of Art. 13 GDPR, the built-in words in every language, the linter that finds
// what would make a consent doubtful, and the rendering into the exact bytes that are kept. It is
// pure: it opens nothing and remembers nothing. Package consent publishes and keeps notices.
package notice

import (
	"encoding/json"

	"probity/internal/fail"
)

// ID is the id of the one notice that an organisation has.
const ID = "privacy"

// MediaType is that of every rendered notice.
const MediaType = "text/html; charset=utf-8"

// Purpose is one aim for which data is processed, with its own switch.
type Purpose struct {
	ID        string                 `json:"id"`         // lower-case letters and dashes
	Basis     Basis                  `json:"basis"`      // consent unless an assessment says otherwise
	Sharing   bool                   `json:"sharing"`    // a Global Privacy Control signal refuses it
	Profiling bool                   `json:"profiling"`  // evaluates the person (Art. 4(4))
	NeededFor []string               `json:"needed_for"` // services that are given only with this consent (Art. 7(4))
	Why       string                 `json:"why"`        // why those services can't work without it
	Texts     map[string]PurposeText `json:"texts"`      // by language
}

// PurposeText is what the notice says about a purpose.
type PurposeText struct {
	Title       string `json:"title"`
	Description string `json:"description"` // at most 160 characters
}

// Notice is what the banner shows, in one language. It marshals to the wire format.
type Notice struct {
	ID           string          `json:"id"`
	Version      int             `json:"version"`
	Language     string          `json:"language"`
	SHA256       string          `json:"sha256"` // of the artefact, hex
	Title        string          `json:"title"`
	Intro        string          `json:"intro"`
	Controller   string          `json:"controller"`
	WithdrawHint string          `json:"withdraw_hint"`
	Purposes     []NoticePurpose `json:"purposes"`
	Labels       Labels          `json:"labels"`
	DetailsURL   string          `json:"details_url"`
}

// NoticePurpose is one purpose as a notice names it.
type NoticePurpose struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Labels are the words on the banner's controls and in its messages.
type Labels struct {
	Accept      string `json:"accept"`
	Reject      string `json:"reject"`
	Settings    string `json:"settings"`
	Save        string `json:"save"`
	Back        string `json:"back"`
	On          string `json:"on"`
	Off         string `json:"off"`
	Close       string `json:"close"`
	Saved       string `json:"saved"`
	Failed      string `json:"failed"` // a choice could not be recorded
	Manage      string `json:"manage"` // the control on every page
	WithdrawAll string `json:"withdraw_all"`
	Current     string `json:"current"`
	Details     string `json:"details"`  // the link to the full notice
	Receipt     string `json:"receipt"`  // hands out the proof of a choice
	GPC         string `json:"gpc"`      // shown while the browser sends Global Privacy Control
	DNT         string `json:"dnt"`      // shown where Do Not Track is honoured and the browser sends it
	Interest    string `json:"interest"` // beside a purpose that rests on a legitimate interest
	Object      string `json:"object"`   // objects to such a purpose (Art. 21)
	Blocked     string `json:"blocked"`  // in place of content that waits for consent; {site} and {purpose} are filled in by the page
	Allow       string `json:"allow"`    // grants that purpose and loads the content
}

// byName returns the labels by their wire names.
func (l Labels) byName() map[string]string {
	return map[string]string{
		"accept": l.Accept, "reject": l.Reject, "settings": l.Settings, "save": l.Save, "back": l.Back, "on": l.On, "off": l.Off,
		"close": l.Close, "saved": l.Saved, "failed": l.Failed, "manage": l.Manage, "withdraw_all": l.WithdrawAll, "current": l.Current,
		"details": l.Details, "receipt": l.Receipt, "gpc": l.GPC, "dnt": l.DNT, "interest": l.Interest, "object": l.Object,
		"blocked": l.Blocked, "allow": l.Allow,
	}
}

// Draft is a notice to be published, in all its languages.
type Draft struct {
	Facts    Facts
	Purposes []Purpose       // in the order shown; nil: those the organisation has
	Texts    map[string]Text // by language
	Material bool            // purposes, controller or recipients changed: earlier grants are suspended
	Override string          // publish in spite of what Lint finds, for this reason (20 characters or more); it is logged
}

// Text is the prose of a notice in one language. Placeholders such as {controller} stand for facts.
type Text struct {
	Title        string    `json:"title"`
	Intro        string    `json:"intro"`
	WithdrawHint string    `json:"withdraw_hint"`
	Sections     []Section `json:"sections"`
	Unnamed      string    `json:"unnamed"` // what to call a controller without a name
	Labels       Labels    `json:"labels"`
	PurposesHead string    `json:"purposes_head"`
	ButtonsHead  string    `json:"buttons_head"`
}

// Section is one headed part of the full notice.
type Section struct {
	Heading    string      `json:"heading"`
	Paragraphs []Paragraph `json:"paragraphs"`
}

// Paragraph is one paragraph of a section. In JSON it is an object, or only the text. Placeholders in
// braces stand for facts, see Facts. A placeholder without a value takes the paragraph's whole section
// out of the notice, unless When guards it: nothing is ever shown half filled in.
type Paragraph struct {
	Text   string `json:"text"`
	When   string `json:"when,omitempty"`   // shown only if this fact is known
	Unless string `json:"unless,omitempty"` // shown only if this fact is not known
}

// UnmarshalJSON reads an object or a text.
func (p *Paragraph) UnmarshalJSON(data []byte) error {
	*p = Paragraph{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &p.Text)
	}
	type plain Paragraph
	return json.Unmarshal(data, (*plain)(p))
}

// MarshalJSON writes a text where nothing but the text is set.
func (p Paragraph) MarshalJSON() ([]byte, error) {
	if p.When == "" && p.Unless == "" {
		return json.Marshal(p.Text)
	}
	type plain Paragraph
	return json.Marshal(plain(p))
}

// CheckPurposes sees to it that purposes can be told apart and stored. Errors: fail.Invalid naming the purpose.
func CheckPurposes(purposes []Purpose) error {
	if len(purposes) == 0 || len(purposes) > 32 {
		return fail.Field("purposes", "There must be between 1 and 32 purposes.")
	}
	seen := map[string]bool{}
	for _, p := range purposes {
		if !validPurposeID(p.ID) {
			return fail.Field("purposes", "A purpose's id is 1 to 32 lower-case letters, digits and dashes.")
		}
		if seen[p.ID] {
			return fail.Field("purposes."+p.ID, "There are two purposes with the id %q.", p.ID)
		}
		seen[p.ID] = true
		if p.Basis.Article() == "" {
			return fail.Field("purposes."+p.ID+".basis", "The basis of the purpose %q is not one of Article 6(1).", p.ID)
		}
	}
	return nil
}

func validPurposeID(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 32
}
