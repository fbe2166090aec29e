package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/vault"
	"probity/verify"
)

// Checkpoint returns the signed state of a tenant's log, with every entry committed so far. A new
// one is signed and stored only if the log has grown since the last; its time never goes backwards.
// Before it is handed out it is remembered in the vault, and it is signed only if it extends what the
// vault remembers; a log that doesn't is bridged first, see Resume. An empty log has none:
// fail.NotFound.
func (l *Ledger) Checkpoint(ctx context.Context, t id.Tenant) (signed []byte, err error) {
	head, err := l.head(ctx, t)
	if err != nil {
		return nil, err
	}
	if head == 0 {
		return nil, fail.New(fail.NotFound, "The log is empty: there is nothing to sign yet.")
	}
	c, err := l.latest(ctx, t)
	if err != nil {
		return nil, err
	}
	if c, err = l.covering(ctx, t, head, c, stored); err != nil {
		return nil, err
	}
	return []byte(c.note), nil
}

// Checkpoints returns the stored checkpoints with sizes above after, oldest first, at most limit.
func (l *Ledger) Checkpoints(ctx context.Context, t id.Tenant, after int64, limit int) ([][]byte, error) {
	var out [][]byte
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `
			SELECT note FROM ledger_checkpoint
			WHERE tenant_id = $1 AND size > $2 ORDER BY generation, size LIMIT $3`, t, after, limit)
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
	generation int64
	size       int64
	at         int64 // seconds since 1970 UTC, as in the note
	note       string
	key        string
}

// patience is how long a caller waits for a new checkpoint.
type patience bool

const (
	remembered patience = false // until the vault remembers it: nothing else of its size will ever be signed
	stored     patience = true  // until everybody finds it in the database, too
)

// covering returns c if it covers size entries, and signs the log if not. Those who ask before the log
// is looked at share one signature, and one wait for the disk.
func (l *Ledger) covering(ctx context.Context, t id.Tenant, size int64, c checkpoint, until patience) (checkpoint, error) {
	if c.size >= size {
		return c, nil
	}
	r, first := l.rounds.join(t)
	if first {
		// Others wait for it, so it goes on if the caller leaves.
		go l.round(context.WithoutCancel(ctx), t, r)
	}
	done := r.remembered
	if until == stored {
		done = r.stored
	}
	select {
	case <-done:
		if r.err == nil && until == stored {
			return r.signed, r.lost
		}
		return r.signed, r.err
	case <-ctx.Done():
		return checkpoint{}, unavailable(ctx.Err(), "wait for the log to be signed")
	}
}

// round signs once for all who have joined when it is the tenant's turn. The next round need not wait
// until the database has what this one signed.
func (l *Ledger) round(ctx context.Context, t id.Tenant, r *round) {
	defer l.signs.lock(t)()
	before := l.rounds.begin(t, r)
	var store func() error
	r.signed, store, r.err = l.sign(ctx, t, before)
	close(r.remembered)
	go r.keep(before, store)
}

// keep stores what was signed, and what the round before could not. store may be nil.
func (r *round) keep(before *round, store func() error) {
	defer close(r.stored)
	todo := []func() error{store}
	if before != nil {
		<-before.stored
		todo = append(before.todo, store)
	}
	for i, store := range todo {
		if store == nil {
			continue
		}
		if r.lost = store(); r.lost != nil {
			r.todo = todo[i:]
			return
		}
	}
}

// alone is for whoever changes how the log goes on: nobody signs until the returned function is called,
// and the database has what was signed before.
func (l *Ledger) alone(t id.Tenant) (release func()) {
	release = l.signs.lock(t)
	if r := l.rounds.newest(t); r != nil {
		<-r.stored
	}
	return release
}

// rounds are the signatures that are about to be made.
type rounds struct {
	mu   sync.Mutex // guards all below
	next map[id.Tenant]*round
	last map[id.Tenant]*round // that was begun
}

// round is one signature and those who wait for it.
type round struct {
	remembered chan struct{} // closed when it is known what became of it
	signed     checkpoint
	err        error

	stored chan struct{}  // closed when the database has it
	lost   error          // or why it has not
	todo   []func() error // then the next round stores it
}

// join returns the round that has not begun yet; the first to join must see to it that it is held.
// What the caller has committed is in what it signs.
func (q *rounds) join(t id.Tenant) (r *round, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r = q.next[t]; r == nil {
		r, first = &round{remembered: make(chan struct{}), stored: make(chan struct{})}, true
		q.next[t] = r
	}
	return r, first
}

