package store

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"probity/internal/fail"
	"probity/internal/id"
)

// oldestPostgres is the server_version_num of the oldest server that is supported.
const oldestPostgres = 150000

// How often a transaction that collided with another is run again, and how long it waits at first.
const (
	collisionTries = 12
	collisionPause = 2 * time.Millisecond
)

// postgresEngine is two pools of connections to one PostgreSQL database: writers that wait for each
// other must not leave readers without a connection, nor the other way round.
type postgresEngine struct {
	cfg    *pgx.ConnConfig
	writes *sql.DB
	reads  *sql.DB
	// queues line up transactions of a tenant that have collided once, so that a crowd that wants the
	// same row makes progress instead of undoing each other's work. Others need not queue.
	queues [64]sync.Mutex
}

// openPostgres connects once, so that a wrong URL is reported at start.
func openPostgres(ctx context.Context, url string, conns int) (*postgresEngine, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		// The driver's error repeats the URL, and with it the password.
		return nil, fail.New(fail.Invalid, "the PostgreSQL URL can't be understood")
	}
	if conns <= 0 {
		conns = 8
	}
	e := &postgresEngine{cfg: cfg, writes: stdlib.OpenDB(*cfg), reads: stdlib.OpenDB(*cfg)}
	for _, pool := range []*sql.DB{e.writes, e.reads} {
		pool.SetMaxOpenConns(conns)
		pool.SetMaxIdleConns(conns)
	}
	var version int
	if err := e.reads.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		_ = e.close() // the first error is the one to report
		return nil, fail.Wrap(fail.Unavailable, err, "the PostgreSQL server can't be reached")
	}
	if version < oldestPostgres {
		_ = e.close() // the version is the trouble
		return nil, fail.New(fail.Unavailable, "the PostgreSQL server is version %d; 15 or newer is needed", version/10000)
	}
	return e, nil
}

func (e *postgresEngine) dialect() Dialect { return Postgres }

func (e *postgresEngine) write(ctx context.Context, t id.Tenant, fn func(tx *Tx) error) error {
	err := e.once(ctx, t, serial, fn)
	if !retryable(err) {
		return engineError(err)
	}
	queue := &e.queues[t[len(t)-1]%64]
	queue.Lock()
	defer queue.Unlock()
	pause := collisionPause
	for try := 1; try < collisionTries; try++ {
		// Collisions with other processes remain: spread out.
		timer := time.NewTimer(time.Duration(rand.Int64N(int64(pause))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if err = e.once(ctx, t, serial, fn); !retryable(err) {
			return engineError(err)
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
	return engineError(err)
}

func (e *postgresEngine) read(ctx context.Context, t id.Tenant, fn func(tx *Tx) error) error {
	return engineError(e.once(ctx, t, snapshot, fn))
}

// The two kinds of transaction.
var (
	serial   = sql.TxOptions{Isolation: sql.LevelSerializable}
	snapshot = sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
)

// once runs fn in one transaction.
func (e *postgresEngine) once(ctx context.Context, t id.Tenant, kind sql.TxOptions, fn func(tx *Tx) error) error {
	pool := e.writes
	if kind.ReadOnly {
		pool = e.reads
	}
	// The transaction ends with this function, not with ctx: database/sql would roll back behind fn's
	// back while it is being committed.
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stx, err := conn.BeginTx(context.WithoutCancel(ctx), &kind)
	if err != nil {
		return err
	}
	r := &run{dialect: Postgres, q: stx}
	committed := false
	defer func() {
		r.end()
		if !committed {
			_ = stx.Rollback() // the first error is the one to report; a lost connection rolls back
		}
	}()
	if err := fn(&Tx{run: r, tenant: t}); err != nil {
		return err
	}
	r.end()
	if err := stx.Commit(); err != nil {
		return err
	}
	committed = true
	for _, fn := range r.after {
		fn()
	}
	return nil
}

// admin returns a pool whose connections see every tenant's rows, for migrations that move data.
func (e *postgresEngine) admin() (*sql.DB, error) {
	cfg := e.cfg.Copy()
	if cfg.RuntimeParams == nil {
		cfg.RuntimeParams = map[string]string{}
	}
	cfg.RuntimeParams["probity.tenant"] = systemScope
	// Statements prepared before a migration are wrong after it.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(2)
	return db, nil
}

// tenantTables lists the tables with a tenant_id column and whether row-level security is enabled,
// forced upon the owner too, and has its policy.
const tenantTables = `
SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity
       AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'probity_tenant')
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
 ORDER BY c.relname`

// tenantPolicy lets a row through to its own tenant, or to the system. The sub-selects are evaluated
// once a statement; the CASE keeps "*" from being decoded. A connection that never named a tenant
// sees nothing.
const tenantPolicy = `
CASE (SELECT current_setting('probity.tenant', true))
WHEN '*' THEN TRUE
ELSE tenant_id = (SELECT decode(nullif(current_setting('probity.tenant', true), '*'), 'hex')) END`

// migrated gives every tenant table that lacks it the second belt: row-level security.
func (e *postgresEngine) migrated(ctx context.Context, admin *sql.DB) error {
	open, err := unguarded(ctx, admin)
	if err != nil {
		return err
	}
	for _, name := range open {
		table := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		for _, ddl := range []string{
			"ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY",
			"ALTER TABLE " + table + " FORCE ROW LEVEL SECURITY",
			"DROP POLICY IF EXISTS probity_tenant ON " + table,
			"CREATE POLICY probity_tenant ON " + table + " USING (" + tenantPolicy + ") WITH CHECK (" + tenantPolicy + ")",
		} {
			if _, err := admin.ExecContext(ctx, ddl); err != nil {
				return fail.Wrap(fail.Unavailable, err, "row-level security of table %s can't be set up", name)
			}
		}
	}
	return nil
}

// unguarded returns the tenant tables whose row-level security is not complete.
func unguarded(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, tenantTables)
	if err != nil {
		return nil, engineError(err)
	}
	defer rows.Close()
	var open []string
	for rows.Next() {
		var (
			name    string
			guarded bool
		)
		if err := rows.Scan(&name, &guarded); err != nil {
			return nil, err
		}
		if !guarded {
			open = append(open, name)
		}
	}
	return open, engineError(rows.Err())
}

func (e *postgresEngine) scrub(context.Context) error { return nil }

func (e *postgresEngine) check(ctx context.Context) error {
	var (
		role   string
		bypass bool
	)
	err := e.reads.QueryRowContext(ctx,
		"SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").Scan(&role, &bypass)
	if err != nil {
		return engineError(err)
	}
	if bypass {
		return fail.New(fail.Conflict, "the database role %s steps around row-level security; connect as a role that is neither superuser nor BYPASSRLS", role)
	}
	open, err := unguarded(ctx, e.reads)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fail.New(fail.Conflict, "row-level security is missing on: %s; start once with a role that owns the tables", strings.Join(open, ", "))
	}
	return nil
}

func (e *postgresEngine) ready(ctx context.Context) error {
	return engineError(e.reads.PingContext(ctx))
}

func (e *postgresEngine) snapshot(context.Context, string) error {
	return fail.New(fail.Unsupported, "PostgreSQL copies its databases itself: use pg_dump or its base backups")
}

func (e *postgresEngine) size(ctx context.Context) (n int64, err error) {
	err = e.reads.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&n)
	return n, engineError(err)
}

func (e *postgresEngine) close() error {
	return errors.Join(e.writes.Close(), e.reads.Close())
}
