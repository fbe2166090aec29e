package consent_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

func TestWhatIsKeptStandsOnConsentOrOnADeclarationButNeverAgainstADecision(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	stranger, err := w.subjects.Ensure(t.Context(), w.tenant, subject.Cookie, uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	friend := w.choose(t, nil, notice.Measure, notice.Predict)
	refuser := w.choose(t, nil, notice.Measure)
	standing := func(s id.Subject) bool {
		ok, err := w.Standing(t.Context(), w.tenant, s, notice.Predict)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	check := func(when string, wantStranger, wantFriend, wantRefuser bool) {
		t.Helper()
		if a, b, c := standing(stranger), standing(friend.Subject), standing(refuser.Subject); a != wantStranger || b != wantFriend || c != wantRefuser {
			t.Errorf("%s: never asked %v, agreed %v, refused %v", when, a, b, c)
		}
	}
	check("without a declaration", false, true, false)
	record, err := w.Declare(t.Context(), w.tenant, consent.Declaration{
		Deployment: site, Basis: "legitimate_interest", Purposes: []string{notice.Predict},
		Assessment: "Past orders without names show which pages help people to decide.",
	})
	if err != nil {
		t.Fatal(err)
	}
	check("with one", true, true, false)
	w.fake.Advance(time.Minute)
	w.withdraw(t, *friend.Visitor)
	check("after a withdrawal", true, false, false)
	if err := w.Object(t.Context(), w.tenant, stranger, []string{notice.Predict}); err != nil {
		t.Fatal(err)
	}
	check("after an objection", false, false, false)
	another, err := w.subjects.Ensure(t.Context(), w.tenant, subject.Cookie, uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EndDeclaration(t.Context(), w.tenant, record, ""); err != nil {
		t.Fatal(err)
	}
	w.fake.Advance(time.Minute)
	if standing(another) {
		t.Error("a declaration that has ended still holds")
	}
}

func TestT4_NothingIsLearntFromDataWhoseOwnConsentWasTakenBack(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	learnable := func(out *consent.Outcome) bool {
		ok, err := w.Learnable(t.Context(), w.tenant, out.Subject, notice.Predict, notice.Measure, notice.Actions)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	both := w.choose(t, nil, notice.Measure, notice.Actions, notice.Predict)
	views := w.choose(t, nil, notice.Measure, notice.Predict)
	if !learnable(both) || !learnable(views) {
		t.Error("what was agreed to can't be learnt from")
	}
	w.fake.Advance(time.Minute)
	w.withdraw(t, *both.Visitor, notice.Actions)
	if learnable(both) {
		t.Error("rows made of actions are learnt from after these were taken back")
	}
	if !learnable(views) {
		t.Error("a purpose that never gave anything stands in the way")
	}
	w.withdraw(t, *views.Visitor, notice.Predict)
	if learnable(views) {
		t.Error("rows are learnt from without profiling")
	}
}
