package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"probity/internal/fail"
	"probity/internal/org"
)

// gpc says that this site obeys Global Privacy Control.
func (c *call) gpc() error {
	return c.cachedJSON(map[string]any{"gpc": true, "lastUpdate": c.api.Options.Started.UTC().Format(time.DateOnly)}, 86400)
}

// securityText tells where to report a vulnerability (RFC 9116).
func (c *call) securityText() error {
	o := c.api.Options
	if o.SecurityContact == "" {
		return fail.New(fail.NotFound, "There is nothing at this address.")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Contact: %s\nExpires: %s\nPreferred-Languages: en, de\n", o.SecurityContact, o.Started.UTC().AddDate(0, 6, 0).Format(time.RFC3339))
	if o.PublicURL != "" {
		fmt.Fprintf(&b, "Canonical: %s/.well-known/security.txt\n", o.PublicURL)
	}
	return c.cached("text/plain; charset=utf-8", []byte(b.String()), 86400)
}

func (c *call) health() error {
	return c.reply(http.StatusOK, map[string]string{"status": "ok"})
}

func (c *call) ready() error {
	if c.api.Ready != nil {
		if err := c.api.Ready(c.Context()); err != nil {
			return fail.Wrap(fail.Unavailable, err, "Not ready: an engine does not answer.")
		}
	}
	return c.reply(http.StatusOK, map[string]string{"status": "ready"})
}

// metrics answers callers on this machine, and others with a token that has the permission. A call
// that was forwarded by a proxy on this machine is not one from this machine.
func (c *call) metrics() error {
	forwarded := c.Header.Get("X-Forwarded-For") != "" || c.Header.Get("Forwarded") != ""
	if peer := c.peer(); forwarded || !peer.IsLoopback() {
		if err := c.authorise(can(org.PermissionMetrics)); err != nil {
			return err
		}
	}
	if c.api.Metrics == nil {
		return fail.New(fail.NotFound, "There are no metrics.")
	}
	promhttp.HandlerFor(c.api.Metrics, promhttp.HandlerOpts{}).ServeHTTP(c.w, c.Request)
	return nil
}
