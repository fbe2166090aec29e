package privacy

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

//go:embed words/*.json
var wordFiles embed.FS

// words are all texts of one language by key. A missing key is a fault of the build: a test compares
// the languages and the templates.
type words map[string]string

func loadWords() map[string]words {
	all := map[string]words{}
	files, err := wordFiles.ReadDir("words")
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, f := range files {
		data, err := wordFiles.ReadFile("words/" + f.Name())
		var w words
		if err == nil {
			err = json.Unmarshal(data, &w)
		}
		if err != nil {
			panic(fmt.Errorf("%s: %w", f.Name(), err)) // embedded and tested
		}
		all[strings.TrimSuffix(f.Name(), path.Ext(f.Name()))] = w
	}
	return all
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

// date writes a moment as people do, in UTC.
func (w words) date(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	months := strings.Split(w["months"], " ")
	return w.text("date", t.Day(), months[t.Month()-1], t.Year())
}

// lastDay writes the day up to which something is due, from the moment after which it is late.
func (w words) lastDay(due time.Time) string { return w.date(due.Add(-time.Second)) }
