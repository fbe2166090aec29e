package consent_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

func TestTheGateIsShutForSomebodyNobodyAsked(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for _, p := range []string{notice.Measure, "no such purpose", ""} {
		if _, err := w.Gate(t.Context(), w.tenant, id.NewSubject(), p); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("%q: %v", p, err)
		}
	}
	out := w.choose(t, nil, notice.Measure)
	if _, err := w.Gate(t.Context(), id.NewTenant(), out.Subject, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
		t.Errorf("another tenant: %v", err)
	}
}

func TestTheGateStaysShutWhenTheStoreIsOutOfReach(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.room().Gate(gone, w.tenant, out.Subject, notice.Measure); !fail.Is(err, fail.Unavailable) {
		t.Errorf("the gate: %v", err)
	}
	if ok, err := w.room().Allowed(gone, w.tenant, out.Subject, notice.Measure, consent.Ground{Basis: "consent"}, noon); ok || !fail.Is(err, fail.Unavailable) {
		t.Errorf("the second check: %v %v", ok, err)
	}
	if w.room().AllowedAt(gone, w.tenant, out.Subject, notice.Measure, consent.Ground{Basis: "consent"}, noon) {
		t.Error("the second check opened for want of an answer")
	}
}

func TestAGrantAndARefusalLiveEquallyLong(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	w.fake.Advance(consent.Validity - time.Microsecond)
	if !w.open(t, out.Subject, notice.Measure) {
		t.Error("the grant ended early")
	}
	w.fake.Advance(time.Microsecond)
	if w.open(t, out.Subject, notice.Measure) {
		t.Error("the grant did not end, although the state was cached")
	}
	states, err := w.State(t.Context(), w.tenant, out.Subject)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{notice.Measure, notice.Predict} {
		if got := states[p].Status; got != consent.Expired {
			t.Errorf("%s is %s", p, got)
		}
	}
}

func TestL28_AnExpiryIsWrittenToTheLedgerOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		old := w.choose(t, nil, notice.Measure)
		renewed := w.choose(t, nil, notice.Measure)
		w.fake.Advance(100 * 24 * time.Hour)
		w.choose(t, renewed.Visitor, notice.Measure)
		if n, err := w.Expire(t.Context(), w.tenant, 10); err != nil || n != 0 {
			t.Errorf("%d expired early: %v", n, err)
		}
		// The older one ends in 82 days, the renewed one in 182.
		for days, want := range map[int]int64{81: 0, 83: 1, 183: 2} {
			if n, err := w.Expiring(t.Context(), w.tenant, w.clk.Now().AddDate(0, 0, days)); err != nil || n != want {
				t.Errorf("within %d days %d grants end (%v), want %d", days, n, err, want)
			}
		}
		w.fake.Advance(100 * 24 * time.Hour)
		if n, err := w.Expire(t.Context(), w.tenant, 10); err != nil || n != 1 {
			t.Errorf("%d expired: %v", n, err)
		}
		if n, err := w.Expire(t.Context(), w.tenant, 10); err != nil || n != 0 {
			t.Errorf("%d expired twice: %v", n, err)
		}
		history, err := w.History(t.Context(), w.tenant, []id.Subject{old.Subject})
		if err != nil || len(history) != 2 || history[1].Kind != "consent.expired" {
			t.Fatalf("the history is %+v, %v", history, err)
		}
		receipt, err := w.Receipt(t.Context(), w.tenant, old.Subject, history[1].ID)
		if err != nil {
			t.Fatal(err)
		}
		if entry := w.verified(t, receipt); entry["actor"] != "system" {
			t.Errorf("the expiry was made by %v", entry["actor"])
		}
		if w.open(t, old.Subject, notice.Measure) || !w.open(t, renewed.Subject, notice.Measure) {
			t.Error("the gate does not fit")
		}
	})
}

