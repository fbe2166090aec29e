// Package org knows who uses Probity: organisations (the controllers), their web deployments, the
// programs that call the API (OAuth clients with permissions) and the people who sign in (staff).
//
// It knows nothing of data subjects. Secrets, tokens and sign-in links are kept as hashes only.
package org

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Keys seals what belongs to an organisation and to no data subject, such as the names of staff.
// *vault.Vault satisfies it.
type Keys interface {
	// SealTenant encrypts plain under the organisation's own data key, bound to aad.
	SealTenant(ctx context.Context, t id.Tenant, aad, plain []byte) ([]byte, error)
	// OpenTenant is the inverse of SealTenant.
	OpenTenant(ctx context.Context, t id.Tenant, aad, sealed []byte) ([]byte, error)
}

// Options tune a Room. The zero value is right for production.
type Options struct {
	// SecretRounds is the number of PBKDF2-HMAC-SHA-512 rounds for the secrets of OAuth clients made
	// from now on; 0 means 210,000 (about a tenth of a second). Existing clients keep theirs.
	SecretRounds int
	// TokenTTL is how long an access token lives; 0 means 24 hours.
	TokenTTL time.Duration
}

// Room keeps organisations and what belongs to them. It is safe for concurrent use.
//
// Lookups that every request needs (deployments, tokens, organisations) are cached for at most
// 30 seconds. A change is seen at once in this process, and within those seconds in others.
type Room struct {
	db   *store.DB
	keys Keys
	clk  clock.Clock
	opts Options

	organisations *cache[id.Tenant, *Organisation]
	deployments   *cache[[16]byte, *Deployment]
	principals    *cache[[32]byte, *Principal]
	verified      *cache[[32]byte, *Client]
	logins        *loginGuard
}

// New returns the room over db. Call Migrate before anything else.
func New(db *store.DB, keys Keys, clk clock.Clock, opts Options) *Room {
	if opts.SecretRounds == 0 {
		opts.SecretRounds = 210_000
	}
	if opts.TokenTTL == 0 {
		opts.TokenTTL = 24 * time.Hour
	}
	const ttl = 30 * time.Second
	return &Room{
		db: db, keys: keys, clk: clk, opts: opts,
		organisations: newCache[id.Tenant, *Organisation](clk, 1024, ttl),
		deployments:   newCache[[16]byte, *Deployment](clk, 8192, ttl),
		principals:    newCache[[32]byte, *Principal](clk, 8192, ttl),
		verified:      newCache[[32]byte, *Client](clk, 1024, 10*time.Minute),
		logins:        newLoginGuard(clk),
	}
}

// Migrate brings the room's tables to the current version.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "org", files)
}

// Organisation is one controller (Art. 4(7) GDPR). Everything stored belongs to exactly one.
type Organisation struct {
	ID              id.Tenant
	Name            string
	DefaultLanguage string // BCP 47, such as "en-us"
	DefaultCountry  string // ISO 3166-1 alpha-2, such as "DE"; decides which public holidays count
	Created         time.Time
}

// Organisation returns the organisation, or a NotFound failure.
func (r *Room) Organisation(ctx context.Context, t id.Tenant) (*Organisation, error) {
	return r.organisations.load(t, func() (*Organisation, error) {
		var o *Organisation
		err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
			o, err = scanOrganisation(tx.QueryRow(ctx, `
				SELECT tenant_id, name, default_language, default_country, created_at
				FROM organisation WHERE tenant_id = $1`, t))
			return err
		})
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fail.New(fail.NotFound, "there is no such organisation")
		}
		return o, err
	})
}

// Organisations lists all organisations, oldest first. Only work that spans tenants, such as
// maintenance, may use it.
func (r *Room) Organisations(ctx context.Context) ([]*Organisation, error) {
	var list []*Organisation
	err := r.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, name, default_language, default_country, created_at
			FROM organisation ORDER BY created_at, tenant_id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			o, err := scanOrganisation(rows)
			if err != nil {
				return err
			}
			list = append(list, o)
		}
		return rows.Err()
	})
	return list, err
}

// Rename gives the organisation a new name, language and country. Empty values keep the old ones.
func (r *Room) Rename(ctx context.Context, t id.Tenant, name, language, country string) error {
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE organisation SET
				name = CASE WHEN $2 = '' THEN name ELSE $2 END,
				default_language = CASE WHEN $3 = '' THEN default_language ELSE $3 END,
				default_country = CASE WHEN $4 = '' THEN default_country ELSE $4 END
			WHERE tenant_id = $1`, t, name, language, country)
		if err == nil && n == 0 {
			err = fail.New(fail.NotFound, "there is no such organisation")
		}
		tx.AfterCommit(func() { r.organisations.drop(t) })
		return err
	})
}

type scanner interface{ Scan(dst ...any) error }

func scanOrganisation(row scanner) (*Organisation, error) {
	var o Organisation
	var created int64
	if err := row.Scan(&o.ID, &o.Name, &o.DefaultLanguage, &o.DefaultCountry, &created); err != nil {
		return nil, err
	}
	o.Created = time.UnixMicro(created).UTC()
	return &o, nil
}
