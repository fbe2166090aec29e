package consent

import (
	"context"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/subject"
)

// ChooseAs is Choose for a person who is signed in with the site's own account, on the site's own page
// of settings: the choice is first-hand, because the notice and the nonce were served to that page, and
// it is the account's, on whichever device. Devices of the person keep what was chosen on them; what the
// account refuses is closed on all of them, and what it grants opens none: see fold.
//
// The site's server vouches for the customer number. A customer who was erased and signs in again is
// somebody new. Errors are those of Choose.
func (r *Room) ChooseAs(ctx context.Context, t id.Tenant, customer string, c Choice) (*Outcome, error) {
	if c.Visitor != nil {
		return nil, fail.Field("visitor", "A choice is made by an account or by a visitor, not by both.")
	}
	// Whoever isn't known by now is made known only for a nonce of ours.
	if _, err := r.openNonce(ctx, t, c.Nonce, c.Deployment); err != nil {
		return nil, err
	}
	s, err := r.subjects.EnsureSince(ctx, t, subject.ExternalID, customer, r.clk.Now())
	if err != nil {
		return nil, err
	}
	c.Subject = s
	return r.Choose(ctx, t, c)
}

// Effective returns what holds for a person who is named by any identity: for each of their references
// the effective state. It is empty for somebody nobody knows.
func (r *Room) Effective(ctx context.Context, t id.Tenant, who Who) (map[id.Subject]map[string]State, error) {
	found, err := r.subjects.Find(ctx, t, who.Kind, who.Value)
	if err != nil {
		return nil, err
	}
	out := make(map[id.Subject]map[string]State, len(found))
	for _, s := range found {
		if out[s], err = r.State(ctx, t, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// LinkFor is Link for a person who is named by an identity; fail.NotFound if nobody carries it.
func (r *Room) LinkFor(ctx context.Context, t id.Tenant, who Who, deployment uuid.UUID, purposes []string) (string, error) {
	s, ok, err := r.subjects.Lookup(ctx, t, who.Kind, who.Value)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fail.New(fail.NotFound, "Nobody is known by this %s.", who.Kind)
	}
	return r.Link(ctx, t, s, deployment, purposes)
}
