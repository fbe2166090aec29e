package consent_test

import (
	"slices"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
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

// TestL7_EveryKindOfChangeLeavesItsEntry walks through all ways in which a consent begins, changes and
// ends, and reads after each what the log has gained.
func TestL7_EveryKindOfChangeLeavesItsEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		post := w.post()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var given, gone, mailed *consent.Outcome
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
			w.fake.Advance(time.Minute)
		}
		if err := w.ledger.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}
