package event

import (
	"strconv"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// Batch is what our tracker sends: events of one visit, oldest first as a rule.
type Batch struct {
	Visitor uuid.UUID // the cookie's value
	Visit   uuid.UUID // of the browser's page memory
	Events  []Event   // as in WebRequest: not minimised, Visit, Seq and Origin set

	spare spareMaps
}

// DecodeBatch reads our own batch. Unknown members are ignored. Failures are fail.Invalid naming
// the field, such as events[3].url, or fail.TooLarge beyond MaxBatchBytes or, for one event, beyond
// MaxEventBytes.
func DecodeBatch(body []byte) (*Batch, error) {
	b := new(Batch)
	if err := b.Decode(body); err != nil {
		return nil, err
	}
	return b, nil
}

// Decode is DecodeBatch into b, whose room for events is used again: what b held before is gone.
// After an error b holds anything.
func (b *Batch) Decode(body []byte) error {
	if len(body) > MaxBatchBytes {
		return tooLarge("a batch", MaxBatchBytes>>10)
	}
	b.Reset()
	return parse(body, b.read)
}

// Reset forgets everything and keeps the room, also that of the events' attributes and traits: the
// events must not be used any more.
func (b *Batch) Reset() {
	for i := range b.Events {
		b.spare.give(b.Events[i].Attributes)
		b.spare.give(b.Events[i].Traits)
	}
	clear(b.Events)
	*b = Batch{Events: b.Events[:0], spare: b.spare}
}

func (b *Batch) read(p *parser) error {
	p.spare = &b.spare
	var c batchContext
	present, err := p.object("", func(name string) (err error) {
		switch name {
		case "visitor":
			b.Visitor, err = p.id(name)
		case "visit":
			b.Visit, err = p.id(name)
		case "context":
			err = c.read(p)
		case "events":
			err = b.readEvents(p)
		default:
			err = p.skip("")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !present:
		return fail.New(fail.Invalid, "the body must be an object")
	case b.Visitor == uuid.UUID{}:
		return p.fail("visitor", "is required")
	case b.Visit == uuid.UUID{}:
		return p.fail("visit", "is required")
	case len(b.Events) == 0:
		return p.fail("events", "must hold at least one event")
	}
	for i := range b.Events { // the context may stand behind the events
		e := &b.Events[i]
		e.Visit, e.Origin = b.Visit, FromBrowser
		e.Browser.Lang = c.lang
		e.Device.ScreenWidth, e.Device.ScreenHeight = c.screen[0], c.screen[1]
	}
	return nil
}

// batchContext is what all events of a batch share.
type batchContext struct {
	lang   string
	screen [2]int
}

func (c *batchContext) read(p *parser) error {
	_, err := p.object("context", func(name string) (err error) {
		switch name {
		case "lang":
			c.lang, err = p.text("context.lang", maxName)
		case "screen":
			err = p.array("context.screen", func(i int) (err error) {
				if i >= len(c.screen) {
					return p.fail("context.screen", "must be a list of width and height")
				}
				c.screen[i], err = p.size("context.screen")
				return err
			})
		default:
			err = p.skip("context")
		}
		return err
	})
	return err
}

func (b *Batch) readEvents(p *parser) error {
	defer func() { p.index = -1 }()
	return p.array("events", func(i int) error {
		if i == MaxBatchEvents {
			p.index = -1
			return p.fail("events", "must not hold more than %d events", MaxBatchEvents)
		}
		p.index = i
		b.Events = append(b.Events, Event{})
		from := p.dec.InputOffset()
		err := readItem(p, &b.Events[i])
		if p.dec.InputOffset()-from > MaxEventBytes {
			return tooLarge("event "+strconv.Itoa(i), MaxEventBytes>>10)
		}
		return err
	})
}

// readItem reads one event of a batch.
func readItem(p *parser, e *Event) error {
	present, err := p.object("", func(name string) (err error) {
		switch name {
		case "seq":
			e.Seq, err = readSeq(p)
		case "name":
			e.Name, err = p.eventName(name)
		case "at":
			e.At, err = p.time(name)
		case "url":
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
		case "traits":
			e.Traits, err = p.attrs(name)
		case "external_id":
			e.ExternalID, err = p.text(name, maxValue)
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
	case e.Seq == 0:
		return p.fail("seq", "is required")
	case e.Name == "":
		return p.fail("name", "is required")
	case e.At.IsZero():
		return p.fail("at", "is required")
	case e.Page.URL == "":
		return p.fail("url", "is required")
	}
	return nil
}

func readSeq(p *parser) (uint32, error) {
	s, err := p.number("seq")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, p.fail("seq", "must be a whole number from 1 to 4294967295")
	}
	return uint32(n), nil
}
