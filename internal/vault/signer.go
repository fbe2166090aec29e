package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// noteKey is a signing key in use. It never changes.
type noteKey struct {
	signer   note.Signer
	verifier string
}

// Signer returns the tenant's first Ed25519 key for signed notes under the name origin: SignerNo with
// the serial number 1.
func (v *Vault) Signer(ctx context.Context, t id.Tenant, origin string) (note.Signer, string, error) {
	return v.SignerNo(ctx, t, origin, 1)
}

// SignerNo returns the tenant's Ed25519 key for signed notes (golang.org/x/mod/sumdb/note) under the
// name origin with that serial number, and the text that verifies its signatures. It is made on first
// use and then stays the same; its private part is kept in the vault like any other key. A destroyed
// key is not made again: fail.Gone. Other errors: fail.Invalid for an origin that can't name a key
// (empty, spaces, plus signs), fail.Unavailable.
func (v *Vault) SignerNo(ctx context.Context, t id.Tenant, origin string, serial int64) (note.Signer, string, error) {
	if err := nameable(origin); err != nil {
		return nil, "", err
	}
	r, err := v.ring(ctx, t)
	if err != nil {
		return nil, "", err
	}
	name := signerName(origin, serial)
	if k := r.notes.get(name); k != nil {
		return k.signer, k.verifier, nil
	}
	secret, err := v.keptSecret(ctx, t, name, func() (string, error) {
		private, public, err := note.GenerateKey(rand.Reader, origin)
		return private + "\n" + public, err
	})
	if err != nil {
		return nil, "", err
	}
	if secret == destroyed {
		return nil, "", fail.New(fail.Gone, "this signing key was replaced and destroyed")
	}
	// The secret is the two texts of a note key, the private one first.
	private, public, ok := strings.Cut(secret, "\n")
	if !ok {
		return nil, "", fail.New(fail.Internal, "a signing key in the vault is damaged")
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, "", fail.New(fail.Internal, "a signing key in the vault is damaged")
	}
	k := r.notes.put(name, &noteKey{signer: signer, verifier: public})
	return k.signer, k.verifier, nil
}

// DestroySigner destroys the private part of a signing key that was replaced, so that whoever breaks
// in later can't sign in its name. Another process that has used the key may hold it in memory until
// it ends.
func (v *Vault) DestroySigner(ctx context.Context, t id.Tenant, origin string, serial int64) error {
	name := signerName(origin, serial)
	err := v.wrapping(ctx, t, func(tx *store.Tx, r *ring) error {
		wrapped := wrap(r.keks[r.epoch], secretAAD(t, name, secretVersion, r.epoch), []byte(destroyed))
		_, err := tx.Exec(ctx, `
UPDATE tenant_secret SET epoch = $1, version = $2, wrapped = $3 WHERE tenant_id = $4 AND name = $5`,
			r.epoch, secretVersion, wrapped, t, name)
		return err
	})
	if err != nil {
		return err
	}
	r, err := v.ring(ctx, t)
	if err != nil {
		return err
	}
	r.notes.drop(name)
	return v.db.Scrub(ctx)
}

// Cosigner returns the Ed25519 key with which the tenant's installation cosigns other logs under that
// name. It is made on first use and then stays the same. Errors as those of SignerNo.
func (v *Vault) Cosigner(ctx context.Context, t id.Tenant, name string) (ed25519.PrivateKey, error) {
	if err := nameable(name); err != nil {
		return nil, err
	}
	secret, err := v.keptSecret(ctx, t, cosignSecret+name, func() (string, error) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return string(private.Seed()), err
	})
	if err != nil {
		return nil, err
	}
	if len(secret) != ed25519.SeedSize {
		return nil, fail.New(fail.Internal, "a witness key in the vault is damaged")
	}
	return ed25519.NewKeyFromSeed([]byte(secret)), nil
}

// destroyed stands where a private key was.
const destroyed = "destroyed"

func nameable(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) }) {
		return fail.Field("origin", "a log's origin must not be empty or hold spaces or plus signs")
	}
	return nil
}

// signerName is the name of the secret. The first key of a name is older than serial numbers.
func signerName(origin string, serial int64) string {
	if serial == 1 {
		return noteSecret + origin
	}
	return "note." + strconv.FormatInt(serial, 10) + "/" + origin
}

// keptSecret reads a secret of the tenant, after making one if there is none.
func (v *Vault) keptSecret(ctx context.Context, t id.Tenant, name string, create func() (string, error)) (secret string, err error) {
	err = v.wrapping(ctx, t, func(tx *store.Tx, r *ring) error {
		secrets, err := readSecrets(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range secrets {
			if s.name != name {
				continue
			}
			if r.keks[s.epoch] == nil {
				if r, err = v.ringIn(ctx, tx); err != nil {
					return err
				}
			}
			plain, err := r.unwrapSecret(t, s)
			secret = string(plain)
			return err
		}
		if secret, err = create(); err != nil {
			return fail.Wrap(fail.Internal, err, "a signing key can't be made")
		}
		wrapped := wrap(r.keks[r.epoch], secretAAD(t, name, secretVersion, r.epoch), []byte(secret))
		return insertSecret(ctx, tx, wrappedSecret{name, secretVersion, r.epoch, wrapped}, v.clk.Now().UnixMicro())
	})
	return secret, err
}
