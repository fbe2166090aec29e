package consent_test

import (
	"encoding/json"
	"flag"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/verify"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// site is the deployment that the tests' visitors are on.
var site = uuid.MustParse("5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d")

// world is the room over real rooms: store, vault, ledger, subjects.
type world struct {
	*consent.Room
	db       *store.DB
	vault    *vault.Vault
	ledger   *ledger.Ledger
	subjects *subject.Room
	clk      clock.Clock
	fake     *clock.Fake // nil when the world runs on another clock
	bus      *recorder
	tenant   id.Tenant
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	fake := clock.NewFake(noon)
	w := newWorldAt(t, db, fake)
	w.fake = fake
	return w
}

func newWorldAt(t testing.TB, db *store.DB, clk clock.Clock) *world {
	t.Helper()
	v, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{7}, clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		db:       db,
		vault:    v,
		ledger:   ledger.New(db, v, clk, "probity.test"),
		subjects: subject.New(db, v, clk),
		clk:      clk,
		bus:      &recorder{},
		tenant:   id.NewTenant(),
	}
	w.Room = w.room()
	for _, migrate := range []func() error{
		func() error { return w.ledger.Migrate(t.Context()) },
		func() error { return w.subjects.Migrate(t.Context()) },
		func() error { return w.Migrate(t.Context()) },
		func() error { return w.EnsureDefaults(t.Context(), w.tenant) },
	} {
		if err := migrate(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// room is a room with caches of its own, as another process has them.
func (w *world) room() *consent.Room {
	return consent.New(w.db, w.ledger, w.subjects, w.vault, w.clk, w.bus)
}

// recorder is a bus that keeps what was announced.
type recorder struct {
	mu   sync.Mutex
	sent []message
}

type message struct{ topic, data string }

func (r *recorder) Publish(topic string, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, message{topic, string(data)})
	return nil
}

func (r *recorder) has(topic, data string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.sent, message{topic, data})
}

func (w *world) nonce(t testing.TB) string {
	t.Helper()
	n, err := w.Nonce(t.Context(), w.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// nonceFor returns a nonce for a later version of the English notice.
func (w *world) nonceFor(t testing.TB, version int) string {
	t.Helper()
	n, err := w.Nonce(t.Context(), w.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: version, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// publishWith publishes the next version of the default notice, in which a purpose rests on another basis.
func (w *world) publishWith(t testing.TB, purpose string, basis notice.Basis) {
	t.Helper()
	purposes := notice.DefaultPurposes()
	for i := range purposes {
		if purposes[i].ID == purpose {
			purposes[i].Basis = basis
		}
	}
	if _, err := w.Publish(t.Context(), w.tenant, notice.Draft{Facts: notice.Facts{Controller: "Fernhill Ltd"}, Purposes: purposes, Texts: notice.DefaultTexts()}); err != nil {
		t.Fatal(err)
	}
}

// choice says yes to the purposes and no to all others.
func (w *world) choice(t testing.TB, visitor *uuid.UUID, yes ...string) consent.Choice {
	t.Helper()
	c := consent.Choice{
		Deployment: site,
		Nonce:      w.nonce(t),
		Visitor:    visitor,
		Purposes:   map[string]bool{},
		UI:         consent.UI{Component: "banner", Action: "save", DwellMS: 4200, Trusted: true, Viewport: "d"},
		ClientTime: w.clk.Now().Add(2 * time.Second),
	}
	for _, p := range notice.DefaultPurposes() {
		c.Purposes[p.ID] = slices.Contains(yes, p.ID)
	}
	return c
}

func (w *world) choose(t testing.TB, visitor *uuid.UUID, yes ...string) *consent.Outcome {
	t.Helper()
	out, err := w.Choose(t.Context(), w.tenant, w.choice(t, visitor, yes...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) withdraw(t testing.TB, visitor uuid.UUID, purposes ...string) *consent.Outcome {
	t.Helper()
	out, err := w.Withdraw(t.Context(), w.tenant, withdrawal(visitor, purposes...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func withdrawal(visitor uuid.UUID, purposes ...string) consent.Withdrawal {
	return consent.Withdrawal{
		Deployment: site, Visitor: visitor, Purposes: purposes,
		UI: consent.UI{Component: "preferences", Action: "withdraw_all", Trusted: true},
	}
}

func (w *world) open(t testing.TB, s id.Subject, purpose string) bool {
	t.Helper()
	_, err := w.Gate(t.Context(), w.tenant, s, purpose)
	return err == nil
}

func (w *world) count(t testing.TB, table string) (n int) {
	t.Helper()
	err := w.db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE tenant_id = $1`, w.tenant).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) write(t testing.TB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := w.db.Tenant(w.tenant).Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// verified checks a receipt as its holder would, offline, and returns the entry.
func (w *world) verified(t testing.TB, r *verify.Receipt) map[string]any {
	t.Helper()
	if r == nil {
		t.Fatal("there is no receipt")
	}
	file, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.ledger.VerifierKey(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.File(file, key)
	if err != nil {
		t.Fatalf("the receipt does not verify: %v", err)
	}
	if !report.Trusted || len(report.Entries) != 1 {
		t.Fatalf("the report is %+v", report)
	}
	var entry map[string]any
	if err := json.Unmarshal(report.Entries[0].Entry, &entry); err != nil {
		t.Fatal(err)
	}
	return entry
}
