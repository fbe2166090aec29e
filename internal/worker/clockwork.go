package worker

import (
	"context"
	"errors"

	"probity/internal/id"
)

// dueAtOnce is how many visitors one look at the clock takes up per organisation.
const dueAtOnce = 500

// Tick ends the sessions that have been silent for too long, and makes the offers whose time has
// come, in the partitions of this process. It returns when that is written.
func (w *Worker) Tick(ctx context.Context) error {
	tenants, err := w.Tenants(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, t := range tenants {
		failed = errors.Join(failed, w.tick(ctx, t))
	}
	return failed
}

func (w *Worker) tick(ctx context.Context, t id.Tenant) error {
	for {
		due, err := w.Journey.Due(ctx, t, w.Clock.Now(), dueAtOnce)
		if err != nil {
			return err
		}
		ours := 0
		batches := make(map[*partition]*batch)
		for _, s := range due {
			p := w.partition(t, s)
			if !p.held.Load() {
				continue
			}
			ours++
			b := batches[p]
			if b == nil {
				b = newBatch()
				batches[p] = b
			}
			b.group(key{t, s}).tick = true
		}
		for p, b := range batches {
			if err := p.call(ctx, b); err != nil {
				return err
			}
		}
		if len(due) < dueAtOnce || ours == 0 {
			return nil
		}
	}
}

func (w *Worker) partition(t id.Tenant, s id.Subject) *partition {
	return w.parts[w.Partition(t, s)%len(w.parts)]
}
