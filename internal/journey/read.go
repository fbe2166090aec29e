package journey

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// MaxPage is the largest page of any list.
const MaxPage = 200

// What stands below reads without asking anybody whether it may. Only Reader, Export and EachGround
// use it.

// visitorOf returns what is known of a subject's device. Errors: fail.NotFound if it was never
// seen, fail.Gone if it was erased.
func (s *Store) visitorOf(ctx context.Context, t id.Tenant, sub id.Subject) (*Visitor, error) {
	found, err := s.Load(ctx, t, sub)
	switch {
	case err != nil:
		return nil, err
	case found[0] == nil:
		return nil, fail.New(fail.Gone, "this visitor was erased")
	case !found[0].row.exists:
		return nil, fail.New(fail.NotFound, "there is no such visitor")
	}
	return found[0], nil
}

// session returns a session, open or ended; an ended one without its Actions. Error: fail.NotFound,
// also after an erasure.
func (s *Store) session(ctx context.Context, t id.Tenant, sid uuid.UUID) (*Session, error) {
	var (
		open  *sealedState
		ended *sealedSession
		sub   id.Subject
	)
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		open, ended = nil, nil
		rows, err := tx.Query(ctx, `SELECT `+endedColumns+` FROM journey_session WHERE tenant_id = $1 AND id = $2`, t, sid)
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Next() {
			ended, err = scanEnded(rows)
			return err
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		var r sealedState
		err = tx.QueryRow(ctx, `
			SELECT subject, `+stateColumns+` FROM journey_visitor
			WHERE tenant_id = $1 AND session = $2 AND opened > 0`, t, sid).Scan(append([]any{&sub}, r.columns()...)...)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "there is no such session")
		}
		open = &r
		return err
	})
	if err != nil {
		return nil, err
	}
	if ended != nil {
		return s.unsealSession(ctx, t, ended)
	}
	v, err := s.unseal(ctx, t, sub, open)
	if err != nil {
		return nil, gone(err)
	}
	if v.Session == nil || v.Session.ID != sid {
		return nil, fmt.Errorf("the visitor's row names a session that its state does not hold")
	}
	return v.Session, nil
}

