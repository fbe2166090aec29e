package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"probity/internal/datamap"
	"probity/internal/fail"
)

type datamapRectify struct {
	datamapFlags
	Replace  []string `sep:"none" required:"" placeholder:"KIND:OLD=NEW" help:"Where a field is an identity of the kind, or of the data category, and holds the old value, write the new one; may be repeated. An equals sign within a value is written \\=, a backslash \\\\."`
	DryRun   bool     `help:"Say what would be corrected, and change nothing."`
	MaxShare float64  `default:"0.5" help:"Refuse if more than this share of a table's rows would be hit; 1 never refuses. Tables in which fewer than 1,000 rows would be hit, or 100 by identity, are not judged."`
}

// Run corrects and prints what was done.
func (c *datamapRectify) Run(ctx context.Context) error {
	if len(c.Target) > 0 {
		return fail.New(fail.Invalid, "rectify takes no --target: the kinds of --replace say which fields are meant")
	}
	var list []datamap.Replacement
	for _, flag := range c.Replace {
		r, err := replacement(flag)
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	limitMemory()
	req, err := c.request()
	if err != nil {
		return err
	}
	out, failure := datamap.Rectify(ctx, &datamap.Correction{Request: *req, Replace: list, DryRun: c.DryRun, MaxShare: c.MaxShare})
	// What was found and done is told also of a run that failed.
	if err := c.print(out); err != nil {
		return err
	}
	return failure
}

// print prints the result and closes it.
func (c *datamapRectify) print(out *datamap.Rectified) error {
	defer out.Close()
	if !c.JSON {
		out.Describe(os.Stdout)
		return nil
	}
	if err := out.WriteJSON(os.Stdout); err != nil {
		return err
	}
	_, err := fmt.Println()
	return err
}

// replacement reads KIND:OLD=NEW.
func replacement(flag string) (datamap.Replacement, error) {
	malformed := fail.New(fail.Invalid, `--replace is KIND:OLD=NEW; write \= for an equals sign within a value`)
	kind, rest, ok := strings.Cut(flag, ":")
	if !ok {
		return datamap.Replacement{}, malformed
	}
	parts := []string{""}
	for i := 0; i < len(rest); i++ {
		last := &parts[len(parts)-1]
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest) && (rest[i+1] == '=' || rest[i+1] == '\\'):
			i++
			*last += string(rest[i])
		case c == '=':
			parts = append(parts, "")
		default:
			*last += string(c)
		}
	}
	if len(parts) != 2 {
		return datamap.Replacement{}, malformed
	}
	return datamap.Replacement{Kind: kind, Old: parts[0], New: parts[1]}, nil
}
