package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/worker"
)

func TestWhatIsInTheLogTakesEffect(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		w := s.worker("a", nil)
		s.start(w)
		ann, bo := s.visitor(), s.visitor()
		s.send(ann, at(0, event.PageViewed), at(5, "product_added"))
		s.send(bo, at(1, event.PageViewed))
		s.wait(w, ann, s.send(ann, at(9, "order_completed")))

		sessions := s.sessions(ann)
		if len(sessions) != 1 || sessions[0].Events != 3 || !sessions[0].HasAchieved(s.outcome) {
			t.Fatalf("sessions %+v", sessions)
		}
		if other := s.sessions(bo); len(other) != 1 || other[0].Events != 1 {
			t.Errorf("somebody else's sessions %+v", other)
		}
		if st := w.Stats(); st.Events != 4 || st.Lag != 0 || st.Retries != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAWorkerGoesOnWhereAnotherStopped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		sub := s.visitor()
		for i := range 5 {
			w := s.worker(fmt.Sprint("worker ", i), nil)
			stop := s.start(w)
			for j := range 7 {
				s.send(sub, at(i*10+j, "x"))
			}
			if i%2 == 0 {
				s.wait(w, sub, s.send(sub, at(i*10+8, "y")))
			}
			stop() // with or without events that are still to be processed
		}
		w := s.worker("last", nil)
		s.start(w)
		s.wait(w, sub, s.send(sub, at(60, "z")))
		if got := s.sessions(sub)[0].Events; got != 5*7+3+1 {
			t.Errorf("%d events took effect, want %d", got, 5*7+3+1)
		}
	})
}

