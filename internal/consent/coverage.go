package consent

import (
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
)

// Coverage selects what was received on the consent that a record gave or took back.
//
//   - A grant covers what cites its own entry, for the purposes that it granted.
//   - A withdrawal, refusal, objection or expiry covers, for each purpose that it closed, what cites the
//     grants that it ended: those of all devices of the person since the purpose was last closed before.
//     An objection covers what rests on a declared basis too.
type Coverage struct {
	Record   Record
	Subjects []id.Subject // whose data it may be
	grants   map[grant]bool
	declared []string // purposes of an objection
}

type grant struct {
	subject id.Subject
	purpose string
	ledger  int64
}

// Covers tells whether something that cites the ground was received on that consent.
func (c *Coverage) Covers(s id.Subject, purpose string, g Ground, received time.Time) bool {
	if g.Basis == string(notice.Consent) {
		return c.grants[grant{s, purpose, g.Ledger}]
	}
	return slices.Contains(c.declared, purpose) && received.Before(c.Record.At)
}

// Coverage returns what a record covers. Errors: fail.NotFound.
func (r *Room) Coverage(ctx context.Context, t id.Tenant, record uuid.UUID) (*Coverage, error) {
	c := &Coverage{}
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rec, err := scanRecord(tx.QueryRow(ctx, `
			SELECT `+recordColumns+` FROM consent_record WHERE tenant_id = $1 AND record = $2`, t, record))
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no such record of consent.")
		}
		if err != nil {
			return err
		}
		*c = Coverage{Record: rec, Subjects: []id.Subject{rec.Subject}, grants: map[grant]bool{}}
		var closed []string
		for _, ef := range rec.Effects {
			switch {
			case ef.Status == Given:
				c.grants[grant{rec.Subject, ef.Purpose, rec.Ledger}] = true
			case ef.Status == Objected:
				c.declared = append(c.declared, ef.Purpose)
				closed = append(closed, ef.Purpose)
			case ef.Status.denies() || ef.Status == Expired:
				closed = append(closed, ef.Purpose)
			}
		}
		if len(closed) == 0 {
			return nil
		}
		if c.Subjects, err = r.subjects.Person(ctx, tx, rec.Subject); err != nil {
			return err
		}
		return c.ended(ctx, tx, closed)
	})
	if err != nil {
		return nil, unavailable(err, "read what a record of consent covers")
	}
	return c, nil
}

// ended collects the grants that the record ended.
func (c *Coverage) ended(ctx context.Context, tx *store.Tx, closed []string) error {
	var records []Record
	for _, m := range c.Subjects {
		list, err := recordsOf(ctx, tx, m)
		if err != nil {
			return err
		}
		records = append(records, list...)
	}
	for _, purpose := range closed {
		since := int64(-1) // the entry that closed the purpose before
		for i := range records {
			rec := &records[i]
			if status := rec.says(purpose); rec.Ledger < c.Record.Ledger && rec.Ledger > since &&
				(status.denies() || status == Expired) && c.closes(rec) {
				since = rec.Ledger
			}
		}
		for i := range records {
			rec := &records[i]
			if rec.says(purpose) == Given && rec.Ledger > since && rec.Ledger < c.Record.Ledger && c.closes(rec) {
				c.grants[grant{rec.Subject, purpose, rec.Ledger}] = true
			}
		}
	}
	return nil
}

// closes tells whether the record acts on the grants of the other. An expiry ends those of its own
// device only.
func (c *Coverage) closes(other *Record) bool {
	return c.Record.Source != "expiry" || other.Subject == c.Record.Subject
}
