package redact

import "strings"

// names takes names of people. It goes from what says that a name follows (a title, "my name is", a
// greeting, a signature) to what is a name by itself (a given name with what follows it). Everything
// needs a capital, except what follows "my name is" and the like.
func (s *scan) names() {
	for i := 0; i < len(s.tokens); i++ {
		t := &s.tokens[i]
		if t.kind != word {
			continue
		}
		if t.is&aMonth != 0 {
			s.monthDate(i)
		}
		if t.is&(aHonorific|aCalled|aName|aGreeting|aClosing|aMe|aRole) != 0 {
			if end := s.announced(i); end > i {
				i = end - 1
				continue
			}
		}
		if t.caps == lower {
			continue
		}
		if t.is&(aGiven|aSurname) != 0 {
			if end := s.listedName(i); end > i {
				i = end - 1
				continue
			}
		}
		if end := s.shapedName(i); end > i {
			i = end - 1
		}
	}
}

// again takes the parts of names that the same window named in full: who was introduced as Valentine S.
// Yermakov is called Yermakov later on.
func (s *scan) again() {
	var parts map[string]bool
	for _, c := range s.candidates {
		if c.Type != Person || !strings.Contains(s.text[c.Start:c.End], " ") {
			continue
		}
		name := strings.Fields(s.text[c.Start:c.End])
		for k, p := range name {
			if (k == 0 || k == len(name)-1) && len(p) > 3 && p[0] >= 'A' && (p[0] <= 'Z' || p[0] >= 0x80) && !strings.HasSuffix(p, ".") {
				if parts == nil {
					parts = map[string]bool{}
				}
				parts[p] = true
			}
		}
	}
	if parts == nil {
		return
	}
	for i, t := range s.tokens {
		if t.kind != word || t.caps != title || t.end-t.start < 4 || t.is&(aFunction|aOrg|aStreet|aMonth|aHonorific|aCommon|aRole) != 0 || !parts[s.of(t)] {
			continue
		}
		if i+1 < len(s.tokens) && s.tokens[i+1].gap == space && s.tokens[i+1].kind == word && s.tokens[i+1].caps != lower && s.tokens[i+1].is&(aOrg|aStreet) != 0 || s.joined(int(t.start)-1) {
			continue
		}
		s.add(int(t.start), int(t.end), Person, claimName)
	}
}

// announced takes the name that the word at token i announces, and returns the token behind it, or 0.
func (s *scan) announced(i int) int {
	t := s.tokens[i]
	k := i + 1
	at := func(k int) token {
		if k < len(s.tokens) {
			return s.tokens[k]
		}
		return token{kind: mark, gap: blank}
	}
	switch {
	case t.is&aHonorific != 0 && (t.caps != lower || t.is&aFunction != 0) && (t.end-t.start > 1 || t.caps == title && at(k).mark == '.'):
		if at(k).mark == '.' {
			k++
		}
		for at(k).is&aHonorific != 0 && at(k).gap < line && k < i+6 {
			k++
			if at(k).mark == '.' {
				k++
			}
		}
		if at(k).gap == space || at(k).gap == none && at(k-1).mark == '.' && t.caps == title {
			if end := s.name(k, true); end > k {
				return end
			}
		}
		if t.is&(aGreeting|aGiven|aName) == 0 {
			return 0
		}
		fallthrough
	case t.is&aCalled != 0:
		if t.is&aPhone != 0 && t.is&aCalled != 0 && at(k).caps == lower {
			return 0
		}
		for at(k).is&aMe != 0 || at(k).kind == word && s.of(at(k)) == "się" {
			k++
		}
		return s.name(k, at(k).gap < line && at(k).kind == word)
	case t.is&aName != 0:
		// "my name is", "Name: ", "mein Name ist", "What's your name? "
		asked := false
		for k < i+4 && (at(k).is&aFiller != 0 && at(k).caps != upper || at(k).mark == ':' || at(k).mark == '?' || at(k).mark == '\'' || at(k).kind == word && at(k).end-at(k).start == 1 && at(k-1).mark == '\'') && at(k).gap < line {
			asked = true
			k++
		}
		if !asked || at(k).gap == blank {
			return 0
		}
		if at(k).caps == lower {
			// "my name is john smith", in one of the many lower-case chats
			if at(k).kind == word && at(k).is&(aFunction|aOther|aPhone|aCard|aSite) == 0 && at(k).gap == space && at(k-1).is&aFiller != 0 && at(k).is&aGiven != 0 {
				end := k + 1
				for end < k+3 && at(end).kind == word && at(end).gap == space && at(end).is&(aFunction|aPhone|aCard|aOther|aFiller|aSays|aBy) == 0 && (at(end).is&(aGiven|aSurname) != 0 || at(end+1).kind == mark && end == k+1) {
					end++
				}
				s.add(int(at(k).start), int(at(end-1).end), Person, claimName)
				return end
			}
			return 0
		}
		return s.name(k, true)
	case t.is&aGreeting != 0 && t.gap >= none:
		for at(k).is&(aGreeting|aFunction) != 0 && at(k).gap == space && k < i+3 && at(k).is&aGiven == 0 {
			k++
		}
		if at(k).gap != space || at(k).caps == lower {
			return 0
		}
		if end := s.name(k, false); end > 0 {
			return end
		}
		// "Hi Zizi," in a line of its own or before the first sentence
		if e, parts, _ := s.parts(k); parts > 0 && parts < 4 && at(k).is&(aGroup|aFunction|aOther|aOrg|aMonth) == 0 && at(k).caps == title && (at(e).mark == ',' || at(e).mark == '!' && at(e+1).gap >= line) && (t.gap >= line || at(e+1).gap >= line) {
			return s.claimPerson(k, e)
		}
		return 0
	case t.is&aClosing != 0:
		if at(k).mark == ',' || at(k).mark == '!' {
			k++
		}
		if at(k).gap < line || at(k).caps == lower {
			return 0
		}
		end := s.name(k, true)
		if end > 0 && at(end).gap < line {
			return 0
		}
		return end
	case t.is&aRole != 0 && (t.caps == lower || at(k).mark == ':'), t.is&aMe != 0:
		if at(k).mark == ':' {
			k++
		}
		if at(k).gap != space || at(k).caps == lower {
			return 0
		}
		return s.name(k, false)
	}
	return 0
}

