package api

import (
	"context"
	"net/http"
	"strings"

	"probity/internal/fail"
	"probity/internal/org"
)

// route is one line of the table of everything that can be called. A route names the permissions
// it needs, or says why it needs none: forgetting it is impossible, see guard.
type route struct {
	method string
	path   string
	guard  guard
	limit  int64 // bytes of the request body; 0: limitSmall
	handle func(*call) error
}

// guard says who may call a route.
type guard struct {
	anyOf  []string // the caller's token needs one of these
	token  bool     // any valid token will do
	public string   // why anybody may call
}

// can asks for one of the permissions.
func can(anyOf ...string) guard { return guard{anyOf: anyOf} }

// anyToken asks for a valid token and nothing more.
func anyToken() guard { return guard{token: true} }

// public lets everybody call, for the reason given.
func public(why string) guard { return guard{public: why} }

const (
	limitSmall = 64 << 10 // one event, one choice, one object
	limitBatch = 1 << 20  // a batch of events
)

// call is one request on its way through a handler.
type call struct {
	*http.Request
	w   http.ResponseWriter
	api *API
	who *org.Principal // nil on public routes
}

// serve checks who calls, bounds the body and turns a handler's error into an answer.
func (a *API) serve(rt route) http.Handler {
	if rt.limit == 0 {
		rt.limit = limitSmall
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, w: w, api: a}
		setRoute(r.Context(), rt)
		if rt.guard.public == "" && strings.HasPrefix(rt.path, "/api/v2/") {
			// A token is no ambient credential: whoever has it may use it from any page.
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Expose-Headers", correlationHeader+", Retry-After")
		}
		err := c.authorise(rt.guard)
		if err == nil {
			if r.ContentLength > rt.limit {
				err = tooLarge(rt.limit)
			} else {
				r.Body = http.MaxBytesReader(w, r.Body, rt.limit)
				err = rt.handle(c)
			}
		}
		if err != nil {
			c.fail(err)
		}
	})
}

// authorise finds out who calls and whether they may.
func (c *call) authorise(g guard) error {
	if g.public != "" {
		return nil
	}
	token, ok := bearer(c.Request)
	if !ok {
		return fail.New(fail.Unauthenticated, "No authentication bearer token specified in authorization header.").WithCode("authentication.required")
	}
	who, err := c.api.Org.Authenticate(c.Context(), token)
	if err != nil {
		return err
	}
	c.who = who
	if g.token || who.Can(g.anyOf...) {
		return nil
	}
	return &missingPermissions{anyOf: g.anyOf}
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != ""
}

// missingPermissions is the failure of a caller who is known but may not.
type missingPermissions struct{ anyOf []string }

func (m *missingPermissions) Error() string {
	if len(m.anyOf) == 1 {
		return "You are missing the following permission(s): " + m.anyOf[0]
	}
	return "You are missing at least one of the following permission(s): " + strings.Join(m.anyOf, ", ")
}

func (m *missingPermissions) code() string {
	if len(m.anyOf) == 1 {
		return "missing.permissions"
	}
	return "missing.any.permissions"
}

// unknown answers requests that fit no line of the table: 405 if another method would fit, else 404.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w, api: a}
	if allowed := a.allowed(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.fail(errMethod)
		return
	}
	c.fail(fail.New(fail.NotFound, "There is nothing at this address."))
}

// allowed lists the methods that some route takes at the request's path.
func (a *API) allowed(r *http.Request) []string {
	var list []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if rt, ok := a.match(r, m); ok && rt != "/" {
			list = append(list, m)
			if m == http.MethodGet {
				list = append(list, http.MethodHead)
			}
		}
	}
	return list
}

func (a *API) match(r *http.Request, method string) (pattern string, ok bool) {
	probe := r.Clone(context.Background())
	probe.Method = method
	_, pattern = a.mux.Handler(probe)
	return pattern, pattern != "" && pattern != "/"
}

// Route is one line of the table of everything that can be called: for documentation, and for the
// test that calls them all.
type Route struct {
	Method, Path string
	AnyOf        []string // the caller's token needs one of these permissions
	AnyToken     bool     // any valid token will do
	Public       string   // why anybody may call; empty: they may not
}

// Routes lists everything that can be called.
func (a *API) Routes() []Route {
	list := make([]Route, len(a.routes))
	for i, rt := range a.routes {
		list[i] = Route{rt.method, rt.path, rt.guard.anyOf, rt.guard.token, rt.guard.public}
	}
	return list
}
