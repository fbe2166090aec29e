package consent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
)

// Version is one published version of the notice, with what it was made of. It never changes.
type Version struct {
	Version   int            `json:"version"`
	Published time.Time      `json:"published"`
	Material  bool           `json:"material"` // it suspended earlier grants
	Override  string         `json:"override"` // why it was published in spite of Faults; empty: there were none
	Faults    []notice.Fault `json:"faults"`   // that kept it from being published without a reason
	By        string         `json:"by"`       // id of the staff member or client; empty: the system
	Draft     notice.Draft   `json:"notice"`
}

const versionColumns = `version, body, material, reason, faults, author, published`

func scanVersion(row interface{ Scan(...any) error }) (*Version, error) {
	v := &Version{}
	var body, faults string
	var published int64
	if err := row.Scan(&v.Version, &body, &v.Material, &v.Override, &faults, &v.By, &published); err != nil {
		return nil, err
	}
	v.Published = time.UnixMicro(published).UTC()
	if err := json.Unmarshal([]byte(body), &v.Draft); err != nil {
		return nil, err
	}
	return v, json.Unmarshal([]byte(faults), &v.Faults)
}

func readVersion(ctx context.Context, tx *store.Tx, version int) (*Version, error) {
	v, err := scanVersion(tx.QueryRow(ctx, `
		SELECT `+versionColumns+` FROM consent_version
		WHERE tenant_id = $1 AND id = $2 AND version = $3`, tx.TenantID(), notice.ID, version))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fail.New(fail.NotFound, "There is no such version of the notice.")
	}
	return v, err
}

func insertVersion(ctx context.Context, tx *store.Tx, p *publication) error {
	body, err := json.Marshal(p.draft)
	if err != nil {
		return err
	}
	faults, err := json.Marshal(p.faults)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO consent_version (tenant_id, id, `+versionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		tx.TenantID(), notice.ID, p.version, string(body), p.material, p.draft.Override, string(faults), p.draft.By, p.at.UnixMicro())
	return err
}

// Versions returns all published versions, newest first.
func (r *Room) Versions(ctx context.Context, t id.Tenant) (out []*Version, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `
			SELECT `+versionColumns+` FROM consent_version
			WHERE tenant_id = $1 AND id = $2 ORDER BY version DESC`, t, notice.ID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			v, err := scanVersion(rows)
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read the versions of a notice")
	}
	return out, nil
}

// Version returns one published version; fail.NotFound if there is none of that number.
func (r *Room) Version(ctx context.Context, t id.Tenant, version int) (v *Version, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		v, err = readVersion(ctx, tx, version)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a version of a notice")
	}
	return v, nil
}

// Published returns one language of a version as browsers got it; fail.NotFound if it was not published.
func (r *Room) Published(ctx context.Context, t id.Tenant, version int, lang string) (*notice.Notice, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	e := s.published(notice.ID, version, lang)
	if e == nil {
		return nil, fail.New(fail.NotFound, "There is no notice of that id, version and language.")
	}
	n := e.Notice
	return &n, nil
}

// Newest returns the newest published version; nil if there is none.
func (r *Room) Newest(ctx context.Context, t id.Tenant) (v *Version, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		v, err = scanVersion(tx.QueryRow(ctx, `
			SELECT `+versionColumns+` FROM consent_version
			WHERE tenant_id = $1 AND id = $2 ORDER BY version DESC LIMIT 1`, t, notice.ID))
		if errors.Is(err, sql.ErrNoRows) {
			v = nil
			return nil
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read the newest notice")
	}
	return v, nil
}

// Controller returns how the newest notice names the organisation, empty if it does not.
func (r *Room) Controller(ctx context.Context, t id.Tenant) (name string, err error) {
	v, err := r.Newest(ctx, t)
	if v == nil || err != nil {
		return "", err
	}
	return v.Draft.Facts.Controller, nil
}
