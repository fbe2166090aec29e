package worker

import (
	"context"
	"sync"

	"probity/internal/id"
	"probity/internal/journey"
)

// plans keeps a snapshot of each organisation's plan until it is told that it changed.
type plans struct {
	load func(ctx context.Context, t id.Tenant) (*journey.Plan, error)

	mu    sync.Mutex // guards all and turn
	all   map[id.Tenant]*journey.Plan
	turns map[id.Tenant]uint64 // how often the plan was dropped
}

func (p *plans) get(ctx context.Context, t id.Tenant) (*journey.Plan, error) {
	p.mu.Lock()
	plan, turn := p.all[t], p.turns[t]
	p.mu.Unlock()
	if plan != nil {
		return plan, nil
	}
	plan, err := p.load(ctx, t)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.turns[t] == turn { // else it changed while it was read
		if p.all == nil {
			p.all = make(map[id.Tenant]*journey.Plan)
		}
		p.all[t] = plan
	}
	return plan, nil
}

func (p *plans) drop(t id.Tenant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, t)
	if p.turns == nil {
		p.turns = make(map[id.Tenant]uint64)
	}
	p.turns[t]++
}
