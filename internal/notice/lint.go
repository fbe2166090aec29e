package notice

import (
	"slices"
	"strings"
)

// Severity says what a fault does to publishing.
type Severity string

// The severities.
const (
	// Refused can't be overridden: the notice would not be one.
	Refused Severity = "refused"
	// Wrong keeps the notice from being published, unless somebody says why it is right all the same;
	// the reason goes into the ledger.
	Wrong Severity = "error"
	// Doubtful is shown and stops nothing.
	Doubtful Severity = "warning"
)

// Fault is something about a notice that would make the consent asked for with it doubtful.
type Fault struct {
	Rule     string   `json:"rule"`     // id of the rule, see Rules
	Severity Severity `json:"severity"` // of the rule
	Source   string   `json:"source"`   // the article or guideline behind it
	Field    string   `json:"field"`    // where, such as "texts.en.labels.reject"
	Message  string   `json:"message"`  // what is wrong and what to do
}

// Rule is one thing that a notice must not do.
type Rule struct {
	ID       string
	Severity Severity
	Source   string // article, recital or guideline
	Checks   string // numbers of the checks it serves, such as "B26"
	Pattern  string // what people call what it forbids

	draft    func(r *reader)                      // looks at the draft as a whole
	language func(r *reader, lang string, t Text) // looks at one language of it
	page     func(p *pageReader)                  // looks at a rendered page, see LintPage
}

// Lint returns what is wrong with a notice, worst first and then by field. Rules lists what it looks
// for. In a language that is not built in it knows no words and checks form only.
func Lint(purposes []Purpose, d Draft) []Fault {
	r := &reader{purposes: purposes, draft: d}
	for lang := range d.Texts {
		r.languages = append(r.languages, lang)
	}
	slices.Sort(r.languages)
	for _, rule := range Rules() {
		r.rule = rule
		if rule.draft != nil {
			rule.draft(r)
		}
		if rule.language != nil {
			for _, lang := range r.languages {
				rule.language(r, lang, d.Texts[lang])
			}
		}
	}
	WorstFirst(r.faults)
	return r.faults
}

// WorstFirst sorts faults by how bad they are, then by field.
func WorstFirst(faults []Fault) {
	order := []Severity{Refused, Wrong, Doubtful}
	slices.SortStableFunc(faults, func(a, b Fault) int {
		if n := slices.Index(order, a.Severity) - slices.Index(order, b.Severity); n != 0 {
			return n
		}
		return strings.Compare(a.Field, b.Field)
	})
}

// LintBases returns the purposes of which the notice says another basis than one on which their data is
// used: declared holds, by purpose, what was declared besides the notice. Whoever reads the notice would
// be told what is not so.
func LintBases(purposes []Purpose, declared map[string][]Basis) []Fault {
	list := Rules()
	r := &reader{rule: list[slices.IndexFunc(list, func(one Rule) bool { return one.ID == "basis-contradicted" })]}
	for _, p := range purposes {
		for _, b := range declared[p.ID] {
			if b != p.Basis {
				r.fault("purposes."+p.ID+".basis", "The notice says that %s rests on %s (Art. %s), and it is declared to rest on %s (Art. %s). Give the purpose that basis, or end the declaration.",
					p.ID, p.Basis.words(), p.Basis.Article(), b.words(), b.Article())
			}
		}
	}
	return r.faults
}

// words is what the basis is called in a sentence.
func (b Basis) words() string { return strings.ReplaceAll(string(b), "_", " ") }

// Blocking returns the faults that keep a notice from being published without an override.
func Blocking(faults []Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return f.Severity == Doubtful })
}

// covers tells whether what was declared allows another key: of its name and kind, with a life at most as
// long.
func (k StorageKey) covers(seen StorageKey) bool {
	prefix, open := strings.CutSuffix(k.Name, "*")
	return k.Kind == seen.Kind && seen.Days <= k.Days && (k.Name == seen.Name || open && strings.HasPrefix(seen.Name, prefix))
}
