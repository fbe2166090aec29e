package stream

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"probity/internal/fail"
)

// generation is one life of the log: a JetStream stream named EV<number>.
type generation struct {
	number uint64
	id     string
	write  jetstream.Stream // over the writer connection
	read   jetstream.Stream // over the reader connection

	over context.Context // done, with a cause, when the generation is given up
	end  context.CancelCauseFunc
}

func (g *generation) name() string         { return streamName(g.number) }
func (g *generation) subject(p int) string { return subjectOf(g.number, strconv.Itoa(p)) }
func streamName(number uint64) string      { return "EV" + strconv.FormatUint(number, 10) }
func streamNumber(name string) (n uint64) {
	n, _ = strconv.ParseUint(strings.TrimPrefix(name, "EV"), 10, 64)
	return n
}

// What a stream's metadata says of it.
const (
	metaID         = "probity.generation"
	metaPartitions = "probity.partitions"
	metaState      = "probity.state"
	stateFilling   = "filling" // Renew has not finished: nothing but copies is in it
	stateReady     = "ready"
)

// fillingTimeout is how long another process may take to fill a new generation before it counts as
// dead.
const fillingTimeout = 10 * time.Minute

// findOrCreate returns the newest generation that is ready. If there is none it creates one. What a
// broken off Renew left behind is removed.
func (e *Engine) findOrCreate(ctx context.Context) (*generation, error) {
	newest, highest, err := e.find(ctx)
	if err != nil {
		return nil, err
	}
	if newest != nil {
		return e.adopt(ctx, newest)
	}
	if highest = max(highest, e.highestOnDisk()); highest > 0 {
		e.opts.Logger.Error("the log could not be read and starts afresh; its damaged files are kept", "dir", e.opts.Dir, "stream", streamName(highest))
	}
	g, err := e.create(ctx, highest+1, 1, stateReady)
	if err == nil || e.server != nil {
		return g, err
	}
	// Another process may have been first.
	if newest, _, again := e.find(ctx); again == nil && newest != nil {
		return e.adopt(ctx, newest)
	}
	return nil, err
}

// find returns the newest ready stream (nil if none) and the highest number in use. It deletes
// streams that are older than the newest, or not ready.
func (e *Engine) find(ctx context.Context) (newest *jetstream.StreamInfo, highest uint64, err error) {
	var found []*jetstream.StreamInfo
	list := e.wjs.ListStreams(ctx, jetstream.WithStreamListSubject("ev.>"))
	for info := range list.Info() {
		if info.Config.Metadata[metaID] == "" {
			continue // not ours
		}
		n := streamNumber(info.Config.Name)
		highest = max(highest, n)
		found = append(found, info)
		if info.Config.Metadata[metaState] == stateReady && (newest == nil || n > streamNumber(newest.Config.Name)) {
			newest = info
		}
	}
	if err := list.Err(); err != nil {
		return nil, 0, fail.Wrap(fail.Unavailable, err, "the log engine can't list its streams")
	}
	for _, info := range found {
		if info == newest || e.server == nil && info.Config.Metadata[metaState] == stateFilling && time.Since(info.Created) < fillingTimeout {
			continue
		}
		if err := e.wjs.DeleteStream(ctx, info.Config.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, 0, fail.Wrap(fail.Unavailable, err, "an old generation of the log can't be removed")
		}
	}
	return newest, highest, nil
}

// adopt returns the generation that info describes, with MaxBytes brought to what is configured. If
// frames are missing it gets another identifier, so that its owner notices.
func (e *Engine) adopt(ctx context.Context, info *jetstream.StreamInfo) (*generation, error) {
	if have := info.Config.Metadata[metaPartitions]; have != strconv.Itoa(e.opts.Partitions) {
		return nil, fail.Field("log.partitions", "the log has %s partitions and log.partitions is %d; the number is fixed once a log exists", have, e.opts.Partitions)
	}
	cfg := info.Config
	if n := e.missing(info); n > 0 {
		e.opts.Logger.Error("the log is damaged: frames are missing", "dir", e.opts.Dir, "frames", n)
		cfg.Metadata = maps.Clone(cfg.Metadata)
		cfg.Metadata[metaID] = uuid.NewString()
	}
	if cfg.MaxBytes != e.opts.MaxBytes || cfg.Metadata[metaID] != info.Config.Metadata[metaID] {
		cfg.MaxBytes = e.opts.MaxBytes
		if _, err := e.wjs.UpdateStream(ctx, cfg); err != nil {
			return nil, fail.Wrap(fail.Unavailable, err, "the log can't be set to %d bytes", e.opts.MaxBytes)
		}
	}
	return e.handle(ctx, streamNumber(cfg.Name), cfg.Metadata[metaID])
}

// handle returns the generation with both its handles.
func (e *Engine) handle(ctx context.Context, number uint64, id string) (*generation, error) {
	g := &generation{number: number, id: id}
	var err error
	if g.write, err = e.wjs.Stream(ctx, streamName(number)); err == nil {
		g.read, err = e.rjs.Stream(ctx, streamName(number))
	}
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the log can't be opened")
	}
	g.over, g.end = context.WithCancelCause(context.Background())
	return g, nil
}

