package consent_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestL8_AWithdrawalLeavesTheGrantAndThePastCanBeTold(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Measure, notice.Actions)
	before, err := w.Receipt(t.Context(), w.tenant, given.Subject, given.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	w.fake.Advance(time.Hour)
	out := w.withdraw(t, *given.Visitor)
	if entry := w.verified(t, out.Receipt); entry["type"] != "consent.withdrawn" || entry["prev_id"] != given.RecordID.String() {
		t.Errorf("the withdrawal's entry is %v after %v", entry["type"], entry["prev_id"])
	}
	after, err := w.Receipt(t.Context(), w.tenant, given.Subject, given.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if string(before.Entry) != string(after.Entry) || before.Salt != after.Salt || before.Leaf != after.Leaf {
		t.Error("W9: the withdrawal changed the grant's entry")
	}
	for _, c := range []struct {
		at   time.Time
		want consent.Status
	}{
		{noon.Add(-time.Second), consent.Unknown},
		{noon, consent.Given},
		{noon.Add(time.Hour - time.Microsecond), consent.Given},
		{noon.Add(time.Hour), consent.Withdrawn},
		{noon.Add(1000 * time.Hour), consent.Withdrawn},
	} {
		states, err := w.StateAt(t.Context(), w.tenant, given.Subject, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := states[notice.Measure].Status; got != c.want {
			t.Errorf("at %v: %s, want %s", c.at, got, c.want)
		}
		if len(states) != len(notice.DefaultPurposes()) {
			t.Errorf("at %v the state names %d purposes", c.at, len(states))
		}
	}
}

func TestW10_WithdrawingOnePurposeLeavesTheOthers(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Measure, notice.Actions)
	out := w.withdraw(t, *given.Visitor, notice.Actions)
	if !w.open(t, given.Subject, notice.Measure) || w.open(t, given.Subject, notice.Actions) {
		t.Error("the gate does not fit the withdrawal")
	}
	if out.Token != "v1.measure.20261122" || out.Visitor == nil || !out.Purposes[notice.Measure] || out.Purposes[notice.Actions] {
		t.Errorf("the outcome is %+v", out)
	}
	if out = w.withdraw(t, *given.Visitor); out.Token != "v1.n.20261122" || out.Visitor != nil {
		t.Errorf("after taking back the rest the outcome is %+v", out)
	}
}

func TestW14_WithdrawingIsIdempotent(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Measure)
	first := w.withdraw(t, *given.Visitor)
	entries := w.count(t, "ledger_entry")
	again := w.withdraw(t, *given.Visitor)
	if again.RecordID != first.RecordID || w.count(t, "ledger_entry") != entries {
		t.Error("the second withdrawal made another entry")
	}
	w.verified(t, again.Receipt)
	nobody := w.withdraw(t, uuid.New())
	if nobody.Receipt != nil || nobody.RecordID != uuid.Nil || nobody.Token != "v1.n.20261122" {
		t.Errorf("the withdrawal of somebody unknown gave %+v", nobody)
	}
	if w.count(t, "ledger_entry") != entries {
		t.Error("the withdrawal of somebody unknown made an entry")
	}
	if w.open(t, given.Subject, notice.Measure) {
		t.Error("the gate is open")
	}
	// What was taken back can be given again.
	w.fake.Advance(time.Second)
	w.choose(t, given.Visitor, notice.Measure)
	if !w.open(t, given.Subject, notice.Measure) {
		t.Error("a new grant does not count")
	}
}

func TestANarrowerChoiceClosesTheGate(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Measure, notice.Predict)
	if !w.open(t, given.Subject, notice.Predict) {
		t.Fatal("shut")
	}
	w.fake.Advance(time.Second)
	w.choose(t, given.Visitor, notice.Measure)
	if w.open(t, given.Subject, notice.Predict) || !w.open(t, given.Subject, notice.Measure) {
		t.Error("the gate does not fit the second choice")
	}
	if !w.bus.has("consent."+given.Subject.String(), `{"withdrawn":["actions","identity","marketing","predict","sales","support"]}`) {
		t.Errorf("the person's open pages were not told: %v", w.bus.sent)
	}
	if !w.bus.has("inval."+w.tenant.String(), `{"subject":"`+given.Subject.String()+`","why":"consent"}`) {
		t.Error("the other processes were not told")
	}
}

