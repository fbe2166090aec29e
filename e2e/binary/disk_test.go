//go:build linux

package binary

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/uuid"
)

// A full disk refuses for a while and costs nothing: neither what was acknowledged nor the program.
func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("a small file system", func(t *testing.T) {
		t.Parallel()
		h, ballast := smallDisk(t)
		if h == nil {
			t.Log("this user can't mount a file system; the limit on the size of files stands for it")
			return
		}
		full(t, h, func(*server) {}, func(*server) {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}, false)
	})
	t.Run("a small file system, and the program is killed", func(t *testing.T) {
		t.Parallel()
		h, ballast := smallDisk(t)
		if h == nil {
			t.Log("this user can't mount a file system")
			return
		}
		full(t, h, func(*server) {}, func(*server) {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}, true)
	})
	t.Run("files that can't grow", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		full(t, h, func(s *server) { limitFiles(t, s, 6<<20) }, func(s *server) { limitFiles(t, s, 1<<40) }, false)
	})
}

// smallDisk returns an installation on a file system of its own, which is nearly full with ballast;
// nil if this user can't mount one.
func smallDisk(t *testing.T) (h *house, ballast string) {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m,mode=0700"); err != nil {
		return nil, ""
	}
	// Registered before the server is: it ends first.
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	h = newHouse(t)
	h.data = filepath.Join(dir, "data")
	return h, ballast
}

// limitFiles limits the size of the files that the server may write.
func limitFiles(t *testing.T, s *server, size uint64) {
	t.Helper()
	limit := struct{ cur, max uint64 }{size, 1 << 40}
	const resourceFileSize = 1
	_, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(s.cmd.Process.Pid), resourceFileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if e != 0 {
		t.Fatalf("prlimit: %v", e)
	}
}

// Who is told that a database is damaged restores a backup. A full disk is no damage.
func TestAStartOnAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	h, ballast := smallDisk(t)
	if h == nil {
		t.Log("this user can't mount a file system")
		return
	}
	s := h.start(t)
	cookie, _ := s.grant(t)
	s.send(t, batch(cookie, event(1, nil)), 1)
	s.settle(t)
	s.stop(t)
	f, err := os.OpenFile(ballast, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if cerr := f.Close(); cerr != nil {
		t.Fatal(cerr)
	}
	said := h.refused(t)
	if !strings.Contains(said, "disk") && !strings.Contains(said, "space") || strings.Contains(said, "damaged") || strings.Contains(said, "backup") {
		t.Errorf("it says %s", said)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = h.start(t)
	s.send(t, batch(cookie, event(2, nil)), 1)
	s.settle(t)
	if n := h.countEvents(t, s, cookie); n != 2 {
		t.Errorf("%d events are stored, want 2", n)
	}
}

// crowd is a visitor whose events fill the disk.
type crowd struct {
	cookie, visit string
	next          int
	acked         []int
}

const crowdBatch = 20

// send sends the next batch, or the same again if the last one was refused, and returns the answer.
func (c *crowd) send(t *testing.T, s *server) *answer {
	t.Helper()
	var events []map[string]any
	for seq := c.next; seq < c.next+crowdBatch; seq++ {
		attributes := map[string]any{"n": seq}
		for i := range 6 {
			noise := make([]byte, 200)
			_, _ = rand.Read(noise) // never fails
			attributes["noise"+strconv.Itoa(i)] = hex.EncodeToString(noise)
		}
		events = append(events, event(seq, map[string]any{"attributes": attributes}))
	}
	a := s.do(t, "POST", eventsPath, object(map[string]any{"visitor": c.cookie, "visit": c.visit, "context": map[string]any{}, "events": events}), "Origin", origin)
	if a.status == 202 {
		var got sent
		if a.into(t, &got); got.Accepted != crowdBatch {
			t.Fatalf("%d of a batch were accepted: %s", got.Accepted, a.body)
		}
		for seq := c.next; seq < c.next+crowdBatch; seq++ {
			c.acked = append(c.acked, seq)
		}
		c.next += crowdBatch
	}
	return a
}

func full(t *testing.T, h *house, shrink, widen func(*server), kill bool) {
	t.Helper()
	s := h.start(t)
	auth := s.token(t)
	c := &crowd{visit: uuid.NewString(), next: 1}
	c.cookie, _ = s.grant(t)
	shrink(s)
	refused := 0
	for tries := 0; refused < 3; tries++ {
		if tries > 3000 {
			t.Fatal("the disk never gets full")
		}
		a := c.send(t, s)
		switch a.status {
		case 202:
		case 503:
			refused++
			if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
				t.Errorf("a refusal for want of space has Retry-After %q", a.header.Get("Retry-After"))
			}
			shape(t, eventsPath, a)
		default:
			t.Fatalf("a full disk answers %d: %s", a.status, a.body)
		}
	}
	t.Logf("%d events were acknowledged before the disk was full", len(c.acked))
	if len(c.acked) == 0 {
		t.Fatal("no event was acknowledged: the test tests nothing")
	}
	// The other doors either take or refuse in the same way; reading goes on.
	all := map[string]bool{}
	for _, p := range purposes {
		all[p] = true
	}
	for path, body := range map[string]string{
		"/probity/v1/consent/choices": object(choice(s.nonce(t), all)),
		"/api/v2/gdpr/requests":       object(map[string]any{"requestType": "GDPR_EXPORT", "subject": map[string]any{"name": "A"}}),
		webEventsPath:                 webEvent(c.cookie, nil),
	} {
		a := s.do(t, "POST", path, body, "Authorization", auth)
		if a.status/100 != 2 && (a.status != 503 || a.header.Get("Retry-After") == "") {
			t.Errorf("%s answers %d on a full disk: %s", path, a.status, a.body)
		}
	}
	s.do(t, "GET", "/healthz", "").want(t, 200)
	s.do(t, "POST", "/probity/v1/consent/state", object(map[string]any{"deployment": deployment, "visitor": c.cookie}), "Origin", origin).want(t, 200)

	if kill {
		s.kill(t)
	}
	widen(s)
	if kill {
		s = h.start(t)
	}
	before := len(c.acked)
	eventually(t, "events are taken again", func() bool { return c.send(t, s).status == 202 })
	s.settle(t)
	s.stop(t)
	if strings.Contains(s.log.String(), "panic") {
		t.Error("something panicked")
	}
	stored, _ := h.stored(t, c.cookie)
	for _, seq := range c.acked {
		if stored[seq] != 1 {
			t.Errorf("event %d was acknowledged and is stored %d times (the disk was full after %d)", seq, stored[seq], before)
		}
	}
}
