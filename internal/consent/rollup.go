package consent

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
)

// RollUp adds up the counters of days that are over, so that a report about years reads little. It moves
// them: within one transaction a counter leaves consent_tally and is in consent_rate and consent_wait, so
// that a report counts it once at any time, and what comes late, because a clock was wrong, is moved
// later. Call it every few minutes; it writes in short transactions, which hold up no choice for long.
func (r *Room) RollUp(ctx context.Context, t id.Tenant) error {
	// A day is over for all machines once it ended a day ago.
	before := r.clk.Now().UTC().Add(-24 * time.Hour).Format(time.DateOnly)
	for {
		var parts []part
		err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			parts = parts[:0]
			rows, err := tx.Query(ctx, `
				SELECT day, version, language FROM consent_tally WHERE tenant_id = $1 AND day < $2
				GROUP BY day, version, language ORDER BY day, version, language LIMIT 200`, t, before)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var p part
				if err := rows.Scan(&p.day, &p.version, &p.language); err != nil {
					return err
				}
				parts = append(parts, p)
			}
			return rows.Err()
		})
		if err != nil {
			return unavailable(err, "read the counts of choices")
		}
		if len(parts) == 0 {
			return nil
		}
		for _, p := range parts {
			if err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error { return p.move(ctx, tx) }); err != nil {
				return unavailable(err, "add up the counts of choices")
			}
		}
	}
}

// part is what one transaction moves.
type part struct {
	day      string
	version  int
	language string
}

// place is where people answered.
type place struct {
	deployment          uuid.UUID
	component, viewport string
}

type placedAnswer struct {
	place
	Effect
	answered bool
}

type placedWait struct {
	place
	dwell string
}

// They are written in one order, so that two transactions never wait for each other's rows.

func (p place) compare(o place) int {
	return cmp.Or(slices.Compare(p.deployment[:], o.deployment[:]), cmp.Compare(p.component, o.component), cmp.Compare(p.viewport, o.viewport))
}

func (k placedAnswer) compare(o placedAnswer) int {
	if c := cmp.Or(k.place.compare(o.place), cmp.Compare(k.Purpose, o.Purpose), cmp.Compare(k.Status, o.Status)); c != 0 || k.answered == o.answered {
		return c
	}
	if o.answered {
		return -1
	}
	return 1
}

func (k placedWait) compare(o placedWait) int {
	return cmp.Or(k.place.compare(o.place), cmp.Compare(k.dwell, o.dwell))
}

func (p *part) move(ctx context.Context, tx *store.Tx) error {
	answers, waits := map[placedAnswer]int64{}, map[placedWait]int64{}
	if err := p.take(ctx, tx, answers, waits); err != nil {
		return err
	}
	var rows [][]any
	for _, k := range slices.SortedFunc(maps.Keys(answers), placedAnswer.compare) {
		rows = append(rows, []any{tx.TenantID(), p.day, p.version, p.language, k.deployment, k.component, k.viewport, k.Purpose, string(k.Status), k.answered, answers[k]})
	}
	_, err := tx.Insert(ctx, `
		INSERT INTO consent_rate (tenant_id, day, version, language, deployment, component, viewport, purpose, status, answered, times)`, rows, `
		ON CONFLICT (tenant_id, day, version, language, deployment, component, viewport, purpose, status, answered)
		DO UPDATE SET times = consent_rate.times + excluded.times`)
	if err != nil {
		return err
	}
	rows = rows[:0]
	for _, k := range slices.SortedFunc(maps.Keys(waits), placedWait.compare) {
		rows = append(rows, []any{tx.TenantID(), p.day, p.version, p.language, k.deployment, k.component, k.viewport, k.dwell, waits[k]})
	}
	_, err = tx.Insert(ctx, `
		INSERT INTO consent_wait (tenant_id, day, version, language, deployment, component, viewport, dwell, times)`, rows, `
		ON CONFLICT (tenant_id, day, version, language, deployment, component, viewport, dwell)
		DO UPDATE SET times = consent_wait.times + excluded.times`)
	return err
}

// take removes the counters and adds them up.
func (p *part) take(ctx context.Context, tx *store.Tx, answers map[placedAnswer]int64, waits map[placedWait]int64) error {
	rows, err := tx.Query(ctx, `
		DELETE FROM consent_tally WHERE tenant_id = $1 AND day = $2 AND version = $3 AND language = $4
		RETURNING deployment, component, viewport, dwell, effects, times`, tx.TenantID(), p.day, p.version, p.language)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var at place
		var dwell, text string
		var times int64
		if err := rows.Scan(&at.deployment, &at.component, &at.viewport, &dwell, &text, &times); err != nil {
			return err
		}
		effects, err := decodeEffects(text)
		if err != nil {
			return err
		}
		for _, e := range effects {
			answers[placedAnswer{at, e, dwell != ""}] += times
		}
		if dwell != "" {
			waits[placedWait{at, dwell}] += times
		}
	}
	return rows.Err()
}
