package org

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// BasisConsent is the lawful basis of a deployment that has declared no other: each event needs the
// visitor's own choice (Art. 6(1)(a) GDPR).
const BasisConsent = "consent"

// Deployment is one web site or app that sends events. Its id stands in the site's snippet, so it
// is public; what protects it are the allowed origins and the consent gate.
//
// A *Deployment handed out by the Room is shared: don't change it.
type Deployment struct {
	ID             uuid.UUID
	Tenant         id.Tenant
	Name           string
	AllowedOrigins []string          // such as "https://shop.example"; empty: no browser may call
	AllowLoopback  bool              // also any http or https origin on localhost, 127.0.0.0/8 or ::1
	HonourDNT      bool              // "DNT: 1" refuses what Global Privacy Control refuses
	ConsentMode    map[string]string // what Google calls a kind of consent, such as "ad_storage", to the purpose that stands for it; empty: Google is told nothing
	Basis          string            // lawful basis of events: "consent", or one that was declared
	BasisRecord    string            // the record of the declaration; empty for consent
	Created        time.Time
}

// Allows tells whether a browser page of the origin may call this deployment. The origin is the
// value of the Origin header: scheme, host and port. "null" and the empty origin are not allowed.
func (d *Deployment) Allows(origin string) bool {
	if slices.Contains(d.AllowedOrigins, origin) {
		return true
	}
	return d.AllowLoopback && isLoopback(origin)
}

func isLoopback(origin string) bool {
	rest, ok := strings.CutPrefix(origin, "http://")
	if !ok {
		if rest, ok = strings.CutPrefix(origin, "https://"); !ok {
			return false
		}
	}
	host := rest
	if h, _, err := net.SplitHostPort(rest); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Deployment returns the deployment with the id, whatever its organisation, or a NotFound failure.
// It is the one lookup the public edge makes before it knows the organisation; it is cached.
func (r *Room) Deployment(ctx context.Context, deployment uuid.UUID) (*Deployment, error) {
	d, err := r.deployments.load(deployment, func() (*Deployment, error) {
		var d *Deployment
		err := r.db.Read(ctx, func(tx *store.Tx) (err error) {
			d, err = scanDeployment(tx.QueryRow(ctx, selectDeployment+` WHERE id = $1`, deployment[:]))
			return err
		})
		if errors.Is(err, sql.ErrNoRows) {
			// An unknown id is remembered too, so that guessing costs the database nothing.
			return nil, nil
		}
		return d, err
	})
	if err == nil && d == nil {
		return nil, fail.New(fail.NotFound, "there is no such deployment")
	}
	return d, err
}

// Deployments lists the organisation's deployments, oldest first.
func (r *Room) Deployments(ctx context.Context, t id.Tenant) ([]*Deployment, error) {
	var list []*Deployment
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, selectDeployment+` WHERE tenant_id = $1 ORDER BY created_at, id`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d, err := scanDeployment(rows)
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	return list, err
}

// GoogleKinds are the kinds of consent that Google Consent Mode v2 knows.
func GoogleKinds() []string {
	return []string{"ad_storage", "ad_user_data", "ad_personalization", "analytics_storage", "functionality_storage", "personalization_storage", "security_storage"}
}

// SaveDeployment creates the deployment, or changes name, origins, loopback, signals and consent mode of an
// existing one.
// The lawful basis is left alone: see SetBasis. A zero ID gets a fresh one. Each origin must be
// scheme, host and optional port and nothing else. Fails with Conflict if the id belongs to
// another organisation.
func (r *Room) SaveDeployment(ctx context.Context, t id.Tenant, d Deployment) (*Deployment, error) {
	if d.ID == uuid.Nil {
		d.ID = id.New()
	}
	for _, o := range d.AllowedOrigins {
		if err := checkOrigin(o); err != nil {
			return nil, err
		}
	}
	if d.AllowedOrigins == nil {
		d.AllowedOrigins = []string{}
	}
	origins, err := json.Marshal(d.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	for kind, purpose := range d.ConsentMode {
		if !slices.Contains(GoogleKinds(), kind) || purpose == "" {
			return nil, fail.Field("consent_mode", "Each entry names one of %s, and the purpose that stands for it.", strings.Join(GoogleKinds(), ", "))
		}
	}
	if d.ConsentMode == nil {
		d.ConsentMode = map[string]string{}
	}
	mode, err := json.Marshal(d.ConsentMode)
	if err != nil {
		return nil, err
	}
	if other, err := r.Deployment(ctx, d.ID); err == nil && other.Tenant != t {
		return nil, fail.New(fail.Conflict, "another organisation has a deployment with this id")
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { r.deployments.drop(d.ID) })
		_, err := tx.Exec(ctx, `
			INSERT INTO deployment (tenant_id, id, name, allowed_origins, allow_loopback, honour_dnt, consent_mode, basis, basis_record, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', $9)
			ON CONFLICT (tenant_id, id) DO UPDATE SET
				name = excluded.name, allowed_origins = excluded.allowed_origins,
				allow_loopback = excluded.allow_loopback, honour_dnt = excluded.honour_dnt,
				consent_mode = excluded.consent_mode`,
			t, d.ID[:], d.Name, string(origins), d.AllowLoopback, d.HonourDNT, string(mode), BasisConsent, r.clk.Now().UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.Deployment(ctx, d.ID)
}

// SetBasis records that the deployment's events rest on another lawful basis than consent, and
// where that was declared. BasisConsent with an empty record takes it back.
func (r *Room) SetBasis(ctx context.Context, t id.Tenant, deployment uuid.UUID, basis, record string) error {
	if (basis == BasisConsent) != (record == "") {
		return fail.Field("basis", "a basis other than consent needs the record of its declaration")
	}
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { r.deployments.drop(deployment) })
		n, err := tx.Exec(ctx, `
			UPDATE deployment SET basis = $3, basis_record = $4 WHERE tenant_id = $1 AND id = $2`,
			t, deployment[:], basis, record)
		if err == nil && n == 0 {
			err = fail.New(fail.NotFound, "there is no such deployment")
		}
		return err
	})
}

func checkOrigin(o string) error {
	u, err := url.Parse(o)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.ToLower(o) != o {
		return fail.Field("allowedOrigins", "an origin is scheme, host and port only, in lower case, such as https://shop.example")
	}
	return nil
}

const selectDeployment = `
	SELECT tenant_id, id, name, allowed_origins, allow_loopback, honour_dnt, consent_mode, basis, basis_record, created_at
	FROM deployment`

func scanDeployment(row scanner) (*Deployment, error) {
	var d Deployment
	var origins, mode string
	var created int64
	err := row.Scan(&d.Tenant, &d.ID, &d.Name, &origins, &d.AllowLoopback, &d.HonourDNT, &mode, &d.Basis, &d.BasisRecord, &created)
	if err != nil {
		return nil, err
	}
	d.Created = time.UnixMicro(created).UTC()
	if err := json.Unmarshal([]byte(mode), &d.ConsentMode); err != nil {
		return nil, err
	}
	return &d, json.Unmarshal([]byte(origins), &d.AllowedOrigins)
}
