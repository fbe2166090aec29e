package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

var origin = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func openVault(t testing.TB, db *store.DB, clk clock.Clock) *Vault {
	t.Helper()
	v, err := Open(t.Context(), db, RootKey{7}, clk, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// belongings are things sealed before a rotation, to be opened after it.
type belongings struct {
	tenant   id.Tenant
	subjects []id.Subject
	shredded id.Subject
	sealed   [][]byte // by subject
	own      []byte
	index    []byte
	verifier string
	signed   []byte
}

func settle(t testing.TB, v *Vault, n int) *belongings {
	t.Helper()
	ctx := t.Context()
	b := &belongings{tenant: id.NewTenant(), shredded: id.NewSubject()}
	for range n {
		b.subjects = append(b.subjects, id.NewSubject())
	}
	if err := v.CreateSubjects(ctx, b.tenant, append(slices.Clone(b.subjects), b.shredded)); err != nil {
		t.Fatal(err)
	}
	for i, s := range b.subjects {
		sealed, err := v.Seal(ctx, b.tenant, s, nil, fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		b.sealed = append(b.sealed, sealed)
	}
	if err := v.Shred(ctx, b.tenant, b.shredded); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.own, err = v.SealTenant(ctx, b.tenant, nil, []byte("own")); err != nil {
		t.Fatal(err)
	}
	if b.index, err = v.BlindIndex(ctx, b.tenant, "email", "a@example.org"); err != nil {
		t.Fatal(err)
	}
	signer, verifier, err := v.Signer(ctx, b.tenant, "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	b.verifier = verifier
	if b.signed, err = note.Sign(&note.Note{Text: "hello\n"}, signer); err != nil {
		t.Fatal(err)
	}
	return b
}

// check makes sure that all is as it was.
func (b *belongings) check(t testing.TB, v *Vault) {
	t.Helper()
	ctx := t.Context()
	for i, s := range b.subjects {
		plain, err := v.Open(ctx, b.tenant, s, nil, b.sealed[i])
		if err != nil || string(plain) != fmt.Sprint(i) {
			t.Fatalf("subject %d opens as %q, %v", i, plain, err)
		}
	}
	if _, err := v.Seal(ctx, b.tenant, b.shredded, nil, nil); !errors.Is(err, ErrShredded) {
		t.Errorf("the shredded subject: %v", err)
	}
	if own, err := v.OpenTenant(ctx, b.tenant, nil, b.own); err != nil || string(own) != "own" {
		t.Errorf("the tenant's own data open as %q, %v", own, err)
	}
	if index, err := v.BlindIndex(ctx, b.tenant, "email", "a@example.org"); err != nil || !slices.Equal(index, b.index) {
		t.Errorf("the blind index changed, %v", err)
	}
	_, verifier, err := v.Signer(ctx, b.tenant, "example.org/log")
	if err != nil || verifier != b.verifier {
		t.Errorf("the signing key changed, %v", err)
	}
	known, err := note.NewVerifier(verifier)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(b.signed, note.VerifierList(known)); err != nil {
		t.Errorf("the old signature: %v", err)
	}
}

// epochs returns the tenant's epochs and how many keys are wrapped in each.
func epochs(t testing.TB, db *store.DB, tenant id.Tenant) (keks []int64, wrapped map[int64]int) {
	t.Helper()
	ctx := t.Context()
	wrapped = map[int64]int{}
	err := db.Tenant(tenant).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, "SELECT epoch FROM tenant_key WHERE tenant_id = $1 ORDER BY epoch", tenant)
		if err != nil {
			return err
		}
		for rows.Next() {
			var e int64
			if err := rows.Scan(&e); err != nil {
				return err
			}
			keks = append(keks, e)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
SELECT epoch, count(*) FROM (
	SELECT epoch FROM subject_key WHERE tenant_id = $1
	UNION ALL SELECT epoch FROM tenant_secret WHERE tenant_id = $1) AS k
GROUP BY epoch`, tenant)
		if err != nil {
			return err
		}
		for rows.Next() {
			var (
				e int64
				n int
			)
			if err := rows.Scan(&e, &n); err != nil {
				return err
			}
			wrapped[e] = n
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return keks, wrapped
}

func TestARotationKeepsLivingKeysReadableAndDestroysTheOldEpoch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clk := clock.NewFake(origin)
		v := openVault(t, db, clk)
		b := settle(t, v, 30)
		for range 3 {
			clk.Advance(8 * 24 * time.Hour)
			if err := v.Rotate(t.Context(), b.tenant); err != nil {
				t.Fatal(err)
			}
			b.check(t, v)
		}
		b.check(t, openVault(t, db, clk)) // as after a restart
		keks, wrapped := epochs(t, db, b.tenant)
		// 30 subjects; data key, index key and signing key.
		if !slices.Equal(keks, []int64{4}) || len(wrapped) != 1 || wrapped[4] != 33 {
			t.Errorf("epochs %v, keys %v", keks, wrapped)
		}
	})
}

func TestARotationKilledAtAnyStepGoesOnWithoutLosingAKey(t *testing.T) {
	ctx := context.Background()
	steps := []struct {
		name string
		do   func(v *Vault, b *belongings) error
	}{
		{"right after the new epoch was made", func(v *Vault, b *belongings) error {
			_, err := v.beginEpoch(ctx, b.tenant)
			return err
		}},
		{"after the secrets", func(v *Vault, b *belongings) error {
			r, err := v.beginEpoch(ctx, b.tenant)
			if err != nil {
				return err
			}
			return v.rewrapSecrets(ctx, b.tenant, r)
		}},
		{"after some of the subjects", func(v *Vault, b *belongings) error {
			r, err := v.beginEpoch(ctx, b.tenant)
			if err != nil {
				return err
			}
			rows, err := v.oldSubjects(ctx, b.tenant, r.epoch, id.Subject{})
			if err != nil {
				return err
			}
			return v.db.Tenant(b.tenant).Write(ctx, func(tx *store.Tx) error {
				for _, k := range rows[:len(rows)/2] {
					if err := k.rewrap(b.tenant, r.keks, r.epoch); err != nil {
						return err
					}
					if _, err := tx.Exec(ctx, "UPDATE subject_key SET epoch = $1, wrapped = $2 WHERE tenant_id = $3 AND subject = $4",
						r.epoch, k.wrapped, b.tenant, k.subject); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{"after all subjects, before the old epoch is destroyed", func(v *Vault, b *belongings) error {
			r, err := v.beginEpoch(ctx, b.tenant)
			if err != nil {
				return err
			}
			if err := v.rewrapSecrets(ctx, b.tenant, r); err != nil {
				return err
			}
			return v.rewrapSubjects(ctx, b.tenant, r)
		}},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, step := range steps {
			t.Run(step.name, func(t *testing.T) {
				clk := clock.NewFake(origin)
				v := openVault(t, db, clk)
				b := settle(t, v, 12)
				if err := step.do(v, b); err != nil {
					t.Fatal(err)
				}
				v = openVault(t, db, clk) // a new process
				b.check(t, v)
				due, err := v.Due(ctx)
				if err != nil || !slices.Contains(due, b.tenant) {
					t.Errorf("the interrupted rotation is not due, %v", err)
				}
				if err := v.Rotate(ctx, b.tenant); err != nil {
					t.Fatal(err)
				}
				b.check(t, v)
				keks, wrapped := epochs(t, db, b.tenant)
				if !slices.Equal(keks, []int64{2}) || wrapped[2] != 15 || len(wrapped) != 1 {
					t.Errorf("epochs %v, keys %v", keks, wrapped)
				}
			})
		}
	})
}

func TestAnEpochIsNotDestroyedWhileAKeyNeedsIt(t *testing.T) {
	db := storetest.SQLite(t)
	v := openVault(t, db, clock.NewFake(origin))
	b := settle(t, v, 3)
	r, err := v.beginEpoch(t.Context(), b.tenant)
	if err != nil {
		t.Fatal(err)
	}
	left, err := v.destroyEpochs(t.Context(), b.tenant, r.epoch)
	if err != nil || left != 6 {
		t.Errorf("%d left, %v", left, err)
	}
	b.check(t, openVault(t, db, clock.NewFake(origin)))
}

func TestKeysMadeWhileRotatingAreNeverLost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		clk := clock.NewFake(origin)
		// Two processes, so that one doesn't know of the other's new epochs.
		maker, rotator := openVault(t, db, clk), openVault(t, db, clk)
		tenant := id.NewTenant()
		var (
			wg     sync.WaitGroup
			mu     sync.Mutex // guards sealed
			sealed = map[id.Subject][]byte{}
			stop   = make(chan struct{})
		)
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					s := id.NewSubject()
					if err := maker.CreateSubject(ctx, tenant, s); err != nil {
						t.Errorf("create: %v", err)
						return
					}
					c, err := maker.Seal(ctx, tenant, s, nil, s[:])
					if err != nil {
						t.Errorf("seal: %v", err)
						return
					}
					mu.Lock()
					sealed[s] = c
					mu.Unlock()
				}
			})
		}
		for range 6 {
			if err := rotator.Rotate(ctx, tenant); err != nil {
				t.Errorf("rotate: %v", err)
			}
		}
		close(stop)
		wg.Wait()
		fresh := openVault(t, db, clk)
		for s, c := range sealed {
			if plain, err := fresh.Open(ctx, tenant, s, nil, c); err != nil || !slices.Equal(plain, s[:]) {
				t.Fatalf("a key made while rotating: %v", err)
			}
		}
		if len(sealed) == 0 {
			t.Error("no key was made meanwhile: the test is blind")
		}
	})
}

func TestReadingGoesOnWhileEpochsComeAndGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		clk := clock.NewFake(origin)
		reader, rotator := openVault(t, db, clk), openVault(t, db, clk)
		b := settle(t, rotator, 3)
		var (
			wg      sync.WaitGroup
			stop    = make(chan struct{})
			reading = make(chan struct{})
		)
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				for i, s := range b.subjects {
					reader.Forget(b.tenant, s)
					if _, err := reader.Open(ctx, b.tenant, s, nil, b.sealed[i]); err != nil {
						t.Errorf("open: %v", err)
						return
					}
				}
				if n == 0 {
					close(reading)
				}
			}
		})
		<-reading
		for range 8 {
			if err := rotator.Rotate(ctx, b.tenant); err != nil {
				t.Errorf("rotate: %v", err)
			}
		}
		close(stop)
		wg.Wait()
	})
}

func TestSubjectsShreddedWhileRotatingStayShredded(t *testing.T) {
	db := storetest.SQLite(t)
	ctx := t.Context()
	v := openVault(t, db, clock.NewFake(origin))
	b := settle(t, v, 4)
	r, err := v.beginEpoch(ctx, b.tenant)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := v.oldSubjects(ctx, b.tenant, r.epoch, id.Subject{})
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if err := v.Shred(ctx, b.tenant, b.subjects[0]); err != nil {
		t.Fatal(err)
	}
	if err := v.Rotate(ctx, b.tenant); err != nil {
		t.Fatal(err)
	}
	if has, err := v.Has(ctx, b.tenant, b.subjects[0]); has || err != nil {
		t.Errorf("has a key again: %v, %v", has, err)
	}
}

func TestATenantIsDueWhenItsEpochHasReachedItsAge(t *testing.T) {
	clk := clock.NewFake(origin)
	v := openVault(t, storetest.SQLite(t), clk)
	b := settle(t, v, 1)
	if due, err := v.Due(t.Context()); err != nil || len(due) != 0 {
		t.Errorf("due at once: %v, %v", due, err)
	}
	clk.Advance(v.Horizon())
	if due, err := v.Due(t.Context()); err != nil || !slices.Equal(due, []id.Tenant{b.tenant}) {
		t.Errorf("after a week: %v, %v", due, err)
	}
	if err := v.Rotate(t.Context(), b.tenant); err != nil {
		t.Fatal(err)
	}
	if due, err := v.Due(t.Context()); err != nil || len(due) != 0 {
		t.Errorf("after the rotation: %v, %v", due, err)
	}
}

func TestARowMovedElsewhereDoesNotOpen(t *testing.T) {
	ctx := context.Background()
	for name, move := range map[string]string{
		"to another subject":  "UPDATE subject_key SET subject = $2 WHERE tenant_id = $1",
		"to another tenant":   "UPDATE subject_key SET tenant_id = $2 WHERE tenant_id = $1",
		"to another version":  "UPDATE subject_key SET version = 2 WHERE tenant_id = $1 AND $2 = $2",
		"its bytes exchanged": "UPDATE subject_key SET wrapped = (SELECT wrapped FROM tenant_secret WHERE tenant_id = $1 AND name = 'data') WHERE tenant_id = $1 AND $2 = $2",
	} {
		t.Run(name, func(t *testing.T) {
			db := storetest.SQLite(t)
			v := openVault(t, db, clock.NewFake(origin))
			tenant, other := id.NewTenant(), id.NewTenant()
			s := id.NewSubject()
			if err := v.CreateSubject(ctx, tenant, s); err != nil {
				t.Fatal(err)
			}
			if err := v.CreateSubject(ctx, other, id.NewSubject()); err != nil {
				t.Fatal(err)
			}
			if err := db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, move, tenant, other)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			v = openVault(t, db, clock.NewFake(origin))
			tenants, subjects := tenant, s
			switch name {
			case "to another subject":
				subjects = id.Subject(other)
			case "to another tenant":
				tenants = other
			}
			if _, err := v.Seal(ctx, tenants, subjects, nil, nil); !errors.Is(err, ErrUnreadable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, Overhead))
	f.Add(append([]byte{sealFormat, 0, 0, 0, 1}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		h, ok := parseHeader(sealed)
		if !ok {
			if len(sealed) >= Overhead && sealed[0] == sealFormat {
				t.Error("well-formed bytes were refused")
			}
			return
		}
		if len(h.nonce) != nonceLen || headerLen+nonceLen+len(h.body) != len(sealed) || len(h.body) < tagLen {
			t.Errorf("nonce %d, body %d of %d bytes", len(h.nonce), len(h.body), len(sealed))
		}
	})
}
