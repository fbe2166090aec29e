package rights

import (
	"context"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
)

// ContentTTL is how long a finished request keeps what it holds about the person, such as the values
// of a correction. Where its package lives longer, it keeps that until then.
const ContentTTL = 14 * day

// requestsOf calls each for the requests about any of the subjects, erasures excepted.
func requestsOf(ctx context.Context, tx *store.Tx, subjects []id.Subject, each func(request uuid.UUID, key id.Subject)) error {
	seen := make(map[uuid.UUID]bool)
	for _, s := range subjects {
		rows, err := tx.Query(ctx, `
			SELECT q.id, q.data_key FROM rights_request q
			JOIN rights_request_subject rs ON rs.tenant_id = q.tenant_id AND rs.request_id = q.id
			WHERE rs.tenant_id = $1 AND rs.subject = $2`, tx.TenantID(), s)
		if err != nil {
			return err
		}
		for rows.Next() {
			var request uuid.UUID
			var key id.Subject
			if err := rows.Scan(&request, &key); err != nil {
				rows.Close()
				return err
			}
			if !seen[request] {
				seen[request] = true
				each(request, key)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// requestKeys returns the keys of the requests about any of the subjects.
func (r *Room) requestKeys(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]id.Subject, error) {
	var keys []id.Subject
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		keys = nil
		return requestsOf(ctx, tx, subjects, func(_ uuid.UUID, key id.Subject) { keys = append(keys, key) })
	})
	return keys, err
}

// forgetRequests deletes what the requests about any of the subjects hold, with their packages, and
// tells how many requests there were.
func forgetRequests(ctx context.Context, tx *store.Tx, subjects []id.Subject) (int64, error) {
	var requests []uuid.UUID
	if err := requestsOf(ctx, tx, subjects, func(request uuid.UUID, _ id.Subject) { requests = append(requests, request) }); err != nil {
		return 0, err
	}
	for _, request := range requests {
		if err := forgetContent(ctx, tx, request); err != nil {
			return 0, err
		}
		// A request that waits for people would wait forever: whom it was about is gone.
		if _, err := tx.Exec(ctx, `
			UPDATE rights_request SET next_at = 0 WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL`, tx.TenantID(), request[:]); err != nil {
			return 0, err
		}
	}
	for _, s := range subjects {
		for _, query := range []string{
			`DELETE FROM rights_restriction WHERE tenant_id = $1 AND subject = $2`,
			`DELETE FROM rights_hold WHERE tenant_id = $1 AND subject = $2`,
		} {
			if _, err := tx.Exec(ctx, query, tx.TenantID(), s); err != nil {
				return 0, err
			}
		}
	}
	return int64(len(requests)), nil
}

// forgetContent deletes what one request holds about the person. What remains is that there was a
// request, of which type, when, and how it ended.
func forgetContent(ctx context.Context, tx *store.Tx, request uuid.UUID) error {
	t := tx.TenantID()
	for _, query := range []string{
		`DELETE FROM rights_package_part
		 WHERE tenant_id = $1 AND package_id IN (SELECT id FROM rights_package WHERE tenant_id = $1 AND request_id = $2)`,
		`DELETE FROM rights_package WHERE tenant_id = $1 AND request_id = $2`,
		`DELETE FROM rights_request_subject WHERE tenant_id = $1 AND request_id = $2`,
		`DELETE FROM rights_request_digest WHERE tenant_id = $1 AND request_id = $2`,
		`DELETE FROM rights_code WHERE tenant_id = $1 AND request_id = $2`,
		`UPDATE rights_request SET sealed = NULL, work = NULL WHERE tenant_id = $1 AND id = $2`,
	} {
		if _, err := tx.Exec(ctx, query, t, request[:]); err != nil {
			return err
		}
	}
	return nil
}

// destroyKey shreds a request's own key and notes that it is gone.
func (r *Room) destroyKey(ctx context.Context, t id.Tenant, request uuid.UUID, key id.Subject) error {
	if err := r.Keys.Shred(ctx, t, key); err != nil {
		return err
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		for _, query := range []string{
			`DELETE FROM rights_request_digest WHERE tenant_id = $1 AND request_id = $2`,
			`DELETE FROM rights_code WHERE tenant_id = $1 AND request_id = $2`,
			`UPDATE rights_request SET key_destroyed = TRUE WHERE tenant_id = $1 AND id = $2`,
		} {
			if _, err := tx.Exec(ctx, query, t, request[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Expire deletes packages that can't be downloaded any more, has requests that finished ContentTTL ago and
// have no package left forget what they hold about the person, and destroys the keys of all that hold
// nothing any more. It returns how many requests forgot. A restriction of other databases is in force until it is lifted, and forgets after that. It is
// idempotent and runs in the background of Run.
func (r *Room) Expire(ctx context.Context) (int, error) {
	type due struct {
		tenant id.Tenant
		id     uuid.UUID
		key    id.Subject
		empty  bool
	}
	var list []due
	if err := r.forgetKeys(ctx); err != nil {
		return 0, err
	}
	now := r.Clock.Now()
	if err := r.dropPackages(ctx, now.UnixMicro()); err != nil {
		return 0, err
	}
	before := now.Add(-ContentTTL).UnixMicro()
	err := r.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, id, data_key, sealed IS NULL FROM rights_request
			WHERE finished_at IS NOT NULL AND NOT key_destroyed AND (sealed IS NULL OR finished_at <= $1)
				AND NOT EXISTS (SELECT 1 FROM rights_package p WHERE p.tenant_id = rights_request.tenant_id AND p.request_id = rights_request.id)
				AND NOT (type = 'restriction' AND state = 'verified' AND work IS NOT NULL)
			ORDER BY finished_at LIMIT 1000`, before)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d due
			if err := rows.Scan(&d.tenant, &d.id, &d.key, &d.empty); err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range list {
		if !d.empty {
			err := r.DB.Tenant(d.tenant).Write(ctx, func(tx *store.Tx) error { return forgetContent(ctx, tx, d.id) })
			if err != nil {
				return n, err
			}
			n++
		}
		if err := r.destroyKey(ctx, d.tenant, d.id, d.key); err != nil {
			return n, err
		}
	}
	return n, nil
}

// dropPackages deletes the packages that ended.
func (r *Room) dropPackages(ctx context.Context, now int64) error {
	type ended struct {
		tenant id.Tenant
		pack   uuid.UUID
	}
	var list []ended
	err := r.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, id FROM rights_package WHERE tenant_id IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT 1000`, now)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e ended
			if err := rows.Scan(&e.tenant, &e.pack); err != nil {
				return err
			}
			list = append(list, e)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for _, e := range list {
		err := r.DB.Tenant(e.tenant).Write(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM rights_package_part WHERE tenant_id = $1 AND package_id = $2`, e.tenant, e.pack[:]); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `DELETE FROM rights_package WHERE tenant_id = $1 AND id = $2`, e.tenant, e.pack[:])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
