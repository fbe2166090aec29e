package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// childEnv makes the test binary write notes to the named database until it is killed.
const childEnv = "PROBITY_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := writeUntilKilled(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled prints the number of each note once its write has been acknowledged.
func writeUntilKilled(spec string) error {
	url, rest, _ := strings.Cut(spec, " ")
	tenantText, firstText, _ := strings.Cut(rest, " ")
	tenant, err := id.ParseTenant(tenantText)
	if err != nil {
		return err
	}
	first, err := strconv.ParseInt(firstText, 10, 64)
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{URL: url})
	if err != nil {
		return err
	}
	h := db.Tenant(tenant)
	var (
		mu   sync.Mutex // guards next and os.Stdout
		next = first
		errs = make(chan error)
	)
	for range 8 {
		go func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				// Two rows, so that a half-done write could be seen.
				err := h.Write(ctx, func(tx *store.Tx) error {
					if err := addNote(ctx, tx, 2*n, strings.Repeat("x", 300)); err != nil {
						return err
					}
					return addNote(ctx, tx, 2*n+1, "y")
				})
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				fmt.Println(n)
				mu.Unlock()
			}
		}()
	}
	return <-errs
}

func TestL22_EveryAcknowledgedWriteSurvivesAKilledProcess(t *testing.T) {
	url := "sqlite:" + t.TempDir() + "/probity.db"
	tenant := id.NewTenant()
	db := storetest.Open(t, store.Config{URL: url})
	migrateNotes(t, db)
	acked := map[int64]bool{}
	first := int64(0)
	for range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", childEnv, url, tenant, first))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		killAfter := 20 + rand.IntN(200)
		for n := 0; lines.Scan(); n++ {
			at, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				break // the kill cut the line
			}
			acked[at] = true
			first = max(first, at+100)
			if n == killAfter {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	if len(acked) < 80 {
		t.Fatalf("only %d writes were acknowledged", len(acked))
	}
	// A fresh look, as after a restart.
	db = storetest.Open(t, store.Config{URL: url})
	got, err := notesOf(t.Context(), db.Tenant(tenant))
	if err != nil {
		t.Fatal(err)
	}
	for n := range acked {
		if _, ok := got[2*n]; !ok {
			t.Errorf("write %d was acknowledged and is gone", n)
		}
	}
	for n := range got {
		if _, ok := got[n^1]; !ok {
			t.Errorf("write %d is there by half", n/2)
		}
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}
