package journey

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
)

// Aged returns at most limit subjects behind after, in their order, who have visits that ended before a
// time.
func (s *Store) Aged(ctx context.Context, t id.Tenant, before time.Time, after id.Subject, limit int) (subjects []id.Subject, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		subjects = nil
		rows, err := tx.Query(ctx, `
			SELECT DISTINCT subject FROM journey_session
			WHERE tenant_id = $1 AND subject > $2 AND ended < $3 ORDER BY subject LIMIT $4`, t, after, micros(before), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var sub id.Subject
			if err := rows.Scan(&sub); err != nil {
				return err
			}
			subjects = append(subjects, sub)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("look for old visits: %w", err)
	}
	return subjects, nil
}

// Retire deletes a subject's visits that ended before a time, with their events and offers; with the
// last visit also the traits that are kept with the visitor. Events that were received since, as by an
// import of the past, stay: their time counts from their arrival. It returns how many events it deleted,
// and is idempotent. Tell the worker to forget the subject afterwards.
func (s *Store) Retire(ctx context.Context, tx *store.Tx, sub id.Subject, before time.Time) (events int64, err error) {
	old := map[uuid.UUID]bool{}
	rows, err := tx.Query(ctx, `SELECT id FROM journey_session WHERE tenant_id = $1 AND subject = $2 AND ended < $3`,
		tx.TenantID(), sub, micros(before))
	if err != nil {
		return 0, fmt.Errorf("look for old visits: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var sid uuid.UUID
		if err := rows.Scan(&sid); err != nil {
			return 0, fmt.Errorf("look for old visits: %w", err)
		}
		old[sid] = true
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("look for old visits: %w", err)
	}
	rows.Close()
	if len(old) == 0 {
		return 0, nil
	}
	events, err = s.Forget(ctx, tx, sub, Forgetting{Match: func(e Grounded) bool { return old[e.Session] && e.Received.Before(before) }})
	if err != nil || events == 0 {
		return events, err
	}
	var left int64
	err = tx.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM journey_session WHERE tenant_id = $1 AND subject = $2) +
			(SELECT count(*) FROM journey_visitor WHERE tenant_id = $1 AND subject = $2 AND opened > 0)`, tx.TenantID(), sub).Scan(&left)
	if err != nil || left > 0 {
		return events, err
	}
	_, err = s.Forget(ctx, tx, sub, Forgetting{Match: func(Grounded) bool { return false }, Identity: true})
	return events, err
}
