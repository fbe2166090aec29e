package predict

import (
	"bytes"
	"context"
	"slices"
	"time"

	"probity/internal/id"
	"probity/internal/store"
)

// When training is due.
const (
	trainEvery   = 24 * time.Hour
	trainAtLeast = 20  // new rows, and
	trainGrowth  = 0.2 // new rows against those already learnt from
)

// Due tells whether the models of an organisation should be trained: after rows were removed, when an
// outcome has no model, when a fifth as many rows again have come, and once a day.
func (r *Room) Due(ctx context.Context, t id.Tenant) (due bool, err error) {
	now := r.clock.Now()
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		due = false
		var missing, fresh int64
		if err := tx.QueryRow(ctx, `
			SELECT count(*) FROM predict_outcome o WHERE o.tenant_id = $1 AND o.enabled AND NOT EXISTS
				(SELECT 1 FROM predict_model m WHERE m.tenant_id = $1 AND m.outcome = o.outcome)`, t).Scan(&missing); err != nil {
			return err
		}
		if missing > 0 {
			due = true
			return nil
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM predict_visit WHERE tenant_id = $1 AND run = 0`, t).Scan(&fresh); err != nil {
			return err
		}
		var trained, visits, forgotten, learnt int64
		err := tx.QueryRow(ctx, `SELECT trained, visits, forgotten, learnt FROM predict_state WHERE tenant_id = $1`, t).
			Scan(&trained, &visits, &forgotten, &learnt)
		if noRow(err) {
			return nil // nothing is predicted and nothing was forgotten
		}
		if err != nil {
			return err
		}
		old := now.Sub(time.UnixMicro(trained)) >= trainEvery
		due = forgotten != learnt ||
			fresh >= trainAtLeast && float64(fresh) >= trainGrowth*float64(visits) ||
			old && visits+fresh > 0
		return nil
	})
	return due, err
}

// TrainDue trains the models of every organisation for which that is due.
func (r *Room) TrainDue(ctx context.Context) (map[id.Tenant][]Attestation, error) {
	done := map[id.Tenant][]Attestation{}
	tenants := make([]id.Tenant, 0, len(r.current.Load().tenants))
	for t := range r.current.Load().tenants {
		tenants = append(tenants, t)
	}
	slices.SortFunc(tenants, func(a, b id.Tenant) int { return bytes.Compare(a[:], b[:]) })
	for _, t := range tenants {
		due, err := r.Due(ctx, t)
		if err != nil {
			return done, err
		}
		if !due {
			continue
		}
		if done[t], err = r.Train(ctx, t); err != nil {
			return done, err
		}
	}
	return done, nil
}
