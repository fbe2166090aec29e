// Package replay brings history in: it reads a CSV file of past events, turns its rows into events
// as a map file says, and sends them to a Probity server over the public import endpoint. It can be
// stopped at any moment and goes on where it was.
//
// Every event carries the number of its row under an id that is made of the file's beginning and
// the map, so that a server that gets a row twice recognises it.
package replay

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"probity/internal/clock"
)

// Options says what to replay and where to. File, Map, Server and Client are required.
type Options struct {
	File   string // the CSV file; it must not change while it is read, but may have grown since the last run
	Map    string // the map file, YAML; see docs/import.md
	Server string // such as "https://probity.example.org"
	Client string // OAuth client "id:secret" with the permission journey:event:add

	State       string       // where progress is kept; empty: File + ".replay"
	Restart     bool         // begin at the first row whatever the state says
	SkipInvalid bool         // count and leave out rows that are no events, instead of stopping
	BatchRows   int          // events in a request; 0 means 2000, which is the most
	Progress    io.Writer    // where progress is shown, such as os.Stderr; nil: nowhere
	HTTP        *http.Client // nil: one with a timeout of two minutes
	Clock       clock.Clock  // nil: the system's
	// Wait pauses between tries; nil waits for real.
	Wait func(ctx context.Context, d time.Duration) error
}

// Summary is what a run did.
type Summary struct {
	Rows     int64            // rows read in this run
	Accepted int64            // events that the server acknowledged as stored
	Skipped  int64            // rows that the map leaves out
	Invalid  int64            // rows that are no events, with SkipInvalid
	Refused  map[string]int64 // events that the server did not take, by code
	First    string           // where the first invalid row stands and what is wrong with it
	Resumed  int64            // rows that an earlier run had dealt with
	Took     time.Duration
}

// String tells the summary in one line.
func (s *Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows, %d events accepted", s.Rows, s.Accepted)
	if s.Resumed > 0 {
		fmt.Fprintf(&b, " (%d rows were done before)", s.Resumed)
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, ", %d left out by the map", s.Skipped)
	}
	if s.Invalid > 0 {
		fmt.Fprintf(&b, ", %d invalid (first: %s)", s.Invalid, s.First)
	}
	for _, code := range sortedKeys(s.Refused) {
		fmt.Fprintf(&b, ", %d refused as %s", s.Refused[code], code)
	}
	fmt.Fprintf(&b, " in %s", s.Took.Round(time.Millisecond))
	return b.String()
}

// Limits of one request, below those of the server.
const (
	maxRows = 2000
	maxBody = 900 << 10
)

// Run replays a file. When it ends early, by ctx or by a failure, the summary tells how far it got
// and the next run goes on there. An error that lies in a file names it and the line.
func Run(ctx context.Context, o Options) (*Summary, error) {
	r, err := open(&o)
	if err != nil {
		return nil, err
	}
	defer r.rows.close()
	start := o.Clock.Now()
	err = r.run(ctx)
	r.sum.Took = o.Clock.Now().Sub(start)
	r.bar.end()
	return &r.sum, err
}

// run is one replay.
type run struct {
	o     *Options
	plan  *plan
	rows  *rows
	state *state
	send  *sender
	bar   *bar
	sum   Summary
}

// open reads map and state and goes to the row where the replay begins.
func open(o *Options) (*run, error) {
	switch {
	case o.File == "" || o.Map == "":
		return nil, fmt.Errorf("a CSV file and a map file are needed")
	case o.Server == "":
		return nil, fmt.Errorf("the address of the server is needed, such as https://probity.example.org")
	}
	if o.State == "" {
		o.State = o.File + ".replay"
	}
	if o.BatchRows <= 0 {
		o.BatchRows = maxRows
	}
	o.BatchRows = min(o.BatchRows, maxRows)
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	p, err := readMap(o.Map)
	if err != nil {
		return nil, err
	}
	send, err := newSender(o)
	if err != nil {
		return nil, err
	}
	rows, err := openRows(o.File, p)
	if err != nil {
		return nil, err
	}
	r := &run{o: o, plan: p, rows: rows, send: send}
	r.sum.Refused = map[string]int64{}
	if err := r.resume(); err != nil {
		rows.close()
		return nil, err
	}
	r.bar = newBar(o.Progress, o.Clock, rows.size, r.state.Offset)
	return r, nil
}

