package predict

import (
	"context"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
)

// Model describes what an outcome is predicted with.
type Model struct {
	Outcome     uuid.UUID
	Stage       int
	Trained     time.Time // zero: not yet
	Visits      int       // that count for the outcome
	Conversions int       // of them
	Rows        int64     // in the set that it was made from
	Root        Digest    // of that set
	Hash        Digest
	Quality     Quality // zero below ten conversions
}

// Models describes the predictors of an organisation, sorted by outcome.
func (r *Room) Models(ctx context.Context, t id.Tenant) (list []Model, err error) {
	predictors := r.current.Load().tenants[t]
	for _, o := range r.Enabled(t) {
		p := predictors[o]
		list = append(list, Model{
			Outcome: o, Stage: p.model.stage, Visits: p.model.visits, Conversions: p.model.conversions,
			Hash: p.hash, Quality: p.model.quality,
		})
	}
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		for i := range list {
			var root []byte
			var trained int64
			err := tx.QueryRow(ctx, `SELECT rows_used, root, trained FROM predict_model WHERE tenant_id = $1 AND outcome = $2`,
				t, list[i].Outcome).Scan(&list[i].Rows, &root, &trained)
			if noRow(err) {
				continue
			}
			if err != nil {
				return err
			}
			copy(list[i].Root[:], root)
			list[i].Trained = time.UnixMicro(trained).UTC()
		}
		return nil
	})
	return list, err
}
