package consent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// Void says why the controller no longer relies on a consent, and who decided it.
type Void struct {
	Reason  string // 10 to 2,000 characters; nothing personal
	Actor   string // a reference to a client or a member of staff, no name
	Revoked bool   // it was valid and the controller ends it; else it never was (ConsentInvalidated)
}

func (v *Void) check() error {
	if n := utf8.RuneCountInString(strings.TrimSpace(v.Reason)); n < 10 || n > 2000 {
		return fail.Field("reason", "The reason must be told in 10 to 2,000 characters.")
	}
	if strings.TrimSpace(v.Actor) == "" || utf8.RuneCountInString(v.Actor) > 200 {
		return fail.Field("actor", "It is not said who decided this.")
	}
	return nil
}

// VoidRecord ends the grants of one record: a new entry, and the gate is shut when it returns. Grants
// that other records hold are left alone. A record that grants nothing (any more) makes no entry; an
// unknown one is fail.NotFound. It returns the records made, none or one.
func (r *Room) VoidRecord(ctx context.Context, t id.Tenant, record uuid.UUID, v Void) ([]Record, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	var old Record
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		old, err = scanRecord(tx.QueryRow(ctx, `SELECT `+recordColumns+` FROM consent_record WHERE tenant_id = $1 AND record = $2`, t, record))
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no such record of consent.")
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a record of consent")
	}
	return r.void(ctx, t, []Record{old}, v, nil)
}

// Which selects records by what was shown, where and when. Empty fields select all.
type Which struct {
	Notice     string
	Version    int
	Language   string
	Deployment uuid.UUID
	From, To   time.Time // of the record, To excluded
}

// VoidAll ends the grants of all records that were made under a notice, such as those of version 3 in
// French, at most limit at a time; call it again until it returns none. Each ending is an entry with the
// reason and who decided it. One more entry of each call sums them up without naming anybody: what was
// selected, how many consents ended, why, and who decided it. It is written in their transaction, so that
// the sums and the endings can't disagree.
func (r *Room) VoidAll(ctx context.Context, t id.Tenant, which Which, v Void, limit int) ([]Record, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	if which.Notice == "" {
		which.Notice = notice.ID
	}
	if which.Version <= 0 && which.Language == "" && which.Deployment == uuid.Nil && which.From.IsZero() && which.To.IsZero() {
		return nil, fail.Field("version", "Say which version, language, deployment or time is meant; everything at once is too much.")
	}
	if limit <= 0 {
		limit = 500
	}
	to := int64(1<<63 - 1)
	if !which.To.IsZero() {
		to = which.To.UnixMicro()
	}
	from := int64(0)
	if !which.From.IsZero() {
		from = which.From.UnixMicro()
	}
	for after := int64(-1); ; {
		var found []Record
		err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			found = nil
			rows, err := tx.Query(ctx, `
				SELECT `+recordColumns+` FROM consent_record
				WHERE tenant_id = $1 AND kind IN ($2, $3) AND notice = $4 AND at >= $5 AND at < $6
					AND ($7 = 0 OR version = $7) AND ($8 = '' OR language = $8) AND ($9 = 0 OR deployment = $10) AND ledger > $11
				ORDER BY ledger LIMIT $12`,
				t, ledger.ConsentGiven, ledger.ConsentImported, which.Notice, from, to, which.Version, which.Language,
				boolInt(which.Deployment != uuid.Nil), which.Deployment, after, limit)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				rec, err := scanRecord(rows)
				if err != nil {
					return err
				}
				found = append(found, rec)
			}
			return rows.Err()
		})
		if err != nil {
			return nil, unavailable(err, "look for records of consent")
		}
		if len(found) == 0 {
			return nil, nil
		}
		after = found[len(found)-1].Ledger
		if made, err := r.void(ctx, t, found, v, &which); err != nil || len(made) > 0 {
			return made, err
		}
	}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// void writes one record for each of the old ones that still grants something, and the sum of what was
