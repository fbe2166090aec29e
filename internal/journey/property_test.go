package journey

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/event"
)

// story draws what one visitor does, in the order in which it comes in.
func story(t *rapid.T) []*event.Event {
	names := []string{event.PageViewed, event.PageViewed, "article_read", "user_registered", "order_completed", "search_made"}
	now := noon
	var (
		events []*event.Event
		seq    [3]uint32
	)
	for i := range rapid.IntRange(1, 40).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 30, 60, 600, 1300, 90_000}).Draw(t, "pause")) * time.Second)
		ev := &event.Event{
			ID:       uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "event %d", i)),
			Name:     rapid.SampledFrom(names).Draw(t, "name"),
			At:       now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 0, 90, 1500, 3000}).Draw(t, "late")) * time.Second),
			Received: now,
			Page:     event.Page{URL: rapid.SampledFrom([]string{"https://s.example/", "https://s.example/help", ""}).Draw(t, "page")},
			Purpose:  "measure",
			Ground:   event.Ground{Basis: "consent", Ledger: 1},
		}
		if rapid.Bool().Draw(t, "from a browser") {
			v := rapid.IntRange(0, 2).Draw(t, "page visit")
			seq[v]++
			ev.Visit, ev.Seq = uuid.UUID{15: byte(v + 1)}, seq[v]
		}
		if rapid.IntRange(0, 4).Draw(t, "from search") == 0 {
			ev.Referrer = &event.Referrer{URL: "https://find.example", Medium: "search"}
		}
		if rapid.IntRange(0, 4).Draw(t, "with attributes") == 0 {
			ev.Attributes = map[string]event.Attr{"plan": {Type: event.TypeNumber, Value: "3"}}
		}
		if rapid.IntRange(0, 9).Draw(t, "with traits") == 0 {
			ev.Traits = map[string]event.Attr{"givenName": {Type: event.TypeString, Value: rapid.SampledFrom([]string{"Ann", "Bo"}).Draw(t, "given name")}}
		}
		events = append(events, ev)
	}
	return events
}

// kept returns the state and the chunks of a visitor.
func kept(t *rapid.T, v *Visitor, full []chunk) []byte {
	b, err := v.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append(slices.Clone(full), v.tail.full...) {
		b = append(b, c.bytes...)
	}
	return b
}

func tell(t *rapid.T, v *Visitor, env Env, events []*event.Event) (fx Effects) {
	for _, ev := range events {
		v.ApplyTo(&fx, shopPlan(), ev, &env)
	}
	return fx
}

func TestTheSameStoryGivesTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := story(t)
		env := world(rapid.SampledFrom([][]string{{PurposePredict, PurposeMarketing}, {PurposePredict}, {}}).Draw(t, "allowed")...)
		once, again := NewVisitor(device), NewVisitor(device)
		tell(t, once, env, events)
		tell(t, again, env, events)
		if !bytes.Equal(kept(t, once, nil), kept(t, again, nil)) {
			t.Fatal("the state differs")
		}
	})
}

func TestSplittingAndKeepingChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := story(t)
		env := everything()
		whole := NewVisitor(device)
		all := tell(t, whole, env, events)
		want := kept(t, whole, nil)

		v := NewVisitor(device)
		var (
			full   []chunk
			counts [5]int
		)
		for rest := events; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			fx := tell(t, v, env, rest[:n])
			for i, k := range []int{len(fx.Started), len(fx.Ended), len(fx.Achieved), len(fx.Scores), len(fx.Offers)} {
				counts[i] += k
			}
			rest = rest[n:]
			if rapid.Bool().Draw(t, "keep") {
				full = append(full, v.tail.full...)
				b, err := v.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				v = NewVisitor(device)
				if err := v.UnmarshalBinary(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := kept(t, v, full); !bytes.Equal(got, want) {
			t.Fatal("the state differs from that of one batch")
		}
		if got := [5]int{len(all.Started), len(all.Ended), len(all.Achieved), len(all.Scores), len(all.Offers)}; got != counts {
			t.Fatalf("effects: %v in one batch, %v in several", got, counts)
		}
	})
}

func TestDuplicatesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := slices.DeleteFunc(story(t), func(ev *event.Event) bool { return ev.Seq == 0 })
		env := everything()
		clean := NewVisitor(device)
		tell(t, clean, env, events)

		// Each event is followed by a repetition of an earlier one of its last 60 seconds or so: what a
		// browser sends again because it heard no answer.
		again := NewVisitor(device)
		for i, ev := range events {
			tell(t, again, env, events[i:i+1])
			j := rapid.IntRange(max(0, i-20), i).Draw(t, "repeat")
			if ev.Received.Sub(events[j].Received) > visitForgets/2 {
				continue
			}
			same := *events[j]
			same.Received = ev.Received
			if fx := tell(t, again, env, []*event.Event{&same}); fx.Duplicates != 1 {
				t.Fatalf("event %d was taken twice", j)
			}
		}
		clean.seen, again.seen = nil, nil // when each page visit was last heard does differ
		if !bytes.Equal(kept(t, clean, nil), kept(t, again, nil)) {
			t.Fatal("a duplicate changed the state")
		}
	})
}

func TestEveryEventIsCountedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := story(t)
		v := NewVisitor(device)
		fx := tell(t, v, everything(), events)
		if len(fx.Events)+fx.Duplicates != len(events) {
			t.Fatalf("%d events: %d counted, %d duplicates", len(events), len(fx.Events), fx.Duplicates)
		}
		if len(fx.Started) != v.Sessions || len(fx.Ended) != v.Sessions-1 {
			t.Fatalf("%d sessions, %d started, %d ended", v.Sessions, len(fx.Started), len(fx.Ended))
		}
		n := make(map[uuid.UUID]int)
		for _, e := range fx.Events {
			if e.Index != n[e.Session] {
				t.Fatalf("an event has place %d, want %d", e.Index, n[e.Session])
			}
			n[e.Session]++
		}
		stored := 0
		for _, c := range append(v.tail.full, chunk{events: v.tail.events, bytes: v.tail.bytes}) {
			in := 0
			if err := eachRecord(c.bytes, func(session uuid.UUID, encoded []byte) error {
				ev, err := event.Decode(encoded)
				if err != nil {
					return err
				}
				if want := fx.Events[stored]; want.Session != session || want.Event.ID != ev.ID {
					return fmt.Errorf("record %d is another event", stored)
				}
				stored++
				in++
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if in != c.events || in > chunkEvents {
				t.Fatalf("a chunk says %d events and has %d", c.events, in)
			}
		}
		if stored != len(fx.Events) {
			t.Fatalf("%d events stored, %d counted", stored, len(fx.Events))
		}
		for _, s := range fx.Ended {
			if s.Ended.Sub(s.LastEvent.At) > DefaultIdle || s.Ended.Sub(s.Started) > DefaultCap {
				t.Fatalf("a session ended %v after its last event", s.Ended.Sub(s.LastEvent.At))
			}
		}
	})
}

func TestAtMostOneOfferIsOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := story(t)
		v := NewVisitor(device)
		open := make(map[uuid.UUID]time.Time)
		perMap := make(map[[2]uuid.UUID]int)
		for _, ev := range events {
			for _, o := range tell(t, v, everything(), []*event.Event{ev}).Offers {
				if o.State != Qualified {
					continue
				}
				for id, made := range open {
					if o.Made.Sub(made) <= offerLife {
						t.Fatalf("offer %v was made while %v was open", o.ID, id)
					}
				}
				open[o.ID] = o.Made
				if perMap[[2]uuid.UUID{o.Session, o.Map}]++; perMap[[2]uuid.UUID{o.Session, o.Map}] > 1 {
					t.Fatal("a map made two offers in one session")
				}
			}
		}
	})
}

func FuzzVisitorUnmarshal(f *testing.F) {
	v := NewVisitor(device)
	env := everything()
	var fx Effects
	for i := range 6 {
		v.ApplyTo(&fx, shopPlan(), at(float64(i), "a", numbered(uint32(i+1)), attribute("x", "y")), &env)
	}
	b, err := v.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{stateVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		v := NewVisitor(device)
		if v.UnmarshalBinary(b) != nil {
			return
		}
		again, err := v.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		w := NewVisitor(device)
		if err := w.UnmarshalBinary(again); err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		twice, err := w.MarshalBinary()
		if err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("keeping twice gives other bytes (%v)", err)
		}
	})
}

func FuzzEachRecord(f *testing.F) {
	var tl tail
	tl.add(visit1, []byte("one"))
	tl.add(visit1, []byte("two"))
	f.Add(tl.bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		var again tail
		err := eachRecord(b, func(session uuid.UUID, encoded []byte) error {
			again.add(session, encoded)
			return nil
		})
		if err == nil && len(again.full) == 0 && again.events > 0 && len(again.bytes) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again.bytes))
		}
	})
}
