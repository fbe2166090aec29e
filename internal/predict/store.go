package predict

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Enable predicts an outcome from now on. Visits count that were recorded from this moment on, or
// from the first recorded visit that achieved the outcome, if that is earlier. It does nothing if the
// outcome is predicted already.
func (r *Room) Enable(ctx context.Context, t id.Tenant, outcome uuid.UUID) error {
	return r.setEnabled(ctx, t, outcome, true)
}

// Disable stops predicting an outcome and deletes its model. Training rows stay: they belong to no
// single outcome.
func (r *Room) Disable(ctx context.Context, t id.Tenant, outcome uuid.UUID) error {
	return r.setEnabled(ctx, t, outcome, false)
}

func (r *Room) setEnabled(ctx context.Context, t id.Tenant, outcome uuid.UUID, on bool) error {
	now := r.clock.Now().UnixMicro()
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `
			INSERT INTO predict_outcome (tenant_id, outcome, enabled, since) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, outcome) DO UPDATE SET enabled = excluded.enabled`,
			t, outcome, on, now); err != nil {
			return err
		}
		if on {
			return nil
		}
		_, err := tx.Exec(ctx, `DELETE FROM predict_model WHERE tenant_id = $1 AND outcome = $2`, t, outcome)
		return err
	})
	if err != nil {
		return err
	}
	return r.LoadTenant(ctx, t)
}

// Load reads the predictors of all organisations. Call it once before the first Score.
func (r *Room) Load(ctx context.Context) error {
	var tenants []id.Tenant
	err := r.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT DISTINCT tenant_id FROM predict_outcome WHERE enabled`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t id.Tenant
			if err := rows.Scan(&t); err != nil {
				return err
			}
			tenants = append(tenants, t)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := r.LoadTenant(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// LoadTenant reads the predictors of one organisation again, for when another process has changed
// them.
func (r *Room) LoadTenant(ctx context.Context, t id.Tenant) error {
	list := map[uuid.UUID]*predictor{}
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT o.outcome, m.body FROM predict_outcome o
			LEFT JOIN predict_model m ON m.tenant_id = o.tenant_id AND m.outcome = o.outcome
			WHERE o.tenant_id = $1 AND o.enabled`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var raw, body []byte
			if err := rows.Scan(&raw, &body); err != nil {
				return err
			}
			outcome, err := uuid.FromBytes(raw)
			if err != nil {
				return err
			}
			m := &model{outcome: outcome, calibration: identity}
			if body != nil {
				if m, err = decodeModel(body); err != nil {
					// Serve nothing from it; the next training replaces it.
					r.opts.Logger.Error("a stored model can't be read", "tenant", t, "outcome", outcome)
					m = &model{outcome: outcome, calibration: identity}
				}
			}
			list[outcome] = newPredictor(m)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	r.swap(t, list)
	return nil
}

// RecordVisit keeps a closed visit as a training row, in the caller's transaction. The caller has
// made sure that its subject allows the purpose "predict". A visit without events, and a session that
// was recorded before, change nothing.
func (r *Room) RecordVisit(ctx context.Context, tx *store.Tx, v Visit) error {
	if len(v.Vectors) == 0 {
		return nil
	}
	t := tx.TenantID()
	body, err := r.seal(ctx, t, v.Subject, v.Session, encodeBody(&v))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO predict_visit (tenant_id, session, subject, place, recorded, closed, ground, run, held, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)
		ON CONFLICT (tenant_id, place, session) DO NOTHING`,
		t, v.Session, v.Subject, placeOf(v.Session), r.clock.Now().UnixMicro(), v.Closed.UnixMicro(), v.Ground, false, body)
	return err
}

// Forget deletes the training rows of data subjects, in the caller's transaction, and returns how
// many there were. What the models have learnt from them goes with the next Retrain.
func (r *Room) Forget(ctx context.Context, tx *store.Tx, subjects []id.Subject) (rows int64, err error) {
	t := tx.TenantID()
	for _, s := range subjects {
		n, err := tx.Exec(ctx, `DELETE FROM predict_visit WHERE tenant_id = $1 AND subject = $2`, t, s)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	if rows == 0 {
		return 0, nil
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO predict_state (tenant_id, run, trained, visits, forgotten, learnt) VALUES ($1, 0, 0, 0, 1, 0)
		ON CONFLICT (tenant_id) DO UPDATE SET forgotten = predict_state.forgotten + 1`, t)
	return rows, err
}

// Record is what is kept of one visit for training, for its data subject to see (Art. 15 GDPR).
type Record struct {
	Session  uuid.UUID            `json:"session"`
	Subject  id.Subject           `json:"subject"`
	Closed   time.Time            `json:"closed"`
	Ground   int64                `json:"ground"` // ledger index of the consent; -1: another basis
	Held     bool                 `json:"held"`   // kept out of training
	Achieved map[uuid.UUID]int    `json:"achieved"`
	Features []map[string]float64 `json:"features"` // after each event, by name; zeros left out
}

