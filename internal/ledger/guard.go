package ledger

import (
	"context"
	"fmt"

	"probity/internal/store"
)

// guard installs the triggers that refuse to change or delete an entry or a checkpoint, and to
// change a payload. Payloads may be deleted: that is how a person is forgotten. The two engines
// spell triggers differently, so they stand here and not in the migrations.
//
// A trigger stops accidents and honest mistakes. Whoever owns the database can drop it; what
// detects that is the tree.
func (l *Ledger) guard(ctx context.Context) error {
	forbidden := []struct{ table, event string }{
		{"ledger_entry", "UPDATE"},
		{"ledger_entry", "DELETE"},
		{"ledger_checkpoint", "UPDATE"},
		{"ledger_checkpoint", "DELETE"},
		{"ledger_payload", "UPDATE"},
		{"ledger_head", "DELETE"},
	}
	return l.db.Write(ctx, func(tx *store.Tx) error {
		if tx.Dialect() == store.Postgres {
			if _, err := tx.Exec(ctx, `
				CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME; END $$`); err != nil {
				return fmt.Errorf("create the ledger's guard: %w", err)
			}
		}
		for _, f := range forbidden {
			name := f.table + "_no_" + f.event
			query := fmt.Sprintf(`CREATE TRIGGER IF NOT EXISTS %s BEFORE %s ON %s
				BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: %s on %s is refused'); END`,
				name, f.event, f.table, f.event, f.table)
			if tx.Dialect() == store.Postgres {
				query = fmt.Sprintf(`CREATE OR REPLACE TRIGGER %s BEFORE %s ON %s
					FOR EACH ROW EXECUTE FUNCTION ledger_refuse()`, name, f.event, f.table)
			}
			if _, err := tx.Exec(ctx, query); err != nil {
				return fmt.Errorf("guard %s against %s: %w", f.table, f.event, err)
			}
		}
		return nil
	})
}
