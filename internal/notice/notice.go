// Package notice says what an organisation tells people before they choose: purposes, the texts of a
// notice with the facts of Art. 13 GDPR, the built-in words in every language, the linter that finds
// what would make a consent doubtful, and the rendering into the exact bytes that are kept. It is
// pure: it opens nothing and remembers nothing. Package consent publishes and keeps notices.
package notice

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"probity/internal/fail"
)

// ID is the id of the one notice that an organisation has.
const ID = "privacy"

// MediaType is that of every rendered notice.
const MediaType = "text/html; charset=utf-8"

// Purpose is one aim for which data is processed, with its own switch.
type Purpose struct {
	ID         string                 `json:"id"`         // lower-case letters and dashes
	Basis      Basis                  `json:"basis"`      // consent unless an assessment says otherwise
	Sharing    bool                   `json:"sharing"`    // a Global Privacy Control signal refuses it
	Profiling  bool                   `json:"profiling"`  // evaluates the person (Art. 4(4))
	NeededFor  []string               `json:"needed_for"` // services that are given only with this consent (Art. 7(4))
	Necessary  bool                   `json:"necessary"`  // those services can't be given without it
	Why        string                 `json:"why"`        // why they can't
	Exemption  Exemption              `json:"exemption"`  // why its storage needs no consent; empty: it needs consent
	Categories []string               `json:"categories"` // of personal data, such as "pages-visited"
	Recipients []string               `json:"recipients"` // receive the data of this purpose; each is one of Facts.Recipients
	Storage    []StorageKey           `json:"storage"`    // what it keeps on the device
	Texts      map[string]PurposeText `json:"texts"`      // by language
}

// Advertising tells whether the purpose is direct marketing. An objection to it needs no reason and has
// no exception (Art. 21(2) and (3)). A purpose of the organisation's own counts if its id says so.
func (p *Purpose) Advertising() bool {
	return p.ID == Sales || slices.ContainsFunc([]string{Marketing, "advert", "newsletter", "campaign", "promotion"}, func(word string) bool {
		return strings.Contains(p.ID, word)
	})
}

// Exemption is a reason for which storage on a device needs no consent (Art. 5(3) ePrivacy Directive).
type Exemption string

// The exemptions. There is no third one.
const (
	Transmission     Exemption = "transmission"      // the sole purpose is to carry out the transmission of a communication
	RequestedService Exemption = "requested_service" // strictly necessary for a service that the person explicitly asked for
)

// StorageKey is something that a purpose keeps on the device.
type StorageKey struct {
	Name string `json:"name"` // a star at its end stands for any rest
	Kind string `json:"kind"` // one of StorageKinds
	Days int    `json:"days"` // longest life; 0: until the browser is closed
}

// StorageKinds are the kinds of storage on a device.
func StorageKinds() []string {
	return []string{"cookie", "local", "session", "database", "cache", "worker"}
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
	Basis       Basis  `json:"basis"`             // only a purpose that rests on consent has a switch
	Sharing     bool   `json:"sharing,omitempty"` // what Global Privacy Control refuses: "accept all" leaves it out while the signal is sent
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
	Details     string `json:"details"`           // the link to the full notice
	Receipt     string `json:"receipt"`           // hands out the proof of a choice
	GPC         string `json:"gpc"`               // shown while the browser sends Global Privacy Control
	DNT         string `json:"dnt,omitempty"`     // shown where Do Not Track is honoured and the browser sends it
	Interest    string `json:"interest"`          // beside a purpose that rests on a legitimate interest
	Object      string `json:"object"`            // objects to such a purpose (Art. 21)
	Blocked     string `json:"blocked,omitempty"` // in place of content that waits for consent; {site} and {purpose} are filled in by the page
	Allow       string `json:"allow,omitempty"`   // grants that purpose and loads the content
	Still       string `json:"still,omitempty"`   // after a withdrawal: scripts of other tools run until the page is loaded anew
	Reload      string `json:"reload,omitempty"`  // loads the page anew
}

// ForBanner returns the labels without those that the banner never shows, to spare every visitor their
// bytes.
func (l Labels) ForBanner() Labels {
	l.Blocked, l.Allow, l.Still, l.Reload, l.DNT = "", "", "", "", ""
	return l
}

