package vault

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"sync"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// ring holds a tenant's keys, ready for use. It never changes once made; reload replaces it.
type ring struct {
	loaded time.Time
	epoch  int64                 // the one to wrap with
	keks   map[int64]cipher.AEAD // by epoch
	data   dataKey
	index  []byte
	// What is made from secrets that never change outlives the ring.
	kinds *memo[kindKey] // by kind of blind index
	notes *memo[noteKey] // by origin
}

// memo remembers what is costly to make. It is for few names, and forgets none by itself.
type memo[T any] struct {
	mu    sync.RWMutex // guards byKey
	byKey map[string]*T
}

// get returns what was remembered, or nil.
func (m *memo[T]) get(key string) *T {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.byKey[key]
}

// put remembers v unless something is remembered already, and returns what is.
func (m *memo[T]) put(key string, v *T) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.byKey[key]; old != nil {
		return old
	}
	if m.byKey == nil {
		m.byKey = make(map[string]*T)
	}
	m.byKey[key] = v
	return v
}

// drop forgets what was remembered under the key.
func (m *memo[T]) drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byKey, key)
}

// The names of a tenant's secrets. Signing keys are named noteSecret followed by their origin, see
// signerName; witness keys cosignSecret followed by their name.
const (
	dataSecret   = "data"
	indexSecret  = "index"
	noteSecret   = "note/"
	cosignSecret = "cosign/"
)

// secretVersion is the version of every key made today. Sealed bytes name it.
const secretVersion = 1

// kekAAD binds a wrapped KEK to its place.
func kekAAD(t id.Tenant, epoch int64) []byte {
	return AAD([]byte("kek/v1"), t[:], binary.BigEndian.AppendUint64(nil, uint64(epoch)))
}

// dekAAD binds a subject's wrapped key to its place.
func dekAAD(t id.Tenant, s id.Subject, version, epoch int64) []byte {
	return AAD([]byte("dek/v1"), t[:], s[:],
		binary.BigEndian.AppendUint64(nil, uint64(version)), binary.BigEndian.AppendUint64(nil, uint64(epoch)))
}

// secretAAD binds a tenant's wrapped secret to its place.
func secretAAD(t id.Tenant, name string, version, epoch int64) []byte {
	return AAD([]byte("secret/v1"), t[:], []byte(name),
		binary.BigEndian.AppendUint64(nil, uint64(version)), binary.BigEndian.AppendUint64(nil, uint64(epoch)))
}

// ring returns the tenant's keys, from memory if they are there, and makes them for a new tenant.
// What may be old about them, the epochs, is checked where it matters.
func (v *Vault) ring(ctx context.Context, t id.Tenant) (*ring, error) {
	v.mu.RLock()
	r := v.rings[t]
	v.mu.RUnlock()
	if r != nil {
		return r, nil
	}
	return v.reload(ctx, t)
}

