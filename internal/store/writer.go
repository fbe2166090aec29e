package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"probity/internal/fail"
	"probity/internal/id"
)

// How much is committed at once at most. A group ends when nobody waits; these bounds only keep the
// first of a long queue from waiting for ever.
const (
	groupJobs       = 512
	groupStatements = 8192
)

// writer owns the one connection that writes to a SQLite file. Callers queue closures; one goroutine
// runs whatever has queued up while the disk was busy in one transaction, each closure in a
// savepoint of its own, and commits them together: one fsync for all. Nobody waits for a timer.
type writer struct {
	conn *sql.Conn
	raw  *cachingConn // the same connection, below database/sql

	committed func(rows int) // called after each commit with how many rows it changed

	mu     sync.Mutex // guards queue, head, closed
	queue  []*job
	head   int
	closed bool
	wake   chan struct{} // capacity 1: something was queued, or the writer was closed
	ended  chan struct{} // closed when the goroutine has returned for good

	// Only the goroutine touches these: what it is at, for the case that a closure ends the goroutine.
	group *group
	job   *job
}

// job is one queued closure, or one operation that must run outside of a transaction.
type job struct {
	ctx    context.Context
	tenant id.Tenant
	fn     func(tx *Tx) error // nil for op
	op     func(ctx context.Context, conn *sql.Conn) error

	state    atomic.Int32 // waiting, started or dropped
	err      error
	panicked any  // what the closure panicked with
	exited   bool // the closure ended its goroutine, as a test's FailNow does
	after    []func()
	done     chan struct{}
}

// The states of a job. Only the writer starts it, only its caller drops it.
const (
	waiting int32 = iota
	started
	dropped
)

func newWriter(conn *sql.Conn, raw *cachingConn) *writer {
	return &writer{conn: conn, raw: raw, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// start starts the goroutine; close ends it. committed must not wait.
func (w *writer) start(committed func(rows int)) {
	w.committed = committed
	go w.loop()
}

// do queues j and waits for its outcome.
func (w *writer) do(j *job) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	j.done = make(chan struct{})
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return fail.New(fail.Unavailable, "the database is closed")
	}
	w.queue = append(w.queue, j)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	select {
	case <-j.done:
	case <-j.ctx.Done():
		if j.state.CompareAndSwap(waiting, dropped) {
			return j.ctx.Err()
		}
		<-j.done
	}
	switch {
	case j.exited:
		runtime.Goexit()
	case j.panicked != nil:
		panic(j.panicked)
	}
	return j.err
}

// close lets what is queued finish and ends the goroutine.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	<-w.ended
}

// next returns the next job that still wants to run, or nil when there is none now.
func (w *writer) next() (j *job, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.head < len(w.queue) {
		j := w.queue[w.head]
		w.queue[w.head] = nil
		w.head++
		if w.head == len(w.queue) {
			w.queue, w.head = w.queue[:0], 0
		}
		if j.state.CompareAndSwap(waiting, started) {
			return j, false
		}
	}
	return nil, w.closed
}

func (w *writer) loop() {
	over := false
	defer func() {
		if over {
			close(w.ended)
			return
		}
		// A closure called runtime.Goexit, which nothing can stop. Another goroutine takes over.
		go w.takeOver()
	}()
	for {
		j, closed := w.next()
		switch {
		case j != nil:
			w.group = &group{w: w}
			w.group.gather(j)
			w.group.finish()
		case closed:
			over = true
			return
		default:
			<-w.wake
		}
	}
}

// takeOver goes on after a closure has ended the goroutine: its changes are undone, the others of
// its group run again. If it was a function registered with AfterCommit, all is committed already.
func (w *writer) takeOver() {
	if g := w.group; g.open {
		w.job.exited = true
		g.lose(w.job, errPanicked)
	} else {
		g.releaseHeld()
	}
	w.group.finish()
	w.loop()
}

// group is one commit in the making.
type group struct {
	w     *writer
	open  bool   // a transaction is running
	rows  int    // changed in it
	held  []*job // ran well in it, to be released by the commit
	again []*job // ran well in one that was given up because of another
	ops   []*job // to run outside of a transaction
}

// gather runs j and whatever is queued behind it.
func (g *group) gather(j *job) {
	statements := 0
	for n := 1; ; n++ {
		if j.op != nil {
			g.ops = append(g.ops, j)
		} else {
			statements += g.run(j)
		}
		if n >= groupJobs || statements >= groupStatements {
			return
		}
		if j, _ = g.w.next(); j == nil {
			return
		}
	}
}

