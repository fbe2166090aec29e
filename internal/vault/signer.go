package vault

import (
	"context"
	"crypto/rand"
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

// Signer returns the tenant's Ed25519 key for signed notes (golang.org/x/mod/sumdb/note) under the
// name origin, and the text that verifies its signatures. It is made on first use and then stays the
// same; its private part is kept in the vault like any other key. Errors: fail.Invalid for an origin
// that can't name a key (empty, spaces, plus signs), fail.Unavailable.
func (v *Vault) Signer(ctx context.Context, t id.Tenant, origin string) (note.Signer, string, error) {
	if origin == "" || strings.ContainsFunc(origin, func(r rune) bool { return r == '+' || unicode.IsSpace(r) }) {
		return nil, "", fail.Field("origin", "a log's origin must not be empty or hold spaces or plus signs")
	}
	r, err := v.ring(ctx, t)
	if err != nil {
		return nil, "", err
	}
	if k := r.notes.get(origin); k != nil {
		return k.signer, k.verifier, nil
	}
	secret, err := v.noteSecret(ctx, t, origin)
	if err != nil {
		return nil, "", err
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
	k := r.notes.put(origin, &noteKey{signer: signer, verifier: public})
	return k.signer, k.verifier, nil
}

// noteSecret reads the signing key, after making one if there is none.
func (v *Vault) noteSecret(ctx context.Context, t id.Tenant, origin string) (secret string, err error) {
	name := noteSecret + origin
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
		private, public, err := note.GenerateKey(rand.Reader, origin)
		if err != nil {
			return fail.Wrap(fail.Internal, err, "a signing key can't be made")
		}
		secret = private + "\n" + public
		wrapped := wrap(r.keks[r.epoch], secretAAD(t, name, secretVersion, r.epoch), []byte(secret))
		return insertSecret(ctx, tx, wrappedSecret{name, secretVersion, r.epoch, wrapped}, v.clk.Now().UnixMicro())
	})
	return secret, err
}
