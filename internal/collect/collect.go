// Package collect is the public edge: it takes events from browsers, servers and files, and lets
// through to the log only what may be kept.
//
// The order of its steps is a promise to the data subject and is tested as such: decode and limits,
// deployment and origin, minimise, subject, consent gate, seal, append. Whatever is refused leaves
// nothing behind; whatever is acknowledged is durable, sealed under the subject's own key, and cites
// the lawful basis that was live when it was received.
package collect

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/org"
	"probity/internal/recent"
	"probity/internal/subject"
)

// Deployments finds a deployment. It answers from memory as a rule: every request asks. An unknown
// one is fail.NotFound. What it returns is shared and must not be changed.
type Deployments interface {
	Deployment(ctx context.Context, deployment uuid.UUID) (*org.Deployment, error)
}

// Subjects tells whose an identity is. Lookup and Suppressed answer from memory as a rule. What
// Ensure returns is durable; concurrent callers get the same subject; an erased one is fail.Gone.
type Subjects interface {
	Lookup(ctx context.Context, t id.Tenant, k subject.Kind, value string) (id.Subject, bool, error)
	Suppressed(ctx context.Context, t id.Tenant, k subject.Kind, value string) (bool, error)
	// Erased tells when the person that an identity belonged to was erased; zero: never.
	Erased(ctx context.Context, t id.Tenant, k subject.Kind, value string) (time.Time, error)
	Ensure(ctx context.Context, t id.Tenant, k subject.Kind, value string) (id.Subject, error)
}

// Gate answers on which ground a subject's data may be processed for a purpose right now, or
// fail.ConsentRequired. GateFor counts a basis that was declared for the deployment too. Neither
// opens for want of an answer.
type Gate interface {
	Gate(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (consent.Ground, error)
	GateFor(ctx context.Context, t id.Tenant, s id.Subject, deployment uuid.UUID, purpose string) (consent.Ground, error)
}

// Sealer seals under the subject's own key and appends to dst, which plain must not overlap. A
// subject that was erased is fail.Gone.
type Sealer interface {
	SealAppend(ctx context.Context, t id.Tenant, s id.Subject, dst, aad, plain []byte) ([]byte, error)
}

// Log keeps records in order. Append returns once the record is on disk; it fails with
// fail.Unavailable, and then nothing was kept unless ctx had ended.
type Log interface {
	Append(ctx context.Context, partition int, record []byte) (seq uint64, err error)
}

// Deps is what a Collector needs. All but Limits, Policy, Partitions, Declarations and Outcomes are
// required.
type Deps struct {
	Deployments Deployments
	Subjects    Subjects
	Gate        Gate
	Sealer      Sealer
	Log         Log
	Clock       clock.Clock
	Logger      *slog.Logger

	Limits     Limits
	Policy     *event.Policy // nil: event.DefaultPolicy
	Partitions int           // of the log; 0 means 1

	Declarations Declarations                // for Import; nil: Import is refused
	Erased       func(context.Context) error // called before Import: has what other servers erased known here; may be nil
	Outcomes     Outcomes                    // for Import; nil: outcomes in an import are refused
}

// Collector takes events. It is safe for concurrent use.
type Collector struct {
	deps    Deps
	policy  event.Policy
	limiter *limiter
	agents  *recent.Cache[string, agent]
	buffers sync.Pool // of *buffers
	batches sync.Pool // of *event.Batch
	stats   counters

	declaring sync.Mutex // held while an import looks for its declared basis
}

// New returns a collector. It starts nothing and needs no closing.
func New(d Deps) *Collector {
	c := &Collector{deps: d, policy: event.DefaultPolicy(), agents: recent.New[string, agent](2048)}
	if d.Policy != nil {
		c.policy = *d.Policy
	}
	if c.deps.Partitions < 1 {
		c.deps.Partitions = 1
	}
	c.limiter = newLimiter(d.Limits)
	c.buffers.New = func() any { return new(buffers) }
	c.batches.New = func() any { return new(event.Batch) }
	return c
}

// Request is what came in over HTTP.
type Request struct {
	Body      []byte
	Origin    string     // the Origin header; empty if there was none
	UserAgent string     // the User-Agent header; only its class is kept
	Peer      netip.Addr // who sent it, behind trusted proxies; only its network is kept
	GPC       bool       // Sec-GPC: 1 was sent
}

// Accepted tells where an accepted event went.
type Accepted struct {
	Tenant    id.Tenant
	Subject   id.Subject
	Partition int
	Seq       uint64       // the number of its frame in the log
	Event     *event.Event // as it was stored
}

// Refusal tells why one event of a batch was not taken.
type Refusal struct {
	Seq     uint32 `json:"seq"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The purposes that events fall under.
const (
	PurposeMeasure  = "measure"  // page views
	PurposeActions  = "actions"  // everything else a visitor does
	PurposeIdentity = "identity" // traits and external ids
)

// purposeOf returns the purpose an event needs a ground for.
func purposeOf(e *event.Event) string {
	if event.IsPageView(e.Name) {
		return PurposeMeasure
	}
	return PurposeActions
}

// Partition returns the partition of the log that holds a subject's records, so that they stay in
// order. Every node must use the same count.
func Partition(t id.Tenant, s id.Subject, partitions int) int {
	if partitions <= 1 {
		return 0
	}
	// The reference is random: eight of its bytes are as good as a hash.
	var h uint64
	for _, b := range s[8:] {
		h = h<<8 | uint64(b)
	}
	return int((h ^ uint64(t[15])) % uint64(partitions))
}

// deployment finds the deployment and checks that the origin may use it. A request without an Origin
// comes from a server: browsers can't leave the header out across sites, and whoever isn't a browser
// could write anything into it.
func (c *Collector) deployment(ctx context.Context, deployment uuid.UUID, origin string) (*org.Deployment, error) {
	d, err := c.deps.Deployments.Deployment(ctx, deployment)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	if origin != "" && !d.Allows(origin) {
		return nil, fail.New(fail.Forbidden, "pages of this origin are not allowed to use the deployment").WithCode("origin.foreign")
	}
	return d, nil
}

// failure turns an error of another room into one for the caller. What none of them foresaw is
// fail.Unavailable: nothing was stored, and the caller should try again.
func (c *Collector) failure(ctx context.Context, err error) error {
	switch fail.KindOf(err) {
	case fail.Internal:
		err = fail.Wrap(fail.Unavailable, err, "the event could not be stored")
	case fail.Unavailable:
	default:
		return err
	}
	c.stats.unavailable.Add(1)
	if ctx.Err() == nil {
		// Drivers and networks put what they were given into their errors.
		c.deps.Logger.LogAttrs(ctx, slog.LevelWarn, "events are refused because a part is out of reach", slog.String("error", event.Mask(err.Error())))
	}
	return err
}

// stamp gives an event what the request knows.
func stamp(e *event.Event, deployment uuid.UUID, received time.Time) {
	e.ID = newID(received)
	e.Received = received
	e.Deployment = deployment
}
