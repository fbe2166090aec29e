package consent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// Bundle returns one file with the receipts of all records of the subjects, of what was served before
// each, and of the notices they rest on, for an access package. It verifies offline, and what was
// allowed at any past time can be told from it alone.
func (r *Room) Bundle(ctx context.Context, t id.Tenant, subjects []id.Subject) (*verify.Bundle, error) {
	key, err := r.ledger.VerifierKey(ctx, t)
	if err != nil {
		return nil, err
	}
	records, err := r.History(ctx, t, subjects)
	if err != nil {
		return nil, err
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	b := verify.NewBundle(key)
	for _, index := range set.cited(records) {
		published, err := r.ledger.Receipt(ctx, t, index, nil)
		if err != nil {
			return nil, err
		}
		b.Receipts = append(b.Receipts, *published)
	}
	for i := range records {
		rec := &records[i]
		receipt, err := r.receipt(ctx, t, rec)
		if err != nil {
			return nil, err
		}
		if rec.Served >= 0 {
			before, err := r.servedReceipt(ctx, t, rec, receipt)
			if err != nil {
				return nil, err
			}
			b.Receipts = append(b.Receipts, *before)
		}
		b.Receipts = append(b.Receipts, *receipt)
	}
	return b, r.connect(ctx, t, b)
}

// connect adds what joins the checkpoints that the receipts lead to, if they are several: the log may have
// grown in between, and an entry is proved under the newest checkpoint that witnesses signed.
func (r *Room) connect(ctx context.Context, t id.Tenant, b *verify.Bundle) error {
	var checkpoints [][]byte
	for i := range b.Receipts {
		p, err := verify.ParseProof(b.Receipts[i].Proof)
		if err != nil {
			return fmt.Errorf("the proof of a receipt: %w", err)
		}
		checkpoints = append(checkpoints, p.Checkpoint)
	}
	joined, err := r.ledger.Connect(ctx, t, checkpoints)
	b.Consistency = append(b.Consistency, joined...)
	return err
}

// servedReceipt proves the entry that says which notice was served before the choice that the
// receipt proves.
func (r *Room) servedReceipt(ctx context.Context, t id.Tenant, rec *Record, choice *verify.Receipt) (*verify.Receipt, error) {
	var e entry
	if err := json.Unmarshal(choice.Entry, &e); err != nil || e.Served == nil {
		return nil, fmt.Errorf("the ledger entry %d does not say what was served", rec.Ledger)
	}
	which, err := uuid.Parse(e.Served.ID)
	if err != nil {
		return nil, fmt.Errorf("the ledger entry %d names no entry of what was served", rec.Ledger)
	}
	return r.ledger.Receipt(ctx, t, rec.Served, func(sealed []byte) ([]byte, error) {
		return r.keys.Open(ctx, t, rec.Subject, entryAAD(t, rec.Subject, which), sealed)
	})
}

// Mismatch is a record that does not say what its entry in the ledger says.
type Mismatch struct {
	Ledger int64 // index of the entry
	Detail string
}

// Error names the entry.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("the record of consent for ledger entry %d is not what was logged: %s", m.Ledger, m.Detail)
}

// BadEntry returns the entry.
func (m *Mismatch) BadEntry() int64 { return m.Ledger }

// Audit compares every record that the gate relies on with the entry in the ledger, which nobody
// can change unnoticed, and verifies each receipt. It returns a *Mismatch for the first record that
// was altered or invented, or the first published notice that was altered. Together with the audit of the ledger it shows that no ground rests on
// anything but what a person chose.
func (r *Room) Audit(ctx context.Context, t id.Tenant) error {
	var after int64 = -1
	for {
		records, err := r.slice(ctx, t, after)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return r.auditNotices(ctx, t)
		}
		for i := range records {
			if err := r.compare(ctx, t, &records[i]); err != nil {
				return err
			}
		}
		after = records[len(records)-1].Ledger
	}
}

