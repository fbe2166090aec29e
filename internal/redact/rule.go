package redact

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"probity/internal/fail"
)

// Rule is a detector of somebody's own: what its expression matches is masked, before everything that
// the package finds by itself. Compile it once; it is immutable.
type Rule struct {
	substitute string
	pattern    *regexp.Regexp
}

// Limits of a rule.
const (
	maxDefinition = 1024    // bytes of an expression
	maxProgram    = 1500    // instructions of the compiled expression
	ruleType      = "RULE_" // before the number of the rule, from 1: the type of what it matched
)

// NewRule compiles a rule. The expression is RE2: what other engines add to it, looking ahead or behind
// and references back, takes time without bound and is refused, as is what matches the empty text. The
// substitute is one character, written once for each character of a match; empty: a token is written.
//
// Errors: fail.Invalid for the field definition or substituteCharacter, in words for whoever wrote it.
func NewRule(definition, substitute string) (*Rule, error) {
	if n := utf8.RuneCountInString(substitute); n > 1 || !utf8.ValidString(substitute) {
		return nil, fail.Field("substituteCharacter", "The substitute is one character.")
	}
	switch {
	case definition == "":
		return nil, fail.Field("definition", "A regular expression is needed.")
	case len(definition) > maxDefinition:
		return nil, fail.Field("definition", "The regular expression has more than %d bytes.", maxDefinition)
	}
	for _, beyond := range []struct{ sign, name string }{
		{"(?=", "looks ahead"}, {"(?!", "looks ahead"}, {"(?<=", "looks behind"}, {"(?<!", "looks behind"}, {"(?>", "holds a group at once"},
	} {
		if strings.Contains(definition, beyond.sign) {
			return nil, fail.Field("definition", "The regular expression %s (%s), which RE2 can't: it would take time without bound. Write it without.", beyond.name, beyond.sign)
		}
	}
	parsed, err := syntax.Parse(definition, syntax.Perl)
	if err != nil {
		if e, ok := err.(*syntax.Error); ok {
			return nil, fail.Field("definition", "The regular expression is not RE2: %s.", e.Code)
		}
		return nil, fail.Field("definition", "The regular expression is not RE2.")
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		return nil, fail.Field("definition", "The regular expression repeats so much that it would be slow; ask for less.")
	}
	pattern, err := regexp.Compile(definition)
	if err != nil {
		return nil, fail.Field("definition", "The regular expression is not RE2.")
	}
	if pattern.MatchString("") {
		return nil, fail.Field("definition", "The regular expression matches the empty text, so it would match everywhere.")
	}
	return &Rule{substitute: substitute, pattern: pattern}, nil
}

// Mask returns the text with what the rule alone matches masked, and how much that was. A match that
// keep says yes to stays; nil keeps none.
func (r *Rule) Mask(text string, keep func(match string) bool) (string, int) {
	var b strings.Builder
	at, n := 0, 0
	for _, m := range r.pattern.FindAllStringIndex(text, -1) {
		match := text[m[0]:m[1]]
		if match == "" || keep != nil && keep(match) {
			continue
		}
		b.WriteString(text[at:m[0]])
		b.WriteString(r.instead(match))
		at = m[1]
		n++
	}
	b.WriteString(text[at:])
	return b.String(), n
}

// instead returns what stands in place of a match.
func (r *Rule) instead(match string) string {
	if r.substitute == "" {
		return "[personal info]"
	}
	return strings.Repeat(r.substitute, utf8.RuneCountInString(match))
}

// Rule returns the number of the rule, from 0, that found a span of the type, and whether one did.
func (t Type) Rule() (int, bool) {
	number, ok := strings.CutPrefix(string(t), ruleType)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(number)
	return n - 1, err == nil && n > 0
}

// Instead returns what is written in place of a span that holds match.
func (r *Redactor) Instead(t Type, match string) string {
	if i, ok := t.Rule(); ok && i < len(r.rules) {
		return r.rules[i].instead(match)
	}
	return t.Token()
}

// matches adds what the rules match to what was found, both sorted. A rule takes what lies within its
// match; of a match that something else overlaps, the rest is taken: nothing that either found is left.
func (s *scan) matches(found []Span) []Span {
	for i, rule := range s.r.rules {
		for _, m := range rule.pattern.FindAllStringIndex(s.text, -1) {
			found = slices.DeleteFunc(found, func(f Span) bool { return m[0] <= f.Start && f.End <= m[1] })
			at, from := 0, m[0]
			for ; at < len(found) && found[at].Start < m[1]; at++ {
				if found[at].Start > from {
					found = slices.Insert(found, at, Span{from, found[at].Start, s.r.ruleTypes[i]})
					at++
				}
				from = max(from, found[at].End)
			}
			if from < m[1] {
				found = slices.Insert(found, at, Span{from, m[1], s.r.ruleTypes[i]})
			}
		}
	}
	return found
}
