package collect

import (
	"errors"
	"sync/atomic"

	"probity/internal/fail"
)

// Stats counts what happened since the start.
type Stats struct {
	Accepted        int64 // events acknowledged
	Refused         int64 // events and requests refused for a reason of the sender's
	Unavailable     int64 // requests refused because a part was out of reach
	IdentityDropped int64 // events that were stored without their traits, for want of the purpose identity
}

type counters struct {
	accepted, refused, unavailable, identityDropped atomic.Int64
}

// Stats returns the counters.
func (c *Collector) Stats() Stats {
	return Stats{
		Accepted:        c.stats.accepted.Load(),
		Refused:         c.stats.refused.Load(),
		Unavailable:     c.stats.unavailable.Load(),
		IdentityDropped: c.stats.identityDropped.Load(),
	}
}

// codeOf returns the machine readable code of a refusal.
func codeOf(err error) string {
	f, ok := errors.AsType[*fail.Error](err)
	switch {
	case ok && f.Code != "":
		return f.Code
	case ok && f.Kind == fail.ConsentRequired:
		return "consent.required"
	}
	return "invalid"
}

// messageOf returns what the sender may read, without causes.
func messageOf(err error) string {
	if f, ok := errors.AsType[*fail.Error](err); ok {
		return f.Message
	}
	return "the event was refused"
}
