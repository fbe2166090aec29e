package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// Receipt returns the file that proves an entry: the entry, its salt, the inclusion proof, the
// checkpoint and the verifier key. open reverses Entry.Seal; it is called only for sealed payloads.
//
// Errors: fail.NotFound if there is no such entry, fail.Gone if its payload was forgotten.
func (l *Ledger) Receipt(ctx context.Context, t id.Tenant, index int64, open func(sealed []byte) ([]byte, error)) (*verify.Receipt, error) {
	return l.receipt(ctx, t, index, open, stored)
}

// FreshReceipt is Receipt for whoever waits while the entry is being written. It does not wait until the
// list of checkpoints has the one that it is proved by, only until that can't be lost any more.
func (l *Ledger) FreshReceipt(ctx context.Context, t id.Tenant, index int64, open func(sealed []byte) ([]byte, error)) (*verify.Receipt, error) {
	return l.receipt(ctx, t, index, open, remembered)
}

func (l *Ledger) receipt(ctx context.Context, t id.Tenant, index int64, open func(sealed []byte) ([]byte, error), until patience) (*verify.Receipt, error) {
	var body []byte
	var sealed bool
	var e proven
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		if e, err = findEntry(ctx, tx, index); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT sealed, body FROM ledger_payload WHERE tenant_id = $1 AND n = $2`, t, index).Scan(&sealed, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.Gone, "The content of ledger entry %d was erased; what remains is a value that tells nothing.", index)
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a ledger entry")
	}
	if sealed {
		if body, err = open(body); err != nil {
			return nil, unavailable(err, "open a ledger entry")
		}
	}
	if len(body) <= verify.SaltSize {
		return nil, fmt.Errorf("the payload of ledger entry %d is %d bytes long", index, len(body))
	}
	leaf, err := verify.ParseLeaf(e.leaf)
	if err != nil {
		return nil, fmt.Errorf("entry %d of the ledger is damaged: %w", index, err)
	}
	proof, key, err := l.prove(ctx, t, index, e.newest, until)
	if err != nil {
		return nil, err
	}
	return verify.NewReceipt(leaf, body[verify.SaltSize:], [verify.SaltSize]byte(body), proof, key)
}

// Prove returns the proof that an entry is part of the log, with a checkpoint that covers it.
func (l *Ledger) Prove(ctx context.Context, t id.Tenant, index int64) (p verify.Proof, err error) {
	var e proven
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		e, err = findEntry(ctx, tx, index)
		return err
	})
	if err != nil {
		return p, unavailable(err, "read a ledger entry")
	}
	p, _, err = l.prove(ctx, t, index, e.newest, stored)
	return p, err
}

// proven is an entry that is to be proven, and the newest checkpoint that was stored at that moment.
type proven struct {
	leaf   string
	newest checkpoint
}

func findEntry(ctx context.Context, tx *store.Tx, index int64) (e proven, err error) {
	err = tx.QueryRow(ctx, `SELECT leaf FROM ledger_entry WHERE tenant_id = $1 AND n = $2`, tx.TenantID(), index).Scan(&e.leaf)
	if errors.Is(err, sql.ErrNoRows) {
		return e, fail.New(fail.NotFound, "The ledger has no entry %d.", index)
	}
	if err != nil {
		return e, err
	}
	e.newest, err = latestIn(ctx, tx)
	return e, err
}

// prove returns the proof of an entry under a checkpoint that covers it, and the key that signed it: the
// newest one or, if witnesses signed below an earlier one, that; see witnessed.
func (l *Ledger) prove(ctx context.Context, t id.Tenant, index int64, newest checkpoint, until patience) (p verify.Proof, key string, err error) {
	c, err := l.covering(ctx, t, index+1, newest, until)
	if err != nil {
		return p, "", err
	}
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		under, err := witnessed(ctx, tx, c, index+1)
		if err != nil {
			return err
		}
		p = verify.Proof{Index: index, Checkpoint: []byte(under.note)}
		p.Path, err = tlog.ProveRecord(under.size, index, &reader{ctx: ctx, tx: tx})
		return err
	})
	if err != nil {
		return p, "", unavailable(err, "prove a ledger entry")
	}
	return p, c.key, nil
}

// lately is how many of the newest cosignatures are looked at for a proof.
const lately = 64

// witnessed returns the checkpoint to prove size entries with, and the cosignatures below it: of those
// under the newest one's name and key the one that most witnesses signed, lately, and the newest of
// these; the newest of all if none has. All proofs made while a key is in use name that key.
func witnessed(ctx context.Context, tx *store.Tx, newest checkpoint, size int64) (checkpoint, error) {
	c := newest
	rows, err := tx.Query(ctx, `
		SELECT c.size, c.note, s.line FROM ledger_cosignature s
		JOIN ledger_checkpoint c ON c.tenant_id = s.tenant_id AND c.generation = s.generation AND c.size = s.size
		WHERE s.tenant_id = $1 AND s.generation = $2 AND s.size >= $3 AND c.verifier_key = $4
		ORDER BY s.size DESC, s.witness LIMIT $5`, tx.TenantID(), newest.generation, size, newest.key, lately)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	var best, here int
	var at int64
	var note string
	for rows.Next() {
		var signed, line string
		var n int64
		if err := rows.Scan(&n, &signed, &line); err != nil {
			return c, err
		}
		if n != at {
			at, note, here = n, signed, 0
		}
		note += line
		if here++; here > best {
			best, c.size, c.note = here, n, note
		}
	}
	return c, rows.Err()
}

// Consistency returns the proof that the log as it is now extends what it was at oldSize entries,
// together with both signed checkpoints and, if the key was replaced since, the key of the old one.
// There must be a stored checkpoint of that size under the log's present name, otherwise
// fail.NotFound: what was signed under an earlier name may hold entries that are lost.
func (l *Ledger) Consistency(ctx context.Context, t id.Tenant, oldSize int64) (verify.Extension, error) {
	size, err := l.head(ctx, t)
	if err != nil {
		return verify.Extension{}, err
	}
	c, err := l.latest(ctx, t)
	if err != nil {
		return verify.Extension{}, err
	}
	if c, err = l.covering(ctx, t, size, c, stored); err != nil {
		return verify.Extension{}, err
	}
	var old, key string
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `
			SELECT note, verifier_key FROM ledger_checkpoint
			WHERE tenant_id = $1 AND generation = $2 AND size = $3`, t, c.generation, oldSize).Scan(&old, &key)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "No checkpoint of %d entries was signed under the log's present name.", oldSize)
		}
		return err
	})
	if err != nil {
		return verify.Extension{}, unavailable(err, "read a checkpoint")
	}
	var proof tlog.TreeProof
	if c.size > oldSize {
		err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			proof, err = tlog.ProveTree(c.size, oldSize, &reader{ctx: ctx, tx: tx})
			return err
		})
		if err != nil {
			return verify.Extension{}, unavailable(err, "prove that the log only grew")
		}
	}
	x := verify.NewExtension([]byte(old), []byte(c.note), proof)
	if key != c.key {
		x.OldKey = key
	}
	return x, nil
}

// Connect returns the proofs that join signed checkpoints of the log, given in any order: each tree that
// they state is proved to be the beginning of the next larger one. None is needed for one tree. The
// checkpoints are taken as they are, under one key; the proofs are those of the log as it is stored.
func (l *Ledger) Connect(ctx context.Context, t id.Tenant, checkpoints [][]byte) ([]verify.Extension, error) {
	bySize := map[int64][]byte{}
	for _, signed := range checkpoints {
		text, _, _ := bytes.Cut(signed, []byte("\n\n"))
		c, err := verify.ParseCheckpoint(string(text) + "\n")
		if err != nil {
			return nil, fmt.Errorf("join checkpoints: %w", err)
		}
		bySize[c.Tree.N] = signed
	}
	sizes := slices.Sorted(maps.Keys(bySize))
	var out []verify.Extension
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		for i := 1; i < len(sizes); i++ {
			proof, err := tlog.ProveTree(sizes[i], sizes[i-1], &reader{ctx: ctx, tx: tx})
			if err != nil {
				return err
			}
			out = append(out, verify.NewExtension(bySize[sizes[i-1]], bySize[sizes[i]], proof))
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "prove that the log only grew")
	}
	return out, nil
}