// selected if more than one record was meant.
func (r *Room) void(ctx context.Context, t id.Tenant, old []Record, v Void, which *Which) ([]Record, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	kind, status := ledger.ConsentInvalidated, Invalidated
	if v.Revoked {
		kind, status = ledger.ConsentRevoked, Revoked
	}
	// Shut first: between now and the commit nothing gets through on these grants.
	denials := make([]*denial, len(old))
	for i := range old {
		denials[i] = r.gate.deny(t, []id.Subject{old[i].Subject}, grants(&old[i]), r.clk.Now)
	}
	var made []Record
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		made = nil
		for i := range old {
			rec, err := r.voidOne(ctx, tx, set, &old[i], v, kind, status, denials[i])
			if err != nil {
				return err
			}
			if rec != nil {
				made = append(made, *rec)
				continue
			}
			o, d := &old[i], denials[i]
			tx.AfterCommit(func() { r.gate.release(t, []id.Subject{o.Subject}, d) })
		}
		if which == nil || len(made) == 0 {
			return nil
		}
		return r.sumUp(ctx, tx, made, v, which)
	})
	if err != nil {
		return nil, unavailable(err, "end a consent; it stays closed here, but try again")
	}
	if err := r.keep(ctx, t, closings(nil, made...)...); err != nil {
		return nil, err
	}
	return made, nil
}

// sumUp is the entry that tells how many consents an override of the controller ended, and names nobody.
func (r *Room) sumUp(ctx context.Context, tx *store.Tx, made []Record, v Void, which *Which) error {
	selected := map[string]any{"notice": which.Notice}
	if which.Version > 0 {
		selected["version"] = which.Version
	}
	if which.Language != "" {
		selected["language"] = which.Language
	}
	if which.Deployment != uuid.Nil {
		selected["site"] = which.Deployment.String()
	}
	if !which.From.IsZero() {
		selected["from"] = which.From.UTC().Format(timeFormat)
	}
	if !which.To.IsZero() {
		selected["to"] = which.To.UTC().Format(timeFormat)
	}
	purposes := map[string]int{}
	for _, rec := range made {
		for _, ef := range rec.Effects {
			purposes[ef.Purpose]++
		}
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/override/1",
		"type":        ledger.OverrideMade,
		"what":        made[0].Kind,
		"selected":    selected,
		"count":       len(made),
		"purposes":    purposes,
		"reason":      v.Reason,
		"actor":       v.Actor,
		"server_time": r.clk.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.OverrideMade, Payload: payload})
	return err
}

func grants(rec *Record) []string {
	var out []string
	for _, ef := range rec.Effects {
		if ef.Status == Given {
			out = append(out, ef.Purpose)
		}
	}
	return out
}

func (r *Room) voidOne(ctx context.Context, tx *store.Tx, set *settings, old *Record, v Void, kind string, status Status, d *denial) (*Record, error) {
	own, err := recordsOf(ctx, tx, old.Subject)
	if err != nil || len(own) == 0 {
		return nil, err // erased meanwhile
	}
	rec := &Record{
		ID: id.New(), Subject: old.Subject, Kind: kind, Source: "controller", Deployment: old.Deployment,
		At: d.at, Notice: old.Notice, Version: old.Version, Language: old.Language,
	}
	material := set.materialAt(d.at)
	for _, p := range grants(old) {
		if st := latest(own, p, d.at, material); st.RecordID == old.ID && (st.Status == Given || st.Status == Suspended) {
			rec.Effects = append(rec.Effects, Effect{p, status})
		}
	}
	if len(rec.Effects) == 0 {
		return nil, nil
	}
	slices.SortFunc(rec.Effects, func(a, b Effect) int { return strings.Compare(a.Purpose, b.Purpose) })
	e := newEntry(rec)
	e.Actor, e.Proof, e.Reason = v.Actor, proofNone, v.Reason
	e.Notice = set.textOf(rec)
	e.addPurposes(set, rec, nil)
	return rec, r.append(ctx, tx, rec, e, []id.Subject{rec.Subject}, d)
}

// invalidatedAfter tells whether the controller has found, after an entry, that the consent to the
// purpose was never valid.
func invalidatedAfter(records []Record, purpose string, entry int64) bool {
	return slices.ContainsFunc(records, func(rec Record) bool {
		return rec.Ledger > entry && rec.says(purpose) == Invalidated
	})
}
