package datamap

import (
	"strings"
	"testing"
)

// hard is a table whose columns each have a rule that naive masking breaks.
func hard(columns ...string) (schema, dataset string) {
	var b, m strings.Builder
	b.WriteString("CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(100)")
	m.WriteString("dataset:\n- fides_key: d\n  collections:\n  - name: people\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n")
	for _, c := range columns {
		name, _, _ := strings.Cut(c, " ")
		b.WriteString(", " + c)
		m.WriteString("    - {name: " + name + ", data_categories: [user.content]}\n")
	}
	b.WriteString(")")
	return b.String() + ";\n", m.String()
}

func TestEachConstraintIsKeptByTheNearestStrategy(t *testing.T) {
	columns := []string{
		"a VARCHAR(20) NOT NULL",
		"b VARCHAR(20) NOT NULL UNIQUE",
		"c CHAR(2) NOT NULL",
		"e VARCHAR(30) NOT NULL CHECK (e LIKE '%@%')",
		"f INTEGER NOT NULL CHECK (f >= 18 AND f < 150)",
		"g VARCHAR(10) NOT NULL CHECK (g IN ('red', 'green', 'blue'))",
		"h DATE NOT NULL",
		"i DATE NOT NULL CHECK (i > '2000-01-01')",
		"j DECIMAL(6,2) NOT NULL UNIQUE",
		"k VARCHAR(3) UNIQUE",
		"l VARCHAR(60) CHECK (l IS NULL OR CHAR_LENGTH(l) = 5)",
		"m INTEGER UNIQUE",
		"n VARCHAR(20) NOT NULL UNIQUE CHECK (n LIKE '+%')",
		"o TIMESTAMP NOT NULL",
		"p SMALLINT NOT NULL",
	}
	row := "%d, '%s', '%s', 'b%d', 'DE', 'x%d@example.com', 44, 'red', '1980-05-05', '2010-01-01', %d.50, 'k%d', 'abcde', %d, '+49%d', '2020-02-02 10:00:00', 3"
	for _, strategy := range []string{Null, Redact, Hash, HMAC, Pseudonymise} {
		t.Run(strategy, func(t *testing.T) {
			eachStore(t, func(t *testing.T, d *database) {
				schema, dataset := hard(columns...)
				d.exec(t, schema)
				for i, who := range []string{"a@x", "a@x", "b@x"} {
					n := i + 1
					values := strings.NewReplacer("%d, '%s', '%s'", itoa(n)+", '"+who+"', 'Ann'").Replace(row)
					values = strings.ReplaceAll(values, "%d", itoa(n))
					d.exec(t, "INSERT INTO people VALUES ("+values+");\n")
				}
				before := d.table(t, "SELECT * FROM people WHERE id = 3")
				out := erase(t, request(t, d, dataset, "email", "a@x"), strategy, true, "user")
				if !out.Verified || out.Masked["d:people"] != 2 {
					t.Errorf("got %s", jsonOf(t, out))
				}
				expect(t, "the other's row", d.table(t, "SELECT * FROM people WHERE id = 3"), before)
				left := d.table(t, `SELECT count(*) FROM people WHERE id < 3 AND (a = 'Ann' OR b IN ('b1', 'b2') OR c = 'DE' OR e LIKE 'x%example.com' OR f = 44 OR g = 'red'
					OR h = '1980-05-05' OR i = '2010-01-01' OR j IN (1.5, 2.5) OR k IN ('k1', 'k2') OR l = 'abcde' OR m IN (1, 2) OR n = '+491' AND id = 1 OR o = '2020-02-02 10:00:00' OR p = 3 OR email = 'a@x')`)
				expect(t, "rows with clear values", left, "0")
				t.Log(d.table(t, "SELECT * FROM people WHERE id < 3"), jsonOf(t, out.Substituted))
			})
		})
	}
}

func itoa(n int) string { return string(rune('0' + n)) }

func TestWhatNoStrategyCanMaskIsNamed(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE teams (id INTEGER PRIMARY KEY);
CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(60), member BOOLEAN NOT NULL, mood mood NOT NULL, team INTEGER NOT NULL REFERENCES teams(id),
	full_name TEXT GENERATED ALWAYS AS ('n' || id) STORED, guarded TEXT, codes TEXT[], doc JSONB, ip INET NOT NULL, u UUID NOT NULL, only_one VARCHAR(5) NOT NULL CHECK (only_one = 'abc'), raw BYTEA NOT NULL);
CREATE FUNCTION keep() RETURNS trigger AS $$ BEGIN NEW.guarded := OLD.guarded; RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER keep BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION keep();
INSERT INTO teams VALUES (1), (2);
INSERT INTO people (id, email, member, mood, team, guarded, codes, doc, ip, u, only_one, raw) VALUES (1, 'a@x', true, 'sad', 1, 'secret', '{s1,s2}', '{"phones": [{"n": "+49123", "t": 1}], "keep": 1}', '10.0.0.1', 'f47ac10b-58cc-4372-a567-0e02b2c3d479', 'abc', '\x0102');
`)
		dataset := `
dataset:
- fides_key: d
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
`
		for _, f := range []string{"member", "mood", "team", "full_name", "guarded", "codes", "ip", "u", "only_one", "raw"} {
			dataset += "    - {name: " + f + ", data_categories: [user.content]}\n"
		}
		dataset += "    - {name: doc, fields: [{name: phones, fields: [{name: n, data_categories: [user.contact.phone_number]}, {name: t}]}, {name: keep}]}\n"
		out := erase(t, request(t, d, dataset, "email", "a@x"), Redact, false, "user")
		if out.Verified {
			t.Error("verified, although values stay")
		}
		var named []string
		for _, u := range out.Unmaskable {
			named = append(named, u.Field)
		}
		if got := strings.Join(named, " "); got != "member mood team only_one full_name guarded" {
			t.Errorf("named %s: %s", got, jsonOf(t, out.Unmaskable))
		}
		expect(t, "rest", d.table(t, "SELECT email, codes, doc, ip, u = 'f47ac10b-58cc-4372-a567-0e02b2c3d479', raw = '\\x0102' FROM people"),
			`[email]|{"[personal info]"}|{"keep": 1, "phones": [{"n": "[phone]", "t": 1}]}|0.0.0.0|false|false`)
	})
}
