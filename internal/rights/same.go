package rights

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/subject"
)

// digests returns keyed digests of everything that a request names a person by, to find other requests
// of the same person without reading what is in them.
func (r *Room) digests(ctx context.Context, t id.Tenant, w *Who) ([][]byte, error) {
	named := w.identifiers()
	for _, s := range w.Subjects {
		named = append(named, identifier{"subject", s.String()})
	}
	named = append(named, identifier{"contact", w.ExternalContactID}, identifier{"user", w.UserID})
	if w.DialerContactID != nil {
		named = append(named, identifier{"dialer_contact", w.DialerContactID.ContactListID + "/" + w.DialerContactID.ID})
	}
	var list [][]byte
	for _, i := range named {
		if i.value == "" {
			continue
		}
		value, err := subject.Normalise(i.kind, i.value)
		if err != nil {
			value = strings.Join(strings.Fields(i.value), " ")
		}
		// Addresses that differ in case alone are hardly two people; nothing but a link comes of it.
		digest, err := r.Keys.BlindIndex(ctx, t, "rights/same/"+string(i.kind), strings.ToLower(value))
		if err != nil {
			return nil, err
		}
		list = append(list, digest)
	}
	return list, nil
}

// linkEarlier keeps the digests of a new request and links earlier ones of the same person.
func linkEarlier(ctx context.Context, tx *store.Tx, q *Request, digests [][]byte, now time.Time) error {
	open, found, n, err := earlierOf(ctx, tx, q.Type, digests, now)
	if err != nil {
		return err
	}
	q.Facts.Earlier = n
	if found {
		q.Facts.Duplicate = open
	}
	for _, d := range digests {
		_, err = tx.Exec(ctx, `
			INSERT INTO rights_request_digest (tenant_id, request_id, digest) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, tx.TenantID(), q.ID[:], d)
		if err != nil {
			return err
		}
	}
	return nil
}

// earlierOf returns the oldest open request of the type with one of the digests, and how many requests
// of any type there were in the twelve months before.
func earlierOf(ctx context.Context, tx *store.Tx, typ Type, digests [][]byte, now time.Time) (open uuid.UUID, found bool, n int, err error) {
	seen := map[uuid.UUID]bool{}
	var oldest time.Time
	for _, d := range digests {
		rows, err := tx.Query(ctx, `
			SELECT q.id, q.type, q.received_at, q.finished_at IS NULL FROM rights_request_digest d
			JOIN rights_request q ON q.tenant_id = d.tenant_id AND q.id = d.request_id
			WHERE d.tenant_id = $1 AND d.digest = $2 AND q.received_at > $3`, tx.TenantID(), d, now.AddDate(-1, 0, 0).UnixMicro())
		if err != nil {
			return open, found, 0, err
		}
		for rows.Next() {
			var earlier uuid.UUID
			var is Type
			var received int64
			var unfinished bool
			if err := rows.Scan(&earlier, &is, &received, &unfinished); err != nil {
				rows.Close()
				return open, found, 0, err
			}
			seen[earlier] = true
			if at := micro(received); unfinished && is == typ && (!found || at.Before(oldest)) {
				open, found, oldest = earlier, true, at
			}
		}
		if err := rows.Err(); err != nil {
			return open, found, 0, err
		}
	}
	return open, found, len(seen), nil
}

// once makes what is called twice under one key happen once.
type once struct {
	key, body []byte // keyed digests
	item      int
}

// onceFor returns the once of an item of a call, or nil if the call has no key.
func (r *Room) onceFor(ctx context.Context, t id.Tenant, by Actor, key string, item int, body []byte) (*once, error) {
	if key == "" {
		return nil, nil
	}
	if len(key) > 200 {
		return nil, fail.Field("Idempotency-Key", "An idempotency key is at most 200 bytes long.")
	}
	o := &once{item: item}
	var err error
	if o.key, err = r.Keys.BlindIndex(ctx, t, "rights/once", by.Kind+"/"+by.ID.String()+"/"+key); err != nil {
		return nil, err
	}
	o.body, err = r.Keys.BlindIndex(ctx, t, "rights/once/body", string(body))
	return o, err
}

// claim takes the key for a request in the transaction that stores it. If the key was taken, it returns
// the request that was made then.
func (o *once) claim(ctx context.Context, tx *store.Tx, request uuid.UUID, now time.Time) (earlier uuid.UUID, err error) {
	if o == nil {
		return uuid.Nil, nil
	}
	var body []byte
	err = tx.QueryRow(ctx, `SELECT request_id, body_digest FROM rights_once WHERE tenant_id = $1 AND key_digest = $2 AND item = $3`,
		tx.TenantID(), o.key, o.item).Scan(&earlier, &body)
	if err == nil {
		if !bytes.Equal(body, o.body) {
			return uuid.Nil, fail.New(fail.Conflict, "This idempotency key was used for something else. Use a new key for each call.").WithCode("idempotency.key")
		}
		return earlier, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return uuid.Nil, err
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO rights_once (tenant_id, key_digest, item, body_digest, request_id, made_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`,
		tx.TenantID(), o.key, o.item, o.body, request[:], now.UnixMicro())
	if err == nil && n == 0 {
		err = fail.New(fail.Unavailable, "The same call is being made at this moment. Repeat it.")
	}
	return uuid.Nil, err
}

// onceLife is how long a call can be repeated under its idempotency key.
const onceLife = 7 * 24 * time.Hour

// forgetKeys deletes idempotency keys that are too old to be used again.
func (r *Room) forgetKeys(ctx context.Context) error {
	return r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM rights_once WHERE tenant_id IS NOT NULL AND made_at < $1`, r.Clock.Now().Add(-onceLife).UnixMicro())
		return err
	})
}
