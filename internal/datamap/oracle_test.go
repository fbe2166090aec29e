package datamap

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The oracle is the rules of ownership and visibility, applied literally to all rows of all tables at
// once. It shares no code with the engine: what it says of a random small world the engine must say
// too.

// world is a random map with its rows.
type world struct {
	colls []*worldColl
	two   bool // the collections are spread over two datasets
}

type worldColl struct {
	set, name string
	fields    []*worldField
	key       []int // columns of the table's primary key
	rows      [][]*string
}

type worldField struct {
	coll     *worldColl
	at       int
	name     string
	number   bool
	category string
	identity string
	key      bool // the map calls it a primary key
	refs     []worldRef
}

type worldRef struct {
	to        *worldField
	direction string
	accessor  bool
}

func (c *worldColl) String() string { return c.set + ":" + c.name }

// schema returns the statements that make the world.
func (w *world) schema() string {
	var b strings.Builder
	for _, c := range w.colls {
		fmt.Fprintf(&b, "CREATE TABLE %s (", c.name)
		for i, f := range c.fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.name + map[bool]string{true: " INTEGER", false: " VARCHAR(60)"}[f.number])
			if slices.Contains(c.key, i) {
				b.WriteString(" NOT NULL")
			}
		}
		if len(c.key) > 0 {
			var names []string
			for _, i := range c.key {
				names = append(names, c.fields[i].name)
			}
			b.WriteString(", PRIMARY KEY (" + strings.Join(names, ", ") + ")")
		}
		b.WriteString(");\n")
		for _, r := range c.rows {
			var cells []string
			for _, v := range r {
				if v == nil {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, "'"+*v+"'")
				}
			}
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", c.name, strings.Join(cells, ", "))
		}
	}
	return b.String()
}

// yaml returns the dataset file.
func (w *world) yaml() string {
	var b strings.Builder
	b.WriteString("dataset:\n")
	for _, set := range []string{"a", "b"} {
		first := true
		for _, c := range w.colls {
			if c.set != set {
				continue
			}
			if first {
				fmt.Fprintf(&b, "- fides_key: %s\n  collections:\n", set)
				first = false
			}
			fmt.Fprintf(&b, "  - name: %s\n    fields:\n", c.name)
			for _, f := range c.fields {
				fmt.Fprintf(&b, "    - {name: %s, data_categories: [%s], fides_meta: {primary_key: %t", f.name, f.category, f.key)
				if f.identity != "" {
					b.WriteString(", identity: " + f.identity)
				}
				if len(f.refs) > 0 {
					b.WriteString(", references: [")
				}
				for i, r := range f.refs {
					if i > 0 {
						b.WriteString(", ")
					}
					fmt.Fprintf(&b, "{dataset: %s, field: %s.%s", r.to.coll.set, r.to.coll.name, r.to.name)
					if r.direction != "" {
						b.WriteString(", direction: " + r.direction)
					}
					if r.accessor {
						b.WriteString(", role: accessor")
					}
					b.WriteString("}")
				}
				if len(f.refs) > 0 {
					b.WriteString("]")
				}
				b.WriteString("}}\n")
			}
		}
	}
	return b.String()
}

