package journey

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
)

// Bounds of the memory for duplicates. Collect refuses events older than an hour, so a page visit
// that was silent for longer can't send a duplicate any more.
const (
	maxVisits    = 32
	maxLoose     = 16
	visitForgets = 65 * time.Minute
)

// seenVisit tells which sequence numbers of one page visit were received: top, and those of the 64
// below it whose bit is set. What lies further below counts as received.
type seenVisit struct {
	key  uint64 // short for the page visit's id
	top  uint32
	bits uint64 // bit i: top-1-i was received
	at   int64  // unix seconds when it was last heard
}

// fresh notes the event and tells whether it was not seen before. Events of a page visit are known
// by its id and their number; others, which servers send, by their own id.
func (v *Visitor) fresh(ev *event.Event) bool {
	now := ev.Received.Unix()
	if ev.Seq == 0 || ev.Visit == [16]byte{} {
		return v.freshID(short(ev.ID))
	}
	key := short(ev.Visit)
	i := slices.IndexFunc(v.seen, func(s seenVisit) bool { return s.key == key })
	if i < 0 {
		v.seen = slices.DeleteFunc(v.seen, func(s seenVisit) bool { return now-s.at > int64(visitForgets/time.Second) })
		if len(v.seen) >= maxVisits {
			v.seen = slices.Delete(v.seen, 0, 1)
		}
		v.seen = append(v.seen, seenVisit{key: key, top: ev.Seq, at: now})
		return true
	}
	s := v.seen[i]
	ok := s.note(ev.Seq)
	s.at = max(s.at, now)
	copy(v.seen[i:], v.seen[i+1:])
	v.seen[len(v.seen)-1] = s
	return ok
}

// note marks seq as received and tells whether it was missing.
func (s *seenVisit) note(seq uint32) bool {
	switch {
	case seq == s.top:
		return false
	case seq > s.top:
		if step := seq - s.top; step > 64 {
			s.bits = 0
		} else {
			s.bits = s.bits<<step | 1<<(step-1)
		}
		s.top = seq
		return true
	}
	back := s.top - seq - 1
	if back >= 64 || s.bits&(1<<back) != 0 {
		return false
	}
	s.bits |= 1 << back
	return true
}

func (v *Visitor) freshID(key uint64) bool {
	if slices.Contains(v.loose, key) {
		return false
	}
	if len(v.loose) >= maxLoose {
		v.loose = slices.Delete(v.loose, 0, 1)
	}
	v.loose = append(v.loose, key)
	return true
}

// short folds an id into half its length. The ids of one visitor in an hour are so few that two of
// them meet once in 10¹⁵ hours.
func short(u uuid.UUID) uint64 {
	return binary.LittleEndian.Uint64(u[8:]) ^ binary.LittleEndian.Uint64(u[:8])*0x9e3779b97f4a7c15
}
