package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"probity/internal/event"
)

// plan is a map file, read and checked. It says which columns make an event.
type plan struct {
	file string // for messages
	hash string // SHA-256 of the map file, in hexadecimal

	Deployment string `yaml:"deployment"`
	Basis      struct {
		Name       string `yaml:"name"`
		Assessment string `yaml:"assessment"`
	} `yaml:"basis"`
	Delimiter  string               `yaml:"delimiter"` // of the CSV; "," if empty, "tab" for a tabulator
	Columns    []string             `yaml:"columns"`   // if the CSV has no header line
	Site       string               `yaml:"site"`      // stands before pages that begin with a slash
	Visitor    template             `yaml:"visitor"`
	Time       timeColumn           `yaml:"time"`
	Event      eventColumn          `yaml:"event"`
	Page       template             `yaml:"page"`
	Title      template             `yaml:"title"`
	Referrer   template             `yaml:"referrer"`
	Search     template             `yaml:"search"`
	Attributes map[string]attribute `yaml:"attributes"`
	Outcomes   []string             `yaml:"outcomes"`

	names []string // of the attributes, sorted
}

// timeColumn says where the time of an event stands and how it is written.
type timeColumn struct {
	Column  string  `yaml:"column"`
	Layouts layouts `yaml:"layout"` // Go layouts, or rfc3339, unix, unix_ms, unix_us; the first that fits counts
	Zone    string  `yaml:"zone"`   // of times that name none; UTC if empty

	line, index int
	zone        *time.Location
}

// eventColumn says what an event is called: always the same, or what a column says, translated.
type eventColumn struct {
	Name   string            `yaml:"name"`
	Column string            `yaml:"column"`
	Names  map[string]string `yaml:"names"` // what stands in the column to the name; an empty name leaves the row out

	line, index int
}

// attribute says where an attribute stands and of which type it is.
type attribute struct {
	Column string `yaml:"column"`
	Type   string `yaml:"type"` // string (the default), number or boolean

	line, index int
}

// layouts is one text or a list of them.
type layouts []string

// place is a line of the map file.
func (p *plan) place(line int) string { return fmt.Sprintf("%s:%d", p.file, line) }

// readMap reads and checks a map file.
func readMap(file string) (*plan, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the map: %w", err)
	}
	sum := sha256.Sum256(raw)
	p := &plan{file: file, hash: hex.EncodeToString(sum[:])}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(p); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s:1: the map is empty", file)
		}
		return nil, yamlError(file, err)
	}
	return p, p.check()
}

