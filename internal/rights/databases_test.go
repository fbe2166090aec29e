package rights_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store/storetest"
	"probity/verify"
)

// The company's shop: customers, their orders, and messages that two of them share.
const (
	shopSchema = `
		CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100) UNIQUE, phone VARCHAR(40), name VARCHAR(60) NOT NULL, note VARCHAR(200));
		CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers(id), address VARCHAR(100), gift_note VARCHAR(200));
		CREATE TABLE talks (id INTEGER PRIMARY KEY, sender INTEGER REFERENCES customers(id), receiver INTEGER REFERENCES customers(id), text VARCHAR(200))`
	shopDataset = `
dataset:
- fides_key: shop
  collections:
  - name: customers
    fields:
    - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: phone, data_categories: [user.contact.phone_number], fides_meta: {identity: phone_number}}
    - {name: name, data_categories: [user.name]}
    - {name: note, data_categories: [user.content]}
  - name: orders
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: customer, data_categories: [system], fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
    - {name: address, data_categories: [user.contact.address]}
    - {name: gift_note, data_categories: [user.content]}
  - name: talks
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: sender, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
    - {name: receiver, data_categories: [user.unique_id], fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}
    - {name: text, data_categories: [user.content]}
`
)

// shop is a database of the company.
type shop struct {
	db     *sql.DB
	groups map[id.Tenant]rights.ConnectedGroup
}

