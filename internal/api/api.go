// Package api is the HTTP face of Probity: the OAuth token endpoint, the Genesys Cloud shapes under
// /api/v2 and Probity's own under /probity/v1.
//
// Handlers only translate: they decode, call one room and encode. What every request goes through
// stands in one list in New; who may call what stands in the route table.
package api

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/downstream"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/opendsr"
	"probity/internal/org"
	"probity/internal/rights"
	"probity/internal/subject"
	"probity/internal/withdrawn"
	"probity/internal/witness"
)

// Deps are the rooms behind the API.
type Deps struct {
	Org      *org.Room
	Rights   *rights.Room
	Consent  *consent.Room
	Subjects *subject.Room
	Journey  *journey.Store
	Ledger   *ledger.Ledger

	Witness   *witness.Witness   // nil: this installation cosigns no foreign logs
	Publisher *witness.Publisher // nil: nobody keeps account of where checkpoints went

	Collector  Collector
	Worker     Worker
	Predictors Predictors
	Bus        Bus
	Downstream *downstream.Room // nil: no other system is told of withdrawals
	OpenDSR    *opendsr.Room    // nil: OpenDSR is not spoken
	Withdrawn  *withdrawn.Room  // nil: withdrawn data is always kept

	Clock   clock.Clock
	Logger  *slog.Logger        // nil: nothing is logged
	SDK     fs.FS               // the browser files: gate.js, banner.js, banner.css, tracker.js
	Metrics prometheus.Gatherer // nil: the default one is not used, /metrics is empty
	Ready   func(context.Context) error
	Options Options
}

// Options are what the operator decides.
type Options struct {
	// PublicURL is how the outside reaches this server, such as "https://privacy.shop.example",
	// without a slash at the end. Empty: the Host header of each request is believed, which is right
	// for a laptop only.
	PublicURL string
	// TrustedProxies may say with X-Forwarded-For and X-Forwarded-Proto who really calls. Nobody
	// else is believed. Empty: the peer of the connection is the caller.
	TrustedProxies []netip.Prefix
	// SecurityContact is the mailto: or https: URI of /.well-known/security.txt. Empty: there is no such file.
	SecurityContact string
	// PrivacyURL is the path or URL of the privacy centre that browsers are pointed to; empty: "/privacy/".
	PrivacyURL string
	// Started is when this process came up, for security.txt and caches.
	Started time.Time
}

// API serves HTTP. Build it with New.
type API struct {
	Deps
	mux      *http.ServeMux
	handler  http.Handler // the mux behind its middleware
	routes   []route
	live     *hub
	throttle *throttle
	reader   *journey.Reader // of what visitors did, as far as they allow it
}

// New returns the handler of everything under /oauth, /api/v2, /probity/v1, /journey/sdk, /healthz,
// /readyz, /metrics and /.well-known. Other paths get a 404 in JSON. It holds no goroutine of its
// own; live streams end when the server's base context ends.
func New(d Deps) *API {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Clock == nil {
		d.Clock = clock.System()
	}
	if d.Options.PrivacyURL == "" {
		d.Options.PrivacyURL = "/privacy/"
	}
	d.Options.PublicURL = strings.TrimRight(d.Options.PublicURL, "/")
	a := &API{Deps: d, mux: http.NewServeMux(), live: newHub(), throttle: newThrottle()}
	if d.Journey != nil {
		a.reader = d.Journey.For(d.Consent)
	}
	a.routes = append(append(a.table(), a.proofTable()...), a.logTable()...)
	a.routes = append(a.routes, requestTable()...)
	a.routes = append(append(append(a.routes, rectifyTable()...), recipientTable()...), opendsrTable()...)
	a.routes = append(a.routes, withdrawnTable()...)
	for _, rt := range a.routes {
		a.mux.Handle(rt.method+" "+rt.path, a.serve(rt))
	}
	a.mux.HandleFunc("/", a.unknown)
	// What every request goes through, outermost first.
	a.handler = chain(
		CollapseSlashes, // before routing: some clients ask for //oauth/token
		a.correlate,     // an id on every answer, also on those below
		a.log,           // one line a request, without personal data
		a.recover,       // a panic becomes a 500 in JSON
		secure,          // headers that hold for every answer
		a.preflight,     // CORS questions of browsers
	)(a.mux)
	return a
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

type middleware func(http.Handler) http.Handler

func chain(list ...middleware) middleware {
	return func(h http.Handler) http.Handler {
		for i := len(list) - 1; i >= 0; i-- {
			h = list[i](h)
		}
		return h
	}
}
