package rights

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/predict"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/verify"
)

// Identities is the Store of who a person is. Its rows are deleted by People itself, as the first
// step of an erasure, so Erase has nothing left to do.
func Identities(people People) Store { return identities{people} }

type identities struct{ people People }

func (identities) Name() string { return "identities" }

// Find implements Finder. A visitor of an imported history whom the source called by an address or a
// number of the person is the person.
func (s identities) Find(ctx context.Context, t id.Tenant, k subject.Kind, value string) ([]id.Subject, error) {
	if k != subject.Email && k != subject.Phone {
		return nil, nil
	}
	names := []string{value}
	if normal, err := subject.Normalise(k, value); err == nil && normal != value {
		names = append(names, normal)
	}
	var found []id.Subject
	for _, name := range names {
		more, err := s.people.Find(ctx, t, subject.Cookie, subject.Past(name))
		if fail.Is(err, fail.Invalid) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (s identities) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Section, error) {
	type held struct {
		Device id.Subject `json:"device"`
		Kind   string     `json:"kind"`
		Value  string     `json:"value"`
		Since  string     `json:"since"`
	}
	list := []held{}
	for _, sub := range subjects {
		some, err := s.people.Identities(ctx, t, sub)
		if fail.Is(err, fail.Gone) || fail.Is(err, fail.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, i := range some {
			list = append(list, held{sub, string(i.Kind), i.Value, stamp(i.Since)})
		}
	}
	return []Section{{
		File: "identities/identifiers", Title: "How you are recognised",
		About:    "Browser cookies, e-mail addresses, phone numbers and customer numbers that are kept for you, and since when.",
		Provided: true, Origin: FromPerson, Purpose: "identity", Data: list,
	}}, nil
}

func (identities) Erase(context.Context, *store.Tx, []id.Subject) ([]Count, error) {
	return nil, nil
}

// Consents is what the consent room holds. *consent.Room satisfies it.
type Consents interface {
	History(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]consent.Record, error)
	Reasons(ctx context.Context, t id.Tenant, subjects []id.Subject) (map[uuid.UUID]string, error)
	Bundle(ctx context.Context, t id.Tenant, subjects []id.Subject) (*verify.Bundle, error)
	State(ctx context.Context, t id.Tenant, s id.Subject) (map[string]consent.State, error)
	Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) error
	// Asked returns references of those who were asked by letter and have not answered.
	Asked(ctx context.Context, t id.Tenant, k subject.Kind, value string) ([]id.Subject, error)
	Pending(ctx context.Context, t id.Tenant, asked []id.Subject) ([]consent.Pending, error)
}

// Choices is the Store of what a person agreed to, refused and withdrew, with the proofs.
func Choices(room Consents) Store { return choices{room} }

type choices struct{ room Consents }

func (choices) Name() string { return "consent" }

// Find implements Finder.
func (s choices) Find(ctx context.Context, t id.Tenant, k subject.Kind, value string) ([]id.Subject, error) {
	return s.room.Asked(ctx, t, k, value)
}

