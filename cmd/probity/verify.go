package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"probity/internal/fail"
	"probity/verify"
)

// verifyCommand checks a file with nothing but the file and, better, a key.
type verifyCommand struct {
	settings `embed:""`
	Events   bool     `help:"Check instead that every stored event of the installation in --data had a live basis when it was received."`
	File     string   `arg:"" optional:"" type:"existingfile" help:"Receipt, certificate or bundle (JSON)."`
	Key      []string `name:"key" placeholder:"VKEY" help:"Verifier key that the organisation published; may be repeated. Without it the key inside the file is used, and the report says so."`
}

// Run prints the report, or fails naming what is wrong.
func (c *verifyCommand) Run(ctx context.Context) error {
	switch {
	case c.Events && c.File == "":
		return auditEvents(ctx, &c.settings)
	case c.Events || c.File == "":
		return fail.New(fail.Invalid, "name a file, or else --events and the data directory")
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, verify.MaxFile+1))
	if err != nil {
		return err
	}
	report, err := verify.File(data, c.Key...)
	if err != nil {
		return fail.Wrap(fail.Conflict, err, "%s does NOT verify", c.File)
	}
	fmt.Printf("%s verifies.\n%s", c.File, report)
	return nil
}
