package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"probity/internal/fail"
)

// IsUnique tells, on both engines, whether err says that a row with the same primary or unique key
// is there already.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	return false
}

// engineError marks errors that mean "the engine can't now" as fail.Unavailable, whatever a room
// wrapped them in on the way. Other errors pass unchanged.
func engineError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return fail.Wrap(fail.Unavailable, err, "the disk of the database is full")
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
			return fail.Wrap(fail.Unavailable, err, "the database file can't be read or written")
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fail.Wrap(fail.Unavailable, err, "the database is held by another process")
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fail.Wrap(fail.Unavailable, err, "the database file is damaged")
		}
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// 08 connection, 53 out of resources (disk full is 53100), 57 shutting down, 58 system error,
		// 25006 a standby that can't write, XX damaged.
		class := e.Code[:min(2, len(e.Code))]
		if strings.Contains(" 08 53 57 58 XX ", " "+class+" ") || e.Code == "25006" {
			return fail.Wrap(fail.Unavailable, err, "the database can't do it now")
		}
		if retryable(err) {
			return fail.Wrap(fail.Unavailable, err, "the database is too busy with colliding changes")
		}
		return err
	}
	var (
		netErr  net.Error
		connErr *pgconn.ConnectError
	)
	if errors.As(err, &netErr) || errors.As(err, &connErr) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) {
		return fail.Wrap(fail.Unavailable, err, "the database is out of reach")
	}
	return err
}

// retryable tells whether PostgreSQL undid a transaction only because it collided with another.
func retryable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}
