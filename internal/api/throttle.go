package api

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"probity/internal/fail"
	"probity/internal/recent"
)

// What one network may ask of the doors that write without a token or hold a connection: choices,
// withdrawals, live streams. A crowded office or a mobile carrier's gateway stays well below.
const (
	doorsPerSecond = 20
	doorsAtOnce    = 400
)

// throttle keeps one network from filling the ledger. Callers on this machine are exempt: a proxy
// that is not named as trusted would be taken for all its visitors.
type throttle struct {
	networks *recent.Cache[netip.Prefix, *rate.Limiter]
}

func newThrottle() *throttle {
	return &throttle{networks: recent.New[netip.Prefix, *rate.Limiter](8192)}
}

func (t *throttle) allow(peer netip.Addr, now time.Time) error {
	if !peer.IsValid() || peer.IsLoopback() {
		return nil
	}
	bits := 48
	if peer.Is4() {
		bits = 24
	}
	network, err := peer.WithZone("").Prefix(bits)
	if err != nil {
		return err
	}
	l, ok := t.networks.Get(network)
	if !ok {
		l = rate.NewLimiter(doorsPerSecond, doorsAtOnce)
		t.networks.Put(network, l, t.networks.Epoch())
	}
	if !l.AllowN(now, 1) {
		return fail.New(fail.TooMany, "Too many requests come from this network.")
	}
	return nil
}

// throttled lets a handler be called no more often than the network may.
func throttled(handle func(*call) error) func(*call) error {
	return func(c *call) error {
		if err := c.api.throttle.allow(c.peer(), c.api.Clock.Now()); err != nil {
			return err
		}
		return handle(c)
	}
}
