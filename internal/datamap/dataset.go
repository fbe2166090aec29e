// Package datamap finds, shows and erases what databases outside Probity hold about a person.
//
// A dataset file says which tables and columns a store has, which of them name a person (identity)
// and how rows lead to each other (references). It is written in the YAML of Fides, so files that
// exist work unchanged; one thing is added, the role of a reference: owner or accessor.
//
// From the identities of a request the engine walks the references to a fixpoint. In Guarded mode,
// the default, it asks of every row whose it is: a row that belongs to another person too is neither
// handed out with that person's data nor erased, but reported. In Reference mode it does what Fides
// would do.
package datamap

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"probity/internal/fail"
)

// maxDatasetBytes limits a dataset file: one of a thousand tables takes about two megabytes.
const maxDatasetBytes = 16 << 20

// Dataset describes one store.
type Dataset struct {
	Key         string // fides_key: what connections and reports call it
	Schema      string // schema (PostgreSQL) or database (MySQL) that holds the tables; empty: the connection's
	Collections []*Collection
}

// Collection describes one table.
type Collection struct {
	Dataset *Dataset
	Name    string
	Skip    bool // skip_processing: no request may touch it
	Fields  []*Field
	Delete  bool // masking_strategy_override with strategy delete: rows go as a whole
	// Restrict is how the use of its rows is restricted; nil: by hand.
	Restrict *RestrictBy

	leaves []*Field
	full   string // its name with the dataset's: one text for all reports
}

// Field describes one column, or a value within a JSON column.
type Field struct {
	Collection *Collection
	Path       []string // the column, then the keys within it; arrays are walked through
	Categories []string
	Identity   string // kind of identity the values are, such as email; empty: none
	PrimaryKey bool
	Type       string // data_type as the file says; empty: unknown
	Length     int    // longest value in characters; 0: as the store says
	References []Reference
	Override   *Override
	Fields     []*Field // what is known of a JSON object

	linked bool // rows are found by its values: it holds a reference or is the target of one
}

// Reference says that the values of a field lead to those of another.
type Reference struct {
	Target    *Field
	Direction Direction
	Accessor  bool // role accessor: the other row may be seen, and is not owned

	dataset, field string
	line           int
}

// Direction is the way in which a reference is walked.
type Direction int

// The directions of a reference.
const (
	Both Direction = iota // either way; gives no ownership
	From                  // from the target to the field
	To                    // from the field to the target
)

// Override is the masking strategy that the file asks for, whatever the request asks.
type Override struct {
	Strategy string
	Value    string // for constant: what is written
}

// Column returns the name of the column that holds the field.
func (f *Field) Column() string { return f.Path[0] }

// Name returns the field's path within its collection, joined by dots.
func (f *Field) Name() string { return strings.Join(f.Path, ".") }

// String returns the field's full name.
func (f *Field) String() string { return f.Collection.String() + "." + f.Name() }

// String returns the collection's name as reports give it: dataset, colon, collection.
func (c *Collection) String() string {
	if c.full != "" {
		return c.full
	}
	return c.Dataset.Key + ":" + c.Name
}

// Leaves returns all fields of the collection that hold values, nested ones included.
func (c *Collection) Leaves() []*Field { return c.leaves }

// Keys returns the fields that the map calls the primary key.
func (c *Collection) Keys() []*Field {
	var keys []*Field
	for _, f := range c.leaves {
		if f.PrimaryKey {
			keys = append(keys, f)
		}
	}
	return keys
}

// all returns the set of all fields that hold values.
func (c *Collection) all() map[*Field]bool {
	out := make(map[*Field]bool, len(c.leaves))
	for _, f := range c.leaves {
		out[f] = true
	}
	return out
}

// personal tells whether a field of the collection lies under the category user.
func (c *Collection) personal() bool {
	return slices.ContainsFunc(c.leaves, func(f *Field) bool { return f.Matches([]string{"user"}) })
}

// Matches tells whether the field has one of the categories or one below it: user.name matches
// user.name.first and not user.name_x.
func (f *Field) Matches(categories []string) bool {
	for _, have := range f.Categories {
		for _, want := range categories {
			if have == want || strings.HasPrefix(have, want+".") {
				return true
			}
		}
	}
	return false
}

