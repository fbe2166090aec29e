package datamap

import (
	"strings"
	"testing"

	"probity/internal/fail"
)

// correct runs a correction after a dry run of it, which must say the same and change nothing.
func correct(t *testing.T, d *database, req *Request, replace ...Replacement) (*Rectified, error) {
	t.Helper()
	c := Correction{Request: *req, Replace: replace}
	dry := c
	dry.DryRun = true
	said, sayErr := Rectify(t.Context(), &dry)
	if said.Verified {
		t.Error("a dry run says that something was verified")
	}
	out, err := Rectify(t.Context(), &c)
	if (sayErr == nil) != (err == nil) {
		t.Errorf("the dry run ended with %v, and done was %v", sayErr, err)
	}
	said.Verified = out.Verified
	if a, b := jsonOf(t, said), jsonOf(t, out); a != b {
		t.Errorf("the dry run said\n%s\nand done was\n%s", a, b)
	}
	return out, err
}

func TestACorrectionReachesEveryRowThatIsThePersonsAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows+"INSERT INTO orders VALUES (15, 1, NULL, 'Ann', 7.00, NULL);\n")
		out, err := correct(t, d, request(t, d, shopMap, "email", "ann@example.com"),
			Replacement{"email", "ann@example.com", "anne@example.com"}, Replacement{"user.name", "Ann", "Anne"}, Replacement{"user.contact.address", "High Street 1", "High Street 2"})
		if err != nil || !out.Verified {
			t.Fatalf("verified: %t, %v: %s", out.Verified, err, jsonOf(t, out))
		}
		expect(t, "customers", d.table(t, "SELECT id, email, alt_email, name FROM customers ORDER BY id"), `
1|anne@example.com|ann@work.example|Anne
2|bob@example.com|NULL|Bob
3|cy@example.com|NULL|Cy`)
		// Order 12 is Bob's, with Ann's address as that of the gift: the address names her alone, the name
		// is in a row of both.
		expect(t, "orders", d.table(t, "SELECT id, gift_email, gift_name FROM orders ORDER BY id"), `
10|NULL|NULL
11|bob@example.com|Bob
12|anne@example.com|Ann
13|NULL|NULL
14|ann@work.example|me
15|NULL|Anne`)
		expect(t, "the shared address", d.table(t, "SELECT street FROM addresses WHERE id = 1"), "High Street 1")
		expect(t, "free text", d.table(t, "SELECT note FROM order_items WHERE order_id = 10"), "for Ann")
		if got := jsonOf(t, out.Changed); got != `[{"collection":"shop:customers","field":"email","rows":1},{"collection":"shop:customers","field":"name","rows":1},{"collection":"shop:orders","field":"gift_email","rows":1},{"collection":"shop:orders","field":"gift_name","rows":1},{"collection":"shop:referrals","field":"email","rows":1}]` {
			t.Errorf("changed %s", got)
		}
		if list := records(t, out); len(list) != 5 || string(list[0].Key) != `{"id":1}` {
			t.Errorf("records %s", jsonOf(t, list))
		}
		if got := jsonOf(t, out.Skipped); !strings.Contains(got, `"shop:addresses"`) || !strings.Contains(got, `"shop:orders"`) || len(out.Skipped) != 2 {
			t.Errorf("skipped %s", got)
		}
		again, err := correct(t, d, request(t, d, shopMap, "email", "ann@work.example"), Replacement{"email", "ann@example.com", "anne@example.com"})
		if err != nil || len(again.Changed) != 0 || !again.Verified {
			t.Errorf("a second correction: %v, %s", err, jsonOf(t, again))
		}
	})
}

func TestTwoValuesCanBeExchanged(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		out, err := correct(t, d, request(t, d, shopMap, "email", "ann@example.com"),
			Replacement{"email", "ann@example.com", "ann@work.example"}, Replacement{"email", "ann@work.example", "ann@example.com"})
		if err != nil || !out.Verified {
			t.Fatalf("%v: %s", err, jsonOf(t, out))
		}
		expect(t, "customers", d.table(t, "SELECT email, alt_email FROM customers WHERE id = 1"), "ann@work.example|ann@example.com")
	})
}

func TestAValueThatNamesSomebodyElseIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		out, err := correct(t, d, request(t, d, shopMap, "email", "ann@example.com"), Replacement{"email", "ann@example.com", "cy@example.com"})
		if !fail.Is(err, fail.Conflict) || len(out.Refused) == 0 || out.Verified || len(out.Changed) != 0 {
			t.Errorf("%v: %s", err, jsonOf(t, out))
		}
		expect(t, "customers", d.table(t, "SELECT email FROM customers ORDER BY id"), "ann@example.com\nbob@example.com\ncy@example.com")
	})
}

