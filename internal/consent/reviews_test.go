package consent_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

var assessed = consent.Assessment{
	Interest: "Helping visitors who are stuck.", Necessity: "Nothing milder shows where they are stuck.",
	Balancing: "Visitors expect help and can object with one click.", Safeguards: "Kept for 30 days; no profile is made.",
	Reviewer: "data protection officer", Review: noon.AddDate(1, 0, 0),
}

func (w *world) declare(t testing.TB, d consent.Declaration, a consent.Assessment) (uuid.UUID, error) {
	t.Helper()
	record, err := w.DeclareAssessed(t.Context(), w.tenant, d, a)
	if err != nil {
		return uuid.Nil, err
	}
	return uuid.MustParse(record), nil
}

func TestAReplacedDeclarationEndsAsTheNextBeginsAndOnlyOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		d := consent.Declaration{Basis: "legitimate_interest", Purposes: []string{notice.Support}, By: "staff:7", Key: "one"}
		first, err := w.declare(t, d, assessed)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := w.declare(t, d, assessed); err != nil || again != first {
			t.Errorf("the second time under one key: %s, %v", again, err)
		}
		other := assessed
		other.Interest = "Another one."
		if _, err := w.declare(t, d, other); !fail.Is(err, fail.Conflict) {
			t.Errorf("something else under the key: %v", err)
		}
		w.fake.Advance(time.Hour)
		d.Key, d.Replaces = "two", first
		second, err := w.declare(t, d, other)
		if err != nil {
			t.Fatal(err)
		}
		d.Key = "three"
		if _, err := w.declare(t, d, assessed); !fail.Is(err, fail.Conflict) {
			t.Errorf("what has ended was replaced: %v", err)
		}
		d.Replaces = uuid.New()
		if _, err := w.declare(t, d, assessed); !fail.Is(err, fail.NotFound) {
			t.Errorf("what never was was replaced: %v", err)
		}
		all, err := w.Declarations(t.Context(), w.tenant)
		if err != nil || len(all) != 2 || !all[0].Ended.Equal(all[1].At) || !all[1].Ended.IsZero() || all[1].Record != second {
			t.Fatalf("declared are %+v (%v)", all, err)
		}
		receipt, err := w.ledger.Receipt(t.Context(), w.tenant, all[1].Ledger, nil)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			By       string `json:"declared_by"`
			Replaces string `json:"replaces"`
		}
		if err := json.Unmarshal(receipt.Entry, &e); err != nil || e.By != "staff:7" || e.Replaces != first.String() {
			t.Errorf("the entry says %s", receipt.Entry)
		}
		w.fake.Advance(366 * 24 * time.Hour)
		due, err := w.Overdue(t.Context(), w.tenant)
		if err != nil || len(due) != 1 || due[0].Record != second {
			t.Errorf("due are %+v (%v)", due, err)
		}
		// What events cite is whole.
		g, err := w.Grounds(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		if why, err := g.Check(t.Context(), consent.Claim{
			Purpose: notice.Support, Received: noon.Add(time.Minute),
			Ground: consent.Ground{Basis: "legitimate_interest", Ledger: all[0].Ledger, Declared: first.String()},
		}); err != nil || why != "" {
			t.Errorf("an event on the first declaration: %q %v", why, err)
		}
	})
}

func TestWhatRestsOnADeclarationIsNamedUntilTheNoticeTellsOfIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if _, err := w.declare(t, consent.Declaration{Basis: "legitimate_interest", Purposes: []string{notice.Support}}, assessed); err != nil {
			t.Fatal(err)
		}
		list, err := w.Basings(t.Context(), w.tenant)
		if err != nil || len(list) != 1 || list[0].Purpose != notice.Support || list[0].Told {
			t.Fatalf("before: %+v (%v)", list, err)
		}
		w.publishWith(t, notice.Support, notice.LegitimateInterest)
		if list, err = w.Basings(t.Context(), w.tenant); err != nil || len(list) != 1 || !list[0].Told {
			t.Errorf("after: %+v (%v)", list, err)
		}
	})
}

// A notice that says consent where a legitimate interest was declared would tell people what is not so.
func TestB29_L27_ANoticeThatContradictsADeclaredBasisNeedsAReason(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		record, err := w.declare(t, consent.Declaration{Basis: "legitimate_interest", Purposes: []string{notice.Support}}, assessed)
		if err != nil {
			t.Fatal(err)
		}
		draft := notice.Draft{Facts: notice.Facts{Controller: "Example Shop Ltd"}, Texts: notice.DefaultTexts(), Purposes: notice.DefaultPurposes(), By: "staff:7"}
		contradicted := func() bool {
			faults, err := w.Lint(t.Context(), w.tenant, draft)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(faults, func(f notice.Fault) bool {
				return f.Rule == "basis-contradicted" && f.Field == "purposes.support.basis" && f.Severity == notice.Wrong
			})
		}
		if !contradicted() {
			t.Error("the contradiction is not found")
		}
		var why *fail.Error
		if _, err := w.Publish(t.Context(), w.tenant, draft); !errors.As(err, &why) || why.Code != "notice.basis-contradicted" {
			t.Errorf("published: %v", err)
		}
		reasoned := draft
		reasoned.Override = "Only events of our servers rest on the interest; the site says so beside the banner."
		if _, err := w.Publish(t.Context(), w.tenant, reasoned); err != nil {
			t.Errorf("with a reason: %v", err)
		}
		if v, err := w.Version(t.Context(), w.tenant, 2); err != nil || v.Override != reasoned.Override || len(v.Faults) != 1 {
			t.Errorf("the reason is not kept (%v)", err)
		}
		if err := w.EndDeclaration(t.Context(), w.tenant, record.String(), "staff:7"); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(time.Second)
		if contradicted() {
			t.Error("what has ended still contradicts")
		}
		if _, err := w.Publish(t.Context(), w.tenant, draft); err != nil {
			t.Errorf("after it ended: %v", err)
		}
	})
}

