// Package withdrawn deletes data whose only basis was consent that was taken back, where the organisation
// wants that. The law does not ask for it: what was done before stays lawful (Art. 7(3) GDPR), and what
// is kept is not read any more. The entry of the grant is never touched.
package withdrawn

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/audit"
	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/store"
)

const (
	// drains is how long what was received before a withdrawal may take to be stored: so long after it
	// is looked whether anything is left.
	drains = time.Minute
	again  = 5 * time.Second
	later  = time.Hour // for what must stay for now
	atOnce = 20
)

// Journeys deletes events. *journey.Store satisfies it.
type Journeys interface {
	audit.Subjects
	Forget(ctx context.Context, tx *store.Tx, s id.Subject, what journey.Forgetting) (events int64, err error)
}

// Lessons deletes training rows; models are trained anew without them by their next run. *predict.Room
// satisfies it.
type Lessons interface {
	Forget(ctx context.Context, tx *store.Tx, subjects []id.Subject) (rows int64, err error)
}

// Deps is what the room needs. All but Stays and Default are required.
type Deps struct {
	DB      *store.DB
	Records audit.Records
	Journey Journeys
	Lessons Lessons
	// Stays tells, in the transaction that would delete it, that data of the subjects must be kept for now,
	// such as for legal claims. It is looked again later. nil: never.
	Stays func(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error)
	// Forget drops what is held of the subjects in memory.
	Forget func(t id.Tenant, subjects ...id.Subject)
	Clock  clock.Clock
	Logger *slog.Logger
	// Default counts for organisations that set no policy of their own; empty: Keep.
	Default Policy
}

// Room deletes. Make it with New, migrate once, then Run it. It is safe for concurrent use.
type Room struct{ Deps }

//go:embed migrations/*.sql
var migrations embed.FS

// New returns the room.
func New(d Deps) *Room { return &Room{d} }

// Migrate brings the table up to date.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.DB.Migrate(ctx, "withdrawn", files)
}

// Closed notes, in the transaction of the record, that its data is to go, where the organisation wants
// that. It is consent.Room.OnClosed's.
func (r *Room) Closed(ctx context.Context, tx *store.Tx, rec *consent.Record, purposes []string) error {
	if s, err := r.policy(ctx, tx); err != nil || s.Policy != Erase {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO withdrawn_duty (tenant_id, record, subject, purposes, at, due, done, events, lessons)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0)`,
		tx.TenantID(), rec.ID, rec.Subject, strings.Join(purposes, ","), rec.At.UnixMicro(), r.Clock.Now().UnixMicro())
	return err
}

// Run deletes what is due until ctx ends. tenants lists the organisations.
func (r *Room) Run(ctx context.Context, tenants func(context.Context) ([]id.Tenant, error)) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		all, err := tenants(ctx)
		for i := 0; err == nil && i < len(all); i++ {
			err = r.Do(ctx, all[i])
		}
		if err != nil && ctx.Err() == nil {
			r.Logger.Warn("data whose consent was taken back could not be deleted; it is tried again", "error", err)
		}
	}
}

type duty struct {
	record   uuid.UUID
	purposes []string
	at       time.Time
}

// Do deletes what is due now of one organisation. A duty is done when it was read again, a minute after
// the withdrawal or later, that nothing is left of what the record covers.
func (r *Room) Do(ctx context.Context, t id.Tenant) error {
	now := r.Clock.Now()
	var due []duty
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		due = due[:0]
		rows, err := tx.Query(ctx, `
			SELECT record, purposes, at FROM withdrawn_duty
			WHERE tenant_id = $1 AND due > 0 AND due <= $2 ORDER BY due LIMIT $3`, t, now.UnixMicro(), atOnce)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d duty
			var purposes string
			var at int64
			if err := rows.Scan(&d.record, &purposes, &at); err != nil {
				return err
			}
			d.purposes, d.at = strings.Split(purposes, ","), time.UnixMicro(at)
			due = append(due, d)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for i := range due {
		if err := r.do(ctx, t, &due[i], now); err != nil {
			return fmt.Errorf("delete what a record of consent covers: %w", err)
		}
	}
	return nil
}

func (r *Room) do(ctx context.Context, t id.Tenant, d *duty, now time.Time) error {
	coverage, err := r.Records.Coverage(ctx, t, d.record)
	if fail.Is(err, fail.NotFound) {
		return r.done(ctx, t, d, now) // the record was retired or its person erased, and the data with it
	}
	if err != nil {
		return err
	}
	what := journey.Forgetting{
		Match: func(e journey.Grounded) bool {
			return coverage.Covers(e.Subject, e.Purpose, consent.Ground(e.Ground), e.Received)
		},
		Identity: slices.Contains(d.purposes, notice.Identity),
		Purposes: d.purposes,
	}
	learnt := slices.ContainsFunc(d.purposes, func(p string) bool {
		return p == notice.Measure || p == notice.Actions || p == notice.Predict
	})
	stays := false
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) (err error) {
		if r.Stays != nil {
			if stays, err = r.Stays(ctx, tx, coverage.Subjects); err != nil {
				return err
			}
		}
		if stays {
			_, err := tx.Exec(ctx, `UPDATE withdrawn_duty SET due = $3 WHERE tenant_id = $1 AND record = $2`, t, d.record, now.Add(later).UnixMicro())
			return err
		}
		var events, lessons int64
		for _, s := range coverage.Subjects {
			n, err := r.Journey.Forget(ctx, tx, s, what)
			if err != nil {
				return err
			}
			events += n
		}
		if learnt {
			if lessons, err = r.Lessons.Forget(ctx, tx, coverage.Subjects); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `
			UPDATE withdrawn_duty SET events = events + $3, lessons = lessons + $4, due = $5
			WHERE tenant_id = $1 AND record = $2`, t, d.record, events, lessons, now.Add(again).UnixMicro())
		return err
	})
	if err != nil || stays {
		return err
	}
	r.Forget(t, coverage.Subjects...)
	left, err := audit.Record(ctx, r.Records, r.Journey, t, d.record, 0, 1)
	if err != nil || left.Events > 0 || now.Sub(d.at) < drains {
		return err
	}
	return r.done(ctx, t, d, now)
}

func (r *Room) done(ctx context.Context, t id.Tenant, d *duty, now time.Time) error {
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE withdrawn_duty SET due = 0, done = $3 WHERE tenant_id = $1 AND record = $2`, t, d.record, now.UnixMicro())
		return err
	})
}