// openShop makes the shop's tables and connects the house to them.
func (h *house) openShop(t testing.TB, dsn string, db *sql.DB, strategy string) *shop {
	t.Helper()
	for statement := range strings.SplitSeq(shopSchema, ";") {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	sets, err := datamap.Parse("shop.yml", []byte(shopDataset))
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{"shop": dsn}
	s := &shop{db, map[id.Tenant]rights.ConnectedGroup{h.t: {
		Datasets: sets, Read: at, Write: at, Targets: []string{"user"}, Portable: []string{"user.contact", "user.name"}, Strategy: strategy,
	}}}
	if h.deps.Databases, err = rights.Connect(s.groups); err != nil {
		t.Fatal(err)
	}
	h.Room = rights.New(h.deps)
	return s
}

func openPostgresShop(t testing.TB, h *house, strategy string) *shop {
	t.Helper()
	dsn := storetest.PostgresURL(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return h.openShop(t, dsn, db, strategy)
}

// eachShop runs the test with the shop on each kind of database.
func eachShop(t *testing.T, strategy string, test func(t *testing.T, h *house, s *shop)) {
	t.Run("postgres", func(t *testing.T) {
		h := newHouse(t, storetest.SQLite(t))
		test(t, h, openPostgresShop(t, h, strategy))
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, db := storetest.MariaDB(t)
		h := newHouse(t, storetest.SQLite(t))
		test(t, h, h.openShop(t, dsn, db, strategy))
	})
}

func (s *shop) exec(t testing.TB, statement string) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// buy writes the person into the shop as customer n, with two orders and a message to customer 9999.
func (s *shop) buy(t testing.TB, n int, p person) {
	t.Helper()
	s.exec(t, fmt.Sprintf(`INSERT INTO customers VALUES (%d, '%s', '%s', 'Marked Name', 'rings anna.k@elsewhere.example at work')`, n, p.email, p.phone))
	s.exec(t, fmt.Sprintf(`INSERT INTO orders VALUES (%d, %d, 'Marked Street 1', 'for you'), (%d, %d, 'Marked Street 1', NULL)`, 10*n, n, 10*n+1, n))
	if s.count(t, `SELECT count(*) FROM customers WHERE id = 9999`) == 0 {
		s.exec(t, `INSERT INTO customers VALUES (9999, 'other.person@example.org', NULL, 'Other', NULL)`)
	}
	s.exec(t, fmt.Sprintf(`INSERT INTO talks VALUES (%d, %d, 9999, 'hello')`, n, n))
}

// count returns what a query counts.
func (s *shop) count(t testing.TB, query string) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnAccessPackageHoldsWhatTheDatabasesHold(t *testing.T) {
	eachShop(t, "redact", func(t *testing.T, h *house, s *shop) {
		p, other := h.newPerson(t), h.newPerson(t)
		s.buy(t, 1, p)
		s.buy(t, 2, other)
		// The request names the phone only: the e-mail address leads on, as it is known here.
		q, files := h.packageOf(t, rights.Request{Type: rights.Access, Who: rights.Who{PhoneNumbers: []string{p.phone}}})
		checkAsStranger(t, q.ID.String(), files)
		customers := string(files["datamap!shop.customers.json"])
		if !strings.Contains(customers, "Marked Name") || strings.Contains(customers, other.email) || strings.Contains(customers, "anna.k@") {
			t.Errorf("customers: %s", customers)
		}
		if orders := string(files["datamap!shop.orders.json"]); strings.Count(orders, "Marked Street 1") != 2 {
			t.Errorf("orders: %s", orders)
		}
		talks := string(files["datamap!shop.talks.json"])
		if !strings.Contains(talks, "hello") || strings.Contains(talks, "9999") {
			t.Errorf("talks: %s", talks)
		}
		if page := string(files["index.html"]); !strings.Contains(page, "Rows that belong to others too") {
			t.Error("the page does not tell of rows that belong to others too")
		}
		var m struct{ Shared []rights.SharedRow }
		if err := json.Unmarshal(files["manifest.json"], &m); err != nil || len(m.Shared) != 1 || !slices.Contains(m.Shared[0].Withheld, "receiver") {
			t.Errorf("shared: %+v, %v", m.Shared, err)
		}
		if c := find(t, q.Report, "datamap shop"); len(c.Counts) != 3 || c.Counts[1].N != 2 {
			t.Errorf("the report says %+v", c)
		}
		q, files = h.packageOf(t, rights.Request{Type: rights.Portability, Who: rights.Who{PhoneNumbers: []string{p.phone}}})
		if customers := string(files["datamap!shop.customers.json"]); !strings.Contains(customers, p.email) || strings.Contains(customers, "rings") {
			t.Errorf("portable customers: %s (%s)", customers, q.State)
		}
	})
}

func TestAnErasureGoesOnIntoTheDatabases(t *testing.T) {
	for _, strategy := range []string{"redact", "delete"} {
		t.Run(strategy, func(t *testing.T) {
			eachShop(t, strategy, func(t *testing.T, h *house, s *shop) {
				p, other := h.newPerson(t), h.newPerson(t)
				s.buy(t, 1, p)
				s.buy(t, 2, other)
				plan, err := h.PlanDatabases(t.Context(), h.t, rights.Who{EmailAddresses: []string{p.email}})
				if err != nil || plan.Fault != "" || len(plan.Shared) != 1 || len(plan.Unmaskable) != 0 {
					t.Fatalf("the plan is %+v, %v", plan, err)
				}
				if n := s.count(t, `SELECT count(*) FROM customers WHERE name = 'Marked Name'`); n != 2 {
					t.Fatal("the plan changed something")
				}
				q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
				if q.State != rights.Verified || q.Report.Databases == nil || !q.Report.Databases.Verified {
					t.Fatalf("the request is %s: %s %+v", q.State, q.Problem, q.Report.Databases)
				}
				if n := s.count(t, `SELECT count(*) FROM customers WHERE name = 'Marked Name'`); n != 1 {
					t.Errorf("%d customers still have their name", n)
				}
				if n := s.count(t, `SELECT count(*) FROM orders WHERE address = 'Marked Street 1'`); n != 2 {
					t.Errorf("%d orders still have the address, the other person's are 2", n)
				}
				for want, n := range map[datamap.FieldCount]int{
					{Collection: "shop:customers", Field: "name", Did: map[string]string{"redact": "redact", "delete": "deleted"}[strategy]}:   1,
					{Collection: "shop:orders", Field: "address", Did: map[string]string{"redact": "redact", "delete": "deleted"}[strategy]}:   2,
					{Collection: "shop:orders", Field: "gift_note", Did: map[string]string{"redact": "redact", "delete": "deleted"}[strategy]}: 1,
				} {
					want.Rows = n
					if !slices.Contains(q.Report.Databases.Fields, want) {
						t.Errorf("the report lacks %+v: %+v", want, q.Report.Databases.Fields)
					}
				}
				if !slices.Contains(q.Report.Databases.Kept, rights.KeptRows{Collection: "shop:talks", Rows: 1}) {
					t.Errorf("kept: %+v", q.Report.Databases.Kept)
				}
				file, err := h.Certificate(t.Context(), h.t, q.ID)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := verify.File(file); err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{`"collection": "shop:customers"`, `"field": "note"`, `"shop:talks"`} {
					if !strings.Contains(string(file), want) {
						t.Errorf("the certificate lacks %s", want)
					}
				}
				if strings.Contains(string(file), p.email) {
					t.Error("the certificate names the person")
				}
			})
		})
	}
}

// A column that nothing can mask keeps the request open, whatever else was done; once the table is
// changed, the request completes by itself.
func TestWhatCanNotBeMaskedKeepsTheRequestOpen(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	p := h.newPerson(t)
	s.buy(t, 1, p)
	s.exec(t, `ALTER TABLE customers ADD CONSTRAINT only_name CHECK (name IN ('Marked Name', 'Other'))`)
	plan, err := h.PlanDatabases(t.Context(), h.t, rights.Who{EmailAddresses: []string{p.email}})
	if err != nil || len(plan.Unmaskable) == 0 || plan.Fault == "" {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	made := h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
	for range 10 {
		if _, err := h.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.clk.Advance(time.Hour)
	}
	q, err := h.Get(t.Context(), h.t, made.ID)
	if err != nil || q.State != rights.Erasing || q.Problem == "" || len(q.Report.Databases.Unmaskable) != 1 || q.Certified {
		t.Fatalf("the request is %s: %s %+v, %v", q.State, q.Problem, q.Report.Databases, err)
	}
	if left := h.held(t, p.subject); left != 0 {
		t.Errorf("own stores still hold %d things", left)
	}
	if n := s.count(t, `SELECT count(*) FROM customers WHERE id = 1 AND email = '`+p.email+`'`); n != 1 {
		t.Error("a part was masked: the rest could not be found again")
	}
	s.exec(t, `ALTER TABLE customers DROP CONSTRAINT only_name`)
	if _, err := h.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	q, err = h.Get(t.Context(), h.t, made.ID)
	if err != nil || q.State != rights.Verified || q.Problem != "" || len(q.Report.Databases.Unmaskable) != 0 {
		t.Errorf("the request is %s: %s %+v, %v", q.State, q.Problem, q.Report.Databases, err)
	}
}

// Staff can decide that such a field stays; the certificate says so, and why.
func TestWhatCanNotBeMaskedMayStayForAReason(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	p := h.newPerson(t)
	s.buy(t, 1, p)
	s.exec(t, `ALTER TABLE customers ADD CONSTRAINT only_name CHECK (name IN ('Marked Name', 'Other'))`)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
	if q.State != rights.Erasing {
		t.Fatalf("the request is %s", q.State)
	}
	staff := rights.Actor{Kind: "staff"}
	wantKind(t, h.SettleDatabases(t.Context(), h.t, q.ID, staff, " "), fail.Invalid)
	wantKind(t, h.SettleDatabases(t.Context(), id.NewTenant(), q.ID, staff, "x"), fail.NotFound)
	if err := h.SettleDatabases(t.Context(), h.t, q.ID, staff, "the tax office needs it for ten years, Art. 17(3)(b)"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	q, err := h.Get(t.Context(), h.t, q.ID)
	if err != nil || q.State != rights.Verified {
		t.Fatalf("the request is %s: %s, %v", q.State, q.Problem, err)
	}
	if n := s.count(t, `SELECT count(*) FROM customers WHERE id = 1 AND name = 'Marked Name' AND email <> '`+p.email+`'`); n != 1 {
		t.Error("the rest was not done")
	}
	file, err := h.Certificate(t.Context(), h.t, q.ID)
	if err != nil || !strings.Contains(string(file), "Art. 17(3)(b)") || !strings.Contains(string(file), "CHECK") {
		t.Errorf("the certificate does not say what stays and why: %v\n%s", err, file)
	}
	wantKind(t, h.SettleDatabases(t.Context(), h.t, q.ID, staff, "again"), fail.Conflict)
}

func TestADatabaseOutOfReachKeepsTheRequestOpen(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	p := h.newPerson(t)
	s.buy(t, 1, p)
	group := s.groups[h.t]
	nowhere := map[string]string{"shop": "postgres://nobody:secret@127.0.0.1:1/none"}
	broken, whole := group, h.deps.Databases
	broken.Read, broken.Write = nowhere, nowhere
	var err error
	if h.deps.Databases, err = rights.Connect(map[id.Tenant]rights.ConnectedGroup{h.t: broken}); err != nil {
		t.Fatal(err)
	}
	room := rights.New(h.deps)
	for _, typ := range []rights.Type{rights.Access, rights.Erasure} {
		made := h.submit(t, rights.Request{Type: typ, Who: rights.Who{EmailAddresses: []string{p.email}}})
		for range 10 {
			if _, err := room.Work(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.clk.Advance(time.Hour)
		}
		q, err := h.Get(t.Context(), h.t, made.ID)
		if err != nil || q.State.Final() || q.Package != nil || !strings.Contains(q.Problem, "shop") || strings.Contains(q.Problem, "secret") {
			t.Fatalf("%s is %s: %s, %v", typ, q.State, q.Problem, err)
		}
		h.deps.Databases = whole
		back := rights.New(h.deps)
		if _, err := back.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		if q, err = h.Get(t.Context(), h.t, made.ID); err != nil || q.State != rights.Verified {
			t.Errorf("when it is back %s is %s: %s, %v", typ, q.State, q.Problem, err)
		}
	}
	_, err = room.PlanDatabases(t.Context(), h.t, rights.Who{EmailAddresses: []string{p.email}})
	wantKind(t, err, fail.Unavailable)
}

// dyingDatabases dies before and after each contact with the databases: also when they have committed
// and nobody here knows of it yet.
type dyingDatabases struct {
	rights.Databases
	*fuse
}

func (d dyingDatabases) Erase(ctx context.Context, t id.Tenant, who []datamap.Identity, dryRun bool) (out *datamap.Erased, err error) {
	d.around(func() { out, err = d.Databases.Erase(ctx, t, who, dryRun) })
	return out, err
}

// A process is killed between the own stores and the databases, and around each contact with them. The
// next one does the rest, and the certificate counts what the dead one did.
func TestAnErasureInDatabasesSurvivesDeath(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	deaths := 0
	for n := 1; ; n++ {
		p := h.newPerson(t)
		s.buy(t, n, p)
		q := h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
		d := h.deps
		d.Databases = dyingDatabases{d.Databases, &fuse{left: n}}
		died := dies(t, func() error { _, err := rights.New(d).Work(t.Context()); return err })
		if left := h.held(t, p.subject); left != 0 {
			t.Fatalf("after death at contact %d own stores hold %d things", n, left)
		}
		h.clk.Advance(5 * time.Minute)
		if _, err := h.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		done, err := h.Get(t.Context(), h.t, q.ID)
		if err != nil || done.State != rights.Verified {
			t.Fatalf("after death at contact %d the request is %s: %s, %v", n, done.State, done.Problem, err)
		}
		if left := s.count(t, `SELECT count(*) FROM customers WHERE name = 'Marked Name' OR email LIKE 'marked%'`); left != 0 {
			t.Fatalf("after death at contact %d the database holds %d customers", n, left)
		}
		for _, want := range []datamap.FieldCount{
			{Collection: "shop:customers", Field: "name", Did: "redact", Rows: 1},
			{Collection: "shop:orders", Field: "address", Did: "redact", Rows: 2},
		} {
			if !slices.Contains(done.Report.Databases.Fields, want) {
				t.Fatalf("after death at contact %d the report counts %+v", n, done.Report.Databases.Fields)
			}
		}
		if !died {
			break
		}
		deaths++
	}
	if deaths != 4 {
		t.Errorf("%d deaths: before and after the dry run and the erasure make four", deaths)
	}
}
