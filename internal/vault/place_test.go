package vault

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store/storetest"
)

func TestEvenUnderOneKeySealedBytesAreBoundToTenantSubjectAndVersion(t *testing.T) {
	v := openVault(t, storetest.SQLite(t), clock.NewFake(origin))
	aead, err := newAEAD(randomKey())
	if err != nil {
		t.Fatal(err)
	}
	k := dataKey{aead: aead, version: 1}
	tenant, subject := id.NewTenant(), id.NewSubject()
	sealed := v.seal(k, tenant, subject, nil, []byte("aad"), []byte("plain"))
	for name, open := range map[string]func() ([]byte, error){
		"another tenant":  func() ([]byte, error) { return v.open(k, id.NewTenant(), subject, nil, []byte("aad"), sealed) },
		"another subject": func() ([]byte, error) { return v.open(k, tenant, id.NewSubject(), nil, []byte("aad"), sealed) },
		"another version": func() ([]byte, error) {
			return v.open(dataKey{aead: aead, version: 2}, tenant, subject, nil, []byte("aad"), sealed)
		},
	} {
		if _, err := open(); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if plain, err := v.open(k, tenant, subject, nil, []byte("aad"), sealed); err != nil || !bytes.Equal(plain, []byte("plain")) {
		t.Errorf("its own place: %q, %v", plain, err)
	}
}

func TestAKeyReadBeforeItWasDroppedIsNotRemembered(t *testing.T) {
	c := newKeyCache(64)
	name := keyName{id.NewTenant(), id.NewSubject()}
	_, mark, ok := c.get(name, time.Time{})
	if ok {
		t.Fatal("an empty cache has a key")
	}
	c.drop(name) // while the key was being read from the database
	c.put(name, dataKey{version: 1}, origin, mark)
	if _, _, ok := c.get(name, time.Time{}); ok {
		t.Error("the key of a dropped subject is remembered")
	}
	c.put(name, dataKey{version: 1}, origin, c.mark(name))
	if _, _, ok := c.get(name, origin); !ok {
		t.Error("a fresh key is not remembered")
	}
	if _, _, ok := c.get(name, origin.Add(time.Microsecond)); ok {
		t.Error("an old key is still used")
	}
}

func TestTheLeastRecentlyUsedKeyGoesFirst(t *testing.T) {
	c := newKeyCache(64 * 3) // three a shard
	tenant := id.NewTenant()
	names := make([]keyName, 4)
	for i := range names {
		s := id.NewSubject()
		s[15] = 9 // all in one shard
		names[i] = keyName{tenant, s}
	}
	for _, n := range names[:3] {
		c.put(n, dataKey{version: 1}, origin, c.mark(n))
	}
	c.get(names[0], origin)
	c.put(names[3], dataKey{version: 1}, origin, c.mark(names[3]))
	for i, want := range []bool{true, false, true, true} {
		if _, _, ok := c.get(names[i], origin); ok != want {
			t.Errorf("key %d: remembered %v, want %v", i, ok, want)
		}
	}
}
