package notice

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed languages/*.json
var languageFiles embed.FS

// language is what is built in for one language: the words of the default notice, and what the linter
// knows of the language.
type language struct {
	Name     string                 `json:"name"` // in the language itself
	Text     Text                   `json:"text"`
	Purposes map[string]PurposeText `json:"purposes"`
	Age      AgeWords               `json:"age"`
	Lint     lintWords              `json:"lint"`
}

// lintWords is what the linter knows of a language. Everything but Accepts and Refusals is lower case.
// In a language that has no such list nothing is found.
type lintWords struct {
	Accepts    []string `json:"accepts"`    // labels that may stand on the button that accepts
	Refusals   []string `json:"refusals"`   // labels that may stand on the button that refuses; anything else steers (EDPB 03/2022)
	Vague      []string `json:"vague"`      // phrases that tell nobody what will happen (WP260 §12)
	Profiling  []string `json:"profiling"`  // how profiling is called by its name
	Withdraw   []string `json:"withdraw"`   // how taking consent back is called
	Steering   []string `json:"steering"`   // phrases that press, shame or praise
	Promotion  []string `json:"promotion"`  // words that advertise
	Legalese   []string `json:"legalese"`   // formulas that only lawyers read
	Terms      []string `json:"terms"`      // names of terms and conditions, which consent must not be part of (Art. 7(2))
	Obligation []string `json:"obligation"` // phrases that make the choice look like none
	Negations  []string `json:"negations"`  // words that negate; empty where two of them are plain grammar
	And        []string `json:"and"`        // words that join aims
	Common     []string `json:"common"`     // frequent words, by which the language is told from others
}

// builtin reads the embedded files once.
var builtin = sync.OnceValue(func() map[string]*language {
	files, err := languageFiles.ReadDir("languages")
	if err != nil {
		panic(err) // the folder is embedded
	}
	all := make(map[string]*language, len(files))
	for _, f := range files {
		data, err := languageFiles.ReadFile("languages/" + f.Name())
		l := new(language)
		if err == nil {
			err = json.Unmarshal(data, l)
		}
		if err != nil {
			panic(fmt.Errorf("%s: %w", f.Name(), err)) // embedded and tested
		}
		all[strings.TrimSuffix(f.Name(), path.Ext(f.Name()))] = l
	}
	return all
})

// Languages returns the tags of the built-in languages, sorted.
func Languages() []string {
	var out []string
	for lang := range builtin() {
		out = append(out, lang)
	}
	slices.Sort(out)
	return out
}

// LanguageName returns how a built-in language calls itself; for another the tag.
func LanguageName(lang string) string {
	if l := builtin()[Base(lang)]; l != nil {
		return l.Name
	}
	return lang
}

// DefaultLabels returns the built-in labels of a language, and whether it is built in.
func DefaultLabels(lang string) (Labels, bool) {
	l := builtin()[Base(lang)]
	if l == nil {
		return Labels{}, false
	}
	return l.Text.Labels, true
}

// wordsOf returns what the linter knows of a language; nothing for one that is not built in.
func wordsOf(lang string) lintWords {
	if l := builtin()[Base(lang)]; l != nil {
		return l.Lint
	}
	return lintWords{}
}

// Base returns the language of a tag without its region, in lower case. Norwegian is Bokmål, whichever
// of its tags a browser sends.
func Base(tag string) string {
	b, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if b == "no" || b == "nn" {
		return "nb"
	}
	return b
}

// The default purposes.
const (
	Measure   = "measure"   // page views; gate of ac('init')
	Actions   = "actions"   // custom events; gate of ac('record')
	Identity  = "identity"  // gate of ac('identify') and traits
	Predict   = "predict"   // scoring of outcomes
	Support   = "support"   // offers of help
	Sales     = "sales"     // offers of advice before buying
	Marketing = "marketing" // offers of goods and campaigns
)

// OwnStorage is what asking itself needs on the device, whatever the purposes: the choice, which holds no
// identifier, and where a child's choice waits for a parent the number under which the answer is found.
// People ask for both by choosing, so that neither needs consent. Every notice lists them.
func OwnStorage() []StorageKey {
	return []StorageKey{{"probity_choice", "local", 182}, {"_act_parent", "local", 182}}
}

// visitorStorage is the random number that measuring tells a browser by.
func visitorStorage() StorageKey { return StorageKey{"_actmu", "cookie", 182} }

// Stored is everything that our files for the browser may keep on a device. A test of package sdk holds
// the files to it.
func Stored() []StorageKey { return append(OwnStorage(), visitorStorage()) }

// DefaultPurposes returns the purposes an organisation starts with, with their texts in all built-in
// languages. No service depends on any of them.
func DefaultPurposes() []Purpose {
	list := []Purpose{
		{ID: Measure, Categories: []string{"pages-visited", "device", "network-address-shortened"}, Storage: []StorageKey{visitorStorage()}},
		{ID: Actions, Categories: []string{"actions-on-pages"}},
		{ID: Identity, Categories: []string{"contact", "customer-number"}},
		{ID: Predict, Profiling: true, Categories: []string{"profile", "probabilities"}},
		{ID: Support, Categories: []string{"offers-shown"}},
		{ID: Sales, Categories: []string{"offers-shown"}},
		{ID: Marketing, Sharing: true, Categories: []string{"offers-shown"}},
	}
	for i := range list {
		p := &list[i]
		p.Basis, p.NeededFor, p.Recipients, p.Texts = Consent, []string{}, []string{}, map[string]PurposeText{}
		if p.Storage == nil {
			p.Storage = []StorageKey{}
		}
		for lang, l := range builtin() {
			p.Texts[lang] = l.Purposes[p.ID]
		}
	}
	return list
}

// DefaultTexts returns the prose of the default notice in all built-in languages. The caller owns it.
func DefaultTexts() map[string]Text {
	out := map[string]Text{}
	for lang, l := range builtin() {
		text := l.Text
		text.Sections = slices.Clone(text.Sections)
		for i := range text.Sections {
			text.Sections[i].Paragraphs = slices.Clone(text.Sections[i].Paragraphs)
		}
		out[lang] = text
	}
	return out
}
