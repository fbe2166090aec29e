package main

import (
	"context"
	"encoding/json"
	"time"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
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
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), often)
			r.forEachTenant(last, "count the notices served", r.consent.FlushShown)
			cancel()
			return nil
		case <-ticker.C:
		}
		r.forEachTenant(ctx, "count the notices served", r.consent.FlushShown)
		r.train(ctx)
		r.rotateKeys(ctx) // an epoch may be shorter than the other chores' cadence
		if _, err := r.catchUp(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("the register of erasures can't be followed; it is tried again", "error", err)
		}
		r.forEachTenant(ctx, "hear of consents that changed elsewhere", r.consent.Refresh)
		r.forEachTenant(ctx, "end consents that ran out", func(ctx context.Context, t id.Tenant) error {
			_, err := r.consent.Expire(ctx, t, 1000)
			return err
		})
		if round%int(seldom/often) != 0 {
			continue
		}
		for _, chore := range []struct {
			name string
			do   func(context.Context, id.Tenant) error
		}{
			{"forget used nonces", func(ctx context.Context, t id.Tenant) error {
				_, err := r.consent.Sweep(ctx, t)
				return err
			}},
			{"add up the counts of choices", r.consent.RollUp},
			{"end questions that nobody answered", func(ctx context.Context, t id.Tenant) error {
				_, err := r.consent.ExpireAsks(ctx, t, 1000)
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

// train trains the models that are due, and notes in the ledger which model came from which set of
// rows. A model that could not be noted is in use all the same: whoever has the rows can make it again.
func (r *rooms) train(ctx context.Context) {
	trained, err := r.predict.TrainDue(ctx)
	if err != nil && ctx.Err() == nil {
		r.log.Warn("a model could not be trained; it is tried again", "error", err)
	}
	for t, attestations := range trained {
		entries := make([]ledger.Entry, 0, len(attestations))
		for _, a := range attestations {
			payload, err := json.Marshal(a)
			if err != nil {
				r.log.Warn("an attestation could not be written", "tenant", t, "error", err)
				continue
			}
			entries = append(entries, ledger.Entry{Kind: ledger.ModelRetrained, Payload: payload})
		}
		if len(entries) == 0 {
			continue
		}
		err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
			_, err := r.ledger.AppendAll(ctx, tx, entries)
			return err
		})
		if err != nil && ctx.Err() == nil {
			r.log.Warn("the training of a model could not be noted in the ledger", "tenant", t, "error", err)
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
