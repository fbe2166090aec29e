package api

import (
	"context"
	"io"
	"net/http"

	"probity/internal/fail"
	"probity/internal/id"
)

// limitImport bounds one request with history. More comes in several.
const limitImport = 16 << 20

// Importer takes history in.
type Importer interface {
	// Import reads a batch of past events and returns how many it kept and what it refused, ready to
	// be written as JSON.
	Import(ctx context.Context, t id.Tenant, body io.Reader) (result any, err error)
}

// importEvents brings history in. It takes JSON or NDJSON.
func (c *call) importEvents() error {
	if c.api.Importer == nil {
		return fail.New(fail.NotFound, "History can't be imported here.")
	}
	result, err := c.api.Importer.Import(c.Context(), c.who.Tenant, c.Body)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, result)
}
