package subject

import (
	"context"

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

// Suppress refuses from now on what comes in under identities of somebody who was erased, as Erase did
// then: an identity that leads to somebody else is left alone. Erase the subjects first. Suppressing
// twice does nothing.
func (r *Room) Suppress(ctx context.Context, tx *store.Tx, digests []Digest) error {
	t, now := tx.TenantID(), r.clk.Now().UnixMicro()
	for _, d := range digests {
		if _, found, err := lead(ctx, tx, d.Kind, d.Value); err != nil {
			return err
		} else if found {
			continue
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO subject_suppression (tenant_id, kind, digest, erased)
			VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, kind, digest) DO NOTHING`,
			t, string(d.Kind), d.Value, now); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { r.Forget(t) })
	return nil
}
