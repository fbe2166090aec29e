package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/predict"
	"probity/internal/store"
)

// score measures the time that prediction takes of one event with ten trained outcomes: counting the
// event and scoring all ten. It runs in this process, because from outside it drowns in the network.
func (b *bench) score(ctx context.Context) error {
	const outcomes, visits, scored = 10, 600, 200_000
	db, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(b.dir, "score.db")})
	if err != nil {
		return err
	}
	defer db.Close()
	everybody := func(context.Context, id.Tenant, id.Subject, string) bool { return true }
	room := predict.New(db, clock.System(), everybody, predict.Options{})
	if err := room.Migrate(ctx); err != nil {
		return err
	}
	if err := room.Load(ctx); err != nil {
		return err
	}
	tenant := id.NewTenant()
	var ids []uuid.UUID
	for range outcomes {
		o := id.New()
		if err := room.Enable(ctx, tenant, o); err != nil {
			return err
		}
		ids = append(ids, o)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range visits {
		if err := db.Tenant(tenant).Write(ctx, func(tx *store.Tx) error { return room.RecordVisit(ctx, tx, pastVisit(rnd, ids)) }); err != nil {
			return err
		}
	}
	if _, err := room.Train(ctx, tenant); err != nil {
		return err
	}
	course := predict.NewCourse(1)
	shown := 0
	latencies := make([]time.Duration, 0, scored)
	for i := range scored {
		if i%40 == 0 {
			course = predict.NewCourse(i % 3)
		}
		e := someEvent(rnd, time.Now())
		begin := time.Now()
		course.Observe(e)
		for _, o := range ids {
			if s, ok := room.Score(tenant, o, course.Vector()); ok && s.Shown {
				shown++
			}
		}
		latencies = append(latencies, time.Since(begin))
	}
	if shown == 0 {
		return fmt.Errorf("no model was trained, so nothing was measured")
	}
	report("score-p99", float64(quantile(latencies, 0.99).Nanoseconds())/1000, "µs", 0)
	remark("score p50 %s, %d outcomes, %.0f %% of scores from a trained model", quantile(latencies, 0.5), outcomes, 100*float64(shown)/float64(scored*outcomes))
	return nil
}

func someEvent(rnd *rand.Rand, at time.Time) *event.Event {
	p := pages[rnd.IntN(len(pages))]
	return &event.Event{
		ID: id.New(), Name: p.name, At: at, Received: at,
		Page:       event.Page{URL: "https://shop.example" + p.path, Path: p.path, Title: p.title, Host: "shop.example"},
		Device:     event.Device{Category: "desktop", Type: "desktop"},
		Attributes: map[string]event.Attr{"price": {Type: "number", Value: "29.5"}},
	}
}

// pastVisit is a visit in which those who put something into the basket tend to achieve the outcomes.
func pastVisit(rnd *rand.Rand, outcomes []uuid.UUID) predict.Visit {
	v := predict.Visit{Session: id.New(), Subject: id.NewSubject(), Closed: time.Now(), Achieved: map[uuid.UUID]int{}, Ground: -1}
	course := predict.NewCourse(rnd.IntN(3))
	at := time.Now().Add(-time.Hour)
	added := false
	for range 2 + rnd.IntN(12) {
		e := someEvent(rnd, at)
		added = added || e.Name == "product_added"
		course.Observe(e)
		v.Vectors = append(v.Vectors, *course.Vector())
		at = at.Add(time.Duration(5+rnd.IntN(60)) * time.Second)
	}
	for _, o := range outcomes {
		if chance := rnd.Float64(); added && chance < 0.5 || chance < 0.05 {
			v.Achieved[o] = len(v.Vectors) - 1
		}
	}
	return v
}
