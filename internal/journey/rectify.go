package journey

import (
	"context"
	"fmt"
	"strings"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/store"
)

// Rectified says how much a rectification changed.
type Rectified struct {
	Visitors int64 `json:"visitors"` // whose traits held the old value
	Events   int64 `json:"events"`   // whose traits held it
}

// traitsOf returns the names of the traits that hold values of a kind of identity or trait.
func traitsOf(kind string) []string {
	switch kind {
	case KindPhone:
		return []string{"phone", "cellPhone", "homePhone", "workPhone", "otherPhone"}
	case KindExternalID:
		return []string{"externalId"}
	}
	return []string{kind}
}

// Rectify writes updated where the subjects' traits and the traits of their events hold existing,
// compared without regard to case and space around it (Art. 16 GDPR). kind is one of the Kind
// constants or a name of TraitNames. It is idempotent. Batches that are under way are not written
// over it, see ErrStale; tell the worker to forget the subjects afterwards.
func (s *Store) Rectify(ctx context.Context, tx *store.Tx, subjects []id.Subject, kind, existing, updated string) (n Rectified, err error) {
	r := rectification{kind: kind, names: traitsOf(kind), existing: strings.TrimSpace(existing), updated: updated}
	for _, sub := range subjects {
		one, err := s.rectify(ctx, tx, sub, &r)
		if err != nil {
			return n, fmt.Errorf("rectify a visitor: %w", err)
		}
		n.Visitors += one.Visitors
		n.Events += one.Events
	}
	return n, nil
}

func (s *Store) rectify(ctx context.Context, tx *store.Tx, sub id.Subject, r *rectification) (n Rectified, err error) {
	if n.Events, err = s.rectifyChunks(ctx, tx, sub, r); err != nil {
		return n, err
	}
	var state sealedState
	rows, err := tx.Query(ctx, `SELECT `+stateColumns+` FROM journey_visitor WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), sub)
	if err != nil {
		return n, err
	}
	defer rows.Close()
	if !rows.Next() {
		return n, rows.Err()
	}
	if err := rows.Scan(state.columns()...); err != nil {
		return n, err
	}
	rows.Close()
	v, err := s.unseal(ctx, tx.TenantID(), sub, &state)
	if err != nil {
		return n, err
	}
	for _, name := range r.names {
		if value, ok := v.Traits[name]; ok && r.meant(value) {
			v.Traits[name] = r.updated
			n.Visitors = 1
		}
	}
	records, events, err := r.records(v.tail.bytes)
	if err != nil {
		return n, err
	}
	if events == 0 && n.Visitors == 0 {
		return n, nil
	}
	n.Events += events
	v.tail.bytes = records
	plain, err := v.MarshalBinary()
	if err != nil {
		return n, err
	}
	body, err := s.seal(ctx, tx.TenantID(), sub, "visitor", packedWell, plain)
	if err != nil {
		return n, err
	}
	_, err = tx.Exec(ctx, `
		UPDATE journey_visitor SET state = $3, revision = revision + 1 WHERE tenant_id = $1 AND subject = $2`,
		tx.TenantID(), sub, body)
	return n, err
}

func (s *Store) rectifyChunks(ctx context.Context, tx *store.Tx, sub id.Subject, r *rectification) (changed int64, err error) {
	type full struct {
		number int
		body   []byte
	}
	// One chunk at a time: a visitor may have thousands.
	for after := -1; ; {
		var c full
		rows, err := tx.Query(ctx, `
			SELECT number, body FROM journey_chunk
			WHERE tenant_id = $1 AND subject = $2 AND number > $3 ORDER BY number LIMIT 1`, tx.TenantID(), sub, after)
		if err != nil {
			return changed, err
		}
		found := rows.Next()
		if found {
			err = rows.Scan(&c.number, &c.body)
		}
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
		if err != nil || !found {
			return changed, err
		}
		after = c.number
		plain, err := s.open(ctx, tx.TenantID(), sub, "chunk", c.body)
		if err != nil {
			return changed, err
		}
		records, n, err := r.records(plain)
		if err != nil {
			return changed, err
		}
		if n == 0 {
			continue
		}
		changed += n
		body, err := s.seal(ctx, tx.TenantID(), sub, "chunk", packedWell, records)
		if err != nil {
			return changed, err
		}
		if _, err := tx.Exec(ctx, `UPDATE journey_chunk SET body = $4 WHERE tenant_id = $1 AND subject = $2 AND number = $3`,
			tx.TenantID(), sub, c.number, body); err != nil {
			return changed, err
		}
	}
}

// rectification is one wrong value and the right one.
type rectification struct {
	kind, existing, updated string
	names                   []string
}

func (r *rectification) meant(value string) bool {
	return strings.EqualFold(strings.TrimSpace(value), r.existing)
}

// records returns the records of a chunk with the right value, and how many events changed.
func (r *rectification) records(b []byte) ([]byte, int64, error) {
	var (
		out     tail
		changed int64
	)
	err := eachStoredEvent(b, func(e StoredEvent) error {
		if r.event(e.Event) {
			changed++
		}
		encoded, err := e.Event.AppendBinary(nil)
		if err != nil {
			return err
		}
		out.put(e.Session, encoded)
		return nil
	})
	if err != nil || changed == 0 {
		return b, 0, err
	}
	return out.bytes, changed, nil
}

func (r *rectification) event(ev *event.Event) (changed bool) {
	for _, name := range r.names {
		if a, ok := ev.Traits[name]; ok && r.meant(a.Value) {
			a.Value = r.updated
			ev.Traits[name] = a
			changed = true
		}
	}
	if r.kind == KindExternalID && ev.ExternalID != "" && r.meant(ev.ExternalID) {
		ev.ExternalID = r.updated
		changed = true
	}
	return changed
}
