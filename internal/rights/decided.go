package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/tombstone"
)

// Closer knows what people closed: withdrawals, refusals, objections. *consent.Room satisfies it; its
// methods are documented there.
type Closer interface {
	Organisations(ctx context.Context) ([]id.Tenant, error)
	CloseAgain(ctx context.Context, t id.Tenant, list []consent.Closing) (int, error)
	OpenYet(ctx context.Context, t id.Tenant, list []consent.Closing) (int, error)
	Closings(ctx context.Context, t id.Tenant, after int64, fn func(list []consent.Closing, upTo int64) error) error
}

// KeepClosed enters in the register what somebody closed. It returns when that is on disk.
func (r *Room) KeepClosed(_ context.Context, t id.Tenant, list ...consent.Closing) error {
	if r.Register == nil {
		return nil
	}
	entries := make([]tombstone.Entry, len(list))
	for i, c := range list {
		entries[i] = tombstone.New(tombstone.Entry{
			At: c.At, Tenant: t, Kind: tombstone.Closed, Request: c.Record, Of: c.Subject, Subjects: c.Person, Effects: c.Effects,
		})
	}
	return r.Register.Add(entries...)
}

// Correction is one that a restored database does not hold, so that the desk has to make it again. Until
// then the person's data may only be stored.
type Correction struct {
	Tenant  id.Tenant `json:"organisation"`
	Request uuid.UUID `json:"request"` // by which it was made first; the database may not know it
	At      time.Time `json:"made_at"`
	Task    uuid.UUID `json:"task"` // the restriction that holds until it is made again
}

// Redo names, in the restriction that stands for it, the correction to be made again.
type Redo struct {
	Request uuid.UUID `json:"request"`
	At      time.Time `json:"made_at"`
}

// restored is the channel of requests that nobody sent: they stand for what the register knows and the
// restored database does not.
const restored = "restored"

// restrictionOf returns what the register is told of the restriction that a request brought about, nil
// if nothing is restricted by it.
func restrictionOf(ctx context.Context, tx *store.Tx, request uuid.UUID) (*tombstone.Entry, error) {
	e := tombstone.Entry{Tenant: tx.TenantID(), Kind: tombstone.Restricted, Request: request}
	rows, err := tx.Query(ctx, `SELECT subject, since FROM rights_restriction WHERE tenant_id = $1 AND request_id = $2`, tx.TenantID(), request[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s id.Subject
		var since int64
		if err := rows.Scan(&s, &since); err != nil {
			return nil, err
		}
		e.Subjects = append(e.Subjects, s)
		if at := micro(since); e.At.IsZero() || at.Before(e.At) {
			e.At = at
		}
	}
	if err := rows.Err(); err != nil || len(e.Subjects) == 0 {
		return nil, err
	}
	e = tombstone.New(e)
	return &e, nil
}

// noteRestriction notes, in the transaction of a restriction, that this database knows it.
func (r *Room) noteRestriction(ctx context.Context, tx *store.Tx, request uuid.UUID) error {
	if r.Register == nil {
		return nil
	}
	e, err := restrictionOf(ctx, tx, request)
	if err != nil {
		return err
	}
	return r.noteErasure(ctx, tx, e)
}

// keepRestriction enters the restriction of a request in the register.
func (r *Room) keepRestriction(ctx context.Context, t id.Tenant, request uuid.UUID) error {
	if r.Register == nil {
		return nil
	}
	var e *tombstone.Entry
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		e, err = restrictionOf(ctx, tx, request)
		return err
	})
	if err != nil || e == nil {
		return err
	}
	return r.Register.Add(*e)
}

// keepEnd enters in the register that a restriction or a hold ended. If that fails, a backup restored
// later has it in force again, which keeps too much and never too little: so it is no error.
func (r *Room) keepEnd(ctx context.Context, t id.Tenant, kind tombstone.Kind, request uuid.UUID) {
	if r.Register == nil {
		return
	}
	err := r.Register.Add(tombstone.New(tombstone.Entry{At: r.Clock.Now(), Tenant: t, Kind: kind, Request: request}))
	if err != nil {
		r.Logger.ErrorContext(ctx, "the end of a restriction or hold could not be entered in the register; a restored backup has it in force again",
			"request", request.String(), "error", err)
	}
}

