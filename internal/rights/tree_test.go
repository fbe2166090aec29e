package rights

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTree(t *testing.T) {
	for _, c := range []struct {
		name, json, kind string
	}{
		{"null", `null`, "empty"},
		{"an empty text", `""`, "empty"},
		{"an empty list", `[]`, "empty"},
		{"nothing but nothing", `{"a":null,"b":[],"c":{"d":""}}`, "empty"},
		{"a text", `"x"`, "text"},
		{"a number", `1.50`, "text"},
		{"false is something", `false`, "text"},
		{"one item is no table", `[{"a":1}]`, "list"},
		{"alike and flat items", `[{"a":1},{"a":2,"b":3}]`, "table"},
		{"items with depth", `[{"a":1},{"a":{"b":2}}]`, "list"},
		{"items with too many parts", `[{"a":1,"b":1,"c":1,"d":1},{"e":1,"f":1,"g":1}]`, "list"},
		{"a list of texts", `["a","b"]`, "list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readTree([]byte(c.json), allWords()["en"], nil, nil)
			if err != nil || got.Kind != c.kind {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestTreeKeepsTheOrderAndSpeaksPlainly(t *testing.T) {
	got, err := readTree([]byte(`{"z_first":"ConsentGiven","a_second":"2026-11-22T02:45:21.855Z","yes":true,"number":12345678901234567890}`), allWords()["en"], nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range got.Fields {
		out = append(out, f.Name+"="+f.Tree.Text)
	}
	want := "z first=you agreed|a second=22 November 2026, 02:45:21|yes=yes|number=12345678901234567890"
	if s := strings.Join(out, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestLongListsAreCutOnThePageOnly(t *testing.T) {
	text, err := json.Marshal(make([]int, maxShown+7))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTree(text, allWords()["en"], labelsOf("en"), nil)
	if err != nil || len(got.Items) != maxShown || got.More != 7 {
		t.Errorf("%d items and %d more, %v", len(got.Items), got.More, err)
	}
}

func FuzzTree(f *testing.F) {
	for _, seed := range []string{`null`, `[{"a":1},{"b":[1,2,{}]}]`, `{"a":{"b":"2026-11-22T02:45:21.855Z"}}`, `[[[]]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		if _, err := readTree(text, allWords()["en"], labelsOf("en"), nil); err != nil {
			t.Fatalf("valid JSON can't be shown: %v", err)
		}
	})
}
