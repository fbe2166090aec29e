package consent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/recent"
	"probity/internal/store"
)

// gate remembers states and the denials that are being written.
//
// A denial counts from the instant it is stamped, before it is committed: deny adds it and stamps
// the time under the lock that every question takes first. A question that was asked before sees the
// old state, and whatever it lets through was received before the stamp. After the commit the cached
// states are dropped first and the denial second, so that there is no gap between them.
type gate struct {
	views *recent.Cache[owner, *view]

	mu      sync.RWMutex // guards denials
	denials map[owner][]closed
}

type owner struct {
	tenant  id.Tenant
	subject id.Subject
}

// denial closes purposes of some subjects from an instant on.
type denial struct {
	at       time.Time
	purposes []string
}

// closed is what a denial still closes for one subject: a later grant takes purposes out of it.
type closed struct {
	by       *denial
	purposes []string
}

// view is what the store said about a subject and the person it belongs to.
type view struct {
	loaded time.Time
	own    []Record
	others [][]Record // one list for each other subject of the person
	locked bool       // the person's data may only be stored, see RestrictedBy
	open   []decision // what is recorded about each purpose, as it was when loaded
}

// decision is the part of a State that the gate needs. There are many views, so it is small.
type decision struct {
	purpose string
	status  Status
	until   int64 // microseconds since 1970 UTC; 0: no end
	ledger  int64
}

// decide returns what is recorded about a purpose; its status is empty if nothing is.
func (v *view) decide(purpose string) decision {
	for i := range v.open {
		if v.open[i].purpose == purpose {
			return v.open[i]
		}
	}
	return decision{}
}

func newGate() *gate {
	return &gate{views: recent.New[owner, *view](cacheSubjects), denials: map[owner][]closed{}}
}

// deny closes the purposes of the subjects at once and returns the instant from which they are.
func (g *gate) deny(t id.Tenant, subjects []id.Subject, purposes []string, now func() time.Time) *denial {
	d := &denial{purposes: purposes}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range subjects {
		o := owner{t, s}
		g.denials[o] = append(g.denials[o], closed{d, purposes})
	}
	d.at = now().UTC().Truncate(time.Microsecond)
	return d
}

// settle ends a denial whose record is committed, and drops what was cached before.
func (g *gate) settle(t id.Tenant, subjects []id.Subject, d *denial) {
	g.drop(t, subjects)
	if d == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range subjects {
		// Older denials whose commit failed are overtaken by this record.
		g.keep(owner{t, s}, func(c closed) (closed, bool) {
			return c, c.by != d && !(c.by.at.Before(d.at) && covers(d.purposes, c.purposes))
		})
	}
}

// release takes back a denial that will never be committed.
func (g *gate) release(t id.Tenant, subjects []id.Subject, d *denial) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range subjects {
		g.keep(owner{t, s}, func(c closed) (closed, bool) { return c, c.by != d })
	}
}

// lift ends the denials of purposes that were stamped before a grant.
func (g *gate) lift(t id.Tenant, s id.Subject, purposes []string, before time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keep(owner{t, s}, func(c closed) (closed, bool) {
		if c.by.at.Before(before) {
			c.purposes = slices.DeleteFunc(slices.Clone(c.purposes), func(p string) bool { return slices.Contains(purposes, p) })
		}
		return c, len(c.purposes) > 0
	})
}

// keep replaces what is closed for one subject by what fn says of each part. The lock must be held.
func (g *gate) keep(o owner, fn func(closed) (closed, bool)) {
	var rest []closed
	for _, c := range g.denials[o] {
		if c, ok := fn(c); ok {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		delete(g.denials, o)
	} else {
		g.denials[o] = rest
	}
}

func covers(all, some []string) bool {
	for _, p := range some {
		if !slices.Contains(all, p) {
			return false
		}
	}
	return true
}

func (g *gate) drop(t id.Tenant, subjects []id.Subject) {
	keys := make([]owner, len(subjects))
	for i, s := range subjects {
		keys[i] = owner{t, s}
	}
	g.views.Drop(keys...)
}

// denied tells whether a denial that is being written closes the purpose at an instant.
func (g *gate) denied(o owner, purpose string, at time.Time) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, c := range g.denials[o] {
		if !at.Before(c.by.at) && slices.Contains(c.purposes, purpose) {
			return true
		}
	}
	return false
}

