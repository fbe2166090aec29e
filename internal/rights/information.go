package rights

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"probity/internal/event"
)

// information is what Art. 15(1) and (2) GDPR want told with a copy, in the person's language. Each item
// says what is so for this person: what the newest notice tells, what is configured, and what was found.
// Nothing is made up: where the organisation stated nothing, the item says that.
type information struct {
	Purposes   []informedPurpose `json:"purposes"`            // (a)
	Categories []string          `json:"categories"`          // (b): what is held of the person
	Recipients []string          `json:"recipients"`          // (c)
	Retention  []string          `json:"retention"`           // (d)
	Rights     []informedRight   `json:"rights"`              // (e)
	Contact    []string          `json:"contact"`             // where to use them
	Complaint  []string          `json:"complaint"`           // (f)
	Source     []string          `json:"source"`              // (g)
	Automated  automated         `json:"automated_decisions"` // (h)
	Transfers  []string          `json:"transfers"`           // (2)
}

// informedPurpose is a purpose, and what stands behind it for this person.
type informedPurpose struct {
	ID          string      `json:"id,omitempty"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Basis       string      `json:"basis,omitempty"`
	Ground      string      `json:"ground,omitempty"`    // the basis in words
	Choices     []choiceOf  `json:"choices,omitempty"`   // what the person chose
	Collected   []collected `json:"collected,omitempty"` // what was collected for it
	Said        []string    `json:"-"`                   // both in words
}

type choiceOf struct {
	Status string `json:"status"`
	Since  string `json:"since,omitempty"`
}

type informedRight struct {
	Article string `json:"article"`
	Right   string `json:"right"`
}

type automated struct {
	Decides   bool        `json:"decides"` // with legal or similarly significant effect (Art. 22)
	Logic     string      `json:"logic"`
	Estimates []scoreView `json:"estimates"` // the latest one of each outcome
	Said      []string    `json:"-"`         // they in words
}

// information gathers the items for the page and the manifest.
func (b *builder) information() *information {
	w := b.words
	i := &information{
		Rights: []informedRight{
			{"Art. 7(3)", w.text("right.withdraw")}, {"Art. 16", w.text("type.rectification")}, {"Art. 17", w.text("type.erasure")},
			{"Art. 18", w.text("right.restrict")}, {"Art. 20", w.text("type.portability")}, {"Art. 21", w.text("right.object")},
		},
		Purposes:  b.purposes(),
		Contact:   b.orUntold(b.noticed("address", "contact", "representative", "dpo")),
		Complaint: b.complaint(),
		Automated: b.automated(),
		Transfers: b.orUntold(b.noticed("transfers")),
	}
	for _, s := range b.shown {
		if s.Records > 0 && !slices.Contains(i.Categories, s.Title) {
			i.Categories = append(i.Categories, s.Title)
		}
	}
	if len(i.Categories) == 0 {
		i.Categories = []string{w.text("overview.nothing")}
	}
	i.Recipients = b.orUntold(b.recipients())
	i.Retention = append(b.retention(), b.noticed("retention_months", "proof_years")...)
	i.Retention = b.orUntold(i.Retention)
	if i.Source = b.sources(); len(i.Source) == 0 {
		i.Source = []string{w.text("overview.nothing")}
	}
	return i
}

// noticed returns what the newest notice says about facts, in the language of the page.
func (b *builder) noticed(facts ...string) []string {
	if b.Controller.Notice == nil {
		return nil
	}
	d := &b.Controller.Notice.Draft
	return d.Statements(d.Purposes, b.Language, facts...)
}

func (b *builder) orUntold(said []string) []string {
	if len(said) == 0 {
		return []string{b.words.text("untold")}
	}
	return said
}

// purposes tells of each purpose what it is, what the person chose, and what was collected for it. One
// that the organisation does not have any more is named if anything was.
func (b *builder) purposes() []informedPurpose {
	chosen, held := map[string][]choiceOf{}, map[string][]collected{}
	for _, s := range b.shown {
		switch data := s.Data.(type) {
		case choiceViews:
			for _, c := range data {
				if one := (choiceOf{c.Status, c.Since}); !slices.Contains(chosen[c.Purpose], one) {
					chosen[c.Purpose] = append(chosen[c.Purpose], one)
				}
			}
		case eventViews:
			held = data.collected()
		}
	}
	list := slices.Clone(b.Controller.Purposes)
	for id := range held {
		if id != "" && !slices.ContainsFunc(list, func(p Purpose) bool { return p.ID == id }) {
			list = append(list, Purpose{ID: id})
		}
	}
	slices.SortStableFunc(list[len(b.Controller.Purposes):], func(x, y Purpose) int { return strings.Compare(x.ID, y.ID) })
	var all []informedPurpose
	for _, p := range list {
		all = append(all, b.purpose(p, chosen[p.ID], held[p.ID]))
	}
	if len(all) == 0 {
		return []informedPurpose{{Title: b.words.text("untold")}}
	}
	return all
}

func (b *builder) purpose(p Purpose, chosen []choiceOf, held []collected) informedPurpose {
	w := b.words
	one := informedPurpose{
		ID: p.ID, Title: p.ID, Description: w.text("untold.language"), Basis: p.Basis, Ground: w["basis."+p.Basis], Choices: chosen, Collected: held,
	}
	if text, ok := b.purposeText(p); ok {
		one.Title, one.Description = text.Title, text.Description
	}
	for _, c := range chosen {
		one.Said = append(one.Said, strings.TrimSuffix(w.say(c.Status)+", "+w.inWords(c.Since), ", "))
	}
	for _, c := range held {
		said := fmt.Sprintf("%s (%s – %s)", w.text("page.records", c.Records), w.dayOf(c.First), w.dayOf(c.Last))
		if c.Basis != p.Basis {
			said += " " + w["basis."+c.Basis]
		}
		one.Said = append(one.Said, strings.TrimSpace(said))
	}
	return one
}

// purposeText returns how the organisation calls a purpose in the language of the page, if it does.
func (b *builder) purposeText(p Purpose) (PurposeText, bool) {
	for _, tag := range slices.Sorted(maps.Keys(p.Texts)) { // the language itself before its regions
		if baseOf(tag) == b.Language && p.Texts[tag].Title != "" {
			return p.Texts[tag], true
		}
	}
	return PurposeText{}, false
}

// complaint tells where the person can complain.
func (b *builder) complaint() []string {
	if said := b.noticed("authority"); len(said) > 0 {
		said[len(said)-1] += " (Art. 77)"
		return said
	}
	return []string{b.words.text("data.complain") + " (Art. 77)", b.words.text("untold")}
}

// recipients names whom the notice names, and whom the organisation configured.
func (b *builder) recipients() []string {
	list := b.noticed("recipients", "processors")
	for _, p := range b.Recipients {
		list = append(list, p.Name+", "+p.Contact+": "+strings.Join(p.Categories, ", "))
	}
	return list
}

// retention tells of each kind of data that is held how long that is, as the stores declare it. Where a
// store has no limit of its own and the notice promises one for visits, the notice tells it.
func (b *builder) retention() (list []string) {
	places := Inventory()
	for _, s := range b.shown {
		if s.Records == 0 || s.Each != nil {
			continue
		}
		until := b.words.text("untold") // a database of the organisation's own
		if i := slices.IndexFunc(places, func(p Place) bool { return slices.Contains(p.Files, s.File) }); i >= 0 {
			switch p := places[i]; {
			case p.Days > 0:
				until = b.words.text("kept.days", p.Days)
			case p.Proof && b.Controller.ProofDays > 0:
				until = b.words.text("kept.proof", b.Controller.ProofDays)
			case p.Store == journeyName && len(b.noticed("retention_months")) > 0:
				continue
			default:
				until = b.words.text("kept.life")
			}
		}
		list = append(list, s.Title+": "+until)
	}
	return list
}

// sources tells of each kind of data that is held where it comes from.
func (b *builder) sources() (list []string) {
	for _, s := range b.shown {
		if s.Records == 0 || s.Each != nil || s.Origin == MadeForThis {
			continue
		}
		from := b.words.text("origin." + s.Origin)
		if s.Origin == FromOthers {
			from = b.words.text("source.external")
		}
		if events, ok := s.Data.(eventViews); ok {
			n := events.senders()
			var parts []string
			for _, who := range []struct {
				origin event.Origin
				key    string
			}{{event.FromBrowser, "origin.observed"}, {event.FromServer, "source.server"}, {event.FromImport, "source.import"}} {
				if n[who.origin.String()] > 0 {
					parts = append(parts, fmt.Sprintf("%s (%d)", b.words.text(who.key), n[who.origin.String()]))
				}
			}
			from = strings.Join(parts, "; ")
		}
		list = append(list, s.Title+": "+from)
	}
	return list
}

// automated tells how the organisation says that it profiles, and what was estimated of the person.
func (b *builder) automated() automated {
	a := automated{Estimates: []scoreView{}}
	for _, s := range b.shown {
		if visits, ok := s.Data.(visitViews); ok {
			a.Estimates = visits.latest()
		}
	}
	for _, e := range a.Estimates {
		name := e.Name
		if name == "" {
			name = e.Outcome.String()
		}
		if e.Probability > 0 {
			a.Said = append(a.Said, fmt.Sprintf("%s: %.2f, %s", name, e.Probability, b.words.inWords(e.At)))
		} else {
			a.Said = append(a.Said, fmt.Sprintf("%s: %s, %s", name, b.words.say(e.Meaning), b.words.inWords(e.At)))
		}
	}
	var logic []string
	if v := b.Controller.Notice; v != nil {
		logic = v.Draft.Part(v.Draft.Purposes, b.Language, "profiling")
	}
	if len(logic) == 0 && len(a.Estimates) > 0 {
		logic = []string{b.words.text("untold")}
	}
	if len(a.Estimates) == 0 {
		logic = append(logic, b.words.text("score.none"))
	}
	a.Logic = strings.Join(logic, " ") + " (Art. 22)"
	return a
}

// dayOf writes the day of a stamp.
func (w words) dayOf(stamp string) string {
	at, err := time.Parse("2006-01-02T15:04:05.000Z", stamp)
	if err != nil {
		return stamp
	}
	return w.day(at)
}
