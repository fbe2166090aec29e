package org

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Client is a program that calls the API with credentials of its own (OAuth client credentials,
// RFC 6749 section 4.4).
type Client struct {
	Tenant      id.Tenant
	ID          string    // what the program sends; chosen by the operator or generated
	UID         uuid.UUID // stands for the client where an API speaks of ids, such as createdBy
	Name        string
	Permissions []string // sorted
	Created     time.Time
}

// CreateClient makes an OAuth client. The secret is kept as a salted PBKDF2 hash, because an
// operator may have chosen a weak one. Fails with Invalid for an unknown permission, an id longer
// than 128 bytes or with a colon in it (HTTP Basic can't carry one), or a secret under 8 bytes;
// with Conflict if the id is taken.
func (r *Room) CreateClient(ctx context.Context, t id.Tenant, clientID, secret, name string, permissions []string) (*Client, error) {
	if err := checkCredentials(clientID, secret); err != nil {
		return nil, err
	}
	for _, p := range permissions {
		if !known(p) {
			return nil, fail.Field("permissions", "there is no permission %q", p)
		}
	}
	c := &Client{Tenant: t, ID: clientID, UID: uidFor(clientID), Name: name, Permissions: slices.Sorted(slices.Values(permissions)), Created: r.clk.Now()}
	granted, err := json.Marshal(c.Permissions)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	hash, err := stretch(secret, salt, r.opts.SecretRounds)
	if err != nil {
		return nil, err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			INSERT INTO oauth_client (tenant_id, id, uid, name, salt, rounds, secret_hash, permissions, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT DO NOTHING`,
			t, c.ID, c.UID[:], name, salt, r.opts.SecretRounds, hash, string(granted), c.Created.UnixMicro())
		if err == nil && n == 0 {
			err = fail.New(fail.Conflict, "there is already a client with this id")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Clients lists the organisation's OAuth clients, oldest first, without disabled ones.
func (r *Room) Clients(ctx context.Context, t id.Tenant) ([]*Client, error) {
	var list []*Client
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, id, uid, name, permissions, created_at
			FROM oauth_client WHERE tenant_id = $1 AND disabled_at IS NULL ORDER BY created_at, id`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c Client
			var granted string
			var created int64
			if err := rows.Scan(&c.Tenant, &c.ID, &c.UID, &c.Name, &granted, &created); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(granted), &c.Permissions); err != nil {
				return err
			}
			c.Created = time.UnixMicro(created).UTC()
			list = append(list, &c)
		}
		return rows.Err()
	})
	return list, err
}

