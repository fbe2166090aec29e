package collect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/subject"
)

// Declarations records on which lawful basis history is imported. Declare writes to the tenant's
// ledger and returns the id of the record.
type Declarations interface {
	Declarations(ctx context.Context, t id.Tenant) ([]consent.Declared, error)
	Declare(ctx context.Context, t id.Tenant, d consent.Declaration) (recordID string, err error)
}

// Outcomes makes sure that the tenant has an outcome for each event name. It is idempotent.
type Outcomes interface {
	EnsureOutcomes(ctx context.Context, t id.Tenant, eventNames []string) error
}

// Imported is what became of an import request.
type Imported struct {
	Accepted int           `json:"accepted"`
	Refused  []PastRefusal `json:"refused"`
}

// PastRefusal tells why one event of an import was not taken.
type PastRefusal struct {
	Index   int    `json:"index"` // in the request, from 0
	Seq     uint32 `json:"seq,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// importPurposes are what a declaration for history covers: seeing what was done, and learning from
// it. Never who it was: history comes without traits.
var importPurposes = []string{PurposeMeasure, PurposeActions, "predict"}

// importWorkers is how many visitors of one import are stored at the same time, so that they share
// durable writes.
const importWorkers = 256

// Channel returns what stands for the import of history in place of a deployment: in the events and
// in the declared basis. A basis that was declared for history must not open the door for the live
// events of the same deployment, and each basis with its assessment stands by itself.
func Channel(deployment uuid.UUID, basis, assessment string) uuid.UUID {
	return uuid.NewHash(sha256.New(), deployment, []byte("probity/import/v1\x00"+basis+"\x00"+assessment), 8)
}

// PastVisitor returns the cookie under which a visitor of an imported history is known.
func PastVisitor(name string) string { return subject.Past(name) }

// Import takes history for the tenant. It declares the basis if that has not been done with the same
// assessment, makes the outcomes, and stores the events of each visitor together. Repeating a
// request is harmless if it names its source and numbers its events.
//
// Only the body and the peer of req count: the caller has authenticated it. Errors are those of
// Web, for the whole request; after Unavailable some visitors' events may be stored, and the request
// is to be repeated.
func (c *Collector) Import(ctx context.Context, t id.Tenant, req Request) (*Imported, error) {
	if c.deps.Erased != nil {
		if err := c.deps.Erased(ctx); err != nil {
			return nil, c.refused(c.failure(ctx, err))
		}
	}
	h, err := event.DecodeHistory(req.Body)
	if err != nil {
		return nil, c.refused(err)
	}
	d, err := c.deps.Deployments.Deployment(ctx, h.Deployment)
	if err != nil {
		return nil, c.refused(c.failure(ctx, err))
	}
	if d.Tenant != t {
		return nil, c.refused(fail.New(fail.NotFound, "there is no such deployment"))
	}
	channel, err := c.declare(ctx, t, h)
	if err != nil {
		return nil, c.refused(c.failure(ctx, err))
	}
	if len(h.Outcomes) > 0 {
		if c.deps.Outcomes == nil {
			return nil, c.refused(fail.Field("outcomes", "outcomes can't be made here"))
		}
		if err := c.deps.Outcomes.EnsureOutcomes(ctx, t, h.Outcomes); err != nil {
			return nil, c.refused(c.failure(ctx, err))
		}
	}

	// Stamped behind the declaration, which may have been made for this very request, and before the
	// gate is asked.
	received := c.now()
	result := sharedResult{Imported: Imported{Refused: []PastRefusal{}}}
	visitors := make(map[string][]int)
	var order []string
	for i := range h.Events {
		e := &h.Events[i].Event
		if e.At.Sub(received) > event.MaxFuture {
			result.refuse(i, e, event.CheckTime(e.At, received))
			continue
		}
		stamp(e, channel, received)
		if e.Seq != 0 && h.Source != (uuid.UUID{}) {
			e.ID = pastID(h.Source, e.Seq)
		}
		c.policy.Minimise(e)
		e.Traits = nil
		name := h.Events[i].Visitor
		if _, seen := visitors[name]; !seen {
			order = append(order, name)
		}
		visitors[name] = append(visitors[name], i)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(importWorkers)
	for _, name := range order {
		g.Go(func() error {
			v := &visitor{deployment: d, channel: channel}
			return c.importVisitor(ctx, v, name, h, visitors[name], &result)
		})
	}
	err = g.Wait()
	c.stats.accepted.Add(int64(result.Accepted))
	c.stats.refused.Add(int64(len(result.Refused)))
	if err != nil {
		return nil, c.refused(err)
	}
	slices.SortFunc(result.Refused, func(a, b PastRefusal) int { return a.Index - b.Index })
	return &result.Imported, nil
}

// importVisitor stores the events of one visitor, in their order.
func (c *Collector) importVisitor(ctx context.Context, v *visitor, name string, h *event.History, indexes []int, result *sharedResult) error {
	refuseAll := func(err error) error {
		if !fail.Is(err, fail.ConsentRequired) && !fail.Is(err, fail.Gone) && !fail.Is(err, fail.Invalid) {
			return err
		}
		for _, i := range indexes {
			result.refuse(i, &h.Events[i].Event, err)
		}
		return nil
	}
	if err := c.refusePast(ctx, v.deployment.Tenant, name); err != nil {
		return refuseAll(err)
	}
	if err := c.find(ctx, v, PastVisitor(name), &h.Events[indexes[0]].Event); err != nil {
		return refuseAll(err)
	}
	events := make([]*event.Event, 0, len(indexes))
	for _, i := range indexes {
		e := &h.Events[i].Event
		switch err := c.admit(ctx, v, e); {
		case err == nil:
			events = append(events, e)
		case fail.Is(err, fail.ConsentRequired), fail.Is(err, fail.Gone):
			result.refuse(i, e, err)
		default:
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	if _, _, err := c.store(ctx, v, events); err != nil {
		return refuseAll(err)
	}
	result.accept(len(events))
	return nil
}

// declare makes sure that the basis of an import is on record, and returns the import's channel.
func (c *Collector) declare(ctx context.Context, t id.Tenant, h *event.History) (uuid.UUID, error) {
	if c.deps.Declarations == nil {
		return uuid.UUID{}, fail.New(fail.Unavailable, "imports are switched off")
	}
	assessment := strings.TrimSpace(h.Assessment)
	channel := Channel(h.Deployment, h.Basis, assessment)
	c.declaring.Lock() // two requests of one import shall not declare twice
	defer c.declaring.Unlock()
	all, err := c.deps.Declarations.Declarations(ctx, t)
	if err != nil {
		return channel, err
	}
	now := c.deps.Clock.Now()
	for _, d := range all {
		if d.Deployment == channel && (d.Ended.IsZero() || d.Ended.After(now)) {
			return channel, nil
		}
	}
	_, err = c.deps.Declarations.Declare(ctx, t, consent.Declaration{
		Deployment: channel, Basis: h.Basis, Purposes: importPurposes, Assessment: assessment,
	})
	return channel, err
}

// pastID returns the same id for the same event of the same source.
func pastID(source uuid.UUID, seq uint32) uuid.UUID {
	return uuid.NewHash(sha256.New(), source, binary.BigEndian.AppendUint32(nil, seq), 8)
}

// sharedResult collects what the workers of one import report.
type sharedResult struct {
	mu sync.Mutex // guards Imported
	Imported
}

func (r *sharedResult) accept(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Accepted += n
}

func (r *sharedResult) refuse(index int, e *event.Event, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Refused = append(r.Refused, PastRefusal{Index: index, Seq: e.Seq, Code: codeOf(err), Message: messageOf(err)})
}
