package rights_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/tombstone"
)

func openRegister(t *testing.T, path string) *tombstone.Register {
	t.Helper()
	r, err := tombstone.Open([]byte("register key"), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func openDB(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// engine is one of the two kinds of database and how a backup of it is made.
type engine struct {
	url  func(t *testing.T) string
	copy func(t *testing.T, url string) string // of a database that is closed
}

var engines = map[string]engine{
	"sqlite": {
		url: func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "db") },
		copy: func(t *testing.T, url string) string {
			to := filepath.Join(t.TempDir(), "backup")
			db := openDB(t, url)
			defer db.Close()
			if err := db.Snapshot(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			return "sqlite:" + to
		},
	},
	"postgres": {
		url:  func(t *testing.T) string { return storetest.PostgresURL(t) },
		copy: func(t *testing.T, url string) string { return storetest.PostgresCopy(t, url) },
	},
}

// before is an installation of which a backup was made before somebody was erased.
type before struct {
	tenant           id.Tenant
	p, phone, other  person
	erased           *rights.Request
	main, keys       string // URLs of the databases as they are after the erasure
	oldMain, oldKeys string // and as they were before
	register         string
	access           uuid.UUID
}

// erasedSince loads an installation, makes a backup, and erases a person with two devices. The
// erasure is handed in before the backup is made where pending.
func erasedSince(t *testing.T, e engine, pending bool) *before {
	t.Helper()
	b := &before{main: e.url(t), keys: e.url(t), register: filepath.Join(t.TempDir(), "erasures.register"), tenant: id.NewTenant()}
	mainDB, keysDB := openDB(t, b.main), openDB(t, b.keys)
	h := houseOver(t, b.tenant, mainDB, keysDB, openRegister(t, b.register))
	b.p, b.other, b.phone = h.newPerson(t), h.newPerson(t), h.newPerson(t)
	h.identify(t, b.phone.subject, map[subject.Kind]string{subject.Email: b.p.email})
	b.access = h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{b.p.email}}}).ID
	erasure := rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{b.p.email}}}
	var request uuid.UUID
	if pending {
		request = h.submit(t, erasure).ID
	}
	mainDB.Close()
	keysDB.Close()
	b.oldMain, b.oldKeys = e.copy(t, b.main), e.copy(t, b.keys)

	mainDB, keysDB = openDB(t, b.main), openDB(t, b.keys)
	h = houseOver(t, b.tenant, mainDB, keysDB, openRegister(t, b.register))
	if !pending {
		request = h.submit(t, erasure).ID
	}
	if _, err := h.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.erased, err = h.Get(t.Context(), b.tenant, request); err != nil || b.erased.State != rights.Verified {
		t.Fatalf("the erasure is %v, %v", b.erased, err)
	}
	mainDB.Close()
	keysDB.Close()
	return b
}

// gone sees that the person is nowhere and is refused, and that everybody else is there.
func (b *before) gone(t *testing.T, h *house) {
	t.Helper()
	if n := h.held(t, b.p.subject, b.phone.subject); n != 0 {
		t.Errorf("%d things of the person are held", n)
	}
	if n := h.held(t, b.other.subject); n == 0 {
		t.Error("somebody else was erased too")
	}
	for kind, value := range map[subject.Kind]string{subject.Cookie: b.p.cookie.String(), subject.Email: b.p.email, subject.Phone: b.p.phone} {
		if found, err := h.subjects.Find(t.Context(), h.t, kind, value); err != nil || len(found) > 0 {
			t.Errorf("%s finds %v, %v", kind, found, err)
		}
		if suppressed, err := h.subjects.Suppressed(t.Context(), h.t, kind, value); err != nil || !suppressed {
			t.Errorf("the %s is suppressed: %v, %v", kind, suppressed, err)
		}
	}
	if q, err := h.Get(t.Context(), h.t, b.access); err != nil || q.Package != nil || len(q.Who.EmailAddresses) > 0 {
		t.Errorf("the access request of before still holds %+v, %v", q, err)
	}
	if err := h.ledger.Audit(t.Context(), h.t); err != nil {
		t.Errorf("the ledger: %v", err)
	}
}

