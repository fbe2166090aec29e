package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/store/storetest"
	"probity/internal/stream"
	"probity/internal/worker"
)

// tape is a log that is already full: it plays frames back as fast as they are taken.
type tape struct {
	stream.Log
	frames []stream.Frame
}

func (l *tape) Follow(ctx context.Context, _ int, after uint64, fn func(stream.Frame) error) error {
	for _, f := range l.frames {
		if f.Seq <= after {
			continue
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l *tape) Status(context.Context) (stream.Status, error) {
	return stream.Status{Generation: "tape", Last: []uint64{uint64(len(l.frames))}}, nil
}

func (l *tape) Trim(context.Context, int, uint64) error { return nil }

// BenchmarkWorker processes 200,000 events of 10,000 visitors in frames of 50: opened, gated,
// followed, scored, sealed and stored, with the fsyncs of the database.
func BenchmarkWorker(b *testing.B) {
	const visitors, events, frame = 10_000, 200_000, 50
	for b.Loop() {
		b.StopTimer()
		s := newSite(b, storetest.SQLite(b))
		s.clock.Set(noon.Add(time.Hour))
		r := rand.New(rand.NewPCG(7, 7))
		subjects := make([]id.Subject, visitors)
		for i := range subjects {
			subjects[i] = id.NewSubject()
		}
		if err := s.keys.CreateSubjects(b.Context(), s.tenant, subjects); err != nil {
			b.Fatal(err)
		}
		log := &tape{Log: s.log}
		visits := make([]uuid.UUID, visitors)
		seqs := make([]uint32, visitors)
		var f stream.Frame
		for i := range events {
			n := r.IntN(visitors)
			record, err := s.record(subjects[n], shopEvent(r, i, &visits[n], &seqs[n]))
			if err != nil {
				b.Fatal(err)
			}
			if f.Records = append(f.Records, record); len(f.Records) == frame {
				f.Seq = uint64(len(log.frames) + 1)
				log.frames = append(log.frames, f)
				f = stream.Frame{}
			}
		}
		w := s.workerOn(log, "bench", func(o *worker.Options) { o.Linger, o.Batch = 0, 500 })
		before, err := s.db.Size(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		idle := heap()
		b.StartTimer()
		start := time.Now()
		stop := s.start(w)
		if err := w.Wait(b.Context(), 0, uint64(len(log.frames))); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		b.StopTimer()
		b.ReportMetric(float64(heap()-idle)/visitors, "B/visitor") // kept at hand
		stop()
		if st := w.Stats(); st.Events != events || st.Retries != 0 {
			b.Fatalf("stats %+v", st)
		}
		if err := s.db.Scrub(b.Context()); err != nil {
			b.Fatal(err)
		}
		after, err := s.db.Size(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(events/took.Seconds(), "events/s")
		b.ReportMetric(float64(after-before)/events, "B/event")
		b.ReportMetric(float64(events)/float64(w.Stats().Batches), "events/batch")
		b.StartTimer()
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// shopEvent is a typical event of a shop's visitor.
func shopEvent(r *rand.Rand, i int, visit *uuid.UUID, seq *uint32) *event.Event {
	if *seq == 0 || r.IntN(3) > 0 {
		*visit, *seq = uuid.New(), 0
	}
	*seq++
	at := noon.Add(time.Duration(i) * 5 * time.Millisecond)
	product := r.IntN(500)
	ev := &event.Event{
		ID: id.New(), Name: event.PageViewed, At: at, Received: at.Add(40 * time.Millisecond), Seq: *seq, Visit: *visit,
		Deployment: uuid.UUID{1, 2, 3, 4},
		Page: event.Page{
			URL:   fmt.Sprintf("https://shop.example.com/garden/tools/product-%d", product),
			Title: fmt.Sprintf("Product number %d, hand made – Example shop", product), Host: "shop.example.com", Domain: "example.com",
			Path: fmt.Sprintf("/garden/tools/product-%d", product), Lang: "en",
		},
		Device:  event.Device{Category: "desktop", OSFamily: "Windows", OSVersion: "10", ScreenWidth: 1920, ScreenHeight: 1080},
		Browser: event.Browser{Family: "Chrome", Version: "142", Lang: "en-US"}, IP: "192.0.2.0",
		Purpose: "measure", Ground: event.Ground{Basis: "consent", Ledger: int64(product)},
	}
	if r.IntN(4) == 0 {
		ev.Name, ev.Purpose = "product_added", "actions"
		ev.Attributes = map[string]event.Attr{
			"product": {Type: event.TypeString, Value: fmt.Sprintf("sku-%05d", product)},
			"price":   {Type: event.TypeNumber, Value: fmt.Sprintf("%d.99", r.IntN(200))},
		}
	}
	return ev
}
