package predict

import (
	"bytes"
	"context"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Verify trains the models of an organisation once more from the rows that they were made from and
// compares. It fails with fail.Conflict if a model is not what its rows give: because rows were
// removed since and Retrain is still due, or because model or rows were changed by other hands.
func (r *Room) Verify(ctx context.Context, t id.Tenant) error {
	lock := r.turn(t)
	lock.Lock()
	defer lock.Unlock()
	type kept struct {
		watched
		hash, root []byte
		body       []byte
	}
	byRun := map[int64][]kept{}
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT m.outcome, o.since, m.hash, m.root, m.body, m.run FROM predict_model m
			JOIN predict_outcome o ON o.tenant_id = m.tenant_id AND o.outcome = m.outcome
			WHERE m.tenant_id = $1 AND o.enabled ORDER BY m.outcome`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k kept
			var raw []byte
			var run int64
			if err := rows.Scan(&raw, &k.since, &k.hash, &k.root, &k.body, &run); err != nil {
				return err
			}
			if k.outcome, err = uuid.FromBytes(raw); err != nil {
				return err
			}
			byRun[run] = append(byRun[run], k)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for run, list := range byRun {
		set, err := r.trainingSet(ctx, t, run, askNobody)
		if err != nil {
			return err
		}
		watch := make([]watched, len(list))
		for i, k := range list {
			watch[i] = k.watched
		}
		models, err := trainAll(set, watch, r.opts.Workers)
		if err != nil {
			return err
		}
		root := set.root()
		for i, m := range models {
			k := list[i]
			hash := m.hash()
			switch {
			case !bytes.Equal(root[:], k.root):
				return fail.New(fail.Conflict, "the training rows are not those that the model of outcome %s was made from", k.outcome)
			case !bytes.Equal(hash[:], k.hash) || !bytes.Equal(m.encode(), k.body):
				return fail.New(fail.Conflict, "the model of outcome %s is not what its training rows give", k.outcome)
			}
		}
	}
	return nil
}