// drawWorld draws a map of a few collections and a few rows in each.
func drawWorld(t *rapid.T) *world {
	one := func(label string, of int) bool { return rapid.IntRange(1, of).Draw(t, label) == 1 }
	w := &world{two: one("two datasets", 3)}
	n := rapid.IntRange(1, 5).Draw(t, "collections")
	for i := range n {
		c := &worldColl{set: "a", name: "t" + strconv.Itoa(i)}
		if w.two && i%2 == 1 {
			c.set = "b"
		}
		m := rapid.IntRange(2, 5).Draw(t, "fields")
		for j := range m {
			f := &worldField{coll: c, at: j, name: "f" + strconv.Itoa(j)}
			f.number = one("number", 2)
			f.category = rapid.SampledFrom([]string{"user.contact.email", "user.name", "user.name_x", "user", "system.operations", ""}).Draw(t, "category")
			if one("identity", 4) {
				f.identity = rapid.SampledFrom([]string{"email", "email", "phone"}).Draw(t, "kind")
			}
			c.fields = append(c.fields, f)
		}
		switch rapid.IntRange(0, 4).Draw(t, "key") {
		case 0: // none
		case 1:
			c.key = []int{0, 1}
		default:
			c.key = []int{0}
		}
		mapped := one("key in map", 2)
		for _, k := range c.key {
			c.fields[k].key = mapped
			if !mapped { // a key that is not the map's would be masked with something else than NULL
				c.fields[k].category = ""
			}
		}
		w.colls = append(w.colls, c)
	}
	for _, c := range w.colls {
		for _, f := range c.fields {
			for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "references") {
				d := w.colls[rapid.IntRange(0, n-1).Draw(t, "target")]
				f.refs = append(f.refs, worldRef{to: d.fields[rapid.IntRange(0, len(d.fields)-1).Draw(t, "target field")],
					direction: rapid.SampledFrom([]string{"from", "from", "from", "to", "to", ""}).Draw(t, "direction"), accessor: one("accessor", 5)})
			}
		}
	}
	for _, c := range w.colls {
		for i := range rapid.IntRange(0, 6).Draw(t, "rows") {
			var r []*string
			for j, f := range c.fields {
				domain := []string{"1", "2", "3", "4"}
				if !f.number {
					domain = []string{"1", "2", "3", "4", "a", "A", "a ", ""}
				}
				v := rapid.SampledFrom(domain).Draw(t, "value")
				switch at := slices.Index(c.key, j); {
				case at >= 0 && at == len(c.key)-1:
					v = strconv.Itoa(i + 1) // a key tells rows apart
				case at < 0 && one("null", 6):
					r = append(r, nil)
					continue
				}
				r = append(r, &v)
			}
			c.rows = append(c.rows, r)
		}
	}
	return w
}

// worldRow is a row of the world.
type worldRow struct {
	c   *worldColl
	v   []*string
	own map[string]bool // people, by the value that stands for each
	n   int
}

func (r *worldRow) get(f *worldField) string {
	if r.v[f.at] == nil {
		return ""
	}
	return *r.v[f.at]
}

func (r *worldRow) has(f *worldField, v string) bool { return r.v[f.at] != nil && *r.v[f.at] == v }

// oracle knows whose each row is.
type oracle struct {
	w      *world
	rows   []*worldRow
	parent map[string]string
	me     string
	ids    []Identity
}

func newOracle(w *world, ids []Identity) *oracle {
	o := &oracle{w: w, parent: map[string]string{}, ids: ids}
	for _, c := range w.colls {
		for _, v := range c.rows {
			o.rows = append(o.rows, &worldRow{c: c, v: v, own: map[string]bool{}, n: len(o.rows)})
		}
	}
	// 1. Identity values that stand in one row are one person's.
	for _, r := range o.rows {
		first := ""
		for _, f := range r.c.fields {
			if f.identity != "" && r.get(f) != "" {
				p := f.identity + "=" + r.get(f)
				if first != "" {
					o.join(first, p)
				}
				first = p
			}
		}
	}
	for _, id := range ids {
		if id.Value == "" {
			continue
		}
		p := id.Kind + "=" + id.Value
		if o.me != "" {
			o.join(o.me, p)
		}
		o.me = p
	}
	o.judge()
	return o
}

