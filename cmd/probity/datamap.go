package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"probity/internal/datamap"
	"probity/internal/fail"
)

// datamapCommand works on databases outside Probity, as dataset files describe them.
type datamapCommand struct {
	Access   datamapAccess   `cmd:"" help:"Show what databases hold about a person."`
	Erase    datamapErase    `cmd:"" help:"Mask or delete what databases hold about a person, and read it again."`
	Rectify  datamapRectify  `cmd:"" help:"Write corrected values over wrong ones in what databases hold about a person, and read them again."`
	Lint     datamapLint     `cmd:"" help:"Name what dataset files leave out or get wrong about their databases."`
	Discover datamapDiscover `cmd:"" help:"Draft a dataset file from a live schema."`
}

// datamapFlags are what all these commands ask.
type datamapFlags struct {
	Dataset    []string `sep:"none" required:"" placeholder:"FILE" help:"A dataset file, in the YAML of Fides; may be repeated."`
	Connection []string `sep:"none" placeholder:"KEY=DSN" help:"The database of a dataset, as postgres://… or mysql://…; may be repeated. Without it the variable PROBITY_DSN_KEY counts."`
	Identity   []string `sep:"none" required:"" placeholder:"KIND=VALUE" help:"What is known of the person, such as email=…; may be repeated."`
	Target     []string `sep:"none" placeholder:"CATEGORY" help:"A data category, with all below it; may be repeated."`
	Mode       string   `enum:"guarded,reference" default:"guarded" help:"guarded keeps rows of others apart; reference does what Fides does."`
	JSON       bool     `name:"json" help:"Print one JSON object."`
}

// connections reads the flags and variables that say where the datasets' databases are.
func connections(flags []string, sets []*datamap.Dataset) (map[string]string, error) {
	out := map[string]string{}
	for _, c := range flags {
		key, dsn, ok := strings.Cut(c, "=")
		if !ok || key == "" || dsn == "" {
			return nil, fail.New(fail.Invalid, "--connection is KEY=DSN")
		}
		out[key] = dsn
	}
	for _, d := range sets {
		if out[d.Key] == "" {
			if dsn := os.Getenv("PROBITY_DSN_" + envName(d.Key)); dsn != "" {
				out[d.Key] = dsn
			}
		}
	}
	return out, nil
}

// request reads the files and flags.
func (f *datamapFlags) request() (*datamap.Request, error) {
	sets, err := datamap.Load(f.Dataset...)
	if err != nil {
		return nil, err
	}
	dsns, err := connections(f.Connection, sets)
	if err != nil {
		return nil, err
	}
	req := &datamap.Request{Datasets: sets, Connections: dsns, Targets: f.Target}
	if f.Mode == "reference" {
		req.Mode = datamap.ModeReference
	}
	for _, i := range f.Identity {
		kind, value, ok := strings.Cut(i, "=")
		if !ok || kind == "" {
			return nil, fail.New(fail.Invalid, "--identity is KIND=VALUE")
		}
		req.Identities = append(req.Identities, datamap.Identity{Kind: kind, Value: value})
	}
	return req, nil
}

// envName returns the key as it stands in names of variables.
func envName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}

// limitMemory makes the collector of garbage work harder before the process has 100 MB, of which the
// program itself takes a third: rows are streamed, and what is left behind them must not grow with the table.
func limitMemory() { debug.SetMemoryLimit(56 << 20) }

type datamapAccess struct {
	datamapFlags
}

