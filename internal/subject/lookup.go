package subject

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// disbelief is how long the absence of a suppression is believed without asking the store again.
// An erasure on this machine is known at once; one on another machine when it is announced, and
// after this time at the latest.
const disbelief = 5 * time.Second

// binding is a cached subject. All identities of one subject share it, so that forgetting the
// subject forgets them all.
type binding struct {
	subject id.Subject
	dead    atomic.Bool
}

// Lookup returns the subject that an identity leads to. An erased subject is not found. A cached
// cookie costs less than a microsecond.
//
// Errors: fail.Invalid for a malformed value, fail.Unavailable when store or keys can't be reached.
func (r *Room) Lookup(ctx context.Context, t id.Tenant, k Kind, value string) (id.Subject, bool, error) {
	value, err := Normalise(k, value)
	if err != nil {
		return id.Subject{}, false, err
	}
	key := identity{t, k, value}
	if b, ok := r.known.Get(key); ok && !b.dead.Load() {
		return b.subject, true, nil
	}
	epoch := r.known.Epoch()
	digest, err := r.keys.BlindIndex(ctx, t, index(k), value)
	if err != nil {
		return id.Subject{}, false, unavailable(err, "make the blind index of an identity")
	}
	var s id.Subject
	found := false
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		s, found, err = lead(ctx, tx, k, digest)
		return err
	})
	if err != nil {
		return id.Subject{}, false, unavailable(err, "look up an identity")
	}
	if found {
		r.remember(key, s, epoch)
	}
	return s, found, nil
}

// Ensure returns the subject that an identity leads to, and creates key, subject and identity if
// there is none. What it returns is durable. Concurrent callers get the same subject. An identity
// of an erased subject is refused with fail.Gone and code subject.erased.
func (r *Room) Ensure(ctx context.Context, t id.Tenant, k Kind, value string) (id.Subject, error) {
	return r.ensure(ctx, t, k, value, time.Time{})
}

// EnsureSince is Ensure for somebody who said something new at a time: whoever was erased before it is a
// new person from then on, as at a first visit. It is for the person's own word only. What somebody else
// holds of them, or what they said before, stays refused; a cookie is refused whenever it comes.
func (r *Room) EnsureSince(ctx context.Context, t id.Tenant, k Kind, value string, said time.Time) (id.Subject, error) {
	return r.ensure(ctx, t, k, value, said)
}

func (r *Room) ensure(ctx context.Context, t id.Tenant, k Kind, value string, said time.Time) (id.Subject, error) {
	if s, ok, err := r.Lookup(ctx, t, k, value); err != nil || ok {
		return s, err
	}
	value, err := Normalise(k, value)
	if err != nil {
		return id.Subject{}, err
	}
	epoch := r.known.Epoch()
	// The key must be there before anything is sealed under it. If another caller wins, this key
	// stays behind unused; that is harmless and rare.
	fresh := id.NewSubject()
	if err := r.keys.CreateSubject(ctx, t, fresh); err != nil {
		return id.Subject{}, unavailable(err, "create the key of a subject")
	}
	var s id.Subject
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		s = fresh
		err := r.ensureTx(ctx, tx, fresh, k, value, said)
		if !fail.Is(err, fail.Conflict) {
			return err
		}
		digest, err := r.keys.BlindIndex(ctx, t, index(k), value)
		if err != nil {
			return err
		}
		var found bool
		if s, found, err = lead(ctx, tx, k, digest); err == nil && !found {
			return fail.New(fail.Unavailable, "The identity changed while it was looked up. Try again.")
		}
		return err
	})
	if err != nil {
		return id.Subject{}, unavailable(err, "create a subject")
	}
	r.remember(identity{t, k, value}, s, epoch)
	return s, nil
}

// EnsureTx binds an identity to a subject within the caller's transaction and creates the subject's
// row if it is missing. The subject's key must exist. Binding the same identity twice does nothing.
//
// Errors: fail.Gone with code subject.erased if the identity belongs to an erased subject,
// fail.Conflict if it leads to another subject.
func (r *Room) EnsureTx(ctx context.Context, tx *store.Tx, s id.Subject, k Kind, value string) error {
	return r.ensureTx(ctx, tx, s, k, value, time.Time{})
}

func (r *Room) ensureTx(ctx context.Context, tx *store.Tx, s id.Subject, k Kind, value string, said time.Time) error {
	value, err := Normalise(k, value)
	if err != nil {
		return err
	}
	t := tx.TenantID()
	digest, err := r.keys.BlindIndex(ctx, t, index(k), value)
	if err != nil {
		return unavailable(err, "make the blind index of an identity")
	}
	if at, err := erasedAt(ctx, tx, k, digest); err != nil {
		return err
	} else if !anew(k, at, said) {
		return erased()
	}
	now := r.clk.Now().UnixMicro()
	if err := insertSubject(ctx, tx, s, now); err != nil {
		return err
	}
	sealed, err := r.keys.Seal(ctx, t, s, aad(t, s, k), []byte(value))
	if err != nil {
		return unavailable(err, "seal an identity")
	}
	// A cookie or first sight of any identity leads here. Somebody else's lead is a conflict.
	n, err := tx.Exec(ctx, `
		INSERT INTO subject_identity (tenant_id, subject, kind, digest, value, leads, since)
		VALUES ($1, $2, $3, $4, $5, TRUE, $6)
		ON CONFLICT DO NOTHING`,
		t, s, string(k), digest, sealed, now)
	if err != nil || n == 1 {
		return err
	}
	has, found, err := lead(ctx, tx, k, digest)
	if err != nil {
		return err
	}
	if !found || has != s {
		return fail.New(fail.Conflict, "The %s belongs to another subject.", k).WithCode("subject.taken")
	}
	return nil
}

