package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Statement is what a certificate states, for people: what was done store by store and field by field,
// what was kept and on which article, what was not performed, and until when backups hold keys. It says
// what the operator signed; that it is true is not something that a file can prove.
type Statement struct {
	Facts  []Fact
	Tables []Table
}

// Fact is one line of a statement.
type Fact struct{ Name, Text string }

// Table is one list of a statement.
type Table struct {
	Heading string
	Head    []string   // empty: there is one column
	Rows    [][]string // of texts and numbers, with as many cells as Head
}

// statement reads a certificate's body. What it does not know, or what has another type than this program
// writes, is left out; nil if it does not say what was asked.
func statement(body *value) *Statement {
	if textAt(body, "type") == "" {
		return nil
	}
	s := &Statement{}
	for _, f := range []struct{ name, text string }{
		{"request", textAt(body, "request")},
		{"what was asked", strings.TrimSuffix(textAt(body, "type")+", "+textAt(body, "article"), ", ")},
		{"organisation", textAt(body, "organisation")},
		{"received", textAt(body, "received_at")},
		{"completed", textAt(body, "completed_at")},
		{"amended", textAt(body, "amended_at")},
		{"data subjects found", number(body.get("data_subjects"))},
		{"read again", textAt(body, "verification")},
		{"horizon of backups", textAt(body, "backup_horizon")},
	} {
		if f.text != "" {
			s.Facts = append(s.Facts, Fact{f.name, printable(f.text)})
		}
	}
	s.stores(body)
	s.reasons("Kept, and the article that allows it", list(body, "kept"))
	s.reasons("Not performed", list(body, "not_performed"))
	erased := textAt(body, "type") == "erasure"
	if rows := list(body, "models"); erased || len(rows) > 0 {
		s.table("Models trained anew", []string{"outcome", "rows before", "rows after"}, rows, "outcome", "rows_before", "rows_after")
	}
	s.texts("Decisions", list(body, "decisions"))
	if rows := list(body, "recipients"); len(rows) > 0 {
		s.table("Recipients who are told", []string{"way", "who", "what they said"}, rows, "way", "name", "outcome")
	}
	if rows := list(body, "would_have_expired"); len(rows) > 0 {
		s.table("Would have ended by itself, and was erased all the same", []string{"by", "what"}, rows, "by", "what")
	}
	if rows := list(body, "fields"); erased || len(rows) > 0 {
		s.table("Fields", []string{"table", "field", "what was done", "rows"}, rows, "table", "field", "did", "n")
	}
	if d := body.get("databases"); d != nil && d.kind == kindObject {
		s.databases(d)
	}
	return s
}

// databases lists what was done in the databases of the organisation.
func (s *Statement) databases(d *value) {
	s.table("Fields of the organisation's databases", []string{"table", "field", "what was done", "rows"}, list(d, "fields"), "collection", "field", "did", "rows")
	if rows := list(d, "kept"); len(rows) > 0 {
		s.table("Rows that belong to others too, and stay", []string{"rows", "table"}, rows, "rows", "collection")
	}
	if rows := list(d, "substituted"); len(rows) > 0 {
		s.table("Masked in another way than asked, for a constraint", []string{"table", "field", "asked", "used"}, rows, "collection", "field", "asked", "used")
	}
	if rows := list(d, "unmaskable"); len(rows) > 0 {
		s.table("What no strategy could mask", []string{"table", "field", "why"}, rows, "collection", "field", "why")
	}
	s.texts("Tables that no identifier leads to", list(d, "unreachable"))
	if settled := textAt(d, "stays_because"); settled != "" {
		s.Tables = append(s.Tables, Table{Heading: "Why what could not be masked stays", Rows: [][]string{{printable(settled)}}})
	}
}

