package rights_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/mail"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// letterbox keeps the letters whose transaction committed.
type letterbox struct {
	off  bool
	sent []mail.Letter
}

func (b *letterbox) Enabled() bool { return !b.off }

func (b *letterbox) SendTx(_ context.Context, tx *store.Tx, l mail.Letter) error {
	tx.AfterCommit(func() { b.sent = append(b.sent, l) })
	return nil
}

func (b *letterbox) last(t testing.TB) mail.Letter {
	t.Helper()
	if len(b.sent) == 0 {
		t.Fatal("no letter was sent")
	}
	return b.sent[len(b.sent)-1]
}

var digits = regexp.MustCompile(`(?m)^(\d{4}) (\d{4})$`)

func (b *letterbox) code(t testing.TB) string {
	t.Helper()
	m := digits.FindStringSubmatch(b.last(t).Text)
	if m == nil {
		t.Fatalf("there is no code in %q", b.last(t).Text)
	}
	return m[1] + m[2]
}

var (
	clerk  = rights.Actor{Kind: "staff", ID: uuid.MustParse("0194a1b2-0000-7000-8000-00000000000a")}
	second = rights.Actor{Kind: "staff", ID: uuid.MustParse("0194a1b2-0000-7000-8000-00000000000b")}
)

func (h *house) open(t testing.TB, q rights.Request, o rights.Opening) *rights.Request {
	t.Helper()
	made, err := h.Open(t.Context(), h.t, q, o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (h *house) act(t testing.TB, q *rights.Request, a rights.Act) *rights.Request {
	t.Helper()
	if a.By == (rights.Actor{}) {
		a.By = clerk
	}
	after, err := h.Act(t.Context(), h.t, q.ID, a)
	if err != nil {
		t.Fatalf("%s: %v", a.Do, err)
	}
	return after
}

func (h *house) cannot(t testing.TB, q *rights.Request, a rights.Act, kind fail.Kind, field string) {
	t.Helper()
	if a.By == (rights.Actor{}) {
		a.By = clerk
	}
	_, err := h.Act(t.Context(), h.t, q.ID, a)
	if !fail.Is(err, kind) {
		t.Fatalf("%s: %v", a.Do, err)
	}
	if got := err.(*fail.Error).Field; got != field {
		t.Errorf("%s blames the field %q, want %q", a.Do, got, field)
	}
}

func (h *house) work(t testing.TB, q *rights.Request) *rights.Request {
	t.Helper()
	if _, err := h.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := h.Get(t.Context(), h.t, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func (h *house) allows(t testing.TB, s id.Subject, purpose string) bool {
	t.Helper()
	ok, err := h.consent.Standing(t.Context(), h.t, s, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func byMail(p person) rights.Who { return rights.Who{EmailAddresses: []string{p.email}} }

func TestNothingIsReleasedBeforeTheCodeComesBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		q := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p)}, rights.Opening{Method: rights.ByCode})
		if q.State != rights.IdentityPending || q.State.Status() != "INITIATED" {
			t.Fatalf("it begins as %s", q.State)
		}
		if l := h.letters.last(t); l.To != p.email || l.About != p.subject {
			t.Errorf("the code went to the wrong place, or an erasure would miss it: %+v", l)
		}
		code := h.letters.code(t)
		due := q.DueAt
		h.clk.Advance(5 * time.Minute)
		if q = h.work(t, q); q.State != rights.IdentityPending || q.Package != nil {
			t.Fatalf("without the code it is %s", q.State)
		}
		for range 2 {
			if _, err := h.CheckCode(t.Context(), h.t, q.ID, "00000000", rights.Actor{Kind: "subject"}); !fail.Is(err, fail.Forbidden) {
				t.Fatalf("a wrong code: %v", err)
			}
		}
		q, err := h.CheckCode(t.Context(), h.t, q.ID, code[:4]+" "+code[4:], rights.Actor{Kind: "subject"})
		if err != nil || q.Facts.Identity.Method != rights.ByCode {
			t.Fatalf("the right code: %v", err)
		}
		if !q.DueAt.Equal(due) {
			t.Errorf("a question answered on its day moved the date from %v to %v", due, q.DueAt)
		}
		if q = h.work(t, q); q.State != rights.Verified || q.Package == nil {
			t.Errorf("with the code it is %s: %s", q.State, q.Problem)
		}
		if _, err := h.CheckCode(t.Context(), h.t, q.ID, code, rights.Actor{Kind: "subject"}); !fail.Is(err, fail.Forbidden) {
			t.Errorf("the code a second time: %v", err)
		}
		var what []string
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range trail {
			what = append(what, e.What)
		}
		if got := strings.Join(what, " "); got != "received code-wrong code-wrong verify packaging verified" {
			t.Errorf("the trail is %s", got)
		}
		if n := h.rows(t, "rights_code"); n != 0 {
			t.Errorf("%d codes are left", n)
		}
	})
}

