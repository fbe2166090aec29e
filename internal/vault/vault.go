// Package vault keeps the keys: root key, tenant key-encryption keys, data subjects' keys. It seals
// and opens what rooms store about a person, and makes it unreadable for good by destroying the
// person's key.
//
// # Keys
//
//	root key (a file outside of the database)        wraps
//	  tenant KEK, one an epoch (random)              wraps
//	    subject key (random, one per data subject)   seals what is stored about the subject
//	    tenant secrets (random): data key, index key, signing keys
//
// No key is derived from another that outlives it: a key that could be computed again could not be
// destroyed. Every wrapped key is bound to its place (tenant, subject, epoch), so a row copied
// elsewhere does not open.
//
// # What erasure means here
//
// The vault is a database of its own, so backups of the data hold no keys. Shred deletes the
// subject's row and overwrites it in the vault's files; from then on nothing that was sealed for the
// subject can be opened with this vault, wherever copies of the data are.
//
// What remains are copies of the vault itself. On SQLite these are backups only; on PostgreSQL also
// archived log and replicas. A complete copy from before the erasure holds the subject's wrapped key
// together with the wrapped KEK, and whoever also has the root key can open it. Therefore backups of
// the vault must be kept no longer than one epoch, and then both end together: Rotate wraps every
// living key under a new KEK and destroys the old one, so that remnants that hold wrapped keys
// without their KEK (free pages, dead tuples, log segments written during the epoch) are dead too.
// Horizon is that time. It is the number to print in notices and certificates.
package vault

import (
	"context"
	"crypto/cipher"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"sync"
	"time"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrShredded says that the subject's key was destroyed: what was sealed for it can't be read, and
// it can't have a new key. Its kind is fail.Gone.
var ErrShredded error = fail.New(fail.Gone, "the data subject was erased").WithCode("subject.erased")

// ErrNoKey says that the subject never had a key. Its kind is fail.NotFound.
var ErrNoKey error = fail.New(fail.NotFound, "the data subject has no key").WithCode("subject.unknown")

// ErrUnreadable says that sealed bytes were altered, cut short, or sealed for another place: another
// tenant, subject, additional data or key. Its kind is fail.Internal.
var ErrUnreadable error = fail.New(fail.Internal, "sealed data was altered or belongs elsewhere").WithCode("vault.unreadable")

// Options tune a vault. The zero value is right for production.
type Options struct {
	// KEKEpoch is the age at which a tenant's KEK is due for rotation, and thereby the erasure
	// horizon. 0 means 7 days.
	KEKEpoch time.Duration
	// CacheSize bounds how many subjects' keys are kept ready in memory, about 1 KiB each.
	// 0 means 65,536.
	CacheSize int
	// CacheTTL bounds how long a key is used without looking at the database again, and thereby how
	// long another process that missed the news of an erasure could still read. 0 means 60 seconds.
	CacheTTL time.Duration
}

// Vault seals, opens and shreds. It is safe for concurrent use. It needs no closing; the
// database belongs to whoever opened it.
type Vault struct {
	db   *store.DB
	root cipher.AEAD
	clk  clock.Clock
	opts Options

	keys   *keyCache
	stocks sync.Map // id.Tenant: *stock

	mu    sync.RWMutex // guards rings
	rings map[id.Tenant]*ring

	scratch sync.Pool // of *[]byte: additional data being put together
}

// Open prepares the vault's tables in db, which must hold nothing else, and makes sure that root is
// the key they were made with: fail.Conflict if it is another one. A vault opened for the first time
// is bound to root.
func Open(ctx context.Context, db *store.DB, root RootKey, clk clock.Clock, opts Options) (*Vault, error) {
	if opts.KEKEpoch <= 0 {
		opts.KEKEpoch = 7 * 24 * time.Hour
	}
	if opts.CacheSize <= 0 {
		opts.CacheSize = 1 << 16
	}
	if opts.CacheTTL <= 0 {
		opts.CacheTTL = time.Minute
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "the vault's migrations can't be read")
	}
	if err := db.Migrate(ctx, "vault", files); err != nil {
		return nil, err
	}
	aead, err := newAEAD(root[:])
	if err != nil {
		return nil, err
	}
	v := &Vault{
		db: db, root: aead, clk: clk, opts: opts,
		keys:  newKeyCache(opts.CacheSize),
		rings: make(map[id.Tenant]*ring),
	}
	v.scratch.New = func() any { b := make([]byte, 0, 256); return &b }
	if err := v.bind(ctx); err != nil {
		return nil, err
	}
	// A crash between deleting a key and scrubbing it is made good here. A reader in the way is none
	// of this process's business; the next scrub gets it.
	if err := db.Scrub(ctx); err != nil && !fail.Is(err, fail.Unavailable) {
		return nil, err
	}
	return v, nil
}

// probeText is what the root key seals to recognise its vault.
var probeText = []byte("probity/vault/root/v1")

// bind binds a new vault to the root key, or checks the binding.
func (v *Vault) bind(ctx context.Context) error {
	probe := wrap(v.root, probeText, probeText)
	err := v.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO vault_root (id, probe, created) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING",
			probe, v.clk.Now().UnixMicro())
		return err
	})
	if err != nil {
		return err
	}
	return v.Check(ctx)
}

// Check makes sure that the root key belongs to this vault and that the vault's database answers.
// Errors: fail.Conflict for another vault's key, fail.Unavailable.
func (v *Vault) Check(ctx context.Context) error {
	var probe []byte
	err := v.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT probe FROM vault_root WHERE id = 1").Scan(&probe)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return fail.New(fail.Conflict, "the vault's database is not bound to a root key; it was altered")
	}
	if err != nil {
		return err
	}
	if _, err := unwrap(v.root, probeText, probe); err != nil {
		return fail.New(fail.Conflict, "the root key is not the one this vault was made with: put back the right key file, or restore it from its recovery share").WithCode("vault.root")
	}
	return nil
}

// Horizon returns how long after an erasure a copy of the vault could still exist that opens what
// was erased, provided that keys are rotated when due and backups of the vault are kept no longer
// than this.
func (v *Vault) Horizon() time.Duration { return v.opts.KEKEpoch }

// Stats are a vault's numbers, for metrics and the doctor.
type Stats struct {
	Tenants  int64     // with keys
	Subjects int64     // with a living key
	Shredded int64     // whose key was destroyed
	Oldest   time.Time // when the oldest KEK was made; zero if there is none
	Cached   int       // subjects' keys ready in memory
	Hits     uint64    // of that cache, since Open
	Misses   uint64
}

// Stats counts. It reads whole tables: ask once a minute, not once a request.
func (v *Vault) Stats(ctx context.Context) (s Stats, err error) {
	var oldest sql.NullInt64
	err = v.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `
SELECT (SELECT count(DISTINCT tenant_id) FROM tenant_key),
       (SELECT count(*) FROM subject_key WHERE tenant_id IS NOT NULL),
       (SELECT count(*) FROM subject_shredded WHERE tenant_id IS NOT NULL),
       (SELECT min(created) FROM tenant_key WHERE tenant_id IS NOT NULL)`).Scan(&s.Tenants, &s.Subjects, &s.Shredded, &oldest)
	})
	if oldest.Valid {
		s.Oldest = time.UnixMicro(oldest.Int64).UTC()
	}
	s.Cached, s.Hits, s.Misses = v.keys.stats()
	return s, err
}
