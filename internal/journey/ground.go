package journey

import (
	"context"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Grounded is what an audit sees of a stored event: on which ground it was received, and nothing of
// what it says.
type Grounded struct {
	Subject    id.Subject
	Event      uuid.UUID
	Session    uuid.UUID
	Deployment uuid.UUID
	Purpose    string
	Ground     event.Ground
	Received   time.Time
	Identifies bool // it holds traits or an external id
}

func grounded(sub id.Subject, session uuid.UUID, ev *event.Event) Grounded {
	return Grounded{
		Subject: sub, Event: ev.ID, Session: session, Deployment: ev.Deployment, Purpose: ev.Purpose, Ground: ev.Ground,
		Received: ev.Received, Identifies: len(ev.Traits) > 0 || ev.ExternalID != "",
	}
}

// groundSlice is how many rows an audit reads at a time: its memory does not grow with the store.
const groundSlice = 256

// EachGround calls fn for every stored event of the organisation and ends with fn's error. Events that
// are not in a full chunk yet come first, then the chunks, both in the order of their subjects: one that
// moves meanwhile is seen twice rather than never. Of subjects that are erased meanwhile the rest is
// left out.
func (s *Store) EachGround(ctx context.Context, t id.Tenant, fn func(Grounded) error) error {
	if err := s.eachTail(ctx, t, fn); err != nil {
		return err
	}
	type full struct {
		sub    id.Subject
		number int
		body   []byte
	}
	last := full{number: -1}
	for {
		var slice []full
		err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			slice = slice[:0]
			rows, err := tx.Query(ctx, `
				SELECT subject, number, body FROM journey_chunk
				WHERE tenant_id = $1 AND (subject > $2 OR subject = $2 AND number > $3)
				ORDER BY subject, number LIMIT $4`, t, last.sub, last.number, groundSlice)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var c full
				if err := rows.Scan(&c.sub, &c.number, &c.body); err != nil {
					return err
				}
				slice = append(slice, c)
			}
			return rows.Err()
		})
		if err != nil || len(slice) == 0 {
			return err
		}
		for _, c := range slice {
			plain, err := s.open(ctx, t, c.sub, "chunk", c.body)
			if fail.Is(err, fail.Gone) {
				continue
			}
			if err != nil {
				return err
			}
			if err := eachStoredEvent(plain, func(e StoredEvent) error { return fn(grounded(c.sub, e.Session, e.Event)) }); err != nil {
				return err
			}
		}
		last = slice[len(slice)-1]
	}
}

// eachTail calls fn for the events that are kept with their visitors.
func (s *Store) eachTail(ctx context.Context, t id.Tenant, fn func(Grounded) error) error {
	type visitor struct {
		sub id.Subject
		sealedState
	}
	var last id.Subject
	for {
		var slice []visitor
		err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			slice = slice[:0]
			rows, err := tx.Query(ctx, `
				SELECT subject, `+stateColumns+` FROM journey_visitor
				WHERE tenant_id = $1 AND subject > $2 ORDER BY subject LIMIT $3`, t, last, groundSlice)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var v visitor
				if err := rows.Scan(append([]any{&v.sub}, v.columns()...)...); err != nil {
					return err
				}
				slice = append(slice, v)
			}
			return rows.Err()
		})
		if err != nil || len(slice) == 0 {
			return err
		}
		for i := range slice {
			v, err := s.unseal(ctx, t, slice[i].sub, &slice[i].sealedState)
			if fail.Is(err, fail.Gone) {
				continue
			}
			if err != nil {
				return err
			}
			if err := eachStoredEvent(v.tail.bytes, func(e StoredEvent) error { return fn(grounded(v.Subject, e.Session, e.Event)) }); err != nil {
				return err
			}
		}
		last = slice[len(slice)-1].sub
	}
}

// GroundsOf calls fn for every stored event of a subject, as EachGround does.
func (s *Store) GroundsOf(ctx context.Context, t id.Tenant, sub id.Subject, fn func(Grounded) error) error {
	err := s.events(ctx, t, sub, time.Time{}, func(e StoredEvent) error { return fn(grounded(sub, e.Session, e.Event)) })
	if fail.Is(err, fail.Gone) {
		return nil
	}
	return err
}

// Holds tells, in a transaction, whether an event of any of the subjects is still stored. What can't be
// opened any more, because its key was destroyed, is not.
func (s *Store) Holds(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error) {
	for _, sub := range subjects {
		var chunks int64
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM journey_chunk WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), sub).Scan(&chunks); err != nil {
			return false, err
		}
		if chunks > 0 {
			return true, nil
		}
		v, err := (&forgetting{Store: s, tx: tx, sub: sub}).visitor(ctx)
		if fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return false, err
		}
		if v != nil && v.tail.events > 0 {
			return true, nil
		}
	}
	return false, nil
}
