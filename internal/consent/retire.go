package consent

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// Retirement says how long a proof of consent is kept after it has stopped to matter.
type Retirement struct {
	After  time.Duration // since the newest record of the person ended; at least a day
	Reason string        // such as "limitation period of three years"; logged, nothing personal
	Limit  int           // subjects in one call; 0: 500

	// Needed tells, in the transaction that would delete them, that proofs of the subjects are needed
	// longer: something that was received on them is still stored, or must be kept. Nil: nothing is.
	Needed func(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error)
}

// Retire deletes the records, and the content of the ledger entries, of persons about whom nothing
// was recorded for that long and of whom no grant is in force (EDPB 05/2020 §107: a proof is kept no
// longer than it is needed). A person goes with all devices or with none, because a refusal on one
// closes a purpose on the others. What is left in the ledger is one leaf per entry, which tells
// nothing, and one entry that says how many were retired and why. It returns the number of subjects;
// call it again until that is 0.
func (r *Room) Retire(ctx context.Context, t id.Tenant, p Retirement) (int, error) {
	if p.After < 24*time.Hour {
		return 0, fail.Field("after", "A proof must be kept for at least a day.")
	}
	if p.Reason == "" {
		return 0, fail.Field("reason", "There is no reason why proofs are deleted after that time.")
	}
	limit := p.Limit
	if limit <= 0 {
		limit = 500
	}
	now := r.clk.Now().UTC()
	var due []id.Subject
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var err error
		if due, err = r.due(ctx, tx, now.Add(-p.After), limit, p.Needed); err != nil || len(due) == 0 {
			return err
		}
		entries := 0
		for _, s := range due {
			n, err := r.retire(ctx, tx, s)
			if err != nil {
				return err
			}
			entries += n
		}
		payload, err := json.Marshal(map[string]any{
			"schema":      "probity/retirement/1",
			"type":        ledger.PayloadRetired,
			"entries":     entries,
			"after_days":  int(p.After.Hours() / 24),
			"reason":      p.Reason,
			"actor":       "system",
			"server_time": now.Format(timeFormat),
		})
		if err != nil {
			return err
		}
		_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.PayloadRetired, Payload: payload})
		return err
	})
	if err != nil {
		return 0, unavailable(err, "retire old proofs of consent")
	}
	r.gate.drop(t, due)
	return len(due), nil
}

// due returns about limit subjects, those of whole persons, whose proofs are no longer needed.
func (r *Room) due(ctx context.Context, tx *store.Tx, before time.Time, limit int,
	needed func(context.Context, *store.Tx, []id.Subject) (bool, error)) (due []id.Subject, err error) {
	seen := map[id.Subject]bool{}
	for after := (id.Subject{}); len(due) < limit; {
		slice, err := ended(ctx, tx, before, after, limit)
		if err != nil || len(slice) == 0 {
			return due, err
		}
		for _, s := range slice {
			if seen[s] || len(due) >= limit {
				continue
			}
			members, err := r.subjects.Person(ctx, tx, s)
			if err != nil {
				return nil, err
			}
			over, held, err := r.over(ctx, tx, members, before)
			if err == nil && over && needed != nil {
				over, err = needed(ctx, tx, members)
				over = !over
			}
			if err != nil {
				return nil, err
			}
			for _, m := range members {
				seen[m] = true
			}
			if over {
				due = append(due, held...)
			}
		}
		after = slice[len(slice)-1]
	}
	return due, nil
}

// over tells whether the records of all devices of a person ended before the instant, and returns the
// devices that have any.
func (r *Room) over(ctx context.Context, tx *store.Tx, members []id.Subject, before time.Time) (over bool, held []id.Subject, err error) {
	for _, m := range members {
		records, err := recordsOf(ctx, tx, m)
		if err != nil {
			return false, nil, err
		}
		for i := range records {
			if !records[i].over(before) {
				return false, nil, nil
			}
		}
		if len(records) > 0 {
			held = append(held, m)
		}
	}
	return true, held, nil
}

// over tells whether the record ended before the instant. An objection never does: it holds until the
// person takes it back or is erased.
func (rec *Record) over(before time.Time) bool {
	if rec.Kind == ledger.ConsentObjected || slices.ContainsFunc(rec.Effects, func(e Effect) bool { return e.Status == Objected }) {
		return false
	}
	end := rec.At
	if rec.Until.After(end) {
		end = rec.Until
	}
	return end.Before(before)
}

// ended returns subjects, in order, whose own records all ended before the instant; see Record.over.
func ended(ctx context.Context, tx *store.Tx, before time.Time, after id.Subject, limit int) ([]id.Subject, error) {
	rows, err := tx.Query(ctx, `
		SELECT subject FROM consent_record WHERE tenant_id = $1 AND subject > $5
		GROUP BY subject
		HAVING max(CASE WHEN until > at THEN until ELSE at END) < $2
			AND sum(CASE WHEN kind = $3 OR effects LIKE '%=Objected%' THEN 1 ELSE 0 END) = 0
		ORDER BY subject LIMIT $4`, tx.TenantID(), before.UnixMicro(), ledger.ConsentObjected, limit, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []id.Subject
	for rows.Next() {
		var s id.Subject
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// retire deletes one subject's records and returns how many ledger entries lost their content.
func (r *Room) retire(ctx context.Context, tx *store.Tx, s id.Subject) (int, error) {
	records, err := recordsOf(ctx, tx, s)
	if err != nil {
		return 0, err
	}
	indexes := make([]int64, 0, 2*len(records))
	for _, rec := range records {
		indexes = append(indexes, rec.Ledger)
		if rec.Served >= 0 {
			indexes = append(indexes, rec.Served)
		}
	}
	n, err := r.ledger.ForgetEntries(ctx, tx, indexes)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM consent_record WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s)
	return int(n), err
}
