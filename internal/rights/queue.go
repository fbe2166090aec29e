package rights

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
)

// Waiting is a request as a list shows it. Nothing in it says who it is about, so a list opens no key,
// however long it is.
type Waiting struct {
	ID         uuid.UUID
	Type       Type
	State      State
	Channel    string
	ReceivedAt time.Time
	DueAt      time.Time
	FinishedAt time.Time // zero while it is open
	Paused     bool      // the clock stands until the person answers
	Assignee   uuid.UUID // who of the staff has taken it on; zero: nobody
}

// Show says which requests a queue lists.
type Show string

// What a queue can list.
const (
	ShowOpen    Show = "open"    // everything that is not finished
	ShowOverdue Show = "overdue" // of these, what should have been answered
	ShowSoon    Show = "soon"    // of these, what is due within a week
	ShowDone    Show = "done"    // what is finished
	ShowAll     Show = "all"
)

// soon is how long before it is due a request counts as due soon.
const soon = 7 * 24 * time.Hour

// Queue chooses requests for a desk. The zero value chooses none.
type Queue struct {
	Show  Show
	Type  Type  // empty: all
	State State // empty: all
	Free  bool  // only what nobody has taken on
	// Assignee chooses what one of the staff has taken on; zero: all.
	Assignee uuid.UUID
}

// paused is true of the requests whose clock stands: nothing becomes late meanwhile.
const paused = `(state = 'identity_pending' AND facts NOT LIKE '%"late":true%')`

// Queue returns a page of the requests that q chooses: what is open before what is finished, what is
// due first before what is due later, and what was finished last before what was finished earlier; and
// how many there are in all.
func (r *Room) Queue(ctx context.Context, t id.Tenant, q Queue, offset, limit int) (page []Waiting, total int, err error) {
	args := []any{t}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	now, where := r.Clock.Now(), ""
	switch q.Show {
	case ShowOpen:
		where = " AND finished_at IS NULL"
	case ShowOverdue:
		where = " AND finished_at IS NULL AND NOT " + paused + " AND due_at <= " + arg(now.UnixMicro())
	case ShowSoon:
		where = " AND finished_at IS NULL AND NOT " + paused + " AND due_at > " + arg(now.UnixMicro()) + " AND due_at <= " + arg(now.Add(soon).UnixMicro())
	case ShowDone:
		where = " AND finished_at IS NOT NULL"
	case ShowAll:
	default:
		return nil, 0, nil
	}
	if q.Type != "" {
		where += " AND type = " + arg(string(q.Type))
	}
	if q.State != "" {
		where += " AND state = " + arg(string(q.State))
	}
	if q.Free {
		where += " AND assignee IS NULL"
	}
	if q.Assignee != uuid.Nil {
		where += " AND assignee = " + arg(q.Assignee[:])
	}
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		page = nil
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_request WHERE tenant_id = $1`+where, args...).Scan(&total); err != nil {
			return err
		}
		chosen := where + ` ORDER BY CASE WHEN finished_at IS NULL THEN 0 ELSE 1 END,
			CASE WHEN finished_at IS NULL THEN due_at ELSE -finished_at END, id LIMIT ` + arg(limit) + ` OFFSET ` + arg(offset)
		rows, err := tx.Query(ctx, `
			SELECT id, type, state, channel, received_at, due_at, finished_at, `+paused+`, assignee FROM rights_request
			WHERE tenant_id = $1`+chosen, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var w Waiting
			var received, due int64
			var finished sql.NullInt64
			var assignee []byte
			if err := rows.Scan(&w.ID, &w.Type, &w.State, &w.Channel, &received, &due, &finished, &w.Paused, &assignee); err != nil {
				return err
			}
			w.ReceivedAt, w.DueAt = micro(received), micro(due)
			if finished.Valid {
				w.FinishedAt = micro(finished.Int64)
			}
			if len(assignee) == 16 {
				w.Assignee = uuid.UUID(assignee)
			}
			page = append(page, w)
		}
		return rows.Err()
	})
	return page, total, err
}

// Load is how much there is to do.
type Load struct {
	Open, Overdue, Soon, Done int
	Types                     map[Type]int  // of all requests
	States                    map[State]int // of all requests
}

// Load counts the organisation's requests.
func (r *Room) Load(ctx context.Context, t id.Tenant) (Load, error) {
	now := r.Clock.Now()
	l := Load{Types: map[Type]int{}, States: map[State]int{}}
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		l = Load{Types: map[Type]int{}, States: map[State]int{}}
		rows, err := tx.Query(ctx, `
			SELECT type, state, finished_at IS NOT NULL, count(*),
				sum(CASE WHEN NOT `+paused+` AND due_at <= $2 THEN 1 ELSE 0 END), sum(CASE WHEN NOT `+paused+` AND due_at > $2 AND due_at <= $3 THEN 1 ELSE 0 END)
			FROM rights_request WHERE tenant_id = $1 GROUP BY type, state, finished_at IS NOT NULL`,
			t, now.UnixMicro(), now.Add(soon).UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var typ Type
			var state State
			var done bool
			var n, late, near int
			if err := rows.Scan(&typ, &state, &done, &n, &late, &near); err != nil {
				return err
			}
			l.Types[typ] += n
			l.States[state] += n
			if done {
				l.Done += n
				continue
			}
			l.Open, l.Overdue, l.Soon = l.Open+n, l.Overdue+late, l.Soon+near
		}
		return rows.Err()
	})
	return l, err
}
