package journey_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
)

// A visitor looks at a page, buys, and falls silent.
func ExampleVisitor_Apply() {
	purchase := journey.EventOutcome("Purchase", "order_completed")
	purchase.ID = uuid.UUID{1}
	plan := journey.NewPlan([]journey.Outcome{purchase}, nil, nil, nil)
	v := journey.NewVisitor(id.Subject{7})
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

	for i, name := range []string{event.PageViewed, "order_completed"} {
		at := noon.Add(time.Duration(i) * time.Minute)
		fx := v.Apply(plan, &event.Event{ID: uuid.UUID{byte(i)}, Name: name, At: at, Received: at}, journey.Env{})
		fmt.Printf("%s: %d session started, %d outcome achieved\n", name, len(fx.Started), len(fx.Achieved))
	}
	fmt.Println("wakes at", v.Wake(plan).Format(time.TimeOnly))
	fx := v.Tick(plan, v.Wake(plan), journey.Env{})
	fmt.Printf("ended after %v with %d events\n", fx.Ended[0].Duration(), fx.Ended[0].Events)
	// Output:
	// page_viewed: 1 session started, 0 outcome achieved
	// order_completed: 0 session started, 1 outcome achieved
	// wakes at 12:21:00
	// ended after 1m0s with 2 events
}

// A browser reports what became of an offer. Not every step is possible.
func ExampleTransition() {
	fmt.Println(journey.Transition(journey.MediaContent, journey.Qualified, journey.Offered))
	fmt.Println(journey.Transition(journey.MediaContent, journey.Offered, journey.Rejected))
	fmt.Println(journey.Transition(journey.MediaContent, journey.Rejected, journey.Accepted))
	// Output:
	// <nil>
	// <nil>
	// an action that is rejected can't become accepted
}
