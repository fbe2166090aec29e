package rights

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every language says everything that English says, with the same places for values, and nothing else.
func TestEveryLanguageHasTheWordsOfPackages(t *testing.T) {
	en, place := allWords()["en"], regexp.MustCompile(`\{\d\}`)
	same := map[string]int{}
	for l, w := range allWords() {
		if got, want := slices.Sorted(maps.Keys(w)), slices.Sorted(maps.Keys(en)); !slices.Equal(got, want) {
			t.Errorf("%s has the keys %v, English has %v", l, got, want)
		}
		for key, text := range w {
			if strings.TrimSpace(text) == "" || !slices.Equal(slices.Sorted(slices.Values(place.FindAllString(text, -1))), slices.Sorted(slices.Values(place.FindAllString(en[key], -1)))) {
				t.Errorf("%s: %s is %q", l, key, text)
			}
			if text == en[key] && l != "en" && len(strings.Fields(text)) > 2 {
				same[l]++
			}
		}
		if n := len(strings.Fields(w["months"])); n != 12 {
			t.Errorf("%s has %d months", l, n)
		}
	}
	for l, n := range same {
		if n > 1 {
			t.Errorf("%s says %d sentences in English", l, n)
		}
	}
	if l, w := wordsOf("de-AT"); l != "de" || w.day(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) != "22. November 2026" {
		t.Errorf("de-AT is %s, %s", l, w.day(time.Now()))
	}
	if l, _ := wordsOf("tlh"); l != "en" {
		t.Errorf("an unknown language becomes %s", l)
	}
}
