// Package subject knows who is who: the random references under which data subjects are stored,
// the identities that lead to them, and which references belong to one person.
//
// A subject is one device of one person, as far as is known. Its cookie leads to it and to nothing
// else. An e-mail address, a telephone number or a customer number may lead to several subjects:
// together they are one person. Every subject keeps its own key and its own consent; being one
// person only means that rights are exercised for all of them and that a refusal on one counts for
// all (see package consent).
package subject

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/recent"
	"probity/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Keys seals identities and makes blind indexes. *vault.Vault implements it.
type Keys interface {
	// CreateSubject makes the subject's key durable before it returns. It does nothing for a live
	// subject and fails with fail.Gone for an erased one.
	CreateSubject(ctx context.Context, t id.Tenant, s id.Subject) error
	// Seal encrypts under the subject's key, bound to aad.
	Seal(ctx context.Context, t id.Tenant, s id.Subject, aad, plain []byte) ([]byte, error)
	// Open reverses Seal.
	Open(ctx context.Context, t id.Tenant, s id.Subject, aad, sealed []byte) ([]byte, error)
	// BlindIndex returns 16 bytes that stand for the value within the tenant and kind, and tell
	// nothing to someone without the key.
	BlindIndex(ctx context.Context, t id.Tenant, kind, value string) ([]byte, error)
}

// cacheSize is how many identities are remembered at least; memory stays below about 40 MB.
const cacheSize = 1 << 16

// Room answers who is who. It is safe for concurrent use.
type Room struct {
	db   *store.DB
	keys Keys
	clk  clock.Clock

	known      *recent.Cache[identity, *binding]
	bindings   *recent.Cache[owner, *binding]
	suppressed *recent.Cache[identity, verdict]
	watchers   []func(t id.Tenant, subjects []id.Subject)
}

// identity is a normalised identity of a tenant.
type identity struct {
	tenant id.Tenant
	kind   Kind
	value  string
}

type owner struct {
	tenant  id.Tenant
	subject id.Subject
}

// verdict says when whoever had an identity was erased, zero if nobody was, and until when that may be
// believed.
type verdict struct {
	erased time.Time
	until  time.Time
}

// New returns the room. Call Migrate before anything else.
func New(db *store.DB, keys Keys, clk clock.Clock) *Room {
	return &Room{
		db:         db,
		keys:       keys,
		clk:        clk,
		known:      recent.New[identity, *binding](cacheSize),
		bindings:   recent.New[owner, *binding](cacheSize),
		suppressed: recent.New[identity, verdict](cacheSize / 4),
	}
}

// Migrate creates or updates the room's tables.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "subject", files)
}