// Gate returns the ground on which the subject's data may be processed for the purpose right now,
// from its own consent or from a basis declared for every deployment. A cached answer costs well
// under two microseconds.
//
// A caller that stores the ground must stamp the time of receipt before it asks: then no ground is
// ever handed out for something received after a withdrawal.
//
// Errors: fail.ConsentRequired with code consent.required if there is no ground; fail.Unavailable if
// the store can't be reached. The gate never opens for want of an answer.
func (r *Room) Gate(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (Ground, error) {
	return r.GateFor(ctx, t, s, uuid.Nil, purpose)
}

// GateFor is Gate for something that came in through a deployment: a basis declared for that
// deployment counts too, unless the person refused, withdrew or objected.
func (r *Room) GateFor(ctx context.Context, t id.Tenant, s id.Subject, deployment uuid.UUID, purpose string) (Ground, error) {
	now := r.clk.Now()
	o := owner{t, s}
	if r.gate.denied(o, purpose, now) {
		return Ground{}, required(purpose)
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return Ground{}, err
	}
	if set.purpose(purpose) == nil {
		return Ground{}, required(purpose)
	}
	v, err := r.view(ctx, o, now)
	if err != nil {
		return Ground{}, err
	}
	if v.locked {
		return Ground{}, required(purpose)
	}
	d := v.decide(purpose)
	if d.status == Given && (d.until == 0 || now.UnixMicro() < d.until) {
		return Ground{Basis: string(notice.Consent), Ledger: d.ledger}, nil
	}
	if d.status.closes() {
		return Ground{}, required(purpose)
	}
	if d := set.declared(deployment, purpose, now); d != nil {
		return Ground{Basis: string(d.Basis), Ledger: d.Ledger, Declared: d.Record.String()}, nil
	}
	return Ground{}, required(purpose)
}

func required(purpose string) error {
	return fail.New(fail.ConsentRequired, "There is no consent, and no other lawful basis, for the purpose %q.", purpose).WithCode("consent.required")
}

// AllowedAt is the second check, made when something that was received earlier is processed: did its
// ground hold at the time of receipt? It is false as well when the store can't be reached; where a
// wrong no would lose data, use Allowed.
func (r *Room) AllowedAt(ctx context.Context, t id.Tenant, s id.Subject, purpose string, g Ground, received time.Time) bool {
	ok, err := r.Allowed(ctx, t, s, purpose, g, received)
	return err == nil && ok
}

// Allowed is AllowedAt with the reason why it can't tell: fail.Unavailable.
func (r *Room) Allowed(ctx context.Context, t id.Tenant, s id.Subject, purpose string, g Ground, received time.Time) (bool, error) {
	o := owner{t, s}
	if r.gate.denied(o, purpose, received) {
		return false, nil
	}
	v, err := r.view(ctx, o, r.clk.Now())
	if err != nil {
		return false, err
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return false, err
	}
	st := foldPurpose(v.own, v.others, purpose, received, set.materialAt(received))
	if g.Basis == string(notice.Consent) {
		// A consent that was never valid covers nothing, whatever it looked like at the time.
		return st.Status == Given && !invalidatedAfter(v.own, purpose, g.Ledger), nil
	}
	if st.Status.closes() {
		return false, nil
	}
	return set.heldAt(g.Declared, purpose, received), nil
}

// State returns the effective state of every purpose for a subject, now.
func (r *Room) State(ctx context.Context, t id.Tenant, s id.Subject) (map[string]State, error) {
	return r.StateAt(ctx, t, s, r.clk.Now())
}

// StateAt returns what the state was, or will be, at any instant: the fold of the records up to it.
func (r *Room) StateAt(ctx context.Context, t id.Tenant, s id.Subject, at time.Time) (map[string]State, error) {
	v, err := r.load(ctx, owner{t, s}, r.clk.Now())
	if err != nil {
		return nil, err
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	states := fold(v.own, v.others, at, set.materialAt(at))
	for _, p := range set.purposes {
		if _, ok := states[p.ID]; !ok {
			states[p.ID] = State{Purpose: p.ID, Status: Unknown, Ledger: -1}
		}
	}
	return states, nil
}

// Invalidate drops what is cached of a subject. Call it for an announcement that its consent or its
// person changed elsewhere.
func (r *Room) Invalidate(t id.Tenant, s id.Subject) { r.gate.drop(t, []id.Subject{s}) }

// view returns the cached view of a subject, or loads it.
func (r *Room) view(ctx context.Context, o owner, now time.Time) (*view, error) {
	if v, ok := r.gate.views.Get(o); ok {
		if age := now.Sub(v.loaded); age >= 0 && age < stateLife {
			return v, nil
		}
	}
	epoch := r.gate.views.Epoch()
	v, err := r.load(ctx, o, now)
	if err == nil {
		r.gate.views.Put(o, v, epoch)
	}
	return v, err
}

func (r *Room) load(ctx context.Context, o owner, now time.Time) (*view, error) {
	set, err := r.tenant(ctx, o.tenant)
	if err != nil {
		return nil, err
	}
	v := &view{loaded: now}
	err = r.db.Tenant(o.tenant).Read(ctx, func(tx *store.Tx) error {
		v.own, v.others = nil, nil
		members, err := r.subjects.Person(ctx, tx, o.subject)
		if err != nil {
			return err
		}
		if r.restricted != nil {
			if v.locked, err = r.restricted(ctx, tx, members); err != nil {
				return err
			}
		}
		for _, m := range members {
			records, err := recordsOf(ctx, tx, m)
			if err != nil {
				return err
			}
			if m == o.subject {
				v.own = records
			} else if len(records) > 0 {
				v.others = append(v.others, records)
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "read the state of consent")
	}
	// What is committed counts at once. A question that waited for the store, or a clock that is behind
	// the one that stamped the record, must not keep an older answer alive in the cache.
	at := r.clk.Now()
	for _, list := range slices.Concat(v.others, [][]Record{v.own}) {
		for i := range list {
			if list[i].At.After(at) {
				at = list[i].At
			}
		}
	}
	for _, st := range fold(v.own, v.others, at, set.materialAt(at)) {
		d := decision{purpose: st.Purpose, status: st.Status, ledger: st.Ledger}
		if !st.Until.IsZero() {
			d.until = st.Until.UnixMicro()
		}
		v.open = append(v.open, d)
	}
	return v, nil
}