// ByName returns the labels by their wire names.
func (l Labels) ByName() map[string]string {
	return map[string]string{
		"accept": l.Accept, "reject": l.Reject, "settings": l.Settings, "save": l.Save, "back": l.Back, "on": l.On, "off": l.Off,
		"close": l.Close, "saved": l.Saved, "failed": l.Failed, "manage": l.Manage, "withdraw_all": l.WithdrawAll, "current": l.Current,
		"details": l.Details, "receipt": l.Receipt, "gpc": l.GPC, "dnt": l.DNT, "interest": l.Interest, "object": l.Object,
		"blocked": l.Blocked, "allow": l.Allow, "still": l.Still, "reload": l.Reload,
	}
}

// LabelNames returns the wire names of the labels in the order people meet them.
func LabelNames() []string {
	return []string{"accept", "reject", "settings", "save", "back", "on", "off", "close", "details", "manage", "withdraw_all", "current",
		"saved", "failed", "receipt", "gpc", "dnt", "interest", "object", "blocked", "allow", "still", "reload"}
}

// Set sets a label by its wire name and tells whether there is one of that name.
func (l *Labels) Set(name, text string) bool {
	for known, field := range map[string]*string{
		"accept": &l.Accept, "reject": &l.Reject, "settings": &l.Settings, "save": &l.Save, "back": &l.Back, "on": &l.On, "off": &l.Off,
		"close": &l.Close, "saved": &l.Saved, "failed": &l.Failed, "manage": &l.Manage, "withdraw_all": &l.WithdrawAll, "current": &l.Current,
		"details": &l.Details, "receipt": &l.Receipt, "gpc": &l.GPC, "dnt": &l.DNT, "interest": &l.Interest, "object": &l.Object,
		"blocked": &l.Blocked, "allow": &l.Allow, "still": &l.Still, "reload": &l.Reload,
	} {
		if known == name {
			*field = text
			return true
		}
	}
	return false
}

// Draft is a notice to be published, in all its languages.
type Draft struct {
	Facts    Facts           `json:"facts"`
	Purposes []Purpose       `json:"purposes"` // in the order shown; nil: those the organisation has
	Texts    map[string]Text `json:"texts"`    // by language; each is whole, so that languages never mix
	Site     Site            `json:"site"`

	Material bool   `json:"-"` // suspend earlier grants although Diff finds no material change
	Override string `json:"-"` // publish in spite of what Lint finds, for this reason (20 characters or more); it is logged
	By       string `json:"-"` // who publishes: the id of a staff member or client, kept beside the version; empty: the system
}

// Languages returns the languages of the draft, sorted.
func (d *Draft) Languages() []string {
	out := make([]string, 0, len(d.Texts))
	for lang := range d.Texts {
		out = append(out, lang)
	}
	slices.Sort(out)
	return out
}

// Site is what an organisation states about the place where its notice is shown. It is not shown
// itself: the linter draws conclusions from it.
type Site struct {
	Imbalance bool   `json:"imbalance"` // an employer, a public body or the like asks, so that people may not feel free (R43)
	Children  bool   `json:"children"`  // the service is offered directly to children (Art. 8)
	MinAge    int    `json:"min_age"`   // below it a parent decides: 13 to 16 as the country has it; 0: nobody is asked for an age
	Wall      bool   `json:"wall"`      // the site hides its content until a choice is made
	Forms     []Form `json:"forms"`     // forms of the site that ask for consent too
}

// Form is a form on the site in which consent is given beside something else. It states how the form
// behaves.
type Form struct {
	ID          string    `json:"id"`
	Boxes       []FormBox `json:"boxes"`
	BySubmit    bool      `json:"by_submit"`    // pressing the submit button counts as consent
	NeedsBoxes  bool      `json:"needs_boxes"`  // it can't be sent unless the boxes are ticked
	WithinTerms bool      `json:"within_terms"` // the consent stands inside of terms and conditions
}

// FormBox is one box that consents.
type FormBox struct {
	Purposes []string `json:"purposes"` // that a tick agrees to
	Ticked   bool     `json:"ticked"`   // from the start
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
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	return strict.Decode((*plain)(p))
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
		if p.Exemption != "" && p.Exemption != Transmission && p.Exemption != RequestedService {
			return fail.Field("purposes."+p.ID+".exemption", "The exemption of the purpose %q is neither transmission nor requested_service.", p.ID)
		}
		for _, k := range p.Storage {
			if k.Name == "" || len(k.Name) > 128 || k.Days < 0 || !slices.Contains(StorageKinds(), k.Kind) {
				return fail.Field("purposes."+p.ID+".storage", "Each key that the purpose %q stores has a name, a life in days, and a kind: %s.", p.ID, strings.Join(StorageKinds(), ", "))
			}
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
