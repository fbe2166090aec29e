package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// Tx is a running transaction in the scope of one tenant, or of the system. It is valid until the
// function it was handed to returns, and belongs to one goroutine.
type Tx struct {
	run    *run
	tenant id.Tenant // zero: system scope
}

// run is the transaction itself, shared by a Tx and its narrowings.
type run struct {
	dialect Dialect
	q       querier
	// uninterrupted: statements must not be cancelled half way, because SQLite answers an interrupted
	// write by rolling back the whole transaction, and with it the writes of others in the group.
	uninterrupted bool
	ended         bool
	scope         string      // PostgreSQL: what probity.tenant is set to
	rows          []*sql.Rows // handed out, to be closed at the end
	after         []func()
	statements    int
	changed       int // rows
}

// querier is the part of *sql.Conn and *sql.Tx a transaction needs.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// systemScope is the value of probity.tenant that lets row-level security show every tenant's rows.
const systemScope = "*"

var errEnded = errors.New("a transaction was used after its function had returned")

// TenantID returns the tenant in whose scope tx runs; zero in system scope.
func (tx *Tx) TenantID() id.Tenant { return tx.tenant }

// Dialect tells which engine runs the transaction, for the few queries that differ.
func (tx *Tx) Dialect() Dialect { return tx.run.dialect }

// As returns tx narrowed to one tenant. Only a transaction of system scope can be narrowed; asking
// a tenant's transaction for another tenant is an error. tx itself stays usable.
func (tx *Tx) As(_ context.Context, t id.Tenant) (*Tx, error) {
	switch {
	case t.IsZero():
		return nil, fail.New(fail.Internal, "a transaction was narrowed to no tenant")
	case !tx.tenant.IsZero() && tx.tenant != t:
		return nil, fail.New(fail.Internal, "a transaction of one tenant was asked to act for another")
	}
	return &Tx{run: tx.run, tenant: t}, nil
}

// Exec runs a statement and returns how many rows it changed. Parameters are written $1, $2, … and
// may repeat. uuid.UUID arguments are stored as their 16 bytes.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, err := tx.enter(ctx)
	if err != nil {
		return 0, err
	}
	res, err := tx.run.q.ExecContext(ctx, query, portable(args)...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	tx.run.changed += int(n)
	return n, err
}

// Query runs a statement that returns rows. Close them before the next statement: PostgreSQL can't
// run two at a time on a connection.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, err := tx.enter(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.run.q.QueryContext(ctx, query, portable(args)...)
	if err != nil {
		return nil, err
	}
	tx.run.rows = append(tx.run.rows, rows)
	return rows, nil
}

// QueryRow runs a statement of which one row is wanted; sql.ErrNoRows comes from Scan. The row must
// be scanned.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	inner, err := tx.enter(ctx)
	if err != nil {
		// A Row can't be made from an error by hand; an ended context makes the driver do it.
		dead, cancel := context.WithCancelCause(ctx)
		cancel(err)
		return tx.run.q.QueryRowContext(dead, query, portable(args)...)
	}
	return tx.run.q.QueryRowContext(inner, query, portable(args)...)
}

// AfterCommit registers fn to run once the commit is durable and before Write returns; it never runs
// when the transaction is rolled back. Functions of all transactions run one after another in the
// order of their commits on SQLite, so fn must be quick and must not use the database.
func (tx *Tx) AfterCommit(fn func()) { tx.run.after = append(tx.run.after, fn) }

// enter makes the engine ready for a statement in the scope of tx and returns the context to run it
// under.
func (tx *Tx) enter(ctx context.Context) (context.Context, error) {
	r := tx.run
	if r.ended {
		return ctx, errEnded
	}
	if err := ctx.Err(); err != nil {
		return ctx, err
	}
	r.statements++
	if r.dialect == Postgres {
		scope := systemScope
		if !tx.tenant.IsZero() {
			scope = hex.EncodeToString(tx.tenant[:])
		}
		if scope != r.scope {
			if _, err := r.q.ExecContext(ctx, "SELECT set_config('probity.tenant', $1, true)", scope); err != nil {
				return ctx, err
			}
			r.scope = scope
		}
	}
	if r.uninterrupted {
		return context.Background(), nil
	}
	return ctx, nil
}

// end closes what fn left open and makes later use an error.
func (r *run) end() {
	r.ended = true
	for _, rows := range r.rows {
		_ = rows.Close() // a failed read was seen by whoever iterated
	}
	r.rows = nil
}

// portable turns arguments both engines would store differently into one form. uuid.UUID presents
// itself to database/sql as text; identifiers are stored as 16 bytes.
func portable(args []any) []any {
	for i, a := range args {
		switch v := a.(type) {
		case uuid.UUID:
			args[i] = v[:]
		case *uuid.UUID:
			if v == nil {
				args[i] = nil
			} else {
				args[i] = v[:]
			}
		case uuid.NullUUID:
			if v.Valid {
				args[i] = v.UUID[:]
			} else {
				args[i] = nil
			}
		}
	}
	return args
}
