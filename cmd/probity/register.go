package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"probity/internal/tombstone"
	"probity/internal/vault"
)

// examineFiles says how the files of the register of erasures stand, also where the register can't be
// opened because one of them is not good.
func (c *doctorCommand) examineFiles(check func(string, error)) {
	if !exists(c.rootKeyFile()) {
		return // it is missed elsewhere, and must not be made here
	}
	root, _, _, err := vault.LoadOrCreateRootKey(c.rootKeyFile())
	if err != nil {
		return
	}
	for _, path := range c.registers() {
		if path == c.registers()[0] && !exists(path) {
			continue // it is made by the first start
		}
		x, err := tombstone.Examine(root.Derive("erasures"), path)
		if err == nil && x.Unreadable > 0 {
			err = fmt.Errorf("%d lines can't be read, the first of them is line %d: put its newest copy back", x.Unreadable, x.FirstBad)
		}
		check(fmt.Sprintf("register of erasures %s: %d entries, the last of %s", path, x.Entries, when(x.Last)), err)
	}
}

// examineRegister says what of the register is not in force in the databases, and what the desk has to do
// because a backup was restored.
func (c *doctorCommand) examineRegister(ctx context.Context, r *rooms, check func(string, error)) {
	open, err := r.rights.Unsettled(ctx)
	if err == nil && open.Again() {
		err = fmt.Errorf("not in force: %d erasures, %d withdrawals, refusals and objections, %d restrictions, %d legal holds, %d corrections; "+
			"start the server, or run 'probity restore' without --from",
			max(open.Vault, open.Main), open.Closed, open.Restricted, open.Held, len(open.Corrections))
	}
	check("all that the register says is in force", err)
	redos, err := r.rights.Redos(ctx)
	for i := range redos {
		err = errors.Join(err, errors.New(toRedo(&redos[i])))
	}
	check("no correction is to be made again", err)
}

// when is a time for people.
func when(t time.Time) string {
	if t.IsZero() {
		return "no time yet"
	}
	return t.UTC().Format(time.RFC3339)
}
