package notice

import (
	"slices"
	"strings"
)

// Statements returns the paragraphs of the notice in which it tells any of the facts (see
// PlaceholderNames), filled in, in the notice's order, in one language. What it says for want of a fact is
// no statement of it and is left out. Where the organisation wrote no text in that language the built-in
// words say the same; in a language that is not built in either there is none.
func (d *Draft) Statements(purposes []Purpose, lang string, facts ...string) []string {
	return d.told(purposes, lang, false, facts)
}

// Part is Statements with everything else that the notice says under the same heading.
func (d *Draft) Part(purposes []Purpose, lang string, fact string) []string {
	return d.told(purposes, lang, true, []string{fact})
}

func (d *Draft) told(purposes []Purpose, lang string, whole bool, facts []string) (out []string) {
	text, lang, ok := d.text(lang)
	if !ok {
		return nil
	}
	// A purpose that has no words in this language is not named in those of another.
	purposes = slices.DeleteFunc(slices.Clone(purposes), func(p Purpose) bool { return p.Texts[lang].Title == "" })
	known := d.Facts.values(text, purposes, lang)
	for _, s := range text.Sections {
		var all []string
		found := false
		for _, p := range s.Paragraphs {
			if p.When != "" && known[p.When] == "" || p.Unless != "" && known[p.Unless] != "" {
				continue
			}
			filled, ok := known.fill(p.Text)
			if !ok {
				continue
			}
			tells := p.Unless == "" && slices.ContainsFunc(facts, func(f string) bool {
				return known[f] != "" && (p.When == f || strings.Contains(p.Text, "{"+f+"}"))
			})
			if found = found || tells; tells || whole {
				all = append(all, filled)
			}
		}
		if found {
			out = append(out, all...)
		}
	}
	return out
}

// text returns the notice's words in a language, or in the same one of a region, or else the built-in
// ones; and the tag under which purposes have theirs.
func (d *Draft) text(lang string) (Text, string, bool) {
	if t, ok := d.Texts[lang]; ok {
		return t, lang, true
	}
	for _, have := range d.Languages() {
		if Base(have) == Base(lang) {
			return d.Texts[have], have, true
		}
	}
	if l := builtin()[Base(lang)]; l != nil {
		return l.Text, Base(lang), true
	}
	return Text{}, "", false
}
