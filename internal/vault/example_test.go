package vault_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/vault"
)

// What is sealed for a data subject can be read until the subject's key is shredded.
func ExampleVault() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "probity-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	root, created, _, err := vault.LoadOrCreateRootKey(filepath.Join(dir, "root.key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("new root key:", created)
	db, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(dir, "vault.db")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	v, err := vault.Open(ctx, db, root, clock.System(), vault.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	tenant, person := id.NewTenant(), id.NewSubject()
	if err := v.CreateSubject(ctx, tenant, person); err != nil {
		fmt.Println(err)
		return
	}
	place := vault.AAD([]byte("identity"), []byte("email"))
	sealed, err := v.Seal(ctx, tenant, person, place, []byte("ada@example.org"))
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := v.Open(ctx, tenant, person, place, sealed)
	fmt.Printf("%s %v\n", plain, err)

	if err := v.Shred(ctx, tenant, person); err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Open(ctx, tenant, person, place, sealed)
	fmt.Println(errors.Is(err, vault.ErrShredded), err)
	// Output:
	// new root key: true
	// ada@example.org <nil>
	// true the data subject was erased
}
