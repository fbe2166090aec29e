package predict

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

var testStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// keyring is the smallest thing that seals under one key per subject and can destroy keys.
type keyring struct {
	mu   sync.Mutex // guards what follows
	keys map[id.Subject]cipher.AEAD
	gone map[id.Subject]bool
}

func newKeyring() *keyring {
	return &keyring{keys: map[id.Subject]cipher.AEAD{}, gone: map[id.Subject]bool{}}
}

func (k *keyring) of(s id.Subject) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone[s] {
		return nil, fail.New(fail.Gone, "the key was destroyed")
	}
	if a, ok := k.keys[s]; ok {
		return a, nil
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	k.keys[s] = a
	return a, err
}

func (k *keyring) Seal(_ context.Context, _ id.Tenant, s id.Subject, aad, plain []byte) ([]byte, error) {
	a, err := k.of(s)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, nil, plain, aad), nil
}

func (k *keyring) Open(_ context.Context, _ id.Tenant, s id.Subject, aad, sealed []byte) ([]byte, error) {
	a, err := k.of(s)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, nil, sealed, aad)
}

func (k *keyring) shred(s id.Subject) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, s)
	k.gone[s] = true
}

// world is a room with everything around it.
type world struct {
	t      *testing.T
	db     *store.DB
	room   *Room
	clock  *clock.Fake
	keys   *keyring
	tenant id.Tenant

	mu     sync.Mutex // guards refuse
	refuse map[id.Subject]bool
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{
		t: t, db: db, clock: clock.NewFake(testStart), keys: newKeyring(),
		tenant: testTenant, refuse: map[id.Subject]bool{},
	}
	w.room = New(db, w.clock, func(_ context.Context, tenant id.Tenant, s id.Subject, purpose string) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return tenant == w.tenant && purpose == "predict" && !w.refuse[s]
	}, Options{Keys: w.keys, Workers: 2})
	if err := w.room.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) record(visits []Visit) {
	w.t.Helper()
	w.must(w.db.Tenant(w.tenant).Write(w.t.Context(), func(tx *store.Tx) error {
		for _, v := range visits {
			v.Closed, v.Ground = w.clock.Now(), 7
			if err := w.room.RecordVisit(w.t.Context(), tx, v); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (w *world) train() Attestation {
	w.t.Helper()
	list, err := w.room.Train(w.t.Context(), w.tenant)
	w.must(err)
	if len(list) != 1 {
		w.t.Fatalf("%d attestations, want 1", len(list))
	}
	return list[0]
}

func (w *world) forget(subjects ...id.Subject) (n int64) {
	w.t.Helper()
	w.must(w.db.Tenant(w.tenant).Write(w.t.Context(), func(tx *store.Tx) (err error) {
		n, err = w.room.Forget(w.t.Context(), tx, subjects)
		return err
	}))
	return n
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.must(w.db.Tenant(w.tenant).Write(w.t.Context(), func(tx *store.Tx) error {
		n, err := tx.Exec(w.t.Context(), query, args...)
		if err == nil && n == 0 {
			w.t.Error("the statement changed nothing")
		}
		return err
	}))
}

func TestVisitsBecomeScores(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		visits := simulate(600, 1)
		if _, ok := w.room.Score(w.tenant, purchase, &Vector{}); ok {
			t.Fatal("an outcome that isn't predicted has a score")
		}
		w.must(w.room.Enable(t.Context(), w.tenant, purchase))
		s, ok := w.room.Score(w.tenant, purchase, &visits[0].Vectors[0])
		if !ok || s.Shown || s.Low > 0.01 || s.High < 0.9 {
			t.Fatalf("before any visit the score is %+v, %v", s, ok)
		}
		w.record(visits)
		a := w.train()
		if a.RowsBefore != 0 || a.RowsAfter != 600 || a.Reason != "scheduled" || a.NewModel == a.OldModel || !a.At.Equal(testStart) {
			t.Errorf("attestation %+v", a)
		}
		s, ok = w.room.Score(w.tenant, purchase, &visits[0].Vectors[0])
		if !ok || !s.Shown || s.Stage == StageBase || Digest(s.Model) != a.NewModel || s.Outcome != purchase {
			t.Errorf("score %+v, %v", s, ok)
		}
		if want := train(t, rowsFor(visits), purchase, 1).hash(); Digest(want) != a.NewModel {
			t.Error("the stored rows gave another model than the visits do")
		}
		w.must(w.room.Verify(t.Context(), w.tenant))

		// Another process finds the same predictor.
		other := New(db, w.clock, w.room.allow, Options{Keys: w.keys})
		w.must(other.Load(t.Context()))
		if got, ok := other.Score(w.tenant, purchase, &visits[0].Vectors[0]); !ok || got != s {
			t.Errorf("after loading the score is %+v, was %+v", got, s)
		}
		models, err := other.Models(t.Context(), w.tenant)
		w.must(err)
		if len(models) != 1 || models[0].Hash != a.NewModel || models[0].Rows != 600 || models[0].Visits != 600 || !models[0].Trained.Equal(testStart) {
			t.Errorf("models %+v", models)
		}
		words, err := other.Explain(w.tenant, purchase, &visits[0].Vectors[0])
		if err != nil || len(words) == 0 {
			t.Errorf("no explanation: %v", err)
		}
		if _, err := other.Explain(w.tenant, neverDone, &Vector{}); !fail.Is(err, fail.NotFound) {
			t.Errorf("explaining what isn't predicted: %v", err)
		}

		w.must(w.room.Disable(t.Context(), w.tenant, purchase))
		if _, ok := w.room.Score(w.tenant, purchase, &Vector{}); ok || len(w.room.Enabled(w.tenant)) != 0 {
			t.Error("a disabled predictor still scores")
		}
	})
}

func TestAnErasedSubjectLeavesNoTraceInTheModel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		visits := simulate(400, 2)
		gone := visits[3].Subject
		var without []Visit
		for _, v := range visits {
			if v.Subject != gone {
				without = append(without, v)
			}
		}
		w.must(w.room.Enable(t.Context(), w.tenant, purchase))
		w.record(visits)
		before := w.train()

		w.keys.shred(gone)
		removed := w.forget(gone)
		if want := int64(len(visits) - len(without)); removed != want || want == 0 {
			t.Fatalf("%d rows were removed, want %d", removed, want)
		}
		if again := w.forget(gone); again != 0 {
			t.Errorf("forgetting again removed %d rows", again)
		}
		if err := w.room.Verify(t.Context(), w.tenant); !fail.Is(err, fail.Conflict) {
			t.Errorf("before it is retrained the model verifies: %v", err)
		}
		if due, err := w.room.Due(t.Context(), w.tenant); err != nil || !due {
			t.Errorf("training is not due after rows were removed (%v)", err)
		}
		list, err := w.room.Retrain(t.Context(), w.tenant, "erasure")
		w.must(err)
		after := list[0]
		if after.OldModel != before.NewModel || after.RootBefore != before.RootAfter ||
			after.RowsBefore != 400 || after.RowsAfter != int64(len(without)) || after.Reason != "erasure" {
			t.Errorf("attestation %+v after %+v", after, before)
		}
		slices.Reverse(without)
		if never := train(t, rowsFor(without), purchase, 1).hash(); Digest(never) != after.NewModel || after.NewModel == before.NewModel {
			t.Error("the model is not that of a shop where the person never was")
		}
		w.must(w.room.Verify(t.Context(), w.tenant))
		if due, err := w.room.Due(t.Context(), w.tenant); err != nil || due {
			t.Errorf("training is still due (%v)", err)
		}
		js, err := json.Marshal(after)
		w.must(err)
		if !strings.Contains(string(js), `"new_model":"`+after.NewModel.String()+`"`) || strings.Contains(string(js), gone.String()) {
			t.Errorf("as JSON: %s", js)
		}
	})
}

