package notice

import "strings"

// Write returns a section as people edit it: the heading, then a line for each paragraph. One that
// depends on a fact begins with "[dpo]", one that stands in its place with "[no dpo]".
func (s Section) Write() string {
	var b strings.Builder
	b.WriteString(s.Heading)
	for _, p := range s.Paragraphs {
		b.WriteByte('\n')
		switch {
		case p.When != "":
			b.WriteString("[" + p.When + "] ")
		case p.Unless != "":
			b.WriteString("[no " + p.Unless + "] ")
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

// ParseSection reads what Write wrote. Empty lines are left out.
func ParseSection(text string) Section {
	var s Section
	first := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case first:
			s.Heading, first = line, false
		default:
			s.Paragraphs = append(s.Paragraphs, parseParagraph(line))
		}
	}
	return s
}

func parseParagraph(line string) Paragraph {
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if fact, text, ok := strings.Cut(rest, "]"); ok {
			if name, ok := strings.CutPrefix(fact, "no "); ok {
				return Paragraph{Text: strings.TrimSpace(text), Unless: strings.TrimSpace(name)}
			}
			return Paragraph{Text: strings.TrimSpace(text), When: strings.TrimSpace(fact)}
		}
	}
	return Paragraph{Text: line}
}
