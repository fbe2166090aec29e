package consent

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Survey says which answers a report is about. Zero members leave that out.
type Survey struct {
	From, To   time.Time // days in UTC, both included
	By         string    // what rows have in common, see Groupings; empty: everything is one row
	Version    int
	Language   string
	Deployment uuid.UUID
	Component  string
	Viewport   string
}

// Groupings are what a report can be split by.
func Groupings() []string {
	return []string{"version", "language", "deployment", "component", "viewport", "day"}
}

// maxDays bounds the period of a report.
const maxDays = 800

func (q *Survey) check() error {
	switch {
	case q.By != "" && !slices.Contains(Groupings(), q.By):
		return fail.Field("by", "A report can be split by version, language, deployment, component, viewport or day.")
	case q.To.Before(q.From):
		return fail.Field("to", "The period ends before it begins.")
	case q.To.Sub(q.From) > maxDays*24*time.Hour:
		return fail.Field("from", "The period is longer than %d days.", maxDays)
	case q.Viewport != "" && q.Viewport != "m" && q.Viewport != "d":
		return fail.Field("viewport", `The viewport is neither "m" nor "d".`)
	}
	return nil
}

// Servable tells whether what was served can be counted for the question: a notice that nobody
// answered leaves its version, its language and the day, and nothing of where it was shown.
func (q *Survey) Servable() bool {
	return q.Deployment == uuid.Nil && q.Component == "" && q.Viewport == "" && slices.Contains([]string{"", "version", "language", "day"}, q.By)
}

// Count is a number as it may be shown: rounded to the nearest multiple of RoundedTo, and left out if it
// is below FewerThan. The rule looks at one number alone, so that it can't be got round by asking
// otherwise: two questions whose answers differ by a few people get the same numbers or ones that differ
// by a whole step, and neither tells what these few said. Nobody and a few look alike too, because that
// nobody of a group refused would tell of everybody in it.
type Count struct {
	N     int64 // rounded; 0 if it is not shown
	Small bool  // it is below FewerThan
}

// RoundedTo is the step that counts are rounded to.
const RoundedTo = 10

// Shown tells whether N says about how many there are.
func (c Count) Shown() bool { return !c.Small }

// String returns the number, or why there is none.
func (c Count) String() string {
	if c.Small {
		return fmt.Sprintf("fewer than %d", FewerThan)
	}
	return strconv.FormatInt(c.N, 10)
}

// MarshalJSON writes null for a number that is not shown.
func (c Count) MarshalJSON() ([]byte, error) {
	if !c.Shown() {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, c.N, 10), nil
}

// CountOf returns a count as it may be shown.
func CountOf(n int64) Count {
	if n < FewerThan {
		return Count{Small: true}
	}
	return Count{N: (n + RoundedTo/2) / RoundedTo * RoundedTo}
}

// Cell is how people answered about one purpose within one group, as it may be shown. Everything in it
// follows from its rounded counts.
type Cell struct {
	Group     string  `json:"group"`
	Purpose   string  `json:"purpose"`
	Answers   Count   `json:"answers"`
	Given     Count   `json:"given"`
	Refused   Count   `json:"refused"`
	Withdrawn Count   `json:"withdrawn"`  // of grants under the same notice, whenever they were given
	Low       float64 `json:"share_low"`  // the part that agreed, of the rounded counts; less than High where
	High      float64 `json:"share_high"` // one of them is not shown, and 0 and 1 where nothing is known
	Steers    bool    `json:"steers"`     // nearly all agree: the notice may steer people
}

// From which share, over how many answers, a notice is suspected of steering people. Of people who are
// free to choose some say no.
const (
	SteersShare   = 0.95
	SteersAnswers = 100
)

func (r Rate) cell() Cell {
	c := Cell{
		Group: r.Group, Purpose: r.Purpose, High: 1,
		Answers: CountOf(r.Choices()), Given: CountOf(r.Given), Refused: CountOf(r.Refused), Withdrawn: CountOf(r.Withdrawn),
	}
	given, refused, few := float64(c.Given.N), float64(c.Refused.N), float64(FewerThan-1)
	switch {
	case c.Given.Shown() && c.Refused.Shown():
		c.Low = given / (given + refused)
		c.High = c.Low
	case c.Given.Shown():
		c.Low = given / (given + few)
	case c.Refused.Shown():
		c.High = few / (few + refused)
	}
	c.Steers = c.Answers.N >= SteersAnswers && given > SteersShare*float64(c.Answers.N)
	return c
}

