package worker

import (
	"context"
	"fmt"
	"time"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/stream"
)

// guardRow is the number under which the right to renew the log is claimed.
const guardRow = -1

// Incident is something that went wrong with the log.
type Incident struct {
	At     time.Time
	Kind   string // IncidentRegressed or IncidentMissing
	Detail string
}

// The kinds of incident.
const (
	// IncidentRegressed: the log ends before what was processed, or is not the one that was
	// processed. Accepted events that were not processed yet may be lost.
	IncidentRegressed = "log.regressed"
	// IncidentMissing: frames are gone from the log that nobody trimmed.
	IncidentMissing = "log.missing"
)

// Check compares the log with what was processed and renews it if it has gone back. Run does so by
// itself, at the start and every now and then; call Check before events are accepted, so that none
// can get into a log that is about to be given up.
func (w *Worker) Check(ctx context.Context) error { return w.guard(ctx) }

// compare makes sure that the log is the one whose offsets the database holds, before a partition
// is read. A log that lost its tail gives its numbers out again: everything below the offset would
// be skipped without a word.
func (w *Worker) compare(ctx context.Context, l *lease) error {
	st, err := w.Log.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the status of the log: %w", err)
	}
	if l.partition >= len(st.Last) {
		return fmt.Errorf("the log has %d partitions and the worker was told of more", len(st.Last))
	}
	if l.generation == "" && l.seq == 0 {
		if err := w.adopt(ctx, []offset{{partition: l.partition}}, st.Generation); err != nil {
			return err
		}
	}
	all, err := w.offsets(ctx)
	if err != nil {
		return err
	}
	if regression(st, all) == "" {
		return nil
	}
	if err := w.guard(ctx); err != nil {
		return err
	}
	return errAgain
}

// guard compares the log with all offsets and renews it if it has gone back.
func (w *Worker) guard(ctx context.Context) error {
	w.guarding.Lock()
	defer w.guarding.Unlock()
	st, err := w.Log.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the status of the log: %w", err)
	}
	all, err := w.offsets(ctx)
	if err != nil {
		return err
	}
	if regression(st, all) == "" {
		return w.missing(ctx, st)
	}
	right, err := w.claim(ctx, guardRow)
	if err != nil || right == nil {
		return err
	}
	defer w.release(right)
	return w.renewLog(ctx)
}

// renewLog has the log begin again with what is not processed. No worker may move an offset
// meanwhile: their leases are taken away first, and none starts before the log fits again.
func (w *Worker) renewLog(ctx context.Context) error {
	// Another process may have been first.
	st, err := w.Log.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the status of the log: %w", err)
	}
	if err := w.fenceAll(ctx); err != nil {
		return err
	}
	all, err := w.offsets(ctx)
	if err != nil {
		return err
	}
	lost := regression(st, all)
	if lost == "" {
		return nil
	}
	if err := w.record(ctx, IncidentRegressed, lost); err != nil {
		return err
	}
	after := make([]uint64, len(st.Last))
	for i := range all {
		o := &all[i]
		if o.partition >= len(after) {
			continue
		}
		if o.generation != st.Generation && st.Last[o.partition] < o.seq {
			// Another log altogether: nothing in it is processed. Where it is the old one with its end
			// cut off after all, the events are known by their numbers and ids.
			o.seq = 0
		}
		after[o.partition] = o.seq
	}
	if err := w.Log.Renew(ctx, after); err != nil {
		return fmt.Errorf("renew the log: %w", err)
	}
	if st, err = w.Log.Status(ctx); err != nil {
		return fmt.Errorf("read the status of the log: %w", err)
	}
	if err := w.adopt(ctx, all, st.Generation); err != nil {
		return err
	}
	w.renew()
	return nil
}

// fenceAll takes all partitions away from their workers.
func (w *Worker) fenceAll(ctx context.Context) error {
	return w.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE worker_partition SET owner = '', epoch = epoch + 1, lease_until = 0 WHERE number >= 0`)
		return err
	})
}

// regression says how the log has gone back behind what was processed; "" if it has not.
func regression(st stream.Status, all []offset) string {
	for _, o := range all {
		switch {
		case o.generation == "" && o.seq == 0:
		case o.generation != st.Generation:
			return fmt.Sprintf("partition %d was processed up to %d of another generation of the log", o.partition, o.seq)
		case o.partition < len(st.Last) && st.Last[o.partition] < o.seq:
			return fmt.Sprintf("partition %d was processed up to %d, but the log ends at %d", o.partition, o.seq, st.Last[o.partition])
		}
	}
	return ""
}

// adopt notes the offsets and the generation of the log that they belong to.
func (w *Worker) adopt(ctx context.Context, all []offset, generation string) error {
	return w.DB.Write(ctx, func(tx *store.Tx) error {
		for _, o := range all {
			if _, err := tx.Exec(ctx, `
				UPDATE worker_partition SET generation = $2, seq = $3 WHERE number = $1`,
				o.partition, generation, int64(o.seq)); err != nil {
				return fmt.Errorf("note the generation of the log: %w", err)
			}
		}
		return nil
	})
}

// missing reports holes in the log, once for each number of them.
func (w *Worker) missing(ctx context.Context, st stream.Status) error {
	if st.Missing == 0 || w.stats.missing.Swap(int64(st.Missing)) == int64(st.Missing) {
		return nil
	}
	return w.record(ctx, IncidentMissing, fmt.Sprintf("%d frames are gone from the log", st.Missing))
}

func (w *Worker) record(ctx context.Context, kind, detail string) error {
	w.stats.incidents.Add(1)
	w.Logger.Error("the log is damaged", "incident", kind, "detail", detail)
	return w.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO worker_incident (id, at, kind, detail) VALUES ($1, $2, $3, $4)`,
			id.New(), w.Clock.Now().UnixMicro(), kind, detail)
		return err
	})
}

// Incidents returns what went wrong with the log, the latest first, at most 100.
func (w *Worker) Incidents(ctx context.Context) (all []Incident, err error) {
	err = w.DB.Read(ctx, func(tx *store.Tx) error {
		all = all[:0]
		rows, err := tx.Query(ctx, `SELECT at, kind, detail FROM worker_incident ORDER BY at DESC LIMIT 100`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var (
				i  Incident
				at int64
			)
			if err := rows.Scan(&at, &i.Kind, &i.Detail); err != nil {
				return err
			}
			i.At = time.UnixMicro(at).UTC()
			all = append(all, i)
		}
		return rows.Err()
	})
	return all, err
}

// renewals returns a channel that is closed when the log is renewed.
func (w *Worker) renewals() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.renewed
}

func (w *Worker) renew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.renewed)
	w.renewed = make(chan struct{})
}

// trim tells the log what is processed.
func (w *Worker) trim(ctx context.Context) {
	for _, p := range w.parts {
		seq, ours, _ := p.done.at()
		if !ours || seq == 0 {
			continue
		}
		if err := w.Log.Trim(ctx, p.number, seq); err != nil && ctx.Err() == nil {
			w.Logger.Warn("the log could not be trimmed", "partition", p.number, "error", err)
		}
	}
}
