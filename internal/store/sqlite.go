package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"probity/internal/fail"
	"probity/internal/id"
)

// sqliteEngine is one SQLite file: a connection that writes, and some that read.
type sqliteEngine struct {
	path   string
	writes *sql.DB
	reads  *sql.DB
	writer *writer
	moves  *checkpointer

	scrubTries int // how often scrub tries before it reports that a reader is in the way
}

// openSQLite opens or creates the file at path.
func openSQLite(ctx context.Context, path string, readers int) (_ *sqliteEngine, err error) {
	if path == "" {
		return nil, fail.New(fail.Invalid, "the database URL names no file; write sqlite:/dir/file.db")
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the database %s can't be opened", path)
	}
	if err := inspectFile(path); err != nil {
		return nil, err
	}
	if readers <= 0 {
		readers = 8
	}
	e := &sqliteEngine{path: path, scrubTries: 40}
	defer func() {
		if err != nil {
			_ = e.close() // the first error is the one to report
		}
	}()
	// The writer keeps more pages at hand than a reader: it touches the upper levels of every index.
	if e.writes, err = openPool(path, 1, 32<<10, logTooFar); err != nil {
		return nil, err
	}
	if e.reads, err = openPool(path, readers, 8<<10, logTooFar); err != nil {
		return nil, err
	}
	conn, err := e.writes.Conn(ctx)
	if err != nil {
		return nil, e.unusable(err)
	}
	if err := e.inspect(ctx, conn); err != nil {
		_ = conn.Close() // the first error is the one to report
		return nil, err
	}
	var raw *cachingConn
	if err := conn.Raw(func(dc any) error {
		c, ok := dc.(*cachingConn)
		if !ok {
			return fmt.Errorf("the writer's connection is a %T", dc)
		}
		raw = c
		return nil
	}); err != nil {
		return nil, err
	}
	w := newWriter(conn, raw)
	if e.moves, err = startCheckpointer(path, w); err != nil {
		_ = conn.Close() // the first error is the one to report
		return nil, err
	}
	e.writer = w
	w.start(e.moves.committed)
	return e, nil
}

// openPool returns a pool of at most n connections with cacheKiB of page cache each. Those of them that
// write move the log into the database when it holds logPages; 0: they leave that to others.
func openPool(path string, n, cacheKiB, logPages int) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(FULL)", // a commit is an fsync
		"foreign_keys(ON)",
		"secure_delete(ON)", // erased means overwritten
		"trusted_schema(OFF)",
		"mmap_size(0)",       // a stray write must not reach the file
		"temp_store(MEMORY)", // personal data must not land in temporary files
		"journal_size_limit(67108864)",
		fmt.Sprintf("wal_autocheckpoint(%d)", logPages),
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
	} {
		q.Add("_pragma", p)
	}
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the database path %s can't be used", path)
	}
	db := sql.OpenDB(cachingConnector{c})
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

func (e *sqliteEngine) dialect() Dialect { return SQLite }

func (e *sqliteEngine) write(ctx context.Context, t id.Tenant, fn func(tx *Tx) error) error {
	return e.writer.do(&job{ctx: ctx, tenant: t, fn: fn})
}

func (e *sqliteEngine) read(ctx context.Context, t id.Tenant, fn func(tx *Tx) error) (err error) {
	conn, err := e.reads.Conn(ctx)
	if err != nil {
		return engineError(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return engineError(err)
	}
	r := &run{dialect: SQLite, q: conn}
	defer func() {
		r.end()
		// Nothing was written; the point is to let go of the snapshot, whatever fn did.
		if _, rerr := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil && err == nil {
			err = rerr
		}
		err = engineError(err)
	}()
	if err := fn(&Tx{run: r, tenant: t}); err != nil {
		return err
	}
	return nil
}

func (e *sqliteEngine) admin() (*sql.DB, error) { return openPool(e.path, 1, 8<<10, logWrap) }

func (e *sqliteEngine) migrated(context.Context, *sql.DB) error { return nil }

// scrubPause is how long scrub waits between tries. Writers go on meanwhile.
const scrubPause = 50 * time.Millisecond

func (e *sqliteEngine) scrub(ctx context.Context) error {
	for try := 1; ; try++ {
		busy := false
		err := e.writer.do(&job{ctx: ctx, op: func(ctx context.Context, conn *sql.Conn) (err error) {
			e.moves.mu.Lock()
			defer e.moves.mu.Unlock()
			busy, err = truncateWAL(conn)
			return err
		}})
		if err != nil {
			return engineError(err)
		}
		if !busy {
			return nil
		}
		if try >= e.scrubTries {
			return fail.New(fail.Unavailable, "a long-running reader keeps deleted rows in the write-ahead log of %s; try again", e.path)
		}
		pause := time.NewTimer(scrubPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// truncateWAL moves the whole log into the database and cuts it to nothing. It tells when a reader
// or another process was in the way.
func truncateWAL(conn *sql.Conn) (busy bool, err error) {
	ctx := context.Background() // an interrupted checkpoint would only have to be done again
	// With the ordinary patience the writer would stand still for seconds.
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 20"); err != nil {
		return false, err
	}
	var blocked, log, done int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&blocked, &log, &done)
	if _, rerr := conn.ExecContext(ctx, "PRAGMA busy_timeout = 5000"); err == nil {
		err = rerr
	}
	return blocked != 0, err
}

func (e *sqliteEngine) check(ctx context.Context) error {
	conn, err := e.reads.Conn(ctx)
	if err != nil {
		return engineError(err)
	}
	defer conn.Close()
	if err := e.inspect(ctx, conn); err != nil {
		return err
	}
	if err := quickCheck(ctx, conn, "PRAGMA quick_check(1)"); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return e.unusable(err)
	}
	return nil
}

func (e *sqliteEngine) ready(ctx context.Context) error {
	return e.read(ctx, id.Tenant{}, func(tx *Tx) error {
		var n int
		return tx.QueryRow(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n)
	})
}

func (e *sqliteEngine) snapshot(ctx context.Context, path string) error {
	if _, err := e.reads.ExecContext(ctx, "VACUUM INTO $1", path); err != nil {
		return fail.Wrap(fail.Unavailable, err, "the database %s could not be copied", e.path)
	}
	return nil
}

func (e *sqliteEngine) size(context.Context) (int64, error) {
	var total int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(e.path + suffix)
		switch {
		case err == nil:
			total += info.Size()
		case !errors.Is(err, os.ErrNotExist):
			return 0, fail.Wrap(fail.Unavailable, err, "the size of the database can't be read")
		}
	}
	return total, nil
}

func (e *sqliteEngine) close() error {
	var errs []error
	if e.moves != nil {
		errs = append(errs, e.moves.close())
	}
	if e.writer != nil {
		e.writer.close()
		errs = append(errs, e.writer.conn.Close())
	}
	if e.reads != nil {
		errs = append(errs, e.reads.Close())
	}
	if e.writes != nil {
		errs = append(errs, e.writes.Close())
	}
	return errors.Join(errs...)
}
