package consent_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

// kept is what another system kept about the nth person: they agreed to marketing a month ago.
func kept(n int) consent.Assertion {
	return consent.Assertion{
		Who: consent.Who{Kind: subject.Email, Value: fmt.Sprintf("person.%d@example.org", n)}, Purposes: map[string]bool{notice.Marketing: true},
		Said: noon.Add(-30 * 24 * time.Hour), Language: "en", Text: "Yes, send me news about goods. I can take this back at any time.",
		RecordedBy: "client:crm", Evidence: fmt.Sprintf("form %d", n), Key: fmt.Sprintf("row %d", n),
	}
}

func (w *world) imports(t testing.TB, list ...consent.Assertion) []consent.Imported {
	t.Helper()
	out, err := w.Import(t.Context(), w.tenant, list, false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestL25_L7_WhatIsImportedIsAnAssertionWithAnEntryOfItsOwnAndRecordedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		list := []consent.Assertion{kept(1), kept(2), kept(3)}
		list[1].Purposes = map[string]bool{notice.Marketing: false, notice.Sales: true}
		list[2].Channel = "banner" // whoever says so: an import is an import
		before := w.count(t, "ledger_entry")
		rehearsed, err := w.Import(t.Context(), w.tenant, list, true)
		if err != nil || w.count(t, "ledger_entry") != before || w.count(t, "consent_record") != 0 || w.count(t, "subject") != 0 {
			t.Fatalf("a rehearsal recorded something (%v)", err)
		}
		first := w.imports(t, list...)
		for i := range first {
			if first[i].Refused != nil || first[i].Repeated || rehearsed[i].Refused != nil || rehearsed[i].Repeated {
				t.Errorf("row %d: %+v, rehearsed %+v", i, first[i], rehearsed[i])
			}
			s, known := w.known(t, list[i].Who.Value)
			if !known || w.open(t, s, notice.Marketing) != list[i].Purposes[notice.Marketing] {
				t.Errorf("row %d: the gate does not fit what was said", i)
			}
			receipt, err := w.Receipt(t.Context(), w.tenant, s, first[i].Record)
			if err != nil {
				t.Fatal(err)
			}
			entry := w.verified(t, receipt)
			claim, _ := entry["assertion"].(map[string]any)
			if entry["type"] != "consent.imported" || entry["proof_level"] != "assertion" || entry["source"] != "import" || entry["actor"] != "controller" {
				t.Errorf("the entry is %v", entry)
			}
			if claim["channel"] != "import" || claim["said_at"] != "2026-10-23T12:00:00.000000Z" || entry["ui"] != nil || entry["served"] != nil {
				t.Errorf("the claim is %v", claim)
			}
		}
		// One entry each, and one for the text.
		if n := w.count(t, "ledger_entry") - before; n != 4 {
			t.Errorf("%d entries", n)
		}
		again := w.imports(t, list...)
		for i := range again {
			if !again[i].Repeated || again[i].Record != first[i].Record {
				t.Errorf("row %d the second time: %+v", i, again[i])
			}
		}
		if n := w.count(t, "ledger_entry") - before; n != 4 {
			t.Errorf("%d entries after the second time", n)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestARowThatIsRefusedKeepsNoneOfTheOthersFromBeingImported(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		gone := w.assert(t, told(map[string]bool{notice.Sales: true})).Subject
		w.write(t, func(tx *store.Tx) error {
			if err := w.Erase(t.Context(), tx, []id.Subject{gone}); err != nil {
				return err
			}
			return w.subjects.Erase(t.Context(), tx, []id.Subject{gone})
		})
		list := make([]consent.Assertion, 12)
		for i := range list {
			list[i] = kept(i)
		}
		list[1].Purposes = map[string]bool{"no such purpose": true}
		list[2].Said = noon.Add(time.Second)
		list[3].Text, list[3].Notice, list[3].Version = "", notice.ID, 99
		list[4].Who.Value = "not an address"
		list[5].Key = ""
		list[6].Who = ada           // erased
		list[7].Key = list[8].Key   // another row's
		list[9] = list[10]          // twice the same
		list[11].Said = time.Time{} // never
		want := []fail.Kind{1: fail.Invalid, 2: fail.Invalid, 3: fail.Invalid, 4: fail.Invalid, 5: fail.Invalid, 6: fail.Gone, 8: fail.Conflict, 11: fail.Invalid}
		for _, rehearsal := range []bool{true, false} {
			out, err := w.Import(t.Context(), w.tenant, list, rehearsal)
			if err != nil {
				t.Fatal(err)
			}
			for i := range out {
				if refused := i < len(want) && want[i] != 0; refused != (out[i].Refused != nil) || refused && fail.KindOf(out[i].Refused) != want[i] {
					t.Errorf("rehearsal %v, row %d: %v", rehearsal, i, out[i].Refused)
				}
			}
			if !out[10].Repeated || out[9].Repeated {
				t.Errorf("rehearsal %v: of two equal rows %+v and %+v", rehearsal, out[9], out[10])
			}
		}
		if n := w.count(t, "consent_record"); n != 3 { // 0, 7, 9
			t.Errorf("%d records", n)
		}
		for _, bad := range [][]consent.Assertion{nil, make([]consent.Assertion, consent.MaxImport+1)} {
			if _, err := w.Import(t.Context(), w.tenant, bad, false); !fail.Is(err, fail.Invalid) {
				t.Errorf("%d rows: %v", len(bad), err)
			}
		}
	})
}

func TestAnImportFollowsWhatOnePersonSaidAndNeverOpensWhatTheyClosed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var told int
		w.OnClosed(func(context.Context, *store.Tx, *consent.Record, []string) error { told++; return nil })
		row := func(n int, ago time.Duration, yes bool) consent.Assertion {
			a := kept(1)
			a.Said, a.Purposes, a.Key = noon.Add(-ago), map[string]bool{notice.Marketing: yes}, fmt.Sprint("say ", n)
			return a
		}
		day := 24 * time.Hour
		// Three words of somebody new in one list: the last one counts, in whatever order they come.
		w.imports(t, row(1, 30*day, true), row(2, 10*day, false), row(3, 20*day, true))
		s, _ := w.known(t, kept(1).Who.Value)
		if w.open(t, s, notice.Marketing) {
			t.Error("an earlier word goes before a later one")
		}
		history, err := w.History(t.Context(), w.tenant, []id.Subject{s})
		if err != nil || len(history) != 3 || history[1].Effects[0].Status != consent.Withdrawn {
			t.Errorf("the history is %+v (%v)", history, err)
		}
		if told != 1 {
			t.Errorf("%d withdrawals were passed on, want 1", told)
		}
		w.imports(t, row(4, day, true))
		if !w.open(t, s, notice.Marketing) {
			t.Error("the newest word does not count")
		}
		// Their own word goes before all of it.
		link := w.link(t, s, notice.Marketing)
		w.fake.Advance(time.Minute)
		if _, _, err := w.WithdrawLink(t.Context(), link); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(time.Hour)
		w.imports(t, row(5, 0, true))
		if w.open(t, s, notice.Marketing) {
			t.Error("an import opened what the person closed")
		}
		// And a refusal that is imported shuts the gate of somebody known, on all devices, and is announced.
		device := w.choose(t, nil, notice.Marketing)
		w.write(t, func(tx *store.Tx) error {
			_, err := w.subjects.Identify(t.Context(), tx, device.Subject, map[subject.Kind]string{subject.Email: "person.9@example.org"})
			return err
		})
		if !w.open(t, device.Subject, notice.Marketing) {
			t.Fatal("the gate is shut")
		}
		no := kept(9)
		w.fake.Advance(time.Minute)
		no.Said, no.Purposes = w.fake.Now(), map[string]bool{notice.Marketing: false}
		w.imports(t, no)
		if w.open(t, device.Subject, notice.Marketing) {
			t.Error("the gate of the device stayed open")
		}
		if !w.bus.has("consent."+device.Subject.String(), `{"withdrawn":["marketing"]}`) {
			t.Error("open pages were not told")
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoImportsOfOneListAtOnceRecordEachRowOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		list := make([]consent.Assertion, 60)
		for i := range list {
			list[i] = kept(i / 2) // two rows a person
			list[i].Key = fmt.Sprint("row ", i)
		}
		var wg sync.WaitGroup
		for range 4 {
			room := w.room() // another process, with empty caches
			wg.Go(func() {
				for at := 0; at < len(list); at += 20 {
					if _, err := room.Import(t.Context(), w.tenant, list[at:at+20], false); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := w.count(t, "consent_record"); n != len(list) {
			t.Errorf("%d records of %d rows", n, len(list))
		}
		if n := w.count(t, "subject"); n != len(list)/2 {
			t.Errorf("%d subjects of %d people", n, len(list)/2)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func benchmarkImport(b *testing.B, db *store.DB) {
	w := newWorldAt(b, db, clock.System())
	w.Describe(consent.Terms{Build: build})
	b.ResetTimer()
	start := time.Now()
	list := make([]consent.Assertion, 0, consent.MaxImport)
	for n := range b.N {
		a := kept(n)
		a.Said = time.Now().Add(-time.Hour)
		if list = append(list, a); len(list) == consent.MaxImport || n == b.N-1 {
			w.imports(b, list...)
			list = list[:0]
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "rows/s")
}

// BenchmarkImport records rows about people who are all new, which costs most.
func BenchmarkImport(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkImport(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkImport(b, storetest.Postgres(b)) })
}
