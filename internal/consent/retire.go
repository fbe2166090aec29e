package consent

import (
	"context"
	"encoding/json"
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
}

// Retire deletes the records, and the content of the ledger entries, of subjects about whom nothing
// was recorded for that long and of whom no grant is in force (EDPB 05/2020 §107: a proof is kept no
// longer than it is needed). What is left in the ledger is one leaf per entry, which tells nothing,
// and one entry that says how many were retired and why. It returns the number of subjects; call it
// again until that is 0.
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
		if due, err = ended(ctx, tx, now.Add(-p.After), limit); err != nil || len(due) == 0 {
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

// ended returns subjects whose records all ended before the instant. Who objected is left out: an
// objection holds until the person takes it back or is erased.
func ended(ctx context.Context, tx *store.Tx, before time.Time, limit int) ([]id.Subject, error) {
	rows, err := tx.Query(ctx, `
		SELECT subject FROM consent_record WHERE tenant_id = $1
		GROUP BY subject
		HAVING max(CASE WHEN until > at THEN until ELSE at END) < $2
			AND sum(CASE WHEN kind = $3 OR effects LIKE '%=Objected%' THEN 1 ELSE 0 END) = 0
		ORDER BY subject LIMIT $4`, tx.TenantID(), before.UnixMicro(), ledger.ConsentObjected, limit)
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
