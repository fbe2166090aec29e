package redact

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// phone takes a telephone number. What is taken without a word about telephones beside it:
//  1. a number after + or 00 and a country code;
//  2. the North American form with brackets, dashes or dots, also with numbers that no exchange has:
//     people and test data use those;
//  3. a national number that begins with 0 and is written in groups, or is valid in a region of the
//     languages.
//
// Everything else needs such a word, and nothing is taken where the nearest word speaks of orders,
// cards, accounts or money.
func (s *scan) phone(i int, c *cluster) int {
	if s.joined(c.start-1) && s.byteAt(c.start-1) != '/' || s.byteAt(c.start-1) == '#' && !c.plus {
		return 0
	}
	switch s.byteAt(c.start - 1) {
	case '.', '*', '^', '%', '\\':
		return 0
	}
	last := s.tokenBefore(i, c.groups[c.n-1].end)
	about := s.around(i, last, aPhone|aCard|aOther|aNational|aBank|aMoney|aVersion|aPassport)
	if s.money(c) && about != aPhone {
		return 0
	}
	if last+1 < len(s.tokens) && s.tokens[last+1].gap == space && s.tokens[last+1].is&aMoney != 0 {
		return 0 // 8388608 bytes
	}
	n := c.n
	for ; n > 0; n-- {
		end := c.groups[n-1].end
		if (s.ends(end) || s.extensionEnd(end) > 0) && s.phoneShape(c, n, about) {
			break
		}
	}
	if n == 0 {
		return 0
	}
	start, end := c.start, c.groups[n-1].end
	if about != aPhone && !c.plus && s.numberFirst(s.tokenBefore(i, end)) > 0 {
		return 0 // "03262 2437 Main St": the house number ends it
	}
	if c.open && !strings.Contains(s.text[start:end], ")") {
		if c.plus {
			return 0
		}
		start = c.groups[0].start // the bracket is the sentence's
	}
	if e := s.extensionEnd(end); e > 0 {
		end = e
	}
	s.add(start, end, Phone, claimPhone)
	return end
}

// phoneShape reports whether the first n groups are a telephone number, given what the words around
// are about.
func (s *scan) phoneShape(c *cluster, n int, about meaning) bool {
	d := c.digits(s.text, n)
	if len(d) < 5 || len(d) > 17 {
		return false
	}
	groups := c.groups[:n]
	size := func(k int) int { return groups[k].end - groups[k].start }
	for _, g := range groups[1:] {
		if strings.Count(g.mark, " ") > 2 || strings.Contains(g.mark, "--") || strings.Contains(g.mark, "..") || strings.Contains(g.mark, ". ") || strings.Contains(g.mark, "(") && !c.plus {
			return false
		}
	}
	told := about == aPhone
	wrong := about != 0 && !told
	if c.plus {
		if len(d) < 7 || len(d) > 16 || d[0] == '0' && (!told || len(d) < 9) {
			return false
		}
		if n > 1 && groups[n-1].mark == " " && size(n-1) == 1 {
			return false // "... 0190 2 times"
		}
		if n == c.n && len(d) >= 9 && len(d) <= 12 && (d[0] != '1' || len(d) == 11) {
			return true // what most numbers are needs no book of all countries
		}
		return s.possible(s.text[c.start:groups[n-1].end]) || len(d) >= 8 && (told || n > 1 || len(d) >= 10)
	}
	first := s.text[groups[0].start:groups[0].end]
	separated := n > 1
	if strings.HasPrefix(d, "00") && len(d) >= 10 && !wrong {
		if first == "001" || first == "00" && n > 1 && s.text[groups[1].start:groups[1].end] == "1" {
			if northAmerican(groups[1:], c) || first == "00" && northAmerican(groups[2:], c) {
				return true
			}
		}
		if s.valid("+"+d[2:], "") || (told || separated) && s.possible("+"+d[2:]) {
			return true
		}
	}
	if n >= 3 && northAmerican(groups, c) && !wrong {
		if c.open || groups[n-1].mark != " " || told {
			return true
		}
		return s.valid(d, "US")
	}
	if n >= 4 && (first == "1" || first == "001") && northAmerican(groups[1:], c) && !wrong {
		return groups[n-1].mark != " " || told || s.valid("+1"+d[len(d)-10:], "")
	}
	if told {
		switch {
		case !separated:
			return len(d) >= 7 && len(d) <= 13
		case len(d) < 6 || len(d) > 14:
			return false
		}
		// Two groups with a dot are a decimal number.
		if n == 2 && groups[1].mark == "." && size(0) < 3 {
			return false
		}
		// Years, pages and codes of answers have other marks than telephone numbers.
		for k, g := range groups[1:] {
			if strings.Contains(g.mark, " -") || strings.Contains(g.mark, "/") && (k > 0 || first[0] != '0') {
				return false
			}
		}
		return !(n == 2 && groups[1].mark == "-" && size(0) == 4 && size(1) < 4 && year(first))
	}
	if wrong {
		return false
	}
	if d == "0123456789" || c.open && size(0) == 4 && year(first) {
		return false
	}
	if d[0] == '0' && (size(0) >= 2 || c.open) {
		if separated && len(d) >= 9 && len(d) <= 13 && !(n == 2 && groups[1].mark == ".") {
			return s.grouped(groups) && (n > 2 || c.open || size(1) >= 4)
		}
		return !separated && len(d) >= 9 && len(d) <= 12 && s.validHere(d)
	}
	if c.open && strings.HasPrefix(groups[min(1, n-1)].mark, ")") && separated && len(d) >= 8 && len(d) <= 12 {
		return s.validHere(d)
	}
	// With one language given, its own way of grouping is enough for a number that exists there.
	return len(s.r.languages) == 1 && separated && n >= 3 && len(d) >= 8 && s.grouped(groups) && s.validHere(d)
}

