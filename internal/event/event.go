// Package event is the ground floor of what Probity knows about a visit: one thing that a visitor
// did, in the single canonical form that every other room works with.
//
// It reads the two wire shapes (the Genesys web event and our own batch), reduces them to what is
// needed (Art. 5(1)(c) GDPR: data minimisation) and gives them a compact binary form. Everything
// here is a pure function: no clock, no network, no store.
package event

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Event is one thing a visitor did. It is made by collect, sealed under the key of its data
// subject, and never changed afterwards. After Minimise it holds no raw address, no full user
// agent and no query parameter outside of the allow-list.
type Event struct {
	ID       uuid.UUID // the same for the same event however often it is sent
	Name     string    // normalised, such as "page_viewed"
	At       time.Time // when it happened; for imported history this is the clock
	Received time.Time // when it reached us, stamped before the consent gate was asked
	Seq      uint32    // counts from 1 within Visit; 0 if the sender keeps no count
	Visit    uuid.UUID // the visit as the browser's page memory knows it; zero if sent by a server
	Origin   Origin

	Deployment uuid.UUID
	Page       Page
	Referrer   *Referrer // nil: none, or the visitor stayed on the same page
	Campaign   *Campaign // nil: no campaign parameter in the address
	Device     Device
	Browser    Browser
	IP         string // the network only: /24 for IPv4, /48 for IPv6; empty if unknown
	Search     string // what the visitor searched for on the site, masked

	Attributes map[string]Attr // what happened, in the words of the site; nil if none
	Traits     map[string]Attr // who it happened to, such as email; kept under purpose "identity" only
	ExternalID string          // the site's own reference of the person; as Traits

	Purpose string // the purpose it was accepted for: "measure" or "actions"
	Ground  Ground // what allowed it
}

// Origin tells who sent an event.
type Origin uint8

// The senders of events.
const (
	FromBrowser Origin = iota // our tracker in the visitor's browser
	FromServer                // a client of the Genesys wire
	FromImport                // history, brought in by the controller
)

// String returns "browser", "server" or "import".
func (o Origin) String() string {
	switch o {
	case FromServer:
		return "server"
	case FromImport:
		return "import"
	default:
		return "browser"
	}
}

// Page is where an event happened. URL is the minimised address; the other parts are read from it.
type Page struct {
	URL      string
	Title    string
	Host     string // lower case, without port
	Domain   string // the registrable domain of Host, such as "example.co.uk"
	Path     string
	Query    string // the allowed parameters only, without "?"
	Fragment string // empty unless the policy keeps it
	Keywords string // of the page's meta element
	Lang     string // of the page
}

// Breadcrumb returns the parts of the path, outermost first.
func (p *Page) Breadcrumb() []string {
	crumbs := []string{}
	for part := range strings.SplitSeq(p.Path, "/") {
		if part != "" {
			crumbs = append(crumbs, part)
		}
	}
	return crumbs
}

// Referrer is where a visitor came from.
type Referrer struct {
	URL      string
	Host     string
	Domain   string
	Path     string
	Query    string
	Keywords string // what was searched for, if the medium is search and the engine tells
	Medium   string // internal, search, social, email, paid or unknown
	Name     string // of the engine or network, such as "Google"; empty if unknown
}

// Campaign is what the address said about the advertisement that led here.
type Campaign struct {
	Source, Medium, Name, Term, Content string // utm_source, utm_medium, …
	ClickID                             string // gclid, msclkid or fbclid
	Network                             string // which network issued ClickID, such as "google"
}

// Device is the class of the visitor's machine, coarse enough not to single one out.
type Device struct {
	Category     string // desktop, mobile, tablet or other
	Type         string
	OSFamily     string
	OSVersion    string // major version only
	Manufacturer string
	Mobile       bool
	ScreenWidth  int // CSS pixels; 0 if unknown
	ScreenHeight int
	Density      int // device pixels per CSS pixel, rounded; 0 if unknown
}

// Browser is the family of the visitor's browser.
type Browser struct {
	Family  string
	Version string // major version only
	Lang    string
}

// Attr is one attribute or trait. Value is its text whatever the type.
type Attr struct {
	Type  string // "string", "number" or "boolean"
	Value string
}

// The types of an attribute.
const (
	TypeString = "string"
	TypeNumber = "number"
	TypeBool   = "boolean"
)

// Ground names what allowed an event to be stored (Art. 6(1) GDPR).
type Ground struct {
	Basis    string // consent, contract, legitimate_interest, …
	Ledger   int64  // index of the consent record in the tenant's ledger; -1 if Declared
	Declared string // id of the deployment's declared basis; empty if Ledger counts
}

// PageViewed is the name of the event that a page was seen. It falls under the purpose "measure",
// every other name under "actions".
const PageViewed = "page_viewed"

// IsPageView tells whether an event of that name is a page view.
func IsPageView(name string) bool { return name == PageViewed }

// UserAgent returns the reduced user agent in words, such as "Chrome/142 (Windows; desktop)". The
// full header is never kept.
func (e *Event) UserAgent() string {
	if e.Browser.Family == "" && e.Device.Category == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(e.Browser.Family)
	if e.Browser.Version != "" {
		b.WriteString("/" + e.Browser.Version)
	}
	b.WriteString(" (" + e.Device.OSFamily + "; " + e.Device.Category + ")")
	return b.String()
}
