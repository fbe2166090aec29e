package redact

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// colon takes what a colon can be a part of: a URL with a scheme, or an IPv6 address.
func (s *scan) colon(i int) {
	at := int(s.tokens[i].start)
	if strings.HasPrefix(s.text[at:], "://") {
		start := at
		for start > 0 && at-start < 20 && (alnum(s.text[start-1]) && s.text[start-1] < 0x80 || start < at && strings.IndexByte("+-.", s.text[start-1]) >= 0) {
			start--
		}
		if at-start < 2 || at+3 >= len(s.text) || start < s.webEnd {
			return
		}
		if end := s.urlEnd(at + 3); end > at+3 {
			s.add(start, end, URL, claimWeb)
			s.webEnd = end
		}
		return
	}
	// The first colon of an address decides about all of it.
	start := at
	for start > 0 && hexDigit(s.text[start-1]) && at-start < 5 {
		start--
	}
	if at-start > 4 || s.byteAt(start-1) == ':' || alnum(s.byteAt(start-1)) && !s.wideMark(start-1) {
		return
	}
	end, colons := at, 0
	for end < len(s.text) && end-start < 46 && (hexDigit(s.text[end]) || s.text[end] == ':' || s.text[end] == '.' && colons >= 2) {
		if s.text[end] == ':' {
			colons++
		}
		end++
	}
	if colons < 2 {
		return
	}
	for end > at && (s.text[end-1] == '.' || s.text[end-1] == ':' && s.byteAt(end-2) != ':') {
		end--
	}
	if b := s.byteAt(end); alnum(b) && !s.wideStart(b) || b == ':' {
		return
	}
	address := s.text[start:end]
	if a, err := netip.ParseAddr(address); err != nil || !a.Is6() || address == "::" || !strings.ContainsAny(address, "0123456789") {
		return
	}
	if s.byteAt(end) == '%' { // the zone
		z := end + 1
		for z < len(s.text) && alnum(s.text[z]) && s.text[z] < 0x80 {
			z++
		}
		if z > end+1 && z-end < 17 {
			end = z
		}
	}
	s.add(start, end, IP, claimAddress)
}

// pairs takes a MAC address whose first pair is token i: six pairs of hexadecimal digits between
// equal marks, or three groups of four between dots.
func (s *scan) pairs(i int) { s.macAt(int(s.tokens[i].start)) }

func (s *scan) macAt(start int) {
	if s.joined(start-1) || s.byteAt(start-1) == ':' && hexDigit(s.byteAt(start-2)) {
		return
	}
	m := s.byteAt(start + 2)
	size, count := 2, 6
	if m != ':' && m != '-' {
		if s.byteAt(start+4) != '.' {
			return
		}
		m, size, count = '.', 4, 3
	}
	end := start
	letters := false
	for g := range count {
		if g > 0 {
			if s.byteAt(end) != m {
				return
			}
			end++
		}
		for range size {
			if !hexDigit(s.byteAt(end)) {
				return
			}
			letters = letters || letter(s.text[end])
			end++
		}
	}
	if b := s.byteAt(end); alnum(b) && !s.wideStart(b) || b == m && hexDigit(s.byteAt(end+1)) {
		return
	}
	if !letters && m != ':' {
		return // 12-34-56-78-90-12 may be anything
	}
	s.add(start, end, MAC, claimAddress)
}

// short looks at a short word that can begin something: the first pair of a MAC address, the country
// of an IBAN, the prefix of a national identifier.
func (s *scan) short(i int) {
	t := s.tokens[i]
	n := t.end - t.start
	if (n == 2 || n == 4) && hexDigit(s.text[t.start]) && hexDigit(s.text[t.start+1]) {
		s.macAt(int(t.start))
	}
	if n == 2 {
		s.nino(i)
	}
	if n == 1 {
		s.letterFirst(i)
	}
}

// urlEnd returns the end of the URL whose host begins at a byte: the sentence's marks after it are
// not its own.
func (s *scan) urlEnd(at int) int {
	end, open := at, 0
	for end < len(s.text) && end-at < longest-32 {
		b := s.text[end]
		if b <= ' ' || strings.IndexByte("<>\"`{}|\\^", b) >= 0 {
			break
		}
		if b >= 0x80 {
			c, n := utf8.DecodeRuneInString(s.text[end:])
			if c == '”' || c == '“' || c == '«' || c == '»' || c == '\u00a0' || c == '…' || c == '’' || c == '—' || c == '–' {
				break
			}
			end += n
			continue
		}
		switch b {
		case '(':
			open++
		case ')':
			if open == 0 {
				return s.trimURL(at, end)
			}
			open--
		}
		end++
	}
	return s.trimURL(at, end)
}

