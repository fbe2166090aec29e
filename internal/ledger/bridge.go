package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/vault"
	"probity/verify"
)

// Claim is what somebody outside says they saw of a log. The zero value claims nothing.
type Claim struct {
	By    string // the witness's name
	Size  int64  // of the tree they cosigned
	Other bool   // they were shown that our tree extends ours of that size, and theirs is another one
}

// weighs tells whether the claim contradicts what this installation remembers to have signed.
func (c Claim) weighs(p vault.Published) bool { return c.Other || c.Size > p.Size }

// Bridge says that a log could not go on under its old name. It happens when the database is a
// restored older copy, or was cut off or rewritten by hand, while checkpoints of what is missing had
// been published: to sign another tree of a size signed before would be a lie that anybody could
// prove. The log goes on under a new name, and its first new entry says what happened.
type Bridge struct {
	Generation int64 // of the new name
	From       string
	To         string
	At         time.Time
	First      int64 // number of the first entry that is missing
	Lost       int64 // how many were published and are missing; 0: they were replaced, not lost
}

// Resume makes sure that the tenant's log goes on from what was last published, and bridges it if it
// can't. Call it before anything is appended after a start; it is repeated whenever a checkpoint is
// signed. A checkpoint that only the vault remembers is stored. It returns the bridge it made, nil if
// there was no need.
//
// Errors: fail.Conflict if entries are missing in the middle, which no new name makes good: the
// database must be restored from a backup.
func (l *Ledger) Resume(ctx context.Context, t id.Tenant) (*Bridge, error) {
	defer l.alone(t)()
	p, err := l.vault.Published(ctx, t)
	if err != nil {
		return nil, unavailable(err, "read what was last published of the log")
	}
	v, err := l.look(ctx, t, p)
	if err != nil {
		return nil, err
	}
	if v.broken != "" {
		return l.bridgeNow(ctx, t, Claim{})
	}
	if lost, ok := v.unstored(p); ok {
		return nil, l.keep(ctx, t, v, lost)
	}
	return nil, nil
}

// Doubt is told what a witness saw. If that is more than this installation remembers to have signed,
// or something else, then database and vault are both older than what was published, and the log is
// bridged: under its new name no witness holds anything against it.
func (l *Ledger) Doubt(ctx context.Context, t id.Tenant, c Claim) (*Bridge, error) {
	defer l.alone(t)()
	p, err := l.vault.Published(ctx, t)
	if err != nil {
		return nil, unavailable(err, "read what was last published of the log")
	}
	if !c.weighs(p) {
		return nil, nil
	}
	return l.bridgeNow(ctx, t, c)
}

func (l *Ledger) bridgeNow(ctx context.Context, t id.Tenant, c Claim) (*Bridge, error) {
	if err := l.bridge(ctx, t, c); err != nil {
		return nil, err
	}
	all, err := l.Bridges(ctx, t)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[len(all)-1], nil
}

// Bridges returns every bridge of the tenant's log, oldest first.
func (l *Ledger) Bridges(ctx context.Context, t id.Tenant) ([]Bridge, error) {
	keys, err := l.keys(ctx, t)
	if err != nil {
		return nil, err
	}
	var out []Bridge
	for _, k := range keys {
		if k.Generation == 1 || k.Serial != 1 {
			continue
		}
		h, err := verify.OpenHandover(k.Handover)
		if err != nil {
			return nil, fmt.Errorf("the handover to generation %d of the log is damaged: %w", k.Generation, err)
		}
		first, lost := h.Lost()
		out = append(out, Bridge{
			Generation: k.Generation, From: l.originOf(t, k.Generation-1), To: l.originOf(t, k.Generation),
			At: h.Time, First: first, Lost: lost,
		})
	}
	return out, nil
}

// bridge repairs or bridges the log. The caller holds the tenant's turn to sign.
func (l *Ledger) bridge(ctx context.Context, t id.Tenant, c Claim) error {
	err := l.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		// Whoever else wants to append or to bridge waits from here on.
		if _, err := lockHead(ctx, tx); err != nil {
			return err
		}
		p, err := l.vault.Published(ctx, t)
		if err != nil {
			return err
		}
		if err := l.restoreKeys(ctx, tx); err != nil {
			return err
		}
		v, err := l.lookIn(ctx, tx, p)
		if err != nil || v.broken == "" && !c.weighs(p) {
			return err
		}
		moved, err := l.fitHead(ctx, tx, v)
		if err != nil {
			return err
		}
		if moved != 0 {
			if v, err = l.lookIn(ctx, tx, p); err != nil {
				return err
			}
		}
		if v.broken == "" && !c.weighs(p) {
			return l.repaired(ctx, tx, v.size-moved, v.size)
		}
		return l.cross(ctx, tx, p, v, c)
	})
	if err != nil {
		return unavailable(err, "go on with the log")
	}
	return nil
}

