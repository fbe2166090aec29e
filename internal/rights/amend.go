package rights

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/verify"
)

// A certificate is signed when the own part is done, and names each recipient as not confirmed. When a
// processor has said at last what became of the request, or staff gave their word, it is signed anew with that:
// first the ledger takes the digest of the new body, then the signature follows. What dies in between goes on.
const (
	amendDue  = 1
	amendSign = 2
)

// amendLater has the certificate of a request amended, in the transaction of what it is to tell.
func amendLater(ctx context.Context, tx *store.Tx, request uuid.UUID) error {
	_, err := tx.Exec(ctx, `UPDATE rights_request SET amend_step = $3 WHERE tenant_id = $1 AND id = $2`, tx.TenantID(), request[:], amendDue)
	return err
}

// Amend amends the certificates that are due and returns how many were signed. Run calls it.
func (r *Room) Amend(ctx context.Context) (signed int, err error) {
	type due struct {
		tenant  id.Tenant
		request uuid.UUID
		step    int
	}
	var list []due
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, id, amend_step FROM rights_request
			WHERE tenant_id IS NOT NULL AND amend_step > 0 AND finished_at IS NOT NULL AND certificate IS NOT NULL ORDER BY id LIMIT 100`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d due
			if err := rows.Scan(&d.tenant, &d.request, &d.step); err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	for _, d := range list {
		if err != nil {
			return signed, err
		}
		if d.step == amendDue {
			err = r.amendBody(ctx, d.tenant, d.request)
		}
		if err == nil {
			err = r.amendSignature(ctx, d.tenant, d.request)
		}
		if fail.Is(err, fail.Conflict) {
			err = nil // another process was quicker
			continue
		}
		if err == nil {
			signed++
		}
	}
	return signed, err
}

// amendBody fixes the new body and enters its digest in the ledger.
func (r *Room) amendBody(ctx context.Context, t id.Tenant, request uuid.UUID) error {
	said, err := r.Told(ctx, t, request)
	if err != nil {
		return err
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var file []byte
		var text string
		if err := tx.QueryRow(ctx, `SELECT certificate, report FROM rights_request WHERE tenant_id = $1 AND id = $2`, t, request[:]).Scan(&file, &text); err != nil {
			return err
		}
		var c verify.Certificate
		var b certificateBody
		var p Report
		if err := json.Unmarshal(file, &c); err != nil {
			return err
		}
		if err := json.Unmarshal(c.Body, &b); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return err
		}
		b.Recipients, p.Recipients = outcomes(b.Recipients, said), outcomes(p.Recipients, said)
		b.Amended = stamp(r.Clock.Now())
		body, err := json.Marshal(b)
		if err != nil {
			return err
		}
		report, err := json.Marshal(p)
		if err != nil {
			return err
		}
		digest, err := verify.BodyDigest(body)
		if err != nil {
			return err
		}
		entry, err := json.Marshal(map[string]any{"request": request, "type": b.Type, "body_sha256": digest, "amended_at": b.Amended})
		if err != nil {
			return err
		}
		index, err := r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.RightsAmended, Payload: entry})
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET amend_step = $3, amend_body = $4, amend_ledger = $5, report = $6
			WHERE tenant_id = $1 AND id = $2 AND amend_step = $7`, t, request[:], amendSign, body, index, string(report), amendDue)
		if err == nil && n == 0 {
			err = fail.New(fail.Conflict, "the certificate is being amended already")
		}
		return err
	})
}

// amendSignature signs the body and puts the certificate in the place of the one before.
func (r *Room) amendSignature(ctx context.Context, t id.Tenant, request uuid.UUID) error {
	var body []byte
	var index int64
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT amend_body, amend_ledger FROM rights_request WHERE tenant_id = $1 AND id = $2`, t, request[:]).Scan(&body, &index)
	})
	if err != nil {
		return err
	}
	file, err := r.sign(ctx, t, body, index)
	if err != nil {
		return err
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET certificate = $3, amend_step = 0, amend_body = NULL, amend_ledger = NULL
			WHERE tenant_id = $1 AND id = $2 AND amend_step = $4 AND amend_ledger = $5`, t, request[:], file, amendSign, index)
		if err == nil && n == 0 {
			err = fail.New(fail.Conflict, "the certificate is being amended already")
		}
		return err
	})
}

// sign makes the certificate of a body whose digest the ledger has at the index, as a file.
func (r *Room) sign(ctx context.Context, t id.Tenant, body []byte, index int64) ([]byte, error) {
	receipt, err := r.Ledger.Receipt(ctx, t, index, nil)
	if err != nil {
		return nil, fmt.Errorf("prove the ledger entry: %w", err)
	}
	signer, key, err := r.Ledger.Signing(ctx, t)
	if err != nil {
		return nil, err
	}
	certificate, err := verify.NewCertificate(body, signer, key, receipt)
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "sign the certificate")
	}
	return json.MarshalIndent(certificate, "", "  ")
}

// outcomes says of each recipient what is known of it now. Who was told by a call or a letter has confirmed
// nothing: only what a processor, or staff about one, said counts.
func outcomes(list []Informed, said []Told) []Informed {
	out := make([]Informed, len(list))
	for i, p := range list {
		for _, s := range said {
			if s.Recipient == p.ID && s.Way == ByOpenDSR {
				p.Confirmed, p.Outcome = s.State == TellDone, s.Outcome
			}
		}
		out[i] = p
	}
	return out
}
