package legacy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"probity/internal/fail"
)

// Remote is a running Probity as a Target.
type Remote struct {
	Server string       // such as "https://probity.example.org"
	Client string       // OAuth client "id:secret" with the permission probity:consent:assert
	HTTP   *http.Client // nil: one with a timeout of two minutes
	// Wait pauses between tries; nil waits for real.
	Wait func(ctx context.Context, d time.Duration) error

	token string
}

// tries is how often a batch is sent to a server that is busy, down or restarting: two minutes in all.
const tries = 8

// Import implements Target.
func (r *Remote) Import(ctx context.Context, b Batch) (Answer, error) {
	body, err := json.Marshal(b)
	if err != nil {
		return Answer{}, err
	}
	var a struct {
		Recorded int          `json:"recorded"`
		Repeated int          `json:"repeated"`
		Refused  []RowRefusal `json:"refused"`
	}
	renewed := false
	for try := 1; ; try++ {
		if r.token == "" {
			err = r.signIn(ctx)
		}
		if err == nil {
			err = r.post(ctx, "/probity/v1/consent/imports", "application/json", "Bearer "+r.token, body, &a)
		}
		switch {
		case err == nil:
			return Answer{Recorded: a.Recorded, Repeated: a.Repeated, Refused: a.Refused}, nil
		case fail.Is(err, fail.Unauthenticated) && r.token != "" && !renewed:
			renewed, r.token = true, "" // it ran out
		case !fail.Is(err, fail.Unavailable) || try == tries:
			return Answer{}, err
		default:
			if e := r.wait(ctx, err, try); e != nil {
				return Answer{}, e
			}
		}
		err = nil
	}
}

// wait pauses as long as the server asked, or twice as long each time.
func (r *Remote) wait(ctx context.Context, cause error, try int) error {
	d := min(time.Second<<(try-1), time.Minute)
	if e, ok := cause.(*fail.Error); ok && e.RetryAfter > 0 {
		d = min(e.RetryAfter, time.Minute)
	}
	if r.Wait != nil {
		return r.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// signIn fetches a token by client credentials (RFC 6749 section 4.4).
func (r *Remote) signIn(ctx context.Context) error {
	name, secret, ok := strings.Cut(r.Client, ":")
	if !ok || name == "" || secret == "" {
		return fail.Field("client", "The client is given as ID:SECRET, best in PROBITY_CLIENT.")
	}
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(name, secret)
	var t struct {
		Token string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	err := r.post(ctx, "/oauth/token", "application/x-www-form-urlencoded", basic.Header.Get("Authorization"), []byte(form), &t)
	if err == nil && t.Token == "" {
		err = fail.New(fail.Forbidden, "The server gave no token.")
	}
	if err != nil {
		return err
	}
	r.token = t.Token
	return nil
}

// post sends one request. What may pass by itself is fail.Unavailable.
func (r *Remote) post(ctx context.Context, path, contentType, authorization string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.Server, "/")+path, bytes.NewReader(body))
	if err != nil {
		return fail.Wrap(fail.Invalid, err, "This is no address of a server")
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", authorization)
	client := r.HTTP
	if client == nil {
		client = &http.Client{Timeout: 2 * time.Minute}
	}
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fail.Wrap(fail.Unavailable, err, "The server does not answer")
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "The answer could not be read")
	}
	if res.StatusCode/100 == 2 {
		if err := json.Unmarshal(reply, out); err != nil {
			return fail.Wrap(fail.Unavailable, err, "The answer can't be read")
		}
		return nil
	}
	var p struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(reply, &p) // a proxy may answer with anything; then the status says it
	kind := fail.Invalid
	switch c := res.StatusCode; {
	case c == http.StatusUnauthorized:
		kind = fail.Unauthenticated
	case c == http.StatusForbidden:
		kind = fail.Forbidden
	case c == http.StatusRequestTimeout, c == http.StatusTooManyRequests, c >= 500:
		kind = fail.Unavailable
	}
	e := fail.New(kind, "%s answered %s", path, strings.TrimSpace(fmt.Sprintf("%s %s", res.Status, p.Message)))
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}
