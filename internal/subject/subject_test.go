package subject_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is the room over a real store and a real vault.
type world struct {
	*subject.Room
	db     *store.DB
	vault  *vault.Vault
	clk    *clock.Fake
	tenant id.Tenant
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	clk := clock.NewFake(noon)
	v, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{1}, clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := subject.New(db, v, clk)
	if err := r.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &world{Room: r, db: db, vault: v, clk: clk, tenant: id.NewTenant()}
}

// elsewhere is the same room in another process: same store and keys, own caches.
func (w *world) elsewhere() *subject.Room { return subject.New(w.db, w.vault, w.clk) }

func (w *world) write(t testing.TB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := w.db.Tenant(w.tenant).Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (w *world) visitor(t testing.TB) id.Subject {
	t.Helper()
	s, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) identify(t testing.TB, s id.Subject, k subject.Kind, value string) (merged []id.Subject) {
	t.Helper()
	w.write(t, func(tx *store.Tx) (err error) {
		merged, err = w.Identify(t.Context(), tx, s, map[subject.Kind]string{k: value})
		return err
	})
	return merged
}

func (w *world) person(t testing.TB, s id.Subject) (out []id.Subject) {
	t.Helper()
	err := w.db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) (err error) {
		out, err = w.Person(t.Context(), tx, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) erase(t testing.TB, subjects ...id.Subject) {
	t.Helper()
	w.write(t, func(tx *store.Tx) error { return w.Erase(t.Context(), tx, subjects) })
}

func TestEnsureMakesASubjectOnceAndLookupFindsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		cookie := uuid.NewString()
		if _, ok, err := w.Lookup(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || ok {
			t.Fatalf("an unknown cookie was found: %v", err)
		}
		a, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie)
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie)
		if err != nil || a != b {
			t.Errorf("the second call gave another subject: %v", err)
		}
		for name, room := range map[string]*subject.Room{"here": w.Room, "elsewhere": w.elsewhere()} {
			if s, ok, err := room.Lookup(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || !ok || s != a {
				t.Errorf("%s: %v %v %v", name, s, ok, err)
			}
		}
		if has, err := w.vault.Has(t.Context(), w.tenant, a); err != nil || !has {
			t.Errorf("the subject has no key: %v", err)
		}
		other := id.NewTenant()
		if _, ok, err := w.Lookup(t.Context(), other, subject.Cookie, cookie); err != nil || ok {
			t.Errorf("another tenant finds the cookie: %v", err)
		}
	})
}

func TestConcurrentCallersOfEnsureGetOneSubject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, k := range []subject.Kind{subject.Cookie, subject.ExternalID} {
			const callers = 12
			rooms := []*subject.Room{w.Room, w.elsewhere()}
			got := make([]id.Subject, callers)
			errs := make([]error, callers)
			value := uuid.NewString()
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() { got[i], errs[i] = rooms[i%2].Ensure(t.Context(), w.tenant, k, value) })
			}
			wg.Wait()
			for i := range callers {
				if errs[i] != nil {
					t.Errorf("%s, caller %d: %v", k, i, errs[i])
				} else if got[i] != got[0] {
					t.Errorf("%s, caller %d got another subject", k, i)
				}
			}
		}
	})
}

func TestAnErasedIdentityIsRefusedEverywhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		other := w.elsewhere()
		cookie := uuid.NewString()
		s, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie)
		if err != nil {
			t.Fatal(err)
		}
		if gone, err := w.Suppressed(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || gone {
			t.Errorf("a live cookie is suppressed: %v", err)
		}
		if gone, err := other.Suppressed(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || gone {
			t.Errorf("a live cookie is suppressed elsewhere: %v", err)
		}
		w.erase(t, s)
		w.erase(t, s) // twice does nothing
		if _, ok, err := w.Lookup(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || ok {
			t.Errorf("the erased cookie is found: %v", err)
		}
		if gone, err := w.Suppressed(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || !gone {
			t.Errorf("the erased cookie is not suppressed: %v", err)
		}
		if _, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie); !fail.Is(err, fail.Gone) {
			t.Errorf("the erased cookie came back: %v", err)
		}
		w.clk.Advance(6 * time.Second)
		if gone, err := other.Suppressed(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || !gone {
			t.Errorf("another process believes the cookie is alive after six seconds: %v", err)
		}
	})
}

func TestAnAnnouncedErasureIsSeenInAnotherProcessAtOnce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	other := w.elsewhere()
	cookie := uuid.NewString()
	s, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := other.Lookup(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || !ok {
		t.Fatal("not found", err)
	}
	w.erase(t, s)
	other.Forget(w.tenant, s)
	if _, ok, err := other.Lookup(t.Context(), w.tenant, subject.Cookie, cookie); err != nil || ok {
		t.Errorf("the erased cookie is still found: %v", err)
	}
}

func TestASharedIdentityMakesOnePerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		laptop, phone, tablet := w.visitor(t), w.visitor(t), w.visitor(t)
		if merged := w.identify(t, laptop, subject.Email, "ann@Example.org"); len(merged) != 0 {
			t.Errorf("the first to identify was merged with %v", merged)
		}
		if merged := w.identify(t, phone, subject.Email, "ann@example.org"); !slices.Equal(merged, []id.Subject{laptop}) {
			t.Errorf("merged %v, want the laptop", merged)
		}
		if merged := w.identify(t, phone, subject.Email, "ann@example.org"); len(merged) != 0 {
			t.Errorf("the second time merged %v", merged)
		}
		w.identify(t, tablet, subject.Phone, "+44 20 7946 0000")
		if merged := w.identify(t, tablet, subject.Email, "ann@example.org"); len(merged) != 2 {
			t.Errorf("the tablet was merged with %d subjects, want 2", len(merged))
		}
		want := sorted(laptop, phone, tablet)
		for _, s := range want {
			if got := w.person(t, s); !slices.Equal(got, want) {
				t.Errorf("the person of %v is %v", s, got)
			}
		}
		if got, err := w.Find(t.Context(), w.tenant, subject.Phone, "0044 2079460000"); err != nil || !slices.Equal(got, want) {
			t.Errorf("the phone number leads to %v: %v", got, err)
		}
		stranger := w.visitor(t)
		if got := w.person(t, stranger); !slices.Equal(got, []id.Subject{stranger}) {
			t.Errorf("a stranger is %v", got)
		}
	})
}

