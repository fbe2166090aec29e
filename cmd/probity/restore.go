package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"probity/internal/fail"
	"probity/internal/rights"
	"probity/internal/stream"
)

// restoreCommand puts a backup back. Whoever was erased since it was made is erased again, and what people
// closed or had restricted since is in force again, before anything can be served from it: the register of
// erasures, which is no part of a backup, knows who.
type restoreCommand struct {
	settings `embed:""`

	From            string   `placeholder:"DIR" help:"Backup to put back; without it, erasures are only applied again to what is there, such as a PostgreSQL database that was restored."`
	Part            []string `enum:"data,keys,log" help:"Part of the backup to put back: data, keys or log; may be repeated; default is all of it."`
	Replace         bool     `help:"Put the backup in the place of what the data directory holds."`
	WithoutRegister bool     `help:"Accept that erasures made after the backup are not known here, because their register is lost."`
}

// Run puts the parts in place, opens what was put back and applies the register. A command that dies in
// between leaves an installation that does not start; run it again.
func (c *restoreCommand) Run(ctx context.Context) (err error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	unlock, err := stream.Lock(c.logDir())
	if err != nil {
		return err
	}
	if c.From != "" {
		if err := c.putBack(); err != nil {
			unlock()
			return err
		}
	}
	unlock()
	settled, err := c.applyRegister(ctx)
	if err != nil {
		return err
	}
	if err := os.Remove(c.halfRestored()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := syncDir(c.Data); err != nil {
		return err
	}
	report(settled)
	return nil
}

// report says what was applied again.
func report(s *rights.Settled) {
	fmt.Printf("Erasures in the register that were looked at: %d\n", s.Known)
	fmt.Printf("Applied to the keys again: %d (keys destroyed: %d)\n", s.Vault, s.Keys)
	fmt.Printf("Applied to the data again: %d (rows deleted: %d)\n", s.Main, s.Rows)
	if s.Recovered > 0 {
		fmt.Printf("Entered in the register from the databases: %d\n", s.Recovered)
	}
	fmt.Printf("In force again: %d withdrawals, refusals and objections, %d restrictions, %d legal holds\n", s.Closed, s.Restricted, s.Held)
	for _, c := range s.Corrections {
		fmt.Printf("! %s\n", toRedo(&c))
	}
	for log, n := range s.Ledger {
		fmt.Printf("Noted in the ledger of %s: entry %d\n", log, n)
	}
}

// toRedo says which correction is to be made again, and what holds until then.
func toRedo(c *rights.Correction) string {
	return fmt.Sprintf("make the correction of request %s of %s again: the backup is older; until then the person's data is restricted by request %s, which is to be lifted afterwards",
		c.Request, c.At.Format(time.DateOnly), c.Task)
}

// putBack checks the backup and puts its files in place.
func (c *restoreCommand) putBack() error {
	m, err := readManifest(c.From)
	if err != nil {
		return err
	}
	parts := m.Parts
	if len(c.Part) > 0 {
		parts = c.Part
	}
	for _, p := range parts {
		if !slices.Contains(m.Parts, p) {
			return fail.New(fail.Invalid, "the backup %s has no part %q", c.From, p)
		}
	}
	if _, err := os.Stat(c.rootKeyFile()); err != nil {
		return fail.Wrap(fail.Invalid, err, "the root key %s is not there: put it back, or make it again with 'probity recover' and the recovery share", c.rootKeyFile())
	}
	if err := c.known(m); err != nil {
		return err
	}
	begun := exists(c.halfRestored())
	for _, p := range parts {
		if to := c.place(p); exists(to) && !begun && !c.Replace && p != partLog {
			return fail.New(fail.Conflict, "there is a %s already: give --replace to put the backup in its place", to)
		}
	}
	note, err := json.Marshal(map[string]any{"backup": c.From, "made_at": m.MadeAt, "parts": parts})
	if err != nil {
		return err
	}
	if err := writeDurably(c.halfRestored(), append(note, '\n')); err != nil {
		return err
	}
	if err := syncDir(c.Data); err != nil {
		return err
	}
	for _, p := range parts {
		put := c.putDatabase
		if p == partLog {
			put = c.putLog
		}
		if err := put(p, m); err != nil {
			return fmt.Errorf("put back the %s: %w", p, err)
		}
	}
	return nil
}

// known makes sure that there is a register of erasures that did not come with the backup.
func (c *restoreCommand) known(m *manifest) error {
	if c.WithoutRegister || slices.ContainsFunc(c.registers(), exists) {
		return nil
	}
	return fail.New(fail.Invalid, "there is no register of erasures here: whoever was erased after %s would return with the backup. "+
		"Put erasures.register back into the data directory, or name its copy with --erasure-register; "+
		"if all are lost, say so with --without-register and erase these people once more", m.MadeAt.Format(time.RFC3339))
}

// place is where the database of a part lies.
func (c *restoreCommand) place(part string) string {
	url := c.storeURL()
	switch part {
	case partKeys:
		url = c.vaultURL()
	case partLog:
		return c.logDir()
	}
	return strings.TrimPrefix(strings.TrimPrefix(url, "sqlite:"), "//")
}

// putDatabase puts a SQLite database in place. What the one before wrote ahead goes with it.
func (c *restoreCommand) putDatabase(part string, m *manifest) error {
	files := m.of(part)
	if len(files) != 1 {
		return fail.New(fail.Invalid, "the backup has %d files where one database is expected", len(files))
	}
	to := c.place(part)
	if strings.HasPrefix(to, "postgres") {
		return fail.New(fail.Invalid, "the backup holds a SQLite database, and this installation uses PostgreSQL")
	}
	fresh := to + ".restoring"
	if err := copyFile(filepath.Join(c.From, filepath.FromSlash(files[0].Path)), fresh); err != nil {
		return err
	}
	for _, old := range []string{to + "-wal", to + "-shm"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(fresh, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// putLog puts the log's files in place of all that are there, the lock excepted.
func (c *restoreCommand) putLog(_ string, m *manifest) error {
	dir := c.logDir()
	old, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range old {
		if f.Name() == stream.LockFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return errors.Join(copyFolder(filepath.Join(c.From, partLog), dir), syncDir(dir))
}

// applyRegister opens the installation as a server would, applies the register, and closes it.
func (c *restoreCommand) applyRegister(ctx context.Context) (_ *rights.Settled, err error) {
	c.restoring = true
	e, err := openKeys(ctx, &c.settings, c.logger())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.openLog(ctx, &c.settings); err != nil {
		return nil, err
	}
	r, err := furnish(ctx, e, &c.settings)
	if err != nil {
		return nil, err
	}
	if err := r.follow(ctx, &c.settings); err != nil {
		return nil, err
	}
	if err := r.worker.Check(ctx); err != nil {
		return nil, err
	}
	return r.settle(ctx)
}

// settle applies the register of erasures to databases that do not know all of it. Nothing is served
// before it has returned without an error.
func (r *rooms) settle(ctx context.Context) (*rights.Settled, error) {
	s, err := r.rights.Settle(ctx)
	if err == nil {
		r.tellSettled(s)
	}
	return s, err
}

// catchUp is settle while the server runs: what other servers entered is read, and a database that was
// replaced by an older one under the server is noticed.
func (r *rooms) catchUp(ctx context.Context) (*rights.Settled, error) {
	s, err := r.rights.CatchUp(ctx)
	if err == nil {
		r.tellSettled(s)
	}
	return s, err
}

func (r *rooms) tellSettled(s *rights.Settled) {
	if s.Vault+s.Main > 0 {
		r.log.Warn("erasures were applied again: a database did not know them, as after a backup was restored",
			"to_keys", s.Vault, "to_data", s.Main, "keys_destroyed", s.Keys, "rows_deleted", s.Rows)
	}
	if s.Closed+s.Restricted+s.Held > 0 {
		r.log.Warn("what people decided is in force again: the database did not know it, as after a backup was restored",
			"closed", s.Closed, "restricted", s.Restricted, "held", s.Held)
	}
	for _, c := range s.Corrections {
		r.log.Warn("a correction is to be made again, and the person's data is restricted until then: the database was restored from an older backup",
			"request", c.Request.String(), "restriction", c.Task.String())
	}
	if s.Recovered > 0 {
		r.log.Warn("entries were made in the register of erasures from the databases, which knew more", "entries", s.Recovered)
	}
}

// halfRestored is the file that stands in a data directory while a backup is put back.
func (s *settings) halfRestored() string { return filepath.Join(s.Data, "restoring") }

// refuseHalfRestored refuses to work with what a restore that died has left.
func refuseHalfRestored(s *settings) error {
	if s.restoring || !exists(s.halfRestored()) {
		return nil
	}
	return fail.New(fail.Conflict, "a backup was being put back into %s and is not in place yet: run the same 'probity restore' again", s.Data)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