func TestAllowedAtAsksAboutTheTimeOfReceipt(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	g, err := w.Gate(t.Context(), w.tenant, out.Subject, notice.Measure)
	if err != nil {
		t.Fatal(err)
	}
	w.fake.Advance(time.Hour)
	w.withdraw(t, *out.Visitor)
	w.fake.Advance(time.Hour)
	for _, c := range []struct {
		name     string
		purpose  string
		received time.Time
		want     bool
	}{
		{"before the grant", notice.Measure, noon.Add(-time.Microsecond), false},
		{"under the grant", notice.Measure, noon.Add(time.Minute), true},
		{"just before the withdrawal", notice.Measure, noon.Add(time.Hour - time.Microsecond), true},
		{"at the withdrawal", notice.Measure, noon.Add(time.Hour), false},
		{"after the withdrawal", notice.Measure, noon.Add(time.Hour + time.Microsecond), false},
		{"for a purpose that was refused", notice.Predict, noon.Add(time.Minute), false},
	} {
		if got := w.AllowedAt(t.Context(), w.tenant, out.Subject, c.purpose, g, c.received); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestT3_NoGroundIsGivenForAnythingReceivedAfterTheWithdrawal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorldAt(t, db, clock.System())
		rounds := 2
		if testing.Short() {
			rounds = 1
		}
		for range rounds {
			out := w.choose(t, nil, notice.Measure)
			type asked struct {
				received time.Time
				ground   consent.Ground
			}
			var mu sync.Mutex
			var let []asked
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for range 2 {
				wg.Go(func() {
					var mine []asked
					for n := 0; ; n++ {
						received := w.clk.Now().Truncate(time.Microsecond)
						g, err := w.Gate(t.Context(), w.tenant, out.Subject, notice.Measure)
						if err == nil {
							mine = append(mine, asked{received, g})
						} else if !fail.Is(err, fail.ConsentRequired) {
							t.Errorf("the gate: %v", err)
						}
						select {
						case <-stop:
							if n < 2500 {
								continue
							}
							mu.Lock()
							let = append(let, mine...)
							mu.Unlock()
							return
						default:
						}
					}
				})
			}
			taken := w.withdraw(t, *out.Visitor)
			close(stop)
			wg.Wait()
			history, err := w.History(t.Context(), w.tenant, []id.Subject{out.Subject})
			if err != nil || len(history) != 2 || history[1].ID != taken.RecordID {
				t.Fatalf("the history is %+v, %v", history, err)
			}
			at := history[1].At
			for _, a := range let {
				if a.received.After(at) {
					t.Fatalf("something received %v after the withdrawal was let through", a.received.Sub(at))
				}
				if a.received.Before(at) && !w.AllowedAt(t.Context(), w.tenant, out.Subject, notice.Measure, a.ground, a.received) {
					t.Fatalf("something received %v before the withdrawal is refused later", at.Sub(a.received))
				}
			}
		}
	})
}

// A question that was asked before a withdrawal and waited for the store until after it was once
// answered, and remembered, as of the time it was asked. A clock that is behind shows the same.
func TestAQuestionAskedBeforeAWithdrawalIsNotRememberedAfterIt(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	w.fake.Advance(time.Second)
	w.withdraw(t, *out.Visitor)
	behind := consent.New(w.db, w.ledger, w.subjects, w.vault, clock.NewFake(noon), nil)
	if _, err := behind.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
		t.Errorf("got %v", err)
	}
	if ok := behind.AllowedAt(t.Context(), w.tenant, out.Subject, notice.Measure, consent.Ground{Basis: "consent"}, noon); !ok {
		t.Error("what was received before the withdrawal is refused")
	}
}

