package consent_test

import (
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

// A person was erased. A letter that was asked for before stays without effect; one that they ask for
// afterwards makes a new person, and so does an account that signs in again.
func TestAPersonsNewWordAfterAnErasureMakesANewPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		post := w.post()
		optIn := func() string {
			t.Helper()
			w.fake.Advance(time.Minute)
			if err := w.optIn(t, "ada@example.org", notice.Marketing); err != nil {
				t.Fatal(err)
			}
			return post.sent[len(post.sent)-1].Token
		}
		_, first, err := w.Confirm(t.Context(), optIn())
		if err != nil {
			t.Fatal(err)
		}
		before := optIn()
		w.fake.Advance(time.Minute)
		erase := func(s id.Subject) {
			t.Helper()
			err := w.db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
				return w.subjects.Erase(t.Context(), tx, []id.Subject{s})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		erase(first.Subject)
		if _, _, err := w.Confirm(t.Context(), before); !fail.Is(err, fail.Gone) {
			t.Errorf("a letter of before the erasure: %v", err)
		}
		if _, known := w.known(t, "ada@example.org"); known {
			t.Fatal("the address is somebody's again")
		}
		_, again, err := w.Confirm(t.Context(), optIn())
		if err != nil {
			t.Fatal(err)
		}
		if s, known := w.known(t, "ada@example.org"); !known || s != again.Subject || s == first.Subject {
			t.Errorf("the address leads to %v, which is known: %v", s, known)
		}
		if !again.Purposes[notice.Marketing] {
			t.Errorf("the new person's choice is %v", again.Purposes)
		}

		sign := func() *consent.Outcome {
			t.Helper()
			w.fake.Advance(time.Minute)
			out, err := w.ChooseAs(t.Context(), w.tenant, "C-1007", w.choice(t, nil, notice.Measure))
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		account := sign()
		erase(account.Subject)
		if _, err := w.subjects.Ensure(t.Context(), w.tenant, subject.ExternalID, "C-1007"); !fail.Is(err, fail.Gone) {
			t.Errorf("somebody else's word brings the account back: %v", err)
		}
		if back := sign(); back.Subject == account.Subject {
			t.Error("an account that signs in again is the erased person")
		}
	})
}
