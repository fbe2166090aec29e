package vault

import (
	"context"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
)

// NoteErasure notes that an entry of the register of erasures was applied to these keys, which is to
// be true before: Shred first. Noting it twice does nothing. body is the entry itself.
func (v *Vault) NoteErasure(ctx context.Context, t id.Tenant, entry uuid.UUID, body []byte) error {
	return v.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
INSERT INTO erasure_applied (tenant_id, entry, body, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, entry) DO NOTHING`, t, entry[:], body, v.clk.Now().UnixMicro())
		return err
	})
}

// Erasures calls fn for every entry that was applied to these keys, whichever tenant's. fn must not use
// the vault.
func (v *Vault) Erasures(ctx context.Context, fn func(entry uuid.UUID, body []byte) error) error {
	return v.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, "SELECT entry, body FROM erasure_applied WHERE tenant_id IS NOT NULL")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var entry uuid.UUID
			var body []byte
			if err := rows.Scan(&entry, &body); err != nil {
				return err
			}
			if err := fn(entry, body); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