// name reads the name that begins at token k and claims it. Announced names may be single words that
// no list has; others need two parts, one of them a listed name. It returns the token behind it, or 0.
func (s *scan) name(k int, announced bool) int {
	end, parts, listed := s.parts(k)
	if parts == 0 || !announced && (listed == 0 && parts < 2 || listed == 0) {
		return 0
	}
	return s.claimPerson(k, end)
}

func (s *scan) claimPerson(k, end int) int {
	if end < len(s.tokens) && s.tokens[end].gap == none && (s.tokens[end].mark == '_' || s.tokens[end].mark == '(') {
		return 0 // a word of a program
	}
	s.add(int(s.tokens[k].start), int(s.tokens[end-1].end), Person, claimName)
	return end
}

// parts goes over the words of a name: capitalised words, initials, particles, hyphens, the
// apostrophe of O'Brien, and what stands behind names, such as Jr.
func (s *scan) parts(k int) (end, parts, listed int) {
	end = k
	for n := k; n < len(s.tokens) && parts < 6; {
		t := s.tokens[n]
		if t.kind != word || n > k && t.gap != space && s.tokens[n-1].mark != '-' && s.tokens[n-1].mark != '\'' && s.tokens[n-1].mark != '.' {
			break
		}
		if n > k && t.gap >= line {
			break
		}
		if t.caps == lower || t.is&aParticle != 0 && n > k && t.caps == lower {
			// von, de la: only between names
			m := n
			for m < len(s.tokens) && m < n+3 && s.tokens[m].kind == word && s.tokens[m].caps == lower && s.tokens[m].is&aParticle != 0 && s.tokens[m].gap == space && s.of(s.tokens[m]) != "and" && s.of(s.tokens[m]) != "und" && s.of(s.tokens[m]) != "of" && s.of(s.tokens[m]) != "the" {
				m++
			}
			if m == n || parts == 0 || m >= len(s.tokens) || s.tokens[m].caps == lower || s.tokens[m].kind != word || s.tokens[m].gap != space {
				break
			}
			n = m
			continue
		}
		initial := t.end-t.start == 1 && parts > 0 && t.caps == title
		if initial {
			// no word has one letter here
		} else if t.is&aFunction != 0 && t.is&(aGiven|aSurname|aParticle) == 0 || t.is&aMonth != 0 && t.is&aGiven == 0 || t.is&(aOrg|aStreet|aHonorific|aUnit) != 0 && t.is&(aGiven|aSurname) == 0 && !(t.caps == title && t.end-t.start <= 3 && parts > 0 && t.is&(aOrg|aUnit) == 0) {
			break
		}
		if !initial && t.is&aFunction != 0 && t.caps == title && parts > 0 && t.is&(aGiven|aSurname|aParticle) == 0 {
			break
		}
		if t.caps == upper && t.end-t.start > 1 && t.is&(aGiven|aSurname|aSuffix) == 0 && parts == 0 {
			if t.end-t.start < 4 {
				break
			}
		}
		if t.end-t.start == 1 && parts == 0 && !(n+1 < len(s.tokens) && (s.tokens[n+1].mark == '.' || s.tokens[n+1].mark == '\'')) {
			break // "I", "A"
		}
		parts++
		if t.is&(aGiven|aSurname) != 0 {
			listed++
		}
		n++
		end = n
		if n >= len(s.tokens) {
			break
		}
		switch m := s.tokens[n]; {
		case m.mark == '.' && m.gap == none && (t.end-t.start == 1 || t.is&aSuffix != 0):
			if n+1 < len(s.tokens) && s.tokens[n+1].kind == word && s.tokens[n+1].caps != lower && s.tokens[n+1].gap < line {
				n++ // an initial
			}
		case m.mark == '-' && m.gap == none && n+1 < len(s.tokens) && s.tokens[n+1].gap == none && s.tokens[n+1].kind == word && s.tokens[n+1].caps != lower:
			n++
		case m.mark == '\'' && m.gap == none && n+1 < len(s.tokens) && s.tokens[n+1].gap == none && s.tokens[n+1].kind == word && s.tokens[n+1].caps != lower && s.tokens[n+1].end-s.tokens[n+1].start > 2:
			n++ // O'Brien
		}
	}
	if end > k && s.tokens[end-1].kind == mark {
		end--
	}
	return end, parts, listed
}

