// Package streamtest says what a stream.Log must do. An engine passes Run, or it can't carry what
// has been accepted.
package streamtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/stream"
)

// Subject is an engine under test.
type Subject struct {
	// Open opens the log with its files as they are. A log of maxBytes refuses beyond that.
	Open func(t *testing.T, partitions int, maxBytes int64) Opened
}

// Opened is an open log.
type Opened interface {
	stream.Log
	Close() error
}

// patience bounds what should take milliseconds, so that a broken engine fails instead of hanging.
const patience = 30 * time.Second

// Run tests an engine. fresh returns one with nothing in it.
func Run(t *testing.T, fresh func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"records come back in the order of their appends", order},
		{"a record may be empty and a frame keeps the borders of records", borders},
		{"what was acknowledged is there after reopening, and numbers go on", durable},
		{"concurrent appends share frames and none is lost or doubled", grouped},
		{"partitions have an order of their own", partitioned},
		{"following starts behind the number given and waits for more", following},
		{"following ends with its context or the error of its function", ending},
		{"trimming gives up frames and disturbs neither numbers nor followers", trimming},
		{"numbers go on after everything was trimmed and the log reopened", trimmedEmpty},
		{"a full log refuses until it is trimmed", func(t *testing.T, s Subject) { full(t, s, 1) }},
		{"a full log refuses writes that span partitions", func(t *testing.T, s Subject) { full(t, s, 3) }},
		{"renewing starts above the positions given and ends followers", renewing},
		{"renewing carries over what has not been processed", carrying},
		{"a renewed log stays renewed after reopening", renewedReopened},
		{"a cancelled append returns at once", cancelled},
		{"a closed log refuses", closed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, fresh(t)) })
	}
}

const roomy = 64 << 20

func order(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	last := uint64(0)
	for i := range 50 {
		seq := appendRecord(t, log, 0, fmt.Sprint("record ", i))
		if seq <= last {
			t.Fatalf("record %d got number %d after %d", i, seq, last)
		}
		last = seq
	}
	got := read(t, log, 0, 0, 50)
	for i, r := range got {
		if r != fmt.Sprint("record ", i) {
			t.Fatalf("at %d: %q", i, r)
		}
	}
	st := status(t, log)
	if st.Last[0] != last {
		t.Errorf("status says last %d, want %d", st.Last[0], last)
	}
	if st.Generation == "" || st.Bytes == 0 || st.Frames != 50 {
		t.Errorf("status %+v", st)
	}
}

func borders(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	want := []string{"", "a", "", strings.Repeat("x", 300), strings.Repeat("y", stream.MaxRecord), "end"}
	for _, r := range want {
		appendRecord(t, log, 0, r)
	}
	if got := read(t, log, 0, 0, len(want)); !slices.Equal(got, want) {
		t.Errorf("%d records came back changed", len(got))
	}
	_, err := log.Append(t.Context(), 0, make([]byte, stream.MaxRecord+1))
	if !fail.Is(err, fail.TooLarge) {
		t.Errorf("an oversized record: %v", err)
	}
}

