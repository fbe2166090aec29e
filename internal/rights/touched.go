package rights

import (
	"slices"
	"strings"

	"probity/internal/id"
	"probity/internal/subject"
)

// Categorised is Databases that know which categories of data their fields are. *Connected satisfies it.
type Categorised interface {
	// Categories returns those of a field, none if it is not known.
	Categories(t id.Tenant, collection, field string) []string
}

// Categories implements Categorised.
func (c *Connected) Categories(t id.Tenant, collection, field string) []string {
	for _, d := range c.groups[t].Datasets {
		for _, col := range d.Collections {
			if col.String() != collection {
				continue
			}
			for _, f := range col.Leaves() {
				if f.Name() == field {
					return f.Categories
				}
			}
		}
	}
	return nil
}

// The categories of what stands in the own stores, in the words of dataset files. Stores that are not named
// hold notes about what was done with the data, which nobody receives.
var (
	storeCategories = map[string][]string{
		"consent": {"user.privacy_preferences"}, "statements": {"user.content"}, lessonsName: {"user.behavior"},
		"journey": {"user.behavior", "user.device", "user.location", "user.name"},
	}
	kindCategories = map[subject.Kind]string{
		subject.Email: "user.contact.email", subject.Phone: "user.contact.phone_number", subject.ExternalID: "user.unique_id",
		subject.Cookie: "user.device.cookie_id", nameKind: "user.name", addressKind: "user.contact.address",
	}
)

// everything is what a request touches of which nobody can say more.
const everything = "user"

// touched lists the categories of data that the request changed, erased or restricted. A restriction is of
// everything; in doubt so is the rest.
func (r *Room) touched(j *job) (list []string) {
	switch j.typ {
	case Rectification:
		for _, t := range j.content.Replacements {
			if c := termCategories[t.Type]; c != "" {
				list = append(list, c)
			} else {
				list = append(list, "user.social")
			}
		}
		if len(list) == 0 {
			return []string{everything} // a statement is about anything
		}
		return list
	case Erasure:
	default:
		return []string{everything}
	}
	for _, i := range append(j.content.Who.identifiers(), j.work.own()...) {
		if c := kindCategories[i.kind]; c != "" {
			list = append(list, c)
		} else {
			list = append(list, "user.social")
		}
	}
	for _, s := range j.report.Stores {
		if slices.ContainsFunc(s.Counts, func(c Count) bool { return c.N > 0 }) {
			list = append(list, storeCategories[s.Store]...)
		}
	}
	if d := j.report.Databases; d != nil {
		known, ok := r.Databases.(Categorised)
		for _, f := range d.Fields {
			switch {
			case f.Rows == 0:
			case !ok || f.Field == "": // of a row that went as a whole no field is named
				return []string{everything}
			default:
				list = append(list, known.Categories(j.tenant, f.Collection, f.Field)...)
			}
		}
	}
	return list
}

// receives tells whether a recipient has data of one of the categories. Those whose categories are all named
// as in dataset files, user and what lies below a dot, are told of nothing else; who is described in other
// words is told of everything.
func (p *Recipient) receives(touched []string) bool {
	for _, c := range p.Categories {
		if c != everything && !strings.HasPrefix(c, everything+".") {
			return true
		}
		if slices.ContainsFunc(touched, func(t string) bool {
			return t == c || strings.HasPrefix(t, c+".") || strings.HasPrefix(c, t+".")
		}) {
			return true
		}
	}
	return false
}

// concerned returns the recipients whom the request is of concern to.
func (r *Room) concerned(j *job, list []Recipient) []Recipient {
	touched := r.touched(j)
	return slices.DeleteFunc(list, func(p Recipient) bool { return !p.receives(touched) })
}
