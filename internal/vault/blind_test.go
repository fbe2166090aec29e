package vault_test

import (
	"context"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

func TestABlindIndexIsEqualForEqualTenantKindAndValueOnly(t *testing.T) {
	db := storetest.SQLite(t)
	v := open(t, db, clock.NewFake(start), vault.Options{})
	restarted := open(t, db, clock.NewFake(start), vault.Options{})
	tenants := []id.Tenant{id.NewTenant(), id.NewTenant()}
	type place struct {
		tenant id.Tenant
		kind   string
		value  string
	}
	places := rapid.Custom(func(t *rapid.T) place {
		return place{
			rapid.SampledFrom(tenants).Draw(t, "tenant"),
			rapid.SampledFrom([]string{"email", "phone", "e", "ma"}).Draw(t, "kind"),
			rapid.SampledFrom([]string{"", "a", "mail", "il", "b@example.org"}).Draw(t, "value"),
		}
	})
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		a, b := places.Draw(t, "a"), places.Draw(t, "b")
		x, errX := v.BlindIndex(ctx, a.tenant, a.kind, a.value)
		y, errY := restarted.BlindIndex(ctx, b.tenant, b.kind, b.value)
		if errX != nil || errY != nil || len(x) != 16 {
			t.Fatalf("%x %v %v", x, errX, errY)
		}
		if (string(x) == string(y)) != (a == b) {
			t.Errorf("%v gives %x, %v gives %x", a, x, b, y)
		}
	})
}

func TestProcessesThatMeetANewTenantTogetherAgreeOnItsKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		tenant := id.NewTenant()
		var (
			wg        sync.WaitGroup
			mu        sync.Mutex // guards both maps
			indexes   = map[string]bool{}
			verifiers = map[string]bool{}
		)
		for range 6 {
			v := open(t, db, clock.NewFake(start), vault.Options{})
			wg.Go(func() {
				index, err := v.BlindIndex(ctx, tenant, "cookie", "x")
				if err != nil {
					t.Errorf("index: %v", err)
				}
				_, verifier, err := v.Signer(ctx, tenant, "example.org/log")
				if err != nil {
					t.Errorf("signer: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				indexes[string(index)], verifiers[verifier] = true, true
			})
		}
		wg.Wait()
		if len(indexes) != 1 || len(verifiers) != 1 {
			t.Errorf("%d indexes, %d verifiers", len(indexes), len(verifiers))
		}
	})
}

func TestASignerSignsForItsTenantAndOrigin(t *testing.T) {
	v := open(t, storetest.SQLite(t), clock.NewFake(start), vault.Options{})
	ctx := t.Context()
	tenant := id.NewTenant()
	signer, verifier, err := v.Signer(ctx, tenant, "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "size 1\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	known, err := note.NewVerifier(verifier)
	if err != nil || known.Name() != "example.org/log" {
		t.Fatalf("verifier %v, %v", known, err)
	}
	if _, err := note.Open(signed, note.VerifierList(known)); err != nil {
		t.Errorf("open: %v", err)
	}
	for name, other := range map[string]func() (note.Signer, string, error){
		"another tenant": func() (note.Signer, string, error) { return v.Signer(ctx, id.NewTenant(), "example.org/log") },
		"another origin": func() (note.Signer, string, error) { return v.Signer(ctx, tenant, "example.org/log2") },
	} {
		if _, text, err := other(); err != nil || text == verifier {
			t.Errorf("%s has the same key, %v", name, err)
		}
	}
	for _, bad := range []string{"", "a b", "a+b", "a\n"} {
		if _, _, err := v.Signer(ctx, tenant, bad); !fail.Is(err, fail.Invalid) {
			t.Errorf("origin %q: %v", bad, err)
		}
	}
}
