package rights

import (
	"context"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Assign says who of the staff takes care of a request; uuid.Nil: nobody does. It changes nothing of
// what anybody may do, and stands in the trail.
//
// Errors: fail.NotFound; fail.Conflict if the request is finished.
func (r *Room) Assign(ctx context.Context, t id.Tenant, request, staff uuid.UUID, by Actor) error {
	q, err := r.Get(ctx, t, request)
	if err != nil {
		return err
	}
	what, assignee := "taken", any(staff[:])
	if staff == uuid.Nil {
		what, assignee = "left", nil
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE rights_request SET assignee = $3 WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL`, t, request[:], assignee)
		if err == nil && n == 0 {
			err = fail.New(fail.Conflict, "The request is finished.").WithCode("request.state")
		}
		if err != nil {
			return err
		}
		return r.note(ctx, tx, request, by, what, q.State, nil)
	})
}

// Assignee returns who takes care of the request; uuid.Nil: nobody.
func (r *Room) Assignee(ctx context.Context, t id.Tenant, request uuid.UUID) (staff uuid.UUID, err error) {
	var taken []byte
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT assignee FROM rights_request WHERE tenant_id = $1 AND id = $2`, t, request[:]).Scan(&taken)
	})
	if err == nil && len(taken) == 16 {
		staff = uuid.UUID(taken)
	}
	return staff, err
}
