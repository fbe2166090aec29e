// Package downstream tells the operator's other systems that somebody no longer allows something, so
// that they stop too (Art. 7(3) and 19 GDPR). What is to be told is written in the transaction of the
// withdrawal, and tried again until it is taken.
package downstream

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
)

// SignatureHeader holds "t=SECONDS,v1=HEX": HMAC-SHA256, under the shared secret, of SECONDS, a full
// stop and the body. A receiver compares it, and refuses what is older than it thinks fit.
const SignatureHeader = rights.SignatureHeader

const (
	patience   = 5 * time.Second    // for one answer
	claim      = 30 * time.Second   // for which a try belongs to one process
	longest    = time.Hour          // between two tries
	givesUp    = 7 * 24 * time.Hour // after it the outcome stands as it is
	everySince = time.Second        // how often what is due is looked for
	minSecret  = 16
	atOnce     = 100
)

// Options say whom to tell.
type Options struct {
	URL    string       // of the webhook; https, or http on the loopback interface
	Secret string       // shared with the receiver, 16 characters or more
	Client *http.Client // nil: one that follows no redirects
}

// Room tells the webhook. Make it with New, migrate once, then Run it. It is safe for concurrent use.
type Room struct {
	db     *store.DB
	clk    clock.Clock
	log    *slog.Logger
	opts   Options
	nudged chan struct{} // holds a value after something was written
}

//go:embed migrations/*.sql
var migrations embed.FS

// New returns the room. Without a URL nothing is written and nobody is told. Error: fail.Invalid for a
// URL that could be overheard or a secret that is too short.
func New(db *store.DB, clk clock.Clock, log *slog.Logger, o Options) (*Room, error) {
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
			return nil, fail.Field("consent-webhook", "consent-webhook must be an https address")
		}
		if len(o.Secret) < minSecret {
			return nil, fail.Field("consent-webhook-secret", "consent-webhook-secret must have %d characters or more", minSecret)
		}
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Room{db: db, clk: clk, log: log, opts: o, nudged: make(chan struct{}, 1)}, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// Migrate brings the table up to date.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "downstream", files)
}

// Closed notes, in the transaction of the record, that purposes were closed. It is consent.Room.OnClosed's.
func (r *Room) Closed(ctx context.Context, tx *store.Tx, rec *consent.Record, purposes []string) error {
	if r.opts.URL == "" {
		return nil
	}
	at := r.clk.Now().UnixMicro()
	_, err := tx.Exec(ctx, `
		INSERT INTO downstream_told (tenant_id, record, subject, kind, purposes, at, due, done, tries, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '')`,
		tx.TenantID(), rec.ID, rec.Subject, rec.Kind, strings.Join(purposes, ","), rec.At.UnixMicro(), at)
	tx.AfterCommit(func() {
		select {
		case r.nudged <- struct{}{}:
		default:
		}
	})
	return err
}

// Run tells what is due until ctx ends. tenants lists the organisations.
func (r *Room) Run(ctx context.Context, tenants func(context.Context) ([]id.Tenant, error)) error {
	if r.opts.URL == "" {
		return nil
	}
	ticker := time.NewTicker(everySince)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-r.nudged:
		}
		all, err := tenants(ctx)
		for i := 0; err == nil && i < len(all); i++ {
			_, err = r.Deliver(ctx, all[i])
		}
		if err != nil && ctx.Err() == nil {
			r.log.Warn("withdrawals could not be passed on; it is tried again", "error", err)
		}
	}
}

// told is one row.
type told struct {
	record   uuid.UUID
	subject  id.Subject
	kind     string
	purposes string
	at       int64
	tries    int64
}

// Deliver tells what is due now of one organisation and returns how much of it was taken.
func (r *Room) Deliver(ctx context.Context, t id.Tenant) (taken int, err error) {
	due, err := r.claim(ctx, t)
	if err != nil {
		return 0, err
	}
	for i := range due {
		outcome, ok := r.tell(ctx, &due[i])
		if ctx.Err() != nil {
			return taken, ctx.Err()
		}
		if err := r.note(ctx, t, &due[i], outcome, ok); err != nil {
			return taken, err
		}
		if ok {
			taken++
		}
	}
	return taken, nil
}

