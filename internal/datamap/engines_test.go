package datamap

import (
	"strings"
	"testing"

	"probity/internal/store/storetest"
)

// fields writes the fields of a map that are all personal.
func fields(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("    - {name: " + n + ", data_categories: [user.content]}\n")
	}
	return b.String()
}

func TestTheTypesOfPostgreSQLAreShownAndMasked(t *testing.T) {
	for _, strategy := range []string{Null, Redact, Hash, HMAC, Pseudonymise} {
		t.Run(strategy, func(t *testing.T) { typesOfPostgreSQL(t, strategy) })
	}
}

func typesOfPostgreSQL(t *testing.T, strategy string) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE DOMAIN short AS VARCHAR(12) NOT NULL CHECK (VALUE <> '');
CREATE TYPE size AS ENUM ('s', 'm', 'l', 'xl');
CREATE TABLE "People" (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "E-Mail" VARCHAR(60), "select" short, size size NOT NULL, tags TEXT[], numbers INTEGER[], pay MONEY, ip INET, span INTERVAL,
	code CHAR(6) NOT NULL, doc JSON, born DATE, seen TIMESTAMPTZ, at TIME, ratio DOUBLE PRECISION, big BIGINT, u UUID, raw BYTEA, flag BOOLEAN, balance INTEGER, low TEXT GENERATED ALWAYS AS (lower("E-Mail")) STORED);
INSERT INTO "People" ("E-Mail", "select", size, tags, numbers, pay, ip, span, code, doc, born, seen, at, ratio, big, u, raw, flag, balance) VALUES
	('a@x', 'Ann', 's', '{a,b}', '{1,2}', 12.5, '10.0.0.1', '2 days', 'ab', '{"x":
 1}', '1980-05-05', '2020-01-01 10:00+02', '10:00', 1.5, 9007199254740993, 'f47ac10b-58cc-4372-a567-0e02b2c3d479', '\x0102', true, -25000);
`)
		names := []string{"select", "size", "tags", "numbers", "pay", "ip", "span", "code", "doc", "born", "seen", "at", "ratio", "big", "u", "raw", "flag", "balance", "low"}
		dataset := "dataset:\n- fides_key: d\n  fides_meta: {namespace: {schema: public}}\n  collections:\n  - name: People\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: E-Mail, data_categories: [user.contact.email], fides_meta: {identity: email}}\n" + fields(names...)
		req := request(t, d, dataset, "email", "a@x")
		got := access(t, req)
		for _, want := range []string{`"flag": true`, `"balance": -25000`, `"born": "1980-05-05"`, `"code": "ab"`, `"ip": "10.0.0.1"`, `"ratio": 1.5`, `"x": 1`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in %s", want, got)
			}
		}
		found, err := Access(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		found.Rows("d:People", func(row []byte) error {
			if !strings.Contains(string(row), `"big":9007199254740993,`) {
				t.Errorf("a large number was rounded: %s", row)
			}
			return nil
		})
		found.Close()
		if out := erase(t, req, strategy, true, "user"); !out.Verified || len(out.Unmaskable) > 0 {
			t.Error(jsonOf(t, out))
		}
		expect(t, "clear values", d.table(t, `SELECT count(*) FROM "People" WHERE "E-Mail" = 'a@x' OR "select" = 'Ann' OR size = 's' OR tags = '{a,b}' OR numbers = '{1,2}' OR pay = 12.5::money OR ip = '10.0.0.1' OR span = '2 days'
			OR code = 'ab' OR doc::text LIKE '%1%' AND doc::text LIKE '%x%:%' OR born = '1980-05-05' OR seen = '2020-01-01 10:00+02' OR at = '10:00' OR ratio = 1.5 OR big = 9007199254740993 OR u = 'f47ac10b-58cc-4372-a567-0e02b2c3d479' OR raw = '\x0102' OR flag OR balance = -25000 OR low = 'a@x'`), "0")
	})
}

func TestViewsPartitionsTriggersAndRowSecurity(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE parts (email VARCHAR(60), region INTEGER NOT NULL, body TEXT) PARTITION BY LIST (region);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
INSERT INTO parts VALUES ('a@x', 1, 'hello'), ('a@x', 1, 'hello'), ('a@x', 2, 'hello'), ('b@x', 2, 'theirs');
CREATE TABLE base (id INTEGER PRIMARY KEY, email VARCHAR(60), body TEXT);
INSERT INTO base VALUES (1, 'a@x', 'seen');
CREATE VIEW looks AS SELECT * FROM base;
CREATE TABLE guarded (id INTEGER PRIMARY KEY, email VARCHAR(60), body TEXT);
INSERT INTO guarded VALUES (1, 'a@x', 'mine'), (2, 'a@x', 'hidden');
`)
		one := func(name, key string) string {
			return "  - name: " + name + "\n    fields:\n" + key + "    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: body, data_categories: [user.content]}\n"
		}
		head := "dataset:\n- fides_key: d\n  collections:\n"
		id := "    - {name: id, fides_meta: {primary_key: true}}\n"
		if out := erase(t, request(t, d, head+one("parts", ""), "email", "a@x"), Redact, true, "user"); !out.Verified || out.Masked["d:parts"] != 3 {
			t.Errorf("partitions: %s", jsonOf(t, out))
		}
		expect(t, "parts", d.table(t, "SELECT count(*), count(*) FILTER (WHERE body = 'hello'), count(*) FILTER (WHERE body = 'theirs') FROM parts"), "4|0|1")
		out := erase(t, request(t, d, head+one("looks", id), "email", "a@x"), Null, false, "user")
		if len(out.Unmaskable) != 1 || out.Unmaskable[0].Collection != "d:looks" || out.Verified {
			t.Errorf("a view: %s", jsonOf(t, out))
		}
		if got := access(t, request(t, d, head+one("looks", id), "email", "a@x")); !strings.Contains(got, "seen") {
			t.Errorf("a view is not read: %s", got)
		}
		// Rows that the store's policy hides can't be seen; a policy that refuses the change is named.
		d.exec(t, `ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY sees ON guarded FOR SELECT USING (true);
CREATE POLICY changes ON guarded FOR UPDATE USING (id = 1);
`)
		out = erase(t, request(t, d, head+one("guarded", id), "email", "a@x"), Null, false, "user.content")
		expect(t, "guarded", d.table(t, "SELECT id, body FROM guarded ORDER BY id"), "1|NULL\n2|hidden")
		if len(out.Unmaskable) == 0 || out.Verified {
			t.Errorf("row security: %s", jsonOf(t, out))
		}
	})
}

