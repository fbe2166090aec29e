package event

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Policy says what of an address an organisation wants to keep. The zero value keeps no query
// parameter and no fragment; DefaultPolicy is what a new deployment has. A Policy is not changed
// once it is in use.
type Policy struct {
	QueryKeys    []string // parameters that stay in the address, lower case; "utm_*" matches by prefix
	SearchKeys   []string // parameters that hold what was searched for on the site; they stay, masked
	KeepFragment bool     // keep what follows "#", masked
	Attributes   []string // names of the attributes that stay; nil: all
}

// DefaultPolicy keeps campaign parameters and the usual names of a search field.
func DefaultPolicy() Policy {
	return Policy{
		QueryKeys:  []string{"utm_*"},
		SearchKeys: []string{"q", "s", "query", "search", "keyword", "k", "term"},
	}
}

// The longest texts that are kept. What is longer was accepted, and is cut.
const (
	maxKeptText = 512  // title, search terms, one attribute
	maxKeptPath = 1024 // path, query and fragment, each
	maxKeptName = 64   // languages and families
	// A major version is a short number or word: what is longer is something else.
	maxKeptVersion = 8
)

// Minimise reduces e to what the policy keeps. Doing it twice changes nothing more.
//
//   - Addresses: user information is dropped, so are default ports, path parameters (";jsessionid="),
//     every query parameter that is not listed, and the fragment unless it is kept.
//   - Campaign parameters and click identifiers move to Campaign; a search parameter to Search.
//   - E-mail addresses, phone numbers and numbers of nine or more digits are masked in paths,
//     parameters, titles, search terms, referrers and attributes. Shorter numbers, ISO dates and
//     UUIDs stay: without them no product page could be told from another.
//   - Attributes that name a person (email, phone, …) become traits, which need a purpose of their
//     own. Traits and ExternalID are left as they are.
//   - The referrer gets its medium and its name.
//   - Versions of browser and system are cut to the major one.
func (p Policy) Minimise(e *Event) { p.minimise(e, &previous{}) }

// MinimiseAll is Minimise for each of the events. It is faster when neighbours were sent from the
// same page, as those of one visitor often are; they may then share their Campaign.
func (p Policy) MinimiseAll(events []*Event) {
	var before previous
	for _, e := range events {
		p.minimise(e, &before)
	}
}

// previous is the event that was minimised before, with the addresses as they had come in: what
// comes in again is not worked out again.
type previous struct {
	event    *Event // nil: none
	url      string
	referrer string
	search   string // what the address said was searched for
}

func (p Policy) minimise(e *Event, before *previous) {
	now := previous{event: e, url: e.Page.URL}
	now.search = p.minimisePage(e, before)
	if e.Referrer != nil {
		now.referrer = e.Referrer.URL
		if !p.minimiseReferrer(e, before) {
			e.Referrer = nil
		}
	}
	*before = now
	e.Search = keep(maskText(e.Search), maxKeptText)
	p.minimiseAttributes(e)
	e.minimiseDevice()
}

// minimisePage rebuilds the page's address and reads campaign and search from it. It returns what
// the address said was searched for.
func (p Policy) minimisePage(e *Event, before *previous) (search string) {
	page := &e.Page
	page.Title = keep(maskText(page.Title), maxKeptText)
	page.Keywords = keep(maskText(page.Keywords), maxKeptText)
	page.Lang = keep(page.Lang, maxKeptName)
	if b := before.event; b != nil && before.url == page.URL && e.Campaign == nil {
		page.setAddress(&b.Page)
		e.Campaign = b.Campaign
		if e.Search == "" {
			e.Search = before.search
		}
		return before.search
	}
	a, ok := parseAddress(page.URL)
	if !ok {
		page.setAddress(&Page{})
		return ""
	}
	if a.query != "" {
		kept := p.query(a.query)
		a.query = kept.query
		if kept.campaign != (Campaign{}) {
			c := kept.campaign
			if e.Campaign != nil && c.ClickID == "" { // a second pass over the same event
				c.ClickID, c.Network = e.Campaign.ClickID, e.Campaign.Network
			}
			e.Campaign = &c
		}
		if search = kept.search; e.Search == "" {
			e.Search = search
		}
	}
	if !p.KeepFragment {
		a.fragment = ""
	}
	a.path = keep(maskPath(withoutParameters(a.path)), maxKeptPath)
	a.fragment = keep(maskPath(a.fragment), maxKeptPath)
	page.URL = a.render(page.URL)
	page.Host, page.Path, page.Query, page.Fragment = splitAddress(page.URL)
	if b := before.event; b != nil && b.Page.Host == page.Host {
		page.Domain = b.Page.Domain
	} else {
		page.Domain = registrable(page.Host)
	}
	return search
}

