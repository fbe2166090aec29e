package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// offer measures from the acknowledgement of an event to the offer it causes, read from the live
// stream as a browser reads it, sixteen visitors at a time.
func (b *bench) offer(ctx context.Context) error {
	s, err := b.serve(ctx, "offer")
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	if err := s.makeActionMap(ctx); err != nil {
		return err
	}
	people, err := s.consent(ctx, 400)
	if err != nil {
		return err
	}
	var (
		mu        sync.Mutex // guards latencies
		latencies []time.Duration
	)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, v := range people {
		g.Go(func() error {
			took, err := s.awaitOffer(ctx, v)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	report("offer-p99", float64(quantile(latencies, 0.99).Microseconds())/1000, "ms", 0)
	remark("offer p50 %s over %d visitors", quantile(latencies, 0.5).Round(10*time.Microsecond), len(latencies))
	return s.stop()
}

// makeActionMap makes an offer of content for everybody whose event is called help_wanted.
func (s *server) makeActionMap(ctx context.Context) error {
	var template struct {
		ID string `json:"id"`
	}
	if err := s.call(ctx, http.MethodPost, "/api/v2/journey/actiontemplates", map[string]any{
		"name": "Help", "mediaType": "contentOffer", "state": "Active",
		"contentOffer": map[string]any{"displayMode": "Toast", "layoutMode": "TextOnly", "headline": "Can we help?", "body": "Our tea people are here."},
	}, &template); err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, "/api/v2/journey/actionmaps", map[string]any{
		"displayName": "Help on request", "isActive": true, "weight": 2,
		"startDate": time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z"),
		"triggerWithEventConditions": []any{map[string]any{
			"key": "eventName", "values": []string{"help_wanted"}, "operator": "equal",
			"streamType": "Web", "sessionType": "web", "eventName": "help_wanted",
		}},
		"triggerWithSegments": []string{}, "pageUrlConditions": []any{},
		"activation": map[string]string{"type": "immediate"},
		"action": map[string]any{
			"mediaType": "contentOffer", "isPacingEnabled": false,
			"actionTemplate": map[string]string{"id": template.ID},
		},
	}, nil)
}

// awaitOffer opens the visitor's live stream, sends the event and waits for the offer.
func (s *server) awaitOffer(ctx context.Context, v *visitor) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/probity/v1/deployments/"+deployment+"/live",
		strings.NewReader(`{"visitor":"`+v.ID+`"}`))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Origin", "http://localhost")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("live stream: status %d", res.StatusCode)
	}
	v.seq++
	if err := s.call(ctx, http.MethodPost, "/probity/v1/deployments/"+deployment+"/events", map[string]any{
		"visitor": v.ID, "visit": v.visit, "context": map[string]any{"lang": "en"},
		"events": []any{map[string]any{
			"seq": v.seq, "name": "help_wanted", "at": time.Now().UTC().Format(time.RFC3339Nano),
			"url": "https://shop.example/help", "title": "Help",
		}},
	}, nil); err != nil {
		return 0, err
	}
	accepted := time.Now()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event: offer") {
			return time.Since(accepted), nil
		}
	}
	return 0, fmt.Errorf("the live stream ended without an offer: %v", lines.Err())
}
