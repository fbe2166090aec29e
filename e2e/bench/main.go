// Command bench measures Probity as a whole process and prints one line a figure:
//
//	bench NAME VALUE UNIT ratio=R
//
// A ratio stands where a limit was measured in the same run: what a bare net/http server with JSON
// decoding and one file with group commit does on this machine (see limit.go). Everything else is on:
// valid consents, gate, keys, sealing, fsync, and all processing behind it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type bench struct {
	binary string
	dir    string
	log    io.Writer
	events int           // for the figures on a large store
	slice  time.Duration // length of one measurement
	rounds int
	only   map[string]bool
}

func main() {
	var (
		b    bench
		only string
	)
	flag.StringVar(&b.binary, "binary", "bin/probity", "the program to measure")
	flag.IntVar(&b.events, "events", 2_000_000, "events in the large store")
	flag.DurationVar(&b.slice, "slice", 5*time.Second, "length of one measurement")
	flag.IntVar(&b.rounds, "rounds", 3, "how often limit and program take turns")
	flag.StringVar(&only, "only", "", "comma-separated parts to run: ingest, large, offer, score, consent, choices, redact, datamap; default all")
	limit := flag.String("limit", "", "serve the bare limit, logging to this directory (used by bench itself)")
	flag.Parse()
	if *limit != "" {
		exitOn(serveLimit(*limit))
		return
	}
	b.only = map[string]bool{}
	for part := range strings.SplitSeq(only, ",") {
		if part != "" {
			b.only[part] = true
		}
	}
	exitOn(b.run(context.Background()))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "probity-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	logFile, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	b.log = logFile
	parts := []struct {
		name string
		run  func(context.Context) error
	}{
		{"ingest", b.ingest},
		{"large", b.large},
		{"offer", b.offer},
		{"score", b.score},
		{"consent", b.consentFigures},
		{"choices", b.choices},
		{"redact", b.redact},
		{"datamap", b.datamap},
	}
	for _, p := range parts {
		if len(b.only) > 0 && !b.only[p.name] {
			continue
		}
		if err := p.run(ctx); err != nil {
			tail(logFile.Name())
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// tail prints the end of the servers' log, for a run that failed.
func tail(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if len(data) > 4000 {
		data = data[len(data)-4000:]
	}
	os.Stderr.Write(data)
}

func report(name string, value float64, unit string, ratio float64) {
	line := fmt.Sprintf("bench %s %.4g %s", name, value, unit)
	if ratio > 0 {
		line += fmt.Sprintf(" ratio=%.2f", ratio)
	}
	fmt.Println(line)
}

// remark prints what explains a figure without being one.
func remark(format string, args ...any) { fmt.Printf("# "+format+"\n", args...) }

// serve starts Probity on a directory below the bench's own.
func (b *bench) serve(ctx context.Context, name string, env ...string) (*server, error) {
	env = append([]string{
		"PROBITY_BOOTSTRAP_CLIENT=" + clientID + ":" + clientSecret,
		"PROBITY_BOOTSTRAP_DEPLOYMENT=" + deployment,
	}, env...)
	s, err := start(b.log, env, b.binary, "serve", "--data", filepath.Join(b.dir, name), "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return s, s.login(ctx)
}

func (b *bench) limit() (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(b.log, nil, self, "-limit", b.dir)
}

// ingest measures what accepting costs, alone and together with processing.
func (b *bench) ingest(ctx context.Context) error {
	s, err := b.serve(ctx, "ingest")
	if err != nil {
		return err
	}
	defer s.stop()
	report("start-empty", s.start.Seconds(), "s", 0)
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	idle, err := s.memory("VmRSS")
	if err != nil {
		return err
	}
	report("memory-idle", idle, "MiB", 0)

	const visitors, connections = 2048, 64
	people, err := s.consent(ctx, visitors)
	if err != nil {
		return err
	}
	bare, err := b.limit()
	if err != nil {
		return err
	}
	defer bare.stop()

	single, err := b.compare(ctx, bare, s, people, connections, 1)
	if err != nil {
		return err
	}
	report("accept-single", single.ours, "events/s", single.ours/single.limit)
	remark("limit %.0f events/s; p50 %s p99 %s", single.limit, single.p50, single.p99)
	batch, err := b.compare(ctx, bare, s, people, connections, 20)
	if err != nil {
		return err
	}
	report("accept-batch20", batch.ours, "events/s", batch.ours/batch.limit)
	remark("limit %.0f events/s; p50 %s p99 %s", batch.limit, batch.p50, batch.p99)
	if err := b.sustained(ctx, s, people, connections, single.limit); err != nil {
		return err
	}
	peak, err := s.memory("VmHWM")
	if err != nil {
		return err
	}
	report("memory-load", peak, "MiB", 0)
	return s.stop()
}

type comparison struct {
	limit, ours float64 // medians, events/s
	p50, p99    time.Duration
}

// compare lets the limit and the server take turns, so that a drift of the machine meets both.
func (b *bench) compare(ctx context.Context, bare, s *server, people []*visitor, connections, events int) (comparison, error) {
	var (
		c           comparison
		limit, ours []float64
		latencies   []time.Duration
	)
	for range b.rounds {
		l, err := drive(bare.host(), b.slice, sources(bare.host(), people, connections, events))
		if err != nil {
			return c, err
		}
		limit = append(limit, l.perSecond())
		if l, err = drive(s.host(), b.slice, sources(s.host(), people, connections, events)); err != nil {
			return c, err
		}
		if l.Failed > 0 {
			return c, fmt.Errorf("%d of %d requests were refused, the first with %s", l.Failed, l.Requests, l.Failure)
		}
		ours = append(ours, l.perSecond())
		latencies = append(latencies, l.Latencies...)
		if err := s.drain(ctx); err != nil {
			return c, err
		}
	}
	return comparison{median(limit), median(ours), quantile(latencies, 0.5), quantile(latencies, 0.99)}, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// sustained keeps the load up for four slices and counts what was processed meanwhile, not only
// accepted. The lag at the end says whether processing kept up.
func (b *bench) sustained(ctx context.Context, s *server, people []*visitor, connections int, limit float64) error {
	before, err := s.metric(processedMetric)
	if err != nil {
		return err
	}
	l, err := drive(s.host(), 4*b.slice, sources(s.host(), people, connections, 1))
	if err != nil {
		return err
	}
	after, err := s.metric(processedMetric)
	if err != nil {
		return err
	}
	lag, err := s.metric(lagMetric)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := s.drain(ctx); err != nil {
		return err
	}
	rate := (after - before) / l.Elapsed.Seconds()
	report("sustained", rate, "events/s", rate/limit)
	remark("accepted %.0f events/s for %s; lag at the end %.2f s, gone after %s; %d refused",
		l.perSecond(), l.Elapsed.Round(time.Second), lag, time.Since(begin).Round(10*time.Millisecond), l.Failed)
	return nil
}

const (
	processedMetric = "probity_events_processed_total"
	lagMetric       = "probity_log_lag_seconds"
	behindMetric    = "probity_log_partitions_behind"
)

// drain waits until everything accepted is processed.
func (s *server) drain(ctx context.Context) error {
	for {
		behind, err := s.metric(behindMetric)
		if err != nil {
			return err
		}
		if behind == 0 {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
