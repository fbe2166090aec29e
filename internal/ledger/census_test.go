package ledger_test

import (
	"maps"
	"testing"

	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestEntriesAreCountedByKindAndOnlyOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		want := map[string]int64{}
		check := func() {
			t.Helper()
			for range 2 {
				if got, err := w.Kinds(t.Context(), w.tenant); err != nil || !maps.Equal(got, want) {
					t.Fatalf("counted %v (%v), want %v", got, err, want)
				}
			}
		}
		check()
		for i := range 30 {
			kind := []string{ledger.NoticePublished, ledger.ConsentGiven, ledger.ClockStepped}[i%3]
			w.add(t, kind, `{"n":1}`)
			want[kind]++
			if i%7 == 0 {
				check()
			}
		}
		check()
		w.tamper(t, `UPDATE ledger_head SET size = 10 WHERE tenant_id = $1`, w.tenant)
		clear(want)
		maps.Copy(want, map[string]int64{ledger.NoticePublished: 4, ledger.ConsentGiven: 3, ledger.ClockStepped: 3})
		check() // an older copy was restored
	})
}

func BenchmarkKinds(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b))
	for range 100 {
		var entries []ledger.Entry
		for range 1000 {
			entries = append(entries, ledger.Entry{Kind: ledger.ConsentGiven, Payload: []byte(`{"n":1}`)})
		}
		w.append(b, entries...)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			if _, err := ledger.New(w.db, w.vault, w.clk, "probity.test").Kinds(b.Context(), w.tenant); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.Kinds(b.Context(), w.tenant); err != nil {
				b.Fatal(err)
			}
		}
	})
}
