package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"probity/internal/fail"
	"probity/internal/id"
)

// The form of sealed bytes:
//
//	1 byte   format, 1
//	4 bytes  version of the key, big-endian
//	12 bytes nonce, random
//	n bytes  ciphertext, as long as the plain bytes
//	16 bytes tag
const (
	sealFormat = 1
	headerLen  = 1 + 4
	nonceLen   = 12
	tagLen     = 16

	// Overhead is how many bytes sealing adds.
	Overhead = headerLen + nonceLen + tagLen
)

// dataKey is a key ready to seal with.
type dataKey struct {
	aead    cipher.AEAD
	version uint32
}

// AAD puts parts together as additional data for Seal so that no two lists of parts give the same
// bytes: each part is preceded by its length.
func AAD(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// Seal encrypts plain under the subject's key with AES-256-GCM. aad is bound to the result: Open
// needs the same. It names the place the bytes are for (table, row, schema), so that they can't be
// moved; build it with AAD. Tenant and subject are bound anyway.
// Errors: ErrShredded, ErrNoKey, fail.Unavailable.
func (v *Vault) Seal(ctx context.Context, t id.Tenant, s id.Subject, aad, plain []byte) ([]byte, error) {
	return v.SealAppend(ctx, t, s, make([]byte, 0, len(plain)+Overhead), aad, plain)
}

// SealAppend is Seal that appends to dst. It allocates nothing when dst has room for Overhead more
// bytes than plain. plain must not overlap dst's free room.
func (v *Vault) SealAppend(ctx context.Context, t id.Tenant, s id.Subject, dst, aad, plain []byte) ([]byte, error) {
	k, err := v.subjectKey(ctx, t, s)
	if err != nil {
		return dst, err
	}
	return v.seal(k, t, s, dst, aad, plain), nil
}

// Open decrypts what Seal made for the same tenant, subject and aad.
// Errors: ErrUnreadable, ErrShredded, ErrNoKey, fail.Unavailable.
func (v *Vault) Open(ctx context.Context, t id.Tenant, s id.Subject, aad, sealed []byte) ([]byte, error) {
	return v.OpenAppend(ctx, t, s, make([]byte, 0, max(0, len(sealed)-Overhead)), aad, sealed)
}

// OpenAppend is Open that appends to dst. It allocates nothing when dst has room. sealed must not
// overlap dst's free room.
func (v *Vault) OpenAppend(ctx context.Context, t id.Tenant, s id.Subject, dst, aad, sealed []byte) ([]byte, error) {
	k, err := v.subjectKey(ctx, t, s)
	if err != nil {
		return dst, err
	}
	return v.open(k, t, s, dst, aad, sealed)
}

// SealTenant encrypts under the tenant's own data key: for what belongs to no data subject.
func (v *Vault) SealTenant(ctx context.Context, t id.Tenant, aad, plain []byte) ([]byte, error) {
	r, err := v.ring(ctx, t)
	if err != nil {
		return nil, err
	}
	return v.seal(r.data, t, id.Subject{}, make([]byte, 0, len(plain)+Overhead), aad, plain), nil
}

// OpenTenant decrypts what SealTenant made for the same tenant and aad. Errors: ErrUnreadable,
// fail.Unavailable.
func (v *Vault) OpenTenant(ctx context.Context, t id.Tenant, aad, sealed []byte) ([]byte, error) {
	r, err := v.ring(ctx, t)
	if err != nil {
		return nil, err
	}
	return v.open(r.data, t, id.Subject{}, make([]byte, 0, max(0, len(sealed)-Overhead)), aad, sealed)
}

func (v *Vault) seal(k dataKey, t id.Tenant, s id.Subject, dst, aad, plain []byte) []byte {
	start := len(dst)
	dst = append(dst, sealFormat)
	dst = binary.BigEndian.AppendUint32(dst, k.version)
	var zero [nonceLen]byte
	dst = append(dst, zero[:]...)
	header := dst[start : start+headerLen]
	nonce := dst[start+headerLen:]
	fillRandom(nonce)
	full := v.fullAAD(header, t, s, aad)
	dst = k.aead.Seal(dst, nonce, plain, *full)
	v.scratch.Put(full)
	return dst
}

func (v *Vault) open(k dataKey, t id.Tenant, s id.Subject, dst, aad, sealed []byte) ([]byte, error) {
	h, ok := parseHeader(sealed)
	if !ok || h.version != k.version {
		return dst, ErrUnreadable
	}
	full := v.fullAAD(sealed[:headerLen], t, s, aad)
	out, err := k.aead.Open(dst, h.nonce, h.body, *full)
	v.scratch.Put(full)
	if err != nil {
		return dst, ErrUnreadable
	}
	return out, nil
}

// header is what stands before the ciphertext.
type header struct {
	version uint32
	nonce   []byte
	body    []byte // ciphertext and tag
}

// parseHeader takes sealed bytes apart. It tells when they can't be sealed bytes.
func parseHeader(sealed []byte) (h header, ok bool) {
	if len(sealed) < Overhead || sealed[0] != sealFormat {
		return header{}, false
	}
	return header{
		version: binary.BigEndian.Uint32(sealed[1:]),
		nonce:   sealed[headerLen : headerLen+nonceLen],
		body:    sealed[headerLen+nonceLen:],
	}, true
}

// fullAAD returns the additional data that is bound, header | tenant | subject | aad: all parts but
// the last have a fixed length. Put it back into v.scratch after use.
func (v *Vault) fullAAD(header []byte, t id.Tenant, s id.Subject, aad []byte) *[]byte {
	buf, ok := v.scratch.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	b := append((*buf)[:0], header...)
	b = append(b, t[:]...)
	b = append(b, s[:]...)
	*buf = append(b, aad...)
	return buf
}

// newAEAD returns AES-256-GCM under key. The caller may overwrite key afterwards.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "a key of %d bytes can't be used", len(key))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "a key can't be used")
	}
	return aead, nil
}

// wrap encrypts a key under another: nonce, ciphertext, tag.
func wrap(aead cipher.AEAD, aad, key []byte) []byte {
	out := make([]byte, nonceLen, nonceLen+len(key)+tagLen)
	fillRandom(out)
	return aead.Seal(out, out, key, aad)
}

// unwrap decrypts what wrap made with the same aad. Overwrite the result after use.
func unwrap(aead cipher.AEAD, aad, wrapped []byte) ([]byte, error) {
	if len(wrapped) < nonceLen+tagLen {
		return nil, ErrUnreadable
	}
	key, err := aead.Open(nil, wrapped[:nonceLen], wrapped[nonceLen:], aad)
	if err != nil {
		return nil, ErrUnreadable
	}
	return key, nil
}

// fillRandom fills b from the system's generator, which never fails: the runtime ends the process
// rather than return.
func fillRandom(b []byte) { _, _ = rand.Read(b) }
