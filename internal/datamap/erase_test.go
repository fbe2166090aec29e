package datamap

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// erase runs an erasure and returns the result; want says whether it must be complete.
func erase(t *testing.T, req *Request, strategy string, complete bool, targets ...string) *Erased {
	t.Helper()
	r := *req
	r.Targets = targets
	dry, _ := Erase(context.Background(), &Erasure{Request: r, Strategy: strategy, DryRun: true})
	out, err := Erase(context.Background(), &Erasure{Request: r, Strategy: strategy})
	if (err == nil) != complete {
		t.Errorf("complete = %t, error %v", !complete, err)
	}
	if dry == nil || out == nil {
		t.Fatalf("no result: %v", err)
	}
	dry.Verified = out.Verified
	if a, b := jsonOf(t, dry), jsonOf(t, out); a != b {
		t.Errorf("the dry run said\n%s\nand done was\n%s", a, b)
	}
	return out
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// table returns the rows of a query as lines.
func (d *database) table(t *testing.T, query string) string {
	t.Helper()
	rows, err := d.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		cells := make([]any, len(cols))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		for i, c := range cells {
			if i > 0 {
				b.WriteByte('|')
			}
			switch v := (*c.(*any)).(type) {
			case nil:
				b.WriteString("NULL")
			case []byte:
				b.Write(v)
			default:
				fmt.Fprint(&b, v)
			}
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

func TestMaskingLeavesWhatOthersOwn(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		out := erase(t, request(t, d, shopMap, "email", "ann@example.com"), Null, true, "user")
		if !out.Verified {
			t.Error("not verified")
		}
		expect(t, "customers", d.table(t, "SELECT id, email, alt_email, name, address_id FROM customers ORDER BY id"), `
1|NULL|NULL|[name]|1
2|bob@example.com|NULL|Bob|1
3|cy@example.com|NULL|Cy|2`)
		expect(t, "addresses", d.table(t, "SELECT street FROM addresses ORDER BY id"), "High Street 1\nLow Street 2")
		expect(t, "orders", d.table(t, "SELECT id, customer_id, gift_email, gift_name, total FROM orders ORDER BY id"), `
10|NULL|NULL|NULL|NULL
11|NULL|bob@example.com|Bob|3.00
12|2|NULL|Ann|4.00
13|3|NULL|NULL|5.00
14|NULL|NULL|NULL|NULL`)
		expect(t, "items", d.table(t, "SELECT order_id, note FROM order_items ORDER BY order_id"), "10|NULL\n11|NULL\n12|x\n13|y")
		expect(t, "accounts", d.table(t, "SELECT id, iban FROM accounts ORDER BY id"), "7|GB29NWBK60161331926819\n8|NULL")
		expect(t, "holders", d.table(t, "SELECT account_id, customer_id FROM holders ORDER BY account_id, customer_id IS NULL, customer_id"), "7|2\n7|NULL\n8|NULL")
		if got := jsonOf(t, out.Masked); got != `{"shop:accounts":1,"shop:bookings":1,"shop:customers":1,"shop:holders":2,"shop:order_items":1,"shop:orders":4,"shop:referrals":3}` {
			t.Errorf("masked %s", got)
		}
		if got := jsonOf(t, out.Substituted); got != `[{"collection":"shop:customers","field":"name","asked":"null","used":"redact"}]` {
			t.Errorf("substituted %s", got)
		}
		// The last owner's request takes what was shared.
		out = erase(t, request(t, d, shopMap, "email", "bob@example.com"), Hash, true, "user")
		expect(t, "addresses", d.table(t, "SELECT street = 'High Street 1' FROM addresses WHERE id = 1"), map[bool]string{true: "false", false: "0"}[strings.HasPrefix(d.dsn, "postgres")])
		if len(out.Skipped) != 0 {
			t.Errorf("skipped %s", jsonOf(t, out.Skipped))
		}
		again := erase(t, request(t, d, shopMap, "email", "bob@example.com"), Hash, true, "user")
		if len(again.Masked) != 0 {
			t.Errorf("a second erasure masked %v", again.Masked)
		}
	})
}

func TestDeletingLeavesRowsThatOthersOwn(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		out := erase(t, request(t, d, shopMap, "email", "ann@example.com"), Delete, true, "user")
		if !out.Verified {
			t.Error("not verified")
		}
		expect(t, "customers", d.table(t, "SELECT id, email FROM customers ORDER BY id"), "2|bob@example.com\n3|cy@example.com")
		expect(t, "orders", d.table(t, "SELECT id, customer_id, gift_email FROM orders ORDER BY id"), "11|NULL|bob@example.com\n12|2|NULL\n13|3|NULL")
		expect(t, "items", d.table(t, "SELECT order_id FROM order_items ORDER BY order_id"), "11\n12\n13")
		expect(t, "accounts", d.table(t, "SELECT id FROM accounts ORDER BY id"), "7")
		expect(t, "holders", d.table(t, "SELECT account_id, customer_id FROM holders ORDER BY account_id"), "7|2")
		expect(t, "referrals", d.table(t, "SELECT id, referrer_id, email FROM referrals ORDER BY id"), "2|NULL|cy@example.com")
		t.Log(jsonOf(t, out))
	})
}

func TestARowThatCannotLoseItsReferenceKeepsTheOther(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, email VARCHAR(60));
CREATE TABLE notes (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES people(id), about VARCHAR(60), body TEXT);
INSERT INTO people VALUES (1, 'a@x'), (2, 'b@x');
INSERT INTO notes VALUES (1, 1, 'b@x', 'hello'), (2, 1, NULL, 'mine');
`)
		out := erase(t, request(t, d, `
dataset:
- fides_key: d
  collections:
  - name: people
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
  - name: notes
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: author, data_categories: [user.unique_id], fides_meta: {references: [{dataset: d, field: people.id, direction: from}]}}
    - {name: about, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: body, data_categories: [user.content]}
`, "email", "a@x"), Delete, false, "user")
		expect(t, "people", d.table(t, "SELECT id FROM people ORDER BY id"), "1\n2")
		expect(t, "notes", d.table(t, "SELECT id, author, about FROM notes ORDER BY id"), "1|1|b@x")
		t.Log(jsonOf(t, out))
		if len(out.Unmaskable) == 0 || out.Deleted["d:notes"] != 1 {
			t.Errorf("got %s", jsonOf(t, out))
		}
	})
}
