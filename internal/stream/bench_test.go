package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity/internal/stream"
)

const benchWriters = 64

// BenchmarkAppend compares the log with the least that durability can cost on the same machine in
// the same run: one file to which 64 goroutines append records of 400 bytes, with one fdatasync for
// all that wait.
func BenchmarkAppend(b *testing.B) {
	record := bytes.Repeat([]byte("x"), 400)
	for _, partitions := range []int{1, 4} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			file := newBareFile(b, filepath.Join(b.TempDir(), "bare"))
			defer file.close()
			e := openEngine(b, stream.Options{Partitions: partitions})
			var bare, log time.Duration
			// In turns, so that both see the same machine.
			const turns = 10
			for range turns {
				bare += drive(b, b.N/turns+1, func(int) error { return file.append(record) })
				log += drive(b, b.N/turns+1, func(w int) error {
					_, err := e.Append(context.Background(), w%partitions, record)
					return err
				})
			}
			n := float64((b.N/turns + 1) * turns)
			st, err := e.Status(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(bare.Seconds()/log.Seconds(), "x-of-bare-file")
			b.ReportMetric(n/log.Seconds(), "records/s")
			b.ReportMetric(n/bare.Seconds(), "bare-records/s")
			b.ReportMetric(n/float64(st.Frames), "records/frame")
		})
	}
}

// drive calls fn n times from benchWriters goroutines and returns how long that took.
func drive(b *testing.B, n int, fn func(writer int) error) time.Duration {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for w := range benchWriters {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := fn(w); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// bareFile is group commit on one file and nothing else.
type bareFile struct {
	file *os.File

	mu     sync.Mutex // guards what follows
	buf    []byte
	waiter chan struct{} // closed when what is in buf is on disk
	wake   chan struct{}
	done   chan struct{}
}

func newBareFile(b *testing.B, path string) *bareFile {
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	bf := &bareFile{file: f, waiter: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go bf.run(b)
	return bf
}

func (f *bareFile) append(record []byte) error {
	f.mu.Lock()
	f.buf = append(f.buf, record...)
	w := f.waiter
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	<-w
	return nil
}

func (f *bareFile) run(b *testing.B) {
	defer close(f.done)
	var spare []byte
	for range f.wake {
		f.mu.Lock()
		buf, w := f.buf, f.waiter
		f.buf, f.waiter = spare[:0], make(chan struct{})
		f.mu.Unlock()
		if _, err := f.file.Write(buf); err != nil {
			b.Error(err)
		}
		if err := datasync(f.file); err != nil {
			b.Error(err)
		}
		spare = buf
		close(w)
	}
}

func (f *bareFile) close() {
	close(f.wake)
	<-f.done
	f.file.Close()
}