// begin closes the round to others: who comes now belongs to the next one. It returns the one before,
// nil if there is none.
func (q *rounds) begin(t id.Tenant, r *round) (before *round) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.next, t)
	before = q.last[t]
	q.last[t] = r
	return before
}

func (q *rounds) newest(t id.Tenant) *round {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.last[t]
}

// stores tells whether the round stores, or has stored, what the vault remembers.
func (r *round) stores(p vault.Published) bool {
	if r == nil || r.err != nil || r.signed.generation != p.Generation || r.signed.size != p.Size {
		return false
	}
	select {
	case <-r.stored:
		return r.lost == nil
	default:
		return true
	}
}

// attempts is how often somebody else may come first.
const attempts = 16

// sign signs the committed tree as it is now. The vault is asked before the database is looked at:
// what the vault remembers was committed by then, so a database that lacks it has lost it. The caller
// must run store, if it is there. before is the round before, nil if there is none: what that signed may
// still be on its way into the database.
func (l *Ledger) sign(ctx context.Context, t id.Tenant, before *round) (c checkpoint, store func() error, err error) {
	for range attempts {
		p, err := l.vault.Published(ctx, t)
		if err != nil {
			return checkpoint{}, nil, unavailable(err, "read what was last published of the log")
		}
		v, err := l.look(ctx, t, p)
		if err != nil {
			return checkpoint{}, nil, err
		}
		if v.broken != "" {
			if before != nil {
				<-before.stored
			}
			if err := l.bridge(ctx, t, Claim{}); err != nil {
				return checkpoint{}, nil, err
			}
			continue
		}
		if n := v.newest; n.size > 0 && n.size == v.size && n.generation == v.generation() {
			return n, nil, nil // signed by somebody else a moment ago
		}
		c, done, err := l.publish(ctx, t, p, v, before)
		if err != nil {
			return c, nil, err
		}
		if !done {
			continue
		}
		if len(v.keys) == 0 {
			// The first checkpoint brings the key into the database that others check it with.
			return c, nil, l.keep(ctx, t, v, c)
		}
		return c, func() error { return l.keep(ctx, t, v, c) }, nil
	}
	return checkpoint{}, nil, fail.New(fail.Unavailable, "The log is being signed elsewhere at the same time.")
}

// publish signs the tree of v and has the vault remember it. It is not done if another process came
// first. What the vault remembered before and the database has not, because a process ended between the
// two, is stored there first.
func (l *Ledger) publish(ctx context.Context, t id.Tenant, p vault.Published, v *view, before *round) (c checkpoint, done bool, err error) {
	k := keyFor(v.keys, v.size)
	same := p.Generation == k.Generation
	if lost, ok := v.unstored(p); ok && p.Size < v.size && !before.stores(p) {
		if err := l.keep(ctx, t, v, lost); err != nil {
			return c, false, err
		}
	}
	c = checkpoint{generation: k.Generation, size: v.size}
	if same && p.Size == v.size {
		// Signed and remembered before, but it never got into the database.
		c.note, c.key, c.at = p.Note, p.Verifier, v.published.Time.Unix()
	} else {
		signer, key, err := l.signing(ctx, t, k)
		if err != nil {
			return c, false, err
		}
		if k.Verifier == "" {
			k.Verifier, k.At = key, l.clk.Now().UnixMicro()
		}
		c.at = max(l.clk.Now().Unix(), v.stamped/1e6, v.newest.at, v.published.Time.Unix())
		state := verify.Checkpoint{Origin: l.originOf(t, k.Generation), Tree: tlog.Tree{N: v.size, Hash: v.root}, Time: time.Unix(c.at, 0).UTC()}
		signed, err := note.Sign(&note.Note{Text: state.Text()}, signer)
		if err != nil {
			return c, false, fmt.Errorf("sign the checkpoint: %w", err)
		}
		c.note, c.key = string(signed), key
		var old int64
		if same {
			old = p.Size
		}
		done, err = l.vault.Publish(ctx, t, old, vault.Published{Generation: k.Generation, Size: v.size, Note: c.note, Verifier: key}, k)
		if err != nil {
			return c, false, unavailable(err, "remember a checkpoint before it is handed out")
		}
		if !done {
			return c, false, nil
		}
	}
	return c, true, nil
}

