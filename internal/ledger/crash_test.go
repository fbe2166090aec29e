package ledger_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
	"probity/verify"
)

// crashDir names the folder of a child process that appends until it is killed.
const crashDir = "PROBITY_LEDGER_CRASH_DIR"

// crashKills says how often to kill; by default a few times.
const crashKills = "PROBITY_LEDGER_KILLS"

func openForCrash(t *testing.T, dir string) *world {
	t.Helper()
	db := storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, "probity.db")})
	keys := storetest.Open(t, store.Config{URL: "sqlite:" + filepath.Join(dir, "vault.db")})
	v, err := vault.Open(t.Context(), keys, vault.RootKey{9}, clock.System(), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(db, v, clock.System(), "probity.test")
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &world{Ledger: l, db: db, vault: v, tenant: id.Tenant{1}}
}

// TestL21_Child is the process that is killed; on its own it does nothing.
func TestL21_Child(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return
	}
	w := openForCrash(t, dir)
	for i := 0; ; i++ {
		n := w.add(t, ledger.NoticePublished, fmt.Sprintf(`{"n":%d}`, i))
		fmt.Println("acknowledged", n)
		if i%3 == 0 {
			c := w.checkpoint(t)
			fmt.Println("checkpoint", c.Tree.N, c.Tree.Hash)
		}
	}
}

func TestL21_NoAcknowledgedEntryIsLostWhenTheProcessIsKilled(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 2
	}
	if s := os.Getenv(crashKills); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	acknowledged := map[int64]bool{}
	checkpoints := map[int64]string{}
	for kill := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestL21_Child$", "-test.v")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for said := 0; lines.Scan(); {
			words := strings.Fields(lines.Text())
			switch {
			case len(words) == 2 && words[0] == "acknowledged":
				n, err := strconv.ParseInt(words[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				if acknowledged[n] {
					t.Fatalf("the number %d was given twice", n)
				}
				acknowledged[n] = true
				said++
			case len(words) == 3 && words[0] == "checkpoint":
				n, err := strconv.ParseInt(words[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				if before, ok := checkpoints[n]; ok && before != words[2] {
					t.Fatalf("two checkpoints of %d entries differ", n)
				}
				checkpoints[n] = words[2]
			}
			if said == 5+7*kill%23 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				said++ // what it still says counts, but it is killed once
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	w := openForCrash(t, dir)
	if err := w.Audit(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	size := w.checkpoint(t).Tree.N
	for n := range acknowledged {
		if n >= size {
			t.Errorf("entry %d was acknowledged, but the log has only %d", n, size)
			continue
		}
		r, err := w.Receipt(t.Context(), w.tenant, n, nil)
		if err != nil {
			t.Errorf("entry %d: %v", n, err)
			continue
		}
		if _, _, err := r.Check(r.VerifierKey); err != nil {
			t.Errorf("entry %d: %v", n, err)
		}
	}
	for n, root := range checkpoints {
		x, err := w.Consistency(t.Context(), w.tenant, n)
		if err != nil {
			t.Errorf("the checkpoint of %d entries is lost: %v", n, err)
			continue
		}
		old, err := verify.ParseCheckpoint(x.Old[:strings.Index(x.Old, "\n\n")+1])
		if err != nil || old.Tree.Hash.String() != root {
			t.Errorf("the checkpoint of %d entries is another one now: %v", n, err)
		}
	}
	t.Logf("%d entries acknowledged, %d in the log, %d kills", len(acknowledged), size, kills)
}
