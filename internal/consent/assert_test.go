package consent_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/verify"
)

var ada = consent.Who{Kind: subject.Email, Value: "ada@example.org"}

// told is what ada is said to have said on the telephone an hour ago.
func told(purposes map[string]bool) consent.Assertion {
	return consent.Assertion{
		Who: ada, Channel: "phone", Purposes: purposes, Said: noon.Add(-time.Hour), Language: "en",
		Text: "May we write to you about new goods? You can take it back at any time.", RecordedBy: "client:crm", Evidence: "call 4711",
	}
}

func (w *world) assert(t testing.TB, a consent.Assertion) *consent.Asserted {
	t.Helper()
	out, err := w.Assert(t.Context(), w.tenant, a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestL25_AnAssertionIsNeverFirstHand(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		out := w.assert(t, told(map[string]bool{notice.Marketing: true, notice.Sales: false}))
		if !w.open(t, out.Subject, notice.Marketing) || w.open(t, out.Subject, notice.Sales) {
			t.Error("the gate does not fit what was said")
		}
		entry := w.verified(t, out.Receipt)
		claim, _ := entry["assertion"].(map[string]any)
		if entry["type"] != "consent.imported" || entry["proof_level"] != "assertion" || entry["source"] != "phone" || entry["actor"] != "controller" {
			t.Errorf("the entry is %v", entry)
		}
		if claim["said_at"] != "2026-11-22T11:00:00.000000Z" || claim["recorded_by"] != "client:crm" || claim["evidence"] != "call 4711" {
			t.Errorf("the claim is %v", claim)
		}
		if _, first := entry["served"]; first || entry["ui"] != nil {
			t.Error("the entry looks like a click")
		}
		if doc := out.Receipt.Notice; doc == nil || !strings.Contains(doc.Text, "<pre>May we write") {
			t.Errorf("the receipt encloses %+v", out.Receipt.Notice)
		}
		states, err := w.State(t.Context(), w.tenant, out.Subject)
		if err != nil || !states[notice.Marketing].Asserted {
			t.Errorf("the state is %+v (%v)", states[notice.Marketing], err)
		}
		// Validity runs from when it was said.
		if want := noon.Add(-time.Hour).Add(consent.Validity); !states[notice.Marketing].Until.Equal(want) {
			t.Errorf("valid until %v, want %v", states[notice.Marketing].Until, want)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
		first := w.choose(t, nil, notice.Measure)
		if entry := w.verified(t, first.Receipt); entry["proof_level"] != "first-hand" {
			t.Errorf("a click counts as %v", entry["proof_level"])
		}
		// It expires with an entry, like any grant.
		w.fake.Set(noon.Add(consent.Validity))
		if w.open(t, out.Subject, notice.Marketing) {
			t.Error("it outlived its validity")
		}
		if n, err := w.Expire(t.Context(), w.tenant, 10); err != nil || n == 0 {
			t.Errorf("%d expiries (%v)", n, err)
		}
	})
}

func TestAnAssertionDatedTooFarBackOrAheadIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for name, c := range map[string]struct {
		change func(*consent.Assertion)
		field  string
	}{
		"tomorrow":             {func(a *consent.Assertion) { a.Said = noon.Add(time.Minute) }, "said_at"},
		"no time":              {func(a *consent.Assertion) { a.Said = time.Time{} }, "said_at"},
		"last quarter":         {func(a *consent.Assertion) { a.Said = noon.Add(-90 * 24 * time.Hour) }, "said_at"},
		"another way":          {func(a *consent.Assertion) { a.Channel = "telepathy" }, "channel"},
		"no purpose":           {func(a *consent.Assertion) { a.Purposes = nil }, "purposes"},
		"an unknown purpose":   {func(a *consent.Assertion) { a.Purposes = map[string]bool{"x": true} }, "purposes"},
		"nobody recorded it":   {func(a *consent.Assertion) { a.RecordedBy = " " }, "recorded_by"},
		"a grant on no text":   {func(a *consent.Assertion) { a.Text = "" }, "notice"},
		"both notice and text": {func(a *consent.Assertion) { a.Notice = notice.ID }, "text"},
		"an unknown notice":    {func(a *consent.Assertion) { a.Text, a.Notice, a.Version = "", notice.ID, 9 }, "notice"},
		"a later notice":       {func(a *consent.Assertion) { a.Text, a.Notice, a.Version = "", notice.ID, 1 }, "notice"},
		"not an address":       {func(a *consent.Assertion) { a.Who.Value = "ada" }, "email"},
	} {
		a := told(map[string]bool{notice.Marketing: true})
		c.change(&a)
		_, err := w.Assert(t.Context(), w.tenant, a)
		if e, ok := err.(*fail.Error); !ok || e.Kind != fail.Invalid || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	old := told(map[string]bool{notice.Marketing: true})
	old.Channel, old.Said = "import", noon.Add(-300*24*time.Hour)
	out := w.assert(t, old)
	if w.open(t, out.Subject, notice.Marketing) {
		t.Error("what expired before it was imported opens the gate")
	}
	no := told(map[string]bool{notice.Marketing: false})
	no.Text = ""
	if w.assert(t, no); w.count(t, "consent_record") != 2 {
		t.Error("a refusal needs no text")
	}
}

func TestL23_AnAssertionUnderOneKeyIsRecordedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		a := told(map[string]bool{notice.Marketing: true})
		a.Key = "row 1"
		first := w.assert(t, a)
		entries := w.count(t, "ledger_entry")
		again := w.assert(t, a)
		if !again.Repeated || again.RecordID != first.RecordID || w.count(t, "ledger_entry") != entries {
			t.Errorf("the second time gave %+v", again)
		}
		a.Purposes = map[string]bool{notice.Marketing: false}
		if _, err := w.Assert(t.Context(), w.tenant, a); !fail.Is(err, fail.Conflict) {
			t.Errorf("something else under the key: %v", err)
		}
		if !w.open(t, first.Subject, notice.Marketing) {
			t.Error("what was refused shut the gate")
		}
		w.write(t, func(tx *store.Tx) error {
			if err := w.Erase(t.Context(), tx, []id.Subject{first.Subject}); err != nil {
				return err
			}
			return w.subjects.Erase(t.Context(), tx, []id.Subject{first.Subject})
		})
		a.Purposes = map[string]bool{notice.Marketing: true}
		if _, err := w.Assert(t.Context(), w.tenant, a); !fail.Is(err, fail.Gone) {
			t.Errorf("after the erasure: %v", err)
		}
	})
}

