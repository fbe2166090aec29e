package rights

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
)

// sheetOf turns a JSON list of objects into CSV (RFC 4180): a column for each name, in the order in
// which the names come, nested ones as outer.inner, a list in one cell. It returns nil for what is no
// such list, and for an empty one.
func sheetOf(text []byte) ([]byte, error) {
	var list []json.RawMessage
	if text[0] != '[' {
		return nil, nil
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var head []string
	at := map[string]int{}
	rows := make([][]string, 0, len(list))
	for _, one := range list {
		if len(one) == 0 || one[0] != '{' {
			return nil, nil
		}
		var row []string
		err := flatten("", one, func(name, cell string) {
			i, ok := at[name]
			if !ok {
				i = len(head)
				at[name] = i
				head = append(head, name)
			}
			for len(row) <= i {
				row = append(row, "")
			}
			row[i] = cell
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if len(head) == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	names := make([]string, len(head))
	for i, n := range head {
		names[i] = harmless(n)
	}
	if err := w.Write(names); err != nil {
		return nil, err
	}
	for _, row := range rows {
		for len(row) < len(head) {
			row = append(row, "")
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

// flatten calls cell for every value in the object, with its path.
func flatten(path string, object json.RawMessage, cell func(name, text string)) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if path != "" {
			name = path + "." + name
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		switch value[0] {
		case '{':
			if err := flatten(name, value, cell); err != nil {
				return err
			}
		case '[':
			text, err := listCell(value)
			if err != nil {
				return err
			}
			cell(name, harmless(text))
		case '"':
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return err
			}
			cell(name, harmless(text))
		case 'n':
			cell(name, "")
		default: // a number or a truth value computes nothing
			cell(name, string(value))
		}
	}
	return nil
}

// listCell joins a list of texts and numbers; anything deeper stays JSON.
func listCell(list json.RawMessage) (string, error) {
	var items []any
	d := json.NewDecoder(bytes.NewReader(list))
	d.UseNumber()
	if err := d.Decode(&items); err != nil {
		return "", err
	}
	parts := make([]string, len(items))
	for i, item := range items {
		switch v := item.(type) {
		case string:
			parts[i] = v
		case json.Number:
			parts[i] = v.String()
		default:
			var out bytes.Buffer
			err := json.Compact(&out, list)
			return out.String(), err
		}
	}
	return strings.Join(parts, "; "), nil
}

// harmless puts an apostrophe before a text that a spreadsheet would take for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) || strings.HasPrefix(text, "＝") || strings.HasPrefix(text, "＋") || strings.HasPrefix(text, "－") || strings.HasPrefix(text, "＠") {
		return "'" + text
	}
	return text
}
