package worker_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/internal/worker"
)

// kills can be raised for a longer search: go test ./internal/worker -run Killing -kills 200
var kills = flag.Int("kills", 12, "how often TestKillingTheProcessLosesAndRepeatsNothing kills its child")

// crashDir names, in a child process, the folder that it shares with its parent.
const crashDir = "PROBITY_TEST_CRASH_DIR"

// TestCrashChild is the process that is killed. It accepts and processes events as fast as it can,
// and prints each one when the log has acknowledged it.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return // the parent runs it
	}
	s := crashSite(t, dir)
	w := s.worker("child", func(o *worker.Options) { o.Batch, o.Visitors, o.Every = 20, 4, 20*time.Millisecond })
	s.start(w)
	subjects := crashSubjects(t, s)
	acknowledged := bufio.NewWriter(os.Stdout)
	for i := 0; ; i++ {
		n := rand.IntN(len(subjects))
		ev := at(i, event.PageViewed)
		s.send(subjects[n], ev)
		fmt.Fprintf(acknowledged, "ack %d %s\n", n, ev.ID)
		if err := acknowledged.Flush(); err != nil {
			return
		}
	}
}

func crashSite(t *testing.T, dir string) *site {
	t.Helper()
	open := func(name string) *store.DB {
		return storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, name)})
	}
	s := &site{t: t, dir: dir, db: open("data.db"), gate: &gate{}, predictor: &counting{}, clock: clock.NewFake(noon), tenant: id.Tenant{1}, parts: 1}
	ctx := t.Context()
	var err error
	if s.keys, err = vault.Open(ctx, open("vault.db"), vault.RootKey{1}, s.clock, vault.Options{}); err != nil {
		t.Fatal(err)
	}
	s.openLog("log")
	if s.journey, err = journey.NewStore(s.db, s.keys, s.clock); err != nil {
		t.Fatal(err)
	}
	s.people = subject.New(s.db, s.keys, s.clock)
	for _, migrate := range []func(context.Context) error{s.journey.Migrate, s.people.Migrate, s.worker("migrating", nil).Migrate} {
		if err := migrate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// crashSubjects returns the visitors that parent and children share.
func crashSubjects(t *testing.T, s *site) (subjects []id.Subject) {
	t.Helper()
	for i := range 8 {
		sub, err := s.people.Ensure(t.Context(), s.tenant, subject.Cookie, uuid.UUID{0: 0x80, 6: 0x40, 8: 0x80, 15: byte(i)}.String())
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, sub)
	}
	return subjects
}

// After every kill -9 each acknowledged event takes effect exactly once and in order; one that was
// not acknowledged is absent or takes effect once.
func TestKillingTheProcessLosesAndRepeatsNothing(t *testing.T) {
	kills := *kills
	if testing.Short() {
		kills = min(kills, 4)
	}
	dir := t.TempDir()
	acked := make(map[int][]uuid.UUID)
	for range kills {
		for n, ids := range killOne(t, dir) {
			acked[n] = append(acked[n], ids...)
		}
	}

	s := crashSite(t, dir)
	w := s.worker("parent", nil)
	s.start(w)
	subjects := crashSubjects(t, s)
	total := 0
	for n, sub := range subjects {
		end := at(1_000_000, "end")
		s.wait(w, sub, s.send(sub, end))
		var got []uuid.UUID
		if err := s.journey.For(open{}).Events(t.Context(), s.tenant, sub, time.Time{}, func(e journey.StoredEvent) error {
			got = append(got, e.Event.ID)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		once := make(map[uuid.UUID]bool)
		for _, e := range got {
			if once[e] {
				t.Fatalf("visitor %d: an event took effect twice", n)
			}
			once[e] = true
		}
		order := slices.DeleteFunc(slices.Clone(got), func(e uuid.UUID) bool { return !slices.Contains(acked[n], e) })
		if !slices.Equal(order, acked[n]) {
			t.Fatalf("visitor %d: %d acknowledged events, %d of them took effect (or in another order)", n, len(acked[n]), len(order))
		}
		counted := 0
		for _, session := range s.sessions(sub) {
			counted += session.Events
		}
		if counted != len(got) {
			t.Errorf("visitor %d: sessions count %d events, %d are stored", n, counted, len(got))
		}
		if unacked := len(got) - 1 - len(acked[n]); unacked > kills {
			t.Errorf("visitor %d: %d events took effect that were not acknowledged, after %d kills", n, unacked, kills)
		}
		total += len(acked[n])
	}
	if total < kills {
		t.Fatalf("only %d events were acknowledged", total)
	}
	t.Logf("%d kills, %d acknowledged events", kills, total)
}

// killOne runs a child, kills it at some moment after its first acknowledgement, and returns what it
// had acknowledged.
func killOne(t *testing.T, dir string) map[int][]uuid.UUID {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$", "-test.v")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := make(map[int][]uuid.UUID)
	count, limit := 0, 1+rand.IntN(150)
	var other []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var (
			n    int
			text string
		)
		if k, _ := fmt.Sscanf(lines.Text(), "ack %d %s", &n, &text); k != 2 {
			other = append(other, lines.Text())
			continue
		}
		event, err := uuid.Parse(text)
		if err != nil {
			break // the line was cut short by the kill
		}
		acked[n] = append(acked[n], event)
		if count++; count == limit {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || count == 0 {
		t.Fatalf("the child ended by itself after %d events: %v\n%s", count, err, strings.Join(other, "\n"))
	}
	return acked
}
