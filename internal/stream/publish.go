package stream

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"probity/internal/fail"
)

// duplicateWindow is how long the engine remembers the identifiers of writes. Writes carry one only
// when the engine runs elsewhere, where an acknowledgement can get lost on the way.
const duplicateWindow = 30 * time.Second

// publish writes one frame per partition: a single message, or one atomic batch, which is synced
// once however many partitions it spans.
func (e *Engine) publish(ctx context.Context, groups []*group) error {
	e.turn.RLock()
	g := e.gen.Load()
	err := e.publishTo(ctx, g, groups)
	e.turn.RUnlock()
	if e.server == nil && errors.Is(err, nats.ErrNoResponders) {
		// Another process may have renewed the log.
		next, cerr := e.current(ctx)
		if cerr == nil && next != g {
			e.turn.RLock()
			err = e.publishTo(ctx, next, groups)
			e.turn.RUnlock()
		}
	}
	return refusal(err)
}

func (e *Engine) publishTo(ctx context.Context, g *generation, groups []*group) error {
	if len(groups) == 1 {
		return e.publishOne(ctx, g, groups[0])
	}
	return e.publishBatch(ctx, g, groups)
}

func (e *Engine) publishOne(ctx context.Context, g *generation, one *group) error {
	opts := []jetstream.PublishOpt{jetstream.WithExpectStream(g.name())}
	if e.server == nil {
		opts = append(opts, jetstream.WithMsgID(uuid.NewString()), jetstream.WithRetryAttempts(5), jetstream.WithRetryWait(200*time.Millisecond))
	}
	ack, err := e.wjs.PublishMsg(ctx, &nats.Msg{Subject: g.subject(one.partition), Data: one.frame}, opts...)
	if err != nil {
		return err
	}
	one.seq = ack.Sequence
	return nil
}

// publishBatch sends all but the last frame without asking for an answer; the last one commits the
// batch. Frames get consecutive numbers.
func (e *Engine) publishBatch(ctx context.Context, g *generation, groups []*group) error {
	id := uuid.NewString()
	for i, gr := range groups {
		msg := nats.NewMsg(g.subject(gr.partition))
		msg.Data = gr.frame
		msg.Header.Set("Nats-Batch-Id", id)
		msg.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i < len(groups)-1 {
			if err := e.writer.PublishMsg(msg); err != nil {
				return err
			}
			continue
		}
		msg.Header.Set("Nats-Batch-Commit", "1")
		answer, err := e.writer.RequestMsgWithContext(ctx, msg)
		if err != nil {
			return err
		}
		var ack struct {
			Stream   string              `json:"stream"`
			Sequence uint64              `json:"seq"`
			Count    int                 `json:"count"`
			Error    *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(answer.Data, &ack); err != nil {
			return err
		}
		if ack.Error != nil {
			return ack.Error
		}
		if ack.Stream != g.name() || ack.Count != len(groups) || ack.Sequence < uint64(len(groups)) {
			return errors.New("the log engine acknowledged something else than what was sent")
		}
		for j := range groups {
			groups[j].seq = ack.Sequence - uint64(len(groups)-1-j)
		}
	}
	return nil
}

// The engine's codes for a stream that is full, in bytes and otherwise.
const (
	codeStoreFailed           jetstream.ErrorCode = 10077
	codeInsufficientResources jetstream.ErrorCode = 10023
)

// refusal turns the engine's error into ours.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == codeStoreFailed || api.ErrorCode == codeInsufficientResources) {
		f := fail.Wrap(fail.Unavailable, err, "the log is full; try again when the backlog is processed").WithCode("log.full")
		f.RetryAfter = 5 * time.Second
		return f
	}
	return fail.Wrap(fail.Unavailable, err, "the log doesn't take records now; try again")
}
