package journey_test

import (
	"testing"
	"time"

	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestOldVisitsAreFoundAndDeletedAndNewOnesStay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		plan := emptyPlan()
		old, fresh := r.subject(), r.subject()
		for _, e := range []struct {
			sub     id.Subject
			minutes int
		}{{old, 0}, {old, 100}, {fresh, 300}, {old, 200}, {fresh, 400}} {
			ev := happened(e.minutes, "page_viewed")
			r.tell(plan, e.sub, ev)
		}
		before := happened(250, "").At.Add(-time.Minute)
		found, err := r.Aged(t.Context(), r.tenant, before, id.Subject{}, 10)
		if err != nil || len(found) != 1 || found[0] != old {
			t.Fatalf("found %v, %v; want %v", found, err, old)
		}
		if found, err = r.Aged(t.Context(), r.tenant, before, old, 10); err != nil || len(found) != 0 {
			t.Errorf("behind the last: %v, %v", found, err)
		}
		for _, want := range []int64{2, 0} { // a second time there is nothing to do
			if err := db.Tenant(r.tenant).Write(t.Context(), func(tx *store.Tx) error {
				n, err := r.Retire(t.Context(), tx, old, before)
				if err == nil && n != want {
					t.Errorf("%d events were deleted, want %d", n, want)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		all, err := r.Export(t.Context(), r.tenant, []id.Subject{old, fresh})
		if err != nil {
			t.Fatal(err)
		}
		left := map[id.Subject]journey.Export{}
		for _, x := range all {
			left[x.Subject] = x
		}
		if x := left[old]; len(x.Events) != 1 || len(x.Sessions) != 1 {
			t.Errorf("of the old visits %d events and %d sessions are left, want the open one", len(x.Events), len(x.Sessions))
		}
		if x := left[fresh]; len(x.Events) != 2 || len(x.Sessions) != 2 {
			t.Errorf("of the new visits %d events and %d sessions are left", len(x.Events), len(x.Sessions))
		}
	})
}