// holdEntry is what the register is told of a hold.
func holdEntry(t id.Tenant, k *Keeping, sealed []byte, subjects []id.Subject, digests [][]byte) tombstone.Entry {
	e := tombstone.Entry{
		At: k.At, Tenant: t, Kind: tombstone.Held, Request: k.ID, Subjects: subjects,
		Article: k.Article, Words: sealed, By: k.By.Kind + ":" + k.By.ID.String(),
	}
	for _, d := range digests {
		e.Names = append(e.Names, tombstone.Name{Digest: d})
	}
	return tombstone.New(e)
}

// correctionOf is what the register is told of a rectification, nil if nobody was found.
func (r *Room) correctionOf(j *job) *tombstone.Entry {
	if r.Register == nil || len(j.work.Subjects) == 0 {
		return nil
	}
	e := tombstone.New(tombstone.Entry{At: r.Clock.Now(), Tenant: j.tenant, Kind: tombstone.Corrected, Request: j.id, Subjects: j.work.Subjects})
	return &e
}

// keepCorrection enters a rectification in the register.
func (r *Room) keepCorrection(j *job) error {
	e := r.correctionOf(j)
	if e == nil {
		return nil
	}
	return r.Register.Add(*e)
}

// recoverDecisions enters in the register what a database knows and the register does not: what was
// recorded when a process died before it came there, or before the register knew of such things.
//
// inMain, where it is not nil, is told of them.
func (r *Room) recoverDecisions(ctx context.Context, inMain map[uuid.UUID]bool, out *Settled) error {
	tenants, err := r.decided(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		var found []tombstone.Entry
		err := r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
			found = nil
			restrictions, err := restrictionsIn(ctx, tx)
			if err != nil {
				return err
			}
			holds, err := holdsIn(ctx, tx)
			if err != nil {
				return err
			}
			for _, e := range slices.Concat(restrictions, holds) {
				var n int
				if err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_erasure WHERE tenant_id = $1 AND entry = $2`, t, e.ID[:]).Scan(&n); err != nil {
					return err
				}
				if n > 0 {
					continue
				}
				if err := r.noteErasure(ctx, tx, &e); err != nil {
					return err
				}
				found = append(found, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range found {
			if inMain != nil {
				inMain[e.ID] = true
			}
			if !r.Register.Has(e.ID) {
				out.Recovered++
			}
		}
		if err := r.Register.Add(found...); err != nil {
			return err
		}
	}
	return nil
}

// decided lists the organisations that restrict or hold anything.
func (r *Room) decided(ctx context.Context) (tenants []id.Tenant, err error) {
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		tenants = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id FROM rights_restriction WHERE tenant_id IS NOT NULL
			UNION SELECT tenant_id FROM rights_hold_record WHERE tenant_id IS NOT NULL AND released_at IS NULL`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t id.Tenant
			if err := rows.Scan(&t); err != nil {
				return err
			}
			tenants = append(tenants, t)
		}
		return rows.Err()
	})
	return tenants, err
}

func restrictionsIn(ctx context.Context, tx *store.Tx) (list []tombstone.Entry, err error) {
	requests, err := ids(ctx, tx, `SELECT DISTINCT request_id FROM rights_restriction WHERE tenant_id = $1`, tx.TenantID())
	if err != nil {
		return nil, err
	}
	for _, request := range requests {
		e, err := restrictionOf(ctx, tx, request)
		if err != nil {
			return nil, err
		}
		if e != nil {
			list = append(list, *e)
		}
	}
	return list, nil
}

func holdsIn(ctx context.Context, tx *store.Tx) (list []tombstone.Entry, err error) {
	t := tx.TenantID()
	holds, err := ids(ctx, tx, `SELECT id FROM rights_hold_record WHERE tenant_id = $1 AND released_at IS NULL`, t)
	if err != nil {
		return nil, err
	}
	for _, hold := range holds {
		k := Keeping{ID: hold}
		var made int64
		var words []byte
		err := tx.QueryRow(ctx, `
			SELECT article, words, made_at, actor_kind, actor_id FROM rights_hold_record WHERE tenant_id = $1 AND id = $2`, t, hold[:]).
			Scan(&k.Article, &words, &made, &k.By.Kind, &k.By.ID)
		if err != nil {
			return nil, err
		}
		k.At = micro(made)
		subjects, err := firstColumn[id.Subject](ctx, tx, `SELECT subject FROM rights_hold WHERE tenant_id = $1 AND hold_id = $2`, t, hold[:])
		if err != nil {
			return nil, err
		}
		digests, err := firstColumn[[]byte](ctx, tx, `SELECT digest FROM rights_hold_digest WHERE tenant_id = $1 AND hold_id = $2`, t, hold[:])
		if err != nil {
			return nil, err
		}
		list = append(list, holdEntry(t, &k, words, subjects, digests))
	}
	return list, nil
}

