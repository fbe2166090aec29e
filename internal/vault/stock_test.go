package vault

import (
	"sync"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store/storetest"
)

func TestTheStockIsAsLargeAsWhatIsAskedForWithinASecond(t *testing.T) {
	st := &stock{}
	add := func(n int) {
		for range n {
			st.ready = append(st.ready, id.NewSubject())
		}
		if n > 0 {
			st.refilling = false
		}
	}
	// One a second: nothing is kept ready.
	for second := range int64(5) {
		if _, ok, refill := st.take(second); ok || refill != 0 {
			t.Fatalf("second %d: in stock %v, to be made %d", second, ok, refill)
		}
	}
	// A rush: it grows with it, up to its bound, and one caller at a time fills it.
	missed := 0
	for range 400 {
		_, ok, refill := st.take(10)
		if !ok {
			missed++
		}
		_, _, again := st.take(10)
		if refill > 0 && again > 0 {
			t.Fatal("two callers fill it at a time")
		}
		add(refill + again)
		if len(st.ready) > stockMost {
			t.Fatalf("%d are in stock", len(st.ready))
		}
	}
	if missed > 20 || len(st.ready) < stockMost/2-1 {
		t.Errorf("%d of 400 had to wait, %d are in stock", missed, len(st.ready))
	}
	// Afterwards what is left is used up and not made anew.
	for second := range int64(stockMost) {
		if _, ok, refill := st.take(20 + 2*second); !ok && len(st.ready) > 0 || refill != 0 {
			t.Fatalf("in stock %v, to be made %d", ok, refill)
		}
	}
	if len(st.ready) != 0 {
		t.Errorf("%d are left", len(st.ready))
	}
}

func TestANewSubjectHasAKeyOnDiskAndIsHandedOutOnce(t *testing.T) {
	db := storetest.SQLite(t)
	v := openVault(t, db, clock.NewFake(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)))
	tenant := id.NewTenant()
	const callers, each = 8, 40
	var (
		mu   sync.Mutex // guards seen
		seen = map[id.Subject]bool{}
		wg   sync.WaitGroup
	)
	for range callers {
		wg.Go(func() {
			for range each {
				s, err := v.NewSubject(t.Context(), tenant)
				if err != nil {
					t.Error(err)
					return
				}
				// As another process sees it, which knows nothing of this one's memory.
				if _, err := v.fetchSubjectKey(t.Context(), tenant, s); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if seen[s] {
					t.Error("a subject was handed out twice")
				}
				seen[s] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stats, err := v.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if extra := stats.Subjects - callers*each; extra < 0 || extra > stockMost {
		t.Errorf("%d keys for %d subjects", stats.Subjects, callers*each)
	}
}

func TestWhereLittleHappensNoKeyIsMadeForNobody(t *testing.T) {
	db := storetest.SQLite(t)
	clk := clock.NewFake(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	v := openVault(t, db, clk)
	tenant := id.NewTenant()
	for range 10 {
		if _, err := v.NewSubject(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		clk.Advance(time.Second)
	}
	if stats, err := v.Stats(t.Context()); err != nil || stats.Subjects != 10 {
		t.Errorf("%d keys for 10 subjects, %v", stats.Subjects, err)
	}
}
