package main

import (
	"context"
	"fmt"

	"probity/internal/audit"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/subject"
)

// auditEvents checks the stored events of every organisation and prints what has no live basis. It
// writes nothing, so it may run beside a server.
func auditEvents(ctx context.Context, s *settings) error {
	if err := s.existing(); err != nil {
		return err
	}
	e, err := openKeys(ctx, s, s.logger())
	if err != nil {
		return err
	}
	defer e.close()
	log := ledger.New(e.db, e.keys, e.clock, logOrigin(s.PublicURL))
	choices := consent.New(e.db, log, subject.New(e.db, e.keys, e.clock), e.keys, e.clock, nil)
	journeys, err := journey.NewStore(e.db, e.keys, e.clock)
	if err != nil {
		return err
	}
	all, err := org.New(e.db, e.keys, e.clock, org.Options{}).Organisations(ctx)
	if err != nil {
		return err
	}
	var checked, violated int64
	for _, o := range all {
		report, err := audit.Events(ctx, choices, journeys, o.ID)
		if err != nil {
			return err
		}
		for _, v := range report.Violations {
			fmt.Printf("event %s: %s\n", v.Event, v.Reason)
		}
		if more := report.Violated - int64(len(report.Violations)); more > 0 {
			fmt.Printf("and %d more\n", more)
		}
		checked += report.Checked
		violated += report.Violated
	}
	fmt.Printf("%d stored events checked in %d organisations, %d without a live basis at receipt.\n", checked, len(all), violated)
	if violated > 0 {
		return fail.New(fail.Conflict, "%d stored events had no live basis when they were received", violated)
	}
	return nil
}
