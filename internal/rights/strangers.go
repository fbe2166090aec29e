package rights

import (
	"bytes"
	"encoding/json"
	"strings"

	"probity/internal/redact"
	"probity/internal/subject"
)

// strangers masks names, e-mail addresses and phone numbers of others in a person's data (Art. 15(4) and
// 20(4) GDPR), and what the organisation's own rules find. What is known to be the person's own stays. It is for one package.
type strangers struct {
	find   *redact.Redactor
	rules  []*redact.Rule  // of the organisation
	own    map[string]bool // values of the person, which no rule masks
	mails  map[string]bool
	names  map[string]bool // words of the person's own names
	phones []string        // digits only
	n      int             // how many were masked
}

func newStrangers(own []identifier, rules []*redact.Rule) (*strangers, error) {
	find, err := redact.New(redact.Options{})
	if err != nil {
		return nil, err
	}
	s := &strangers{find: find, rules: rules, mails: map[string]bool{}, own: map[string]bool{}, names: map[string]bool{}}
	for _, i := range own {
		s.own[strings.ToLower(strings.TrimSpace(i.value))] = true
		switch i.kind {
		case nameKind:
			s.call(i.value)
		case subject.Email:
			s.mails[strings.ToLower(strings.TrimSpace(i.value))] = true
		case subject.Phone, subject.WhatsApp:
			if d := digits(i.value); len(d) >= 6 {
				s.phones = append(s.phones, d)
			}
		}
	}
	return s, nil
}

// hide masks the texts in JSON; names and numbers stay. In rows of a database only a text that holds
// more than the address is masked: a field that is an address was judged with its row.
func (s *strangers) hide(text []byte, rows bool) ([]byte, error) {
	var out bytes.Buffer
	kept := 0 // what is before it is in out
	key := "" // the name before the value
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		end := i + 1
		for text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end++
		literal := text[i:end]
		if next := bytes.TrimLeft(text[end:min(len(text), end+4)], " \t\r\n"); len(next) > 0 && next[0] == ':' {
			if err := json.Unmarshal(literal, &key); err != nil {
				return nil, err
			}
			i = end - 1
			continue
		}
		if len(s.rules) == 0 && !suspicious(literal) && !mayName(key, literal) {
			i = end - 1
			continue
		}
		var value string
		if err := json.Unmarshal(literal, &value); err != nil {
			return nil, err
		}
		if masked := s.mask(key, value, rows); masked != value {
			quoted, err := json.Marshal(masked)
			if err != nil {
				return nil, err
			}
			out.Write(text[kept:i])
			out.Write(quoted)
			kept = end
		}
		i = end - 1
	}
	if kept == 0 {
		return text, nil
	}
	out.Write(text[kept:])
	return out.Bytes(), nil
}

// suspicious tells whether a literal can hold an address at all: most can't, and are not looked at.
func suspicious(literal []byte) bool {
	n := 0
	for _, c := range literal {
		switch {
		case c == '@':
			return true
		case c >= '0' && c <= '9':
			n++
		}
	}
	// Times and identifiers have many digits and are no phone numbers.
	return n >= 6 && !plainTime(literal) && !plainID(literal)
}

func plainTime(literal []byte) bool {
	return len(literal) >= 12 && len(literal) <= 32 && literal[5] == '-' && literal[8] == '-' && (literal[11] == 'T' || literal[11] == '"')
}

// plainID tells whether the literal is a hash or a UUID.
func plainID(literal []byte) bool {
	if len(literal) < 26 {
		return false
	}
	for _, c := range literal[1 : len(literal)-1] {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '-') {
			return false
		}
	}
	return true
}

func (s *strangers) mask(key, value string, rows bool) string {
	value = s.maskNames(key, s.maskAddresses(value, rows))
	for _, rule := range s.rules {
		masked, n := rule.Mask(value, func(match string) bool {
			return s.own[strings.ToLower(strings.TrimSpace(match))] || rows && strings.TrimSpace(value) == match
		})
		value = masked
		s.n += n
	}
	return value
}

func (s *strangers) maskAddresses(value string, rows bool) string {
	var out strings.Builder
	at := 0
	for _, span := range s.spans(value) {
		whole := strings.TrimSpace(value) == value[span.Start:span.End]
		if s.mine(span.Type, value[span.Start:span.End]) || whole && (rows || plainNumber(value)) {
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

// spans returns the addresses in the value. An address inside a web address is found too: the web
// address is not masked, as where the person was is theirs to know.
func (s *strangers) spans(value string) (list []redact.Span) {
	for _, span := range s.find.Find(value) {
		switch span.Type {
		case redact.Email, redact.Phone:
			list = append(list, span)
		case redact.URL:
			list = append(list, mailsIn(value, span)...)
		}
	}
	return list
}

// mailsIn returns the e-mail addresses in a web address.
func mailsIn(value string, in redact.Span) (list []redact.Span) {
	part := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' || c == '+'
	}
	for i := in.Start; i < in.End; i++ {
		width := 1
		if value[i] == '%' && strings.HasPrefix(value[i:in.End], "%40") {
			width = 3
		} else if value[i] != '@' {
			continue
		}
		from, to := i, i+width
		for from > in.Start && part(value[from-1]) {
			from--
		}
		for to < in.End && part(value[to]) {
			to++
		}
		if from < i && strings.Contains(value[i+width:to], ".") {
			list = append(list, redact.Span{Start: from, End: to, Type: redact.Email})
			i = to - 1
		}
	}
	return list
}

// mine tells whether an address is known to be the person's own.
func (s *strangers) mine(t redact.Type, text string) bool {
	if t == redact.Email {
		text = strings.ToLower(strings.Replace(text, "%40", "@", 1))
		return s.mails[strings.TrimPrefix(text, "mailto:")]
	}
	d := strings.TrimLeft(digits(text), "0")
	for _, own := range s.phones {
		own = strings.TrimLeft(own, "0")
		if len(d) >= 6 && (strings.HasSuffix(own, d) || strings.HasSuffix(d, own)) {
			return true
		}
	}
	return false
}

// plainNumber tells whether a text is nothing but digits: the number of an article or an order rather
// than somebody's phone.
func plainNumber(text string) bool { return text != "" && digits(text) == text }

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}