// TestL29_NoSequenceOfAssertionsAndMergesOpensWhatTheMostRestrictiveLatestWordClosed compares the gate
// with a plain list of words: for each device of a person, its newest first-hand word, and its newest
// asserted one.
func TestL29_NoSequenceOfAssertionsAndMergesOpensWhatTheMostRestrictiveLatestWordClosed(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	const purpose = notice.Marketing
	type word struct {
		at       time.Time
		yes      bool
		asserted bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		start := w.fake.Now()
		mails := []string{"a" + uuid.NewString() + "@example.org", "b" + uuid.NewString() + "@example.org"}
		words := map[id.Subject][]word{}
		visitors := map[id.Subject]*uuid.UUID{}
		var devices []id.Subject
		person := map[id.Subject]string{} // address the device was identified with
		pick := func() id.Subject { return rapid.SampledFrom(devices).Draw(rt, "device") }
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			now := w.fake.Advance(time.Minute)
			switch what := rapid.IntRange(0, 4).Draw(rt, "what"); {
			case what == 0 || len(devices) == 0:
				out := w.choose(t, nil, purpose, notice.Measure)
				devices = append(devices, out.Subject)
				visitors[out.Subject] = out.Visitor
				words[out.Subject] = append(words[out.Subject], word{now, true, false})
			case what == 1:
				d, yes := pick(), rapid.Bool().Draw(rt, "yes")
				if visitors[d] == nil {
					continue
				}
				chosen := []string{notice.Measure}
				if yes {
					chosen = append(chosen, purpose)
				}
				w.choose(t, visitors[d], chosen...)
				words[d] = append(words[d], word{now, yes, false})
			case what == 2:
				d := pick()
				if visitors[d] == nil {
					continue
				}
				w.withdraw(t, *visitors[d], purpose)
				words[d] = append(words[d], word{now, false, false})
			case what == 3:
				d, mail := pick(), rapid.SampledFrom(mails).Draw(rt, "mail")
				if person[d] != "" {
					continue
				}
				person[d] = mail
				w.write(t, func(tx *store.Tx) error {
					_, err := w.subjects.Identify(t.Context(), tx, d, map[subject.Kind]string{subject.Email: mail})
					return err
				})
			default:
				mail, yes := rapid.SampledFrom(mails).Draw(rt, "whom"), rapid.Bool().Draw(rt, "says")
				said := now.Add(-time.Duration(rapid.IntRange(0, 9).Draw(rt, "minutes ago")) * time.Minute)
				a := told(map[string]bool{purpose: yes})
				a.Who.Value, a.Said = mail, said
				out := w.assert(t, a)
				if !slices.Contains(devices, out.Subject) {
					devices = append(devices, out.Subject)
					person[out.Subject] = mail
				}
				words[out.Subject] = append(words[out.Subject], word{said, yes, true})
			}
			stands := func(d id.Subject) (any, open bool) {
				var first, claim *word
				for i := range words[d] {
					x := &words[d][i]
					switch {
					case !x.asserted:
						first = x
					case claim == nil || x.at.After(claim.at) || x.at.Equal(claim.at) && (!x.yes || claim.yes):
						claim = x
					}
				}
				switch {
				case first == nil && claim == nil:
					return false, false
				case claim == nil || first != nil && !claim.at.After(first.at):
					return true, first.yes
				case first == nil:
					return true, claim.yes
				}
				return true, claim.yes && first.yes
			}
			for _, d := range devices {
				any, want := stands(d)
				want = want && any
				for _, o := range devices {
					if o != d && person[d] != "" && person[o] == person[d] {
						if any, open := stands(o); any && !open {
							want = false
						}
					}
				}
				if got := w.open(t, d, purpose); got != want {
					rt.Fatalf("after %v the gate of a device is open: %v, want %v; words %+v", w.fake.Now().Sub(start), got, want, slices.Collect(maps.Values(words)))
				}
			}
		}
	})
}

