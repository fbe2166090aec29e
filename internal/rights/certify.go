package rights

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/verify"
)

// certificateBody is what a certificate states. It names no person: whoever holds the request's id
// knows whom it is about, nobody else needs to.
type certificateBody struct {
	Request      uuid.UUID        `json:"request"`
	Type         Type             `json:"type"`
	Article      string           `json:"article"`
	Organisation string           `json:"organisation"`
	Tenant       id.Tenant        `json:"organisation_id"`
	Received     string           `json:"received_at"`
	Completed    string           `json:"completed_at"`
	Found        int              `json:"data_subjects"`
	Matched      bool             `json:"matched"`
	Stores       []StoreReport    `json:"stores"`
	Models       []ModelReport    `json:"models"`
	Fields       []FieldReport    `json:"fields,omitempty"`
	NotPerformed []Kept           `json:"not_performed"`
	Databases    *DatabasesReport `json:"databases,omitempty"`
	Kept         []Kept           `json:"kept"`
	Horizon      string           `json:"backup_horizon,omitempty"`
	Verified     string           `json:"verification"`
	Expiring     []Expiring       `json:"would_have_expired,omitempty"` // within 30 days, by itself; it was erased all the same
	Decisions    []string         `json:"decisions"`
	Recipients   []Informed       `json:"recipients,omitempty"` // who are told (Art. 19)
	Amended      string           `json:"amended_at,omitempty"` // when what processors said later was added
}

// stepRecord fixes the certificate's body and enters its digest in the ledger, in the transaction
// that notes the entry's index: a crash leaves either both or neither.
func (r *Room) stepRecord(ctx context.Context, j *job) error {
	// What was found while the erasure was under way goes into the register too, before it is complete.
	erasure, err := r.register(j)
	if err != nil {
		return err
	}
	if err := r.noteInVault(ctx, erasure); err != nil {
		return err
	}
	controller, err := r.Controller(ctx, j.tenant)
	if err != nil {
		return err
	}
	now := r.Clock.Now()
	b := certificateBody{
		Request: j.id, Type: j.typ, Article: articles[j.typ],
		Organisation: controller.Name, Tenant: j.tenant,
		Received: stamp(j.received), Completed: stamp(now),
		Found: j.report.Found, Matched: j.report.Matched,
		Stores: j.report.Stores, Models: j.report.Models, Databases: j.report.Databases, Fields: j.report.Fields, NotPerformed: append([]Kept{}, j.report.NotPerformed...), Kept: j.report.Kept,
		Horizon: j.report.Horizon, Expiring: j.report.Expiring, Decisions: j.report.Decisions,
		Verified: "after the change every store was read again: no key, no row and no lookup of the person was found",
	}
	if j.typ == Rectification {
		b.Verified = "after the change the identities were read again: none of the replaced values was found"
	}
	if b.Recipients, err = r.informed(ctx, j); err != nil {
		return err
	}
	if j.typ == Erasure && len(b.Recipients) > 0 {
		b.Kept = append(slices.Clone(b.Kept), keptForRecipients)
	}
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	digest, err := verify.BodyDigest(body)
	if err != nil {
		return err
	}
	entry, err := json.Marshal(map[string]any{
		"request":      j.id,
		"type":         j.typ,
		"body_sha256":  digest,
		"completed_at": stamp(now),
	})
	if err != nil {
		return err
	}
	kind := ledger.RightsCompleted
	if j.typ == Erasure {
		kind = ledger.ErasureDone
	}
	return r.step(ctx, j, stepCertify, Certifying, func(tx *store.Tx, j *job) error {
		index, err := r.Ledger.Append(ctx, tx, ledger.Entry{Kind: kind, Payload: entry})
		if err != nil {
			return err
		}
		j.ledger = index
		j.work.Body = body
		j.report.Kept = b.Kept
		if j.report.Recipients, err = r.tellRecipients(ctx, tx, j); err != nil {
			return err
		}
		return r.noteErasure(ctx, tx, erasure)
	})
}

// stepCertify signs the certificate and closes the request. After an erasure the request forgets
// who it was about.
func (r *Room) stepCertify(ctx context.Context, j *job) error {
	file, err := r.sign(ctx, j.tenant, j.work.Body, j.ledger)
	if err != nil {
		return err
	}
	if j.typ != Erasure {
		return r.end(ctx, j, Verified, "", file, nil)
	}
	err = r.end(ctx, j, Verified, "", file, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE rights_request SET sealed = NULL WHERE tenant_id = $1 AND id = $2`, j.tenant, j.id[:])
		return err
	})
	if err != nil {
		return err
	}
	// The contents are gone; the key goes too, so that no backup of them can be opened after the
	// horizon. Expire makes good what a crash right here leaves undone.
	if err := r.destroyKey(ctx, j.tenant, j.id, j.key); err != nil {
		r.Logger.WarnContext(ctx, "the key of a finished request could not be destroyed yet", "request", j.id.String(), "error", err)
	}
	return nil
}

// Certificate returns the signed certificate of a completed erasure or rectification as a file for
// probity verify. It fails with NotFound if there is none (yet).
func (r *Room) Certificate(ctx context.Context, t id.Tenant, request uuid.UUID) ([]byte, error) {
	if _, err := r.Get(ctx, t, request); err != nil {
		return nil, err
	}
	var file []byte
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT certificate FROM rights_request WHERE tenant_id = $1 AND id = $2`, t, request[:]).Scan(&file)
	})
	if err == nil && len(file) == 0 {
		err = fail.New(fail.NotFound, "this request has no certificate: only a completed erasure or rectification has one")
	}
	return file, err
}

var articles = map[Type]string{
	Access:        "Art. 15 GDPR",
	Portability:   "Art. 20 GDPR",
	Rectification: "Art. 16 GDPR",
	Erasure:       "Art. 17 GDPR",
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