func TestASharedDeviceDoesNotWeldTwoCustomersTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ann, bob, family := w.visitor(t), w.visitor(t), w.visitor(t)
		w.identify(t, ann, subject.ExternalID, "customer-1")
		w.identify(t, bob, subject.ExternalID, "customer-2")
		w.identify(t, family, subject.ExternalID, "customer-1")
		if merged := w.identify(t, family, subject.ExternalID, "customer-2"); len(merged) != 0 {
			t.Errorf("the second customer on one device was merged: %v", merged)
		}
		if got := w.person(t, bob); !slices.Equal(got, []id.Subject{bob}) {
			t.Errorf("the second customer is %v", got)
		}
		if got := w.person(t, ann); !slices.Equal(got, sorted(ann, family)) {
			t.Errorf("the first customer is %v", got)
		}
	})
}

func TestIdentitiesAreOpenedForAccessAndAreCiphertextAtRest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := w.visitor(t)
		w.identify(t, s, subject.Email, "walrus@example.org")
		got, err := w.Identities(t.Context(), w.tenant, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Kind != subject.Cookie || got[1].Kind != subject.Email || got[1].Value != "walrus@example.org" || !got[1].Since.Equal(noon) {
			t.Errorf("got %+v", got)
		}
		var raw string
		w.write(t, func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT digest, value FROM subject_identity WHERE tenant_id = $1`, w.tenant)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var d, v []byte
				if err := rows.Scan(&d, &v); err != nil {
					return err
				}
				raw += string(d) + string(v)
			}
			return rows.Err()
		})
		if contains(raw, "walrus") {
			t.Error("an identity lies in the clear")
		}
	})
}

func TestRenameCorrectsAnIdentityWithoutMergingPeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ann, bob := w.visitor(t), w.visitor(t)
		w.identify(t, ann, subject.Email, "anne@example.org")
		w.identify(t, bob, subject.Email, "bob@example.org")
		rename := func(s id.Subject, from, to string) (n int) {
			w.write(t, func(tx *store.Tx) (err error) {
				n, err = w.Rename(t.Context(), tx, []id.Subject{s}, subject.Email, from, to)
				return err
			})
			return n
		}
		if n := rename(ann, "anne@example.org", "ann@example.org"); n != 1 {
			t.Errorf("renamed %d", n)
		}
		if n := rename(ann, "anne@example.org", "ann@example.org"); n != 0 {
			t.Errorf("the second time renamed %d", n)
		}
		if got, err := w.Find(t.Context(), w.tenant, subject.Email, "ann@example.org"); err != nil || !slices.Equal(got, []id.Subject{ann}) {
			t.Errorf("the new address leads to %v: %v", got, err)
		}
		if got, err := w.Find(t.Context(), w.tenant, subject.Email, "anne@example.org"); err != nil || len(got) != 0 {
			t.Errorf("the old address leads to %v: %v", got, err)
		}
		if _, ok, err := w.Lookup(t.Context(), w.tenant, subject.Email, "anne@example.org"); err != nil || ok {
			t.Errorf("the old address is still cached: %v", err)
		}
		rename(ann, "ann@example.org", "bob@example.org")
		if got := w.person(t, bob); !slices.Equal(got, []id.Subject{bob}) {
			t.Errorf("a correction merged %v", got)
		}
	})
}

func TestErasingOneDeviceLeavesThePersonsOtherDevice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		laptop, phone := w.visitor(t), w.visitor(t)
		w.identify(t, laptop, subject.Email, "ann@example.org")
		w.identify(t, phone, subject.Email, "ann@example.org")
		w.erase(t, laptop)
		if s, ok, err := w.Lookup(t.Context(), w.tenant, subject.Email, "ann@example.org"); err != nil || !ok || s != phone {
			t.Errorf("the address leads to %v %v %v, want the phone", s, ok, err)
		}
		if gone, err := w.Suppressed(t.Context(), w.tenant, subject.Email, "ann@example.org"); err != nil || gone {
			t.Errorf("an address that is still in use is suppressed: %v", err)
		}
		w.erase(t, phone)
		if _, err := w.Ensure(t.Context(), w.tenant, subject.Email, "ann@example.org"); !fail.Is(err, fail.Gone) {
			t.Errorf("an import brought an erased person back: %v", err)
		}
		// A person who returns and signs in by their own choice is a new subject.
		back := w.visitor(t)
		w.identify(t, back, subject.Email, "ann@example.org")
		if got, err := w.Find(t.Context(), w.tenant, subject.Email, "ann@example.org"); err != nil || !slices.Equal(got, []id.Subject{back}) {
			t.Errorf("the address leads to %v: %v", got, err)
		}
	})
}

func TestAnIdentityOfSomebodyElseCannotBeTakenInATransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		cookie := uuid.NewString()
		a, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie)
		if err != nil {
			t.Fatal(err)
		}
		b := id.NewSubject()
		if err := w.vault.CreateSubject(t.Context(), w.tenant, b); err != nil {
			t.Fatal(err)
		}
		ensure := func(s id.Subject) error {
			return db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
				return w.EnsureTx(t.Context(), tx, s, subject.Cookie, cookie)
			})
		}
		if err := ensure(b); !fail.Is(err, fail.Conflict) {
			t.Errorf("got %v", err)
		}
		if err := ensure(a); err != nil {
			t.Errorf("the owner binds it a second time: %v", err)
		}
	})
}

func TestKeysOutOfReachAreUnavailableAndNothingIsStored(t *testing.T) {
	db := storetest.SQLite(t)
	w := newWorld(t, db)
	broken := subject.New(db, noKeys{}, w.clk)
	if _, _, err := broken.Lookup(t.Context(), w.tenant, subject.Cookie, "x"); !fail.Is(err, fail.Unavailable) {
		t.Errorf("Lookup: %v", err)
	}
	if _, err := broken.Ensure(t.Context(), w.tenant, subject.Cookie, "x"); !fail.Is(err, fail.Unavailable) {
		t.Errorf("Ensure: %v", err)
	}
	if _, err := broken.Suppressed(t.Context(), w.tenant, subject.Cookie, "x"); !fail.Is(err, fail.Unavailable) {
		t.Errorf("Suppressed: %v", err)
	}
}

// noKeys is a keeper of keys that is out of reach.
type noKeys struct{}

var errOutOfReach = errors.New("the keeper of keys is out of reach")

func (noKeys) CreateSubject(context.Context, id.Tenant, id.Subject) error { return errOutOfReach }
func (noKeys) Seal(context.Context, id.Tenant, id.Subject, []byte, []byte) ([]byte, error) {
	return nil, errOutOfReach
}
func (noKeys) Open(context.Context, id.Tenant, id.Subject, []byte, []byte) ([]byte, error) {
	return nil, errOutOfReach
}
func (noKeys) BlindIndex(context.Context, id.Tenant, string, string) ([]byte, error) {
	return nil, errOutOfReach
}

func sorted(ss ...id.Subject) []id.Subject {
	slices.SortFunc(ss, func(a, b id.Subject) int { return slices.Compare(a[:], b[:]) })
	return ss
}

func contains(s, sub string) bool {
	for i := 0; i+len(sub) <= len(s); i++ {
		if s[i:i+len(sub)] == sub {
			return true
		}
	}
	return false
}

func BenchmarkLookupOfACachedCookie(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b))
	cookie := uuid.NewString()
	if _, err := w.Ensure(b.Context(), w.tenant, subject.Cookie, cookie); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok, err := w.Lookup(b.Context(), w.tenant, subject.Cookie, cookie); err != nil || !ok {
			b.Fatal(err)
		}
	}
}

func ExampleNormalise() {
	for _, v := range []string{" ann@BÜCHER.example ", "Ann+shop@Example.ORG"} {
		s, err := subject.Normalise(subject.Email, v)
		fmt.Println(s, err)
	}
	phone, err := subject.Normalise(subject.Phone, "0049 (30) 901820")
	fmt.Println(phone, err)
	// Output:
	// ann@xn--bcher-kva.example <nil>
	// Ann+shop@example.org <nil>
	// +4930901820 <nil>
}
