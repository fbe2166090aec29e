package datamap

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"probity/internal/store/storetest"
)

// shop is a small company: customers with two addresses of mail, joint accounts, gifts, notes that
// staff may see, and a list of products.
const shopSchema = `
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100), alt_email VARCHAR(100), name VARCHAR(60) NOT NULL, address_id INTEGER);
CREATE TABLE addresses (id INTEGER PRIMARY KEY, street VARCHAR(100), city VARCHAR(60));
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), gift_email VARCHAR(100), gift_name VARCHAR(60), total DECIMAL(10,2), ordered DATE);
CREATE TABLE products (id INTEGER PRIMARY KEY, title VARCHAR(60));
CREATE TABLE order_items (order_id INTEGER NOT NULL REFERENCES orders(id), product_id INTEGER REFERENCES products(id), amount INTEGER, note TEXT, PRIMARY KEY (order_id, product_id));
CREATE TABLE accounts (id INTEGER PRIMARY KEY, iban VARCHAR(34));
CREATE TABLE holders (account_id INTEGER REFERENCES accounts(id), customer_id INTEGER REFERENCES customers(id));
CREATE TABLE bookings (id INTEGER PRIMARY KEY, account_id INTEGER REFERENCES accounts(id), purpose TEXT);
CREATE TABLE referrals (id INTEGER PRIMARY KEY, referrer_id INTEGER REFERENCES referrals(id), email VARCHAR(100));
CREATE TABLE leads (phone VARCHAR(30), remark TEXT);
`

const shopRows = `
INSERT INTO addresses VALUES (1, 'High Street 1', 'York'), (2, 'Low Street 2', 'Leeds');
INSERT INTO customers VALUES (1, 'ann@example.com', 'ann@work.example', 'Ann', 1), (2, 'bob@example.com', NULL, 'Bob', 1), (3, 'cy@example.com', NULL, 'Cy', 2);
INSERT INTO orders VALUES (10, 1, NULL, NULL, 12.50, '2024-01-31'), (11, 1, 'bob@example.com', 'Bob', 3.00, '2024-02-01'), (12, 2, 'ann@example.com', 'Ann', 4.00, NULL), (13, 3, NULL, NULL, 5.00, NULL), (14, 1, 'ann@work.example', 'me', 6.00, NULL);
INSERT INTO products VALUES (100, 'Tea'), (101, 'Coffee');
INSERT INTO order_items VALUES (10, 100, 2, 'for Ann'), (11, 101, 1, NULL), (12, 100, 1, 'x'), (13, 100, 1, 'y');
INSERT INTO accounts VALUES (7, 'GB29NWBK60161331926819'), (8, 'DE89370400440532013000');
INSERT INTO holders VALUES (7, 1), (7, 2), (8, 1);
INSERT INTO bookings VALUES (70, 7, 'rent'), (80, 8, 'gym');
INSERT INTO referrals VALUES (1, NULL, 'ann@example.com'), (2, 1, 'cy@example.com'), (3, 1, NULL);
INSERT INTO leads VALUES ('+441', 'hot');
`

const shopMap = `
dataset:
- fides_key: shop
  name: Shop
  collections:
  - name: customers
    fields:
    - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: alt_email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: name, data_categories: [user.name]}
    - {name: address_id, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: addresses.id, direction: to}]}}
  - name: addresses
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: street, data_categories: [user.contact.address.street]}
    - {name: city, data_categories: [user.contact.address.city]}
  - name: orders
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: customer_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
    - {name: gift_email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: gift_name, data_categories: [user.name]}
    - {name: total, data_categories: [user.financial]}
    - {name: ordered, data_categories: [system.operations]}
  - name: products
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: title, data_categories: [system.operations]}
  - name: order_items
    fields:
    - {name: order_id, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: orders.id, direction: from}]}}
    - {name: product_id, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: products.id, direction: to}]}}
    - {name: amount, data_categories: [system.operations]}
    - {name: note, data_categories: [user.content]}
  - name: accounts
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: iban, data_categories: [user.financial.bank_account]}
  - name: holders
    fields:
    - {name: account_id, data_categories: [system.operations], fides_meta: {references: [{dataset: shop, field: accounts.id, direction: to}]}}
    - {name: customer_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
  - name: bookings
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: account_id, data_categories: [user.financial], fides_meta: {references: [{dataset: shop, field: accounts.id, direction: from}]}}
    - {name: purpose, data_categories: [user.financial]}
  - name: referrals
    fields:
    - {name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}
    - {name: referrer_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: referrals.id, direction: from}]}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
  - name: leads
    fields:
    - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone_number}}
    - {name: remark, data_categories: [user.content]}
`

// database is a fresh database for a test.
type database struct {
	dsn string
	db  *sql.DB
}

func (d *database) exec(t *testing.T, script string) {
	t.Helper()
	for _, s := range bytes.Split([]byte(script), []byte(";\n")) {
		if len(bytes.TrimSpace(s)) == 0 {
			continue
		}
		if _, err := d.db.ExecContext(t.Context(), string(s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// eachStore runs the test on PostgreSQL and on MariaDB.
func eachStore(t *testing.T, test func(t *testing.T, d *database)) {
	t.Run("postgres", func(t *testing.T) {
		dsn := storetest.PostgresURL(t)
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, &database{dsn: dsn, db: db})
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, db := storetest.MariaDB(t)
		test(t, &database{dsn: dsn, db: db})
	})
}

// request makes a request about one dataset file.
func request(t *testing.T, d *database, dataset string, ids ...string) *Request {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dataset.yml")
	if err := os.WriteFile(path, []byte(dataset), 0o600); err != nil {
		t.Fatal(err)
	}
	sets, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	req := &Request{Datasets: sets, Connections: map[string]string{}}
	for _, s := range sets {
		req.Connections[s.Key] = d.dsn
	}
	for i := 0; i+1 < len(ids); i += 2 {
		req.Identities = append(req.Identities, Identity{ids[i], ids[i+1]})
	}
	return req
}

func access(t *testing.T, req *Request) string {
	t.Helper()
	out, err := Access(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var b bytes.Buffer
	if err := out.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	pretty, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(pretty)
}

func TestAPersonSeesTheirRowsAndNothingOfOthers(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		golden(t, "guarded.json", access(t, request(t, d, shopMap, "email", "ann@example.com")))
	})
}

func TestReferenceModeReturnsAllThatIsLedTo(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		req := request(t, d, shopMap, "email", "ann@example.com")
		req.Mode = ModeReference
		golden(t, "reference.json", access(t, req))
	})
}

func TestTargetsLeaveOtherFieldsOut(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		req := request(t, d, shopMap, "email", "ann@example.com")
		req.Mode, req.Targets = ModeReference, []string{"user.contact"}
		golden(t, "target.json", access(t, req))
	})
}

// eachPostgres runs the test on PostgreSQL alone, for what only it has.
func eachPostgres(t *testing.T, test func(t *testing.T, d *database)) {
	dsn := storetest.PostgresURL(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	test(t, &database{dsn: dsn, db: db})
}