func ids(ctx context.Context, tx *store.Tx, query string, args ...any) ([]uuid.UUID, error) {
	return firstColumn[uuid.UUID](ctx, tx, query, args...)
}

// firstColumn returns the first column of a query.
func firstColumn[T any](ctx context.Context, tx *store.Tx, query string, args ...any) (list []T, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// keepRecorded enters in the register what the records of consent closed since it was last done, or ever.
func (r *Room) keepRecorded(ctx context.Context, ever bool) error {
	if r.Closed == nil || r.Register == nil {
		return nil
	}
	tenants, err := r.Closed.Organisations(ctx)
	if err != nil {
		return err
	}
	kept := map[id.Tenant]int64{}
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT tenant_id, ledger FROM rights_kept WHERE tenant_id IS NOT NULL`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t id.Tenant
			var n int64
			if err := rows.Scan(&t, &n); err != nil {
				return err
			}
			kept[t] = n
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for _, t := range tenants {
		after, ok := kept[t]
		if !ok || ever {
			after = -1
		}
		err := r.Closed.Closings(ctx, t, after, func(list []consent.Closing, upTo int64) error {
			if err := r.KeepClosed(ctx, t, list...); err != nil {
				return err
			}
			return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, `
					INSERT INTO rights_kept (tenant_id, ledger) VALUES ($1, $2)
					ON CONFLICT (tenant_id) DO UPDATE SET ledger = excluded.ledger`, t, upTo)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decideAgain has in force again what the register knows and the main database does not. Erasures were
// applied before, so that nobody is restricted who is gone.
func (r *Room) decideAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry, inMain map[uuid.UUID]bool, out *Settled) error {
	closed, late := partDecisions(entries, inMain)
	if r.Closed != nil {
		for part := range slices.Chunk(closed, again) {
			n, err := r.Closed.CloseAgain(ctx, t, part)
			if err != nil {
				return err
			}
			out.Closed += n
		}
	}
	for part := range slices.Chunk(late, again) {
		if err := r.restrictAgain(ctx, t, part, out); err != nil {
			return err
		}
	}
	return nil
}

// partDecisions returns what people closed, and what else the main database does not know and nobody
// ended.
func partDecisions(entries []tombstone.Entry, inMain map[uuid.UUID]bool) (closed []consent.Closing, late []tombstone.Entry) {
	ended := map[uuid.UUID]bool{}
	for _, e := range entries {
		switch e.Kind {
		case tombstone.Lifted, tombstone.Released:
			ended[e.Request] = true
		case tombstone.Closed:
			closed = append(closed, consent.Closing{Record: e.Request, Subject: e.Of, Person: e.Subjects, At: e.At, Effects: e.Effects})
		}
	}
	for _, e := range entries {
		switch e.Kind {
		case tombstone.Restricted, tombstone.Held, tombstone.Corrected:
			if !inMain[e.ID] && !ended[e.Request] {
				late = append(late, e)
			}
		}
	}
	return closed, late
}

// Unsettled tells what Settle would apply again, and applies nothing.
func (r *Room) Unsettled(ctx context.Context) (*Settled, error) {
	out := &Settled{}
	if r.Register == nil {
		return out, nil
	}
	inVault, inMain, _, err := r.knownErasures(ctx)
	if err != nil {
		return nil, err
	}
	decisions := map[id.Tenant][]tombstone.Entry{}
	err = r.Register.Each(func(e tombstone.Entry) error {
		if e.Kind != tombstone.Erased {
			decisions[e.Tenant] = append(decisions[e.Tenant], e)
			return nil
		}
		out.Known++
		if !inVault[e.ID] {
			out.Vault++
		}
		if !inMain[e.ID] {
			out.Main++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for t, entries := range decisions {
		closed, late := partDecisions(entries, inMain)
		if r.Closed != nil {
			for part := range slices.Chunk(closed, again) {
				n, err := r.Closed.OpenYet(ctx, t, part)
				if err != nil {
					return nil, err
				}
				out.Closed += n
			}
		}
		for _, e := range late {
			switch e.Kind {
			case tombstone.Restricted:
				out.Restricted++
			case tombstone.Held:
				out.Held++
			case tombstone.Corrected:
				out.Corrections = append(out.Corrections, Correction{Tenant: t, Request: e.Request, At: e.At})
			}
		}
	}
	return out, nil
}

// restrictAgain applies restrictions, holds and the mark of corrections in one transaction, with an
// entry in the log of the organisation.
func (r *Room) restrictAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry, out *Settled) error {
	// Keys are made before: they are in another database.
	keys := make([]id.Subject, len(entries))
	for i := range keys {
		keys[i] = id.NewSubject()
		if err := r.Keys.CreateSubject(ctx, t, keys[i]); err != nil {
			return err
		}
	}
	var done Settled
	var index int64
	var shut []id.Subject
	err := r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		done, shut = Settled{}, nil
		for i, e := range entries {
			there, err := r.there(ctx, tx, e.Subjects)
			if err != nil {
				return err
			}
			shut = append(shut, there...)
			switch e.Kind {
			case tombstone.Held:
				err = r.holdAgain(ctx, tx, &e, there)
				done.Held++
			case tombstone.Restricted:
				if len(there) > 0 {
					err = r.restrict(ctx, tx, &e, e.Request, nil, there, keys[i])
					done.Restricted++
				}
			case tombstone.Corrected:
				if len(there) > 0 {
					c := Correction{Tenant: t, Request: e.Request, At: e.At, Task: uuid.NewSHA1(e.ID, []byte("make the correction again"))}
					err = r.restrict(ctx, tx, &e, c.Task, &Redo{e.Request, e.At}, there, keys[i])
					done.Corrections = append(done.Corrections, c)
				}
			}
			if err != nil {
				return err
			}
			if err := r.noteErasure(ctx, tx, &e); err != nil {
				return err
			}
		}
		if done.Held+done.Restricted+len(done.Corrections) == 0 {
			return nil
		}
		corrected := []uuid.UUID{}
		for _, c := range done.Corrections {
			corrected = append(corrected, c.Request)
		}
		payload, err := json.Marshal(map[string]any{
			"restrictions": done.Restricted, "holds": done.Held, "corrections_to_make": corrected,
			"reason":     "the database did not hold these decisions, as after a backup was restored",
			"applied_at": stamp(r.Clock.Now()),
		})
		if err != nil {
			return err
		}
		index, err = r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.DecisionsReapplied, Payload: payload})
		return err
	})
	if err != nil {
		return err
	}
	r.reconsider(t, shut)
	out.Held += done.Held
	out.Restricted += done.Restricted
	out.Corrections = append(out.Corrections, done.Corrections...)
	if index > 0 {
		out.Ledger[t.String()] = index
	}
	return nil
}

// there returns those of the subjects that the database holds.
func (r *Room) there(ctx context.Context, tx *store.Tx, subjects []id.Subject) (list []id.Subject, err error) {
	for _, s := range subjects {
		ok, err := r.People.Exists(ctx, tx, s)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, s)
		}
	}
	return list, nil
}

// restrict has the subjects' data stored only, by a request. One that the database does not hold is made:
// it says what is known of it, so that the restriction can be seen and lifted as any other.
func (r *Room) restrict(ctx context.Context, tx *store.Tx, e *tombstone.Entry, request uuid.UUID, redo *Redo, subjects []id.Subject, key id.Subject) error {
	t, now := tx.TenantID(), r.Clock.Now()
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_request WHERE tenant_id = $1 AND id = $2`, t, request[:]).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		if err := r.standIn(ctx, tx, e, request, redo, subjects, key); err != nil {
			return err
		}
	}
	for _, s := range subjects {
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_restriction (tenant_id, subject, request_id, since) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, t, s, request[:], now.UnixMicro())
		if err != nil {
			return err
		}
	}
	return nil
}

