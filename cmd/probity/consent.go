package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/legacy"
	"probity/internal/subject"
)

// consentCommand holds what can be done with consents from the command line.
type consentCommand struct {
	Import consentImportCommand `cmd:"" help:"Record a CSV or JSONL file of consents that were collected elsewhere, as assertions and never as first-hand."`
}

// consentImportCommand imports into a running Probity, or into the data directory of a stopped one.
type consentImportCommand struct {
	settings `embed:""`

	File     string `required:"" type:"existingfile" placeholder:"FILE" help:"CSV or JSONL file, one consent a row."`
	Format   string `placeholder:"FORMAT" help:"csv or jsonl; default is by the end of the file's name."`
	Text     string `type:"existingfile" placeholder:"FILE" help:"What people were shown or told, for rows that name neither a notice nor a text."`
	Language string `placeholder:"TAG" help:"Language of --text, such as de."`
	DryRun   bool   `name:"dry-run" help:"Check every row and record nothing."`
	Report   string `placeholder:"FILE" help:"Where refused rows are listed; default is beside the file."`
	Server   string `env:"PROBITY_SERVER" placeholder:"URL" help:"The running Probity; without it the stopped one in --data."`
	Client   string `env:"PROBITY_CLIENT" placeholder:"ID:SECRET" help:"OAuth client with the permission probity:consent:assert, for --server; better set in the environment."`
}

// Run imports the file and prints what was done, also when it ends early. Rows that were refused are a
// failure, so that a script notices.
func (c *consentImportCommand) Run(ctx context.Context) (err error) {
	o := legacy.Options{File: c.File, Format: c.Format, Language: c.Language, Report: c.Report, DryRun: c.DryRun, Progress: os.Stderr}
	if c.Text != "" {
		text, err := os.ReadFile(c.Text)
		if err != nil {
			return fail.Wrap(fail.Invalid, err, "The text can't be read")
		}
		o.Text = strings.TrimSpace(string(text))
	}
	if c.Server != "" {
		o.To = &legacy.Remote{Server: c.Server, Client: c.Client}
	} else {
		if err := c.existing(); err != nil {
			return err
		}
		e, err := openKeys(ctx, &c.settings, c.logger())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, e.close()) }()
		// The log is open in one process at a time: so a server that runs on the directory is noticed.
		if err := e.openLog(ctx, &c.settings); err != nil {
			return fail.Wrap(fail.Conflict, err, "The data directory is in use. Stop the server, or name it with --server")
		}
		r, err := furnish(ctx, e, &c.settings)
		if err != nil {
			return err
		}
		o.To = &ownConsents{r.consent, r.tenant}
	}
	summary, err := legacy.Run(ctx, o)
	if summary != nil {
		fmt.Println(summary)
	}
	if err == nil && summary.Refused > 0 {
		return fail.New(fail.Conflict, "%d rows were refused; correct them and run it again: what is recorded is not recorded twice", summary.Refused)
	}
	return err
}

// ownConsents is the data directory as a target.
type ownConsents struct {
	room   *consent.Room
	tenant id.Tenant
}

// Import implements legacy.Target.
func (o *ownConsents) Import(ctx context.Context, b legacy.Batch) (legacy.Answer, error) {
	list := make([]consent.Assertion, len(b.Rows))
	for i, row := range b.Rows {
		a := consent.Assertion{
			Purposes: row.Purposes, Objection: row.Objection, Said: row.SaidAt, Notice: row.Notice, Version: row.Version,
			Language: row.Language, Text: row.Text, RecordedBy: "operator", Evidence: row.Evidence, Explicit: row.Explicit, Key: row.Key,
		}
		if a.Text == "" && a.Notice == "" && b.Text != "" {
			a.Text, a.Language = b.Text, cmp.Or(a.Language, b.Language)
		}
		for kind, value := range row.Person {
			a.Who = consent.Who{Kind: subject.Kind(kind), Value: value}
		}
		if row.Deployment != "" {
			var err error
			if a.Deployment, err = uuid.Parse(row.Deployment); err != nil {
				return legacy.Answer{}, err
			}
		}
		list[i] = a
	}
	done, err := o.room.Import(ctx, o.tenant, list, b.DryRun)
	if err != nil {
		return legacy.Answer{}, err
	}
	var answer legacy.Answer
	for i, one := range done {
		switch e, _ := errors.AsType[*fail.Error](one.Refused); {
		case e != nil:
			answer.Refused = append(answer.Refused, legacy.RowRefusal{Row: i, Code: cmp.Or(e.Code, "row.refused"), Field: e.Field, Message: e.Message})
		case one.Repeated:
			answer.Repeated++
		default:
			answer.Recorded++
		}
	}
	return answer, nil
}
