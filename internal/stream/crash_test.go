package stream_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"probity/internal/stream"
)

// childDir is the environment variable that turns this test binary into a process that appends to
// the log in that directory, and says what was acknowledged, until it is killed.
const (
	childDir   = "PROBITY_STREAM_TEST_DIR"
	childRound = "PROBITY_STREAM_TEST_ROUND"
	writers    = 8
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		appendUntilKilled(dir, os.Getenv(childRound))
		return
	}
	os.Exit(m.Run())
}

func appendUntilKilled(dir, round string) {
	e, err := stream.Open(context.Background(), stream.Options{Dir: dir, Partitions: 2})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				record := fmt.Sprintf("%s %d %d", round, w, i)
				if _, err := e.Append(context.Background(), w%2, []byte(record)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				// One write, so that a line is whole or missing.
				os.Stdout.WriteString(record + "\n")
			}
		})
	}
	wg.Wait()
}

// A process is killed at random moments while it appends, and started again on the same files. All
// that it said was acknowledged must be there, once and in order.
func TestKillingTheProcessLosesNothingAcknowledged(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	acknowledged := map[[2]int]int{} // round and writer to how many
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprint(childRound, "=", round))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := 1 + random.IntN(3000)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var r, w, i int
			if _, err := fmt.Sscan(lines.Text(), &r, &w, &i); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			acknowledged[[2]int{r, w}] = i + 1
			if n == killAfter {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		if len(acknowledged) == 0 {
			t.Fatal("the process acknowledged nothing")
		}
	}

	e := openEngine(t, stream.Options{Dir: dir, Partitions: 2})
	st, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[[2]int]int{}
	for p := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		err := e.Follow(ctx, p, 0, func(f stream.Frame) error {
			for _, rec := range f.Records {
				var r, w, i int
				if _, err := fmt.Sscan(string(rec), &r, &w, &i); err != nil {
					return err
				}
				if i != found[[2]int{r, w}] {
					return fmt.Errorf("round %d writer %d: record %d came where %d should", r, w, i, found[[2]int{r, w}])
				}
				found[[2]int{r, w}]++
			}
			if f.Seq == st.Last[p] {
				cancel()
			}
			return nil
		})
		if ctx.Err() == nil {
			t.Fatal(err)
		}
		cancel()
	}
	total := 0
	for key, n := range acknowledged {
		total += n
		// One more may have been written when the process died before it could say so.
		if got := found[key]; got < n || got > n+1 {
			t.Errorf("round %d writer %d: %d acknowledged, %d found", key[0], key[1], n, got)
		}
	}
	t.Logf("%d records acknowledged over %d kills", total, rounds)
}
