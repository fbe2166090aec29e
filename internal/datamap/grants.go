package datamap

import (
	"context"
	"database/sql"
	"net/url"
	"slices"

	"probity/internal/fail"
)

// Grants is what an account may do with the tables that a dataset names. It holds no value of any row and
// nothing of the connection but the kind of database.
type Grants struct {
	Engine     string   // "PostgreSQL" or "MariaDB / MySQL"
	Missing    []string // collections that the store has no table for
	Unreadable []string // collections that the account can't read
	Fixed      []string // collections that the account can read and not change; only where it was asked
}

// Allowed connects to the store of a dataset and finds out what the account may do there: read each table,
// and with change set, update and delete its rows. It has the store explain statements that would hit no row,
// and carries none of them out.
//
// Errors: fail.Invalid for a DSN that is none, fail.Unavailable for a store that does not answer; neither
// holds the password.
func Allowed(ctx context.Context, d *Dataset, dsn string, change bool) (*Grants, error) {
	g := &Grants{Engine: "PostgreSQL"}
	if u, err := url.Parse(dsn); err == nil && (u.Scheme == "mysql" || u.Scheme == "mariadb") {
		g.Engine = "MariaDB / MySQL"
	}
	s, err := open(ctx, d, dsn)
	if err != nil {
		return g, err
	}
	defer s.db.Close()
	for _, c := range d.Collections {
		if c.Skip {
			continue
		}
		if err := s.allowed(ctx, c, change, g); err != nil {
			return g, fail.Wrap(fail.Unavailable, scrub(err), "the store %s stopped answering", d.Key)
		}
	}
	return g, nil
}

// allowed looks at one collection, in a transaction of its own: a refusal ends it.
func (s *store) allowed(ctx context.Context, c *Collection, change bool, g *Grants) error {
	tx, err := s.begin(ctx, false)
	if err != nil {
		return err
	}
	t, err := s.dialect.catalogue(ctx, tx, s.dataset.Schema, c.Name)
	tx.Rollback()
	switch {
	case denied(err):
		g.Unreadable = append(g.Unreadable, c.Name)
		return nil
	case err != nil:
		return err
	case t == nil || len(t.columns) == 0:
		g.Missing = append(g.Missing, c.Name)
		return nil
	}
	first := s.dialect.quote(t.columns[0].name)
	switch err := s.explain(ctx, "SELECT "+first+" FROM "+s.name(t)+" WHERE 1 = 0"); {
	case denied(err):
		g.Unreadable = append(g.Unreadable, c.Name)
		return nil
	case err != nil:
		return err
	}
	if !change || t.view {
		return nil
	}
	err = s.explain(ctx, "DELETE FROM "+s.name(t)+" WHERE 1 = 0")
	for _, column := range t.columns {
		if err != nil {
			break
		}
		name := s.dialect.quote(column.name)
		err = s.explain(ctx, "UPDATE "+s.name(t)+" SET "+name+" = "+name+" WHERE 1 = 0")
		if state, _ := sqlState(err); state == "" || denied(err) {
			break // the store said what it thinks of the account
		}
		err = nil // the store makes this column itself: ask about another
	}
	if denied(err) {
		g.Fixed = append(g.Fixed, c.Name)
		return nil
	}
	return err
}

// explain has the store plan a statement, for which it looks at permissions, and not carry it out.
func (s *store) explain(ctx context.Context, statement string) error {
	tx, err := s.begin(ctx, false)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return each(ctx, tx, func(*sql.Rows) error { return nil }, "EXPLAIN "+statement)
}

// denied tells whether a store refused for want of a permission.
func denied(err error) bool {
	switch state, message := sqlState(err); state {
	case "42501":
		return true
	case "42000":
		return slices.Contains([]string{"error 1044", "error 1142", "error 1143", "error 1370"}, message)
	}
	return false
}
