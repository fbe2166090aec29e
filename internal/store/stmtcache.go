package store

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// statementsPerConn bounds the prepared statements one connection keeps. Rooms have some 200 queries
// together; queries built with lists of varying length are what the bound is for.
const statementsPerConn = 400

// cachingConnector opens SQLite connections that keep their statements prepared. Parsing and
// planning costs more than running a small statement; database/sql alone would do it every time.
type cachingConnector struct {
	driver.Connector
}

// Connect opens a connection with an empty cache.
func (c cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	prep, ok := inner.(driver.ConnPrepareContext)
	if !ok {
		return nil, errors.New("the SQLite driver can't prepare statements under a context")
	}
	return &cachingConn{Conn: inner, prep: prep, byQuery: make(map[string]*preparedStmt), recent: list.New()}, nil
}

// cachingConn is one SQLite connection and its prepared statements. database/sql lets one goroutine
// at a time into it.
type cachingConn struct {
	driver.Conn
	prep    driver.ConnPrepareContext
	byQuery map[string]*preparedStmt
	recent  *list.List // of *preparedStmt, most recently used first
	hits    int
	misses  int
	// lost is the error after which SQLite may have rolled back the running transaction by itself.
	// The writer clears it.
	lost error
}

// preparedStmt is a statement of the cache. While rows are being read from it, it is busy and can't
// be run a second time.
type preparedStmt struct {
	query string
	stmt  driver.Stmt
	place *list.Element // nil when it is not (any more) in the cache and must be closed after use
	busy  bool
}

// ExecContext runs a query through the cache.
func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	p, err := c.take(ctx, query)
	if err != nil {
		return nil, c.note(err)
	}
	defer c.give(p)
	x, ok := p.stmt.(driver.StmtExecContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	res, err := x.ExecContext(ctx, args)
	return res, c.note(err)
}

// QueryContext runs a query through the cache; its statement is busy until the rows are closed.
func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	p, err := c.take(ctx, query)
	if err != nil {
		return nil, c.note(err)
	}
	x, ok := p.stmt.(driver.StmtQueryContext)
	if !ok {
		c.give(p)
		return nil, driver.ErrSkip
	}
	rows, err := x.QueryContext(ctx, args)
	if err != nil {
		c.give(p)
		return nil, c.note(err)
	}
	return &cachedRows{Rows: rows, conn: c, stmt: p}, nil
}

// PrepareContext prepares outside of the cache, for callers that keep the statement themselves.
func (c *cachingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.prep.PrepareContext(ctx, query)
}

// BeginTx is for the migration tool; the store itself begins with plain statements.
func (c *cachingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	b, ok := c.Conn.(driver.ConnBeginTx)
	if !ok {
		return nil, driver.ErrSkip
	}
	return b.BeginTx(ctx, opts)
}

// Close closes the statements and the connection.
func (c *cachingConn) Close() error {
	for _, p := range c.byQuery {
		_ = p.stmt.Close() // the connection's own error says what is wrong
	}
	clear(c.byQuery)
	c.recent.Init()
	return c.Conn.Close()
}

// take returns a statement ready to run: the cached one, or a fresh one when the cached one is busy.
func (c *cachingConn) take(ctx context.Context, query string) (*preparedStmt, error) {
	p := c.byQuery[query]
	if p != nil && !p.busy {
		c.hits++
		c.recent.MoveToFront(p.place)
		p.busy = true
		return p, nil
	}
	c.misses++
	stmt, err := c.prep.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	fresh := &preparedStmt{query: query, stmt: stmt, busy: true}
	if p != nil {
		return fresh, nil // the cached one keeps its place
	}
	fresh.place = c.recent.PushFront(fresh)
	c.byQuery[query] = fresh
	if c.recent.Len() > statementsPerConn {
		c.evict()
	}
	return fresh, nil
}

// evict drops the statement that has not been used for longest. One that is busy is closed later.
func (c *cachingConn) evict() {
	last := c.recent.Back()
	p, ok := last.Value.(*preparedStmt)
	if !ok {
		return
	}
	c.recent.Remove(last)
	delete(c.byQuery, p.query)
	p.place = nil
	if !p.busy {
		_ = p.stmt.Close() // nothing is lost with a statement nobody runs
	}
}

// give puts a statement back after use.
func (c *cachingConn) give(p *preparedStmt) {
	p.busy = false
	if p.place == nil {
		_ = p.stmt.Close() // nothing is lost with a statement nobody runs
	}
}

// note remembers errors after which SQLite rolls back by itself, see
// https://www.sqlite.org/lang_transaction.html §3.
func (c *cachingConn) note(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
			sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT:
			c.lost = fmt.Errorf("the engine gave up the transaction: %w", err)
		}
	}
	return err
}

// cachedRows gives its statement back when it is closed.
type cachedRows struct {
	driver.Rows
	conn *cachingConn
	stmt *preparedStmt
}

// Next notes errors of the engine, which may come late: RETURNING rows are made while being read.
// An empty BLOB comes from the driver as a nil slice; it is made empty, as PostgreSQL gives it.
func (r *cachedRows) Next(dest []driver.Value) error {
	if err := r.Rows.Next(dest); err != nil {
		return r.conn.note(err)
	}
	for i := range dest {
		if b, ok := dest[i].([]byte); ok && b == nil {
			dest[i] = []byte{}
		}
	}
	return nil
}

// Close ends the rows and gives the statement back. A second call does nothing.
func (r *cachedRows) Close() error {
	if r.stmt == nil {
		return nil
	}
	err := r.Rows.Close()
	r.conn.give(r.stmt)
	r.stmt = nil
	return err
}