// setAddress takes the address of another page, and leaves what the page says about itself.
func (p *Page) setAddress(from *Page) {
	p.URL, p.Host, p.Domain = from.URL, from.Host, from.Domain
	p.Path, p.Query, p.Fragment = from.Path, from.Query, from.Fragment
}

// keptQuery is what remains of a query.
type keptQuery struct {
	query    string
	campaign Campaign
	search   string
}

// query keeps the listed parameters in the order in which they stand.
func (p Policy) query(raw string) (k keptQuery) {
	var room [256]byte
	out := room[:0]
	unchanged := true
	for rest, more := raw, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key := rawKey
		if !isPlainLower(key) {
			key = strings.ToLower(unescapeQuery(key))
		}
		if network := clickNetwork(key); network != "" {
			if k.campaign.ClickID == "" && isClickID(rawValue) {
				k.campaign.ClickID, k.campaign.Network = rawValue, network
			}
			unchanged = false
			continue
		}
		search := slices.Contains(p.SearchKeys, key)
		if !search && !listed(p.QueryKeys, key) {
			unchanged = false
			continue
		}
		value := keep(maskQueryValue(rawValue), maxKeptText)
		plain := keep(unescapeQuery(value), maxKeptText)
		if search && k.search == "" {
			k.search = plain
		}
		k.campaign.set(key, plain)
		before := len(out)
		if before > 0 {
			out = append(out, '&')
		}
		start := len(out)
		if rawKey == key {
			out = append(out, key...)
		} else {
			out = append(out, escapeKey(key)...)
		}
		out = append(append(out, '='), value...)
		if len(out) > maxKeptPath {
			out, unchanged = out[:before], false
			continue
		}
		unchanged = unchanged && string(out[start:]) == pair
	}
	if k.query = raw; !unchanged {
		k.query = string(out)
	}
	return k
}

