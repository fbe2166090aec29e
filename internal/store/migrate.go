package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"probity/internal/fail"
)

// migrationLock is the PostgreSQL advisory lock that keeps processes from migrating at once.
const migrationLock = 0x70726f62697479

var roomName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// Migrate brings the tables of one room up to date. files holds NNN_name.sql at its root, in goose's
// form ("-- +goose Up"), written for PostgreSQL in the portable subset; on SQLite their types are
// mapped, see portableSchema. Versions are kept per room, in table goose_<room>. On PostgreSQL every
// table with a tenant_id column gets row-level security.
//
// A database that a newer program has migrated is refused with fail.Conflict: this program would
// read and write it wrongly.
func (d *DB) Migrate(ctx context.Context, room string, files fs.FS) error {
	if !roomName.MatchString(room) {
		return fail.New(fail.Internal, "%q can't name a room's migrations", room)
	}
	admin, err := d.engine.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	p, err := newProvider(d.Dialect(), admin, room, files)
	if err != nil {
		return fail.Wrap(fail.Internal, err, "the migrations of %s can't be read", room)
	}
	if err := refuseNewer(ctx, p, room); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		if e := engineError(err); fail.Is(e, fail.Unavailable) {
			return e
		}
		return fail.Wrap(fail.Internal, err, "the tables of %s can't be migrated", room)
	}
	return d.engine.migrated(ctx, admin)
}

// newProvider returns the migration tool for one room.
func newProvider(d Dialect, admin *sql.DB, room string, files fs.FS) (*goose.Provider, error) {
	opts := []goose.ProviderOption{
		goose.WithTableName("goose_" + room),
		goose.WithLogger(goose.NopLogger()),
		goose.WithDisableGlobalRegistry(true),
	}
	if d == SQLite {
		return goose.NewProvider(goose.DialectSQLite3, admin, sqliteFS{files}, opts...)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, admin, files, append(opts, goose.WithSessionLocker(locker))...)
}

// refuseNewer compares the database's version with the newest this program knows.
func refuseNewer(ctx context.Context, p *goose.Provider, room string) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		if errors.Is(err, goose.ErrVersionNotFound) {
			return nil
		}
		return fail.Wrap(fail.Unavailable, err, "the version of the tables of %s can't be read", room)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	if have > newest {
		return fail.New(fail.Conflict, "the tables of %s are at version %d, made by a newer program; this one knows up to %d: use the newer program, or restore a backup from before the upgrade", room, have, newest)
	}
	return nil
}
