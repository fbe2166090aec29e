package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/worker"
)

func TestADamagedRecordDoesNotHoldUpTheOthers(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	s.start(w)
	sub := s.visitor()
	good, err := s.record(sub, at(0, "x"))
	if err != nil {
		t.Fatal(err)
	}
	forged := slices.Clone(good)
	forged[len(forged)-1] ^= 1
	s.raw(0, []byte("not a record"))
	s.raw(0, forged)
	s.wait(w, sub, s.raw(0, good))
	if st := w.Stats(); st.Damaged != 2 || st.Events != 1 || st.Retries != 0 {
		t.Errorf("stats %+v", st)
	}
}

// flaky is Records of which every record fails a few times before it can be opened.
type flaky struct {
	worker.Records
	left atomic.Int32
	err  error
}

func (f *flaky) Open(ctx context.Context, record []byte) ([]*event.Event, error) {
	if f.left.Add(-1) >= 0 {
		return nil, f.err
	}
	return f.Records.Open(ctx, record)
}

func TestATroubleOfTheEnginesLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		times   int32
		damaged int64
	}{
		{"the keys are out of reach for a while", fail.New(fail.Unavailable, "out of reach"), 6, 0},
		{"something unforeseen happens twice", errors.New("closed"), 2, 0},
		{"something unforeseen does not go away", errors.New("closed"), 1 << 20, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, storetest.SQLite(t))
			f := &flaky{Records: records{s.keys}, err: c.err}
			f.left.Store(c.times)
			w := s.workerWith(f, "a")
			s.start(w)
			sub := s.visitor()
			s.wait(w, sub, s.send(sub, at(0, "x")))
			if st := w.Stats(); st.Damaged != c.damaged || st.Events != 1-c.damaged {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestOneDamagedVisitorDoesNotHoldUpTheOthers(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	broken, fine := s.visitor(), s.visitor()
	w := s.worker("before", nil)
	stop := s.start(w)
	s.send(broken, at(0, "x"))
	s.wait(w, fine, s.send(fine, at(0, "x")))
	stop()
	if err := s.db.Tenant(s.tenant).Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE journey_visitor SET state = $3 WHERE tenant_id = $1 AND subject = $2`, s.tenant, broken, []byte("damaged"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	w = s.worker("after", nil)
	s.start(w)
	s.send(broken, at(1, "x"), at(2, "x"))
	s.wait(w, fine, s.send(fine, at(1, "x")))
	if got := s.sessions(fine)[0].Events; got != 2 {
		t.Errorf("%d events of the other visitor took effect", got)
	}
	if st := w.Stats(); st.Damaged != 1 || st.Events != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestOnlyTheOwnerOfTheLeaseWrites(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		sub, ctx := s.visitor(), t.Context()
		w := s.worker("paused", nil)
		s.start(w)
		s.wait(w, sub, s.send(sub, at(0, "x")))

		// Another worker takes the partition while this one believes that it holds it.
		if err := db.Write(ctx, func(tx *store.Tx) error {
			n, err := tx.Exec(ctx, `UPDATE worker_partition SET owner = 'thief', epoch = epoch + 1, lease_until = $1`, noon.Add(-time.Second).UnixMicro())
			if err == nil && n != 1 {
				err = fmt.Errorf("%d partitions", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s.wait(w, sub, s.send(sub, at(1, "x"))) // it is fenced, claims the partition again, and goes on
		if got := s.sessions(sub)[0].Events; got != 2 {
			t.Errorf("%d events took effect, want 2", got)
		}
		if st := w.Stats(); st.Retries != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestWorkersTakeOverFromEachOther(t *testing.T) {
	s := newPartitionedSite(t, storetest.Postgres(t), 4)
	var subjects []id.Subject
	for range 8 {
		subjects = append(subjects, s.visitor())
	}
	short := func(o *worker.Options) { o.Lease = 40 * time.Millisecond }
	sent := 0
	round := func() (last []uint64) {
		for i := range subjects {
			last = append(last, s.send(subjects[i], at(sent, "x"), at(sent+1, "y")))
		}
		sent += 2
		return last
	}
	a, b := s.worker("a", short), s.worker("b", short)
	stopA := s.start(a)
	for i, seq := range round() {
		s.wait(a, subjects[i], seq)
	}
	stopB := s.start(b)
	round()
	stopA() // in the middle of it
	for i, seq := range round() {
		s.wait(b, subjects[i], seq)
	}
	c := s.worker("c", short)
	s.start(c)
	round()
	stopB()
	for i, seq := range round() {
		s.wait(c, subjects[i], seq)
	}
	for i, sub := range subjects {
		if got := s.sessions(sub)[0].Events; got != sent {
			t.Errorf("visitor %d: %d events took effect, want %d", i, got, sent)
		}
	}
	if n := a.Stats().Events + b.Stats().Events + c.Stats().Events; n != int64(sent*len(subjects)) {
		t.Errorf("the workers processed %d events, want %d", n, sent*len(subjects))
	}
}

func TestALogThatWentBackIsNoticed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		sub, ctx := s.visitor(), t.Context()
		w := s.worker("before", nil)
		stop := s.start(w)
		for i := range 30 {
			s.wait(w, sub, s.send(sub, at(i, "x")))
		}
		stop()
		s.log.Close()
		s.openLog("another") // the files were lost: numbers begin again

		w = s.worker("after", nil)
		for i := range 3 {
			s.send(sub, at(40+i, "y"))
		}
		s.start(w)
		for range 200 {
			if got := s.sessions(sub)[0].Events; got == 33 {
				break
			}
			if err := w.Tick(ctx); err != nil {
				t.Fatal(err)
			}
			pause(t, 10*time.Millisecond)
		}
		s.wait(w, sub, s.send(sub, at(50, "z")))
		if got := s.sessions(sub)[0].Events; got != 34 {
			t.Errorf("%d events took effect, want 34: none of the new log's may be skipped", got)
		}
		incidents, err := w.Incidents(ctx)
		if err != nil || len(incidents) != 1 || incidents[0].Kind != worker.IncidentRegressed {
			t.Errorf("incidents %+v, %v", incidents, err)
		}
	})
}

// pause waits for other goroutines in a test that polls.
func pause(t *testing.T, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

func TestAdmissionKeepsTheLagBounded(t *testing.T) {
	s := newSite(t, storetest.SQLite(t))
	w := s.worker("a", nil)
	sub := s.visitor()
	if err := w.Admit(t.Context()); err != nil {
		t.Fatalf("with nothing to do: %v", err)
	}
	block := make(chan struct{})
	held := make(chan struct{})
	go func() {
		_ = s.db.Write(context.Background(), func(*store.Tx) error { close(held); <-block; return nil })
	}()
	<-held
	stop := s.start(w)
	_ = stop
	close(block)
	s.wait(w, sub, s.send(sub, at(0, "x")))

	block = make(chan struct{})
	held = make(chan struct{})
	go func() {
		_ = s.db.Write(context.Background(), func(*store.Tx) error { close(held); <-block; return nil })
	}()
	<-held // the database does nothing else now
	seq := s.send(sub, at(1, "x"))
	for w.Lag() == 0 {
		s.clock.Advance(time.Second)
		pause(t, time.Millisecond)
	}
	s.clock.Advance(time.Hour)
	if err := w.Admit(t.Context()); !fail.Is(err, fail.Unavailable) {
		t.Errorf("an hour behind: %v", err)
	}
	close(block)
	s.wait(w, sub, seq)
	if err := w.Admit(t.Context()); err != nil {
		t.Errorf("after catching up: %v", err)
	}
}
