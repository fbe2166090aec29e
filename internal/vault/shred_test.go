package vault_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

// wrappedKey reads a subject's wrapped key from the vault's database.
func wrappedKey(t testing.TB, db *store.DB, tenant id.Tenant, s id.Subject) (wrapped []byte) {
	t.Helper()
	err := db.Tenant(tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT wrapped FROM subject_key WHERE tenant_id = $1 AND subject = $2", tenant, s).Scan(&wrapped)
	})
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// filesHold tells which files of a folder hold needle.
func filesHold(t *testing.T, dir string, needle []byte) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, needle) {
			found = append(found, e.Name())
		}
	}
	return found
}

func TestAShreddedKeyIsInNoFileOfTheVault(t *testing.T) {
	dir := t.TempDir()
	db := storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, "vault.db")})
	v := open(t, db, clock.NewFake(start), vault.Options{})
	tenant := id.NewTenant()
	many := make([]id.Subject, 800)
	for i := range many {
		many[i] = id.NewSubject()
	}
	if err := v.CreateSubjects(t.Context(), tenant, many); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(t.Context()); err != nil { // now they are in the main file, too
		t.Fatal(err)
	}
	victims := append(many[100:110:110], create(t, v, tenant)) // the last one is in the log only
	var wrapped [][]byte
	for _, s := range victims {
		w := wrappedKey(t, db, tenant, s)
		if len(filesHold(t, dir, w)) == 0 {
			t.Fatal("the key can't be found even before it is shredded: the test is blind")
		}
		wrapped = append(wrapped, w)
	}
	if err := v.Shred(t.Context(), tenant, victims...); err != nil {
		t.Fatal(err)
	}
	for _, w := range wrapped {
		for _, part := range [][]byte{w, w[:20], w[20:40], w[40:]} {
			if found := filesHold(t, dir, part); len(found) > 0 {
				t.Errorf("bytes of a shredded key are still in %v", found)
			}
		}
	}
	if w := wrappedKey(t, db, tenant, many[0]); len(filesHold(t, dir, w)) == 0 {
		t.Error("a living key vanished from the files")
	}
}

func TestADestroyedEpochIsInNoFileOfTheVault(t *testing.T) {
	dir := t.TempDir()
	db := storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, "vault.db")})
	v := open(t, db, clock.NewFake(start), vault.Options{})
	tenant := id.NewTenant()
	s := create(t, v, tenant)
	oldDEK := wrappedKey(t, db, tenant, s)
	var oldKEK []byte
	if err := db.Tenant(tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT wrapped FROM tenant_key WHERE tenant_id = $1", tenant).Scan(&oldKEK)
	}); err != nil {
		t.Fatal(err)
	}
	if len(filesHold(t, dir, oldKEK)) == 0 {
		t.Fatal("the KEK can't be found even before the rotation: the test is blind")
	}
	if err := v.Rotate(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string][]byte{"KEK": oldKEK, "wrapped key": oldDEK} {
		if found := filesHold(t, dir, w[:20]); len(found) > 0 {
			t.Errorf("the old %s is still in %v", name, found)
		}
	}
}

func TestNothingSealedForAShreddedSubjectEverOpensWhoeverWasSealingMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := open(t, db, clock.System(), vault.Options{})
		tenant := id.NewTenant()
		ctx := context.Background()
		for range 5 {
			s := create(t, v, tenant)
			var (
				wg   sync.WaitGroup
				mu   sync.Mutex // guards made
				made [][]byte
			)
			begun := make(chan struct{}, 4)
			for range 4 {
				wg.Go(func() {
					for i := 0; ; i++ {
						sealed, err := v.Seal(ctx, tenant, s, nil, []byte("x"))
						if errors.Is(err, vault.ErrShredded) {
							return
						}
						if err != nil {
							t.Errorf("seal: %v", err)
							return
						}
						if i == 0 {
							mu.Lock()
							made = append(made, sealed)
							mu.Unlock()
							begun <- struct{}{}
						}
						if i%10 == 9 {
							v.Forget(tenant, s) // so that keys are loaded while the subject is shredded
						}
					}
				})
			}
			for range 4 {
				<-begun
			}
			if err := v.Shred(ctx, tenant, s); err != nil {
				t.Fatal(err)
			}
			for _, sealed := range made {
				if _, err := v.Open(ctx, tenant, s, nil, sealed); !errors.Is(err, vault.ErrShredded) {
					t.Errorf("opened after Shred had returned: %v", err)
				}
			}
			wg.Wait() // every sealer meets the end
		}
	})
}

