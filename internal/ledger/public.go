package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// What a stranger may see of a log: nothing here signs or writes, and no leaf is handed out. A leaf's
// kind and minute would tell everybody how many of an organisation's visitors agree, refuse and
// withdraw, and when.

// Head is the newest checkpoint of a log as it is published.
type Head struct {
	Generation int64
	Size       int64
	Note       []byte // signed by the log and, below that, by the witnesses that have answered
	Key        string // verifier key of the log's signature
}

// Latest returns the newest checkpoint that was signed, with the signatures of witnesses below it.
// Nothing is signed for it. fail.NotFound if there is none.
func (l *Ledger) Latest(ctx context.Context, t id.Tenant) (*Head, error) {
	return l.published(ctx, t, func(ctx context.Context, tx *store.Tx) (checkpoint, error) { return latestIn(ctx, tx) })
}

// Cosigned returns the newest checkpoint that at least one witness has signed. fail.NotFound if there
// is none.
func (l *Ledger) Cosigned(ctx context.Context, t id.Tenant) (*Head, error) {
	return l.published(ctx, t, func(ctx context.Context, tx *store.Tx) (c checkpoint, err error) {
		err = tx.QueryRow(ctx, `
			SELECT c.generation, c.size, c.note, c.verifier_key FROM ledger_checkpoint c
			JOIN ledger_cosignature s ON s.tenant_id = c.tenant_id AND s.generation = c.generation AND s.size = c.size
			WHERE c.tenant_id = $1 ORDER BY c.generation DESC, c.size DESC LIMIT 1`, t).Scan(&c.generation, &c.size, &c.note, &c.key)
		if errors.Is(err, sql.ErrNoRows) {
			return checkpoint{}, nil
		}
		return c, err
	})
}

// At returns the checkpoint of the log's present name that was signed at that size. fail.NotFound if
// none was.
func (l *Ledger) At(ctx context.Context, t id.Tenant, size int64) (*Head, error) {
	return l.published(ctx, t, func(ctx context.Context, tx *store.Tx) (c checkpoint, err error) {
		err = tx.QueryRow(ctx, `
			SELECT generation, size, note, verifier_key FROM ledger_checkpoint
			WHERE tenant_id = $1 AND size = $2 ORDER BY generation DESC LIMIT 1`, t, size).Scan(&c.generation, &c.size, &c.note, &c.key)
		if errors.Is(err, sql.ErrNoRows) {
			return checkpoint{}, nil
		}
		return c, err
	})
}

func (l *Ledger) published(ctx context.Context, t id.Tenant, find func(context.Context, *store.Tx) (checkpoint, error)) (*Head, error) {
	var h *Head
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		h = nil
		c, err := find(ctx, tx)
		if err != nil {
			return err
		}
		if c.size == 0 {
			return fail.New(fail.NotFound, "There is no such checkpoint.")
		}
		h = &Head{Generation: c.generation, Size: c.size, Note: []byte(c.note), Key: c.key}
		lines, err := cosignatures(ctx, tx, c.generation, c.size)
		h.Note = append(h.Note, lines...)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a checkpoint")
	}
	return h, nil
}

// cosignatures returns the lines that witnesses put below a checkpoint.
func cosignatures(ctx context.Context, tx *store.Tx, generation, size int64) (lines string, err error) {
	rows, err := tx.Query(ctx, `
		SELECT line FROM ledger_cosignature
		WHERE tenant_id = $1 AND generation = $2 AND size = $3 ORDER BY witness`, tx.TenantID(), generation, size)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return "", err
		}
		lines += line
	}
	return lines, rows.Err()
}

// AddCosignatures stores what witnesses signed below a checkpoint of the log. response is the body of
// a witness's answer; keys are the verifier keys it may sign with. It returns what was taken.
//
// Errors: fail.Invalid if nothing in the answer is by one of the keys, or something by one of them
// does not hold.
func (l *Ledger) AddCosignatures(ctx context.Context, t id.Tenant, h *Head, response string, keys ...string) ([]verify.Cosignature, error) {
	text, _, ok := strings.Cut(string(h.Note), "\n\n")
	if !ok {
		return nil, fmt.Errorf("a checkpoint without a signature")
	}
	if response == "" || !strings.HasSuffix(response, "\n") {
		return nil, fail.New(fail.Invalid, "The witness's answer is not made of signature lines.")
	}
	got, err := verify.Cosignatures([]byte(text+"\n\n"+response), keys...)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "The witness's answer does not hold")
	}
	if len(got) == 0 {
		return nil, fail.New(fail.Invalid, "The witness's answer holds no signature by its key.")
	}
	err = l.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		for _, c := range got {
			if _, err := tx.Exec(ctx, `
				INSERT INTO ledger_cosignature (tenant_id, generation, size, witness, line) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (tenant_id, generation, size, witness) DO UPDATE SET line = excluded.line`, t, h.Generation, h.Size, c.Key, c.Line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "store a cosignature")
	}
	return got, nil
}

