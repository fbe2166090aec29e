package redact

// look goes through the tokens once and asks, at each sign of something, those who know it: '@' may
// be in an e-mail address, digits may be a card. Ordinary words cost nothing more.
func (s *scan) look() {
	taken := int32(0) // numbers before it are explained
	for i := range s.tokens {
		t := &s.tokens[i]
		switch t.kind {
		case mark:
			switch t.mark {
			case '@':
				s.mail(i)
			case ':':
				s.colon(i)
			case '.':
				s.dot(i)
			}
		case number:
			if t.start >= taken {
				taken = max(taken, s.numbers(i))
			}
			s.pairs(i)
		case mixed:
			if t.start >= taken {
				taken = max(taken, s.mixture(i))
			}
			s.pairs(i)
		case word:
			if t.end-t.start <= 4 {
				s.short(i)
			}
			if t.is&aDot != 0 {
				s.spokenMail(i)
			}
		}
	}
}

// around returns which of the wanted meanings stands nearest before token i, within a few words, or
// right after token j on the same line. It returns 0 if none does.
func (s *scan) around(i, j int, wanted meaning) meaning {
	words := 0
	for k := i - 1; k >= 0 && words < 9; k-- {
		t := &s.tokens[k]
		if m := t.is & wanted; m != 0 && !(s.negated(k, m)) {
			return m & -m
		}
		if t.kind != mark {
			words++
		}
		if s.tokens[k+1].gap == blank && words > 0 {
			break
		}
	}
	words = 0
	for k := j + 1; k < len(s.tokens) && words < 3; k++ {
		t := &s.tokens[k]
		if t.gap >= line || t.mark == '.' || t.mark == ',' || t.mark == ';' || t.mark == ':' {
			break
		}
		if m := t.is & wanted; m != 0 {
			return m & -m
		}
		if t.kind != mark {
			words++
		}
	}
	return 0
}

// negated reports whether a word is used in another sense: a phone number is no order number, but
// "in order to" is no order at all.
func (s *scan) negated(k int, m meaning) bool {
	if m&aOther == 0 || k+1 >= len(s.tokens) {
		return false
	}
	next := s.tokens[k+1]
	return next.is&aFunction != 0 && next.kind == word && s.text[next.start:next.end] == "to"
}

// tokenAt returns the last token that begins before the byte at end.
func (s *scan) tokenBefore(i int, end int) int {
	for i+1 < len(s.tokens) && int(s.tokens[i+1].start) < end {
		i++
	}
	return i
}

// of returns the text of a token.
func (s *scan) of(t token) string { return s.text[t.start:t.end] }

// byteAt returns the byte at i, or 0 outside of the text.
func (s *scan) byteAt(i int) byte {
	if i < 0 || i >= len(s.text) {
		return 0
	}
	return s.text[i]
}

func digit(b byte) bool    { return '0' <= b && b <= '9' }
func letter(b byte) bool   { return 'a' <= b|0x20 && b|0x20 <= 'z' }
func alnum(b byte) bool    { return digit(b) || letter(b) || b >= 0x80 }
func hexDigit(b byte) bool { return digit(b) || 'a' <= b|0x20 && b|0x20 <= 'f' }

// joined reports whether the character at i binds what stands after it to what stands before it, as
// in AB-123 or 1.2: a number there is a part of something longer.
func (s *scan) joined(i int) bool {
	switch s.byteAt(i) {
	case '-', '_', '/', '.', '\\', '~':
		return alnum(s.byteAt(i - 1))
	}
	return i >= 0 && alnum(s.byteAt(i)) && !s.wideMark(i)
}

// wideMark reports whether the byte at i ends a character that is no letter, such as a long dash.
func (s *scan) wideMark(i int) bool {
	if s.byteAt(i) < 0x80 {
		return false
	}
	for k := i; k >= 0 && k > i-4; k-- {
		if b := s.text[k]; b >= 0xC0 {
			// Punctuation and spaces beyond ASCII begin with C2 (Latin-1) or E2 (general), CJK with E3.
			return b == 0xC2 || b == 0xE2 || b == 0xE3 || b == 0xF0
		}
	}
	return false
}

// ends reports whether something may end before the byte at i: no letter or digit follows, nor a
// mark that goes on with a digit.
func (s *scan) ends(i int) bool {
	b := s.byteAt(i)
	if b >= 0x80 {
		return len(s.text) <= i+1 || s.wideStart(b)
	}
	if alnum(b) || b == '_' {
		return false
	}
	if b == '-' || b == '.' || b == '/' || b == ':' {
		return !digit(s.byteAt(i + 1))
	}
	return true
}

func (s *scan) wideStart(b byte) bool { return b == 0xC2 || b == 0xE2 || b == 0xE3 || b == 0xF0 }
