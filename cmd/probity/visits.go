package main

import (
	"context"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/predict"
	"probity/internal/store"
)

const (
	// visitsEvery is how often it is looked which visits have had their time. It is counted in months.
	visitsEvery = 24 * time.Hour
	// visitsPage is how many people are looked up at a time.
	visitsPage = 500
)

// keepVisits deletes records of visits when the time is over that the organisation's notice promises
// (retention_months), until ctx ends: Art. 5(1)(e) GDPR. Where the notice names no time, they stay.
func (r *rooms) keepVisits(ctx context.Context) error {
	clock.Every(ctx, r.clock, visitsEvery, func(ctx context.Context) {
		r.forEachTenant(ctx, "delete visits whose time is over", r.retireVisits)
	})
	return nil
}

func (r *rooms) retireVisits(ctx context.Context, t id.Tenant) error {
	v, err := r.consent.Newest(ctx, t)
	if err != nil || v == nil || v.Draft.Facts.RetentionMonths <= 0 {
		return err
	}
	now := r.clock.Now()
	before := now.AddDate(0, -v.Draft.Facts.RetentionMonths, 0)
	// What models learn from ends by itself; only a shorter promise must be kept here.
	learnt := before.After(now.Add(-predict.DefaultRetention))
	var last id.Subject
	for {
		subjects, err := r.journey.Aged(ctx, t, before, last, visitsPage)
		if err != nil || len(subjects) == 0 {
			return err
		}
		for _, s := range subjects {
			if err := r.retireVisitsOf(ctx, t, s, before, learnt); err != nil {
				return err
			}
		}
		last = subjects[len(subjects)-1]
	}
}

// retireVisitsOf does it for one device, unless a legal hold or a restriction keeps its data.
func (r *rooms) retireVisitsOf(ctx context.Context, t id.Tenant, s id.Subject, before time.Time, learnt bool) error {
	var events int64
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		events = 0
		stays, err := r.rights.MustStay(ctx, tx, []id.Subject{s})
		if err != nil || stays {
			return err
		}
		if events, err = r.journey.Retire(ctx, tx, s, before); err != nil || events == 0 || !learnt {
			return err
		}
		_, err = r.predict.Forget(ctx, tx, []id.Subject{s})
		return err
	})
	if err == nil && events > 0 {
		r.forget(t, s)
	}
	return err
}
