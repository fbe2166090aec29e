package rights

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// Submit checks a request and stores it; it is carried out in the background. When Submit returns
// without error the request survives a crash. A zero ReceivedAt means now. Fails with Invalid and
// names the field; see Request.Validate.
func (r *Room) Submit(ctx context.Context, t id.Tenant, q Request) (*Request, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	controller, err := r.Controller(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	if q.ReceivedAt.IsZero() || q.ReceivedAt.After(now) {
		q.ReceivedAt = now
	}
	q.ID, q.Tenant, q.State = id.New(), t, Received
	q.ReceivedAt = q.ReceivedAt.UTC().Truncate(time.Microsecond)
	q.DueAt = Due(q.ReceivedAt, controller.Location, controller.Holiday)
	q.Identifiers = q.Who.kinds()
	if q.Channel == "" {
		q.Channel = "api"
	}

	key := id.NewSubject()
	if err := r.Keys.CreateSubject(ctx, t, key); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(content{Who: q.Who, Replacements: q.Replacements, Language: q.Language})
	if err != nil {
		return nil, err
	}
	sealed, err := r.Keys.Seal(ctx, t, key, requestAAD(t, q.ID, "content"), plain)
	if err != nil {
		return nil, err
	}
	kinds, err := json.Marshal(q.Identifiers)
	if err != nil {
		return nil, err
	}
	entry, err := json.Marshal(map[string]any{
		"request":     q.ID,
		"type":        q.Type,
		"channel":     q.Channel,
		"received_at": q.ReceivedAt.Format(time.RFC3339Nano),
		"due_at":      q.DueAt.Format(time.RFC3339),
		"identifiers": q.Identifiers,
	})
	if err != nil {
		return nil, err
	}
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(r.announce)
		if _, err := r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.RightsReceived, Payload: entry}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_request (tenant_id, id, data_key, type, state, step, channel, created_by, created_by_kind,
				identifiers, received_at, due_at, sealed, report, problem, article, attempts, next_at, leased_until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '{}', '', '', 0, $14, 0)`,
			t, q.ID[:], key, string(q.Type), string(Received), stepLocate, q.Channel, q.CreatedBy.ID[:], q.CreatedBy.Kind,
			string(kinds), q.ReceivedAt.UnixMicro(), q.DueAt.UnixMicro(), sealed, now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &q, nil
}

// content is what a request holds about the person, sealed under the request's own key.
type content struct {
	Who          Who               `json:"who"`
	Replacements []ReplacementTerm `json:"replacements,omitempty"`
	Language     string            `json:"language,omitempty"`
}

// Get returns the request, or a NotFound failure.
func (r *Room) Get(ctx context.Context, t id.Tenant, request uuid.UUID) (*Request, error) {
	list, err := r.query(ctx, t, `AND q.id = $2`, request[:])
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail.New(fail.NotFound, "there is no such request")
	}
	return list[0], nil
}

// List returns a page of the organisation's requests, newest first, and how many there are in all.
func (r *Room) List(ctx context.Context, t id.Tenant, offset, limit int) (page []*Request, total int, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM rights_request WHERE tenant_id = $1`, t).Scan(&total)
	})
	if err != nil {
		return nil, 0, err
	}
	page, err = r.query(ctx, t, `ORDER BY q.id DESC LIMIT $2 OFFSET $3`, limit, offset)
	return page, total, err
}

// OfSubjects returns the requests about any of the subjects, newest first: what the privacy centre
// shows to a person. Erasures are not among them: they keep no tie to the person.
func (r *Room) OfSubjects(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]*Request, error) {
	var list []*Request
	seen := make(map[uuid.UUID]bool)
	for _, s := range subjects {
		some, err := r.query(ctx, t, `
			AND q.id IN (SELECT request_id FROM rights_request_subject WHERE tenant_id = $1 AND subject = $2)
			ORDER BY q.id DESC`, s)
		if err != nil {
			return nil, err
		}
		for _, q := range some {
			if !seen[q.ID] {
				seen[q.ID] = true
				list = append(list, q)
			}
		}
	}
	return list, nil
}

