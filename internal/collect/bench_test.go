package collect_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/collect"
	"probity/internal/stream"
)

// BenchmarkAccept measures how fast events are accepted over HTTP, and beside it the limit of the
// same machine: net/http, JSON decoding and one file with group commit. Compare events/s.
func BenchmarkAccept(b *testing.B) {
	for _, size := range []int{1, 20} {
		bodies, deployment, c := benchCollector(b, size)
		b.Run(fmt.Sprintf("limit-%d", size), func(b *testing.B) {
			f := newGroupFile(b)
			load(b, size, bodies, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err == nil {
					var v benchRequest
					if err = json.Unmarshal(body, &v); err == nil {
						err = f.append(body)
					}
				}
				reply(w, err)
			})
		})
		b.Run(fmt.Sprintf("probity-%d", size), func(b *testing.B) {
			load(b, size, bodies, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err == nil {
					var n int
					n, _, err = c.Batch(r.Context(), deployment, collect.Request{Body: body, Origin: r.Header.Get("Origin"), UserAgent: r.UserAgent()})
					if err == nil && n != size {
						err = fmt.Errorf("%d of %d events were accepted", n, size)
					}
				}
				reply(w, err)
			})
		})
	}
}

// BenchmarkBatch measures the collector without HTTP and without waiting for the disk.
func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{1, 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			h := newHouse(b, func(d *collect.Deps) {
				d.Clock, d.Log = clock.System(), nowhere{}
			})
			bodies := benchBodies(b, h, size, 100)
			req := request("")
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				req.Body = bodies[i%len(bodies)]
				i++
				if n, _, err := h.Batch(b.Context(), h.deployment, req); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// nowhere forgets what it is given.
type nowhere struct{}

func (nowhere) Append(context.Context, int, []byte) (uint64, error) { return 1, nil }

// benchRequest is what a bare server decodes.
type benchRequest struct {
	Visitor string `json:"visitor"`
	Visit   string `json:"visit"`
	Context struct {
		Lang   string `json:"lang"`
		Screen []int  `json:"screen"`
	} `json:"context"`
	Events []struct {
		Seq        int            `json:"seq"`
		Name       string         `json:"name"`
		At         time.Time      `json:"at"`
		URL        string         `json:"url"`
		Title      string         `json:"title"`
		Referrer   string         `json:"referrer"`
		Attributes map[string]any `json:"attributes"`
	} `json:"events"`
}

// benchCollector returns a collector over the real rooms and the real log, and requests of visitors
// who consented.
func benchCollector(b *testing.B, size int) ([][]byte, uuid.UUID, *collect.Collector) {
	h := newHouse(b)
	engine, err := stream.Open(b.Context(), stream.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { engine.Close() })
	c := collect.New(collect.Deps{
		Deployments: h.org, Subjects: h.subjects, Gate: h.consent, Sealer: h.vault, Log: engine,
		Clock: clock.System(), Logger: slog.New(slog.DiscardHandler),
	})
	return benchBodies(b, h, size, 200), h.deployment, c
}

// benchBodies returns requests of some visitors, each event about 730 bytes.
func benchBodies(b *testing.B, h *house, size, visitors int) (bodies [][]byte) {
	h.clk.Set(time.Now()) // the choice is dated like the events, which the benchmark sends in real time
	at := time.Now().UTC().Format(time.RFC3339Nano)
	for range visitors {
		v := h.visitor(b, "measure", "actions")
		var items []string
		for i := range size {
			items = append(items, fmt.Sprintf(`{"seq":%d,"name":"product_viewed","at":%q,"url":"https://shop.example.com/garden/chairs/oak-chair-%d?utm_source=newsletter&utm_medium=email&utm_campaign=autumn-sale&session=abcdef0123456789","title":"Oak chair, 4 legs | Example Shop","referrer":"https://www.google.com/search?q=oak+chair","attributes":{"product_id":"4711","price":199.5,"currency":"EUR","in_stock":true,"category":"garden/chairs","description":%q}}`,
				i+1, at, 4000+i, strings.Repeat("oak ", 35)))
		}
		bodies = append(bodies, []byte(batch(v, items...)))
	}
	return bodies
}

func reply(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// load sends b.N requests over 64 connections that stay open.
func load(b *testing.B, size int, bodies [][]byte, handler http.HandlerFunc) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	defer server.Close()
	requests := make([][]byte, len(bodies))
	for i, body := range bodies {
		requests[i] = fmt.Appendf(nil, "POST /events HTTP/1.1\r\nHost: localhost\r\nOrigin: %s\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", shop, len(body), body)
	}
	const connections = 64
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for range connections {
		wg.Go(func() {
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				failed.Add(1)
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				if _, err := conn.Write(requests[int(n)%len(requests)]); err != nil {
					failed.Add(1)
					return
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil || res.StatusCode != http.StatusAccepted {
					failed.Add(1)
					return
				}
				io.Copy(io.Discard, res.Body) //nolint:errcheck // its length is known
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if failed.Load() > 0 {
		b.Fatalf("%d connections failed", failed.Load())
	}
	b.ReportMetric(float64(b.N*size)/time.Since(start).Seconds(), "events/s")
}

// groupFile appends to one file; all that wait share one fsync.
type groupFile struct {
	file  *os.File
	queue chan groupWrite
}

type groupWrite struct {
	body []byte
	done chan error
}

func newGroupFile(b *testing.B) *groupFile {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	g := &groupFile{file: f, queue: make(chan groupWrite, 1024)}
	go g.run()
	b.Cleanup(func() { close(g.queue) })
	return g
}

func (g *groupFile) append(body []byte) error {
	w := groupWrite{body, make(chan error, 1)}
	g.queue <- w
	return <-w.done
}

func (g *groupFile) run() {
	defer g.file.Close()
	var buf []byte
	for w := range g.queue {
		group := []groupWrite{w}
		buf = append(buf[:0], w.body...)
	collect:
		for {
			select {
			case w, ok := <-g.queue:
				if !ok {
					break collect
				}
				group = append(group, w)
				buf = append(buf, w.body...)
			default:
				break collect
			}
		}
		_, err := g.file.Write(buf)
		if err == nil {
			err = g.file.Sync()
		}
		for _, w := range group {
			w.done <- err
		}
	}
}
