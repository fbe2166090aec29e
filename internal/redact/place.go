package redact

import "strings"

// places takes postal addresses: a street with a number, and what follows of it up to a postal code
// and a city. A street alone, without a number, is a place and no address of anybody.
func (s *scan) places() {
	for i := 0; i < len(s.tokens); i++ {
		t := &s.tokens[i]
		if t.kind == number && t.end-t.start <= 5 && !s.joined(int(t.start)-1) {
			if end := s.numberFirst(i); end > i {
				i = s.rest(i, end) - 1
			}
			continue
		}
		if t.kind == word && t.caps != lower || t.kind == word && t.is&aStreet != 0 {
			if end := s.streetFirst(i); end > i {
				i = s.rest(i, end) - 1
			}
		}
	}
}

// numberFirst reads "12 Main Street", "12 bis rue de la Paix" and returns the token behind it, or 0.
func (s *scan) numberFirst(i int) int {
	k := i + 1
	if k < len(s.tokens) && s.tokens[k].mark == ',' {
		k++
	}
	if k < len(s.tokens) && s.tokens[k].kind == word && (s.of(s.tokens[k]) == "bis" || s.of(s.tokens[k]) == "ter") {
		k++
	}
	if k >= len(s.tokens) || s.tokens[k].gap != space || s.tokens[k].kind != word {
		return 0
	}
	// French: the kind of street comes first.
	if s.tokens[k].is&aStreet != 0 && s.frenchStreet(k) {
		if end := s.streetName(k + 1); end > k+1 {
			return end
		}
	}
	for n := k; n < len(s.tokens) && n < k+5; n++ {
		t := s.tokens[n]
		if t.kind == mark || n > k && t.gap != space || t.caps == lower && t.kind == word {
			return 0
		}
		if n > k && t.is&aStreet != 0 && t.kind == word || s.compound(t) {
			end := n + 1
			if end < len(s.tokens) && s.tokens[end].mark == '.' && s.tokens[end].gap == none && t.end-t.start <= 4 {
				end++
			}
			return end
		}
	}
	return 0
}

func (s *scan) frenchStreet(k int) bool {
	switch strings.ToLower(s.of(s.tokens[k])) {
	case "rue", "avenue", "av", "boulevard", "bd", "place", "chemin", "impasse", "allée", "quai", "route", "cours", "passage", "square", "voie", "faubourg":
		return true
	}
	return false
}

// compound reports whether a word is a street in one piece, such as Hauptstraße or Kerkstraat.
func (s *scan) compound(t token) bool {
	if t.kind != word || t.caps != title || t.end-t.start < 8 {
		return false
	}
	w := strings.ToLower(s.of(t))
	for _, e := range []string{"straße", "strasse", "straat", "gasse", "weg", "allee", "platz", "laan", "gracht", "plein", "kade", "singel", "dreef", "damm", "ufer", "stieg"} {
		if strings.HasSuffix(w, e) {
			return true
		}
	}
	return false
}

// streetFirst reads "Hauptstraße 12a", "Calle Mayor, 5", "ul. Długa 3/4" and returns the token behind
// it, or 0.
func (s *scan) streetFirst(i int) int {
	t := s.tokens[i]
	k := i
	switch {
	case s.compound(t):
		k = i + 1
		if k < len(s.tokens) && s.tokens[k].mark == '.' {
			k++
		}
	case t.is&aStreet != 0:
		k = i + 1
		if k < len(s.tokens) && s.tokens[k].mark == '.' && s.tokens[k].gap == none {
			k++
			if k < len(s.tokens) && s.tokens[k].gap == none || i > 0 && s.of(s.tokens[i-1]) == "et" {
				return 0 // os.Signal, et al.
			}
		}
		if k = s.streetName(k); k == 0 {
			return 0
		}
	default:
		// "Görlitzer Str. 76a", "Lange Straat 3"
		k = i + 1
		for n := 0; n < 2 && k < len(s.tokens) && (s.tokens[k].mark == '-' || s.tokens[k].kind == word && s.tokens[k].caps != lower && s.tokens[k].is&aStreet == 0 && s.tokens[k].gap <= space); n++ {
			k++
		}
		if k >= len(s.tokens) || s.tokens[k].is&aStreet == 0 || s.tokens[k].gap > space || s.tokens[k].kind != word || t.is&aFunction != 0 {
			return 0
		}
		switch strings.ToLower(s.of(s.tokens[k])) {
		case "str", "straße", "strasse", "weg", "platz", "allee", "ring", "damm", "ufer", "gasse", "straat", "laan", "plein", "kade", "gracht", "chaussee":
		default:
			return 0
		}
		k++
		if k < len(s.tokens) && s.tokens[k].mark == '.' && s.tokens[k].gap == none {
			k++
		}
	}
	if k < len(s.tokens) && s.tokens[k].mark == ',' && s.tokens[k].gap == none {
		k++
	}
	if k >= len(s.tokens) || s.tokens[k].gap > space || s.tokens[k].kind != number && s.tokens[k].kind != mixed || s.tokens[k].end-s.tokens[k].start > 5 || !digit(s.text[s.tokens[k].start]) {
		return 0
	}
	k++
	if k+1 < len(s.tokens) && (s.tokens[k].mark == '/' || s.tokens[k].mark == '-') && s.tokens[k].gap == none && s.tokens[k+1].gap == none && s.tokens[k+1].kind != mark {
		k += 2
	}
	return k
}

