package binary

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

var share = regexp.MustCompile(`[0-9A-Z]{4}(-[0-9A-Z]{4}){13}`)

// recover runs the command that makes the root key again, as somebody who types the share.
func (h *house) recover(t *testing.T, typed string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "recover", "--data", h.data)
	cmd.Env = environment()
	cmd.Stdin = strings.NewReader(typed)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestTheRecoveryShareBringsTheRootKeyBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	out, said, err := command(t, nil, "init", "--data", h.data)
	if err != nil {
		t.Fatalf("init: %v\n%s", err, said)
	}
	typed := share.FindString(out)
	if typed == "" {
		t.Fatalf("init prints no share: %s", out)
	}
	key := filepath.Join(h.data, "root.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the root key: %v, %v", info, err)
	}
	if out, said, err := command(t, nil, "init", "--data", h.data); err == nil || share.MatchString(out+said) {
		t.Errorf("a second init: %v\n%s%s", err, out, said)
	}
	s := h.start(t)
	if share.MatchString(s.log.String()) {
		t.Error("the share is printed again at the first start")
	}
	cookie, _ := s.grant(t)
	s.send(t, batch(cookie, event(1, nil)), 1)
	s.settle(t)
	s.stop(t)

	was, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := h.recover(t, typed); err == nil {
		t.Errorf("a root key that is there was overwritten: %s", out)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	wrong := []byte(typed)
	wrong[0] ^= 1
	if out, err := h.recover(t, string(wrong)+"\n"); err == nil {
		t.Errorf("a typing error was taken: %s", out)
	}
	if out, err := h.recover(t, strings.ToLower(strings.ReplaceAll(typed, "-", " "))+"\n"); err != nil {
		t.Fatalf("recover: %v\n%s", err, out)
	}
	if is, err := os.ReadFile(key); err != nil || !bytes.Equal(was, is) {
		t.Errorf("the root key is another one (%v)", err)
	}
	s = h.start(t)
	s.send(t, batch(cookie, event(2, nil)), 1)
	s.settle(t)
	if n := h.countEvents(t, s, cookie); n != 2 {
		t.Errorf("%d events are stored, want 2", n)
	}
}

func TestASettingsFileCountsAndMisspellingsDoNotPass(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "settings.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("kek_epoch: 24h\nlog-level: warn\ntrusted-proxies: [10.0.0.0/8]\nstore: postgres://me:very-secret@db/probity\n")
	out, said, err := command(t, []string{"PROBITY_LOG_LEVEL=error"}, "--config", file, "config", "--partitions", "2")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, want := range []string{"kek-epoch: 24h0m0s", "log-level: ERROR", "10.0.0.0/8", "partitions: 2", "me:xxxxx@db"} {
		if !strings.Contains(out, want) {
			t.Errorf("the effective settings lack %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "very-secret") {
		t.Error("a password is shown")
	}
	for _, text := range []string{"kek-epoc: 24h\n", "kek-epoch: soon\n", "kek-epoch: [\n"} {
		write(text)
		if out, said, err := command(t, nil, "--config", file, "config"); err == nil || said == "" {
			t.Errorf("%q passes:\n%s", text, out)
		}
	}
}

// A log that may hold little refuses while it is full. It never drops what it took.
func TestASmallLogRefusesInsteadOfDropping(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "--log-max-bytes", "1048576")
	s := h.start(t)
	crew := make([]*crowd, 8)
	for i := range crew {
		crew[i] = &crowd{visit: uuid.NewString(), next: 1}
		crew[i].cookie, _ = s.grant(t)
	}
	refused := make([]int, len(crew))
	var wg sync.WaitGroup
	for i, c := range crew {
		wg.Go(func() {
			for range 12 {
				switch a := c.send(t, s); {
				case a.status == 202:
				case a.status == 503 && a.header.Get("Retry-After") != "":
					refused[i]++
				default:
					t.Errorf("a small log answers %d: %s", a.status, a.body)
					return
				}
			}
		})
	}
	wg.Wait()
	s.settle(t)
	eventually(t, "events are taken again", func() bool { return crew[0].send(t, s).status == 202 })
	s.settle(t)
	s.stop(t)
	total := 0
	for _, c := range crew {
		stored, _ := h.stored(t, c.cookie)
		for _, seq := range c.acked {
			if stored[seq] != 1 {
				t.Errorf("event %d was acknowledged and is stored %d times", seq, stored[seq])
			}
		}
		total += len(c.acked)
	}
	t.Logf("%d events were acknowledged, %s batches refused", total, fmt.Sprint(refused))
}