// shown tells whether the cell says anything. That a group exists in which a few answered is left out as
// well.
func (c *Cell) shown() bool { return c.Answers.Shown() || c.Withdrawn.Shown() }

// Reach is how many of those who were shown a notice answered it.
type Reach struct {
	Group    string `json:"group"`
	Served   Count  `json:"served"`
	Answered Count  `json:"answered"`
	Silent   Count  `json:"no_choice"` // served, and no choice followed
}

// Wait is how many choices took that long.
type Wait struct {
	Bucket  string `json:"bucket"` // see Dwells
	Choices Count  `json:"choices"`
}

// Answers is how people answered, counted and never followed.
type Answers struct {
	Cells []Cell  `json:"rates"`
	Reach []Reach `json:"served"` // empty where it can't be known: by deployment, component or viewport
	Waits []Wait  `json:"time_to_choice"`
}

// Answers reports how people answered the notices. It rests on counters per day that hold nobody: who
// refused is in them once more, and not anywhere else. Every count is rounded, and left out if it is
// small: see Count. Errors: fail.Invalid naming what is wrong with the question.
func (r *Room) Answers(ctx context.Context, t id.Tenant, q Survey) (*Answers, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	tallies, waited, err := r.tallies(ctx, t, &q)
	if err != nil {
		return nil, err
	}
	rep := &Answers{Cells: []Cell{}, Reach: []Reach{}, Waits: []Wait{}}
	for _, rate := range Rates(tallies, q.group) {
		if c := rate.cell(); c.shown() {
			rep.Cells = append(rep.Cells, c)
		}
	}
	if q.By == "version" {
		slices.SortStableFunc(rep.Cells, func(a, b Cell) int { return byNumber(a.Group, b.Group) })
	}
	waits := make([]int64, len(Dwells()))
	answered := map[string]int64{}
	for i := range waited {
		if at := slices.Index(Dwells(), waited[i].bucket); at >= 0 {
			waits[at] += waited[i].Times
			answered[q.group(&waited[i].Tally)] += waited[i].Times
		}
	}
	for i, n := range waits {
		rep.Waits = append(rep.Waits, Wait{Dwells()[i], CountOf(n)})
	}
	if q.Servable() {
		err = r.reach(ctx, t, &q, answered, rep)
	}
	return rep, err
}

// byNumber sorts versions as numbers.
func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a) // both were made from numbers
	y, _ := strconv.Atoi(b)
	return x - y
}

// group returns the group that a tally belongs to.
func (q *Survey) group(one *Tally) string {
	switch q.By {
	case "version":
		return strconv.Itoa(one.Version)
	case "language":
		return one.Language
	case "deployment":
		return one.Deployment.String()
	case "component":
		return one.Component
	case "viewport":
		return one.Viewport
	case "day":
		return one.Day
	}
	return ""
}

// waiting is how many choices took that long; its effects are empty.
type waiting struct {
	Tally
	bucket string // see Dwells
}

// tallies reads the counters that the question is about, summed up over everything it doesn't ask:
// those of the last days, and what RollUp made of all before.
func (r *Room) tallies(ctx context.Context, t id.Tenant, q *Survey) (out []Tally, waits []waiting, err error) {
	known := map[string][]Effect{} // few answers differ
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out, waits = nil, nil
		var text string
		var one waiting
		err := q.sum(ctx, tx, "consent_tally", "dwell, effects", &one.Tally, []any{&one.bucket, &text}, func() error {
			effects, ok := known[text]
			if !ok {
				if effects, err = decodeEffects(text); err != nil {
					return err
				}
				known[text] = effects
			}
			one.Answered, one.Effects = one.bucket != "", effects
			out = append(out, one.Tally)
			if one.Effects = nil; one.Answered {
				waits = append(waits, one)
			}
			return nil
		})
		if err != nil {
			return err
		}
		var old Tally
		var ef Effect
		err = q.sum(ctx, tx, "consent_rate", "purpose, status, answered", &old, []any{&ef.Purpose, &ef.Status, &old.Answered}, func() error {
			old.Effects = []Effect{ef}
			out = append(out, old)
			return nil
		})
		if err != nil {
			return err
		}
		one = waiting{}
		return q.sum(ctx, tx, "consent_wait", "dwell", &one.Tally, []any{&one.bucket}, func() error {
			waits = append(waits, one)
			return nil
		})
	})
	if err != nil {
		return nil, nil, unavailable(err, "read the counts of choices")
	}
	return out, waits, nil
}