func (s choices) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Section, error) {
	type choice struct {
		At       string            `json:"at"`
		Device   id.Subject        `json:"device"`
		What     string            `json:"what"`
		How      string            `json:"how"`
		Notice   string            `json:"notice,omitempty"`
		Purposes map[string]string `json:"purposes"`
		Reason   string            `json:"reason,omitempty"` // of an objection
		Record   uuid.UUID         `json:"record"`
		Ledger   int64             `json:"ledger_entry"`
	}
	states, list := choiceViews{}, []choice{}
	for _, sub := range subjects {
		now, err := s.room.State(ctx, t, sub)
		if err != nil {
			return nil, err
		}
		for _, purpose := range slices.Sorted(maps.Keys(now)) {
			st := choiceView{Device: sub, Purpose: purpose, Status: string(now[purpose].Status)}
			if since := now[purpose].Since; !since.IsZero() {
				st.Since = stamp(since)
			}
			states = append(states, st)
		}
	}
	records, err := s.room.History(ctx, t, subjects)
	if err != nil {
		return nil, err
	}
	reasons, err := s.room.Reasons(ctx, t, subjects)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		c := choice{
			At: stamp(rec.At), Device: rec.Subject, What: rec.Kind, How: rec.Source, Purposes: map[string]string{},
			Reason: reasons[rec.ID], Record: rec.ID, Ledger: rec.Ledger,
		}
		if rec.Notice != "" {
			c.Notice = fmt.Sprintf("%s version %d (%s)", rec.Notice, rec.Version, rec.Language)
		}
		for _, e := range rec.Effects {
			c.Purposes[e.Purpose] = string(e.Status)
		}
		list = append(list, c)
	}
	sections := []Section{
		{
			File: "consent/state", Title: "What you agree to at present",
			About: "For each browser or device and each purpose.", Provided: true, Origin: FromPerson, Basis: "legal_obligation", Data: states,
		},
		{
			File: "consent/history", Title: "Your choices so far",
			About: "Each time you agreed, refused, withdrew or objected, and which text you were shown.", Provided: true, Origin: FromPerson, Basis: "legal_obligation", Data: list,
		},
	}
	pending, err := s.room.Pending(ctx, t, subjects)
	if err != nil {
		return nil, err
	}
	if len(pending) > 0 {
		type asked struct {
			At       string   `json:"at"`
			Email    string   `json:"email"`
			What     string   `json:"what"`
			Purposes []string `json:"purposes"`
			Until    string   `json:"deleted_after"`
		}
		list := []asked{}
		for _, p := range pending {
			list = append(list, asked{stamp(p.Ask.Asked), p.Email, p.Kind, p.Purposes, stamp(p.Ask.Asked.Add(consent.AskLife))})
		}
		sections = append(sections, Section{
			File: "consent/asked", Title: "Letters that ask you to confirm",
			About: "The address was entered on the site. Without an answer it is deleted by the time given.", Provided: true, Origin: FromPerson, Basis: "consent", Data: list,
		})
	}
	if len(records) > 0 {
		proofs, err := s.room.Bundle(ctx, t, subjects)
		if err != nil {
			return nil, err
		}
		sections = append(sections, Section{
			File: "consent/receipts", Title: "Proofs of your choices",
			About:  "Signed receipts with the exact text you were shown. The program probity checks them without asking us: probity verify FILE.",
			Origin: Recorded, Basis: "legal_obligation", Data: proofs, FileOnly: true,
		})
	}
	return sections, nil
}

// Language implements Speaker: the language of the notice that the person answered last.
func (s choices) Language(ctx context.Context, t id.Tenant, subjects []id.Subject) (string, error) {
	records, err := s.room.History(ctx, t, subjects)
	if err != nil {
		return "", err
	}
	language := ""
	var at time.Time
	for _, rec := range records {
		if rec.Language != "" && !rec.At.Before(at) {
			language, at = rec.Language, rec.At
		}
	}
	return language, nil
}

func (s choices) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error) {
	return nil, s.room.Erase(ctx, tx, subjects)
}

// Visits is what the journey room holds. *journey.Store satisfies it.
type Visits interface {
	Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]journey.Export, error)
	Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) (journey.Erased, error)
	Rectify(ctx context.Context, tx *store.Tx, subjects []id.Subject, kind, existing, updated string) (journey.Rectified, error)
	Outcomes(ctx context.Context, t id.Tenant) ([]journey.Outcome, error)
	Segments(ctx context.Context, t id.Tenant) ([]journey.Segment, error)
}

// Journeys is the Store of what a person did on the site, and of what was concluded from it.
func Journeys(room Visits) Rectifier { return journeys{room} }

type journeys struct{ room Visits }

func (journeys) Name() string { return journeyName }

const journeyName = "journey"

func (s journeys) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error) {
	n, err := s.room.Erase(ctx, tx, subjects)
	return []Count{
		{"sessions", n.Sessions}, {"chunks of events", n.Chunks}, {"offers", n.Actions}, {"visitor states", n.Visitors},
	}, err
}

// nameTraits are the traits that a correction of a name applies to.
var nameTraits = []string{"givenName", "familyName", "displayName"}

func (s journeys) Rectify(ctx context.Context, tx *store.Tx, subjects []id.Subject, kind, existing, updated string) ([]Count, error) {
	kinds := []string{kind}
	if kind == string(nameKind) {
		kinds = nameTraits
	}
	var n journey.Rectified
	for _, k := range kinds {
		some, err := s.room.Rectify(ctx, tx, subjects, k, existing, updated)
		if err != nil {
			return nil, err
		}
		n.Visitors += some.Visitors
		n.Events += some.Events
	}
	return []Count{{"visitors", n.Visitors}, {"events", n.Events}}, nil
}

type visitView struct {
	Session    uuid.UUID         `json:"session"`
	Device     id.Subject        `json:"device"`
	Started    string            `json:"started"`
	Ended      string            `json:"ended,omitempty"`
	Events     int               `json:"events"`
	PageViews  int               `json:"page_views"`
	Entry      string            `json:"first_page,omitempty"`
	Last       string            `json:"last_page,omitempty"`
	From       string            `json:"came_from,omitempty"`
	Campaign   string            `json:"campaign,omitempty"`
	Browser    string            `json:"browser,omitempty"`
	Machine    string            `json:"machine,omitempty"`
	Network    string            `json:"network,omitempty"`
	Searches   []string          `json:"searches,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Outcomes   []markView        `json:"outcomes,omitempty"`
	Segments   []markView        `json:"segments,omitempty"`
	Scores     []scoreView       `json:"scores,omitempty"`
}

type markView struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name,omitempty"` // empty: it was removed since
	At   string    `json:"at"`
}

