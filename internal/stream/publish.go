package stream

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"probity/internal/fail"
)

// duplicateWindow is how long the engine remembers the identifiers of writes. Writes carry one only
// when the engine runs elsewhere, where an acknowledgement can get lost on the way.
const duplicateWindow = 30 * time.Second

// publish writes one frame per partition and sets the number or the error of each. The frames are
// sent together and their answers awaited together.
//
// JetStream could write them as one atomic batch, synced once. For a log that isn't replicated it
// first stages the batch in files of its own, which takes ten times longer than syncing each frame.
func (e *Engine) publish(ctx context.Context, groups []*group) {
	e.publishNow(ctx, groups)
	if e.server != nil {
		e.mend(groups)
		return
	}
	lost := make([]*group, 0, len(groups))
	for _, g := range groups {
		if errors.Is(g.err, nats.ErrNoResponders) || errors.Is(g.err, jetstream.ErrNoStreamResponse) {
			lost = append(lost, g)
		}
	}
	if len(lost) == 0 {
		return
	}
	// Another process may have renewed the log.
	old := e.gen.Load()
	if next, err := e.current(ctx); err == nil && next != old {
		e.publishNow(ctx, lost)
	}
}

// publishNow writes to the generation of the moment and remembers the numbers.
func (e *Engine) publishNow(ctx context.Context, groups []*group) {
	e.turn.RLock()
	defer e.turn.RUnlock()
	gen := e.gen.Load()
	answers := make([]jetstream.PubAckFuture, len(groups))
	for i, g := range groups {
		opts := []jetstream.PublishOpt{jetstream.WithExpectStream(gen.name())}
		if e.server == nil {
			opts = append(opts, jetstream.WithMsgID(uuid.NewString()), jetstream.WithRetryAttempts(2))
		}
		msg := &nats.Msg{Subject: gen.subject(g.partition), Data: g.frame}
		answers[i], g.err = e.wjs.PublishMsgAsync(msg, opts...)
	}
	for i, g := range groups {
		if g.err != nil {
			continue
		}
		select {
		case ack := <-answers[i].Ok():
			g.seq = ack.Sequence
			e.marks.note(g)
		case g.err = <-answers[i].Err():
		case <-ctx.Done():
			g.err = ctx.Err()
		}
	}
}

// mendEvery is how often at most the engine is started again.
const mendEvery = 2 * time.Second

// mend starts the engine inside this process again after a write that failed for another reason than
// a full log: JetStream closes a stream for good when the disk refuses a write, even if that was for
// lack of space and there is some again. What was acknowledged is read back from the files; clients,
// followers and subscribers connect by themselves.
func (e *Engine) mend(groups []*group) {
	broken := false
	for _, g := range groups {
		broken = broken || g.err != nil && !isFull(g.err)
	}
	if !broken || time.Since(e.mended) < mendEvery {
		return
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	e.opts.Logger.Error("the log engine is started again because it failed to write", "dir", e.opts.Dir)
	if err := e.server.restart(); err != nil {
		e.opts.Logger.Error("the log engine can't be started again", "dir", e.opts.Dir, "error", err)
	}
	e.mended = time.Now()
}

// The engine's codes for a stream that is full, in bytes and otherwise.
const (
	codeStoreFailed           jetstream.ErrorCode = 10077
	codeInsufficientResources jetstream.ErrorCode = 10023
)

// isFull tells whether the engine refused because the log is full.
func isFull(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == codeStoreFailed || api.ErrorCode == codeInsufficientResources)
}

// refusal turns the engine's error into ours.
func refusal(err error) error {
	if isFull(err) {
		f := fail.Wrap(fail.Unavailable, err, "the log is full; try again when the backlog is processed").WithCode("log.full")
		f.RetryAfter = 5 * time.Second
		return f
	}
	return fail.Wrap(fail.Unavailable, err, "the log doesn't take records now; try again")
}