func TestNothingIsProcessedThatIsNotAllowed(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	sub := s.visitor()
	s.send(sub, at(0, event.PageViewed))
	s.gate.close(sub, "measure", noon.Add(5*time.Second)) // withdrawn while the events were in the log
	s.start(w)
	s.wait(w, sub, s.send(sub, at(4, event.PageViewed), at(5, event.PageViewed), at(6, event.PageViewed)))
	if got := s.sessions(sub)[0].Events; got != 2 {
		t.Errorf("%d events took effect, want the two received before the withdrawal", got)
	}
	if st := w.Stats(); st.Refused != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestTheErasedDoNotComeBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		w := s.worker("a", nil)
		s.start(w)
		ctx := t.Context()
		gone, stays := s.visitor(), s.visitor()
		s.send(gone, at(0, "x"))
		s.wait(w, stays, s.send(stays, at(0, "x")))
		late, err := s.record(gone, at(1, "x"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.keys.Shred(ctx, s.tenant, gone); err != nil {
			t.Fatal(err)
		}
		if err := db.Tenant(s.tenant).Write(ctx, func(tx *store.Tx) error {
			_, err := s.journey.Erase(ctx, tx, []id.Subject{gone})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		// Forget has not been called yet: the worker still holds the visitor.
		s.raw(s.partition(gone), late)
		s.wait(w, stays, s.send(stays, at(2, "x")))
		w.Forget(s.tenant, gone)
		s.raw(s.partition(gone), late)
		s.wait(w, stays, s.send(stays, at(3, "x")))
		if n, err := s.journey.Remains(ctx, s.tenant, []id.Subject{gone}); err != nil || n.Total() != 0 {
			t.Errorf("rows came back: %+v, %v", n, err)
		}
		if st := w.Stats(); st.Erased != 2 || st.Retries != 0 {
			t.Errorf("stats %+v", st)
		}
		if got := s.sessions(stays)[0].Events; got != 3 {
			t.Errorf("somebody else has %d events", got)
		}
	})
}

func TestTheClockEndsSessionsAndTheirVisitsAreLearnedFrom(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	learn, silent := s.visitor(), s.visitor()
	s.gate.close(silent, journey.PurposePredict, noon)
	s.send(learn, at(0, event.PageViewed), at(10, "product_added"), at(20, "order_completed"))
	s.wait(w, silent, s.send(silent, at(0, event.PageViewed)))

	s.clock.Set(noon.Add(20 * time.Minute))
	if err := w.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.sessions(silent)[0].Open() || !s.sessions(learn)[0].Open() {
		t.Fatal("after twenty minutes the wrong sessions are open")
	}
	s.clock.Advance(time.Minute)
	if err := w.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.sessions(learn)[0].Open() {
		t.Fatal("the session is still open")
	}
	visits := s.predictor.seen()
	if len(visits) != 1 || visits[0].Subject != learn || len(visits[0].Vectors) != 3 || visits[0].Ground != 42 {
		t.Fatalf("visits %+v", visits)
	}
	if i, ok := visits[0].Achieved[s.outcome]; !ok || i != 2 {
		t.Errorf("achieved %v", visits[0].Achieved)
	}
	if st := w.Stats(); st.Sessions != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestOffersReachTheBrowserAndAreTakenBack(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	sub, ctx := s.visitor(), t.Context()
	heard := make(chan []byte, 10)
	cancel, err := s.log.Subscribe("offer."+sub.String(), func(_ string, data []byte) { heard <- data })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	for i := range 6 {
		s.wait(w, sub, s.send(sub, at(i, event.PageViewed)))
	}
	var m struct {
		ID      uuid.UUID             `json:"id"`
		Media   string                `json:"mediaType"`
		Session uuid.UUID             `json:"sessionId"`
		Content *journey.ContentOffer `json:"contentOfferProperties"`
	}
	if err := json.Unmarshal(<-heard, &m); err != nil || m.Media != "contentOffer" || m.Content == nil || m.Content.Headline != "Can we help?" {
		t.Fatalf("the browser hears %+v, %v", m, err)
	}
	waiting, err := s.journey.For(open{}).Waiting(ctx, s.tenant, sub)
	if err != nil || len(waiting) != 1 || waiting[0].ID != m.ID || waiting[0].Session != m.Session {
		t.Fatalf("waiting %+v, %v", waiting, err)
	}

	stranger := s.visitor() // who withdraws before anything is known of them
	if err := w.Withdrawn(ctx, s.tenant, stranger); err != nil {
		t.Fatal(err)
	}
	if n, err := s.journey.Remains(ctx, s.tenant, []id.Subject{stranger}); err != nil || n.Total() != 0 {
		t.Errorf("a withdrawal left rows of somebody who was never seen: %+v, %v", n, err)
	}
	s.gate.close(sub, journey.PurposeMarketing, noon)
	s.gate.close(sub, journey.PurposePredict, noon)
	if err := w.Withdrawn(ctx, s.tenant, sub); err != nil {
		t.Fatal(err)
	}
	if waiting, err = s.journey.For(open{}).Waiting(ctx, s.tenant, sub); err != nil || len(waiting) != 0 {
		t.Errorf("after the withdrawal %+v, %v", waiting, err)
	}
	if scores := s.sessions(sub)[0].Scores; len(scores) != 0 {
		t.Errorf("scores after the withdrawal %+v", scores)
	}
	if st := w.Stats(); st.Offers != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestAMessageOfAWithdrawalTakesOffersBackToo(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	sub := s.visitor()
	for i := range 6 {
		s.wait(w, sub, s.send(sub, at(i, event.PageViewed)))
	}
	heard := make(chan worker.Live, 100)
	cancel, err := s.log.Subscribe("live."+s.tenant.String(), func(_ string, data []byte) {
		var m worker.Live
		if json.Unmarshal(data, &m) == nil {
			heard <- m
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	s.gate.close(sub, journey.PurposeMarketing, noon)
	for range 20 { // of many subjects at once, some of them unknown
		if err := s.log.Publish("inval."+s.tenant.String(), fmt.Appendf(nil, `{"subject":%q,"why":"consent"}`, s.visitor())); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.log.Publish("inval."+s.tenant.String(), fmt.Appendf(nil, `{"subject":%q,"why":"consent"}`, sub)); err != nil {
		t.Fatal(err)
	}
	for m := range heard {
		if m.Type == "offer" && m.Subject == sub && m.State == string(journey.Blocked) && m.Block == string(journey.BlockWithdrawn) {
			break
		}
	}
	if waiting, err := s.journey.For(open{}).Waiting(t.Context(), s.tenant, sub); err != nil || len(waiting) != 0 {
		t.Errorf("after the withdrawal %+v, %v", waiting, err)
	}
}

func TestTheSamePersonOnTwoDevices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		w := s.worker("a", nil)
		s.start(w)
		phone, desk := s.visitor(), s.visitor()
		heard := make(chan string, 10)
		cancel, err := s.log.Subscribe("inval."+s.tenant.String(), func(_ string, data []byte) { heard <- string(data) })
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		for i, sub := range []id.Subject{phone, desk} {
			ev := at(i, "user_identified")
			ev.Traits = map[string]event.Attr{
				"email": {Type: event.TypeString, Value: "ann@example.com"}, "phone": {Type: event.TypeString, Value: "no number"},
			}
			s.wait(w, sub, s.send(sub, ev))
		}
		found, err := s.people.Find(t.Context(), s.tenant, subject.Email, "ann@example.com")
		if err != nil || len(found) != 2 {
			t.Fatalf("found %v, %v", found, err)
		}
		for range 2 {
			var m struct{ Subject, Why string }
			if err := json.Unmarshal([]byte(<-heard), &m); err != nil || m.Why != "merged" {
				t.Errorf("heard %+v, %v", m, err)
			}
		}
		if st := w.Stats(); st.Events != 2 || st.Retries != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestWhoSomebodyIsIsForgottenWithTheirConsent(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	sub := s.visitor()
	ev := at(0, "user_identified")
	ev.Traits = map[string]event.Attr{"email": {Type: event.TypeString, Value: "ann@example.com"}, "givenName": {Type: event.TypeString, Value: "Ann"}}
	ev.ExternalID = "crm-7"
	seq := s.send(sub, ev)
	s.gate.close(sub, "identity", noon) // withdrawn while the event was in the log
	s.start(w)
	s.wait(w, sub, seq)
	if found, err := s.people.Find(t.Context(), s.tenant, subject.Email, "ann@example.com"); err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
	all, err := s.journey.Export(t.Context(), s.tenant, []id.Subject{sub})
	if err != nil || len(all) != 1 || len(all[0].Events) != 1 || len(all[0].Traits)+len(all[0].Events[0].Traits) != 0 || all[0].Events[0].ExternalID != "" {
		t.Errorf("stored %+v, %v", all, err)
	}
}

func TestTheConsoleHearsWhatHappens(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	sub := s.visitor()
	heard := make(chan worker.Live, 2000)
	cancel, err := s.log.Subscribe("live."+s.tenant.String(), func(_ string, data []byte) {
		var m worker.Live
		if err := json.Unmarshal(data, &m); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		heard <- m
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	s.wait(w, sub, s.send(sub, at(0, event.PageViewed), at(1, "order_completed")))
	var kinds []string
	for len(kinds) < 5 {
		m := <-heard
		if m.Subject != sub || m.Session == uuid.Nil || m.At.IsZero() {
			t.Errorf("heard %+v", m)
		}
		kinds = append(kinds, m.Type+" "+m.Name+m.State)
	}
	if want := []string{"session started", "event page_viewed", "event order_completed", "outcome ", "score "}; !slices.Equal(kinds, want) {
		t.Errorf("heard %q, want %q", kinds, want)
	}

	// It hears no more than it can show.
	for i := range 40 {
		var many []*event.Event
		for j := range 20 {
			many = append(many, at(10+i*20+j, "x"))
		}
		s.send(sub, many...)
	}
	s.wait(w, sub, s.send(sub, at(900, "x")))
	// A batch is announced after it is written and before the next one is: the clock moves only when all are.
	if err := w.Withdrawn(t.Context(), s.tenant, s.visitor()); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Second)
	s.wait(w, sub, s.send(sub, at(901, "last")))
	n := 0
	for m := range heard {
		if n++; m.Name == "last" {
			break
		}
	}
	if n > 300-5+1 {
		t.Errorf("heard %d of 802 messages: more than the rest of one second and the last", n)
	}
}

// The event was received while it was allowed, so it counts; the consent ended before the console was told.
func TestT4_TheConsoleIsNotToldWhatWasTakenBackMeanwhile(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	sub := s.visitor()
	heard := make(chan worker.Live, 100)
	cancel, err := s.log.Subscribe("live."+s.tenant.String(), func(_ string, data []byte) {
		var m worker.Live
		if err := json.Unmarshal(data, &m); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		heard <- m
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	later := noon.Add(24 * time.Hour)
	for _, purpose := range []string{"measure", "actions", journey.PurposePredict} {
		s.gate.close(sub, purpose, later)
	}
	s.wait(w, sub, s.send(sub, at(0, event.PageViewed), at(1, "order_completed")))
	if visits := s.sessions(sub); len(visits) != 1 || visits[0].Events != 2 {
		t.Fatalf("the events did not count: %+v", visits)
	}
	other := s.visitor()
	s.wait(w, other, s.send(other, at(2, event.PageViewed)))
	for m := range heard {
		if m.Subject == other && m.Type == "event" {
			break
		}
		if m.Subject == sub && m.Type != "session" {
			t.Errorf("the console was told of %s %s", m.Type, m.Name)
		}
	}
}

func TestWaitingForWhatDoesNotComeEndsWithTheContext(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Wait(ctx, 0, 1); err != context.Canceled {
		t.Errorf("with nobody processing: %v", err)
	}
	s.start(w)
	if err := w.Wait(ctx, 0, 99); err != context.Canceled {
		t.Errorf("with a worker: %v", err)
	}
	if err := w.Wait(ctx, 1, 1); !fail.Is(err, fail.Invalid) {
		t.Errorf("for a partition that is not there: %v", err)
	}
}

func TestAChangedPlanIsFollowed(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	sub := s.visitor()
	s.wait(w, sub, s.send(sub, at(0, "newsletter_subscribed")))
	o, err := s.journey.CreateOutcome(t.Context(), s.tenant, journey.EventOutcome("Newsletter", "newsletter_subscribed"))
	if err != nil {
		t.Fatal(err)
	}
	w.PlanChanged(s.tenant)
	s.wait(w, sub, s.send(sub, at(1, "newsletter_subscribed")))
	if a := s.sessions(sub)[0].Achieved; len(a) != 1 || a[0].Outcome != o.ID || a[0].Event != 1 {
		t.Errorf("achieved %+v", a)
	}
}

// What the worker stores is what the journey makes of the same events one by one, however they were
// split into records, batches, partitions and runs, and however small the cache is.
func TestTheStoreHoldsWhatTheJourneyMakesOfTheLog(t *testing.T) {
	s := newPartitionedSite(t, storetest.SQLite(t), 3)
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { compareWithJourney(t, s, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func compareWithJourney(t *testing.T, s *site, r *rand.Rand) {
	subjects := make([]id.Subject, 1+r.IntN(6))
	for i := range subjects {
		subjects[i] = s.visitor()
	}
	batch := 1 + r.IntN(50)
	run := func() (*worker.Worker, func()) {
		w := s.worker(uuid.NewString(), func(o *worker.Options) { o.Batch, o.Visitors = batch, 1 })
		return w, s.start(w)
	}
	w, stop := run()
	told := make(map[id.Subject][]*event.Event)
	last := make(map[id.Subject]uint64)
	names := []string{event.PageViewed, "x", "order_completed"}
	second := 0
	for range 20 + r.IntN(60) {
		sub := subjects[r.IntN(len(subjects))]
		var events []*event.Event
		for range 1 + r.IntN(4) {
			second += []int{1, 1, 60, 1300}[r.IntN(4)]
			events = append(events, at(second, names[r.IntN(len(names))]))
		}
		told[sub] = append(told[sub], events...)
		last[sub] = s.send(sub, events...)
		if r.IntN(20) == 0 {
			stop()
			w, stop = run()
		}
	}
	for sub, seq := range last {
		s.wait(w, sub, seq)
	}
	stop()
	plan, err := s.journey.Plan(t.Context(), s.tenant)
	if err != nil {
		t.Fatal(err)
	}
	for sub, events := range told {
		var got []uuid.UUID
		if err := s.journey.For(open{}).Events(t.Context(), s.tenant, sub, time.Time{}, func(e journey.StoredEvent) error {
			got = append(got, e.Event.ID)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := make([]uuid.UUID, len(events))
		for i, ev := range events {
			want[i] = ev.ID
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d events in order became %d", len(want), len(got))
		}
		var fx journey.Effects
		v := journey.NewVisitor(sub)
		for _, ev := range events {
			v.ApplyTo(&fx, plan, ev, &journey.Env{})
		}
		stored := s.sessions(sub)
		n, achieved := 0, 0
		for _, session := range stored {
			n += session.Events
			achieved += len(session.Achieved)
		}
		if len(stored) != len(fx.Started) || n != len(events) || achieved != len(fx.Achieved) {
			t.Fatalf("%d sessions, %d events, %d achievements; want %d, %d, %d",
				len(stored), n, achieved, len(fx.Started), len(events), len(fx.Achieved))
		}
	}
}
