package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/vault"
	"probity/verify"
)

// originOf returns the name of one generation of a tenant's log. A log has one generation unless it
// had to be bridged.
func (l *Ledger) originOf(t id.Tenant, generation int64) string {
	if generation <= 1 {
		return l.Origin(t)
	}
	return l.Origin(t) + "/" + strconv.FormatInt(generation, 10)
}

// VerifierKey returns the public key that a tenant's newest checkpoint is signed with, in the form
// of sumdb/note. It is what an organisation publishes; Keys has the earlier ones too.
func (l *Ledger) VerifierKey(ctx context.Context, t id.Tenant) (string, error) {
	_, key, err := l.Signing(ctx, t)
	return key, err
}

// Signing returns the signer and the verifier key of a tenant's newest checkpoint, for certificates.
func (l *Ledger) Signing(ctx context.Context, t id.Tenant) (note.Signer, string, error) {
	c, err := l.latest(ctx, t)
	if err != nil {
		return nil, "", err
	}
	k := vault.LogKey{Generation: 1, Serial: 1}
	if c.key != "" {
		keys, err := l.keys(ctx, t)
		if err != nil {
			return nil, "", err
		}
		for _, one := range keys {
			if one.Verifier == c.key {
				k = one
			}
		}
	}
	return l.signing(ctx, t, k)
}

// Keys returns every key that ever signed the tenant's log, oldest first, each handed over by the
// one before it.
func (l *Ledger) Keys(ctx context.Context, t id.Tenant) (*verify.Keychain, error) {
	keys, err := l.keys(ctx, t)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fail.New(fail.NotFound, "This log has no entries and no key yet.")
	}
	chain := verify.NewKeychain()
	for _, k := range keys {
		chain.Keys = append(chain.Keys, verify.PublishedKey{VerifierKey: k.Verifier, Handover: k.Handover})
	}
	return chain, nil
}

// keys reads the keys of the log from the database.
func (l *Ledger) keys(ctx context.Context, t id.Tenant) (keys []vault.LogKey, err error) {
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		keys, err = readKeys(ctx, tx)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read the keys of the log")
	}
	return keys, nil
}

func readKeys(ctx context.Context, tx *store.Tx) ([]vault.LogKey, error) {
	rows, err := tx.Query(ctx, `
		SELECT generation, serial, verifier, first_size, before_size, at, handover FROM ledger_key
		WHERE tenant_id = $1 ORDER BY generation, serial`, tx.TenantID())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []vault.LogKey
	for rows.Next() {
		var k vault.LogKey
		if err := rows.Scan(&k.Generation, &k.Serial, &k.Verifier, &k.First, &k.Before, &k.At, &k.Handover); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

func insertKey(ctx context.Context, tx *store.Tx, k vault.LogKey) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO ledger_key (tenant_id, generation, serial, verifier, first_size, before_size, at, handover)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (tenant_id, generation, serial) DO NOTHING`,
		tx.TenantID(), k.Generation, k.Serial, k.Verifier, k.First, k.Before, k.At, k.Handover)
	return err
}

// keyFor returns the key that signs a tree of that size: the newest whose period has begun.
func keyFor(keys []vault.LogKey, size int64) vault.LogKey {
	k := vault.LogKey{Generation: 1, Serial: 1}
	for _, one := range keys {
		if one.First <= size {
			k = one
		}
	}
	return k
}

// signing opens the signer of a key.
func (l *Ledger) signing(ctx context.Context, t id.Tenant, k vault.LogKey) (note.Signer, string, error) {
	signer, key, err := l.vault.SignerNo(ctx, t, l.originOf(t, k.Generation), k.Serial)
	if err != nil {
		return nil, "", unavailable(err, "open the log's signing key")
	}
	return signer, key, nil
}

// RotateKey gives the tenant's log a new signing key. An entry of the log says so, with a statement
// that both keys signed; from that entry on the new key signs, and the private part of the old one
// is destroyed. What the old key has signed verifies for ever. It may run beside a server: that reads
// which key is due each time it signs. After a crash it can be called again.
//
// Errors: fail.Conflict for a log without entries, fail.Invalid without a reason.
func (l *Ledger) RotateKey(ctx context.Context, t id.Tenant, reason string) (*verify.Handover, error) {
	if reason == "" {
		return nil, fail.Field("reason", "Say why the key is replaced: the reason is logged.")
	}
	if _, err := l.Checkpoint(ctx, t); fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.Conflict, "The log is empty: its key has signed nothing and need not be replaced.")
	} else if err != nil {
		return nil, err
	}
	var h *verify.Handover
	err := l.db.Tenant(t).Write(ctx, func(tx *store.Tx) (err error) {
		h, err = l.rotate(ctx, tx, reason)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "replace the log's signing key")
	}
	// The vault learns of the key with its first checkpoint.
	if _, err := l.Checkpoint(ctx, t); err != nil {
		return nil, err
	}
	keys, err := l.keys(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, k := range keys[:len(keys)-1] {
		if err := l.vault.DestroySigner(ctx, t, l.originOf(t, k.Generation), k.Serial); err != nil {
			return nil, unavailable(err, "destroy the old signing key")
		}
	}
	return h, nil
}

func (l *Ledger) rotate(ctx context.Context, tx *store.Tx, reason string) (*verify.Handover, error) {
	t := tx.TenantID()
	size, err := lockHead(ctx, tx)
	if err != nil {
		return nil, err
	}
	keys, err := readKeys(ctx, tx)
	if err != nil {
		return nil, err
	}
	old := keyFor(keys, size)
	oldSigner, oldKey, err := l.signing(ctx, t, old)
	if err != nil {
		return nil, err
	}
	now := l.clk.Now()
	k := vault.LogKey{Generation: old.Generation, Serial: old.Serial + 1, First: size + 1, Before: size, At: now.UnixMicro()}
	newSigner, newKey, err := l.signing(ctx, t, k)
	if err != nil {
		return nil, err
	}
	k.Verifier = newKey
	h := &verify.Handover{Kind: verify.Rotated, Old: oldKey, New: newKey, Until: k.Before, From: k.First, Time: now.UTC().Truncate(time.Second)}
	if k.Handover, err = h.Sign(oldSigner, newSigner); err != nil {
		return nil, fmt.Errorf("sign the handover: %w", err)
	}
	payload, err := encode(map[string]any{
		"schema":      "probity/key/1",
		"type":        KeyRotated,
		"old_key":     oldKey,
		"new_key":     newKey,
		"handover":    k.Handover,
		"reason":      reason,
		"actor":       "operator",
		"server_time": h.Time.Format(time.RFC3339),
	})
	if err != nil {
		return nil, err
	}
	if _, err := l.Append(ctx, tx, Entry{Kind: KeyRotated, Payload: payload}); err != nil {
		return nil, err
	}
	return h, insertKey(ctx, tx, k)
}
