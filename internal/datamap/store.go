package datamap

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"probity/internal/fail"
)

// Times after which a store that doesn't answer is given up.
const (
	connectTimeout   = 10 * time.Second
	statementTimeout = 10 * time.Minute
)

// querier is what a connection and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// store is one connected database.
type store struct {
	key     string // of the dataset
	dataset *Dataset
	db      *sql.DB
	dialect dialect
	tables  map[*Collection]*table
}

// dialect is what differs between kinds of databases.
type dialect interface {
	quote(name string) string
	// catalogue reads the description of the named table. It returns nil if there is none.
	catalogue(ctx context.Context, q querier, schema, name string) (*table, error)
	// read is the expression that yields the column's value as text, null kept.
	read(c *column, expr string) string
	// match returns the condition under which the column has one of the values, its arguments, and
	// whether the store compares exactly as we do. Values that the type can't hold are left out; with
	// none left, ok is false.
	match(c *column, expr string, values []string, arg int) (cond string, args []any, ok bool)
	// param returns the n-th placeholder, made the column's type where the dialect wants that.
	param(c *column, n int) string
	// setup makes a fresh transaction behave: time limits, time zone, names.
	setup(ctx context.Context, q querier) error
	// tables lists the names of the tables in the schema, or in the connection's own.
	tables(ctx context.Context, q querier, schema string) ([]string, error)
	// estimate returns the number of rows of the table, exact for small ones.
	estimate(ctx context.Context, q querier, t *table) (int64, error)
}

// open connects to the store of a dataset. The DSN is a URL: postgres://… or mysql://…. Errors hold
// no password.
func open(ctx context.Context, d *Dataset, dsn string) (*store, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, fail.New(fail.Invalid, "connection %s: the DSN is no URL; write postgres://user:password@host:port/database or mysql://…", d.Key)
	}
	s := &store{key: d.Key, dataset: d, tables: map[*Collection]*table{}}
	switch u.Scheme {
	case "postgres", "postgresql":
		s.dialect = postgres{}
		if s.db, err = sql.Open("pgx", dsn); err != nil {
			return nil, fail.New(fail.Invalid, "connection %s: the DSN is not understood", d.Key)
		}
	case "mysql", "mariadb":
		cfg, err := mysqlConfig(u)
		if err != nil {
			return nil, fail.New(fail.Invalid, "connection %s: %s", d.Key, err.Error())
		}
		conn, err := mysql.NewConnector(cfg)
		if err != nil {
			return nil, fail.New(fail.Invalid, "connection %s: the DSN is not understood", d.Key)
		}
		s.dialect = mariadb{}
		s.db = sql.OpenDB(conn)
	default:
		return nil, fail.New(fail.Invalid, "connection %s: the DSN begins with %q; postgres:// and mysql:// are known", d.Key, u.Scheme)
	}
	s.db.SetMaxOpenConns(2)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := s.db.PingContext(ctx); err != nil {
		s.db.Close()
		return nil, fail.Wrap(fail.Unavailable, scrub(err), "the store %s does not answer", d.Key)
	}
	return s, nil
}

// scrub keeps what a driver says about why, and drops what may hold values of rows: PostgreSQL
// repeats them in the detail, MySQL in the text.
func scrub(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if state, message := sqlState(err); state != "" {
		return fmt.Errorf("SQLSTATE %s: %s", state, message)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return errors.New("the connection failed")
}

// mysqlConfig makes the driver's configuration from a URL.
func mysqlConfig(u *url.URL) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.Net, cfg.Addr = "tcp", u.Host
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	q := u.Query()
	for name := range q {
		value := q.Get(name)
		switch name {
		case "socket", "unix_socket":
			cfg.Net, cfg.Addr = "unix", value
		case "tls", "ssl-mode":
			cfg.TLSConfig = strings.ToLower(value)
		case "charset":
		case "timeout", "connect_timeout":
			if n, err := strconv.Atoi(value); err == nil {
				value = strconv.Itoa(n) + "s"
			}
			t, err := time.ParseDuration(value)
			if err != nil {
				return nil, fmt.Errorf("the DSN's %s is no time", name)
			}
			cfg.Timeout = t
		default:
			return nil, fmt.Errorf("the DSN's parameter %s is unknown; known are tls, socket, timeout", name)
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = connectTimeout
	}
	if cfg.DBName == "" {
		return nil, errors.New("the DSN names no database")
	}
	// Values are put into the statement by the driver, so that every answer comes as text.
	cfg.InterpolateParams = true
	cfg.Collation = "utf8mb4_bin"
	cfg.ClientFoundRows = true
	cfg.MultiStatements = false
	cfg.AllowCleartextPasswords = false
	cfg.Logger = &mysql.NopLogger{}
	return cfg, nil
}

// load reads the catalogue of every table that the dataset describes.
func (s *store) load(ctx context.Context, q querier) error {
	for _, c := range s.dataset.Collections {
		if c.Skip {
			continue
		}
		t, err := s.dialect.catalogue(ctx, q, s.dataset.Schema, c.Name)
		if err != nil {
			return fail.Wrap(fail.Unavailable, scrub(err), "read the catalogue of %s", c)
		}
		if t == nil {
			return fail.New(fail.Invalid, "%s: the store has no such table, or this account may not see it", c)
		}
		for _, f := range c.Fields {
			col := t.column(f.Column())
			if col == nil {
				return fail.New(fail.Invalid, "%s: the table has no column %s; correct the dataset file", c, f.Column())
			}
			if len(f.Fields) > 0 && col.class != jsonClass && col.class != text {
				return fail.New(fail.Invalid, "%s: the column %s is no JSON, so it can't have fields of its own", c, f.Column())
			}
		}
		s.tables[c] = t
	}
	return nil
}

// begin starts a transaction that sees one moment.
func (s *store) begin(ctx context.Context, readOnly bool) (*sql.Tx, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: readOnly})
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, scrub(err), "the store %s does not answer", s.key)
	}
	if err := s.dialect.setup(ctx, tx); err != nil {
		tx.Rollback()
		return nil, fail.Wrap(fail.Unavailable, scrub(err), "set up the store %s", s.key)
	}
	return tx, nil
}

// name returns the table's full name for SQL.
func (s *store) name(t *table) string {
	return s.dialect.quote(t.schema) + "." + s.dialect.quote(t.name)
}