func TestObjectionsAreCountedByTheNewestWordOfEach(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		one, two := w.choose(t, nil, notice.Measure), w.choose(t, nil, notice.Measure)
		for _, s := range []*consent.Outcome{one, two} {
			if err := w.Object(t.Context(), w.tenant, s.Subject, []string{notice.Support}); err != nil {
				t.Fatal(err)
			}
		}
		w.fake.Advance(time.Minute)
		if _, err := w.Assert(t.Context(), w.tenant, consent.Assertion{
			Subject: w.choose(t, nil, notice.Measure).Subject, Channel: "phone", Purposes: map[string]bool{notice.Support: false}, Objection: true,
			Said: noon, RecordedBy: "staff:7",
		}); err != nil {
			t.Fatal(err)
		}
		w.choose(t, two.Visitor, notice.Support)
		n, err := w.Objections(t.Context(), w.tenant, notice.Support, notice.Sales)
		if err != nil || n[notice.Support] != 2 || n[notice.Sales] != 0 {
			t.Errorf("counted %v (%v)", n, err)
		}
	})
}

func TestL25_StaffAssertForSomebodyTheyHaveFoundAndTwiceIsOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		given := w.choose(t, nil, notice.Marketing)
		a := consent.Assertion{
			Subject: given.Subject, Channel: "phone", Purposes: map[string]bool{notice.Marketing: false}, Said: noon.Add(30 * time.Second), RecordedBy: "staff:7", Key: "k",
		}
		w.fake.Advance(time.Minute)
		seen, err := w.Foresee(t.Context(), w.tenant, a)
		if err != nil || !seen.Known || len(seen.Purposes) != 1 || seen.Purposes[0].Before.Status != consent.Given || seen.Purposes[0].After.Status != consent.Withdrawn {
			t.Errorf("foreseen is %+v, %v", seen, err)
		}
		if !w.open(t, given.Subject, notice.Marketing) {
			t.Error("looking ahead closed it")
		}
		out, err := w.Assert(t.Context(), w.tenant, a)
		if err != nil || out.Subject != given.Subject || w.open(t, given.Subject, notice.Marketing) {
			t.Fatalf("%+v, %v", out, err)
		}
		again, err := w.Assert(t.Context(), w.tenant, a)
		if err != nil || !again.Repeated || again.RecordID != out.RecordID || again.Subject != given.Subject {
			t.Errorf("again: %+v, %v", again, err)
		}
		a.Subject = w.choose(t, nil, notice.Marketing).Subject
		if _, err := w.Assert(t.Context(), w.tenant, a); !fail.Is(err, fail.Conflict) {
			t.Errorf("somebody else under the key: %v", err)
		}
		records, err := w.History(t.Context(), w.tenant, nil)
		if err != nil || len(records) != 0 {
			t.Errorf("nobody's history: %v %v", records, err)
		}
		if records, err = w.PersonHistory(t.Context(), w.tenant, given.Subject); err != nil || len(records) != 2 || records[1].Kind != ledger.ConsentImported {
			t.Errorf("the history: %+v %v", records, err)
		}
	})
}

func TestALetterThatStaffAskForSaysSoAndCountsAsNoNoticeShown(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	post := w.post()
	f := consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"}
	nonce, err := w.NonceUnseen(t.Context(), w.tenant, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RequestOptIn(t.Context(), w.tenant, consent.OptIn{Deployment: site, Nonce: nonce, Email: "ada@example.org", Purposes: []string{notice.Marketing}, By: "staff:7"}); err != nil {
		t.Fatal(err)
	}
	child, err := w.subjects.Ensure(t.Context(), w.tenant, subject.ExternalID, "C-1")
	if err != nil {
		t.Fatal(err)
	}
	if nonce, err = w.NonceUnseen(t.Context(), w.tenant, f); err != nil {
		t.Fatal(err)
	}
	c := consent.Child{Deployment: site, Nonce: nonce, Subject: child, Purposes: []string{notice.Measure}, Age: consent.Age{Band: "13", Country: "DE"}, Parent: "mum@example.org", By: "staff:7"}
	if _, err := w.AskParent(t.Context(), w.tenant, c); err != nil {
		t.Fatal(err)
	}
	if len(post.sent) != 2 || post.sent[1].About != child {
		t.Fatalf("letters: %+v", post.sent)
	}
	if _, out, err := w.Confirm(t.Context(), post.sent[1].Token); err != nil || out.Subject != child || !w.open(t, child, notice.Measure) {
		t.Errorf("the parent confirmed: %+v %v", out, err)
	}
	receipt, err := w.ledger.Receipt(t.Context(), w.tenant, entryOf(t, w, ledger.ConsentRequested), nil)
	if err != nil {
		t.Fatal(err)
	}
	if entry := w.verified(t, receipt); entry["requested_by"] != "staff:7" {
		t.Errorf("the entry says %v", entry)
	}
	if err := w.FlushShown(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Served(t.Context(), w.tenant); err != nil || len(list) != 0 {
		t.Errorf("shown: %+v %v", list, err)
	}
}

// entryOf returns the index of the first entry of a kind.
func entryOf(t testing.TB, w *world, kind string) (n int64) {
	t.Helper()
	w.write(t, func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT min(n) FROM ledger_entry WHERE tenant_id = $1 AND leaf LIKE $2`, w.tenant, "%"+kind+"%").Scan(&n)
	})
	return n
}
