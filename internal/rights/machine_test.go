package rights_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/fail"
	"probity/internal/rights"
	"probity/internal/store/storetest"
)

var allTypes = []rights.Type{
	rights.Access, rights.Portability, rights.Rectification, rights.Erasure, rights.Restriction, rights.Objection, rights.HumanReview,
}

// Whatever people do, in whatever order: nothing is ready to be carried out that lacks something, what
// has ended has ended, and what is refused changes nothing.
func TestNoOrderOfStepsLeadsAroundTheLaw(t *testing.T) {
	actors := []rights.Actor{clerk, second, {Kind: "client", ID: uuid.MustParse("0194a1b2-0000-7000-8000-00000000000c")}, {Kind: "subject"}, {Kind: "system"}}
	moves := []rights.Move{
		rights.MoveAsk, rights.MoveAnswer, rights.MoveVerify, rights.MoveExtend, rights.MoveHold, rights.MoveRelease, rights.MoveApprove,
		rights.MoveRefuse, rights.MoveDecide, rights.MoveFee, rights.MoveWithdraw, rights.MoveAnnounce, rights.MoveLift, "jump",
	}
	said := "Because it is so."
	words := []string{said, said, said, said, said, said, "", "  "}
	seen := map[rights.State]bool{}
	extended, refused, approved := 0, 0, 0
	run := func(t *rapid.T) {
		pick := func(list []string, name string) string { return rapid.SampledFrom(list).Draw(t, name) }
		now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
		rules := rights.Rules{Policy: law, Calendar: rights.Calendar{In: rights.Zone("DE"), Holiday: rights.Holidays("DE")}}
		q := &rights.Request{
			Type: rapid.SampledFrom(allTypes).Draw(t, "type"), State: rights.IdentityPending, CreatedBy: clerk,
			ReceivedAt: now.AddDate(0, 0, -rapid.IntRange(0, 40).Draw(t, "days ago")),
		}
		if rapid.Bool().Draw(t, "second person") {
			q.Facts.Approval = &rights.Approval{}
		}
		q.DueAt = rights.Clock{Received: q.ReceivedAt}.Due(now, law, rules.Calendar)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours")) * time.Hour)
			// The procedure's own part, where it parks or ends.
			if q.State == rights.Received && rapid.Bool().Draw(t, "carried out") {
				switch q.Type {
				case rights.Objection, rights.HumanReview:
					q.State = rights.Deciding
				default:
					q.State, q.FinishedAt = rights.Verified, now
				}
			}
			a := rights.Act{
				Do: rapid.SampledFrom(moves).Draw(t, "move"), By: rapid.SampledFrom(actors).Draw(t, "by"),
				Reason: pick(words, "reason"), Complaint: pick(words, "complaint"), Remedy: pick(words, "remedy"),
				Article: pick([]string{"Art. 17(3)(e)", "Art. 17(3)(b)", "Art. 12(5)(b)", "Art. 17(3)(f)", ""}, "article"),
				About:   pick([]string{"", "identity", "scope"}, "about"), Amount: pick([]string{"", "5.00"}, "amount"), Currency: pick([]string{"", "EUR"}, "currency"),
				Method:  rights.Method(pick([]string{"", "staff", "signed-in", "cookie", "controller", "guess"}, "method")),
				Outcome: rights.Outcome(pick([]string{"", "refused", "cannot-identify", "upheld", "compelling-grounds", "decision-changed", "decision-confirmed"}, "outcome")),
			}
			before := *q
			copied := *q
			err := q.Apply(a, now, rules)
			if err != nil {
				if k := fail.KindOf(err); k != fail.Invalid && k != fail.Conflict && k != fail.Forbidden {
					t.Fatalf("%s fails with %v", a.Do, err)
				}
				if !reflect.DeepEqual(*q, copied) {
					t.Fatalf("%s was refused and changed %+v to %+v", a.Do, copied, *q)
				}
				continue
			}
			seen[q.State] = true
			f := &q.Facts
			open := slices.ContainsFunc(f.Pauses, func(p rights.Pause) bool { return p.Answered.IsZero() })
			switch {
			case before.State.Final() && q.State != before.State:
				t.Fatalf("%s took a request out of %s", a.Do, before.State)
			case q.State == rights.Received && (f.Identity.At.IsZero() || open || f.Hold != nil || f.Approval != nil && f.Approval.At.IsZero()):
				t.Fatalf("%s made it ready with %+v", a.Do, *f)
			case q.DueAt.Before(before.DueAt):
				t.Fatalf("%s moved the date from %v back to %v", a.Do, before.DueAt, q.DueAt)
			case q.State.Final() && open:
				t.Fatalf("%s ended it with an open question", a.Do)
			case f.Hold != nil && q.Type != rights.Erasure:
				t.Fatalf("a %s is held", q.Type)
			}
			switch a.Do {
			case rights.MoveRefuse:
				refused++
				if a.Reason != said || a.Complaint != said || a.Remedy != said || a.Article == "" {
					t.Fatalf("refused with %+v", a)
				}
				if f.Outcome == rights.OutcomeUnidentified && !before.Facts.Identity.At.IsZero() {
					t.Fatal("somebody who was identified can't be identified")
				}
			case rights.MoveExtend:
				extended++
				if a.Reason != said || before.Facts.Extended != nil || !now.Before(before.DueAt) && !before.Paused() {
					t.Fatalf("extended at %v, due %v, with %+v", now, before.DueAt, a)
				}
			case rights.MoveApprove:
				approved++
				if a.By == q.CreatedBy || a.By == f.Identity.By {
					t.Fatalf("%+v approved what they submitted or verified", a.By)
				}
			case rights.MoveDecide:
				if a.By.Kind != "staff" && a.By.Kind != "client" || a.Reason != said {
					t.Fatalf("decided by %+v with %+v", a.By, a)
				}
			case rights.MoveLift:
				if f.Lifting.Lifted.Before(f.Lifting.Announced.Add(24 * time.Hour)) {
					t.Fatalf("lifted at %v", f.Lifting)
				}
			}
		}
	}
	wanted := []rights.State{rights.Received, rights.IdentityPending, rights.Held, rights.ApprovalPending, rights.Refused, rights.Withdrawn, rights.Settling}
	complete := func() bool {
		return extended > 0 && refused > 0 && approved > 0 && !slices.ContainsFunc(wanted, func(s rights.State) bool { return !seen[s] })
	}
	for round := 0; round < 5 || round < 100 && !complete(); round++ { // a hundred histories each
		rapid.Check(t, run)
	}
	for _, s := range wanted {
		if !seen[s] {
			t.Errorf("no order of steps led to %s: the test sees too little", s)
		}
	}
	if extended == 0 || refused == 0 || approved == 0 {
		t.Errorf("%d extensions, %d refusals, %d approvals: the test sees too little", extended, refused, approved)
	}
}

