package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
)

// databasesFile says which databases requests of data subjects reach into.
type databasesFile struct {
	Databases []struct {
		Organisation string   `yaml:"organisation"` // id; empty: the one that this installation began with
		Datasets     []string `yaml:"datasets"`     // files, beside this one unless their paths are absolute
		Targets      []string `yaml:"targets"`      // data categories that an erasure covers; user by default
		Portable     []string `yaml:"portable"`     // data categories that a person can take elsewhere; none by default
		Strategy     string   `yaml:"strategy"`     // redact by default
		MaxShare     float64  `yaml:"max-share"`    // of a table's rows that an erasure may hit; half by default
	} `yaml:"databases"`
}

// readDatabases reads the file and the variables that say where the databases are: PROBITY_DSN_KEY for
// an account that may change rows, PROBITY_DSN_KEY_READ for one that need not and is used for copies.
// Without a path there are none.
func readDatabases(path string, first id.Tenant) (rights.Databases, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the file of databases can't be read")
	}
	var file databasesFile
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fail.New(fail.Invalid, "the file of databases %s is not understood: %s", path, err)
	}
	groups := map[id.Tenant]rights.ConnectedGroup{}
	for _, d := range file.Databases {
		t := first
		if d.Organisation != "" {
			if t, err = id.ParseTenant(d.Organisation); err != nil {
				return nil, fail.New(fail.Invalid, "%s: the organisation %q is no id", path, d.Organisation)
			}
		}
		if _, twice := groups[t]; twice {
			return nil, fail.New(fail.Invalid, "%s: an organisation has one entry, with all its datasets, as references lead from one to another", path)
		}
		for i, f := range d.Datasets {
			if !filepath.IsAbs(f) {
				d.Datasets[i] = filepath.Join(filepath.Dir(path), f)
			}
		}
		sets, err := datamap.Load(d.Datasets...)
		if err != nil {
			return nil, err
		}
		g := rights.ConnectedGroup{
			Datasets: sets, Read: map[string]string{}, Write: map[string]string{},
			Targets: d.Targets, Portable: d.Portable, Strategy: d.Strategy, MaxShare: d.MaxShare,
		}
		if len(g.Targets) == 0 {
			g.Targets = []string{"user"}
		}
		if g.Strategy == "" {
			g.Strategy = datamap.Redact
		}
		for _, set := range sets {
			variable := "PROBITY_DSN_" + envName(set.Key)
			g.Write[set.Key] = os.Getenv(variable)
			if g.Write[set.Key] == "" {
				return nil, fail.New(fail.Invalid, "the dataset %s has no connection: set %s", set.Key, variable)
			}
			if g.Read[set.Key] = os.Getenv(variable + "_READ"); g.Read[set.Key] == "" {
				g.Read[set.Key] = g.Write[set.Key]
			}
		}
		groups[t] = g
	}
	return rights.Connect(groups)
}
