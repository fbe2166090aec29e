package witness

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/verify"
)

// Health is how a tenant's log stands.
type Health struct {
	Size         int64 // signed entries
	Checkpoint   *Checkpoint
	Destinations []Destination
	Bridges      []ledger.Bridge
	Lost         int64  // published entries that are missing, of all bridges together
	Audit        *Audit // nil: none was done yet
	Alarms       []string
	Warnings     []string // nothing is broken, but somebody has to act
}

// Checkpoint is the newest one.
type Checkpoint struct {
	Size int64
	Time time.Time
	Note string
}

// Destination is a place that checkpoints are sent to.
type Destination struct {
	Kind        string
	Destination string
	Size        int64     // of the newest checkpoint that arrived; 0: none
	Succeeded   time.Time // zero: never
	Failures    int       // since then
	Error       string
	Alarm       bool // nothing arrived for more than a day
}

// Audit is the outcome of a self-audit.
type Audit struct {
	At     time.Time
	Size   int64
	Took   time.Duration
	Sound  bool
	Entry  int64 // the first bad one; -1: none, or it is not about one
	Detail string
}

// Gap is how long a place may go without a checkpoint before that is an alarm.
const Gap = 24 * time.Hour

// located is an error that names an entry of the log.
type located interface{ BadEntry() int64 }

// SelfAudit examines the tenant's log, compares it with what was published and with what witnesses
// cosigned, runs the other audits and stores the outcome. A log that can't go on from what was
// published is bridged first. The error says only that the audit could not be done.
func (p *Publisher) SelfAudit(ctx context.Context, t id.Tenant) (*Audit, error) {
	begin := time.Now()
	a := &Audit{At: p.Clock.Now(), Sound: true, Entry: -1}
	_, found := p.Ledger.Resume(ctx, t)
	var kept [][]byte
	head, err := p.Ledger.Latest(ctx, t)
	if err != nil && !fail.Is(err, fail.NotFound) {
		return nil, err
	}
	if head != nil {
		a.Size = head.Size
	}
	if cosigned, err := p.Ledger.Cosigned(ctx, t); err == nil {
		kept = append(kept, cosigned.Note)
	} else if !fail.Is(err, fail.NotFound) {
		return nil, err
	}
	if found == nil || fail.Is(found, fail.Conflict) {
		// What is missing in the middle is named better by the audit.
		if err := p.Ledger.Audit(ctx, t, kept...); err != nil || found == nil {
			found = err
		}
	}
	for i := 0; found == nil && i < len(p.Audits); i++ {
		found = p.Audits[i](ctx, t)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if fail.Is(found, fail.Unavailable) {
		return nil, found
	}
	if found != nil {
		a.Sound, a.Detail = false, problem(found)
		if bad, ok := errors.AsType[interface {
			error
			located
		}](found); ok {
			a.Entry = bad.BadEntry()
		}
		p.Logger.Error("the self-audit of a log failed", "tenant", t, "error", found)
	}
	a.Took = time.Since(begin)
	err = p.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO witness_audit (tenant_id, at, size, took_ms, sound, entry, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant_id) DO UPDATE SET at = excluded.at, size = excluded.size, took_ms = excluded.took_ms,
				sound = excluded.sound, entry = excluded.entry, detail = excluded.detail`,
			t, a.At.UnixMicro(), a.Size, a.Took.Milliseconds(), a.Sound, a.Entry, a.Detail)
		return err
	})
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "Could not store the outcome of a self-audit")
	}
	return a, nil
}

// AuditDue tells whether the newest self-audit is older than that.
func (p *Publisher) AuditDue(ctx context.Context, t id.Tenant, every time.Duration) (bool, error) {
	a, err := p.lastAudit(ctx, t)
	if err != nil || a == nil {
		return err == nil, err
	}
	now := p.Clock.Now()
	return now.Sub(a.At) >= every || now.Before(a.At), nil
}

func (p *Publisher) lastAudit(ctx context.Context, t id.Tenant) (a *Audit, err error) {
	err = p.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		a = new(Audit)
		var at, took int64
		err := tx.QueryRow(ctx, `SELECT at, size, took_ms, sound, entry, detail FROM witness_audit WHERE tenant_id = $1`, t).
			Scan(&at, &a.Size, &took, &a.Sound, &a.Entry, &a.Detail)
		if errors.Is(err, sql.ErrNoRows) {
			a = nil
			return nil
		}
		a.At, a.Took = moment(at), time.Duration(took)*time.Millisecond
		return err
	})
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "Could not read the last self-audit")
	}
	return a, nil
}

// Health returns how the tenant's log stands. It signs nothing and asks nobody.
func (p *Publisher) Health(ctx context.Context, t id.Tenant) (*Health, error) {
	h := &Health{Alarms: []string{}, Warnings: []string{}}
	head, err := p.Ledger.Latest(ctx, t)
	if err != nil && !fail.Is(err, fail.NotFound) {
		return nil, err
	}
	now := p.Clock.Now()
	if head != nil {
		c, err := verify.OpenCheckpoint(head.Note, head.Key)
		if err != nil {
			h.Alarms = append(h.Alarms, "The newest checkpoint does not hold: it was altered in the database.")
		}
		h.Size, h.Checkpoint = head.Size, &Checkpoint{Size: head.Size, Time: c.Time, Note: string(head.Note)}
		if now.Before(c.Time.Add(-time.Minute)) {
			h.Alarms = append(h.Alarms, "The machine's clock stands before the newest checkpoint: it was set back.")
		}
	}
	add := func(kind, destination string) error {
		o, err := p.outcome(ctx, t, kind, destination)
		if err != nil {
			return err
		}
		d := Destination{Kind: kind, Destination: destination, Size: o.size, Succeeded: o.succeeded, Failures: o.failures, Error: o.problem}
		from := o.succeeded
		if from.IsZero() {
			from = o.since
		}
		if d.Alarm = !from.IsZero() && now.Sub(from) > Gap; d.Alarm {
			h.Alarms = append(h.Alarms, "No checkpoint has reached a "+kind+" for more than 24 hours: "+destination)
		}
		h.Destinations = append(h.Destinations, d)
		return nil
	}
	for _, w := range p.Witnesses {
		if err := add(ByWitness, w.Key); err != nil {
			return nil, err
		}
	}
	for kind, list := range map[string][]string{ByPost: p.Posts, ByMail: p.Mails} {
		for _, d := range list {
			if err := add(kind, d); err != nil {
				return nil, err
			}
		}
	}
	if h.Bridges, err = p.Ledger.Bridges(ctx, t); err != nil {
		return nil, err
	}
	for _, b := range h.Bridges {
		h.Lost += b.Lost
	}
	if h.Audit, err = p.lastAudit(ctx, t); err != nil {
		return nil, err
	}
	if h.Audit != nil && !h.Audit.Sound {
		h.Alarms = append(h.Alarms, "The last self-audit found damage: "+h.Audit.Detail)
	}
	for _, warn := range p.Warnings {
		more, err := warn(ctx, t)
		if err != nil {
			return nil, err
		}
		h.Warnings = append(h.Warnings, more...)
	}
	return h, nil
}
