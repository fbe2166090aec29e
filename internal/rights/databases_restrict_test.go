package rights_test

import (
	"database/sql"
	"strconv"
	"strings"
	"testing"
	"time"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// restricting says in the shop's dataset how its collections are restricted: customers by a column, orders by
// it too, talks by hand.
func (h *house) restricting(t testing.TB, s *shop) {
	t.Helper()
	s.exec(t, `ALTER TABLE customers ADD COLUMN restricted BOOLEAN`)
	text := strings.NewReplacer(
		"  - name: customers\n", "  - name: customers\n    probity_meta: {restriction: {column: restricted}}\n",
		"  - name: orders\n", "  - name: orders\n    probity_meta: {restriction: {with: customers}}\n").Replace(shopDataset)
	sets, err := datamap.Parse("shop.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g := s.groups[h.t]
	g.Datasets = sets
	s.groups[h.t] = g
	if h.deps.Databases, err = rights.Connect(s.groups); err != nil {
		t.Fatal(err)
	}
	h.Room = rights.New(h.deps)
}

// shops runs the test with Probity and the shop on each kind of database.
func shops(t *testing.T, test func(t *testing.T, h *house, s *shop)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		s := openPostgresShop(t, h, "redact")
		h.restricting(t, s)
		test(t, h, s)
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, db := storetest.MariaDB(t)
		h := newHouse(t, storetest.SQLite(t))
		s := h.openShop(t, dsn, db, "redact")
		h.restricting(t, s)
		test(t, h, s)
	})
}

