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
	By         string    // who declares it: a reference to a client or a member of staff, no name; empty: not said
	Key        string    // of the caller's own: what comes in twice under one key is declared once; empty: none
	Replaces   uuid.UUID // the declaration that ends as this one begins; zero: none
}

// Declare records a declaration, in the ledger too, and returns its record id, which everything
// processed on it cites. A declaration that is in the ledger is never changed: to edit one is to replace
// it, so that every event goes on citing the assessment that was in force when it came.
//
// Errors: fail.Invalid naming the field; fail.NotFound and fail.Conflict for a declaration to be replaced
// that there is not, or that has ended; fail.Conflict with code consent.key.reused if something else was
// recorded under the key.
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
	m := map[string]any{
		"schema":      "probity/basis/1",
		"type":        ledger.BasisDeclared,
		"id":          record.String(),
		"site":        d.Deployment.String(),
		"basis":       basis.Article(),
		"purposes":    purposes,
		"assessment":  d.Assessment,
		"server_time": now.Format(timeFormat),
		"actor":       "controller",
	}
	if d.By != "" {
		m["declared_by"] = d.By
	}
	if d.Replaces != uuid.Nil {
		m["replaces"] = d.Replaces.String()
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	digest, content, err := r.declaredOnce(ctx, t, &d, purposes)
	if err != nil {
		return "", err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if digest != nil {
			done, err := before(ctx, tx, digest, content)
			if err != nil {
				return err
			}
			if done != nil {
				record = done.RecordID
				return nil
			}
			if _, err := tx.Exec(ctx, `INSERT INTO consent_once (tenant_id, digest, content, record) VALUES ($1, $2, $3, $4)`, t, digest, content, record); err != nil {
				return err
			}
		}
		if d.Replaces != uuid.Nil {
			if ended, err := r.endBasis(ctx, tx, d.Replaces, d.By, now); err != nil {
				return err
			} else if !ended {
				return fail.New(fail.Conflict, "This declaration has ended already. Look at the list of what is in force.").WithCode("consent.basis.ended")
			}
		}
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

// declaredOnce returns keyed digests of the caller's key and of what is declared under it; nil without a
// key.
func (r *Room) declaredOnce(ctx context.Context, t id.Tenant, d *Declaration, purposes []string) (digest, content []byte, err error) {
	if d.Key == "" {
		return nil, nil, nil
	}
	if len(d.Key) > 200 {
		return nil, nil, fail.Field("key", "The key is longer than 200 bytes.")
	}
	said, err := json.Marshal([]any{d.Deployment, d.Basis, purposes, d.Assessment, d.Replaces})
	if err != nil {
		return nil, nil, err
	}
	if digest, err = r.keys.BlindIndex(ctx, t, "consent.once", d.Key); err == nil {
		content, err = r.keys.BlindIndex(ctx, t, "consent.once.content", string(said))
	}
	if err != nil {
		return nil, nil, unavailable(err, "make the digest of a key")
	}
	return digest, content, nil
}

// EndDeclaration ends a declaration from now on; by refers to the client or the member of staff who
// does, empty if that is not said. Ending it twice does nothing; an unknown record is fail.NotFound.
func (r *Room) EndDeclaration(ctx context.Context, t id.Tenant, recordID, by string) error {
	record, err := uuid.Parse(recordID)
	if err != nil {
		return fail.Field("record", "This is not the record id of a declaration.")
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { r.settings.Drop(t) })
		_, err := r.endBasis(ctx, tx, record, by, now)
		return err
	})
	if err != nil {
		return unavailable(err, "end a declared basis")
	}
	return nil
}

// endBasis ends a declaration and tells whether it was in force. An unknown one is fail.NotFound.
func (r *Room) endBasis(ctx context.Context, tx *store.Tx, record uuid.UUID, by string, now time.Time) (ended bool, err error) {
	t := tx.TenantID()
	n, err := tx.Exec(ctx, `UPDATE consent_basis SET ended = $3 WHERE tenant_id = $1 AND record = $2 AND ended = 0`, t, record, now.UnixMicro())
	if err != nil {
		return false, err
	}
	if n == 0 {
		var known int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM consent_basis WHERE tenant_id = $1 AND record = $2`, t, record).Scan(&known)
		if err == nil && known == 0 {
			return false, fail.New(fail.NotFound, "There is no declaration with that record id.")
		}
		return false, err
	}
	m := map[string]any{
		"schema":      "probity/basis/1",
		"type":        ledger.BasisEnded,
		"id":          record.String(),
		"server_time": now.Format(timeFormat),
		"actor":       "controller",
	}
	if by != "" {
		m["ended_by"] = by
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return false, err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.BasisEnded, Payload: payload})
	return true, err
}

// Declarations returns all declarations, in force and ended, oldest first.
func (r *Room) Declarations(ctx context.Context, t id.Tenant) ([]Declared, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	return slices.Clone(s.declarations), nil
}
