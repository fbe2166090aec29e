package rights

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"probity/internal/predict"
)

func TestEveryPartOfOurRecordsHasALabel(t *testing.T) {
	en := allLabels()["en"]
	for _, language := range []string{"en", "de", "fr", "es", "it", "nl", "pl", "pt"} {
		l := allLabels()[language]
		if got, want := slices.Sorted(maps.Keys(l)), slices.Sorted(maps.Keys(en)); !slices.Equal(got, want) {
			t.Errorf("%s has labels for %v, English for %v", language, got, want)
		}
		for raw, label := range l {
			if strings.TrimSpace(label) == "" || strings.Contains(label, "_") {
				t.Errorf("%s: %s is called %q", language, raw, label)
			}
		}
	}
	for language := range allLabels() {
		if _, ok := allWords()[language]; !ok {
			t.Errorf("there are labels in %s, and no words", language)
		}
	}
	for _, record := range []any{choiceView{}, traitView{}, visitView{}, markView{}, scoreView{}, eventView{}, offerView{}, predict.Record{}} {
		for f := range reflect.TypeOf(record).Fields() {
			raw, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if _, ok := en[raw]; !ok {
				t.Errorf("%T: %s has no label", record, raw)
			}
		}
	}
}

func TestLabelsStandBesideTheNamesAndOnlyWhereTheyAreOurs(t *testing.T) {
	got, err := readTree([]byte(`[{"first_page": "a", "attributes": {"status": "b"}, "order_no": "c"}, {"status": "d", "subject": "e", "device": "f"}]`), allWords()["de"], labelsOf("de"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range got.Items {
		for _, f := range item.Fields {
			names = append(names, f.Name+"/"+f.Raw)
			for _, inner := range f.Tree.Fields {
				names = append(names, inner.Name+"/"+inner.Raw)
			}
		}
	}
	if want := []string{"Erste Seite/first_page", "Einzelheiten/attributes", "status/", "order no/", "Stand/status", "Gerät/subject", "Gerät/device"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	// Two parts of one label are two columns.
	got, err = readTree([]byte(`[{"subject": "e", "device": "f"}, {"device": "g"}]`), allWords()["de"], labelsOf("de"), nil)
	if err != nil || len(got.Head) != 2 || !slices.Equal(got.Rows[1], []string{"", "g"}) {
		t.Errorf("the table is %+v, %v", got, err)
	}
}

func TestPurposesAreCalledByTheirTitles(t *testing.T) {
	got, err := readTree([]byte(`{"purpose": "sales", "what": "sales", "purposes": {"sales": "ConsentGiven", "own": "x"}, "attributes": {"purpose": "sales"}}`),
		allWords()["de"], labelsOf("de"), labels{"sales": "Beratung"})
	if err != nil {
		t.Fatal(err)
	}
	f := got.Fields
	if f[0].Tree.Text != "Beratung (sales)" || f[1].Tree.Text != "sales" || f[3].Tree.Fields[0].Tree.Text != "sales" {
		t.Errorf("the texts are %q, %q, %q", f[0].Tree.Text, f[1].Tree.Text, f[3].Tree.Fields[0].Tree.Text)
	}
	if in := f[2].Tree.Fields; in[0].named != (named{"Beratung", "sales"}) || in[1].named != (named{"own", ""}) {
		t.Errorf("the purposes are %+v", in)
	}
}
