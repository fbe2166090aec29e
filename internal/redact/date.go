package redact

// numericDate recognises a date of digits, so that nothing else takes it for its own, and claims it if
// it is a date of birth. It returns its end, or 0.
func (s *scan) numericDate(i int, c *cluster) int {
	if c.n < 3 || c.plus || c.open {
		return 0
	}
	g := c.groups
	m := g[1].mark
	if m != "-" && m != "/" && m != "." && m != ". " || g[2].mark != m && !(m == ". " && g[2].mark == ".") {
		return 0
	}
	end := g[2].end
	if c.n > 3 && g[3].mark == m || !s.ends(end) && s.byteAt(end) != 'T' {
		return 0
	}
	size := func(k int) int { return g[k].end - g[k].start }
	v := func(k int) int { return num(s.text[g[k].start:g[k].end]) }
	if size(0) > 4 || size(1) > 2 || size(2) > 4 {
		return 0
	}
	a, b, y := v(0), v(1), v(2)
	switch {
	case size(0) == 4 && size(2) <= 2:
		a, y = y, a
	case size(0) > 2 || size(2) != 4 && size(2) != 2:
		return 0
	}
	if !(1 <= a && a <= 31 && 1 <= b && b <= 12 || 1 <= b && b <= 31 && 1 <= a && a <= 12) {
		return 0
	}
	if y > 99 && (y < 1800 || y > 2199) {
		return 0
	}
	if s.born(i, s.tokenBefore(i, end)) {
		s.add(g[0].start, end, Birth, claimDate)
	}
	return end
}

// born reports whether the words around tokens i to j speak of a birth.
func (s *scan) born(i, j int) bool { return s.around(i, j, aBorn|aOther|aExpiry) == aBorn }

// wordDate takes a date of birth with the month in words that begins with the number at token i, such
// as 22 May 1980 or 3. März 1985. It returns its end, or 0.
func (s *scan) wordDate(i int) int {
	t := s.tokens[i]
	if t.end-t.start > 2 {
		return 0
	}
	day := num(s.of(t))
	k := i + 1
	for k < len(s.tokens) && k < i+4 && s.tokens[k].gap < line &&
		(s.tokens[k].mark == '.' || s.tokens[k].is&aFunction != 0 || s.tokens[k].kind == mixed) && s.tokens[k].is&aMonth == 0 {
		k++
	}
	if day < 1 || day > 31 || k >= len(s.tokens) || s.tokens[k].is&aMonth == 0 || s.tokens[k].gap >= line {
		return 0
	}
	return s.year(i, k+1, int(t.start))
}

// monthDate takes a date of birth that begins with the month at token i, such as May 22nd, 1980.
func (s *scan) monthDate(i int) {
	k := i + 1
	if k < len(s.tokens) && s.tokens[k].mark == '.' && s.tokens[k].gap == none {
		k++
	}
	if k >= len(s.tokens) || s.tokens[k].gap >= line || s.tokens[k].kind != number && s.tokens[k].kind != mixed || !digit(s.text[s.tokens[k].start]) {
		return
	}
	if n := s.tokens[k].end - s.tokens[k].start; s.tokens[k].kind == number && n > 2 || n > 4 {
		return
	}
	s.year(i, k+1, int(s.tokens[i].start))
}

// year ends a date that begins at start with a year at or shortly after token k.
func (s *scan) year(i, k, start int) int {
	for limit := k + 2; k < len(s.tokens) && k < limit && s.tokens[k].gap < line &&
		(s.tokens[k].mark == '.' || s.tokens[k].mark == ',' || s.tokens[k].is&aFunction != 0); k++ {
	}
	if k >= len(s.tokens) || s.tokens[k].gap >= line || s.tokens[k].kind != number || s.tokens[k].end-s.tokens[k].start != 4 {
		return 0
	}
	if y := num(s.of(s.tokens[k])); y < 1850 || y > 2199 {
		return 0
	}
	if s.born(i, k) {
		s.add(start, int(s.tokens[k].end), Birth, claimDate)
	}
	return int(s.tokens[k].end)
}

// lone looks at a number that stands for itself: the end of a card's validity, a postal code.
func (s *scan) lone(i int) {
	t := s.tokens[i]
	start, end := int(t.start), int(t.end)
	if t.end-t.start <= 2 && (s.byteAt(end) == '/' || s.byteAt(end) == '-' || s.byteAt(end) == ' ' && s.byteAt(end+1) == '/') {
		at := end + 1
		for s.byteAt(at) == ' ' || s.byteAt(at) == '/' && at == end+1 {
			at++
		}
		stop := at
		for digit(s.byteAt(stop)) {
			stop++
		}
		if m := num(s.of(t)); 1 <= m && m <= 12 && (stop-at == 2 || stop-at == 4 && s.text[at:at+2] == "20") && s.ends(stop) && !s.joined(start-1) {
			if s.around(i, s.tokenBefore(i, stop), aExpiry|aOther|aBorn) == aExpiry {
				s.add(start, stop, CardExpiry, claimDate)
			}
		}
		return
	}
	if n := t.end - t.start; n >= 4 && n <= 6 && s.ends(end) && !s.joined(start-1) && i > 0 && s.tokens[i].gap < line {
		k := i - 1
		if s.tokens[k].mark == ':' {
			k--
		}
		for k > 0 && s.tokens[k].is&(aFunction|aFiller) != 0 {
			k--
		}
		if k >= 0 && s.tokens[k].is&aPostal != 0 {
			if s.byteAt(end) == '-' && digit(s.byteAt(end+1)) {
				return
			}
			s.add(start, end, PostalCode, claimPlace)
		}
	}
}
