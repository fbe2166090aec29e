package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// large fills a store with millions of events through the front door and measures what depends on
// size: bytes, start, access and erasure of one subject with a thousand events.
func (b *bench) large(ctx context.Context) error {
	const perVisitor = 1000
	s, err := b.serve(ctx, "large")
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	empty, err := diskUse(filepath.Join(b.dir, "large"))
	if err != nil {
		return err
	}
	people, err := s.consent(ctx, max(64, b.events/perVisitor))
	if err != nil {
		return err
	}
	if err := s.enablePredictors(ctx, 10); err != nil {
		return err
	}
	begin := time.Now()
	sent, err := b.fill(ctx, s, people)
	if err != nil {
		return err
	}
	remark("%d events of %d visitors stored in %s (%.0f events/s)", sent, len(people), time.Since(begin).Round(time.Second), float64(sent)/time.Since(begin).Seconds())
	peak, err := s.memory("VmHWM")
	if err != nil {
		return err
	}
	remark("memory at its highest while filling: %.0f MiB", peak)
	// The log gives up what is stored every ten seconds; at rest it is empty.
	if err := pause(ctx, 15*time.Second); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	full, err := diskUse(filepath.Join(b.dir, "large"))
	if err != nil {
		return err
	}
	report("bytes-per-event", float64(full-empty)/float64(sent), "bytes", 0)
	if s, err = b.serve(ctx, "large"); err != nil {
		return err
	}
	report("start-2m", s.start.Seconds(), "s", 0)
	return b.rights(ctx, s, people)
}

// fill sends batches of 20 over 16 connections until every visitor has its share, and waits until
// all of it is processed.
func (b *bench) fill(ctx context.Context, s *server, people []*visitor) (int, error) {
	const connections = 16
	var (
		left   atomic.Int64
		sent   atomic.Int64
		wg     sync.WaitGroup
		mu     sync.Mutex // guards failed
		failed error
	)
	left.Store(int64(b.events))
	for _, src := range sources(s.host(), people, connections, 20) {
		wg.Go(func() {
			n, err := fillOne(s.host(), src, &left)
			sent.Add(int64(n))
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return 0, failed
	}
	return int(sent.Load()), s.drain(ctx)
}

// rights measures access and erasure of a few subjects, one after the other, and prints medians.
func (b *bench) rights(ctx context.Context, s *server, people []*visitor) error {
	var access, unreadable, verified []float64
	for _, v := range people[:5] {
		took, err := s.fulfil(ctx, v.ID, "GDPR_EXPORT", nil)
		if err != nil {
			return err
		}
		access = append(access, took.Seconds())
	}
	for _, v := range people[:5] {
		session, err := s.sessionOf(ctx, v)
		if err != nil {
			return err
		}
		var gone time.Duration
		took, err := s.fulfil(ctx, v.ID, "GDPR_DELETE", func(since time.Time) bool {
			if gone == 0 && s.missing(ctx, "/api/v2/journey/sessions/"+session) {
				gone = time.Since(since)
			}
			return gone > 0
		})
		if err != nil {
			return err
		}
		if gone == 0 {
			return fmt.Errorf("session %s could be read after the erasure", session)
		}
		unreadable = append(unreadable, float64(gone.Microseconds())/1000)
		verified = append(verified, took.Seconds())
	}
	report("access-package", median(access), "s", 0)
	report("erase-unreadable", median(unreadable), "ms", 0)
	report("erase-verified", median(verified), "s", 0)
	return nil
}