// standIn stores the request that a restriction rests on which the database does not hold.
func (r *Room) standIn(ctx context.Context, tx *store.Tx, e *tombstone.Entry, request uuid.UUID, redo *Redo, subjects []id.Subject, key id.Subject) error {
	t, now := tx.TenantID(), r.Clock.Now()
	plain, err := json.Marshal(content{Who: Who{Subjects: subjects}})
	if err != nil {
		return err
	}
	sealed, err := r.Keys.Seal(ctx, t, key, requestAAD(t, request, "content"), plain)
	if err != nil {
		return err
	}
	facts, err := json.Marshal(Facts{Identity: Identity{Method: ByController, At: now, By: system}, Redo: redo})
	if err != nil {
		return err
	}
	report, err := json.Marshal(Report{Found: len(subjects), Matched: true, Stores: []StoreReport{}})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO rights_request (tenant_id, id, data_key, type, state, step, channel, created_by, created_by_kind,
			identifiers, received_at, due_at, finished_at, sealed, report, problem, article, attempts, next_at, leased_until, facts)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '[]', $10, $11, $11, $12, $13, '', '', 0, $14, 0, $15)`,
		t, request[:], key, string(Restriction), string(Verified), stepDone, restored, system.ID[:], system.Kind,
		e.At.UnixMicro(), now.UnixMicro(), sealed, string(report), int64(never), string(facts))
	if err != nil {
		return err
	}
	for _, s := range subjects {
		_, err := tx.Exec(ctx, `INSERT INTO rights_request_subject (tenant_id, request_id, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t, request[:], s)
		if err != nil {
			return err
		}
	}
	why := "The database was restored from a backup that was made before this restriction. It is in force again."
	if redo != nil {
		why = fmt.Sprintf("The database was restored from a backup that was made before the data was corrected by request %s on %s. "+
			"Make the correction again, then lift this restriction.", redo.Request, redo.At.UTC().Format(time.DateOnly))
	}
	return r.note(ctx, tx, request, system, restored, Verified, map[string]string{"reason": why})
}