// sessionsOf returns the sessions of the subjects, the latest first, at most limit (0: all).
func (s *Store) sessionsOf(ctx context.Context, t id.Tenant, limit int, subjects ...id.Subject) ([]*Session, error) {
	var ended []*sealedSession
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		ended = ended[:0]
		return eachPart(subjects, func(in string, args []any) error {
			rows, err := tx.Query(ctx, `
				SELECT `+endedColumns+` FROM journey_session
				WHERE tenant_id = $1 AND subject IN (`+in+`)`, append([]any{t}, args...)...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				e, err := scanEnded(rows)
				if err != nil {
					return err
				}
				ended = append(ended, e)
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	visitors, err := s.Load(ctx, t, subjects...)
	if err != nil {
		return nil, err
	}
	var all []*Session
	for _, v := range visitors {
		if v != nil && v.Session != nil {
			all = append(all, v.Session)
		}
	}
	slices.SortFunc(ended, func(a, b *sealedSession) int {
		return cmpMicros(b.started, a.started)
	})
	for _, e := range ended {
		if limit > 0 && len(all) >= limit {
			break
		}
		session, err := s.unsealSession(ctx, t, e)
		if fail.Is(err, fail.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, session)
	}
	slices.SortStableFunc(all, func(a, b *Session) int { return b.Started.Compare(a.Started) })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, nil
}

func cmpMicros(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// sealedSession is a row of journey_session.
type sealedSession struct {
	id                uuid.UUID
	subject           id.Subject
	started, ended    int64
	events, pageViews int
	first, last       int
	body              []byte
}

const endedColumns = `id, subject, started, ended, events, page_views, first_chunk, last_chunk, body`

func scanEnded(rows *sql.Rows) (*sealedSession, error) {
	var e sealedSession
	err := rows.Scan((*uuidBytes)(&e.id), &e.subject, &e.started, &e.ended, &e.events, &e.pageViews, &e.first, &e.last, &e.body)
	return &e, err
}

// unsealSession opens an ended session. The counts in the clear columns are the right ones: late
// events raised them.
func (s *Store) unsealSession(ctx context.Context, t id.Tenant, e *sealedSession) (*Session, error) {
	plain, err := s.open(ctx, t, e.subject, "session", e.body)
	if err != nil {
		return nil, gone(err)
	}
	r := reader{b: plain}
	if version := r.flags(); version != stateVersion {
		return nil, fmt.Errorf("a stored session has version %d, which this program does not know", version)
	}
	session := r.session(e.subject)
	if r.err != nil {
		return nil, r.err
	}
	session.Events, session.PageViews, session.LastChunk = e.events, e.pageViews, e.last
	return session, nil
}

// gone turns the answer for a destroyed key into what others may know: there is nothing.
func gone(err error) error {
	if fail.Is(err, fail.Gone) {
		return fail.New(fail.NotFound, "there is no such session")
	}
	return err
}

// EventPage is a part of the events of a session.
type EventPage struct {
	Events []*event.Event // in the order in which they were counted
	Next   string         // cursor of the next page; empty at the end
}

// sessionEvents returns a page of the events of a session.
func (s *Store) sessionEvents(ctx context.Context, t id.Tenant, session *Session, after string, limit int) (*EventPage, error) {
	from, skip, err := readCursor(after, session.FirstChunk)
	if err != nil {
		return nil, err
	}
	limit = min(max(limit, 1), MaxPage)
	page := &EventPage{Events: []*event.Event{}}
	last := -1 // no bound: the chunks up to now, and the tail
	if !session.Open() {
		last = session.LastChunk
	}
	errFull := errors.New("the page is full")
	err = s.eachStored(ctx, t, session.Subject, max(from, session.FirstChunk), last, func(number, place int, in uuid.UUID, encoded []byte) error {
		if in != session.ID || number == from && place < skip {
			return nil
		}
		if len(page.Events) == limit {
			page.Next = cursor(number, place)
			return errFull
		}
		ev, err := event.Decode(encoded)
		if err != nil {
			return err
		}
		page.Events = append(page.Events, ev)
		return nil
	})
	if err != nil && !errors.Is(err, errFull) {
		return nil, gone(err)
	}
	return page, nil
}

// eachStored calls fn for the stored events of a subject from chunk first to last (-1: all), the
// tail included, in order.
func (s *Store) eachStored(ctx context.Context, t id.Tenant, sub id.Subject, first, last int,
	fn func(number, place int, session uuid.UUID, encoded []byte) error,
) error {
	type full struct {
		number int
		body   []byte
	}
	var (
		chunks []full
		v      *Visitor
		at     = first
	)
	walk := func(number int, records []byte) error {
		place := 0
		return eachRecord(records, func(session uuid.UUID, encoded []byte) error {
			place++
			return fn(number, place-1, session, encoded)
		})
	}
	for {
		// Chunks and tail must be of one moment: a chunk that fills between two reads would be missed.
		var tail *sealedState
		err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			chunks, tail = chunks[:0], nil
			rows, err := tx.Query(ctx, `
				SELECT number, body FROM journey_chunk
				WHERE tenant_id = $1 AND subject = $2 AND number >= $3 ORDER BY number LIMIT 32`, t, sub, at)
			if err != nil {
				return err
			}
			for rows.Next() {
				var c full
				if err := rows.Scan(&c.number, &c.body); err != nil {
					return err
				}
				chunks = append(chunks, c)
			}
			if err := rows.Close(); err != nil {
				return err
			}
			if err := rows.Err(); err != nil || len(chunks) == 32 {
				return err
			}
			var r sealedState
			err = tx.QueryRow(ctx, `SELECT state FROM journey_visitor WHERE tenant_id = $1 AND subject = $2`, t, sub).Scan(&r.state)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			tail = &r
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range chunks {
			if last >= 0 && c.number > last {
				return nil
			}
			plain, err := s.open(ctx, t, sub, "chunk", c.body)
			if err != nil {
				return err
			}
			if err := walk(c.number, plain); err != nil {
				return err
			}
			at = c.number + 1
		}
		if len(chunks) == 32 {
			continue
		}
		if tail == nil {
			return nil
		}
		if v, err = s.unseal(ctx, t, sub, tail); err != nil {
			return err
		}
		if last >= 0 && v.tail.number > last {
			return nil
		}
		return walk(v.tail.number, v.tail.bytes)
	}
}

func cursor(number, place int) string {
	b := binary.AppendUvarint(nil, uint64(number))
	b = binary.AppendUvarint(b, uint64(place))
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor returns the chunk and the place in it where a page begins.
func readCursor(text string, first int) (number, place int, err error) {
	if text == "" {
		return first, 0, nil
	}
	bad := fail.Field("after", "the cursor is not one that this service gave out")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, 0, bad
	}
	n, w := binary.Uvarint(b)
	if w <= 0 || n > 1<<31 {
		return 0, 0, bad
	}
	p, w2 := binary.Uvarint(b[w:])
	if w2 <= 0 || p > 1<<31 || w+w2 != len(b) {
		return 0, 0, bad
	}
	return int(n), int(p), nil
}

// visitors returns the visitors with an open session, the latest heard first, among the 500 sessions
// that began last.
func (s *Store) visitors(ctx context.Context, t id.Tenant) ([]*Visitor, error) {
	const look = 500
	type open struct {
		sub id.Subject
		sealedState
	}
	var found []open
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		found = found[:0]
		rows, err := tx.Query(ctx, `
			SELECT subject, `+stateColumns+` FROM journey_visitor
			WHERE tenant_id = $1 AND opened > 0 ORDER BY opened DESC LIMIT $2`, t, look)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o open
			if err := rows.Scan(append([]any{&o.sub}, o.columns()...)...); err != nil {
				return err
			}
			found = append(found, o)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	visitors := make([]*Visitor, 0, len(found))
	for i := range found {
		v, err := s.unseal(ctx, t, found[i].sub, &found[i].sealedState)
		if fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if v.Session != nil && !v.Session.history {
			visitors = append(visitors, v)
		}
	}
	slices.SortStableFunc(visitors, func(a, b *Visitor) int { return b.Session.heard.Compare(a.Session.heard) })
	return visitors, nil
}

// Heard returns when the latest event of the session reached us, by our clock.
func (s *Session) Heard() time.Time { return s.heard }

// Count is how often something happened on a day.
type Count struct {
	Day  int64 // days since 1970, UTC
	What string
	ID   uuid.UUID // of the outcome, segment or action map; zero for sessions and events
	N    int64
}

// Counts returns the daily counts from one day to another, both included (days since 1970, UTC).
func (s *Store) Counts(ctx context.Context, t id.Tenant, from, to int64) (all []Count, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		all = all[:0]
		rows, err := tx.Query(ctx, `
			SELECT day, what, id, CAST(sum(n) AS BIGINT) FROM journey_count
			WHERE tenant_id = $1 AND day BETWEEN $2 AND $3
			GROUP BY day, what, id ORDER BY day, what, id`, t, from, to)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c Count
			if err := rows.Scan(&c.Day, &c.What, (*uuidBytes)(&c.ID), &c.N); err != nil {
				return err
			}
			all = append(all, c)
		}
		return rows.Err()
	})
	return all, err
}

// events calls fn for all stored events of a subject that happened at or after since (zero: all),
// in the order in which they were counted, and ends with fn's error. Error: fail.Gone if the
// subject was erased.
func (s *Store) events(ctx context.Context, t id.Tenant, sub id.Subject, since time.Time, fn func(StoredEvent) error) error {
	return s.eachStored(ctx, t, sub, 0, -1, func(_, _ int, session uuid.UUID, encoded []byte) error {
		ev, err := event.Decode(encoded)
		if err != nil {
			return err
		}
		if ev.At.Before(since) {
			return nil
		}
		return fn(StoredEvent{Session: session, Event: ev})
	})
}