func (s *scan) trimURL(at, end int) int {
	for end > at && strings.IndexByte(".,;:!?'*_]", s.text[end-1]) >= 0 {
		end--
	}
	return end
}

// dot takes the domain that the dot at token i stands in, with its path if it has one. Only the last
// dot of a name decides. A name without www, path or a word about sites before it must end in a
// domain of usual names or of a country, so that main.go and report.final.pdf stay.
func (s *scan) dot(i int) {
	if i == 0 || i+1 >= len(s.tokens) || s.tokens[i].gap != none || s.tokens[i+1].gap != none {
		return
	}
	last, before := s.tokens[i+1], s.tokens[i-1]
	if last.kind != word || before.kind == mark {
		return
	}
	if b := s.byteAt(int(last.end)); b == '.' && alnum(s.byteAt(int(last.end)+1)) || b == '@' || b == '_' || b == '-' && alnum(s.byteAt(int(last.end)+1)) || b == '(' {
		return
	}
	start := int(s.tokens[i].start)
	labels := 1
	for start > 0 && int(last.end)-start < 255 {
		c, n := utf8.DecodeLastRuneInString(s.text[:start])
		if c == '.' {
			labels++
		}
		if !domainRune(c) && c != '.' {
			break
		}
		start -= n
	}
	if b := s.byteAt(start - 1); b == '@' || b == '_' || b == '\\' || b == '$' {
		return
	}
	for start < int(last.end) && (s.text[start] == '-' || s.text[start] == '.') {
		start++
	}
	name := s.text[start:last.end]
	if strings.Contains(name, "..") || !strings.Contains(name, ".") {
		return
	}
	tld := s.of(last)
	end := int(last.end)
	folded := strings.ToLower(name)
	suffix, icann := publicsuffix.PublicSuffix(folded)
	if !icann || suffix == folded {
		return
	}
	if s.byteAt(start-1) == '/' && s.byteAt(start-2) != '/' || s.byteAt(start-1) == '/' && s.byteAt(start-2) == '/' && s.byteAt(start-3) == ':' {
		return // inside of a URL, or a file
	}
	www := strings.HasPrefix(folded, "www.")
	path := s.byteAt(end) == '/' && (alnum(s.byteAt(end+1)) || !alnum(s.byteAt(end+1)) && s.byteAt(end+1) != '/')
	if s.byteAt(end) == ':' && digit(s.byteAt(end+1)) {
		path = true
	}
	if !www && !s.plainDomain(i, tld, folded, labels, path) {
		return
	}
	if path || s.byteAt(end) == '?' && alnum(s.byteAt(end+1)) {
		s.add(start, s.urlEnd(end), URL, claimWeb)
		return
	}
	s.add(start, end, Domain, claimWeb)
}

// plainDomain reports whether a name without www is a domain all the same.
func (s *scan) plainDomain(i int, tld, name string, labels int, path bool) bool {
	low := strings.ToLower(tld)
	if whole := s.text[int(s.tokens[i].end)-1-len(name)+len(low)+1 : s.tokens[i+1].end]; tld != low && whole != strings.ToUpper(whole) {
		return false // a sentence that began without a blank: "is it.Then"
	}
	host := name[:len(name)-len(low)-1]
	if k := strings.LastIndexByte(host, '.'); k >= 0 {
		host = host[k+1:]
	}
	about := s.around(i-1, i, aSite) != 0
	switch {
	case ambiguousTLD[low]: // also the ending of files, or a word
		return about && len(host) > 1 || labels > 2 && path
	case plainTLD[low], plainCountry[low]:
		return len(host) > 1 || labels > 1 || about
	}
	return about || path || labels > 2
}

// plainTLD are the generic domains that people write without anything around.
var plainTLD = set("com net org info biz edu gov mil int app dev shop store online site xyz club blog cloud pro mobi tech museum travel coop jobs tel asia cat berlin hamburg koeln wien london paris amsterdam bzh gmbh eus gal nyc swiss eu")

// plainCountry are the countries whose domains stand in texts of the eight languages every day.
var plainCountry = set("ad ae ar at au be bg br ca ch cl cn co cr cy cz de dk ec ee es eu fi fr gr hk hr hu ie il in io ai is it jp ke kr li lt lu lv mc me mt mx my ng nl no nz pe ph pk pl pt ro rs ru sa se sg si sk sm th tr tv tw ua uk us uy ve vn za")

// ambiguousTLD are domains that are oftener the ending of a file, a word or a member of a program.
var ambiguousTLD = set("py sh md rs so cc am ps zip mov name id ml tf java map page link open read email host live play run call today now new one win fun top best care cool like")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