// stores lists what was done in each store. What was counted in the database before and after stands in
// one list of its own.
func (s *Statement) stores(body *value) {
	done := Table{Heading: "Stores", Head: []string{"store", "what was done", "what", "records"}}
	counted := Table{Heading: "Rows of the person in the database", Head: []string{"table", "before", "after"}}
	for _, store := range list(body, "stores") {
		name, did := cell(store, "store"), cell(store, "did")
		counts := list(store, "counts")
		if name == "database" {
			for _, c := range counts {
				what := cell(c, "what")
				i := slices.IndexFunc(counted.Rows, func(r []string) bool { return r[0] == what })
				if i < 0 {
					i = len(counted.Rows)
					counted.Rows = append(counted.Rows, []string{what, "", ""})
				}
				if strings.HasSuffix(did, "after") {
					counted.Rows[i][2] = cell(c, "n")
				} else {
					counted.Rows[i][1] = cell(c, "n")
				}
			}
			continue
		}
		if len(counts) == 0 {
			done.Rows = append(done.Rows, []string{name, did, "", ""})
		}
		for _, c := range counts {
			done.Rows = append(done.Rows, []string{name, did, cell(c, "what"), cell(c, "n")})
		}
	}
	s.Tables = append(s.Tables, done)
	if len(counted.Rows) > 0 {
		s.Tables = append(s.Tables, counted)
	}
}

func (s *Statement) table(heading string, head []string, rows []*value, members ...string) {
	t := Table{Heading: heading, Head: head}
	for _, r := range rows {
		row := make([]string, len(members))
		for i, m := range members {
			row[i] = cell(r, m)
		}
		t.Rows = append(t.Rows, row)
	}
	s.Tables = append(s.Tables, t)
}

// texts lists texts, if there are any.
func (s *Statement) texts(heading string, items []*value) {
	t := Table{Heading: heading}
	for _, v := range items {
		t.Rows = append(t.Rows, []string{printable(v.text)})
	}
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t)
	}
}

func (s *Statement) reasons(heading string, rows []*value) {
	t := Table{Heading: heading, Head: []string{"article", "what and why"}}
	for _, r := range rows {
		t.Rows = append(t.Rows, []string{cell(r, "article"), strings.Trim(cell(r, "what")+"; "+cell(r, "why"), "; ")})
	}
	s.Tables = append(s.Tables, t)
}

// String writes the statement in aligned columns, for a terminal of a hundred characters.
func (s *Statement) String() string {
	var b strings.Builder
	b.WriteString("What the certificate states:\n")
	facts := Table{}
	for _, f := range s.Facts {
		facts.Rows = append(facts.Rows, []string{f.Name, f.Text})
	}
	facts.write(&b)
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "\n%s\n", t.Heading)
		if len(t.Rows) == 0 {
			b.WriteString("  none\n")
			continue
		}
		t.write(&b)
	}
	return b.String()
}

const terminal = 100 // characters of a line

// write aligns the columns. A cell that repeats the one above, in the columns before the last two, is left
// empty; a sentence goes on below itself.
func (t *Table) write(b *strings.Builder) {
	lines := t.Rows
	if len(t.Head) > 2 {
		lines = append([][]string{t.Head}, lines...)
	}
	var width []int
	for _, row := range lines {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	numbers := make([]bool, len(width)) // columns, which are aligned at their end
	for i := range numbers {
		numbers[i] = !slices.ContainsFunc(t.Rows, func(r []string) bool { return strings.Trim(r[i], "0123456789.-") != "" })
	}
	var above []string
	for _, row := range lines {
		line, same := " ", true
		for i, c := range row {
			if same = same && i < len(row)-2 && i < len(above) && above[i] == c; same {
				c = ""
			}
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			switch {
			case numbers[i]:
				line += " " + gap + c + " "
			case i < len(row)-1:
				line += " " + c + gap + " "
			default:
				line += " " + wrap(c, utf8.RuneCountInString(line)+1)
			}
		}
		above = row
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// wrap breaks a sentence that begins at a column.
func wrap(text string, column int) string {
	var b strings.Builder
	at := column
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > terminal:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// list returns the items of a member, none if it is no list.
func list(v *value, name string) []*value {
	if v.kind != kindObject {
		return nil
	}
	if m := v.get(name); m != nil && m.kind == kindArray {
		return m.items
	}
	return nil
}

// cell writes a text or a number of an object.
func cell(v *value, name string) string {
	if v.kind != kindObject {
		return ""
	}
	m := v.get(name)
	if m != nil && m.kind == kindString {
		return printable(m.text)
	}
	return number(m)
}

func number(v *value) string {
	if v == nil || v.kind != kindNumber {
		return ""
	}
	return strconv.FormatFloat(v.number, 'f', -1, 64)
}

// printable takes out what would steer a terminal: who signed a certificate is not who reads it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, text)
}