// The shapes of a dataset file. Keys that are not named here are of no concern to us: files of Fides
// hold many, and are taken as they are.
type (
	datasetFile struct {
		Dataset  yaml.Node `yaml:"dataset"`
		Datasets yaml.Node `yaml:"datasets"`
	}
	datasetYAML struct {
		Key         string           `yaml:"fides_key"`
		Meta        *metaYAML        `yaml:"fides_meta"`
		OldMeta     *metaYAML        `yaml:"fidesops_meta"`
		Collections []collectionYAML `yaml:"collections"`
	}
	collectionYAML struct {
		Name    string       `yaml:"name"`
		Meta    *metaYAML    `yaml:"fides_meta"`
		OldMeta *metaYAML    `yaml:"fidesops_meta"`
		Own     *probityYAML `yaml:"probity_meta"`
		Fields  []fieldYAML  `yaml:"fields"`
		line    int
	}
	probityYAML struct {
		Restriction *restrictionYAML `yaml:"restriction"`
	}
	fieldYAML struct {
		Name       string      `yaml:"name"`
		Categories []string    `yaml:"data_categories"`
		Meta       *metaYAML   `yaml:"fides_meta"`
		OldMeta    *metaYAML   `yaml:"fidesops_meta"`
		Fields     []fieldYAML `yaml:"fields"`
		line       int
	}
	metaYAML struct {
		Namespace  *namespaceYAML  `yaml:"namespace"`
		Skip       bool            `yaml:"skip_processing"`
		Identity   string          `yaml:"identity"`
		PrimaryKey bool            `yaml:"primary_key"`
		Type       string          `yaml:"data_type"`
		Length     int             `yaml:"length"`
		References []referenceYAML `yaml:"references"`
		Masking    *maskingYAML    `yaml:"masking_strategy_override"`
	}
	namespaceYAML struct {
		Schema   string `yaml:"schema"`
		Database string `yaml:"database"`
	}
	referenceYAML struct {
		Dataset   string `yaml:"dataset"`
		Field     string `yaml:"field"`
		Direction string `yaml:"direction"`
		Role      string `yaml:"role"`
		line      int
	}
	maskingYAML struct {
		Strategy      string `yaml:"strategy"`
		Configuration struct {
			Value string `yaml:"rewrite_value"`
		} `yaml:"configuration"`
	}
)

func (c *collectionYAML) UnmarshalYAML(n *yaml.Node) error {
	type plain collectionYAML
	c.line = n.Line
	return decodeAt(n, (*plain)(c))
}

func (f *fieldYAML) UnmarshalYAML(n *yaml.Node) error {
	type plain fieldYAML
	f.line = n.Line
	return decodeAt(n, (*plain)(f))
}

func (r *referenceYAML) UnmarshalYAML(n *yaml.Node) error {
	type plain referenceYAML
	r.line = n.Line
	return decodeAt(n, (*plain)(r))
}

func decodeAt(n *yaml.Node, into any) error { return n.Decode(into) }

// either returns the newer of two places where a file may keep its meta data, never nil.
func either(meta, old *metaYAML) *metaYAML {
	switch {
	case meta != nil:
		return meta
	case old != nil:
		return old
	}
	return &metaYAML{}
}

// Load reads dataset files and resolves the references between them. Errors name the file and the
// line.
func Load(paths ...string) ([]*Dataset, error) {
	var all []*Dataset
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fail.Wrap(fail.Invalid, err, "read the dataset file %s", path)
		}
		if info.Size() > maxDatasetBytes {
			return nil, fail.New(fail.Invalid, "dataset file %s has more than %d MB; split it", path, maxDatasetBytes>>20)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fail.Wrap(fail.Invalid, err, "read the dataset file %s", path)
		}
		sets, err := parse(path, raw)
		if err != nil {
			return nil, err
		}
		all = append(all, sets...)
	}
	return all, resolve(all)
}

// Parse reads one dataset file from memory, references within it included. The name is used in
// errors.
func Parse(name string, raw []byte) ([]*Dataset, error) {
	sets, err := parse(name, raw)
	if err != nil {
		return nil, err
	}
	return sets, resolve(sets)
}