// buyAs is buy for a table that has the column of restrictions.
func (s *shop) buyAs(t testing.TB, n int, p person) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO customers (id, email, phone, name) VALUES (` + strconv.Itoa(n) + `, '` + p.email + `', '` + p.phone + `', 'Marked Name')`,
		`INSERT INTO orders VALUES (` + strconv.Itoa(10*n) + `, ` + strconv.Itoa(n) + `, 'Marked Street 1', NULL)`,
		`INSERT INTO talks VALUES (` + strconv.Itoa(n) + `, ` + strconv.Itoa(n) + `, NULL, 'hello')`,
	} {
		s.exec(t, statement)
	}
}

func (s *shop) restricted(t testing.TB) int {
	t.Helper()
	return s.count(t, `SELECT count(*) FROM customers WHERE restricted`)
}

func TestARestrictionReachesTheDatabasesAndIsLiftedThereAgain(t *testing.T) {
	shops(t, func(t *testing.T, h *house, s *shop) {
		p, other := h.newPerson(t), h.newPerson(t)
		s.buyAs(t, 1, p)
		s.buyAs(t, 2, other)
		q := h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: rights.Who{PhoneNumbers: []string{p.phone}}}))
		if q.State != rights.Restricting || !strings.Contains(q.Problem, "shop:talks (the dataset names no column for it)") || h.allows(t, p.subject, "predict") {
			t.Fatalf("it is %s: %s", q.State, q.Problem)
		}
		if s.restricted(t) != 1 {
			t.Errorf("%d customers are restricted", s.restricted(t))
		}
		for what, err := range map[string]error{
			"another collection": h.DoneByHand(t.Context(), h.t, q.ID, clerk, "shop:orders", "Done."),
			"no words":           h.DoneByHand(t.Context(), h.t, q.ID, clerk, "shop:talks", " "),
		} {
			if !fail.Is(err, fail.Conflict) && !fail.Is(err, fail.Invalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		byHand := func() {
			t.Helper()
			if err := h.DoneByHand(t.Context(), h.t, q.ID, clerk, "shop:talks", "Done for "+p.email+" in the archive."); err != nil {
				t.Fatal(err)
			}
			q = h.work(t, q)
		}
		byHand()
		r := q.Report.Restricted
		if q.State != rights.Verified || !q.Report.Matched || r == nil || !r.Verified || len(r.Rows) != 1 || r.Rows[0].Rows != 1 || !r.Tasks[0].Done {
			t.Fatalf("it is %s: %s %+v", q.State, q.Problem, r)
		}
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		said := 0
		for _, e := range trail {
			if e.What == "by-hand" {
				said++
				if e.By != clerk || e.Words["collection"] != "shop:talks" || !strings.Contains(e.Words["reason"], "archive") || strings.Contains(e.Words["reason"], p.email) {
					t.Errorf("the trail says %+v", e)
				}
			}
		}
		if err != nil || said != 1 {
			t.Errorf("the trail says it %d times: %v", said, err)
		}
		// It stays in force, and known, for longer than a request that is done.
		h.clk.Advance(2 * rights.ContentTTL)
		if _, err := h.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		q = h.act(t, q, rights.Act{Do: rights.MoveAnnounce, Reason: "It was found to be right.", Told: "letter"})
		h.clk.Advance(25 * time.Hour)
		q = h.act(t, q, rights.Act{Do: rights.MoveLift, Reason: "It was found to be right."})
		if q.State != rights.Settling || !h.allows(t, p.subject, "predict") || !h.clk.Now().Before(q.DueAt) {
			t.Errorf("it is %s, due at %v", q.State, q.DueAt)
		}
		if q = h.work(t, q); q.State != rights.Settling || s.restricted(t) != 0 || !strings.Contains(q.Problem, "lift the restriction") {
			t.Errorf("it is %s: %s, %d are restricted", q.State, q.Problem, s.restricted(t))
		}
		byHand()
		if q.State != rights.Verified || !q.Report.Restricted.Lifted || !q.Report.Restricted.Verified {
			t.Errorf("it is %s: %s %+v", q.State, q.Problem, q.Report.Restricted)
		}
		h.clk.Advance(rights.ContentTTL)
		if n, err := h.Expire(t.Context()); err != nil || n != 1 {
			t.Errorf("%d requests forgot what they hold: %v", n, err)
		}
	})
}

func TestWhatWasRestrictedBeforeAndByAnotherRequestStaysRestricted(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	h.restricting(t, s)
	p := h.newPerson(t)
	s.buyAs(t, 1, p)
	s.buyAs(t, 3, person{email: "second." + p.email, phone: p.phone}) // a second account, under the same number
	s.exec(t, `UPDATE customers SET restricted = TRUE WHERE id = 3`)
	s.exec(t, `DELETE FROM talks`)
	restrict := func() *rights.Request {
		t.Helper()
		q := h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: rights.Who{PhoneNumbers: []string{p.phone}}}))
		if q.State != rights.Verified {
			t.Fatalf("it is %s: %s", q.State, q.Problem)
		}
		return q
	}
	lift := func(q *rights.Request) *rights.Request {
		t.Helper()
		q = h.act(t, q, rights.Act{Do: rights.MoveAnnounce, Reason: "It ends.", Told: "letter"})
		h.clk.Advance(25 * time.Hour)
		if q = h.work(t, h.act(t, q, rights.Act{Do: rights.MoveLift, Reason: "It ends."})); q.State != rights.Verified {
			t.Fatalf("it is %s: %s", q.State, q.Problem)
		}
		return q
	}
	first, second := restrict(), restrict()
	if s.restricted(t) != 2 {
		t.Fatalf("%d are restricted", s.restricted(t))
	}
	if first = lift(first); s.restricted(t) != 2 || len(first.Report.Decisions) != 1 {
		t.Errorf("the second request holds, and %d are restricted: %v", s.restricted(t), first.Report.Decisions)
	}
	lift(second)
	if n := s.count(t, `SELECT id FROM customers WHERE restricted`); s.restricted(t) != 1 || n != 3 {
		t.Errorf("%d are restricted, customer %d among them", s.restricted(t), n)
	}
}

func TestADatabaseOutOfReachKeepsARestrictionOpenAndNothingIsFreedThatItSetBeforeADeath(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	h.restricting(t, s)
	p := h.newPerson(t)
	s.buyAs(t, 1, p)
	s.exec(t, `DELETE FROM talks`)
	g := s.groups[h.t]
	at := g.Write
	g.Write = map[string]string{"shop": "postgres://nobody@127.0.0.1:1/none"}
	connect := func() {
		t.Helper()
		s.groups[h.t] = g
		var err error
		if h.deps.Databases, err = rights.Connect(s.groups); err != nil {
			t.Fatal(err)
		}
		h.Room = rights.New(h.deps)
		h.consent.RestrictedBy(h.Restricted)
	}
	connect()
	q := h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: rights.Who{PhoneNumbers: []string{p.phone}}}))
	if q.State != rights.Restricting || !strings.Contains(q.Problem, "shop") || h.allows(t, p.subject, "predict") {
		t.Fatalf("it is %s: %s", q.State, q.Problem)
	}
	g.Write = at
	connect()
	h.clk.Advance(time.Hour)
	if q = h.work(t, q); q.State != rights.Verified || s.restricted(t) != 1 {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
	// The company takes its databases away: what was restricted there is left to people.
	q = h.act(t, q, rights.Act{Do: rights.MoveAnnounce, Reason: "It ends.", Told: "letter"})
	h.clk.Advance(25 * time.Hour)
	h.deps.Databases = nil
	h.Room = rights.New(h.deps)
	q = h.work(t, h.act(t, q, rights.Act{Do: rights.MoveLift, Reason: "It ends."}))
	if q.State != rights.Settling || !strings.Contains(q.Problem, "shop:customers (its database is not connected any more)") {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
	if err := h.DoneByHand(t.Context(), h.t, q.ID, clerk, "shop:customers", "Set back."); err != nil {
		t.Fatal(err)
	}
	if q = h.work(t, q); q.State != rights.Verified {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
}

func TestAnErasureTakesWhatARestrictionOfOtherDatabasesHolds(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	s := openPostgresShop(t, h, "redact")
	h.restricting(t, s)
	s.exec(t, `INSERT INTO customers (id, email, name) VALUES (5, 'known.there.only@example.org', 'Marked')`)
	who := rights.Who{EmailAddresses: []string{"known.there.only@example.org"}}
	q := h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: who}))
	if q.State != rights.Verified || s.restricted(t) != 1 {
		t.Fatalf("it is %s: %s", q.State, q.Problem)
	}
	if done := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: who}); done.State != rights.Verified {
		t.Fatalf("the erasure is %s: %s", done.State, done.Problem)
	}
	var held sql.NullInt64
	err := h.db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT length(sealed) + length(work) FROM rights_request WHERE tenant_id = $1 AND id = $2`, h.t, q.ID[:]).Scan(&held)
	})
	if err != nil || held.Valid {
		t.Errorf("the restriction holds %d bytes: %v", held.Int64, err)
	}
	if _, err := h.Act(t.Context(), h.t, q.ID, rights.Act{Do: rights.MoveAnnounce, By: clerk, Reason: "It ends.", Told: "letter"}); err != nil {
		t.Error(err)
	}
	h.clk.Advance(25 * time.Hour)
	if q = h.act(t, q, rights.Act{Do: rights.MoveLift, Reason: "It ends."}); q.State != rights.Verified {
		t.Errorf("with nobody to free it is %s", q.State)
	}
}
