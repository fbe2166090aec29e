package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing/fstest"

	"probity/internal/id"
	"probity/internal/store"
)

// A room migrates its tables once, and then works through a tenant's handle.
func ExampleHandle_Write() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "probity-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(dir, "probity.db")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if err := db.Migrate(ctx, "greeting", fstest.MapFS{"001_greeting.sql": {Data: []byte(`-- +goose Up
CREATE TABLE greeting (
	tenant_id BYTEA NOT NULL,
	id BIGINT NOT NULL,
	words TEXT NOT NULL,
	PRIMARY KEY (tenant_id, id)
);`)}}); err != nil {
		fmt.Println(err)
		return
	}

	h := db.Tenant(id.NewTenant())
	err = h.Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { fmt.Println("on disk") })
		_, err := tx.Exec(ctx, "INSERT INTO greeting (tenant_id, id, words) VALUES ($1, $2, $3)", tx.TenantID(), 1, "hello")
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var words string
	err = h.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT words FROM greeting WHERE tenant_id = $1 AND id = $2", tx.TenantID(), 1).Scan(&words)
	})
	fmt.Println(words, err)
	// Output:
	// on disk
	// hello <nil>
}
