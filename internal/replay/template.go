package replay

import (
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// template is a text with columns in braces, such as "/p/{product_id}".
type template struct {
	parts []part
	line  int // in the map file
}

// part is a column's value, or a fixed text if column is empty.
type part struct {
	column string
	text   string
	index  int
}

// UnmarshalYAML reads a template. A text without braces is fixed.
func (t *template) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: here a text with columns in braces is wanted, such as '/p/{product_id}'", n.Line)
	}
	t.line = n.Line
	for s := n.Value; s != ""; {
		text, rest, found := strings.Cut(s, "{")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !found {
			return nil
		}
		column, rest, closed := strings.Cut(rest, "}")
		if !closed || column == "" {
			return fmt.Errorf("line %d: a brace is not closed, or holds no column", n.Line)
		}
		t.parts = append(t.parts, part{column: column})
		s = rest
	}
	return nil
}

func (t *template) empty() bool { return len(t.parts) == 0 }

// fill returns the text for a row. If all of its columns are empty, so is the text.
func (t *template) fill(fields []string) string {
	return t.render(fields, func(s string) string { return s })
}

// fillURL is fill for an address: values are escaped, unless the column is the whole address.
func (t *template) fillURL(fields []string) string {
	if len(t.parts) == 1 {
		return t.fill(fields)
	}
	return t.render(fields, url.PathEscape)
}

func (t *template) render(fields []string, escape func(string) string) string {
	var b strings.Builder
	columns, filled := 0, 0
	for _, p := range t.parts {
		if p.column == "" {
			b.WriteString(p.text)
			continue
		}
		columns++
		if v := strings.TrimSpace(fields[p.index]); v != "" {
			filled++
			b.WriteString(escape(v))
		}
	}
	if columns > 0 && filled == 0 {
		return ""
	}
	return strings.TrimSpace(b.String())
}
