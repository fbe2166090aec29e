package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// Window is the part of a log between two of its checkpoints.
type Window struct {
	First       int64          // index of the first entry
	Size        int64          // entries below the last checkpoint: the window ends before it
	Old         *verify.Signed // the checkpoint of First entries; nil if First is 0
	Spine       []string       // roots of the complete subtrees below First, largest first
	Checkpoint  string         // of Size entries, signed by the log and, below that, by witnesses
	VerifierKey string         // of Checkpoint
}

// Window returns the smallest part of the log, between two signed checkpoints, that holds every entry
// from one time to another. A new checkpoint is signed if none covers the end yet. An empty log is
// fail.NotFound.
func (l *Ledger) Window(ctx context.Context, t id.Tenant, from, to time.Time) (*Window, error) {
	if _, err := l.Checkpoint(ctx, t); err != nil {
		return nil, err
	}
	var w *Window
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		w = &Window{Spine: []string{}}
		var generation int64
		// The last checkpoint: the first one signed at the end of the period or later, or the newest.
		err := tx.QueryRow(ctx, `
			SELECT generation, size, note, verifier_key FROM ledger_checkpoint
			WHERE tenant_id = $1
			ORDER BY CASE WHEN signed_at >= $2 THEN 0 ELSE 1 END, CASE WHEN signed_at >= $2 THEN size ELSE -size END, generation DESC
			LIMIT 1`, t, to.Unix()).Scan(&generation, &w.Size, &w.Checkpoint, &w.VerifierKey)
		if err != nil {
			return err
		}
		lines, err := cosignatures(ctx, tx, generation, w.Size)
		if err != nil {
			return err
		}
		w.Checkpoint += lines
		var old verify.Signed
		err = tx.QueryRow(ctx, `
			SELECT size, note, verifier_key FROM ledger_checkpoint
			WHERE tenant_id = $1 AND generation = $2 AND signed_at <= $3 AND size < $4
			ORDER BY size DESC LIMIT 1`, t, generation, from.Unix(), w.Size).Scan(&w.First, &old.Checkpoint, &old.VerifierKey)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		w.Old = &old
		w.Spine, err = spine(&reader{ctx: ctx, tx: tx}, w.First)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "find a period in the log")
	}
	return w, nil
}

// spine returns the roots of the complete subtrees of a tree of n leaves, largest first.
func spine(r tlog.HashReader, n int64) ([]string, error) {
	var indexes []int64
	var done int64
	for level := bits.Len64(uint64(n)) - 1; level >= 0; level-- {
		if n&(1<<level) != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, done>>level))
			done += 1 << level
		}
	}
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return nil, fmt.Errorf("read the tree of %d entries: %w", n, err)
	}
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = h.String()
	}
	return out, nil
}

// Line is one entry as it is stored.
type Line struct {
	Index  int64
	Leaf   verify.Leaf
	Body   []byte // salt, then the payload; nil: it was forgotten
	Sealed bool   // Body is sealed by Entry.Seal
}

// Lines returns entries in order from an index on, up to but without end, at most limit.
func (l *Ledger) Lines(ctx context.Context, t id.Tenant, from, end int64, limit int) ([]Line, error) {
	var out []Line
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `
			SELECT e.n, e.leaf, coalesce(p.sealed, FALSE), p.body
			FROM ledger_entry e
			LEFT JOIN ledger_payload p ON p.tenant_id = e.tenant_id AND p.n = e.n
			WHERE e.tenant_id = $1 AND e.n >= $2 AND e.n < $3 ORDER BY e.n LIMIT $4`, t, from, end, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line Line
			var text string
			if err := rows.Scan(&line.Index, &text, &line.Sealed, &line.Body); err != nil {
				return err
			}
			if line.Leaf, err = verify.ParseLeaf(text); err != nil {
				return fmt.Errorf("entry %d of the ledger is damaged: %w", line.Index, err)
			}
			out = append(out, line)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read entries of the log")
	}
	return out, nil
}
