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

// KnowsErasure tells whether the entry was applied to these keys.
func (v *Vault) KnowsErasure(ctx context.Context, t id.Tenant, entry uuid.UUID) (bool, error) {
	var n int
	err := v.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM erasure_applied WHERE tenant_id = $1 AND entry = $2", t, entry[:]).Scan(&n)
	})
	return n > 0, err
}

// RegisterMarks returns the places of registers of erasures up to which all is applied to these keys, by
// the code of the line that ends there.
func (v *Vault) RegisterMarks(ctx context.Context) (marks map[string]int64, err error) {
	err = v.db.Read(ctx, func(tx *store.Tx) error {
		marks = map[string]int64{}
		rows, err := tx.Query(ctx, "SELECT code, place FROM register_mark")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var code string
			var place int64
			if err := rows.Scan(&code, &place); err != nil {
				return err
			}
			marks[code] = place
		}
		return rows.Err()
	})
	return marks, err
}

// SetRegisterMark notes that all up to a place is applied to these keys, instead of up to an earlier one.
func (v *Vault) SetRegisterMark(ctx context.Context, code string, place int64, instead string) error {
	return v.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO register_mark (code, place) VALUES ($1, $2) ON CONFLICT (code) DO NOTHING", code, place)
		if err == nil && instead != code {
			_, err = tx.Exec(ctx, "DELETE FROM register_mark WHERE code = $1", instead)
		}
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
