package consent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// shelf keeps what was closed, or refuses to.
type shelf struct {
	kept []consent.Closing
	full bool
}

func (s *shelf) keep(_ context.Context, _ id.Tenant, list ...consent.Closing) error {
	if s.full {
		return fail.New(fail.Unavailable, "the disk is full")
	}
	s.kept = append(s.kept, list...)
	return nil
}

func TestWhatSomebodyClosesIsKeptBeforeTheyHearOfIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := &shelf{}
		w.KeptBy(s.keep)
		given := w.choose(t, nil, notice.Measure, notice.Predict)
		w.choose(t, nil) // a refusal by nobody known
		if len(s.kept) > 0 {
			t.Fatalf("of new visitors %+v was kept: no older database knows them", s.kept)
		}
		w.fake.Advance(time.Second)
		narrower := w.choose(t, given.Visitor, notice.Measure)
		w.fake.Advance(time.Second)
		taken := w.withdraw(t, *given.Visitor, notice.Measure)
		if err := w.Object(t.Context(), w.tenant, given.Subject, []string{notice.Marketing}); err != nil {
			t.Fatal(err)
		}
		voided, err := w.VoidRecord(t.Context(), w.tenant, w.assert(t, told(map[string]bool{notice.Marketing: true})).RecordID,
			consent.Void{Reason: "It was never said.", Actor: "staff:1"})
		if err != nil || len(voided) != 1 {
			t.Fatal(voided, err)
		}
		if len(s.kept) != 4 {
			t.Fatalf("kept were %+v", s.kept)
		}
		for i, want := range []struct {
			record  uuid.UUID
			effects string
		}{
			{narrower.RecordID, "actions=ConsentRefused,identity=ConsentRefused,marketing=ConsentRefused,predict=ConsentRefused,sales=ConsentRefused,support=ConsentRefused"},
			{taken.RecordID, "measure=ConsentWithdrawn"},
			{s.kept[2].Record, "marketing=Objected"},
			{voided[0].ID, "marketing=ConsentInvalidated"},
		} {
			if c := s.kept[i]; c.Record != want.record || c.Effects != want.effects || c.Subject.IsZero() || c.At.IsZero() {
				t.Errorf("kept was %+v, want %+v", c, want)
			}
		}
	})
}

func TestWhatCannotBeKeptIsNotAcknowledgedAndIsKeptWithTheNext(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	s := &shelf{full: true}
	w.KeptBy(s.keep)
	given, other := w.choose(t, nil, notice.Measure), w.choose(t, nil, notice.Measure)
	_, err := w.Withdraw(t.Context(), w.tenant, withdrawal(*given.Visitor))
	if !fail.Is(err, fail.Unavailable) {
		t.Fatalf("got %v", err)
	}
	if w.open(t, given.Subject, notice.Measure) {
		t.Error("the gate is open")
	}
	s.full = false
	w.withdraw(t, *other.Visitor)
	if len(s.kept) != 2 || s.kept[0].Subject != given.Subject || s.kept[1].Subject != other.Subject {
		t.Errorf("kept were %+v", s.kept)
	}
	// Saying it again is acknowledged, and keeps the same.
	again := w.withdraw(t, *given.Visitor)
	if len(s.kept) != 3 || s.kept[2].Record != s.kept[0].Record || again.RecordID != s.kept[0].Record {
		t.Errorf("kept were %+v", s.kept)
	}
}

func TestWhatIsClosedAgainCountsFromWhenItWasSaid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		given := w.choose(t, nil, notice.Measure, notice.Predict, notice.Sales)
		said := noon.Add(time.Minute)
		w.fake.Advance(2 * time.Minute)
		w.choose(t, given.Visitor, notice.Measure, notice.Predict, notice.Sales) // later than what is closed
		c := consent.Closing{Record: id.New(), Subject: given.Subject, At: said, Person: []id.Subject{given.Subject, id.NewSubject()}, Effects: "predict=ConsentWithdrawn"}
		later := consent.Closing{Record: id.New(), Subject: given.Subject, At: noon.Add(3 * time.Minute), Effects: "measure=Objected,sales=ConsentRefused"}
		stranger := consent.Closing{Record: id.New(), Subject: id.NewSubject(), At: said, Effects: "measure=ConsentWithdrawn"}
		w.fake.Advance(time.Hour)
		list := []consent.Closing{c, later, stranger}
		if n, err := w.OpenYet(t.Context(), w.tenant, list); err != nil || n != 1 {
			t.Errorf("open yet are %d, %v", n, err)
		}
		entries := w.count(t, "ledger_entry")
		if n, err := w.CloseAgain(t.Context(), w.tenant, list); err != nil || n != 1 {
			t.Fatalf("closed again were %d, %v", n, err)
		}
		if w.count(t, "ledger_entry") != entries+1 {
			t.Error("not one entry was made")
		}
		if w.open(t, given.Subject, notice.Measure) || w.open(t, given.Subject, notice.Sales) || !w.open(t, given.Subject, notice.Predict) {
			t.Error("the gate does not fit what was said")
		}
		states, err := w.StateAt(t.Context(), w.tenant, given.Subject, later.At)
		if err != nil || states[notice.Measure].Status != consent.Objected || !states[notice.Measure].Since.Equal(later.At) {
			t.Errorf("then it was %+v, %v", states[notice.Measure], err)
		}
		receipt, err := w.Receipt(t.Context(), w.tenant, given.Subject, later.Record)
		if err != nil {
			t.Fatal(err)
		}
		entry := w.verified(t, receipt)
		if entry["type"] != ledger.ConsentObjected || entry["proof_level"] != "none" || entry["actor"] != "system" || entry["source"] != "register" ||
			entry["server_time"] != "2026-11-22T12:03:00.000000Z" || entry["entered_again_at"] != "2026-11-22T13:02:00.000000Z" {
			t.Errorf("the entry is %v", entry)
		}
		if n, err := w.CloseAgain(t.Context(), w.tenant, list); err != nil || n != 0 {
			t.Errorf("the second time %d were closed, %v", n, err)
		}
	})
}

func TestTheRecordsThemselvesTellWhatIsToBeKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := &shelf{}
		w.KeptBy(s.keep)
		given := w.choose(t, nil, notice.Measure)
		w.fake.Advance(time.Second)
		w.withdraw(t, *given.Visitor)
		w.fake.Advance(time.Second)
		w.choose(t, given.Visitor, notice.Measure)
		var found []consent.Closing
		upTo := int64(-1)
		read := func(list []consent.Closing, to int64) error { found, upTo = append(found, list...), to; return nil }
		if err := w.Closings(t.Context(), w.tenant, -1, read); err != nil {
			t.Fatal(err)
		}
		if len(found) != 2 || len(s.kept) != 2 || found[0].Record != s.kept[0].Record || found[0].Effects != s.kept[0].Effects || found[1].Record != s.kept[1].Record {
			t.Errorf("the records tell %+v, kept were %+v", found, s.kept)
		}
		found = nil
		if err := w.Closings(t.Context(), w.tenant, upTo, read); err != nil || len(found) > 0 {
			t.Errorf("after all of them they tell %+v, %v", found, err)
		}
		stop := errors.New("stop")
		if err := w.Closings(t.Context(), w.tenant, -1, func([]consent.Closing, int64) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	})
}
