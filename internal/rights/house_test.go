package rights_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

// house is the rooms that an erasure goes through, over one database, with a clock that is turned
// by hand.
type house struct {
	*rights.Room
	deps     rights.Deps
	t        id.Tenant
	clk      *clock.Fake
	db       *store.DB
	keysDB   *store.DB
	keys     *vault.Vault
	subjects *subject.Room
	consent  *consent.Room
	journey  *journey.Store
	ledger   *ledger.Ledger
	people   int // persons made so far
	letters  *letterbox
}

var deployment = uuid.MustParse("0194a1b2-0000-7000-8000-000000000001")

func newHouse(t testing.TB, db *store.DB) *house {
	t.Helper()
	return houseOver(t, id.NewTenant(), db, storetest.SQLite(t), nil)
}

// houseOver is a house of an organisation over databases that may hold something already, and a
// register of erasures, which may be nil.
func houseOver(t testing.TB, tenant id.Tenant, db, keysDB *store.DB, register rights.Register) *house {
	t.Helper()
	h := &house{t: tenant, db: db, keysDB: keysDB, clk: clock.NewFake(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	h.keys, err = vault.Open(t.Context(), h.keysDB, vault.RootKey{7}, h.clk, vault.Options{})
	must(err)
	h.ledger = ledger.New(db, h.keys, h.clk, "probity.test")
	must(h.ledger.Migrate(t.Context()))
	h.subjects = subject.New(db, h.keys, h.clk)
	must(h.subjects.Migrate(t.Context()))
	h.consent = consent.New(db, h.ledger, h.subjects, h.keys, h.clk, nil)
	must(h.consent.Migrate(t.Context()))
	must(h.consent.EnsureDefaults(t.Context(), h.t))
	h.journey, err = journey.NewStore(db, h.keys, h.clk)
	must(err)
	must(h.journey.Migrate(t.Context()))
	h.letters = &letterbox{}
	h.deps = rights.Deps{
		Gate: h.consent, Closed: h.consent, Mail: h.letters,
		DB: db, Keys: h.keys, People: h.subjects, Ledger: h.ledger, Clock: h.clk, Register: register,
		Stores: []rights.Store{rights.Identities(h.subjects), rights.Choices(h.consent), rights.Journeys(h.journey), rights.Statements(db, h.keys)},
	}
	h.Room = rights.New(h.deps)
	h.consent.RestrictedBy(h.Restricted)
	h.consent.KeptBy(h.KeepClosed)
	must(h.Migrate(t.Context()))
	_, err = h.ledger.Resume(t.Context(), h.t) // as a start of the program does
	must(err)
	return h
}

// person is somebody with one browser, an e-mail address and a phone number, who agreed to
// everything and looked around.
type person struct {
	cookie  uuid.UUID
	subject id.Subject
	email   string
	phone   string
}

func (h *house) newPerson(t testing.TB) person {
	t.Helper()
	h.people++
	p := person{
		email: fmt.Sprintf("marked.person.%d@example.org", h.people),
		phone: fmt.Sprintf("+4670123%04d", h.people),
	}
	nonce, err := h.consent.Nonce(t.Context(), h.t, consent.NonceFor{Deployment: deployment, NoticeID: notice.ID, Version: 1, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := h.consent.Purposes(t.Context(), h.t)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, purpose := range list {
		all[purpose.ID] = true
	}
	o, err := h.consent.Choose(t.Context(), h.t, consent.Choice{
		Deployment: deployment, Nonce: nonce, Purposes: all,
		UI: consent.UI{Component: "banner", Action: "accept_all", DwellMS: 1200, Trusted: true, Viewport: "d"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.cookie, p.subject = *o.Visitor, o.Subject
	h.identify(t, p.subject, map[subject.Kind]string{subject.Email: p.email, subject.Phone: p.phone})
	h.visit(t, p.subject, 20)
	return p
}

func (h *house) identify(t testing.TB, s id.Subject, ids map[subject.Kind]string) {
	t.Helper()
	err := h.db.Tenant(h.t).Write(t.Context(), func(tx *store.Tx) error {
		_, err := h.subjects.Identify(t.Context(), tx, s, ids)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// visit stores n events of the subject, as the worker would.
func (h *house) visit(t testing.TB, s id.Subject, n int) {
	t.Helper()
	found, err := h.journey.Load(t.Context(), h.t, s)
	if err != nil {
		t.Fatal(err)
	}
	v, plan := found[0], journey.NewPlan(nil, nil, nil, nil)
	var fx journey.Effects
	now := h.clk.Now()
	for i := range n {
		ev := &event.Event{
			ID: id.New(), Name: event.PageViewed, At: now.Add(time.Duration(i) * time.Second), Received: now,
			Page:       event.Page{URL: "https://shop.example/marked-page", Title: "<script>alert(1)</script>", Host: "shop.example", Path: "/marked-page"},
			Attributes: map[string]event.Attr{"sku": {Type: event.TypeString, Value: "marked-attribute"}},
			Purpose:    "measure", Ground: event.Ground{Basis: "consent", Ledger: 3},
		}
		v.ApplyTo(&fx, plan, ev, &journey.Env{Allow: func(string) bool { return true }})
	}
	change, err := h.journey.Seal(t.Context(), h.t, plan, v, &fx, now)
	if err != nil {
		t.Fatal(err)
	}
	err = h.db.Tenant(h.t).Write(t.Context(), func(tx *store.Tx) error {
		_, err := h.journey.Save(t.Context(), tx, []*journey.Change{change})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// submit hands a request in.
func (h *house) submit(t testing.TB, q rights.Request) *rights.Request {
	t.Helper()
	made, err := h.Submit(t.Context(), h.t, q)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// carryOut hands a request in, has it carried out and returns it as it is then.
func (h *house) carryOut(t testing.TB, q rights.Request) *rights.Request {
	t.Helper()
	made := h.submit(t, q)
	if _, err := h.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	done, err := h.Get(t.Context(), h.t, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// held counts everything that is stored about the subjects, over all rooms.
func (h *house) held(t testing.TB, subjects ...id.Subject) int {
	t.Helper()
	n := 0
	for _, s := range subjects {
		if ok, err := h.keys.Has(t.Context(), h.t, s); err != nil {
			t.Fatal(err)
		} else if ok {
			n++
		}
	}
	records, err := h.consent.History(t.Context(), h.t, subjects)
	if err != nil {
		t.Fatal(err)
	}
	left, err := h.journey.Remains(t.Context(), h.t, subjects)
	if err != nil {
		t.Fatal(err)
	}
	return n + len(records) + int(left.Total())
}

func find(t testing.TB, r rights.Report, store string) rights.StoreReport {
	t.Helper()
	i := slices.IndexFunc(r.Stores, func(s rights.StoreReport) bool { return s.Store == store })
	if i < 0 {
		t.Fatalf("the report says nothing about %s: %+v", store, r.Stores)
	}
	return r.Stores[i]
}
