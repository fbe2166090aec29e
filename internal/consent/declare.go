package consent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// Declaration states that a deployment's server-sent events rest on another basis than consent. It
// never overrides a person's refusal, withdrawal or objection.
type Declaration struct {
	Deployment uuid.UUID // zero: every deployment of the organisation
	Basis      string    // any basis of Art. 6(1) but consent
	Purposes   []string
	detail     string    // the assessment point by point, JSON; empty: there is only the text
	review     time.Time // zero: none is due
	Assessment string    // why this basis holds, in the organisation's words; 20 to 10,000 characters; nothing personal
}

// Declare records a declaration, in the ledger too, and returns its record id, which everything
// processed on it cites.
func (r *Room) Declare(ctx context.Context, t id.Tenant, d Declaration) (recordID string, err error) {
	basis := notice.Basis(d.Basis)
	if basis == notice.Consent || basis.Article() == "" {
		return "", fail.Field("basis", "The basis is not one of contract, legal_obligation, vital_interests, public_task, legitimate_interest.")
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(d.Assessment)); n < 20 || n > 10_000 {
		return "", fail.Field("assessment", "The assessment must say in 20 to 10,000 characters why this basis holds.")
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return "", err
	}
	purposes := slices.Clone(d.Purposes)
	slices.Sort(purposes)
	purposes = slices.Compact(purposes)
	if len(purposes) == 0 {
		return "", fail.Field("purposes", "The declaration names no purpose.")
	}
	for _, p := range purposes {
		switch which := set.purpose(p); {
		case which == nil:
			return "", fail.Field("purposes", "The declaration names a purpose that does not exist.")
		case special(which):
			return "", fail.Field("purposes", "The purpose %q uses special categories of data: nothing but explicit consent allows that here (Art. 9).", p)
		}
	}
	record := id.New()
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/basis/1",
		"type":        ledger.BasisDeclared,
		"id":          record.String(),
		"site":        d.Deployment.String(),
		"basis":       basis.Article(),
		"purposes":    purposes,
		"assessment":  d.Assessment,
		"server_time": now.Format(timeFormat),
		"actor":       "controller",
	})
	if err != nil {
		return "", err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		index, err := r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.BasisDeclared, Payload: payload})
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { r.settings.Drop(t) })
		_, err = tx.Exec(ctx, `
			INSERT INTO consent_basis (tenant_id, record, deployment, basis, purposes, assessment, declared, ended, ledger, detail, review)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10)`,
			t, record, d.Deployment, string(basis), strings.Join(purposes, ","), d.Assessment, now.UnixMicro(), index,
			d.detail, micros(d.review))
		return err
	})
	if err != nil {
		return "", unavailable(err, "record a declared basis")
	}
	return record.String(), nil
}

// micros is a time as it is stored: 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// EndDeclaration ends a declaration from now on. Ending it twice does nothing; an unknown record is
// fail.NotFound.
func (r *Room) EndDeclaration(ctx context.Context, t id.Tenant, recordID string) error {
	record, err := uuid.Parse(recordID)
	if err != nil {
		return fail.Field("record", "This is not the record id of a declaration.")
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/basis/1",
		"type":        ledger.BasisEnded,
		"id":          record.String(),
		"server_time": now.Format(timeFormat),
		"actor":       "controller",
	})
	if err != nil {
		return err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE consent_basis SET ended = $3 WHERE tenant_id = $1 AND record = $2 AND ended = 0`, t, record, now.UnixMicro())
		if err != nil {
			return err
		}
		if n == 0 {
			var known int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM consent_basis WHERE tenant_id = $1 AND record = $2`, t, record).Scan(&known)
			if err == nil && known == 0 {
				return fail.New(fail.NotFound, "There is no declaration with that record id.")
			}
			return err
		}
		tx.AfterCommit(func() { r.settings.Drop(t) })
		_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.BasisEnded, Payload: payload})
		return err
	})
	if err != nil {
		return unavailable(err, "end a declared basis")
	}
	return nil
}

// Declarations returns all declarations, in force and ended, oldest first.
func (r *Room) Declarations(ctx context.Context, t id.Tenant) ([]Declared, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	return slices.Clone(s.declarations), nil
}
