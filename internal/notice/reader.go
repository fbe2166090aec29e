package notice

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// reader walks through a draft and collects what rules find.
type reader struct {
	purposes  []Purpose
	draft     Draft
	languages []string
	rule      Rule
	faults    []Fault
}

// fault adds a finding of the rule at work.
func (r *reader) fault(field, format string, args ...any) {
	r.faults = append(r.faults, Fault{r.rule.ID, r.rule.Severity, r.rule.Source, field, fmt.Sprintf(format, args...)})
}

// passage is one piece of text with its field.
type passage struct {
	field string
	text  string
}

// asking returns what people read before they choose: title, introduction, hint and purposes.
func (r *reader) asking(lang string, t Text) []passage {
	at := "texts." + lang + "."
	list := []passage{{at + "title", t.Title}, {at + "intro", t.Intro}, {at + "withdraw_hint", t.WithdrawHint}}
	for _, p := range r.purposes {
		at := "purposes." + p.ID + "." + lang
		list = append(list, passage{at + ".title", p.Texts[lang].Title}, passage{at + ".description", p.Texts[lang].Description})
	}
	return list
}

// labels returns the words on controls and in messages, by name.
func (r *reader) labels(lang string, t Text) []passage {
	var list []passage
	for name, s := range t.Labels.ByName() {
		list = append(list, passage{"texts." + lang + ".labels." + name, s})
	}
	slices.SortFunc(list, func(a, b passage) int { return strings.Compare(a.field, b.field) })
	return list
}

// details returns the paragraphs of the full notice.
func (r *reader) details(lang string, t Text) []passage {
	var list []passage
	for i, s := range t.Sections {
		for j, p := range s.Paragraphs {
			list = append(list, passage{fmt.Sprintf("texts.%s.sections.%d.paragraphs.%d", lang, i, j), p.Text})
		}
	}
	return list
}

// everything returns all texts of a language.
func (r *reader) everything(lang string, t Text) []passage {
	list := slices.Concat(r.asking(lang, t), r.labels(lang, t), r.details(lang, t))
	for i, s := range t.Sections {
		list = append(list, passage{fmt.Sprintf("texts.%s.sections.%d.heading", lang, i), s.Heading})
	}
	at := "texts." + lang + "."
	return append(list, passage{at + "unnamed", t.Unnamed}, passage{at + "purposes_head", t.PurposesHead}, passage{at + "buttons_head", t.ButtonsHead})
}

// prose returns the texts that consist of sentences.
func (r *reader) prose(lang string, t Text) []passage {
	return slices.Concat(r.asking(lang, t), r.details(lang, t))
}

// plainQuotes writes every apostrophe alike, so that typographic texts are found too.
func plainQuotes(s string) string { return strings.ReplaceAll(s, "’", "'") }

// find returns the first of the phrases that s contains in any case, empty if none. A phrase begins
// where a word begins and may end within one, as words take endings; a short one is a whole word.
func find(s string, phrases []string) string {
	s = plainQuotes(strings.ToLower(s))
	for _, phrase := range phrases {
		w := plainQuotes(phrase)
		for at := 0; w != ""; {
			i := strings.Index(s[at:], w)
			if i < 0 {
				break
			}
			from, to := at+i, at+i+len(w)
			if !letterBefore(s[:from]) && (utf8.RuneCountInString(w) > 6 || !letterAfter(s[to:])) {
				return phrase
			}
			at = to
		}
	}
	return ""
}

// holds tells whether s contains one of the stems, anywhere and in any case.
func holds(s string, stems []string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(stems, func(w string) bool { return strings.Contains(s, w) })
}

func letterBefore(s string) bool {
	c, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsLetter(c)
}

func letterAfter(s string) bool {
	c, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(c)
}

// sentences splits a text at its full stops.
func sentences(s string) []string {
	var out []string
	for _, one := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(".?!:;\u037e", c) }) {
		if len(words(one)) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// words returns the words of a text in lower case, without placeholders and numbers.
func words(s string) []string {
	s = placeholder.ReplaceAllString(s, " ")
	return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsMark(c) && !strings.ContainsRune("-’'·", c)
	})
}

// reading is how hard texts are to read.
type reading struct {
	words, sentences, long int
}

func read(list []passage) reading {
	var m reading
	for _, p := range list {
		m.sentences += len(sentences(p.text))
		for _, w := range words(p.text) {
			m.words++
			if len([]rune(w)) > 6 {
				m.long++
			}
		}
	}
	return m
}

// mean returns the words of a sentence, on average.
func (m reading) mean() float64 {
	if m.sentences == 0 {
		return 0
	}
	return float64(m.words) / float64(m.sentences)
}

// lix returns Björnsson's readability index: the words of a sentence plus the share of words with more
// than six letters, in percent. It needs no syllables and no dictionary, so that it can be taken of any
// language; but languages differ in the length of their words, so only texts of one language compare.
func (m reading) lix() float64 {
	if m.words == 0 {
		return 0
	}
	return m.mean() + 100*float64(m.long)/float64(m.words)
}

// How much harder than the built-in text, which people who wrote it in plain words hold for B1, a text
// of the same language may be: LIX steps from one class of readers to the next are about ten.
const (
	lixMargin      = 10 // the whole notice
	lixMarginShort = 18 // the purposes, whose few words vary more
)

// yardstick is how hard the built-in words of a language are to read.
type yardstick struct{ text, purposes float64 }

// yardsticks returns those of all built-in languages.
var yardsticks = sync.OnceValue(func() map[string]yardstick {
	r := &reader{purposes: DefaultPurposes()}
	out := map[string]yardstick{}
	for lang, l := range builtin() {
		out[lang] = yardstick{read(r.prose(lang, l.Text)).lix(), read(r.asking(lang, Text{})).lix()}
	}
	return out
})

// negatedTwice returns a clause of the text that negates twice, empty if there is none. Clauses end at
// commas, dashes, and words that join.
func negatedTwice(s string, lint lintWords) string {
	for _, sentence := range sentences(s) {
		for _, clause := range strings.FieldsFunc(sentence, func(c rune) bool { return strings.ContainsRune(",–—()“”„", c) }) {
			n := 0
			for _, w := range words(clause) {
				if slices.Contains(lint.And, w) {
					n = 0
				}
				if slices.Contains(lint.Negations, w) {
					n++
				}
				if n == 2 {
					return strings.TrimSpace(clause)
				}
			}
		}
	}
	return ""
}

// speaks returns the built-in language that a text is most likely written in, how much of its words
// speaks for it, and how much for the claimed one. A word that several languages use often speaks for
// each of them a little.
func speaks(s, claimed string) (likely string, most, own float64) {
	votes := map[string]float64{}
	shared := commonWords()
	for _, w := range words(s) {
		for _, lang := range shared[w] {
			votes[lang] += 1 / float64(len(shared[w]))
		}
	}
	for _, lang := range Languages() {
		if votes[lang] > most {
			likely, most = lang, votes[lang]
		}
	}
	return likely, most, votes[Base(claimed)]
}

// commonWords returns the frequent words of all built-in languages, each with the languages that use it.
var commonWords = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for lang, l := range builtin() {
		for _, w := range l.Lint.Common {
			out[w] = append(out[w], lang)
		}
	}
	return out
})
