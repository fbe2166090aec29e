package ledger

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// Entry is what is to be appended.
type Entry struct {
	Kind    string                             // one of the kinds above; stands in the clear
	Payload []byte                             // a JSON object; it is canonicalised
	Seal    func(plain []byte) ([]byte, error) // seals salt and payload under the person's key; nil: kept in the clear, and must hold nothing personal
	Subject id.Subject                         // whose payload it is, for ForgetSubject; zero: nobody's
}

// Append adds an entry to the log of the transaction's tenant and returns its index. Appends of one
// tenant are strictly ordered: the row of the log's head is locked until the transaction ends. The
// entry exists if and only if the transaction commits.
//
// Errors: fail.Invalid for a malformed kind or payload; whatever Seal and the store return.
func (l *Ledger) Append(ctx context.Context, tx *store.Tx, e Entry) (index int64, err error) {
	first, err := l.AppendAll(ctx, tx, []Entry{e})
	return first, err
}

// AppendAll adds entries in order and returns the index of the first one; the others follow without
// a gap. After an error the transaction must not be committed.
func (l *Ledger) AppendAll(ctx context.Context, tx *store.Tx, entries []Entry) (first int64, err error) {
	if len(entries) == 0 {
		return 0, fail.New(fail.Invalid, "There is nothing to append to the ledger.")
	}
	// All that can be refused is refused before the head moves.
	ready := make([]prepared, len(entries), len(entries)+1)
	for i := range entries {
		if ready[i], err = l.prepare(&entries[i]); err != nil {
			return 0, err
		}
	}
	t := tx.TenantID()
	now := l.clk.Now().UnixMicro()
	size, stamped, step, err := moveHead(ctx, tx, int64(len(entries)), now)
	if err != nil {
		return 0, err
	}
	if step < -tolerance.Microseconds() {
		// The note comes first, so that it stands before what was recorded under the wrong time.
		if size, stamped, _, err = moveHead(ctx, tx, 1, now); err != nil {
			return 0, err
		}
		note := stepped(stamped, now)
		p, err := l.prepare(&note)
		if err != nil {
			return 0, err
		}
		entries, ready = append([]Entry{note}, entries...), append([]prepared{p}, ready...)
		defer func() { first++ }()
	}
	first = size - int64(len(entries))
	minute := stamped / time.Minute.Microseconds()
	tree := &reader{ctx: ctx, tx: tx, fresh: map[int64][]byte{}}
	leaves, payloads := make([][]any, len(ready)), make([][]any, len(ready))
	for i, p := range ready {
		n := first + int64(i)
		leaf := verify.Leaf{Kind: entries[i].Kind, Minute: minute, Commitment: p.commitment}
		text := leaf.Text()
		hashes, err := tlog.StoredHashes(n, text, tree)
		if err != nil {
			return 0, fmt.Errorf("hash entry %d into the ledger's tree: %w", n, err)
		}
		packed := make([]byte, 0, len(hashes)*tlog.HashSize)
		for _, h := range hashes {
			packed = append(packed, h[:]...)
		}
		tree.fresh[n] = packed
		leaves[i] = []any{t, n, string(text), packed}
		var owner any
		if !entries[i].Subject.IsZero() {
			owner = entries[i].Subject
		}
		payloads[i] = []any{t, n, owner, entries[i].Seal != nil, p.body}
	}
	if _, err := tx.Insert(ctx, `INSERT INTO ledger_entry (tenant_id, n, leaf, hashes)`, leaves, ""); err != nil {
		return 0, fmt.Errorf("write entries of the ledger from %d on: %w", first, err)
	}
	if _, err := tx.Insert(ctx, `INSERT INTO ledger_payload (tenant_id, n, subject, sealed, body)`, payloads, ""); err != nil {
		return 0, fmt.Errorf("write the payloads of entries of the ledger from %d on: %w", first, err)
	}
	return first, nil
}

// tolerance is how far the machine's clock may be set back without a note in the log.
const tolerance = time.Minute

// moveHead makes room for entries and locks the tenant's log until the transaction ends. The time
// it returns never goes backwards, whatever the machine's clock does.
func moveHead(ctx context.Context, tx *store.Tx, entries, now int64) (size, stamped, step int64, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO ledger_head (tenant_id, size, stamped, seen, step) VALUES ($1, $2, $3, $3, 0)
		ON CONFLICT (tenant_id) DO UPDATE SET
			size = ledger_head.size + excluded.size,
			stamped = CASE WHEN excluded.stamped > ledger_head.stamped THEN excluded.stamped ELSE ledger_head.stamped END,
			step = excluded.seen - ledger_head.seen,
			seen = excluded.seen
		RETURNING size, stamped, step`,
		tx.TenantID(), entries, now).Scan(&size, &stamped, &step)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("move the head of the ledger: %w", err)
	}
	return size, stamped, step, nil
}

// stepped is the entry that says that the machine's clock was set back.
func stepped(from, to int64) Entry {
	return Entry{Kind: ClockStepped, Payload: fmt.Appendf(nil,
		`{"schema":"probity/clock/1","type":%q,"log_time":%q,"machine_time":%q}`, ClockStepped,
		time.UnixMicro(from).UTC().Format(time.RFC3339), time.UnixMicro(to).UTC().Format(time.RFC3339))}
}

type prepared struct {
	commitment [32]byte
	body       []byte
}

func (l *Ledger) prepare(e *Entry) (prepared, error) {
	if !verify.ValidKind(e.Kind) {
		return prepared{}, fail.New(fail.Invalid, "%q can't be the kind of a ledger entry.", e.Kind)
	}
	payload, err := verify.Canonical(e.Payload)
	if err != nil {
		return prepared{}, fail.Wrap(fail.Invalid, err, "The payload of a ledger entry is not JSON")
	}
	if payload[0] != '{' {
		return prepared{}, fail.New(fail.Invalid, "The payload of a ledger entry is not a JSON object.")
	}
	body := make([]byte, verify.SaltSize, verify.SaltSize+len(payload))
	if _, err := io.ReadFull(l.random, body); err != nil {
		return prepared{}, fmt.Errorf("draw the salt of a ledger entry: %w", err)
	}
	p := prepared{commitment: verify.Commit([verify.SaltSize]byte(body), payload), body: append(body, payload...)}
	if e.Seal != nil {
		if p.body, err = e.Seal(p.body); err != nil {
			return prepared{}, unavailable(err, "seal a ledger entry")
		}
	}
	return p, nil
}

// ForgetSubject deletes salt and payload of all entries that are the subject's, and returns how
// many there were. The leaves stay: random values that nothing leads back to a person.
func (l *Ledger) ForgetSubject(ctx context.Context, tx *store.Tx, s id.Subject) (n int64, err error) {
	return tx.Exec(ctx, `DELETE FROM ledger_payload WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s)
}

// ForgetEntries deletes salt and payload of the entries with these indexes, and returns how many
// there were. The leaves stay.
func (l *Ledger) ForgetEntries(ctx context.Context, tx *store.Tx, indexes []int64) (n int64, err error) {
	for _, index := range indexes {
		one, err := tx.Exec(ctx, `DELETE FROM ledger_payload WHERE tenant_id = $1 AND n = $2`, tx.TenantID(), index)
		if err != nil {
			return n, err
		}
		n += one
	}
	return n, nil
}
