package datamap

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"probity/internal/fail"
)

// Finding is what Lint found: a gap between the dataset files and the stores.
type Finding struct {
	Rule       string `json:"rule"`
	Collection string `json:"collection"`
	Field      string `json:"field,omitempty"`
	Message    string `json:"message"`
}

// looks are names and contents by which a column is taken for personal data.
var looks = []struct {
	name     *regexp.Regexp
	value    *regexp.Regexp // of most values; nil: the name is enough
	category string
	identity string
}{
	{name: regexp.MustCompile(`(?i)(^|_)e?_?mail(_?addr(ess)?)?($|_|\d)|email`), value: regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`), category: "user.contact.email", identity: "email"},
	{name: regexp.MustCompile(`(?i)phone|(^|_)(tel|mobile|cell|msisdn|fax)($|_|no|number)`), value: regexp.MustCompile(`^\+?[\d ()./-]{7,20}$`), category: "user.contact.phone_number", identity: "phone_number"},
	{name: regexp.MustCompile(`(?i)iban|bank_?account|account_?number`), value: regexp.MustCompile(`^[A-Z]{2}\d{2}[A-Z0-9 ]{10,32}$`), category: "user.financial.bank_account"},
	{name: regexp.MustCompile(`(?i)(credit_?)?card_?(no|number)|^ccn$|^pan$`), value: regexp.MustCompile(`^[\d -]{12,23}$`), category: "user.financial.credit_card"},
	{name: regexp.MustCompile(`(?i)^(ssn|nino|bsn|pesel|nif|dni|siren)$|social_?security|national_?id|tax_?id|passport`), category: "user.government_id"},
	{name: regexp.MustCompile(`(?i)^(first|last|full|given|family|middle|sur|user|maiden|display|nick)_?name$|^name$|^surname$`), category: "user.name"},
	{name: regexp.MustCompile(`(?i)birth|(^|_)dob($|_)`), category: "user.demographic.date_of_birth"},
	{name: regexp.MustCompile(`(?i)(^|_)(street|address|addr|address_?line\d?)($|_|\d)`), category: "user.contact.address.street"},
	{name: regexp.MustCompile(`(?i)(^|_)(zip|postal|postcode|plz|post_code)($|_|code)`), category: "user.contact.address.postal_code"},
	{name: regexp.MustCompile(`(?i)^(city|town)$`), category: "user.contact.address.city"},
	{name: regexp.MustCompile(`(?i)(^|_)ip(_?addr(ess)?)?($|_)|remote_addr`), value: regexp.MustCompile(`^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]{3,39})(/\d+)?$`), category: "user.device.ip_address"},
	{name: regexp.MustCompile(`(?i)(^|_)(gender|sex)($|_)`), category: "user.demographic.gender"},
	{name: regexp.MustCompile(`(?i)cookie|device_?id|visitor_?id|user_?agent`), category: "user.device.cookie_id"},
	{name: regexp.MustCompile(`(?i)(^|_)(lat|lng|lon|latitude|longitude|geo)($|_)`), category: "user.location"},
	{name: regexp.MustCompile(`(?i)password|passwd|pwd_hash`), category: "user.authorization.password"},
	{name: regexp.MustCompile(`(?i)salary|income|wage`), category: "user.financial"},
}

// guess returns what a column looks like, by its name and by a sample of its values.
func guess(name string, class class, sample []string) (category, identity string) {
	for _, l := range looks {
		if l.name.MatchString(name) && (l.value == nil || len(sample) == 0 || share(l.value, sample) > 0.5) {
			return l.category, l.identity
		}
	}
	if class != text && class != citext && class != other {
		return "", ""
	}
	for _, l := range looks {
		// What only the values say must be plain: an address of mail, an account.
		if l.value != nil && len(sample) >= 3 && (l.identity == "email" || l.category == "user.financial.bank_account") && share(l.value, sample) > 0.8 {
			return l.category, l.identity
		}
	}
	return "", ""
}

func share(re *regexp.Regexp, sample []string) float64 {
	n := 0
	for _, s := range sample {
		if re.MatchString(s) {
			n++
		}
	}
	return float64(n) / float64(max(len(sample), 1))
}

// sample returns up to a hundred values of each text column of the table, by column.
func (s *store) sample(ctx context.Context, q querier, t *table) (map[string][]string, error) {
	var exprs []string
	var names []string
	for _, c := range t.columns {
		if c.class == text || c.class == citext || c.class == other {
			names = append(names, c.name)
			exprs = append(exprs, s.dialect.read(c, "t."+s.dialect.quote(c.name)))
		}
	}
	out := map[string][]string{}
	if len(names) == 0 {
		return out, nil
	}
	cells := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	err := each(ctx, q, func(r *sql.Rows) error {
		if err := r.Scan(into...); err != nil {
			return err
		}
		for i, c := range cells {
			if c.Valid && c.String != "" && len(c.String) < 200 {
				out[names[i]] = append(out[names[i]], c.String)
			}
		}
		return nil
	}, "SELECT "+strings.Join(exprs, ", ")+" FROM "+s.name(t)+" t LIMIT 100")
	return out, err
}

// Lint compares dataset files with the stores' own catalogues and contents. It only reads, and what
// it finds holds no values.
func Lint(ctx context.Context, sets []*Dataset, connections map[string]string) ([]Finding, error) {
	req := &Request{Datasets: sets, Connections: connections}
	stores, _, err := connect(ctx, req)
	if err != nil {
		closeAll(stores)
		return nil, err
	}
	defer closeAll(stores)
	w, err := newWalker(ctx, req, stores, true)
	if err != nil {
		return nil, err
	}
	defer w.rollback()
	var out []Finding
	add := func(rule, collection, field, format string, args ...any) {
		out = append(out, Finding{rule, collection, field, fmt.Sprintf(format, args...)})
	}
	kinds := make([]string, 0, len(w.g.identities))
	for k := range w.g.identities {
		kinds = append(kinds, k)
	}
	if len(kinds) == 0 {
		add("no-identity", "", "", "no field of any dataset is an identity, so no request can find anything")
	}
	reach := w.g.reachable(kinds)
	for _, c := range w.g.collections {
		s := stores[c.Dataset]
		t := s.tables[c]
		if !reach[c] {
			add("unreachable", c.String(), "", "no identity leads to this collection: add a reference or an identity")
		}
		for _, f := range c.leaves {
			if len(f.Categories) == 0 {
				add("no-category", c.String(), f.Name(), "the field has no data category, so no request with a target touches it")
			}
			if len(f.Path) == 1 && f.Length > 0 {
				if col := t.column(f.Column()); col.length > 0 && f.Length > col.length {
					add("length", c.String(), f.Name(), "the file says %d characters, the column holds %d", f.Length, col.length)
				}
			}
			// Where a walk looks rows up by a column without an index, it reads the whole table.
			looked := f.Identity != ""
			for _, other := range w.g.collections {
				for _, e := range w.g.out[other] {
					looked = looked || e.to == f
				}
			}
			if looked && (len(f.Path) > 1 || !t.leading[f.Column()]) {
				add("no-index", c.String(), f.Name(), "rows are found by this column and it has no index: each request reads the whole table")
			}
		}
		if keys := c.Keys(); len(keys) > 0 && len(t.key) > 0 {
			var names []string
			for _, k := range keys {
				names = append(names, k.Column())
			}
			if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(t.key))) {
				add("primary-key", c.String(), "", "the file calls %s the primary key, the table %s", strings.Join(names, ", "), strings.Join(t.key, ", "))
			}
		}
		for _, fk := range t.out {
			known := slices.ContainsFunc(c.leaves, func(f *Field) bool {
				return slices.Contains(fk.columns, f.Column()) && slices.ContainsFunc(f.References, func(r Reference) bool {
					rt := stores[r.Target.Collection.Dataset].tables[r.Target.Collection]
					return rt != nil && rt.schema == fk.refSchema && rt.name == fk.refTo
				})
			})
			if !known {
				for other, ot := range s.tables { // the other side may say it
					if ot.schema == fk.refSchema && ot.name == fk.refTo {
						known = known || slices.ContainsFunc(other.leaves, func(f *Field) bool {
							return slices.ContainsFunc(f.References, func(r Reference) bool { return r.Target.Collection == c })
						})
					}
				}
			}
			if !known {
				add("foreign-key", c.String(), strings.Join(fk.columns, ","), "the foreign key to %s(%s) is in no reference: say whether it leads from there or to there", fk.refTo, strings.Join(fk.refColumns, ","))
			}
		}
	}
	for _, d := range sets {
		s := stores[d]
		tables, err := s.dialect.tables(ctx, w.txs[d], d.Schema)
		if err != nil {
			return nil, fail.Wrap(fail.Unavailable, scrub(err), "list the tables of %s", d.Key)
		}
		for _, name := range tables {
			t, err := s.dialect.catalogue(ctx, w.txs[d], d.Schema, name)
			if err != nil || t == nil {
				return nil, fail.Wrap(fail.Unavailable, scrub(err), "read the catalogue of %s", name)
			}
			var mapped *Collection
			for c, ct := range s.tables {
				if ct.schema == t.schema && ct.name == t.name {
					mapped = c
				}
			}
			if mapped == nil && slices.ContainsFunc(d.Collections, func(c *Collection) bool { return c.Name == name && c.Skip }) {
				continue
			}
			values, err := s.sample(ctx, w.txs[d], t)
			if err != nil {
				return nil, fail.Wrap(fail.Unavailable, scrub(err), "look at %s", name)
			}
			for _, col := range t.columns {
				if mapped != nil && slices.ContainsFunc(mapped.Fields, func(f *Field) bool { return f.Column() == col.name }) {
					continue
				}
				if category, _ := guess(col.name, col.class, values[col.name]); category != "" {
					add("unmapped", d.Key+":"+name, col.name, "looks like %s and is in no dataset", category)
				}
			}
		}
	}
	if err := w.crowds(ctx, add); err != nil {
		return nil, err
	}
	return out, nil
}

// crowds names identities of which one value would own half of a table.
func (w *walker) crowds(ctx context.Context, add func(rule, collection, field, format string, args ...any)) error {
	for _, c := range w.g.collections {
		s := w.stores[c.Dataset]
		t := s.tables[c]
		for _, f := range c.leaves {
			if f.Identity == "" || len(f.Path) > 1 {
				continue
			}
			name := s.dialect.quote(f.Column())
			var most, total int64
			err := scan(ctx, w.txs[c.Dataset], []any{&most, &total}, "SELECT COALESCE(MAX(n), 0), COALESCE(SUM(n), 0) FROM (SELECT COUNT(*) AS n FROM "+s.name(t)+" WHERE "+name+" IS NOT NULL GROUP BY "+name+") g")
			if err != nil {
				return fail.Wrap(fail.Unavailable, scrub(err), "count the rows of %s", c)
			}
			if total >= 10 && most*2 >= total {
				add("crowd", c.String(), f.Name(), "one value stands in %d of %d rows: it is no single person's, and an erasure of it would be stopped by the brake at best", most, total)
			}
		}
	}
	return nil
}