// claim takes what is due, so that no other process tells it at the same time.
func (r *Room) claim(ctx context.Context, t id.Tenant) (due []told, err error) {
	now := r.clk.Now()
	find := func(tx *store.Tx) error {
		due = due[:0]
		rows, err := tx.Query(ctx, `
			SELECT record, subject, kind, purposes, at, tries FROM downstream_told
			WHERE tenant_id = $1 AND due > 0 AND due <= $2 ORDER BY due LIMIT $3`, t, now.UnixMicro(), atOnce)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d told
			if err := rows.Scan(&d.record, &d.subject, &d.kind, &d.purposes, &d.at, &d.tries); err != nil {
				return err
			}
			due = append(due, d)
		}
		return rows.Err()
	}
	// Nothing is due as a rule: look without holding up those who write.
	if err := r.db.Tenant(t).Read(ctx, find); err != nil || len(due) == 0 {
		return nil, err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for i := range due {
			due[i].tries++
			if _, err := tx.Exec(ctx, `UPDATE downstream_told SET due = $3, tries = $4 WHERE tenant_id = $1 AND record = $2`,
				t, due[i].record, now.Add(claim).UnixMicro(), due[i].tries); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// Message is the body of a call.
type Message struct {
	Event    uuid.UUID  `json:"event"` // the record of consent; the same however often it is told
	Type     string     `json:"type"`  // such as "consent.withdrawn"
	Subject  id.Subject `json:"subject"`
	Purposes []string   `json:"purposes"` // that are closed from At on
	At       time.Time  `json:"at"`
}

// tell makes one call. The outcome says how it went and holds nothing of what was answered.
func (r *Room) tell(ctx context.Context, d *told) (outcome string, ok bool) {
	body, err := json.Marshal(Message{
		Event: d.record, Type: d.kind, Subject: d.subject, Purposes: strings.Split(d.purposes, ","), At: time.UnixMicro(d.at).UTC(),
	})
	if err != nil {
		return "the message could not be written", false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.opts.URL, bytes.NewReader(body))
	if err != nil {
		return "the request could not be made", false
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "probity")
	q.Header.Set(SignatureHeader, Sign(r.opts.Secret, r.clk.Now(), body))
	answer, err := r.opts.Client.Do(q)
	if err != nil {
		return "no answer", false
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	return fmt.Sprintf("HTTP %d", answer.StatusCode), answer.StatusCode >= 200 && answer.StatusCode < 300
}

// Sign returns the value of SignatureHeader for a body.
func Sign(secret string, at time.Time, body []byte) string { return rights.Sign(secret, at, body) }

// note writes how a try went and when the next one is due.
func (r *Room) note(ctx context.Context, t id.Tenant, d *told, outcome string, ok bool) error {
	now := r.clk.Now()
	var due, done int64
	switch {
	case ok:
		done = now.UnixMicro()
	case now.Sub(time.UnixMicro(d.at)) < givesUp:
		due = now.Add(min(time.Second<<min(d.tries-1, 12), longest)).UnixMicro()
	}
	return r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE downstream_told SET due = $3, done = $4, outcome = $5 WHERE tenant_id = $1 AND record = $2`,
			t, d.record, due, done, outcome)
		return err
	})
}

// Told is what became of one message.
type Told struct {
	Record   uuid.UUID  `json:"record"`
	Kind     string     `json:"kind"`
	Purposes []string   `json:"purposes"`
	At       time.Time  `json:"at"`
	Tries    int        `json:"tries"`
	Outcome  string     `json:"outcome"`            // of the last try; empty: none was made
	Taken    *time.Time `json:"taken,omitempty"`    // nil: it was not
	NextTry  *time.Time `json:"next_try,omitempty"` // nil: none will be made

	subject id.Subject
}

// List returns what became of the latest messages, the latest first, at most limit.
func (r *Room) List(ctx context.Context, t id.Tenant, limit int) ([]Told, error) {
	return r.list(ctx, t, `ORDER BY at DESC, record LIMIT $2`, limit)
}

func (r *Room) list(ctx context.Context, t id.Tenant, rest string, arg any) (all []Told, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		all = []Told{}
		rows, err := tx.Query(ctx, `
			SELECT record, subject, kind, purposes, at, tries, outcome, done, due FROM downstream_told
			WHERE tenant_id = $1 `+rest, t, arg)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d Told
			var purposes string
			var at, done, due int64
			if err := rows.Scan(&d.Record, &d.subject, &d.Kind, &purposes, &at, &d.Tries, &d.Outcome, &done, &due); err != nil {
				return err
			}
			d.Purposes, d.At = strings.Split(purposes, ","), time.UnixMicro(at).UTC()
			if done > 0 {
				when := time.UnixMicro(done).UTC()
				d.Taken = &when
			}
			if due > 0 {
				when := time.UnixMicro(due).UTC()
				d.NextTry = &when
			}
			all = append(all, d)
		}
		return rows.Err()
	})
	return all, err
}

// Name implements rights.Store.
func (r *Room) Name() string { return "downstream" }

// Export implements rights.Store.
func (r *Room) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]rights.Section, error) {
	all := []Told{}
	for _, s := range subjects {
		some, err := r.list(ctx, t, `AND subject = $2 ORDER BY at`, s)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return []rights.Section{{
		File: "downstream/told", Title: "Whom we told to stop",
		About: "When you took something back, the organisation's other systems were told; this is how that went.", Origin: rights.Recorded, Basis: "legal_obligation", Data: all,
	}}, nil
}

// Erase implements rights.Store.
func (r *Room) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]rights.Count, error) {
	var n int64
	for _, s := range subjects {
		k, err := tx.Exec(ctx, `DELETE FROM downstream_told WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s)
		if err != nil {
			return nil, err
		}
		n += k
	}
	return []rights.Count{{What: "messages to other systems", N: n}}, nil
}
