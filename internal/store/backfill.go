package store

import (
	"context"
	"database/sql"
)

// When the write-ahead log is moved back into the database.
const (
	// backfillStatements is how many statements are committed between two rounds of the backfiller:
	// some megabytes of log at most, so that what a round syncs is small.
	backfillStatements = 1000
	// rewindFrames is how long the log may grow before the writer is asked to begin it anew, 16 MiB.
	rewindFrames = 4000
	// lastResortFrames is where a commit does it all by itself, 128 MiB: whatever kept the others from it.
	lastResortFrames = 8 * rewindFrames
)

// backfiller moves what was committed from the write-ahead log into the database beside the writer.
// SQLite by itself lets one unlucky commit in some hundreds do that, and everybody behind it waits
// while megabytes are written back and synced.
//
// The log can be begun anew only when all of it is in the database, which never happens while somebody
// commits all the time. So when it is long, the writer does the little that is left between two commits.
type backfiller struct {
	conns  *sql.DB // those that read
	writer *writer
	wake   chan struct{} // capacity 1: enough was committed since the last round
	stop   func()
	ended  chan struct{}
}

// newBackfiller starts the goroutine; close ends it.
func newBackfiller(conns *sql.DB, w *writer) *backfiller {
	ctx, stop := context.WithCancel(context.Background())
	b := &backfiller{conns: conns, writer: w, wake: w.much, stop: stop, ended: make(chan struct{})}
	go b.loop(ctx)
	return b
}

// close ends the goroutine. The writer must be closed already. A second call does nothing.
func (b *backfiller) close() {
	b.stop()
	<-b.ended
}

func (b *backfiller) loop(ctx context.Context) {
	defer close(b.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
			b.round()
		}
	}
}

// round moves what it can. An error is no trouble here: nothing is lost, the log grows, and whoever
// commits next meets the same disk.
func (b *backfiller) round() {
	ctx := context.Background() // to interrupt it would only mean to do it again
	conn, err := b.conns.Conn(ctx)
	if err != nil {
		return
	}
	frames, err := backfill(ctx, conn)
	_ = conn.Close() // it goes back to the pool
	if err != nil || frames < rewindFrames {
		return
	}
	_ = b.writer.do(&job{ctx: ctx, op: func(ctx context.Context, conn *sql.Conn) error {
		_, err := backfill(ctx, conn)
		return err
	}})
}

// backfill moves as much of the log as no reader needs any more, without waiting for anybody, and
// returns how long the log is, in pages.
func backfill(ctx context.Context, conn *sql.Conn) (frames int, err error) {
	var blocked, done int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&blocked, &frames, &done)
	return frames, err
}
