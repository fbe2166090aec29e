package journey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/store"
)

// Forgetting says what of a subject is to go.
type Forgetting struct {
	Match    func(Grounded) bool // events
	Identity bool                // traits and external ids, of the events that stay as well
	Purposes []string            // offers made for them
}

// forgetting is one run over a subject.
type forgetting struct {
	*Store
	*Forgetting
	tx       *store.Tx
	sub      id.Subject
	touched  map[uuid.UUID]bool           // sessions that lose an event
	left     map[uuid.UUID][]*event.Event // what stays of them
	events   int64
	stripped int64
}

// Forget deletes events of a subject, and what was concluded from them: chunks are sealed anew without
// them; a session that lost some is put together again from the others, without segments, outcomes,
// scores and offers, and one that lost all is deleted. It returns how many events it deleted or took
// traits out of, and is idempotent. Batches that are under way are not written over it, see ErrStale;
// tell the worker to forget the subject afterwards.
func (s *Store) Forget(ctx context.Context, tx *store.Tx, sub id.Subject, what Forgetting) (events int64, err error) {
	f := &forgetting{Store: s, Forgetting: &what, tx: tx, sub: sub, touched: map[uuid.UUID]bool{}, left: map[uuid.UUID][]*event.Event{}}
	v, err := f.visitor(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget events: %w", err)
	}
	// First which sessions lose something, then what is left of those.
	look := func(e StoredEvent) error {
		if f.Match(grounded(sub, e.Session, e.Event)) {
			f.touched[e.Session] = true
		}
		return nil
	}
	if err := f.eachChunk(ctx, func(_ int, plain []byte) error { return eachStoredEvent(plain, look) }); err != nil {
		return 0, fmt.Errorf("forget events: %w", err)
	}
	if v != nil {
		if err := eachStoredEvent(v.tail.bytes, look); err != nil {
			return 0, fmt.Errorf("forget events: %w", err)
		}
	}
	for _, step := range []func(context.Context, *Visitor) error{f.chunks, f.sessions, f.state, f.offers} {
		if err := step(ctx, v); err != nil {
			return 0, fmt.Errorf("forget events: %w", err)
		}
	}
	return f.events + f.stripped, nil
}