func TestAShreddedKeyTakesItsRowsOutEvenBeforeTheyAreDeleted(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	visits := simulate(200, 3)
	w.must(w.room.Enable(t.Context(), w.tenant, purchase))
	w.record(visits)
	w.keys.shred(visits[0].Subject)
	n := int64(0)
	for _, v := range visits {
		if v.Subject != visits[0].Subject {
			n++
		}
	}
	if a := w.train(); a.RowsAfter != n {
		t.Errorf("%d rows were used, want %d", a.RowsAfter, n)
	}
}

func TestWhoWithdrawsIsNotLearntFromUntilTheyAllowItAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		visits := simulate(300, 4)
		w.must(w.room.Enable(t.Context(), w.tenant, purchase))
		w.record(visits)
		first := w.train()
		w.refuse[visits[5].Subject] = true
		hurried, err := w.room.Retrain(t.Context(), w.tenant, "erasure")
		w.must(err)
		if hurried[0].NewModel != first.NewModel {
			t.Error("a hurried training asked those it had asked before")
		}
		second := w.train()
		if second.RowsAfter >= first.RowsAfter || second.NewModel == first.NewModel {
			t.Errorf("after a withdrawal: %+v", second)
		}
		w.must(w.room.Verify(t.Context(), w.tenant))
		records, err := w.room.Export(t.Context(), w.tenant, []id.Subject{visits[5].Subject})
		w.must(err)
		if len(records) == 0 || !records[0].Held {
			t.Errorf("their rows are not held: %+v", records)
		}
		w.refuse = map[id.Subject]bool{}
		if third := w.train(); third.NewModel != first.NewModel || third.RootAfter != first.RootAfter {
			t.Error("allowed again, the model is not the first one again")
		}
	})
}

