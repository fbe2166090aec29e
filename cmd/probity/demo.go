package main

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"probity/internal/demo"
)

// demoCommand is serve with a shop to look at and visitors to watch.
type demoCommand struct {
	settings `embed:""`
	Visitors int    `default:"12" help:"Simulated visitors at a time."`
	Seed     uint64 `default:"1" help:"Seed of the simulation."`
}

// Run serves the demo until the context ends.
func (c *demoCommand) Run(ctx context.Context) error {
	return serve(ctx, &c.settings, func(ctx context.Context, r *rooms, base string, mux *http.ServeMux) (func(context.Context) error, error) {
		mux.Handle("/demo/", demo.Shop(uuid.New(), base))
		return nil, nil
	})
}
