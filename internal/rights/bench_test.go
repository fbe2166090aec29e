package rights_test

import (
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
