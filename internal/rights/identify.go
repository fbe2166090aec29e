package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/subject"
)

// nameKind and addressKind are kinds of identifiers that no index finds yet: a search for them is
// accepted and has no result (V7, V9).
const (
	nameKind    = subject.Kind("name")
	addressKind = subject.Kind("address")
)

// termKinds maps the types of the Genesys GDPR API to kinds of identities.
var termKinds = map[string]subject.Kind{
	"NAME":           nameKind,
	"ADDRESS":        addressKind,
	"PHONE":          "phone",
	"EMAIL":          "email",
	"TWITTER":        "twitter",
	"FACEBOOK":       "facebook",
	"INSTAGRAM":      "instagram",
	"WHATSAPP":       "whatsapp",
	"APPLE_MESSAGES": "apple_messages",
	"EXTERNAL_ID":    "external_id",
}

var socialKinds = []subject.Kind{"twitter", "facebook", "instagram", "whatsapp", "apple_messages"}

// customerKinds maps the types of journeyCustomer, in lower case, to kinds of identities.
var customerKinds = map[string]subject.Kind{
	"cookie": "cookie", "email": "email", "phone": "phone", "externalid": "external_id", "external_id": "external_id",
	"twitter": "twitter", "facebook": "facebook", "instagram": "instagram", "whatsapp": "whatsapp", "apple_messages": "apple_messages",
}

// KindOfTerm returns the kind of identity that a searchType or replacement type of the Genesys GDPR
// API stands for.
func KindOfTerm(term string) (subject.Kind, bool) {
	k, ok := termKinds[term]
	return k, ok
}

type identifier struct {
	kind  subject.Kind
	value string
}

// identifiers lists what Who names, with the customer's kind resolved.
func (w *Who) identifiers() []identifier {
	var list []identifier
	add := func(k subject.Kind, values ...string) {
		for _, v := range values {
			if v = strings.TrimSpace(v); v != "" {
				list = append(list, identifier{k, v})
			}
		}
	}
	add(nameKind, w.Name)
	if w.JourneyCustomer != nil {
		add(customerKinds[strings.ToLower(w.JourneyCustomer.Type)], w.JourneyCustomer.ID)
	}
	if w.SocialHandle != nil {
		add(termKinds[w.SocialHandle.Type], w.SocialHandle.Value)
	}
	add("external_id", w.ExternalID)
	add(addressKind, w.Addresses...)
	add("phone", w.PhoneNumbers...)
	add("email", w.EmailAddresses...)
	return list
}