// Wait returns the request as soon as it is final, or with ctx's error.
func (r *Room) Wait(ctx context.Context, t id.Tenant, request uuid.UUID) (*Request, error) {
	poll := time.NewTicker(500 * time.Millisecond) // for requests that another process carries out
	defer poll.Stop()
	for {
		moved := r.movement()
		q, err := r.Get(ctx, t, request)
		if err != nil || q.State.Final() {
			return q, err
		}
		select {
		case <-moved:
		case <-poll.C:
		case <-ctx.Done():
			return q, ctx.Err()
		}
	}
}

type row struct {
	q      *Request
	key    id.Subject
	sealed []byte
}

func (r *Room) query(ctx context.Context, t id.Tenant, rest string, args ...any) ([]*Request, error) {
	var found []row
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `
			SELECT q.id, q.data_key, q.type, q.state, q.channel, q.created_by, q.created_by_kind, q.identifiers,
				q.received_at, q.due_at, q.finished_at, q.sealed, q.report, q.problem, q.article, q.certificate IS NOT NULL,
				p.id, p.name, p.size, p.sha256, p.made_at, p.expires_at, p.downloads
			FROM rights_request q
			LEFT JOIN rights_package p ON p.tenant_id = q.tenant_id AND p.request_id = q.id
			WHERE q.tenant_id = $1 `+rest, append([]any{t}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			w, err := scanRequest(rows)
			if err != nil {
				return err
			}
			w.q.Tenant = t
			found = append(found, w)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	list := make([]*Request, 0, len(found))
	for _, w := range found {
		if err := r.reveal(ctx, w); err != nil {
			return nil, err
		}
		list = append(list, w.q)
	}
	return list, nil
}

// reveal opens what the request holds about the person. When its key is gone, because the erasure
// is complete, Who stays empty.
func (r *Room) reveal(ctx context.Context, w row) error {
	if len(w.sealed) == 0 {
		return nil
	}
	plain, err := r.Keys.Open(ctx, w.q.Tenant, w.key, requestAAD(w.q.Tenant, w.q.ID, "content"), w.sealed)
	if fail.Is(err, fail.Gone) {
		return nil
	}
	if err != nil {
		return err
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil {
		return err
	}
	w.q.Who, w.q.Replacements, w.q.Language = c.Who, c.Replacements, c.Language
	return nil
}

func scanRequest(rows *sql.Rows) (row, error) {
	var q Request
	w := row{q: &q}
	var kinds, report string
	var received, due int64
	var finished, size, made, expires, downloads sql.NullInt64
	var name sql.NullString
	var pack, sum []byte
	err := rows.Scan(&q.ID, &w.key, &q.Type, &q.State, &q.Channel, &q.CreatedBy.ID, &q.CreatedBy.Kind, &kinds,
		&received, &due, &finished, &w.sealed, &report, &q.Problem, &q.Article, &q.Certified,
		&pack, &name, &size, &sum, &made, &expires, &downloads)
	if err != nil {
		return w, err
	}
	q.ReceivedAt, q.DueAt = micro(received), micro(due)
	if finished.Valid {
		q.FinishedAt = micro(finished.Int64)
	}
	if len(pack) == 16 && len(sum) == 32 {
		q.Package = &Package{
			ID: uuid.UUID(pack), Name: name.String, Size: size.Int64, SHA256: [32]byte(sum),
			MadeAt: micro(made.Int64), ExpiresAt: micro(expires.Int64), Downloads: int(downloads.Int64),
		}
	}
	return w, errors.Join(json.Unmarshal([]byte(kinds), &q.Identifiers), json.Unmarshal([]byte(report), &q.Report))
}

func micro(us int64) time.Time { return time.UnixMicro(us).UTC() }

// requestAAD binds a ciphertext to its request and place, so that it can't be moved to another.
func requestAAD(t id.Tenant, request uuid.UUID, part string) []byte {
	aad := append([]byte("rights/"+part+"/"), t[:]...)
	return append(aad, request[:]...)
}