// keep stores a checkpoint that the vault remembers.
func (l *Ledger) keep(ctx context.Context, t id.Tenant, v *view, c checkpoint) error {
	err := l.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if len(v.keys) == 0 {
			// The first key was remembered with the first checkpoint.
			if err := l.restoreKeys(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO ledger_checkpoint (tenant_id, generation, size, signed_at, note, verifier_key)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, generation, size) DO NOTHING`, t, c.generation, c.size, c.at, c.note, c.key)
		return err
	})
	if err != nil {
		return unavailable(err, "store a checkpoint")
	}
	return nil
}

// view is one committed state of a tenant's log, beside what the vault remembers of it.
type view struct {
	size, stamped int64
	newest        checkpoint // that is stored
	keys          []vault.LogKey
	root          tlog.Hash
	published     verify.Checkpoint // what the vault remembers; zero if nothing
	broken        string            // why this is not a continuation of it; empty: it is
}

// unstored returns the checkpoint that the vault remembers, if the database lacks it: the process ended
// after the vault had learnt of it, and before the database had.
func (v *view) unstored(p vault.Published) (checkpoint, bool) {
	if p.Generation == 0 || p.Generation != v.generation() || v.newest.generation == p.Generation && v.newest.size >= p.Size {
		return checkpoint{}, false
	}
	return checkpoint{generation: p.Generation, size: p.Size, at: v.published.Time.Unix(), note: p.Note, key: p.Verifier}, true
}

func (v *view) generation() int64 {
	if len(v.keys) == 0 {
		return 1
	}
	return v.keys[len(v.keys)-1].Generation
}

// look reads the state of the log and compares it with what was published.
func (l *Ledger) look(ctx context.Context, t id.Tenant, p vault.Published) (v *view, err error) {
	err = l.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		v, err = l.lookIn(ctx, tx, p)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "look at the log")
	}
	return v, nil
}

func (l *Ledger) lookIn(ctx context.Context, tx *store.Tx, p vault.Published) (*view, error) {
	v := &view{}
	t := tx.TenantID()
	err := tx.QueryRow(ctx, `SELECT size, stamped FROM ledger_head WHERE tenant_id = $1`, t).Scan(&v.size, &v.stamped)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if v.newest, err = latestIn(ctx, tx); err != nil {
		return nil, err
	}
	if v.keys, err = readKeys(ctx, tx); err != nil {
		return nil, err
	}
	if p.Generation > 0 {
		if v.published, err = verify.OpenCheckpoint([]byte(p.Note), p.Verifier); err != nil {
			return nil, fail.Wrap(fail.Internal, err, "The vault's newest checkpoint of the log is damaged: restore the vault from a backup")
		}
	}
	tree := &reader{ctx: ctx, tx: tx}
	if v.size > 0 {
		v.root, err = tlog.TreeHash(v.size, tree)
	}
	switch {
	case errors.Is(err, errGap):
		v.broken = "entries below the head are missing"
	case err != nil:
		return nil, fmt.Errorf("compute the root of the ledger: %w", err)
	case p.Generation > v.generation():
		v.broken = "it was restored from a copy made before it was last bridged"
	case p.Generation < v.generation() || p.Generation == 0:
		// Nothing of this generation was published yet.
	case v.size < p.Size:
		v.broken = "it is shorter than what was published"
	default:
		then, err := tlog.TreeHash(p.Size, tree)
		if err != nil {
			return nil, fmt.Errorf("compute an earlier root of the ledger: %w", err)
		}
		if then != v.published.Tree.Hash {
			v.broken = "its entries are not those that were published"
		}
	}
	return v, nil
}

// latest returns the newest stored checkpoint, one of size 0 if there is none.
func (l *Ledger) latest(ctx context.Context, t id.Tenant) (checkpoint, error) {
	var c checkpoint
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		c, err = latestIn(ctx, tx)
		return err
	})
	if err != nil {
		return c, unavailable(err, "read the newest checkpoint")
	}
	return c, nil
}

func latestIn(ctx context.Context, tx *store.Tx) (c checkpoint, err error) {
	err = tx.QueryRow(ctx, `
		SELECT generation, size, signed_at, note, verifier_key FROM ledger_checkpoint
		WHERE tenant_id = $1 ORDER BY generation DESC, size DESC LIMIT 1`, tx.TenantID()).Scan(&c.generation, &c.size, &c.at, &c.note, &c.key)
	if errors.Is(err, sql.ErrNoRows) {
		return checkpoint{}, nil
	}
	return c, err
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
