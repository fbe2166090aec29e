package consent

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity/internal/id"
	"probity/internal/notice"
)

// TestADenialHoldsUntilItIsSettledOrLifted runs random denials, commits, failures and grants against
// a plain list.
func TestADenialHoldsUntilItIsSettledOrLifted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGate()
		tenant := id.NewTenant()
		s := id.NewSubject()
		now := start
		type open struct {
			d       *denial
			closes  map[string]bool
			settled bool
		}
		var all []*open
		purposes := []string{notice.Measure, notice.Predict, notice.Sales}
		draw := func(label string) []string {
			var out []string
			for _, p := range purposes {
				if rapid.Bool().Draw(t, label+" "+p) {
					out = append(out, p)
				}
			}
			return out
		}
		pending := func() []*open {
			return slices.DeleteFunc(slices.Clone(all), func(o *open) bool { return o.settled })
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Second)
			waiting := pending()
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what == 0 || len(waiting) == 0:
				closes := draw("closes")
				o := &open{d: g.deny(tenant, []id.Subject{s}, closes, func() time.Time { return now }), closes: map[string]bool{}}
				for _, p := range closes {
					o.closes[p] = true
				}
				all = append(all, o)
			case what == 1:
				o := waiting[rapid.IntRange(0, len(waiting)-1).Draw(t, "settles")]
				g.settle(tenant, []id.Subject{s}, o.d)
				o.settled = true
				for _, older := range waiting {
					left := 0
					for p := range older.closes {
						if !slices.Contains(o.d.purposes, p) {
							left++
						}
					}
					if older.d.at.Before(o.d.at) && left == 0 {
						older.settled = true
					}
				}
			case what == 2:
				o := waiting[rapid.IntRange(0, len(waiting)-1).Draw(t, "fails")]
				g.release(tenant, []id.Subject{s}, o.d)
				o.settled = true
			default:
				given := draw("given")
				g.lift(tenant, s, given, now)
				for _, o := range waiting {
					for _, p := range given {
						delete(o.closes, p)
					}
				}
			}
			for _, p := range purposes {
				want := slices.ContainsFunc(pending(), func(o *open) bool { return o.closes[p] })
				if got := g.denied(owner{tenant, s}, p, now); got != want {
					t.Fatalf("%s is closed: %v, want %v", p, got, want)
				}
			}
		}
		for _, o := range pending() {
			g.settle(tenant, []id.Subject{s}, o.d)
		}
		if len(g.denials) != 0 {
			t.Fatalf("%d subjects are still closed after all was settled", len(g.denials))
		}
	})
}
