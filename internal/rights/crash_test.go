package rights_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/verify"
)

// death is what a dying process throws. Nothing of it runs afterwards, as after a kill -9: no
// deferred clean-up of the room writes anything while it unwinds.
type death struct{}

// fuse kills the process at its nth contact with another room: before or after the contact.
type fuse struct{ left int }

func (f *fuse) burn() {
	f.left--
	if f.left == 0 {
		panic(death{})
	}
}

func (f *fuse) around(fn func()) {
	f.burn()
	fn()
	f.burn()
}

type dyingKeys struct {
	rights.Keys
	*fuse
}

func (k dyingKeys) Shred(ctx context.Context, t id.Tenant, subjects ...id.Subject) (err error) {
	k.around(func() { err = k.Keys.Shred(ctx, t, subjects...) })
	return err
}

func (k dyingKeys) Seal(ctx context.Context, t id.Tenant, s id.Subject, aad, plain []byte) (sealed []byte, err error) {
	k.around(func() { sealed, err = k.Keys.Seal(ctx, t, s, aad, plain) })
	return sealed, err
}

func (k dyingKeys) Has(ctx context.Context, t id.Tenant, s id.Subject) (has bool, err error) {
	k.around(func() { has, err = k.Keys.Has(ctx, t, s) })
	return has, err
}

type dyingPeople struct {
	rights.People
	*fuse
}

func (p dyingPeople) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) (err error) {
	p.around(func() { err = p.People.Erase(ctx, tx, subjects) })
	return err
}

func (p dyingPeople) Rename(ctx context.Context, tx *store.Tx, subjects []id.Subject, k subject.Kind, old, new string) (n int, err error) {
	p.around(func() { n, err = p.People.Rename(ctx, tx, subjects, k, old, new) })
	return n, err
}

type dyingLedger struct {
	rights.Ledger
	*fuse
}

func (l dyingLedger) Append(ctx context.Context, tx *store.Tx, e ledger.Entry) (n int64, err error) {
	l.around(func() { n, err = l.Ledger.Append(ctx, tx, e) })
	return n, err
}

func (l dyingLedger) Receipt(ctx context.Context, t id.Tenant, index int64, open func([]byte) ([]byte, error)) (r *verify.Receipt, err error) {
	l.around(func() { r, err = l.Ledger.Receipt(ctx, t, index, open) })
	return r, err
}

func (l dyingLedger) ForgetSubject(ctx context.Context, tx *store.Tx, s id.Subject) (n int64, err error) {
	l.around(func() { n, err = l.Ledger.ForgetSubject(ctx, tx, s) })
	return n, err
}

func (l dyingLedger) Signing(ctx context.Context, t id.Tenant) (s note.Signer, key string, err error) {
	l.around(func() { s, key, err = l.Ledger.Signing(ctx, t) })
	return s, key, err
}

type dyingStore struct {
	rights.Store
	*fuse
}

func (s dyingStore) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) (c []rights.Count, err error) {
	s.around(func() { c, err = s.Store.Erase(ctx, tx, subjects) })
	return c, err
}

func (s dyingStore) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) (list []rights.Section, err error) {
	s.around(func() { list, err = s.Store.Export(ctx, t, subjects) })
	return list, err
}

type dyingGate struct {
	rights.Gate
	*fuse
}

func (g dyingGate) Object(ctx context.Context, t id.Tenant, s id.Subject, purposes []string) (err error) {
	g.around(func() { err = g.Gate.Object(ctx, t, s, purposes) })
	return err
}

func (g dyingGate) Invalidate(t id.Tenant, s id.Subject) {
	g.around(func() { g.Gate.Invalidate(t, s) })
}

// doomed returns a room over the same database that dies at its nth contact.
func (h *house) doomed(n int) (*rights.Room, *fuse) {
	f := &fuse{left: n}
	d := h.deps
	d.Keys = dyingKeys{d.Keys, f}
	d.People = dyingPeople{d.People, f}
	d.Ledger = dyingLedger{d.Ledger, f}
	d.Gate = dyingGate{d.Gate, f}
	d.Stores = nil
	for _, s := range h.deps.Stores {
		d.Stores = append(d.Stores, dyingStore{s, f})
	}
	return rights.New(d), f
}

