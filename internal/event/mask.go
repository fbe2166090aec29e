package event

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What stands in place of a masked value. Parentheses are allowed in paths and queries as they are.
const (
	maskEmail  = "(email)"
	maskPhone  = "(phone)"
	maskNumber = "(number)"
	maskAll    = "(masked)" // of a text that hides its content under layers of escapes
)

// scope says how eagerly digits are taken for a phone or card number.
type scope int

const (
	// inText is for what people write: titles, search terms, attributes. Nine digits in a row, also
	// with spaces, dots, dashes, parentheses between them, are masked.
	inText scope = iota
	// inPath is for paths, which hold article numbers and dates joined by dashes. There a number
	// with separators must look like a phone number: it begins with +, ( or 0, or is grouped
	// 3-3-4, or it is a valid card number.
	inPath
)

const (
	longRun       = 9 // digits that make a number a personal one until shown otherwise
	longRunPlus   = 7 // the same after a plus sign
	fewestDigits  = longRunPlus
	shortestCard  = 13
	longestCard   = 19
	escapeLayers  = 4 // of percent encoding that are looked through
	maxSeparators = 3 // between two groups of digits, as in " / "
)

// mask replaces e-mail addresses, phone numbers and long runs of digits in s.
//
// What survives on purpose: runs of up to eight digits (article and order numbers), ISO dates,
// UUIDs, numbers with commas. What never survives: nine digits in a row, which is the length from
// which on a run can be a phone, account or card number.
func mask(s string, where scope) string {
	at, digits := suspicious(s)
	if at {
		s = maskEmails(s)
	}
	if digits {
		s = maskDigits(s, where)
	}
	return s
}

// suspicious tells whether s holds an @ and whether it holds enough digits to need a closer look.
// Nearly every text is dismissed here.
func suspicious(s string) (at, digits bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			n++
		case c == '@':
			at = true
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if isDigit(r) {
				n++
			}
			at = at || isAt(r)
			i += size - 1
		}
	}
	return at, n >= fewestDigits
}

func isAt(r rune) bool { return r == '@' || r == '＠' || r == '﹫' }

func isDigit(r rune) bool {
	return '0' <= r && r <= '9' || r >= utf8.RuneSelf && unicode.IsDigit(r)
}

// maskEmails replaces what has letters before an @ and a domain name after it.
func maskEmails(s string) string {
	var out strings.Builder
	done := 0 // s[:done] is in out
	for i, r := range s {
		if !isAt(r) || i < done {
			continue
		}
		from := i
		for from > done {
			p, size := utf8.DecodeLastRuneInString(s[:from])
			if !unicode.IsLetter(p) && !unicode.IsDigit(p) && !unicode.IsMark(p) && !strings.ContainsRune("._%+-'", p) {
				break
			}
			from -= size
		}
		to := i + utf8.RuneLen(r)
		for to < len(s) {
			p, size := utf8.DecodeRuneInString(s[to:])
			if !unicode.IsLetter(p) && !unicode.IsDigit(p) && !unicode.IsMark(p) && p != '.' && p != '-' {
				break
			}
			to += size
		}
		domain := strings.TrimRight(s[i+utf8.RuneLen(r):to], ".-")
		if from == i || !looksLikeDomain(domain) {
			continue
		}
		out.WriteString(s[done:from])
		out.WriteString(maskEmail)
		done = i + utf8.RuneLen(r) + len(domain)
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// looksLikeDomain tells react@18.2 from mary@example.com: the last label has a letter.
func looksLikeDomain(d string) bool {
	i := strings.LastIndexByte(d, '.')
	return i > 0 && strings.ContainsFunc(d[i:], unicode.IsLetter)
}

// maskDigits replaces phone numbers and long runs of digits.
func maskDigits(s string, where scope) string {
	var out strings.Builder
	done := 0 // s[:done] is in out
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isDigit(r) && r != '+' && r != '(' {
			i += size
			continue
		}
		if n := harmless(s, i); n > 0 {
			i += n
			continue
		}
		c := candidateAt(s[i:], where)
		token := c.verdict(where)
		if token == "" {
			i += max(c.first, size) // go on behind its first group
			continue
		}
		out.WriteString(s[done:i])
		out.WriteString(token)
		i += c.size
		done = i
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// harmless returns the length of a UUID or an ISO date at s[i:], or 0.
func harmless(s string, i int) int {
	if i > 0 && isWordByte(s[i-1]) {
		return 0
	}
	for _, shape := range [...]string{"hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "dddd-dd-dd"} {
		if n := len(shape); fits(s[i:], shape) && (len(s) == i+n || !isWordByte(s[i+n])) {
			return n
		}
	}
	return 0
}

func isWordByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_'
}

// fits compares s with a shape in which d is a digit, h is a hexadecimal digit.
func fits(s, shape string) bool {
	if len(s) < len(shape) {
		return false
	}
	for i := range len(shape) {
		c := s[i]
		digit := '0' <= c && c <= '9'
		switch shape[i] {
		case 'd':
			if !digit {
				return false
			}
		case 'h':
			if !digit && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		default:
			if c != shape[i] {
				return false
			}
		}
	}
	return true
}

// candidate is a number with what stands between its digits.
type candidate struct {
	size   int               // bytes up to and with the last digit
	first  int               // bytes up to the end of the first group of digits
	lead   byte              // '+', '(', '0' or 0
	n      int               // how many digits there are
	digits [longestCard]byte // the first of them, as ASCII
	parts  int               // how many groups there are
	groups [3]int            // how many digits the first of them have
}

// candidateAt reads the number that s begins with. In a path a long first group is a number by
// itself, so that what follows it stays.
func candidateAt(s string, where scope) candidate {
	var c candidate
	gap, group := 0, 0
	seenDigit := false
	slash := false
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case isDigit(r):
			if !seenDigit && c.lead == 0 && digitValue(r) == 0 {
				c.lead = '0'
			}
			seenDigit = true
			if c.n < len(c.digits) {
				c.digits[c.n] = '0' + digitValue(r)
			}
			c.n++
			group++
			gap = 0
			i += size
			c.size = i
			if c.parts == 0 {
				c.first = i
			}
			continue
		case r == '+' && !seenDigit && i == 0, r == '(' && !seenDigit && gap < maxSeparators:
			if c.lead == 0 {
				c.lead = byte(r)
			}
			c.first = i + size
			gap++
			i += size
			continue
		case !seenDigit || gap >= maxSeparators || where == inPath && c.lead == 0 && c.n > longestCard:
			// The last condition keeps the work linear: such a path is read group by group, and
			// nothing longer than a card would be found in it.
			c.close(&group)
			return c
		case r == ' ' || r == '-' || r == '.' || r == '(' || r == ')' || r == '\u00a0' || r == '\u2011' || r == '\u2013':
		case r == '/' && where == inText && c.lead != 0 && !slash:
			slash = true // 0511/1234567, once
		default:
			c.close(&group)
			return c
		}
		c.close(&group)
		gap++
		i += size
	}
	c.close(&group)
	return c
}

