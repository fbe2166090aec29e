// Package legacy brings in consents that were collected elsewhere: it reads a CSV or JSONL file, row by
// row and of any size, and has each row recorded as an assertion, which is never first-hand.
//
// A file is read to its end before anything of it is recorded, so that nothing of a broken file is.
// Each row has a key, from the file or made of what the row says. Whoever is sent a row twice
// recognises it: an import that was cut off is started again and records what was missing, and a file
// that was corrected or has grown brings in what is new.
package legacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"probity/internal/clock"
	"probity/internal/fail"
)

// Row is one consent of the file.
type Row struct {
	Person     map[string]string `json:"person"` // one of cookie, email, phone, external_id
	Deployment string            `json:"deployment,omitempty"`
	Purposes   map[string]bool   `json:"purposes"`
	Objection  bool              `json:"objection,omitempty"`
	SaidAt     time.Time         `json:"said_at"`
	Notice     string            `json:"notice,omitempty"`
	Version    int               `json:"version,omitempty"`
	Language   string            `json:"language,omitempty"`
	Text       string            `json:"text,omitempty"`
	Evidence   string            `json:"evidence,omitempty"`
	Explicit   bool              `json:"explicit,omitempty"`
	Key        string            `json:"key"`
}

// Refusal says why a row was not recorded, and what to do.
type Refusal struct {
	Line    int64  `json:"line"`
	Column  string `json:"column,omitempty"` // of the file; empty: no single one
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Answer is what became of a batch of rows.
type Answer struct {
	Recorded int
	Repeated int // recorded before
	Refused  []RowRefusal
}

// RowRefusal is a refusal by a row's place in the batch.
type RowRefusal struct {
	Row     int    `json:"row"`
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Batch is what a target takes at once: rows, and the text that holds for those without a notice and a
// text of their own.
type Batch struct {
	DryRun   bool   `json:"dry_run"`
	Text     string `json:"text,omitempty"`
	Language string `json:"language,omitempty"`
	Rows     []Row  `json:"rows"`
}

// Target records rows. It is durable when it answers, and recognises a row that it has by its key.
type Target interface {
	Import(ctx context.Context, b Batch) (Answer, error)
}

// The size of a batch. A target takes MaxRows at most.
const (
	MaxRows  = 250
	maxBatch = 800 << 10 // bytes
)

// Options says what to import and where to. File and To are required.
type Options struct {
	File     string
	Format   string    // "csv" or "jsonl"; empty: by the end of the file's name
	Text     string    // what people were shown or told, for rows that name neither a notice nor a text
	Language string    // of Text
	Report   string    // where refused rows are listed, as JSON lines; empty: File + ".report.jsonl"
	DryRun   bool      // check everything and record nothing
	Progress io.Writer // where progress is shown; nil: nowhere
	To       Target
	Clock    clock.Clock // nil: the system's
}

// Summary is what a run did.
type Summary struct {
	Rows     int64
	Recorded int64
	Repeated int64
	Refused  int64
	DryRun   bool
	Report   string
	Took     time.Duration
}

// String tells the summary in one line.
func (s *Summary) String() string {
	did := "recorded"
	if s.DryRun {
		did = "would be recorded"
	}
	text := fmt.Sprintf("%d rows: %d %s, %d already there, %d refused", s.Rows, s.Recorded, did, s.Repeated, s.Refused)
	if s.Refused > 0 {
		text += ", see " + s.Report
	}
	return text + " in " + s.Took.Round(time.Millisecond).String()
}

// Run imports a file. What it recorded when it ends early stays recorded, and the next run with the same
// file does the rest.
//
// Errors: fail.Invalid for a file that can't be read to its end, naming lines and columns; then nothing
// was recorded. Whatever the target returns.
func Run(ctx context.Context, o Options) (*Summary, error) {
	if o.Report == "" {
		o.Report = o.File + ".report.jsonl"
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if (o.Text == "") != (o.Language == "") {
		return nil, fail.Field("language", "A text and its language are given together.")
	}
	if len(o.Text) > 16<<10 {
		return nil, fail.Field("text", "The text is longer than 16 KiB.")
	}
	start := o.Clock.Now()
	if err := check(ctx, &o); err != nil {
		return nil, err
	}
	report, err := os.OpenFile(o.Report, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "The report can't be written")
	}
	r := &run{o: &o, report: json.NewEncoder(report), sum: Summary{DryRun: o.DryRun, Report: o.Report}}
	r.report.SetEscapeHTML(false)
	r.shown = start
	err = r.run(ctx)
	if e := report.Close(); err == nil && e != nil {
		err = fail.Wrap(fail.Unavailable, e, "The report can't be written")
	}
	r.sum.Took = o.Clock.Now().Sub(start)
	return &r.sum, err
}

// maxFaults is how many faults of a file are told at once.
const maxFaults = 20

// check reads the file to its end and tells what is wrong with it.
func check(ctx context.Context, o *Options) error {
	f, err := open(o.File, o.Format)
	if err != nil {
		return err
	}
	defer f.close()
	var faults []string
	for len(faults) < maxFaults {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, _, err := f.next()
		if err == io.EOF {
			break
		}
		fault, ok := err.(*Fault)
		switch {
		case ok:
			faults = append(faults, fmt.Sprintf("%s:%s", o.File, fault.Error()))
		case err != nil:
			return err
		}
		if ok && fault.last {
			break
		}
	}
	if len(faults) == 0 {
		return nil
	}
	if len(faults) == maxFaults {
		faults = append(faults, "and perhaps more")
	}
	return fail.New(fail.Invalid, "Nothing was recorded: the file can't be read to its end.\n%s", strings.Join(faults, "\n"))
}

// run is one import.
type run struct {
	o      *Options
	report *json.Encoder
	sum    Summary
	batch  Batch
	rows   []place // of the rows in batch
	size   int
	shown  time.Time
}

// place is where a row stands, and which column its person's identity is in.
type place struct {
	line     int64
	identity string
}

func (r *run) run(ctx context.Context) error {
	f, err := open(r.o.File, r.o.Format)
	if err != nil {
		return err
	}
	defer f.close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		cells, line, err := f.next()
		if err == io.EOF {
			return r.deliver(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: the file changed while it was read: %w", r.o.File, err)
		}
		r.sum.Rows++
		row, identity, refusal := cells.row(r.o.Text != "")
		if refusal != nil {
			refusal.Line = line
			if err := r.refuse(*refusal); err != nil {
				return err
			}
			continue
		}
		body, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if row.Key == "" {
			row.Key = r.key(row, body)
		}
		r.batch.Rows = append(r.batch.Rows, *row)
		r.rows = append(r.rows, place{line, identity})
		r.size += len(body) + len(row.Key)
		if len(r.rows) == MaxRows || r.size >= maxBatch-maxRecord {
			if err := r.deliver(ctx); err != nil {
				return err
			}
		}
	}
}

// key stands for all that a row says: two rows of one key are one consent.
func (r *run) key(row *Row, body []byte) string {
	h := sha256.New()
	h.Write(body)
	if row.Notice == "" && row.Text == "" {
		fmt.Fprintf(h, "\x00%s\x00%s", r.o.Language, r.o.Text)
	}
	return "row:" + hex.EncodeToString(h.Sum(nil))
}

// deliver has the rows of the batch recorded.
func (r *run) deliver(ctx context.Context) error {
	if len(r.rows) == 0 {
		return nil
	}
	r.batch.DryRun, r.batch.Text, r.batch.Language = r.o.DryRun, r.o.Text, r.o.Language
	a, err := r.o.To.Import(ctx, r.batch)
	if err != nil {
		return err
	}
	if a.Recorded+a.Repeated+len(a.Refused) != len(r.rows) {
		return fail.New(fail.Unavailable, "The answer is about %d rows, and %d were sent.", a.Recorded+a.Repeated+len(a.Refused), len(r.rows))
	}
	r.sum.Recorded += int64(a.Recorded)
	r.sum.Repeated += int64(a.Repeated)
	for _, x := range a.Refused {
		if x.Row < 0 || x.Row >= len(r.rows) {
			return fail.New(fail.Unavailable, "The answer is about a row that was not sent.")
		}
		at := r.rows[x.Row]
		if err := r.refuse(Refusal{Line: at.line, Column: columnOf(x.Field, at.identity), Code: x.Code, Message: x.Message}); err != nil {
			return err
		}
	}
	r.batch.Rows, r.rows, r.size = r.batch.Rows[:0], r.rows[:0], 0
	if now := r.o.Clock.Now(); r.o.Progress != nil && now.Sub(r.shown) >= 2*time.Second {
		r.shown = now
		fmt.Fprintf(r.o.Progress, "%d rows, %d recorded, %d already there, %d refused\n", r.sum.Rows, r.sum.Recorded, r.sum.Repeated, r.sum.Refused)
	}
	return nil
}

func (r *run) refuse(x Refusal) error {
	r.sum.Refused++
	if err := r.report.Encode(x); err != nil {
		return fail.Wrap(fail.Unavailable, err, "The report can't be written")
	}
	return nil
}

// columnOf is how the file calls a field of a row.
func columnOf(field, identity string) string {
	switch field {
	case "purposes":
		return "granted, refused, objected"
	case "person":
		return identity
	}
	return field
}
