package org

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"

	"probity/internal/store"
)

// Sessions keeps the console's sign-in sessions in the store, for scs.SessionManager. The cookie's
// value is never stored: only its SHA-256 is. It satisfies scs.Store and scs.CtxStore.
type Sessions struct {
	room *Room
}

// Sessions returns the store for sign-in sessions.
func (r *Room) Sessions() *Sessions { return &Sessions{room: r} }

// FindCtx returns the session's data if there is a live session for the token.
func (s *Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	hash := sha256.Sum256([]byte(token))
	err = s.room.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT data FROM staff_session WHERE hash = $1 AND expires_at > $2`,
			hash[:], s.room.clk.Now().UnixMicro()).Scan(&data)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// CommitCtx stores the session's data until expiry, and drops sessions that have ended.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	hash := sha256.Sum256([]byte(token))
	return s.room.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM staff_session WHERE expires_at <= $1`, s.room.clk.Now().UnixMicro()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO staff_session (hash, data, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (hash) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at`,
			hash[:], data, expiry.UnixMicro())
		return err
	})
}

// DeleteCtx ends the session. It is idempotent.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	hash := sha256.Sum256([]byte(token))
	return s.room.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM staff_session WHERE hash = $1`, hash[:])
		return err
	})
}

// Find is FindCtx without a context, as scs.Store asks for.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context, as scs.Store asks for.
func (s *Sessions) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a context, as scs.Store asks for.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
