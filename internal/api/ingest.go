package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/collect"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
)

// Collector takes events at the edge. *collect.Collector satisfies it: what it acknowledges is
// durable, sealed, and cites the lawful basis that was live at receipt.
type Collector interface {
	Web(ctx context.Context, deployment uuid.UUID, req collect.Request) (*collect.Accepted, error)
	Batch(ctx context.Context, deployment uuid.UUID, req collect.Request) (accepted int, refused []collect.Refusal, err error)
	Import(ctx context.Context, t id.Tenant, req collect.Request) (*collect.Imported, error)
}

// Worker turns the log into journeys. *worker.Worker satisfies it.
type Worker interface {
	// Wait blocks until the record with that number has been processed, or ctx ends.
	Wait(ctx context.Context, partition int, seq uint64) error
}

// processedWithin bounds how long the answer to a web event waits for the event to be processed, so
// that a read after the write shows it. Clients give up after 16 seconds.
const processedWithin = 3 * time.Second

func (c *call) collected(body []byte) collect.Request {
	return collect.Request{
		Body: body, Origin: c.Header.Get("Origin"), UserAgent: c.UserAgent(), Peer: c.peer(), GPC: c.Header.Get("Sec-GPC") == "1",
	}
}

// webEvent takes one event of the Genesys wire and answers once it has been processed. The event is
// durable before that: if processing takes too long, the answer lacks the session's id.
func (c *call) webEvent() error {
	d, err := c.pathDeployment()
	if err != nil {
		return err
	}
	body, err := c.body(plainText)
	if err != nil {
		return err
	}
	a, err := c.api.Collector.Web(c.Context(), d.ID, c.collected(body))
	if err != nil {
		return err
	}
	s, cookie, err := c.followed(a)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewWebEventResponse(a.Event, cookie, s))
}

// followed waits until an accepted event was processed and returns the session it went to, or nil
// if that takes too long.
func (c *call) followed(a *collect.Accepted) (*journey.Session, string, error) {
	ctx, cancel := context.WithTimeout(c.Context(), processedWithin)
	defer cancel()
	cookie, err := c.cookieOf(a.Tenant, a.Subject)
	if err != nil {
		return nil, "", err
	}
	if err := c.api.Worker.Wait(ctx, a.Partition, a.Seq); err != nil {
		return nil, cookie, nil
	}
	v, err := c.api.reader.VisitorOf(ctx, a.Tenant, a.Subject)
	if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Gone) || fail.Is(err, fail.ConsentRequired) {
		return nil, cookie, nil
	}
	if err != nil {
		return nil, "", err
	}
	return v.Session, cookie, nil
}

// events takes a batch of our own tracker.
func (c *call) events() error {
	d, err := c.pathDeployment()
	if err != nil {
		return err
	}
	body, err := c.body(plainText)
	if err != nil {
		return err
	}
	accepted, refused, err := c.api.Collector.Batch(c.Context(), d.ID, c.collected(body))
	if err != nil {
		return err
	}
	if refused == nil {
		refused = []collect.Refusal{}
	}
	return c.reply(http.StatusAccepted, struct {
		Accepted int               `json:"accepted"`
		Refused  []collect.Refusal `json:"refused"`
	}{accepted, refused})
}

// importEvents brings history in, as JSON or NDJSON, on a lawful basis that the request declares.
func (c *call) importEvents() error {
	body, err := c.body("application/x-ndjson", "application/ndjson", plainText)
	if err != nil {
		return err
	}
	done, err := c.api.Collector.Import(c.Context(), c.who.Tenant, c.collected(body))
	if err != nil {
		return err
	}
	if done.Refused == nil {
		done.Refused = []collect.PastRefusal{}
	}
	return c.reply(http.StatusOK, struct {
		Accepted int                   `json:"accepted"`
		Refused  []collect.PastRefusal `json:"refused"`
	}{done.Accepted, done.Refused})
}