func TestL27_AnInvalidatedConsentShutsTheGateAndLeavesAnEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		given := w.choose(t, nil, notice.Measure, notice.Actions)
		ground, err := w.Gate(t.Context(), w.tenant, given.Subject, notice.Measure)
		if err != nil {
			t.Fatal(err)
		}
		received := w.fake.Now()
		w.fake.Advance(time.Minute)
		if _, err := w.VoidRecord(t.Context(), w.tenant, given.RecordID, consent.Void{Reason: "no"}); !fail.Is(err, fail.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		void := consent.Void{Reason: "The button to refuse was hidden by the site's own style sheet.", Actor: "staff:42"}
		if _, err := w.VoidRecord(t.Context(), w.tenant, uuid.New(), void); !fail.Is(err, fail.NotFound) {
			t.Errorf("an unknown record: %v", err)
		}
		made, err := w.VoidRecord(t.Context(), w.tenant, given.RecordID, void)
		if err != nil || len(made) != 1 {
			t.Fatalf("%d records (%v)", len(made), err)
		}
		for _, p := range []string{notice.Measure, notice.Actions} {
			if w.open(t, given.Subject, p) {
				t.Errorf("%s is open", p)
			}
		}
		if w.AllowedAt(t.Context(), w.tenant, given.Subject, notice.Measure, ground, received) {
			t.Error("what came in under a consent that was never valid may still be processed")
		}
		receipt, err := w.Receipt(t.Context(), w.tenant, given.Subject, made[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		entry := w.verified(t, receipt)
		if entry["type"] != "consent.invalidated" || entry["actor"] != "staff:42" || entry["reason"] != void.Reason || entry["proof_level"] != "none" {
			t.Errorf("the entry is %v", entry)
		}
		states, err := w.State(t.Context(), w.tenant, given.Subject)
		if err != nil || states[notice.Measure].Status != consent.Invalidated || states[notice.Sales].Status != consent.Refused {
			t.Errorf("the state is %+v (%v)", states, err)
		}
		if made, err := w.VoidRecord(t.Context(), w.tenant, given.RecordID, void); err != nil || len(made) != 0 {
			t.Errorf("the second time made %d records (%v)", len(made), err)
		}
		// The person can agree anew.
		w.fake.Advance(time.Second)
		w.choose(t, given.Visitor, notice.Measure)
		if !w.open(t, given.Subject, notice.Measure) {
			t.Error("a new grant does not count")
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestL27_AllConsentsOfOneVersionInOneLanguageCanBeInvalidatedAndTheSumIsAnEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		french := func() *consent.Outcome {
			c := w.choice(t, nil, notice.Measure)
			n, err := w.Nonce(t.Context(), w.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "fr"})
			if err != nil {
				t.Fatal(err)
			}
			c.Nonce = n
			out, err := w.Choose(t.Context(), w.tenant, c)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		en := w.choose(t, nil, notice.Measure)
		fr := []*consent.Outcome{french(), french(), french()}
		gone := fr[2]
		w.withdraw(t, *gone.Visitor)
		void := consent.Void{Reason: "The French text said the opposite.", Actor: "staff:42", Revoked: true}
		if _, err := w.VoidAll(t.Context(), w.tenant, consent.Which{}, void, 0); !fail.Is(err, fail.Invalid) {
			t.Errorf("everything at once: %v", err)
		}
		total := 0
		for range 10 {
			made, err := w.VoidAll(t.Context(), w.tenant, consent.Which{Version: 1, Language: "fr", Deployment: site}, void, 2)
			if err != nil {
				t.Fatal(err)
			}
			if total += len(made); len(made) == 0 {
				break
			}
		}
		if total != 2 || w.open(t, fr[0].Subject, notice.Measure) || w.open(t, fr[1].Subject, notice.Measure) || !w.open(t, en.Subject, notice.Measure) {
			t.Errorf("%d consents were revoked", total)
		}
		// One entry a call says how many, why and by whom, and names nobody.
		sums, ended := 0, 0
		for n := range int64(w.count(t, "ledger_entry")) {
			r, err := w.ledger.Receipt(t.Context(), w.tenant, n, func([]byte) ([]byte, error) { return nil, vault.ErrNoKey })
			if err != nil {
				continue // sealed for somebody
			}
			entry := w.verified(t, r)
			if entry["type"] != ledger.OverrideMade {
				continue
			}
			sums++
			ended += int(entry["count"].(float64))
			if entry["what"] != ledger.ConsentRevoked || entry["reason"] != void.Reason || entry["actor"] != "staff:42" {
				t.Errorf("the sum is %v", entry)
			}
			text, err := json.Marshal(entry)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range fr {
				if strings.Contains(string(text), o.Subject.String()) || strings.Contains(string(text), o.RecordID.String()) {
					t.Errorf("the sum names somebody: %s", text)
				}
			}
		}
		if sums != 1 || ended != total {
			t.Errorf("%d sums of %d consents", sums, ended)
		}
		history, err := w.History(t.Context(), w.tenant, []id.Subject{gone.Subject})
		if err != nil || len(history) != 2 {
			t.Errorf("the one who had withdrawn has %d records (%v)", len(history), err)
		}
	})
}

// TestAFirstHandWithdrawalCountsEvenWhereARefusalIsAsserted: what a person says themself is recorded
// although the controller claims to know it already, so that no later claim opens it.
func TestAFirstHandWithdrawalCountsEvenWhereARefusalIsAsserted(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	no := told(map[string]bool{notice.Marketing: false})
	s := w.assert(t, no).Subject
	link := w.link(t, s, notice.Marketing)
	w.fake.Advance(time.Hour)
	if _, out, err := w.WithdrawLink(t.Context(), link); err != nil || w.verified(t, out.Receipt)["proof_level"] != "first-hand" {
		t.Fatalf("the withdrawal was not recorded: %v", err)
	}
	w.fake.Advance(time.Hour)
	yes := told(map[string]bool{notice.Marketing: true})
	yes.Said = w.fake.Now().Add(-time.Minute)
	w.assert(t, yes)
	if w.open(t, s, notice.Marketing) {
		t.Error("a claim opened what the person closed")
	}
	// An offline reader of the same entries comes to the same answer.
	bundle, err := w.Bundle(t.Context(), w.tenant, []id.Subject{s})
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(bundle)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.ledger.VerifierKey(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.File(file, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range report.StateAt(w.fake.Now()) {
		if st.Purpose == notice.Marketing && (st.Status == "ConsentGiven" || st.Asserted) {
			t.Errorf("offline the state is %+v", st)
		}
	}
}
