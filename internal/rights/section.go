package rights

// In returns what a section is, in a sentence, in a language such as "de"; empty where packages are not
// written in that language.
func (s *Section) In(language string) string {
	found, w := wordsOf(language)
	if found != language {
		return ""
	}
	_, about := w.section(s)
	return about
}
