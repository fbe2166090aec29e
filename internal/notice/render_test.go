package notice_test

import (
	"encoding/json"
	"strings"
	"testing"

	"probity/internal/notice"
)

func TestFactsDecideWhatTheNoticeSays(t *testing.T) {
	bare := notice.Draft{Texts: notice.DefaultTexts()}
	full := bare
	full.Facts = notice.Facts{
		Controller: "Example Shop Ltd", Address: "1 High Street, Dublin", Contact: "privacy@shop.example", DPO: "dpo@shop.example",
		Processors: []string{"Host One", "Host Two"}, Recipients: []string{"Ad Co"}, Transfers: []string{"Japan (adequacy decision)"},
		RetentionMonths: 14, ProofYears: 3, Authority: "Data Protection Commission",
	}
	for _, lang := range notice.Languages() {
		_, without, err := notice.Render(notice.DefaultPurposes(), bare, 1, lang)
		if err != nil {
			t.Fatal(err)
		}
		n, with, err := notice.Render(notice.DefaultPurposes(), full, 1, lang)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(without)+n.Intro, "{}") && strings.Contains(string(without), "{controller}") {
			t.Errorf("%s: a placeholder is left in the notice", lang)
		}
		for _, want := range []string{"Example Shop Ltd", "1 High Street, Dublin", "privacy@shop.example", "dpo@shop.example",
			"Host One; Host Two", "Ad Co", "Japan (adequacy decision)", "14", "Data Protection Commission"} {
			if !strings.Contains(string(with), want) {
				t.Errorf("%s: the notice does not name %q", lang, want)
			}
			if strings.Contains(string(without), want) && want != "14" {
				t.Errorf("%s: the notice without facts names %q", lang, want)
			}
		}
	}
}

func TestWithoutProfilingTheSectionAboutItIsLeftOut(t *testing.T) {
	d := notice.Draft{Texts: notice.DefaultTexts()}
	var purposes []notice.Purpose
	for _, p := range notice.DefaultPurposes() {
		if !p.Profiling {
			purposes = append(purposes, p)
		}
	}
	_, page, err := notice.Render(purposes, d, 1, "en")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "statistical model") {
		t.Error("the notice describes profiling that nobody does")
	}
}

func TestAParagraphIsReadFromATextOrAnObject(t *testing.T) {
	const in = `["plain",{"text":"a {dpo}","when":"dpo"},{"text":"none","unless":"dpo"}]`
	var list []notice.Paragraph
	if err := json.Unmarshal([]byte(in), &list); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(list)
	if err != nil || string(out) != in {
		t.Errorf("it is written as %s, %v", out, err)
	}
}
