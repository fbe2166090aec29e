package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

const (
	historyHead = `"deployment":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","basis":"legitimate_interest","assessment":"because","source":"0193a6c1-0000-7000-8000-000000000001","outcomes":["purchase"]`
	historyOne  = `{"visitor":" u 1 ","seq":7,"time":"2019-10-01T00:00:00Z","name":"page_viewed","page":"https://shop.example.com/a","attributes":{"price":5}}`
	historyTwo  = `{"visitor":"u2","time":"2019-10-01T00:00:01Z","name":"purchase"}`
)

func TestDecodeHistoryTakesAListOrLines(t *testing.T) {
	for name, body := range map[string]string{
		"a list":                   `{` + historyHead + `,"events":[` + historyOne + `,` + historyTwo + `]}`,
		"lines":                    `{` + historyHead + "}\n" + historyOne + "\n" + historyTwo + "\n",
		"lines with blanks around": `{` + historyHead + "}\r\n\r\n" + historyOne + "\n\n" + historyTwo + "  \n\n",
	} {
		t.Run(name, func(t *testing.T) {
			h, err := DecodeHistory([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			source := uuid.MustParse("0193a6c1-0000-7000-8000-000000000001")
			if h.Basis != "legitimate_interest" || h.Assessment != "because" || h.Source != source || len(h.Outcomes) != 1 || len(h.Events) != 2 {
				t.Fatalf("got %+v", h)
			}
			if h.Events[0].Visitor != "u 1" || h.Events[1].Visitor != "u2" {
				t.Fatalf("got %+v", h.Events)
			}
			equal(t, &h.Events[0].Event, &Event{Seq: 7, Visit: source, Name: "page_viewed", At: time.Date(2019, 10, 1, 0, 0, 0, 0, time.UTC), Origin: FromImport,
				Page: Page{URL: "https://shop.example.com/a"}, Attributes: map[string]Attr{"price": {TypeNumber, "5"}}})
			equal(t, &h.Events[1].Event, &Event{Name: "purchase", At: time.Date(2019, 10, 1, 0, 0, 1, 0, time.UTC), Origin: FromImport})
		})
	}
}

func TestDecodeHistoryNamesTheFieldThatIsWrong(t *testing.T) {
	list := `{` + historyHead + `,"events":[` + historyOne + `,` + historyTwo + `]}`
	lines := `{` + historyHead + "}\n" + historyOne + "\n" + historyTwo
	for _, c := range []struct{ name, body, old, new, field string }{
		{"no deployment", list, `"deployment":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11",`, ``, "deployment"},
		{"no basis", list, `"basis":"legitimate_interest",`, ``, "basis"},
		{"a source that is no UUID", list, `0193a6c1-0000-7000-8000-000000000001`, `x`, "source"},
		{"an outcome with markup", list, `["purchase"]`, `["<p>"]`, "outcomes"},
		{"no events", list, historyOne + `,` + historyTwo, ``, "events"},
		{"no lines", `{` + historyHead + "}\n", "\n", "", "events"},
		{"no visitor", list, `"visitor":"u2",`, ``, "events[1].visitor"},
		{"a visitor of blanks", list, `"u2"`, `"  "`, "events[1].visitor"},
		{"a visitor with a line break", list, `"u2"`, `"u\n2"`, "events[1].visitor"},
		{"a visitor beyond all measure", list, `"u2"`, `"` + strings.Repeat("u", 201) + `"`, "events[1].visitor"},
		{"no time", lines, `"time":"2019-10-01T00:00:01Z",`, ``, "events[1].time"},
		{"no name", lines, `,"name":"purchase"`, ``, "events[1].name"},
		{"a relative page", lines, `https://shop.example.com/a`, `/a`, "events[0].page"},
		{"a line that is a list", lines, historyTwo, `[]`, "events[1]"},
		{"a line that is cut off", lines, historyTwo, `{"visitor":"u2"`, "events[1]"},
		{"a line that is rubbish", lines, historyTwo, `}`, "events[1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(c.body, c.old) {
				t.Fatalf("%q is not in the example", c.old)
			}
			h, err := DecodeHistory([]byte(strings.Replace(c.body, c.old, c.new, 1)))
			f, ok := errors.AsType[*fail.Error](err)
			if !ok || f.Kind != fail.Invalid || f.Field != c.field {
				t.Fatalf("got %+v, %#v", h, err)
			}
		})
	}
}

func TestDecodeHistoryBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		body string
		kind fail.Kind
		ok   bool
	}{
		{"two thousand events are taken", `{` + historyHead + "}\n" + strings.Repeat(historyTwo+"\n", MaxHistoryEvents), 0, true},
		{"one more is not", `{` + historyHead + "}\n" + strings.Repeat(historyTwo+"\n", MaxHistoryEvents+1), fail.Invalid, false},
		{"one large event is not", `{` + historyHead + "}\n" + strings.Replace(historyTwo, "{", `{"x":"`+strings.Repeat("y", MaxEventBytes)+`",`, 1), fail.TooLarge, false},
		{"a large request is not", `{` + historyHead + "}" + strings.Repeat(" ", MaxBatchBytes), fail.TooLarge, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := DecodeHistory([]byte(c.body)); (err == nil) != c.ok || !c.ok && !fail.Is(err, c.kind) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzDecodeHistory(f *testing.F) {
	f.Add([]byte(`{` + historyHead + `,"events":[` + historyOne + `]}`))
	f.Add([]byte(`{` + historyHead + "}\n" + historyOne + "\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := DecodeHistory(body)
		if err != nil {
			if k := fail.KindOf(err); k != fail.Invalid && k != fail.TooLarge {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		for i := range h.Events {
			settled(t, &h.Events[i].Event)
		}
	})
}
