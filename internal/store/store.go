// Package store opens SQLite or PostgreSQL, migrates it, runs transactions and hands out handles
// that are bound to one tenant. It knows no domain: rooms own their tables and their SQL.
//
// Both engines run the same queries and give the same guarantees: a write transaction behaves as if
// it ran alone (SQLite has one writer, PostgreSQL runs SERIALIZABLE and repeats what collided), a
// read transaction sees one moment, and a write that returned nil is on disk.
package store

import (
	"context"
	"database/sql"
	"strings"

	"probity/internal/fail"
	"probity/internal/id"
)

// Dialect names the engine behind a DB.
type Dialect int

// The two engines.
const (
	SQLite Dialect = iota
	Postgres
)

// String returns "sqlite" or "postgres".
func (d Dialect) String() string {
	if d == Postgres {
		return "postgres"
	}
	return "sqlite"
}

// Config says which database to open.
type Config struct {
	// URL is "sqlite:/dir/file.db" (created with mode 0600 when missing; its folder must exist) or a
	// PostgreSQL connection URL, "postgres://…".
	URL string
	// ReadConns bounds how many reads run at a time, and on PostgreSQL also how many writes. 0 means 8.
	ReadConns int
}

// DB is one open database. It is safe for concurrent use; Close it once, after everything that uses
// it has stopped.
type DB struct {
	engine engine
}

// engine is what differs between SQLite and PostgreSQL. A zero tenant means system scope.
type engine interface {
	dialect() Dialect
	write(ctx context.Context, t id.Tenant, fn func(tx *Tx) error) error
	read(ctx context.Context, t id.Tenant, fn func(tx *Tx) error) error
	// admin opens a connection pool apart from the ordinary ones, for migrations; the caller closes it.
	admin() (*sql.DB, error)
	// migrated is called after the schema of a room may have changed.
	migrated(ctx context.Context, admin *sql.DB) error
	scrub(ctx context.Context) error
	check(ctx context.Context) error
	ready(ctx context.Context) error
	size(ctx context.Context) (int64, error)
	snapshot(ctx context.Context, path string) error
	close() error
}

// Open opens the database of cfg and refuses one that is damaged or out of reach, naming it.
// Errors: fail.Invalid for a URL of another form, fail.Unavailable otherwise.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	var (
		e   engine
		err error
	)
	switch scheme, rest, _ := strings.Cut(cfg.URL, ":"); scheme {
	case "sqlite":
		e, err = openSQLite(ctx, strings.TrimPrefix(rest, "//"), cfg.ReadConns)
	case "postgres", "postgresql":
		e, err = openPostgres(ctx, cfg.URL, cfg.ReadConns)
	default:
		err = fail.New(fail.Invalid, "the database URL must start with sqlite: or postgres:, not %q", scheme)
	}
	if err != nil {
		return nil, err
	}
	return &DB{engine: e}, nil
}

// Dialect tells which engine is behind d.
func (d *DB) Dialect() Dialect { return d.engine.dialect() }

// Tenant returns the handle of one tenant. It does not ask whether the tenant exists.
func (d *DB) Tenant(t id.Tenant) Handle { return Handle{engine: d.engine, tenant: t} }

// Write runs fn in a write transaction of system scope, which sees the rows of every tenant: for
// work that spans tenants. Narrow it with Tx.As before touching one tenant's rows. The rules of
// Handle.Write hold.
func (d *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return d.engine.write(ctx, id.Tenant{}, fn)
}

// Read runs fn in a read transaction of system scope. The rules of Handle.Read hold.
func (d *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	return d.engine.read(ctx, id.Tenant{}, fn)
}

// Scrub removes deleted rows from the files for good: on SQLite it empties the write-ahead log,
// which together with secure_delete leaves no deleted byte behind, and fails with fail.Unavailable
// when a long reader keeps it from doing so. On PostgreSQL nothing can do this and it does nothing:
// there a deleted row outlives its deletion in dead tuples until vacuum and in the archived log.
func (d *DB) Scrub(ctx context.Context) error { return d.engine.scrub(ctx) }

// Check examines the whole database: on SQLite the structure of every page (it reads the whole
// file), on PostgreSQL the server's version, that the role can't step around row-level security and
// that no tenant table lacks it. For the doctor; Ready is for readiness probes.
func (d *DB) Check(ctx context.Context) error { return d.engine.check(ctx) }

// Snapshot copies the database as it is at one moment to a new SQLite file, beside running readers and
// writers, without what was deleted. It fails with fail.Unsupported on PostgreSQL, whose own tools do
// that.
func (d *DB) Snapshot(ctx context.Context, path string) error { return d.engine.snapshot(ctx, path) }

// Ready tells in well under a millisecond whether the database answers.
func (d *DB) Ready(ctx context.Context) error { return d.engine.ready(ctx) }

// Size returns the bytes the database takes on disk.
func (d *DB) Size(ctx context.Context) (int64, error) { return d.engine.size(ctx) }

// Close waits for running writes, refuses later ones with fail.Unavailable and closes the database.
func (d *DB) Close() error { return d.engine.close() }

// Handle is the database as one tenant sees it. It is a small value: copy it freely. Use is safe
// from many goroutines.
type Handle struct {
	engine engine
	tenant id.Tenant
}

// ID returns the tenant the handle is bound to.
func (h Handle) ID() id.Tenant { return h.tenant }

// Write runs fn in a write transaction and returns nil only when its changes are durable.
//
//   - An error or a panic of fn rolls back what this fn did, and nothing else. A panic continues in
//     the caller.
//   - fn may run more than once, and in another goroutine: it must not depend on what an earlier run
//     left in variables. The last run is the one that counts.
//   - fn must not start another transaction of this database: it would wait for itself.
//   - A caller whose ctx ends before fn started gets ctx's error and nothing is written. Once fn has
//     started, Write waits for the outcome.
//
// Errors: what fn returned; fail.Unavailable when the engine could not do it (disk full, damaged,
// connection lost; after a lost connection the write may have happened).
func (h Handle) Write(ctx context.Context, fn func(tx *Tx) error) error {
	if h.tenant.IsZero() {
		return fail.New(fail.Internal, "a transaction was started for no tenant")
	}
	return h.engine.write(ctx, h.tenant, fn)
}

// Read runs fn in a read transaction that sees one moment of the database. fn must not write, and
// must not start another transaction of this database. Rows that fn leaves open are closed.
func (h Handle) Read(ctx context.Context, fn func(tx *Tx) error) error {
	if h.tenant.IsZero() {
		return fail.New(fail.Internal, "a transaction was started for no tenant")
	}
	return h.engine.read(ctx, h.tenant, fn)
}
