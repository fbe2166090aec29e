package notice

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is something about a notice that would make the consent asked for with it doubtful.
type Fault struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// The limits of plain words.
const (
	maxDescription  = 160 // characters of a purpose's description, shown before the choice
	maxMeanSentence = 20  // words
)

// Lint returns what is wrong with a notice: texts that are missing, too long or vague, a refusal
// that is not called one, profiling that is not named, a withdrawal that is not explained, a service
// that is made conditional without a reason. In languages whose words it does not know it checks form only.
func Lint(purposes []Purpose, d Draft) []Fault {
	var out []Fault
	add := func(field, format string, args ...any) {
		out = append(out, Fault{field, fmt.Sprintf(format, args...)})
	}
	for _, p := range purposes {
		if len(p.NeededFor) > 0 && strings.TrimSpace(p.Why) == "" {
			add("purposes."+p.ID+".why", "Services depend on the consent to %s, and nothing says why they can't do without it (Art. 7(4)).", p.ID)
		}
	}
	languages := make([]string, 0, len(d.Texts))
	for lang := range d.Texts {
		languages = append(languages, lang)
	}
	slices.Sort(languages)
	for _, lang := range languages {
		text := d.Texts[lang]
		at := "texts." + lang
		if !validLanguage(lang) {
			add(at, "%q is not a language tag such as en or pt-BR.", lang)
		}
		for field, s := range map[string]string{
			"title": text.Title, "intro": text.Intro, "withdraw_hint": text.WithdrawHint,
			"unnamed": text.Unnamed, "purposes_head": text.PurposesHead, "buttons_head": text.ButtonsHead,
		} {
			if strings.TrimSpace(s) == "" {
				add(at+"."+field, "The %s of the notice in %s is empty.", field, lang)
			}
		}
		for name, s := range text.Labels.byName() {
			if strings.TrimSpace(s) == "" {
				add(at+".labels."+name, "The label %s is missing in %s.", name, lang)
			}
		}
		if !strings.Contains(text.Intro, "{controller}") {
			add(at+".intro", "The introduction in %s does not name the controller. Put {controller} where its name belongs.", lang)
		}
		if known := wordsOf(lang).Refusals; known != nil && !slices.Contains(known, text.Labels.Reject) {
			add(at+".labels.reject", "The label that refuses in %s must be one of: %s.", lang, strings.Join(known, ", "))
		}
		lintPurposes(purposes, lang, text, add)
		lintProse(lang, text, purposes, add)
	}
	slices.SortStableFunc(out, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
	return out
}

func lintPurposes(purposes []Purpose, lang string, text Text, add func(string, string, ...any)) {
	for _, p := range purposes {
		at := "purposes." + p.ID + "." + lang
		t, ok := p.Texts[lang]
		if !ok || strings.TrimSpace(t.Title) == "" || strings.TrimSpace(t.Description) == "" {
			add(at, "The purpose %s has no title and description in %s.", p.ID, lang)
			continue
		}
		if n := utf8.RuneCountInString(t.Description); n > maxDescription {
			add(at, "The description of the purpose %s in %s has %d characters; at most %d can be read before a choice.", p.ID, lang, n, maxDescription)
		}
		if known := wordsOf(lang).Profiling; p.Profiling && known != nil && find(t.Title+" "+t.Description, known) == "" {
			add(at, "The purpose %s profiles people, but its text in %s does not say so.", p.ID, lang)
		}
	}
}

func lintProse(lang string, text Text, purposes []Purpose, add func(string, string, ...any)) {
	prose := []string{text.Intro, text.WithdrawHint}
	for _, s := range text.Sections {
		for _, p := range s.Paragraphs {
			prose = append(prose, p.Text)
		}
	}
	for _, p := range purposes {
		prose = append(prose, p.Texts[lang].Title, p.Texts[lang].Description)
	}
	for _, s := range prose {
		if word := find(s, wordsOf(lang).Vague); word != "" {
			add("texts."+lang, "The notice in %s says %q, which tells nobody what will happen.", lang, word)
		}
	}
	if mean := meanSentence(prose); mean > maxMeanSentence {
		add("texts."+lang, "The sentences of the notice in %s have %.0f words on average; more than %d are hard to read.", lang, mean, maxMeanSentence)
	}
}

// meanSentence returns the mean number of words in a sentence.
func meanSentence(prose []string) float64 {
	words, sentences := 0, 0
	for _, s := range prose {
		for _, sentence := range strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '?' || r == '!' || r == ':' }) {
			n := len(strings.FieldsFunc(sentence, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' && r != '’' && r != '\'' }))
			if n > 0 {
				words += n
				sentences++
			}
		}
	}
	if sentences == 0 {
		return 0
	}
	return float64(words) / float64(sentences)
}

// find returns the first of the phrases that s contains in any case, empty if none.
func find(s string, phrases []string) string {
	s = strings.ToLower(s)
	for _, w := range phrases {
		if strings.Contains(s, w) {
			return w
		}
	}
	return ""
}

// validLanguage tells whether s looks like a language tag (RFC 5646) of at most 35 characters.
func validLanguage(s string) bool {
	if len(s) < 2 || len(s) > 35 {
		return false
	}
	for _, part := range strings.Split(s, "-") {
		if part == "" || len(part) > 8 {
			return false
		}
		for _, c := range part {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
				return false
			}
		}
	}
	return true
}
