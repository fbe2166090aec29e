package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are counted by the rooms; here they get their public names. None has a label for a
// tenant, a subject or anything that a visitor can choose.
func (r *rooms) metrics() prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, value func() int64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "probity_" + name, Help: help},
			func() float64 { return float64(value()) }))
	}
	counter("events_accepted_total", "Events acknowledged.", func() int64 { return r.collector.Stats().Accepted })
	counter("events_refused_total", "Events and requests refused.", func() int64 { return r.collector.Stats().Refused })
	counter("events_unavailable_total", "Requests refused because an engine was out of reach.", func() int64 { return r.collector.Stats().Unavailable })
	counter("events_identity_dropped_total", "Events stored without traits, for want of the purpose identity.", func() int64 { return r.collector.Stats().IdentityDropped })
	counter("events_processed_total", "Events that journeys took in.", func() int64 { return r.worker.Stats().Events })
	counter("events_duplicate_total", "Events seen before.", func() int64 { return r.worker.Stats().Duplicates })
	counter("events_no_longer_allowed_total", "Events whose basis had ended when they were processed.", func() int64 { return r.worker.Stats().Refused })
	counter("events_erased_total", "Records of subjects that were erased before they were processed.", func() int64 { return r.worker.Stats().Erased })
	counter("records_damaged_total", "Records of the log that could not be read.", func() int64 { return r.worker.Stats().Damaged })
	counter("batches_total", "Transactions of the worker.", func() int64 { return r.worker.Stats().Batches })
	counter("offers_total", "Offers made.", func() int64 { return r.worker.Stats().Offers })
	counter("log_incidents_total", "Times the log was found damaged.", func() int64 { return r.worker.Stats().Incidents })
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "probity_log_lag_seconds", Help: "Age of the oldest event that is not processed."},
			func() float64 { return r.worker.Lag().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "probity_log_partitions_behind", Help: "Partitions of the log that hold unprocessed events; -1: the log does not answer."},
			r.partitionsBehind),
	)
	return registry
}

// partitionsBehind compares the end of each partition with how far the worker has come.
func (r *rooms) partitionsBehind() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	status, err := r.stream.Status(ctx)
	if err != nil {
		return -1
	}
	now, stop := context.WithCancel(ctx)
	stop() // Wait answers from what is done already
	behind := 0
	for p, last := range status.Last {
		if r.worker.Wait(now, p, last) != nil {
			behind++
		}
	}
	return float64(behind)
}
