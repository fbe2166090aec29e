package worker

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity/internal/event"
	"probity/internal/predict"
)

func TestNoCounterIsForgotten(t *testing.T) {
	var p predict.Progress
	kept := len(counters32(&p)) + len(counters64(&p)) + len([]any{&p.Mobile, &p.Campaign, &p.FromSearch, &p.Last, &p.Paths, &p.Products})
	counted := 0
	for _, f := range reflect.VisibleFields(reflect.TypeFor[predict.Progress]()) {
		if f.IsExported() { // the others are about the latest event only
			counted++
		}
	}
	if counted != kept {
		t.Fatalf("predictions count %d things and %d of them are kept with a session", counted, kept)
	}
}

func TestCountersGoOnAsIfTheyHadNotBeenKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var whole, kept observed
		earlier := rapid.IntRange(0, 100).Draw(t, "earlier")
		whole.progress.Begin(earlier)
		kept.progress.Begin(earlier)
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		for range rapid.IntRange(1, 80).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Second)
			ev := &event.Event{
				Name: rapid.SampledFrom([]string{event.PageViewed, "product_added", "form_submitted", "search_made"}).Draw(t, "name"),
				At:   now, Received: now,
				Page: event.Page{Path: rapid.SampledFrom([]string{"/", "/cart", "/p/1", "/p/2"}).Draw(t, "path")},
			}
			if rapid.Bool().Draw(t, "priced") {
				ev.Attributes = map[string]event.Attr{"price": {Type: event.TypeNumber, Value: "12.5"}, "product": {Type: event.TypeString, Value: "a"}}
			}
			if rapid.Bool().Draw(t, "keep") {
				b, err := kept.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				kept = observed{}
				if err := kept.UnmarshalBinary(b); err != nil {
					t.Fatal(err)
				}
			}
			whole.Observe(ev)
			kept.Observe(ev)
			if whole.vector != kept.vector {
				t.Fatalf("%v became %v", whole.vector, kept.vector)
			}
		}
		a, err := whole.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := kept.MarshalBinary(); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("the kept counters differ (%v)", err)
		}
	})
}

func FuzzCounters(f *testing.F) {
	var o observed
	o.Observe(&event.Event{Name: event.PageViewed, At: time.Unix(1, 0)})
	b, err := o.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var o observed
		if o.UnmarshalBinary(b) != nil {
			return
		}
		again, err := o.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back observed
		if err := back.UnmarshalBinary(again); err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		if twice, err := back.MarshalBinary(); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("keeping twice gives other bytes (%v)", err)
		}
	})
}
