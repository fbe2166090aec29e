package rights

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Task is a step that waits for people. Nothing in it says who the request is about, so a list opens no key.
type Task struct {
	Request   uuid.UUID
	Type      Type
	Do        string // a state that waits, or one of the kinds below
	Since     time.Time
	DueAt     time.Time // of the request, while it is open
	Paused    bool      // the clock stands until the person answers
	Recipient uuid.UUID // of TaskTell
	Name      string    // of the recipient
	Outcome   string    // of the last try to tell them
	Assignee  uuid.UUID // who has taken the request on; zero: nobody
}

// Kinds of tasks beside the states that wait for people.
const (
	TaskSettle = "settle" // decide about fields of databases that nothing can mask
	TaskLift   = "lift"   // lift a restriction whose end was announced
	TaskTell   = "tell"   // tell a recipient
)

// unsettled is true of erasures that wait for a decision about fields that nothing can mask.
const unsettled = `(finished_at IS NULL AND step = 'databases' AND report LIKE '%"unmaskable":[{%' AND report NOT LIKE '%"stays_because"%')`

// announced is true of restrictions in force whose end the person was told.
const announced = `(state = 'verified' AND type = 'restriction' AND facts LIKE '%"lifting":{%' AND facts NOT LIKE '%"lifted_at"%')`

// Tasks lists up to limit steps that wait for people: those of open requests by the date that the request
// is due, then what is left to do after the others, oldest first; and how many there are in all.
func (r *Room) Tasks(ctx context.Context, t id.Tenant, limit int) (list []Task, total int, err error) {
	const waits = `(finished_at IS NULL AND state IN ('identity_pending', 'hold', 'approval_pending', 'deciding'))`
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list, total = nil, 0
		var requests, told int
		err := errors.Join(
			tx.QueryRow(ctx, `SELECT count(*) FROM rights_request WHERE tenant_id = $1 AND (`+waits+` OR `+unsettled+` OR `+announced+`)`, t).Scan(&requests),
			tx.QueryRow(ctx, `SELECT count(*) FROM rights_told WHERE tenant_id = $1 AND state = $2`, t, TellTask).Scan(&told))
		if err != nil {
			return err
		}
		total = requests + told
		rows, err := tx.Query(ctx, `
			SELECT id, type, CASE WHEN `+announced+` THEN '`+TaskLift+`' WHEN `+unsettled+` THEN '`+TaskSettle+`' ELSE state END,
				received_at, due_at, finished_at, `+paused+`, assignee
			FROM rights_request WHERE tenant_id = $1 AND (`+waits+` OR `+unsettled+` OR `+announced+`)
			ORDER BY CASE WHEN finished_at IS NULL THEN 0 ELSE 1 END, due_at, id LIMIT $2`, t, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k Task
			var received, due int64
			var finished sql.NullInt64
			var assignee []byte
			if err := rows.Scan(&k.Request, &k.Type, &k.Do, &received, &due, &finished, &k.Paused, &assignee); err != nil {
				return err
			}
			if k.Since = micro(received); !finished.Valid {
				k.DueAt = micro(due)
			}
			if len(assignee) == 16 {
				k.Assignee = uuid.UUID(assignee)
			}
			list = append(list, k)
		}
		if err := rows.Err(); err != nil || len(list) >= limit {
			return err
		}
		return r.tellTasks(ctx, tx, limit, &list)
	})
	return list, total, err
}

// tellTasks adds the recipients whom staff must tell.
func (r *Room) tellTasks(ctx context.Context, tx *store.Tx, limit int, list *[]Task) error {
	rows, err := tx.Query(ctx, `
		SELECT d.request_id, q.type, d.made_at, d.recipient_id, d.name, d.outcome, q.assignee
		FROM rights_told d JOIN rights_request q ON q.tenant_id = d.tenant_id AND q.id = d.request_id
		WHERE d.tenant_id = $1 AND d.state = $2 ORDER BY d.made_at, d.request_id, d.recipient_id LIMIT $3`, tx.TenantID(), TellTask, limit-len(*list))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		k := Task{Do: TaskTell}
		var made int64
		var assignee []byte
		if err := rows.Scan(&k.Request, &k.Type, &made, &k.Recipient, &k.Name, &k.Outcome, &assignee); err != nil {
			return err
		}
		if k.Since = micro(made); len(assignee) == 16 {
			k.Assignee = uuid.UUID(assignee)
		}
		*list = append(*list, k)
	}
	return rows.Err()
}

// Telling is how far one recipient is with what they are to be told.
type Telling struct {
	Last    time.Time // when they were told last; zero: never
	Due     int       // calls that are still tried
	Tasks   int       // that staff must tell
	Failed  int       // that nobody will tell any more
	Outcome string    // of the latest try that did not succeed, while one is due or a task
}

// Tellings returns how far each recipient is, by recipient; those without anything to be told are left out.
func (r *Room) Tellings(ctx context.Context, t id.Tenant) (map[uuid.UUID]Telling, error) {
	all := map[uuid.UUID]Telling{}
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		clear(all)
		rows, err := tx.Query(ctx, `
			SELECT recipient_id, state, count(*), max(done_at), max(outcome) FROM rights_told
			WHERE tenant_id = $1 GROUP BY recipient_id, state`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var recipient uuid.UUID
			var state, outcome string
			var n int
			var done int64
			if err := rows.Scan(&recipient, &state, &n, &done, &outcome); err != nil {
				return err
			}
			one := all[recipient]
			switch state {
			case TellDone:
				one.Last = micro(done)
			case TellDue:
				one.Due, one.Outcome = n, outcome
			case TellTask:
				if one.Tasks = n; one.Outcome == "" {
					one.Outcome = outcome
				}
			case TellFailed:
				one.Failed = n
			}
			all[recipient] = one
		}
		return rows.Err()
	})
	return all, err
}

// ChangeRecipient changes a recipient by what change does to it. What is on its way to them goes to the new
// address, or becomes a task for staff where they are told by letter from now on. Errors: as AddRecipient, and fail.NotFound.
func (r *Room) ChangeRecipient(ctx context.Context, t id.Tenant, recipient uuid.UUID, change func(*Recipient)) (*Recipient, error) {
	var changed *Recipient
	err := r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		list, err := recipients(ctx, tx)
		if err != nil {
			return err
		}
		changed = nil
		for i := range list {
			if list[i].ID == recipient {
				changed = &list[i]
			}
		}
		if changed == nil {
			return fail.New(fail.NotFound, "There is no such recipient.")
		}
		before := changed.URL
		change(changed)
		if err := changed.validate(); err != nil {
			return err
		}
		if changed.URL != before || changed.Way != ByOpenDSR {
			changed.sealed = nil // nobody takes a token elsewhere by changing where it is sent
		}
		if changed.Token != "" {
			if changed.sealed, err = r.sealToken(ctx, t, changed); err != nil {
				return err
			}
		}
		changed.Token, changed.HasToken = "", len(changed.sealed) > 0
		if err := replaceRecipient(ctx, tx, changed); err != nil || changed.Way != ByLetter {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE rights_told SET state = $3, due_at = 0 WHERE tenant_id = $1 AND recipient_id = $2 AND state = $4`,
			t, recipient[:], TellTask, TellDue)
		return err
	})
	if err != nil {
		return nil, err
	}
	changed.Secret, err = r.recipientSecret(ctx, t, recipient)
	return changed, err
}
