package subject

import (
	"context"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Name is an identity that somebody is named by.
type Name struct {
	Kind  Kind
	Value string
}

// Resolved is whom a name leads to.
type Resolved struct {
	Subject id.Subject   // zero: nobody
	Person  []id.Subject // all subjects of that person, Subject included
	Erased  time.Time    // there is nobody, and whoever it belonged to was erased then; zero: nobody was
}

// Resolve is Lookup, Suppressed and Person for many names in the caller's transaction. It reads what is
// stored and fills no cache.
//
// Errors: fail.Invalid for a malformed value, without telling which; check with Normalise before.
func (r *Room) Resolve(ctx context.Context, tx *store.Tx, names []Name) ([]Resolved, error) {
	out := make([]Resolved, len(names))
	for i, n := range names {
		value, err := Normalise(n.Kind, n.Value)
		if err != nil {
			return nil, err
		}
		digest, err := r.keys.BlindIndex(ctx, tx.TenantID(), index(n.Kind), value)
		if err != nil {
			return nil, unavailable(err, "make the blind index of an identity")
		}
		s, found, err := lead(ctx, tx, n.Kind, digest)
		if err != nil {
			return nil, err
		}
		if !found {
			if out[i].Erased, err = erasedAt(ctx, tx, n.Kind, digest); err != nil {
				return nil, err
			}
			continue
		}
		out[i].Subject = s
		if out[i].Person, err = r.Person(ctx, tx, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Fresh is somebody new, whose key exists.
type Fresh struct {
	Subject id.Subject
	Name    Name
	Said    time.Time // their own word that they come with; zero: none that counts after an erasure
}

// Make stores people who are new, each with the name that leads to them. All names differ.
//
// Errors: fail.Conflict if one of the names leads to somebody by now, or belonged to somebody who was
// erased after they said what they come with; then the transaction must not be committed, and the names are resolved anew.
func (r *Room) Make(ctx context.Context, tx *store.Tx, people []Fresh) error {
	t, now := tx.TenantID(), r.clk.Now().UnixMicro()
	var subjects, identities [][]any
	for _, p := range people {
		value, err := Normalise(p.Name.Kind, p.Name.Value)
		if err != nil {
			return err
		}
		digest, err := r.keys.BlindIndex(ctx, t, index(p.Name.Kind), value)
		if err != nil {
			return unavailable(err, "make the blind index of an identity")
		}
		if at, err := erasedAt(ctx, tx, p.Name.Kind, digest); err != nil {
			return err
		} else if !anew(p.Name.Kind, at, p.Said) {
			return fail.New(fail.Conflict, "Somebody was erased a moment ago.")
		}
		sealed, err := r.keys.Seal(ctx, t, p.Subject, aad(t, p.Subject, p.Name.Kind), []byte(value))
		if err != nil {
			return unavailable(err, "seal an identity")
		}
		subjects = append(subjects, []any{t, p.Subject, p.Subject, now})
		identities = append(identities, []any{t, p.Subject, string(p.Name.Kind), digest, sealed, true, now})
	}
	if _, err := tx.Insert(ctx, `INSERT INTO subject (tenant_id, subject, person, created)`, subjects, `ON CONFLICT (tenant_id, subject) DO NOTHING`); err != nil {
		return err
	}
	n, err := tx.Insert(ctx, `INSERT INTO subject_identity (tenant_id, subject, kind, digest, value, leads, since)`, identities, `ON CONFLICT DO NOTHING`)
	if err == nil && n != int64(len(people)) {
		err = fail.New(fail.Conflict, "Somebody else made one of these people a moment ago.")
	}
	return err
}
