package privacy

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryLanguageSaysTheSame(t *testing.T) {
	all := loadWords()
	want := slices.Sorted(maps.Keys(all["en"]))
	place := regexp.MustCompile(`\{\d\}`)
	for lang, w := range all {
		if got := slices.Sorted(maps.Keys(w)); !slices.Equal(got, want) {
			t.Errorf("%s and en have different keys", lang)
		}
		for key, text := range w {
			got, want := place.FindAllString(text, -1), place.FindAllString(all["en"][key], -1)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s fills in %v, en %v", lang, key, got, want)
			}
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", lang, key)
			}
		}
	}
}

func TestTemplatesUseNoUnknownWord(t *testing.T) {
	known := loadWords()["en"]
	use := regexp.MustCompile(`\bt "([a-z.]+)"`)
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("templates: %v %v", files, err)
	}
	for _, f := range files {
		data, err := templateFiles.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range use.FindAllStringSubmatch(string(data), -1) {
			if _, ok := known[m[1]]; !ok {
				t.Errorf("%s uses %q, which no language has", f, m[1])
			}
		}
	}
}

func TestDatesAreWrittenAsPeopleDo(t *testing.T) {
	at := time.Date(2026, 3, 5, 23, 30, 0, 0, time.UTC)
	for lang, want := range map[string]string{
		"en": "5 March 2026", "de": "5. März 2026", "fr": "5 mars 2026", "es": "5 de marzo de 2026", "pl": "5 marca 2026",
		"fi": "5. maaliskuuta 2026", "ca": "5 de\u00a0març de 2026", "nb": "5. mars 2026",
	} {
		if got := loadWords()[lang].date(at); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}

func TestHeldDataIsShownWhole(t *testing.T) {
	n, err := treeOf(map[string]any{"pageViews": 3, "empty": nil, "list": []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Fields) != 2 || n.Fields[0].Name != "list" || n.Fields[1].Name != "page views" || n.Fields[1].Node.Text != "3" {
		t.Errorf("got %+v", n.Fields)
	}
	long := make([]int, shown+7)
	if n, err = treeOf(long); err != nil || len(n.Items) != shown || n.More != 7 {
		t.Errorf("a long list shows %d items and says %d more (%v)", len(n.Items), n.More, err)
	}
}
