package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// Checkpoint returns the signed state of a tenant's log, with every entry committed so far. A new
// one is signed and stored only if the log has grown since the last; its time never goes backwards.
// An empty log has none: fail.NotFound.
func (l *Ledger) Checkpoint(ctx context.Context, t id.Tenant) (signed []byte, err error) {
	head, err := l.head(ctx, t)
	if err != nil {
		return nil, err
	}
	if head == 0 {
		return nil, fail.New(fail.NotFound, "The log is empty: there is nothing to sign yet.")
	}
	c, err := l.covering(ctx, t, head)
	return []byte(c.note), err
}

// Checkpoints returns the stored checkpoints with sizes above after, oldest first, at most limit.
func (l *Ledger) Checkpoints(ctx context.Context, t id.Tenant, after int64, limit int) ([][]byte, error) {
	var out [][]byte
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `
			SELECT note FROM ledger_checkpoint
			WHERE tenant_id = $1 AND size > $2 ORDER BY size LIMIT $3`, t, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			out = append(out, []byte(s))
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read the checkpoints")
	}
	return out, nil
}

type checkpoint struct {
	size int64
	note string
	key  string
}

// covering returns the newest checkpoint if it covers size entries, and signs one if not. Callers
// that wait for each other share one signature.
func (l *Ledger) covering(ctx context.Context, t id.Tenant, size int64) (checkpoint, error) {
	c, err := l.latest(ctx, t)
	if err != nil || c.size >= size {
		return c, err
	}
	defer l.signs.lock(t)()
	if c, err = l.latest(ctx, t); err != nil || c.size >= size {
		return c, err
	}
	s, err := l.signing(ctx, t)
	if err != nil {
		return checkpoint{}, err
	}
	err = l.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		c, err = l.sign(ctx, tx, s)
		return err
	})
	if err != nil {
		return checkpoint{}, unavailable(err, "sign a checkpoint")
	}
	return c, nil
}

func (l *Ledger) sign(ctx context.Context, tx *store.Tx, s signing) (checkpoint, error) {
	t := tx.TenantID()
	var size, stamped int64
	if err := tx.QueryRow(ctx, `SELECT size, stamped FROM ledger_head WHERE tenant_id = $1`, t).Scan(&size, &stamped); err != nil {
		return checkpoint{}, err
	}
	var before sql.NullInt64
	if err := tx.QueryRow(ctx, `SELECT max(signed_at) FROM ledger_checkpoint WHERE tenant_id = $1`, t).Scan(&before); err != nil {
		return checkpoint{}, err
	}
	root, err := tlog.TreeHash(size, &reader{ctx: ctx, tx: tx})
	if err != nil {
		return checkpoint{}, fmt.Errorf("compute the root of the ledger: %w", err)
	}
	at := max(l.clk.Now().Unix(), stamped/1e6, before.Int64)
	state := verify.Checkpoint{Origin: l.Origin(t), Tree: tlog.Tree{N: size, Hash: root}, Time: time.Unix(at, 0).UTC()}
	signed, err := note.Sign(&note.Note{Text: state.Text()}, s.signer)
	if err != nil {
		return checkpoint{}, fmt.Errorf("sign the checkpoint: %w", err)
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO ledger_checkpoint (tenant_id, size, signed_at, note, verifier_key)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, size) DO NOTHING`, t, size, at, string(signed), s.key)
	if err != nil {
		return checkpoint{}, err
	}
	if n == 1 {
		return checkpoint{size: size, note: string(signed), key: s.key}, nil
	}
	// Another machine signed this size first: hand out that one, so that there is one per size.
	c := checkpoint{size: size}
	err = tx.QueryRow(ctx, `SELECT note, verifier_key FROM ledger_checkpoint WHERE tenant_id = $1 AND size = $2`, t, size).Scan(&c.note, &c.key)
	return c, err
}

// latest returns the newest stored checkpoint, one of size 0 if there is none.
func (l *Ledger) latest(ctx context.Context, t id.Tenant) (checkpoint, error) {
	var c checkpoint
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `
			SELECT size, note, verifier_key FROM ledger_checkpoint
			WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1`, t).Scan(&c.size, &c.note, &c.key)
		if errors.Is(err, sql.ErrNoRows) {
			c = checkpoint{}
			return nil
		}
		return err
	})
	if err != nil {
		return c, unavailable(err, "read the newest checkpoint")
	}
	return c, nil
}

func (l *Ledger) head(ctx context.Context, t id.Tenant) (size int64, err error) {
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT size FROM ledger_head WHERE tenant_id = $1`, t).Scan(&size)
		if errors.Is(err, sql.ErrNoRows) {
			size = 0
			return nil
		}
		return err
	})
	if err != nil {
		return 0, unavailable(err, "read the head of the ledger")
	}
	return size, nil
}