// judge applies rules 2 and 3. Rows that name each other in a circle are not named by it: see
// docs/datamap.md.
func (o *oracle) judge() {
	n := len(o.rows)
	ups, downs := make([][]int, n), make([][]int, n)
	named := make([]map[string]bool, n)
	for i, r := range o.rows {
		named[i] = map[string]bool{}
		for _, f := range r.c.fields {
			if f.identity != "" && r.get(f) != "" {
				named[i][o.root(f.identity+"="+r.get(f))] = true
			}
			for _, ref := range f.refs {
				for _, other := range o.led(r, f, ref.to) {
					switch {
					case ref.accessor:
					case ref.direction == "from":
						ups[i] = append(ups[i], other.n)
					case ref.direction == "to":
						downs[other.n] = append(downs[other.n], i)
					}
				}
			}
		}
	}
	any := func(list []int, of []bool) bool { return slices.ContainsFunc(list, func(i int) bool { return of[i] }) }
	byIdentity, owned := make([]bool, n), make([]bool, n)
	for range n + 1 {
		for i := range n {
			byIdentity[i] = byIdentity[i] || len(named[i]) > 0 || any(ups[i], byIdentity)
			owned[i] = owned[i] || byIdentity[i] || any(ups[i], owned) || any(downs[i], owned)
		}
	}
	nobody := make([]bool, n) // names nobody
	for i := range n {
		nobody[i] = !byIdentity[i]
	}
	for again := true; again; {
		again = false
		reach := make([][]bool, n)
		for i := range n {
			reach[i] = make([]bool, n)
			reach[i][i] = true
			for _, u := range ups[i] {
				reach[i][u] = true
			}
			if nobody[i] {
				for _, d := range downs[i] {
					reach[i][d] = true
				}
			}
		}
		for k := range n {
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		for i := range n {
			for _, u := range ups[i] {
				if nobody[i] && owned[u] && !reach[u][i] {
					nobody[i] = false
					again = true
				}
			}
		}
	}
	for range n + 1 {
		for i, r := range o.rows {
			from := ups[i]
			if nobody[i] {
				from = slices.Concat(ups[i], downs[i])
			}
			for p := range named[i] {
				r.own[p] = true
			}
			for _, k := range from {
				for p := range o.rows[k].own {
					r.own[p] = true
				}
			}
		}
	}
}

func (o *oracle) root(p string) string {
	for o.parent[p] != "" {
		p = o.parent[p]
	}
	return p
}

func (o *oracle) join(a, b string) {
	if a, b = o.root(a), o.root(b); a != b {
		o.parent[a] = b
	}
}

// led returns the rows in which the target has the value of the field.
func (o *oracle) led(r *worldRow, f, target *worldField) []*worldRow {
	var out []*worldRow
	if r.v[f.at] == nil {
		return nil
	}
	for _, other := range o.rows {
		if other.c == target.coll && other.has(target, *r.v[f.at]) {
			out = append(out, other)
		}
	}
	return out
}

func (o *oracle) mine(r *worldRow) bool {
	return o.me != "" && slices.ContainsFunc(keysOf(r.own), func(p string) bool { return o.root(p) == o.root(o.me) })
}

func (o *oracle) alone(r *worldRow) bool { return o.mine(r) && len(r.own) == 1 }

func keysOf(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// open tells whether the collection is nobody's by nature.
func (c *worldColl) open() bool {
	for _, f := range c.fields {
		if f.identity != "" || f.about("user") {
			return false
		}
		for _, r := range f.refs {
			if r.direction == "from" && !r.accessor {
				return false
			}
		}
	}
	return true
}

func (f *worldField) about(category string) bool {
	return f.category == category || strings.HasPrefix(f.category, category+".")
}

// reached is what the walk found of a row.
type reached struct {
	*worldRow
	shown, accessed bool
}

type worldEdge struct {
	from, to      *worldField
	owner, access bool
}

func (w *world) edges() []worldEdge {
	var out []worldEdge
	for _, c := range w.colls {
		for _, f := range c.fields {
			for _, r := range f.refs {
				if r.direction != "to" {
					out = append(out, worldEdge{r.to, f, r.direction != "" && !r.accessor, r.accessor})
				}
				if r.direction != "from" {
					out = append(out, worldEdge{f, r.to, r.direction != "" && !r.accessor, r.accessor})
				}
			}
		}
	}
	return out
}

// walk returns all rows that the identities lead to.
func (o *oracle) walk(mode Mode) []*reached {
	found := map[*worldRow]*reached{}
	through := map[*worldRow]bool{}
	var order []*reached
	var visit func(r *worldRow, access, owner bool)
	edges := o.w.edges()
	visit = func(r *worldRow, access, owner bool) {
		f := found[r]
		if f == nil {
			f = &reached{worldRow: r}
			found[r] = f
			order = append(order, f)
		}
		on := false
		switch {
		case mode == ModeReference:
			f.shown, on = true, true
		case r.c.open():
			f.shown, on = true, owner
		case o.mine(r):
			f.shown, on = true, true
		case access:
			f.shown, f.accessed = true, true
		}
		if !on || through[r] {
			return
		}
		through[r] = true
		for _, e := range edges {
			if e.from.coll == r.c {
				for _, next := range o.led(r, e.from, e.to) {
					visit(next, e.access, e.owner)
				}
			}
		}
	}
	for _, id := range o.ids {
		for _, r := range o.rows {
			for _, f := range r.c.fields {
				if id.Value != "" && f.identity == id.Kind && r.has(f, id.Value) {
					visit(r, false, false)
				}
			}
		}
	}
	return order
}

// withheld returns the fields of a shown row that are about others.
func (o *oracle) withheld(r *worldRow) map[*worldField]bool {
	out := map[*worldField]bool{}
	names := map[*worldField]bool{}
	var others, mine bool
	for _, f := range r.c.fields {
		if f.identity != "" && r.get(f) != "" {
			if o.me != "" && o.root(f.identity+"="+r.get(f)) == o.root(o.me) {
				mine, names[f] = true, true
			} else {
				others, out[f] = true, true
			}
		}
		for _, ref := range f.refs {
			if ref.direction != "from" {
				continue
			}
			var me, them bool
			for _, up := range o.led(r, f, ref.to) {
				if o.mine(up) {
					me = true
				} else if len(up.own) > 0 {
					them = true
				}
			}
			if me {
				names[f] = true
			} else if them {
				out[f] = true
			}
		}
	}
	if others && !mine {
		for _, f := range r.c.fields {
			if f.about("user") && !names[f] {
				out[f] = true
			}
		}
	}
	return out
}

// cell returns a value as JSON.
func (f *worldField) cell(v *string) any {
	switch {
	case v == nil:
		return nil
	case f.number:
		n, _ := strconv.Atoi(*v)
		return n
	}
	return *v
}

func (o *oracle) key(r *worldRow, withheld map[*worldField]bool) map[string]any {
	key := map[string]any{}
	declared := slices.ContainsFunc(r.c.fields, func(f *worldField) bool { return f.key })
	for i, f := range r.c.fields {
		if (f.key || !declared && slices.Contains(r.c.key, i)) && !withheld[f] {
			key[f.name] = f.cell(r.v[i])
		}
	}
	return key
}

func everyField(c *worldColl) map[*worldField]bool {
	out := map[*worldField]bool{}
	for _, f := range c.fields {
		out[f] = true
	}
	return out
}

// access returns what the engine must print, its lists sorted.
func (o *oracle) access(mode Mode, targets []string) map[string][]string {
	out := map[string][]string{}
	for _, name := range o.reachable() {
		if len(targets) == 0 {
			out["rows "+name] = nil
		}
	}
	put := func(list string, v any) {
		raw, _ := json.Marshal(v)
		out[list] = append(out[list], string(raw))
	}
	for _, f := range o.walk(mode) {
		withheld := map[*worldField]bool{}
		report := func() {
			var names []string
			for g := range withheld {
				names = append(names, g.name)
			}
			sort.Strings(names)
			put("shared", map[string]any{"collection": f.c.String(), "key": o.key(f.worldRow, withheld), "owners": len(f.own), "withheld": append([]string{}, names...)})
		}
		if mode == ModeGuarded && !f.c.open() {
			if !f.shown {
				withheld = everyField(f.c)
				report()
				continue
			}
			withheld = o.withheld(f.worldRow)
			if len(f.own) > 1 || !o.mine(f.worldRow) && len(f.own) > 0 || len(withheld) > 0 {
				report()
			}
		}
		row := map[string]any{}
		for i, g := range f.c.fields {
			if !withheld[g] && (len(targets) == 0 || slices.ContainsFunc(targets, g.about)) {
				row[g.name] = g.cell(f.v[i])
			}
		}
		if len(row) > 0 {
			put("rows "+f.c.String(), row)
		}
	}
	reach := o.reachable()
	for _, c := range o.w.colls {
		if !slices.Contains(reach, c.String()) {
			out["unreachable"] = append(out["unreachable"], c.String())
		}
	}
	for _, list := range out {
		sort.Strings(list)
	}
	return out
}

// reachable names the collections that the kinds of identity can lead to.
func (o *oracle) reachable() []string {
	seen := map[*worldColl]bool{}
	for _, c := range o.w.colls {
		for _, f := range c.fields {
			for _, id := range o.ids {
				if f.identity != "" && f.identity == id.Kind && id.Value != "" {
					seen[c] = true
				}
			}
		}
	}
	for range o.w.colls {
		for _, e := range o.w.edges() {
			if seen[e.from.coll] {
				seen[e.to.coll] = true
			}
		}
	}
	var out []string
	for _, c := range o.w.colls {
		if seen[c] {
			out = append(out, c.String())
		}
	}
	return out
}

// printed returns what the engine printed in the oracle's form.
func printed(t *rapid.T, req *Request) map[string][]string {
	found, err := Access(context.Background(), req)
	if err != nil {
		t.Fatalf("access: %v", err)
	}
	defer found.Close()
	var b bytes.Buffer
	if err := found.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var v struct {
		Rows        map[string][]map[string]any `json:"rows"`
		Shared      []map[string]any            `json:"shared"`
		Unreachable []string                    `json:"unreachable"`
	}
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	out := map[string][]string{}
	put := func(list string, v any) {
		raw, _ := json.Marshal(v)
		out[list] = append(out[list], string(raw))
	}
	for name, rows := range v.Rows {
		out["rows "+name] = nil
		for _, r := range rows {
			put("rows "+name, r)
		}
	}
	for _, s := range v.Shared {
		put("shared", s)
	}
	if len(v.Unreachable) > 0 {
		out["unreachable"] = v.Unreachable
	}
	for _, list := range out {
		sort.Strings(list)
	}
	return out
}

// listing writes lists in order, so that a difference can be seen.
func listing(m map[string][]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}) {
		b.WriteString(name + "\n")
		for _, v := range m[name] {
			b.WriteString("  " + v + "\n")
		}
	}
	return b.String()
}

