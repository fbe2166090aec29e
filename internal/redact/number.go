package redact

import (
	"net/netip"
	"strings"
)

// group is a run of digits in a cluster: groups of digits with marks between them.
type group struct {
	start, end int
	mark       string // what stands between it and the group before it
}

// cluster is what may be one number: 0711 / 12 34-56, 4111 1111 1111 1111, 127.0.0.1.
type cluster struct {
	groups [12]group
	n      int
	start  int     // with the sign or bracket before it
	plus   bool    // + stands before it
	open   bool    // ( stands before it
	all    string  // the digits of all groups, once somebody asked
	upTo   [12]int // how many of them the first groups have
}

func (c *cluster) list() []group { return c.groups[:c.n] }

// digits returns the digits of the first n groups.
func (c *cluster) digits(text string, n int) string {
	if n == 1 {
		return text[c.groups[0].start:c.groups[0].end]
	}
	if c.all == "" {
		var b [96]byte
		d := b[:0]
		for k, g := range c.list() {
			d = append(d, text[g.start:g.end]...)
			c.upTo[k] = len(d)
		}
		c.all = string(d)
	}
	return c.all[:c.upTo[n-1]]
}

// cluster reads the groups that begin at a byte.
func (s *scan) cluster(start int) (c cluster) {
	c.start = start
	at, mark := start, start
	for c.n < len(c.groups) {
		end := at
		for end < len(s.text) && digit(s.text[end]) {
			end++
		}
		c.groups[c.n] = group{at, end, s.text[mark:at]}
		c.n++
		mark = end
		at = end
		for at < len(s.text) && at-mark < 4 && !digit(s.text[at]) {
			n := separator(s.text[at:])
			if n == 0 {
				break
			}
			at += n
		}
		if at == mark || at >= len(s.text) || !digit(s.text[at]) {
			break
		}
	}
	switch b := s.byteAt(start - 1); {
	case b == '+':
		c.plus, c.start = true, start-1
		if s.byteAt(start-2) == '(' {
			c.open, c.start = true, start-2
		}
	case b == '(':
		c.open, c.start = true, start-1
		if s.byteAt(start-2) == '+' {
			c.plus, c.start = true, start-2
		}
	}
	return c
}

// separator returns the length of the character that text begins with if it may stand inside a
// number, else 0.
func separator(text string) int {
	switch text[0] {
	case ' ', '-', '.', '/', '(', ')':
		return 1
	case 0xC2:
		if strings.HasPrefix(text, "\u00a0") {
			return 2
		}
	case 0xE2:
		if strings.HasPrefix(text, "\u2011") || strings.HasPrefix(text, "\u2013") || strings.HasPrefix(text, "\u202f") || strings.HasPrefix(text, "\u2009") {
			return 3
		}
	}
	return 0
}

// numbers explains the number at token i and returns where the explanation ends: numbers before that
// need not be looked at again.
func (s *scan) numbers(i int) int32 {
	start := int(s.tokens[i].start)
	if end := s.suffixed(i); end > 0 {
		return int32(end)
	}
	c := s.cluster(start)
	if c.n == 1 && c.groups[0].end-start < 5 && !c.plus {
		// A short number is at most a year, a price, or the beginning of "22 May 1980".
		if end := s.wordDate(i); end > 0 {
			return int32(end)
		}
		s.lone(i)
		return 0
	}
	if s.joined(c.start-1) && !c.plus {
		return 0
	}
	if end := s.ip4(i, &c); end > 0 {
		return int32(end)
	}
	if end := s.numericDate(i, &c); end > 0 {
		return int32(end)
	}
	if end := s.card(i, &c); end > 0 {
		return int32(end)
	}
	if end := s.national(i, &c); end > 0 {
		return int32(end)
	}
	if end := s.phone(i, &c); end > 0 {
		return int32(end)
	}
	if end := s.wordDate(i); end > 0 {
		return int32(end)
	}
	if end := s.documents(i); end > 0 {
		return int32(end)
	}
	s.lone(i)
	return 0
}

// ip4 takes four groups up to 255 between dots, unless the words before say that it is a version.
func (s *scan) ip4(i int, c *cluster) int {
	if c.n < 4 || c.plus {
		return 0
	}
	for k, g := range c.groups[:4] {
		if k > 0 && g.mark != "." {
			return 0
		}
	}
	start, end := c.groups[0].start, c.groups[3].end
	if c.n > 4 && strings.HasPrefix(c.groups[4].mark, ".") || alnum(s.byteAt(end)) && !s.wideStart(s.byteAt(end)) {
		return 0
	}
	if _, err := netip.ParseAddr(s.text[start:end]); err != nil {
		return 0
	}
	if s.version(i) {
		return end
	}
	s.add(start, end, IP, claimAddress)
	return end
}

