package collect_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/collect"
	"probity/internal/fail"
)

func TestSendersAreLimited(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits collect.Limits
		peers  []string
		want   []bool // is the request at that position taken?
	}{
		{"no limits take all", collect.Limits{}, []string{"203.0.113.1", "203.0.113.1", "203.0.113.1"}, []bool{true, true, true}},
		{"a network shares its bucket", collect.Limits{Peer: collect.Rate{PerSecond: 1, Burst: 2}},
			[]string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.114.1"}, []bool{true, true, false, true}},
		{"so does a /48", collect.Limits{Peer: collect.Rate{PerSecond: 1, Burst: 1}},
			[]string{"2001:db8:1::1", "2001:db8:1:ffff::1", "2001:db8:2::1"}, []bool{true, false, true}},
		{"IPv4 in IPv6 is IPv4", collect.Limits{Peer: collect.Rate{PerSecond: 1, Burst: 1}},
			[]string{"203.0.113.1", "::ffff:203.0.113.9"}, []bool{true, false}},
		{"loopback is exempt", collect.Limits{Peer: collect.Rate{PerSecond: 1, Burst: 1}}, []string{"127.0.0.1", "127.0.0.1", "::1", "::1"}, []bool{true, true, true, true}},
		{"a deployment has a limit too", collect.Limits{Deployment: collect.Rate{PerSecond: 1}}, []string{"203.0.113.1", "198.51.100.1", "192.0.2.1"}, []bool{true, true, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, func(d *collect.Deps) { d.Limits = c.limits })
			v := h.visitor(t, "measure")
			for i, peer := range c.peers {
				r := request(web(v, "page_viewed", ""))
				r.Peer = netip.MustParseAddr(peer)
				_, err := h.Web(t.Context(), h.deployment, r)
				if (err == nil) != c.want[i] {
					t.Fatalf("request %d: %v", i, err)
				}
				if f, ok := errors.AsType[*fail.Error](err); ok && (f.Kind != fail.TooMany || f.RetryAfter < time.Second) {
					t.Fatalf("request %d: %+v", i, f)
				}
			}
		})
	}
}

func TestABucketFillsUpWithTime(t *testing.T) {
	h := newHouse(t, func(d *collect.Deps) { d.Limits.Deployment = collect.Rate{PerSecond: 1, Burst: 1} })
	body := batch(h.visitor(t, "measure"), item(1, "page_viewed", ""))
	send := func() error {
		_, _, err := h.Batch(t.Context(), h.deployment, request(body))
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, send(), fail.TooMany, "")
	h.clk.Advance(time.Second)
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Batch(t.Context(), uuid.New(), request(body)); !fail.Is(err, fail.NotFound) {
		t.Fatalf("another deployment shares the bucket: %v", err)
	}
}
