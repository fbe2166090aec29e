package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/vault"
	"probity/verify"
)

// Damage says what an audit found and where.
type Damage struct {
	Entry  int64 // the first entry that does not hold; -1: it is not about one entry
	Detail string
}

// Error names the entry.
func (d *Damage) Error() string {
	if d.Entry < 0 {
		return "the ledger is damaged: " + d.Detail
	}
	return fmt.Sprintf("the ledger is damaged at entry %d: %s", d.Entry, d.Detail)
}

// BadEntry returns the entry, -1 if it is not about one.
func (d *Damage) BadEntry() int64 { return d.Entry }

// Audit recomputes the whole tree of a tenant from its leaves, compares it with the stored hashes,
// the head, every stored checkpoint and the newest one that the vault remembers, checks all
// signatures and handovers between keys, the order of times, and each clear payload against its
// commitment. checkpoints are signed checkpoints that were kept elsewhere: they find what a change of
// database and vault together would hide. Checkpoints of what was lost before a bridge are passed
// over: the bridge names them, see Bridges.
//
// It returns a *Damage that names the first bad entry, nil if all holds. Sealed payloads are
// covered by their receipts; see package consent. It reads every leaf, in slices, and holds one
// hash per level in memory.
func (l *Ledger) Audit(ctx context.Context, t id.Tenant, checkpoints ...[]byte) error {
	p, err := l.vault.Published(ctx, t)
	if err != nil {
		return unavailable(err, "read what was last published of the log")
	}
	a := l.auditor(t)
	if p.Generation > 0 {
		checkpoints = append(checkpoints[:len(checkpoints):len(checkpoints)], []byte(p.Note))
		a.extra = p.Verifier
	}
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error { return a.run(ctx, tx, checkpoints) })
	var d *Damage
	if err == nil || errors.As(err, &d) {
		return err
	}
	return unavailable(err, "audit the ledger")
}

func (l *Ledger) auditor(t id.Tenant) *auditor {
	return &auditor{ledger: l, tenant: t, roots: map[int64]tlog.Hash{}}
}

type auditor struct {
	ledger *Ledger
	tenant id.Tenant
	keys   []vault.LogKey
	extra  string              // verifier key of what the vault remembers
	spine  []tlog.Hash         // roots of the complete subtrees so far, largest first
	n      int64               // leaves taken in
	minute int64               // of the newest leaf
	roots  map[int64]tlog.Hash // sizes whose root is stated by a checkpoint
	last   int64               // largest size up to which all checkpoints agreed
}

const auditSlice = 1000

func (a *auditor) run(ctx context.Context, tx *store.Tx, extra [][]byte) error {
	var size, stamped int64
	err := tx.QueryRow(ctx, `SELECT size, stamped FROM ledger_head WHERE tenant_id = $1`, a.tenant).Scan(&size, &stamped)
	if errors.Is(err, sql.ErrNoRows) {
		size, err = 0, nil
	}
	if err != nil {
		return err
	}
	if err := a.stated(ctx, tx, size, extra); err != nil {
		return err
	}
	for a.n < size {
		got, err := a.slice(ctx, tx, size)
		if err != nil {
			return err
		}
		if got == 0 {
			return &Damage{a.n, "the entry is missing"}
		}
	}
	var beyond int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM ledger_entry WHERE tenant_id = $1 AND n >= $2`, a.tenant, size).Scan(&beyond); err != nil {
		return err
	}
	if beyond > 0 {
		return &Damage{size, "there are entries beyond the head"}
	}
	return nil
}

// stated collects the roots that checkpoints state and checks the checkpoints themselves.
func (a *auditor) stated(ctx context.Context, tx *store.Tx, size int64, extra [][]byte) error {
	if err := a.handovers(ctx, tx); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
		SELECT generation, size, note, verifier_key FROM ledger_checkpoint
		WHERE tenant_id = $1 ORDER BY generation, size`, a.tenant)
	if err != nil {
		return err
	}
	defer rows.Close()
	var before verify.Checkpoint
	for rows.Next() {
		var generation, n int64
		var note, key string
		if err := rows.Scan(&generation, &n, &note, &key); err != nil {
			return err
		}
		if !slices.ContainsFunc(a.keys, func(k vault.LogKey) bool { return k.Generation == generation && k.Verifier == key }) {
			return &Damage{-1, fmt.Sprintf("the checkpoint of %d entries is signed with a key that is not this log's", n)}
		}
		c, err := a.open([]byte(note), key, size)
		if err != nil {
			return err
		}
		if c.Tree.N != n {
			return &Damage{-1, fmt.Sprintf("the checkpoint stored for %d entries is one of %d", n, c.Tree.N)}
		}
		if c.Time.Before(before.Time) {
			return &Damage{-1, fmt.Sprintf("the checkpoint of %d entries is older than that of %d: the clock went backwards", n, before.Tree.N)}
		}
		before = c
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, signed := range extra {
		if err := a.kept(signed, size); err != nil {
			return err
		}
	}
	return nil
}

// handovers reads the keys of the log and checks how each came after the one before.
func (a *auditor) handovers(ctx context.Context, tx *store.Tx) (err error) {
	if a.keys, err = readKeys(ctx, tx); err != nil || len(a.keys) == 0 {
		return err
	}
	chain := verify.NewKeychain()
	for _, k := range a.keys {
		chain.Keys = append(chain.Keys, verify.PublishedKey{VerifierKey: k.Verifier, Handover: k.Handover})
	}
	periods, err := chain.Check()
	if err != nil {
		return &Damage{-1, "the keys of the log do not follow from each other: " + err.Error()}
	}
	for i, k := range a.keys {
		if periods[i].From != k.First || i > 0 && periods[i-1].Until != k.Before {
			return &Damage{-1, "the period of a key is not the one that was signed"}
		}
	}
	return nil
}

