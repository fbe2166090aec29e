package stream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"probity/internal/fail"
)

// Engine is a Log and a Bus on NATS JetStream. Its methods may be called concurrently. Close it when
// all followers have ended.
type Engine struct {
	opts   Options
	server *embedded // nil if the engine runs elsewhere

	// Two connections, so that acknowledgements don't queue behind what followers and the bus read.
	writer *nats.Conn
	reader *nats.Conn
	wjs    jetstream.JetStream
	rjs    jetstream.JetStream

	gen     atomic.Pointer[generation]
	turn    sync.RWMutex // held for reading by each write, for writing while the generation changes
	commits *committer
	marks   marks
	mended  time.Time // when mend last tried; belongs to the committer's goroutine

	closing sync.Once
}

var (
	_ Log = (*Engine)(nil)
	_ Bus = (*Engine)(nil)
)

// Open opens the log, creating it if there is none. ctx limits the time that opening may take.
//
// A log whose files were damaged is opened with what could be read; Status then shows numbers or a
// generation that its owner doesn't expect. If the files can't be opened at all, Open fails with
// fail.Unavailable and names the directory.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	e := &Engine{opts: o}
	if err := e.open(ctx); err != nil {
		e.release()
		return nil, err
	}
	e.commits = newCommitter(o.Partitions, o.MaxWait, e.publish)
	go e.commits.run()
	return e, nil
}

func (o Options) check() error {
	switch {
	case o.Partitions < 1 || o.Partitions > maxPartitions:
		return fail.Field("log.partitions", "log.partitions is %d; it must be from 1 to %d", o.Partitions, maxPartitions)
	case o.MaxBytes < 1<<20:
		return fail.Field("log.max_bytes", "log.max_bytes is %d; it must be at least 1 MiB", o.MaxBytes)
	case o.URL == "" && o.Dir == "":
		return fail.Field("log.dir", "log.dir is missing: the log needs a directory or the URL of a NATS server")
	case o.URL != "" && !o.AckSync:
		return fail.Field("log.ack_sync", "log.ack_sync must be set with log.url: with it you confirm that the NATS servers "+
			"run with sync_interval \"always\" or are replicated over machines that don't share their power; "+
			"else events could be lost after they were acknowledged")
	}
	return nil
}

func (e *Engine) open(ctx context.Context) error {
	if e.opts.URL == "" {
		srv, err := startEmbedded(e.opts.Dir, e.opts.Logger)
		if err != nil {
			return err
		}
		e.server = srv
	}
	var err error
	if e.writer, e.wjs, err = e.connect("writer"); err != nil {
		return err
	}
	if e.reader, e.rjs, err = e.connect("reader"); err != nil {
		return err
	}
	if size := e.writer.MaxPayload(); size < maxPayload {
		return fail.Field("log.url", "the NATS server takes messages of %d bytes; set its max_payload to %d or more", size, maxPayload)
	}
	g, err := e.findOrCreate(ctx)
	if err != nil {
		return err
	}
	e.gen.Store(g)
	return e.remember(ctx, g)
}

// connect makes one connection, which renews itself for as long as the engine is open.
func (e *Engine) connect(role string) (*nats.Conn, jetstream.JetStream, error) {
	options := []nats.Option{
		nats.Name("probity " + role),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(false),
		// What can't be sent now fails now: the sender of an event is waiting.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			e.opts.Logger.Warn("the log connection reports an error", "role", role, "error", err)
		}),
	}
	url := e.opts.URL
	if e.server != nil {
		options = append(options, nats.InProcessServer(e.server), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	}
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, nil, fail.Wrap(fail.Unavailable, err, "the log engine can't be reached")
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fail.Wrap(fail.Internal, err, "the log engine can't be used")
	}
	return nc, js, nil
}

// Append implements Log.
func (e *Engine) Append(ctx context.Context, partition int, record []byte) (uint64, error) {
	if err := e.checkPartition(partition); err != nil {
		return 0, err
	}
	if len(record) > MaxRecord {
		return 0, fail.New(fail.TooLarge, "a record of %d bytes is too large for the log, which takes %d", len(record), MaxRecord)
	}
	return e.commits.append(ctx, partition, record)
}

// Partitions returns how many partitions the log has.
func (e *Engine) Partitions() int { return e.opts.Partitions }

func (e *Engine) checkPartition(p int) error {
	if p < 0 || p >= e.opts.Partitions {
		return fail.New(fail.Internal, "the log has no partition %d, it has %d", p, e.opts.Partitions)
	}
	return nil
}

// Status implements Log.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	g, err := e.current(ctx)
	if err != nil {
		return Status{}, err
	}
	info, err := g.read.Info(ctx)
	if err != nil {
		return Status{}, fail.Wrap(fail.Unavailable, err, "the state of the log can't be read")
	}
	s := Status{
		Generation: g.id,
		Last:       make([]uint64, e.opts.Partitions),
		Bytes:      int64(info.State.Bytes),
		MaxBytes:   info.Config.MaxBytes,
		Frames:     info.State.Msgs,
		Missing:    e.missing(info),
	}
	for p := range s.Last {
		if s.Last[p], err = e.last(ctx, g, p, info); err != nil {
			return Status{}, err
		}
	}
	return s, nil
}

// Close writes what was accepted, then closes the connections and the engine inside this process.
// Later calls fail with fail.Unavailable.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		e.commits.close()
		e.release()
	})
	return nil
}

func (e *Engine) release() {
	if g := e.gen.Load(); g != nil {
		g.end(errClosed())
	}
	for _, nc := range []*nats.Conn{e.writer, e.reader} {
		if nc != nil {
			nc.Close()
		}
	}
	if e.server != nil {
		e.server.stop()
	}
}

// subjectOf returns the subject of a partition within a generation.
func subjectOf(generation uint64, partition string) string {
	return fmt.Sprintf("ev.%d.%s", generation, partition)
}