func TestACodeEndsAfterFiveTriesAndAfterAQuarterOfAnHour(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	subject := rights.Actor{Kind: "subject"}
	q := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p)}, rights.Opening{Method: rights.ByCode})
	code := h.letters.code(t)
	for i := range 5 {
		if _, err := h.CheckCode(t.Context(), h.t, q.ID, "1", subject); !fail.Is(err, fail.Forbidden) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if _, err := h.CheckCode(t.Context(), h.t, q.ID, code, subject); !fail.Is(err, fail.Gone) {
		t.Errorf("the sixth try: %v", err)
	}
	if err := h.SendCode(t.Context(), h.t, q.ID, clerk); err != nil {
		t.Fatal(err)
	}
	late := h.letters.code(t)
	h.clk.Advance(15 * time.Minute)
	if _, err := h.CheckCode(t.Context(), h.t, q.ID, late, subject); !fail.Is(err, fail.Gone) {
		t.Errorf("after a quarter of an hour: %v", err)
	}
	for range 3 {
		if err := h.SendCode(t.Context(), h.t, q.ID, clerk); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SendCode(t.Context(), h.t, q.ID, clerk); !fail.Is(err, fail.TooMany) {
		t.Errorf("a sixth letter in a day: %v", err)
	}
	if _, err := h.CheckCode(t.Context(), h.t, q.ID, h.letters.code(t), subject); err != nil {
		t.Errorf("the newest code: %v", err)
	}
	if _, err := h.CheckCode(t.Context(), h.t, uuid.New(), "1", subject); !fail.Is(err, fail.Forbidden) {
		t.Errorf("a request that is not there looks different: %v", err)
	}
	for name, who := range map[string]rights.Who{
		"a phone number beside it":  {EmailAddresses: []string{p.email}, PhoneNumbers: []string{p.phone}},
		"a customer number instead": {ExternalID: "7"},
		"two addresses":             {EmailAddresses: []string{p.email, "b@example.org"}},
	} {
		if _, err := h.Open(t.Context(), h.t, rights.Request{Type: rights.Access, Who: who}, rights.Opening{Method: rights.ByCode}); !fail.Is(err, fail.Invalid) {
			t.Errorf("a code for %s: %v", name, err)
		}
	}
	h.letters.off = true
	if _, err := h.Open(t.Context(), h.t, rights.Request{Type: rights.Access, Who: byMail(p)}, rights.Opening{Method: rights.ByCode}); !fail.Is(err, fail.Unavailable) {
		t.Errorf("without a mail server: %v", err)
	}
}

func TestAQuestionStopsTheClockFromTheDayItIsAskedToTheDayItIsAnswered(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.open(t, rights.Request{Type: rights.Erasure, Who: rights.Who{PhoneNumbers: []string{p.phone}}, ReceivedAt: h.clk.Now().AddDate(0, 0, -3)},
		rights.Opening{Ask: "Which number did you give when you ordered?", Told: "letter"})
	due := time.Date(2026, 12, 18, 0, 0, 0, 0, time.UTC)
	if !q.DueAt.Equal(due) {
		t.Fatalf("received three days before it was entered, it is due %v, want %v", q.DueAt, due)
	}
	h.clk.Advance(10 * 24 * time.Hour)
	h.cannot(t, q, rights.Act{Do: rights.MoveVerify, Method: rights.ByStaff}, fail.Invalid, "reason")
	q = h.act(t, q, rights.Act{Do: rights.MoveVerify, Method: rights.ByStaff, Reason: "Called back under " + p.phone + "; the answers were right."})
	if want := due.AddDate(0, 0, 10+1); !q.DueAt.Equal(want) { // 27 December is a Sunday
		t.Errorf("after ten days it is due %v, want %v", q.DueAt, want)
	}
	trail, err := h.Trail(t.Context(), h.t, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	if said := trail[len(trail)-1].Words["reason"]; strings.Contains(said, p.phone) || !strings.Contains(said, "the answers were right") {
		t.Errorf("the trail, which outlives the erasure, says %q", said)
	}
	if q = h.work(t, q); q.State != rights.Verified {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
}

func TestAQuestionOfScopeStopsTheClockOfSomebodyWhoIsKnown(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p)}, rights.Opening{Method: rights.BySignIn, Ask: "Which orders do you mean?", About: "scope"})
	if q.State != rights.IdentityPending || !q.Paused() || q.Facts.Identity.Method != rights.BySignIn || !strings.Contains(h.letters.last(t).Text, "Which orders") {
		t.Fatalf("it is %s: %+v", q.State, q.Facts)
	}
	h.cannot(t, q, rights.Act{Do: rights.MoveVerify, Method: rights.BySignIn}, fail.Conflict, "")
	if q = h.act(t, q, rights.Act{Do: rights.MoveAnswer}); q.State != rights.Received {
		t.Fatalf("answered it is %s", q.State)
	}
	if q = h.work(t, q); q.Package == nil {
		t.Errorf("it is %s", q.State)
	}
	for name, o := range map[string]rights.Opening{
		"a code and a question":           {Method: rights.ByCode, Ask: "Who?"},
		"a method and a question of who":  {Method: rights.BySignIn, Ask: "Who?"},
		"a question about something else": {Ask: "Who?", About: "weather"},
	} {
		if _, err := h.Open(t.Context(), h.t, rights.Request{Type: rights.Access, Who: byMail(p)}, o); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARefusalHasItsThreePartsOrIsNone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		q := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p)}, rights.Opening{Ask: "Who are you?"})
		whole := rights.Act{
			Do: rights.MoveRefuse, Article: "Art. 12(5)(b)", Reason: "This is the ninth request in two weeks for the same unchanged data.",
			Complaint: "The data protection authority of Hesse.", Remedy: "The administrative court at Wiesbaden.",
		}
		for field, part := range map[string]func(*rights.Act){
			"reason":    func(a *rights.Act) { a.Reason = " " },
			"complaint": func(a *rights.Act) { a.Complaint = "" },
			"remedy":    func(a *rights.Act) { a.Remedy = "" },
			"article":   func(a *rights.Act) { a.Article = "" },
		} {
			a := whole
			part(&a)
			h.cannot(t, q, a, fail.Invalid, field)
		}
		q = h.act(t, q, whole)
		if q.State != rights.Refused || q.State.Status() != "ERROR" || q.Article != whole.Article || q.FinishedAt.IsZero() {
			t.Errorf("refused it is %+v", q)
		}
		letter := h.letters.last(t).Text
		for _, part := range []string{whole.Reason, whole.Complaint, whole.Remedy, whole.Article} {
			if !strings.Contains(letter, part) {
				t.Errorf("the letter lacks %q", part)
			}
		}
		if again := h.work(t, q); again.State != rights.Refused || again.Package != nil {
			t.Errorf("a refused request is carried out: %s", again.State)
		}
		h.cannot(t, q, rights.Act{Do: rights.MoveVerify, Method: rights.BySignIn}, fail.Conflict, "")

		h.letters.off = true
		q = h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{Name: "Somebody"}}, rights.Opening{Ask: "Who are you?", Told: "letter"})
		whole.Outcome, whole.Article = rights.OutcomeUnidentified, "Art. 11(2)"
		h.cannot(t, q, whole, fail.Invalid, "told")
		whole.Told = "letter"
		if q = h.act(t, q, whole); q.Facts.Outcome != rights.OutcomeUnidentified {
			t.Errorf("it ended as %s", q.Facts.Outcome)
		}
	})
}

