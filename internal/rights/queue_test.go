package rights_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestAQueueListsWhatIsDueFirstAndOpensNoKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		now := h.clk.Now()
		submit := func(typ rights.Type, ago time.Duration) *rights.Request {
			t.Helper()
			q, err := h.Submit(t.Context(), h.t, rights.Request{
				Type: typ, Who: rights.Who{ExternalID: fmt.Sprint("nobody-", typ, ago)}, ReceivedAt: now.Add(-ago),
				Channel: "letter", CreatedBy: rights.Actor{Kind: "staff"},
			})
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		day := 24 * time.Hour
		fresh, late, near, later := submit(rights.Access, 0), submit(rights.Erasure, 60*day), submit(rights.Access, 28*day), submit(rights.Access, 45*day)
		list := func(q rights.Queue, offset, limit int) (ids []string, total int) {
			t.Helper()
			page, total, err := h.Queue(t.Context(), h.t, q, offset, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range page {
				if w.Channel != "letter" || w.DueAt.Before(w.ReceivedAt) || !w.FinishedAt.IsZero() != w.State.Final() {
					t.Errorf("%+v", w)
				}
				ids = append(ids, w.ID.String())
			}
			return ids, total
		}
		expect := func(what string, q rights.Queue, want ...*rights.Request) {
			t.Helper()
			var ids []string
			for _, w := range want {
				ids = append(ids, w.ID.String())
			}
			if got, total := list(q, 0, 10); !slices.Equal(got, ids) || total != len(ids) {
				t.Errorf("%s: %v (%d in all), want %v", what, got, total, ids)
			}
		}
		expect("open", rights.Queue{Show: rights.ShowOpen}, late, later, near, fresh)
		expect("overdue", rights.Queue{Show: rights.ShowOverdue}, late, later)
		expect("due within a week", rights.Queue{Show: rights.ShowSoon}, near)
		expect("of a type", rights.Queue{Show: rights.ShowAll, Type: rights.Erasure}, late)
		expect("of a state", rights.Queue{Show: rights.ShowAll, State: rights.Verified})
		expect("nothing chosen", rights.Queue{})
		if got, total := list(rights.Queue{Show: rights.ShowOpen}, 2, 1); total != 4 || !slices.Equal(got, []string{near.ID.String()}) {
			t.Errorf("the third alone: %v of %d", got, total)
		}
		load, err := h.Load(t.Context(), h.t)
		if err != nil || load.Open != 4 || load.Overdue != 2 || load.Soon != 1 || load.Done != 0 || load.Types[rights.Access] != 3 || load.States[rights.Received] != 4 {
			t.Errorf("load %+v, %v", load, err)
		}

		if _, err := h.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.clk.Advance(time.Hour)
		next := submit(rights.Erasure, time.Hour)
		if _, err := h.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := submit(rights.Access, 2*time.Hour)
		expect("what is done comes last, the latest of it first", rights.Queue{Show: rights.ShowAll}, last, next, fresh, late, near, later)
		expect("done", rights.Queue{Show: rights.ShowDone, State: rights.Verified, Type: rights.Erasure}, next, late)
		expect("still open", rights.Queue{Show: rights.ShowOpen}, last)

		other, err := h.Load(t.Context(), id.NewTenant())
		if err != nil || other.Open != 0 || other.Done != 0 {
			t.Errorf("another organisation sees %+v, %v", other, err)
		}
	})
}

func TestNothingIsLateInAQueueWhileTheClockStands(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		q := rights.Request{Type: rights.Access, Who: rights.Who{ExternalID: "customer-7"}, Channel: "letter", CreatedBy: rights.Actor{Kind: "staff"}}
		made, err := h.Open(t.Context(), h.t, q, rights.Opening{Ask: "Who are you?", Told: "letter"})
		if err != nil {
			t.Fatal(err)
		}
		h.clk.Advance(90 * 24 * time.Hour)
		page, total, err := h.Queue(t.Context(), h.t, rights.Queue{Show: rights.ShowOverdue}, 0, 10)
		if err != nil || total != 0 {
			t.Errorf("overdue while the clock stands: %v, %v", page, err)
		}
		page, _, err = h.Queue(t.Context(), h.t, rights.Queue{Show: rights.ShowOpen}, 0, 10)
		if err != nil || len(page) != 1 || !page[0].Paused {
			t.Errorf("open: %+v, %v", page, err)
		}
		if load, err := h.Load(t.Context(), h.t); err != nil || load.Open != 1 || load.Overdue != 0 || load.Soon != 0 {
			t.Errorf("load %+v, %v", load, err)
		}
		if got := made.Moves(); !slices.Contains(got, rights.MoveVerify) || slices.Contains(got, rights.MoveApprove) || slices.Contains(got, rights.MoveHold) {
			t.Errorf("moves %v", got)
		}
	})
}

// TestEveryMoveThatIsOfferedIsKnownToApply holds Moves to what Apply does, for every type and state.
func TestEveryMoveThatIsOfferedIsKnownToApply(t *testing.T) {
	for _, typ := range []rights.Type{rights.Access, rights.Erasure, rights.Restriction, rights.Objection} {
		for _, state := range []rights.State{rights.Received, rights.IdentityPending, rights.Held, rights.ApprovalPending, rights.Deciding, rights.Verified, rights.Refused} {
			q := rights.Request{Type: typ, State: state}
			for _, m := range q.Moves() {
				before := q
				err := before.Apply(rights.Act{Do: m}, time.Now(), rights.Rules{})
				if fail.Is(err, fail.Conflict) {
					t.Errorf("%s that is %s offers %s, which says %v", typ, state, m, err)
				}
			}
		}
	}
}
