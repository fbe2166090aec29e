package replay

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity/internal/event"
)

// batch is one import request in the making.
type batch struct {
	head   []byte
	events [][]byte // JSON of one event each
	lines  []int64  // in the CSV, of each event
	bytes  int
	read   int // rows that were read for it, also those left out
}

// newBatch returns an empty batch that says where its events belong and on which basis they stand.
func newBatch(p *plan, source uuid.UUID) *batch {
	b := append([]byte(nil), `{"deployment":`...)
	b = quote(b, p.Deployment)
	b = quote(append(b, `,"basis":`...), p.Basis.Name)
	b = quote(append(b, `,"assessment":`...), strings.TrimSpace(p.Basis.Assessment))
	b = quote(append(b, `,"source":`...), source.String())
	b = append(b, `,"outcomes":[`...)
	for i, o := range p.Outcomes {
		if i > 0 {
			b = append(b, ',')
		}
		b = quote(b, o)
	}
	b = append(b, `],"events":[`...)
	return &batch{head: b, bytes: len(b)}
}

func (b *batch) len() int  { return len(b.events) }
func (b *batch) size() int { return b.bytes }

func (b *batch) add(r row, event []byte) {
	b.events = append(b.events, event)
	b.lines = append(b.lines, r.line)
	b.bytes += len(event) + 1
}

func (b *batch) remove(i int) {
	b.bytes -= len(b.events[i]) + 1
	b.events = slices.Delete(b.events, i, i+1)
	b.lines = slices.Delete(b.lines, i, i+1)
}

// body returns the request.
func (b *batch) body() []byte {
	out := make([]byte, 0, b.bytes+2)
	out = append(out, b.head...)
	for i, e := range b.events {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e...)
	}
	return append(out, "]}"...)
}

// event makes the JSON of a row's event. skip means that the map leaves the row out. Errors say
// what is wrong without repeating the value, which may be personal data.
func (p *plan) event(r row) (out []byte, skip bool, err error) {
	if r.number > math.MaxUint32 {
		return nil, false, fmt.Errorf("a file can have %d rows at most; split it", uint32(math.MaxUint32))
	}
	name := p.Event.Name
	if p.Event.Column != "" {
		name = strings.TrimSpace(r.fields[p.Event.index])
		if to, ok := p.Event.Names[name]; ok {
			if to == "" {
				return nil, true, nil
			}
			name = to
		}
	}
	if name, err = event.NormalName(name); err != nil {
		return nil, false, fmt.Errorf("%w (column %q)", err, p.Event.Column)
	}
	visitor := p.Visitor.fill(r.fields)
	if visitor == "" {
		return nil, false, fmt.Errorf("the visitor is empty")
	}
	at, err := p.Time.read(r.fields[p.Time.index])
	if err != nil {
		return nil, false, err
	}
	out = quote(append(make([]byte, 0, 256), `{"visitor":`...), visitor)
	out = strconv.AppendInt(append(out, `,"seq":`...), r.number, 10)
	out = at.AppendFormat(append(out, `,"time":"`...), time.RFC3339Nano)
	out = quote(append(out, `","name":`...), name)
	page := p.Page.fillURL(r.fields)
	if strings.HasPrefix(page, "/") {
		page = strings.TrimSuffix(p.Site, "/") + page
	}
	for _, f := range [...]struct{ member, value string }{
		{`,"page":`, page}, {`,"title":`, p.Title.fill(r.fields)},
		{`,"referrer":`, p.Referrer.fillURL(r.fields)}, {`,"search":`, p.Search.fill(r.fields)},
	} {
		if f.value != "" {
			out = quote(append(out, f.member...), f.value)
		}
	}
	if out, err = p.attributes(out, r); err != nil {
		return nil, false, err
	}
	return append(out, '}'), false, nil
}

// attributes appends those that are not empty.
func (p *plan) attributes(out []byte, r row) ([]byte, error) {
	separator := `,"attributes":{`
	for _, name := range p.names {
		a := p.Attributes[name]
		v := strings.TrimSpace(r.fields[a.index])
		if v == "" {
			continue
		}
		out = append(quote(append(out, separator...), name), ':')
		separator = ","
		switch a.Type {
		case event.TypeNumber:
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
				return nil, fmt.Errorf("column %q is no number", a.Column)
			}
			if jsontext.Value(v).Kind() == '0' && jsontext.Value(v).IsValid() {
				out = append(out, v...) // as it is written: 19.90 stays 19.90
			} else {
				out = strconv.AppendFloat(out, f, 'f', -1, 64)
			}
		case event.TypeBool:
			t, err := strconv.ParseBool(strings.ToLower(v))
			if err != nil {
				return nil, fmt.Errorf("column %q is neither true nor false", a.Column)
			}
			out = strconv.AppendBool(out, t)
		default:
			out = quote(out, v)
		}
	}
	if separator == "," {
		out = append(out, '}')
	}
	return out, nil
}

// read reads a time by the first layout that fits.
func (t *timeColumn) read(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, l := range t.Layouts {
		unit, unix := unixUnits[l]
		if unix {
			if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > -maxUnix/unit && n < maxUnix/unit {
				return time.UnixMicro(n * unit).UTC(), nil
			}
			continue
		}
		if l == "rfc3339" {
			l = time.RFC3339Nano
		}
		if at, err := time.ParseInLocation(l, s, t.zone); err == nil && at.Year() >= 1 && at.Year() <= 9999 {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("column %q does not fit the layout %s", t.Column, strings.Join(t.Layouts, " or "))
}

// unixUnits are the microseconds in each unit of Unix time.
var unixUnits = map[string]int64{"unix": 1_000_000, "unix_ms": 1000, "unix_us": 1}

// maxUnix is about the year 9999, in microseconds.
const maxUnix = 253_402_300_000_000_000

// quote appends s as a JSON string. Fields were checked to be UTF-8 when they were read.
func quote(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil { // invalid UTF-8, from the map: replaced, the server would refuse it
		out, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return out
}
