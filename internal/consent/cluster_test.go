package consent_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/stream"
	"probity/internal/subject"
)

// process is one of several that share a database and a NATS server, with caches of its own.
type process struct {
	*consent.Room
	bus   *stream.Engine
	heard chan id.Subject // announcements that were acted upon
	told  chan id.Subject // what OnChange said
}

// join starts a process beside w. A deaf one hears no announcement.
func (w *world) join(t *testing.T, database, nats string, deaf bool) *process {
	t.Helper()
	db := storetest.Open(t, store.Config{URL: database})
	engine, err := stream.Open(t.Context(), stream.Options{URL: nats, AckSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	p := &process{bus: engine, heard: make(chan id.Subject, 16), told: make(chan id.Subject, 16)}
	p.Room = consent.New(db, ledger.New(db, w.vault, w.clk, "probity.test"), subject.New(db, w.vault, w.clk), w.vault, w.clk, engine)
	p.OnChange(func(_ id.Tenant, subjects []id.Subject) {
		for _, s := range subjects {
			p.told <- s
		}
	})
	if deaf {
		return p
	}
	cancel, err := engine.Subscribe("inval.*", func(topic string, data []byte) {
		var m struct{ Subject id.Subject }
		if tenant, err := id.ParseTenant(strings.TrimPrefix(topic, "inval.")); err == nil && json.Unmarshal(data, &m) == nil {
			p.Invalidate(tenant, m.Subject)
			p.heard <- m.Subject
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return p
}

func natsServer(t *testing.T) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
		MaxPayload: 2 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return srv.ClientURL()
}

func TestW8_AWithdrawalShutsTheGatesOfAClusterAtOnceOrWithinASecondIfItsMessageIsLost(t *testing.T) {
	url, nats := storetest.PostgresURL(t), natsServer(t)
	fake := clock.NewFake(noon)
	w := newWorldAt(t, storetest.Open(t, store.Config{URL: url}), fake)
	here, hearing, deaf := w.join(t, url, nats, false), w.join(t, url, nats, false), w.join(t, url, nats, true)

	out, err := here.Choose(t.Context(), w.tenant, w.choice(t, nil, notice.Measure))
	if err != nil {
		t.Fatal(err)
	}
	<-hearing.heard // of the choice
	for _, p := range []*process{here, hearing, deaf} {
		if _, err := p.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := here.Withdraw(t.Context(), w.tenant, withdrawal(*out.Visitor)); err != nil {
		t.Fatal(err)
	}
	shut := func(p *process) bool {
		_, err := p.Gate(t.Context(), w.tenant, out.Subject, notice.Measure)
		return fail.Is(err, fail.ConsentRequired)
	}
	if !shut(here) {
		t.Error("the process that recorded it goes on")
	}
	select {
	case s := <-hearing.heard:
		if s != out.Subject || !shut(hearing) {
			t.Errorf("the announcement was about %v, and the gate is open", s)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the announcement did not come")
	}
	// No time has passed for whoever heard nothing, so it may still believe what it knew.
	fake.Advance(time.Second)
	if !shut(deaf) {
		t.Error("a process that heard nothing goes on after a second")
	}
	select {
	case s := <-deaf.told:
		if s != out.Subject {
			t.Errorf("it was told of %v", s)
		}
	default:
		t.Error("whoever waits for changes in that process was not told")
	}
}

// While one caller looks at the log, others go on with what is known: for no longer than a second.
func TestW8_NobodyGoesOnForMoreThanASecondWhileTheLogIsLookedAt(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	other := w.room()
	if _, err := other.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
		t.Fatal(err)
	}
	if 2*consent.CacheLife > time.Second {
		t.Fatalf("a lost message may be missed for %v", 2*consent.CacheLife)
	}
	w.withdraw(t, *out.Visitor)
	w.fake.Advance(2*consent.CacheLife - time.Millisecond)
	if err := other.Refresh(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
		t.Errorf("after a look at the log: %v", err)
	}
}

// What was published or declared elsewhere is in the log too.
func TestW8_ADeclarationThatEndedElsewhereNoLongerHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		record, err := w.Declare(t.Context(), w.tenant, consent.Declaration{
			Basis: "legitimate_interest", Purposes: []string{notice.Measure}, Assessment: "Weighed against the interests of visitors on 20 November 2026.",
		})
		if err != nil {
			t.Fatal(err)
		}
		other := w.room()
		if _, err := other.Gate(t.Context(), w.tenant, id.NewSubject(), notice.Measure); err != nil {
			t.Fatal(err)
		}
		if err := w.EndDeclaration(t.Context(), w.tenant, record, ""); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(consent.CacheLife)
		if _, err := other.Gate(t.Context(), w.tenant, id.NewSubject(), notice.Measure); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("got %v", err)
		}
	})
}

func BenchmarkALookAtAnUnchangedLog(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b))
	out := w.choose(b, nil, notice.Measure)
	for b.Loop() {
		w.fake.Advance(consent.CacheLife)
		if _, err := w.Gate(b.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
			b.Fatal(err)
		}
	}
}
