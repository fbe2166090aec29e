package consent

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// counts are the notices handed out since the last flush. They name nobody.
type counts struct {
	mu sync.Mutex // guards by
	by map[shownKey]int64
}

type shownKey struct {
	tenant   id.Tenant
	notice   string
	version  int
	language string
	day      string
}

func (c *counts) add(k shownKey, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[shownKey]int64{}
	}
	c.by[k] += n
}

// take removes and returns the counts of one tenant.
func (c *counts) take(t id.Tenant) map[shownKey]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[shownKey]int64{}
	for k, n := range c.by {
		if k.tenant == t {
			out[k] = n
			delete(c.by, k)
		}
	}
	return out
}

// Shown is how often a notice was handed to a browser on a day.
type Shown struct {
	Notice   string
	Version  int
	Language string
	Day      string // UTC, as 2026-11-22
	Times    int64
}

// FlushShown writes down what was counted since the last call. Whoever serves notices calls it every
// few seconds and when it ends: what is lost in a crash is a count of seconds, and nobody's choice.
func (r *Room) FlushShown(ctx context.Context, t id.Tenant) error {
	counted := r.shown.take(t)
	if len(counted) == 0 {
		return nil
	}
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		for k, n := range counted {
			if _, err := tx.Exec(ctx, `
				INSERT INTO consent_shown (tenant_id, notice, version, language, day, times) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (tenant_id, notice, version, language, day) DO UPDATE SET times = consent_shown.times + excluded.times`,
				t, k.notice, k.version, k.language, k.day, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for k, n := range counted {
			r.shown.add(k, n)
		}
		return unavailable(err, "count the notices served")
	}
	return nil
}

// Served returns how often each notice was handed out, by day, oldest first. Only what was flushed
// counts.
func (r *Room) Served(ctx context.Context, t id.Tenant) ([]Shown, error) {
	var out []Shown
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(ctx, `
			SELECT notice, version, language, day, times FROM consent_shown
			WHERE tenant_id = $1 ORDER BY day, notice, version, language`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s Shown
			if err := rows.Scan(&s.Notice, &s.Version, &s.Language, &s.Day, &s.Times); err != nil {
				return err
			}
			out = append(out, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "read how often notices were served")
	}
	return out, nil
}

// log writes an entry to the ledger, sealed under its subject's key if it has one. A choice that
// answers a notice is preceded by the entry that says what was served. It returns the index of the
// first entry and how many there are.
func (r *Room) log(ctx context.Context, tx *store.Tx, rec *Record, e *entry) (first, n int64, err error) {
	var theme notice.Theme
	if e.theme != nil {
		theme = *e.theme
	}
	if err := r.recordBuild(ctx, tx, theme); err != nil {
		return 0, 0, err
	}
	t := tx.TenantID()
	var entries []ledger.Entry
	add := func(kind string, record uuid.UUID, payload []byte) {
		one := ledger.Entry{Kind: kind, Payload: payload}
		if !rec.Subject.IsZero() {
			one.Subject = rec.Subject
			one.Seal = func(plain []byte) ([]byte, error) {
				return r.keys.Seal(ctx, t, rec.Subject, entryAAD(t, rec.Subject, record), plain)
			}
		}
		entries = append(entries, one)
	}
	if e.Served != nil {
		payload, err := e.served()
		if err != nil {
			return 0, 0, err
		}
		which, err := uuid.Parse(e.Served.ID)
		if err != nil {
			return 0, 0, err
		}
		add(ledger.NoticeServed, which, payload)
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return 0, 0, err
	}
	add(rec.Kind, rec.ID, payload)
	if err := r.tally(ctx, tx, rec, e); err != nil {
		return 0, 0, err
	}
	first, err = r.ledger.AppendAll(ctx, tx, entries)
	return first, int64(len(entries)), err
}
