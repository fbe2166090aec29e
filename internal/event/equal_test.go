package event

import (
	"reflect"

	"github.com/go-json-experiment/json"
)

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// equal compares two events and shows both if they differ.
func equal(t failer, got, want *Event) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	t.Fatalf("events differ:\n got %s\nwant %s", g, w)
}
