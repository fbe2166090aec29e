package vault

import (
	"context"
	"crypto/cipher"
	"slices"

	"probity/internal/id"
	"probity/internal/store"
)

// Due returns the tenants whose KEK has reached its age, or whose rotation was interrupted.
func (v *Vault) Due(ctx context.Context) ([]id.Tenant, error) {
	limit := v.clk.Now().Add(-v.opts.KEKEpoch).UnixMicro()
	var due []id.Tenant
	err := v.db.Read(ctx, func(tx *store.Tx) error {
		due = nil
		rows, err := tx.Query(ctx, `
SELECT tenant_id FROM tenant_key GROUP BY tenant_id
HAVING count(*) > 1 OR max(created) <= $1 ORDER BY tenant_id`, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t id.Tenant
			if err := rows.Scan(&t); err != nil {
				return err
			}
			due = append(due, t)
		}
		return rows.Err()
	})
	return due, err
}

// Rotate begins a new epoch for the tenant: it makes a new KEK, wraps every living key with it in
// batches, destroys the old KEK and overwrites it in the vault's files. Sealing and opening go on
// meanwhile. It can be interrupted anywhere: the next call goes on where this one stopped, and until
// then every key stays readable. Errors: fail.Unavailable, also when a reader kept the old KEK from
// being overwritten; call again.
func (v *Vault) Rotate(ctx context.Context, t id.Tenant) error {
	r, err := v.beginEpoch(ctx, t)
	if err != nil {
		return err
	}
	for left := int64(1); left > 0; {
		if err := v.rewrapSecrets(ctx, t, r); err != nil {
			return err
		}
		if err := v.rewrapSubjects(ctx, t, r); err != nil {
			return err
		}
		// On PostgreSQL a key that another process began to make before the epoch did may be committed
		// behind the back of the first pass.
		if left, err = v.destroyEpochs(ctx, t, r.epoch); err != nil {
			return err
		}
	}
	return v.db.Scrub(ctx)
}

// beginEpoch makes the KEK of the next epoch, unless a rotation is under way already, and returns
// the tenant's keys with both epochs.
func (v *Vault) beginEpoch(ctx context.Context, t id.Tenant) (*ring, error) {
	r, err := v.reload(ctx, t) // makes the keys of a new tenant
	if err != nil {
		return nil, err
	}
	if len(r.keks) > 1 {
		return r, nil
	}
	kek := randomKey()
	defer clear(kek)
	next := r.epoch + 1
	wrapped := wrap(v.root, kekAAD(t, next), kek)
	err = v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		// Two rotations at once go on with the same new epoch.
		_, err := tx.Exec(ctx, `
INSERT INTO tenant_key (tenant_id, epoch, wrapped, created) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, epoch) DO NOTHING`, t, next, wrapped, v.clk.Now().UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.reload(ctx, t)
}

// rewrapSecrets wraps the tenant's own secrets anew.
func (v *Vault) rewrapSecrets(ctx context.Context, t id.Tenant, r *ring) error {
	return v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		secrets, err := readSecrets(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range secrets {
			if s.epoch >= r.epoch {
				continue
			}
			plain, err := r.unwrapSecret(t, s)
			if err != nil {
				return err
			}
			wrapped := wrap(r.keks[r.epoch], secretAAD(t, s.name, s.version, r.epoch), plain)
			clear(plain)
			if _, err := tx.Exec(ctx, `
UPDATE tenant_secret SET epoch = $1, wrapped = $2 WHERE tenant_id = $3 AND name = $4 AND epoch = $5`,
				r.epoch, wrapped, t, s.name, s.epoch); err != nil {
				return err
			}
		}
		return nil
	})
}

// rewrapSubjects wraps the subjects' keys anew, batch by batch. Keys made meanwhile are wrapped in
// the new epoch already; keys shredded meanwhile stay shredded, because only rows still there are
// updated.
func (v *Vault) rewrapSubjects(ctx context.Context, t id.Tenant, r *ring) error {
	var last id.Subject
	for {
		rows, err := v.oldSubjects(ctx, t, r.epoch, last)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			if err := rows[i].rewrap(t, r.keks, r.epoch); err != nil {
				return err
			}
		}
		err = v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
			for _, k := range rows {
				if _, err := tx.Exec(ctx, `
UPDATE subject_key SET epoch = $1, wrapped = $2 WHERE tenant_id = $3 AND subject = $4 AND epoch = $5`,
					r.epoch, k.wrapped, t, k.subject, k.epoch); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		last = rows[len(rows)-1].subject
	}
}

// oldSubjects returns the next batch of keys wrapped before epoch.
func (v *Vault) oldSubjects(ctx context.Context, t id.Tenant, epoch int64, after id.Subject) ([]wrappedSubject, error) {
	var out []wrappedSubject
	err := v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = slices.Grow(out[:0], batch)
		rows, err := tx.Query(ctx, `
SELECT subject, version, epoch, wrapped FROM subject_key
WHERE tenant_id = $1 AND subject > $2 AND epoch < $3 ORDER BY subject LIMIT $4`, t, after, epoch, batch)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k wrappedSubject
			if err := rows.Scan(&k.subject, &k.version, &k.epoch, &k.wrapped); err != nil {
				return err
			}
			out = append(out, k)
		}
		return rows.Err()
	})
	return out, err
}

// rewrap replaces the wrapped key by the same key wrapped in another epoch. The row's own epoch
// stays as it was read.
func (k *wrappedSubject) rewrap(t id.Tenant, keks map[int64]cipher.AEAD, epoch int64) error {
	old := keks[k.epoch]
	if old == nil {
		return errStaleRing
	}
	plain, err := unwrap(old, dekAAD(t, k.subject, k.version, k.epoch), k.wrapped)
	if err != nil {
		return err
	}
	k.wrapped = wrap(keks[epoch], dekAAD(t, k.subject, k.version, epoch), plain)
	clear(plain)
	return nil
}

// destroyEpochs deletes the KEKs before epoch, unless keys are left that need them. It returns how
// many.
func (v *Vault) destroyEpochs(ctx context.Context, t id.Tenant, epoch int64) (left int64, err error) {
	err = v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if err := tx.QueryRow(ctx, `
SELECT (SELECT count(*) FROM subject_key WHERE tenant_id = $1 AND epoch < $2)
     + (SELECT count(*) FROM tenant_secret WHERE tenant_id = $1 AND epoch < $2)`, t, epoch).Scan(&left); err != nil {
			return err
		}
		if left > 0 {
			return nil
		}
		_, err := tx.Exec(ctx, "DELETE FROM tenant_key WHERE tenant_id = $1 AND epoch < $2", t, epoch)
		return err
	})
	if err != nil || left > 0 {
		return left, err
	}
	_, err = v.reload(ctx, t)
	return 0, err
}
