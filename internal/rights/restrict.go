package rights

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/tombstone"
)

// The steps of restrictions, objections and reviews. Their names are stored: don't change them.
const (
	stepRestrict = "restrict" // store only, from the commit of this step on
	stepConfirm  = "confirm"  // read it again
	stepDecide   = "decide"   // a human decides
	stepSettle   = "settle"   // carry out what was decided
)

// marketing is the purpose that an objection to direct marketing closes (Art. 21(2) and (3)).
const marketing = "marketing"

// Restricted tells whether the data of any of the subjects may only be stored (Art. 18). The consent
// room asks it, in its own transaction, and then finds no purpose allowed.
func (r *Room) Restricted(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error) {
	for _, s := range subjects {
		var n int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_restriction WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), s).Scan(&n)
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// stepRestrict has the person's data stored and not used, from its commit on. An objection does so
// until it is decided (Art. 18(1)(d)), except where nothing is left to decide: one to direct marketing
// holds without a decision, and so does one whose purposes end at once.
func (r *Room) stepRestrict(ctx context.Context, j *job) error {
	if ends := j.facts.ends(); len(ends) > 0 {
		closed, err := r.object(ctx, j, ends)
		if err != nil {
			return err
		}
		if !j.facts.weighed() {
			return r.step(ctx, j, stepConfirm, Verifying, func(_ *store.Tx, j *job) error {
				for i, p := range ends {
					if p == marketing {
						p = "direct marketing"
					}
					j.report.add("consent", "closed", []Count{{p + ", devices", closed[i]}})
				}
				return nil
			})
		}
	}
	now := r.Clock.Now()
	err := r.step(ctx, j, stepConfirm, Verifying, func(tx *store.Tx, j *job) (err error) {
		if j.work.Subjects, err = r.expand(ctx, tx, j.work.Subjects); err != nil {
			return err
		}
		for _, s := range j.work.Subjects {
			_, err := tx.Exec(ctx, `
				INSERT INTO rights_restriction (tenant_id, subject, request_id, since) VALUES ($1, $2, $3, $4)
				ON CONFLICT DO NOTHING`, j.tenant, s, j.id[:], now.UnixMicro())
			if err != nil {
				return err
			}
		}
		j.report.add("requests", "restricted", []Count{{"data subjects", int64(len(j.work.Subjects))}})
		return r.noteRestriction(ctx, tx, j.id)
	})
	if err == nil {
		r.reconsider(j.tenant, j.work.Subjects)
	}
	return err
}

// ends are the purposes that an objection closes without a decision.
func (f *Facts) ends() (purposes []string) {
	if f.Marketing {
		purposes = append(purposes, marketing)
	}
	if f.AtOnce {
		for _, p := range f.Purposes {
			if !slices.Contains(purposes, p) {
				purposes = append(purposes, p)
			}
		}
	}
	return purposes
}

// weighed tells whether a human weighs what an objection is to.
func (f *Facts) weighed() bool { return len(f.Purposes) > 0 && !f.AtOnce }

