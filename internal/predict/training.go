package predict

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Train makes the models of all predicted outcomes of an organisation from the rows whose subjects
// allow it now, stores them, and serves scores from them at once. It returns one attestation for each
// outcome, sorted by outcome.
func (r *Room) Train(ctx context.Context, t id.Tenant) ([]Attestation, error) {
	return r.train(ctx, t, "scheduled", askAll)
}

// Retrain is Train for a reason that the attestations state, such as an erasure, and in a hurry: only
// subjects with new rows are asked whether they allow it; for the others the answer of the latest
// Train stands.
func (r *Room) Retrain(ctx context.Context, t id.Tenant, reason string) ([]Attestation, error) {
	return r.train(ctx, t, reason, askNew)
}

// asking is whose permission is asked before training.
type asking int

const (
	askNobody asking = iota // the stored answers count
	askNew                  // those with rows that no training has seen
	askAll
)

func (r *Room) train(ctx context.Context, t id.Tenant, reason string, ask asking) ([]Attestation, error) {
	lock := r.turn(t)
	lock.Lock()
	defer lock.Unlock()
	begun, err := r.begin(ctx, t, ask == askAll)
	if err != nil {
		return nil, err
	}
	set, err := r.trainingSet(ctx, t, begun.run, ask)
	if err != nil {
		return nil, err
	}
	models, err := trainAll(set, begun.outcomes, r.opts.Workers)
	if err != nil {
		return nil, err
	}
	list, err := r.finish(ctx, t, begun, set, models, reason)
	if err != nil {
		return nil, err
	}
	return list, r.LoadTenant(ctx, t)
}

// watched is an outcome with the time since when visits are watched for it.
type watched struct {
	outcome uuid.UUID
	since   int64
}

// begun is where a training starts from.
type begun struct {
	run       int64
	forgotten int64 // value of the counter before the rows were read
	outcomes  []watched
}