// restoreKeys puts the keys back that only the vault remembers.
func (l *Ledger) restoreKeys(ctx context.Context, tx *store.Tx) error {
	keys, err := l.vault.LogKeys(ctx, tx.TenantID())
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := insertKey(ctx, tx, k); err != nil {
			return err
		}
	}
	return nil
}

// fitHead moves the head to where the entries end, if it stands elsewhere, and returns by how much.
func (l *Ledger) fitHead(ctx context.Context, tx *store.Tx, v *view) (moved int64, err error) {
	var n int64
	var last sql.NullInt64
	if err := tx.QueryRow(ctx, `SELECT count(*), max(n) FROM ledger_entry WHERE tenant_id = $1`, tx.TenantID()).Scan(&n, &last); err != nil {
		return 0, err
	}
	if last.Valid && last.Int64+1 != n {
		return 0, fail.New(fail.Conflict, "Entries of the log are missing in the middle: restore the database from a backup.")
	}
	if n == v.size {
		return 0, nil
	}
	if _, err := tx.Exec(ctx, `UPDATE ledger_head SET size = $2 WHERE tenant_id = $1`, tx.TenantID(), n); err != nil {
		return 0, err
	}
	return n - v.size, nil
}

// repaired notes that the head was set back by hand and every entry was still there.
func (l *Ledger) repaired(ctx context.Context, tx *store.Tx, from, to int64) error {
	payload, err := encode(map[string]any{
		"schema":      "probity/repair/1",
		"type":        LogRepaired,
		"head_found":  from,
		"head_set_to": to,
		"actor":       "system",
		"server_time": l.clk.Now().UTC().Format(time.RFC3339),
	})
	if err != nil {
		return err
	}
	_, err = l.Append(ctx, tx, Entry{Kind: LogRepaired, Payload: payload})
	return err
}

// cross begins the next generation of the log.
func (l *Ledger) cross(ctx context.Context, tx *store.Tx, p vault.Published, v *view, c Claim) error {
	t := tx.TenantID()
	keys, err := readKeys(ctx, tx) // v was read before those of the vault may have come back
	if err != nil {
		return err
	}
	old := keyFor(keys, 0)
	for _, k := range keys {
		if k.Verifier == p.Verifier {
			old = k
		}
	}
	if p.Generation == 0 {
		// Nothing was published: only a witness says so.
		old = keyFor(keys, v.size)
	}
	now := l.clk.Now()
	k := vault.LogKey{
		Generation: max(p.Generation, old.Generation, v.generation()) + 1, Serial: 1,
		First: v.size + 1, Before: max(p.Size, c.Size), At: now.UnixMicro(),
	}
	oldSigner, oldKey, err := l.signing(ctx, t, old)
	if err != nil {
		return err
	}
	newSigner, newKey, err := l.signing(ctx, t, k)
	if err != nil {
		return err
	}
	k.Verifier = newKey
	h := &verify.Handover{Kind: verify.Bridged, Old: oldKey, New: newKey, Until: k.Before, From: k.First, Time: now.UTC().Truncate(time.Second)}
	if k.Handover, err = h.Sign(oldSigner, newSigner); err != nil {
		return fmt.Errorf("sign the handover: %w", err)
	}
	_, lost := h.Lost()
	found := v.broken
	switch {
	case found != "":
	case c.Other:
		found = "a witness holds another tree than the one that was signed"
	default:
		found = "a witness holds a larger tree than this installation remembers to have signed"
	}
	entry := map[string]any{
		"schema":          "probity/bridge/1",
		"type":            LogBridged,
		"old_origin":      l.originOf(t, old.Generation),
		"new_origin":      l.originOf(t, k.Generation),
		"last_checkpoint": p.Note,
		"size_found":      v.size,
		"lost":            lost,
		"found":           found,
		"old_key":         oldKey,
		"new_key":         newKey,
		"handover":        k.Handover,
		"actor":           "system",
		"server_time":     h.Time.Format(time.RFC3339),
	}
	if c.By != "" {
		entry["witness"], entry["witness_size"] = c.By, c.Size
	}
	payload, err := encode(entry)
	if err != nil {
		return err
	}
	if _, err := l.Append(ctx, tx, Entry{Kind: LogBridged, Payload: payload}); err != nil {
		return err
	}
	return insertKey(ctx, tx, k)
}

// lockHead makes everybody else who appends to the log wait until the transaction ends, and returns
// the number of entries.
func lockHead(ctx context.Context, tx *store.Tx) (size int64, err error) {
	err = tx.QueryRow(ctx, `UPDATE ledger_head SET size = size WHERE tenant_id = $1 RETURNING size`, tx.TenantID()).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return size, err
}

// encode writes a payload.
func encode(v map[string]any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the payload of a ledger entry: %w", err)
	}
	return b, nil
}