func TestARestoredBackupBringsNobodyBack(t *testing.T) {
	for name, e := range engines {
		for _, pending := range []bool{false, true} {
			if pending {
				name += ", backed up while the erasure waited"
			}
			t.Run(name, func(t *testing.T) {
				b := erasedSince(t, e, pending)
				for _, c := range []struct {
					what       string
					main, keys string
					wantMain   bool
					wantKeys   bool
				}{
					{"the main database", b.oldMain, b.keys, true, false},
					{"the vault", b.main, b.oldKeys, false, true},
					{"both", b.oldMain, b.oldKeys, true, true},
					{"neither", b.main, b.keys, false, false},
				} {
					t.Run(c.what, func(t *testing.T) {
						mainURL, keysURL := e.copy(t, c.main), e.copy(t, c.keys)
						h := houseOver(t, b.tenant, openDB(t, mainURL), openDB(t, keysURL), openRegister(t, b.register))
						if c.wantMain {
							if found, err := h.subjects.Find(t.Context(), h.t, subject.Email, b.p.email); err != nil || len(found) == 0 {
								t.Fatalf("the backup does not hold the person (%v): the test would prove nothing", err)
							}
						}
						if c.wantKeys {
							if has, err := h.keys.Has(t.Context(), h.t, b.p.subject); err != nil || !has {
								t.Fatalf("the backup does not hold the key (%v): the test would prove nothing", err)
							}
						}
						s, err := h.Settle(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if (s.Main > 0) != c.wantMain || (s.Vault > 0) != c.wantKeys || (s.Rows > 0) != c.wantMain {
							t.Errorf("it did %+v", s)
						}
						b.gone(t, h)
						q, err := h.Get(t.Context(), h.t, b.erased.ID)
						switch {
						case c.wantMain && !pending:
							if err == nil {
								t.Error("the restored database knows a request that was made later")
							}
						case err != nil:
							t.Fatal(err)
						case !q.State.Final():
							if _, err := h.Work(t.Context()); err != nil {
								t.Fatal(err)
							}
							if q, err = h.Get(t.Context(), h.t, b.erased.ID); err != nil || q.State != rights.Verified {
								t.Errorf("the request is %+v, %v", q, err)
							}
						case q.State != rights.Verified:
							t.Errorf("the request is %s: %s", q.State, q.Problem)
						}
						kinds, err := h.ledger.Kinds(t.Context(), h.t)
						if err != nil {
							t.Fatal(err)
						}
						if (kinds[ledger.ErasureReapplied] == 1) != c.wantMain {
							t.Errorf("the ledger notes %v", kinds)
						}
						if again, err := h.Settle(t.Context()); err != nil || again.Again() {
							t.Errorf("done twice it did %+v, %v", again, err)
						}
					})
				}
			})
		}
	}
}

// A register that is lost comes back from either database.
func TestALostRegisterIsMadeAgain(t *testing.T) {
	b := erasedSince(t, engines["sqlite"], false)
	for name, c := range map[string]struct{ main, keys string }{
		"the main database knows": {b.main, b.oldKeys}, "the vault knows": {b.oldMain, b.keys},
	} {
		t.Run(name, func(t *testing.T) {
			e := engines["sqlite"]
			path := filepath.Join(t.TempDir(), "another.register")
			h := houseOver(t, b.tenant, openDB(t, e.copy(t, c.main)), openDB(t, e.copy(t, c.keys)), openRegister(t, path))
			s, err := h.Settle(t.Context())
			if err != nil || s.Recovered == 0 || !s.Again() {
				t.Fatalf("it did %+v, %v", s, err)
			}
			b.gone(t, h)
			if openRegister(t, path).Len() != s.Recovered {
				t.Error("the new register does not hold what was recovered")
			}
		})
	}
}

// The process dies at each contact with another room while it applies erasures again; the next one
// begins anew.
func TestApplyingErasuresAgainSurvivesDeathAtEveryStep(t *testing.T) {
	b := erasedSince(t, engines["sqlite"], false)
	e := engines["sqlite"]
	deaths := 0
	for n := 1; ; n++ {
		h := houseOver(t, b.tenant, openDB(t, e.copy(t, b.oldMain)), openDB(t, e.copy(t, b.oldKeys)), openRegister(t, b.register))
		room, _ := h.doomed(n)
		died := dies(t, func() error { _, err := room.Settle(t.Context()); return err })
		if _, err := h.Settle(t.Context()); err != nil {
			t.Fatalf("after death at contact %d: %v", n, err)
		}
		b.gone(t, h)
		if !died {
			break
		}
		deaths++
	}
	if deaths < 10 {
		t.Errorf("only %d deaths: the fuse does not burn", deaths)
	}
	t.Logf("%d deaths survived", deaths)
}

// forgetful is a store that leaves rows behind.
type forgetful struct{ rights.Store }

func (forgetful) Erase(context.Context, *store.Tx, []id.Subject) ([]rights.Count, error) {
	return nil, nil
}

func TestNothingIsServedWhileSomethingOfTheErasedIsLeft(t *testing.T) {
	b := erasedSince(t, engines["sqlite"], false)
	e := engines["sqlite"]
	h := houseOver(t, b.tenant, openDB(t, e.copy(t, b.oldMain)), openDB(t, e.copy(t, b.oldKeys)), openRegister(t, b.register))
	d := h.deps
	d.Stores = []rights.Store{d.Stores[0], d.Stores[1], forgetful{d.Stores[2]}}
	_, err := rights.New(d).Settle(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nothing may be served") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), b.p.email) || strings.Contains(err.Error(), b.p.subject.String()) {
		t.Errorf("the error names the person: %v", err)
	}
}
