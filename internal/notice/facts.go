package notice

import (
	"regexp"
	"strconv"
	"strings"
)

// Facts are what a notice must say about the processing whatever the language (Art. 13(1) and (2)
// GDPR). Names are written as they are; what is empty is left out of the notice, or replaced by the
// text that a Paragraph has for that case.
type Facts struct {
	Controller      string   `json:"controller"`       // who decides; empty: Text.Unnamed
	Address         string   `json:"address"`          // of the controller, one line
	Contact         string   `json:"contact"`          // e-mail address or web page for questions about privacy
	Representative  string   `json:"representative"`   // in the Union, of a controller outside of it (Art. 27)
	DPO             string   `json:"dpo"`              // how to reach the data protection officer (Art. 37)
	Processors      []string `json:"processors"`       // act on the controller's instructions (Art. 28)
	Recipients      []string `json:"recipients"`       // receive data for purposes of their own
	Transfers       []string `json:"transfers"`        // country and safeguard (Art. 44–49), such as "Japan (adequacy decision)"
	RetentionMonths int      `json:"retention_months"` // of records of visits; 0: not fixed
	ProofYears      int      `json:"proof_years"`      // of the proof of a choice after its end; 0: not fixed
	Authority       string   `json:"authority"`        // the supervisory authority that is competent for the controller
}

// values are the facts by the names that placeholders use; a fact that is not known is missing.
type values map[string]string

func (f *Facts) values(text Text, purposes []Purpose, lang string) values {
	v := values{}
	set := func(name, s string) {
		if s = strings.TrimSpace(s); s != "" {
			v[name] = s
		}
	}
	number := func(name string, n int) {
		if n > 0 {
			v[name] = strconv.Itoa(n)
		}
	}
	set("controller", text.Unnamed)
	set("controller", f.Controller)
	set("address", f.Address)
	set("contact", f.Contact)
	set("representative", f.Representative)
	set("dpo", f.DPO)
	set("processors", strings.Join(f.Processors, "; "))
	set("recipients", strings.Join(f.Recipients, "; "))
	set("transfers", strings.Join(f.Transfers, "; "))
	set("authority", f.Authority)
	number("retention_months", f.RetentionMonths)
	number("proof_years", f.ProofYears)
	var profiling []string
	for _, p := range purposes {
		if p.Profiling {
			profiling = append(profiling, p.Texts[lang].Title)
		}
	}
	set("profiling", strings.Join(profiling, "; "))
	return v
}

// PlaceholderNames are the names that may stand in braces in the texts of a notice.
func PlaceholderNames() []string {
	return []string{"controller", "address", "contact", "representative", "dpo", "processors", "recipients", "transfers",
		"retention_months", "proof_years", "authority", "profiling"}
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// fill replaces the placeholders of a text and tells whether all of them had a value.
func (v values) fill(s string) (filled string, all bool) {
	all = true
	filled = placeholder.ReplaceAllStringFunc(s, func(m string) string {
		value, ok := v[m[1:len(m)-1]]
		all = all && ok
		return value
	})
	return filled, all
}

// renderedSection is a section as it is shown.
type renderedSection struct {
	Heading    string
	Paragraphs []string
}

// sections returns the parts of the full notice with the facts filled in, see Paragraph.
func (v values) sections(text Text) []renderedSection {
	var out []renderedSection
next:
	for _, s := range text.Sections {
		heading, ok := v.fill(s.Heading)
		if !ok {
			continue
		}
		r := renderedSection{Heading: heading}
		for _, p := range s.Paragraphs {
			if p.When != "" && v[p.When] == "" || p.Unless != "" && v[p.Unless] != "" {
				continue
			}
			filled, ok := v.fill(p.Text)
			if !ok {
				continue next
			}
			r.Paragraphs = append(r.Paragraphs, filled)
		}
		if len(r.Paragraphs) > 0 {
			out = append(out, r)
		}
	}
	return out
}