// fate is what an erasure must do to the world.
type fate struct {
	gone    map[*worldRow]bool
	cleared map[*worldRow]map[*worldField]bool // masked
	cut     map[*worldRow]map[*worldField]bool // references to rows that go, NULL whatever the strategy
	skipped []string
	vague   bool // the contract leaves open which of several rows stays
	stays   bool // a row that should go has to stay
}

// erasure returns what becomes of each row.
func (o *oracle) erasure(mode Mode, remove bool, targets []string) *fate {
	f := &fate{gone: map[*worldRow]bool{}, cleared: map[*worldRow]map[*worldField]bool{}, cut: map[*worldRow]map[*worldField]bool{}}
	targeted := func(g *worldField) bool { return slices.ContainsFunc(targets, g.about) }
	for _, r := range o.walk(mode) {
		if !slices.ContainsFunc(r.c.fields, targeted) || mode == ModeGuarded && r.c.open() {
			continue
		}
		full := mode == ModeReference || o.alone(r.worldRow)
		if !full {
			withheld := o.withheld(r.worldRow)
			raw, _ := json.Marshal(map[string]any{"collection": r.c.String(), "key": o.key(r.worldRow, withheld), "owners": len(r.own)})
			f.skipped = append(f.skipped, string(raw))
			if !o.mine(r.worldRow) {
				continue
			}
		}
		if full && remove {
			f.gone[r.worldRow] = true
			continue
		}
		for _, g := range r.c.fields {
			if targeted(g) && !g.key && r.v[g.at] != nil && (full || o.namesMeAlone(r.worldRow, g)) {
				if f.cleared[r.worldRow] == nil {
					f.cleared[r.worldRow] = map[*worldField]bool{}
				}
				f.cleared[r.worldRow][g] = true
			}
		}
	}
	sort.Strings(f.skipped)
	forced := map[*worldRow]bool{} // rows that should go and have to stay
	for again := true; again; {
		again = false
		f.cut = map[*worldRow]map[*worldField]bool{}
		for _, r := range o.rows {
			if f.gone[r] {
				continue
			}
			for _, g := range r.c.fields {
				for _, ref := range g.refs {
					var going []*worldRow
					kept, only := false, true
					for _, to := range o.led(r, g, ref.to) {
						if f.gone[to] {
							going = append(going, to)
						} else {
							kept, only = true, only && forced[to]
						}
					}
					if kept && only && len(going) > 0 && slices.Contains(r.c.key, g.at) {
						f.vague = true // had this reference been looked at first, another row might stay
					}
					if kept || len(going) == 0 {
						continue
					}
					if slices.Contains(r.c.key, g.at) {
						f.stays = true
						f.vague = f.vague || len(going) > 1
						delete(f.gone, going[0])
						forced[going[0]] = true
						again = true
						continue
					}
					if f.cut[r] == nil {
						f.cut[r] = map[*worldField]bool{}
					}
					f.cut[r][g] = true
				}
			}
		}
	}
	return f
}