func (f *forgetting) visitor(ctx context.Context) (*Visitor, error) {
	var r sealedState
	err := f.tx.QueryRow(ctx, `SELECT `+stateColumns+` FROM journey_visitor WHERE tenant_id = $1 AND subject = $2`,
		f.tx.TenantID(), f.sub).Scan(r.columns()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return f.unseal(ctx, f.tx.TenantID(), f.sub, &r)
}

// eachChunk calls fn for the full chunks, one at a time: a visitor may have thousands.
func (f *forgetting) eachChunk(ctx context.Context, fn func(number int, plain []byte) error) error {
	for after := -1; ; {
		var body []byte
		err := f.tx.QueryRow(ctx, `
			SELECT number, body FROM journey_chunk
			WHERE tenant_id = $1 AND subject = $2 AND number > $3 ORDER BY number LIMIT 1`,
			f.tx.TenantID(), f.sub, after).Scan(&after, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		plain, err := f.open(ctx, f.tx.TenantID(), f.sub, "chunk", body)
		if err != nil {
			return err
		}
		if err := fn(after, plain); err != nil {
			return err
		}
	}
}

// records returns the records of a chunk that stay.
func (f *forgetting) records(plain []byte) (out tail, changed bool, err error) {
	err = eachStoredEvent(plain, func(e StoredEvent) error {
		if f.Match(grounded(f.sub, e.Session, e.Event)) {
			f.events++
			changed = true
			return nil
		}
		if f.Identity && (len(e.Event.Traits) > 0 || e.Event.ExternalID != "") {
			e.Event.Traits, e.Event.ExternalID = nil, ""
			f.stripped++
			changed = true
		}
		if f.touched[e.Session] {
			f.left[e.Session] = append(f.left[e.Session], e.Event)
		}
		encoded, err := e.Event.AppendBinary(nil)
		if err != nil {
			return err
		}
		out.put(e.Session, encoded)
		return nil
	})
	return out, changed, err
}

func (f *forgetting) chunks(ctx context.Context, _ *Visitor) error {
	t := f.tx.TenantID()
	return f.eachChunk(ctx, func(number int, plain []byte) error {
		kept, changed, err := f.records(plain)
		if err != nil || !changed {
			return err
		}
		if kept.events == 0 {
			_, err = f.tx.Exec(ctx, `DELETE FROM journey_chunk WHERE tenant_id = $1 AND subject = $2 AND number = $3`, t, f.sub, number)
			return err
		}
		body, err := f.seal(ctx, t, f.sub, "chunk", packedWell, kept.bytes)
		if err != nil {
			return err
		}
		_, err = f.tx.Exec(ctx, `UPDATE journey_chunk SET body = $4, events = $5 WHERE tenant_id = $1 AND subject = $2 AND number = $3`,
			t, f.sub, number, body, kept.events)
		return err
	})
}

// rebuilt puts a session together again from the events that are left.
func (f *forgetting) rebuilt(old *Session) *Session {
	s := &Session{
		ID: old.ID, Subject: old.Subject, Type: old.Type, Number: old.Number, Started: old.Started, Ended: old.Ended,
		Deployment: old.Deployment, Observed: -1, FirstChunk: old.FirstChunk, LastChunk: old.LastChunk,
		heard: old.heard, history: old.history,
	}
	for _, ev := range f.left[old.ID] {
		s.count(ev)
	}
	return s
}

// sessions does it for those that have ended. The visitor's tail was not gone through yet, so it is
// now: late events of an ended session may stand there.
func (f *forgetting) sessions(ctx context.Context, v *Visitor) error {
	if v != nil {
		kept, changed, err := f.records(v.tail.bytes)
		if err != nil {
			return err
		}
		if changed {
			kept.number = v.tail.number
			v.tail = kept
		}
	}
	t := f.tx.TenantID()
	for sid := range f.touched {
		rows, err := f.tx.Query(ctx, `SELECT `+endedColumns+` FROM journey_session WHERE tenant_id = $1 AND id = $2`, t, sid)
		if err != nil {
			return err
		}
		var ended *sealedSession
		if rows.Next() {
			ended, err = scanEnded(rows)
		}
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return err
		}
		if ended == nil {
			continue
		}
		if len(f.left[sid]) == 0 {
			if _, err := f.tx.Exec(ctx, `DELETE FROM journey_session WHERE tenant_id = $1 AND id = $2`, t, sid); err != nil {
				return err
			}
			continue
		}
		old, err := f.unsealSession(ctx, t, ended)
		if err != nil {
			return err
		}
		s := f.rebuilt(old)
		w := writer{b: []byte{stateVersion}}
		w.session(s)
		body, err := f.seal(ctx, t, f.sub, "session", packedWell, w.b)
		if err != nil {
			return err
		}
		if _, err := f.tx.Exec(ctx, `UPDATE journey_session SET body = $3, events = $4, page_views = $5 WHERE tenant_id = $1 AND id = $2`,
			t, sid, body, s.Events, s.PageViews); err != nil {
			return err
		}
	}
	return nil
}

// state does it for the open session and what is kept with the visitor.
func (f *forgetting) state(ctx context.Context, v *Visitor) error {
	if v == nil || len(f.touched) == 0 && f.stripped == 0 && (!f.Identity || len(v.Traits) == 0) {
		return nil
	}
	if f.Identity {
		v.Traits = nil
		if v.Session != nil {
			v.Session.Authenticated = false
		}
	}
	v.past = slices.DeleteFunc(v.past, func(p pastSession) bool { return f.touched[p.id] })
	after := v.row
	if s := v.Session; s != nil && f.touched[s.ID] {
		v.features, v.kept, v.Pending = nil, nil, Pending{}
		if v.Session = f.rebuilt(s); v.Session.Events == 0 {
			v.Session = nil
			after.opened, after.wake = 0, 0
		}
	}
	plain, err := v.MarshalBinary()
	if err != nil {
		return err
	}
	body, err := f.seal(ctx, f.tx.TenantID(), f.sub, "visitor", packedWell, plain)
	if err != nil {
		return err
	}
	_, err = f.tx.Exec(ctx, `
		UPDATE journey_visitor SET state = $3, opened = $4, wake = $5, revision = revision + 1
		WHERE tenant_id = $1 AND subject = $2`, f.tx.TenantID(), f.sub, body, after.opened, after.wake)
	return err
}

// offers deletes those that were made in sessions that lost events, and those of the purposes.
func (f *forgetting) offers(ctx context.Context, _ *Visitor) error {
	for sid := range f.touched {
		if _, err := f.tx.Exec(ctx, `DELETE FROM journey_action WHERE tenant_id = $1 AND subject = $2 AND session = $3`,
			f.tx.TenantID(), f.sub, sid); err != nil {
			return err
		}
	}
	for _, purpose := range f.Purposes {
		if _, err := f.tx.Exec(ctx, `DELETE FROM journey_action WHERE tenant_id = $1 AND subject = $2 AND purpose = $3`,
			f.tx.TenantID(), f.sub, purpose); err != nil {
			return err
		}
	}
	return nil
}