// isPlainLower tells whether a key is spelled as the lists spell keys.
func isPlainLower(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && c != '-' && c != '.' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// set takes a campaign parameter.
func (c *Campaign) set(key, value string) {
	switch key {
	case "utm_source":
		c.Source = value
	case "utm_medium":
		c.Medium = value
	case "utm_campaign":
		c.Name = value
	case "utm_term":
		c.Term = value
	case "utm_content":
		c.Content = value
	}
}

// clickNetwork returns which network's click identifier a parameter is, or "".
func clickNetwork(key string) string {
	switch key {
	case "gclid", "gbraid", "wbraid":
		return "google"
	case "msclkid":
		return "microsoft"
	case "fbclid":
		return "facebook"
	}
	return ""
}

// isClickID tells whether s has the form of a click identifier, so that nothing else travels as one.
func isClickID(s string) bool {
	return len(s) <= 256 && isPlain(s) && strings.Trim(s, "0123456789-.") != ""
}

// isPlain tells whether s needs no encoding in a query.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isWordByte(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// listed tells whether key matches one of the patterns. What a star matches must be a short plain
// word, so that no value travels as a key.
func listed(patterns []string, key string) bool {
	for _, p := range patterns {
		if p == key {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(key, prefix) && isPlain(key) {
			return len(key) <= maxKeptName && mask(key, inText) == key
		}
	}
	return false
}

func unescapeQuery(s string) string {
	if strings.IndexByte(s, '+') >= 0 {
		s = strings.ReplaceAll(s, "+", " ")
	}
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	return strings.ToValidUTF8(unescape(s), "\uFFFD")
}

// escapeKey gives a listed key its encoding back, if it needs one.
func escapeKey(key string) string {
	if isPlain(key) {
		return key
	}
	return escapeQuery(key)
}

// withoutParameters drops ";name=value" from every segment of a path: session identifiers travel
// there.
func withoutParameters(path string) string {
	if strings.IndexByte(path, ';') < 0 {
		return path
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

// minimiseAttributes drops attributes that are not listed, masks the others and moves those that
// name a person to the traits.
func (p Policy) minimiseAttributes(e *Event) {
	for name, a := range e.Attributes {
		if trait := personal(name); trait != "" && a.Type != TypeBool {
			if e.Traits == nil {
				e.Traits = make(map[string]Attr, 1)
			}
			if _, taken := e.Traits[trait]; !taken {
				e.Traits[trait] = a
			}
			delete(e.Attributes, name)
			continue
		}
		if mask(name, inText) != name || p.Attributes != nil && !slices.Contains(p.Attributes, name) {
			delete(e.Attributes, name)
			continue
		}
		if m := maskAttr(a); m != a {
			e.Attributes[name] = m
		}
	}
	if len(e.Attributes) == 0 {
		e.Attributes = nil
	}
	if len(e.Traits) == 0 {
		e.Traits = nil
	}
}

// maskAttr masks the value of an attribute. A masked number becomes a text.
func maskAttr(a Attr) Attr {
	switch a.Type {
	case TypeBool:
		return a
	case TypeNumber:
		if v, masked := maskNumberValue(a.Value); masked {
			return Attr{Type: TypeString, Value: v}
		}
		return a
	}
	a.Value = keep(maskText(a.Value), maxKeptText)
	return a
}

// personal returns the trait that an attribute of that name is, or "". Sites that record a form
// field as an attribute are common; which letters and separators they use varies.
func personal(name string) string {
	if len(name) > 24 {
		return ""
	}
	var folded [24]byte
	n := 0
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' || c == '-' || c == '.' || c == ' ':
			continue
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		folded[n] = c
		n++
	}
	switch string(folded[:n]) {
	case "email", "emailaddress", "mail", "useremail", "customeremail":
		return "email"
	case "phone", "phonenumber", "telephone", "tel", "userphone", "customerphone":
		return "phone"
	case "cellphone", "mobilephone", "mobilenumber":
		return "cellPhone"
	case "homephone":
		return "homePhone"
	case "workphone":
		return "workPhone"
	case "otherphone":
		return "otherPhone"
	case "givenname", "firstname":
		return "givenName"
	case "familyname", "lastname", "surname":
		return "familyName"
	case "displayname", "fullname", "username", "customername":
		return "displayName"
	case "dateofbirth", "birthdate", "birthday", "dob":
		return "dateOfBirth"
	case "streetaddress", "postaladdress", "street":
		return "streetAddress"
	}
	return ""
}

// minimiseDevice cuts versions to the major one and texts to a sensible length.
func (e *Event) minimiseDevice() {
	d, b := &e.Device, &e.Browser
	d.Category, d.Type = keep(d.Category, maxKeptName), keep(d.Type, maxKeptName)
	d.OSFamily, d.OSVersion = keep(d.OSFamily, maxKeptName), majorVersion(d.OSVersion)
	d.Manufacturer = keep(d.Manufacturer, maxKeptName)
	b.Family, b.Version = keep(b.Family, maxKeptName), majorVersion(b.Version)
	b.Lang = keep(b.Lang, maxKeptName)
}

// keep cuts s to at most n bytes, at the border of a character.
func keep(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