// resume loads the state, or makes one, and goes to its row.
func (r *run) resume() error {
	mark, err := fingerprint(r.o.File, fingerprintBytes)
	if err != nil {
		return err
	}
	r.state = &state{Version: stateVersion, File: mark, Map: r.plan.hash}
	if !r.o.Restart {
		old, err := loadState(r.o.State)
		switch {
		case err != nil:
			return err
		case old == nil:
		case old.Map != r.plan.hash:
			return fmt.Errorf("%s: the map has changed since the replay began; start anew with --restart, or put the old map back", r.o.State)
		default:
			again, err := fingerprint(r.o.File, old.File.Bytes)
			if err != nil {
				return err
			}
			if again != old.File {
				return fmt.Errorf("%s: it belongs to another file than %s; start anew with --restart, or name another state file", r.o.State, r.o.File)
			}
			r.state = old
		}
	}
	if r.state.Offset > 0 {
		r.sum.Resumed = r.state.Row
		return r.rows.seek(r.state)
	}
	return nil
}

// run sends batch after batch until the file ends.
func (r *run) run(ctx context.Context) error {
	source := r.state.source()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := newBatch(r.plan, source)
		end, err := r.fill(b)
		if err != nil {
			return err
		}
		if b.len() > 0 {
			if err := r.deliver(ctx, b); err != nil {
				return err
			}
		}
		r.rows.position(r.state)
		if b.read > 0 {
			if err := r.state.save(r.o.State); err != nil {
				return err
			}
		}
		r.bar.show(r.state.Offset, r.sum.Rows)
		if end {
			return nil
		}
	}
}

// fill reads rows into b until it is full or the file ends.
func (r *run) fill(b *batch) (end bool, err error) {
	for b.len() < r.o.BatchRows && b.size() < maxBody {
		row, err := r.rows.next()
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		r.sum.Rows++
		b.read++
		event, skip, err := r.plan.event(row)
		switch {
		case err != nil:
			if err := r.invalid(row.line, err); err != nil {
				return false, err
			}
		case skip:
			r.sum.Skipped++
		default:
			b.add(row, event)
		}
	}
	return false, nil
}

// invalid counts a row that is no event, or stops the replay because of it.
func (r *run) invalid(line int64, err error) error {
	err = fmt.Errorf("%s:%d: %w", r.o.File, line, err)
	if !r.o.SkipInvalid {
		return err
	}
	if r.sum.Invalid == 0 {
		r.sum.First = err.Error()
	}
	r.sum.Invalid++
	return nil
}

// deliver sends a batch. A row that the server finds invalid is named by its line, or left out and
// the rest is sent again.
func (r *run) deliver(ctx context.Context, b *batch) error {
	for b.len() > 0 {
		answer, bad, err := r.send.batch(ctx, b)
		if err != nil {
			return err
		}
		if bad != nil {
			if bad.index < 0 || bad.index >= b.len() {
				return fmt.Errorf("%s refused the request: %s", r.o.Server, bad.message)
			}
			if err := r.invalid(b.lines[bad.index], fmt.Errorf("the server refused the event: %s", bad.message)); err != nil {
				return err
			}
			b.remove(bad.index)
			continue
		}
		r.sum.Accepted += answer.Accepted
		for _, x := range answer.Refused {
			r.sum.Refused[x.Code]++
		}
		return nil
	}
	return nil
}

// wait is a pause that ends with ctx.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// isTerminal tells whether w shows what is written to a person at once.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
