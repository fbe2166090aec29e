package verify

import "strings"

// noticeMediaType is that of every notice.
const noticeMediaType = "text/html; charset=utf-8"

// textAt returns the text at a path of member names, empty if there is none.
func textAt(v *value, path ...string) string {
	for _, name := range path {
		if v == nil || v.kind != kindObject {
			return ""
		}
		v = v.get(name)
	}
	if v == nil || v.kind != kindString {
		return ""
	}
	return v.text
}

// citedNotice returns digest and language of the text that an entry cites: what a person was shown,
// or what was published.
func citedNotice(kind string, entry *value) (digest, language string) {
	if kind == "notice.published" {
		return textAt(entry, "text_sha256"), textAt(entry, "language")
	}
	return textAt(entry, "notice", "text_sha256"), textAt(entry, "notice", "language")
}

// asserted tells whether an entry says what the operator says that somebody chose elsewhere, and not
// what was recorded when it was chosen.
func asserted(kind string, entry *value) bool {
	return kind == "consent.imported" || strings.HasPrefix(kind, "consent.") && textAt(entry, "proof_level") == "assertion"
}

// person keeps what is needed to see whether the entries about people hang together.
type person struct {
	kind, id, subject, prev, served, nonce string
	index                                  int64
}

// chain sees to it that each person's entries follow each other as they say themselves: an entry
// names the one before it, and the notice that was served before. One that is left out between two
// others is found; what came before the first or after the last can't be told from this file.
func (c *checker) chain() error {
	byID := map[string]person{}
	newest := map[string]person{} // by subject
	earlier, unserved := false, false
	for _, p := range c.people {
		byID[p.id] = p
	}
	for _, p := range c.people {
		if p.kind == "notice.served" {
			continue
		}
		if p.served != "" {
			s, ok := byID[p.served]
			switch {
			case !ok:
				unserved = true
			case s.kind != "notice.served" || s.index >= p.index || s.nonce != p.nonce:
				return fault(BadOrder, "entry %d cites a notice served that does not precede it", p.index)
			default:
				c.report.verified("The notice of entry %d was served before: entry %d says when.", p.index, s.index)
			}
		}
		if p.subject == "" {
			continue
		}
		if last, ok := newest[p.subject]; ok && last.index < p.index && last.id != p.prev {
			return fault(Incomplete, "entry %d follows an entry of the same person that is not enclosed; the one before it here is %d", p.index, last.index)
		} else if !ok && p.prev != "" {
			earlier = true
		}
		newest[p.subject] = p
	}
	if earlier {
		c.report.unverified("What this person chose earlier: an entry names one before it that is not enclosed.")
	}
	if unserved {
		c.report.unverified("When the notice was served: the entry that says so is not enclosed.")
	}
	return nil
}
