package journey

import (
	"slices"
	"strconv"
	"strings"

	"probity/internal/event"
)

// ContextKeys returns the keys that a criterion of a context pattern may name.
func ContextKeys() []string {
	return []string{
		"device.category", "device.type", "device.osFamily",
		"browser.family", "browser.lang", "browser.version",
		"mktCampaign.source", "mktCampaign.medium", "mktCampaign.name", "mktCampaign.term",
		"mktCampaign.content", "mktCampaign.clickId", "mktCampaign.network",
		"geolocation.countryName", "geolocation.locality", "geolocation.region",
		"geolocation.postalCode", "geolocation.country", "ipOrganization",
		"referrer.url", "referrer.medium", "referrer.hostname", "authenticated",
	}
}

// JourneyKeys returns the keys that a criterion of a journey pattern may name, besides
// "attributes.NAME.value".
func JourneyKeys() []string {
	return []string{
		"eventName", "page.url", "page.title", "page.hostname", "page.domain", "page.fragment",
		"page.keywords", "page.pathname", "page.queryString", "searchQuery",
	}
}

// AttributeKey returns NAME if key is of the form "attributes.NAME.value".
func AttributeKey(key string) (name string, ok bool) {
	name, ok = strings.CutPrefix(key, "attributes.")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, ".value")
	return name, ok && name != ""
}

// contextValue returns the text of a visit's property. Where we are is never looked up, so the
// geolocation keys and ipOrganization have no value.
func contextValue(s *Session, key string) (string, bool) {
	switch key {
	case "device.category":
		return known(s.Device.Category)
	case "device.type":
		return known(s.Device.Type)
	case "device.osFamily":
		return known(s.Device.OSFamily)
	case "browser.family":
		return known(s.Browser.Family)
	case "browser.lang":
		return known(s.Browser.Lang)
	case "browser.version":
		return known(s.Browser.Version)
	case "authenticated":
		return strconv.FormatBool(s.Authenticated), true
	}
	if name, ok := strings.CutPrefix(key, "mktCampaign."); ok && s.Campaign != nil {
		return campaignValue(s.Campaign, name)
	}
	if name, ok := strings.CutPrefix(key, "referrer."); ok && s.Referrer != nil {
		switch name {
		case "url":
			return known(s.Referrer.URL)
		case "medium":
			return known(s.Referrer.Medium)
		case "hostname":
			return known(s.Referrer.Host)
		}
	}
	return "", false
}

func campaignValue(c *event.Campaign, name string) (string, bool) {
	switch name {
	case "source":
		return known(c.Source)
	case "medium":
		return known(c.Medium)
	case "name":
		return known(c.Name)
	case "term":
		return known(c.Term)
	case "content":
		return known(c.Content)
	case "clickId":
		return known(c.ClickID)
	case "network":
		return known(c.Network)
	}
	return "", false
}

// journeyValue returns the text of an event's property.
func journeyValue(ev *event.Event, key string) (string, bool) {
	switch key {
	case "eventName":
		return known(ev.Name)
	case "page.url":
		return known(ev.Page.URL)
	case "page.title":
		return known(ev.Page.Title)
	case "page.hostname":
		return known(ev.Page.Host)
	case "page.domain":
		return known(ev.Page.Domain)
	case "page.fragment":
		return known(ev.Page.Fragment)
	case "page.keywords":
		return known(ev.Page.Keywords)
	case "page.pathname":
		return known(ev.Page.Path)
	case "page.queryString":
		return known(ev.Page.Query)
	case "searchQuery":
		return known(ev.Search)
	}
	if name, ok := AttributeKey(key); ok {
		a, ok := ev.Attributes[name]
		return a.Value, ok
	}
	return "", false
}

func known(s string) (string, bool) { return s, s != "" }

// matches compares the text of a property. A property without a value meets the negative operators
// only: what is not there is not equal to anything and contains nothing.
func (c *Criterion) matches(text string, present bool) bool {
	if !present {
		switch c.Operator {
		case NotContainsAll, NotContainsAny, NotEqual:
			return len(c.Values) > 0
		}
		return false
	}
	return compare(text, c.Operator, c.Values, c.IgnoreCase)
}

