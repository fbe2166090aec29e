package rights

import (
	"slices"
)

// information is what Art. 15(1) and (2) GDPR want told with a copy, in the person's language. No item
// is empty: where the organisation recorded nothing, the item says so.
type information struct {
	Purposes   []informedPurpose `json:"purposes"`            // (a)
	Categories []string          `json:"categories"`          // (b)
	Recipients []string          `json:"recipients"`          // (c)
	Retention  []string          `json:"retention"`           // (d)
	Rights     []informedRight   `json:"rights"`              // (e)
	Complaint  []string          `json:"complaint"`           // (f)
	Source     []string          `json:"source"`              // (g)
	Automated  automated         `json:"automated_decisions"` // (h)
	Transfers  []string          `json:"transfers"`           // (2)
}

type informedPurpose struct {
	ID          string `json:"id,omitempty"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Basis       string `json:"basis,omitempty"`
	Ground      string `json:"ground,omitempty"` // the basis in words
}

type informedRight struct {
	Article string `json:"article"`
	Right   string `json:"right"`
}

type automated struct {
	Decides bool   `json:"decides"` // with legal or similarly significant effect (Art. 22)
	Logic   string `json:"logic"`
}

// information gathers the items for the page and the manifest.
func (b *builder) information() *information {
	w, name := b.words, b.Controller.Name
	i := &information{
		Rights: []informedRight{
			{"Art. 7(3)", w.text("right.withdraw")}, {"Art. 16", w.text("type.rectification")}, {"Art. 17", w.text("type.erasure")},
			{"Art. 18", w.text("right.restrict")}, {"Art. 20", w.text("type.portability")}, {"Art. 21", w.text("right.object")},
		},
		Complaint: []string{w.text("data.complain") + " (Art. 77)"},
		Source:    []string{w.text("source.text")},
		Automated: automated{Logic: w.text("data.profiling") + " (Art. 22)"},
		Transfers: []string{w.text("transfers.none")},
	}
	for _, p := range b.Controller.Purposes {
		text := PurposeText{p.Title, p.Description}
		if own, ok := p.Texts[b.Language]; ok && own.Title != "" {
			text = own
		}
		one := informedPurpose{ID: p.ID, Title: text.Title, Description: text.Description, Basis: p.Basis}
		if ground, ok := w["basis."+p.Basis]; ok {
			one.Ground = ground
		}
		i.Purposes = append(i.Purposes, one)
	}
	if len(i.Purposes) == 0 {
		i.Purposes = []informedPurpose{{Title: w.text("none.recorded")}}
	}
	for _, s := range b.shown {
		if !slices.Contains(i.Categories, s.Title) {
			i.Categories = append(i.Categories, s.Title)
		}
		if s.Origin == FromOthers && len(i.Source) == 1 {
			i.Source = append(i.Source, w.text("source.external"))
		}
	}
	if len(i.Categories) == 0 {
		i.Categories = []string{w.text("overview.nothing")}
	}
	i.Recipients = b.Controller.Recipients
	if len(i.Recipients) == 0 {
		i.Recipients = []string{w.text("data.recipients", name)}
	}
	for _, k := range b.Controller.Retention {
		i.Retention = append(i.Retention, k.What+": "+k.Why)
	}
	if len(i.Retention) == 0 {
		i.Retention = []string{w.text("data.retention")}
	}
	if b.Controller.Authority != "" {
		i.Complaint = append(i.Complaint, b.Controller.Authority)
	}
	if b.Controller.Contact != "" {
		i.Rights = append(i.Rights, informedRight{"Art. 12", b.Controller.Contact})
	}
	return i
}
