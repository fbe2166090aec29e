package stream

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"probity/internal/fail"
)

// committer gathers records into frames. When the log is free a record goes out at once; while a
// write is under way the records that arrive gather in one frame per partition, and leave together
// with the next write. So a write costs one fsync however many wait for it, and nobody waits for a
// timer.
type committer struct {
	publish func(ctx context.Context, groups []*group) // sets seq or err of each
	wait    time.Duration

	mu     sync.Mutex // guards what follows
	queues [][]*group // per partition, oldest first; the last one is open
	queued int        // bytes in queues
	closed bool

	wake chan struct{} // holds one token when queues may hold something
	done chan struct{} // closed when run has returned

	buffers sync.Pool // of *[]byte: a steady load makes no garbage
}

// group is one frame on its way.
type group struct {
	partition int
	frame     []byte
	n         int // records in frame
	size      int // what it counts for in queued

	settled chan struct{} // closed once seq or err is final
	seq     uint64
	err     error
}

func newCommitter(partitions int, wait time.Duration, publish func(context.Context, []*group)) *committer {
	return &committer{
		publish: publish,
		wait:    wait,
		queues:  make([][]*group, partitions),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
}

// append waits until record is durable.
func (c *committer) append(ctx context.Context, partition int, record []byte) (uint64, error) {
	g, err := c.enqueue(partition, record)
	if err != nil {
		return 0, err
	}
	select {
	case <-g.settled:
		return g.seq, g.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// enqueue adds record to the open frame of its partition, or opens one.
func (c *committer) enqueue(partition int, record []byte) (*group, error) {
	size := len(record) + binary.MaxVarintLen32
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errClosed()
	case c.queued+size > maxQueued:
		return nil, fail.New(fail.Unavailable, "too much waits to be written; try again").WithCode("log.behind")
	}
	q := c.queues[partition]
	var g *group
	if n := len(q); n > 0 && len(q[n-1].frame)+size <= frameCap {
		g = q[n-1]
	} else {
		g = &group{partition: partition, frame: beginFrame(c.takeBuffer()), settled: make(chan struct{})}
		c.queues[partition] = append(q, g)
	}
	g.frame = appendRecord(g.frame, record)
	g.n++
	g.size += size
	c.queued += size
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return g, nil
}

// run writes what is queued until close is called and nothing is left.
func (c *committer) run() {
	defer close(c.done)
	var batch []*group
	for range c.wake {
		for {
			batch = c.take(batch[:0])
			if len(batch) == 0 {
				break
			}
			c.write(batch)
		}
	}
}

// take removes the oldest frame of each partition.
func (c *committer) take(batch []*group) []*group {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, q := range c.queues {
		if len(q) == 0 {
			continue
		}
		batch = append(batch, q[0])
		c.queued -= q[0].size
		copy(q, q[1:])
		q[len(q)-1] = nil
		c.queues[p] = q[:len(q)-1]
	}
	return batch
}

// write publishes the frames and tells those who wait.
func (c *committer) write(batch []*group) {
	for _, g := range batch {
		sealFrame(g.frame, g.n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.wait)
	c.publish(ctx, batch)
	cancel()
	for _, g := range batch {
		if g.err != nil {
			g.err = refusal(g.err) // and the client may still hold the frame
		} else {
			c.giveBuffer(g.frame)
		}
		g.frame = nil
		close(g.settled)
	}
}

// close refuses new records and waits until those that were accepted are settled.
func (c *committer) close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.wake)
	}
	c.mu.Unlock()
	<-c.done
}

func (c *committer) takeBuffer() []byte {
	if b, ok := c.buffers.Get().(*[]byte); ok {
		return *b
	}
	return nil
}

// giveBuffer keeps a buffer for the next frame. Unusually large ones are left to the collector.
func (c *committer) giveBuffer(b []byte) {
	if cap(b) <= 2*frameCap {
		c.buffers.Put(&b)
	}
}

func errClosed() error {
	return fail.New(fail.Unavailable, "the log is closed").WithCode("log.closed")
}
