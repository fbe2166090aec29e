package rights_test

import (
	"fmt"
	"testing"

	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store/storetest"
)

// One person with 1,000 events, from the submission to the signed certificate.
func BenchmarkErasure(b *testing.B) { benchmark(b, rights.Erasure) }

// One person with 1,000 events, from the submission to the stored package.
func BenchmarkAccess(b *testing.B) { benchmark(b, rights.Access) }

func benchmark(b *testing.B, typ rights.Type) {
	h := newHouse(b, storetest.SQLite(b))
	people := make([]person, b.N)
	for i := range people {
		people[i] = h.newPerson(b)
		for range 10 {
			h.visit(b, people[i].subject, 98)
		}
	}
	b.ResetTimer()
	for _, p := range people {
		if q := h.carryOut(b, rights.Request{Type: typ, Who: rights.Who{Subjects: []id.Subject{p.subject}}}); q.State != rights.Verified {
			b.Fatalf("the request is %s: %s", q.State, q.Problem)
		}
	}
}

// A thousand requests handed in by one call.
func BenchmarkBulkOfAThousand(b *testing.B) {
	h := newHouse(b, storetest.SQLite(b))
	for i := range b.N {
		if _, err := h.Bulk(b.Context(), h.t, clerk, "", thousand(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// The first page of a queue of a thousand requests that wait for an answer, with everything about them.
func BenchmarkPageOfAQueueOfAThousand(b *testing.B) {
	h := newHouse(b, storetest.SQLite(b))
	if _, err := h.Bulk(b.Context(), h.t, clerk, "", thousand(0)); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		page, total, err := h.Select(b.Context(), h.t, rights.Filter{Open: true, ByDue: true}, 0, 25)
		if err != nil || total != 1000 || len(page) != 25 {
			b.Fatalf("%d of %d (%v)", len(page), total, err)
		}
	}
}

func thousand(round int) []rights.Item {
	items := make([]rights.Item, rights.MaxBulk)
	for i := range items {
		items[i] = rights.Item{
			Request: rights.Request{Type: rights.Access, Who: rights.Who{ExternalID: fmt.Sprintf("crm-%d-%d", round, i)}},
			Opening: rights.Opening{Ask: "Which number did you give?", Told: "letter"},
		}
	}
	return items
}