// Export returns everything that is kept of data subjects for training, in the order it was recorded.
func (r *Room) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Record, error) {
	var list []Record
	for _, s := range subjects {
		stored, err := r.rowsOf(ctx, t, s)
		if err != nil {
			return nil, err
		}
		for _, sr := range stored {
			body, err := r.open(ctx, t, sr.subject, sr.session, sr.sealed)
			if err != nil {
				return nil, err
			}
			rec := Record{
				Session: sr.session, Subject: sr.subject, Closed: time.UnixMicro(sr.closed).UTC(),
				Ground: sr.ground, Held: sr.held, Achieved: map[uuid.UUID]int{},
			}
			trace, err := decodeBody(body, func(o uuid.UUID, at int) { rec.Achieved[o] = at })
			if err != nil {
				return nil, err
			}
			err = eachVector(trace, func(q *[NumFeatures]uint16) {
				named := map[string]float64{}
				for j, x := range q {
					if x != 0 {
						named[features[j].name] = float64(expand(x))
					}
				}
				rec.Features = append(rec.Features, named)
			})
			if err != nil {
				return nil, fail.Wrap(fail.Internal, err, "a training row can't be read")
			}
			list = append(list, rec)
		}
	}
	return list, nil
}

// storedRow is a training row as the store has it.
type storedRow struct {
	subject                       id.Subject
	session                       uuid.UUID
	recorded, closed, ground, run int64
	held                          bool
	sealed                        []byte
}

const storedColumns = `subject, session, recorded, closed, ground, run, held, body`

func scanStored(rows *sql.Rows) (list []storedRow, err error) {
	defer rows.Close()
	for rows.Next() {
		var s storedRow
		var session []byte
		if err := rows.Scan(&s.subject, &session, &s.recorded, &s.closed, &s.ground, &s.run, &s.held, &s.sealed); err != nil {
			return nil, err
		}
		if s.session, err = uuid.FromBytes(session); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// rowsOf returns the rows of one subject.
func (r *Room) rowsOf(ctx context.Context, t id.Tenant, s id.Subject) (list []storedRow, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT `+storedColumns+` FROM predict_visit
			WHERE tenant_id = $1 AND subject = $2 ORDER BY recorded, session`, t, s)
		if err != nil {
			return err
		}
		list, err = scanStored(rows)
		return err
	})
	return list, err
}

// rowsUpTo returns the rows that the training of that number may learn from: of too many, those whose
// places come first.
func (r *Room) rowsUpTo(ctx context.Context, t id.Tenant, run int64) (list []storedRow, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT `+storedColumns+` FROM predict_visit
			WHERE tenant_id = $1 AND run > 0 AND run <= $2 AND NOT held
			ORDER BY place, session LIMIT $3`, t, run, maxRows)
		if err != nil {
			return err
		}
		list, err = scanStored(rows)
		return err
	})
	return list, err
}

// heldBack returns the subjects whose rows are held.
func (r *Room) heldBack(ctx context.Context, t id.Tenant) (list []id.Subject, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = list[:0]
		rows, err := tx.Query(ctx, `SELECT DISTINCT subject FROM predict_visit WHERE tenant_id = $1 AND held`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s id.Subject
			if err := rows.Scan(&s); err != nil {
				return err
			}
			list = append(list, s)
		}
		return rows.Err()
	})
	return list, err
}

// hold keeps the rows of subjects out of training, or lets them in again.
func (r *Room) hold(ctx context.Context, t id.Tenant, subjects []id.Subject, held bool) error {
	if len(subjects) == 0 {
		return nil
	}
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		for _, s := range subjects {
			if _, err := tx.Exec(ctx, `UPDATE predict_visit SET held = $3 WHERE tenant_id = $1 AND subject = $2`, t, s, held); err != nil {
				return err
			}
		}
		return nil
	})
}

// placeOf returns the place of a session's row. It says nothing about what is in the row.
func placeOf(session uuid.UUID) int64 {
	sum := sha256.Sum256(append([]byte("probity/predict/place/v1\x00"), session[:]...))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// sealedAt binds a sealed row to where it belongs. All parts have a fixed length.
func sealedAt(t id.Tenant, s id.Subject, session uuid.UUID) []byte {
	b := []byte("probity/predict/visit\x00")
	b = append(b, t[:]...)
	b = append(b, s[:]...)
	return append(b, session[:]...)
}

func (r *Room) seal(ctx context.Context, t id.Tenant, s id.Subject, session uuid.UUID, body []byte) ([]byte, error) {
	if r.opts.Keys == nil {
		return body, nil
	}
	return r.opts.Keys.Seal(ctx, t, s, sealedAt(t, s, session), body)
}

func (r *Room) open(ctx context.Context, t id.Tenant, s id.Subject, session uuid.UUID, sealed []byte) ([]byte, error) {
	if r.opts.Keys == nil {
		return sealed, nil
	}
	return r.opts.Keys.Open(ctx, t, s, sealedAt(t, s, session), sealed)
}

// noRow tells whether a query found nothing.
func noRow(err error) bool { return errors.Is(err, sql.ErrNoRows) }