func TestAnExtensionIsGivenOnceWithReasonsAndWithinTheFirstMonth(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p), ReceivedAt: h.clk.Now().AddDate(0, 0, -20)}, rights.Opening{})
	q = h.act(t, q, rights.Act{Do: rights.MoveAsk, About: "scope", Reason: "Which of your orders do you mean?"})
	h.cannot(t, q, rights.Act{Do: rights.MoveExtend}, fail.Invalid, "reason")
	before := q.DueAt
	q = h.act(t, q, rights.Act{Do: rights.MoveExtend, Reason: "Forty systems must be searched."})
	if want := time.Date(2027, 2, 2, 0, 0, 0, 0, time.UTC); !q.DueAt.Equal(want) || !q.DueAt.After(before) { // 31 January is a Sunday
		t.Errorf("it is due %v, want %v", q.DueAt, want)
	}
	if q.Facts.Extended.Told != "e-mail" || !strings.Contains(h.letters.last(t).Text, "Forty systems") {
		t.Error("the person was not told of the extension")
	}
	h.cannot(t, q, rights.Act{Do: rights.MoveExtend, Reason: "Again."}, fail.Conflict, "")

	late := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p), ReceivedAt: h.clk.Now().AddDate(0, -1, -10)}, rights.Opening{Ask: "Who are you?"})
	if late.Facts.Pauses[0].Late == false {
		t.Error("a question that came after more than a month is called prompt")
	}
	h.cannot(t, late, rights.Act{Do: rights.MoveExtend, Reason: "Too late."}, fail.Conflict, "")
	if n := len(h.entries(t, "rights.extended")); n != 1 {
		t.Errorf("%d extensions stand in the ledger", n)
	}
}

