package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// fillOne sends requests until left is used up.
func fillOne(addr string, src source, left *atomic.Int64) (sent int, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		request, events := src.next()
		if left.Add(-int64(events)) < 0 {
			return sent, nil
		}
		if _, err := conn.Write(request); err != nil {
			return sent, err
		}
		status, body, err := readAnswer(r)
		if err != nil {
			return sent, err
		}
		if status/100 != 2 {
			return sent, fmt.Errorf("%d %s", status, body)
		}
		sent += events
	}
}

// fulfil submits a request for the visitor, polls until it has ended and returns how long it took.
// While it polls it calls watch until that returns true.
func (s *server) fulfil(ctx context.Context, cookie, kind string, watch func(since time.Time) bool) (time.Duration, error) {
	begin := time.Now()
	path := "/api/v2/gdpr/requests"
	if kind == "GDPR_DELETE" {
		path += "?deleteConfirmed=true"
	}
	var request struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	if err := s.call(ctx, http.MethodPost, path, map[string]any{
		"requestType": kind,
		"subject":     map[string]any{"journeyCustomer": map[string]string{"type": "cookie", "id": cookie}},
	}, &request); err != nil {
		return 0, err
	}
	for watching := watch != nil; ; {
		if watching {
			watching = !watch(begin)
		}
		if err := s.call(ctx, http.MethodGet, "/api/v2/gdpr/requests/"+request.ID, nil, &request); err != nil {
			return 0, err
		}
		switch request.Status {
		case "COMPLETED":
			took := time.Since(begin)
			if watching {
				watch(begin)
			}
			return took, nil
		case "ERROR":
			return 0, fmt.Errorf("%s of a visitor ended in ERROR", kind)
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// sessionOf asks for the newest session of a visitor by sending one more event over the Genesys
// wire, whose answer names the session.
func (s *server) sessionOf(ctx context.Context, v *visitor) (string, error) {
	var answer struct {
		Session struct {
			ID string `json:"id"`
		} `json:"session"`
	}
	err := s.call(ctx, http.MethodPost, "/api/v2/journey/deployments/"+deployment+"/webevents", map[string]any{
		"customerCookieId": v.ID, "eventName": "page_viewed",
		"page":        map[string]string{"url": "https://shop.example/last", "title": "Last page"},
		"createdDate": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}, &answer)
	return answer.Session.ID, err
}

// missing tells whether the path answers 404 or 410.
func (s *server) missing(ctx context.Context, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone
}

// enablePredictors makes n outcomes on different events and has each of them scored.
func (s *server) enablePredictors(ctx context.Context, n int) error {
	names := []string{"product_added", "order_completed", "newsletter_subscribed", "checkout_started", "account_opened"}
	for i := range n {
		name := fmt.Sprintf("%s_%d", names[i%len(names)], i)
		if i < len(names) {
			name = names[i]
		}
		var outcome struct {
			ID string `json:"id"`
		}
		if err := s.call(ctx, http.MethodPost, "/api/v2/journey/outcomes", map[string]any{
			"displayName": name, "isActive": true, "isPositive": true,
			"journey": map[string]any{"patterns": []any{map[string]any{
				"criteria": []any{map[string]any{"key": "eventName", "values": []string{name}, "operator": "equal", "shouldIgnoreCase": false}},
				"count":    1, "streamType": "Web", "sessionType": "web", "eventName": name,
			}}},
		}, &outcome); err != nil {
			return err
		}
		if err := s.call(ctx, http.MethodPost, "/api/v2/journey/outcomes/predictors", map[string]any{
			"outcome": map[string]string{"id": outcome.ID},
		}, nil); err != nil {
			return err
		}
	}
	return nil
}