// Run prints what is held about the person.
func (c *datamapAccess) Run(ctx context.Context) error {
	limitMemory()
	req, failure := c.request()
	var out *datamap.Found
	if failure == nil {
		out, failure = datamap.Access(ctx, req)
	}
	if out == nil {
		if c.JSON {
			fmt.Println(`{"rows":{},"shared":[],"unreachable":[]}`)
		}
		return failure
	}
	defer out.Close()
	if c.JSON {
		if err := out.WriteJSON(os.Stdout); err != nil {
			return err
		}
	} else {
		for _, name := range out.Collections() {
			fmt.Printf("%6d  %s\n", out.Count(name), name)
		}
		for _, s := range out.Shared {
			fmt.Printf("shared  %s %s, %d owners, withheld: %s\n", s.Collection, s.Key, s.Owners, strings.Join(s.Withheld, ", "))
		}
		for _, name := range out.Unreachable {
			fmt.Printf("unreachable  %s\n", name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(out.Hints)) {
		fmt.Fprintf(os.Stderr, "probity: the person's rows hold %d more identities of kind %s; ask again with them to find what only they lead to\n", out.Hints[kind], kind)
	}
	return failure
}

type datamapErase struct {
	datamapFlags
	Strategy string  `required:"" enum:"null,redact,hash,hmac,delete,pseudonymise" help:"What becomes of the values: null, redact, hash, hmac, pseudonymise; delete removes rows."`
	DryRun   bool    `help:"Say what would be done, and change nothing."`
	MaxShare float64 `default:"0.5" help:"Refuse if more than this share of a table's rows would be hit; 1 never refuses. Tables in which fewer than 1,000 rows would be hit, or 100 by identity, are not judged."`
}

// Run erases and prints what was done.
func (c *datamapErase) Run(ctx context.Context) error {
	if len(c.Target) == 0 {
		return fail.New(fail.Invalid, "erase needs at least one --target CATEGORY, such as --target user")
	}
	limitMemory()
	req, failure := c.request()
	var out *datamap.Erased
	if failure == nil {
		out, failure = datamap.Erase(ctx, &datamap.Erasure{Request: *req, Strategy: c.Strategy, DryRun: c.DryRun, MaxShare: c.MaxShare})
	}
	if out == nil {
		out = &datamap.Erased{}
	}
	if c.JSON {
		if err := out.WriteJSON(os.Stdout); err != nil {
			return err
		}
		fmt.Println()
	} else {
		out.Describe(os.Stdout)
	}
	return failure
}

type datamapLint struct {
	Dataset    []string `sep:"none" required:"" placeholder:"FILE" help:"A dataset file; may be repeated."`
	Connection []string `sep:"none" placeholder:"KEY=DSN" help:"The database of a dataset; may be repeated. Without it the variable PROBITY_DSN_KEY counts."`
	JSON       bool     `name:"json" help:"Print one JSON object."`
}

// Run prints the findings; with any, the status is 1.
func (c *datamapLint) Run(ctx context.Context) error {
	sets, err := datamap.Load(c.Dataset...)
	if err != nil {
		return err
	}
	dsns, err := connections(c.Connection, sets)
	if err != nil {
		return err
	}
	found, err := datamap.Lint(ctx, sets, dsns)
	if err != nil {
		return err
	}
	if c.JSON {
		raw, err := json.Marshal(map[string]any{"findings": append([]datamap.Finding{}, found...)})
		if err != nil {
			return err
		}
		fmt.Println(string(raw))
	} else {
		for _, f := range found {
			at := f.Collection
			if f.Field != "" {
				at += "." + f.Field
			}
			fmt.Printf("%-12s %s: %s\n", f.Rule, at, f.Message)
		}
	}
	if n := len(found); n > 0 {
		return fail.New(fail.Conflict, "%d findings", n)
	}
	return nil
}

type datamapDiscover struct {
	Connection string `required:"" sep:"none" placeholder:"KEY=DSN" help:"The key of the dataset to draft and its database."`
	Schema     string `placeholder:"NAME" help:"The schema to look at; without it the connection's own."`
}

// Run prints the draft.
func (c *datamapDiscover) Run(ctx context.Context) error {
	key, dsn, ok := strings.Cut(c.Connection, "=")
	if !ok || key == "" || dsn == "" {
		return fail.New(fail.Invalid, "--connection is KEY=DSN")
	}
	raw, err := datamap.Discover(ctx, key, c.Schema, dsn)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(raw)
	return err
}
