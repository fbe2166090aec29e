package consent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/store"
)

// Tally is how many entries say the same. It holds no subject, and no time finer than the day: who
// refused is counted and not followed.
type Tally struct {
	Day        string // UTC, as 2026-11-22
	Version    int
	Language   string
	Deployment uuid.UUID
	Component  string // "banner", "preferences", …
	Viewport   string // "m", "d" or empty
	Answered   bool   // to a notice that was visible
	Effects    []Effect
	Times      int64
}

// Dwells are the buckets of the time that a notice was visible before a choice, in order.
func Dwells() []string { return []string{"under 2 s", "2–5 s", "5–15 s", "15–60 s", "over 60 s"} }

func dwell(ms int) string {
	at := slices.IndexFunc([]int{2000, 5000, 15_000, 60_000}, func(limit int) bool { return ms < limit })
	if at < 0 {
		at = 4
	}
	return Dwells()[at]
}

// tally counts an entry within the transaction that writes it, so that the counts and the ledger
// can't disagree.
func (r *Room) tally(ctx context.Context, tx *store.Tx, rec *Record, e *entry) error {
	return tallyOf(rec, e).add(ctx, tx, 1)
}

// tallied is what entries have in common that are counted together.
type tallied struct {
	day, kind, notice string
	version           int
	language          string
	deployment        uuid.UUID
	component         string
	viewport, dwell   string
	effects           string
}

func tallyOf(rec *Record, e *entry) tallied {
	k := tallied{
		day: rec.At.UTC().Format(time.DateOnly), kind: rec.Kind, notice: rec.Notice, version: rec.Version, language: rec.Language,
		deployment: rec.Deployment, component: rec.Source, effects: encodeEffects(rec.Effects),
	}
	if e.UI != nil {
		k.viewport = e.UI.Viewport
	}
	if e.Served != nil {
		k.dwell = dwell(e.Served.DwellMS)
	}
	return k
}

// compare orders them, so that two transactions never wait for each other's rows.
func (k tallied) compare(o tallied) int {
	return cmp.Or(
		cmp.Compare(k.day, o.day), cmp.Compare(k.kind, o.kind), cmp.Compare(k.notice, o.notice), cmp.Compare(k.version, o.version),
		cmp.Compare(k.language, o.language), slices.Compare(k.deployment[:], o.deployment[:]), cmp.Compare(k.component, o.component),
		cmp.Compare(k.viewport, o.viewport), cmp.Compare(k.dwell, o.dwell), cmp.Compare(k.effects, o.effects))
}

func (k tallied) add(ctx context.Context, tx *store.Tx, times int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO consent_tally (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects, times)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects)
		DO UPDATE SET times = consent_tally.times + excluded.times`,
		tx.TenantID(), k.day, k.kind, k.notice, k.version, k.language, k.deployment, k.component, k.viewport, k.dwell, k.effects, times)
	return err
}

// Rate is how people answered about one purpose, within one group.
type Rate struct {
	Group     string // what the group has in common, such as "2" for a version
	Purpose   string
	Given     int64
	Refused   int64
	Withdrawn int64
}

// Choices is how many people answered.
func (r Rate) Choices() int64 { return r.Given + r.Refused }

// Share is the part of those who answered that agreed, from 0 to 1; 0 if nobody answered.
func (r Rate) Share() float64 {
	if n := r.Choices(); n > 0 {
		return float64(r.Given) / float64(n)
	}
	return 0
}

// FewerThan is the size below which a count is not shown: it could tell of single people.
const FewerThan = 10

// Rates groups tallies by what a function says of each, and sums them up by purpose. What people
// answered counts where a notice was shown; a withdrawal counts under the notice that had been agreed
// to. Sorted by group, then purpose.
func Rates(tallies []Tally, group func(*Tally) string) []Rate {
	type key struct{ group, purpose string }
	sums := map[key]*Rate{}
	for i := range tallies {
		one := &tallies[i]
		g := group(one)
		for _, ef := range one.Effects {
			k := key{g, ef.Purpose}
			sum := sums[k]
			if sum == nil {
				sum = &Rate{Group: g, Purpose: ef.Purpose}
				sums[k] = sum
			}
			switch {
			case one.Answered && ef.Status == Given:
				sum.Given += one.Times
			case one.Answered && ef.Status == Refused:
				sum.Refused += one.Times
			case ef.Status == Withdrawn:
				sum.Withdrawn += one.Times
			}
		}
	}
	out := make([]Rate, 0, len(sums))
	for _, sum := range sums {
		out = append(out, *sum)
	}
	slices.SortFunc(out, func(a, b Rate) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Purpose, b.Purpose))
	})
	return out
}
