package withdrawn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Policy is what becomes of data whose only basis was consent that was taken back.
type Policy string

// The policies.
const (
	Keep  Policy = "keep"  // it stays, and nobody reads it
	Erase Policy = "erase" // it is deleted
)

// Setting is the policy of an organisation.
type Setting struct {
	Policy  Policy `json:"policy"`  // which counts
	Own     bool   `json:"own"`     // the organisation set it; otherwise it is the installation's
	Default Policy `json:"default"` // of the installation
}

// Policy returns what counts for an organisation.
func (r *Room) Policy(ctx context.Context, t id.Tenant) (s Setting, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		s, err = r.policy(ctx, tx)
		return err
	})
	if err != nil {
		return s, fail.Wrap(fail.Unavailable, err, "what becomes of withdrawn data can't be read now")
	}
	return s, nil
}

func (r *Room) policy(ctx context.Context, tx *store.Tx) (Setting, error) {
	s := Setting{Policy: Keep}
	if r.Default != "" {
		s.Policy = r.Default
	}
	s.Default = s.Policy
	err := tx.QueryRow(ctx, `SELECT policy FROM withdrawn_policy WHERE tenant_id = $1`, tx.TenantID()).Scan(&s.Policy)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	s.Own = err == nil
	return s, err
}

// SetPolicy sets what becomes of data whose consent is taken back from now on; empty: what the
// installation says. What was withdrawn before is treated as was said then. Errors: fail.Invalid for
// another policy.
func (r *Room) SetPolicy(ctx context.Context, t id.Tenant, p Policy) error {
	if p != "" && p != Keep && p != Erase {
		return fail.Field("policy", "The policy is %s, %s, or empty for what the installation says.", Keep, Erase)
	}
	err := r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if p == "" {
			_, err := tx.Exec(ctx, `DELETE FROM withdrawn_policy WHERE tenant_id = $1`, t)
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO withdrawn_policy (tenant_id, policy) VALUES ($1, $2)
			ON CONFLICT (tenant_id) DO UPDATE SET policy = excluded.policy`, t, string(p))
		return err
	})
	if err != nil {
		return fmt.Errorf("set what becomes of withdrawn data: %w", err)
	}
	return nil
}
