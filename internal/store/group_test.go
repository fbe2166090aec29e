package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// step is one change of a random closure.
type step struct {
	put bool
	id  int64
	val string
}

// closure is a random write: its steps, and how it ends.
type closure struct {
	steps []step
	end   string // "ok", "error", "panic" or "exit"
}

var errDeliberate = errors.New("deliberate")

func (c closure) run(ctx context.Context, tx *store.Tx) error {
	for _, s := range c.steps {
		var err error
		if s.put {
			_, err = tx.Exec(ctx, `INSERT INTO note (tenant_id, id, body) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, id) DO UPDATE SET body = excluded.body`, tx.TenantID(), s.id, []byte(s.val))
		} else {
			_, err = tx.Exec(ctx, "DELETE FROM note WHERE tenant_id = $1 AND id = $2", tx.TenantID(), s.id)
		}
		if err != nil {
			return err
		}
	}
	switch c.end {
	case "error":
		return errDeliberate
	case "panic":
		panic(errDeliberate)
	}
	return nil
}

// drawClosure draws a write on few keys, so that closures meet.
func drawClosure(t *rapid.T) closure {
	return closure{
		steps: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.Bool().Draw(t, "put"), rapid.Int64Range(0, 5).Draw(t, "id"), rapid.StringN(0, 4, 8).Draw(t, "val")}
		}), 0, 6).Draw(t, "steps"),
		end: rapid.SampledFrom([]string{"ok", "ok", "ok", "error", "panic"}).Draw(t, "end"),
	}
}

// outcome runs a write and returns how it ended, as closure.end says it.
func outcome(h store.Handle, fn func(tx *store.Tx) error) (end string) {
	defer func() {
		if p := recover(); p != nil {
			end = fmt.Sprint("panic:", p)
		}
	}()
	if err := h.Write(context.Background(), fn); err != nil {
		return "error:" + err.Error()
	}
	return "ok"
}

func notesOf(ctx context.Context, h store.Handle) (map[int64]string, error) {
	got := map[int64]string{}
	err := h.Read(ctx, func(tx *store.Tx) error {
		clear(got)
		rows, err := tx.Query(ctx, "SELECT id, body FROM note WHERE tenant_id = $1", tx.TenantID())
		if err != nil {
			return err
		}
		for rows.Next() { // left for the transaction to close
			var (
				n    int64
				body []byte
			)
			if err := rows.Scan(&n, &body); err != nil {
				return err
			}
			got[n] = string(body)
		}
		return rows.Err()
	})
	return got, err
}

func TestWritesCommittedInGroupsEqualTheSameWritesOneAfterAnother(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	rapid.Check(t, func(t *rapid.T) {
		h := db.Tenant(id.NewTenant())
		closures := rapid.SliceOfN(rapid.Custom(drawClosure), 1, 24).Draw(t, "closures")
		var (
			mu    sync.Mutex // guards order
			order []int      // in which closures ran last
			wg    sync.WaitGroup
			ends  = make([]string, len(closures))
		)
		for i, c := range closures {
			wg.Go(func() {
				ends[i] = outcome(h, func(tx *store.Tx) error {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					return c.run(context.Background(), tx)
				})
			})
		}
		wg.Wait()

		last := map[int]int{}
		for at, i := range order {
			last[i] = at
		}
		want := map[int64]string{}
		for at, i := range order {
			if last[i] != at || closures[i].end != "ok" {
				continue
			}
			for _, s := range closures[i].steps {
				if s.put {
					want[s.id] = s.val
				} else {
					delete(want, s.id)
				}
			}
		}
		got, err := notesOf(context.Background(), h)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("database %v, model %v", got, want)
		}
		for i, c := range closures {
			want := map[string]string{"ok": "ok", "error": "error:deliberate", "panic": "panic:deliberate"}[c.end]
			if ends[i] != want {
				t.Errorf("closure %d ended with %q, want %q", i, ends[i], want)
			}
		}
	})
}

// hold keeps the writer busy until release is called, so that later writes queue up into one group.
func hold(t *testing.T, h store.Handle) (release func()) {
	t.Helper()
	running, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		var once sync.Once // it runs again if another of its group spoils the commit
		done <- h.Write(context.Background(), func(*store.Tx) error {
			once.Do(func() { close(running) })
			<-free
			return nil
		})
	}()
	<-running
	return func() {
		close(free)
		if err := <-done; err != nil {
			t.Errorf("the write that kept the writer busy: %v", err)
		}
	}
}

// watchedContext tells when somebody waits for its end.
type watchedContext struct {
	context.Context
	once    sync.Once
	awaited chan struct{}
}

func (c *watchedContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.awaited) })
	return c.Context.Done()
}

