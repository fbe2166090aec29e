package consent_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/verify"
)

// kindsFrom returns the kinds of the entries from an index on.
func (w *world) kindsFrom(t testing.TB, from int) []string {
	t.Helper()
	lines, err := w.ledger.Lines(t.Context(), w.tenant, int64(from), 1<<40, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, l := range lines {
		kinds = append(kinds, l.Leaf.Kind)
	}
	return kinds
}

// TestL7_L8_EveryKindOfChangeLeavesItsEntryAndThePastCanBeTold walks through all ways in which a consent
// begins, changes and ends, and reads after each what the log has gained. At the end the state after each
// step is told once more: by the room, and for a person by somebody who has nothing but their bundle.
func TestL7_L8_EveryKindOfChangeLeavesItsEntryAndThePastCanBeTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		post := w.post()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var given, gone, mailed, full, ended *consent.Outcome
		var basis string
		child := func(mail string) (visitor uuid.UUID) {
			t.Helper()
			visitor, err := w.AskParent(t.Context(), w.tenant, consent.Child{
				Deployment: site, Nonce: w.nonce(t), Purposes: []string{notice.Measure}, Parent: mail, Age: consent.Age{Band: "15", Country: "DE"},
			})
			must(err)
			return visitor
		}
		var young uuid.UUID
		newest := func() string { return post.sent[len(post.sent)-1].Token }
		type look struct {
			step   string
			at     time.Time
			states map[id.Subject]map[string]consent.State
		}
		var looks []look
		people := func() (list []id.Subject) {
			for _, out := range []*consent.Outcome{given, full, mailed, ended, gone} {
				if out != nil {
					list = append(list, out.Subject)
				}
			}
			if young != uuid.Nil {
				s, _, err := w.subjects.Lookup(t.Context(), w.tenant, subject.Cookie, young.String())
				must(err)
				list = append(list, s)
			}
			return list
		}
		for _, step := range []struct {
			name string
			do   func()
			want []string
		}{
			{"a grant", func() { given = w.choose(t, nil, notice.Measure, notice.Predict) }, []string{ledger.NoticeServed, ledger.ConsentGiven}},
			{"a refusal by somebody unknown", func() { w.choose(t, nil) }, []string{ledger.NoticeServed, ledger.ConsentRefused}},
			{"a refusal by the signal", func() {
				c := w.choice(t, nil)
				c.GPC = true
				_, err := w.Choose(t.Context(), w.tenant, c)
				must(err)
			}, []string{ledger.NoticeServed, ledger.ConsentRefused}},
			{"a withdrawal of one purpose", func() { w.withdraw(t, *given.Visitor, notice.Predict) }, []string{ledger.ConsentWithdrawn}},
			{"an objection", func() { must(w.Object(t.Context(), w.tenant, given.Subject, []string{notice.Measure})) }, []string{ledger.ConsentObjected}},
			{"a full grant", func() {
				var all []string
				for _, p := range notice.DefaultPurposes() {
					all = append(all, p.ID)
				}
				full = w.choose(t, nil, all...)
			}, []string{ledger.NoticeServed, ledger.ConsentGiven}},
			{"a full withdrawal", func() { w.withdraw(t, *full.Visitor) }, []string{ledger.ConsentWithdrawn}},
			{"a full withdrawal once more", func() { w.withdraw(t, *full.Visitor) }, nil},
			{"a basis that the controller declares", func() {
				var err error
				basis, err = w.Declare(t.Context(), w.tenant, consent.Declaration{
					Deployment: site, Basis: "legitimate_interest", Purposes: []string{notice.Predict},
					Assessment: "Past orders without names show which pages help people to decide.",
				})
				must(err)
			}, []string{ledger.BasisDeclared}},
			{"the end of that basis", func() { must(w.EndDeclaration(t.Context(), w.tenant, basis, "user:1")) }, []string{ledger.BasisEnded}},
			{"an assertion by the controller", func() { w.assert(t, told(map[string]bool{notice.Marketing: true})) }, []string{ledger.ScriptKept, ledger.ConsentImported}},
			{"a letter that asks", func() { must(w.optIn(t, "bea@example.org", notice.Marketing)) }, []string{ledger.ConsentRequested}},
			{"a letter that is answered", func() {
				var err error
				_, mailed, err = w.Confirm(t.Context(), post.sent[0].Token)
				must(err)
			}, []string{ledger.ConsentGiven}},
			{"a withdrawal by a link", func() {
				_, _, err := w.WithdrawLink(t.Context(), w.link(t, mailed.Subject, notice.Marketing))
				must(err)
			}, []string{ledger.ConsentWithdrawn}},
			{"a letter to a parent", func() { young = child("mum@example.org") }, []string{ledger.ConsentRequested}},
			{"a parent who authorises", func() {
				_, _, err := w.Confirm(t.Context(), newest())
				must(err)
			}, []string{ledger.ConsentGiven}},
			{"a parent who takes it back", func() {
				_, _, err := w.WithdrawLink(t.Context(), newest())
				must(err)
			}, []string{ledger.ConsentWithdrawn}},
			{"a second letter to a parent", func() { child("dad@example.org") }, []string{ledger.ConsentRequested}},
			{"a letter that nobody answers", func() {
				w.fake.Advance(consent.AskLife)
				_, err := w.ExpireAsks(t.Context(), w.tenant, 10)
				must(err)
			}, []string{ledger.ConsentExpired}},
			{"an answer to a letter that has expired", func() {
				if _, _, err := w.Confirm(t.Context(), newest()); err == nil {
					t.Error("an expired letter was confirmed")
				}
			}, nil},
			{"a grant that the controller will end", func() { ended = w.choose(t, nil, notice.Measure) }, []string{ledger.NoticeServed, ledger.ConsentGiven}},
			{"a consent that the controller ends", func() {
				_, err := w.VoidRecord(t.Context(), w.tenant, ended.RecordID, consent.Void{Reason: "The service it was for has ended.", Actor: "user:1", Revoked: true})
				must(err)
			}, []string{ledger.ConsentRevoked}},
			{"another grant", func() { gone = w.choose(t, nil, notice.Measure) }, []string{ledger.NoticeServed, ledger.ConsentGiven}},
			{"an invalidation", func() {
				_, err := w.VoidRecord(t.Context(), w.tenant, gone.RecordID, consent.Void{Reason: "The notice named a wrong recipient.", Actor: "user:1"})
				must(err)
			}, []string{ledger.ConsentInvalidated}},
			{"a merge of devices that disagree", func() {
				yes := w.choose(t, nil, notice.Measure)
				for _, s := range []*consent.Outcome{yes, given} {
					w.write(t, func(tx *store.Tx) error {
						if _, err := w.subjects.Identify(t.Context(), tx, s.Subject, map[subject.Kind]string{subject.Email: "cy@example.org"}); err != nil {
							return err
						}
						return w.Merged(t.Context(), tx, s.Subject)
					})
				}
			}, []string{ledger.NoticeServed, ledger.ConsentGiven, ledger.ConsentConflict}},
			{"an expiry", func() {
				w.fake.Advance(consent.Validity + time.Hour)
				_, err := w.Expire(t.Context(), w.tenant, 1000)
				must(err)
			}, []string{ledger.ConsentExpired}},
		} {
			before := w.count(t, "ledger_entry")
			step.do()
			got := w.kindsFrom(t, before)
			if step.name == "an expiry" {
				got = slices.Compact(got) // of several people
			}
			if !slices.Equal(got, step.want) {
				t.Errorf("%s left %q, want %q", step.name, got, step.want)
			}
			w.fake.Advance(time.Second)
			now := look{step.name, w.clk.Now(), map[id.Subject]map[string]consent.State{}}
			for _, s := range people() {
				var err error
				now.states[s], err = w.State(t.Context(), w.tenant, s)
				must(err)
			}
			looks = append(looks, now)
			w.fake.Advance(time.Minute)
		}
		w.fake.Advance(1000 * time.Hour)
		met := map[consent.Status]bool{}
		for _, s := range people() {
			b, err := w.Bundle(t.Context(), w.tenant, []id.Subject{s})
			must(err)
			file, err := json.Marshal(b)
			must(err)
			report, err := verify.File(file)
			must(err)
			for _, then := range looks {
				if then.states[s] == nil {
					continue
				}
				told, err := w.StateAt(t.Context(), w.tenant, s, then.at)
				must(err)
				for p, want := range then.states[s] {
					if told[p] != want {
						t.Errorf("after %s %s was %+v, and is told now as %+v", then.step, p, want, told[p])
					}
					met[want.Status] = true
					if want.Elsewhere {
						continue // the other device's choice is in another bundle
					}
					i := slices.IndexFunc(report.StateAt(then.at), func(st verify.PurposeState) bool { return st.Purpose == p })
					if i < 0 && want.Status == consent.Unknown {
						continue
					}
					if i < 0 || report.StateAt(then.at)[i].Status != string(want.Status) || report.StateAt(then.at)[i].Entry != want.Ledger {
						t.Errorf("after %s %s was %+v, which the bundle does not show", then.step, p, want)
					}
				}
			}
		}
		for _, status := range []consent.Status{consent.Given, consent.Refused, consent.Withdrawn, consent.Objected, consent.Invalidated, consent.Revoked, consent.Expired, consent.Unknown} {
			if !met[status] {
				t.Errorf("the walk never came to %s", status)
			}
		}
		if err := w.ledger.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}
