package journey

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Erased says how many rows of each table an erasure removed.
type Erased struct {
	Visitors int64 `json:"visitors"`
	Sessions int64 `json:"sessions"`
	Chunks   int64 `json:"event_chunks"`
	Actions  int64 `json:"actions"`
}

// Erase deletes everything of the subjects in tx and keeps digests of their references, so that a
// batch that is under way can't bring rows back. It is idempotent. Destroy their
// keys before, and tell the worker to forget them.
func (s *Store) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) (Erased, error) {
	var n Erased
	for _, sub := range subjects {
		if _, err := tx.Exec(ctx, `
			INSERT INTO journey_erased (tenant_id, digest, at) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, digest) DO NOTHING`, tx.TenantID(), digest(sub), micros(s.clock.Now())); err != nil {
			return n, fmt.Errorf("note an erasure: %w", err)
		}
		for _, d := range []struct {
			query string
			n     *int64
		}{
			{`DELETE FROM journey_chunk WHERE tenant_id = $1 AND subject = $2`, &n.Chunks},
			{`DELETE FROM journey_session WHERE tenant_id = $1 AND subject = $2`, &n.Sessions},
			{`DELETE FROM journey_action WHERE tenant_id = $1 AND subject = $2`, &n.Actions},
			{`DELETE FROM journey_visitor WHERE tenant_id = $1 AND subject = $2`, &n.Visitors},
		} {
			k, err := tx.Exec(ctx, d.query, tx.TenantID(), sub)
			if err != nil {
				return n, fmt.Errorf("erase the journey: %w", err)
			}
			*d.n += k
		}
	}
	return n, nil
}

// Remains counts the rows that are still there of the subjects: all zero after an erasure. It reads
// the tables, not a cache.
func (s *Store) Remains(ctx context.Context, t id.Tenant, subjects []id.Subject) (n Erased, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		n = Erased{}
		for _, sub := range subjects {
			for _, d := range []struct {
				query string
				n     *int64
			}{
				{`SELECT count(*) FROM journey_chunk WHERE tenant_id = $1 AND subject = $2`, &n.Chunks},
				{`SELECT count(*) FROM journey_session WHERE tenant_id = $1 AND subject = $2`, &n.Sessions},
				{`SELECT count(*) FROM journey_action WHERE tenant_id = $1 AND subject = $2`, &n.Actions},
				{`SELECT count(*) FROM journey_visitor WHERE tenant_id = $1 AND subject = $2`, &n.Visitors},
			} {
				var k int64
				if err := tx.QueryRow(ctx, d.query, t, sub).Scan(&k); err != nil {
					return err
				}
				*d.n += k
			}
		}
		return nil
	})
	return n, err
}

// Total returns the number of rows, 0 if nothing remains.
func (n Erased) Total() int64 { return n.Visitors + n.Sessions + n.Chunks + n.Actions }

// Export is everything the journey knows about one device of a data subject, for an access package
// (Art. 15 GDPR).
type Export struct {
	Subject  id.Subject        `json:"subject"`
	Traits   map[string]string `json:"traits,omitempty"`
	Sessions []*Session        `json:"sessions"`
	Events   []*event.Event    `json:"events"`
	Actions  []*Offer          `json:"actions"`
}

// Export returns everything of the subjects, one entry per device that was ever seen and not
// erased.
func (s *Store) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Export, error) {
	all := []Export{}
	for _, sub := range subjects {
		v, err := s.visitorOf(ctx, t, sub)
		if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		e := Export{Subject: sub, Traits: v.Traits}
		if e.Sessions, err = s.sessionsOf(ctx, t, 0, sub); err != nil {
			return nil, err
		}
		if e.Actions, err = s.actionsOf(ctx, t, sub); err != nil {
			return nil, err
		}
		if err := s.events(ctx, t, sub, time.Time{}, func(ev StoredEvent) error {
			e.Events = append(e.Events, ev.Event)
			return nil
		}); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// digest stands for an erased subject. The reference itself is random and means nothing without
// the rows that are gone; its digest is kept so that a search for it finds nothing at all.
func digest(sub id.Subject) []byte {
	sum := sha256.Sum256(append([]byte("probity/journey/erased"), sub[:]...))
	return sum[:16]
}