func durable(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	var want []string
	last := uint64(0)
	for i := range 20 {
		want = append(want, fmt.Sprint("before ", i))
		last = appendRecord(t, log, 0, want[i])
	}
	before := status(t, log)
	closeLog(t, log)

	log = open(t, s, 1, roomy)
	after := status(t, log)
	if after.Generation != before.Generation || after.Last[0] != last {
		t.Fatalf("reopened with %+v, was %+v", after, before)
	}
	want = append(want, "after")
	if seq := appendRecord(t, log, 0, "after"); seq <= last {
		t.Errorf("number %d was given again after %d", seq, last)
	}
	if got := read(t, log, 0, 0, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func grouped(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	const writers, each = 64, 40
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			last := uint64(0)
			for i := range each {
				seq, err := log.Append(context.Background(), 0, fmt.Appendf(nil, "%d/%d", w, i))
				if err != nil {
					errs <- err
					return
				}
				if seq <= last {
					errs <- fmt.Errorf("writer %d got number %d after %d", w, seq, last)
					return
				}
				last = seq
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	next := make([]int, writers)
	for _, r := range read(t, log, 0, 0, writers*each) {
		var w, i int
		if _, err := fmt.Sscanf(r, "%d/%d", &w, &i); err != nil {
			t.Fatal(err)
		}
		if i != next[w] {
			t.Fatalf("writer %d: record %d came where %d should", w, i, next[w])
		}
		next[w]++
	}
	if st := status(t, log); st.Frames > writers*each/2 {
		t.Errorf("%d records took %d frames: they are not grouped", writers*each, st.Frames)
	}
}

func partitioned(t *testing.T, s Subject) {
	const partitions, each = 4, 50
	log := open(t, s, partitions, roomy)
	var wg sync.WaitGroup
	for p := range partitions {
		wg.Go(func() {
			for i := range each {
				if _, err := log.Append(context.Background(), p, fmt.Appendf(nil, "%d:%d", p, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for p := range partitions {
		for i, r := range read(t, log, p, 0, each) {
			if r != fmt.Sprintf("%d:%d", p, i) {
				t.Fatalf("partition %d at %d: %q", p, i, r)
			}
		}
	}
	if _, err := log.Append(t.Context(), partitions, nil); err == nil {
		t.Error("a partition that doesn't exist took a record")
	}
	trimTo := status(t, log).Last[1]
	trim(t, log, 1, trimTo)
	if got := read(t, log, 2, 0, each); len(got) != each {
		t.Errorf("trimming one partition left %d of another's %d records", len(got), each)
	}
	if st := status(t, log); st.Last[1] < trimTo {
		t.Errorf("after trimming to %d status says last %d", trimTo, st.Last[1])
	}
}

func following(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	var seqs []uint64
	for i := range 10 {
		seqs = append(seqs, appendRecord(t, log, 0, fmt.Sprint(i)))
	}
	if got := read(t, log, 0, seqs[6], 3); !slices.Equal(got, []string{"7", "8", "9"}) {
		t.Errorf("after the seventh: %q", got)
	}
	f := follow(t, log, 0, seqs[9])
	for i := range 5 {
		want := fmt.Sprint("late ", i)
		seq := appendRecord(t, log, 0, want)
		fr := f.next(t)
		if fr.Seq != seq || len(fr.Records) != 1 || string(fr.Records[0]) != want {
			t.Fatalf("frame %d %q, want %d %q", fr.Seq, fr.Records, seq, want)
		}
	}
}

func ending(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	appendRecord(t, log, 0, "one")
	enough := errors.New("enough")
	err := log.Follow(t.Context(), 0, 0, func(stream.Frame) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want the function's own error", err)
	}
	f := follow(t, log, 0, 0)
	f.next(t)
	f.cancel()
	if err := f.wait(t); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled follower ends with %v", err)
	}
}

func trimming(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	var seqs []uint64
	for i := range 20 {
		seqs = append(seqs, appendRecord(t, log, 0, fmt.Sprint(i)))
	}
	f := follow(t, log, 0, 0)
	for range 20 {
		f.next(t)
	}
	trim(t, log, 0, seqs[14])
	if st := status(t, log); st.Frames != 5 || st.Last[0] != seqs[19] {
		t.Errorf("after trimming 15 of 20: %+v", st)
	}
	if got := read(t, log, 0, 0, 5); !slices.Equal(got, []string{"15", "16", "17", "18", "19"}) {
		t.Errorf("left: %q", got)
	}
	trim(t, log, 0, seqs[19])
	seq := appendRecord(t, log, 0, "next")
	if seq <= seqs[19] {
		t.Errorf("number %d after %d", seq, seqs[19])
	}
	if fr := f.next(t); fr.Seq != seq {
		t.Errorf("the follower sees %d, want %d", fr.Seq, seq)
	}
	trim(t, log, 0, seqs[3]) // again, and long ago: nothing happens
	if st := status(t, log); st.Frames != 1 {
		t.Errorf("trimming the past changed something: %+v", st)
	}
}

func trimmedEmpty(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	last := uint64(0)
	for i := range 5 {
		last = appendRecord(t, log, 0, fmt.Sprint(i))
	}
	trim(t, log, 0, last)
	closeLog(t, log)
	log = open(t, s, 1, roomy)
	if st := status(t, log); st.Last[0] != last || st.Frames != 0 {
		t.Errorf("reopened empty with %+v, last was %d", st, last)
	}
	if seq := appendRecord(t, log, 0, "next"); seq <= last {
		t.Errorf("number %d was given again after %d", seq, last)
	}
}

func full(t *testing.T, s Subject, partitions int) {
	log := open(t, s, partitions, 1<<20)
	record := make([]byte, 64<<10)
	stored := 0
	var err error
	for stored < 100 && err == nil {
		var wg sync.WaitGroup
		results := make([]error, partitions)
		for p := range partitions {
			wg.Go(func() { _, results[p] = log.Append(context.Background(), p, record) })
		}
		wg.Wait()
		err = errors.Join(results...)
		for _, e := range results {
			if e == nil {
				stored++
			}
		}
	}
	if !fail.Is(err, fail.Unavailable) {
		t.Fatalf("a full log answers %v after %d records", err, stored)
	}
	if f, ok := errors.AsType[*fail.Error](err); !ok || f.Code != "log.full" {
		t.Errorf("its code is not log.full: %v", err)
	}
	st := status(t, log)
	if stored < 10 || int(st.Frames) > stored {
		t.Errorf("it took %d records and holds %d frames", stored, st.Frames)
	}
	for p, last := range st.Last {
		trim(t, log, p, last)
	}
	appendRecord(t, log, 0, "fits again")
}

func renewing(t *testing.T, s Subject) {
	log := open(t, s, 2, roomy)
	appendRecord(t, log, 0, "old")
	before := status(t, log)
	f := follow(t, log, 0, 0)
	f.next(t)
	if err := log.Renew(t.Context(), []uint64{900, 1000}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(t); !errors.Is(err, stream.ErrRenewed) {
		t.Errorf("a follower ends with %v", err)
	}
	after := status(t, log)
	if after.Generation == before.Generation {
		t.Error("the generation is the same")
	}
	if seq := appendRecord(t, log, 0, "new"); seq <= 1000 {
		t.Errorf("the first number is %d", seq)
	}
	if got := read(t, log, 0, 900, 1); got[0] != "new" {
		t.Errorf("got %q", got)
	}
}

func carrying(t *testing.T, s Subject) {
	log := open(t, s, 2, roomy)
	var seqs []uint64
	for i := range 6 {
		seqs = append(seqs, appendRecord(t, log, 0, fmt.Sprint(i)))
	}
	other := appendRecord(t, log, 1, "processed")
	if err := log.Renew(t.Context(), []uint64{seqs[3], other}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, log, 0, seqs[3], 2); !slices.Equal(got, []string{"4", "5"}) {
		t.Errorf("carried over: %q", got)
	}
	appendRecord(t, log, 1, "new")
	if got := read(t, log, 1, other, 1); got[0] != "new" {
		t.Errorf("what was processed came again: %q", got)
	}
}

func renewedReopened(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	appendRecord(t, log, 0, "old")
	if err := log.Renew(t.Context(), []uint64{50}); err != nil {
		t.Fatal(err)
	}
	seq := appendRecord(t, log, 0, "new")
	before := status(t, log)
	closeLog(t, log)
	log = open(t, s, 1, roomy)
	if after := status(t, log); after.Generation != before.Generation || after.Last[0] != seq {
		t.Errorf("reopened with %+v, was %+v", after, before)
	}
	if got := read(t, log, 0, 50, 1); got[0] != "new" {
		t.Errorf("got %q", got)
	}
}

func cancelled(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 100 { // one of them is bound to look before it is durable
		_, err := log.Append(ctx, 0, fmt.Append(nil, i))
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			return
		}
	}
	t.Error("a hundred appends took no notice of their context")
}

func closed(t *testing.T, s Subject) {
	log := open(t, s, 1, roomy)
	f := follow(t, log, 0, 0)
	appendRecord(t, log, 0, "one")
	f.next(t)
	closeLog(t, log)
	if err := f.wait(t); err == nil {
		t.Error("a follower of a closed log ended without an error")
	}
	if _, err := log.Append(t.Context(), 0, []byte("two")); !fail.Is(err, fail.Unavailable) {
		t.Errorf("appending to a closed log: %v", err)
	}
}

// open opens the log and closes it at the end of the test.
func open(t *testing.T, s Subject, partitions int, maxBytes int64) Opened {
	t.Helper()
	log := s.Open(t, partitions, maxBytes)
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func closeLog(t *testing.T, log Opened) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func appendRecord(t *testing.T, log stream.Log, partition int, record string) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seq, err := log.Append(ctx, partition, []byte(record))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func trim(t *testing.T, log stream.Log, partition int, upto uint64) {
	t.Helper()
	if err := log.Trim(t.Context(), partition, upto); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, log stream.Log) stream.Status {
	t.Helper()
	s, err := log.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read returns the first n records behind after.
func read(t *testing.T, log stream.Log, partition int, after uint64, n int) []string {
	t.Helper()
	f := follow(t, log, partition, after)
	var out []string
	last := after
	for len(out) < n {
		fr := f.next(t)
		if fr.Seq <= last {
			t.Fatalf("frame %d came after %d", fr.Seq, last)
		}
		last = fr.Seq
		for _, r := range fr.Records {
			out = append(out, string(r))
		}
	}
	f.cancel()
	_ = f.wait(t)
	return out
}

// follower is a Follow in a goroutine of its own.
type follower struct {
	frames chan stream.Frame
	result chan error
	cancel context.CancelFunc
}

func follow(t *testing.T, log stream.Log, partition int, after uint64) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{frames: make(chan stream.Frame), result: make(chan error, 1), cancel: cancel}
	go func() {
		f.result <- log.Follow(ctx, partition, after, func(fr stream.Frame) error {
			select {
			case f.frames <- fr:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(cancel)
	return f
}

func (f *follower) next(t *testing.T) stream.Frame {
	t.Helper()
	select {
	case fr := <-f.frames:
		return fr
	case err := <-f.result:
		t.Fatalf("following ended: %v", err)
	case <-time.After(patience):
		t.Fatal("no frame came")
	}
	return stream.Frame{}
}

func (f *follower) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-f.result:
		return err
	case <-time.After(patience):
		t.Fatal("following doesn't end")
		return nil
	}
}
