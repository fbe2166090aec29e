package journey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// row is what the store holds of a visitor in clear, as far as is known.
type row struct {
	exists   bool
	session  uuid.UUID
	opened   int64
	wake     int64
	revision int64
}

// Change is what Save writes for one visitor: everything sealed, nothing to be computed.
type Change struct {
	Tenant  id.Tenant
	Subject id.Subject
	// Shard of the daily counts. Transactions that may run at the same time should use different ones.
	Shard int

	before, after row
	state         []byte
	chunks        []sealedChunk
	ended         []endedSession
	late          []lateEvent
	offers        []Offer
	counts        map[count]int
}

type sealedChunk struct {
	number, events int
	body           []byte
}

type endedSession struct {
	session *Session
	body    []byte
}

// lateEvent raises the counts of a session that has ended.
type lateEvent struct {
	session  uuid.UUID
	chunk    int
	pageView bool
}

// count names one daily counter.
type count struct {
	day  int64
	what string
	id   uuid.UUID
}

type shardCount struct {
	count
	shard int
}

// What is counted per day.
const (
	CountSessions = "session"
	CountEvents   = "event"
	CountAchieved = "outcome" // per outcome
	CountAssigned = "segment" // per segment
	CountMade     = "offer"   // per action map
	CountBlocked  = "blocked" // per action map
)

const day = 24 * time.Hour / time.Microsecond

