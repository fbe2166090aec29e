package consent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

func TestL17_AProofIsDeletedWhenItIsNoLongerNeededAndTheDeletionIsLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		const year = 365 * 24 * time.Hour
		rule := consent.Retirement{After: 3 * year, Reason: "limitation period of three years"}
		old := w.choose(t, nil, notice.Measure)
		taken := w.choose(t, nil, notice.Measure)
		w.withdraw(t, *taken.Visitor)
		objector := w.choose(t, nil, notice.Measure)
		if err := w.Object(t.Context(), w.tenant, objector.Subject, []string{notice.Measure}); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(3 * year)
		recent := w.choose(t, nil, notice.Measure)
		if n, err := w.Retire(t.Context(), w.tenant, rule); err != nil || n != 0 {
			t.Errorf("%d proofs were retired before a grant's validity plus three years: %v", n, err)
		}
		w.fake.Advance(consent.Validity + time.Hour)
		if n, err := w.Retire(t.Context(), w.tenant, rule); err != nil || n != 2 {
			t.Errorf("%d proofs were retired, want 2: %v", n, err)
		}
		if n, err := w.Retire(t.Context(), w.tenant, rule); err != nil || n != 0 {
			t.Errorf("%d proofs were retired twice: %v", n, err)
		}
		if _, err := w.Receipt(t.Context(), w.tenant, old.Subject, old.RecordID); !fail.Is(err, fail.NotFound) {
			t.Errorf("the old receipt: %v", err)
		}
		if history, err := w.History(t.Context(), w.tenant, []id.Subject{objector.Subject}); err != nil || len(history) != 2 {
			t.Errorf("the objection was retired: %v, %v", history, err)
		}
		w.verified(t, old.Receipt) // the person's own copy still verifies
		if history, err := w.History(t.Context(), w.tenant, []id.Subject{recent.Subject}); err != nil || len(history) != 1 {
			t.Errorf("the recent proof: %v, %v", history, err)
		}
		receipt, err := w.ledger.Receipt(t.Context(), w.tenant, int64(w.count(t, "ledger_entry"))-1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if entry := w.verified(t, receipt); entry["type"] != "payload.retired" || entry["entries"] != 5.0 || entry["reason"] != rule.Reason {
			t.Errorf("the ledger says %v", entry)
		}
		if err := w.ledger.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestRetiringNeedsATimeAndAReason(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for _, p := range []consent.Retirement{{After: time.Hour, Reason: "impatience"}, {After: 48 * time.Hour}} {
		if _, err := w.Retire(t.Context(), w.tenant, p); !fail.Is(err, fail.Invalid) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestL18_WhatAnEntryCitesStaysWhenNoticesAreReplacedAndProofsRetired(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	old := w.choose(t, nil, notice.Measure)
	if _, err := w.Publish(t.Context(), w.tenant, draft()); err != nil {
		t.Fatal(err)
	}
	w.fake.Advance(10 * 365 * 24 * time.Hour)
	recent := w.choose(t, nil) // still shows the first version, to whoever had fetched it
	if n, err := w.Retire(t.Context(), w.tenant, consent.Retirement{After: 24 * time.Hour, Reason: "a test"}); err != nil || n != 1 {
		t.Fatalf("%d proofs were retired, %v", n, err)
	}
	if _, err := w.Receipt(t.Context(), w.tenant, old.Subject, old.RecordID); !fail.Is(err, fail.NotFound) {
		t.Errorf("the retired proof: %v", err)
	}
	if recent.Receipt == nil || recent.Receipt.Notice == nil || recent.Receipt.Notice.Language != "en" {
		t.Fatal("the newer choice has no notice")
	}
	page, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, "en")
	if err != nil || string(page) != recent.Receipt.Notice.Text {
		t.Errorf("the notice that an entry cites is gone or changed: %v", err)
	}
}

// A withdrawal on one device closes the purpose on all others of the person. If its proof went while
// another device still holds a grant, that grant would open again by itself.
func TestL17_L29_APersonsProofsGoWithAllDevicesOrNotAtAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		const day = 24 * time.Hour
		rule := consent.Retirement{After: day, Reason: "a test"}
		phone, desk := w.choose(t, nil, notice.Measure), w.choose(t, nil, notice.Measure)
		for _, out := range []*consent.Outcome{phone, desk} {
			w.write(t, func(tx *store.Tx) error {
				_, err := w.subjects.Identify(t.Context(), tx, out.Subject, map[subject.Kind]string{subject.Email: "ann@example.org"})
				return err
			})
		}
		w.withdraw(t, *phone.Visitor)
		w.fake.Advance(consent.Validity - time.Hour)
		w.choose(t, desk.Visitor) // a refusal is the desk's newest word, valid for as long
		w.fake.Advance(3 * day)   // the phone's grant and withdrawal are over for longer than a day
		if n, err := w.Retire(t.Context(), w.tenant, rule); err != nil || n != 0 {
			t.Errorf("%d proofs of a person were retired of whom one is in force: %v", n, err)
		}
		if w.open(t, desk.Subject, notice.Measure) || w.open(t, phone.Subject, notice.Measure) {
			t.Error("the purpose opened by itself")
		}
		w.fake.Advance(consent.Validity + day)
		// One at a time: the person's second device goes with the first all the same.
		rule.Limit = 1
		if n, err := w.Retire(t.Context(), w.tenant, rule); err != nil || n != 2 {
			t.Errorf("%d proofs were retired, want those of both devices: %v", n, err)
		}
	})
}

// Whose proofs are still needed does not stand in the way of others.
func TestL17_ProofsThatAreStillNeededAreLeftAndTheOthersGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		needed := map[id.Subject]bool{}
		for i := range 9 {
			needed[w.choose(t, nil, notice.Measure).Subject] = i%3 > 0
		}
		w.fake.Advance(2 * consent.Validity)
		rule := consent.Retirement{After: 24 * time.Hour, Reason: "a test", Limit: 2, Needed: func(_ context.Context, _ *store.Tx, subjects []id.Subject) (bool, error) {
			return needed[subjects[0]], nil
		}}
		for _, want := range []int{2, 1, 0} {
			if n, err := w.Retire(t.Context(), w.tenant, rule); err != nil || n != want {
				t.Errorf("%d proofs were retired, want %d: %v", n, want, err)
			}
		}
		for s, stays := range needed {
			history, err := w.History(t.Context(), w.tenant, []id.Subject{s})
			if err != nil || len(history) > 0 != stays {
				t.Errorf("needed %v: %d records, %v", stays, len(history), err)
			}
		}
		broken := errors.New("the journeys can't be read")
		rule.Needed = func(context.Context, *store.Tx, []id.Subject) (bool, error) { return false, broken }
		if _, err := w.Retire(t.Context(), w.tenant, rule); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}
