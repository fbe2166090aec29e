package rights

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Checker is Databases whose connections can be tried. *Connected satisfies it.
type Checker interface {
	// Check connects to every database of the organisation with each of its accounts and compares the dataset
	// files with what is there. It reads only. What is wrong stands in the result; it fails only with ctx.
	Check(ctx context.Context, t id.Tenant) ([]DatabaseCheck, error)
}

// DatabaseCheck is how one database stood when it was tried. It holds no value of a row and nothing of a
// connection.
type DatabaseCheck struct {
	Key        string            `json:"key"`
	At         time.Time         `json:"-"`
	Engine     string            `json:"engine"`
	Read       string            `json:"read,omitempty"`  // why copies can't be made; empty: they can
	Write      string            `json:"write,omitempty"` // why nothing can be erased; empty: it can
	Missing    []string          `json:"missing,omitempty"`
	Unreadable []string          `json:"unreadable,omitempty"` // collections that the reading account can't read
	Fixed      []string          `json:"fixed,omitempty"`      // collections that the writing account can't change
	Findings   []datamap.Finding `json:"findings,omitempty"`
	Lint       string            `json:"lint,omitempty"` // why the files could not be compared; empty: they were
}

// Well tells whether requests can be carried out there.
func (c *DatabaseCheck) Well() bool {
	return c.Read == "" && c.Write == "" && len(c.Missing) == 0 && len(c.Unreadable) == 0 && len(c.Fixed) == 0 && c.Lint == ""
}

// checkTakes is how long trying all databases may take.
const checkTakes = 60 * time.Second

// CheckDatabases tries the connections and keeps how they stood. Errors: fail.Unsupported if they can't be
// tried.
func (r *Room) CheckDatabases(ctx context.Context, t id.Tenant) error {
	if !r.hasDatabases(t) {
		return nil
	}
	c, ok := r.Databases.(Checker)
	if !ok {
		return fail.New(fail.Unsupported, "These databases can't be tried from here.")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTakes)
	defer cancel()
	list, err := c.Check(ctx, t)
	if err != nil {
		return err
	}
	now := r.Clock.Now().UnixMicro()
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		for _, one := range list {
			body, err := json.Marshal(one)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `
				INSERT INTO rights_database_check (tenant_id, dataset, body, checked_at) VALUES ($1, $2, $3, $4)
				ON CONFLICT (tenant_id, dataset) DO UPDATE SET body = excluded.body, checked_at = excluded.checked_at`,
				t, one.Key, string(body), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// DatabaseChecks returns how the databases stood when they were tried last, by key.
func (r *Room) DatabaseChecks(ctx context.Context, t id.Tenant) (map[string]DatabaseCheck, error) {
	checks := map[string]DatabaseCheck{}
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		clear(checks)
		rows, err := tx.Query(ctx, `SELECT body, checked_at FROM rights_database_check WHERE tenant_id = $1`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c DatabaseCheck
			var body string
			var at int64
			if err := rows.Scan(&body, &at); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(body), &c); err != nil {
				return err
			}
			c.At = micro(at)
			checks[c.Key] = c
		}
		return rows.Err()
	})
	return checks, err
}

// Check implements Checker.
func (c *Connected) Check(ctx context.Context, t id.Tenant) ([]DatabaseCheck, error) {
	g := c.groups[t]
	all := []DatabaseCheck{}
	answers := true
	for _, d := range g.Datasets {
		one := DatabaseCheck{Key: d.Key}
		read, err := datamap.Allowed(ctx, d, g.Read[d.Key], false)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if one.Engine = read.Engine; err != nil {
			one.Read, answers = message(err), false
		}
		write, err := datamap.Allowed(ctx, d, g.Write[d.Key], true)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			one.Write = message(err)
		}
		one.Missing, one.Unreadable = read.Missing, read.Unreadable
		one.Fixed = append(slices.Clone(write.Unreadable), write.Fixed...)
		all = append(all, one)
	}
	if !answers {
		for i := range all {
			all[i].Lint = "The dataset files are compared when every database answers."
		}
		return all, nil
	}
	findings, err := datamap.Lint(ctx, g.Datasets, g.Read)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i := range all {
		if err != nil {
			all[i].Lint = message(err)
		}
		for _, f := range findings {
			if key, _, _ := strings.Cut(f.Collection, ":"); key == all[i].Key || f.Collection == "" && i == 0 {
				all[i].Findings = append(all[i].Findings, f)
			}
		}
	}
	return all, nil
}