// begin gives the training a number and marks the rows it will see. With tidy it first deletes those
// that are too old.
func (r *Room) begin(ctx context.Context, t id.Tenant, tidy bool) (b begun, err error) {
	tooOld := r.clock.Now().Add(-r.opts.Retention).UnixMicro()
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		b = begun{}
		if err := tx.QueryRow(ctx, `
			INSERT INTO predict_state (tenant_id, run, trained, visits, forgotten, learnt) VALUES ($1, 1, 0, 0, 0, 0)
			ON CONFLICT (tenant_id) DO UPDATE SET run = predict_state.run + 1
			RETURNING run, forgotten`, t).Scan(&b.run, &b.forgotten); err != nil {
			return err
		}
		if tidy {
			if _, err := tx.Exec(ctx, `DELETE FROM predict_visit WHERE tenant_id = $1 AND recorded < $2`, t, tooOld); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE predict_visit SET run = $2 WHERE tenant_id = $1 AND run = 0`, t, b.run); err != nil {
			return err
		}
		b.outcomes, err = outcomes(ctx, tx, t)
		return err
	})
	return b, err
}

// outcomes returns the predicted outcomes, sorted.
func outcomes(ctx context.Context, tx *store.Tx, t id.Tenant) ([]watched, error) {
	rows, err := tx.Query(ctx, `
		SELECT outcome, since FROM predict_outcome WHERE tenant_id = $1 AND enabled ORDER BY outcome`, t)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []watched
	for rows.Next() {
		var raw []byte
		var w watched
		if err := rows.Scan(&raw, &w.since); err != nil {
			return nil, err
		}
		if w.outcome, err = uuid.FromBytes(raw); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, rows.Err()
}

// trainingSet reads the rows that the training of that number may learn from, after asking who
// allows it.
func (r *Room) trainingSet(ctx context.Context, t id.Tenant, run int64, ask asking) (*rowSet, error) {
	stored, err := r.allowedRows(ctx, t, run, ask)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(stored))
	for i := range stored {
		s := &stored[i]
		body, err := r.open(ctx, t, s.subject, s.session, s.sealed)
		if fail.Is(err, fail.Gone) {
			continue // its key was destroyed: it is as good as deleted
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{
			subject: s.subject, session: s.session, recorded: s.recorded,
			body: body, hash: hashRow(s.subject, s.session, body),
		})
	}
	return newRowSet(t, rows), nil
}

// allowedRows holds back the rows of subjects who don't allow training now, brings back those of
// subjects who do again (Arts 7(3), 18 and 21 GDPR), and returns the rows that are left.
func (r *Room) allowedRows(ctx context.Context, t id.Tenant, run int64, ask asking) ([]storedRow, error) {
	allowed := map[id.Subject]bool{}
	asked := func(s id.Subject) bool {
		ok, known := allowed[s]
		if !known {
			ok = r.allow(ctx, t, s, purposePredict)
			allowed[s] = ok
		}
		return ok
	}
	if ask == askAll {
		held, err := r.heldBack(ctx, t)
		if err != nil {
			return nil, err
		}
		again := slices.DeleteFunc(held, func(s id.Subject) bool { return !asked(s) })
		if err := r.hold(ctx, t, again, false); err != nil {
			return nil, err
		}
	}
	for {
		stored, err := r.rowsUpTo(ctx, t, run)
		if err != nil || ask == askNobody {
			return stored, err
		}
		refused := map[id.Subject]bool{}
		for i := range stored {
			s := &stored[i]
			if (ask == askAll || s.run == run) && !asked(s.subject) {
				refused[s.subject] = true
			}
		}
		if len(refused) == 0 {
			return stored, nil
		}
		// Others may come in for those that go.
		if err := r.hold(ctx, t, slices.Collect(maps.Keys(refused)), true); err != nil {
			return nil, err
		}
	}
}

// trainAll makes the models of several outcomes from one set.
func trainAll(set *rowSet, list []watched, workers int) ([]*model, error) {
	scaled := newScaledValues()
	models, errs := make([]*model, len(list)), make([]error, len(list))
	// Outcomes side by side first; what processors are left share the work within one.
	each := max(1, workers/max(1, len(list)))
	eachOf(len(list), workers, func(i int) {
		since, err := set.watchedSince(list[i])
		if err == nil {
			models[i], err = trainOutcome(set, scaled, list[i].outcome, since, each)
		}
		errs[i] = err
	})
	return models, errors.Join(errs...)
}

// watchedSince returns from when on rows count for an outcome: since it is predicted, or from the
// first row that achieved it, if that is earlier, because journey must have watched for it then.
func (s *rowSet) watchedSince(w watched) (int64, error) {
	since := w.since
	for i := range s.rows {
		if s.rows[i].recorded >= since {
			continue
		}
		at, _, err := s.rows[i].achieved(w.outcome)
		if err != nil {
			return 0, err
		}
		if at >= 0 {
			since = s.rows[i].recorded
		}
	}
	return since, nil
}

// finish stores the models in one transaction and says what changed.
func (r *Room) finish(ctx context.Context, t id.Tenant, b begun, set *rowSet, models []*model, reason string) (list []Attestation, err error) {
	now := r.clock.Now()
	root, n := set.root(), int64(len(set.rows))
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		list = list[:0]
		for _, m := range models {
			a := Attestation{
				Outcome: m.outcome, Reason: reason, At: now,
				RowsAfter: n, RootAfter: root, NewModel: m.hash(), Procedure: procedureDigest(),
			}
			var oldHash, oldRoot []byte
			err := tx.QueryRow(ctx, `SELECT hash, root, rows_used FROM predict_model WHERE tenant_id = $1 AND outcome = $2`,
				t, m.outcome).Scan(&oldHash, &oldRoot, &a.RowsBefore)
			if err != nil && !noRow(err) {
				return err
			}
			copy(a.OldModel[:], oldHash)
			copy(a.RootBefore[:], oldRoot)
			if _, err := tx.Exec(ctx, `
				INSERT INTO predict_model (tenant_id, outcome, body, hash, rows_used, root, run, trained)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
				ON CONFLICT (tenant_id, outcome) DO UPDATE SET body = excluded.body, hash = excluded.hash,
					rows_used = excluded.rows_used, root = excluded.root, run = excluded.run, trained = excluded.trained`,
				t, m.outcome, m.encode(), a.NewModel[:], n, root[:], b.run, now.UnixMicro()); err != nil {
				return err
			}
			list = append(list, a)
		}
		_, err := tx.Exec(ctx, `
			UPDATE predict_state SET trained = $2, visits = $3, learnt = $4 WHERE tenant_id = $1`,
			t, now.UnixMicro(), n, b.forgotten)
		return err
	})
	return list, err
}
