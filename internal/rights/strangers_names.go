package rights

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"probity/internal/redact"
)

// sitesOwn are the parts of our own records that the website wrote, or that the person looked for: names in
// them, of authors or brands, tell of no third person.
var sitesOwn = []string{
	"page", "title", "referrer", "first_page", "last_page", "came_from", "campaign", "browser", "machine", "network", "search", "searches", "name",
	"meaning", "why_not_made", "kind", "what", "how", "notice", "legal_ground", "sent_by",
}

// staffWords say of a field that it names somebody who works for the organisation.
var staffWords = []string{"agent", "employee", "advisor", "adviser", "operator", "assignee", "clerk", "staff", "representative", "consultant"}

// namesStaff tells whether a field names one of the organisation's staff, such as "agentName".
func namesStaff(key string) bool {
	words := fieldWords(key)
	if len(words) == 0 || !slices.Contains(staffWords, words[0]) {
		return false
	}
	return len(words) == 1 || len(words) == 2 && words[1] == "name"
}

// namesPerson tells whether a field of a row that is the person's holds their own name.
func namesPerson(key string) bool {
	words := fieldWords(key)
	if len(words) == 0 || namesStaff(key) {
		return false
	}
	last := words[len(words)-1]
	return slices.Contains([]string{"surname", "firstname", "lastname", "givenname", "familyname", "fullname", "displayname"}, last) ||
		last == "name" && (len(words) == 1 || slices.Contains([]string{"first", "last", "given", "family", "full", "display", "middle", "customer"}, words[len(words)-2]))
}

// fieldWords splits the name of a field at underscores, dashes and capitals, in lower case.
func fieldWords(key string) []string {
	var b strings.Builder
	lower := false
	for _, c := range key {
		if unicode.IsUpper(c) && lower {
			b.WriteByte(' ')
		}
		lower = unicode.IsLower(c)
		if c == '_' || c == '-' || c == '.' {
			c = ' '
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return strings.Fields(b.String())
}

// call learns a name of the person.
func (s *strangers) call(name string) {
	for _, w := range redact.NameWords(name) {
		if utf8.RuneCountInString(w) > 1 {
			s.names[w] = true
		}
	}
}

// meet learns how the person is called from what they told of themselves, and from rows of databases that
// hold one of their addresses or numbers too.
func (s *strangers) meet(sections []Section) {
	for i := range sections {
		switch data := sections[i].Data.(type) {
		case traitViews:
			for _, d := range data {
				s.traits(d.Traits)
			}
		case eventViews:
			for _, e := range data {
				s.traits(e.Traits)
			}
		case []json.RawMessage:
			if !sections[i].Rows {
				continue
			}
			for _, row := range data {
				s.row(row)
			}
		}
	}
}

func (s *strangers) traits(traits map[string]string) {
	for _, name := range nameTraits {
		s.call(traits[name])
	}
}

func (s *strangers) row(row json.RawMessage) {
	var fields map[string]any
	if json.Unmarshal(row, &fields) != nil {
		return
	}
	theirs := false
	for _, v := range fields {
		text, ok := v.(string)
		theirs = theirs || ok && s.own[strings.ToLower(strings.TrimSpace(text))]
	}
	for key, v := range fields {
		if text, ok := v.(string); ok && theirs && namesPerson(key) {
			s.call(text)
		}
	}
}

// calls tells whether a name is the person's own: it is made of their names and initials, or holds two of
// their names. A relative has the family name only.
func (s *strangers) calls(name string) bool {
	own, all := 0, true
	for _, w := range redact.NameWords(name) {
		switch {
		case s.names[w]:
			own++
		case utf8.RuneCountInString(w) > 1:
			all = false
		}
	}
	return own > 0 && all || own > 1
}

// prose tells whether a text is told by somebody, such as a message or a transcript, rather than the name of
// a thing: three of its words begin in lower case, or it has several lines.
func prose(text string) bool {
	if strings.Contains(strings.TrimSpace(text), "\n") {
		return true
	}
	n := 0
	for w := range strings.FieldsSeq(text) {
		if c, _ := utf8.DecodeRuneInString(w); unicode.IsLower(c) {
			n++
		}
	}
	return n >= 3
}

// maskNames masks the names of others in a text of a field: in what somebody told, and where the field names
// one of the staff.
func (s *strangers) maskNames(key, value string) string {
	if slices.Contains(sitesOwn, key) {
		return value
	}
	if namesStaff(key) && strings.TrimSpace(value) != "" && !s.calls(value) {
		s.n++
		return redact.Person.Token()
	}
	if !prose(value) {
		return value
	}
	var out strings.Builder
	at := 0
	for _, span := range s.find.Find(value) {
		if span.Type != redact.Person || s.calls(value[span.Start:span.End]) {
			continue
		}
		out.WriteString(value[at:span.Start])
		out.WriteString(span.Type.Token())
		at = span.End
		s.n++
	}
	if at == 0 {
		return value
	}
	out.WriteString(value[at:])
	return out.String()
}

// mayName tells whether a literal can hold a name that is masked.
func mayName(key string, literal []byte) bool {
	if slices.Contains(sitesOwn, key) {
		return false
	}
	space := false
	for _, c := range literal {
		space = space || c == ' ' || c == '\\'
	}
	return space || namesStaff(key)
}
