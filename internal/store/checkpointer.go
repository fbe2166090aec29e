package store

import (
	"context"
	"database/sql"
	"sync"
)

// How much of the write-ahead log waits to be moved into the database.
const (
	logDue    = 1000  // changed rows after which the checkpointer begins
	logWrap   = 4000  // pages of 4 KiB after which the log is begun anew from its start
	logRest   = 256   // pages that the writer moves itself, while all who write wait
	logTooFar = 16000 // pages of which the writer moves all: the checkpointer fails or can't keep up
)

// checkpointer moves what is in the write-ahead log into the database while the writer goes on. SQLite
// would do it within a commit, and whoever happened to be in that commit would wait for thousands of
// pages. The writer does only the last few, so that it can begin the log anew.
type checkpointer struct {
	writer *writer
	pool   *sql.DB
	due    chan struct{} // capacity 1
	stop   context.CancelFunc
	done   chan struct{}

	mu sync.Mutex // held while pages are moved; scrub takes it

	changed int // rows since it was last woken; only the writer touches it
}

// startCheckpointer starts the goroutine; close ends it, before the writer is closed.
func startCheckpointer(path string, w *writer) (*checkpointer, error) {
	pool, err := openPool(path, 1, 64, 0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{writer: w, pool: pool, due: make(chan struct{}, 1), stop: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c, nil
}

func (c *checkpointer) close() error {
	c.stop()
	<-c.done
	return c.pool.Close()
}

// committed is called by the writer after each commit.
func (c *checkpointer) committed(rows int) {
	if c.changed += rows; c.changed < logDue {
		return
	}
	c.changed = 0
	select {
	case c.due <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.due:
			c.pass(ctx)
		}
	}
}

// passes is how often what was written meanwhile is moved before the writer is asked.
const passes = 4

// pass moves what the log holds. What goes wrong is made good by the writer at logTooFar.
func (c *checkpointer) pass(ctx context.Context) {
	var pages, rest int
	for range passes {
		var err error
		if pages, rest, err = c.move(ctx); err != nil {
			return
		}
		if pages < logWrap {
			return
		}
		if rest <= logRest {
			break
		}
	}
	if rest > logRest {
		return // somebody reads an older state, or more is written than is moved
	}
	// The next transaction begins the log anew if all of it is in the database and nobody reads from it.
	_ = c.writer.do(&job{ctx: ctx, op: func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		return err
	}})
}

// move moves what the log holds now and returns how many pages it holds, and how many of them were not
// moved, because they were written meanwhile or somebody reads an older state.
func (c *checkpointer) move(ctx context.Context) (pages, rest int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var busy, moved int
	if err := c.pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &moved); err != nil {
		return 0, 0, err
	}
	return pages, pages - moved, nil
}
