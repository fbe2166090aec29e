package consent

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Forecast is what an assertion would lead to.
type Forecast struct {
	Known    bool // the person is known here; else a reference is made for them
	Purposes []Foreseen
}

// Foreseen is what an assertion would do to one purpose that it speaks of.
type Foreseen struct {
	Purpose       string
	Yes           bool // it says so
	Before, After State
}

// Stays tells whether the assertion would not do what it says: a word of the person's own goes before
// it.
func (f *Foreseen) Stays() bool { return f.Yes != (f.After.Status == Given) }

// Foresee checks an assertion as Assert does and returns what it would do, without writing anything.
// Errors are those of Assert, but for those about the key and for somebody who was erased.
func (r *Room) Foresee(ctx context.Context, t id.Tenant, a Assertion) (*Forecast, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	if err := a.check(set, now); err != nil {
		return nil, err
	}
	f := &Forecast{Known: true}
	s := a.Subject
	if s.IsZero() {
		if s, f.Known, err = r.subjects.Lookup(ctx, t, a.Who.Kind, a.Who.Value); err != nil {
			return nil, err
		}
	}
	var own []Record
	var others [][]Record
	if f.Known {
		err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			own, others = nil, nil
			if there, err := r.subjects.Exists(ctx, tx, s); err != nil {
				return err
			} else if !there {
				return fail.New(fail.Gone, "The data of this person was erased.").WithCode("subject.erased")
			}
			members, err := r.subjects.Person(ctx, tx, s)
			if err != nil {
				return err
			}
			for _, m := range members {
				records, err := recordsOf(ctx, tx, m)
				if err != nil {
					return err
				}
				if m == s {
					own = records
				} else {
					others = append(others, records)
				}
			}
			return nil
		})
		if err != nil {
			return nil, unavailable(err, "read the records of consent")
		}
	}
	material := set.materialAt(now)
	rec := a.record(s, own, now, material)
	rec.Ledger = math.MaxInt64
	then := append(slices.Clone(own), rec)
	for _, p := range slices.Sorted(maps.Keys(a.Purposes)) {
		f.Purposes = append(f.Purposes, Foreseen{
			Purpose: p, Yes: a.Purposes[p],
			Before: foldPurpose(own, others, p, now, material), After: foldPurpose(then, others, p, now, material),
		})
	}
	return f, nil
}