func TestALegalHoldKeepsFromErasureAndIsNamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p, other := h.newPerson(t), h.newPerson(t)
		if _, err := h.Keep(t.Context(), h.t, byMail(p), "Art. 17(3)(x)", "A claim.", clerk); !fail.Is(err, fail.Invalid) {
			t.Fatalf("a hold on no ground: %v", err)
		}
		hold, err := h.Keep(t.Context(), h.t, byMail(p), "Art. 17(3)(e) GDPR", "Claim 12 against "+p.email, clerk)
		if err != nil {
			t.Fatal(err)
		}
		q := h.work(t, h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{PhoneNumbers: []string{p.phone}}}))
		if q.State != rights.Held || q.State.Status() != "INITIATED" || q.Facts.Hold == nil || q.Facts.Hold.Record != hold.ID || q.Report.Kept[0].Article != "Art. 17(3)(e) GDPR" {
			t.Fatalf("a held erasure is %s: %+v", q.State, q.Facts.Hold)
		}
		if has, err := h.keys.Has(t.Context(), h.t, p.subject); err != nil || !has || h.held(t, p.subject) == 0 {
			t.Fatalf("something was destroyed in spite of the hold (%v)", err)
		}
		if done := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: byMail(other)}); done.State != rights.Verified {
			t.Errorf("the hold stops the erasure of somebody else: %s", done.State)
		}
		list, err := h.Keepings(t.Context(), h.t)
		if err != nil || len(list) != 1 || strings.Contains(list[0].Reason, p.email) || !strings.Contains(list[0].Reason, "Claim 12") {
			t.Errorf("the holds are %+v (%v)", list, err)
		}
		if !h.mustStay(t, p.subject) || h.mustStay(t, other.subject) {
			t.Error("the hold keeps the wrong people's data from being deleted otherwise")
		}
		if err := h.Release(t.Context(), h.t, hold.ID, "The claim was settled.", clerk); err != nil {
			t.Fatal(err)
		}
		if q = h.work(t, q); q.State != rights.Verified || h.held(t, p.subject) != 0 || !q.Certified {
			t.Errorf("after the hold it is %s: %s", q.State, q.Problem)
		}
		if err := h.Release(t.Context(), h.t, hold.ID, "Again.", clerk); !fail.Is(err, fail.NotFound) {
			t.Errorf("released twice: %v", err)
		}
		// A hold on somebody who may stand in other databases only.
		if hold, err = h.Keep(t.Context(), h.t, rights.Who{EmailAddresses: []string{"elsewhere@example.org"}}, "Art. 17(3)(e)", "Claim 13.", clerk); err != nil {
			t.Fatal(err)
		}
		q = h.work(t, h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{"elsewhere@example.org"}}}))
		if q.State != rights.Held || q.Facts.Hold.Record != hold.ID {
			t.Errorf("it is %s", q.State)
		}
		if err := h.Release(t.Context(), h.t, hold.ID, "Settled.", clerk); err != nil {
			t.Fatal(err)
		}
		if q = h.work(t, q); q.State != rights.Verified || h.rows(t, "rights_hold_digest") != 0 {
			t.Errorf("released it is %s", q.State)
		}
		// A hold on one request.
		third := h.newPerson(t)
		q = h.open(t, rights.Request{Type: rights.Erasure, Who: byMail(third)}, rights.Opening{})
		q = h.act(t, q, rights.Act{Do: rights.MoveHold, Article: "Art. 17(3)(b)", Reason: "Invoices are kept for ten years."})
		if q = h.work(t, q); q.State != rights.Held || h.held(t, third.subject) == 0 {
			t.Errorf("it is %s", q.State)
		}
		q = h.act(t, q, rights.Act{Do: rights.MoveRelease, Reason: "They are elsewhere."})
		if q = h.work(t, q); q.State != rights.Verified {
			t.Errorf("released it is %s: %s", q.State, q.Problem)
		}
	})
}

