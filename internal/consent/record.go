package consent

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/verify"
)

const recordColumns = `subject, ledger, record, kind, source, deployment, at, until, notice, version, language, effects, gpc, served, said`

// recordsOf returns a subject's records in the order of the ledger.
func recordsOf(ctx context.Context, tx *store.Tx, s id.Subject) ([]Record, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+recordColumns+` FROM consent_record
		WHERE tenant_id = $1 AND subject = $2 ORDER BY ledger`, tx.TenantID(), s)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		rec, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, rows.Err()
}

func scanRecord(row interface{ Scan(...any) error }) (Record, error) {
	var rec Record
	var at, until, said int64
	var effects string
	err := row.Scan(&rec.Subject, &rec.Ledger, &rec.ID, &rec.Kind, &rec.Source, &rec.Deployment, &at, &until,
		&rec.Notice, &rec.Version, &rec.Language, &effects, &rec.ConflictsWithGPC, &rec.Served, &said)
	if err != nil {
		return rec, err
	}
	rec.At = time.UnixMicro(at).UTC()
	if until != 0 {
		rec.Until = time.UnixMicro(until).UTC()
	}
	if said != 0 {
		rec.Said = time.UnixMicro(said).UTC()
	}
	rec.Effects, err = decodeEffects(effects)
	return rec, err
}

func insertRecord(ctx context.Context, tx *store.Tx, rec *Record) error {
	_, err := tx.Insert(ctx, `INSERT INTO consent_record (tenant_id, `+recordColumns+`)`, [][]any{append([]any{tx.TenantID()}, rec.values()...)}, "")
	return err
}

// values are those of recordColumns.
func (rec *Record) values() []any {
	var until, said int64
	if !rec.Said.IsZero() {
		said = rec.Said.UnixMicro()
	}
	if !rec.Until.IsZero() {
		until = rec.Until.UnixMicro()
	}
	return []any{
		rec.Subject, rec.Ledger, rec.ID, rec.Kind, rec.Source, rec.Deployment, rec.At.UnixMicro(), until,
		rec.Notice, rec.Version, rec.Language, encodeEffects(rec.Effects), rec.ConflictsWithGPC, rec.Served, said,
	}
}

// History returns all records of the subjects, oldest first.
func (r *Room) History(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Record, error) {
	var out []Record
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		for _, s := range subjects {
			records, err := recordsOf(ctx, tx, s)
			if err != nil {
				return err
			}
			out = append(out, records...)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "read the history of consent")
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Compare(a.Ledger, b.Ledger) })
	return out, nil
}

// Receipt returns the file that proves one record of a subject, with the notice that was shown. A
// record of somebody else is fail.NotFound.
func (r *Room) Receipt(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID) (*verify.Receipt, error) {
	var rec Record
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		rec, err = scanRecord(tx.QueryRow(ctx, `
			SELECT `+recordColumns+` FROM consent_record
			WHERE tenant_id = $1 AND record = $2 AND subject = $3`, t, record, s))
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no such record of consent.")
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a record of consent")
	}
	return r.receipt(ctx, t, &rec)
}

// PersonalReceipt is Receipt for the person themselves: beside the proof it holds a link that takes back
// what the record gave, for whoever has nothing left but the file. The link stands for the record, is
// no part of what is proved, works for as long as the record is held, and can only narrow what may be
// done. A receipt of anything else than a grant has none.
func (r *Room) PersonalReceipt(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID) (*verify.Receipt, error) {
	if s.IsZero() {
		return nil, fail.New(fail.NotFound, "There is no such record of consent.")
	}
	rec, err := r.find(ctx, t, s, record)
	if err != nil {
		return nil, err
	}
	receipt, err := r.receipt(ctx, t, rec)
	if err != nil {
		return nil, err
	}
	return receipt, r.addLink(ctx, t, rec, receipt)
}

// addLink adds the link to a receipt that goes to the person it is about.
func (r *Room) addLink(ctx context.Context, t id.Tenant, rec *Record, receipt *verify.Receipt) error {
	if rec.Subject.IsZero() || len(rec.given()) == 0 {
		return nil
	}
	token, err := r.token(ctx, t, tokenReceipt, rec.ID)
	if err != nil {
		return err
	}
	receipt.Withdrawal = r.terms.PublicURL + "/privacy/l/" + token
	return nil
}

// given returns the purposes that the record gives.
func (rec *Record) given() (purposes []string) {
	for _, e := range rec.Effects {
		if e.Status == Given {
			purposes = append(purposes, e.Purpose)
		}
	}
	return purposes
}

func (r *Room) receipt(ctx context.Context, t id.Tenant, rec *Record) (*verify.Receipt, error) {
	return r.receiptBy(ctx, t, rec, r.ledger.Receipt)
}

// prover is Receipt or FreshReceipt of the ledger.
type prover func(ctx context.Context, t id.Tenant, index int64, open func(sealed []byte) ([]byte, error)) (*verify.Receipt, error)

func (r *Room) receiptBy(ctx context.Context, t id.Tenant, rec *Record, prove prover) (*verify.Receipt, error) {
	receipt, err := prove(ctx, t, rec.Ledger, func(sealed []byte) ([]byte, error) {
		return r.keys.Open(ctx, t, rec.Subject, entryAAD(t, rec.Subject, rec.ID), sealed)
	})
	if err != nil || rec.Notice == "" {
		return receipt, err
	}
	text, err := r.Artefact(ctx, t, rec.Notice, rec.Version, rec.Language)
	if err != nil {
		return nil, err
	}
	receipt.Notice = &verify.Document{MediaType: notice.MediaType, Language: rec.Language, Text: string(text)}
	return receipt, nil
}

// receiptNow returns the receipt of a record that was just committed, nil if it can't be made: what
// the person said is recorded all the same, and must not be reported as a failure.
func (r *Room) receiptNow(ctx context.Context, t id.Tenant, rec *Record) *verify.Receipt {
	receipt, err := r.receiptBy(ctx, t, rec, r.ledger.FreshReceipt)
	if err != nil {
		return nil
	}
	return receipt
}

// Erase deletes the records of the subjects and the content of their ledger entries. The leaves
// stay as values that tell nothing.
func (r *Room) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) error {
	t := tx.TenantID()
	for _, s := range subjects {
		if err := r.eraseWays(ctx, tx, s); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM consent_record WHERE tenant_id = $1 AND subject = $2`, t, s); err != nil {
			return err
		}
		if _, err := r.ledger.ForgetSubject(ctx, tx, s); err != nil {
			return err
		}
	}
	gone := slices.Clone(subjects)
	tx.AfterCommit(func() { r.gate.drop(t, gone) })
	return nil
}

// entryAAD binds a sealed ledger payload to its record.
func entryAAD(t id.Tenant, s id.Subject, record uuid.UUID) []byte {
	b := make([]byte, 0, 80)
	b = append(b, "probity/consent/entry/v1\x00"...)
	b = append(b, t[:]...)
	b = append(b, s[:]...)
	return append(b, record[:]...)
}
