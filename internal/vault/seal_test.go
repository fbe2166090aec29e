package vault_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

func TestSealedBytesOpenInTheirPlaceOnly(t *testing.T) {
	v := open(t, storetest.SQLite(t), clock.NewFake(start), vault.Options{})
	tenants := []id.Tenant{id.NewTenant(), id.NewTenant()}
	subjects := map[id.Tenant][]id.Subject{}
	shared := id.NewSubject() // the same reference under both tenants
	for _, tenant := range tenants {
		subjects[tenant] = []id.Subject{create(t, v, tenant), shared}
		if err := v.CreateSubject(t.Context(), tenant, shared); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		tenant := rapid.SampledFrom(tenants).Draw(t, "tenant")
		subject := rapid.SampledFrom(subjects[tenant]).Draw(t, "subject")
		aad := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "aad")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 900).Draw(t, "plain")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "prefix")

		sealed, err := v.SealAppend(ctx, tenant, subject, bytes.Clone(prefix), aad, plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(sealed, prefix) || len(sealed) != len(prefix)+len(plain)+vault.Overhead {
			t.Fatalf("%d bytes sealed from %d", len(sealed), len(plain))
		}
		sealed = sealed[len(prefix):]
		opened, err := v.OpenAppend(ctx, tenant, subject, bytes.Clone(prefix), aad, sealed)
		if err != nil || !bytes.Equal(opened, append(bytes.Clone(prefix), plain...)) {
			t.Fatalf("opened %x, %v", opened, err)
		}
		again, err := v.Seal(ctx, tenant, subject, aad, plain)
		if err != nil || bytes.Equal(again, sealed) {
			t.Fatalf("sealing twice gives the same bytes, %v", err)
		}

		refused := func(what string, err error) {
			if !errors.Is(err, vault.ErrUnreadable) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, other := range subjects[tenant] {
			if other != subject {
				_, err = v.Open(ctx, tenant, other, aad, sealed)
				refused("another subject", err)
			}
		}
		if subject == shared {
			for _, other := range tenants {
				if other != tenant {
					_, err = v.Open(ctx, other, subject, aad, sealed)
					refused("another tenant", err)
				}
			}
		}
		_, err = v.Open(ctx, tenant, subject, append(bytes.Clone(aad), 0), sealed)
		refused("other additional data", err)
		_, err = v.OpenTenant(ctx, tenant, aad, sealed)
		refused("the tenant's own key", err)
		bit := rapid.IntRange(0, 8*len(sealed)-1).Draw(t, "bit")
		flipped := bytes.Clone(sealed)
		flipped[bit/8] ^= 1 << (bit % 8)
		_, err = v.Open(ctx, tenant, subject, aad, flipped)
		refused("a flipped bit", err)
		cut := rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")
		_, err = v.Open(ctx, tenant, subject, aad, sealed[:cut])
		refused("cut short", err)
	})
}

func TestTheTenantsOwnDataOpensForThatTenantOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		v := open(t, db, clock.NewFake(start), vault.Options{})
		a, b := id.NewTenant(), id.NewTenant()
		aad := vault.AAD([]byte("staff"))
		sealed, err := v.SealTenant(ctx, a, aad, []byte("name"))
		if err != nil {
			t.Fatal(err)
		}
		// As after a restart.
		v = open(t, db, clock.NewFake(start), vault.Options{})
		plain, err := v.OpenTenant(ctx, a, aad, sealed)
		if err != nil || string(plain) != "name" {
			t.Errorf("opened %q, %v", plain, err)
		}
		if _, err := v.OpenTenant(ctx, b, aad, sealed); !errors.Is(err, vault.ErrUnreadable) {
			t.Errorf("another tenant: %v", err)
		}
		if _, err := v.OpenTenant(ctx, a, nil, sealed); !errors.Is(err, vault.ErrUnreadable) {
			t.Errorf("other additional data: %v", err)
		}
	})
}

func TestAdditionalDataIsUnambiguous(t *testing.T) {
	parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 6), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := slices.EqualFunc(a, b, bytes.Equal)
		if bytes.Equal(vault.AAD(a...), vault.AAD(b...)) != same {
			t.Errorf("%x and %x", a, b)
		}
	})
}

