package vault

import (
	"context"
	"database/sql"
	"errors"

	"probity/internal/id"
	"probity/internal/store"
)

// LogKey is the public side of a key that signs, or signed, an organisation's log. It never changes
// once it was remembered.
type LogKey struct {
	Generation int64  // of the log's name; 1 unless the log was bridged
	Serial     int64  // within the generation, from 1
	Verifier   string // as golang.org/x/mod/sumdb/note writes it
	First      int64  // the smallest tree that it signs
	Before     int64  // the largest tree that the key before it signed; 0 for the first
	At         int64  // microseconds since 1970 UTC
	Handover   string // signed note of the key before it and of this one; empty for the first
}

// Published is the newest checkpoint that was signed for a generation of a log. Its zero value says
// that there is none.
type Published struct {
	Generation int64
	Size       int64
	Note       string
	Verifier   string
}

// Publish remembers a checkpoint as the newest one of its log, with the key that signed it, provided
// that the newest one so far has the size old (0: there is none). It tells whether it did: if not,
// somebody else came first and the checkpoint must not be handed out. It is on disk when this
// returns, in a database that a restored copy of the main one does not touch: that is what keeps a
// log from signing a second tree of a size that it has signed before.
func (v *Vault) Publish(ctx context.Context, t id.Tenant, old int64, p Published, k LogKey) (done bool, err error) {
	now := v.clk.Now().UnixMicro()
	err = v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		// On a collision nothing is changed, and the count says so.
		n, err := tx.Exec(ctx, `
INSERT INTO log_published (tenant_id, generation, size, note, verifier, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, generation) DO UPDATE SET
	size = excluded.size, note = excluded.note, verifier = excluded.verifier, at = excluded.at
WHERE log_published.size = $7 AND excluded.size > log_published.size`,
			t, p.Generation, p.Size, p.Note, p.Verifier, now, old)
		if err != nil {
			return err
		}
		if done = n == 1; !done {
			return nil
		}
		_, err = tx.Exec(ctx, `
INSERT INTO log_key (tenant_id, generation, serial, verifier, first_size, before_size, at, handover)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, generation, serial) DO NOTHING`,
			t, k.Generation, k.Serial, k.Verifier, k.First, k.Before, k.At, k.Handover)
		return err
	})
	return done, err
}

// Published returns the newest checkpoint of the newest generation of the tenant's log.
func (v *Vault) Published(ctx context.Context, t id.Tenant) (p Published, err error) {
	err = v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		p = Published{}
		err := tx.QueryRow(ctx, `
SELECT generation, size, note, verifier FROM log_published
WHERE tenant_id = $1 ORDER BY generation DESC LIMIT 1`, t).Scan(&p.Generation, &p.Size, &p.Note, &p.Verifier)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return p, err
}

// LogKeys returns the keys that signed the tenant's log, oldest first.
func (v *Vault) LogKeys(ctx context.Context, t id.Tenant) (keys []LogKey, err error) {
	err = v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		keys = nil
		rows, err := tx.Query(ctx, `
SELECT generation, serial, verifier, first_size, before_size, at, handover FROM log_key
WHERE tenant_id = $1 ORDER BY generation, serial`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k LogKey
			if err := rows.Scan(&k.Generation, &k.Serial, &k.Verifier, &k.First, &k.Before, &k.At, &k.Handover); err != nil {
				return err
			}
			keys = append(keys, k)
		}
		return rows.Err()
	})
	return keys, err
}

// Witnessed returns the newest checkpoint of a foreign log that the tenant's witness cosigned: its
// size and the note as it was received, 0 and nothing if there is none.
func (v *Vault) Witnessed(ctx context.Context, t id.Tenant, origin string) (size int64, note string, err error) {
	err = v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		size, note = 0, ""
		err := tx.QueryRow(ctx, "SELECT size, note FROM log_witnessed WHERE tenant_id = $1 AND origin = $2", t, origin).Scan(&size, &note)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return size, note, err
}

// Witness remembers a checkpoint of a foreign log as the newest one that was cosigned, provided that
// what was remembered is prior, byte for byte (empty: nothing). It tells whether it did. It is on
// disk when this returns.
func (v *Vault) Witness(ctx context.Context, t id.Tenant, origin, prior string, size int64, note string) (done bool, err error) {
	now := v.clk.Now().UnixMicro()
	err = v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
INSERT INTO log_witnessed (tenant_id, origin, size, note, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, origin) DO UPDATE SET size = excluded.size, note = excluded.note, at = excluded.at
WHERE log_witnessed.note = $6 AND excluded.size >= log_witnessed.size`,
			t, origin, size, note, now, prior)
		done = n == 1
		return err
	})
	return done, err
}
