package main

import (
	"bufio"
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