// A process is killed at each of its contacts with other rooms in turn, while it restricts, waits for a
// decision, and carries it out. Whatever it left behind, the next one comes to the same end.
func TestRestrictionsAndDecisionsSurviveDeathAtEveryStep(t *testing.T) {
	for name, c := range map[string]struct {
		facts  rights.Facts
		typ    rights.Type
		decide rights.Outcome
	}{
		"restriction":      {rights.Facts{Ground: "a"}, rights.Restriction, ""},
		"direct marketing": {rights.Facts{Marketing: true}, rights.Objection, ""},
		"at once":          {rights.Facts{Purposes: []string{"predict"}, AtOnce: true}, rights.Objection, ""},
		"objection":        {rights.Facts{Purposes: []string{"predict"}}, rights.Objection, rights.OutcomeUpheld},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, storetest.SQLite(t))
			deaths := 0
			for n := 1; ; n++ {
				p := h.newPerson(t)
				q := h.submit(t, rights.Request{Type: c.typ, Who: byMail(p), Facts: c.facts})
				room, _ := h.doomed(n)
				died := dies(t, func() error { _, err := room.Work(t.Context()); return err })
				if died {
					h.clk.Advance(5 * time.Minute)
				}
				q = h.work(t, q)
				if c.decide != "" {
					if q.State != rights.Deciding || h.allows(t, p.subject, "measure") {
						t.Fatalf("after death at contact %d it is %s: %s", n, q.State, q.Problem)
					}
					a := rights.Act{Do: rights.MoveDecide, By: clerk, Outcome: c.decide, Reason: "Nothing outweighs it."}
					if !died {
						died = dies(t, func() error { _, err := room.Act(t.Context(), h.t, q.ID, a); return err })
						if now, err := h.Get(t.Context(), h.t, q.ID); err != nil || died && now.State != rights.Deciding && now.State != rights.Settling {
							t.Fatalf("after death at contact %d the decision is %s (%v)", n, now.State, err)
						} else if now.State == rights.Deciding {
							h.act(t, q, a)
						}
					} else {
						h.act(t, q, a)
					}
					if !died {
						died = dies(t, func() error { _, err := room.Work(t.Context()); return err })
					}
					h.clk.Advance(5 * time.Minute)
					q = h.work(t, q)
				}
				if q.State != rights.Verified {
					t.Fatalf("after death at contact %d it is %s: %s", n, q.State, q.Problem)
				}
				want := map[string]bool{"restriction": false, "direct marketing": true, "at once": true, "objection": true}[name]
				closed := map[string]string{"restriction": "marketing", "direct marketing": "marketing", "at once": "predict", "objection": "predict"}[name]
				if h.allows(t, p.subject, "measure") != want || h.allows(t, p.subject, closed) {
					t.Fatalf("after death at contact %d the wrong purposes are open", n)
				}
				trail, err := h.Trail(t.Context(), h.t, q.ID)
				if err != nil {
					t.Fatal(err)
				}
				ends := 0
				for _, e := range trail {
					if e.What == string(rights.Verified) {
						ends++
					}
				}
				if ends != 1 {
					t.Fatalf("after death at contact %d the trail ends %d times", n, ends)
				}
				if !died {
					break
				}
				deaths++
			}
			if deaths < 4 {
				t.Errorf("only %d deaths: the fuse does not burn", deaths)
			}
			t.Logf("%d deaths survived", deaths)
		})
	}
}