func TestARestrictionStopsEverythingButStorageUntilItIsLiftedAfterANotice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		if !h.allows(t, p.subject, "predict") || !h.allows(t, p.subject, "marketing") {
			t.Fatal("nothing was allowed before")
		}
		before := h.held(t, p.subject)
		q := h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: byMail(p), Facts: rights.Facts{Ground: "b"}}))
		if q.State != rights.Verified || q.Facts.Ground != "b" {
			t.Fatalf("it is %s: %s", q.State, q.Problem)
		}
		for _, purpose := range []string{"measure", "actions", "identity", "predict", "support", "sales", "marketing"} {
			if h.allows(t, p.subject, purpose) {
				t.Errorf("%s is allowed during the restriction", purpose)
			}
			if ok, err := h.consent.Learnable(t.Context(), h.t, p.subject, "predict", purpose); err != nil || ok {
				t.Errorf("what is known can be learnt from during the restriction (%v)", err)
			}
		}
		if _, err := h.consent.GateFor(t.Context(), h.t, p.subject, deployment, "measure"); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("the gate: %v", err)
		}
		if h.held(t, p.subject) != before || !h.mustStay(t, p.subject) {
			t.Error("the restriction took something away, or lets something else take it")
		}
		lift := rights.Act{Do: rights.MoveLift, Reason: "The data was found to be right."}
		h.cannot(t, q, lift, fail.Conflict, "")
		q = h.act(t, q, rights.Act{Do: rights.MoveAnnounce, Reason: lift.Reason})
		if !strings.Contains(h.letters.last(t).Text, lift.Reason) {
			t.Error("the person was not told")
		}
		h.cannot(t, q, lift, fail.Conflict, "")
		h.clk.Advance(25 * time.Hour)
		q = h.act(t, q, lift)
		if !h.allows(t, p.subject, "predict") || q.Facts.Lifting.Lifted.IsZero() {
			t.Error("after the restriction nothing is allowed")
		}
		h.cannot(t, q, lift, fail.Conflict, "")
		// Erasure goes on under a restriction, and leaves nothing of it.
		h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: byMail(p)}))
		if done := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: byMail(p)}); done.State != rights.Verified || h.rows(t, "rights_restriction") != 0 {
			t.Errorf("the erasure is %s, %d restrictions are left", done.State, h.rows(t, "rights_restriction"))
		}
	})
}

func TestAnObjectionRestrictsAtOnceAndIsDecidedByAHuman(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		held, compelling := h.newPerson(t), h.newPerson(t)
		object := func(p person) *rights.Request {
			q := h.work(t, h.submit(t, rights.Request{Type: rights.Objection, Who: byMail(p), Statement: "I am known in this town.", Facts: rights.Facts{Purposes: []string{"predict"}}}))
			if q.State != rights.Deciding || q.Statement == "" {
				t.Fatalf("it is %s: %s", q.State, q.Problem)
			}
			if h.allows(t, p.subject, "measure") || h.allows(t, p.subject, "predict") {
				t.Error("while it is being decided the data is used")
			}
			return q
		}
		q := object(held)
		h.cannot(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeChanged, Reason: "x"}, fail.Invalid, "outcome")
		h.cannot(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeUpheld, Reason: "x", By: rights.Actor{Kind: "system"}}, fail.Forbidden, "")
		q = h.act(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeUpheld, Reason: "Nothing outweighs it."})
		if q = h.work(t, q); q.State != rights.Verified {
			t.Fatalf("decided it is %s: %s", q.State, q.Problem)
		}
		if h.allows(t, held.subject, "predict") || !h.allows(t, held.subject, "measure") {
			t.Error("after it was upheld the wrong purposes are open")
		}
		q = object(compelling)
		h.cannot(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeCompelling, Reason: "x"}, fail.Invalid, "complaint")
		q = h.act(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeCompelling, Reason: "Fraud must be found.", Complaint: "The authority.", Remedy: "The court."})
		if q = h.work(t, q); q.State != rights.Verified || !h.allows(t, compelling.subject, "predict") {
			t.Errorf("it is %s", q.State)
		}
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(trail, func(e rights.Happened) bool { return e.What == "decide" }); i < 0 || trail[i].By != clerk || trail[i].Words["outcome"] != "compelling-grounds" {
			t.Errorf("the decision is not recorded: %+v", trail)
		}
	})
}

func TestARestrictionEndsWithAnObjectionThatIsRefusedOrTakenBack(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	for _, a := range []rights.Act{
		{Do: rights.MoveWithdraw},
		{Do: rights.MoveRefuse, Reason: "It names no situation.", Article: "Art. 12(5)(b)", Complaint: "The authority.", Remedy: "The court."},
	} {
		p := h.newPerson(t)
		q := h.work(t, h.submit(t, rights.Request{
			Type: rights.Objection, Who: rights.Who{Subjects: []id.Subject{p.subject}, EmailAddresses: []string{p.email}},
			Facts: rights.Facts{Purposes: []string{"predict"}}, CreatedBy: rights.Actor{Kind: "subject"},
		}))
		if q.Facts.Identity.Method != rights.ByCookie || h.allows(t, p.subject, "measure") {
			t.Fatalf("it is %s, known by %s", q.State, q.Facts.Identity.Method)
		}
		if q = h.act(t, q, a); !q.State.Final() || !h.allows(t, p.subject, "predict") || h.rows(t, "rights_restriction") != 0 {
			t.Errorf("after %s it is %s, and the restriction stays", a.Do, q.State)
		}
	}
}