func TestL29_MergingNeverWidensConsent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		laptop := w.choose(t, nil, notice.Measure, notice.Predict)
		phone := w.choose(t, nil, notice.Measure, notice.Support)
		for _, out := range []*consent.Outcome{laptop, phone} {
			w.open(t, out.Subject, notice.Measure) // cached from before the merge
			w.write(t, func(tx *store.Tx) error {
				merged, err := w.subjects.Identify(t.Context(), tx, out.Subject, map[subject.Kind]string{subject.Email: "ann@example.org"})
				if err != nil || len(merged) == 0 {
					return err
				}
				return w.Merged(t.Context(), tx, out.Subject)
			})
		}
		for _, c := range []struct {
			name    string
			subject id.Subject
			purpose string
			want    bool
		}{
			{"both gave it, on the laptop", laptop.Subject, notice.Measure, true},
			{"both gave it, on the phone", phone.Subject, notice.Measure, true},
			{"given on the laptop, refused on the phone", laptop.Subject, notice.Predict, false},
			{"refused on the phone, given on the laptop", phone.Subject, notice.Predict, false},
			{"given on the phone, refused on the laptop", phone.Subject, notice.Support, false},
		} {
			if got := w.open(t, c.subject, c.purpose); got != c.want {
				t.Errorf("%s: %v", c.name, got)
			}
		}
		states, err := w.State(t.Context(), w.tenant, laptop.Subject)
		if err != nil {
			t.Fatal(err)
		}
		if st := states[notice.Predict]; st.Status != consent.Refused || !st.Elsewhere || st.RecordID != phone.RecordID {
			t.Errorf("the state does not say which device refused: %+v", st)
		}
		// The conflict is in the ledger, sealed for each device that lost something, and changes no state.
		for _, c := range []struct {
			who      *consent.Outcome
			lost     string
			deciding uuid.UUID
		}{{laptop, notice.Predict, phone.RecordID}, {phone, notice.Support, laptop.RecordID}} {
			history, err := w.History(t.Context(), w.tenant, []id.Subject{c.who.Subject})
			if err != nil || len(history) != 2 || history[1].Kind != "consent.conflict" || len(history[1].Effects) != 0 {
				t.Fatalf("the history is %+v, %v", history, err)
			}
			receipt, err := w.Receipt(t.Context(), w.tenant, c.who.Subject, history[1].ID)
			if err != nil {
				t.Fatal(err)
			}
			want := []any{map[string]any{
				"purpose": c.lost, "here": "ConsentGiven", "elsewhere": "ConsentRefused", "effective": "ConsentRefused",
				"decides": c.deciding.String(),
			}}
			if got := w.verified(t, receipt)["conflict"]; !reflect.DeepEqual(got, want) {
				t.Errorf("the entry says %v, want %v", got, want)
			}
			if !w.bus.has("consent."+c.who.Subject.String(), `{"withdrawn":["`+c.lost+`"]}`) {
				t.Errorf("open pages are not told that %s is closed", c.lost)
			}
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
		// A withdrawal on one device closes the other at once.
		w.fake.Advance(time.Second)
		w.withdraw(t, *phone.Visitor)
		if w.open(t, laptop.Subject, notice.Measure) {
			t.Error("the laptop goes on after the phone withdrew")
		}
	})
}

func TestADeclaredBasisOpensTheGateForItsDeploymentUntilThePersonObjects(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s, err := w.subjects.Ensure(t.Context(), w.tenant, subject.Cookie, uuid.NewString())
		if err != nil {
			t.Fatal(err)
		}
		gate := func(s id.Subject, deployment uuid.UUID, purpose string) (consent.Ground, error) {
			return w.GateFor(t.Context(), w.tenant, s, deployment, purpose)
		}
		if _, err := gate(s, site, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
			t.Fatalf("got %v", err)
		}
		record, err := w.Declare(t.Context(), w.tenant, consent.Declaration{
			Deployment: site, Basis: "legitimate_interest", Purposes: []string{notice.Measure},
			Assessment: "Fraud in our shop can only be seen by looking at the pages visited.",
		})
		if err != nil {
			t.Fatal(err)
		}
		g, err := gate(s, site, notice.Measure)
		if err != nil || g.Basis != "legitimate_interest" || g.Declared != record {
			t.Fatalf("got %+v, %v", g, err)
		}
		receipt, err := w.ledger.Receipt(t.Context(), w.tenant, g.Ledger, nil)
		if err != nil {
			t.Fatal(err)
		}
		if entry := w.verified(t, receipt); entry["type"] != "basis.declared" || entry["id"] != record || entry["basis"] != "6(1)(f)" {
			t.Errorf("the ledger says %v", entry)
		}
		received := w.clk.Now()
		for name, ask := range map[string]func() error{
			"another purpose":    func() error { _, err := gate(s, site, notice.Predict); return err },
			"another deployment": func() error { _, err := gate(s, uuid.New(), notice.Measure); return err },
			"no deployment":      func() error { _, err := w.Gate(t.Context(), w.tenant, s, notice.Measure); return err },
		} {
			if err := ask(); !fail.Is(err, fail.ConsentRequired) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.fake.Advance(time.Minute)
		if err := w.Object(t.Context(), w.tenant, s, []string{notice.Measure}); err != nil {
			t.Fatal(err)
		}
		if _, err := gate(s, site, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("after the objection: %v", err)
		}
		if !w.AllowedAt(t.Context(), w.tenant, s, notice.Measure, g, received) {
			t.Error("what was received before the objection is refused")
		}
		if w.AllowedAt(t.Context(), w.tenant, s, notice.Measure, g, w.clk.Now()) {
			t.Error("what was received after the objection is let through")
		}
		refuser := w.choose(t, nil, notice.Actions)
		if _, err := gate(refuser.Subject, site, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("a declared basis overrides a refusal: %v", err)
		}
	})
}

