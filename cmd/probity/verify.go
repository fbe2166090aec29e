package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"probity/internal/fail"
	"probity/verify"
)

// verifyCommand checks a file with nothing but the file and, better, a key.
type verifyCommand struct {
	settings `embed:""`
	Events   bool     `help:"Check instead that every stored event of the installation in --data had a live basis when it was received."`
	File     string   `arg:"" optional:"" type:"existingfile" help:"Receipt, certificate, bundle, excerpt, list of keys, handover or evidence; or a text file with one or more signed checkpoints, which are compared."`
	Key      []string `name:"key" placeholder:"VKEY" help:"Verifier key that the organisation published; may be repeated. Without it the key inside the file is used, and the report says so."`
	Keys     string   `name:"keys" type:"existingfile" placeholder:"FILE" help:"The log's published list of keys (/probity/v1/logs/…/keys): a key that follows from one of those given with --key is trusted too, for what it signed in its own period."`
	Witness  []string `name:"witnessed-by" placeholder:"VKEY" help:"Verifier key of a witness whose signature on the checkpoints counts; may be repeated."`
	Needed   int      `name:"witnesses" placeholder:"N" help:"How many of these witnesses must have signed each proof's checkpoint; all of them by default."`
	Evidence string   `name:"evidence" placeholder:"FILE" help:"Write the proof to this file if two checkpoints contradict each other."`
	At       string   `name:"at" placeholder:"TIME" help:"Also say what was allowed at that time (RFC 3339), by the entries in the file alone."`
}

// Run prints the report, or fails naming what is wrong.
func (c *verifyCommand) Run(ctx context.Context) error {
	switch {
	case c.Events && c.File == "":
		return auditEvents(ctx, &c.settings)
	case c.Events || c.File == "":
		return fail.New(fail.Invalid, "name a file, or else --events and the data directory")
	}
	var at time.Time
	if c.At != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, c.At); err != nil {
			return fail.Field("at", "--at %q is not a time such as 2026-11-22T12:00:00Z", c.At)
		}
	}
	if c.Needed < 0 || c.Needed > len(c.Witness) {
		return fail.Field("witnesses", "--witnesses %d: you named %d witnesses with --witnessed-by", c.Needed, len(c.Witness))
	}
	trust := verify.Trust{Keys: c.Key, Witnesses: c.Witness, Needed: c.Needed}
	if err := c.follow(&trust); err != nil {
		return err
	}
	if done, err := c.checkpoints(trust); done || err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	report, err := trust.Read(f)
	if err != nil {
		return fail.Wrap(fail.Conflict, err, "%s does NOT verify", c.File)
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, "%s verifies.\n%s", c.File, report)
	for _, s := range report.Statements {
		fmt.Fprintf(out, "\n%s", s)
	}
	if c.At != "" {
		states(out, report, at)
	}
	return out.Flush()
}

// states prints what was allowed at an instant.
func states(out *bufio.Writer, report *verify.Report, at time.Time) {
	list := report.StateAt(at)
	if len(list) == 0 {
		fmt.Fprintf(out, "At %s: the file says nothing about any purpose.\n", at.Format(time.RFC3339))
		return
	}
	fmt.Fprintf(out, "At %s:\n", at.Format(time.RFC3339))
	for _, s := range list {
		who := s.Subject
		if who == "" {
			who = "(nobody is named)"
		}
		elsewhere := ""
		if s.Elsewhere {
			elsewhere = ", on another device of the same person"
		}
		fmt.Fprintf(out, "  %s  %-12s %-17s by entry %d%s\n", who, s.Purpose, s.Status, s.Entry, elsewhere)
	}
}
