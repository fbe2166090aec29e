package opendsr

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
)

const (
	everySince = time.Second
	looksAgain = 2 * time.Second    // at a request whose status has not changed
	claimed    = 30 * time.Second   // for which a try belongs to one process
	givesUp    = 7 * 24 * time.Hour // after a request is final
	longest    = time.Hour          // between two tries
	atOnce     = 50
)

// Run makes callbacks until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	if !r.Enabled() {
		return nil
	}
	ticker := time.NewTicker(everySince)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if _, err := r.Call(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "callbacks of OpenDSR could not be made; it is tried again", "error", err)
		}
	}
}

// watched is a request whose controller wants to hear of it.
type watched struct {
	tenant           id.Tenant
	subject, request uuid.UUID
	controller, told string
	callbacks        []string
	tries            int64
}

// Call looks at the requests that are due and calls back where the status has changed. It returns how many
// calls were taken.
func (r *Room) Call(ctx context.Context) (taken int, err error) {
	now := r.clk.Now()
	var due []watched
	find := func(tx *store.Tx) error {
		due = due[:0]
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, subject_request_id, request_id, controller, callbacks, told, tries FROM opendsr_request
			WHERE due_at > 0 AND due_at <= $1 ORDER BY due_at LIMIT $2`, now.UnixMicro(), atOnce)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d watched
			var callbacks string
			if err := rows.Scan(&d.tenant, &d.subject, &d.request, &d.controller, &callbacks, &d.told, &d.tries); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(callbacks), &d.callbacks); err != nil {
				return err
			}
			due = append(due, d)
		}
		return rows.Err()
	}
	if err := r.db.Read(ctx, find); err != nil || len(due) == 0 {
		return 0, err
	}
	err = r.db.Write(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for i := range due {
			if err := move(ctx, tx, &due[i], now.Add(claimed)); err != nil {
				return err
			}
		}
		return nil
	})
	for i := 0; err == nil && i < len(due); i++ {
		var n int
		n, err = r.look(ctx, &due[i])
		taken += n
	}
	return taken, err
}

func move(ctx context.Context, tx *store.Tx, d *watched, at time.Time) error {
	due := int64(0)
	if !at.IsZero() {
		due = at.UnixMicro()
	}
	_, err := tx.Exec(ctx, `UPDATE opendsr_request SET due_at = $3, told = $4, tries = $5 WHERE tenant_id = $1 AND subject_request_id = $2`,
		d.tenant, d.subject[:], due, d.told, d.tries)
	return err
}

// look calls back if the status is another than was told, and notes when to look again.
func (r *Room) look(ctx context.Context, d *watched) (taken int, err error) {
	q, err := r.rights.Get(ctx, d.tenant, d.request)
	if err != nil {
		return 0, err
	}
	now := r.clk.Now()
	final := q.State.Final() && Status(q.State) != "in_progress"
	next := now.Add(looksAgain)
	if is := Status(q.State); is != d.told {
		all := true
		for _, url := range d.callbacks {
			if r.callBack(ctx, d, q, url) {
				taken++
			} else {
				all = false
			}
		}
		if ctx.Err() != nil {
			return taken, ctx.Err()
		}
		d.tries++
		if all {
			d.told, d.tries = is, 0
		} else {
			next = now.Add(min(time.Second<<min(d.tries-1, 12), longest))
		}
	}
	if final && (d.told == Status(q.State) || !q.FinishedAt.IsZero() && now.Sub(q.FinishedAt) > givesUp) {
		next = time.Time{}
	}
	return taken, r.db.Tenant(d.tenant).Write(ctx, func(tx *store.Tx) error { return move(ctx, tx, d, next) })
}

// callBack makes one call.
func (r *Room) callBack(ctx context.Context, d *watched, q *rights.Request, url string) bool {
	message := status(q, d.controller, d.subject)
	message["status_callback_url"] = url
	body, err := json.Marshal(message)
	if err != nil {
		return false
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil || r.signed(call.Header, body) != nil {
		return false
	}
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("User-Agent", "probity")
	answer, err := r.opts.Client.Do(call)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return answer.StatusCode >= 200 && answer.StatusCode < 300
}
