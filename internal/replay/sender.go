package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// sender speaks to the server.
type sender struct {
	o      *Options
	http   *http.Client
	base   string
	id     string
	secret string
	token  string
}

// answer is what the server says about a batch it took.
type answer struct {
	Accepted int64 `json:"accepted"`
	Refused  []struct {
		Code string `json:"code"`
	} `json:"refused"`
}

// badEvent is the event because of which the server refused a batch. index is -1 if it is none.
type badEvent struct {
	index   int
	message string
}

// How patient the sender is with a server that is busy, down or restarting.
const (
	maxTries  = 12 // about five minutes in all
	firstWait = time.Second
	maxWait   = time.Minute
)

func newSender(o *Options) (*sender, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the address of the server must be such as https://probity.example.org")
	}
	s := &sender{o: o, http: o.HTTP, base: strings.TrimRight(o.Server, "/")}
	var ok bool
	if s.id, s.secret, ok = strings.Cut(o.Client, ":"); !ok || s.id == "" || s.secret == "" {
		return nil, fmt.Errorf("the client must be given as id:secret")
	}
	if s.http == nil {
		s.http = &http.Client{Timeout: 2 * time.Minute}
	}
	return s, nil
}

// batch sends a batch until the server has taken it. It waits when it is told to, and when the
// server is out of reach. bad is set if the server found an event, or the request, invalid.
func (s *sender) batch(ctx context.Context, b *batch) (a *answer, bad *badEvent, err error) {
	body := b.body()
	renewed := false
	var last error
	for try := 0; try < maxTries; try++ {
		if try > 0 {
			if err := s.o.Wait(ctx, s.pause(try, last)); err != nil {
				return nil, nil, err
			}
		}
		if s.token == "" {
			err = s.authenticate(ctx)
		}
		var status int
		var reply []byte
		if err == nil {
			status, reply, err = s.post(ctx, "/probity/v1/import", "application/json", "Bearer "+s.token, body)
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if last = err; err != nil {
			if _, passes := errors.AsType[*tryAgain](err); !passes {
				return nil, nil, err
			}
			err = nil
			continue
		}
		switch {
		case status/100 == 2:
			a = new(answer)
			if err := json.Unmarshal(reply, a); err != nil {
				return nil, nil, fmt.Errorf("%s answered with something that is no acknowledgement", s.base)
			}
			return a, nil, nil
		case status == http.StatusUnauthorized && !renewed:
			renewed, s.token = true, ""
			try--
		case status == http.StatusBadRequest:
			return nil, badOf(reply), nil
		default:
			return nil, nil, fmt.Errorf("%s answered %d: %s", s.base, status, messageOf(reply))
		}
	}
	return nil, nil, fmt.Errorf("gave up after %d tries: %w", maxTries, last)
}

// tryAgain is a failure that may pass.
type tryAgain struct {
	after time.Duration // as the server asked; 0: it did not say
	cause error
}

func (t *tryAgain) Error() string { return t.cause.Error() }
func (t *tryAgain) Unwrap() error { return t.cause }

// authenticate fetches a token by client credentials (RFC 6749 section 4.4).
func (s *sender) authenticate(ctx context.Context) error {
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(s.id, s.secret) // as they are: no known server of this API unescapes them
	status, reply, err := s.post(ctx, "/oauth/token", "application/x-www-form-urlencoded", basic.Header.Get("Authorization"), []byte("grant_type=client_credentials"))
	if err != nil {
		return err
	}
	var t struct {
		Token string `json:"access_token"`
	}
	if status != http.StatusOK || json.Unmarshal(reply, &t) != nil || t.Token == "" {
		return fmt.Errorf("%s refused the client %q (%d): %s", s.base, s.id, status, messageOf(reply))
	}
	s.token = t.Token
	return nil
}

// post sends one request. What may pass by itself (no connection, 408, 429, 5xx but 501) is a
// tryAgain.
func (s *sender) post(ctx context.Context, path, contentType, authorization string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", authorization)
	req.Header.Set("User-Agent", "probity-replay")
	res, err := s.http.Do(req)
	if err != nil {
		return 0, nil, &tryAgain{cause: err}
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return 0, nil, &tryAgain{cause: err}
	}
	switch c := res.StatusCode; {
	case c == http.StatusRequestTimeout, c == http.StatusTooManyRequests, c >= 500 && c != http.StatusNotImplemented:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return c, reply, &tryAgain{
			after: time.Duration(min(max(seconds, 0), 600)) * time.Second,
			cause: fmt.Errorf("%s answered %d: %s", s.base, c, messageOf(reply)),
		}
	}
	return res.StatusCode, reply, nil
}

// pause returns how long to wait before a try: as long as the server asked, else twice as long each
// time.
func (s *sender) pause(try int, last error) time.Duration {
	if t, ok := errors.AsType[*tryAgain](last); ok && t.after > 0 {
		return t.after
	}
	return min(firstWait<<(try-1), maxWait)
}

// problem is the server's error body.
type problem struct {
	Message string `json:"message"`
	Field   string `json:"field"`
}

func messageOf(reply []byte) string {
	var p problem
	if json.Unmarshal(reply, &p) != nil || p.Message == "" {
		return "no reason was given"
	}
	return p.Message
}

// badOf finds out which event a 400 is about.
func badOf(reply []byte) *badEvent {
	var p problem
	bad := &badEvent{index: -1, message: messageOf(reply)}
	if json.Unmarshal(reply, &p) != nil {
		return bad
	}
	inside, ok := strings.CutPrefix(p.Field, "events[")
	if !ok {
		return bad
	}
	number, _, _ := strings.Cut(inside, "]")
	if i, err := strconv.Atoi(number); err == nil {
		bad.index = i
		// The place in the request means nothing to the reader: the line does.
		bad.message = strings.TrimPrefix(strings.TrimPrefix(bad.message, "events["+number+"]"), ".")
		bad.message = strings.TrimSpace(bad.message)
	}
	return bad
}