// namesMeAlone tells whether the field names the person and nobody else.
func (o *oracle) namesMeAlone(r *worldRow, f *worldField) bool {
	only := false
	if f.identity != "" && r.get(f) != "" {
		if o.root(f.identity+"="+r.get(f)) != o.root(o.me) {
			return false
		}
		only = true
	}
	for _, ref := range f.refs {
		if ref.direction != "from" || ref.accessor {
			continue
		}
		for _, up := range o.led(r, f, ref.to) {
			if !o.alone(up) {
				return false
			}
			only = true
		}
	}
	return only
}

// after returns the tables as they must be when all that is cleared is NULL.
func (o *oracle) after(f *fate) map[string][]string {
	out := map[string][]string{}
	for _, r := range o.rows {
		if f.gone[r] {
			continue
		}
		var cells []string
		for i, g := range r.c.fields {
			if r.v[i] == nil || f.cleared[r][g] || f.cut[r][g] {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, "'"+*r.v[i]+"'")
			}
		}
		out[r.c.name] = append(out[r.c.name], strings.Join(cells, "|"))
	}
	for _, list := range out {
		sort.Strings(list)
	}
	return out
}

// now returns the tables as they are.
func (w *world) now(t *rapid.T, d *database) map[string][]string {
	out := map[string][]string{}
	for _, c := range w.colls {
		// A statement of its own each time: the tables of the world before have the same names.
		rows, err := d.db.Query(fmt.Sprintf("SELECT * FROM %s /* %s */", c.name, rand.Text()))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			cells := make([]*string, len(c.fields))
			into := make([]any, len(cells))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, v := range cells {
				if v == nil {
					texts = append(texts, "NULL")
				} else {
					texts = append(texts, "'"+*v+"'")
				}
			}
			out[c.name] = append(out[c.name], strings.Join(texts, "|"))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
		sort.Strings(out[c.name])
	}
	return out
}

