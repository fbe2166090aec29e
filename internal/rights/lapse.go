package rights

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// A question that nobody answers must not keep a request open for ever: the person is reminded once, and
// after the days of the policy the request is closed with a letter that says why and that they can ask
// again. It ends as refused, never as done.

// OutcomeUnanswered is how a request ended whose question was not answered.
const OutcomeUnanswered Outcome = "no-answer"

// The moves of the clock. Nobody else makes them.
const (
	MoveRemind Move = "remind" // that a question is open
	MoveLapse  Move = "lapse"  // close the request: nobody answered
)

// openQuestion returns the question that has been open for longest, nil if there is none.
func (f *Facts) openQuestion() (first *Pause) {
	for i := range f.Pauses {
		if p := &f.Pauses[i]; p.Answered.IsZero() && (first == nil || p.Asked.Before(first.Asked)) {
			first = p
		}
	}
	return first
}

// lapses returns when the person is reminded of the open question, or if that was done, when the request is
// closed: at the beginnings of days, never sooner after the reminder than the policy says, however late that
// was. One of both is zero; both are if there is nothing to close.
func (q *Request) lapses(rules Rules) (remind, close time.Time) {
	p := q.Facts.openQuestion()
	if q.State != IdentityPending || p == nil || rules.AnswerDays <= 0 {
		return remind, close
	}
	in := rules.In
	if in == nil {
		in = time.UTC
	}
	after := func(at time.Time, days int) time.Time {
		y, m, d := at.In(in).Date()
		return time.Date(y, m, d+days, 0, 0, 0, 0, in).UTC()
	}
	if p.Reminded.IsZero() {
		return after(p.Asked, rules.AnswerDays+1-rules.RemindDays), close
	}
	close = after(p.Asked, rules.AnswerDays+1)
	if later := after(p.Reminded, rules.RemindDays); later.After(close) {
		close = later
	}
	return remind, close
}

// lapse makes the moves of the clock. Errors: fail.Forbidden for anybody else; fail.Conflict before it is time.
func (q *Request) lapse(a Act, now time.Time, rules Rules) error {
	if a.By != system {
		return fail.New(fail.Forbidden, "Only the clock closes a request that nobody answers. Refuse it, and say why.")
	}
	remind, close := q.lapses(rules)
	at := close
	if a.Do == MoveRemind {
		at = remind
	}
	if at.IsZero() || now.Before(at) {
		return fail.New(fail.Conflict, "It is not time for this yet.").WithCode("request.state")
	}
	p := q.Facts.openQuestion()
	if a.Do == MoveRemind {
		p.Reminded = now
		return nil
	}
	q.Facts.Outcome, q.Article = OutcomeUnanswered, "Art. 12(6) GDPR"
	if p.About == aboutScope {
		q.Article = "Art. 12(2) GDPR"
	}
	q.closeAll(now)
	q.State, q.FinishedAt = Refused, now
	return nil
}

// Chase reminds people of questions that they have not answered, and closes requests whose questions were
// not answered in time. Run calls it. A person who can't be written to from here is left to staff: the
// request stays open and says so.
func (r *Room) Chase(ctx context.Context) (reminded, closed int, err error) {
	type waiting struct {
		tenant  id.Tenant
		request uuid.UUID
		facts   Facts
	}
	var list []waiting
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, id, facts FROM rights_request
			WHERE tenant_id IS NOT NULL AND finished_at IS NULL AND state = $1 ORDER BY tenant_id, id`, string(IdentityPending))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var w waiting
			var facts string
			if err := rows.Scan(&w.tenant, &w.request, &facts); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(facts), &w.facts); err != nil {
				return err
			}
			list = append(list, w)
		}
		return rows.Err()
	})
	if err != nil {
		return 0, 0, err
	}
	type policy struct {
		tenant id.Tenant
		sum    string
	}
	known := map[policy]Rules{}
	authorities := map[id.Tenant]string{}
	for _, w := range list {
		p := policy{w.tenant, w.facts.Policy}
		rules, ok := known[p]
		if !ok {
			var controller Controller
			if controller, rules, err = r.rules(ctx, w.tenant, w.facts.Policy); err != nil {
				return reminded, closed, err
			}
			known[p], authorities[w.tenant] = rules, controller.Authority()
		}
		q := &Request{State: IdentityPending, Facts: w.facts}
		remind, close := q.lapses(rules)
		now := r.Clock.Now()
		var move Move
		switch {
		case !remind.IsZero() && !now.Before(remind):
			move = MoveRemind
		case !close.IsZero() && !now.Before(close):
			move = MoveLapse
		default:
			continue
		}
		done, err := r.chase(ctx, w.tenant, w.request, move, rules, authorities[w.tenant])
		if err != nil {
			return reminded, closed, err
		}
		switch {
		case done && move == MoveRemind:
			reminded++
		case done:
			closed++
		}
	}
	return reminded, closed, nil
}

// chase makes one move of the clock and tells whether it was made: somebody may have been quicker, or the
// person can't be written to.
func (r *Room) chase(ctx context.Context, t id.Tenant, request uuid.UUID, move Move, rules Rules, authority string) (bool, error) {
	q, err := r.Get(ctx, t, request)
	if err != nil {
		return false, err
	}
	p := q.Facts.openQuestion()
	if p == nil {
		return false, nil
	}
	_, say, dates := lettersIn(q.Language)
	a := Act{Do: move, By: system}
	if move == MoveRemind {
		p.Reminded = r.Clock.Now()
		_, close := q.lapses(rules)
		a.Reason = say.text("remind", dates.day(p.Asked), dates.day(close.Add(-time.Second)))
	} else {
		a.Reason, a.Complaint, a.Remedy = say.text("lapse", dates.day(p.Asked)), authority, say.text("court.any")
		if a.Complaint == "" {
			a.Complaint = say.text("authority.any")
		}
	}
	_, err = r.Act(ctx, t, request, a)
	switch {
	case err == nil:
		return true, nil
	case fail.Is(err, fail.Conflict):
		return false, nil
	case fail.Is(err, fail.Invalid) && !r.canMail(&q.Who):
		return false, r.leaveToStaff(ctx, q)
	}
	return false, err
}

// unanswered is what a request says whose person can't be reminded, and is not left without a word.
const unanswered = "a question waits for an answer, and the person can't be reminded by e-mail from here; remind them, and refuse the request if no answer comes"

// leaveToStaff notes once, in the request and its trail, that staff must close it.
func (r *Room) leaveToStaff(ctx context.Context, q *Request) error {
	return r.DB.Tenant(q.Tenant).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET problem = $3
			WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL AND state = $4 AND problem <> $3`,
			q.Tenant, q.ID[:], unanswered, string(IdentityPending))
		if err != nil || n == 0 {
			return err
		}
		return r.note(ctx, tx, q.ID, system, "unanswered", IdentityPending, nil)
	})
}

// checkDays tells whether people have a fair time to answer.
func (s *Settings) checkDays() error {
	if s.AnswerDays != 0 && (s.AnswerDays < minAnswerDays || s.AnswerDays > maxAnswerDays) {
		return fail.Field("days_to_answer_a_question", "People have %d to %d days to answer a question.", minAnswerDays, maxAnswerDays)
	}
	return nil
}

const (
	minAnswerDays = 14
	maxAnswerDays = 365
)