func parse(name string, raw []byte) ([]*Dataset, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&doc); err != nil {
		return nil, fail.New(fail.Invalid, "%s: not a dataset file: %s", name, yamlMessage(err))
	}
	if err := safe(name, &doc, 0); err != nil {
		return nil, err
	}
	var file datasetFile
	if err := doc.Decode(&file); err != nil {
		return nil, fail.New(fail.Invalid, "%s: not a dataset file: %s", name, yamlMessage(err))
	}
	list := file.Dataset
	if list.Kind == 0 {
		list = file.Datasets
	}
	var sets []datasetYAML
	switch list.Kind {
	case yaml.SequenceNode:
		if err := list.Decode(&sets); err != nil {
			return nil, fail.New(fail.Invalid, "%s: %s", name, yamlMessage(err))
		}
	case yaml.MappingNode:
		sets = make([]datasetYAML, 1)
		if err := list.Decode(&sets[0]); err != nil {
			return nil, fail.New(fail.Invalid, "%s: %s", name, yamlMessage(err))
		}
	default:
		return nil, fail.New(fail.Invalid, "%s: no list under the key dataset", name)
	}
	if len(sets) == 0 {
		return nil, fail.New(fail.Invalid, "%s: the list under the key dataset is empty", name)
	}
	out := make([]*Dataset, 0, len(sets))
	for _, s := range sets {
		d, err := s.build(name)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// yamlMessage returns what the YAML library says, on one line.
func yamlMessage(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
}

// safe refuses tags of one's own, which make other readers of YAML run code, and absurd depth. Too
// many aliases are refused by the decoder itself.
func safe(name string, n *yaml.Node, depth int) error {
	if depth > 60 {
		return fail.New(fail.Invalid, "%s:%d: nested too deeply", name, n.Line)
	}
	switch n.Tag {
	case "", "!!map", "!!seq", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
	default:
		return fail.New(fail.Invalid, "%s:%d: the tag %s is not allowed in a dataset file", name, n.Line, n.Tag)
	}
	for _, child := range n.Content {
		if err := safe(name, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s datasetYAML) build(file string) (*Dataset, error) {
	if s.Key == "" {
		return nil, fail.New(fail.Invalid, "%s: a dataset has no fides_key", file)
	}
	d := &Dataset{Key: s.Key}
	meta := either(s.Meta, s.OldMeta)
	if meta.Namespace != nil {
		d.Schema = meta.Namespace.Schema
		if d.Schema == "" {
			d.Schema = meta.Namespace.Database
		}
	}
	seen := map[string]bool{}
	for _, c := range s.Collections {
		where := fmt.Sprintf("%s:%d: dataset %s", file, c.line, s.Key)
		if c.Name == "" {
			return nil, fail.New(fail.Invalid, "%s: a collection has no name", where)
		}
		if seen[c.Name] {
			return nil, fail.New(fail.Invalid, "%s: the collection %s stands there twice", where, c.Name)
		}
		seen[c.Name] = true
		meta := either(c.Meta, c.OldMeta)
		coll := &Collection{Dataset: d, Name: c.Name, Skip: meta.Skip, full: d.Key + ":" + c.Name}
		if meta.Masking != nil {
			if meta.Masking.Strategy != "delete" {
				return nil, fail.New(fail.Invalid, "%s: masking_strategy_override of the collection %s may only be delete", where, c.Name)
			}
			coll.Delete = true
		}
		by, err := c.Own.restrictBy()
		if err != nil {
			return nil, fail.New(fail.Invalid, "%s: the collection %s: %s", where, c.Name, err)
		}
		coll.Restrict = by
		fields, err := buildFields(file, coll, nil, c.Fields)
		if err != nil {
			return nil, err
		}
		coll.Fields = fields
		d.Collections = append(d.Collections, coll)
	}
	return d, nil
}

func buildFields(file string, c *Collection, path []string, list []fieldYAML) ([]*Field, error) {
	seen := map[string]bool{}
	var out []*Field
	for _, y := range list {
		where := fmt.Sprintf("%s:%d: %s", file, y.line, c)
		if y.Name == "" {
			return nil, fail.New(fail.Invalid, "%s: a field has no name", where)
		}
		if seen[y.Name] {
			return nil, fail.New(fail.Invalid, "%s: the field %s stands there twice", where, y.Name)
		}
		seen[y.Name] = true
		meta := either(y.Meta, y.OldMeta)
		f := &Field{Collection: c, Path: append(slices.Clone(path), y.Name), Categories: y.Categories,
			Identity: meta.Identity, PrimaryKey: meta.PrimaryKey, Type: meta.Type, Length: meta.Length}
		if f.Length < 0 {
			return nil, fail.New(fail.Invalid, "%s: the length of the field %s is negative", where, f.Name())
		}
		if f.PrimaryKey && len(path) > 0 {
			return nil, fail.New(fail.Invalid, "%s: the nested field %s can't be a primary key", where, f.Name())
		}
		if meta.Masking != nil {
			o, err := override(meta.Masking)
			if err != nil {
				return nil, fail.New(fail.Invalid, "%s: field %s: %s", where, f.Name(), err.Error())
			}
			f.Override = o
		}
		for _, r := range meta.References {
			ref := Reference{dataset: r.Dataset, field: r.Field, line: r.line}
			switch r.Direction {
			case "":
			case "from":
				ref.Direction = From
			case "to":
				ref.Direction = To
			default:
				return nil, fail.New(fail.Invalid, "%s: field %s: the direction of a reference is from, to or absent, not %q", where, f.Name(), r.Direction)
			}
			switch r.Role {
			case "", "owner":
			case "accessor":
				ref.Accessor = true
			default:
				return nil, fail.New(fail.Invalid, "%s: field %s: the role of a reference is owner or accessor, not %q", where, f.Name(), r.Role)
			}
			f.References = append(f.References, ref)
		}
		var err error
		if f.Fields, err = buildFields(file, c, f.Path, y.Fields); err != nil {
			return nil, err
		}
		if len(f.Fields) == 0 {
			c.leaves = append(c.leaves, f)
		} else if f.Identity != "" || len(f.References) > 0 || f.PrimaryKey {
			return nil, fail.New(fail.Invalid, "%s: the field %s has fields of its own: identity, primary_key and references belong to those", where, f.Name())
		}
		out = append(out, f)
	}
	return out, nil
}

// overrides translates Fides' names of strategies into ours.
var overrides = map[string]string{
	"null_rewrite": Null, "string_rewrite": Constant, "random_string_rewrite": Random, "hash": Hash, "hmac": HMAC,
	"aes_encrypt": Pseudonymise, "null": Null, "redact": Redact, "random": Random, "constant": Constant,
	"pseudonymise": Pseudonymise, "format_preserving": FormatPreserving, "format_preservation": FormatPreserving,
}

func override(m *maskingYAML) (*Override, error) {
	s, ok := overrides[m.Strategy]
	if !ok {
		return nil, fmt.Errorf("masking_strategy_override: the strategy %q is unknown", m.Strategy)
	}
	return &Override{Strategy: s, Value: m.Configuration.Value}, nil
}

// resolve finds the targets of all references.
func resolve(sets []*Dataset) error {
	byKey := map[string]*Dataset{}
	for _, d := range sets {
		if byKey[d.Key] != nil {
			return fail.New(fail.Invalid, "the dataset %s stands there twice", d.Key)
		}
		byKey[d.Key] = d
	}
	for _, d := range sets {
		if err := resolveRestrictions(d); err != nil {
			return err
		}
		for _, c := range d.Collections {
			for _, f := range c.leaves {
				for i := range f.References {
					if err := f.References[i].resolve(f, byKey); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (r *Reference) resolve(f *Field, byKey map[string]*Dataset) error {
	d := byKey[r.dataset]
	if d == nil {
		return fail.New(fail.Invalid, "%s (line %d): refers to the dataset %q, which is not among the files", f, r.line, r.dataset)
	}
	// Names of collections may hold dots themselves: the longest that fits is meant.
	var best *Collection
	for _, c := range d.Collections {
		if strings.HasPrefix(r.field, c.Name+".") && (best == nil || len(c.Name) > len(best.Name)) {
			best = c
		}
	}
	if best == nil {
		return fail.New(fail.Invalid, "%s (line %d): refers to %s in the dataset %s, which has no such collection", f, r.line, r.field, r.dataset)
	}
	name := r.field[len(best.Name)+1:]
	for _, t := range best.leaves {
		if t.Name() == name {
			r.Target = t
			f.linked, t.linked = true, true
			return nil
		}
	}
	return fail.New(fail.Invalid, "%s (line %d): refers to %s, and %s has no field %s", f, r.line, r.field, best, name)
}