func TestCreatingAndShreddingAtOnceLeavesNoKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := open(t, db, clock.System(), vault.Options{})
		tenant := id.NewTenant()
		ctx := context.Background()
		for range 10 {
			s := id.NewSubject()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if err := v.CreateSubject(ctx, tenant, s); err != nil && !errors.Is(err, vault.ErrShredded) {
						t.Errorf("create: %v", err)
					}
				})
			}
			if err := v.Shred(ctx, tenant, s); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if has, err := v.Has(ctx, tenant, s); has || err != nil {
				t.Errorf("has a key: %v, %v", has, err)
			}
			if _, err := v.Seal(ctx, tenant, s, nil, nil); !errors.Is(err, vault.ErrShredded) {
				t.Errorf("seal: %v", err)
			}
		}
	})
}

func TestOneShreddedSubjectOfABatchLeavesTheBatchWithoutKeys(t *testing.T) {
	v := open(t, storetest.SQLite(t), clock.NewFake(start), vault.Options{})
	tenant := id.NewTenant()
	ss := []id.Subject{id.NewSubject(), id.NewSubject()}
	if err := v.Shred(t.Context(), tenant, ss[1]); err != nil {
		t.Fatal(err)
	}
	if err := v.CreateSubjects(t.Context(), tenant, ss); !errors.Is(err, vault.ErrShredded) {
		t.Errorf("got %v", err)
	}
	if _, err := v.Seal(t.Context(), tenant, ss[0], nil, nil); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("the innocent one: %v", err)
	}
}

func TestAnotherProcessLearnsOfAnErasureWhenToldOrWhenItsCacheIsOld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		clk := clock.NewFake(start)
		here := open(t, db, clk, vault.Options{})
		there := open(t, db, clk, vault.Options{})
		tenant := id.NewTenant()
		told, untold := create(t, here, tenant), create(t, here, tenant)
		for _, s := range []id.Subject{told, untold} {
			if _, err := there.Seal(ctx, tenant, s, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := here.Shred(ctx, tenant, told, untold); err != nil {
			t.Fatal(err)
		}
		there.Forget(tenant, told)
		if _, err := there.Seal(ctx, tenant, told, nil, nil); !errors.Is(err, vault.ErrShredded) {
			t.Errorf("told: %v", err)
		}
		if _, err := there.Seal(ctx, tenant, untold, nil, nil); err != nil {
			t.Errorf("untold, within the minute: %v", err)
		}
		if has, err := there.Has(ctx, tenant, untold); has || err != nil {
			t.Errorf("Has answered from memory: %v, %v", has, err)
		}
		clk.Advance(61 * time.Second)
		if _, err := there.Seal(ctx, tenant, untold, nil, nil); !errors.Is(err, vault.ErrShredded) {
			t.Errorf("untold, after a minute: %v", err)
		}
	})
}

func TestTheCacheKeepsNoMoreKeysThanAllowed(t *testing.T) {
	v := open(t, storetest.SQLite(t), clock.NewFake(start), vault.Options{CacheSize: 128})
	tenant := id.NewTenant()
	ss := make([]id.Subject, 1000)
	for i := range ss {
		ss[i] = id.NewSubject()
	}
	if err := v.CreateSubjects(t.Context(), tenant, ss); err != nil {
		t.Fatal(err)
	}
	for _, s := range ss {
		if _, err := v.Seal(t.Context(), tenant, s, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := v.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Cached > 128 || stats.Cached < 64 || stats.Subjects != 1000 || stats.Tenants != 1 || !stats.Oldest.Equal(start) {
		t.Errorf("%+v", stats)
	}
	if stats.Hits+stats.Misses < 1000 {
		t.Errorf("%d hits and %d misses for 1000 uses", stats.Hits, stats.Misses)
	}
}
