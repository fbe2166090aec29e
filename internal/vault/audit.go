package vault

import (
	"context"
	"crypto/cipher"
	"maps"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Audit opens every key in the vault, tenant by tenant, and returns how many there are. It finds a
// damaged or transplanted key before somebody needs it, and before a rotation stumbles over it. It
// reads the whole vault, some 100,000 keys a second, in small transactions; for the doctor.
// Errors: fail.Internal with the number of keys that don't open, fail.Unavailable.
func (v *Vault) Audit(ctx context.Context) (keys int64, err error) {
	if err := v.Check(ctx); err != nil {
		return 0, err
	}
	tenants, err := v.tenants(ctx)
	if err != nil {
		return 0, err
	}
	var broken int64
	for _, t := range tenants {
		n, bad, err := v.auditTenant(ctx, t)
		keys, broken = keys+n, broken+bad
		if err != nil {
			return keys, err
		}
	}
	if broken > 0 {
		return keys, fail.New(fail.Internal, "%d of %d keys in the vault are damaged; restore the vault from a backup", broken, keys)
	}
	return keys, nil
}

// tenants returns who has keys.
func (v *Vault) tenants(ctx context.Context) (all []id.Tenant, err error) {
	err = v.db.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, "SELECT DISTINCT tenant_id FROM tenant_key ORDER BY tenant_id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t id.Tenant
			if err := rows.Scan(&t); err != nil {
				return err
			}
			all = append(all, t)
		}
		return rows.Err()
	})
	return all, err
}

// auditTenant opens the keys of one tenant.
func (v *Vault) auditTenant(ctx context.Context, t id.Tenant) (keys, broken int64, err error) {
	r, err := v.reload(ctx, t) // opens KEKs, data key and index key
	if err != nil {
		return 0, 0, err
	}
	count := func(err error) {
		keys++
		if err != nil {
			broken++
		}
	}
	var secrets []wrappedSecret
	if err := v.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		secrets, err = readSecrets(ctx, tx)
		return err
	}); err != nil {
		return keys, broken, err
	}
	for _, s := range secrets {
		plain, err := r.unwrapSecret(t, s)
		clear(plain)
		count(err)
	}
	// A rotation may go on meanwhile: rows read before it are opened with the epoch they were read in.
	keks := maps.Clone(r.keks)
	// Rows of every epoch: those wrapped before an epoch that doesn't exist yet.
	const everyEpoch = 1<<63 - 1
	for last := (id.Subject{}); ; {
		rows, err := v.oldSubjects(ctx, t, everyEpoch, last)
		if err != nil || len(rows) == 0 {
			return keys, broken, err
		}
		for i := range rows {
			if keks[rows[i].epoch] == nil {
				if r, err = v.reload(ctx, t); err != nil {
					return keys, broken, err
				}
				maps.Copy(keks, r.keks)
			}
			count(rows[i].opens(t, keks[rows[i].epoch]))
		}
		last = rows[len(rows)-1].subject
	}
}

// opens tells whether the key can be unwrapped with kek, which may be nil.
func (k *wrappedSubject) opens(t id.Tenant, kek cipher.AEAD) error {
	if kek == nil {
		return errStaleRing
	}
	key, err := unwrap(kek, dekAAD(t, k.subject, k.version, k.epoch), k.wrapped)
	clear(key)
	return err
}