// holdAgain places a hold once more. Its words are sealed under a key of the organisation, which may have
// ended with a restored vault; then they say so.
func (r *Room) holdAgain(ctx context.Context, tx *store.Tx, e *tombstone.Entry, subjects []id.Subject) error {
	t := tx.TenantID()
	words := e.Words
	if _, err := r.Keys.OpenTenant(ctx, t, requestAAD(t, e.Request, "hold"), words); err != nil {
		if fail.Is(err, fail.Unavailable) {
			return err
		}
		if words, err = r.Keys.SealTenant(ctx, t, requestAAD(t, e.Request, "hold"), []byte(`{"reason":"The words were lost when the keys were restored from a backup."}`)); err != nil {
			return err
		}
	}
	kind, by, _ := strings.Cut(e.By, ":")
	actor, err := uuid.Parse(by)
	if err != nil {
		return errors.New("an entry of the register does not say who placed a hold")
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO rights_hold_record (tenant_id, id, article, words, made_at, actor_kind, actor_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, t, e.Request[:], e.Article, words, e.At.UnixMicro(), kind, actor[:])
	for _, s := range subjects {
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO rights_hold (tenant_id, subject, hold_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t, s, e.Request[:])
		}
	}
	for _, n := range e.Names {
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO rights_hold_digest (tenant_id, digest, hold_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t, n.Digest, e.Request[:])
		}
	}
	return err
}

// Redos lists the corrections that are still to be made again, oldest first, of all organisations.
func (r *Room) Redos(ctx context.Context) (list []Correction, err error) {
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT q.tenant_id, q.id, q.facts FROM rights_request q
			WHERE q.tenant_id IS NOT NULL AND q.channel = $1 AND EXISTS (
				SELECT 1 FROM rights_restriction s WHERE s.tenant_id = q.tenant_id AND s.request_id = q.id)
			ORDER BY q.received_at, q.id`, restored)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c Correction
			var stored string
			var facts Facts
			if err := rows.Scan(&c.Tenant, &c.Task, &stored); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(stored), &facts); err != nil {
				return err
			}
			if facts.Redo != nil {
				c.Request, c.At = facts.Redo.Request, facts.Redo.At
				list = append(list, c)
			}
		}
		return rows.Err()
	})
	return list, err
}
