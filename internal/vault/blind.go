package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"probity/internal/id"
)

// kindKey computes blind indexes of one kind. It holds keyed hashes for reuse: setting one up costs
// more than using it.
type kindKey struct {
	key    []byte
	hashes sync.Pool // of hash.Hash
}

// BlindIndex returns 16 bytes that stand for value in an index: equal values of one kind and tenant
// give equal bytes, and without the tenant's key nobody can compute or invert them. The key lives as
// long as the tenant. A blind index is still personal data: erasure deletes the rows that hold it.
// Normalise value first. Errors: fail.Unavailable.
func (v *Vault) BlindIndex(ctx context.Context, t id.Tenant, kind, value string) ([]byte, error) {
	r, err := v.ring(ctx, t)
	if err != nil {
		return nil, err
	}
	k := r.kinds.get(kind)
	if k == nil {
		k = r.kinds.put(kind, newKindKey(r.index, kind))
	}
	h, ok := k.hashes.Get().(hash.Hash)
	if !ok {
		h = hmac.New(sha256.New, k.key)
	}
	h.Reset()
	_, _ = h.Write([]byte(value)) // a hash never fails
	sum := h.Sum(make([]byte, 0, sha256.Size))
	k.hashes.Put(h)
	return sum[:16:16], nil
}

// newKindKey derives the key of one kind from the tenant's index key.
func newKindKey(index []byte, kind string) *kindKey {
	h := hmac.New(sha256.New, index)
	_, _ = h.Write([]byte("probity/vault/index/v1\x00" + kind)) // a hash never fails
	return &kindKey{key: h.Sum(nil)}
}
