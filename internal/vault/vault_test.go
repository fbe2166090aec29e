package vault_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// testRoot is a root key that repeats.
var testRoot = vault.RootKey{1, 2, 3, 4}

func open(t testing.TB, db *store.DB, clk clock.Clock, opts vault.Options) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), db, testRoot, clk, opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func create(t testing.TB, v *vault.Vault, tenant id.Tenant) id.Subject {
	t.Helper()
	s := id.NewSubject()
	if err := v.CreateSubject(t.Context(), tenant, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatWasSealedOpensUntilTheSubjectIsShredded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		v := open(t, db, clock.NewFake(start), vault.Options{})
		tenant := id.NewTenant()
		s := create(t, v, tenant)
		aad := vault.AAD([]byte("event"), []byte("1"))
		sealed, err := v.Seal(ctx, tenant, s, aad, []byte("page"))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := v.Open(ctx, tenant, s, aad, sealed)
		if err != nil || !bytes.Equal(plain, []byte("page")) {
			t.Fatalf("opened %q, %v", plain, err)
		}
		if err := v.CreateSubject(ctx, tenant, s); err != nil {
			t.Errorf("creating a living subject again: %v", err)
		}
		if err := v.Shred(ctx, tenant, s); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Open(ctx, tenant, s, aad, sealed); !errors.Is(err, vault.ErrShredded) {
			t.Errorf("open after shredding: %v", err)
		}
		if _, err := v.Seal(ctx, tenant, s, aad, nil); !errors.Is(err, vault.ErrShredded) {
			t.Errorf("seal after shredding: %v", err)
		}
		if err := v.CreateSubject(ctx, tenant, s); !errors.Is(err, vault.ErrShredded) {
			t.Errorf("create after shredding: %v", err)
		}
		if has, err := v.Has(ctx, tenant, s); has || err != nil {
			t.Errorf("has a key after shredding: %v, %v", has, err)
		}
		if err := v.Shred(ctx, tenant, s); err != nil {
			t.Errorf("shredding twice: %v", err)
		}
	})
}

func TestAnotherRootKeyIsRefusedInPlainWords(t *testing.T) {
	db := storetest.SQLite(t)
	open(t, db, clock.NewFake(start), vault.Options{})
	_, err := vault.Open(t.Context(), db, vault.RootKey{9}, clock.NewFake(start), vault.Options{})
	if !fail.Is(err, fail.Conflict) {
		t.Errorf("got %v", err)
	}
}
