package collect

import (
	"net/netip"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"probity/internal/fail"
	"probity/internal/recent"
)

// Rate is how many requests are taken. The zero value is no limit.
type Rate struct {
	PerSecond float64
	Burst     int // requests that may come at once; 0 means twice PerSecond
}

// Limits bounds what is taken from one sender. The zero value limits nothing.
type Limits struct {
	Deployment Rate // of all requests for one deployment
	Peer       Rate // of the requests from one network: /24 for IPv4, /48 for IPv6. Loopback is exempt: that is a proxy on the same machine.
	Peers      int  // networks that are remembered, the others start anew; 0 means 16,384
}

// DefaultLimits stops a runaway page or a single abuser and no one else.
func DefaultLimits() Limits {
	return Limits{
		Deployment: Rate{PerSecond: 20_000, Burst: 40_000},
		Peer:       Rate{PerSecond: 200, Burst: 1000},
	}
}

// limiter keeps a token bucket for each sender, in bounded memory.
type limiter struct {
	limits      Limits
	deployments *recent.Cache[uuid.UUID, *rate.Limiter]
	peers       *recent.Cache[netip.Prefix, *rate.Limiter]
}

func newLimiter(l Limits) *limiter {
	if l.Peers <= 0 {
		l.Peers = 16_384
	}
	return &limiter{
		limits:      l,
		deployments: recent.New[uuid.UUID, *rate.Limiter](512),
		peers:       recent.New[netip.Prefix, *rate.Limiter](l.Peers / 2),
	}
}

// allow takes one request from the buckets of peer and deployment.
func (l *limiter) allow(deployment uuid.UUID, peer netip.Addr, now time.Time) error {
	if r := l.limits.Peer; r.PerSecond > 0 && peer.IsValid() && !peer.IsLoopback() {
		if !bucket(l.peers, network(peer), r).AllowN(now, 1) {
			return tooMany(r, "this network sends too many requests")
		}
	}
	if r := l.limits.Deployment; r.PerSecond > 0 {
		if !bucket(l.deployments, deployment, r).AllowN(now, 1) {
			return tooMany(r, "too many requests are sent for this deployment")
		}
	}
	return nil
}

func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// bucket returns the bucket of a key. Two first requests at the same instant may get one each; the
// later one stays.
func bucket[K comparable](m *recent.Cache[K, *rate.Limiter], k K, r Rate) *rate.Limiter {
	if b, ok := m.Get(k); ok {
		return b
	}
	burst := r.Burst
	if burst <= 0 {
		burst = max(1, int(2*r.PerSecond))
	}
	b := rate.NewLimiter(rate.Limit(r.PerSecond), burst)
	m.Put(k, b, m.Epoch())
	return b
}

func tooMany(r Rate, message string) error {
	e := fail.New(fail.TooMany, "%s", message)
	e.RetryAfter = max(time.Second, time.Duration(float64(time.Second)/r.PerSecond))
	return e
}
