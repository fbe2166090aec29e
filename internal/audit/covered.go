package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/journey"
)

// Records tells what a record of consent covers. *consent.Room satisfies it.
type Records interface {
	Coverage(ctx context.Context, t id.Tenant, record uuid.UUID) (*consent.Coverage, error)
}

// Subjects walks over the stored events of one subject. *journey.Store satisfies it.
type Subjects interface {
	GroundsOf(ctx context.Context, t id.Tenant, s id.Subject, fn func(journey.Grounded) error) error
}

// Covered is what was received on the consent that a record gave or took back.
type Covered struct {
	Record   uuid.UUID        `json:"record"`
	Kind     string           `json:"kind"`
	At       time.Time        `json:"at"`
	Events   int              `json:"events"`
	Purposes []CoveredPurpose `json:"purposes"`
	Page     []uuid.UUID      `json:"event_ids"`
	Next     int              `json:"next,omitempty"` // from where to go on; 0: that was all
}

// CoveredPurpose sums up the events of one purpose.
type CoveredPurpose struct {
	Purpose string    `json:"purpose"`
	Events  int       `json:"events"`
	First   time.Time `json:"first_received"`
	Last    time.Time `json:"last_received"`
}

// Record selects exactly the events that a record of consent covers, sums them up by purpose, and names
// at most limit of them, from the one numbered from. Errors: fail.NotFound for a record that there is
// not.
func Record(ctx context.Context, c Records, j Subjects, t id.Tenant, record uuid.UUID, from, limit int) (*Covered, error) {
	coverage, err := c.Coverage(ctx, t, record)
	if err != nil {
		return nil, err
	}
	out := &Covered{
		Record: record, Kind: coverage.Record.Kind, At: coverage.Record.At, Purposes: []CoveredPurpose{}, Page: []uuid.UUID{},
	}
	for _, s := range coverage.Subjects {
		err := j.GroundsOf(ctx, t, s, func(e journey.Grounded) error {
			if coverage.Covers(e.Subject, e.Purpose, consent.Ground(e.Ground), e.Received) {
				out.add(e, from, limit)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("select the events of a record: %w", err)
		}
	}
	return out, nil
}

// Counts returns how many stored events each of the records covers. It reads the events of everybody
// concerned once: ask for the records of one person together.
func Counts(ctx context.Context, c Records, j Subjects, t id.Tenant, records []uuid.UUID) (map[uuid.UUID]int, error) {
	out := map[uuid.UUID]int{}
	concerned := map[id.Subject][]*consent.Coverage{}
	for _, record := range records {
		coverage, err := c.Coverage(ctx, t, record)
		if err != nil {
			return nil, err
		}
		for _, s := range coverage.Subjects {
			concerned[s] = append(concerned[s], coverage)
		}
	}
	for s, coverages := range concerned {
		err := j.GroundsOf(ctx, t, s, func(e journey.Grounded) error {
			for _, one := range coverages {
				if one.Covers(e.Subject, e.Purpose, consent.Ground(e.Ground), e.Received) {
					out[one.Record.ID]++
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("count the events of records: %w", err)
		}
	}
	return out, nil
}

func (c *Covered) add(e journey.Grounded, from, limit int) {
	switch n := c.Events; {
	case n < from:
	case n < from+limit:
		c.Page = append(c.Page, e.Event)
	default:
		c.Next = from + limit
	}
	c.Events++
	i := slices.IndexFunc(c.Purposes, func(p CoveredPurpose) bool { return p.Purpose == e.Purpose })
	if i < 0 {
		c.Purposes = append(c.Purposes, CoveredPurpose{Purpose: e.Purpose, First: e.Received, Last: e.Received})
		i = len(c.Purposes) - 1
	}
	p := &c.Purposes[i]
	p.Events++
	if e.Received.Before(p.First) {
		p.First = e.Received
	}
	if e.Received.After(p.Last) {
		p.Last = e.Received
	}
}