// dies runs fn and tells whether the process died of it.
func dies(t *testing.T, fn func() error) (died bool) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(death); !ok {
				panic(v)
			}
			died = true
		}
	}()
	if err := fn(); err != nil {
		t.Fatal(err)
	}
	return false
}

// A process is killed at each of its contacts with other rooms in turn. Whatever it left behind, the
// next process completes the request, once.
func TestARequestSurvivesDeathAtEveryStep(t *testing.T) {
	for name, build := range map[string]func(person) rights.Request{
		"erasure": func(p person) rights.Request {
			return rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}}
		},
		"rectification": func(p person) rights.Request {
			return rights.Request{
				Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
				Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: "new." + p.email}},
			}
		},
		"access": func(p person) rights.Request {
			return rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, storetest.SQLite(t))
			deaths := 0
			for n := 1; ; n++ {
				p := h.newPerson(t)
				before, err := h.journey.Remains(t.Context(), h.t, []id.Subject{p.subject})
				if err != nil {
					t.Fatal(err)
				}
				q := h.submit(t, build(p))
				room, _ := h.doomed(n)
				died := dies(t, func() error { _, err := room.Work(t.Context()); return err })
				// The next process comes up after the lease of the dead one has run out.
				h.clk.Advance(5 * time.Minute)
				if _, err := h.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
				done, err := h.Get(t.Context(), h.t, q.ID)
				if err != nil {
					t.Fatal(err)
				}
				if done.State != rights.Verified {
					t.Fatalf("after death at contact %d the request is %s: %s %+v", n, done.State, done.Problem, done.Report)
				}
				switch done.Type {
				case rights.Erasure:
					if left := h.held(t, p.subject); left != 0 {
						t.Fatalf("after death at contact %d %d things are still held", n, left)
					}
					if c := find(t, done.Report, "journey"); c.Counts[1].N != before.Chunks || before.Chunks == 0 {
						t.Fatalf("after death at contact %d the report counts %+v", n, c)
					}
				case rights.Access:
					if done.Package == nil {
						t.Fatalf("after death at contact %d there is no package", n)
					}
				}
				if done.Type != rights.Access {
					file, err := h.Certificate(t.Context(), h.t, q.ID)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := verify.File(file); err != nil {
						t.Fatalf("after death at contact %d the certificate does not verify: %v", n, err)
					}
				}
				if !died {
					break
				}
				deaths++
			}
			if deaths < 5 {
				t.Errorf("only %d deaths: the fuse does not burn", deaths)
			}
			t.Logf("%d deaths survived", deaths)
		})
	}
}

// failing is a room that is out of order for a while.
type failing struct {
	rights.Store
	err error
}

func (f *failing) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]rights.Count, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.Erase(ctx, tx, subjects)
}

func TestAFaultIsTriedAgainAndAtLastFailsTheRequest(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	for name, c := range map[string]struct {
		err  error
		days int // how long it stays
		want rights.State
	}{
		"a fault of ours fails the request after some attempts":    {errors.New("broken"), 2, rights.Failed},
		"an engine out of reach is waited for as long as it takes": {fail.New(fail.Unavailable, "disk full"), 60, rights.Erasing},
		"a fault that goes away leaves no trace":                   {nil, 0, rights.Verified},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.newPerson(t)
			d := h.deps
			f := &failing{Store: d.Stores[2], err: c.err}
			d.Stores = []rights.Store{d.Stores[0], d.Stores[1], f}
			room := rights.New(d)
			q := h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
			for range max(1, c.days*4) {
				if _, err := room.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.clk.Advance(6 * time.Hour)
			}
			done, err := h.Get(t.Context(), h.t, q.ID)
			if err != nil || done.State != c.want {
				t.Fatalf("the request is %s (%s), %v; want %s", done.State, done.Problem, err, c.want)
			}
			if done.Certified != (c.want == rights.Verified) {
				t.Error("a certificate for something that was not done")
			}
			// Unreadable it is from the first moment, whatever becomes of the rest.
			if has, err := h.keys.Has(t.Context(), h.t, p.subject); err != nil || has {
				t.Errorf("the key is still there: %v, %v", has, err)
			}
			if c.want == rights.Erasing {
				f.err = nil
				if _, err := room.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
				if done, err = h.Get(t.Context(), h.t, q.ID); err != nil || done.State != rights.Verified {
					t.Errorf("when it is back the request is %s, %v", done.State, err)
				}
			}
		})
	}
}
