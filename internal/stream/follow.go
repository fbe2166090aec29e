package stream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"probity/internal/fail"
)

// What a follower has under way, so that one that lags is fed without pause yet never holds more
// than a few megabytes.
const (
	followMessages = 256
	followBytes    = 4 << 20
)

// Follow implements Log.
func (e *Engine) Follow(ctx context.Context, partition int, after uint64, fn func(Frame) error) error {
	if err := e.checkPartition(partition); err != nil {
		return err
	}
	g := e.gen.Load()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(g.over, func() { cancel(context.Cause(g.over)) })
	defer stop()

	f := follower{engine: e, gen: g, subject: g.subject(partition), after: after, fn: fn}
	for retry := time.Duration(0); ; retry = min(retry*2+50*time.Millisecond, 2*time.Second) {
		before := f.after
		err := f.run(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.refused != nil:
			return f.refused
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return ErrRenewed
		}
		if f.after > before {
			retry = 0
		}
		e.opts.Logger.Warn("a follower of the log starts again", "partition", partition, "after", f.after, "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(retry):
		}
	}
}

// follower reads one partition.
type follower struct {
	engine  *Engine
	gen     *generation
	subject string
	after   uint64 // number of the last frame that fn took
	fn      func(Frame) error
	refused error // why following must end, other than its context
}

// run follows until something fails.
func (f *follower) run(ctx context.Context) error {
	consumer, err := f.gen.read.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{f.subject},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    f.after + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(followMessages, followBytes))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		seq := meta.Sequence.Stream
		if seq <= f.after {
			continue
		}
		records, err := openFrame(msg.Data())
		if err != nil {
			f.refused = fail.Wrap(fail.Internal, err, "frame %d of the log (%s) can't be read", seq, f.subject)
			return f.refused
		}
		if err := f.fn(Frame{Seq: seq, Records: records}); err != nil {
			f.refused = err
			return err
		}
		f.after = seq
	}
}
