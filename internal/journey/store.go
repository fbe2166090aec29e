package journey

import (
	"context"
	"embed"
	"io/fs"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Keys seals what belongs to a data subject under that subject's own key. Opening or sealing for
// an erased subject fails with fail.Gone. Safe for concurrent use; both append to dst.
type Keys interface {
	SealAppend(ctx context.Context, t id.Tenant, s id.Subject, dst, aad, plain []byte) ([]byte, error)
	OpenAppend(ctx context.Context, t id.Tenant, s id.Subject, dst, aad, sealed []byte) ([]byte, error)
}

// Store keeps plans, visitors, sessions, events and offers. It is safe for concurrent use.
type Store struct {
	db    *store.DB
	keys  Keys
	clock clock.Clock
	zip   *packer
}

// NewStore returns the store of the journey room. Call Migrate before anything else.
func NewStore(db *store.DB, keys Keys, clk clock.Clock) (*Store, error) {
	zip, err := newPacker()
	if err != nil {
		return nil, err
	}
	return &Store{db: db, keys: keys, clock: clk, zip: zip}, nil
}

// Migrate brings the tables up to date.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return s.db.Migrate(ctx, "journey", files)
}
