package rights

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"probity/internal/id"
)

// choiceView is what holds for one purpose on one device.
type choiceView struct {
	Device  id.Subject `json:"device"`
	Purpose string     `json:"purpose"`
	Status  string     `json:"status"`
	Since   string     `json:"since,omitempty"`
}

type choiceViews []choiceView

// traitView is what a person told about themselves on one device.
type traitView struct {
	Device id.Subject        `json:"device"`
	Traits map[string]string `json:"about_you"`
}

type traitViews []traitView

// visitViews are the visits of a person.
type visitViews []visitView

// latest returns the newest estimate of each outcome.
func (l visitViews) latest() []scoreView {
	newest := map[string]scoreView{}
	for _, v := range l {
		for _, s := range v.Scores {
			if old, ok := newest[s.Outcome.String()]; !ok || old.At <= s.At {
				newest[s.Outcome.String()] = s
			}
		}
	}
	list := slices.Collect(maps.Values(newest))
	slices.SortFunc(list, func(a, b scoreView) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Outcome.String(), b.Outcome.String()))
	})
	return list
}

// collected says how much was collected of a person for one purpose on one basis, and from when to when.
type collected struct {
	Basis   string `json:"basis"`
	Records int    `json:"records"`
	First   string `json:"first"`
	Last    string `json:"last"`
}

// collected counts the events by purpose and by what let them be kept, as each of them says it.
func (l eventViews) collected() map[string][]collected {
	out := map[string][]collected{}
	for _, e := range l {
		basis, _, _ := strings.Cut(e.Basis, ",")
		list := out[e.Purpose]
		i := slices.IndexFunc(list, func(c collected) bool { return c.Basis == basis })
		if i < 0 {
			out[e.Purpose] = append(list, collected{basis, 1, e.At, e.At})
			continue
		}
		list[i].Records++
		list[i].First, list[i].Last = min(list[i].First, e.At), max(list[i].Last, e.At)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b collected) int { return cmp.Compare(a.Basis, b.Basis) })
	}
	return out
}

// senders counts the events by who sent them.
func (l eventViews) senders() map[string]int {
	n := map[string]int{}
	for _, e := range l {
		n[e.Origin]++
	}
	return n
}
