package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Known is a person whose own name and handles are masked wherever they stand, in any spelling.
type Known struct {
	Given, Family string   // as the person writes them; may hold several words
	Handles       []string // user names, customer numbers and whatever else points at the person
}

// knownForm is one way to write a name: folded words.
type knownForm struct {
	words []string
	t     Type
}

// forms returns the ways in which a person may be written: both names in either order, with initials,
// and each name alone if it is long enough to be more than an accident.
func (k Known) forms() (list []knownForm) {
	given, family := foldWords(k.Given), foldWords(k.Family)
	add := func(t Type, parts ...[]string) {
		var all []string
		for _, p := range parts {
			all = append(all, p...)
		}
		if len(all) > 0 {
			list = append(list, knownForm{all, t})
		}
	}
	if len(given) > 0 && len(family) > 0 {
		initials := make([]string, len(given))
		for i, g := range given {
			_, n := utf8.DecodeRuneInString(g)
			initials[i] = g[:n]
		}
		add(Person, given, family)
		add(Person, family, given)
		add(Person, given[:1], family)
		add(Person, family, given[:1])
		add(Person, initials, family)
		add(Person, family, initials)
		add(Person, initials[:1], family)
		add(Person, family, initials[:1])
	}
	alone := [][]string{given, family}
	for _, g := range given {
		alone = append(alone, []string{g})
	}
	for _, words := range alone {
		if len(strings.Join(words, "")) > 2 {
			add(Person, words)
		}
	}
	for _, h := range k.Handles {
		add(User, foldWords(h))
	}
	return list
}

// NameWords splits a name into words that compare equal however they are written: in lower case and without
// accents.
func NameWords(name string) []string { return foldWords(name) }

// foldWords splits a name into its words, in lower case and without accents.
func foldWords(name string) []string {
	words := strings.FieldsFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	for i, w := range words {
		words[i] = fold(w)
	}
	return words
}

func fold(w string) string {
	var b strings.Builder
	for _, c := range w {
		b.WriteString(foldRune(c))
	}
	return b.String()
}

// ownNames takes every form of the known people: marks and blanks between the words do not matter.
func (s *scan) ownNames() {
	for _, f := range s.r.known {
		for i := range s.tokens {
			if s.tokens[i].kind == mark || !s.same(i, f.words[0]) {
				continue
			}
			k, last := i+1, i
			for _, w := range f.words[1:] {
				for k < len(s.tokens) && k < last+4 && s.tokens[k].kind == mark && s.tokens[k].gap < blank {
					k++
				}
				if k >= len(s.tokens) || s.tokens[k].kind == mark || s.tokens[k].gap == blank || !s.same(k, w) {
					last = -1
					break
				}
				last = k
				k++
			}
			if last >= 0 {
				s.add(int(s.tokens[i].start), int(s.tokens[last].end), f.t, claimKnown)
			}
		}
	}
}

// same reports whether a token is a folded word.
func (s *scan) same(i int, w string) bool {
	t := s.of(s.tokens[i])
	if len(t) > 3*len(w)+3 {
		return false
	}
	if strings.EqualFold(t, w) {
		return true
	}
	return len(t) != len(w) && fold(t) == w
}
