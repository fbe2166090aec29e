package consent

import (
	"context"
	"slices"

	"probity/internal/fail"
	"probity/internal/id"
)

// Standing tells whether what is already kept of the subject may go on being used for the purpose,
// such as the rows that models learn from. It may if the subject consents now. Of somebody who was
// never asked, data is kept only if a declared basis let it in, so it may while a declaration for the
// purpose is in force. Whoever refused, withdrew, objected, or let consent run out has decided: then
// no declaration helps. Errors: fail.Unavailable; then the answer is no.
func (r *Room) Standing(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (bool, error) {
	_, err := r.Gate(ctx, t, s, purpose)
	if err == nil {
		return true, nil
	}
	if !fail.Is(err, fail.ConsentRequired) {
		return false, err
	}
	state, err := r.State(ctx, t, s)
	if err != nil || state[purpose].Status != Unknown {
		return false, err
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return false, err
	}
	now := r.clk.Now()
	return slices.ContainsFunc(set.declarations, func(d Declared) bool { return d.holds(purpose, now) }), nil
}
