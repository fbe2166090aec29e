package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

const correlationHeader = "ININ-Correlation-Id"

// trail is what the layers of one request know of it.
type trail struct {
	contextID string
	route     route
}

type trailKey struct{}

func contextIDOf(ctx context.Context) string {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		return t.contextID
	}
	return ""
}

func setRoute(ctx context.Context, rt route) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.route = rt
	}
}

// CollapseSlashes makes //oauth/token /oauth/token. An http.ServeMux answers such a path with a
// redirect, on which a client drops the body of its POST: put this around every mux that stands before
// the API, which has it around its own.
func CollapseSlashes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "//") {
			u := *r.URL
			u.Path = "/" + strings.TrimLeft(u.Path, "/")
			if u.RawPath != "" {
				u.RawPath = "/" + strings.TrimLeft(u.RawPath, "/")
			}
			r2 := *r
			r2.URL = &u
			r = &r2
		}
		next.ServeHTTP(w, r)
	})
}

// correlate gives every request an id that stands in the answer's header, in error bodies and in
// the log.
func (a *API) correlate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &trail{contextID: uuid.NewString()}
		w.Header().Set(correlationHeader, t.contextID)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), trailKey{}, t)))
	})
}

// log writes one line for each request: the route's pattern, never the path, because paths hold
// visitors' ids; no query, no address, no agent. What visitors' browsers send by the thousand is a
// line for debugging only, unless it failed.
func (a *API) log(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		t, _ := r.Context().Value(trailKey{}).(*trail)
		if t == nil {
			return
		}
		pattern := t.route.path
		if pattern == "" {
			pattern = "none"
		}
		level := slog.LevelInfo
		if t.route.guard.public != "" && rec.status() < 400 {
			level = slog.LevelDebug
		}
		a.Logger.LogAttrs(r.Context(), level, "request",
			slog.String("method", method(r.Method)), slog.String("route", pattern), slog.Int("status", rec.status()),
			slog.Int64("bytes", rec.bytes), slog.Int64("ms", time.Since(begin).Milliseconds()), slog.String("contextId", t.contextID))
	})
}

// method keeps the log free of what a caller may have invented.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	code  int
	bytes int64
}

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write counts the bytes.
func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// recover turns a panic into a 500, unless the answer has begun.
func (a *API) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			a.Logger.ErrorContext(r.Context(), "a handler panicked", "contextId", contextIDOf(r.Context()), "stack", string(debug.Stack()))
			if rec, ok := w.(*recorder); ok && rec.code != 0 {
				panic(http.ErrAbortHandler)
			}
			(&call{Request: r, w: w, api: a}).fail(fail.New(fail.Internal, "panic"))
		}()
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that hold for every answer. The API shows no page: nothing may be framed,
// run or loaded from it.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "browsing-topics=()")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		// The mux redirects a path with dots or doubled slashes inside; we have no such path.
		if p := r.URL.Path; p == "" || p[0] != '/' || (path.Clean(p) != p && path.Clean(p)+"/" != p) {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = "/-", ""
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers the question a browser asks before a cross-origin call. The question names no
// deployment, or one that is checked on the call itself, so every origin is told that it may try.
// The call then gets its answer, and has any effect, only if the deployment allows the origin.
func (a *API) preflight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		c := &call{Request: r, w: w, api: a}
		allowed := a.allowed(r)
		if len(allowed) == 0 {
			c.fail(fail.New(fail.NotFound, "There is nothing at this address."))
			return
		}
		h := w.Header()
		methods := strings.Join(allowed, ", ")
		h.Set("Allow", methods)
		if r.Header.Get("Origin") != "" {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			h.Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// peer returns the address of who calls: the peer of the connection, or what a trusted proxy says.
// Of several addresses in X-Forwarded-For the last one that is no trusted proxy counts, because
// everything before it is the caller's own claim.
func (c *call) peer() netip.Addr {
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		host = c.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap()
	if !c.api.trusts(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(c.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return addr
		}
		if addr = hop.Unmap(); !c.api.trusts(addr) {
			return addr
		}
	}
	return addr
}

func (a *API) trusts(addr netip.Addr) bool {
	for _, p := range a.Options.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// base returns the URL under which the caller reached this server, without a slash at the end.
func (c *call) base() string {
	if c.api.Options.PublicURL != "" {
		return c.api.Options.PublicURL
	}
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	if host, _, err := net.SplitHostPort(c.RemoteAddr); err == nil {
		if addr, err := netip.ParseAddr(host); err == nil && c.api.trusts(addr.Unmap()) && c.Header.Get("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
	}
	return scheme + "://" + c.Host
}
