package journey

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

const actionColumns = `id, subject, session, map, map_version, media, purpose, template, state, block,
	qualified, made, shown, closed, error_code, outcome, reached`

func scanAction(scan func(dest ...any) error) (*Offer, error) {
	var (
		o                              Offer
		state, block                   string
		qualified, made, shown, closed int64
	)
	err := scan((*uuidBytes)(&o.ID), &o.Subject, (*uuidBytes)(&o.Session), (*uuidBytes)(&o.Map), &o.MapVersion, &o.Media,
		&o.Purpose, (*uuidBytes)(&o.Template), &state, &block, &qualified, &made, &shown, &closed, &o.ErrorCode,
		(*uuidBytes)(&o.Outcome), &o.Reached)
	o.State, o.Block = State(state), Block(block)
	o.Qualified, o.Made, o.Shown, o.Closed = fromMicros(qualified), fromMicros(made), fromMicros(shown), fromMicros(closed)
	return &o, err
}

// action returns an offer by its id, without its content. Error: fail.NotFound.
func (s *Store) action(ctx context.Context, t id.Tenant, aid uuid.UUID) (o *Offer, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		o, err = action(ctx, tx, aid)
		return err
	})
	return o, err
}

func action(ctx context.Context, tx *store.Tx, aid uuid.UUID) (*Offer, error) {
	o, err := scanAction(tx.QueryRow(ctx, `SELECT `+actionColumns+` FROM journey_action WHERE tenant_id = $1 AND id = $2`,
		tx.TenantID(), aid).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fail.New(fail.NotFound, "there is no such action")
	}
	return o, err
}

// Report is what a browser says about an offer.
type Report struct {
	Action    uuid.UUID
	Session   uuid.UUID // must be the one the offer was made in
	State     State
	ErrorCode string // for Errored
}

// Report moves an offer on and returns it as it stands then. Reporting the same state again changes
// nothing. Errors: fail.NotFound if there is no such offer in that session, or if none was made
// (blocked); those of Transition.
func (s *Store) Report(ctx context.Context, t id.Tenant, r Report) (o *Offer, err error) {
	now := s.clock.Now()
	err = s.db.Tenant(t).Write(ctx, func(tx *store.Tx) (err error) {
		if o, err = action(ctx, tx, r.Action); err != nil {
			return err
		}
		if o.Session != r.Session || o.State == Blocked || o.State == Waiting {
			return fail.New(fail.NotFound, "there is no such action in this session")
		}
		if err := Transition(o.Media, o.State, r.State); err != nil || o.State == r.State {
			return err
		}
		o.step(r, now)
		_, err = tx.Exec(ctx, `
			UPDATE journey_action SET state = $3, shown = $4, closed = $5, error_code = $6
			WHERE tenant_id = $1 AND id = $2`,
			t, o.ID, string(o.State), micros(o.Shown), micros(o.Closed), o.ErrorCode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Offer) step(r Report, now time.Time) {
	now = fromMicros(micros(now))
	o.State = r.State
	if o.Shown.IsZero() && r.State != Errored {
		o.Shown = now
	}
	if o.finished() {
		o.Closed = now
	}
	if r.State == Errored && isErrorCode(r.ErrorCode) {
		o.ErrorCode = r.ErrorCode
	}
}

// maxCodeDigits is how many digits an error code may have: fewer than a phone number.
const maxCodeDigits = 4

// isErrorCode tells a code such as modal.blocked or HTTP_503 from any other text. Anybody can report
// an error and the column is clear, so nothing is kept in which a person could be named: no address,
// no number, no sentence.
func isErrorCode(code string) bool {
	if len(code) > 64 {
		return false
	}
	digits := 0
	for _, c := range []byte(code) {
		switch {
		case c >= '0' && c <= '9':
			if digits++; digits > maxCodeDigits {
				return false
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// finished tells whether nothing more is expected, so that another offer may be made.
func (o *Offer) finished() bool {
	return o.State.Final() || o.State == Blocked || o.State == Accepted && o.Media == MediaContent
}

// Finished tells for each offer that is named whether it has come to its end. Unknown ones count as
// finished.
func (s *Store) Finished(ctx context.Context, t id.Tenant, aid uuid.UUID) (bool, error) {
	o, err := s.action(ctx, t, aid)
	if fail.Is(err, fail.NotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return o.finished(), nil
}

// waiting returns the offers that were made to the subject and that its browser has not shown yet,
// oldest first, with their content. Offers that nobody fetched in half an hour are stale and left
// out.
func (s *Store) waiting(ctx context.Context, t id.Tenant, sub id.Subject) ([]*Offer, error) {
	since := s.clock.Now().Add(-offerLife)
	all, err := s.actions(ctx, t, `AND subject = $2 AND state = 'qualified' AND made >= $3 ORDER BY made LIMIT 20`, sub, micros(since))
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.Template == uuid.Nil {
			continue
		}
		a, err := s.Template(ctx, t, o.Template)
		if err != nil && !fail.Is(err, fail.NotFound) {
			return nil, err
		}
		if a != nil {
			o.Content = a.Content
		}
	}
	return all, nil
}

// actionsOf returns the offers and blocked qualifications of a subject, the latest first.
func (s *Store) actionsOf(ctx context.Context, t id.Tenant, sub id.Subject) ([]*Offer, error) {
	return s.actions(ctx, t, `AND subject = $2 ORDER BY qualified DESC, id DESC LIMIT 500`, sub)
}

// actions returns the organisation's offers that the rest of the query selects; its arguments count
// from $2.
func (s *Store) actions(ctx context.Context, t id.Tenant, rest string, args ...any) (all []*Offer, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		all = all[:0]
		rows, err := tx.Query(ctx, `SELECT `+actionColumns+` FROM journey_action WHERE tenant_id = $1 `+rest,
			append([]any{t}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			o, err := scanAction(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, o)
		}
		return rows.Err()
	})
	return all, err
}

// Due returns subjects whose clock has something to do: Tick them. At most limit, the longest due
// first.
func (s *Store) Due(ctx context.Context, t id.Tenant, now time.Time, limit int) (subjects []id.Subject, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		subjects = subjects[:0]
		rows, err := tx.Query(ctx, `
			SELECT subject FROM journey_visitor
			WHERE tenant_id = $1 AND wake > 0 AND wake <= $2 ORDER BY wake LIMIT $3`, t, micros(now), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var sub id.Subject
			if err := rows.Scan(&sub); err != nil {
				return err
			}
			subjects = append(subjects, sub)
		}
		return rows.Err()
	})
	return subjects, err
}