// kept opens a checkpoint that was kept elsewhere, under whichever key of the log signed it.
func (a *auditor) kept(signed []byte, size int64) error {
	var err error
	for _, k := range a.keys {
		if _, err = verify.OpenCheckpoint(signed, k.Verifier); err == nil {
			_, err = a.open(signed, k.Verifier, size)
			return err
		}
	}
	if a.extra != "" {
		if c, e := verify.OpenCheckpoint(signed, a.extra); e == nil {
			return &Damage{size, fmt.Sprintf("a checkpoint of %d entries was published under a key that the database has lost: it is an older copy", c.Tree.N)}
		}
	}
	if err == nil {
		return &Damage{size, "a checkpoint was signed, but the database knows no key of the log: it is an older copy"}
	}
	return &Damage{-1, "a checkpoint does not hold: " + err.Error()}
}

func (a *auditor) open(signed []byte, key string, size int64) (verify.Checkpoint, error) {
	c, err := verify.OpenCheckpoint(signed, key)
	if err != nil {
		return c, &Damage{-1, "a checkpoint does not hold: " + err.Error()}
	}
	var of vault.LogKey
	for _, k := range a.keys {
		switch {
		case k.Verifier == key:
			of = k
		case of.Generation > 0 && k.Generation == of.Generation+1 && k.Serial == 1 && c.Tree.N >= k.First:
			return c, nil // of entries that were lost before the log was bridged
		}
	}
	if c.Origin != a.ledger.originOf(a.tenant, of.Generation) {
		return c, &Damage{-1, "a checkpoint belongs to another log"}
	}
	if c.Tree.N < of.First {
		return c, &Damage{-1, fmt.Sprintf("the checkpoint of %d entries is signed with a key whose period had not begun", c.Tree.N)}
	}
	if c.Tree.N > size {
		return c, &Damage{size, fmt.Sprintf("a checkpoint states %d entries, but the log ends here", c.Tree.N)}
	}
	if root, ok := a.roots[c.Tree.N]; ok && root != c.Tree.Hash {
		return c, &Damage{-1, fmt.Sprintf("two signed checkpoints of %d entries contradict each other", c.Tree.N)}
	}
	a.roots[c.Tree.N] = c.Tree.Hash
	return c, nil
}

// slice takes in the next rows and returns how many there were.
func (a *auditor) slice(ctx context.Context, tx *store.Tx, size int64) (int, error) {
	rows, err := tx.Query(ctx, `
		SELECT e.n, e.leaf, e.hashes, p.sealed, p.body
		FROM ledger_entry e
		LEFT JOIN ledger_payload p ON p.tenant_id = e.tenant_id AND p.n = e.n AND NOT p.sealed
		WHERE e.tenant_id = $1 AND e.n >= $2 AND e.n < $3 ORDER BY e.n LIMIT $4`,
		a.tenant, a.n, size, auditSlice)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	got := 0
	for rows.Next() {
		var n int64
		var leaf string
		var hashes, body []byte
		var sealed sql.NullBool
		if err := rows.Scan(&n, &leaf, &hashes, &sealed, &body); err != nil {
			return 0, err
		}
		if n != a.n {
			return 0, &Damage{a.n, "the entry is missing"}
		}
		if err := a.entry(leaf, hashes, body); err != nil {
			return 0, err
		}
		got++
	}
	return got, rows.Err()
}

func (a *auditor) entry(text string, hashes, body []byte) error {
	n := a.n
	leaf, err := verify.ParseLeaf(text)
	if err != nil {
		return &Damage{n, err.Error()}
	}
	if leaf.Minute < a.minute {
		return &Damage{n, "it is dated before the entry that precedes it"}
	}
	a.minute = leaf.Minute
	if body != nil {
		if len(body) <= verify.SaltSize || verify.Commit([verify.SaltSize]byte(body), body[verify.SaltSize:]) != leaf.Commitment {
			return &Damage{n, "the payload is not what the leaf commits to"}
		}
	}
	// Each trailing one bit of n closes a subtree.
	h := tlog.RecordHash([]byte(text))
	packed := append(make([]byte, 0, len(hashes)), h[:]...)
	for m := n; m&1 == 1; m >>= 1 {
		h = tlog.NodeHash(a.spine[len(a.spine)-1], h)
		a.spine = a.spine[:len(a.spine)-1]
		packed = append(packed, h[:]...)
	}
	a.spine = append(a.spine, h)
	a.n++
	if !bytes.Equal(packed, hashes) {
		return &Damage{n, "the leaf does not fit the tree hashes stored with it"}
	}
	if stated, ok := a.roots[a.n]; ok {
		if a.root() != stated {
			return &Damage{a.last, fmt.Sprintf("entries %d to %d are not those of the signed checkpoint of %d entries", a.last, a.n-1, a.n)}
		}
		a.last = a.n
	}
	return nil
}

func (a *auditor) root() tlog.Hash {
	h := a.spine[len(a.spine)-1]
	for i := len(a.spine) - 2; i >= 0; i-- {
		h = tlog.NodeHash(a.spine[i], h)
	}
	return h
}
