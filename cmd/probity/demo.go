package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"probity/internal/demo"
)

// demoCommand is serve with a shop to look at and visitors to watch.
type demoCommand struct {
	settings `embed:""`
	Visitors int    `default:"12" help:"Simulated visitors at a time; 0: none."`
	Seed     uint64 `default:"1" help:"Seed of the simulation: the same seed gives the same visitors."`
}

// Run serves the demo until the context ends.
func (c *demoCommand) Run(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	deployment, err := uuid.Parse(c.BootstrapDeployment)
	if err != nil {
		return fmt.Errorf("bootstrap-deployment: %w", err)
	}
	return serve(ctx, &c.settings, func(ctx context.Context, r *rooms, base string, mux *http.ServeMux) (func(context.Context) error, error) {
		mux.Handle("/demo/", demo.Shop(deployment, ""))
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/demo/", http.StatusFound) })
		link, err := r.signInLink(ctx, base)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, `
Probity is running. Open in your browser:

  the shop             %[1]s/demo/
  the console          %[1]s/console/
  the privacy centre   %[1]s/privacy/

Sign in to the console with this link; it works once:

  %[2]s

Simulated visitors: %[3]d at a time. Stop with Ctrl-C; the data stays in %[4]s.

`, base, link, c.Visitors, c.Data)
		o := demo.Options{BaseURL: base, Deployment: deployment, Client: c.BootstrapClient, N: c.Visitors, Seed: c.Seed, Logger: r.log}
		return func(ctx context.Context) error {
			if err := demo.Setup(ctx, o); err != nil && ctx.Err() == nil {
				return fmt.Errorf("set the demo up: %w", err)
			}
			return demo.Visitors(ctx, o)
		}, nil
	})
}

// prepare fills in what a newcomer need not know: a data directory, a client and a deployment of its
// own, which stay the same from one start to the next.
func (c *demoCommand) prepare() error {
	if c.Data == "./data" {
		c.Data = "./data/demo"
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	file := filepath.Join(c.Data, "demo.client")
	kept, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		kept = []byte(uuid.NewString() + ":" + rand.Text() + "\n" + uuid.NewString() + "\n")
		err = os.WriteFile(file, kept, 0o600)
	}
	if err != nil {
		return err
	}
	client, deployment, ok := strings.Cut(strings.TrimSpace(string(kept)), "\n")
	if !ok {
		return fmt.Errorf("%s is damaged; remove it together with the demo's data", file)
	}
	if c.BootstrapClient == "" {
		c.BootstrapClient = client
	}
	if c.BootstrapDeployment == "" {
		c.BootstrapDeployment = deployment
	}
	return nil
}
