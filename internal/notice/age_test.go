package notice_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"probity/internal/notice"
)

func TestF8_TheQuestionForAnAgeIsInEveryLanguageAndLeadsToNoAnswer(t *testing.T) {
	english := (&notice.Notice{Language: "en"}).Age()
	for _, lang := range notice.Languages() {
		labels, _ := notice.DefaultLabels(lang)
		n := notice.Notice{Language: lang, Labels: labels}
		words := n.Age()
		if words.Language != lang {
			t.Errorf("%s: the words are in %q", lang, words.Language)
		}
		v := reflect.ValueOf(words)
		for i := range v.NumField() {
			name, text := v.Type().Field(i).Name, v.Field(i).String()
			switch {
			case strings.TrimSpace(text) == "":
				t.Errorf("%s: %s is missing", lang, name)
			case strings.ContainsAny(text, "{}"):
				t.Errorf("%s: a placeholder is left in %s: %q", lang, name, text)
			case lang != "en" && len(text) > 12 && text == reflect.ValueOf(english).Field(i).String():
				t.Errorf("%s: %s is English: %q", lang, name, text)
			}
			for sentence := range strings.SplitSeq(text, ". ") {
				if n := len(strings.Fields(sentence)); n > 20 {
					t.Errorf("%s: a sentence of %d words: %q", lang, n, sentence)
				}
			}
		}
		if !strings.Contains(words.Sent, labels.Manage) {
			t.Errorf("%s: how it goes on does not name %q: %q", lang, labels.Manage, words.Sent)
		}
		if asked := words.Title + words.Why; strings.ContainsAny(asked, "0123456789") {
			t.Errorf("%s: the question names a threshold: %q", lang, asked)
		}
		for _, bound := range []struct{ text, age string }{{words.Under, "12"}, {words.Over, "16"}} {
			if !strings.Contains(bound.text, bound.age) {
				t.Errorf("%s: %q does not say %s", lang, bound.text, bound.age)
			}
		}
	}
}

func TestAgeWordsOfALanguageThatIsNotBuiltInAreEnglishAndSaySo(t *testing.T) {
	n := notice.Notice{Language: "he", Labels: notice.Labels{Manage: "בחירות פרטיות"}}
	words := n.Age()
	if slices.Contains(notice.Languages(), "he") || words.Language != "en" || !strings.Contains(words.Sent, "“בחירות פרטיות”") {
		t.Errorf("got %+v", words)
	}
}
