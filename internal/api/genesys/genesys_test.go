package genesys_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/api/genesys"
	"probity/internal/journey"
)

func TestTimesOnTheWire(t *testing.T) {
	for text, want := range map[string]string{
		`"2026-01-02T15:04:05Z"`:        `"2026-01-02T15:04:05.000Z"`,
		`"2026-01-02T15:04:05.123456Z"`: `"2026-01-02T15:04:05.123Z"`,
		`"2026-01-02T15:04:05.000000"`:  `"2026-01-02T15:04:05.000Z"`, // as the Terraform provider sends it
		`"2026-01-02T15:04:05+02:00"`:   `"2026-01-02T13:04:05.000Z"`,
		`""`:                            `null`,
		`null`:                          `null`,
	} {
		var at genesys.Time
		if err := json.Unmarshal([]byte(text), &at); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := json.Marshal(at)
		if err != nil || string(got) != want {
			t.Errorf("%s becomes %s, want %s (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{`"yesterday"`, `7`, `{}`, `"2026-13-01T00:00:00Z"`, `"9999-12-31T23:59:59-01:00"`} {
		var at genesys.Time
		if err := json.Unmarshal([]byte(text), &at); err == nil {
			t.Errorf("%s is read as %v", text, at)
		}
	}
}

var wireTime = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"$`)

func FuzzTime(f *testing.F) {
	for _, seed := range []string{`"2026-01-02T15:04:05Z"`, `null`, `""`, `"0000-01-01T00:00:00Z"`, `"2026-01-02T15:04:05.000000"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var at genesys.Time
		if json.Unmarshal(text, &at) != nil {
			return
		}
		got, err := json.Marshal(at)
		if err != nil || string(got) != "null" && !wireTime.Match(got) {
			t.Fatalf("%q becomes %s, %v", text, got, err)
		}
	})
}

func TestListingURIs(t *testing.T) {
	for _, c := range []struct {
		name                 string
		size, number, total  int
		count                int
		next, previous, last string
	}{
		{"the first of three", 10, 1, 25, 3, "2", "", "3"},
		{"the middle", 10, 2, 25, 3, "3", "1", "3"},
		{"the last", 10, 3, 25, 3, "", "2", "3"},
		{"beyond the end", 10, 9, 25, 3, "", "8", "3"},
		{"nothing at all", 10, 1, 0, 0, "", "", "1"},
		{"exactly full", 10, 1, 10, 1, "", "", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := genesys.NewListing[string](nil, "/things", url.Values{"sortBy": {"name"}}, c.size, c.number, c.total)
			if p.Entities == nil || p.PageCount != c.count {
				t.Errorf("got %+v", p)
			}
			for what, uri := range map[string][2]string{"next": {p.NextURI, c.next}, "previous": {p.PreviousURI, c.previous}, "last": {p.LastURI, c.last}} {
				if uri[1] == "" {
					if uri[0] != "" {
						t.Errorf("%s is %s", what, uri[0])
					}
					continue
				}
				u, err := url.Parse(uri[0])
				if err != nil || u.Path != "/things" || u.Query().Get("pageNumber") != uri[1] || u.Query().Get("sortBy") != "name" {
					t.Errorf("%s is %s", what, uri[0])
				}
			}
		})
	}
}

// What a client creates must come back as it was sent, or Terraform plans a change for ever.
func TestConfigurationSurvivesTheWire(t *testing.T) {
	texts := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,8}`), 1, 3)
	id := rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	}).Filter(func(u uuid.UUID) bool { return u != uuid.Nil })
	operator := rapid.SampledFrom([]journey.Operator{journey.Equal, "containsAny", "startsWith"})
	share := rapid.Float64Range(0, 1)
	maybe := rapid.Custom(func(t *rapid.T) *float64 {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		v := share.Draw(t, "share")
		return &v
	})
	criterion := rapid.Custom(func(t *rapid.T) journey.Criterion {
		return journey.Criterion{Key: "eventName", Operator: operator.Draw(t, "operator"), Values: texts.Draw(t, "values"), IgnoreCase: rapid.Bool().Draw(t, "case")}
	})
	criteria := rapid.SliceOfN(criterion, 1, 3)

	t.Run("outcomes", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			want := journey.Outcome{
				Active: rapid.Bool().Draw(t, "active"), Positive: rapid.Bool().Draw(t, "positive"), Name: "O",
				Context: []journey.ContextPattern{{Criteria: criteria.Draw(t, "context")}},
				Journey: []journey.JourneyPattern{{Criteria: criteria.Draw(t, "journey"), Count: 2, Stream: "Web", SessionType: "web", EventName: "x"}},
				Value:   &journey.ValueField{Name: "price", Type: "Number"},
			}
			wire := genesys.NewOutcome(&want)
			got, err := (*genesys.Outcome).To(through(t, &wire))
			if err != nil {
				t.Fatal(err)
			}
			same(t, want, got)
		})
	})
	t.Run("action maps", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			start := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "start")).UTC()
			want := journey.ActionMap{
				Active: rapid.Bool().Draw(t, "active"), Name: "M", Weight: rapid.IntRange(1, 3).Draw(t, "weight"),
				Segments:      rapid.SliceOfN(id, 1, 3).Draw(t, "segments"),
				Events:        []journey.EventCondition{{Criterion: journey.Criterion{Key: "eventName", Operator: operator.Draw(t, "operator"), Values: texts.Draw(t, "values")}, Stream: "Web", SessionType: "web"}},
				Probabilities: []journey.ProbabilityCondition{{Outcome: id.Draw(t, "outcome"), Reached: share.Draw(t, "reached"), Below: maybe.Draw(t, "below")}},
				Quantiles:     []journey.QuantileCondition{{Outcome: id.Draw(t, "outcome"), Above: share.Draw(t, "above"), Below: maybe.Draw(t, "below")}},
				Pages:         []journey.PageCondition{{Operator: operator.Draw(t, "operator"), Values: texts.Draw(t, "pages")}},
				Activation:    journey.Activation{Type: journey.ActivateDelay, Delay: rapid.IntRange(0, 100).Draw(t, "delay")},
				Action:        journey.Action{Media: journey.MediaContent, Template: id.Draw(t, "template"), Target: "desk", Pacing: rapid.Bool().Draw(t, "pacing"), Extra: []byte(`{"openActionFields":{"a":1}}`)},
				Start:         &start, IgnoreFrequencyCap: rapid.Bool().Draw(t, "cap"),
			}
			wire := genesys.NewActionMap(&want)
			got, err := (*genesys.ActionMap).To(through(t, &wire))
			if err != nil {
				t.Fatal(err)
			}
			same(t, want, got)
		})
	})
}

// through sends a shape over the wire.
func through[W any](t *rapid.T, w *W) *W {
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var out W
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func same(t *rapid.T, want, got any) {
	if !reflect.DeepEqual(want, got) {
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		t.Fatalf("sent     %s\ncame back %s", a, b)
	}
}
