package worker

import (
	"context"
	"fmt"
	"sync"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/subject"
)

// write commits batches one after the other.
func (p *partition) write(ctx context.Context, l *lease, batches <-chan *batch) error {
	at := l.seq
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-batches:
			if b.empty() {
				b.finish(nil)
				p.writing.remove(b)
				continue
			}
			to := max(at, b.last)
			merged, err := p.commit(ctx, l, b, at, to)
			b.finish(err)
			if err != nil {
				return fmt.Errorf("write a batch: %w", err)
			}
			at = to
			if b.records > 0 {
				p.failures.Store(0)
			}
			p.writing.remove(b)
			p.w.stats.count(b)
			p.done.advance(at, b)
			p.w.announce(b, merged)
		}
	}
}

// merge is two or more subjects that turned out to be one person.
type merge struct {
	tenant   id.Tenant
	subjects []id.Subject
}

// commit writes what the batch brought about, all or nothing, and moves the offset with it.
func (p *partition) commit(ctx context.Context, l *lease, b *batch, from, to uint64) (merged []merge, err error) {
	// Once handed over the transaction is waited for: its outcome must be known.
	ctx = context.WithoutCancel(ctx)
	w := p.w
	var erased []key
	err = w.DB.Write(ctx, func(tx *store.Tx) error {
		merged, erased = nil, nil // the function may run more than once
		if err := w.hold(ctx, tx, l, from, to); err != nil {
			return err
		}
		for _, part := range b.tenants() {
			if err := w.save(ctx, tx, part, &merged, &erased); err != nil {
				return err
			}
		}
		return nil
	})
	for _, k := range erased {
		p.visitors.Drop(k)
		if g := b.byKey[k]; g != nil {
			g.lost, g.fx = len(g.records), journey.Effects{}
		}
	}
	return merged, err
}

// save writes one organisation's part of a batch.
func (w *Worker) save(ctx context.Context, tx *store.Tx, part tenantGroups, merged *[]merge, erased *[]key) error {
	changes := make([]*journey.Change, 0, len(part.groups))
	for _, g := range part.groups {
		if g.change != nil {
			changes = append(changes, g.change)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	tx, err := tx.As(ctx, part.tenant)
	if err != nil {
		return err
	}
	lost, err := w.Journey.Save(ctx, tx, changes)
	if err != nil {
		return err
	}
	gone := make(map[id.Subject]bool, len(lost))
	for _, s := range lost {
		gone[s] = true
		*erased = append(*erased, key{part.tenant, s})
	}
	for _, g := range part.groups {
		if gone[g.subject] {
			continue
		}
		if ids := identities(g.fx.Identify); len(ids) > 0 {
			// A device that nobody knew to be the person's may have named them just before the erasure.
			ids, err := w.People.Timely(ctx, tx, ids, g.oldest)
			if err != nil {
				return fmt.Errorf("look up erased identities: %w", err)
			}
			others, err := w.People.Identify(ctx, tx, g.subject, ids)
			if err != nil && !refusal(err) {
				return fmt.Errorf("bind identities: %w", err)
			}
			if len(others) > 0 {
				*merged = append(*merged, merge{part.tenant, append([]id.Subject{g.subject}, others...)})
				if w.Merged != nil {
					if err := w.Merged(ctx, tx, g.subject); err != nil {
						return fmt.Errorf("note what a merge closed: %w", err)
					}
				}
			}
		}
		for i := range g.visits {
			if err := w.Predict.RecordVisit(ctx, tx, g.visits[i]); err != nil && !refusal(err) {
				return fmt.Errorf("keep a visit for training: %w", err)
			}
		}
	}
	return nil
}

// refusal tells whether another room said no to what it was handed, rather than that it could not
// do it: it would say so again and again.
func refusal(err error) bool {
	switch fail.KindOf(err) {
	case fail.Invalid, fail.NotFound, fail.Conflict, fail.Gone, fail.Forbidden, fail.ConsentRequired:
		return true
	}
	return false
}

// identities returns what can be bound. What is no e-mail address or telephone number is left out:
// an event is not refused for a slip in a form.
func identities(found map[string]string) map[subject.Kind]string {
	ids := make(map[subject.Kind]string, len(found))
	for kind, value := range found {
		if value, err := subject.Normalise(subject.Kind(kind), value); err == nil {
			ids[subject.Kind(kind)] = value
		}
	}
	return ids
}

// writing knows which visitors are in batches that are not committed yet.
type writing struct {
	mu      *sync.Mutex // guards all below
	batches int
	keys    map[key]int
	changed chan struct{} // closed and replaced whenever a batch is done
}

func newWriting() writing {
	return writing{mu: new(sync.Mutex), keys: make(map[key]int), changed: make(chan struct{})}
}

func (w *writing) add(b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches++
	for k := range b.byKey {
		w.keys[k]++
	}
}

func (w *writing) remove(b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches--
	for k := range b.byKey {
		if w.keys[k]--; w.keys[k] <= 0 {
			delete(w.keys, k)
		}
	}
	w.wake()
}

func (w *writing) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches = 0
	clear(w.keys)
	w.wake()
}

func (w *writing) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// state tells whether batches are being written, with a channel that is closed when one is done.
func (w *writing) state() (busy bool, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.batches > 0, w.changed
}

// wait returns when no batch that holds the visitor is being written.
func (w *writing) wait(ctx context.Context, k key) error {
	for {
		w.mu.Lock()
		pending, changed := w.keys[k] > 0, w.changed
		w.mu.Unlock()
		if !pending {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