func TestAnObjectionToDirectMarketingHoldsWithoutAnyDecision(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.work(t, h.submit(t, rights.Request{Type: rights.Objection, Who: byMail(p), Facts: rights.Facts{Marketing: true}}))
	if q.State != rights.Verified || h.allows(t, p.subject, "marketing") || !h.allows(t, p.subject, "measure") {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
}

func TestAnObjectionWhosePurposesEndAtOnceNeedsNeitherDecisionNorApproval(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	if err := h.Set(t.Context(), h.t, rights.Settings{SecondPerson: []rights.Type{rights.Objection}}); err != nil {
		t.Fatal(err)
	}
	q := h.work(t, h.submit(t, rights.Request{Type: rights.Objection, Who: byMail(p), Statement: "No.", Facts: rights.Facts{Purposes: []string{"predict", "marketing"}, AtOnce: true}}))
	if q.State != rights.Verified || h.allows(t, p.subject, "predict") || h.allows(t, p.subject, "marketing") || !h.allows(t, p.subject, "measure") {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
	if h.rows(t, "rights_restriction") != 0 || len(q.Report.Stores) == 0 || q.Report.Stores[0].Did != "closed" {
		t.Errorf("the use of everything else is restricted, or nobody is told what ended: %+v", q.Report.Stores)
	}
	for _, bad := range []rights.Request{
		{Type: rights.Objection, Who: byMail(p), Facts: rights.Facts{Marketing: true, AtOnce: true}},
		{Type: rights.Access, Who: byMail(p), Facts: rights.Facts{AtOnce: true}},
	} {
		if _, err := h.Submit(t.Context(), h.t, bad); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s that ends nothing at once: %v", bad.Type, err)
		}
	}
}

func TestAHumanReviewsAnAutomatedDecision(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	decision := &rights.Automated{Kind: "offer", ID: id.New()}
	q := h.work(t, h.submit(t, rights.Request{Type: rights.HumanReview, Who: byMail(p), Statement: "I did order before.", Facts: rights.Facts{Automated: decision}}))
	if q.State != rights.Deciding || *q.Facts.Automated != *decision || !h.allows(t, p.subject, "predict") {
		t.Fatalf("it is %s: %s", q.State, q.Problem)
	}
	h.cannot(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeConfirmed, Reason: "x"}, fail.Invalid, "complaint")
	q = h.act(t, q, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeChanged, Reason: "The order was overlooked."})
	if q = h.work(t, q); q.State != rights.Verified || q.Facts.Outcome != rights.OutcomeChanged || len(h.entries(t, "rights.completed")) != 1 {
		t.Errorf("it is %s", q.State)
	}
}

func TestASecondPersonApproves(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	if err := h.Set(t.Context(), h.t, rights.Settings{SecondPerson: []rights.Type{"forgetting"}}); !fail.Is(err, fail.Invalid) {
		t.Fatalf("an unknown type: %v", err)
	}
	old := h.open(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Name: "Nobody"}}, rights.Opening{Ask: "Who are you?", Told: "letter"})
	if err := h.Set(t.Context(), h.t, rights.Settings{SecondPerson: []rights.Type{rights.Erasure}}); err != nil {
		t.Fatal(err)
	}
	q := h.open(t, rights.Request{Type: rights.Erasure, Who: byMail(p), CreatedBy: clerk}, rights.Opening{})
	if q = h.work(t, q); q.State != rights.ApprovalPending || h.held(t, p.subject) == 0 {
		t.Fatalf("without approval it is %s", q.State)
	}
	if q.Facts.Policy == old.Facts.Policy {
		t.Error("the new rules have the hash of the old ones")
	}
	h.cannot(t, q, rights.Act{Do: rights.MoveApprove}, fail.Forbidden, "")
	q = h.act(t, q, rights.Act{Do: rights.MoveApprove, By: second})
	if q = h.work(t, q); q.State != rights.Verified || h.held(t, p.subject) != 0 {
		t.Errorf("approved it is %s: %s", q.State, q.Problem)
	}
	// What was received under the old rules goes by them.
	if old = h.act(t, old, rights.Act{Do: rights.MoveVerify, Method: rights.ByStaff, Reason: "Known."}); old.State != rights.Received {
		t.Errorf("the old one is %s", old.State)
	}
	body, err := h.Snapshot(t.Context(), h.t, q.Facts.Policy)
	if err != nil || !strings.Contains(string(body), `"second_person_for":["erasure"]`) {
		t.Errorf("the policy kept is %s (%v)", body, err)
	}
}

