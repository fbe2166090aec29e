package org

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Bootstrap is what an installation shall have from its first start.
type Bootstrap struct {
	// Client is "id:secret" of an OAuth client with every permission; empty: none.
	Client string
	// Deployment is the id of a web deployment that allows loopback origins; empty: none.
	Deployment string
	// Basis is the lawful basis of that deployment's events; empty or "consent": the visitor's choice.
	Basis string
	// Declare records the declaration of such a basis and returns the record's id. It is called
	// once, and needed only if Basis is given.
	Declare func(ctx context.Context, t id.Tenant, deployment uuid.UUID, basis string) (record string, err error)
	// Name is the default organisation's name; empty: "Default organisation".
	Name string
}

// EnsureDefault returns the default organisation and makes it, with what b asks for, if it is not
// there yet. What exists is left as it is: a client keeps its secret even if b names another, so
// that a forgotten environment variable can't reset credentials. It is idempotent, and several
// processes may start together.
func (r *Room) EnsureDefault(ctx context.Context, b Bootstrap) (id.Tenant, error) {
	t, err := r.ensureOrganisation(ctx, b.Name)
	if err != nil {
		return t, err
	}
	if b.Client != "" {
		if err := r.ensureClient(ctx, t, b.Client); err != nil {
			return t, err
		}
	}
	if b.Deployment != "" {
		err = r.ensureDeployment(ctx, t, b)
	} else if b.Basis != "" && b.Basis != BasisConsent {
		err = fail.New(fail.Invalid, "PROBITY_BOOTSTRAP_BASIS needs PROBITY_BOOTSTRAP_DEPLOYMENT: a basis is declared for a deployment")
	}
	return t, err
}

// Default returns the default organisation, or a NotFound failure before the first EnsureDefault.
func (r *Room) Default(ctx context.Context) (t id.Tenant, err error) {
	err = r.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT tenant_id FROM organisation WHERE is_default`).Scan(&t)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return t, fail.New(fail.NotFound, "there is no default organisation yet")
	}
	return t, err
}

func (r *Room) ensureOrganisation(ctx context.Context, name string) (id.Tenant, error) {
	t, err := r.Default(ctx)
	if !fail.Is(err, fail.NotFound) {
		return t, err
	}
	if name == "" {
		name = "Default organisation"
	}
	t = id.NewTenant()
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO organisation (tenant_id, name, default_language, default_country, is_default, created_at)
			VALUES ($1, $2, 'en-us', 'DE', TRUE, $3) ON CONFLICT DO NOTHING`, t, name, r.clk.Now().UnixMicro())
		return err
	})
	if err != nil {
		return t, err
	}
	return r.Default(ctx)
}

func (r *Room) ensureClient(ctx context.Context, t id.Tenant, credentials string) error {
	clientID, secret, ok := strings.Cut(credentials, ":")
	if !ok {
		return fail.New(fail.Invalid, "PROBITY_BOOTSTRAP_CLIENT must have the form id:secret")
	}
	var n int
	err := r.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM oauth_client WHERE id = $1`, clientID).Scan(&n)
	})
	if err != nil || n > 0 {
		return err
	}
	_, err = r.CreateClient(ctx, t, clientID, secret, clientID, Permissions())
	if fail.Is(err, fail.Conflict) {
		return nil
	}
	return err
}

func (r *Room) ensureDeployment(ctx context.Context, t id.Tenant, b Bootstrap) error {
	deployment, err := uuid.Parse(b.Deployment)
	if err != nil || len(b.Deployment) != 36 {
		return fail.New(fail.Invalid, "PROBITY_BOOTSTRAP_DEPLOYMENT must be a UUID")
	}
	d, err := r.Deployment(ctx, deployment)
	if fail.Is(err, fail.NotFound) {
		d, err = r.SaveDeployment(ctx, t, Deployment{ID: deployment, Name: "Web site", AllowLoopback: true})
	}
	if err != nil {
		return err
	}
	if b.Basis == "" || b.Basis == BasisConsent || d.Basis != BasisConsent {
		return nil
	}
	if b.Declare == nil {
		return fail.New(fail.Internal, "a basis other than consent needs a way to declare it")
	}
	record, err := b.Declare(ctx, t, deployment, b.Basis)
	if err != nil {
		return err
	}
	return r.SetBasis(ctx, t, deployment, b.Basis, record)
}
