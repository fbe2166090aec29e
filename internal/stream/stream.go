// Package stream keeps what has been accepted until it has been processed: a durable log, ordered
// within each partition, and beside it a live bus for what may be missed.
//
// The engine is NATS JetStream: by default a server inside this process that opens no socket, or an
// existing NATS that the operator runs. Nothing of it shows in the interfaces, so that another
// engine could take its place; package streamtest says what such an engine must do.
//
// The log knows nothing of what it carries. Records are sealed before they come here.
package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Log is a durable, ordered log in partitions. All methods may be called concurrently.
//
// Numbers: every frame has a number above 0 that grows within its partition, with gaps. Records that
// were appended at the same time share a frame, and thus a number. A number is never used twice
// within a generation. When the log turns out to have lost frames (Status shows a last number below
// one already processed, or another generation), its owner calls Renew.
type Log interface {
	// Append stores record and returns the number of its frame once it is on disk. Records of one
	// partition keep the order in which their calls began, if one call ended before the next began.
	//
	// It fails with fail.Unavailable when the log is full, closed or out of reach; code log.full
	// marks the first. If ctx ends first, its error is returned and the record may be stored or not.
	Append(ctx context.Context, partition int, record []byte) (seq uint64, err error)

	// Follow calls fn for every frame of the partition with a number above after, in order, then
	// waits for more. It ends when ctx does, when fn returns an error (which it returns as is), or
	// with ErrRenewed. It survives the loss of the connection. fn may keep the frame.
	Follow(ctx context.Context, partition int, after uint64, fn func(Frame) error) error

	// Trim says that the frames of the partition up to and including upto are no longer needed. They
	// are given up at once, or when older frames of other partitions are. Numbers and followers are
	// not disturbed.
	Trim(ctx context.Context, partition int, upto uint64) error

	// Status tells how far the log goes, read from the engine and not from memory.
	Status(ctx context.Context) (Status, error)

	// Renew starts a new generation, whose numbers are all above those in after (one per partition)
	// and above any the old generation still holds. Frames above after are carried over in order
	// under new numbers; then the old generation is given up. Followers end with ErrRenewed.
	Renew(ctx context.Context, after []uint64) error
}

// Frame is what one write to the log held: the records that were waiting for it, in order.
type Frame struct {
	Seq     uint64
	Records [][]byte
}

// Status is how far a log goes.
type Status struct {
	Generation string   // changes when the log was renewed, had to start afresh, or was found damaged on opening
	Last       []uint64 // per partition: a number no lower than any frame it was given and has not lost
	Bytes      int64    // what it occupies
	MaxBytes   int64    // where it refuses; -1: never
	Frames     uint64   // that have not been trimmed
	Missing    uint64   // frames that are neither there nor trimmed: the files are damaged
}

// Bus carries messages to whoever listens now, in this process or another. It is best effort: a
// message may be lost, and is not kept for those who come later. Messages of one publisher arrive in
// order.
type Bus interface {
	// Publish sends data to the topic. A topic is one or more words separated by dots.
	Publish(topic string, data []byte) error

	// Subscribe calls fn for every message of the topic, one at a time, until cancel is called. In
	// the topic "*" stands for any one word and a last ">" for one or more. A subscriber that falls
	// far behind loses messages.
	Subscribe(topic string, fn func(topic string, data []byte)) (cancel func(), err error)
}

// ErrRenewed ends a Follow whose generation was given up: read Status again, then follow anew.
var ErrRenewed = errors.New("the log has been renewed")

// Options configures Open. The zero value of every field but Dir is usable.
type Options struct {
	// Dir is where the engine inside this process keeps its files. It is created if missing and
	// locked while open. Not used with URL.
	Dir string
	// Partitions is how many the log has; 0 means 1. It is fixed when the log is first created.
	Partitions int
	// MaxBytes is the size at which Append refuses rather than give up frames that have not been
	// processed. 0 means 8 GiB.
	MaxBytes int64
	// URL of an existing NATS with JetStream, such as "nats://user:secret@host:4222". Empty: the
	// engine runs inside this process.
	URL string
	// AckSync is the operator's word that the servers behind URL run with sync_interval "always", or
	// are replicated over machines that don't share their power. The wire doesn't show it, and
	// without it an acknowledged event could be lost, so Open refuses a URL without it.
	AckSync bool
	// Replicas of the log behind URL; 0 means 1. Not used without URL.
	Replicas int
	// MaxWait is how long an append waits for its acknowledgement; 0 means 10 s.
	MaxWait time.Duration
	// Logger receives the engine's warnings and errors; nil: nobody does.
	Logger *slog.Logger
}

const (
	defaultMaxBytes = 8 << 30
	defaultMaxWait  = 10 * time.Second
	maxPartitions   = 256

	// frameCap is the size at which a frame is closed. A frame of half a megabyte holds about a
	// thousand events, far beyond what one fsync can be waited for.
	frameCap = 512 << 10
	// MaxRecord is the size of the largest record a log takes.
	MaxRecord = 1 << 20
	// maxPayload of a message: the largest record alone in its frame, and room for headers.
	maxPayload = MaxRecord + 64<<10
	// maxQueued is how many bytes may wait for the log before Append refuses.
	maxQueued = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.Partitions == 0 {
		o.Partitions = 1
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxWait == 0 {
		o.MaxWait = defaultMaxWait
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
