package consent

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity/internal/notice"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// history draws the records of one subject, in the order of the ledger.
func history(t *rapid.T, label string) []Record {
	n := rapid.IntRange(0, 6).Draw(t, label)
	out := make([]Record, n)
	at := start
	for i := range out {
		at = at.Add(time.Duration(rapid.IntRange(0, 200*24).Draw(t, "hours later")) * time.Hour)
		out[i] = Record{Ledger: int64(i), At: at, Notice: notice.ID, Version: rapid.IntRange(1, 3).Draw(t, "version")}
		if rapid.Bool().Draw(t, "limited") {
			out[i].Until = at.Add(Validity)
		}
		for _, p := range []string{notice.Measure, notice.Predict} {
			if rapid.Bool().Draw(t, "mentions "+p) {
				status := rapid.SampledFrom([]Status{Given, Refused, Withdrawn, Objected, Expired}).Draw(t, "status")
				out[i].Effects = append(out[i].Effects, Effect{p, status})
			}
		}
	}
	return out
}

func TestL29_NoOtherDeviceEverOpensAPurpose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := history(t, "own")
		others := [][]Record{history(t, "other 1"), history(t, "other 2")}
		at := start.Add(time.Duration(rapid.IntRange(0, 1500*24).Draw(t, "at")) * time.Hour)
		material := map[string]int{notice.ID: rapid.IntRange(0, 3).Draw(t, "material")}
		alone := fold(own, nil, at, material)
		merged := fold(own, others, at, material)
		for p, st := range merged {
			if st.Status == Given && alone[p].Status != Given {
				t.Fatalf("%s is open only because of another device", p)
			}
		}
		for p, st := range alone {
			if st.Status.denies() && !merged[p].Status.denies() {
				t.Fatalf("%s was closed and is not any more", p)
			}
		}
		for i, other := range others {
			for p, st := range fold(other, nil, at, material) {
				if st.Status.denies() && !merged[p].Status.denies() {
					t.Fatalf("device %d closed %s, but the person's state does not say so", i, p)
				}
			}
		}
	})
}

func TestTheFoldIsTheNewestWordOnEachPurpose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := history(t, "own")
		at := start.Add(time.Duration(rapid.IntRange(0, 1500*24).Draw(t, "at")) * time.Hour)
		want := map[string]Status{}
		for _, rec := range own { // the plain way: forwards, later words overwrite
			if rec.At.After(at) {
				continue
			}
			for _, e := range rec.Effects {
				want[e.Purpose] = e.Status
				if !rec.Until.IsZero() && !at.Before(rec.Until) {
					want[e.Purpose] = Expired
				}
			}
		}
		got := fold(own, nil, at, nil)
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for p, status := range want {
			if got[p].Status != status {
				t.Fatalf("%s is %s, want %s", p, got[p].Status, status)
			}
		}
	})
}

func TestAGrantStampedBeforeAWithdrawalButWrittenAfterItDoesNotCount(t *testing.T) {
	grant := Record{Ledger: 2, At: start, Effects: []Effect{{notice.Measure, Given}, {notice.Predict, Given}}}
	withdrawal := Record{Ledger: 1, At: start.Add(time.Microsecond), Effects: []Effect{{notice.Measure, Withdrawn}}}
	for _, c := range []struct {
		name    string
		records []Record
		at      time.Time
		purpose string
		want    Status
	}{
		{"crossed", []Record{withdrawal, grant}, start.Add(time.Second), notice.Measure, Withdrawn},
		{"crossed, about another purpose", []Record{withdrawal, grant}, start.Add(time.Second), notice.Predict, Given},
		{"crossed, before the withdrawal's instant", []Record{withdrawal, grant}, start, notice.Measure, Given},
		{"in order", []Record{{Ledger: 1, At: start.Add(-time.Second), Effects: withdrawal.Effects}, grant}, start, notice.Measure, Given},
		{"in one instant the order of the ledger counts", []Record{{Ledger: 1, At: start, Effects: withdrawal.Effects}, grant}, start, notice.Measure, Given},
	} {
		if got := latest(c.records, c.purpose, c.at, nil).Status; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestEffectsSurviveTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, rec := range history(t, "records") {
			back, err := decodeEffects(encodeEffects(rec.Effects))
			if err != nil || len(back) != len(rec.Effects) {
				t.Fatalf("%v became %v, %v", rec.Effects, back, err)
			}
			for i := range back {
				if back[i] != rec.Effects[i] {
					t.Fatalf("%v became %v", rec.Effects, back)
				}
			}
		}
	})
}

func FuzzEffects(f *testing.F) {
	f.Add("measure=ConsentGiven,actions=ConsentRefused")
	f.Add("")
	f.Add("=,")
	f.Fuzz(func(t *testing.T, s string) {
		effects, err := decodeEffects(s)
		if err == nil && encodeEffects(effects) != s {
			t.Fatalf("%q became %q", s, encodeEffects(effects))
		}
	})
}

func FuzzNonce(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := parseNonce(b); ok && len(n.NoticeID)+len(n.Language)+nonceFixed+2 != len(b) {
			t.Fatalf("%x was read as %+v", b, n)
		}
	})
}
