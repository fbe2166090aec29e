package org

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Principal is who stands behind a request that carries an access token. It is shared: don't
// change it.
type Principal struct {
	Tenant      id.Tenant
	ClientID    string    // what the client signed in with
	UID         uuid.UUID // the client's id in API answers
	Name        string
	Permissions []string // sorted
	Expires     time.Time
}

// Can tells whether the principal has at least one of the permissions.
func (p *Principal) Can(anyOf ...string) bool {
	return slices.ContainsFunc(anyOf, func(want string) bool {
		_, ok := slices.BinarySearch(p.Permissions, want)
		return ok
	})
}

// Token signs a client in and returns a fresh opaque access token and how long it lives. Only the
// token's SHA-256 is stored; a token of 32 random bytes needs no slow hash. Fails with
// Unauthenticated, code invalid_client, when id or secret is wrong.
func (r *Room) Token(ctx context.Context, clientID, secret string) (token string, ttl time.Duration, err error) {
	c, err := r.verify(ctx, clientID, secret)
	if err != nil {
		return "", 0, err
	}
	token = secretString()
	hash := sha256.Sum256([]byte(token))
	now := r.clk.Now()
	err = r.db.Tenant(c.Tenant).Write(ctx, func(tx *store.Tx) error {
		// Dead tokens go whenever a new one comes: the table stays as small as the number of clients.
		if _, err := tx.Exec(ctx, `DELETE FROM oauth_token WHERE tenant_id = $1 AND expires_at < $2`, c.Tenant, now.UnixMicro()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO oauth_token (tenant_id, hash, client_id, issued_at, expires_at)
			VALUES ($1, $2, $3, $4, $5)`,
			c.Tenant, hash[:], c.ID, now.UnixMicro(), now.Add(r.opts.TokenTTL).UnixMicro())
		return err
	})
	return token, r.opts.TokenTTL, err
}

// Authenticate returns who the token stands for, or an Unauthenticated failure. Hits are cached;
// the lookup is by hash, so its time tells nothing about the token.
func (r *Room) Authenticate(ctx context.Context, token string) (*Principal, error) {
	if token == "" || len(token) > 256 {
		return nil, badToken()
	}
	hash := sha256.Sum256([]byte(token))
	p, err := r.principals.load(hash, func() (*Principal, error) {
		var p Principal
		var granted string
		var expires int64
		err := r.db.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, `
				SELECT k.tenant_id, c.id, c.uid, c.name, c.permissions, k.expires_at
				FROM oauth_token k
				JOIN oauth_client c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
				WHERE k.hash = $1 AND c.disabled_at IS NULL`, hash[:]).
				Scan(&p.Tenant, &p.ClientID, &p.UID, &p.Name, &granted, &expires)
		})
		if errors.Is(err, sql.ErrNoRows) {
			return nil, badToken()
		}
		if err != nil {
			return nil, err
		}
		p.Expires = time.UnixMicro(expires).UTC()
		return &p, json.Unmarshal([]byte(granted), &p.Permissions)
	})
	if err != nil {
		return nil, err
	}
	if !r.clk.Now().Before(p.Expires) {
		return nil, badToken()
	}
	return p, nil
}

// Revoke ends the token. It is idempotent.
func (r *Room) Revoke(ctx context.Context, t id.Tenant, token string) error {
	hash := sha256.Sum256([]byte(token))
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { r.principals.drop(hash) })
		_, err := tx.Exec(ctx, `DELETE FROM oauth_token WHERE tenant_id = $1 AND hash = $2`, t, hash[:])
		return err
	})
}

func badToken() error {
	return fail.New(fail.Unauthenticated, "the access token is missing, unknown or expired").WithCode("bad.credentials")
}

// secretString returns 32 random bytes as 43 characters that are safe in URLs and headers.
func secretString() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
