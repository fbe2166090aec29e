package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
)

// doctorCommand examines an installation thoroughly. The server must be stopped, because the log can
// be opened by one process only.
type doctorCommand struct {
	settings `embed:""`
}

// Run prints one line a check and fails if any did not pass.
func (c *doctorCommand) Run(ctx context.Context) error {
	if err := c.existing(); err != nil {
		return err
	}
	sick := 0
	check := func(what string, err error) {
		if err != nil {
			sick++
			fmt.Printf("✗ %s: %v\n", what, err)
			return
		}
		fmt.Printf("✓ %s\n", what)
	}
	check("root key is for this user only", privateFile(c.rootKeyFile()))
	check("disk takes and keeps a write", writable(c.Data))
	check("clock is plausible", plausible(time.Now()))
	c.examineFiles(check)
	e, err := openKeys(ctx, &c.settings, c.logger())
	check("keys and databases open", err)
	if err == nil {
		defer e.close()
		check("root key belongs to this vault", e.keys.Check(ctx))
		check("main database is sound", e.db.Check(ctx))
		check("key database is sound", e.keysDB.Check(ctx))
		c.examineLog(ctx, e, check)
		c.examineRooms(ctx, e, check)
	}
	if sick > 0 {
		return fail.New(fail.Unavailable, "%d checks did not pass", sick)
	}
	return nil
}

func (c *doctorCommand) examineLog(ctx context.Context, e *engines, check func(string, error)) {
	err := e.openLog(ctx, &c.settings)
	check("log opens", err)
	if err != nil {
		return
	}
	status, err := e.stream.Status(ctx)
	check("log answers", err)
	if err == nil && status.MaxBytes > 0 && status.Bytes > status.MaxBytes/2 {
		check("log has room", fmt.Errorf("it holds %d of %d bytes", status.Bytes, status.MaxBytes))
	}
}

func (c *doctorCommand) examineRooms(ctx context.Context, e *engines, check func(string, error)) {
	start := time.Now()
	r, err := furnish(ctx, e, &c.settings)
	check("rooms open", err)
	if err != nil {
		return
	}
	c.examineRegister(ctx, r, check)
	tenants, err := r.tenants(ctx)
	check("organisations are there", err)
	for _, t := range tenants {
		check("ledger of "+t.String()+" goes on from what was published", bridged(ctx, r, t, start))
		check("ledger of "+t.String()+" is consistent", r.ledger.Audit(ctx, t))
		check("models of "+t.String()+" follow from their rows", r.predict.Verify(ctx, t))
	}
}

// bridged says which logs were older than what was published of them and went on under a new name
// since then: opening the rooms does that, as a start of the server would.
func bridged(ctx context.Context, r *rooms, t id.Tenant, since time.Time) error {
	all, err := r.ledger.Bridges(ctx, t)
	if err != nil {
		return err
	}
	for _, b := range all {
		if !b.At.Before(since.Truncate(time.Second)) {
			fmt.Printf("! ledger of %s was older than what was published of it and goes on as %s: %d published entries from number %d on are missing\n", t, b.To, b.Lost, b.First)
		}
	}
	return nil
}

func privateFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o; run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return nil
}

func writable(dir string) (err error) {
	f, err := os.Create(filepath.Join(dir, ".doctor"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.WriteString("doctor"); err != nil {
		return err
	}
	return f.Sync()
}

// plausible catches a machine that has lost its clock: consents would seem to lie in the future.
func plausible(now time.Time) error {
	if now.Year() < 2026 {
		return fmt.Errorf("it says %s", now.Format(time.RFC3339))
	}
	return nil
}
