package rights_test

import (
	"strings"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

const day = 24 * time.Hour

// chase lets the clock do its part and says what it should have done.
func (h *house) chase(t testing.TB, reminded, closed int) {
	t.Helper()
	r, c, err := h.Chase(t.Context())
	if err != nil || r != reminded || c != closed {
		t.Errorf("%d were reminded and %d closed, want %d and %d: %v", r, c, reminded, closed, err)
	}
}

func TestAQuestionThatNobodyAnswersClosesTheRequestAfterAReminder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		asked := h.clk.Now()
		q := h.open(t, rights.Request{Type: rights.Erasure, Language: "de", Who: rights.Who{EmailAddresses: []string{p.email}}}, rights.Opening{Ask: "Wann haben Sie bestellt?"})
		answered := h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}}, rights.Opening{Ask: "Which order?"})
		h.act(t, answered, rights.Act{Do: rights.MoveVerify, Method: rights.BySignIn})
		letters := len(h.letters.sent)
		h.clk.Advance(23 * day)
		h.chase(t, 0, 0)
		h.clk.Advance(day)
		h.chase(t, 1, 0)
		h.chase(t, 0, 0)
		l := h.letters.last(t)
		if len(h.letters.sent) != letters+1 || l.To != p.email || !strings.Contains(l.Subject, "wartet auf Ihre Antwort") || !strings.Contains(l.Text, "nach dem 20. Dezember 2026") || strings.Contains(l.Text, "Gründe") {
			t.Errorf("the reminder is %q: %s", l.Subject, l.Text)
		}
		h.clk.Advance(6 * day)
		h.chase(t, 0, 0)
		h.clk.Advance(day)
		h.chase(t, 0, 1)
		q, err := h.Get(t.Context(), h.t, q.ID)
		if err != nil || q.State != rights.Refused || q.State.Status() == "COMPLETED" || q.Facts.Outcome != rights.OutcomeUnanswered || q.Article != "Art. 12(6) GDPR" || q.Certified {
			t.Errorf("it is %s, %s, %s: %v", q.State, q.Facts.Outcome, q.Article, err)
		}
		if !q.FinishedAt.Equal(h.clk.Now()) || q.FinishedAt.Sub(asked) != 31*day {
			t.Errorf("closed at %v", q.FinishedAt)
		}
		text := h.letters.last(t).Text
		for _, part := range []string{"20. November 2026 eine Frage", "jederzeit kostenlos", "bei der Aufsichtsbehörde beschweren", "vor Gericht gehen", "Art. 12(6)"} {
			if !strings.Contains(text, part) {
				t.Errorf("the letter lacks %q: %s", part, text)
			}
		}
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		if err != nil {
			t.Fatal(err)
		}
		var what []string
		for _, e := range trail {
			what = append(what, e.What+" by "+e.By.Kind)
		}
		last := trail[len(trail)-1]
		if got := strings.Join(what[1:], ", "); got != "remind by system, lapse by system" || !strings.Contains(last.Words["reason"], "Frage") || last.Words["complaint"] == "" || last.Words["remedy"] == "" || last.Words["told"] != "e-mail" {
			t.Errorf("the trail says %s, and at last %v", got, last.Words)
		}
		if n := h.held(t, p.subject); n == 0 {
			t.Error("something was erased")
		}
		h.clk.Advance(30 * day)
		h.chase(t, 0, 0)
		if letters+2 != len(h.letters.sent) {
			t.Errorf("%d letters were sent", len(h.letters.sent)-letters)
		}
	})
}

func TestWhoWasRemindedLateHasTheFullTimeToAnswer(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	if err := h.Set(t.Context(), h.t, rights.Settings{AnswerDays: 14}); err != nil {
		t.Fatal(err)
	}
	q := h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}}, rights.Opening{Method: rights.BySignIn, Ask: "Which year?", About: "scope"})
	h.clk.Advance(60 * day) // nobody ran meanwhile
	h.chase(t, 1, 0)
	h.clk.Advance(6 * day)
	h.chase(t, 0, 0)
	h.act(t, q, rights.Act{Do: rights.MoveAnswer})
	h.clk.Advance(60 * day)
	h.chase(t, 0, 0)
	if q = h.work(t, q); q.State != rights.Verified {
		t.Errorf("it was answered and is %s", q.State)
	}
	q = h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}}, rights.Opening{Method: rights.BySignIn, Ask: "Which year?", About: "scope"})
	h.clk.Advance(60 * day)
	h.chase(t, 1, 0)
	h.clk.Advance(7 * day)
	h.chase(t, 0, 1)
	if q, err := h.Get(t.Context(), h.t, q.ID); err != nil || q.Article != "Art. 12(2) GDPR" || q.Facts.Outcome != rights.OutcomeUnanswered {
		t.Errorf("it is %s by %s: %v", q.Facts.Outcome, q.Article, err)
	}
	for _, days := range []int{-1, 1, 400} {
		if err := h.Set(t.Context(), h.t, rights.Settings{AnswerDays: days}); !fail.Is(err, fail.Invalid) {
			t.Errorf("%d days: %v", days, err)
		}
	}
}

func TestWhoCannotBeRemindedIsLeftToStaff(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	q := h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{Name: "Ada Lovelace"}}, rights.Opening{Ask: "Which device?", Told: "letter"})
	h.clk.Advance(40 * day)
	h.chase(t, 0, 0)
	h.chase(t, 0, 0)
	q, err := h.Get(t.Context(), h.t, q.ID)
	if err != nil || q.State != rights.IdentityPending || !strings.Contains(q.Problem, "remind them") {
		t.Errorf("it is %s: %q, %v", q.State, q.Problem, err)
	}
	trail, err := h.Trail(t.Context(), h.t, q.ID)
	if err != nil || len(trail) != 2 || trail[1].What != "unanswered" {
		t.Errorf("the trail is %+v, %v", trail, err)
	}
	for _, m := range []rights.Move{rights.MoveRemind, rights.MoveLapse} {
		if _, err := h.Act(t.Context(), h.t, q.ID, rights.Act{Do: m, By: clerk}); !fail.Is(err, fail.Forbidden) {
			t.Errorf("staff made the move %s: %v", m, err)
		}
	}
}
