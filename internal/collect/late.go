package collect

import (
	"context"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/subject"
)

// refuseLate refuses an event that names a person who was erased after it happened, under whatever
// cookie it comes. What happened later is a new visit, and whoever it names is a new person.
//
// Errors: fail.Gone with code subject.erased, fail.Unavailable.
func (c *Collector) refuseLate(ctx context.Context, t id.Tenant, e *event.Event) error {
	for _, n := range named(e) {
		at, err := c.deps.Subjects.Erased(ctx, t, n.Kind, n.Value)
		if fail.Is(err, fail.Invalid) {
			continue // no address and no number: nobody is named by it
		}
		if err != nil {
			return c.failure(ctx, err)
		}
		if !at.IsZero() && !e.At.After(at) {
			return errErased()
		}
	}
	return nil
}

// refusePast refuses history of a visitor whom the source calls by the e-mail address or the telephone
// number of somebody who was erased and has not come back since. History is nobody's new word, whatever
// time it states.
func (c *Collector) refusePast(ctx context.Context, t id.Tenant, name string) error {
	for _, k := range []subject.Kind{subject.Email, subject.Phone} {
		at, err := c.deps.Subjects.Erased(ctx, t, k, name)
		if fail.Is(err, fail.Invalid) || err == nil && at.IsZero() {
			continue
		}
		if err != nil {
			return c.failure(ctx, err)
		}
		_, back, err := c.deps.Subjects.Lookup(ctx, t, k, name)
		if err != nil {
			return c.failure(ctx, err)
		}
		if !back {
			return errErased()
		}
	}
	return nil
}

// named returns the identities that an event brings. They are those that the journey binds.
func named(e *event.Event) (names []subject.Name) {
	add := func(k subject.Kind, value string) {
		if value != "" {
			names = append(names, subject.Name{Kind: k, Value: value})
		}
	}
	add(subject.ExternalID, e.ExternalID)
	for trait, a := range e.Traits {
		switch trait {
		case "email":
			add(subject.Email, a.Value)
		case "phone", "cellPhone", "homePhone", "workPhone", "otherPhone":
			add(subject.Phone, a.Value)
		case "externalId":
			add(subject.ExternalID, a.Value)
		}
	}
	return names
}