// Extends returns the proof that the first new entries of the log begin with the first old ones
// (RFC 6962 §2.1.2), for sizes up to that of the newest checkpoint.
//
// Errors: fail.Invalid unless 0 < old ≤ new, fail.NotFound for sizes beyond what was signed.
func (l *Ledger) Extends(ctx context.Context, t id.Tenant, old, new int64) (proof tlog.TreeProof, err error) {
	if old <= 0 || new < old {
		return nil, fail.New(fail.Invalid, "The old size must be at least 1 and the new size at least the old one.")
	}
	err = l.signedTree(ctx, t, new, func(ctx context.Context, tx *store.Tx) error {
		proof, err = tlog.ProveTree(new, old, &reader{ctx: ctx, tx: tx})
		return err
	})
	return proof, err
}

// Includes returns the proof that an entry is in the tree of the newest checkpoint, by its number.
//
// Errors: fail.NotFound for entries beyond what was signed.
func (l *Ledger) Includes(ctx context.Context, t id.Tenant, index int64) (*verify.Proof, error) {
	if index < 0 {
		return nil, fail.New(fail.NotFound, "The log has no such entry.")
	}
	h, err := l.Latest(ctx, t)
	if err != nil {
		return nil, err
	}
	if index >= h.Size {
		return nil, fail.New(fail.NotFound, "The log has no such entry, or has not signed it yet.")
	}
	p := &verify.Proof{Index: index, Checkpoint: h.Note}
	err = l.signedTree(ctx, t, h.Size, func(ctx context.Context, tx *store.Tx) error {
		p.Path, err = tlog.ProveRecord(h.Size, index, &reader{ctx: ctx, tx: tx})
		return err
	})
	return p, err
}

// Find returns the number of the entry with that leaf hash (RFC 6962: SHA-256 of a zero byte and the
// leaf). fail.NotFound if there is none, or none that was signed.
func (l *Ledger) Find(ctx context.Context, t id.Tenant, leaf tlog.Hash) (index int64, err error) {
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `
			SELECT n FROM ledger_entry
			WHERE tenant_id = $1 AND substr(hashes, 1, 8) = $2 AND substr(hashes, 1, 32) = $3`, t, leaf[:8], leaf[:]).Scan(&index)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "The log has no entry with this leaf hash.")
		}
		return err
	})
	if err != nil {
		return 0, unavailable(err, "find an entry of the log")
	}
	return index, nil
}

// TileWidth is how many hashes a full tile holds (C2SP tlog-tiles).
const TileWidth = 256

// Tile returns the hashes of a C2SP tlog-tiles tile: width hashes from the nth tile at that level, of
// the tree that was signed last. What it returns never changes.
//
// Errors: fail.NotFound for a tile that reaches beyond what was signed.
func (l *Ledger) Tile(ctx context.Context, t id.Tenant, level int, n int64, width int) ([]byte, error) {
	none := fail.New(fail.NotFound, "There is no such tile.")
	// Eight levels of 256 hold more entries than fit into an int64.
	if level < 0 || level > 7 || n < 0 || width < 1 || width > TileWidth {
		return nil, none
	}
	c, err := l.latest(ctx, t)
	if err != nil {
		return nil, err
	}
	first, whole := n*TileWidth, c.size>>(8*level)
	if n > whole/TileWidth || first+int64(width) > whole {
		return nil, none
	}
	indexes := make([]int64, width)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(8*level, first+int64(i))
	}
	out := make([]byte, 0, width*tlog.HashSize)
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = out[:0]
		hashes, err := (&reader{ctx: ctx, tx: tx}).ReadHashes(indexes)
		for _, h := range hashes {
			out = append(out, h[:]...)
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a tile of the log")
	}
	return out, nil
}

// signedTree runs fn on a tree of that size, if it is part of what was signed.
func (l *Ledger) signedTree(ctx context.Context, t id.Tenant, size int64, fn func(context.Context, *store.Tx) error) error {
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		c, err := latestIn(ctx, tx)
		if err != nil {
			return err
		}
		if size > c.size {
			return fail.New(fail.NotFound, "The log has not signed a tree of that size.")
		}
		return fn(ctx, tx)
	})
	if err != nil {
		return unavailable(err, "prove what the log holds")
	}
	return nil
}