func TestACallerThatGivesUpBeforeItsTurnWritesNothing(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	release := hold(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	queued := &watchedContext{Context: ctx, awaited: make(chan struct{})}
	gaveUp := make(chan error, 1)
	go func() {
		gaveUp <- h.Write(queued, func(tx *store.Tx) error { return addNote(context.Background(), tx, 1, "late") })
	}()
	<-queued.awaited
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	release()
	if n := countNotes(t, h); n != 0 {
		t.Errorf("%d notes were written after the caller had given up", n)
	}
}

func TestACallerThatGivesUpInTheMiddleUndoesOnlyItsOwnWrite(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	ctx, cancel := context.WithCancel(t.Context())
	err := h.Write(ctx, func(tx *store.Tx) error {
		if err := addNote(ctx, tx, 1, "first"); err != nil {
			return err
		}
		cancel()
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM note WHERE tenant_id = $1", tx.TenantID()).Scan(&n); !errors.Is(err, context.Canceled) {
			t.Errorf("a query under an ended context: %v", err)
		}
		return addNote(ctx, tx, 2, "second")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if err := h.Write(t.Context(), func(tx *store.Tx) error { return addNote(t.Context(), tx, 3, "another") }); err != nil {
		t.Fatal(err)
	}
	if n := countNotes(t, h); n != 1 {
		t.Errorf("%d notes, want 1", n)
	}
}

func TestAClosureThatEndsItsGoroutineEndsItsCallerAndNobodyElse(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	release := hold(t, h)
	var (
		wg       sync.WaitGroup
		returned atomic.Int32
	)
	for i := range 8 {
		wg.Go(func() {
			_ = h.Write(context.Background(), func(tx *store.Tx) error {
				if err := addNote(context.Background(), tx, int64(i), "x"); err != nil {
					return err
				}
				if i == 3 {
					runtime.Goexit() // what a test's FailNow does
				}
				return nil
			})
			returned.Add(1)
		})
	}
	release()
	wg.Wait()
	if n := returned.Load(); n != 7 {
		t.Errorf("%d callers returned, want 7", n)
	}
	if n := countNotes(t, h); n != 7 {
		t.Errorf("%d notes, want 7", n)
	}
}

func TestAFullDiskFailsItsWriterOnlyAndIsReportedAsUnavailable(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	// The limit stands for the disk: SQLite reports both the same way.
	if err := h.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "PRAGMA max_page_count = 200")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	release := hold(t, h)
	var (
		wg   sync.WaitGroup
		errs [9]error
	)
	for i := range errs {
		wg.Go(func() {
			errs[i] = h.Write(context.Background(), func(tx *store.Tx) error {
				size := 10
				if i == 4 {
					size = 2 << 20
				}
				return addNote(context.Background(), tx, int64(i), string(make([]byte, size)))
			})
		})
	}
	release()
	wg.Wait()
	for i, err := range errs {
		if i == 4 {
			if !fail.Is(err, fail.Unavailable) {
				t.Errorf("the large write: %v, want unavailable", err)
			}
		} else if err != nil {
			t.Errorf("small write %d: %v", i, err)
		}
	}
	if n := countNotes(t, h); n != 8 {
		t.Errorf("%d notes, want 8", n)
	}
}

func TestAClosureThatIgnoresAFailureOfTheEngineIsNotCommitted(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	ctx := context.Background()
	write := func(fn func(tx *store.Tx) error) error { return h.Write(ctx, fn) }
	if err := write(func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "PRAGMA max_page_count = 200")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err := write(func(tx *store.Tx) error {
		if err := addNote(ctx, tx, 1, "small"); err != nil {
			return err
		}
		_ = addNote(ctx, tx, 2, string(make([]byte, 2<<20))) // SQLite may have rolled back all of it
		return nil
	})
	if !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
	if n := countNotes(t, h); n != 0 {
		t.Errorf("%d notes, want 0", n)
	}
}

func TestACheckThatIsDueAtCommitFailsOnlyWhoBrokeIt(t *testing.T) {
	db := storetest.SQLite(t)
	ctx := context.Background()
	if err := db.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	release := hold(t, db.Tenant(id.NewTenant()))
	var (
		wg   sync.WaitGroup
		errs [6]error
	)
	for i := range errs {
		wg.Go(func() {
			errs[i] = db.Write(ctx, func(tx *store.Tx) error {
				if i != 2 {
					if _, err := tx.Exec(ctx, "INSERT INTO parent (id) VALUES ($1)", i); err != nil {
						return err
					}
				}
				_, err := tx.Exec(ctx, "INSERT INTO child (id, parent) VALUES ($1, $2)", i, i)
				return err
			})
		})
	}
	release()
	wg.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 2) {
			t.Errorf("write %d: %v", i, err)
		}
	}
}

func TestAfterCommitRunsInTheOrderOfCommits(t *testing.T) {
	db := storetest.SQLite(t)
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	var (
		wg           sync.WaitGroup
		ran, settled []int // only the writer appends
	)
	for i := range 100 {
		wg.Go(func() {
			_ = outcome(h, func(tx *store.Tx) error {
				tx.AfterCommit(func() { settled = append(settled, i) })
				if i%7 == 0 {
					return errDeliberate
				}
				ran = append(ran, i)
				return addNote(context.Background(), tx, int64(i), "x")
			})
		})
	}
	wg.Wait()
	if fmt.Sprint(ran) != fmt.Sprint(settled) {
		t.Errorf("ran %v, settled %v", ran, settled)
	}
}

func TestAPanicAfterTheCommitReachesItsCallerAndTheWriteStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrateNotes(t, db)
		h := db.Tenant(id.NewTenant())
		end := outcome(h, func(tx *store.Tx) error {
			tx.AfterCommit(func() { panic(errDeliberate) })
			return addNote(context.Background(), tx, 1, "x")
		})
		if end != "panic:deliberate" {
			t.Errorf("ended with %q", end)
		}
		if n := countNotes(t, h); n != 1 {
			t.Errorf("%d notes, want 1", n)
		}
	})
}

func TestAClosedDatabaseRefusesWritesAndLosesNone(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + t.TempDir() + "/probity.db"})
	if err != nil {
		t.Fatal(err)
	}
	migrateNotes(t, db)
	h := db.Tenant(id.NewTenant())
	var (
		wg   sync.WaitGroup
		errs [50]error
	)
	for i := range errs {
		wg.Go(func() {
			errs[i] = h.Write(context.Background(), func(tx *store.Tx) error { return addNote(context.Background(), tx, int64(i), "x") })
		})
	}
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil && !fail.Is(err, fail.Unavailable) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if err := h.Write(t.Context(), func(*store.Tx) error { return nil }); !fail.Is(err, fail.Unavailable) {
		t.Errorf("a write after Close: %v", err)
	}
}
