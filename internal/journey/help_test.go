package journey

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	device  = id.Subject{1, 2, 3}
	visit1  = uuid.UUID{15: 1}
	bought  = uuid.UUID{0: 0xB0}
	signed  = uuid.UUID{0: 0x51}
	loyal   = uuid.UUID{0: 0x10}
	offerA  = uuid.UUID{0: 0xA0}
	offerB  = uuid.UUID{0: 0xA1}
	content = uuid.UUID{0: 0xC0}
)

// at returns an event that happened so many minutes after noon.
func at(minutes float64, name string, change ...func(*event.Event)) *event.Event {
	t := noon.Add(time.Duration(minutes * float64(time.Minute)))
	ev := &event.Event{
		ID: uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%v %s", minutes, name)), Name: name, At: t, Received: t,
		Page: event.Page{
			URL: "https://shop.example/p/" + name, Title: "Page of " + name, Host: "shop.example",
			Domain: "example", Path: "/p/" + name, Lang: "en",
		},
		Device:  event.Device{Category: "desktop", Type: "Computer", OSFamily: "Linux", ScreenWidth: 1920, ScreenHeight: 1080},
		Browser: event.Browser{Family: "Chrome", Version: "142", Lang: "en-US"},
		Purpose: "measure",
		Ground:  event.Ground{Basis: "consent", Ledger: 7},
	}
	for _, c := range change {
		c(ev)
	}
	return ev
}

func view(minutes float64) *event.Event { return at(minutes, event.PageViewed) }

func numbered(seq uint32) func(*event.Event) {
	return func(ev *event.Event) { ev.Visit, ev.Seq = visit1, seq }
}

func attribute(name, value string) func(*event.Event) {
	return func(ev *event.Event) {
		if ev.Attributes == nil {
			ev.Attributes = map[string]event.Attr{}
		}
		ev.Attributes[name] = event.Attr{Type: event.TypeString, Value: value}
	}
}

func page(url string) func(*event.Event) {
	return func(ev *event.Event) { ev.Page = event.Page{URL: url, Path: "/x", Host: "shop.example"} }
}

// tally counts events; it stands for what predictions count, and is one: the probability of a
// purchase is the share of ten events that have happened.
type tally struct{ n uint64 }

func (f *tally) Observe(*event.Event) { f.n++ }
func (f *tally) MarshalBinary() ([]byte, error) {
	return binary.AppendUvarint(nil, f.n), nil
}

func (f *tally) UnmarshalBinary(b []byte) error {
	n, w := binary.Uvarint(b)
	if w <= 0 {
		return fmt.Errorf("no tally")
	}
	f.n = n
	return nil
}

// world allows the purposes that are listed and scores with tallies.
func world(purposes ...string) Env {
	return Env{
		Allow: func(purpose string) bool {
			for _, p := range purposes {
				if p == purpose {
					return true
				}
			}
			return false
		},
		Features: func(int) Features { return &tally{} },
		Score: func(outcome uuid.UUID, f Features) (Score, bool) {
			if outcome != bought {
				return Score{}, false
			}
			p := float64(f.(*tally).n) / 10
			return Score{Probability: p, Shown: true, BaseRate: 0.1, Low: 0.05, High: 0.15, Stage: 1, Quantile: p / 2}, true
		},
	}
}

func everything() Env { return world(PurposePredict, PurposeMarketing) }

// shopPlan has an outcome by event, one by two patterns, a segment, and two action maps.
func shopPlan() *Plan {
	purchase := EventOutcome("Purchase", "order_completed")
	purchase.ID = bought
	signup := Outcome{
		Meta: Meta{ID: signed}, Active: true, Name: "Signed up after reading",
		Journey: []JourneyPattern{
			{Criteria: []Criterion{{Key: "eventName", Operator: Equal, Values: []string{"article_read"}}}, Count: 2},
			{EventName: "user_registered"},
		},
		Value: &ValueField{Name: "plan", Type: "Number"},
	}
	segment := Segment{
		Meta: Meta{ID: loyal}, Active: true, Name: "Came back from search",
		Context: []ContextPattern{{Criteria: []Criterion{{Key: "referrer.medium", Operator: Equal, Values: []string{"search"}}}}},
	}
	likely := ActionMap{
		Meta: Meta{ID: offerA, Version: 3}, Active: true, Name: "Help at the till", Weight: 3,
		Probabilities: []ProbabilityCondition{{Outcome: bought, Reached: 0.5}},
		Action:        Action{Media: MediaContent, Template: content},
	}
	searching := ActionMap{
		Meta: Meta{ID: offerB, Version: 1}, Active: true, Name: "Search help", Weight: 1,
		Segments: []uuid.UUID{loyal},
		Pages:    []PageCondition{{Operator: ContainsAny, Values: []string{"/help"}}},
		Action:   Action{Media: MediaContent, Template: content},
	}
	return NewPlan([]Outcome{purchase, signup}, []Segment{segment}, []ActionMap{searching, likely}, []ActionTemplate{{
		Meta: Meta{ID: content}, Name: "Voucher", Media: MediaContent, State: "Active",
		Content: &ContentOffer{DisplayMode: "Modal", LayoutMode: "TextOnly", Headline: "Can we help?"},
	}})
}

func apply(t testing.TB, v *Visitor, plan *Plan, env Env, events ...*event.Event) Effects {
	t.Helper()
	var fx Effects
	for _, ev := range events {
		v.ApplyTo(&fx, plan, ev, &env)
	}
	return fx
}

func restore(t testing.TB, v *Visitor) *Visitor {
	t.Helper()
	b, err := v.MarshalBinary()
	if err != nil {
		t.Fatalf("keep a visitor: %v", err)
	}
	r := NewVisitor(v.Subject)
	if err := r.UnmarshalBinary(b); err != nil {
		t.Fatalf("read a kept visitor: %v", err)
	}
	return r
}