func (r *Room) slice(ctx context.Context, t id.Tenant, after int64) (out []Record, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `
			SELECT `+recordColumns+` FROM consent_record
			WHERE tenant_id = $1 AND ledger > $2 ORDER BY ledger LIMIT 500`, t, after)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			rec, err := scanRecord(rows)
			if err != nil {
				return err
			}
			out = append(out, rec)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read the records of consent")
	}
	return out, nil
}

func (r *Room) compare(ctx context.Context, t id.Tenant, rec *Record) error {
	bad := func(format string, args ...any) error { return &Mismatch{rec.Ledger, fmt.Sprintf(format, args...)} }
	receipt, err := r.ledger.Receipt(ctx, t, rec.Ledger, func(sealed []byte) ([]byte, error) {
		plain, err := r.keys.Open(ctx, t, rec.Subject, entryAAD(t, rec.Subject, rec.ID), sealed)
		if err != nil && fail.Is(err, fail.Unavailable) {
			return nil, err
		}
		if err != nil {
			return nil, fail.Wrap(fail.Conflict, err, "The entry is not one of this record")
		}
		return plain, nil
	})
	switch {
	case fail.Is(err, fail.Unavailable):
		return err
	case err != nil:
		return bad("%v", err)
	}
	if _, _, err := receipt.Check(receipt.VerifierKey); err != nil {
		return bad("%v", err)
	}
	var e entry
	if err := json.Unmarshal(receipt.Entry, &e); err != nil {
		return bad("its payload can't be read")
	}
	want := newEntry(rec)
	switch {
	case e.ID != want.ID:
		return bad("another record id")
	case e.Subject != want.Subject:
		return bad("another subject")
	case e.Type != want.Type:
		return bad("logged as %s", e.Type)
	case e.ServerTime != want.ServerTime:
		return bad("logged at %s", e.ServerTime)
	case e.Source != want.Source:
		return bad("logged with the source %s", e.Source)
	case e.Site != want.Site:
		return bad("logged for another deployment")
	case e.Conflicts != want.Conflicts:
		return bad("logged with another standing towards Global Privacy Control")
	case e.ValidUntil != want.ValidUntil:
		return bad("logged as valid until %q", e.ValidUntil)
	case e.Assertion != nil != !rec.Said.IsZero() || e.Assertion != nil && e.Assertion.SaidAt != rec.Said.UTC().Format(timeFormat):
		return bad("another time at which it was said was logged")
	case e.Notice != nil && (e.Notice.ID != rec.Notice || e.Notice.Version != rec.Version || e.Notice.Language != rec.Language):
		return bad("another notice was logged")
	case len(e.Purposes) != len(rec.Effects):
		return bad("%d purposes were logged", len(e.Purposes))
	}
	if rec.Served >= 0 {
		if detail, err := r.compareServed(ctx, t, rec, receipt, &e); err != nil {
			return err
		} else if detail != "" {
			return bad("%s", detail)
		}
	}
	for i, ef := range rec.Effects {
		if e.Purposes[i].ID != ef.Purpose || e.Purposes[i].State != ef.Status {
			return bad("%s was logged as %s", e.Purposes[i].ID, e.Purposes[i].State)
		}
	}
	return nil
}

// compareServed tells what is wrong with the entry that says what was served before a choice.
func (r *Room) compareServed(ctx context.Context, t id.Tenant, rec *Record, choice *verify.Receipt, e *entry) (detail string, err error) {
	before, err := r.servedReceipt(ctx, t, rec, choice)
	switch {
	case fail.Is(err, fail.Unavailable):
		return "", err
	case err != nil:
		return fmt.Sprintf("the notice served before it: %v", err), nil
	}
	if _, _, err := before.Check(before.VerifierKey); err != nil {
		return fmt.Sprintf("the notice served before it: %v", err), nil
	}
	var s served
	if err := json.Unmarshal(before.Entry, &s); err != nil {
		return "the entry of the notice served can't be read", nil
	}
	if s.ID != e.Served.ID || s.Nonce != e.Served.Nonce || rec.Served >= rec.Ledger {
		return "another notice was served before it", nil
	}
	return "", nil
}