// northAmerican reports whether three groups are 3-3-4 with the same kind of mark.
func northAmerican(groups []group, c *cluster) bool {
	if len(groups) != 3 {
		return false
	}
	for k, want := range [3]int{3, 3, 4} {
		if groups[k].end-groups[k].start != want {
			return false
		}
	}
	a, b := groups[1].mark, groups[2].mark
	switch b {
	case "-", ".", " ", "\u2011", "\u2013":
	default:
		return false
	}
	return a == b || a == ") " || a == ")" || a == ")-" || a == ")."
}

// grouped reports whether no group is too short or too long for a telephone number and the marks
// are not a mixture that only tables have.
func (s *scan) grouped(groups []group) bool {
	for k, g := range groups {
		if n := g.end - g.start; n < 2 && !(k > 0 && strings.ContainsAny(g.mark, "()")) || n > 9 {
			return false
		}
		if k > 0 && g.mark == "/" && k > 1 {
			return false
		}
	}
	return true
}

// extensionEnd returns the end of the extension, such as x123, that begins at a byte, or 0.
func (s *scan) extensionEnd(at int) int {
	i := at
	for i < len(s.text) && i-at < 3 && (s.text[i] == ' ' || s.text[i] == ',' || s.text[i] == ';') {
		i++
	}
	if i >= len(s.text) {
		return 0
	}
	rest := s.text[i:min(len(s.text), i+24)]
	long := 0
	for _, w := range []string{"extension", "ext.", "ext", "Extension", "Ext.", "Ext", "EXT", "x", "X", "poste", "Durchwahl", "DW", "int.", "#", "toestel", "wewn.", "ramal"} {
		if strings.HasPrefix(rest, w) {
			long = len(w)
			break
		}
	}
	if long == 0 {
		return 0
	}
	i += long
	for k := 0; k < 2 && i < len(s.text) && (s.text[i] == ' ' || s.text[i] == ':' || s.text[i] == '.'); k++ {
		i++
	}
	end := i
	for end < len(s.text) && digit(s.text[end]) && end-i < 7 {
		end++
	}
	if end == i || end-i > 6 || end < len(s.text) && alnum(s.text[end]) && !s.wideStart(s.text[end]) {
		return 0
	}
	return end
}

// money reports whether a sign of money stands right before or after a number.
func (s *scan) money(c *cluster) bool {
	at := c.start
	for at > 0 && s.text[at-1] == ' ' {
		at--
	}
	head := s.text[max(0, at-3):at]
	for _, m := range []string{"€", "$", "£", "EUR", "USD", "GBP", "PLN", "CHF", "¥"} {
		if strings.HasSuffix(head, m) {
			return true
		}
	}
	end := c.groups[c.n-1].end
	tail := strings.TrimLeft(s.text[end:min(len(s.text), end+6)], " ")
	for _, m := range []string{"€", "$", "£", "EUR", "USD", "GBP", "PLN", "CHF", "zł", "%", "euro"} {
		if strings.HasPrefix(tail, m) {
			return true
		}
	}
	return false
}

// possible reports whether a number with its country code has a length that the country uses.
func (s *scan) possible(number string) bool {
	n, err := phonenumbers.Parse(number, "")
	return err == nil && phonenumbers.IsPossibleNumber(n)
}

func (s *scan) valid(number, region string) bool {
	n, err := phonenumbers.Parse(number, region)
	return err == nil && phonenumbers.IsValidNumber(n)
}

// validHere reports whether a national number is valid in a region of the languages.
func (s *scan) validHere(number string) bool {
	for _, region := range s.r.regions {
		switch region {
		case "US":
			continue
		case "ES", "PL", "PT", "LU", "MX":
			if number[0] == '0' {
				continue // national numbers begin with another digit there
			}
		}
		if number[0] != '0' {
			if s.valid(number, region) {
				return true
			}
			continue
		}
		// What the parser would make of it, without its many patterns.
		country, national, zero := int32(phonenumbers.GetCountryCodeForRegion(region)), uint64(num(number)), region == "IT"
		if phonenumbers.IsValidNumberForRegion(&phonenumbers.PhoneNumber{CountryCode: &country, NationalNumber: &national, ItalianLeadingZero: &zero}, region) {
			return true
		}
	}
	return false
}

// year reports whether four digits are more likely a year than anything else.
func year(d string) bool { return len(d) == 4 && (d[:2] == "19" || d[:2] == "20") }
