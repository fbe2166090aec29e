package notice_test

import (
	"slices"
	"strings"
	"testing"

	"probity/internal/notice"
)

func TestTheDefaultTextsPassTheLint(t *testing.T) {
	for _, f := range notice.Lint(notice.DefaultPurposes(), notice.Draft{Texts: notice.DefaultTexts()}) {
		t.Errorf("%s: %s", f.Field, f.Message)
	}
}

func TestB21ToB26_TheLintNamesWhatMakesConsentDoubtful(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(p []notice.Purpose, text *notice.Text)
	}{
		{"B21: a description that is too long", "purposes.measure.en", func(p []notice.Purpose, _ *notice.Text) {
			p[0].Texts["en"] = notice.PurposeText{Title: "Measure", Description: strings.Repeat("word ", 33)}
		}},
		{"B21: a controller that is not named", "texts.en.intro", func(_ []notice.Purpose, text *notice.Text) { text.Intro = "We ask for your consent." }},
		{"B22: withdrawal that is not explained", "texts.en.withdraw_hint", func(_ []notice.Purpose, text *notice.Text) { text.WithdrawHint = " " }},
		{"B23: a purpose without a text", "purposes.predict.en", func(p []notice.Purpose, _ *notice.Text) { delete(p[3].Texts, "en") }},
		{"B23: a missing label", "texts.en.labels.save", func(_ []notice.Purpose, text *notice.Text) { text.Labels.Save = "" }},
		{"B24: profiling that is not called so", "purposes.predict.en", func(p []notice.Purpose, _ *notice.Text) {
			p[3].Texts["en"] = notice.PurposeText{Title: "Smart help", Description: "We find out what you need."}
		}},
		{"B24: a vague phrase", "texts.en", func(_ []notice.Purpose, text *notice.Text) {
			text.Intro = "{controller} wants to improve your experience."
		}},
		{"B25: endless sentences", "texts.en", func(_ []notice.Purpose, text *notice.Text) {
			text.Sections = []notice.Section{{Heading: "Terms", Paragraphs: []notice.Paragraph{{Text: strings.Repeat("notwithstanding ", 2000) + "."}}}}
		}},
		{"B26: a refusal that steers", "texts.en.labels.reject", func(_ []notice.Purpose, text *notice.Text) { text.Labels.Reject = "No, I like slow sites" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			purposes, texts := notice.DefaultPurposes(), notice.DefaultTexts()
			text := texts["en"]
			c.change(purposes, &text)
			texts["en"] = text
			faults := notice.Lint(purposes, notice.Draft{Texts: texts})
			if !slices.ContainsFunc(faults, func(f notice.Fault) bool { return f.Field == c.field }) {
				t.Errorf("got %+v", faults)
			}
		})
	}
}
