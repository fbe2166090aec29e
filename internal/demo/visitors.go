package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options say where the simulated visitors go and how many there are.
type Options struct {
	BaseURL    string    // of the running Probity, without a slash at the end
	Deployment uuid.UUID // whose snippet the shop carries
	Client     string    // OAuth client "id:secret", for Setup
	N          int       // visitors at a time
	Seed       uint64    // the same seed gives the same visitors
	Logger     *slog.Logger
	// Pause waits between two steps of a visitor; nil waits for real. It returns ctx's error when ctx
	// ends first.
	Pause func(ctx context.Context, d time.Duration) error
	// Visits ends the simulation after so many visits; 0: it goes on until ctx ends.
	Visits int
}

func (o *Options) client() *client {
	return &client{base: strings.TrimRight(o.BaseURL, "/"), deployment: o.Deployment, http: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: max(4, 2*o.N)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Visitors keeps N simulated visitors on the shop until ctx ends; whoever leaves is followed by
// somebody new. They differ: some refuse, some agree to a part, some withdraw, some have everything
// erased. It returns nil; what a visitor could not do is logged and ends that visit.
func Visitors(ctx context.Context, o Options) error {
	if o.Pause == nil {
		o.Pause = pauseFor
	}
	c := o.client()
	var (
		mu    sync.Mutex // guards drawn and rnd
		drawn int
		rnd   = rand.New(rand.NewPCG(o.Seed, 0x50726f62697479))
		wg    sync.WaitGroup
	)
	next := func() (script, bool) {
		mu.Lock()
		defer mu.Unlock()
		if o.Visits > 0 && drawn == o.Visits {
			return script{}, false
		}
		drawn++
		return newScript(rnd), true
	}
	for i := range o.N {
		wg.Go(func() {
			// They don't all come in at the same moment.
			for o.Pause(ctx, time.Duration(i)*400*time.Millisecond) == nil {
				s, ok := next()
				if !ok {
					return
				}
				g := &guest{client: c, script: s, visit: uuid.NewString()}
				if err := g.live(ctx, o.Pause); err != nil && ctx.Err() == nil {
					o.Logger.Warn("a simulated visitor gave up", "error", err)
				}
				i = 2 // later ones follow soon
			}
		})
	}
	wg.Wait()
	return nil
}

// live plays the visitor's script.
func (g *guest) live(ctx context.Context, pause func(context.Context, time.Duration) error) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	if err := pause(ctx, 1200*time.Millisecond); err != nil {
		return err
	}
	if err := g.choose(ctx); err != nil {
		return err
	}
	if g.cookie == "" {
		// Who refuses goes on shopping, and nothing is sent.
		for _, s := range g.script.steps {
			if err := pause(ctx, s.pause); err != nil {
				return err
			}
		}
		return nil
	}
	if g.script.listens {
		go g.listen(ctx)
	}
	for i, s := range g.script.steps {
		if err := g.send(ctx, s); err != nil {
			return err
		}
		if i == g.script.withdraw {
			return g.withdraw(ctx)
		}
		if err := pause(ctx, s.pause); err != nil {
			return err
		}
	}
	if g.script.erase {
		return g.erase(ctx)
	}
	return nil
}

// listen keeps the live stream open and answers offers as a person would, until ctx ends.
func (g *guest) listen(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/probity/v1/deployments/"+g.deployment.String()+"/live",
		strings.NewReader(`{"visitor":"`+g.cookie+`"}`))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Origin", g.base)
	res, err := g.http.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	offered := false
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			offered = line == "event: offer"
		case offered && strings.HasPrefix(line, "data: "):
			offered = false
			var offer struct {
				ID      string `json:"id"`
				Session string `json:"sessionId"`
			}
			if json.Unmarshal([]byte(line[len("data: "):]), &offer) == nil {
				g.answer(ctx, offer.ID, offer.Session)
			}
		}
	}
}

// answer reports that an offer was shown and what the visitor made of it. A report that gets lost
// leaves an offer that was never answered, which happens in life too.
func (g *guest) answer(ctx context.Context, action, session string) {
	states := []string{"offered", "rejected"}
	if g.script.welcomes {
		states[1] = "accepted"
	}
	for _, state := range states {
		err := g.call(ctx, http.MethodPost, "/api/v2/journey/deployments/"+g.deployment.String()+"/actionevent", "", g.script.userAgent,
			map[string]any{"sessionId": session, "actionId": action, "actionState": state}, nil)
		if err != nil || pauseFor(ctx, 2*time.Second) != nil {
			return
		}
	}
}
