// Package redact finds personal data in text and replaces it by tokens: e-mail addresses, telephone
// and card numbers, bank accounts, national identifiers, addresses of the network, dates of birth,
// postal addresses and names of people. What has a check digit is checked; what has none is taken
// only where its shape or the words around it leave little doubt.
//
// The package is pure: it reads no file, asks no network and keeps nothing of a text.
package redact

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"probity/internal/fail"
)

// Type says what a span is. The names are those of Presidio where it has one.
type Type string

// The types that do not belong to one country; those that do are in national.go.
const (
	Card       Type = "CREDIT_CARD"
	CardExpiry Type = "CREDIT_CARD_EXPIRY"
	Phone      Type = "PHONE_NUMBER"
	Email      Type = "EMAIL_ADDRESS"
	IBAN       Type = "IBAN_CODE"
	IP         Type = "IP_ADDRESS"
	MAC        Type = "MAC_ADDRESS"
	URL        Type = "URL"
	Domain     Type = "DOMAIN_NAME"
	Person     Type = "PERSON"
	User       Type = "USER_NAME" // a handle of the known person
	Birth      Type = "DATE_TIME" // dates of birth only: other dates are not personal by themselves
	Location   Type = "LOCATION"  // postal addresses only
	PostalCode Type = "POSTAL_CODE"
)

// Token returns what stands in a text in place of a span of the type: the tokens that Genesys Cloud
// writes into redacted transcripts.
func (t Type) Token() string {
	switch t {
	case Card:
		return "[card number]"
	case CardExpiry:
		return "[card expiry date]"
	case Phone:
		return "[phone]"
	case Email:
		return "[email]"
	case Person:
		return "[name]"
	case PostalCode:
		return "[postal code]"
	case Location:
		return "[location]"
	case User, IP, MAC, URL, Domain:
		return "[user info]"
	case IBAN, Birth, usBank:
		return "[personal info]"
	}
	if _, ok := t.Rule(); ok {
		return "[personal info]"
	}
	return "[national id]"
}

// Span is a piece of a text that is personal data. Start and End count bytes, End is exclusive.
type Span struct {
	Start, End int
	Type       Type
}

// Options choose what a Redactor looks for. The zero value looks for everything in all languages.
type Options struct {
	// Languages whose context words, names and telephone regions are used: en, de, fr, es, it, nl, pl, pt.
	// Empty means all; where they contradict each other, the first one wins.
	Languages []string
	// Known are people whose own names and handles are masked wherever they stand.
	Known []Known
	// Rules are detectors of the caller's own. What they find has the type RULE_1, RULE_2 and so on.
	Rules []*Rule
}

// Redactor finds and replaces personal data. It is immutable: any number of goroutines may use it.
type Redactor struct {
	words     dictionary
	languages []string
	regions   []string
	known     []knownForm
	rules     []*Rule
	ruleTypes []Type // of the rules, by number
}

// New returns a Redactor. A language that is not one of the eight is fail.Invalid.
func New(o Options) (*Redactor, error) {
	languages := o.Languages
	if len(languages) == 0 {
		languages = Languages()
	}
	r := &Redactor{languages: slices.Clone(languages)}
	for _, l := range languages {
		v, ok := vocabularies[l]
		if !ok {
			return nil, fail.Field("lang", "language %q is not one of %s", l, strings.Join(Languages(), ", "))
		}
		r.regions = append(r.regions, v.regions...)
	}
	r.words = newDictionary(languages)
	for _, k := range o.Known {
		r.known = append(r.known, k.forms()...)
	}
	r.rules = slices.Clone(o.Rules)
	for i := range r.rules {
		r.ruleTypes = append(r.ruleTypes, Type(ruleType+strconv.Itoa(i+1)))
	}
	return r, nil
}

// Languages returns the languages that New accepts.
func Languages() []string { return []string{"en", "de", "fr", "es", "it", "nl", "pl", "pt"} }

// Find returns the spans of a text: sorted, not empty, not overlapping.
func (r *Redactor) Find(text string) []Span {
	var spans []Span
	s := scan{r: r}
	for from := 0; from < len(text); {
		begin, end := max(0, from-before), min(len(text), from+window+beyond)
		last := end == len(text)
		found, next := s.window(text[begin:end], from-begin, last)
		for _, f := range found {
			spans = append(spans, Span{f.Start + begin, f.End + begin, f.Type})
		}
		from = begin + next
	}
	return spans
}

// Text returns the text with every span replaced by its token and everything else unchanged, byte
// for byte.
func (r *Redactor) Text(text string) string {
	var b strings.Builder
	at := 0
	for _, s := range r.Find(text) {
		b.WriteString(text[at:s.Start])
		b.WriteString(r.Instead(s.Type, text[s.Start:s.End]))
		at = s.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// Copy writes what r reads with every span replaced, as Text does, and needs the same memory
// whatever the length. The result does not depend on how the reader cuts the text. It returns the
// first error of the reader or the writer.
func (r *Redactor) Copy(w io.Writer, text io.Reader) error {
	return r.each(text, func(piece string, spans []Span) error {
		at := 0
		for _, s := range spans {
			if _, err := io.WriteString(w, piece[at:s.Start]); err != nil {
				return err
			}
			if _, err := io.WriteString(w, r.Instead(s.Type, piece[s.Start:s.End])); err != nil {
				return err
			}
			at = s.End
		}
		_, err := io.WriteString(w, piece[at:])
		return err
	})
}

// Runes calls yield for every span of what text reads, in order, with offsets that count Unicode
// code points; a byte that is not UTF-8 counts as one. It stops at the first error.
func (r *Redactor) Runes(text io.Reader, yield func(Span) error) error {
	runes := 0
	return r.each(text, func(piece string, spans []Span) error {
		at := 0
		for _, s := range spans {
			start := runes + utf8.RuneCountInString(piece[at:s.Start])
			runes = start + utf8.RuneCountInString(piece[s.Start:s.End])
			at = s.End
			if err := yield(Span{start, runes, s.Type}); err != nil {
				return err
			}
		}
		runes += utf8.RuneCountInString(piece[at:])
		return nil
	})
}