// Suppressed tells whether the identity belonged to an erased subject, so that late or replayed
// data of it must be refused. Cached; an erasure made by this room is seen at once, one made
// elsewhere within five seconds.
func (r *Room) Suppressed(ctx context.Context, t id.Tenant, k Kind, value string) (bool, error) {
	at, err := r.Erased(ctx, t, k, value)
	return !at.IsZero(), err
}

// Erased tells when the last subject that the identity belonged to alone was erased; zero if none was.
// What is older than that is refused. It is cached as Suppressed is.
func (r *Room) Erased(ctx context.Context, t id.Tenant, k Kind, value string) (time.Time, error) {
	value, err := Normalise(k, value)
	if err != nil {
		return time.Time{}, err
	}
	key := identity{t, k, value}
	now := r.clk.Now()
	if v, ok := r.suppressed.Get(key); ok && now.Before(v.until) {
		return v.erased, nil
	}
	epoch := r.suppressed.Epoch()
	digest, err := r.keys.BlindIndex(ctx, t, index(k), value)
	if err != nil {
		return time.Time{}, unavailable(err, "make the blind index of an identity")
	}
	var at time.Time
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		at, err = erasedAt(ctx, tx, k, digest)
		return err
	})
	if err != nil {
		return time.Time{}, unavailable(err, "look up a suppressed identity")
	}
	r.suppressed.Put(key, verdict{at, now.Add(disbelief)}, epoch)
	return at, nil
}

// Watch registers fn to be told of subjects that were merged, renamed or erased: by this room after
// the commit, or elsewhere once Forget is called for them. fn must be quick and must not use the
// database. Register before the room is used.
func (r *Room) Watch(fn func(t id.Tenant, subjects []id.Subject)) {
	r.watchers = append(r.watchers, fn)
}

// Forget drops what is cached of the subjects, here and by those who watch. Call it for an
// announcement that a subject was erased or merged elsewhere.
func (r *Room) Forget(t id.Tenant, subjects ...id.Subject) {
	for _, s := range subjects {
		if b, ok := r.bindings.Get(owner{t, s}); ok {
			b.dead.Store(true)
		}
		r.bindings.Drop(owner{t, s})
	}
	r.known.Drop() // whatever is being read right now must not be kept
	r.suppressed.Clear()
	for _, fn := range r.watchers {
		fn(t, subjects)
	}
}

func (r *Room) remember(key identity, s id.Subject, epoch uint64) {
	o := owner{key.tenant, s}
	b, ok := r.bindings.Get(o)
	if !ok || b.dead.Load() {
		b = &binding{subject: s}
		if !r.bindings.Put(o, b, r.bindings.Epoch()) {
			return
		}
	}
	r.known.Put(key, b, epoch)
}

// lead returns the subject that an identity leads to.
func lead(ctx context.Context, tx *store.Tx, k Kind, digest []byte) (s id.Subject, found bool, err error) {
	err = tx.QueryRow(ctx, `
		SELECT subject FROM subject_identity
		WHERE tenant_id = $1 AND kind = $2 AND digest = $3 AND leads`,
		tx.TenantID(), string(k), digest).Scan(&s)
	if errors.Is(err, sql.ErrNoRows) {
		return s, false, nil
	}
	return s, err == nil, err
}

// erasedAt returns when the identity was suppressed; zero if it is not.
func erasedAt(ctx context.Context, tx *store.Tx, k Kind, digest []byte) (time.Time, error) {
	var us int64
	err := tx.QueryRow(ctx, `
		SELECT erased FROM subject_suppression
		WHERE tenant_id = $1 AND kind = $2 AND digest = $3`,
		tx.TenantID(), string(k), digest).Scan(&us)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMicro(us).UTC(), err
}

// suppress refuses the identity from the time of an erasure on.
func suppress(ctx context.Context, tx *store.Tx, k Kind, digest []byte, at time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO subject_suppression (tenant_id, kind, digest, erased)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, kind, digest) DO UPDATE SET erased = excluded.erased
		WHERE subject_suppression.erased < excluded.erased`,
		tx.TenantID(), string(k), digest, at.UnixMicro())
	return err
}

// anew tells whether something may be bound to an identity that was suppressed at a time, for what was
// said at another.
func anew(k Kind, erased, said time.Time) bool {
	return erased.IsZero() || k != Cookie && said.After(erased)
}

func insertSubject(ctx context.Context, tx *store.Tx, s id.Subject, now int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO subject (tenant_id, subject, person, created)
		VALUES ($1, $2, $2, $3)
		ON CONFLICT (tenant_id, subject) DO NOTHING`,
		tx.TenantID(), s, now)
	return err
}

func erased() error {
	return fail.New(fail.Gone, "This identity belonged to a person whose data was erased.").WithCode("subject.erased")
}

// unavailable keeps failures that already have a kind and turns all others into Unavailable.
func unavailable(err error, doing string) error {
	if _, ok := errors.AsType[*fail.Error](err); ok {
		return err
	}
	return fail.Wrap(fail.Unavailable, err, "Could not %s", doing)
}

// index names the blind index of a kind.
func index(k Kind) string { return "identity." + string(k) }
