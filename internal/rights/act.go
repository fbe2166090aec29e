package rights

import (
	"context"
	"encoding/json"
	"math"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/tombstone"
)

// never is when a request is due that waits for people.
const never = math.MaxInt64

// Act makes a move of Apply on the stored request, tells the person where the law wants it, and keeps
// the trail, all in one transaction. When it returns without error the move survives a crash. To retry
// what is being carried out changes nothing.
//
// Errors: those of Apply; fail.Conflict as well if the request is being carried out, or was changed, at
// this moment; fail.Invalid for the field told if the person must be told and can't be written to.
func (r *Room) Act(ctx context.Context, t id.Tenant, request uuid.UUID, a Act) (*Request, error) {
	if a.Method == ByCode {
		return nil, fail.Field("method", "A code is checked by sending it back.")
	}
	return r.act(ctx, t, request, a, nil)
}

// act is Act, with what else belongs into the transaction.
func (r *Room) act(ctx context.Context, t id.Tenant, request uuid.UUID, a Act, also func(ctx context.Context, tx *store.Tx) error) (*Request, error) {
	before, err := r.Get(ctx, t, request)
	if err != nil {
		return nil, err
	}
	if a.Do == MoveRetry && !before.State.Final() {
		return before, nil // it goes on already
	}
	controller, rules, err := r.rules(ctx, t, before.Facts.Policy)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	q := *before
	if err := q.Apply(a, now, rules); err != nil {
		return nil, err
	}
	words, err := masked(&before.Who, map[string]string{"reason": a.Reason, "complaint": a.Complaint, "remedy": a.Remedy})
	if err != nil {
		return nil, err
	}
	about, err := r.someone(ctx, t, &before.Who)
	if err != nil {
		return nil, err
	}
	var freed []id.Subject
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) (err error) {
		after := q
		after.Facts = q.Facts.clone()
		words := with(words, "article", a.Article, "outcome", string(a.Outcome), "method", string(a.Method), "about", a.About)
		if tells(a.Do) {
			told, err := r.tell(ctx, tx, &after, about, a.Told, noticeOf(&after, &a, controller.Name))
			if err != nil {
				return err
			}
			after.Facts.told(a.Do, told)
			words = with(words, "told", told)
		}
		if err := r.replace(ctx, tx, before, &after); err != nil {
			return err
		}
		if err := r.note(ctx, tx, request, a.By, string(a.Do), after.State, words); err != nil {
			return err
		}
		if a.Do == MoveLift || a.Do == MoveRefuse || a.Do == MoveLapse || a.Do == MoveWithdraw {
			if freed, err = unrestrict(ctx, tx, request); err != nil {
				return err
			}
		}
		if also != nil {
			if err := also(ctx, tx); err != nil {
				return err
			}
		}
		q.Facts = after.Facts
		return r.enter(ctx, tx, &after, a)
	})
	if err != nil {
		return nil, err
	}
	if len(freed) > 0 {
		r.keepEnd(ctx, t, tombstone.Lifted, request)
	}
	r.reconsider(t, freed)
	return r.Get(ctx, t, request)
}

// tells lists the moves that the person must hear of.
func tells(m Move) bool {
	switch m {
	case MoveAsk, MoveRemind, MoveExtend, MoveRefuse, MoveLapse, MoveFee, MoveAnnounce, MoveDecide:
		return true
	}
	return false
}

func (f *Facts) told(m Move, how string) {
	switch m {
	case MoveExtend:
		f.Extended.Told = how
	case MoveFee:
		f.Fee.Told = how
	case MoveAnnounce:
		f.Lifting.Told = how
	}
}

// with adds words that stand in the clear anyway.
func with(words map[string]string, pairs ...string) map[string]string {
	out := make(map[string]string, len(words)+len(pairs)/2)
	for k, v := range words {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out[pairs[i]] = pairs[i+1]
		}
	}
	return out
}

// replace stores the request as it is after a move, if it still is as it was before, and nobody is
// carrying it out unless the move leaves its state alone.
func (r *Room) replace(ctx context.Context, tx *store.Tx, before, after *Request) error {
	facts, err := json.Marshal(after.Facts)
	if err != nil {
		return err
	}
	t, now := tx.TenantID(), r.Clock.Now().UnixMicro()
	var n int64
	switch {
	case before.State.Final() && !after.State.Final():
		step := before.step
		if after.State == Settling && before.State == Verified {
			step = stepLift
		}
		n, err = tx.Exec(ctx, `
			UPDATE rights_request SET state = $4, problem = '', attempts = 0, next_at = $5, finished_at = NULL, facts = $7, due_at = $8, step = $9
			WHERE tenant_id = $1 AND id = $2 AND facts = $3 AND state = $6 AND sealed IS NOT NULL`,
			t, after.ID[:], before.facts, string(after.State), now, string(before.State), string(facts), after.DueAt.UnixMicro(), step)
		tx.AfterCommit(r.announce)
		tx.AfterCommit(r.moved)
	case after.State == before.State:
		n, err = tx.Exec(ctx, `
			UPDATE rights_request SET facts = $4, due_at = $5
			WHERE tenant_id = $1 AND id = $2 AND facts = $3 AND (finished_at IS NULL) = $6`,
			t, after.ID[:], before.facts, string(facts), after.DueAt.UnixMicro(), before.FinishedAt.IsZero())
	default:
		next, finished, step := int64(never), any(nil), before.step
		switch after.State {
		case Received:
			next = now
			tx.AfterCommit(r.announce)
		case Settling:
			next, step = now, stepSettle
			tx.AfterCommit(r.announce)
		case Refused, Withdrawn:
			finished, step = now, stepDone
		}
		n, err = tx.Exec(ctx, `
			UPDATE rights_request SET facts = $5, due_at = $6, state = $7, step = $8, article = $9, next_at = $10, finished_at = $11, attempts = 0, problem = ''
			WHERE tenant_id = $1 AND id = $2 AND facts = $3 AND state = $4 AND leased_until <= $12 AND finished_at IS NULL`,
			t, after.ID[:], before.facts, string(before.State), string(facts), after.DueAt.UnixMicro(), string(after.State), step,
			after.Article, next, finished, now)
		tx.AfterCommit(r.moved)
	}
	if err == nil && n == 0 {
		err = fail.New(fail.Conflict, "The request is being carried out, or was changed, at this moment. Read it again.").WithCode("request.moving")
	}
	return err
}

// enter notes in the ledger what the organisation can be held to.
func (r *Room) enter(ctx context.Context, tx *store.Tx, q *Request, a Act) error {
	entry := map[string]any{"request": q.ID, "type": q.Type, "at": stamp(r.Clock.Now())}
	kind := ""
	switch a.Do {
	case MoveExtend:
		kind = ledger.RightsExtended
		entry["due_at"] = stamp(q.DueAt)
	case MoveRefuse, MoveLapse:
		kind = ledger.RightsRefused
		entry["article"], entry["outcome"] = q.Article, q.Facts.Outcome
	default:
		return nil
	}
	payload, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	_, err = r.Ledger.Append(ctx, tx, ledger.Entry{Kind: kind, Payload: payload})
	return err
}

// someone returns one of the data subjects that the request is about, so that letters about it go when
// they are erased; zero if nobody is known.
func (r *Room) someone(ctx context.Context, t id.Tenant, w *Who) (id.Subject, error) {
	if len(w.identifiers()) == 0 && len(w.Subjects) == 0 {
		return id.Subject{}, nil
	}
	found, err := r.locate(ctx, t, w)
	if err != nil || len(found) == 0 {
		return id.Subject{}, err
	}
	return found[0], nil
}
