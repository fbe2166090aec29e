package subject

import (
	"context"

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
	Erased  bool         // it belonged to somebody who was erased; then there is nobody
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
			if out[i].Erased, err = isSuppressed(ctx, tx, n.Kind, digest); err != nil {
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
