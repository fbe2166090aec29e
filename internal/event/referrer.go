package event

import "strings"

// The media a referrer can have.
const (
	MediumInternal = "internal" // another page of the same site
	MediumSearch   = "search"
	MediumSocial   = "social"
	MediumEmail    = "email"
	MediumPaid     = "paid" // the address carries an advertisement's mark
	MediumUnknown  = "unknown"
)

// minimiseReferrer reduces the address a visitor came from and tells what kind of place it is, or
// that it is no address. The rules,
// first match wins: the same registrable domain is internal; a click identifier of a search network
// or a paid utm_medium is paid; utm_medium=email or a web mail host is email; then the lists of
// search engines and social networks; else unknown.
//
// Of a foreign site's query nothing is kept but what was searched for.
func (p Policy) minimiseReferrer(e *Event, before *previous) bool {
	r := e.Referrer
	raw := r.URL
	if b := before.event; b != nil && before.referrer == raw && b.Referrer != nil &&
		b.Page.Host == e.Page.Host && b.Page.Domain == e.Page.Domain && sameMarks(b.Campaign, e.Campaign) {
		*r = *b.Referrer
		return true
	}
	a, ok := parseAddress(raw)
	if !ok {
		return false
	}
	*r = Referrer{Medium: MediumUnknown}
	a.fragment = ""
	a.path = keep(maskPath(withoutParameters(a.path)), maxKeptPath)
	if a.host == e.Page.Host {
		r.Domain = e.Page.Domain
	} else {
		r.Domain = registrable(a.host)
	}
	internal := r.Domain == e.Page.Domain
	if !internal {
		r.Medium, r.Name = knownSite(a.host, r.Domain)
		if paid(e.Campaign) {
			r.Medium = MediumPaid
		} else if e.Campaign != nil && strings.EqualFold(e.Campaign.Medium, "email") {
			r.Medium = MediumEmail
		}
	} else {
		r.Medium = MediumInternal
	}
	switch {
	case a.query == "":
	case internal:
		a.query = p.query(a.query).query
	case r.Name != "":
		k := searchTerms.query(a.query)
		a.query, r.Keywords = k.query, k.search
	default:
		a.query = ""
	}
	r.URL = a.render(raw)
	r.Host, r.Path, r.Query, _ = splitAddress(r.URL)
	return true
}

// sameMarks tells whether two campaigns make the same medium of a referrer.
func sameMarks(a, b *Campaign) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Medium == b.Medium && a.Network == b.Network
}

// searchTerms keeps what search engines call the terms, and nothing else.
var searchTerms = Policy{SearchKeys: []string{"q", "query", "p", "wd", "text"}}

// paid tells whether a campaign's marks are those of an advertisement.
func paid(c *Campaign) bool {
	if c == nil {
		return false
	}
	if c.Network == "google" || c.Network == "microsoft" {
		return true
	}
	switch m := strings.ToLower(c.Medium); m {
	case "cpc", "ppc", "cpm", "cpa", "cpv", "display", "banner", "retargeting":
		return true
	default:
		return strings.HasPrefix(m, "paid")
	}
}

// knownSite tells medium and name of a host. Web mail comes first: it lives on the domains of
// search engines.
func knownSite(host, domain string) (medium, name string) {
	switch host {
	case "mail.google.com":
		return MediumEmail, "Gmail"
	case "mail.yahoo.com":
		return MediumEmail, "Yahoo Mail"
	}
	switch domain {
	case "live.com", "office.com", "office365.com":
		if strings.HasPrefix(host, "outlook.") {
			return MediumEmail, "Outlook"
		}
	case "gmx.net", "gmx.de", "web.de", "proton.me", "mail.ru", "fastmail.com", "t-online.de":
		return MediumEmail, ""
	case "t.co", "x.com", "twitter.com":
		return MediumSocial, "X"
	case "youtu.be":
		return MediumSocial, "YouTube"
	case "fb.com", "fb.me":
		return MediumSocial, "Facebook"
	case "lnkd.in":
		return MediumSocial, "LinkedIn"
	case "redd.it":
		return MediumSocial, "Reddit"
	case "bsky.app":
		return MediumSocial, "Bluesky"
	case "mastodon.social":
		return MediumSocial, "Mastodon"
	case "ycombinator.com":
		return MediumSocial, "Hacker News"
	case "startpage.com":
		return MediumSearch, "Startpage"
	}
	// Engines and networks have one label under many suffixes: google.com, google.co.uk, google.de.
	label, _, _ := strings.Cut(domain, ".")
	switch label {
	case "google":
		return MediumSearch, "Google"
	case "bing":
		return MediumSearch, "Bing"
	case "duckduckgo":
		return MediumSearch, "DuckDuckGo"
	case "yahoo":
		return MediumSearch, "Yahoo"
	case "ecosia":
		return MediumSearch, "Ecosia"
	case "yandex":
		return MediumSearch, "Yandex"
	case "baidu":
		return MediumSearch, "Baidu"
	case "qwant":
		return MediumSearch, "Qwant"
	case "naver":
		return MediumSearch, "Naver"
	case "seznam":
		return MediumSearch, "Seznam"
	case "brave":
		return MediumSearch, "Brave"
	case "kagi":
		return MediumSearch, "Kagi"
	case "facebook":
		return MediumSocial, "Facebook"
	case "instagram":
		return MediumSocial, "Instagram"
	case "linkedin":
		return MediumSocial, "LinkedIn"
	case "pinterest":
		return MediumSocial, "Pinterest"
	case "reddit":
		return MediumSocial, "Reddit"
	case "tiktok":
		return MediumSocial, "TikTok"
	case "youtube":
		return MediumSocial, "YouTube"
	case "vk":
		return MediumSocial, "VK"
	case "xing":
		return MediumSocial, "Xing"
	case "threads":
		return MediumSocial, "Threads"
	}
	return MediumUnknown, ""
}
