package org

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// LinkTTL is how long a one-time sign-in link works.
const LinkTTL = 15 * time.Minute

// Staff is a person who signs in to the console for an organisation.
type Staff struct {
	ID          uuid.UUID
	Tenant      id.Tenant
	Name        string
	Permissions []string // sorted
	Owner       bool
	Created     time.Time
	LastSignIn  time.Time // zero before the first time
}

// Can tells whether the person has at least one of the permissions.
func (s *Staff) Can(anyOf ...string) bool {
	return (&Principal{Permissions: s.Permissions}).Can(anyOf...)
}

// IssueLink returns the secret of a one-time sign-in link for the organisation's owner, who is
// created if there is none. The link works once, within LinkTTL. Only its hash is stored.
func (r *Room) IssueLink(ctx context.Context, t id.Tenant) (token string, err error) {
	owner, err := r.ensureOwner(ctx, t)
	if err != nil {
		return "", err
	}
	return r.IssueLinkFor(ctx, t, owner)
}

// IssueLinkFor returns the secret of a one-time sign-in link for a staff member.
func (r *Room) IssueLinkFor(ctx context.Context, t id.Tenant, staff uuid.UUID) (token string, err error) {
	if _, err := r.Staff(ctx, t, staff); err != nil {
		return "", err
	}
	token = secretString()
	hash := sha256.Sum256([]byte(token))
	now := r.clk.Now()
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM staff_link WHERE tenant_id = $1 AND expires_at < $2`, t, now.UnixMicro()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO staff_link (tenant_id, hash, staff_id, expires_at) VALUES ($1, $2, $3, $4)`,
			t, hash[:], staff[:], now.Add(LinkTTL).UnixMicro())
		return err
	})
	return token, err
}

// RedeemLink uses a one-time link up and returns who may sign in with it. Of several callers with
// the same link exactly one succeeds; the others, and callers with an unknown or expired link, get
// a Gone failure.
func (r *Room) RedeemLink(ctx context.Context, token string) (*Staff, error) {
	hash := sha256.Sum256([]byte(token))
	now := r.clk.Now()
	var t id.Tenant
	var staff uuid.UUID
	gone := fail.New(fail.Gone, "this sign-in link was used or has expired; ask for a new one")
	err := r.db.Write(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT tenant_id FROM staff_link WHERE hash = $1`, hash[:]).Scan(&t)
		if errors.Is(err, sql.ErrNoRows) {
			return gone
		}
		if err != nil {
			return err
		}
		if tx, err = tx.As(ctx, t); err != nil {
			return err
		}
		var expires int64
		err = tx.QueryRow(ctx, `
			DELETE FROM staff_link WHERE tenant_id = $1 AND hash = $2 RETURNING staff_id, expires_at`,
			t, hash[:]).Scan(&staff, &expires)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && now.UnixMicro() > expires) {
			return gone
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE staff SET last_sign_in_at = $3 WHERE tenant_id = $1 AND id = $2`, t, staff[:], now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.Staff(ctx, t, staff)
}

// Staff returns the staff member, or a NotFound failure if there is none or the account is closed.
func (r *Room) Staff(ctx context.Context, t id.Tenant, staff uuid.UUID) (*Staff, error) {
	list, err := r.staff(ctx, t, `AND id = $2`, staff[:])
	if err == nil && len(list) == 0 {
		err = fail.New(fail.NotFound, "there is no such member of staff")
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// StaffOf lists the organisation's staff, oldest first.
func (r *Room) StaffOf(ctx context.Context, t id.Tenant) ([]*Staff, error) {
	return r.staff(ctx, t, ``)
}

// AddStaff creates an account. The name is stored sealed under the organisation's key.
func (r *Room) AddStaff(ctx context.Context, t id.Tenant, name string, permissions []string) (*Staff, error) {
	for _, p := range permissions {
		if !known(p) {
			return nil, fail.Field("permissions", "there is no permission %q", p)
		}
	}
	staff := id.New()
	if err := r.insertStaff(ctx, t, staff, name, permissions, false); err != nil {
		return nil, err
	}
	return r.Staff(ctx, t, staff)
}

// CloseStaff closes an account; sessions and links of that person stop working. The owner's can't
// be closed.
func (r *Room) CloseStaff(ctx context.Context, t id.Tenant, staff uuid.UUID) error {
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE staff SET disabled_at = $3
			WHERE tenant_id = $1 AND id = $2 AND NOT is_owner AND disabled_at IS NULL`, t, staff[:], r.clk.Now().UnixMicro())
		if err != nil {
			return err
		}
		if n == 0 {
			return fail.New(fail.Conflict, "there is no open account with this id, or it is the owner's")
		}
		_, err = tx.Exec(ctx, `DELETE FROM staff_link WHERE tenant_id = $1 AND staff_id = $2`, t, staff[:])
		return err
	})
}

func (r *Room) ensureOwner(ctx context.Context, t id.Tenant) (uuid.UUID, error) {
	list, err := r.staff(ctx, t, `AND is_owner`)
	if err != nil {
		return uuid.Nil, err
	}
	if len(list) == 0 {
		if err := r.insertStaff(ctx, t, id.New(), "Owner", Permissions(), true); err != nil {
			return uuid.Nil, err
		}
		if list, err = r.staff(ctx, t, `AND is_owner`); err != nil {
			return uuid.Nil, err
		}
		if len(list) == 0 {
			return uuid.Nil, fail.New(fail.Internal, "the owner's account could not be created")
		}
	}
	return list[0].ID, nil
}

func (r *Room) insertStaff(ctx context.Context, t id.Tenant, staff uuid.UUID, name string, permissions []string, owner bool) error {
	sealed, err := r.keys.SealTenant(ctx, t, staffAAD(staff), []byte(name))
	if err != nil {
		return err
	}
	granted, err := json.Marshal(slices.Sorted(slices.Values(permissions)))
	if err != nil {
		return err
	}
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		// Two processes that start together may both want to make the owner: one of them wins.
		_, err := tx.Exec(ctx, `
			INSERT INTO staff (tenant_id, id, name, permissions, is_owner, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			t, staff[:], sealed, string(granted), owner, r.clk.Now().UnixMicro())
		return err
	})
}

func (r *Room) staff(ctx context.Context, t id.Tenant, where string, args ...any) ([]*Staff, error) {
	var list []*Staff
	var names [][]byte
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list, names = nil, nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, id, name, permissions, is_owner, created_at, last_sign_in_at
			FROM staff WHERE tenant_id = $1 AND disabled_at IS NULL `+where+` ORDER BY created_at, id`, append([]any{t}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s Staff
			var name []byte
			var granted string
			var created int64
			var last sql.NullInt64
			if err := rows.Scan(&s.Tenant, &s.ID, &name, &granted, &s.Owner, &created, &last); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(granted), &s.Permissions); err != nil {
				return err
			}
			s.Created = time.UnixMicro(created).UTC()
			if last.Valid {
				s.LastSignIn = time.UnixMicro(last.Int64).UTC()
			}
			list, names = append(list, &s), append(names, name)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	for i, s := range list {
		name, err := r.keys.OpenTenant(ctx, t, staffAAD(s.ID), names[i])
		if err != nil {
			return nil, err
		}
		s.Name = string(name)
	}
	return list, nil
}

func staffAAD(staff uuid.UUID) []byte { return append([]byte("org/staff/name/"), staff[:]...) }