func TestADuplicateIsLinkedAndEarlierRequestsAreCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		first := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p)}, rights.Opening{Ask: "Who are you?"})
		twin := h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{" " + strings.ToUpper(p.email)}}}, rights.Opening{Ask: "Who are you?", Told: "letter"})
		if twin.Facts.Duplicate != first.ID || twin.Facts.Earlier != 1 {
			t.Errorf("the twin is %+v", twin.Facts)
		}
		other := h.open(t, rights.Request{Type: rights.Erasure, Who: byMail(p)}, rights.Opening{Ask: "Who are you?"})
		if other.Facts.Duplicate != uuid.Nil || other.Facts.Earlier != 2 {
			t.Errorf("a request of another type is %+v", other.Facts)
		}
		stranger := h.open(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{"b@example.org"}}}, rights.Opening{})
		if stranger.Facts.Earlier != 0 {
			t.Errorf("somebody else's is %+v", stranger.Facts)
		}
		// What finds a person by their requests goes with the erasure.
		other = h.act(t, other, rights.Act{Do: rights.MoveVerify, Method: rights.BySignIn})
		if other = h.work(t, other); other.State != rights.Verified {
			t.Fatalf("the erasure is %s", other.State)
		}
		if again := h.open(t, rights.Request{Type: rights.Erasure, Who: byMail(p)}, rights.Opening{}); again.Facts.Earlier != 2 {
			t.Errorf("after the erasure %d requests are found; the two that were never tied to anybody remain", again.Facts.Earlier)
		}
	})
}

func TestSimulationCountsAndChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		snapshot := func() (n int) {
			for _, table := range []string{"rights_request", "rights_trail", "rights_policy", "rights_request_digest", "ledger_entry", "rights_package"} {
				n += h.rows(t, table)
			}
			return n + h.held(t, p.subject)
		}
		before := snapshot()
		for _, typ := range []rights.Type{rights.Access, rights.Erasure} {
			plan, err := h.Simulate(t.Context(), h.t, rights.Request{Type: typ, Who: byMail(p)}, rights.Opening{})
			if err != nil || !plan.Matched || plan.Found != 1 || plan.State != rights.Received {
				t.Fatalf("%s: %+v (%v)", typ, plan, err)
			}
			rows := int64(0)
			for _, c := range plan.Rows {
				rows += c.N
			}
			if rows == 0 || typ == rights.Access && len(plan.Stores) < 3 {
				t.Errorf("%s counts %d rows in %+v", typ, rows, plan.Stores)
			}
		}
		if after := snapshot(); after != before || len(h.letters.sent) != 0 {
			t.Errorf("a simulation changed something: %d, then %d", before, after)
		}
	})
}

func TestABulkIsStoredItemByItemAndOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		a, b := h.newPerson(t), h.newPerson(t)
		items := []rights.Item{
			{Request: rights.Request{Type: rights.Access, Who: byMail(a)}},
			{Request: rights.Request{Type: "forgetting", Who: byMail(a)}},
			{Request: rights.Request{Type: rights.Erasure, Who: byMail(b)}},
		}
		done, err := h.Bulk(t.Context(), h.t, clerk, "monday", items)
		if err != nil {
			t.Fatal(err)
		}
		if done[0].Err != nil || done[2].Err != nil || !fail.Is(done[1].Err, fail.Invalid) {
			t.Fatalf("%+v", done)
		}
		again, err := h.Bulk(t.Context(), h.t, clerk, "monday", items)
		if err != nil || again[0].Request.ID != done[0].Request.ID || again[2].Request.ID != done[2].Request.ID || h.rows(t, "rights_request") != 2 {
			t.Errorf("repeated: %+v (%v)", again, err)
		}
		items[0].Request.Type = rights.Portability
		if _, err := h.Bulk(t.Context(), h.t, clerk, "monday", items); !fail.Is(err, fail.Conflict) {
			t.Errorf("the key for something else: %v", err)
		}
		if other, err := h.Bulk(t.Context(), h.t, second, "monday", items); err != nil || other[0].Request.ID == done[0].Request.ID {
			t.Errorf("the key of somebody else: %+v (%v)", other, err)
		}
		if _, err := h.Bulk(t.Context(), h.t, clerk, "", nil); !fail.Is(err, fail.Invalid) {
			t.Errorf("nothing at all: %v", err)
		}
	})
}

func TestCallsMadeAtOnceUnderOneKeyMakeOneRequest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		item := rights.Item{Request: rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{"a@example.org"}}}}
		made := make(chan uuid.UUID, 8)
		for range cap(made) {
			go func() {
				var id uuid.UUID
				for range 20 {
					q, err := h.OpenOnce(t.Context(), h.t, clerk, "key", 0, item)
					if fail.Is(err, fail.Unavailable) {
						continue
					}
					if err != nil {
						t.Error(err)
					} else {
						id = q.ID
					}
					break
				}
				made <- id
			}()
		}
		first := <-made
		for range cap(made) - 1 {
			if other := <-made; other != first || other == uuid.Nil {
				t.Errorf("one call made %s, another %s", first, other)
			}
		}
		if n := h.rows(t, "rights_request"); n != 1 {
			t.Errorf("there are %d requests", n)
		}
	})
}

