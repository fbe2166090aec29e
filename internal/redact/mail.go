package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// mail takes the address around the '@' at token i: a local part of RFC 5321 or 6531, quoted or not,
// and a domain with a dot in it, or an address literal in brackets.
func (s *scan) mail(i int) {
	at := int(s.tokens[i].start)
	start := s.localStart(at)
	if start == at {
		return
	}
	end := s.domainEnd(at + 1)
	if end == 0 {
		return
	}
	if s.text[start:at] == "git" && s.byteAt(end) == ':' {
		return // the address of a repository
	}
	s.add(start, end, Email, claimMail)
}

// localStart returns where the local part that ends at a byte begins.
func (s *scan) localStart(at int) int {
	if s.byteAt(at-1) == '"' { // "quoted with blanks"@example.org
		if q := strings.LastIndexByte(s.text[max(0, at-66):at-1], '"'); q >= 0 {
			q += max(0, at-66)
			if q < at-2 && !strings.ContainsAny(s.text[q+1:at-1], "\n\r") && !alnum(s.byteAt(q-1)) {
				return q
			}
		}
		return at
	}
	start := at
	for start > 0 && at-start < 128 {
		c, n := utf8.DecodeLastRuneInString(s.text[:start])
		if !localRune(c) {
			break
		}
		start -= n
	}
	// Marks before the first letter or digit belong to the sentence.
	for start < at && strings.IndexByte(".'`*/=?!{}|~^$&#%-+", s.text[start]) >= 0 {
		start++
	}
	// What looks like key=value or a path is cut behind its last such mark.
	if k := strings.LastIndexAny(s.text[start:at], "=/'`{|?"); k >= 0 && k+1 < at-start {
		if s.text[start+k] != '\'' || start+k == 0 || !alnum(s.text[start+k-1]) {
			start += k + 1
		}
	}
	if s.byteAt(at-1) == '.' || strings.Contains(s.text[start:at], "..") {
		return at
	}
	return start
}

func localRune(c rune) bool {
	switch {
	case c == utf8.RuneError:
		return false
	case c >= utf8.RuneSelf:
		return unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.Is(unicode.M, c)
	case alnum(byte(c)):
		return true
	}
	return strings.IndexByte(".!#$%&'*+-/=?^_`{|}~", byte(c)) >= 0
}

// domainEnd returns the end of the domain that begins at a byte, or 0 if there is none.
func (s *scan) domainEnd(at int) int {
	if s.byteAt(at) == '[' {
		if k := strings.IndexByte(s.text[at:min(len(s.text), at+50)], ']'); k > 6 && strings.ContainsAny(s.text[at:at+k], ".:") {
			return at + k + 1
		}
		return 0
	}
	end, dot, label := at, -1, at
	for end < len(s.text) && end-at < 255 {
		c, n := utf8.DecodeRuneInString(s.text[end:])
		if c == '.' && end > label && s.byteAt(end-1) != '-' {
			next, _ := utf8.DecodeRuneInString(s.text[end+1:])
			if !domainRune(next) || next == '-' {
				break
			}
			dot, label = end, end+1
		} else if !domainRune(c) || c == '-' && end == label {
			break
		}
		end += n
	}
	for end > label && s.text[end-1] == '-' {
		end--
	}
	if dot < 0 || s.byteAt(end) == '@' || !topLevel(s.text[dot+1:end]) {
		return 0
	}
	return end
}

func domainRune(c rune) bool {
	if c < utf8.RuneSelf {
		return alnum(byte(c)) || c == '-'
	}
	return c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.Is(unicode.M, c))
}

// topLevel reports whether the last label of a domain can be one: letters, and no ending of a file.
func topLevel(label string) bool {
	if strings.HasPrefix(label, "xn--") || strings.HasPrefix(label, "XN--") {
		return len(label) > 5
	}
	if utf8.RuneCountInString(label) < 2 || len(label) > 63 {
		return false
	}
	for _, c := range label {
		if c < utf8.RuneSelf && !letter(byte(c)) {
			return false
		}
	}
	switch strings.ToLower(label) {
	case "png", "jpg", "jpeg", "gif", "svg", "webp", "pdf", "js", "css", "html", "txt", "json", "php":
		return false
	}
	return true
}

// spokenMail takes an address that is written in words to hide it from machines: "mary at example
// dot com", "mary [at] example [dot] com". Token i is the word for the last dot.
func (s *scan) spokenMail(i int) {
	next := s.skip(i+1, 1)
	if next >= len(s.tokens) || s.tokens[next].kind != word || s.tokens[next].gap >= line {
		return
	}
	tld := s.tokens[next]
	if suffix, icann := publicsuffix.PublicSuffix(strings.ToLower(s.of(tld))); !icann || strings.Contains(suffix, ".") {
		return
	}
	if tld.is&aFunction != 0 && !strings.EqualFold(s.of(s.tokens[i]), "dot") {
		return // "at this point in"
	}
	// Back over "host", "dot host", "-host" to the word for '@'.
	k := s.skip(i-1, -1)
	for steps := 0; k > 0 && steps < 8; steps++ {
		t := s.tokens[k]
		if t.is&aAt != 0 {
			break
		}
		if t.is&aFunction != 0 || t.kind == mark && t.mark != '-' && t.mark != '.' || s.tokens[k+1].gap >= line {
			return
		}
		k = s.skip(k-1, -1)
	}
	if k <= 0 || s.tokens[k].is&aAt == 0 || k == s.skip(i-1, -1) {
		return
	}
	bracketed := s.tokens[k-1].kind == mark && strings.IndexByte("[({<", s.tokens[k-1].mark) >= 0 && s.tokens[k-1].mark != 0
	local := s.skip(k-1, -1)
	if local < 0 || s.tokens[local].kind == mark || s.tokens[local].gap >= line && local != 0 && s.tokens[k].gap >= line {
		return
	}
	if !bracketed && s.tokens[local].is&aFunction != 0 {
		return // "look at example dot com"
	}
	start := s.localStart(int(s.tokens[local].end))
	if start == int(s.tokens[local].end) {
		start = int(s.tokens[local].start)
	}
	// "mary dot smith at ..."
	for p := s.skip(local-1, -1); p > 0 && s.tokens[p].is&aDot != 0 && s.tokens[local].gap < line; {
		q := s.skip(p-1, -1)
		if q < 0 || s.tokens[q].kind == mark {
			break
		}
		start, local = int(s.tokens[q].start), q
		p = s.skip(q-1, -1)
	}
	s.add(start, int(tld.end), Email, claimMail)
}

// skip returns the token at k, or the next one in the direction that is no bracket.
func (s *scan) skip(k, direction int) int {
	for k >= 0 && k < len(s.tokens) && s.tokens[k].kind == mark && s.tokens[k].mark != 0 && strings.IndexByte("[](){}<>_", s.tokens[k].mark) >= 0 {
		k += direction
	}
	return k
}
