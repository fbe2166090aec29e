package console

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
)

// column is one day of a chart: how many answered, and how many of them agreed.
type column struct {
	X, Width             float64
	Given, Refused       float64 // heights
	GivenTop, RefusedTop float64
	Hidden               bool // too few to show
}

// columns is a chart of answers by day, 600 by 120 units.
type columns struct {
	Columns []column
	Top     int64 // the most answers of a day
	words   string
}

// Any tells whether there is something to draw.
func (c columns) Any() bool { return len(c.Columns) > 0 }

// Words says the chart to those who can't see it.
func (c columns) Words() string { return c.words }

// columnsOf draws what people answered about one purpose on each day of a period.
func columnsOf(cells []consent.Cell, purpose string, from, to time.Time) columns {
	by := map[string]consent.Cell{}
	var c columns
	var most string
	days := 0
	for _, cell := range cells {
		if cell.Purpose != purpose {
			continue
		}
		by[cell.Group] = cell
		days++
		if cell.Answers.N > c.Top {
			c.Top, most = cell.Answers.N, cell.Group
		}
	}
	if days == 0 {
		return c
	}
	n := int(to.Sub(from)/(24*time.Hour)) + 1
	width := chartWidth / float64(n)
	for i := range n {
		cell, ok := by[from.AddDate(0, 0, i).Format(time.DateOnly)]
		if !ok {
			continue
		}
		one := column{X: width * float64(i), Width: max(1, 0.8*width), Hidden: !cell.Answers.Shown()}
		if !one.Hidden && c.Top > 0 {
			// Where a small count is left out, the middle of its bounds is drawn.
			all := chartHeight * float64(cell.Answers.N) / float64(c.Top)
			one.Given = all * (cell.Low + cell.High) / 2
			one.Refused = all - one.Given
			one.RefusedTop, one.GivenTop = chartHeight-all, chartHeight-one.Given
		}
		c.Columns = append(c.Columns, one)
	}
	c.words = fmt.Sprintf("Answers on %s of %d.", plural(int64(days), "day", "days"), n)
	if c.Top > 0 {
		c.words += fmt.Sprintf(" The most, %d, on %s: %s agreed.", c.Top, most, share(by[most]))
	}
	return c
}

// bar is one line of a table with a bar beside it.
type bar struct {
	Label string
	Count consent.Count
	Width float64 // of 100
}

func barsOf(waits []consent.Wait) (bars []bar, any bool) {
	var top int64 = 1
	for _, w := range waits {
		top = max(top, w.Choices.N)
		any = any || w.Choices.Shown()
	}
	for _, w := range waits {
		bars = append(bars, bar{w.Bucket, w.Choices, 100 * float64(w.Choices.N) / float64(top)})
	}
	return bars, any
}

// rateRow is how people answered about one purpose within one group.
type rateRow struct {
	consent.Cell
	Name, Title string // of the group, of the purpose
	Begins      bool   // the first row of its group
}

// Middle is the share in percent, or the middle of its bounds.
func (r rateRow) Middle() float64 { return 50 * (r.Low + r.High) }

// versus is how two versions did with one purpose.
type versus struct {
	Title string
	A, B  *consent.Cell // nil: nobody answered
	Moved string        // from A to B, in percentage points
}

// option is one line of a select.
type option struct {
	Value, Label string
	Chosen       bool
}

// filter is one select of the form.
type filter struct {
	Name, Label string
	Options     []option
}

type ratesPage struct {
	From, To  string
	Filters   []filter
	By        string
	Rows      []rateRow
	More      int // rows that only the file has
	Reach     []consent.Reach
	Countable bool              // what was shown can be counted, split and narrowed as asked
	Names     map[string]string // of groups
	Bars      []bar
	AnyWait   bool
	Chart     columns
	Of        string // title of the purpose in the chart
	Steered   string
	Versions  []option
	Others    []option
	Versus    []versus
	A, B      string
	File      string // address of the same as a table
	FewerThan int
	RoundedTo int
}

// ratesRows is how many rows the page lists.
const ratesRows = 400

