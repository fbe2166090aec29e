package rights

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed words/*.json
var wordFiles embed.FS

// words are the texts of packages in one language, by key.
type words map[string]string

// allWords holds them by language. They are read once; nobody changes them.
var allWords = sync.OnceValue(func() map[string]words { return readWords(wordFiles, "words") })

func readWords(from embed.FS, folder string) map[string]words {
	all := map[string]words{}
	files, err := from.ReadDir(folder)
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, f := range files {
		text, err := from.ReadFile(folder + "/" + f.Name())
		var w words
		if err == nil {
			err = json.Unmarshal(text, &w)
		}
		if err != nil {
			panic(fmt.Errorf("%s: %w", f.Name(), err)) // embedded and tested
		}
		all[strings.TrimSuffix(f.Name(), ".json")] = w
	}
	return all
}

// Languages lists the languages that packages are written in.
func Languages() []string {
	var list []string
	for l := range allWords() {
		list = append(list, l)
	}
	slices.Sort(list)
	return list
}

// wordsOf returns the words of a language such as "de" or "de-AT", and which one it is: English where
// there is none.
func wordsOf(language string) (string, words) {
	main := baseOf(language)
	if w, ok := allWords()[main]; ok {
		return main, w
	}
	return "en", allWords()["en"]
}

// baseOf returns the language of a tag without its region. Norwegian is Bokmål, whichever tag it has.
func baseOf(tag string) string {
	main, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	if main == "no" || main == "nn" {
		return "nb"
	}
	return main
}

// text returns the text of a key, with {0}, {1}, … replaced.
func (w words) text(key string, args ...any) string {
	s, ok := w[key]
	if !ok {
		return key
	}
	for i, a := range args {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%d}", i), fmt.Sprint(a))
	}
	return s
}

// day writes a date as people do.
func (w words) day(t time.Time) string {
	t = t.UTC()
	months := strings.Split(w["months"], " ") // "de gener" has a hard space
	return w.text("date", t.Day(), months[t.Month()-1], t.Year())
}

// moment writes a date with its time, in UTC.
func (w words) moment(t time.Time) string {
	return w.day(t) + ", " + t.UTC().Format("15:04:05") + " UTC"
}

// section returns a section's title and what it is. A section that the words know nothing of, such as
// one of another room, speaks for itself.
func (w words) section(s *Section) (title, about string) {
	title, about = s.Title, s.About
	if t, ok := w["part."+s.File]; ok {
		title = t
	}
	if t, ok := w["part."+s.File+".about"]; ok {
		about = t
	}
	return title, about
}

// say writes a term of a standard in plain words.
func (w words) say(term string) string {
	if said, ok := w["term."+term]; ok {
		return said
	}
	return term
}