// yamlError puts file and line in front of what the YAML reader says.
func yamlError(file string, err error) error {
	if t, ok := errors.AsType[*yaml.TypeError](err); ok && len(t.Errors) > 0 {
		err = errors.New(t.Errors[0])
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(message, "line %d:", &line); n == 1 {
		_, message, _ = strings.Cut(message, ": ")
		message = strings.ReplaceAll(message, " in type replay.plan", "")
		return fmt.Errorf("%s:%d: %s", file, line, message)
	}
	return fmt.Errorf("%s: %s", file, message)
}

// check tells what is missing or wrong in the map by itself.
func (p *plan) check() error {
	missing := func(what, example string) error {
		return fmt.Errorf("%s: %s is missing; write %s", p.file, what, example)
	}
	if p.Deployment == "" {
		return missing("the deployment", `"deployment: " and the id of the deployment that the events belong to`)
	}
	if _, err := uuid.Parse(p.Deployment); err != nil || len(p.Deployment) != 36 {
		return fmt.Errorf("%s: the deployment must be a UUID", p.file)
	}
	switch p.Basis.Name {
	case "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interest":
	case "":
		return missing("the lawful basis (basis.name)", "contract, legal_obligation, vital_interests, public_task or legitimate_interest")
	case "consent":
		return fmt.Errorf("%s: consent can't be declared for others; name the basis that the controller relies on", p.file)
	default:
		return fmt.Errorf("%s: basis.name must be contract, legal_obligation, vital_interests, public_task or legitimate_interest", p.file)
	}
	if n := len([]rune(strings.TrimSpace(p.Basis.Assessment))); n < 20 || n > 10_000 {
		return fmt.Errorf("%s: basis.assessment must say in 20 to 10,000 characters why the basis holds", p.file)
	}
	switch {
	case p.Visitor.empty():
		return missing("the visitor", "visitor: '{user_id}' with the column that tells visitors apart")
	case p.Time.Column == "":
		return missing("the time", "time: {column: event_time}")
	case (p.Event.Column == "") == (p.Event.Name == ""):
		return fmt.Errorf("%s: the event needs either a name or a column", p.file)
	case len([]rune(p.delimiter())) != 1 || strings.ContainsAny(p.delimiter(), "\"\r\n"):
		return fmt.Errorf("%s: the delimiter must be one character, or tab", p.file)
	}
	if len(p.Time.Layouts) == 0 {
		p.Time.Layouts = layouts{"rfc3339"}
	}
	var err error
	if p.Time.zone, err = time.LoadLocation(p.Time.Zone); err != nil {
		return fmt.Errorf("%s: time.zone: there is no time zone %q", p.place(p.Time.line), p.Time.Zone)
	}
	check := func(names ...string) error {
		for _, n := range names {
			if _, err := event.NormalName(n); n != "" && err != nil {
				return fmt.Errorf("%s: %q: %w", p.place(p.Event.line), n, err)
			}
		}
		return nil
	}
	if err := errors.Join(check(p.Event.Name), check(slices.Sorted(maps.Values(p.Event.Names))...), check(p.Outcomes...)); err != nil {
		return err
	}
	p.names = sortedKeys(p.Attributes)
	return nil
}

func (p *plan) delimiter() string {
	switch p.Delimiter {
	case "":
		return ","
	case "tab", `\t`:
		return "\t"
	}
	return p.Delimiter
}

// bind finds the columns in the header.
func (p *plan) bind(header []string) error {
	find := func(line int, column string) (int, error) {
		i := slices.Index(header, column)
		if i < 0 {
			return 0, fmt.Errorf("%s: the CSV has no column %q; it has %s", p.place(line), column, strings.Join(header, ", "))
		}
		return i, nil
	}
	var err error
	for _, t := range []*template{&p.Visitor, &p.Page, &p.Title, &p.Referrer, &p.Search} {
		for i := range t.parts {
			if c := &t.parts[i]; c.column != "" {
				if c.index, err = find(t.line, c.column); err != nil {
					return err
				}
			}
		}
	}
	if p.Time.index, err = find(p.Time.line, p.Time.Column); err != nil {
		return err
	}
	if p.Event.Column != "" {
		if p.Event.index, err = find(p.Event.line, p.Event.Column); err != nil {
			return err
		}
	}
	for _, name := range p.names {
		a := p.Attributes[name]
		if a.index, err = find(a.line, a.Column); err != nil {
			return err
		}
		p.Attributes[name] = a
	}
	return nil
}

// UnmarshalYAML keeps the line for messages.
func (t *timeColumn) UnmarshalYAML(n *yaml.Node) error {
	type plain timeColumn
	if n.Kind == yaml.ScalarNode {
		t.Column, t.line = n.Value, n.Line
		return nil
	}
	if err := known(n, "column", "layout", "zone"); err != nil {
		return err
	}
	err := n.Decode((*plain)(t))
	t.line = n.Line
	return err
}

// UnmarshalYAML keeps the line for messages.
func (e *eventColumn) UnmarshalYAML(n *yaml.Node) error {
	type plain eventColumn
	if n.Kind == yaml.ScalarNode {
		e.Column, e.line = n.Value, n.Line
		return nil
	}
	if err := known(n, "name", "column", "names"); err != nil {
		return err
	}
	err := n.Decode((*plain)(e))
	e.line = n.Line
	return err
}

// UnmarshalYAML takes a column, or an object of column and type.
func (a *attribute) UnmarshalYAML(n *yaml.Node) error {
	type plain attribute
	a.Type = event.TypeString
	a.line = n.Line
	if n.Kind == yaml.ScalarNode {
		a.Column = n.Value
		return nil
	}
	if err := known(n, "column", "type"); err != nil {
		return err
	}
	if err := n.Decode((*plain)(a)); err != nil {
		return err
	}
	switch a.Type {
	case event.TypeString, event.TypeNumber, event.TypeBool:
		return nil
	}
	return fmt.Errorf("line %d: the type of an attribute must be string, number or boolean", n.Line)
}

// UnmarshalYAML takes one layout or a list of them.
func (l *layouts) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = layouts{n.Value}
		return nil
	}
	return n.Decode((*[]string)(l))
}

// known refuses members that mean nothing: below a custom reader the decoder does not.
func known(n *yaml.Node, names ...string) error {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(names, k.Value) {
			return fmt.Errorf("line %d: field %s not found; there are %s", k.Line, k.Value, strings.Join(names, ", "))
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
