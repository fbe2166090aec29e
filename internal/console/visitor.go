package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/notice"
	"probity/internal/predict"
)

// step is one event of a visitor's journey.
type step struct {
	At      time.Time
	Name    string
	Page    string
	Path    string
	Details string
	Ground  string    // what allowed it
	Record  uuid.UUID // the choice that allowed it; zero: a declared basis
	Score   *float64  // the probability after it, by the model of today; nil: not shown
}

// choiceView is the effective choice about one purpose.
type choiceView struct {
	Title      string
	State      consent.State
	Given      bool
	HasReceipt bool
}

type offerView struct {
	Map, State, Outcome string
	Reached             float64
	At                  time.Time
}

// visitorPage is all that the page about one visitor shows.
type visitorPage struct {
	Subject    id.Subject
	Name       string
	Identities []string
	Session    *journey.Session
	Sessions   int
	Device     string
	From       string
	Scores     []scoreView
	Why        []predict.Contribution
	WhyOf      string
	Chart      chart
	Steps      []step
	Choices    []choiceView
	Offers     []offerView
}

// journeySteps is how many of the latest events the page lists.
const journeySteps = 200

func (k *call) visitor() error {
	ctx, t := k.r.Context(), k.tenant()
	s, err := id.ParseSubject(k.r.PathValue("subject"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such visitor.")
	}
	v, err := k.Journey.VisitorOf(ctx, t, s)
	if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Gone) {
		return fail.New(fail.NotFound, "Nothing is known of this visitor. Either there never was one, or everything was erased.")
	}
	if fail.Is(err, fail.ConsentRequired) {
		// What they did is not shown any more; what they chose, with its proofs, is.
		v, err = journey.NewVisitor(s), nil
	}
	if err != nil {
		return err
	}
	sessions, err := k.Journey.SessionsOf(ctx, t, 1, s)
	if err != nil {
		return err
	}
	plan, err := k.Journey.Plan(ctx, t)
	if err != nil {
		return err
	}
	p := visitorPage{Subject: s, Name: v.Name(), Sessions: v.Sessions}
	history, err := k.Consent.History(ctx, t, []id.Subject{s})
	if err != nil {
		return err
	}
	if p.Choices, err = k.choices(s); err != nil {
		return err
	}
	names := namesOf(plan)
	if len(sessions) > 0 {
		p.Session = sessions[0]
		p.Device, p.From = deviceOf(p.Session), fromOf(p.Session)
		p.Scores = scoresOf(p.Session, names)
	}
	if err := k.walk(&p, history); err != nil {
		return err
	}
	if p.Offers, err = k.offers(s, names); err != nil {
		return err
	}
	if p.Identities, err = k.identities(s); err != nil {
		return err
	}
	return k.show(http.StatusOK, "visitor", "Visitor", p)
}