// version reports whether the number at token i is introduced as the version of something or as a
// section of a text.
func (s *scan) version(i int) bool {
	words := 0
	for k := i - 1; k >= 0 && words < 2; k-- {
		t := &s.tokens[k]
		if t.is&aVersion != 0 || t.kind == mark && s.of(*t) == "§" {
			return true
		}
		if t.is&aSite != 0 {
			return false
		}
		if t.kind != mark {
			words++
		}
	}
	return false
}

// card takes 12 to 19 digits that pass the Luhn check and begin as a card does. Digits in groups must
// be grouped as on a card.
func (s *scan) card(i int, c *cluster) int {
	if c.plus || c.open && c.n == 1 {
		return 0
	}
	best := 0
	for n := 1; n <= c.n; n++ {
		if n > 1 && (c.groups[n-1].mark != c.groups[1].mark && !(c.groups[n-1].mark == "\u00a0" && c.groups[1].mark == " ")) {
			break
		}
		d := c.digits(s.text, n)
		if len(d) > 19 {
			break
		}
		if len(d) >= 12 && cardGroups(c.groups[:n]) && luhn(d) && s.ends(c.groups[n-1].end) {
			best = n
		}
	}
	if best == 0 {
		return 0
	}
	d := c.digits(s.text, best)
	end := c.groups[best-1].end
	about := s.around(i, s.tokenBefore(i, end), aCard|aPhone|aOther|aNational|aBank)
	known := cardIssuer(d)
	switch {
	case about == aCard:
	case about == aOther || about == aNational || about == aPhone:
		return 0
	case !known:
		return 0
	}
	s.add(c.groups[0].start, end, Card, claimCard)
	return end
}

// cardGroups reports whether digits are grouped as on a card: not at all, by four, or 4-6-5 and 4-6-4.
func cardGroups(groups []group) bool {
	if len(groups) == 1 {
		return true
	}
	switch groups[1].mark {
	case " ", "-", ".", "\u00a0", "\u2011", "\u2013", "\u202f":
	default:
		return false
	}
	size := func(k int) int { return groups[k].end - groups[k].start }
	if len(groups) == 3 && size(0) == 4 && size(1) == 6 && (size(2) == 5 || size(2) == 4) {
		return true
	}
	for k := range len(groups) - 1 {
		if size(k) != 4 {
			return false
		}
	}
	return size(len(groups)-1) <= 4
}

func luhn(d string) bool {
	sum := 0
	for i := range len(d) {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0 && strings.Trim(d, "0") != ""
}

// cardIssuer reports whether the first digits belong to a network whose cards have that length.
func cardIssuer(d string) bool {
	p := func(n int) int {
		v := 0
		for _, c := range []byte(d[:n]) {
			v = v*10 + int(c-'0')
		}
		return v
	}
	n := len(d)
	in := func(v, low, high int) bool { return low <= v && v <= high }
	switch p2, p3, p4 := p(2), p(3), p(4); {
	case d[0] == '4':
		return n == 13 || n == 16 || n == 18 || n == 19 // Visa
	case in(p2, 51, 55):
		return n == 16 // Mastercard
	case in(p4, 2221, 2720):
		return n == 16
	case in(p4, 2200, 2204):
		return n >= 16 // Mir
	case p2 == 34 || p2 == 37:
		return n == 15 // American Express
	case in(p3, 300, 305) || p3 == 309 || p2 == 36 || p2 == 38 || p2 == 39:
		return n == 14 || n == 16 || n == 19 // Diners Club
	case in(p4, 3528, 3589):
		return n >= 16 // JCB
	case p4 == 2131 || p4 == 1800:
		return n == 15
	case p4 == 6011 || p2 == 65 || in(p3, 644, 649) || p2 == 62 || p2 == 60 || p2 == 81 || p2 == 82:
		return n >= 16 // Discover, UnionPay, RuPay
	case p4 == 9792:
		return n == 16 // Troy
	case p4 == 5018 || p4 == 5020 || p4 == 5038 || p4 == 5893 || p4 == 6304 || in(p4, 6759, 6763) || p4 == 5019:
		return n >= 12 // Maestro, Dankort
	case p2 == 50 || in(p2, 56, 58) || p2 == 63 || p2 == 67:
		return n >= 16
	}
	return false
}
