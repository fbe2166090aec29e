package rights

import (
	"context"

	"probity/internal/store"
)

// Reclaim gives up the leases that a former process of this installation left when it was killed, so
// that its requests go on at once instead of when the leases run out. Call it before Run, and only
// when no other process works on the same database; should one do so all the same, it loses its
// lease, stops, and the steps it repeats do no harm.
func (r *Room) Reclaim(ctx context.Context) error {
	return r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE rights_request SET lease = NULL, leased_until = 0
			WHERE tenant_id IS NOT NULL AND finished_at IS NULL`)
		return err
	})
}
