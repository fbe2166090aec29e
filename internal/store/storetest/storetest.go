// Package storetest gives tests real databases: a fresh SQLite file, and a fresh PostgreSQL database
// under a role that can't step around row-level security.
package storetest

import (
	"path/filepath"
	"testing"

	"probity/internal/store"
)

// Each runs fn as a sub-test on each engine, each time on a fresh and empty database.
func Each(t *testing.T, fn func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite returns a fresh SQLite database in the test's folder. It is closed when the test ends.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "probity.db")})
}

// Postgres returns a fresh PostgreSQL database. It is closed and dropped when the test ends.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, store.Config{URL: PostgresURL(t)})
}

// Open opens the database of cfg and closes it when the test ends.
func Open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the test database: %v", err)
		}
	})
	return db
}