func TestAKnownSubjectIsServedWhileTheDatabaseIsDownAndAnUnknownOneIsNot(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + t.TempDir() + "/vault.db"})
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, db, clock.NewFake(start), vault.Options{})
	tenant := id.NewTenant()
	s := create(t, v, tenant)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Seal(t.Context(), tenant, s, nil, []byte("x")); err != nil {
		t.Errorf("a known subject: %v", err)
	}
	if _, err := v.BlindIndex(t.Context(), tenant, "cookie", "x"); err != nil {
		t.Errorf("a blind index: %v", err)
	}
	if _, err := v.Seal(t.Context(), tenant, id.NewSubject(), nil, []byte("x")); err == nil {
		t.Error("an unknown subject was sealed for")
	}
	if err := v.CreateSubject(t.Context(), tenant, id.NewSubject()); !fail.Is(err, fail.Unavailable) {
		t.Errorf("a new subject: %v", err)
	}
}

func TestASubjectNobodyCreatedHasNoKey(t *testing.T) {
	v := open(t, storetest.SQLite(t), clock.NewFake(start), vault.Options{})
	if _, err := v.Seal(t.Context(), id.NewTenant(), id.NewSubject(), nil, nil); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("got %v", err)
	}
	if err := v.CreateSubject(t.Context(), id.NewTenant(), id.Subject{}); !fail.Is(err, fail.Internal) {
		t.Errorf("a key for nobody: %v", err)
	}
}

func TestSealingIntoABufferWithRoomAllocatesNothing(t *testing.T) {
	v := open(t, storetest.SQLite(t), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	s := create(t, v, tenant)
	ctx := context.Background()
	aad, plain := make([]byte, 48), make([]byte, 730)
	sealed, opened := make([]byte, 0, 1024), make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(200, func() {
		out, err := v.SealAppend(ctx, tenant, s, sealed[:0], aad, plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.OpenAppend(ctx, tenant, s, opened[:0], aad, out); err != nil {
			t.Fatal(err)
		}
	})
	// A garbage collection may empty the pool of buffers in between.
	if allocs >= 1 && !raced {
		t.Errorf("%v allocations for sealing and opening once", allocs)
	}
}

func BenchmarkSeal730(b *testing.B) {
	v := open(b, storetest.SQLite(b), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	s := create(b, v, tenant)
	aad, plain, dst := make([]byte, 48), make([]byte, 730), make([]byte, 0, 1024)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.SealAppend(ctx, tenant, s, dst[:0], aad, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealParallel(b *testing.B) {
	v := open(b, storetest.SQLite(b), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	subjects := make([]id.Subject, 1000)
	for i := range subjects {
		subjects[i] = id.NewSubject()
	}
	if err := v.CreateSubjects(b.Context(), tenant, subjects); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		aad, plain, dst := make([]byte, 48), make([]byte, 730), make([]byte, 0, 1024)
		for i := 0; pb.Next(); i++ {
			if _, err := v.SealAppend(ctx, tenant, subjects[i%len(subjects)], dst[:0], aad, plain); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkOpen730(b *testing.B) {
	v := open(b, storetest.SQLite(b), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	s := create(b, v, tenant)
	ctx := context.Background()
	sealed, err := v.Seal(ctx, tenant, s, nil, make([]byte, 730))
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.OpenAppend(ctx, tenant, s, dst[:0], nil, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenUncached measures opening for a subject whose key must be read first.
func BenchmarkOpenUncached(b *testing.B) {
	v := open(b, storetest.SQLite(b), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	s := create(b, v, tenant)
	ctx := context.Background()
	sealed, err := v.Seal(ctx, tenant, s, nil, make([]byte, 730))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v.Forget(tenant, s)
		if _, err := v.Open(ctx, tenant, s, nil, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlindIndex(b *testing.B) {
	v := open(b, storetest.SQLite(b), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.BlindIndex(ctx, tenant, "cookie", "0198f6f2-1111-4222-8333-444455556666"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateSubject(b *testing.B) {
	v := open(b, storetest.SQLite(b), clock.System(), vault.Options{})
	tenant := id.NewTenant()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := v.CreateSubject(context.Background(), tenant, id.NewSubject()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
