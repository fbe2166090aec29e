package rights_test

import (
	"errors"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestARequestThatFailedGoesOnWhereItFailed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		f := &failing{Store: h.deps.Stores[2], err: errors.New("broken")}
		h.deps.Stores = []rights.Store{h.deps.Stores[0], h.deps.Stores[1], f}
		h.Room = rights.New(h.deps)
		q := h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
		for range 8 {
			q = h.work(t, q)
			h.clk.Advance(6 * time.Hour)
		}
		if q.State != rights.Failed {
			t.Fatalf("the request is %s", q.State)
		}
		if list := q.Moves(); len(list) != 1 || list[0] != rights.MoveRetry {
			t.Errorf("a desk offers %v", list)
		}
		staff := rights.Actor{Kind: "staff", ID: id.New()}
		again := func() *rights.Request {
			t.Helper()
			q, err := h.Act(t.Context(), h.t, q.ID, rights.Act{Do: rights.MoveRetry, By: staff})
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		if q = again(); q.State != rights.Erasing || q.Problem != "" || !q.FinishedAt.IsZero() {
			t.Errorf("it is %s, %q, finished %v", q.State, q.Problem, q.FinishedAt)
		}
		again() // asked twice it goes on once
		for range 8 {
			q = h.work(t, q)
			h.clk.Advance(6 * time.Hour)
		}
		if q.State != rights.Failed {
			t.Fatalf("nothing was repaired, and it is %s", q.State)
		}
		f.err = nil
		again()
		if q = h.work(t, q); q.State != rights.Verified || !q.Certified {
			t.Fatalf("it is %s: %s", q.State, q.Problem)
		}
		if n := h.held(t, p.subject); n != 0 {
			t.Errorf("%d things are held", n)
		}
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		retries := 0
		for _, e := range trail {
			if e.What == string(rights.MoveRetry) && e.By == staff {
				retries++
			}
		}
		if err != nil || retries != 2 {
			t.Errorf("the trail names %d retries: %v", retries, err)
		}
		if _, err := h.Act(t.Context(), h.t, q.ID, rights.Act{Do: rights.MoveRetry, By: staff}); !fail.Is(err, fail.Conflict) {
			t.Errorf("a request that is done was tried again: %v", err)
		}
	})
}

func TestARequestThatForgotWhomItIsAboutIsNotTriedAgain(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	f := &failing{Store: h.deps.Stores[2], err: errors.New("broken")}
	h.deps.Stores = []rights.Store{h.deps.Stores[0], h.deps.Stores[1], f}
	h.Room = rights.New(h.deps)
	q := h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	for range 8 {
		q = h.work(t, q)
		h.clk.Advance(6 * time.Hour)
	}
	h.clk.Advance(rights.ContentTTL)
	if _, err := h.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Act(t.Context(), h.t, q.ID, rights.Act{Do: rights.MoveRetry}); !fail.Is(err, fail.Gone) {
		t.Errorf("got %v", err)
	}
}

func TestARectificationThatLeftTheOldValueIsTriedAgain(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	whole := h.deps.Stores
	h.deps.Stores = append(whole[:len(whole):len(whole)], careless{rights.Journeys(h.journey)})
	h.Room = rights.New(h.deps)
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{
		Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
		Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: "right@example.org"}},
	})
	if q.State != rights.Failed {
		t.Fatalf("the request is %s", q.State)
	}
	h.deps.Stores = whole
	h.Room = rights.New(h.deps)
	if _, err := h.Act(t.Context(), h.t, q.ID, rights.Act{Do: rights.MoveRetry}); err != nil {
		t.Fatal(err)
	}
	if q = h.work(t, q); q.State != rights.Verified || len(q.Report.Residue) != 0 {
		t.Errorf("it is %s: %s %+v", q.State, q.Problem, q.Report.Residue)
	}
}
