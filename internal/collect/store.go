package collect

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
)

// buffers are what one request encodes into.
type buffers struct {
	events []byte // encoded, to be sealed
	record []byte // header and sealed events
}

// Room above these sizes is left to the garbage collector: one large request shall not make every
// later one hold as much.
const (
	maxPooled       = 64 << 10 // bytes of a buffer
	maxPooledEvents = 32       // of a batch
)

// store seals the events under the subject's key as one record and appends it to the log. The
// record is whole in the log or not at all.
func (c *Collector) store(ctx context.Context, v *visitor, events []*event.Event) (partition int, seq uint64, err error) {
	b := c.buffers.Get().(*buffers)
	if b.events, err = appendEvents(b.events[:0], events); err != nil {
		return 0, 0, c.failure(ctx, err)
	}
	r := Record{
		Tenant: v.deployment.Tenant, Subject: v.subject,
		Deployment: events[0].Deployment, Event: events[0].ID, Received: events[0].Received,
	}
	b.record = r.appendHeader(b.record[:0])
	aad := b.record[:headerSize:headerSize]
	if b.record, err = c.deps.Sealer.SealAppend(ctx, r.Tenant, r.Subject, b.record, aad, b.events); err != nil {
		if fail.Is(err, fail.NotFound) {
			// The subject lost its key: it is being erased, or its key is in no backup. Either way
			// nothing can be kept for it any more.
			err = errErased()
		}
		return 0, 0, c.failure(ctx, err)
	}
	partition = Partition(r.Tenant, r.Subject, c.deps.Partitions)
	seq, err = c.deps.Log.Append(ctx, partition, b.record)
	if err != nil {
		// The buffers are not used again: after a cancelled call the log may still read the record.
		return 0, 0, c.failure(ctx, err)
	}
	if cap(b.events) <= maxPooled && cap(b.record) <= maxPooled {
		c.buffers.Put(b)
	}
	return partition, seq, nil
}

// newID returns a version 7 UUID for an event that was received at that time. It tells events
// apart and sorts them; it is no secret, so a fast source of randomness will do.
func newID(received time.Time) (u uuid.UUID) {
	binary.BigEndian.PutUint64(u[:8], uint64(received.UnixMilli())<<16|uint64(rand.Uint32()&0x0fff)|0x7000)
	binary.BigEndian.PutUint64(u[8:], rand.Uint64()>>2|1<<63)
	return u
}
