package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/stream"
)

// TestTheDoorFollowsEveryChoice lets people choose, withdraw, be erased and send events in any
// order, and compares what was accepted with what they said last.
func TestTheDoorFollowsEveryChoice(t *testing.T) {
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		h.clk.Set(noon)
		var cookie uuid.UUID
		granted := map[string]bool{}
		erased, seq := false, 0
		rt.Repeat(map[string]func(*rapid.T){
			"choose": func(rt *rapid.T) {
				if erased || cookie != (uuid.UUID{}) {
					return
				}
				purposes := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"measure", "actions", "identity", "marketing"}), 1, 4, rapid.ID[string]).Draw(rt, "purposes")
				cookie = h.visitor(t, purposes...)
				for _, p := range purposes {
					granted[p] = true
				}
			},
			"withdraw": func(rt *rapid.T) {
				if cookie == (uuid.UUID{}) || erased {
					return
				}
				p := rapid.SampledFrom([]string{"measure", "actions", "identity"}).Draw(rt, "purpose")
				h.clk.Advance(time.Millisecond)
				if _, err := h.consent.Withdraw(t.Context(), h.tenant, consent.Withdrawal{Deployment: h.deployment, Visitor: cookie, Purposes: []string{p},
					UI: consent.UI{Component: "preferences", Action: "save"}, ClientTime: h.clk.Now()}); err != nil {
					rt.Fatal(err)
				}
				h.clk.Advance(time.Millisecond)
				delete(granted, p)
			},
			"erase": func(rt *rapid.T) {
				if cookie == (uuid.UUID{}) || erased || rapid.IntRange(0, 3).Draw(rt, "rarely") > 0 {
					return
				}
				h.erase(t, cookie)
				h.clk.Advance(10 * time.Second)
				erased = true
			},
			"send": func(rt *rapid.T) {
				visitor := cookie
				if visitor == (uuid.UUID{}) {
					visitor = uuid.New()
				}
				names := rapid.SliceOfN(rapid.SampledFrom([]string{"page_viewed", "product_added"}), 1, 4).Draw(rt, "names")
				var items []string
				var want []uint32
				for _, name := range names {
					seq++
					items = append(items, item(seq, name, `,"external_id":"crm"`))
					if name == "page_viewed" && granted["measure"] || name == "product_added" && granted["actions"] {
						want = append(want, uint32(seq))
					}
				}
				before := h.log.len()
				n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(visitor, items...)))
				if erased {
					if !fail.Is(err, fail.Gone) || h.log.len() != before {
						rt.Fatalf("after the erasure: %d, %v", n, err)
					}
					return
				}
				if err != nil || n != len(want) || len(refused) != len(names)-n {
					rt.Fatalf("accepted %d of %v with %v granted, refused %v, %v", n, names, granted, refused, err)
				}
				if len(want) == 0 {
					if h.log.len() != before {
						rt.Fatal("refused events were stored")
					}
					return
				}
				stored := h.events(t)
				stored = stored[len(stored)-n:]
				var got []uint32
				for _, e := range stored {
					got = append(got, e.Seq)
					if e.Ground.Basis != "consent" || (e.ExternalID != "") != granted["identity"] {
						rt.Fatalf("with %v granted: %+v", granted, e)
					}
				}
				if !slices.Equal(got, want) {
					rt.Fatalf("stored %v, want %v", got, want)
				}
				h.log.forget() // opened, and not looked at again
			},
		})
	})
}

func (l *memoryLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = nil
}

// TestAcknowledgedEventsOutliveTheProcess sends many batches at once into the real log, opens it
// anew, and finds each event once and in its visitor's order.
func TestAcknowledgedEventsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	engine, err := stream.Open(t.Context(), stream.Options{Dir: dir, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(d *collect.Deps) { d.Log, d.Partitions = engine, 2 })
	const visitors, batches, size = 8, 10, 3
	var wg sync.WaitGroup
	for range visitors {
		v := h.visitor(t, "actions")
		wg.Go(func() {
			for b := range batches {
				var items []string
				for i := range size {
					items = append(items, item(b*size+i+1, "a", ""))
				}
				if n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(v, items...))); err != nil || n != size {
					t.Error(n, refused, err)
				}
			}
		})
	}
	wg.Wait()
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if engine, err = stream.Open(t.Context(), stream.Options{Dir: dir, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	status, err := engine.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := map[uuid.UUID]uint32{}
	done := errors.New("read")
	for partition, last := range status.Last {
		if last == 0 {
			continue
		}
		err := engine.Follow(t.Context(), partition, 0, func(f stream.Frame) error {
			for _, raw := range f.Records {
				r, err := collect.DecodeRecord(raw)
				if err != nil {
					return err
				}
				if collect.Partition(r.Tenant, r.Subject, 2) != partition {
					return fmt.Errorf("a record is in partition %d", partition)
				}
				events, err := r.Open(context.Background(), h.vault)
				if err != nil {
					return err
				}
				for _, e := range events {
					who := uuid.UUID(r.Subject)
					if next[who]++; e.Seq != next[who] {
						return fmt.Errorf("event %d follows %d", e.Seq, next[who]-1)
					}
				}
			}
			if f.Seq >= last {
				return done
			}
			return nil
		})
		if err != done {
			t.Fatal(err)
		}
	}
	if len(next) != visitors {
		t.Fatalf("found %d visitors", len(next))
	}
	for _, n := range next {
		if n != batches*size {
			t.Fatalf("found %d events of a visitor", n)
		}
	}
}