// DisableClient ends a client: its tokens stop working at once (in other processes within 30
// seconds) and it gets no new ones. It is idempotent.
func (r *Room) DisableClient(ctx context.Context, t id.Tenant, clientID string) error {
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() {
			r.verified.clear()
			r.principals.clear()
		})
		if _, err := tx.Exec(ctx, `
			UPDATE oauth_client SET disabled_at = $3
			WHERE tenant_id = $1 AND id = $2 AND disabled_at IS NULL`, t, clientID, r.clk.Now().UnixMicro()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM oauth_token WHERE tenant_id = $1 AND client_id = $2`, t, clientID)
		return err
	})
}

// verify returns the client whose credentials these are, or an Unauthenticated failure that does
// not tell which half was wrong. Right credentials are remembered for ten minutes under a hash, so
// that a client that asks for a token often does not cost a tenth of a second each time.
func (r *Room) verify(ctx context.Context, clientID, secret string) (*Client, error) {
	key := sha256.Sum256([]byte(clientID + "\x00" + secret))
	if c, ok := r.verified.get(key); ok {
		return c, nil
	}
	if err := checkCredentials(clientID, secret); err != nil {
		return nil, badCredentials()
	}
	release, err := r.logins.enter(ctx, clientID)
	if err != nil {
		return nil, err
	}
	defer release()
	return r.verified.load(key, func() (*Client, error) {
		var c Client
		var salt, want []byte
		var rounds int
		var granted string
		var created int64
		err := r.db.Read(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, `
				SELECT tenant_id, id, uid, name, salt, rounds, secret_hash, permissions, created_at
				FROM oauth_client WHERE id = $1 AND disabled_at IS NULL`, clientID).
				Scan(&c.Tenant, &c.ID, &c.UID, &c.Name, &salt, &rounds, &want, &granted, &created)
		})
		unknown := errors.Is(err, sql.ErrNoRows)
		if err != nil && !unknown {
			return nil, err
		}
		if unknown {
			// Work as long as for a known client: the time must not tell which ids exist.
			salt, rounds, want = make([]byte, 16), r.opts.SecretRounds, make([]byte, sha512.Size)
		}
		got, err := stretch(secret, salt, rounds)
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare(got, want) != 1 || unknown {
			r.logins.failed(clientID)
			return nil, badCredentials()
		}
		c.Created = time.UnixMicro(created).UTC()
		return &c, json.Unmarshal([]byte(granted), &c.Permissions)
	})
}

func badCredentials() error {
	return fail.New(fail.Unauthenticated, "client id or secret is wrong").WithCode("invalid_client")
}

func checkCredentials(clientID, secret string) error {
	if clientID == "" || len(clientID) > 128 {
		return fail.Field("id", "a client id has 1 to 128 bytes")
	}
	for _, b := range []byte(clientID) {
		if b <= ' ' || b > '~' || b == ':' {
			return fail.Field("id", "a client id consists of visible ASCII characters without a colon")
		}
	}
	if len(secret) < 8 || len(secret) > 512 {
		return fail.Field("secret", "a client secret has 8 to 512 bytes")
	}
	return nil
}

func stretch(secret string, salt []byte, rounds int) ([]byte, error) {
	return pbkdf2.Key(sha512.New, secret, salt, rounds, sha512.Size)
}

// loginGuard keeps password guessing from eating the processor: one slow hash at a time, and at
// most ten wrong secrets a minute for a client id.
type loginGuard struct {
	clk  clock.Clock
	turn chan struct{} // holds one token; whoever has it may hash

	mu      sync.Mutex // guards strikes
	strikes map[string]*rate.Limiter
}

func newLoginGuard(clk clock.Clock) *loginGuard {
	return &loginGuard{clk: clk, turn: make(chan struct{}, 1), strikes: make(map[string]*rate.Limiter)}
}

// enter waits for the turn. It fails with TooMany after too many wrong secrets, and with
// Unavailable if ctx ends first.
func (g *loginGuard) enter(ctx context.Context, clientID string) (release func(), err error) {
	g.mu.Lock()
	l := g.strikes[clientID]
	blocked := l != nil && l.TokensAt(g.clk.Now()) < 1
	g.mu.Unlock()
	if blocked {
		e := fail.New(fail.TooMany, "too many wrong secrets for this client; wait a little")
		e.RetryAfter = 6 * time.Second
		return nil, e
	}
	select {
	case g.turn <- struct{}{}:
		return func() { <-g.turn }, nil
	case <-ctx.Done():
		return nil, fail.Wrap(fail.Unavailable, ctx.Err(), "signing in takes too long at the moment")
	}
}

func (g *loginGuard) failed(clientID string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.strikes[clientID]
	if l == nil {
		if len(g.strikes) >= 1024 {
			clear(g.strikes)
		}
		l = rate.NewLimiter(rate.Every(6*time.Second), 10)
		g.strikes[clientID] = l
	}
	l.AllowN(g.clk.Now(), 1)
}

// uidFor is the client's own id if that is a UUID, as it is for clients made elsewhere, and else a
// fresh one: API answers hold UUIDs only.
func uidFor(clientID string) uuid.UUID {
	if u, err := uuid.Parse(clientID); err == nil && len(clientID) == 36 {
		return u
	}
	return id.New()
}
