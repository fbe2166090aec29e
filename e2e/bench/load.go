package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// source hands out complete HTTP requests. Each connection has one of its own.
type source interface {
	// next returns the bytes of the next request and how many events it carries. The slice stays
	// valid until the next call.
	next() (request []byte, events int)
}

// load is what one run of the generator saw.
type load struct {
	Elapsed   time.Duration
	Requests  int
	Events    int
	Failed    int // answers other than 2xx
	Latencies []time.Duration
	Failure   string // the first answer that was no 2xx
}

func (l load) perSecond() float64 { return float64(l.Events) / l.Elapsed.Seconds() }

// quantile sorts d in place.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// drive sends requests over one keep-alive connection per source until the time is up. It is a bare
// socket loop, like wrk, because both the generator and the server live on the same two cores.
func drive(addr string, duration time.Duration, sources []source) (load, error) {
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex // guards total and errs
		total   load
		errs    []error
		stopped atomic.Bool
	)
	start := time.Now()
	timer := time.AfterFunc(duration, func() { stopped.Store(true) })
	defer timer.Stop()
	for _, src := range sources {
		wg.Go(func() {
			one, err := driveOne(addr, src, &stopped)
			mu.Lock()
			defer mu.Unlock()
			total.Requests += one.Requests
			total.Events += one.Events
			total.Failed += one.Failed
			total.Latencies = append(total.Latencies, one.Latencies...)
			if total.Failure == "" {
				total.Failure = one.Failure
			}
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	total.Elapsed = time.Since(start)
	return total, errors.Join(errs...)
}

func driveOne(addr string, src source, stopped *atomic.Bool) (load, error) {
	var l load
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return l, err
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 16<<10)
	for !stopped.Load() {
		request, events := src.next()
		begin := time.Now()
		if _, err := conn.Write(request); err != nil {
			return l, err
		}
		status, body, err := readAnswer(r)
		if err != nil {
			return l, err
		}
		l.Latencies = append(l.Latencies, time.Since(begin))
		l.Requests++
		if status/100 != 2 || bytes.Contains(body, []byte(`"code"`)) {
			l.Failed++
			if l.Failure == "" {
				l.Failure = fmt.Sprintf("%d %s", status, body)
			}
			continue
		}
		l.Events += events
	}
	return l, nil
}

// readAnswer reads one HTTP/1.1 answer with a Content-Length or in chunks.
func readAnswer(r *bufio.Reader) (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("short status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for {
		line, err = r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return 0, nil, err
			}
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	if !chunked {
		body = make([]byte, length)
		_, err = io.ReadFull(r, body)
		return status, body, err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return 0, nil, err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return 0, nil, err
		}
		if n == 0 {
			return status, body, nil
		}
		body = append(body, chunk[:n]...)
	}
}
