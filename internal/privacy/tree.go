package privacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// node is a piece of held data as the page shows it: a text, named fields or a list.
type node struct {
	Text   string
	Fields []field
	Items  []*node
	More   int // items that the page leaves out; all of them are in the copy
}

type field struct {
	Name string
	Node *node
}

// shown is how many items of a list the page shows.
const shown = 100

// treeOf shows any data through its JSON form, so that the page can leave nothing out.
func treeOf(data any) (*node, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return grow(v), nil
}

func grow(v any) *node {
	switch v := v.(type) {
	case map[string]any:
		n := &node{}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if child := grow(v[k]); !child.empty() {
				n.Fields = append(n.Fields, field{readable(k), child})
			}
		}
		return n
	case []any:
		n := &node{More: max(0, len(v)-shown)}
		for _, item := range v[:min(len(v), shown)] {
			n.Items = append(n.Items, grow(item))
		}
		return n
	case nil:
		return &node{}
	}
	return &node{Text: fmt.Sprint(v)}
}

func (n *node) empty() bool { return n.Text == "" && len(n.Fields) == 0 && len(n.Items) == 0 }

// readable turns a JSON name into words: pageViews and page_views both become "page views".
func readable(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_' || r == '-':
			b.WriteByte(' ')
		case i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(name[i-1])):
			b.WriteByte(' ')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// size counts the records of a section: the items of a list, or one.
func size(data any) int {
	v := reflect.ValueOf(data)
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len()
	case reflect.Invalid:
		return 0
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
	}
	return 1
}
