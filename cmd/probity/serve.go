package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"probity/internal/api"
	"probity/internal/console"
	"probity/internal/fail"
	"probity/internal/privacy"
	"probity/sdk"
)

// serveCommand runs the server.
type serveCommand struct {
	settings `embed:""`
}

// Run serves until the context ends.
func (c *serveCommand) Run(ctx context.Context) error {
	return serve(ctx, &c.settings, nil)
}

// extra is what a command adds to a plain server.
type extra func(ctx context.Context, r *rooms, base string, mux *http.ServeMux) (run func(context.Context) error, err error)

// serve opens the engines, wires the rooms, answers requests and closes everything in order. It
// prints one line on standard output when it is ready; everything else goes to standard error.
func serve(ctx context.Context, s *settings, more extra) (err error) {
	tuneMemory()
	log := s.logger()
	proxies, err := s.proxies()
	if err != nil {
		return err
	}
	e, err := openKeys(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.openLog(ctx, s); err != nil {
		return err
	}
	r, err := furnish(ctx, e, s)
	if err != nil {
		return err
	}
	if err := r.openLogs(ctx, s); err != nil {
		return err
	}
	if err := r.follow(ctx, s); err != nil {
		return err
	}
	// A log that lost its end is given up before anything new gets into it.
	if err := r.worker.Check(ctx); err != nil {
		return err
	}
	if _, err := r.settle(ctx); err != nil {
		return err
	}
	if s.LogURL == "" {
		// The log inside is open in one process only, so what others had begun is nobody's now.
		if err := r.rights.Reclaim(ctx); err != nil {
			return err
		}
	}

	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "can't listen on %s", s.Listen)
	}
	base := "http://" + listener.Addr().String()
	handler := api.New(api.Deps{
		Org: r.org, Rights: r.rights, Consent: r.consent, Subjects: r.subjects, Journey: r.journey, Ledger: r.ledger,
		Witness: r.witness, Publisher: r.publisher,
		Collector: r.collector, Worker: r.worker, Predictors: r.predict, Bus: r.stream, Downstream: r.others, OpenDSR: r.opendsr, Withdrawn: r.withdrawn,
		Clock: r.clock, Logger: log, SDK: sdk.Files, Metrics: r.metrics(), Ready: r.ready,
		Options: api.Options{PublicURL: s.PublicURL, TrustedProxies: proxies, Started: r.clock.Now()},
	})
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("/privacy/", privacy.New(privacy.Deps{
		Tenant: r.tenant, Name: r.organisationName, Subjects: r.subjects, Consent: r.consent, Rights: r.rights, Logger: log,
	}))
	mux.Handle("/privacy/l/", privacy.Letters(r.consent, r.controllerName, log))
	mux.Handle("/console/", console.New(console.Deps{
		Staff: r.org, Sessions: r.org.Sessions(), Journey: r.journey.For(r.consent), Predict: r.predict, Consent: r.consent, Notices: r.consent,
		Subjects: r.subjects, Rights: r.rights, Bus: r.stream, Clock: r.clock, Logger: log,
		Answers: r.consent, Proofs: r.consent, Sites: r.org, Ways: r.consent, Log: r.publisher, Entries: r.ledger, Excerpts: r.consent, Grounds: r.journey,
		Withdrawn: r.withdrawn, PublicURL: s.PublicURL, Plain: !strings.HasPrefix(s.PublicURL, "https://"),
	}))
	var also func(context.Context) error
	if more != nil {
		if also, err = more(ctx, r, base, mux); err != nil {
			return errors.Join(err, listener.Close())
		}
	}

	// Requests end before the rooms that serve them.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	group, failed := errgroup.WithContext(ctx)
	running := r.start(work)
	server := &http.Server{
		Handler: api.CollapseSlashes(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return work },
	}
	server.RegisterOnShutdown(handler.Close)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-failed.Done()
		drain, cancel := context.WithTimeout(work, 20*time.Second)
		defer cancel()
		return server.Shutdown(drain)
	})
	if s.DebugListen != "" {
		group.Go(func() error { return serveDebug(failed, s.DebugListen) })
	}
	if also != nil {
		group.Go(func() error { return also(failed) })
	}
	fmt.Fprintf(os.Stdout, "ready %s\n", base)
	debug.FreeOSMemory() // what starting took is needed no more
	err = group.Wait()
	stopWork()
	running.Wait()
	return err
}

// start runs what works in the background. All of it ends with ctx; wait for it before the engines
// are closed.
func (r *rooms) start(ctx context.Context) *sync.WaitGroup {
	var running sync.WaitGroup
	for name, run := range map[string]func(context.Context) error{
		"worker": r.worker.Run, "rights": r.rights.Run, "housekeeping": r.keepHouse,
		"withdrawn":  func(ctx context.Context) error { return r.withdrawn.Run(ctx, r.tenants) },
		"downstream": func(ctx context.Context) error { return r.others.Run(ctx, r.tenants) },
		"mail":       func(ctx context.Context) error { return r.mail.Run(ctx, r.tenants) },
		"publishing": r.keepPublic,
		"proofs":     r.keepProofs,
		"visits":     r.keepVisits,
		"opendsr":    r.opendsr.Run,
	} {
		running.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				r.log.Error("a part stopped working; restart the server", "part", name, "error", err)
			}
		})
	}
	return &running
}

// ready tells whether all engines answer.
func (r *rooms) ready(ctx context.Context) error {
	if err := r.db.Ready(ctx); err != nil {
		return err
	}
	if err := r.keysDB.Ready(ctx); err != nil {
		return err
	}
	_, err := r.stream.Status(ctx)
	return err
}

// tuneMemory bounds the heap's growth: most of what a burst allocates is garbage a moment later.
func tuneMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(512 << 20)
	}
}
