package subject_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

// model is who is who by the plain rules: subjects carry identities, and whoever shares one is one
// person from then on, until erased.
type model struct {
	cookies map[string]id.Subject
	carries map[id.Subject]map[string]bool // "kind:value"
	person  map[id.Subject]int
}

func (m *model) join(a, b id.Subject) {
	from, to := m.person[b], m.person[a]
	for s, p := range m.person {
		if p == from {
			m.person[s] = to
		}
	}
}

func (m *model) members(s id.Subject) []id.Subject {
	var out []id.Subject
	for other, p := range m.person {
		if p == m.person[s] {
			out = append(out, other)
		}
	}
	return sorted(out...)
}

// TestPersonsAreWhatThePlainRulesSay runs random visits, sign-ins and erasures against the room and
// the model.
func TestPersonsAreWhatThePlainRulesSay(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	rapid.Check(t, func(rt *rapid.T) {
		w := *w
		w.tenant = id.NewTenant()
		m := &model{map[string]id.Subject{}, map[id.Subject]map[string]bool{}, map[id.Subject]int{}}
		for step := range rapid.IntRange(1, 25).Draw(rt, "steps") {
			live := sorted(keys(m.carries)...)
			what := rapid.IntRange(0, 5).Draw(rt, "what")
			switch {
			case what == 0 || len(live) == 0:
				cookie := uuid.NewString()
				s, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie)
				if err != nil {
					rt.Fatal(err)
				}
				m.cookies[cookie], m.carries[s], m.person[s] = s, map[string]bool{}, step+1000
			case what < 5:
				s := live[rapid.IntRange(0, len(live)-1).Draw(rt, "subject")]
				k := rapid.SampledFrom([]subject.Kind{subject.Email, subject.Facebook}).Draw(rt, "kind")
				value := fmt.Sprintf("p%d@example.org", rapid.IntRange(0, 3).Draw(rt, "value"))
				before := m.members(s)
				for _, other := range live {
					if m.carries[other][string(k)+":"+value] {
						m.join(s, other)
					}
				}
				m.carries[s][string(k)+":"+value] = true
				var want []id.Subject
				for _, x := range m.members(s) {
					if !slices.Contains(before, x) {
						want = append(want, x)
					}
				}
				if got := sorted(w.identify(t, s, k, value)...); !slices.Equal(got, want) {
					rt.Fatalf("merged %v, want %v", got, want)
				}
			default:
				s := live[rapid.IntRange(0, len(live)-1).Draw(rt, "subject")]
				w.erase(t, s)
				delete(m.carries, s)
				delete(m.person, s)
			}
		}
		m.check(rt, t, &w)
	})
}

func (m *model) check(rt *rapid.T, t *testing.T, w *world) {
	for cookie, s := range m.cookies {
		got, ok, err := w.Lookup(t.Context(), w.tenant, subject.Cookie, cookie)
		_, live := m.carries[s]
		if err != nil || ok != live || live && got != s {
			rt.Fatalf("a cookie leads to %v, %v, %v; want %v, %v", got, ok, err, s, live)
		}
		if !live {
			if _, err := w.Ensure(t.Context(), w.tenant, subject.Cookie, cookie); !fail.Is(err, fail.Gone) {
				rt.Fatalf("an erased cookie came back: %v", err)
			}
			continue
		}
		if got, want := w.person(t, s), m.members(s); !slices.Equal(got, want) {
			rt.Fatalf("the person is %v, want %v", got, want)
		}
	}
	for _, k := range []subject.Kind{subject.Email, subject.Facebook} {
		for v := range 4 {
			value := fmt.Sprintf("p%d@example.org", v)
			var want []id.Subject
			for s, ids := range m.carries {
				if ids[string(k)+":"+value] {
					want = append(want, m.members(s)...)
				}
			}
			want = slices.Compact(sorted(want...))
			got, err := w.Find(t.Context(), w.tenant, k, value)
			if err != nil || !slices.Equal(got, want) {
				rt.Fatalf("%s %s leads to %v, %v, want %v", k, value, got, err, want)
			}
			if _, ok, err := w.Lookup(t.Context(), w.tenant, k, value); err != nil || ok != (len(want) > 0) {
				rt.Fatalf("%s %s is found: %v, %v", k, value, ok, err)
			}
		}
	}
}

func keys[K comparable, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestASubjectExistsUntilItIsErased(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := w.visitor(t)
		exists := func() (there bool) {
			w.write(t, func(tx *store.Tx) (err error) {
				there, err = w.Exists(t.Context(), tx, s)
				return err
			})
			return there
		}
		if !exists() {
			t.Error("a new subject is not there")
		}
		w.erase(t, s)
		if exists() {
			t.Error("an erased subject is there")
		}
	})
}
