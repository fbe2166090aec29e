package subject

import (
	"context"
	"time"

	"probity/internal/id"
	"probity/internal/store"
)

// Digest is a keyed digest of an identity, as an erasure leaves it.
type Digest struct {
	Kind  Kind
	Value []byte
}

// Digests returns the digests of the subjects' identities.
func (r *Room) Digests(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Digest, error) {
	var out []Digest
	for _, s := range subjects {
		rows, err := tx.Query(ctx, `
			SELECT kind, digest FROM subject_identity WHERE tenant_id = $1 AND subject = $2 ORDER BY kind, digest`,
			tx.TenantID(), s)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var d Digest
			if err := rows.Scan(&d.Kind, &d.Value); err != nil {
				rows.Close()
				return nil, err
			}
			out = append(out, d)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Timely returns the identities without those that belonged to somebody who was erased at the time or
// later: what was received before an erasure brings nobody back, whichever device it came from.
func (r *Room) Timely(ctx context.Context, tx *store.Tx, ids map[Kind]string, received time.Time) (map[Kind]string, error) {
	timely := make(map[Kind]string, len(ids))
	for k, value := range ids {
		normal, err := Normalise(k, value)
		if err != nil {
			timely[k] = value // for Identify to refuse
			continue
		}
		digest, err := r.keys.BlindIndex(ctx, tx.TenantID(), index(k), normal)
		if err != nil {
			return nil, unavailable(err, "make the blind index of an identity")
		}
		at, err := erasedAt(ctx, tx, k, digest)
		if err != nil {
			return nil, err
		}
		if at.IsZero() || received.After(at) {
			timely[k] = value
		}
	}
	return timely, nil
}

// Suppress refuses what comes in under identities of somebody who was erased at a time, as Erase did
// then: an identity that leads to somebody else is left alone. Erase the subjects first. Suppressing
// twice does nothing.
func (r *Room) Suppress(ctx context.Context, tx *store.Tx, digests []Digest, at time.Time) error {
	t := tx.TenantID()
	for _, d := range digests {
		if _, found, err := lead(ctx, tx, d.Kind, d.Value); err != nil {
			return err
		} else if found {
			continue
		}
		if err := suppress(ctx, tx, d.Kind, d.Value, at); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { r.Forget(t) })
	return nil
}
