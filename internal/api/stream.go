package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/id"
)

// Bus delivers what happens elsewhere in the process or cluster. *stream.Engine satisfies it.
type Bus interface {
	// Subscribe calls fn, one message after the other, until cancel is called.
	Subscribe(topic string, fn func(topic string, data []byte)) (cancel func(), err error)
	// Publish tells all subscribers, here and in other processes. Nobody may listen.
	Publish(topic string, data []byte) error
}

const (
	maxStreamsPerVisitor = 8      // tabs of one browser
	maxStreams           = 20_000 // of this process
	heartbeat            = 15 * time.Second
	writeWait            = 10 * time.Second // a browser that takes nothing for so long is gone
)

// hub counts the live streams and ends them all when the server stops.
type hub struct {
	mu       sync.Mutex // guards the fields below
	visitors map[id.Subject]int
	total    int
	closed   bool
	done     chan struct{} // closed when the server stops
}

func newHub() *hub {
	return &hub{visitors: make(map[id.Subject]int), done: make(chan struct{})}
}

func (h *hub) enter(s id.Subject) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed || h.total >= maxStreams:
		e := fail.New(fail.Unavailable, "There are too many live connections at the moment.")
		e.RetryAfter = 30 * time.Second
		return e
	case h.visitors[s] >= maxStreamsPerVisitor:
		e := fail.New(fail.TooMany, "This browser has too many live connections.")
		e.RetryAfter = time.Minute
		return e
	}
	h.visitors[s]++
	h.total++
	return nil
}

func (h *hub) leave(s id.Subject) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
	if h.visitors[s]--; h.visitors[s] <= 0 {
		delete(h.visitors, s)
	}
}

// Close ends all live streams and refuses new ones. Register it with http.Server.RegisterOnShutdown:
// a stream would otherwise keep the server from stopping. It is idempotent.
func (a *API) Close() {
	a.live.mu.Lock()
	defer a.live.mu.Unlock()
	if !a.live.closed {
		a.live.closed = true
		close(a.live.done)
	}
}

// stream sends offers, and the word to stop after a withdrawal, to a visitor's browser as
// server-sent events over fetch. It needs no second request: the answer to the POST is the stream.
func (c *call) stream() error {
	var body struct {
		Visitor uuid.UUID `json:"visitor"`
	}
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	d, err := c.pathDeployment()
	if err != nil {
		return err
	}
	s, err := c.visitor(d.Tenant, body.Visitor)
	if err != nil {
		return err
	}
	if err := c.api.live.enter(s); err != nil {
		return err
	}
	defer c.api.live.leave(s)

	messages := make(chan frame, 16)
	lost := make(chan struct{}, 1)
	put := func(f frame) {
		select {
		case messages <- f:
		default: // too slow: the browser connects again and asks anew
			select {
			case lost <- struct{}{}:
			default:
			}
		}
	}
	cancelOffers, err := c.api.Bus.Subscribe("offer."+s.String(), func(_ string, data []byte) {
		put(frame{"offer", slices.Clone(data)})
	})
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "Live connections can't be made at the moment.")
	}
	defer cancelOffers()
	purposes := c.purposes(d.Tenant)
	cancelConsent, err := c.api.Bus.Subscribe("consent."+s.String(), func(_ string, data []byte) {
		put(frame{"stop", stopped(data, purposes)})
	})
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "Live connections can't be made at the moment.")
	}
	defer cancelConsent()
	// After subscribing, so that nothing falls between; the browser knows an offer by its id.
	waiting, err := c.offers(d.Tenant, d.ID, s, body.Visitor)
	if err != nil {
		return err
	}
	for _, o := range waiting {
		if data, err := json.Marshal(o); err == nil {
			put(frame{"offer", data})
		}
	}
	return c.pump(messages, lost, func(offer []byte) (bool, error) { return c.mayShow(d.Tenant, d.ID, s, offer) })
}

type frame struct {
	event string
	data  []byte
}

// mayShow asks once more for an offer that is about to go to the browser: it must still wait, and its
// purpose must be allowed now.
func (c *call) mayShow(t id.Tenant, deployment uuid.UUID, s id.Subject, offer []byte) (bool, error) {
	var message struct {
		ID uuid.UUID `json:"id"`
	}
	if err := json.Unmarshal(offer, &message); err != nil {
		return false, nil
	}
	waiting, err := c.api.reader.Waiting(c.Context(), t, s)
	if err != nil {
		return false, err
	}
	for _, o := range waiting {
		if o.ID != message.ID {
			continue
		}
		_, err := c.api.Consent.GateFor(c.Context(), t, s, deployment, o.Purpose)
		if fail.Is(err, fail.ConsentRequired) {
			return false, nil
		}
		return err == nil, err
	}
	return false, nil
}

// pump writes frames until the browser or the server ends the stream. Offers go out only if mayShow says
// so at that moment; if it can't tell, the stream ends, and the browser connects again and asks anew.
func (c *call) pump(messages <-chan frame, lost <-chan struct{}, mayShow func(offer []byte) (bool, error)) error {
	rc := http.NewResponseController(c.w)
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	send := func(text string) bool {
		// Servers without deadlines, as in tests, are fine too.
		_ = rc.SetWriteDeadline(time.Now().Add(writeWait))
		if _, err := c.w.Write([]byte(text)); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	if !send(": connected\n\n") {
		return nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		ok := true
		select {
		case f := <-messages:
			if f.event == "offer" {
				show, err := mayShow(f.data)
				if err != nil {
					return nil
				}
				if !show {
					continue
				}
			}
			ok = send(fmt.Sprintf("event: %s\ndata: %s\n\n", f.event, f.data))
		case <-beat.C:
			ok = send(": keep-alive\n\n")
		case <-lost:
			ok = false
		case <-c.Context().Done():
			ok = false
		case <-c.api.live.done:
			ok = false
		}
		if !ok {
			return nil
		}
	}
}

func (c *call) purposes(t id.Tenant) []string {
	list, err := c.api.Consent.Purposes(c.Context(), t)
	if err != nil {
		return nil
	}
	var ids []string
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

// stopped turns the word of the consent room into that for the browser. "*" means all.
func stopped(data []byte, all []string) []byte {
	var in struct {
		Withdrawn []string `json:"withdrawn"`
	}
	if json.Unmarshal(data, &in) != nil || slices.Contains(in.Withdrawn, "*") {
		in.Withdrawn = all
	}
	out, err := json.Marshal(map[string][]string{"purposes": in.Withdrawn})
	if err != nil {
		return []byte(`{"purposes":[]}`)
	}
	return out
}

// offers returns the offers that wait for a visitor and may be shown now: the gate is asked again
// for each, because consent may have been withdrawn since the offer was made.
func (c *call) offers(t id.Tenant, deployment uuid.UUID, s id.Subject, cookie uuid.UUID) ([]genesys.WebAction, error) {
	waiting, err := c.api.reader.Waiting(c.Context(), t, s)
	if err != nil {
		return nil, err
	}
	out := []genesys.WebAction{}
	for _, o := range waiting {
		_, err := c.api.Consent.GateFor(c.Context(), t, s, deployment, o.Purpose)
		if fail.Is(err, fail.ConsentRequired) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, genesys.NewWebAction(o, cookie.String()))
	}
	return out, nil
}
