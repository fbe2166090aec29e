package consent

import (
	"context"

	"probity/internal/id"
	"probity/internal/store"
)

// RestrictedBy has fn asked whether the data of any of the subjects of one person may only be stored
// (Art. 18 GDPR). Then no purpose is allowed, on whatever basis: nothing new is received, and what is
// held is neither used for predictions, offers and training nor read for other ends. fn is asked in the
// transaction that reads the records; whoever changes its answer calls Invalidate. Call it before the
// room is used.
//
// This is stricter than Art. 18(2), under which a consent given during the restriction could open a
// purpose: it opens when the restriction ends.
func (r *Room) RestrictedBy(fn func(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error)) {
	r.restricted = fn
}