// Open returns how many withdrawals have data of which it was not seen yet that it is gone, and when the
// oldest of them was made.
func (r *Room) Open(ctx context.Context, t id.Tenant) (n int64, since time.Time, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		var oldest int64
		if err := tx.QueryRow(ctx, `
			SELECT count(*), coalesce(min(at), 0) FROM withdrawn_duty WHERE tenant_id = $1 AND due > 0`, t).Scan(&n, &oldest); err != nil {
			return err
		}
		if since = (time.Time{}); n > 0 {
			since = time.UnixMicro(oldest).UTC()
		}
		return nil
	})
	return n, since, err
}

// Deleted is what became of one record's data.
type Deleted struct {
	Record   uuid.UUID  `json:"record"`
	Purposes []string   `json:"purposes"`
	At       time.Time  `json:"at"`
	Events   int64      `json:"events_deleted"`
	Lessons  int64      `json:"training_rows_deleted"`
	Done     *time.Time `json:"done,omitempty"` // when it was seen that nothing is left; nil: not yet
}

// List returns what became of the subjects' withdrawals, oldest first.
func (r *Room) List(ctx context.Context, t id.Tenant, subjects []id.Subject) (all []Deleted, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		all = []Deleted{}
		for _, s := range subjects {
			rows, err := tx.Query(ctx, `
				SELECT record, purposes, at, events, lessons, done FROM withdrawn_duty
				WHERE tenant_id = $1 AND subject = $2 ORDER BY at`, t, s)
			if err != nil {
				return err
			}
			for rows.Next() {
				var d Deleted
				var purposes string
				var at, done int64
				if err := rows.Scan(&d.Record, &purposes, &at, &d.Events, &d.Lessons, &done); err != nil {
					return err
				}
				d.Purposes, d.At = strings.Split(purposes, ","), time.UnixMicro(at).UTC()
				if done > 0 {
					when := time.UnixMicro(done).UTC()
					d.Done = &when
				}
				all = append(all, d)
			}
			if err := rows.Close(); err != nil {
				return err
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// Name implements rights.Store.
func (r *Room) Name() string { return "withdrawn" }

// Export implements rights.Store.
func (r *Room) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]rights.Section, error) {
	all, err := r.List(ctx, t, subjects)
	return []rights.Section{{
		File: "withdrawn/deleted", Title: "What was deleted when you took consent back",
		About: "How much of what rested on your consent alone was deleted after you took it back, and when.", Origin: rights.Recorded, Basis: "legal_obligation", Data: all,
	}}, err
}

// Erase implements rights.Store.
func (r *Room) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]rights.Count, error) {
	var n int64
	for _, s := range subjects {
		k, err := tx.Exec(ctx, `DELETE FROM withdrawn_duty WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s)
		if err != nil {
			return nil, err
		}
		n += k
	}
	return []rights.Count{{What: "notes on deleted data", N: n}}, nil
}
