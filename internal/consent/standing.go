package consent

import (
	"context"
	"slices"

	"probity/internal/fail"
	"probity/internal/id"
)

// Standing tells whether what is already kept of the subject may go on being used for the purpose,
// such as events that staff look at. It may if the subject consents now. Of somebody who was
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
	now := r.clk.Now()
	o := owner{t, s}
	if r.gate.denied(o, purpose, now) {
		return false, nil
	}
	v, err := r.view(ctx, o, now)
	if err != nil || v.locked || v.decide(purpose).status != "" {
		return false, err
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(set.declarations, func(d Declared) bool { return d.holds(purpose, now) }), nil
}

// Learnable tells whether what was learnt from the subject's data may go on being used: the purpose
// stands, and none of the sources, the purposes that the data was received for, was allowed once and is
// no longer. A source that never was allowed gave nothing to learn from.
func (r *Room) Learnable(ctx context.Context, t id.Tenant, s id.Subject, purpose string, sources ...string) (bool, error) {
	ok, err := r.Standing(ctx, t, s, purpose)
	if err != nil || !ok {
		return false, err
	}
	for _, source := range sources {
		ok, err := r.Standing(ctx, t, s, source)
		if err != nil {
			return false, err
		}
		if ok {
			continue
		}
		v, err := r.view(ctx, owner{t, s}, r.clk.Now())
		if err != nil {
			return false, err
		}
		set, err := r.tenant(ctx, t)
		if err != nil {
			return false, err
		}
		once := slices.ContainsFunc(v.own, func(rec Record) bool { return rec.says(source) == Given }) ||
			slices.ContainsFunc(set.declarations, func(d Declared) bool { return slices.Contains(d.Purposes, source) })
		if once {
			return false, nil
		}
	}
	return true, nil
}