// create makes the stream of a generation whose numbers start at first.
func (e *Engine) create(ctx context.Context, number, first uint64, state string) (*generation, error) {
	id := uuid.NewString()
	if _, err := e.wjs.CreateStream(ctx, e.config(number, first, id, state)); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the log can't be created")
	}
	return e.handle(ctx, number, id)
}

func (e *Engine) config(number, first uint64, id, state string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        streamName(number),
		Description: "Accepted events that wait to be processed. Sealed; the keys are elsewhere.",
		Subjects:    []string{subjectOf(number, "*")},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew, // full means: refuse, never drop what nobody has processed
		MaxBytes:    e.opts.MaxBytes,
		MaxMsgSize:  maxPayload,
		FirstSeq:    first,
		Replicas:    e.opts.Replicas,
		DenyDelete:  true,
		// Repeats within this window are dropped by the identifier of the write.
		Duplicates: duplicateWindow,
		Metadata: map[string]string{
			metaID:         id,
			metaPartitions: strconv.Itoa(e.opts.Partitions),
			metaState:      state,
		},
	}
}

// highestOnDisk returns the highest number of a stream directory, whether or not the engine could
// read it: its name must not be used again, so that the damaged files stay for inspection.
func (e *Engine) highestOnDisk() (highest uint64) {
	if e.server == nil {
		return 0
	}
	dirs, err := filepath.Glob(filepath.Join(e.opts.Dir, "jetstream", "*", "streams", "EV*"))
	if err != nil {
		return 0
	}
	for _, d := range dirs {
		if st, err := os.Stat(d); err == nil && st.IsDir() {
			highest = max(highest, streamNumber(filepath.Base(d)))
		}
	}
	return highest
}

// current returns the generation, after looking whether another process has renewed the log.
func (e *Engine) current(ctx context.Context) (*generation, error) {
	g := e.gen.Load()
	if e.server != nil {
		return g, nil
	}
	_, err := g.read.Info(ctx)
	if err == nil {
		return g, nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fail.Wrap(fail.Unavailable, err, "the log can't be reached")
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	if now := e.gen.Load(); now != g {
		return now, nil
	}
	next, err := e.findOrCreate(ctx)
	if err != nil {
		return nil, err
	}
	e.replace(g, next)
	return next, e.remember(ctx, next)
}

// replace makes next the generation. The caller holds turn.
func (e *Engine) replace(old, next *generation) {
	e.gen.Store(next)
	old.end(ErrRenewed)
}

// Renew implements Log.
func (e *Engine) Renew(ctx context.Context, after []uint64) error {
	if len(after) != e.opts.Partitions {
		return fail.New(fail.Internal, "the log was to be renewed with %d positions, it has %d partitions", len(after), e.opts.Partitions)
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	old := e.gen.Load()
	info, err := old.write.Info(ctx)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the state of the log can't be read")
	}
	first := info.State.LastSeq
	for _, seq := range after {
		first = max(first, seq)
	}
	next, err := e.create(ctx, max(old.number, e.highestOnDisk())+1, first+1, stateFilling)
	if err != nil {
		return err
	}
	if err := e.carryOver(ctx, old, next, info, after); err != nil {
		return errors.Join(err, e.wjs.DeleteStream(context.WithoutCancel(ctx), next.name()))
	}
	if _, err := e.wjs.UpdateStream(ctx, e.config(next.number, first+1, next.id, stateReady)); err != nil {
		return fail.Wrap(fail.Unavailable, err, "the log can't be renewed")
	}
	e.replace(old, next)
	if err := e.remember(ctx, next); err != nil {
		return err
	}
	if err := e.wjs.DeleteStream(ctx, old.name()); err != nil {
		// The next Open removes it.
		e.opts.Logger.Warn("the old generation of the log could not be removed", "error", err)
	}
	return nil
}

// carryOver copies the frames of old above after to next, in order.
func (e *Engine) carryOver(ctx context.Context, old, next *generation, info *jetstream.StreamInfo, after []uint64) error {
	for p, seq := range after {
		last, err := e.last(ctx, old, p, info)
		if err != nil {
			return err
		}
		for seq < last {
			msg, err := old.write.GetMsg(ctx, seq+1, jetstream.WithGetMsgSubject(old.subject(p)))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				break
			}
			if err != nil {
				return fail.Wrap(fail.Unavailable, err, "the log can't be copied while it is renewed")
			}
			if _, err := e.wjs.Publish(ctx, next.subject(p), msg.Data); err != nil {
				return fail.Wrap(fail.Unavailable, err, "the log can't be copied while it is renewed")
			}
			seq = msg.Sequence
		}
	}
	return nil
}

// last returns a number no lower than that of any frame the partition was given and has not lost: of
// its last frame or, if all are trimmed, of the last write to the log.
func (e *Engine) last(ctx context.Context, g *generation, partition int, info *jetstream.StreamInfo) (uint64, error) {
	if e.opts.Partitions == 1 || info.State.Msgs == 0 {
		return info.State.LastSeq, nil
	}
	msg, err := g.read.GetLastMsgForSubject(ctx, g.subject(partition))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return info.State.LastSeq, nil
	}
	if err != nil {
		return 0, fail.Wrap(fail.Unavailable, err, "the state of the log can't be read")
	}
	return msg.Sequence, nil
}
