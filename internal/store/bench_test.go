package store_test

import (
	"context"
	"sync/atomic"
	"testing"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// BenchmarkGroupCommit measures durable small writes from 64 goroutines.
func BenchmarkGroupCommit(b *testing.B) {
	db := storetest.SQLite(b)
	migrateNotes(b, db)
	h := db.Tenant(id.NewTenant())
	body := make([]byte, 100)
	var next atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if err := h.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO note (tenant_id, id, body) VALUES ($1, $2, $3)", tx.TenantID(), next.Add(1), body)
				return err
			}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkSingleWrite measures one durable write after another.
func BenchmarkSingleWrite(b *testing.B) {
	db := storetest.SQLite(b)
	migrateNotes(b, db)
	h := db.Tenant(id.NewTenant())
	ctx := b.Context()
	n := int64(0)
	for b.Loop() {
		if err := h.Write(ctx, func(tx *store.Tx) error { n++; return addNote(ctx, tx, n, "x") }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRowsOfOneClosure measures a write of 500 rows of 300 bytes.
func BenchmarkRowsOfOneClosure(b *testing.B) {
	db := storetest.SQLite(b)
	migrateNotes(b, db)
	h := db.Tenant(id.NewTenant())
	ctx := b.Context()
	body := make([]byte, 300)
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Write(ctx, func(tx *store.Tx) error {
			for range 500 {
				n++
				if _, err := tx.Exec(ctx, "INSERT INTO note (tenant_id, id, body) VALUES ($1, $2, $3)", tx.TenantID(), n, body); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkPointRead measures one read of one row in a transaction of its own.
func BenchmarkPointRead(b *testing.B) {
	db := storetest.SQLite(b)
	migrateNotes(b, db)
	h := db.Tenant(id.NewTenant())
	ctx := context.Background()
	if err := h.Write(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 1, "x") }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Read(ctx, func(tx *store.Tx) error {
			var body []byte
			return tx.QueryRow(ctx, "SELECT body FROM note WHERE tenant_id = $1 AND id = 1", tx.TenantID()).Scan(&body)
		}); err != nil {
			b.Fatal(err)
		}
	}
}
