package worker

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/predict"
	"probity/internal/stream"
)

// key names a visitor.
type key struct {
	tenant  id.Tenant
	subject id.Subject
}

// batch is what one transaction processes: whole frames of one partition, or calls of the clock.
type batch struct {
	last    uint64 // number of its last frame; 0: no frames
	records int
	bytes   int
	damaged int
	oldest  time.Time // when its oldest record was received
	newest  time.Time
	groups  []*group // one per visitor, in the order of their first record
	byKey   map[key]*group
	// keepsLease: it is written although there is nothing to write.
	keepsLease bool
	done       chan<- error // told when it is committed or given up; nil: nobody waits
}

// group is what a batch holds of one visitor, and what came of it.
type group struct {
	key
	records [][]byte
	oldest  time.Time
	recheck bool // ask again what is allowed, and take back what no longer is
	tick    bool // let time pass

	visitor    *journey.Visitor // nil: erased, or broken
	broken     bool             // its stored state can't be read
	fx         journey.Effects
	change     *journey.Change
	visits     []predict.Visit // closed, with features, and allowed to be learned from
	deployment uuid.UUID       // that the visitor was seen on last
	taken      int             // events that were opened
	refused    int             // events that were not allowed
	lost       int             // records of an erased subject
	damaged    int
	err        error
}

func newBatch() *batch { return &batch{byKey: make(map[key]*group)} }

// group returns the part of the batch that is about a visitor.
func (b *batch) group(k key) *group {
	g := b.byKey[k]
	if g == nil {
		g = &group{key: k}
		b.byKey[k] = g
		b.groups = append(b.groups, g)
	}
	return g
}

// add takes over a frame.
func (b *batch) add(f stream.Frame, head func(record []byte) (Head, error)) (damaged int) {
	for _, r := range f.Records {
		b.records++
		b.bytes += len(r)
		h, err := head(r)
		if err != nil {
			damaged++
			continue
		}
		g := b.group(key{h.Tenant, h.Subject})
		g.records = append(g.records, r)
		if g.oldest.IsZero() || h.Received.Before(g.oldest) {
			g.oldest = h.Received
		}
		if b.oldest.IsZero() || h.Received.Before(b.oldest) {
			b.oldest = h.Received
		}
		if h.Received.After(b.newest) {
			b.newest = h.Received
		}
	}
	b.last = f.Seq
	b.damaged += damaged
	return damaged
}

// empty tells whether there is nothing to write.
func (b *batch) empty() bool {
	return b.last == 0 && !b.keepsLease && !slices.ContainsFunc(b.groups, func(g *group) bool { return g.change != nil })
}

// finish tells whoever waits.
func (b *batch) finish(err error) {
	if b.done != nil {
		b.done <- err
		b.done = nil
	}
}

// tenants returns the groups by organisation, in a fixed order.
func (b *batch) tenants() []tenantGroups {
	var all []tenantGroups
	place := make(map[id.Tenant]int)
	for _, g := range b.groups {
		i, ok := place[g.tenant]
		if !ok {
			i = len(all)
			place[g.tenant] = i
			all = append(all, tenantGroups{tenant: g.tenant})
		}
		all[i].groups = append(all[i].groups, g)
	}
	return all
}

type tenantGroups struct {
	tenant id.Tenant
	groups []*group
}