func TestVerifyNoticesAnAlteredModelOrRow(t *testing.T) {
	for name, alter := range map[string]func(w *world, v Visit){
		"the model": func(w *world, _ Visit) {
			w.exec(`UPDATE predict_model SET body = $2 WHERE tenant_id = $1`, w.tenant,
				train(w.t, rowsFor(simulate(300, 99)), purchase, 1).encode())
		},
		"a row removed by hand": func(w *world, v Visit) {
			w.exec(`DELETE FROM predict_visit WHERE tenant_id = $1 AND session = $2`, w.tenant, v.Session)
		},
		"a row added by hand": func(w *world, v Visit) {
			v.Session = uuid.New()
			w.record([]Visit{v})
			w.exec(`UPDATE predict_visit SET run = 1 WHERE tenant_id = $1 AND session = $2`, w.tenant, v.Session)
		},
		"a row held back by hand": func(w *world, v Visit) {
			w.exec(`UPDATE predict_visit SET held = $3 WHERE tenant_id = $1 AND session = $2`, w.tenant, v.Session, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storetest.SQLite(t))
			visits := simulate(300, 5)
			w.must(w.room.Enable(t.Context(), w.tenant, purchase))
			w.record(visits)
			w.train()
			w.must(w.room.Verify(t.Context(), w.tenant))
			alter(w, visits[0])
			if err := w.room.Verify(t.Context(), w.tenant); !fail.Is(err, fail.Conflict) {
				t.Errorf("it was not noticed: %v", err)
			}
		})
	}
}

func TestNewVisitsDoNotDisturbAVerification(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.must(w.room.Enable(t.Context(), w.tenant, purchase))
	w.record(simulate(200, 6))
	w.train()
	w.record(simulate(100, 7))
	w.must(w.room.Verify(t.Context(), w.tenant))
}

func TestASessionIsRecordedOnce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	visits := simulate(50, 8)
	w.must(w.room.Enable(t.Context(), w.tenant, purchase))
	w.record(visits)
	w.record(visits)
	w.record([]Visit{{Subject: testSubject(1), Session: uuid.New()}}) // nothing happened in it
	if a := w.train(); a.RowsAfter != 50 {
		t.Errorf("%d rows, want 50", a.RowsAfter)
	}
}

func TestAnOutcomeCountsFromWhenItWasWatched(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	visits := simulate(300, 9)
	for i := range visits[:100] {
		visits[i].Achieved = nil // nobody looked for it yet
	}
	w.record(visits[:100])
	w.clock.Advance(time.Hour)
	w.record(visits[100:])
	w.clock.Advance(time.Hour)
	w.must(w.room.Enable(t.Context(), w.tenant, purchase))
	w.must(w.room.Enable(t.Context(), w.tenant, neverDone))
	_, err := w.room.Train(t.Context(), w.tenant)
	w.must(err)
	models, err := w.room.Models(t.Context(), w.tenant)
	w.must(err)
	got := map[uuid.UUID]int{}
	for _, m := range models {
		got[m.Outcome] = m.Visits
	}
	if got[purchase] != 200 || got[neverDone] != 0 {
		t.Errorf("purchase counts %d visits, want 200; what was never achieved %d, want 0", got[purchase], got[neverDone])
	}
}

