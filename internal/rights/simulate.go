package rights

import (
	"context"
	"time"

	"probity/internal/id"
	"probity/internal/store"
)

// Plan is what a request would do: counts only, nothing of what is held.
type Plan struct {
	Type         Type
	DueAt        time.Time
	Found        int            // data subjects (devices) that belong to the person
	Matched      bool           // false: nothing is held under these identifiers
	Stores       []StoreReport  // what each store would hand out: access and portability
	Rows         []Count        // rows of the person in each table of the database, with zeros
	Databases    *DatabasesPlan // what an erasure would do in the organisation's databases; nil: there are none
	Hold         *Hold          // an erasure would stop at it
	Restricted   bool           // the data may only be stored at present
	SecondPerson bool           // somebody else would have to approve
	Earlier      int            // requests about the same person in the twelve months before
	State        State          // where the request would begin
}

// Simulate tells what a request would do and changes nothing: it makes no request, no key and no entry.
//
// Errors: fail.Invalid and the field, as Open.
func (r *Room) Simulate(ctx context.Context, t id.Tenant, q Request, o Opening) (*Plan, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	controller, rules, err := r.policy(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	if q.ReceivedAt.IsZero() || q.ReceivedAt.After(now) {
		q.ReceivedAt = now
	}
	if err := q.open(o, now, rules); err != nil {
		return nil, err
	}
	subjects, err := r.locate(ctx, t, &q.Who)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		Type: q.Type, DueAt: q.DueAt, Found: len(subjects), Matched: len(subjects) > 0, Stores: []StoreReport{},
		SecondPerson: q.Facts.Approval != nil, State: q.State,
	}
	digests, err := r.digests(ctx, t, &q.Who)
	if err != nil {
		return nil, err
	}
	if q.Type == Access || q.Type == Portability {
		if _, p.Stores, err = r.gather(ctx, t, subjects, q.Type, controller.Purposes); err != nil {
			return nil, err
		}
	}
	if q.Type == Erasure && r.hasDatabases(t) {
		if p.Databases, err = r.PlanDatabases(ctx, t, q.Who); err != nil {
			return nil, err
		}
	}
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		if p.Rows, err = rowsOf(ctx, tx, subjects); err != nil {
			return err
		}
		if p.Restricted, err = r.Restricted(ctx, tx, subjects); err != nil {
			return err
		}
		if q.Type == Erasure {
			if p.Hold, err = heldBy(ctx, tx, subjects, digests); err != nil {
				return err
			}
		}
		_, _, p.Earlier, err = earlierOf(ctx, tx, q.Type, digests, now)
		return err
	})
	return p, err
}