// rates shows how people answered the notices.
func (k *call) rates() error {
	ctx, t := k.r.Context(), k.tenant()
	q, err := k.survey()
	if err != nil {
		return err
	}
	rep, err := k.Answers.Answers(ctx, t, q)
	if err != nil {
		return err
	}
	p := ratesPage{
		From: q.From.Format(time.DateOnly), To: q.To.Format(time.DateOnly), By: q.By, Reach: rep.Reach, Countable: q.Servable(), FewerThan: consent.FewerThan, RoundedTo: consent.RoundedTo,
		File: "/console/consent/rates.csv?" + k.r.URL.Query().Encode(),
	}
	p.Bars, p.AnyWait = barsOf(rep.Waits)
	titles, err := k.titles()
	if err != nil {
		return err
	}
	sites, err := k.siteNames()
	if err != nil {
		return err
	}
	p.Names = groupNames(q.By, rep, sites)
	editions, err := k.Answers.Editions(ctx, t)
	if err != nil {
		return err
	}
	purposes, err := k.Consent.Purposes(ctx, t)
	if err != nil {
		return err
	}
	asShown(rep.Cells, purposes)
	p.rows(rep.Cells, titles)
	of := k.r.FormValue("purpose")
	if _, ok := titles[of]; !ok && len(purposes) > 0 {
		of = purposes[0].ID
	}
	p.Of = titles[of]
	p.filters(&q, of, purposes, editions, sites)
	daily, all, byVersion := q, q, q
	daily.By, all.By = "day", ""
	days := rep
	if q.By != "day" {
		if days, err = k.Answers.Answers(ctx, t, daily); err != nil {
			return err
		}
	}
	p.Chart = columnsOf(days.Cells, of, q.From, q.To)
	sum, err := k.Answers.Answers(ctx, t, all)
	if err != nil {
		return err
	}
	p.Steered = k.steered(sum.Cells, titles)
	byVersion.By, byVersion.Version = "version", 0
	if len(editions) > 1 {
		if q.By != "version" || q.Version != 0 {
			if rep, err = k.Answers.Answers(ctx, t, byVersion); err != nil {
				return err
			}
		}
		p.compare(rep.Cells, k.r.FormValue("a"), k.r.FormValue("b"), editions, purposes)
	}
	return k.show(http.StatusOK, "consent-rates", "Opt-in rates", p)
}

// asShown puts the purposes of each group into the order in which people see them.
func asShown(cells []consent.Cell, purposes []notice.Purpose) {
	place := map[string]int{}
	for i, p := range purposes {
		place[p.ID] = i - len(purposes) // those that are not there any more come last
	}
	for i := 0; i < len(cells); {
		n := i + 1
		for n < len(cells) && cells[n].Group == cells[i].Group {
			n++
		}
		slices.SortStableFunc(cells[i:n], func(a, b consent.Cell) int { return place[a.Purpose] - place[b.Purpose] })
		i = n
	}
}

// survey reads what the page is to be about: the last thirty days by version, unless the form says
// otherwise.
func (k *call) survey() (q consent.Survey, err error) {
	v := k.r.URL.Query()
	q = consent.Survey{By: v.Get("by"), Language: v.Get("language"), Component: v.Get("component"), Viewport: v.Get("viewport")}
	if !v.Has("by") {
		q.By = "version"
	}
	day := func(name string, byDefault time.Time) (time.Time, error) {
		if v.Get(name) == "" {
			return byDefault.UTC().Truncate(24 * time.Hour), nil
		}
		d, err := time.Parse(time.DateOnly, v.Get(name))
		if err != nil {
			return d, fail.Field(name, "This is not a day such as 2026-11-22.")
		}
		return d, nil
	}
	if q.To, err = day("to", k.Clock.Now()); err != nil {
		return q, err
	}
	if q.From, err = day("from", q.To.AddDate(0, 0, -29)); err != nil {
		return q, err
	}
	if s := v.Get("version"); s != "" {
		if q.Version, err = strconv.Atoi(s); err != nil || q.Version < 1 {
			return q, fail.Field("version", "This is not a version of the notice.")
		}
	}
	if s := v.Get("deployment"); s != "" {
		if q.Deployment, err = uuid.Parse(s); err != nil {
			return q, fail.Field("deployment", "This is not a deployment.")
		}
	}
	return q, nil
}

// ratesFile hands out the same as a table.
func (k *call) ratesFile() error {
	q, err := k.survey()
	if err != nil {
		return err
	}
	rep, err := k.Answers.Answers(k.r.Context(), k.tenant(), q)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := rep.CSV(&out); err != nil {
		return err
	}
	return k.attachAs("text/csv; charset=utf-8", "opt-in-rates.csv", out.Bytes())
}

// componentNames are what people answer in.
var componentNames = map[string]string{"banner": "Banner", "preferences": "Preference centre", "form": "Privacy centre"}

var viewportNames = map[string]string{"m": "Phone", "d": "Desktop"}

