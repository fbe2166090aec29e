package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// client speaks to Probity over HTTP, as browsers and programs do. It knows nothing that they don't.
type client struct {
	base       string
	deployment uuid.UUID
	http       *http.Client
}

// call sends JSON and decodes the answer into out; nil: the answer is dropped. Anything but 2xx is an
// error.
func (c *client) call(ctx context.Context, method, path, token, agent string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	} else {
		req.Header.Set("Origin", c.base)
		req.Header.Set("User-Agent", agent)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %.200s", method, path, res.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// token signs a program in with client credentials, "id:secret".
func (c *client) token(ctx context.Context, credentials string) (string, error) {
	id, secret, _ := strings.Cut(credentials, ":")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/oauth/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", fmt.Errorf("sign in: status %d", res.StatusCode)
	}
	return answer.Token, nil
}

// guest is one simulated visitor with a browser of its own.
type guest struct {
	*client
	script script
	cookie string // set by a grant, as by the browser SDK
	visit  string // of this page load
	seq    int
}

// choose answers the banner: the notice is fetched, shown and answered as the SDK does it.
func (g *guest) choose(ctx context.Context) error {
	var notice struct {
		ID       string `json:"id"`
		Version  int    `json:"version"`
		Language string `json:"language"`
		Purposes []struct {
			ID string `json:"id"`
		} `json:"purposes"`
	}
	agent := g.script.userAgent
	if err := g.call(ctx, http.MethodGet, "/probity/v1/deployments/"+g.deployment.String()+"/notice?lang=en", "", agent, nil, &notice); err != nil {
		return err
	}
	var served struct {
		Nonce string `json:"nonce"`
	}
	if err := g.call(ctx, http.MethodPost, "/probity/v1/consent/served", "", agent, map[string]any{
		"deployment": g.deployment, "notice": notice.ID, "version": notice.Version, "language": notice.Language,
	}, &served); err != nil {
		return err
	}
	action := map[answer]string{acceptAll: "accept_all", acceptSome: "save", refuseAll: "reject_all"}[g.script.answer]
	purposes := map[string]bool{}
	for _, p := range notice.Purposes {
		purposes[p.ID] = g.script.answer == acceptAll || g.script.wanted[p.ID]
	}
	var chosen struct {
		Visitor *string `json:"visitor"`
	}
	err := g.call(ctx, http.MethodPost, "/probity/v1/consent/choices", "", agent, map[string]any{
		"deployment": g.deployment, "nonce": served.Nonce, "visitor": nil, "purposes": purposes,
		"ui":          map[string]any{"component": "banner", "action": action, "dwell_ms": 1800, "trusted": false, "viewport": "d"},
		"client_time": time.Now().UTC().Format(time.RFC3339Nano),
	}, &chosen)
	if err == nil && chosen.Visitor != nil {
		g.cookie = *chosen.Visitor
	}
	return err
}

// send reports one step.
func (g *guest) send(ctx context.Context, s step) error {
	g.seq++
	e := map[string]any{
		"seq": g.seq, "name": s.name, "at": time.Now().UTC().Format(time.RFC3339Nano),
		"url": g.base + "/demo/" + s.path, "title": s.title,
	}
	if s.search != "" {
		e["search"] = s.search
	}
	if s.attributes != nil {
		e["attributes"] = s.attributes
	}
	if s.traits != nil {
		e["traits"] = s.traits
	}
	return g.call(ctx, http.MethodPost, "/probity/v1/deployments/"+g.deployment.String()+"/events", "", g.script.userAgent, map[string]any{
		"visitor": g.cookie, "visit": g.visit, "context": map[string]any{"lang": "en", "screen": []int{1440, 900}, "viewport": []int{1280, 800}},
		"events": []any{e},
	}, nil)
}

// withdraw takes everything back.
func (g *guest) withdraw(ctx context.Context) error {
	return g.call(ctx, http.MethodPost, "/probity/v1/consent/withdraw", "", g.script.userAgent, map[string]any{
		"deployment": g.deployment, "visitor": g.cookie,
		"ui":          map[string]any{"component": "preferences", "action": "withdraw_all", "dwell_ms": 900, "trusted": false, "viewport": "d"},
		"client_time": time.Now().UTC().Format(time.RFC3339Nano),
	}, nil)
}

// erase presses the button of the privacy centre.
func (g *guest) erase(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/privacy/erase", strings.NewReader("lang=en"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", g.base)
	req.AddCookie(&http.Cookie{Name: "_actmu", Value: g.cookie})
	res, err := g.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