// sum adds up a table of counters by some of its columns, and by what the question is split by. It puts
// each sum into one, those columns into what, and calls each.
func (q *Survey) sum(ctx context.Context, tx *store.Tx, table, columns string, one *Tally, what []any, each func() error) error {
	dst := append([]any{&one.Times}, what...)
	if q.By != "" {
		columns += ", " + q.By // one of Groupings, which are named as their columns
		dst = append(dst, one.column(q.By))
	}
	rows, err := tx.Query(ctx, `
		SELECT CAST(sum(times) AS BIGINT), `+columns+` FROM `+table+`
		WHERE tenant_id = $1 AND day >= $2 AND day <= $3
			AND ($4 = 0 OR version = $4) AND ($5 = '' OR language = $5) AND ($6 = '' OR component = $6)
			AND ($7 = '' OR viewport = $7) AND ($8 OR deployment = $9)
		GROUP BY `+columns,
		tx.TenantID(), q.From.UTC().Format(time.DateOnly), q.To.UTC().Format(time.DateOnly), q.Version, q.Language, q.Component,
		q.Viewport, q.Deployment == uuid.Nil, q.Deployment)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dst...); err != nil {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column returns where the value of one of Groupings stands.
func (one *Tally) column(by string) any {
	switch by {
	case "version":
		return &one.Version
	case "language":
		return &one.Language
	case "deployment":
		return &one.Deployment
	case "component":
		return &one.Component
	case "viewport":
		return &one.Viewport
	}
	return &one.Day
}

// reach adds how many notices were served and not answered.
func (r *Room) reach(ctx context.Context, t id.Tenant, q *Survey, answered map[string]int64, rep *Answers) error {
	list, err := r.Served(ctx, t)
	if err != nil {
		return err
	}
	from, to := q.From.UTC().Format(time.DateOnly), q.To.UTC().Format(time.DateOnly)
	served := map[string]int64{}
	for _, s := range list {
		if s.Day < from || s.Day > to || q.Version != 0 && s.Version != q.Version || q.Language != "" && s.Language != q.Language {
			continue
		}
		served[q.group(&Tally{Day: s.Day, Version: s.Version, Language: s.Language})] += s.Times
	}
	for g := range served {
		// A notice that was served before midnight may be answered after it.
		one := Reach{Group: g, Served: CountOf(served[g]), Answered: CountOf(min(answered[g], served[g])), Silent: CountOf(served[g] - answered[g])}
		if one.Served.Shown() {
			rep.Reach = append(rep.Reach, one)
		}
	}
	slices.SortFunc(rep.Reach, func(a, b Reach) int {
		if q.By == "version" {
			return byNumber(a.Group, b.Group)
		}
		return cmp.Compare(a.Group, b.Group)
	})
	return nil
}

// CSV writes the rates as a table with one line per group and purpose, by the same rule. What is not
// shown says so.
func (o *Answers) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	lines := [][]string{{"group", "purpose", "answers", "given", "refused", "withdrawn", "share_low", "share_high"}}
	for _, c := range o.Cells {
		lines = append(lines, []string{plainCell(c.Group), plainCell(c.Purpose), c.Answers.String(), c.Given.String(), c.Refused.String(), c.Withdrawn.String(),
			strconv.FormatFloat(c.Low, 'f', 4, 64), strconv.FormatFloat(c.High, 'f', 4, 64)})
	}
	return out.WriteAll(lines)
}

// plainCell keeps a spreadsheet from taking a text for a formula.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
