package predict_test

import (
	"fmt"
	"time"

	"probity/internal/event"
	"probity/internal/predict"
)

// A course turns the events of a visit into features, and keeps them for training.
func ExampleCourse() {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	course := predict.NewCourse(2) // the third visit
	for i, name := range []string{event.PageViewed, event.PageViewed, "add_to_cart"} {
		course.Observe(&event.Event{
			Name: name,
			At:   at.Add(time.Duration(i) * 20 * time.Second),
			Page: event.Page{Path: "/products/red-shoe"},
		})
	}
	for i, name := range predict.FeatureNames() {
		if x := course.Vector()[i]; x != 0 {
			fmt.Println(x, predict.Describe(name))
		}
	}
	// Output:
	// 3 events in this visit
	// 2 pages viewed
	// 1 different pages viewed
	// 2 product pages viewed
	// 1 different products viewed
	// 2 views of the product viewed last
	// 1 additions to the cart
	// 40 seconds active in this visit
	// 20 seconds of pause before the latest event
	// 1 something is in the cart
	// 1 the latest event put something into the cart
	// 2 earlier visits
}