func TestWhatAConstraintForbidsIsNamedAndNothingIsHalfDone(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		schema, dataset := hard("a VARCHAR(5) NOT NULL", "b VARCHAR(20) UNIQUE", "c VARCHAR(20) CHECK (c LIKE '+%')", "n INTEGER", "m DECIMAL(6,2)", "z VARCHAR(20)")
		d.exec(t, schema+"INSERT INTO people VALUES (1, 'a@x', 'Ann', 'b1', '+1', 7, 1.50, 'old'), (2, 'b@x', 'Bob', 'b2', '+2', 8, 2.50, 'old');\n")
		before := d.table(t, "SELECT * FROM people ORDER BY id")
		req := request(t, d, dataset, "email", "a@x")
		for name, c := range map[string]struct {
			replace Replacement
			field   string
			why     string
		}{
			"length": {Replacement{"user.content", "Ann", "Annemarie"}, "a", "longer than the 5 characters"},
			"unique": {Replacement{"user.content", "b1", "b2"}, "b", "must be unique"},
			"check":  {Replacement{"user.content", "+1", "0049"}, "c", "CHECK constraint"},
			"type":   {Replacement{"user.content", "7", "seven"}, "n", "type does not take"},
			"scale":  {Replacement{"user.content", "1.5", "1.234"}, "m", "made something else of the new value"},
		} {
			t.Run(name, func(t *testing.T) {
				out, err := correct(t, d, req, Replacement{"user.content", "old", "new"}, c.replace)
				if !fail.Is(err, fail.Conflict) || out.Verified || len(out.Changed) != 0 || len(records(t, out)) != 0 {
					t.Errorf("%v: %s", err, jsonOf(t, out))
				}
				if len(out.Refused) != 1 || out.Refused[0].Field != c.field || !strings.Contains(out.Refused[0].Why, c.why) {
					t.Errorf("refused %s", jsonOf(t, out.Refused))
				}
				expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), before)
			})
		}
		out, err := correct(t, d, req, Replacement{"user.content", "7", "9"}, Replacement{"user.content", "1.5", "3"}, Replacement{"user.content", "old", "new"})
		if err != nil || !out.Verified {
			t.Errorf("%v: %s", err, jsonOf(t, out))
		}
		expect(t, "people", d.table(t, "SELECT n, m, z FROM people ORDER BY id"), "9|3.00|new\n8|2.50|old")
	})
}

func TestATriggerThatUndoesACorrectionIsNoticed(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		schema, dataset := hard("a TEXT", "b TEXT")
		d.exec(t, schema+`CREATE FUNCTION keep() RETURNS trigger AS $$ BEGIN NEW.a := OLD.a; RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER keep BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION keep();
INSERT INTO people VALUES (1, 'a@x', 'old', 'old');
`)
		out, err := correct(t, d, request(t, d, dataset, "email", "a@x"), Replacement{"user.content", "old", "new"})
		if !fail.Is(err, fail.Conflict) || len(out.Refused) != 1 || out.Refused[0].Field != "a" {
			t.Errorf("%v: %s", err, jsonOf(t, out))
		}
		expect(t, "people", d.table(t, "SELECT a, b FROM people"), "old|old")
	})
}

func TestValuesInDocumentsAndArraysAreCorrected(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE people (email VARCHAR(60) PRIMARY KEY, doc JSONB, phones TEXT[]);
CREATE TABLE visits (id INTEGER PRIMARY KEY, email VARCHAR(60) REFERENCES people(email));
INSERT INTO people VALUES ('a@x', '{"phones": [{"n": "+491", "t": 1}, {"n": "+492"}], "keep": "+491"}', '{+491,+492}');
INSERT INTO visits VALUES (1, 'a@x');
`)
		out, err := correct(t, d, request(t, d, `
dataset:
- fides_key: d
  collections:
  - name: people
    fields:
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email, primary_key: true}}
    - {name: doc, fields: [{name: phones, fields: [{name: n, data_categories: [user.contact.phone_number]}, {name: t}]}, {name: keep}]}
    - {name: phones, data_categories: [user.contact.phone_number]}
  - name: visits
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {references: [{dataset: d, field: people.email, direction: from}]}}
`, "email", "a@x"), Replacement{"user.contact.phone_number", "+491", "+499"}, Replacement{"user.contact.email", "a@x", "a@y"})
		if err != nil || !out.Verified {
			t.Fatalf("%v: %s", err, jsonOf(t, out))
		}
		expect(t, "people", d.table(t, "SELECT email, doc, phones FROM people"), `a@y|{"keep": "+491", "phones": [{"n": "+499", "t": 1}, {"n": "+492"}]}|{+499,+492}`)
		expect(t, "visits", d.table(t, "SELECT id, email FROM visits"), "1|a@y")
	})
}

func TestACorrectionThatMakesNoSenseIsRefused(t *testing.T) {
	eachPostgres(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		for name, list := range map[string][]Replacement{
			"nothing":             {},
			"no kind":             {{"", "a", "b"}},
			"an unknown kind":     {{"user.shoe_size", "a", "b"}},
			"an empty value":      {{"email", "a", ""}},
			"the same value":      {{"email", "a", "a"}},
			"two for one":         {{"email", "a", "b"}, {"email", "a", "c"}},
			"a value with a zero": {{"email", "a", "b\x00"}},
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := Rectify(t.Context(), &Correction{Request: *request(t, d, shopMap, "email", "ann@example.com"), Replace: list}); !fail.Is(err, fail.Invalid) {
					t.Errorf("got %v", err)
				}
			})
		}
	})
}

// records returns the values that were corrected.
func records(t *testing.T, out *Rectified) (list []Corrected) {
	t.Helper()
	err := out.Records(func(c Corrected) error {
		list = append(list, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