func TestTrainingIsDueWhenThereIsSomethingToLearn(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	due := func(want bool, why string) {
		t.Helper()
		got, err := w.room.Due(t.Context(), w.tenant)
		w.must(err)
		if got != want {
			t.Errorf("due is %v: %s", got, why)
		}
	}
	visits := simulate(200, 10)
	due(false, "nothing is predicted")
	w.must(w.room.Enable(t.Context(), w.tenant, purchase))
	due(true, "an outcome has no model")
	done, err := w.room.TrainDue(t.Context())
	w.must(err)
	if len(done[w.tenant]) != 1 {
		t.Errorf("trained %v", done)
	}
	due(false, "nothing has come since")
	w.record(visits[:10])
	due(false, "ten rows are too few")
	w.record(visits[10:100])
	due(true, "a hundred rows have come")
	w.train()
	w.record(visits[100:115])
	due(false, "fifteen rows more are less than a fifth")
	w.clock.Advance(25 * time.Hour)
	due(true, "a day has passed")
	w.train()
	w.clock.Advance(181 * 24 * time.Hour)
	if a := w.train(); a.RowsAfter != 0 {
		t.Errorf("%d rows are left after their time", a.RowsAfter)
	}
}

func TestNothingReadableIsKeptOfAVisit(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	visits := simulate(20, 11)
	w.record(visits)
	w.must(w.db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT session, body FROM predict_visit WHERE tenant_id = $1`, w.tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			var session, body sql.RawBytes
			if err := rows.Scan(&session, &body); err != nil {
				return err
			}
			for i := range visits {
				if bytes.Equal(visits[i].Session[:], session) && bytes.Contains(body, encodeBody(&visits[i])) {
					t.Error("a row is stored in the clear")
				}
			}
		}
		if n != len(visits) {
			t.Errorf("%d rows, want %d", n, len(visits))
		}
		return rows.Err()
	}))
	records, err := w.room.Export(t.Context(), w.tenant, []id.Subject{visits[0].Subject})
	w.must(err)
	found := slices.ContainsFunc(records, func(r Record) bool {
		return r.Session == visits[0].Session && r.Ground == 7 && !r.Held && len(r.Features) == len(visits[0].Vectors) &&
			r.Features[0]["events"] == 1
	})
	if !found {
		t.Errorf("the person's own copy lacks the visit: %+v", records)
	}
}

func TestOrganisationsAreKeptApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.must(w.room.Enable(t.Context(), w.tenant, purchase))
		w.record(simulate(200, 12))
		w.train()
		other := id.Tenant(outcomeNamed("another tenant"))
		if _, ok := w.room.Score(other, purchase, &Vector{}); ok {
			t.Error("another organisation gets a score")
		}
		w.must(w.room.Enable(t.Context(), other, purchase))
		list, err := w.room.Train(t.Context(), other)
		w.must(err)
		if len(list) != 1 || list[0].RowsAfter != 0 {
			t.Errorf("another organisation learns from our rows: %+v", list)
		}
		w.must(db.Tenant(other).Write(t.Context(), func(tx *store.Tx) error {
			n, err := w.room.Forget(t.Context(), tx, []id.Subject{testSubject(0), testSubject(1), testSubject(2)})
			if n != 0 {
				t.Errorf("another organisation removed %d of our rows", n)
			}
			return err
		}))
	})
}

func TestScoresAreServedWhileModelsAreTrained(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.must(w.room.Enable(t.Context(), w.tenant, purchase))
	visits := simulate(200, 13)
	w.record(visits)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, ok := w.room.Score(w.tenant, purchase, &visits[0].Vectors[0]); !ok {
					t.Error("there was a moment without a predictor")
					return
				}
			}
		}
	})
	for range 3 {
		w.train()
	}
	close(stop)
	wg.Wait()
}
