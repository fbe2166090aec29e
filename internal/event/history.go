package event

import (
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// MaxHistoryEvents is how many events one import request may hold.
const MaxHistoryEvents = 2000

// maxVisitor is the longest name that a history may give a visitor.
const maxVisitor = 200

// History is a request that brings past events in. For them the time of the event is the clock.
type History struct {
	Deployment uuid.UUID
	Basis      string    // lawful basis of Art. 6(1), other than consent
	Assessment string    // why it holds, in the controller's words
	Source     uuid.UUID // names the file; with Past.Event.Seq it tells repeated events. Zero: unknown
	Outcomes   []string  // normalised event names that are outcomes
	Events     []Past
}

// Past is one event of a history.
type Past struct {
	Visitor string // whatever the source calls the visitor
	Event   Event  // not minimised; Seq, Visit and Origin set; the page may be empty
}

// DecodeHistory reads an import request: one JSON object with the list "events", or NDJSON, where
// the first line is that object without the list and every other line is an event. Failures are
// fail.Invalid naming the field or fail.TooLarge, as for DecodeBatch.
func DecodeHistory(body []byte) (*History, error) {
	if len(body) > MaxBatchBytes {
		return nil, tooLarge("an import request", MaxBatchBytes>>10)
	}
	h := new(History)
	if err := parse(body, h.read); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *History) read(p *parser) error {
	listed := false
	present, err := p.object("", func(name string) (err error) {
		switch name {
		case "deployment":
			h.Deployment, err = p.id(name)
		case "basis":
			h.Basis, err = p.text(name, maxName)
		case "assessment":
			h.Assessment, err = p.text(name, 16<<10)
		case "source":
			if p.dec.PeekKind() == 'n' {
				return p.skip(name)
			}
			h.Source, err = p.id(name)
		case "outcomes":
			err = p.array(name, func(i int) error {
				if i == MaxAttributes {
					return p.fail("outcomes", "must not hold more than %d names", MaxAttributes)
				}
				o, err := p.eventName("outcomes")
				h.Outcomes = append(h.Outcomes, o)
				return err
			})
		case "events":
			listed = true
			err = p.array(name, func(i int) error { return h.readPast(p, i) })
			p.index = -1
		default:
			err = p.skip("")
		}
		return err
	})
	if err == nil && present && !listed {
		err = h.readLines(p)
	}
	switch {
	case err != nil:
		return err
	case !present:
		return fail.New(fail.Invalid, "the body must be an object")
	case h.Deployment == uuid.UUID{}:
		return p.fail("deployment", "is required")
	case h.Basis == "":
		return p.fail("basis", "is required")
	case len(h.Events) == 0:
		return p.fail("events", "must hold at least one event")
	}
	for i := range h.Events {
		if h.Events[i].Event.Seq != 0 {
			h.Events[i].Event.Visit = h.Source
		}
	}
	return nil
}

// readLines reads one event a line until the end.
func (h *History) readLines(p *parser) error {
	for i := 0; ; i++ {
		if p.dec.PeekKind() == 0 {
			if int(p.dec.InputOffset()) >= len(strings.TrimRight(p.all, " \t\r\n")) {
				p.index = -1
				return nil
			}
			_, err := p.dec.ReadToken()
			if err == io.EOF {
				return nil
			}
			p.index = i
			return p.broken("", err)
		}
		if err := h.readPast(p, i); err != nil {
			return err
		}
	}
}

func (h *History) readPast(p *parser, i int) error {
	if i == MaxHistoryEvents {
		p.index = -1
		return p.fail("events", "must not hold more than %d events", MaxHistoryEvents)
	}
	p.index = i
	var past Past
	from := p.dec.InputOffset()
	err := past.read(p)
	if p.dec.InputOffset()-from > MaxEventBytes {
		return tooLarge("event "+strconv.Itoa(i), MaxEventBytes>>10)
	}
	h.Events = append(h.Events, past)
	return err
}

func (past *Past) read(p *parser) error {
	e := &past.Event
	e.Origin = FromImport
	present, err := p.object("", func(name string) (err error) {
		switch name {
		case "visitor":
			past.Visitor, err = p.text(name, maxVisitor)
			if past.Visitor = strings.TrimSpace(past.Visitor); strings.ContainsFunc(past.Visitor, isControl) {
				err = p.fail(name, "must be printable")
			}
		case "seq":
			e.Seq, err = readSeq(p)
		case "time":
			e.At, err = p.time(name)
		case "name":
			e.Name, err = p.eventName(name)
		case "page":
			e.Page.URL, err = p.url(name)
		case "title":
			e.Page.Title, err = p.text(name, maxText)
		case "referrer":
			var u string
			if u, err = p.url(name); u != "" {
				e.Referrer = &Referrer{URL: u}
			}
		case "search":
			e.Search, err = p.text(name, maxText)
		case "attributes":
			e.Attributes, err = p.attrs(name)
		default:
			err = p.skip("")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !present:
		return p.fail("", "must be an object")
	case past.Visitor == "":
		return p.fail("visitor", "is required")
	case e.Name == "":
		return p.fail("name", "is required")
	case e.At.IsZero():
		return p.fail("time", "is required")
	}
	return nil
}