// listedName takes a name that begins with a listed one, and returns the token behind it, or 0.
func (s *scan) listedName(i int) int {
	t := s.tokens[i]
	if i > 0 {
		p := s.tokens[i-1]
		if t.gap == none && p.kind == mark && (p.mark == '.' || p.mark == '-' || p.mark == '/' || p.mark == '@' || p.mark == '_' || p.mark == '#' || p.mark == '\'' && i > 1 && s.tokens[i-2].kind == word && s.tokens[i-2].end == p.start) {
			return 0
		}
		// "Bank of Scotland", "Lake Michael": a capitalised word right before belongs to something else.
		if t.gap == space && p.kind == word && p.caps != lower && p.is&(aOrg|aStreet) != 0 {
			return 0
		}
	}
	if t.is&aMonth != 0 && (i > 0 && s.tokens[i-1].kind == number || i+1 < len(s.tokens) && s.tokens[i+1].kind == number) {
		return 0 // 17 Jan 2027
	}
	end, parts, listed := s.parts(i)
	if parts == 0 {
		return 0
	}
	if end < len(s.tokens) {
		n := s.tokens[end]
		if n.gap == space && n.kind == number && parts > 1 {
			return 0 // a street and its number
		}
		// "Jordan River", "Washington Street", "Madison & Co": not people
		if n.gap == space && n.kind == word && n.caps != lower && n.is&(aOrg|aStreet) != 0 {
			return 0
		}
		if n.mark == '&' || n.gap == none && (n.mark == '_' || n.mark == '@' || n.mark == '(' || n.mark == '=' || n.mark == '.' && end+1 < len(s.tokens) && s.tokens[end+1].gap == none && s.tokens[end+1].kind == word) {
			return 0
		}
	}
	// "Smith, John"
	if parts == 1 && end+1 < len(s.tokens) && s.tokens[end].mark == ',' && s.tokens[end].gap == none && t.is&aSurname != 0 && t.is&aGiven == 0 &&
		s.tokens[end+1].gap == space && s.tokens[end+1].is&aGiven != 0 && s.tokens[end+1].is&aCommon == 0 && s.tokens[end+1].caps == title {
		e, _, _ := s.parts(end + 1)
		return s.claimPerson(i, e)
	}
	if t.is&aGiven == 0 {
		// A family name alone is a person only before what people do, or with an initial.
		if parts >= 2 && listed >= 2 || end < len(s.tokens) && s.tokens[end].is&aSays != 0 && s.tokens[end].caps == lower && parts == 1 && t.is&aFunction == 0 {
			return s.claimPerson(i, end)
		}
		return 0
	}
	if t.is&(aCommon|aFunction) != 0 || t.end-t.start < 3 {
		if parts < 2 || listed < 2 && s.sentenceStart(i) || t.is&aFunction != 0 && listed < 2 {
			return 0
		}
	}
	if t.caps == upper && parts == 1 {
		return 0
	}
	return s.claimPerson(i, end)
}