type scoreView struct {
	Outcome     uuid.UUID `json:"outcome"`
	Name        string    `json:"name,omitempty"` // of the outcome
	Probability float64   `json:"probability,omitempty"`
	Meaning     string    `json:"meaning"`
	At          string    `json:"at"`
}

type eventView struct {
	At         string            `json:"at"`
	Name       string            `json:"name"`
	Device     id.Subject        `json:"device"`
	Page       string            `json:"page,omitempty"`
	Title      string            `json:"title,omitempty"`
	Referrer   string            `json:"referrer,omitempty"`
	Search     string            `json:"search,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Traits     map[string]string `json:"about_you,omitempty"`
	ExternalID string            `json:"customer_number,omitempty"`
	Browser    string            `json:"browser,omitempty"`
	Machine    string            `json:"machine,omitempty"`
	Network    string            `json:"network,omitempty"`
	Origin     string            `json:"sent_by"`
	Purpose    string            `json:"purpose"`
	Basis      string            `json:"legal_ground"`
}

type offerView struct {
	ID      uuid.UUID  `json:"id"`
	Device  id.Subject `json:"device"`
	Session uuid.UUID  `json:"session"`
	State   string     `json:"state"`
	Why     string     `json:"why_not_made,omitempty"`
	At      string     `json:"at"`
	Media   string     `json:"kind"`
	Purpose string     `json:"purpose"`
	Outcome *uuid.UUID `json:"because_of_outcome,omitempty"`
	Reached float64    `json:"at_probability,omitempty"`
}

func (s journeys) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Section, error) {
	devices, err := s.room.Export(ctx, t, subjects)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx, t)
	if err != nil {
		return nil, err
	}
	traits, visits, events, offers := traitViews{}, visitViews{}, eventViews{}, []offerView{}
	sessions := []Entry{}
	for _, d := range devices {
		if len(d.Traits) > 0 {
			traits = append(traits, traitView{d.Subject, d.Traits})
		}
		for _, v := range d.Sessions {
			visits = append(visits, newVisitView(d.Subject, v, names))
			sessions = append(sessions, Entry{v.ID.String(), newSessionFile(d.Subject, v)})
		}
		for _, e := range d.Events {
			events = append(events, newEventView(d.Subject, e))
		}
		for _, o := range d.Actions {
			offers = append(offers, newOfferView(d.Subject, o))
		}
	}
	return []Section{
		{File: "journey/traits", Title: "What you told about yourself", About: "Such as name or e-mail address, from forms you sent.", Provided: true, Origin: FromPerson, Purpose: "identity", Data: traits},
		{File: "journey/events", Title: "What you did on the site", About: "Pages you opened and what you clicked, searched or entered there, each with the reason why it may be kept.", Provided: true, Basis: events.basis(), Data: events},
		{File: "journey/visits", Title: "Your visits", About: "Your clicks put together to visits, with what was concluded from them: outcomes you reached, groups you belong to, and estimates.", Purpose: "measure", Data: visits},
		{File: "journey/offers", Title: "Offers", About: "Offers that you were shown, or that would have been shown but were held back, and why.", Origin: Recorded, Data: offers},
		{File: "journey-session-store", Title: "Your visits, one file each", About: "The same visits, named and written as in exports of Genesys Cloud, for programs that read those.", Purpose: "measure", FileOnly: true, Each: sessions},
	}, nil
}

// names returns how the organisation calls its outcomes and segments.
func (s journeys) names(ctx context.Context, t id.Tenant) (map[uuid.UUID]string, error) {
	names := map[uuid.UUID]string{}
	outcomes, err := s.room.Outcomes(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, o := range outcomes {
		names[o.ID] = o.Name
	}
	segments, err := s.room.Segments(ctx, t)
	for _, g := range segments {
		names[g.ID] = g.Name
	}
	return names, err
}

func newVisitView(device id.Subject, s *journey.Session, names map[uuid.UUID]string) visitView {
	v := visitView{
		Session: s.ID, Device: device, Started: stamp(s.Started), Events: s.Events, PageViews: s.PageViews,
		Entry: s.Entry.URL, Last: s.Last.URL, Browser: phrase(s.Browser.Family, s.Browser.Version),
		Machine: phrase(s.Device.Category, s.Device.OSFamily, s.Device.OSVersion), Network: s.IP, Searches: s.Search,
		Attributes: values(s.Attributes),
	}
	if !s.Ended.IsZero() {
		v.Ended = stamp(s.Ended)
	}
	if s.Referrer != nil {
		v.From = phrase(s.Referrer.URL, s.Referrer.Medium)
	}
	if c := s.Campaign; c != nil {
		v.Campaign = phrase(c.Source, c.Medium, c.Name, c.Term, c.Content, c.ClickID)
	}
	for _, a := range s.Achieved {
		v.Outcomes = append(v.Outcomes, markView{a.Outcome, names[a.Outcome], stamp(a.At)})
	}
	for _, a := range s.Segments {
		v.Segments = append(v.Segments, markView{a.Segment, names[a.Segment], stamp(a.At)})
	}
	for _, sc := range s.Scores {
		view := scoreView{Outcome: sc.Outcome, Name: names[sc.Outcome], At: stamp(sc.At), Meaning: "too few visits to say how likely this is"}
		if sc.Shown {
			view.Probability, view.Meaning = sc.Probability, "how likely you seemed to reach this outcome, between 0 and 1"
		}
		v.Scores = append(v.Scores, view)
	}
	return v
}

func newEventView(device id.Subject, e *event.Event) eventView {
	v := eventView{
		At: stamp(e.At), Name: e.Name, Device: device, Page: e.Page.URL, Title: e.Page.Title, Search: e.Search,
		Attributes: values(e.Attributes), Traits: values(e.Traits), ExternalID: e.ExternalID,
		Browser: phrase(e.Browser.Family, e.Browser.Version), Machine: phrase(e.Device.Category, e.Device.OSFamily, e.Device.OSVersion),
		Network: e.IP, Origin: e.Origin.String(), Purpose: e.Purpose, Basis: e.Ground.Basis,
	}
	if e.Referrer != nil {
		v.Referrer = e.Referrer.URL
	}
	switch {
	case e.Ground.Declared != "":
		v.Basis += ", declared in record " + e.Ground.Declared
	case e.Ground.Ledger >= 0:
		v.Basis += fmt.Sprintf(", entry %d of the ledger", e.Ground.Ledger)
	}
	return v
}

func newOfferView(device id.Subject, o *journey.Offer) offerView {
	v := offerView{
		ID: o.ID, Device: device, Session: o.Session, State: string(o.State), Why: string(o.Block), At: stamp(o.Qualified),
		Media: o.Media, Purpose: o.Purpose, Reached: o.Reached,
	}
	if o.Outcome != uuid.Nil {
		v.Outcome = &o.Outcome
	}
	return v
}

// phrase joins what is not empty.
func phrase(parts ...string) string {
	out := ""
	for _, p := range parts {
		if p == "" {
			continue
		}
		if out != "" {
			out += " "
		}
		out += p
	}
	return out
}

func values(in map[string]event.Attr) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for name, a := range in {
		out[name] = a.Value
	}
	return out
}

// Predictions is what the predict room holds. *predict.Room satisfies it.
type Predictions interface {
	Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]predict.Record, error)
	Forget(ctx context.Context, tx *store.Tx, subjects []id.Subject) (rows int64, err error)
	Retrain(ctx context.Context, t id.Tenant, reason string) ([]predict.Attestation, error)
}

// Lessons is the Store of what models learn from. It is Models too: after an erasure they are
// trained anew without the person.
func Lessons(room Predictions) interface {
	Store
	Models
} {
	return lessons{room}
}

type lessons struct{ room Predictions }

func (lessons) Name() string { return lessonsName }

const lessonsName = "predict"

func (s lessons) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Section, error) {
	list, err := s.room.Export(ctx, t, subjects)
	if list == nil {
		list = []predict.Record{}
	}
	return []Section{{
		File: "predict/visits", Title: "What estimates were learnt from",
		About:   "Your finished visits as a few counters, from which together with those of others it is estimated how likely an outcome is.",
		Purpose: "predict", Data: list,
	}}, err
}

func (s lessons) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error) {
	n, err := s.room.Forget(ctx, tx, subjects)
	return []Count{{"training rows", n}}, err
}

func (s lessons) Retrain(ctx context.Context, t id.Tenant, reason string) ([]ModelReport, error) {
	list, err := s.room.Retrain(ctx, t, reason)
	if err != nil {
		return nil, err
	}
	var models []ModelReport
	for _, a := range list {
		models = append(models, ModelReport{
			Outcome: a.Outcome, RowsBefore: a.RowsBefore, RowsAfter: a.RowsAfter,
			OldModel: a.OldModel.String(), NewModel: a.NewModel.String(), RowsRoot: a.RootAfter.String(), Procedure: a.Procedure.String(),
		})
	}
	return models, nil
}