func TestAWithdrawalThatCannotBeWrittenStillShutsTheGate(t *testing.T) {
	db := storetest.SQLite(t)
	w := newWorld(t, db)
	out := w.choose(t, nil, notice.Measure)
	if !w.open(t, out.Subject, notice.Measure) {
		t.Fatal("shut")
	}
	w.fake.Advance(time.Second)
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TRIGGER full BEFORE INSERT ON consent_record BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`)
		return err
	})
	if _, err := w.Withdraw(t.Context(), w.tenant, withdrawal(*out.Visitor)); !fail.Is(err, fail.Unavailable) {
		t.Fatalf("got %v", err)
	}
	w.fake.Advance(time.Hour)
	if w.open(t, out.Subject, notice.Measure) {
		t.Error("the gate is open")
	}
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `DROP TRIGGER full`)
		return err
	})
	w.withdraw(t, *out.Visitor)
	if w.open(t, out.Subject, notice.Measure) {
		t.Error("the gate is open after the second try")
	}
	w.fake.Advance(time.Second)
	w.choose(t, out.Visitor, notice.Measure)
	if !w.open(t, out.Subject, notice.Measure) {
		t.Error("the denial outlived a new grant")
	}
}

func TestAnotherProcessLearnsOfAWithdrawalByAnnouncementOrInASecond(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	told, untold := w.room(), w.room()
	for _, r := range []*consent.Room{told, untold} {
		if _, err := r.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
			t.Fatal(err)
		}
	}
	w.withdraw(t, *out.Visitor)
	told.Invalidate(w.tenant, out.Subject)
	if _, err := told.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
		t.Errorf("who was told: %v", err)
	}
	w.fake.Advance(consent.CacheLife)
	if _, err := untold.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
		t.Errorf("who was not told, after half a second: %v", err)
	}
}

func TestL16_ErasureLeavesNeitherRecordNorReceiptAndTheLogStillHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		out := w.choose(t, nil, notice.Measure)
		stays := w.choose(t, nil, notice.Measure)
		w.open(t, out.Subject, notice.Measure)
		w.write(t, func(tx *store.Tx) error {
			if err := w.Erase(t.Context(), tx, []id.Subject{out.Subject}); err != nil {
				return err
			}
			return w.subjects.Erase(t.Context(), tx, []id.Subject{out.Subject})
		})
		if err := w.vault.Shred(t.Context(), w.tenant, out.Subject); err != nil {
			t.Fatal(err)
		}
		if w.open(t, out.Subject, notice.Measure) {
			t.Error("the gate is open for an erased subject")
		}
		if _, err := w.Receipt(t.Context(), w.tenant, out.Subject, out.RecordID); !fail.Is(err, fail.NotFound) {
			t.Errorf("the receipt: %v", err)
		}
		if history, err := w.History(t.Context(), w.tenant, []id.Subject{out.Subject}); err != nil || len(history) != 0 {
			t.Errorf("the history is %v, %v", history, err)
		}
		if err := w.ledger.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
		// The person's own copy still verifies.
		w.verified(t, out.Receipt)
		w.verified(t, stays.Receipt)
		if !w.open(t, stays.Subject, notice.Measure) {
			t.Error("somebody else's consent is gone")
		}
		// The erased cookie starts from nothing.
		back := w.choose(t, out.Visitor, notice.Measure)
		if *back.Visitor == *out.Visitor || back.Subject == out.Subject {
			t.Error("the erased visitor came back under the old id")
		}
	})
}

func TestT3_AChoiceThatCrossesAWithdrawalNeverReopensTheGate(t *testing.T) {
	w := newWorldAt(t, storetest.SQLite(t), clock.System())
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		first := w.choose(t, nil, notice.Measure)
		again := w.choice(t, first.Visitor, notice.Measure)
		var wg sync.WaitGroup
		var taken, given *consent.Outcome
		var errs [2]error
		wg.Go(func() { given, errs[0] = w.Choose(t.Context(), w.tenant, again) })
		wg.Go(func() {
			taken, errs[1] = w.Withdraw(t.Context(), w.tenant, withdrawal(*first.Visitor, notice.Measure))
		})
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		history, err := w.History(t.Context(), w.tenant, []id.Subject{first.Subject})
		if err != nil {
			t.Fatal(err)
		}
		at := map[uuid.UUID]time.Time{}
		for _, rec := range history {
			at[rec.ID] = rec.At
		}
		if at[taken.RecordID].After(at[given.RecordID]) && w.open(t, first.Subject, notice.Measure) {
			t.Fatal("a choice that was stamped before the withdrawal reopened the gate")
		}
	}
}