// compare applies an operator. An empty list of values is never met.
func compare(text string, op Operator, values []string, ignoreCase bool) bool {
	if len(values) == 0 {
		return false
	}
	if ignoreCase {
		text = strings.ToLower(text)
	}
	fold := func(s string) string {
		if ignoreCase {
			return strings.ToLower(s)
		}
		return s
	}
	some := func(test func(text, value string) bool) bool {
		return slices.ContainsFunc(values, func(v string) bool { return test(text, fold(v)) })
	}
	all := func(test func(text, value string) bool) bool {
		return !slices.ContainsFunc(values, func(v string) bool { return !test(text, fold(v)) })
	}
	equal := func(a, b string) bool { return a == b }
	switch op {
	case ContainsAll:
		return all(strings.Contains)
	case ContainsAny:
		return some(strings.Contains)
	case NotContainsAll:
		return !all(strings.Contains)
	case NotContainsAny:
		return !some(strings.Contains)
	case Equal, "":
		return some(equal)
	case NotEqual:
		return !some(equal)
	case StartsWith:
		return some(strings.HasPrefix)
	case EndsWith:
		return some(strings.HasSuffix)
	case Greater:
		return some(numbers(func(a, b float64) bool { return a > b }))
	case GreaterOrEqual:
		return some(numbers(func(a, b float64) bool { return a >= b }))
	case Less:
		return some(numbers(func(a, b float64) bool { return a < b }))
	case LessOrEqual:
		return some(numbers(func(a, b float64) bool { return a <= b }))
	}
	return false
}

func numbers(test func(a, b float64) bool) func(text, value string) bool {
	return func(text, value string) bool {
		a, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return false
		}
		b, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return err == nil && test(a, b)
	}
}

// holds tells whether the visit meets all context patterns. An empty list holds.
func holds(patterns []ContextPattern, s *Session) bool {
	for i := range patterns {
		for j := range patterns[i].Criteria {
			c := &patterns[i].Criteria[j]
			text, ok := contextValue(s, c.Key)
			if !c.matches(text, ok) {
				return false
			}
		}
	}
	return true
}

// matches tells whether the event is one that the pattern counts. A pattern that names neither an
// event nor criteria counts every event of its stream.
func (p *JourneyPattern) matches(sessionType string, ev *event.Event) bool {
	if !streamMatches(p.Stream, p.SessionType, sessionType) || p.EventName != "" && p.EventName != ev.Name {
		return false
	}
	for i := range p.Criteria {
		c := &p.Criteria[i]
		text, ok := journeyValue(ev, c.Key)
		if !c.matches(text, ok) {
			return false
		}
	}
	return true
}

func (c *EventCondition) matches(sessionType string, ev *event.Event) bool {
	if !streamMatches(c.Stream, c.SessionType, sessionType) || c.EventName != "" && c.EventName != ev.Name {
		return false
	}
	if c.Key == "" {
		return c.EventName != ""
	}
	text, ok := journeyValue(ev, c.Key)
	return c.Criterion.matches(text, ok)
}

func streamMatches(stream, wanted, sessionType string) bool {
	return (stream == "" || strings.EqualFold(stream, sessionType)) && (wanted == "" || strings.EqualFold(wanted, sessionType))
}

// step is how far a session came with one list of journey patterns.
type step struct {
	pattern int // the first that is not yet met
	count   int // how many events it has counted
}

// advance counts the event and tells whether all patterns are met now. One event counts for one
// pattern only.
func (st *step) advance(patterns []JourneyPattern, sessionType string, ev *event.Event) bool {
	if st.pattern < len(patterns) && patterns[st.pattern].matches(sessionType, ev) {
		st.count++
		if st.count >= max(1, patterns[st.pattern].Count) {
			st.pattern, st.count = st.pattern+1, 0
		}
	}
	return st.pattern >= len(patterns)
}