// stepConfirm reads again whether the data is restricted, and goes back if it is not: somebody may have
// become one person with another meanwhile.
func (r *Room) stepConfirm(ctx context.Context, j *job) error {
	if j.typ == Objection && !j.facts.weighed() {
		return r.settled(ctx, j)
	}
	whole := true
	var subjects []id.Subject
	err := r.DB.Tenant(j.tenant).Read(ctx, func(tx *store.Tx) (err error) {
		whole = true
		if subjects, err = r.expand(ctx, tx, j.work.Subjects); err != nil {
			return err
		}
		for _, s := range subjects {
			ok, err := r.Restricted(ctx, tx, []id.Subject{s})
			if err != nil {
				return err
			}
			whole = whole && ok
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !whole {
		return r.step(ctx, j, stepRestrict, Restricting, nil)
	}
	if err := r.keepRestriction(ctx, j.tenant, j.id); err != nil {
		return err
	}
	r.reconsider(j.tenant, subjects) // also after a crash between the commit and this
	if j.typ == Objection && len(subjects) > 0 {
		return r.park(ctx, j, stepDecide, Deciding, nil)
	}
	if r.outside(j) {
		return r.step(ctx, j, stepOutside, Restricting, nil)
	}
	return r.settled(ctx, j)
}

// stepSettle carries out what a human decided. When an objection holds, the purposes are closed before
// the restriction ends, so that nothing is used in between.
func (r *Room) stepSettle(ctx context.Context, j *job) error {
	if j.typ == Objection && j.facts.Outcome == OutcomeUpheld {
		if _, err := r.object(ctx, j, j.facts.Purposes); err != nil {
			return err
		}
	}
	var freed []id.Subject
	err := r.step(ctx, j, stepSettle, Settling, func(tx *store.Tx, j *job) (err error) {
		freed, err = unrestrict(ctx, tx, j.id)
		return err
	})
	if err != nil {
		return err
	}
	if len(freed) > 0 {
		r.keepEnd(ctx, j.tenant, tombstone.Lifted, j.id)
	}
	r.reconsider(j.tenant, j.work.Subjects)
	return r.settled(ctx, j)
}

// settled closes the request, with an entry in the ledger.
func (r *Room) settled(ctx context.Context, j *job) error {
	entry, err := json.Marshal(map[string]any{
		"request": j.id, "type": j.typ, "outcome": j.facts.Outcome, "completed_at": stamp(r.Clock.Now()),
	})
	if err != nil {
		return err
	}
	if !j.report.Matched && j.typ != HumanReview {
		j.report.Decisions = []string{"Nothing is held under these identifiers."}
	}
	if j.report.Recipients, err = r.informed(ctx, j); err != nil {
		return err
	}
	return r.end(ctx, j, Verified, "", nil, func(tx *store.Tx) error {
		if _, err := r.tellRecipients(ctx, tx, j); err != nil {
			return err
		}
		_, err := r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.RightsCompleted, Payload: entry})
		return err
	})
}

// object closes purposes of every device of the person, reads again that they are, and counts the devices
// of each. It is idempotent. What the person agreed to after they had objected themselves stays as they said
// last: the request may be carried out later than it was made.
func (r *Room) object(ctx context.Context, j *job, purposes []string) (closed []int64, err error) {
	closed = make([]int64, len(purposes))
	for _, s := range j.work.Subjects {
		said, err := r.Gate.State(ctx, j.tenant, s)
		if err != nil {
			return nil, err
		}
		var due []string
		for i, p := range purposes {
			if now := said[p]; j.created.Kind == "subject" && now.Status == consent.Given && now.Since.After(j.received) {
				continue
			}
			due = append(due, p)
			closed[i]++
		}
		if len(due) == 0 {
			continue
		}
		if err := r.Gate.Object(ctx, j.tenant, s, due); err != nil {
			return nil, err
		}
		for _, p := range due {
			open, err := r.Gate.Standing(ctx, j.tenant, s, p)
			if err != nil {
				return nil, err
			}
			if open {
				return nil, fail.New(fail.Internal, "the purpose %s is open in spite of the objection", p)
			}
		}
	}
	return closed, nil
}

// reconsider has every process ask anew whether data of the subjects may be used.
func (r *Room) reconsider(t id.Tenant, subjects []id.Subject) {
	for _, s := range subjects {
		if r.Gate != nil {
			r.Gate.Invalidate(t, s)
		}
		if r.Bus == nil {
			continue
		}
		inval, _ := json.Marshal(map[string]string{"subject": s.String(), "why": "restricted"})
		if err := r.Bus.Publish("inval."+t.String(), inval); err != nil {
			r.Logger.Warn("caches could not be told of a restriction", "error", err)
		}
	}
}

// park stores the next step and leaves the request to people: it is not taken up before one of them
// moves it on.
func (r *Room) park(ctx context.Context, j *job, next string, state State, fn func(tx *store.Tx, j *job) error) error {
	err := r.step(ctx, j, next, state, func(tx *store.Tx, j *job) error {
		if fn != nil {
			if err := fn(tx, j); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET next_at = $4 WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND finished_at IS NULL`,
			j.tenant, j.id[:], j.lease[:], int64(never))
		if err == nil && n == 0 {
			err = errLostLease
		}
		return err
	})
	if err != nil {
		return err
	}
	// The lease is given up apart: if this is lost, it runs out, and the request is parked all the same.
	j.step = stepDone
	return r.release(ctx, j)
}

// unrestrict ends the restriction that a request brought about and returns whose it was.
func unrestrict(ctx context.Context, tx *store.Tx, request uuid.UUID) ([]id.Subject, error) {
	var subjects []id.Subject
	rows, err := tx.Query(ctx, `
		DELETE FROM rights_restriction WHERE tenant_id = $1 AND request_id = $2 RETURNING subject`, tx.TenantID(), request[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s id.Subject
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	return subjects, rows.Err()
}
