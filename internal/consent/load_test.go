package consent_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/notice"
	"probity/internal/store/storetest"
	"probity/verify"
)

// BenchmarkChoose500 records choices that arrive at 500 a second, whether or not earlier ones are
// done, and reports how long they took to become durable. Each writes two ledger entries: the notice
// served, and the choice.
func BenchmarkChoose500(b *testing.B) {
	w := newWorldAt(b, storetest.SQLite(b), clock.System())
	w.Describe(consent.Terms{Build: build})
	choices := make([]consent.Choice, b.N)
	for i := range choices {
		choices[i] = w.choice(b, nil, notice.Measure, notice.Actions)
	}
	took := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for i := range choices {
		due := start.Add(time.Duration(i) * 2 * time.Millisecond)
		time.Sleep(time.Until(due))
		wg.Go(func() {
			if _, err := w.Choose(context.Background(), w.tenant, choices[i]); err != nil {
				b.Error(err)
			}
			took[i] = time.Since(due)
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "choices/s")
}

// BenchmarkReceipt makes the proof of a choice in a log of a thousand, and reports how large it is
// with and without the notice.
func BenchmarkReceipt(b *testing.B) {
	w := newWorldAt(b, storetest.SQLite(b), clock.System())
	w.Describe(consent.Terms{Build: build})
	var out *consent.Outcome
	for range 500 {
		out = w.choose(b, nil, notice.Measure, notice.Actions)
	}
	var r *verify.Receipt
	for b.Loop() {
		var err error
		if r, err = w.Receipt(b.Context(), w.tenant, out.Subject, out.RecordID); err != nil {
			b.Fatal(err)
		}
	}
	whole, err := json.Marshal(r)
	if err != nil {
		b.Fatal(err)
	}
	r.Notice = nil
	bare, err := json.Marshal(r)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(whole)), "bytes")
	b.ReportMetric(float64(len(bare)), "bytes-without-notice")
}