// groupNames are what the groups of a report are called.
func groupNames(by string, rep *consent.Answers, sites map[uuid.UUID]string) map[string]string {
	names := map[string]string{}
	name := func(group string) {
		switch by {
		case "version":
			names[group] = "Version " + group
		case "language":
			names[group] = notice.LanguageName(group)
		case "deployment":
			if v, err := uuid.Parse(group); err == nil {
				names[group] = sites[v]
			}
		case "component":
			names[group] = componentNames[group]
		case "viewport":
			names[group] = viewportNames[group]
		case "day":
			names[group] = group
		default:
			names[group] = "All"
		}
		if group == "0" && by == "version" || group == "" && by != "" {
			names[group] = "Without a notice"
		}
		if names[group] == "" {
			names[group] = group
		}
	}
	for _, c := range rep.Cells {
		name(c.Group)
	}
	for _, r := range rep.Reach {
		name(r.Group)
	}
	return names
}

func (p *ratesPage) rows(cells []consent.Cell, titles map[string]string) {
	last := "\x00"
	for _, c := range cells {
		if len(p.Rows) == ratesRows {
			p.More = len(cells) - ratesRows
			return
		}
		title := titles[c.Purpose]
		if title == "" {
			title = c.Purpose // of a purpose that is not there any more
		}
		p.Rows = append(p.Rows, rateRow{c, p.Names[c.Group], title, c.Group != last})
		last = c.Group
	}
}

func (p *ratesPage) filters(q *consent.Survey, of string, purposes []notice.Purpose, editions []consent.Edition, sites map[uuid.UUID]string) {
	by := filter{Name: "by", Label: "Split by", Options: []option{{"", "nothing", q.By == ""}}}
	for _, g := range consent.Groupings() {
		by.Options = append(by.Options, option{g, g, g == q.By})
	}
	chart := filter{Name: "purpose", Label: "Purpose in the chart"}
	for _, one := range purposes {
		chart.Options = append(chart.Options, option{one.ID, titleOf(&one), one.ID == of})
	}
	all := func(name, label string) filter {
		return filter{Name: name, Label: label, Options: []option{{"", "all", false}}}
	}
	version, language, site := all("version", "Version"), all("language", "Language"), all("deployment", "Deployment")
	var languages []string
	for _, e := range editions {
		version.Options = append(version.Options, option{strconv.Itoa(e.Version), strconv.Itoa(e.Version), e.Version == q.Version})
		languages = append(languages, e.Languages...)
	}
	slices.Sort(languages)
	for _, l := range slices.Compact(languages) {
		language.Options = append(language.Options, option{l, notice.LanguageName(l), l == q.Language})
	}
	for one, name := range sites {
		site.Options = append(site.Options, option{one.String(), name, one == q.Deployment})
	}
	named := func(f filter, names map[string]string, chosen string) filter {
		for value, name := range names {
			f.Options = append(f.Options, option{value, name, value == chosen})
		}
		return f
	}
	component, viewport := named(all("component", "Answered in"), componentNames, q.Component), named(all("viewport", "Screen"), viewportNames, q.Viewport)
	for _, f := range []filter{site, component, viewport} {
		slices.SortFunc(f.Options[1:], func(a, b option) int { return strings.Compare(a.Label, b.Label) })
	}
	p.Filters = []filter{by, chart, version, language, site, component, viewport}
}

// compare puts two versions side by side, the two newest unless the form names others.
func (p *ratesPage) compare(cells []consent.Cell, a, b string, editions []consent.Edition, purposes []notice.Purpose) {
	numbers := make([]string, len(editions))
	for i, e := range editions {
		numbers[i] = strconv.Itoa(e.Version)
	}
	if !slices.Contains(numbers, a) {
		a = numbers[1]
	}
	if !slices.Contains(numbers, b) {
		b = numbers[0]
	}
	p.A, p.B = a, b
	for _, n := range numbers {
		p.Versions = append(p.Versions, option{n, "Version " + n, n == a})
		p.Others = append(p.Others, option{n, "Version " + n, n == b})
	}
	find := func(version, purpose string) *consent.Cell {
		i := slices.IndexFunc(cells, func(c consent.Cell) bool { return c.Group == version && c.Purpose == purpose })
		if i < 0 {
			return nil
		}
		return &cells[i]
	}
	for _, one := range purposes {
		v := versus{Title: titleOf(&one), A: find(a, one.ID), B: find(b, one.ID)}
		v.Moved = moved(v.A, v.B)
		p.Versus = append(p.Versus, v)
	}
}

// moved says by how many percentage points a share moved.
func moved(a, b *consent.Cell) string {
	if a == nil || b == nil || a.Low != a.High || b.Low != b.High || a.Answers.N == 0 || b.Answers.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%+.1f points", 100*(b.Low-a.Low))
}

// Kept is what the form of the page asked, for a form that asks something else besides.
func (p ratesPage) Kept() url.Values {
	v := url.Values{"from": {p.From}, "to": {p.To}}
	for _, f := range p.Filters {
		for _, o := range f.Options {
			if o.Chosen {
				v.Set(f.Name, o.Value)
			}
		}
	}
	return v
}
