package journey_test

import (
	"testing"

	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestWhetherAnEventIsStillStoredIsKnownOfChunksAndOfTheRest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		few, many, none, shredded := r.subject(), r.subject(), r.subject(), r.subject()
		plan := emptyPlan()
		r.tell(plan, few, happened(0, "page_viewed"))
		r.tell(plan, shredded, happened(0, "page_viewed"))
		for i := range 600 {
			r.tell(plan, many, happened(i/60, "page_viewed"))
		}
		if n, err := r.Remains(t.Context(), r.tenant, []id.Subject{many}); err != nil || n.Chunks == 0 {
			t.Fatalf("no chunk is full: %+v, %v", n, err)
		}
		if err := r.keys.Shred(t.Context(), r.tenant, shredded); err != nil {
			t.Fatal(err)
		}
		write := func(fn func(tx *store.Tx) error) {
			t.Helper()
			if err := db.Tenant(r.tenant).Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		holds := func(want bool, subjects ...id.Subject) {
			t.Helper()
			write(func(tx *store.Tx) error {
				got, err := r.Holds(t.Context(), tx, subjects)
				if err == nil && got != want {
					t.Errorf("an event is stored: %v, want %v", got, want)
				}
				return err
			})
		}
		holds(false, none)
		holds(false, shredded)
		holds(true, few)
		holds(true, none, shredded, many)
		for _, sub := range []id.Subject{few, many} {
			write(func(tx *store.Tx) error {
				_, err := r.Forget(t.Context(), tx, sub, journey.Forgetting{Match: func(journey.Grounded) bool { return true }})
				return err
			})
		}
		holds(false, few, many)
	})
}