// shapedName takes a name that no list has, by its shape: an initial or "van" in the middle, or two parts of
// which the last ends as family names do. It returns the token behind it, or 0.
func (s *scan) shapedName(i int) int {
	t := s.tokens[i]
	if t.caps != title || t.is&(aFunction|aOrg|aStreet|aUnit|aMonth|aHonorific|aGreeting) != 0 || t.end-t.start < 2 || s.joined(int(t.start)-1) {
		return 0
	}
	if i > 0 && t.gap == space && s.tokens[i-1].kind == word && s.tokens[i-1].caps != lower && s.tokens[i-1].is&(aOrg|aStreet) != 0 {
		return 0
	}
	end, parts, listed := s.parts(i)
	if parts > 1 && i+1 < end && t.is&(aGiven|aSurname) == 0 && s.tokens[i+1].is&aGiven != 0 && s.tokens[i+1].end-s.tokens[i+1].start > 1 || parts > 1 && t.is&aRole != 0 && t.is&aGiven == 0 {
		return 0 // "Producer James Sparks": the name begins later
	}
	if parts < 2 || parts > 5 || s.tokens[end-1].end-s.tokens[end-1].start < 3 {
		return 0
	}
	if end < len(s.tokens) {
		n := s.tokens[end]
		if n.gap == space && (n.kind == number || n.kind == word && n.caps != lower && n.is&(aOrg|aStreet) != 0) || n.mark == '&' {
			return 0
		}
	}
	initial := false
	for _, m := range s.tokens[i+1 : end-1] {
		if m.kind == word && m.caps == title && m.end-m.start == 1 || s.of(m) == "van" || s.of(m) == "von" {
			initial = true // or the particle of a family
		}
	}
	last := s.tokens[end-1]
	does := end < len(s.tokens) && s.tokens[end].is&aSays != 0 && s.tokens[end].caps == lower && s.tokens[end].gap == space
	whose := end+1 < len(s.tokens) && s.tokens[end].mark == '\'' && s.tokens[end].gap == none && s.of(s.tokens[end+1]) == "s" && s.tokens[end+1].gap == none
	by := i > 0 && t.gap == space && s.tokens[i-1].is&aBy != 0 && s.tokens[i-1].caps == lower ||
		i > 1 && t.gap == space && s.of(s.tokens[i-1]) == "with" && s.tokens[i-2].is&aSays != 0
	if initial || listed > 0 && (s.tokens[end-1].is&aSurname != 0 || does || whose || by) || familyEnding(s.of(last)) || parts == 2 && by && last.caps == title {
		return s.claimPerson(i, end)
	}
	return 0
}

// familyEnding reports whether a word ends as family names of some languages do and ordinary words
// seldom.
func familyEnding(w string) bool {
	if strings.HasSuffix(w, "ić") || strings.HasSuffix(w, "ič") || strings.HasSuffix(w, "ová") {
		return true
	}
	w = fold(w)
	if len(w) < 5 {
		return false
	}
	for _, e := range []string{"ov", "ova", "yev", "yeva", "aev", "aeva", "iev", "ieva", "zhev", "ovic", "evic", "ovich", "evich", "owicz", "ewicz", "ski", "ska", "sky", "czyk", "czak",
		"sson", "dottir", "elsen", "ensen", "ansen", "arsen", "ersen", "nsen", "enko", "chuk", "escu", "oglu", "idis", "akis", "poulos", "poulou", "yan", "adze", "shvili",
		"mann", "meyer", "maier", "bauer", "huber", "elli", "etti", "ucci", "acci", "otti", "ellini", "guez", "ndez", "nchez", "rrez", "quez", "inho", "eira", "inga", "inen", "ainen", "lund", "strom", "qvist", "kvist", "nyi", "szky"} {
		if strings.HasSuffix(w, e) {
			return true
		}
	}
	return false
}

// sentenceStart reports whether a token begins a sentence, where every word has a capital.
func (s *scan) sentenceStart(i int) bool {
	if i == 0 || s.tokens[i].gap >= line {
		return true
	}
	m := s.tokens[i-1]
	return m.kind == mark && (m.mark == '.' || m.mark == '!' || m.mark == '?' || m.mark == ':' || m.mark == '"')
}