// finish commits, releases all callers and does what must be done outside of a transaction.
func (g *group) finish() {
	g.commit()
	for len(g.again) > 0 {
		j := g.again[0]
		g.again = g.again[1:]
		g.run(j)
		g.commit()
	}
	ops := g.ops
	g.ops = nil
	for _, j := range ops {
		j.err = j.op(j.ctx, g.w.conn)
		close(j.done)
	}
}

// run runs one closure and returns how many statements it took. A closure that fails is released at
// once; its changes are undone, those of the others stay.
func (g *group) run(j *job) int {
	w := g.w
	if err := j.ctx.Err(); err != nil {
		g.release(j, err)
		return 0
	}
	w.raw.lost = nil
	if !g.open {
		if err := w.exec("BEGIN IMMEDIATE"); err != nil {
			g.release(j, err)
			return 0
		}
		g.open = true
	}
	// The first closure needs no savepoint: to undo it is to undo the transaction.
	nested := len(g.held) > 0
	if nested {
		if err := w.exec("SAVEPOINT closure"); err != nil {
			g.lose(j, err)
			return 0
		}
	}
	w.job = j
	r := &run{dialect: SQLite, q: w.conn, uninterrupted: true}
	err := call(j, &Tx{run: r, tenant: j.tenant})
	g.rows += r.changed
	switch {
	case w.raw.lost != nil:
		if err == nil {
			err = w.raw.lost
		}
		g.lose(j, err)
	case err == nil && !nested:
		j.after = r.after
		g.held = append(g.held, j)
	case err == nil:
		if rerr := w.exec("RELEASE closure"); rerr != nil {
			g.lose(j, rerr)
			break
		}
		j.after = r.after
		g.held = append(g.held, j)
	case nested:
		if rerr := w.exec("ROLLBACK TO closure"); rerr != nil {
			g.lose(j, err)
			break
		}
		if rerr := w.exec("RELEASE closure"); rerr != nil {
			g.lose(j, err)
			break
		}
		g.release(j, err)
	default:
		g.lose(j, err) // nobody else is in the transaction
	}
	return r.statements
}

// errPanicked stands for a closure that panicked; its caller gets the panic instead.
var errPanicked = errors.New("the transaction's function panicked")

// call runs the closure and turns a panic into an error, so that the writer lives on.
func call(j *job, tx *Tx) (err error) {
	defer tx.run.end()
	defer func() {
		if p := recover(); p != nil {
			j.panicked, err = p, errPanicked
		}
	}()
	return j.fn(tx)
}

// lose gives up the transaction because of j. The others have done nothing wrong: each will run
// again, by itself.
func (g *group) lose(j *job, err error) {
	g.rollback()
	g.release(j, err)
	g.again = append(g.again, g.held...)
	g.held = nil
}

// commit makes the held closures durable, runs what they asked for and releases their callers.
func (g *group) commit() {
	if !g.open {
		return
	}
	if len(g.held) == 0 {
		g.rollback()
		return
	}
	if err := g.w.exec("COMMIT"); err != nil {
		g.rollback()
		jobs := g.held
		g.held = nil
		if len(jobs) > 1 && !isIO(err) {
			// A check that is due at commit fails because of one of them; alone, the others pass.
			g.again = append(g.again, jobs...)
			return
		}
		for _, j := range jobs {
			g.release(j, err)
		}
		return
	}
	g.open = false
	g.w.committed(g.rows)
	g.rows = 0
	for _, j := range g.held {
		for _, fn := range j.after {
			runHook(j, fn)
		}
	}
	g.releaseHeld()
}

// releaseHeld releases the callers of what was committed.
func (g *group) releaseHeld() {
	for _, j := range g.held {
		close(j.done)
	}
	g.held = nil
}

// runHook runs one AfterCommit function; its panic continues in the caller of Write.
func runHook(j *job, fn func()) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked = p
		}
	}()
	fn()
}

func (g *group) rollback() {
	if g.open {
		_ = g.w.exec("ROLLBACK") // fails if SQLite has already rolled back, which is what is wanted
		g.open = false
	}
}

func (g *group) release(j *job, err error) {
	j.err = engineError(err)
	close(j.done)
}

func (w *writer) exec(query string) error {
	_, err := w.conn.ExecContext(context.Background(), query)
	return err
}

// isIO tells whether err means that the disk, not the data, is the trouble.
func isIO(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_IOERR || e.Code()&0xff == sqlite3.SQLITE_FULL)
}
