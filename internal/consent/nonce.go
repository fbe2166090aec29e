package consent

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// NonceFor says for what a nonce is made: the notice that is about to be shown, and where.
type NonceFor struct {
	Deployment uuid.UUID
	NoticeID   string
	Version    int
	Language   string
}

// issued is what an opened nonce says.
type issued struct {
	NonceFor
	at     time.Time
	digest []byte // what is kept of a used nonce
}

const (
	nonceVersion = 1
	nonceFixed   = 1 + 16 + 8 + 16 + 4 // version, deployment, time, random, notice version
	nonceMAC     = 16
)

// Nonce returns a token that a choice must bring back, once, within NonceLife. Nothing is stored but
// the count of notices served: the token carries what it is for and a MAC under the tenant's key.
// Asking for a notice that was never published is fail.NotFound.
func (r *Room) Nonce(ctx context.Context, t id.Tenant, f NonceFor) (string, error) {
	n, err := r.NonceUnseen(ctx, t, f)
	if err == nil {
		r.shown.add(shownKey{t, f.NoticeID, f.Version, f.Language, r.clk.Now().UTC().Format(time.DateOnly)}, 1)
	}
	return n, err
}

// NonceUnseen is Nonce for a form of staff, who ask somebody by letter: the notice is not shown to the
// person now, so that it does not count as served.
func (r *Room) NonceUnseen(ctx context.Context, t id.Tenant, f NonceFor) (string, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return "", err
	}
	shown := set.published(f.NoticeID, f.Version, f.Language)
	if shown == nil {
		return "", fail.New(fail.NotFound, "There is no notice of that id, version and language.")
	}
	if err := shown.fit(); err != nil {
		return "", err
	}
	b := make([]byte, 0, 128)
	b = append(b, nonceVersion)
	b = append(b, f.Deployment[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.clk.Now().UnixMicro()))
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fail.Wrap(fail.Unavailable, err, "Could not draw a nonce")
	}
	b = append(b, random[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(f.Version))
	b = append(b, byte(len(f.NoticeID)))
	b = append(b, f.NoticeID...)
	b = append(b, byte(len(f.Language)))
	b = append(b, f.Language...)
	mac, err := r.keys.BlindIndex(ctx, t, "consent.nonce", string(b))
	if err != nil {
		return "", unavailable(err, "make a nonce")
	}
	return base64.RawURLEncoding.EncodeToString(append(b, mac[:nonceMAC]...)), nil
}

// openNonce checks a nonce. All of it is authenticated before any of it is believed.
func (r *Room) openNonce(ctx context.Context, t id.Tenant, nonce string, deployment uuid.UUID) (*issued, error) {
	bad := fail.Field("nonce", "The nonce is not one of ours. Fetch the notice again.").WithCode("consent.nonce.bad")
	if len(nonce) > 1024 {
		return nil, bad
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) < nonceFixed+2+nonceMAC {
		return nil, bad
	}
	body, mac := raw[:len(raw)-nonceMAC], raw[len(raw)-nonceMAC:]
	want, err := r.keys.BlindIndex(ctx, t, "consent.nonce", string(body))
	if err != nil {
		return nil, unavailable(err, "check a nonce")
	}
	if !hmac.Equal(mac, want[:nonceMAC]) {
		return nil, bad
	}
	n, ok := parseNonce(body)
	if !ok {
		return nil, bad
	}
	if n.Deployment != deployment {
		return nil, fail.Field("nonce", "The nonce was made for another deployment.").WithCode("consent.nonce.foreign")
	}
	now := r.clk.Now()
	if age := now.Sub(n.at); age < -time.Minute || age >= NonceLife {
		return nil, fail.New(fail.Conflict, "The notice was shown too long ago. Fetch it again.").WithCode("consent.nonce.stale")
	}
	sum := sha256.Sum256(raw)
	n.digest = sum[:16]
	return n, nil
}

func parseNonce(b []byte) (*issued, bool) {
	if len(b) < nonceFixed+2 || b[0] != nonceVersion {
		return nil, false
	}
	n := &issued{at: time.UnixMicro(int64(binary.BigEndian.Uint64(b[17:25]))).UTC()}
	copy(n.Deployment[:], b[1:17])
	n.Version = int(binary.BigEndian.Uint32(b[41:45]))
	rest := b[nonceFixed:]
	take := func() (string, bool) {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return "", false
		}
		s := string(rest[1 : 1+rest[0]])
		rest = rest[1+rest[0]:]
		return s, true
	}
	var ok1, ok2 bool
	n.NoticeID, ok1 = take()
	n.Language, ok2 = take()
	return n, ok1 && ok2 && len(rest) == 0
}

func used() error {
	return fail.New(fail.Conflict, "This choice was recorded already.").WithCode("consent.nonce.used")
}

// isUsed tells whether the nonce was spent.
func (r *Room) isUsed(ctx context.Context, t id.Tenant, n *issued) (bool, error) {
	var count int
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM consent_nonce WHERE tenant_id = $1 AND digest = $2`, t, n.digest).Scan(&count)
	})
	if err != nil {
		return false, unavailable(err, "look up a nonce")
	}
	return count > 0, nil
}

// spend marks the nonce as used within the transaction, once.
func spend(ctx context.Context, tx *store.Tx, n *issued) error {
	count, err := tx.Exec(ctx, `
		INSERT INTO consent_nonce (tenant_id, digest, expires) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, digest) DO NOTHING`,
		tx.TenantID(), n.digest, n.at.Add(NonceLife).UnixMicro())
	if err == nil && count == 0 {
		return used()
	}
	return err
}

// Sweep deletes used nonces that are stale by now, and returns how many.
func (r *Room) Sweep(ctx context.Context, t id.Tenant) (n int64, err error) {
	// One hour of grace, so that two machines whose clocks differ can't take one nonce twice.
	limit := r.clk.Now().Add(-time.Hour).UnixMicro()
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err = tx.Exec(ctx, `DELETE FROM consent_nonce WHERE tenant_id = $1 AND expires < $2`, t, limit)
		return err
	})
	if err != nil {
		return 0, unavailable(err, "sweep used nonces")
	}
	return n, nil
}
