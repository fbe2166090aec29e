package notice

import (
	"slices"
	"strings"
	"testing"
)

func TestANoticeTellsItsFactsInEveryLanguage(t *testing.T) {
	d := Draft{Texts: DefaultTexts(), Facts: Facts{
		Controller: "Fernhill Ltd", Contact: "privacy@fernhill.example", DPO: "Dr. Vale", Transfers: []string{"Japan (adequacy decision)"}, RetentionMonths: 13,
	}}
	for _, lang := range Languages() {
		said := d.Statements(DefaultPurposes(), lang, "contact", "dpo", "transfers", "retention_months", "authority")
		if len(said) != 4 {
			t.Errorf("%s tells %d facts: %q", lang, len(said), said)
			continue
		}
		for i, want := range []string{"privacy@fernhill.example", "Dr. Vale", "Japan (adequacy decision)", "13"} {
			if !strings.Contains(said[i], want) || strings.ContainsAny(said[i], "{}") {
				t.Errorf("%s says %q, want %q in it", lang, said[i], want)
			}
		}
		title := builtin()[lang].Purposes[Predict].Title
		if logic := d.Part(DefaultPurposes(), lang, "profiling"); len(logic) < 2 || !strings.Contains(logic[0], title) {
			t.Errorf("%s tells of profiling %q", lang, logic)
		}
	}
}

func TestWhatANoticeSaysForWantOfAFactIsNoStatement(t *testing.T) {
	d := Draft{Texts: DefaultTexts()}
	if said := d.Statements(DefaultPurposes(), "en", PlaceholderNames()[1:len(PlaceholderNames())-1]...); len(said) != 0 {
		t.Errorf("of no facts it tells %q", said)
	}
}

func TestTheWordsAreTheOrganisationsWhereItHasWrittenAny(t *testing.T) {
	d := Draft{Facts: Facts{Authority: "Harbour Authority"}, Texts: map[string]Text{
		"pt-BR": {Sections: []Section{{Heading: "Reclamar", Paragraphs: []Paragraph{{Text: "Antes."}, {Text: "Fale com {authority}."}}}}},
	}}
	purposes := []Purpose{{ID: "own", Profiling: true, Texts: map[string]PurposeText{"pt-BR": {Title: "Perfil"}}}}
	for lang, want := range map[string][]string{
		"pt":  {"Fale com Harbour Authority."},
		"en":  {"You can complain to a data protection authority. For the controller this is: Harbour Authority."},
		"tlh": nil,
	} {
		if got := d.Statements(purposes, lang, "authority"); !slices.Equal(got, want) {
			t.Errorf("%s: %q", lang, got)
		}
	}
	if got := d.Part(purposes, "pt", "authority"); len(got) != 2 {
		t.Errorf("the whole part is %q", got)
	}
	if got := d.Part(purposes, "de", "profiling"); got != nil {
		t.Errorf("a purpose without German words is told of in German: %q", got)
	}
}
