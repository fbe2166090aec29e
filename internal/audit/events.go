// Package audit answers an auditor's question: is there a stored event that had no live basis when it
// was received? It asks neither the gate nor any cache, and tells nothing of what events say.
package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/journey"
)

// Consent checks grounds. *consent.Room satisfies it.
type Consent interface {
	Grounds(ctx context.Context, t id.Tenant) (*consent.Grounds, error)
}

// Journeys walks over stored events. *journey.Store satisfies it.
type Journeys interface {
	EachGround(ctx context.Context, t id.Tenant, fn func(journey.Grounded) error) error
}

// Violation is an event without a live basis.
type Violation struct {
	Event  uuid.UUID `json:"event"`
	Reason string    `json:"reason"` // holds nothing personal
}

// Report is the outcome of an audit.
type Report struct {
	Checked    int64       `json:"checked"`    // events; one that moved meanwhile counts twice
	Violated   int64       `json:"violated"`   // how many had no live basis
	Violations []Violation `json:"violations"` // the first of them, at most MaxViolations
}

// MaxViolations is how many violations a report lists; it counts all.
const MaxViolations = 1000

// Events checks every stored event of the organisation. Its memory does not grow with their number.
// What is in the log and not processed yet is not stored yet. Errors: fail.Unavailable, and whatever
// says that stored bytes are damaged.
func Events(ctx context.Context, c Consent, j Journeys, t id.Tenant) (*Report, error) {
	grounds, err := c.Grounds(ctx, t)
	if err != nil {
		return nil, err
	}
	report := &Report{Violations: []Violation{}}
	err = j.EachGround(ctx, t, func(e journey.Grounded) error {
		report.Checked++
		claim := consent.Claim{
			Subject: e.Subject, Deployment: e.Deployment, Purpose: e.Purpose, Ground: consent.Ground(e.Ground), Received: e.Received,
		}
		why, err := grounds.Check(ctx, claim)
		if err == nil && why == "" && e.Identifies {
			why, err = grounds.Identified(ctx, claim)
		}
		if err != nil || why == "" {
			return err
		}
		report.Violated++
		if len(report.Violations) < MaxViolations {
			report.Violations = append(report.Violations, Violation{e.Event, why})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("audit the stored events: %w", err)
	}
	return report, nil
}