// reload reads the tenant's keys and replaces what is in memory.
func (v *Vault) reload(ctx context.Context, t id.Tenant) (*ring, error) {
	r, err := v.readRing(ctx, t)
	if err != nil {
		return nil, err
	}
	if r == nil {
		if err := v.createTenant(ctx, t); err != nil {
			return nil, err
		}
		if r, err = v.readRing(ctx, t); err != nil {
			return nil, err
		}
		if r == nil {
			return nil, fail.New(fail.Internal, "a tenant's keys vanished right after they were made")
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if old := v.rings[t]; old != nil {
		r.kinds, r.notes = old.kinds, old.notes
	}
	v.rings[t] = r
	return r, nil
}

// ringIn reads the tenant's keys within a running transaction, for a key wrapped in an epoch that the
// ring at hand doesn't know.
func (v *Vault) ringIn(ctx context.Context, tx *store.Tx) (*ring, error) {
	r := &ring{keks: map[int64]cipher.AEAD{}}
	return r, v.readKEKs(ctx, tx, r)
}

// wrappedSecret is a row of tenant_secret.
type wrappedSecret struct {
	name           string
	version, epoch int64
	wrapped        []byte
}

// readRing reads and unwraps the tenant's keys; nil if it has none.
func (v *Vault) readRing(ctx context.Context, t id.Tenant) (*ring, error) {
	r := &ring{loaded: v.clk.Now(), keks: map[int64]cipher.AEAD{}, kinds: new(memo[kindKey]), notes: new(memo[noteKey])}
	err := v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		if err := v.readKEKs(ctx, tx, r); err != nil {
			return err
		}
		secrets, err := readSecrets(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range secrets {
			if s.name != dataSecret && s.name != indexSecret {
				continue
			}
			plain, err := r.unwrapSecret(t, s)
			if err != nil {
				return err
			}
			if s.name == indexSecret {
				r.index = plain
				continue
			}
			aead, err := newAEAD(plain)
			clear(plain)
			if err != nil {
				return err
			}
			r.data = dataKey{aead: aead, version: uint32(s.version)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(r.keks) == 0 {
		return nil, nil
	}
	if r.data.aead == nil || r.index == nil {
		return nil, fail.New(fail.Internal, "the vault holds an incomplete set of keys for a tenant; restore it from a backup")
	}
	return r, nil
}

// readKEKs fills in the tenant's epochs.
func (v *Vault) readKEKs(ctx context.Context, tx *store.Tx, r *ring) error {
	t := tx.TenantID()
	rows, err := tx.Query(ctx, "SELECT epoch, wrapped FROM tenant_key WHERE tenant_id = $1 ORDER BY epoch", t)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			epoch   int64
			wrapped []byte
		)
		if err := rows.Scan(&epoch, &wrapped); err != nil {
			return err
		}
		kek, err := unwrap(v.root, kekAAD(t, epoch), wrapped)
		if err != nil {
			return fail.Wrap(fail.Internal, err, "a tenant's key in the vault can't be opened with the root key")
		}
		aead, err := newAEAD(kek)
		clear(kek)
		if err != nil {
			return err
		}
		r.keks[epoch], r.epoch = aead, epoch
	}
	return rows.Err()
}

func readSecrets(ctx context.Context, tx *store.Tx) ([]wrappedSecret, error) {
	rows, err := tx.Query(ctx, "SELECT name, version, epoch, wrapped FROM tenant_secret WHERE tenant_id = $1 ORDER BY name", tx.TenantID())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []wrappedSecret
	for rows.Next() {
		var s wrappedSecret
		if err := rows.Scan(&s.name, &s.version, &s.epoch, &s.wrapped); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// unwrapSecret opens a tenant's secret.
func (r *ring) unwrapSecret(t id.Tenant, s wrappedSecret) ([]byte, error) {
	kek := r.keks[s.epoch]
	if kek == nil {
		return nil, errStaleRing
	}
	return unwrap(kek, secretAAD(t, s.name, s.version, s.epoch), s.wrapped)
}

// errStaleRing says that a key was wrapped in an epoch that the ring at hand doesn't know.
var errStaleRing error = fail.New(fail.Internal, "a key's epoch is not in the vault")

// createTenant makes the keys of a new tenant. When several processes try, one set remains.
func (v *Vault) createTenant(ctx context.Context, t id.Tenant) error {
	const epoch = 1
	now := v.clk.Now().UnixMicro()
	kek := randomKey()
	defer clear(kek)
	aead, err := newAEAD(kek)
	if err != nil {
		return err
	}
	wrappedKEK := wrap(v.root, kekAAD(t, epoch), kek)
	names := []string{dataSecret, indexSecret}
	wrapped := make([][]byte, len(names))
	for i, name := range names {
		key := randomKey()
		wrapped[i] = wrap(aead, secretAAD(t, name, secretVersion, epoch), key)
		clear(key)
	}
	return v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM tenant_key WHERE tenant_id = $1", t).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, "INSERT INTO tenant_key (tenant_id, epoch, wrapped, created) VALUES ($1, $2, $3, $4)",
			t, epoch, wrappedKEK, now); err != nil {
			return err
		}
		for i, name := range names {
			if err := insertSecret(ctx, tx, wrappedSecret{name, secretVersion, epoch, wrapped[i]}, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func insertSecret(ctx context.Context, tx *store.Tx, s wrappedSecret, now int64) error {
	_, err := tx.Exec(ctx, `
INSERT INTO tenant_secret (tenant_id, name, version, epoch, wrapped, created)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, name) DO NOTHING`, tx.TenantID(), s.name, s.version, s.epoch, s.wrapped, now)
	return err
}

func randomKey() []byte {
	key := make([]byte, 32)
	fillRandom(key)
	return key
}

// wrapping runs fn in a write transaction with a ring whose epoch is, in that very transaction, the
// newest. Without this a key could be wrapped in an epoch that a rotation is about to destroy.
func (v *Vault) wrapping(ctx context.Context, t id.Tenant, fn func(tx *store.Tx, r *ring) error) error {
	r, err := v.ring(ctx, t)
	if err != nil {
		return err
	}
	for range 8 {
		stale := false
		err := v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
			stale = false
			var newest int64
			if err := tx.QueryRow(ctx, "SELECT coalesce(max(epoch), 0) FROM tenant_key WHERE tenant_id = $1", t).Scan(&newest); err != nil {
				return err
			}
			if newest != r.epoch {
				stale = true
				return nil
			}
			return fn(tx, r)
		})
		if err != nil || !stale {
			return err
		}
		if r, err = v.reload(ctx, t); err != nil {
			return err
		}
	}
	return fail.New(fail.Unavailable, "the tenant's keys change too fast to wrap with them")
}
