package rights

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/tombstone"
)

// Keeping is a legal hold on a person: their data is kept from erasure, because it is needed to
// establish, exercise or defend legal claims, or for another reason of Art. 17(3). It covers the devices
// that were known to be the person's when it was placed, every device that is one person with them when
// an erasure comes, and every erasure that names the person as the hold does, whether anything is held
// here or in the organisation's other databases only.
type Keeping struct {
	ID       uuid.UUID
	Article  string
	Reason   string // what names a person is masked
	At       time.Time
	By       Actor
	Released time.Time // zero: in force
}

// Keep places a hold on a person. It stops erasures that have not begun to destroy.
//
// Errors: fail.Invalid and the field.
func (r *Room) Keep(ctx context.Context, t id.Tenant, w Who, article, reason string, by Actor) (*Keeping, error) {
	a := Act{Do: MoveHold, Reason: reason, Article: article}
	if err := w.validate(); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if !heldArticle(article) {
		return nil, fail.Field("article", "A hold rests on Art. 17(3)(a) to (e), such as Art. 17(3)(e) for legal claims.")
	}
	subjects, err := r.locate(ctx, t, &w)
	if err != nil {
		return nil, err
	}
	digests, err := r.digests(ctx, t, &w)
	if err != nil {
		return nil, err
	}
	words, err := masked(&w, map[string]string{"reason": reason})
	if err != nil {
		return nil, err
	}
	k := &Keeping{ID: id.New(), Article: article, Reason: words["reason"], At: r.Clock.Now().UTC().Truncate(time.Microsecond), By: by}
	plain, err := json.Marshal(words)
	if err != nil {
		return nil, err
	}
	sealed, err := r.Keys.SealTenant(ctx, t, requestAAD(t, k.ID, "hold"), plain)
	if err != nil {
		return nil, err
	}
	entry := holdEntry(t, k, sealed, subjects, digests)
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_hold_record (tenant_id, id, article, words, made_at, actor_kind, actor_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			t, k.ID[:], article, sealed, k.At.UnixMicro(), by.Kind, by.ID[:])
		for _, s := range subjects {
			if err == nil {
				_, err = tx.Exec(ctx, `INSERT INTO rights_hold (tenant_id, subject, hold_id) VALUES ($1, $2, $3)`, t, s, k.ID[:])
			}
		}
		for _, d := range digests {
			if err == nil {
				_, err = tx.Exec(ctx, `INSERT INTO rights_hold_digest (tenant_id, digest, hold_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t, d, k.ID[:])
			}
		}
		if err == nil && r.Register != nil {
			err = r.noteErasure(ctx, tx, &entry)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.Register != nil {
		if err := r.Register.Add(entry); err != nil {
			return nil, err // it is in force, and comes into the register at the next start
		}
	}
	return k, nil
}

// Release ends a hold on a person. Erasures that it stopped go on if nothing else holds them.
//
// Errors: fail.NotFound; fail.Conflict if it was released.
func (r *Room) Release(ctx context.Context, t id.Tenant, hold uuid.UUID, reason string, by Actor) error {
	if strings.TrimSpace(reason) == "" {
		return fail.Field("reason", "%s", missing["reason"])
	}
	now := r.Clock.Now()
	err := r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE rights_hold_record SET released_at = $3 WHERE tenant_id = $1 AND id = $2 AND released_at IS NULL`,
			t, hold[:], now.UnixMicro())
		if err != nil {
			return err
		}
		if n == 0 {
			return fail.New(fail.NotFound, "No such hold is in force.")
		}
		for _, query := range []string{
			`DELETE FROM rights_hold WHERE tenant_id = $1 AND hold_id = $2`,
			`DELETE FROM rights_hold_digest WHERE tenant_id = $1 AND hold_id = $2`,
		} {
			if _, err := tx.Exec(ctx, query, t, hold[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.keepEnd(ctx, t, tombstone.Released, hold)
	held, err := r.query(ctx, t, `AND q.state = $2 AND q.finished_at IS NULL ORDER BY q.id`, string(Held))
	if err != nil {
		return err
	}
	for _, q := range held {
		if q.Facts.Hold == nil || q.Facts.Hold.Record != hold {
			continue
		}
		_, err := r.Act(ctx, t, q.ID, Act{Do: MoveRelease, By: by, Reason: reason})
		if err != nil && !fail.Is(err, fail.Conflict) {
			return err
		}
	}
	return nil
}

// Keepings lists the holds on people, newest first.
func (r *Room) Keepings(ctx context.Context, t id.Tenant) ([]Keeping, error) {
	var list []Keeping
	var sealed [][]byte
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list, sealed = []Keeping{}, nil
		rows, err := tx.Query(ctx, `
			SELECT id, article, words, made_at, actor_kind, actor_id, released_at FROM rights_hold_record
			WHERE tenant_id = $1 ORDER BY made_at DESC, id`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k Keeping
			var words []byte
			var made int64
			var released sql.NullInt64
			if err := rows.Scan(&k.ID, &k.Article, &words, &made, &k.By.Kind, &k.By.ID, &released); err != nil {
				return err
			}
			k.At = micro(made)
			if released.Valid {
				k.Released = micro(released.Int64)
			}
			list, sealed = append(list, k), append(sealed, words)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		plain, err := r.Keys.OpenTenant(ctx, t, requestAAD(t, list[i].ID, "hold"), sealed[i])
		if err != nil {
			return nil, err
		}
		var words map[string]string
		if err := json.Unmarshal(plain, &words); err != nil {
			return nil, err
		}
		list[i].Reason = words["reason"]
	}
	return list, nil
}

// heldBy returns the oldest hold that keeps the data of one of the subjects, or of whoever is named by
// one of the digests, in the transaction that would begin to destroy it.
func heldBy(ctx context.Context, tx *store.Tx, subjects []id.Subject, digests [][]byte) (found *Hold, err error) {
	look := func(query string, value any) error {
		var h Hold
		var made int64
		err := tx.QueryRow(ctx, query, tx.TenantID(), value).Scan(&h.Record, &h.Article, &made)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if h.At = micro(made); err == nil && (found == nil || h.At.Before(found.At)) {
			found = &h
		}
		return err
	}
	for _, s := range subjects {
		err := look(`
			SELECT r.id, r.article, r.made_at FROM rights_hold h
			JOIN rights_hold_record r ON r.tenant_id = h.tenant_id AND r.id = h.hold_id
			WHERE h.tenant_id = $1 AND h.subject = $2 ORDER BY r.made_at LIMIT 1`, s)
		if err != nil {
			return nil, err
		}
	}
	for _, d := range digests {
		err := look(`
			SELECT r.id, r.article, r.made_at FROM rights_hold_digest h
			JOIN rights_hold_record r ON r.tenant_id = h.tenant_id AND r.id = h.hold_id
			WHERE h.tenant_id = $1 AND h.digest = $2 ORDER BY r.made_at LIMIT 1`, d)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// errHeld says that an erasure met a hold. The transaction is not committed.
type errHeld struct{ by Hold }

func (errHeld) Error() string { return "the data is kept for now" }

// stopFor parks an erasure that met a hold, before anything was destroyed, and names the hold.
func (r *Room) stopFor(ctx context.Context, j *job, h Hold) error {
	return r.park(ctx, j, stepSuppress, Held, func(tx *store.Tx, j *job) error {
		var stored string
		err := tx.QueryRow(ctx, `SELECT facts FROM rights_request WHERE tenant_id = $1 AND id = $2`, j.tenant, j.id[:]).Scan(&stored)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(stored), &j.facts); err != nil {
			return err
		}
		j.facts.Hold = &h
		j.report.Kept = []Kept{{What: "everything, until the legal hold ends", Why: "the data is under a legal hold; the trail of the hold says why", Article: h.Article}}
		facts, err := json.Marshal(j.facts)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE rights_request SET facts = $3 WHERE tenant_id = $1 AND id = $2`, j.tenant, j.id[:], string(facts))
		return err
	})
}

// MustStay tells whether data of any of the subjects must not be deleted now by anything but their own
// erasure: it is under a legal hold, or restricted, which a person may ask for just to keep it from
// being deleted (Art. 18(1)(b) and (c)).
func (r *Room) MustStay(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error) {
	restricted, err := r.Restricted(ctx, tx, subjects)
	if err != nil || restricted {
		return restricted, err
	}
	held, err := heldBy(ctx, tx, subjects, nil)
	return held != nil, err
}