// close ends a group of digits.
func (c *candidate) close(group *int) {
	if *group > 0 {
		if c.parts < len(c.groups) {
			c.groups[c.parts] = *group
		}
		c.parts++
		*group = 0
	}
}

// verdict returns what replaces the candidate, or "" if it stays.
func (c *candidate) verdict(where scope) string {
	n := c.n
	phone := c.lead == '+' && n >= longRunPlus || n >= longRun && (c.lead != 0 || c.parts > 1)
	card := n >= shortestCard && n <= longestCard && luhn(c.digits[:n])
	if where == inPath && c.parts > 1 && c.lead == 0 {
		phone = c.parts == 3 && c.groups == [3]int{3, 3, 4}
		if !phone && !card && c.groups[0] >= longRun {
			c.size = c.first
			return maskNumber
		}
	}
	switch {
	case card:
		return maskNumber
	case phone:
		return maskPhone
	case c.parts == 1 && n >= longRun:
		return maskNumber
	}
	return ""
}

// digitValue returns the value of a decimal digit of any script: Unicode keeps each script's ten
// digits together and in order.
func digitValue(r rune) byte {
	if r < utf8.RuneSelf {
		return byte(r - '0')
	}
	zero := r
	for unicode.IsDigit(zero-1) && r-zero < 9 {
		zero--
	}
	return byte(r - zero)
}

// luhn checks the check digit that every payment card carries.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// maskEscaped masks a part of an address, looking through percent encoding. What needs no mask
// stays byte for byte. escape gives the masked text its encoding back.
func maskEscaped(s string, where scope, plus bool, escape func(string) string) string {
	if strings.IndexByte(s, '%') < 0 && (!plus || strings.IndexByte(s, '+') < 0) {
		return mask(s, where)
	}
	plain := s
	if plus {
		plain = strings.ReplaceAll(plain, "+", " ")
	}
	for layer := 0; strings.IndexByte(plain, '%') >= 0; layer++ {
		next := unescape(plain)
		if next == plain {
			break
		}
		if layer == escapeLayers {
			return maskAll
		}
		plain = next
	}
	plain = strings.ToValidUTF8(plain, "\uFFFD")
	masked := mask(plain, where)
	if masked == plain {
		return s
	}
	return escape(masked)
}

// Mask replaces e-mail addresses, phone numbers and long numbers in a text that is about to leave
// the places where personal data may be, such as the message of a foreign error.
func Mask(s string) string { return maskText(s) }

// maskText masks what people write. It looks through percent encoding too: sites copy encoded
// addresses into titles and attributes.
func maskText(s string) string {
	return mask(maskEscaped(s, inText, false, func(m string) string { return m }), inText)
}

// maskPath masks a path or a fragment.
func maskPath(s string) string { return maskEscaped(s, inPath, false, escapePath) }

// maskQueryValue masks the value of a query parameter.
func maskQueryValue(s string) string { return maskEscaped(s, inText, true, escapeQuery) }

// parentheses keeps those of a mask readable.
var parentheses = strings.NewReplacer("%28", "(", "%29", ")")

func escapeQuery(s string) string { return parentheses.Replace(url.QueryEscape(s)) }

func escapePath(s string) string {
	segments := strings.Split(s, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return parentheses.Replace(strings.Join(segments, "/"))
}

// unescape decodes one layer of percent encoding. A percent sign that encodes nothing stays.
func unescape(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for {
		out = append(out, s[:i]...)
		s = s[i:]
		if len(s) >= 3 && fits(s[1:], "hh") {
			out = append(out, hexValue(s[1])<<4|hexValue(s[2]))
			s = s[3:]
		} else {
			out = append(out, '%')
			s = s[1:]
		}
		if i = strings.IndexByte(s, '%'); i < 0 {
			return string(append(out, s...))
		}
	}
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// maskNumberValue masks a number that is long enough to be a phone, account or card number. Digits
// behind the decimal point don't count.
func maskNumberValue(s string) (string, bool) {
	n := 0
	for i := 0; i < len(s) && s[i] != '.' && s[i] != 'e' && s[i] != 'E'; i++ {
		if '0' <= s[i] && s[i] <= '9' {
			n++
		}
	}
	if n >= longRun {
		return maskNumber, true
	}
	return s, false
}