// build makes the world's tables anew.
func (w *world) build(t *rapid.T, d *database) {
	script := ""
	if strings.HasPrefix(d.dsn, "postgres") {
		script = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n"
	} else {
		for i := range 5 {
			script += "DROP TABLE IF EXISTS t" + strconv.Itoa(i) + ";\n"
		}
	}
	if _, err := d.db.Exec(script + w.schema()); err != nil {
		t.Fatalf("%v in %s", err, w.schema())
	}
}

func (w *world) request(t *rapid.T, d *database, ids []Identity) *Request {
	sets, err := Parse("world", []byte(w.yaml()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, w.yaml())
	}
	req := &Request{Datasets: sets, Connections: map[string]string{}, Identities: ids}
	for _, s := range sets {
		req.Connections[s.Key] = d.dsn
	}
	return req
}

func drawIdentities(t *rapid.T) []Identity {
	ids := []Identity{{"email", rapid.SampledFrom([]string{"1", "2", "3", "a", "a ", ""}).Draw(t, "email")}}
	if rapid.IntRange(1, 3).Draw(t, "second identity") == 1 {
		ids = append(ids, Identity{rapid.SampledFrom([]string{"phone", "email", "other"}).Draw(t, "kind"), rapid.SampledFrom([]string{"1", "2", "4"}).Draw(t, "value")})
	}
	return ids
}

