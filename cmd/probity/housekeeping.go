package main

import (
	"context"
	"time"

	"probity/internal/id"
)

// keepHouse does what time demands until ctx ends: it ends what has expired, trains models that
// have new data, replaces keys that are due, and signs the log when it has grown. Each chore can be
// repeated at any time, so a crash in between does no harm.
func (r *rooms) keepHouse(ctx context.Context) error {
	cancel, err := r.invalidate()
	if err != nil {
		return err
	}
	defer cancel()
	const often, seldom = 5 * time.Second, 10 * time.Minute
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if _, err := r.predict.TrainDue(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("a model could not be trained; it is tried again", "error", err)
		}
		r.rotateKeys(ctx) // an epoch may be shorter than the other chores' cadence
		if round%int(seldom/often) != 0 {
			continue
		}
		for _, chore := range []struct {
			name string
			do   func(context.Context, id.Tenant) error
		}{
			{"end consents that ran out", func(ctx context.Context, t id.Tenant) error {
				_, err := r.consent.Expire(ctx, t, 1000)
				return err
			}},
			{"forget used nonces", func(ctx context.Context, t id.Tenant) error {
				_, err := r.consent.Sweep(ctx, t)
				return err
			}},
			{"sign the log", func(ctx context.Context, t id.Tenant) error {
				_, err := r.ledger.Checkpoint(ctx, t)
				return err
			}},
		} {
			r.forEachTenant(ctx, chore.name, chore.do)
		}
	}
}

func (r *rooms) forEachTenant(ctx context.Context, chore string, do func(context.Context, id.Tenant) error) {
	tenants, err := r.tenants(ctx)
	if err != nil {
		r.log.Warn("the organisations could not be listed", "error", err)
		return
	}
	for _, t := range tenants {
		if err := do(ctx, t); err != nil && ctx.Err() == nil {
			r.log.Warn("a chore failed; it is tried again", "chore", chore, "tenant", t, "error", err)
		}
	}
}

// rotateKeys replaces the keys of organisations whose epoch has ended. What was erased in the epoch
// can't be opened from any copy of the key database made before it, once that copy is gone too.
func (r *rooms) rotateKeys(ctx context.Context) {
	due, err := r.keys.Due(ctx)
	if err != nil {
		r.log.Warn("keys that are due could not be listed", "error", err)
		return
	}
	for _, t := range due {
		if err := r.keys.Rotate(ctx, t); err != nil && ctx.Err() == nil {
			r.log.Warn("a key could not be replaced; it is tried again", "tenant", t, "error", err)
		}
	}
}
