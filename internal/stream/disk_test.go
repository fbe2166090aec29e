//go:build linux

package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/stream"
)

// A disk that is full for a while is played by a limit on the size of files.
func TestTheLogTakesRecordsAgainWhenTheDiskDoes(t *testing.T) {
	e := openEngine(t, stream.Options{MaxWait: time.Second})
	heard := make(chan string, 10)
	cancel, err := e.Subscribe("t", func(_ string, d []byte) { heard <- string(d) })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	frames := make(chan uint64, 1000)
	following, stop := context.WithCancel(t.Context())
	defer stop()
	go e.Follow(following, 0, 0, func(f stream.Frame) error {
		frames <- f.Seq
		return nil
	})

	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	small := syscall.Rlimit{Cur: 1 << 20, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	widen := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	defer widen()
	record := bytes.Repeat([]byte("r"), 50_000)
	var stored []uint64
	for {
		seq, err := e.Append(t.Context(), 0, record)
		if err != nil {
			if !fail.Is(err, fail.Unavailable) {
				t.Errorf("a full disk answers %v", err)
			}
			break
		}
		if stored = append(stored, seq); len(stored) > 100 {
			t.Fatal("the limit doesn't bite")
		}
	}
	widen()

	var last uint64
	for deadline := time.Now().Add(30 * time.Second); ; {
		if last, err = e.Append(t.Context(), 0, []byte("after")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is space again, and still: %v", err)
		}
	}
	if last <= stored[len(stored)-1] {
		t.Errorf("number %d was given after %d", last, stored[len(stored)-1])
	}
	var seen []uint64
	for len(seen) == 0 || seen[len(seen)-1] < last {
		select {
		case seq := <-frames:
			seen = append(seen, seq)
		case <-time.After(30 * time.Second):
			t.Fatalf("the follower saw %d frames and no more", len(seen))
		}
	}
	if fmt.Sprint(seen[:len(stored)]) != fmt.Sprint(stored) {
		t.Errorf("acknowledged %v, followed %v", stored, seen)
	}
	for deadline := time.Now().Add(30 * time.Second); len(heard) == 0; {
		if err := e.Publish("t", []byte("still here")); err != nil && time.Now().After(deadline) {
			t.Fatal(errors.Join(err, errors.New("the subscriber is gone")))
		}
		select {
		case <-heard:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