func TestAnEndedDeclarationNoLongerHolds(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	s := id.NewSubject()
	record, err := w.Declare(t.Context(), w.tenant, consent.Declaration{
		Basis: "contract", Purposes: []string{notice.Support}, Assessment: "Help is part of what the customer bought.",
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.Gate(t.Context(), w.tenant, s, notice.Support)
	if err != nil {
		t.Fatal(err)
	}
	received := w.clk.Now()
	w.fake.Advance(time.Hour)
	for range 2 {
		if err := w.EndDeclaration(t.Context(), w.tenant, record, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Gate(t.Context(), w.tenant, s, notice.Support); !fail.Is(err, fail.ConsentRequired) {
		t.Errorf("got %v", err)
	}
	if !w.AllowedAt(t.Context(), w.tenant, s, notice.Support, g, received) || w.AllowedAt(t.Context(), w.tenant, s, notice.Support, g, w.clk.Now()) {
		t.Error("the second check does not fit the end")
	}
	if err := w.EndDeclaration(t.Context(), w.tenant, uuid.NewString(), ""); !fail.Is(err, fail.NotFound) {
		t.Errorf("an unknown declaration: %v", err)
	}
	all, err := w.Declarations(t.Context(), w.tenant)
	if err != nil || len(all) != 1 || all[0].Ended.IsZero() {
		t.Errorf("the declarations are %+v, %v", all, err)
	}
}

func TestABadDeclarationIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	good := consent.Declaration{Basis: "contract", Purposes: []string{notice.Support}, Assessment: "Help is part of what the customer bought."}
	for _, c := range []struct {
		name, field string
		change      func(d *consent.Declaration)
	}{
		{"consent can't be declared", "basis", func(d *consent.Declaration) { d.Basis = "consent" }},
		{"an unknown basis", "basis", func(d *consent.Declaration) { d.Basis = "curiosity" }},
		{"no reason", "assessment", func(d *consent.Declaration) { d.Assessment = "because" }},
		{"no purpose", "purposes", func(d *consent.Declaration) { d.Purposes = nil }},
		{"an unknown purpose", "purposes", func(d *consent.Declaration) { d.Purposes = []string{"telepathy"} }},
	} {
		d := good
		c.change(&d)
		_, err := w.Declare(t.Context(), w.tenant, d)
		if e, ok := errors.AsType[*fail.Error](err); !ok || e.Kind != fail.Invalid || e.Field != c.field {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
}

func TestTheStateNamesEveryPurposeOfSomebodyUnknown(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	states, err := w.State(t.Context(), w.tenant, id.NewSubject())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"actions", "identity", "marketing", "measure", "predict", "sales", "support"}
	if got := slices.Sorted(maps.Keys(states)); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, st := range states {
		if st.Status != consent.Unknown || st.Ledger != -1 {
			t.Errorf("got %+v", st)
		}
	}
}

func BenchmarkGateCached(b *testing.B) {
	w := newWorldAt(b, storetest.SQLite(b), clock.System())
	out := w.choose(b, nil, notice.Measure)
	for b.Loop() {
		if _, err := w.Gate(b.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGateUncached(b *testing.B) {
	w := newWorldAt(b, storetest.SQLite(b), clock.System())
	out := w.choose(b, nil, notice.Measure)
	for b.Loop() {
		w.Invalidate(w.tenant, out.Subject)
		if _, err := w.Gate(b.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	w := newWorldAt(b, storetest.SQLite(b), clock.System())
	for b.Loop() {
		w.choose(b, nil, notice.Measure, notice.Actions)
	}
}