// walk lists the events and scores the latest visit again, event by event, with today's model.
func (k *call) walk(p *visitorPage, history []consent.Record) error {
	records := map[int64]uuid.UUID{}
	for _, r := range history {
		records[r.Ledger] = r.ID
	}
	var outcome uuid.UUID
	predicted := false
	if len(p.Scores) > 0 {
		outcome, predicted = p.Scores[0].ID, true
		p.WhyOf = p.Scores[0].Outcome
	}
	course := predict.NewCourse(max(0, p.Sessions-1))
	err := k.Journey.Events(k.r.Context(), k.tenant(), p.Subject, time.Time{}, func(e journey.StoredEvent) error {
		st := stepOf(e.Event, records)
		if predicted && p.Session != nil && e.Session == p.Session.ID {
			course.Observe(e.Event)
			if sc, ok := k.Predict.Score(k.tenant(), outcome, course.Vector()); ok && sc.Shown {
				st.Score = &sc.Probability
				p.Chart.add(e.Event.At, sc.Probability)
			}
		}
		p.Steps = append(p.Steps, st)
		if len(p.Steps) > 4*journeySteps {
			p.Steps = slices.Delete(p.Steps, 0, len(p.Steps)-journeySteps)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(p.Steps) > journeySteps {
		p.Steps = p.Steps[len(p.Steps)-journeySteps:]
	}
	slices.Reverse(p.Steps)
	if predicted {
		p.Why, err = k.Predict.Explain(k.tenant(), outcome, course.Vector())
		if fail.Is(err, fail.NotFound) {
			return nil
		}
		p.Why = p.Why[:min(len(p.Why), 6)]
	}
	return err
}

func stepOf(e *event.Event, records map[int64]uuid.UUID) step {
	st := step{At: e.At, Name: e.Name, Page: e.Page.Title, Path: e.Page.Path}
	if e.Ground.Declared != "" {
		st.Ground = "declared basis: " + strings.ReplaceAll(e.Ground.Basis, "_", " ")
	} else {
		st.Ground = fmt.Sprintf("consent to %s, entry %d", e.Purpose, e.Ground.Ledger)
		st.Record = records[e.Ground.Ledger]
	}
	var parts []string
	if e.Search != "" {
		parts = append(parts, "searched “"+e.Search+"”")
	}
	for _, name := range sorted(e.Attributes) {
		parts = append(parts, name+" "+e.Attributes[name].Value)
	}
	st.Details = strings.Join(parts, " · ")
	return st
}

func sorted(m map[string]event.Attr) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (k *call) choices(s id.Subject) ([]choiceView, error) {
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	state, err := k.Consent.State(k.r.Context(), k.tenant(), s)
	if err != nil {
		return nil, err
	}
	var list []choiceView
	for _, p := range purposes {
		st := state[p.ID]
		list = append(list, choiceView{
			Title: p.Texts["en"].Title, State: st, Given: st.Status == consent.Given,
			HasReceipt: st.RecordID != uuid.Nil && !st.Elsewhere,
		})
	}
	return list, nil
}

func (k *call) offers(s id.Subject, n names) ([]offerView, error) {
	offers, err := k.Journey.ActionsOf(k.r.Context(), k.tenant(), s)
	if err != nil {
		return nil, err
	}
	var list []offerView
	for _, o := range offers {
		v := offerView{Map: n.of(o.Map), State: offerWords(o.State, o.Block), Reached: o.Reached, At: o.Qualified}
		if o.Outcome != uuid.Nil {
			v.Outcome = n.of(o.Outcome)
		}
		list = append(list, v)
	}
	return list, nil
}

func (k *call) identities(s id.Subject) ([]string, error) {
	allowed, err := k.Consent.Standing(k.r.Context(), k.tenant(), s, notice.Identity)
	if err != nil || !allowed {
		return nil, err
	}
	found, err := k.Subjects.Identities(k.r.Context(), k.tenant(), s)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, i := range found {
		if i.Kind == "cookie" {
			continue // a random number tells staff nothing, and acts for the visitor
		}
		list = append(list, string(i.Kind)+": "+i.Value)
	}
	return list, nil
}

// receipt hands out the proof of a choice, in our own format unless the query names another.
func (k *call) receipt() error {
	s, err := id.ParseSubject(k.r.PathValue("subject"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such visitor.")
	}
	record, err := uuid.Parse(k.r.PathValue("record"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such receipt.")
	}
	format := cmp.Or(consent.Format(k.r.FormValue("format")), consent.FormatReceipt)
	proof, err := k.Proofs.Export(k.r.Context(), k.tenant(), s, record, format, k.PublicURL)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return err
	}
	return k.attach("consent-"+string(format)+"-"+record.String()+".json", data)
}

func (k *call) attach(name string, data []byte) error {
	return k.attachAs("application/json", name, data)
}

func (k *call) attachAs(mediaType, name string, data []byte) error {
	k.w.Header().Set("Content-Type", mediaType)
	k.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = k.w.Write(data) // a browser that left needs no answer
	return nil
}