// Load returns the visitors of the subjects, in their order; one that was never seen, or was
// erased, is fresh. A subject whose key is destroyed has a nil entry.
func (s *Store) Load(ctx context.Context, t id.Tenant, subjects ...id.Subject) ([]*Visitor, error) {
	found := make(map[id.Subject]*sealedState, len(subjects))
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		clear(found)
		return eachPart(subjects, func(in string, args []any) error {
			rows, err := tx.Query(ctx, `
				SELECT subject, `+stateColumns+` FROM journey_visitor
				WHERE tenant_id = $1 AND subject IN (`+in+`)`, append([]any{t}, args...)...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var (
					sub id.Subject
					r   sealedState
				)
				if err := rows.Scan(append([]any{&sub}, r.columns()...)...); err != nil {
					return err
				}
				found[sub] = &r
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, fmt.Errorf("load visitors: %w", err)
	}
	visitors := make([]*Visitor, len(subjects))
	for i, sub := range subjects {
		r := found[sub]
		if r == nil {
			visitors[i] = NewVisitor(sub)
			continue
		}
		v, err := s.unseal(ctx, t, sub, r)
		if fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("load a visitor: %w", err)
		}
		visitors[i] = v
	}
	return visitors, nil
}

// sealedState is a row of journey_visitor.
type sealedState struct {
	row   row
	state []byte
}

const stateColumns = `session, opened, wake, revision, state`

// columns returns where to scan stateColumns to.
func (r *sealedState) columns() []any {
	r.row.exists = true
	return []any{(*uuidBytes)(&r.row.session), &r.row.opened, &r.row.wake, &r.row.revision, &r.state}
}

func (s *Store) unseal(ctx context.Context, t id.Tenant, sub id.Subject, r *sealedState) (*Visitor, error) {
	plain, err := s.open(ctx, t, sub, "visitor", r.state)
	if err != nil {
		return nil, err
	}
	v := NewVisitor(sub)
	if err := v.UnmarshalBinary(plain); err != nil {
		return nil, err
	}
	v.row = r.row
	return v, nil
}

// Seal turns what the visitor has become into a Change and takes it to be saved: when Save fails,
// forget the visitor and Load it again. now tells which wake-ups are over. Errors: fail.Gone if the
// subject was erased.
func (s *Store) Seal(ctx context.Context, t id.Tenant, plan *Plan, v *Visitor, fx *Effects, now time.Time) (*Change, error) {
	c := &Change{Tenant: t, Subject: v.Subject, before: v.row}
	buf := s.zip.buffer()
	defer s.zip.buffers.Put(buf)
	plain, err := v.AppendBinary((*buf)[:0])
	if err != nil {
		return nil, err
	}
	*buf = plain
	how := byte(packedQuickly)
	if v.Session == nil {
		how = packedWell
	}
	if c.state, err = s.seal(ctx, t, v.Subject, "visitor", how, plain); err != nil {
		return nil, err
	}
	for _, full := range v.tail.full {
		body, err := s.seal(ctx, t, v.Subject, "chunk", packedWell, full.bytes)
		if err != nil {
			return nil, err
		}
		c.chunks = append(c.chunks, sealedChunk{number: full.number, events: full.events, body: body})
	}
	v.tail.full = nil
	for _, e := range fx.Ended {
		e.Actions, e.steps = nil, nil // offers have rows of their own, and progress is of no use any more
		w := writer{b: []byte{stateVersion}}
		w.session(e)
		body, err := s.seal(ctx, t, v.Subject, "session", packedWell, w.b)
		if err != nil {
			return nil, err
		}
		c.ended = append(c.ended, endedSession{session: e, body: body})
	}
	for _, e := range fx.Events {
		if e.Late {
			c.late = append(c.late, lateEvent{session: e.Session, chunk: v.tail.number, pageView: event.IsPageView(e.Event.Name)})
		}
	}
	c.offers = fx.Offers
	c.count(fx)
	v.row = v.row.next(plan, v, now)
	c.after = v.row
	return c, nil
}

// next returns the clear columns that fit the visitor's state. They change seldom, so that most
// saves touch no index: a wake-up that comes too early is left as it is until it is over.
func (r row) next(plan *Plan, v *Visitor, now time.Time) row {
	n := row{exists: true, revision: r.revision, session: r.session}
	if s := v.Session; s != nil {
		n.session, n.opened = s.ID, max(1, micros(s.Started))
	}
	if wake := v.Wake(plan); !wake.IsZero() {
		n.wake = max(1, micros(wake))
		if r.wake != 0 && r.wake < n.wake && r.wake > micros(now) {
			n.wake = r.wake
		}
	}
	return n
}

func (c *Change) count(fx *Effects) {
	add := func(at time.Time, what string, id uuid.UUID) {
		if c.counts == nil {
			c.counts = make(map[count]int)
		}
		c.counts[count{day: micros(at) / int64(day), what: what, id: id}]++
	}
	for _, s := range fx.Started {
		add(s.Started, CountSessions, uuid.Nil)
	}
	for i := range fx.Events {
		add(fx.Events[i].Event.At, CountEvents, uuid.Nil)
	}
	for i := range fx.Achieved {
		add(fx.Achieved[i].At, CountAchieved, fx.Achieved[i].Outcome)
	}
	for i := range fx.Assigned {
		add(fx.Assigned[i].At, CountAssigned, fx.Assigned[i].Segment)
	}
	for i := range fx.Offers {
		switch o := &fx.Offers[i]; o.State {
		case Qualified:
			add(o.Made, CountMade, o.Map)
		case Blocked:
			add(o.Qualified, CountBlocked, o.Map)
		}
	}
}

// Save writes the changes in tx, whose tenant must be theirs, and returns the subjects that have
// been erased meanwhile: nothing of them is written. It fails with ErrStale if one was rewritten.
func (s *Store) Save(ctx context.Context, tx *store.Tx, changes []*Change) (erased []id.Subject, err error) {
	counts := make(map[shardCount]int)
	for _, c := range changes {
		if c.Tenant != tx.TenantID() {
			return nil, fmt.Errorf("save a visitor: the transaction belongs to another tenant")
		}
		ok, err := s.saveState(ctx, tx, c)
		if err != nil {
			return nil, fmt.Errorf("save a visitor: %w", err)
		}
		if !ok {
			erased = append(erased, c.Subject)
			continue
		}
		if err := s.saveParts(ctx, tx, c); err != nil {
			return nil, err
		}
		for k, n := range c.counts {
			counts[shardCount{k, c.Shard}] += n
		}
	}
	for k, n := range counts {
		if _, err := tx.Exec(ctx, `
			INSERT INTO journey_count (tenant_id, day, what, id, shard, n) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, day, what, id, shard) DO UPDATE SET n = journey_count.n + excluded.n`,
			tx.TenantID(), k.day, k.what, k.id, k.shard, n); err != nil {
			return nil, fmt.Errorf("count: %w", err)
		}
	}
	return erased, nil
}

// saveState writes the visitor's row. An update that finds no row, or an insert for a subject on
// the list of the erased, tells that the subject was erased: false.
func (s *Store) saveState(ctx context.Context, tx *store.Tx, c *Change) (bool, error) {
	var (
		n   int64
		err error
	)
	switch {
	case c.before.exists && c.before == c.after:
		n, err = tx.Exec(ctx, `
			UPDATE journey_visitor SET state = $3 WHERE tenant_id = $1 AND subject = $2 AND revision = $4`,
			c.Tenant, c.Subject, c.state, c.before.revision)
	case c.before.exists:
		n, err = tx.Exec(ctx, `
			UPDATE journey_visitor SET state = $3, session = $4, opened = $5, wake = $6
			WHERE tenant_id = $1 AND subject = $2 AND revision = $7`,
			c.Tenant, c.Subject, c.state, c.after.session, c.after.opened, c.after.wake, c.before.revision)
	default:
		n, err = tx.Exec(ctx, `
			INSERT INTO journey_visitor (tenant_id, subject, state, session, opened, wake, revision)
			SELECT $1, $2, $3, $4, $5, $6, 0
			WHERE NOT EXISTS (SELECT 1 FROM journey_erased WHERE tenant_id = $1 AND digest = $7)`,
			c.Tenant, c.Subject, c.state, c.after.session, c.after.opened, c.after.wake, digest(c.Subject))
		return n == 1, err
	}
	if err != nil || n == 1 {
		return n == 1, err
	}
	err = tx.QueryRow(ctx, `SELECT revision FROM journey_visitor WHERE tenant_id = $1 AND subject = $2`,
		c.Tenant, c.Subject).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = ErrStale
	}
	return false, err
}