// kinds names the kinds of identifiers in Who, for the record that stays after an erasure.
func (w *Who) kinds() []string {
	list := []string{}
	for _, i := range w.identifiers() {
		list = append(list, string(i.kind))
	}
	if w.ExternalContactID != "" {
		list = append(list, "contact")
	}
	if w.UserID != "" {
		list = append(list, "user")
	}
	if w.DialerContactID != nil {
		list = append(list, "dialer_contact")
	}
	if len(w.Subjects) > 0 {
		list = append(list, "subject")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// find returns the data subjects with one identifier. A value that can't be an identifier of its
// kind, and a kind that nothing is indexed by, find nobody (V7).
func (r *Room) find(ctx context.Context, t id.Tenant, i identifier) ([]id.Subject, error) {
	if i.kind == addressKind {
		return nil, nil
	}
	found, err := r.People.Find(ctx, t, i.kind, i.value)
	if fail.Is(err, fail.Invalid) || fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	more, err := r.findElsewhere(ctx, t, i)
	return append(found, more...), err
}

// findElsewhere asks the stores for those who are no data subjects yet.
func (r *Room) findElsewhere(ctx context.Context, t id.Tenant, i identifier) (found []id.Subject, err error) {
	for _, s := range r.Stores {
		f, ok := s.(Finder)
		if !ok {
			continue
		}
		more, err := f.Find(ctx, t, i.kind, i.value)
		if err != nil {
			return nil, fmt.Errorf("find in %s: %w", s.Name(), err)
		}
		found = append(found, more...)
	}
	return found, nil
}

// locate returns every data subject that belongs to the person: those with any of the identifiers,
// those given by reference, all that were merged with them, and the references of those who are held
// under one of their addresses without being a data subject yet.
func (r *Room) locate(ctx context.Context, t id.Tenant, w *Who) ([]id.Subject, error) {
	found := slices.Clone(w.Subjects)
	for _, i := range w.identifiers() {
		more, err := r.find(ctx, t, i)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	if s, err := id.ParseSubject(w.ExternalContactID); err == nil {
		has, err := r.Keys.Has(ctx, t, s)
		if err != nil {
			return nil, err
		}
		if has {
			found = append(found, s)
		}
	}
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		found, err = r.expand(ctx, tx, found)
		return err
	})
	if err != nil {
		return nil, err
	}
	// What stands under an address of the person, though the person was named by something else.
	for _, s := range slices.Clone(found) {
		held, err := r.People.Identities(ctx, t, s)
		if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, i := range held {
			more, err := r.findElsewhere(ctx, t, identifier{i.Kind, i.Value})
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	slices.SortFunc(found, func(a, b id.Subject) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(found), nil
}

// expand adds all subjects of the persons that the given subjects belong to, sorted and once each.
func (r *Room) expand(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]id.Subject, error) {
	all := slices.Clone(subjects)
	for _, s := range subjects {
		person, err := r.People.Person(ctx, tx, s)
		if err != nil {
			return nil, err
		}
		all = append(all, person...)
	}
	slices.SortFunc(all, func(a, b id.Subject) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(all), nil
}

// Match is one person that a search found, with the identifiers that are held. A request for any of
// them covers the whole person.
type Match struct {
	Subjects []id.Subject
	Who      Who
}

// Search returns the persons with the identifier. The term is a searchType of the Genesys GDPR API.
// It fails with Invalid for an unknown term; a value that can't be read finds nobody.
func (r *Room) Search(ctx context.Context, t id.Tenant, term, value string) ([]Match, error) {
	kind, ok := termKinds[term]
	if !ok {
		return nil, fail.Field("searchType", "searchType must be one of NAME, ADDRESS, PHONE, EMAIL, TWITTER, INSTAGRAM, FACEBOOK, APPLE_MESSAGES, WHATSAPP, EXTERNAL_ID")
	}
	if strings.TrimSpace(value) == "" {
		return nil, fail.Field("searchValue", "searchValue is needed")
	}
	found, err := r.find(ctx, t, identifier{kind, value})
	if err != nil {
		return nil, err
	}
	var matches []Match
	seen := make(map[id.Subject]bool)
	for _, s := range found {
		if seen[s] {
			continue
		}
		var person []id.Subject
		err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
			person, err = r.expand(ctx, tx, []id.Subject{s})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range person {
			seen[p] = true
		}
		who, err := r.describe(ctx, t, person)
		if err != nil {
			return nil, err
		}
		if len(who.identifiers()) == 0 && kind == subject.Email {
			who.EmailAddresses = []string{value} // it is known to the store that found it and to no other
		}
		matches = append(matches, Match{Subjects: person, Who: who})
	}
	return matches, nil
}

// describe writes down the identifiers held about a person such that the result can be submitted as
// the subject of a request as it is. It has no name in it: a name next to an id is refused (V3).
func (r *Room) describe(ctx context.Context, t id.Tenant, person []id.Subject) (Who, error) {
	var w Who
	for _, s := range person {
		held, err := r.People.Identities(ctx, t, s)
		if err != nil {
			return w, err
		}
		for _, i := range held {
			switch k := i.Kind; {
			case k == "cookie" && w.JourneyCustomer == nil:
				w.JourneyCustomer = &JourneyCustomer{Type: "cookie", ID: i.Value}
			case k == "email" && !slices.Contains(w.EmailAddresses, i.Value):
				w.EmailAddresses = append(w.EmailAddresses, i.Value)
			case k == "phone" && !slices.Contains(w.PhoneNumbers, i.Value):
				w.PhoneNumbers = append(w.PhoneNumbers, i.Value)
			case k == "external_id" && w.ExternalID == "":
				w.ExternalID = i.Value
			case slices.Contains(socialKinds, k) && w.SocialHandle == nil:
				w.SocialHandle = &SocialHandle{Type: strings.ToUpper(string(k)), Value: i.Value}
			}
		}
	}
	return w, nil
}
