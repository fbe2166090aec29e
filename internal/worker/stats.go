package worker

import (
	"sync/atomic"
	"time"
)

// Stats are running totals of this process since it started.
type Stats struct {
	Events     int64         // processed
	Duplicates int64         // seen before
	Refused    int64         // no longer allowed when they came to be processed
	Erased     int64         // records of subjects that were erased meanwhile
	Damaged    int64         // records that could not be read
	Batches    int64         // committed
	Offers     int64         // made
	Sessions   int64         // ended
	Retries    int64         // times a partition was started again after a failure
	Incidents  int64         // times the log was found damaged
	Unsent     int64         // messages that the bus did not take
	Lag        time.Duration // see Worker.Lag
}

type counters struct {
	events, duplicates, refused, erased, damaged atomic.Int64
	batches, offers, sessions                    atomic.Int64
	retries, incidents, missing, unsent          atomic.Int64
}

// Stats returns the totals.
func (w *Worker) Stats() Stats {
	c := &w.stats
	return Stats{
		Events: c.events.Load(), Duplicates: c.duplicates.Load(), Refused: c.refused.Load(), Erased: c.erased.Load(),
		Damaged: c.damaged.Load(), Batches: c.batches.Load(), Offers: c.offers.Load(), Sessions: c.sessions.Load(),
		Retries: c.retries.Load(), Incidents: c.incidents.Load(), Unsent: c.unsent.Load(), Lag: w.Lag(),
	}
}

// count adds a batch that was committed.
func (c *counters) count(b *batch) {
	if b.records > 0 {
		c.batches.Add(1)
	}
	for _, g := range b.groups {
		c.events.Add(int64(len(g.fx.Events)))
		c.duplicates.Add(int64(g.fx.Duplicates))
		c.refused.Add(int64(g.refused))
		c.erased.Add(int64(g.lost))
		c.damaged.Add(int64(g.damaged + g.fx.Refused))
		c.sessions.Add(int64(len(g.fx.Ended)))
		for i := range g.fx.Offers {
			if g.fx.Offers[i].Content != nil {
				c.offers.Add(1)
			}
		}
	}
}
