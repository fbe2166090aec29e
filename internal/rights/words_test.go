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
	if n := len(Languages()); n != 26 {
		t.Errorf("packages are written in %d languages, the privacy centre in 26", n)
	}
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
		if n := len(strings.Split(w["months"], " ")); n != 12 {
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

func TestEveryLanguageHasEveryLetter(t *testing.T) {
	en, place := letterWords()["en"], regexp.MustCompile(`\{\d\}`)
	for l, w := range letterWords() {
		if _, known := allWords()[l]; !known {
			t.Errorf("%s has letters and no dates", l)
		}
		if len(w) != len(en) {
			t.Errorf("%s has %d texts, en has %d", l, len(w), len(en))
		}
		for key, text := range en {
			if strings.TrimSpace(w[key]) == "" {
				t.Errorf("%s lacks %s", l, key)
			}
			want, got := place.FindAllString(text, -1), place.FindAllString(w[key], -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s: %s has the places %v, want %v", l, key, got, want)
			}
		}
	}
	if len(letterWords()) < 8 {
		t.Errorf("there are letters in %d languages", len(letterWords()))
	}
	// Every move that people are told of has its words.
	q := &Request{Language: "de-AT", ReceivedAt: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), DueAt: time.Date(2027, 2, 23, 0, 0, 0, 0, time.UTC)}
	for _, m := range []Move{MoveAsk, MoveRemind, MoveExtend, MoveRefuse, MoveLapse, MoveFee, MoveAnnounce, MoveDecide} {
		if !tells(m) {
			t.Errorf("nobody is told of %s", m)
		}
		n := noticeOf(q, &Act{Do: m, Reason: "Weil es so ist.", Outcome: OutcomeUpheld, Complaint: "Die Behörde.", Remedy: "Das Gericht."}, "Shop")
		for _, part := range []string{"22. November 2026", "Weil es so ist.", "beschweren: Die Behörde.", "Gericht gehen: Das Gericht.", "Shop"} {
			if !strings.Contains(n.text, part) {
				t.Errorf("the letter about %s lacks %q: %s", m, part, n.text)
			}
		}
		if n.subject == "" || strings.Contains(n.subject, ".") || n.language != "de" {
			t.Errorf("the letter about %s has the subject %q in %q", m, n.subject, n.language)
		}
	}
	if tag, w, _ := lettersIn("tlh"); tag != "en" || w["code.subject"] != "Your code" {
		t.Errorf("an unknown language is written in %s", tag)
	}
}
