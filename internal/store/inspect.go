package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"probity/internal/fail"
)

// oldestSQLite is the first version without the bug that could reset the write-ahead log under a
// second connection and lose commits (3.7.0 to 3.51.2).
const oldestSQLite = "3.51.3"

// wholeCheck is the size of a database up to which all of it is checked at start, which takes some
// 0.2 seconds.
const wholeCheck = 48 << 20

// inspectFile looks at the file before SQLite does: SQLite would take an empty or foreign file for a
// new database, and creates files readable by everyone.
func inspectFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the database file can't be opened")
	}
	defer f.Close()
	var head [100]byte
	n, err := io.ReadFull(f, head[:])
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fail.Wrap(fail.Unavailable, err, "the database %s is damaged: its header is cut short", path)
	case string(head[:16]) != "SQLite format 3\x00":
		return fail.New(fail.Unavailable, "%s is not a SQLite database", path)
	}
	info, err := f.Stat()
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the database file can't be read")
	}
	logged, err := inspectLog(path + "-wal")
	if err != nil || logged {
		return err // the log may hold the pages that the file lacks
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 65536
	}
	if want := page * int64(binary.BigEndian.Uint32(head[28:])); info.Size() < want {
		return fail.New(fail.Unavailable, "the database %s is damaged: it has %d bytes instead of %d; restore it from a backup", path, info.Size(), want)
	}
	return nil
}

// inspect refuses a file that is damaged: one of up to wholeCheck bytes in any way that shows in its
// structure; a larger one in a way that can be seen without reading it all, which is a schema that
// can't be read or a table whose root is broken. check always reads all.
func (e *sqliteEngine) inspect(ctx context.Context, conn *sql.Conn) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return e.unusable(err)
	}
	if !atLeast(version, oldestSQLite) {
		return fail.New(fail.Unavailable, "SQLite %s is built in, but versions before %s can lose commits", version, oldestSQLite)
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return e.unusable(err)
	}
	if mode != "wal" {
		return fail.New(fail.Unavailable, "the database %s can't use a write-ahead log; is it on a network disk?", e.path)
	}
	if err := quickCheck(ctx, conn, "PRAGMA quick_check('sqlite_schema')"); err != nil {
		return e.unusable(err)
	}
	names, err := tables(ctx, conn)
	if err != nil {
		return e.unusable(err)
	}
	for _, name := range names {
		var any int
		err := conn.QueryRowContext(ctx, `SELECT 1 FROM "`+strings.ReplaceAll(name, `"`, `""`)+`" LIMIT 1`).Scan(&any)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return e.unusable(err)
		}
	}
	if size, err := e.size(ctx); err != nil || size > wholeCheck {
		return err
	}
	if err := quickCheck(ctx, conn, "PRAGMA quick_check(1)"); err != nil {
		return e.unusable(err)
	}
	return nil
}

// tables returns the names of all tables.
func tables(ctx context.Context, conn *sql.Conn) ([]string, error) {
	rows, err := conn.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// quickCheck runs a quick_check pragma and returns its first finding.
func quickCheck(ctx context.Context, conn *sql.Conn, pragma string) error {
	var finding string
	if err := conn.QueryRowContext(ctx, pragma).Scan(&finding); err != nil {
		return err
	}
	if finding != "ok" {
		return errors.New(finding)
	}
	return nil
}

// unusable says that this file can't be used, and which one it is. Who is told of damage restores a
// backup and loses what came after it, so a full disk must not pass for damage.
func (e *sqliteEngine) unusable(err error) error {
	if sound(err) {
		return fail.Wrap(fail.Unavailable, err, "the database %s can't be opened now: the disk may be full, or the file not writable", e.path)
	}
	return fail.Wrap(fail.Unavailable, err, "the database %s is damaged or can't be read; restore it from a backup", e.path)
}

// sound tells whether an error says nothing about what is in the file.
func sound(err error) bool {
	f, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch f.Code() {
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_DATA, sqlite3.SQLITE_IOERR_CORRUPTFS:
		return false
	}
	switch f.Code() & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}

// atLeast compares dotted versions.
func atLeast(version, least string) bool {
	v, l := strings.Split(version, "."), strings.Split(least, ".")
	for i := range l {
		if i >= len(v) {
			return false
		}
		a, errA := strconv.Atoi(v[i])
		b, errB := strconv.Atoi(l[i])
		if errA != nil || errB != nil {
			return false
		}
		if a != b {
			return a > b
		}
	}
	return true
}