var drawnTargets = [][]string{{"user"}, {"user"}, {"user.name"}, {"user.contact", "user.name_x"}, {"system", "user"}}

func TestAccessIsWhatTheRulesSay(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			w.build(t, d)
			ids := drawIdentities(t)
			req := w.request(t, d, ids)
			o := newOracle(w, ids)
			if rapid.IntRange(1, 4).Draw(t, "with targets") == 1 {
				req.Targets = rapid.SampledFrom(drawnTargets).Draw(t, "targets")
			}
			var got [2]map[string][]string
			for _, mode := range []Mode{ModeGuarded, ModeReference} {
				req.Mode = mode
				got[mode] = printed(t, req)
				if got, want := listing(got[mode]), listing(o.access(mode, req.Targets)); got != want {
					t.Fatalf("mode %d, %v: got\n%s\nwant\n%s\n%s\n%s", mode, ids, got, want, w.yaml(), w.schema())
				}
			}
			for name, rows := range got[ModeGuarded] {
				if strings.HasPrefix(name, "rows ") && len(rows) > len(got[ModeReference][name]) {
					t.Fatalf("%s: guarded shows more than Fides", name)
				}
			}
		})
	})
}

func TestErasureIsWhatTheRulesSay(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			w.build(t, d)
			ids := drawIdentities(t)
			req := w.request(t, d, ids)
			if rapid.IntRange(1, 4).Draw(t, "reference mode") == 1 {
				req.Mode = ModeReference
			}
			req.Targets = rapid.SampledFrom(drawnTargets).Draw(t, "targets")
			strategy := rapid.SampledFrom([]string{Null, Delete}).Draw(t, "strategy")
			o := newOracle(w, ids)
			f := o.erasure(req.Mode, strategy == Delete, req.Targets)
			if f.vague {
				return
			}
			before := listing(w.now(t, d))
			dry, _ := Erase(context.Background(), &Erasure{Request: *req, Strategy: strategy, DryRun: true})
			if now := listing(w.now(t, d)); now != before {
				t.Fatalf("a dry run changed\n%s\nto\n%s", before, now)
			}
			out, err := Erase(context.Background(), &Erasure{Request: *req, Strategy: strategy})
			said, _ := json.Marshal(out)
			context := func() string {
				return fmt.Sprintf("%v %v %s said %s, %v\n%s\n%s", ids, req.Targets, strategy, said, err, w.yaml(), w.schema())
			}
			if (err != nil) != f.stays || out.Verified != !f.stays {
				t.Fatalf("error %v, verified %t, and a row stays is %t: %s", err, out.Verified, f.stays, context())
			}
			dry.Verified = out.Verified
			if promised, _ := json.Marshal(dry); string(promised) != string(said) {
				t.Fatalf("the dry run said %s: %s", promised, context())
			}
			if got, want := listing(w.now(t, d)), listing(o.after(f)); got != want {
				t.Fatalf("got\n%s\nwant\n%s: %s", got, want, context())
			}
			var skipped []string
			for _, s := range out.Skipped {
				var key any
				json.Unmarshal(s.Key, &key)
				raw, _ := json.Marshal(map[string]any{"collection": s.Collection, "key": key, "owners": s.Owners})
				skipped = append(skipped, string(raw))
			}
			sort.Strings(skipped)
			if req.Mode == ModeReference {
				f.skipped = nil
			}
			if !slices.Equal(skipped, f.skipped) {
				t.Fatalf("kept\n%s\nwant\n%s: %s", strings.Join(skipped, "\n"), strings.Join(f.skipped, "\n"), context())
			}
			masked, deleted := map[string]int{}, map[string]int{}
			for _, r := range o.rows {
				if f.gone[r] {
					deleted[r.c.String()]++
				} else if len(f.cleared[r]) > 0 || len(f.cut[r]) > 0 {
					masked[r.c.String()]++
				}
			}
			if got, want := fmt.Sprint(out.Masked, out.Deleted), fmt.Sprint(masked, deleted); got != want {
				t.Fatalf("counted %s, want %s: %s", got, want, context())
			}
		})
	})
}
