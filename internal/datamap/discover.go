package datamap

import (
	"context"
	"slices"

	"go.yaml.in/yaml/v3"

	"probity/internal/fail"
)

// Draft is a dataset made from a live schema. It is a beginning: what is personal was guessed by names
// and by a sample of the values.
type Draft struct {
	Dataset []draftSet `yaml:"dataset"`
}

type (
	draftSet struct {
		Key         string            `yaml:"fides_key"`
		Name        string            `yaml:"name"`
		Description string            `yaml:"description"`
		Meta        *draftMeta        `yaml:"fides_meta,omitempty"`
		Collections []draftCollection `yaml:"collections"`
	}
	draftCollection struct {
		Name   string       `yaml:"name"`
		Fields []draftField `yaml:"fields"`
	}
	draftField struct {
		Name       string     `yaml:"name"`
		Categories []string   `yaml:"data_categories,flow"`
		Meta       *draftMeta `yaml:"fides_meta,omitempty"`
	}
	draftMeta struct {
		Namespace  map[string]string `yaml:"namespace,omitempty"`
		PrimaryKey bool              `yaml:"primary_key,omitempty"`
		Identity   string            `yaml:"identity,omitempty"`
		Type       string            `yaml:"data_type,omitempty"`
		Length     int               `yaml:"length,omitempty"`
		References []draftReference  `yaml:"references,omitempty"`
	}
	draftReference struct {
		Dataset   string `yaml:"dataset"`
		Field     string `yaml:"field"`
		Direction string `yaml:"direction"`
	}
)

// Discover drafts a dataset from the tables of a store and returns it as YAML. It only reads.
func Discover(ctx context.Context, key, schema, dsn string) ([]byte, error) {
	d := &Dataset{Key: key, Schema: schema}
	s, err := open(ctx, d, dsn)
	if err != nil {
		return nil, err
	}
	defer s.db.Close()
	tx, err := s.begin(ctx, true)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	names, err := s.dialect.tables(ctx, tx, schema)
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, scrub(err), "list the tables of %s", key)
	}
	if len(names) == 0 {
		return nil, fail.New(fail.NotFound, "the store %s has no tables, or this account may not see them", key)
	}
	slices.Sort(names)
	type seen struct {
		t          *table
		categories map[string]string
		identities map[string]string
	}
	var all []seen
	people := map[string]bool{} // tables whose rows are somebody's
	for _, name := range names {
		t, err := s.dialect.catalogue(ctx, tx, schema, name)
		if err != nil || t == nil {
			return nil, fail.Wrap(fail.Unavailable, scrub(err), "read the catalogue of %s", name)
		}
		values, err := s.sample(ctx, tx, t)
		if err != nil {
			return nil, fail.Wrap(fail.Unavailable, scrub(err), "look at %s", name)
		}
		one := seen{t, map[string]string{}, map[string]string{}}
		for _, col := range t.columns {
			if category, identity := guess(col.name, col.class, values[col.name]); category != "" {
				one.categories[col.name] = category
				if identity != "" && (col.class == text || col.class == citext) {
					one.identities[col.name] = identity
					people[name] = true
				}
			}
		}
		all = append(all, one)
	}
	// Rows that refer to somebody's rows are somebody's too. Where such rows refer to personal data that
	// names nobody, like an address or an account, that is theirs by the reference, and what refers to it
	// in turn. All other references lead away.
	from, to := map[string]bool{}, map[string]bool{}
	for changed := true; changed; {
		changed = false
		for _, one := range all {
			for _, fk := range one.t.out {
				id := one.t.name + "\x00" + fk.name
				if !from[id] && !to[id] && people[fk.refTo] {
					from[id], people[one.t.name] = true, true
					changed = true
				}
			}
		}
		if changed {
			continue
		}
		for _, one := range all {
			for _, fk := range one.t.out {
				if !people[one.t.name] || people[fk.refTo] {
					continue
				}
				for _, target := range all {
					if target.t.name == fk.refTo && len(target.categories) > 0 {
						to[one.t.name+"\x00"+fk.name] = true
						people[fk.refTo] = true
						changed = true
					}
				}
			}
		}
	}
	set := draftSet{Key: key, Name: key, Description: "Drafted from the live schema: check every category, identity and direction."}
	if schema != "" {
		set.Meta = &draftMeta{Namespace: map[string]string{"schema": schema}}
	}
	for _, one := range all {
		c := draftCollection{Name: one.t.name}
		for _, col := range one.t.columns {
			f := draftField{Name: col.name, Categories: []string{"system.operations"}}
			if category := one.categories[col.name]; category != "" {
				f.Categories = []string{category}
			}
			m := &draftMeta{PrimaryKey: slices.Contains(one.t.key, col.name), Identity: one.identities[col.name], Length: col.length}
			if m.Length > 1000 {
				m.Length = 0
			}
			m.Type = map[class]string{text: "string", citext: "string", integer: "integer", float: "float", boolean: "boolean"}[col.class]
			for _, fk := range one.t.out {
				for i, name := range fk.columns {
					if name != col.name {
						continue
					}
					direction := "to"
					if from[one.t.name+"\x00"+fk.name] {
						direction = "from"
						if f.Categories[0] == "system.operations" {
							f.Categories = []string{"user.unique_id"}
						}
					}
					m.References = append(m.References, draftReference{key, fk.refTo + "." + fk.refColumns[i], direction})
				}
			}
			f.Meta = m
			if !m.PrimaryKey && m.Identity == "" && m.Length == 0 && m.Type == "" && len(m.References) == 0 {
				f.Meta = nil
			}
			c.Fields = append(c.Fields, f)
		}
		set.Collections = append(set.Collections, c)
	}
	raw, err := yaml.Marshal(Draft{[]draftSet{set}})
	if err != nil {
		return nil, err
	}
	// What was drafted must be a file that we read.
	if _, err := Parse(key, raw); err != nil {
		return nil, err
	}
	return raw, nil
}
