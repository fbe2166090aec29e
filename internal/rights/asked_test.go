package rights_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/mail"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/verify"
)

// queue puts the letters of questions into the mail room, as the program does.
type queue struct {
	mail *mail.Room
	sent []consent.Question
}

func (q *queue) Ask(ctx context.Context, tx *store.Tx, of consent.Question) error {
	q.sent = append(q.sent, of)
	return q.mail.SendTx(ctx, tx, mail.Letter{
		To: of.To, Topic: of.Kind, Subject: "Please confirm", Text: "Is it you?", Language: "en", About: of.About, Receiver: of.Asked,
	})
}

// withPost gives the house a mail room whose letters are never sent.
func (h *house) withPost(t testing.TB) *queue {
	t.Helper()
	room, err := mail.New(h.db, h.keys, h.clk, slog.New(slog.DiscardHandler), mail.Options{URL: "smtp://127.0.0.1:9", From: "shop@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if err := room.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	q := &queue{mail: room}
	h.consent.UsePost(q, h.keys)
	h.deps.Stores = append(h.deps.Stores, rights.Letters(room))
	h.Room = rights.New(h.deps)
	return q
}

func (h *house) nonce(t testing.TB) string {
	t.Helper()
	n, err := h.consent.Nonce(t.Context(), h.t, consent.NonceFor{Deployment: deployment, NoticeID: notice.ID, Version: 1, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (h *house) ask(t testing.TB, email string) {
	t.Helper()
	if _, err := h.consent.RequestOptIn(t.Context(), h.t, consent.OptIn{
		Deployment: deployment, Nonce: h.nonce(t), Email: email, Purposes: []string{notice.Marketing},
	}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) rows(t testing.TB, table string) (n int) {
	t.Helper()
	err := h.db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE tenant_id = $1`, h.t).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAQuestionToAnAddressOfNobodyKnownIsShownErasedAndCertified(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		post := h.withPost(t)
		h.ask(t, "nobody.yet@example.org")
		h.ask(t, "nobody.yet@example.org")
		h.ask(t, "somebody.else@example.org")
		who := rights.Who{EmailAddresses: []string{" nobody.yet@EXAMPLE.org"}}

		access := h.carryOut(t, rights.Request{Type: rights.Access, Who: who})
		if access.Package == nil || !access.Report.Matched {
			t.Fatalf("the access request is %s: %s", access.State, access.Problem)
		}
		_, file, err := h.Download(t.Context(), h.t, access.Package.ID, rights.Actor{Kind: "client"})
		if err != nil {
			t.Fatal(err)
		}
		if held := string(unpack(t, file)["consent!asked.json"]); strings.Count(held, "nobody.yet@example.org") != 2 || strings.Contains(held, "somebody.else") {
			t.Errorf("the package says of the questions: %s", held)
		}
		matches, err := h.Search(t.Context(), h.t, "EMAIL", "nobody.yet@example.org")
		if err != nil || len(matches) != 2 || len(matches[0].Who.EmailAddresses) != 1 {
			t.Errorf("a search finds %+v (%v)", matches, err)
		}

		q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: who})
		if q.State != rights.Verified || !q.Certified || !q.Report.Matched || q.Report.Found != 2 {
			t.Fatalf("the erasure is %s: %s %+v", q.State, q.Problem, q.Report)
		}
		counted := map[string]int64{}
		for _, s := range q.Report.Stores {
			for _, c := range s.Counts {
				counted[s.Did+" "+c.What] += c.N
			}
		}
		for what, want := range map[string]int64{
			"rows of the person before consent_ask": 2, "rows of the person after consent_ask": 0, "rows of the person before mail_letter": 2,
			"rows of the person after mail_letter": 0, "deleted letters that waited": 2,
		} {
			if counted[what] != want {
				t.Errorf("the certificate counts %d %s, want %d", counted[what], what, want)
			}
		}
		if asks, letters := h.rows(t, "consent_ask"), h.rows(t, "mail_letter"); asks != 1 || letters != 1 {
			t.Errorf("%d questions and %d letters are left, want one each of somebody else", asks, letters)
		}
		certificate, err := h.Certificate(t.Context(), h.t, q.ID)
		if err != nil {
			t.Fatal(err)
		}
		key, err := h.ledger.VerifierKey(t.Context(), h.t)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.File(certificate, key); err != nil || strings.Contains(string(certificate), "nobody.yet") {
			t.Errorf("the certificate does not verify, or names the person (%v)", err)
		}
		// The letter that arrived all the same leads to nothing.
		if l, err := h.consent.OpenLink(t.Context(), post.sent[0].Token); err != nil || l.Ask != nil {
			t.Errorf("its link is %+v (%v)", l, err)
		}
		if _, _, err := h.consent.Confirm(t.Context(), post.sent[0].Token); !fail.Is(err, fail.Gone) {
			t.Errorf("confirming it: %v", err)
		}
		if again := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: who}); again.Report.Matched || !again.Certified {
			t.Errorf("a second erasure found %+v", again.Report)
		}
	})
}

func TestErasingAParentsAddressLeavesTheChildAndErasingTheChildTakesTheQuestion(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.withPost(t)
	ask := func() id.Subject {
		t.Helper()
		visitor, err := h.consent.AskParent(t.Context(), h.t, consent.Child{
			Deployment: deployment, Nonce: h.nonce(t), Purposes: []string{notice.Support}, Age: consent.Age{Band: "0-12", Country: "DE"}, Parent: "parent@example.org",
		})
		if err != nil {
			t.Fatal(err)
		}
		child, known, err := h.subjects.Lookup(t.Context(), h.t, subject.Cookie, visitor.String())
		if err != nil || !known {
			t.Fatalf("the child's device is not known (%v)", err)
		}
		return child
	}
	child := ask()
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{"parent@example.org"}}})
	if !q.Certified || q.Report.Found != 1 || h.rows(t, "consent_ask") != 0 || h.rows(t, "mail_letter") != 0 {
		t.Fatalf("the erasure of the parent's address is %s: %+v", q.State, q.Report)
	}
	if has, err := h.keys.Has(t.Context(), h.t, child); err != nil || !has {
		t.Errorf("the child was erased along with it (%v)", err)
	}
	child = ask()
	q = h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{child}}})
	if !q.Certified || h.rows(t, "consent_ask") != 0 || h.rows(t, "mail_letter") != 0 {
		t.Errorf("the erasure of the child is %s: %+v", q.State, q.Report)
	}
}

func TestAnErasureByCookieTakesTheQuestionToTheAddressOfThePersonAlong(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.withPost(t)
	p := h.newPerson(t)
	h.ask(t, p.email)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{JourneyCustomer: &rights.JourneyCustomer{Type: "cookie", ID: p.cookie.String()}}})
	if !q.Certified || h.rows(t, "consent_ask") != 0 || h.rows(t, "mail_letter") != 0 {
		t.Errorf("the erasure is %s: %+v", q.State, q.Report)
	}
}
