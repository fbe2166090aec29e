package rights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// tree is JSON as the page for people shows it: a text, named parts, a list, or a list whose items
// are alike and fit into a table. Names stand in the order of the JSON.
type tree struct {
	Kind   string // "empty", "text", "fields", "list" or "table"
	Text   string
	Fields []field
	Items  []*tree
	Head   []named    // of a table
	Rows   [][]string // of a table; "" where an item lacks the part
	More   int        // items that are in the JSON file only
}

type field struct {
	named
	Tree *tree
}

const (
	maxShown   = 500 // items of a list that the page shows; the JSON file has them all
	maxColumns = 6   // of a table; wider items are shown one below the other
)

// treeReader reads JSON and says its terms and times, and the names of its parts if it has labels, in the
// words of a language.
type treeReader struct {
	words
	labels   labels
	purposes labels // titles of purposes by their ids, which stand in our own records
}

// readTree reads JSON that this program wrote.
func readTree(text []byte, w words, l, purposes labels) (*tree, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return treeReader{w, l, purposes}.readValue(d)
}

func (r treeReader) readValue(d *json.Decoder) (*tree, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case nil:
		return &tree{Kind: "empty"}, nil
	case bool:
		return &tree{Kind: "text", Text: r.text(map[bool]string{true: "yes", false: "no"}[v])}, nil
	case string:
		if v == "" {
			return &tree{Kind: "empty"}, nil
		}
		return &tree{Kind: "text", Text: r.inWords(v)}, nil
	case json.Delim:
		if v == '[' {
			return r.readList(d)
		}
		return r.readFields(d)
	}
	return &tree{Kind: "text", Text: fmt.Sprint(token)}, nil
}

func (r treeReader) readFields(d *json.Decoder) (*tree, error) {
	t := &tree{Kind: "fields"}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		child, err := r.below(fmt.Sprint(name)).readValue(d)
		if err != nil {
			return nil, err
		}
		if title, ok := r.purposes[child.Text]; ok && name == "purpose" {
			child.Text = title + " (" + child.Text + ")"
		}
		if child.Kind != "empty" {
			t.Fields = append(t.Fields, field{r.labels.name(fmt.Sprint(name)), child})
		}
	}
	if len(t.Fields) == 0 {
		t.Kind = "empty"
	}
	_, err := d.Token()
	return t, err
}

func (r treeReader) readList(d *json.Decoder) (*tree, error) {
	t := &tree{Kind: "list"}
	for d.More() {
		item, err := r.readValue(d)
		if err != nil {
			return nil, err
		}
		if len(t.Items) < maxShown {
			t.Items = append(t.Items, item)
		} else {
			t.More++
		}
	}
	if len(t.Items) == 0 {
		t.Kind = "empty"
	}
	t.tabulate()
	_, err := d.Token()
	return t, err
}

// tabulate turns a list into a table if its items are flat and have few different parts.
func (t *tree) tabulate() {
	if len(t.Items) < 2 {
		return
	}
	var head []named
	for _, item := range t.Items {
		if item.Kind != "fields" {
			return
		}
		for _, f := range item.Fields {
			if f.Tree.Kind != "text" {
				return
			}
			if !slices.Contains(head, f.named) {
				head = append(head, f.named)
			}
		}
	}
	if len(head) > maxColumns {
		return
	}
	for _, item := range t.Items {
		row := make([]string, len(head))
		for _, f := range item.Fields {
			row[slices.Index(head, f.named)] = f.Tree.Text
		}
		t.Rows = append(t.Rows, row)
	}
	t.Kind, t.Head, t.Items = "table", head, nil
}

// inWords writes moments and terms for people.
func (w words) inWords(text string) string {
	if said := w.say(text); said != text {
		return said
	}
	if len(text) == len("2006-01-02T15:04:05.000Z") {
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", text); err == nil {
			return w.day(at) + ", " + at.Format("15:04:05")
		}
	}
	return text
}