// streetName goes over the words of the name of a street that begins at token k, and returns the
// token behind them, or 0.
func (s *scan) streetName(k int) int {
	n, capital := k, false
	for n < len(s.tokens) && n < k+8 {
		t := s.tokens[n]
		if t.gap > space || t.kind == number {
			break
		}
		if t.kind == word && (t.caps != lower || t.is&aParticle != 0 || t.is&aFunction != 0 && t.end-t.start <= 3) {
			capital = capital || t.caps != lower
			n++
			continue
		}
		if t.mark == '-' || t.mark == '\'' || t.mark == '.' && t.gap == none && n > k && s.tokens[n-1].end-s.tokens[n-1].start <= 3 {
			n++
			continue
		}
		break
	}
	if !capital {
		return 0
	}
	return n
}

// rest claims the address that begins at token i, whose street ends before token k, together with
// unit, postal code and city, and returns the token behind it.
func (s *scan) rest(i, k int) int {
	end := k
	code := false
	for n := k; n < len(s.tokens) && n < k+24; {
		t := s.tokens[n]
		if t.gap == blank && !code {
			break
		}
		switch {
		case t.mark == ',' || t.mark == '-' || t.mark == '#' || t.mark == '\n':
			n++
			continue
		case t.is&aUnit != 0 && n+1 < len(s.tokens):
			n++
			if n < len(s.tokens) && s.tokens[n].mark == '.' {
				n++
			}
			if n < len(s.tokens) && s.tokens[n].kind != mark && s.tokens[n].gap <= space && (s.tokens[n].kind != word || s.tokens[n].end-s.tokens[n].start < 3) {
				n++
			}
			end = n
			continue
		case (t.kind == number || t.kind == mixed) && t.end-t.start >= 2 && t.end-t.start <= 6 && !code:
			// 10115, 1285 GP, 39-609, 5812-595, SW1A 1AA
			n++
			if n+1 < len(s.tokens) && s.tokens[n].mark == '-' && s.tokens[n].gap == none && s.tokens[n+1].kind == number && s.tokens[n+1].gap == none {
				n += 2
			}
			if n < len(s.tokens) && s.tokens[n].gap == space && (s.tokens[n].kind == word && s.tokens[n].caps == upper && s.tokens[n].end-s.tokens[n].start == 2 || s.tokens[n].kind == mixed && s.tokens[n].end-s.tokens[n].start == 3) {
				n++
			}
			code = true
			end = n
			continue
		case t.kind == word && t.caps != lower && t.is&(aFunction|aPhone|aName|aGreeting) == 0 && (n == k || s.tokens[n-1].mark == ',' || t.gap >= line || code || s.tokens[n-1].kind == word):
			n++
			if code || s.codeFollows(n) {
				end = n
			}
			continue
		}
		break
	}
	s.add(int(s.tokens[i].start), int(s.tokens[end-1].end), Location, claimPlace)
	return end
}

// codeFollows reports whether a postal code stands shortly behind token n, or the address ends there.
func (s *scan) codeFollows(n int) bool {
	for k := n; k < len(s.tokens) && k < n+6; k++ {
		t := s.tokens[k]
		if t.kind == number && t.end-t.start >= 4 && t.end-t.start <= 6 || t.kind == mixed && t.end-t.start <= 4 {
			return true
		}
		if t.kind == mark && t.mark != ',' && t.mark != '-' || t.kind == word && t.caps == lower {
			return false
		}
	}
	return false
}