// ErrStale says that a visitor's state was rewritten, by a rectification, since it was loaded. Load
// it again.
var ErrStale = errors.New("the visitor's state was rewritten meanwhile")

func (s *Store) saveParts(ctx context.Context, tx *store.Tx, c *Change) error {
	for _, k := range c.chunks {
		if _, err := tx.Exec(ctx, `
			INSERT INTO journey_chunk (tenant_id, subject, number, events, body) VALUES ($1, $2, $3, $4, $5)`,
			c.Tenant, c.Subject, k.number, k.events, k.body); err != nil {
			return fmt.Errorf("save a chunk of events: %w", err)
		}
	}
	for _, e := range c.ended {
		if _, err := tx.Exec(ctx, `
			INSERT INTO journey_session (tenant_id, id, subject, number, started, ended, events, page_views, first_chunk, last_chunk, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			c.Tenant, e.session.ID, c.Subject, e.session.Number, micros(e.session.Started), micros(e.session.Ended),
			e.session.Events, e.session.PageViews, e.session.FirstChunk, e.session.LastChunk, e.body); err != nil {
			return fmt.Errorf("save a session: %w", err)
		}
	}
	for _, l := range c.late {
		views := 0
		if l.pageView {
			views = 1
		}
		if _, err := tx.Exec(ctx, `
			UPDATE journey_session SET events = events + 1, page_views = page_views + $3,
				last_chunk = CASE WHEN last_chunk < $4 THEN $4 ELSE last_chunk END
			WHERE tenant_id = $1 AND id = $2`, c.Tenant, l.session, views, l.chunk); err != nil {
			return fmt.Errorf("count a late event: %w", err)
		}
	}
	for i := range c.offers {
		if err := saveOffer(ctx, tx, &c.offers[i]); err != nil {
			return fmt.Errorf("save an offer: %w", err)
		}
	}
	return nil
}

// saveOffer inserts the offer or moves it on. What the visitor has already been shown is not taken
// back to an earlier state by what the worker still thinks.
func saveOffer(ctx context.Context, tx *store.Tx, o *Offer) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO journey_action (tenant_id, id, subject, session, map, map_version, media, purpose, template,
			state, block, qualified, made, shown, closed, error_code, outcome, reached)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, '', $14, $15)
		ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, block = excluded.block, made = excluded.made,
			template = excluded.template
		WHERE journey_action.state IN ('blocked', 'waiting', 'qualified')`,
		tx.TenantID(), o.ID, o.Subject, o.Session, o.Map, o.MapVersion, o.Media, o.Purpose, o.Template,
		string(o.State), string(o.Block), micros(o.Qualified), micros(o.Made), o.Outcome, o.Reached)
	return err
}

// inPart is how many values one IN list takes. Shorter lists repeat their last value, so that the
// database sees the same few statements.
const inPart = 64

// eachPart calls fn with IN lists over the subjects, numbered from $2.
func eachPart(subjects []id.Subject, fn func(in string, args []any) error) error {
	for len(subjects) > 0 {
		n := min(inPart, len(subjects))
		width := 1
		if n > 1 {
			width = inPart
		}
		args := make([]any, width)
		var in strings.Builder
		for i := range args {
			args[i] = subjects[min(i, n-1)]
			if i > 0 {
				in.WriteByte(',')
			}
			fmt.Fprintf(&in, "$%d", i+2)
		}
		if err := fn(in.String(), args); err != nil {
			return err
		}
		subjects = subjects[n:]
	}
	return nil
}

// uuidBytes scans a UUID column of 16 bytes.
type uuidBytes uuid.UUID

// Scan reads the 16 bytes.
func (u *uuidBytes) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(u) {
		return fmt.Errorf("an identifier column holds %T of %d bytes instead of 16 bytes", src, len(b))
	}
	copy(u[:], b)
	return nil
}

var _ sql.Scanner = (*uuidBytes)(nil)
