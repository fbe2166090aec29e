package vault

import (
	"context"
	"crypto/cipher"
	"database/sql"
	"errors"
	"slices"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// batch is how many keys one transaction makes, destroys or wraps anew.
const batch = 500

// CreateSubject gives the subject a random key and returns when it is durable. For a subject that
// has a living key it does nothing. Errors: ErrShredded for one whose key was destroyed,
// fail.Unavailable.
func (v *Vault) CreateSubject(ctx context.Context, t id.Tenant, s id.Subject) error {
	return v.createBatch(ctx, t, []id.Subject{s})
}

// CreateSubjects is CreateSubject for many, in batches of one transaction each. When one of a batch
// was shredded, none of that batch gets a key; batches before it did.
func (v *Vault) CreateSubjects(ctx context.Context, t id.Tenant, ss []id.Subject) error {
	for chunk := range slices.Chunk(ss, batch) {
		if err := v.createBatch(ctx, t, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vault) createBatch(ctx context.Context, t id.Tenant, ss []id.Subject) error {
	now := v.clk.Now()
	marks := make([]uint64, len(ss))
	for i, s := range ss {
		if s.IsZero() {
			return fail.New(fail.Internal, "a key was asked for no data subject")
		}
		marks[i] = v.keys.mark(keyName{t, s})
	}
	made := make([]dataKey, len(ss))
	err := v.wrapping(ctx, t, func(tx *store.Tx, r *ring) error {
		clear(made)
		for i, s := range ss {
			var gone int
			err := tx.QueryRow(ctx, "SELECT 1 FROM subject_shredded WHERE tenant_id = $1 AND subject = $2", t, s).Scan(&gone)
			if err == nil {
				return ErrShredded
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			key := randomKey()
			wrapped := wrap(r.keks[r.epoch], dekAAD(t, s, secretVersion, r.epoch), key)
			aead, err := newAEAD(key)
			clear(key)
			if err != nil {
				return err
			}
			n, err := tx.Exec(ctx, `
INSERT INTO subject_key (tenant_id, subject, version, epoch, wrapped, created)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, subject) DO NOTHING`, t, s, secretVersion, r.epoch, wrapped, now.UnixMicro())
			if err != nil {
				return err
			}
			if n == 1 {
				made[i] = dataKey{aead: aead, version: secretVersion}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, s := range ss {
		if made[i].aead != nil {
			v.keys.put(keyName{t, s}, made[i], now, marks[i])
		}
	}
	return nil
}

// Has tells whether the subject has a living key. It looks at the database, not at the cache, so
// that it can prove an erasure.
func (v *Vault) Has(ctx context.Context, t id.Tenant, s id.Subject) (bool, error) {
	var n int
	err := v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM subject_key WHERE tenant_id = $1 AND subject = $2", t, s).Scan(&n)
	})
	return n > 0, err
}

// Shred destroys the subjects' keys: it deletes and overwrites them in the vault's files, and leaves
// a mark so that they never get a key again (also a subject that never had one). When it returns
// nil, nothing sealed for them opens any more through this vault. Other processes must be told to
// Forget, or learn it within CacheTTL. A second call does no harm.
//
// Errors: fail.Unavailable. It also stands for "deleted, but a reader kept the files from being
// overwritten": then the subjects are already unreadable, and Shred must be called again until it
// returns nil before the erasure may be called complete.
func (v *Vault) Shred(ctx context.Context, t id.Tenant, subjects ...id.Subject) error {
	if len(subjects) == 0 {
		return nil
	}
	now := v.clk.Now().UnixMicro()
	for chunk := range slices.Chunk(subjects, batch) {
		err := v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
			for _, s := range chunk {
				if _, err := tx.Exec(ctx, "DELETE FROM subject_key WHERE tenant_id = $1 AND subject = $2", t, s); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `
INSERT INTO subject_shredded (tenant_id, subject, at) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, subject) DO NOTHING`, t, s, now); err != nil {
					return err
				}
			}
			return nil
		})
		// Also on error: after a lost connection the outcome is unknown, and a cache is only a cache.
		v.Forget(t, chunk...)
		if err != nil {
			return err
		}
	}
	return v.db.Scrub(ctx)
}

// Forget drops the subjects' keys from memory: another process has shredded them.
func (v *Vault) Forget(t id.Tenant, subjects ...id.Subject) {
	for _, s := range subjects {
		v.keys.drop(keyName{t, s})
	}
}

// subjectKey returns the subject's key, from memory or from the database.
func (v *Vault) subjectKey(ctx context.Context, t id.Tenant, s id.Subject) (dataKey, error) {
	name := keyName{t, s}
	now := v.clk.Now()
	k, mark, ok := v.keys.get(name, now.Add(-v.opts.CacheTTL))
	if ok {
		return k, nil
	}
	k, err := v.readSubjectKey(ctx, t, s)
	if err != nil {
		return dataKey{}, err
	}
	v.keys.put(name, k, now, mark)
	return k, nil
}

// readSubjectKey reads and unwraps the subject's key.
func (v *Vault) readSubjectKey(ctx context.Context, t id.Tenant, s id.Subject) (dataKey, error) {
	r, err := v.ring(ctx, t)
	if err != nil {
		return dataKey{}, err
	}
	stale := v.clk.Now().Sub(r.loaded) > v.opts.CacheTTL // epochs destroyed elsewhere must leave this process's memory, too
	for range 8 {
		if stale {
			if r, err = v.reload(ctx, t); err != nil {
				return dataKey{}, err
			}
		}
		k, err := v.fetchSubjectKey(ctx, t, s)
		if err != nil {
			return dataKey{}, err
		}
		if kek := r.keks[k.epoch]; kek != nil {
			return k.unwrap(t, kek)
		}
		// A rotation came between reading the epochs and reading the key, or happened elsewhere.
		stale = true
	}
	return dataKey{}, errStaleRing
}

// fetchSubjectKey reads the subject's wrapped key. Errors: ErrShredded, ErrNoKey.
func (v *Vault) fetchSubjectKey(ctx context.Context, t id.Tenant, s id.Subject) (wrappedSubject, error) {
	k := wrappedSubject{subject: s}
	err := v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, "SELECT version, epoch, wrapped FROM subject_key WHERE tenant_id = $1 AND subject = $2", t, s).
			Scan(&k.version, &k.epoch, &k.wrapped)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var gone int
		err = tx.QueryRow(ctx, "SELECT 1 FROM subject_shredded WHERE tenant_id = $1 AND subject = $2", t, s).Scan(&gone)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNoKey
		case err != nil:
			return err
		}
		return ErrShredded
	})
	return k, err
}

// wrappedSubject is a row of subject_key.
type wrappedSubject struct {
	subject        id.Subject
	version, epoch int64
	wrapped        []byte
}

// unwrap opens the key with the KEK of its epoch.
func (k *wrappedSubject) unwrap(t id.Tenant, kek cipher.AEAD) (dataKey, error) {
	key, err := unwrap(kek, dekAAD(t, k.subject, k.version, k.epoch), k.wrapped)
	if err != nil {
		return dataKey{}, err
	}
	aead, err := newAEAD(key)
	clear(key)
	if err != nil {
		return dataKey{}, err
	}
	return dataKey{aead: aead, version: uint32(k.version)}, nil
}