func TestConstraintsOfSeveralRowsAreKept(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(60), mentor INTEGER, FOREIGN KEY (mentor) REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE stays (id INTEGER PRIMARY KEY, email VARCHAR(60), room INTEGER NOT NULL, nights INT4RANGE NOT NULL, EXCLUDE USING gist (int4range(room, room, '[]') WITH =, nights WITH &&));
INSERT INTO people VALUES (1, 'a@x', 2), (2, 'a@x', 1), (3, 'b@x', 1);
INSERT INTO stays VALUES (1, 'a@x', 1, '[1,3)'), (2, 'a@x', 1, '[3,5)'), (3, 'b@x', 1, '[5,9)');
`)
		dataset := "dataset:\n- fides_key: d\n  collections:\n  - name: people\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: mentor, fides_meta: {references: [{dataset: d, field: people.id, direction: to, role: accessor}]}}\n" +
			"  - name: stays\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: nights, data_categories: [user.behavior]}\n"
		req := request(t, d, dataset, "email", "a@x")
		masked, _ := Erase(t.Context(), &Erasure{Request: Request{Datasets: req.Datasets, Connections: req.Connections, Identities: req.Identities, Targets: []string{"user.behavior"}}, Strategy: Hash, DryRun: true})
		if masked == nil || masked.Masked["d:stays"]+len(masked.Unmaskable) == 0 {
			t.Errorf("an exclusion is neither kept nor named: %s", jsonOf(t, masked))
		}
		out := erase(t, req, Delete, true, "user")
		if !out.Verified || out.Deleted["d:people"] != 2 || out.Deleted["d:stays"] != 2 {
			t.Errorf("got %s", jsonOf(t, out))
		}
		expect(t, "people", d.table(t, "SELECT id, email, mentor FROM people"), "3|b@x|NULL")
	})
}

func TestTheTypesOfMariaDBAreShownAndMasked(t *testing.T) {
	for _, strategy := range []string{Null, Redact, Hash, Pseudonymise} {
		t.Run(strategy, func(t *testing.T) { typesOfMariaDB(t, strategy) })
	}
}

func typesOfMariaDB(t *testing.T, strategy string) {
	eachMariaDB(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE people (id BIGINT UNSIGNED PRIMARY KEY, email VARCHAR(60) CHARACTER SET latin1, doc JSON, size ENUM('s','m','l','xl') NOT NULL, tags SET('a','b','c') NOT NULL, flags BIT(3) NOT NULL, big BIGINT UNSIGNED, padded INT(8) ZEROFILL NOT NULL, small TINYINT NOT NULL, low VARCHAR(60) AS (LOWER(name)) STORED, name VARCHAR(60), changed TIMESTAMP NOT NULL DEFAULT '2020-01-01 10:00:00' ON UPDATE CURRENT_TIMESTAMP, raw VARBINARY(4) NOT NULL, y YEAR NOT NULL, dur TIME NOT NULL);\n"+
			"INSERT INTO people (id, email, doc, size, tags, flags, big, padded, small, name, raw, y, dur) VALUES (18446744073709551615, 'Ann@x', '{\"phone\": \"+49 123\", \"n\": [1, 2]}', 's', 'a,b', 5, 18446744073709551614, 42, -7, 'Ännchen', 0x0102, 1999, '10:00:00'), (18446744073709551614, 'ann@x', NULL, 'm', 'b', 1, 7, 43, 3, 'other', 0x01, 2000, '11:00:00');\n")
		dataset := "dataset:\n- fides_key: d\n  collections:\n  - name: people\n    fields:\n    - {name: id, fides_meta: {primary_key: true}}\n    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n    - {name: doc, fields: [{name: phone, data_categories: [user.contact.phone_number]}, {name: n}]}\n    - {name: changed}\n" +
			fields("size", "tags", "flags", "big", "padded", "small", "low", "name", "raw", "y", "dur")
		req := request(t, d, dataset, "email", "Ann@x")
		found, err := Access(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var line string
		found.Rows("d:people", func(row []byte) error { line += string(row); return nil })
		found.Close()
		expect(t, "row", line, `{"id":18446744073709551615,"email":"Ann@x","doc":{"n":[1,2],"phone":"+49 123"},"changed":"2020-01-01 10:00:00","size":"s","tags":"a,b","flags":5,"big":18446744073709551614,"padded":42,"small":-7,"low":"ännchen","name":"Ännchen","raw":"0102","y":1999,"dur":"10:00:00"}`)
		before := d.table(t, "SELECT * FROM people WHERE email = 'ann@x' AND BINARY email = 'ann@x'")
		out := erase(t, req, strategy, true, "user")
		if !out.Verified {
			t.Errorf("%s: %s", strategy, jsonOf(t, out))
		}
		expect(t, "the other's row", d.table(t, "SELECT * FROM people WHERE BINARY email = 'ann@x'"), before)
		expect(t, "clear values", d.table(t, `SELECT COUNT(*) FROM people WHERE id = 18446744073709551615 AND (doc LIKE '%49 123%' OR size = 's' OR tags = 'a,b' OR flags = 5 OR big = 18446744073709551614 OR padded = 42 OR small = -7 OR name LIKE '%nnchen' OR low LIKE '%nnchen' OR raw = 0x0102 OR y = 1999 OR dur = '10:00:00' OR changed <> '2020-01-01 10:00:00')`), "0")
		d.exec(t, "CREATE TABLE plain (id INTEGER PRIMARY KEY, email VARCHAR(60), name VARCHAR(60)) ENGINE=MyISAM;\nINSERT INTO plain VALUES (1, 'a@x', 'Ann');\n")
		for _, strategy := range []string{Null, Delete} {
			out := erase(t, request(t, d, strings.ReplaceAll(peopleMap, "people", "plain"), "email", "a@x"), strategy, false, "user")
			if len(out.Unmaskable) == 0 || !strings.Contains(out.Unmaskable[0].Why, "no transactions") {
				t.Errorf("MyISAM: %s", jsonOf(t, out))
			}
		}
		expect(t, "plain", d.table(t, "SELECT * FROM plain"), "1|a@x|Ann")
	})
}

// eachMariaDB runs the test on MariaDB alone, for what only it has.
func eachMariaDB(t *testing.T, test func(t *testing.T, d *database)) {
	dsn, db := storetest.MariaDB(t)
	test(t, &database{dsn: dsn, db: db})
}