// Two people of staff act at once: one of them is told to read the request again.
func TestOfTwoDecisionsMadeAtOnceOneCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		q := h.work(t, h.submit(t, rights.Request{Type: rights.Objection, Who: byMail(p), Facts: rights.Facts{Purposes: []string{"predict"}}}))
		errs := make(chan error, 2)
		for _, a := range []rights.Act{
			{Do: rights.MoveDecide, By: clerk, Outcome: rights.OutcomeUpheld, Reason: "Nothing outweighs it.", Told: "letter"},
			{Do: rights.MoveDecide, By: second, Outcome: rights.OutcomeCompelling, Reason: "Fraud.", Complaint: "The authority.", Remedy: "The court.", Told: "letter"},
		} {
			go func() {
				_, err := h.Act(t.Context(), h.t, q.ID, a)
				errs <- err
			}()
		}
		won := 0
		for range 2 {
			if err := <-errs; err == nil {
				won++
			} else if !fail.Is(err, fail.Conflict) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d decisions counted", won)
		}
		decisions := 0
		trail, err := h.Trail(t.Context(), h.t, q.ID)
		for _, e := range trail {
			if e.What == string(rights.MoveDecide) {
				decisions++
			}
		}
		if decisions != 1 || err != nil {
			t.Errorf("%d decisions stand in the trail (%v)", decisions, err)
		}
	})
}

// A process is killed at each of its contacts with other rooms while it takes a bulk in. The caller, who
// got no answer, repeats the call: each request is there once, and each acknowledged one is kept.
func TestABulkSurvivesDeathAtEveryStepAndIsNeitherLostNorDoubled(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	deaths := 0
	for n := 1; ; n++ {
		a, b := h.newPerson(t), h.newPerson(t)
		items := []rights.Item{{Request: rights.Request{Type: rights.Access, Who: byMail(a)}}, {Request: rights.Request{Type: rights.Erasure, Who: byMail(b)}}}
		before, key := h.rows(t, "rights_request"), fmt.Sprintf("call %d", n)
		room, _ := h.doomed(n)
		died := dies(t, func() error { _, err := room.Bulk(t.Context(), h.t, clerk, key, items); return err })
		done, err := h.Bulk(t.Context(), h.t, clerk, key, items)
		if err != nil || done[0].Err != nil || done[1].Err != nil {
			t.Fatalf("after death at contact %d: %+v (%v)", n, done, err)
		}
		if made := h.rows(t, "rights_request") - before; made != 2 {
			t.Fatalf("after death at contact %d there are %d requests, want 2", n, made)
		}
		for _, d := range done {
			if q := h.work(t, d.Request); q.State != rights.Verified {
				t.Fatalf("after death at contact %d a request is %s: %s", n, q.State, q.Problem)
			}
		}
		if !died {
			break
		}
		deaths++
	}
	if deaths < 4 {
		t.Errorf("only %d deaths: the fuse does not burn", deaths)
	}
	// A week later the key is forgotten.
	h.clk.Advance(8 * 24 * time.Hour)
	if _, err := h.Expire(t.Context()); err != nil || h.rows(t, "rights_once") != 0 {
		t.Errorf("%d keys are left (%v)", h.rows(t, "rights_once"), err)
	}
}

func TestTheRequestOfAnErasedPersonDoesNotWaitForever(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.work(t, h.submit(t, rights.Request{Type: rights.HumanReview, Who: byMail(p), Facts: rights.Facts{Automated: &rights.Automated{Kind: "offer", ID: id.New()}}}))
	if done := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: byMail(p)}); done.State != rights.Verified {
		t.Fatalf("the erasure is %s: %s", done.State, done.Problem)
	}
	if q = h.work(t, q); q.State != rights.Failed || !strings.Contains(q.Problem, "erased") {
		t.Errorf("it is %s: %s", q.State, q.Problem)
	}
}

func TestTheTrailIsOnlyAddedTo(t *testing.T) {
	for _, statement := range []string{"UPDATE rights_trail", "DELETE FROM rights_trail", "UPDATE rights_policy", "DELETE FROM rights_policy"} {
		for file, text := range sources(t) {
			if strings.Contains(text, statement) {
				t.Errorf("%s has %s", file, statement)
			}
		}
	}
}

func (h *house) mustStay(t testing.TB, s id.Subject) (stays bool) {
	t.Helper()
	err := h.db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) (err error) {
		stays, err = h.MustStay(t.Context(), tx, []id.Subject{s})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return stays
}

// sources are the files of the package.
func sources(t testing.TB) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) < 20 {
		t.Fatalf("only %d files are found (%v)", len(names), err)
	}
	texts := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

// entries returns what stands in the ledger of a kind.
func (h *house) entries(t testing.TB, kind string) (found []ledger.News) {
	t.Helper()
	err := h.db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) error {
		news, _, err := h.ledger.Since(t.Context(), tx, 0, 1000)
		found = nil
		for _, n := range news {
			if n.Kind == kind {
				found = append(found, n)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
