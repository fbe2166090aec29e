package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"probity/internal/fail"
	"probity/internal/vault"
)

// initCommand makes what can't be made again: the root key.
type initCommand struct {
	settings `embed:""`
}

// Run makes the data directory and the root key and prints its recovery share.
func (c *initCommand) Run() error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	_, created, share, err := vault.LoadOrCreateRootKey(c.rootKeyFile())
	if err != nil {
		return err
	}
	if !created {
		return fail.New(fail.Conflict, "%s is there already; it was left as it is", c.rootKeyFile())
	}
	printShare(os.Stdout, c.rootKeyFile(), share)
	return nil
}

// printShare says once, and only once, how to make the root key again.
func printShare(w io.Writer, file, share string) {
	fmt.Fprintf(w, `A root key was made: %s

Recovery share, printed this once. Write it down and keep it away from this
machine. Whoever loses both the file and this share has lost all data; whoever
has either can read it.

    %s

`, file, share)
}

// recoverCommand is the way back from a lost root key file.
type recoverCommand struct {
	settings `embed:""`
}

// Run reads the share from standard input, so that it stays out of the shell's history, and writes
// the root key file if there is none.
func (c *recoverCommand) Run() error {
	fmt.Fprintln(os.Stderr, "Type the recovery share and press Enter:")
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	key, err := vault.RootKeyFromShare(strings.TrimSpace(line))
	if err != nil {
		return err
	}
	if err := vault.WriteRootKey(c.rootKeyFile(), key); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "The root key was written to", c.rootKeyFile())
	return nil
}

// keysCommand is what an operator does with keys.
type keysCommand struct {
	RotateLog rotateLogCommand `cmd:"" name:"rotate-log" help:"Give every organisation's log a new signing key; the old one signs a statement that names it, and is destroyed."`

	Rotate rotateCommand `cmd:"" help:"Replace the organisations' keys now and destroy the old ones, for instance after an erasure that must not wait for the epoch."`
}

// rotateCommand ends the epoch of every organisation's key. It may run beside a server on the same
// vault: that learns of the new key when it meets it.
type rotateCommand struct {
	settings `embed:""`
}

// Run replaces the keys and says of how many organisations.
func (c *rotateCommand) Run(ctx context.Context) error {
	if err := c.existing(); err != nil {
		return err
	}
	e, err := openKeys(ctx, &c.settings, c.logger())
	if err != nil {
		return err
	}
	defer e.close()
	r, err := furnish(ctx, e, &c.settings)
	if err != nil {
		return err
	}
	tenants, err := r.tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := e.keys.Rotate(ctx, t); err != nil {
			return err
		}
	}
	fmt.Printf("Organisations whose keys were replaced, and the old ones destroyed: %d\n", len(tenants))
	return nil
}
