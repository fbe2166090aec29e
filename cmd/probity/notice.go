package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"probity/internal/fail"
	"probity/internal/notice"
)

// noticeCommand holds what can be done with a notice from the command line.
type noticeCommand struct {
	Screenshots screenshotsCommand `cmd:"" help:"Take a picture of the newest notice in each language on a phone and a desktop, and keep them with it."`
}

// screenshotsCommand takes pictures with a Chromium that is installed on this machine.
type screenshotsCommand struct {
	URL      string `default:"http://127.0.0.1:8080" help:"Where Probity is reached."`
	Client   string `env:"PROBITY_CLIENT" placeholder:"ID:SECRET" required:"" help:"OAuth client with probity:notice:view and probity:notice:publish."`
	Version  int    `name:"notice-version" placeholder:"N" help:"Version of the notice; default is the newest."`
	Chromium string `env:"PROBITY_CHROMIUM" placeholder:"FILE" help:"The browser; default is the one on the PATH."`
}

// Run takes the pictures that are missing and prints a line for each.
func (c *screenshotsCommand) Run(ctx context.Context) error {
	browser, err := c.browser()
	if err != nil {
		return err
	}
	server := &noticeClient{base: strings.TrimRight(c.URL, "/")}
	if err := server.signIn(ctx, c.Client); err != nil {
		return err
	}
	languages, err := c.languages(ctx, server)
	if err != nil {
		return err
	}
	have, err := server.pictures(ctx, c.Version)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "probity-pictures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, lang := range languages {
		for _, v := range viewports() {
			if have[lang+"/"+v.name] {
				continue
			}
			path := fmt.Sprintf("/probity/v1/notices/%s/%d/%s", notice.ID, c.Version, lang)
			picture, err := take(ctx, browser, dir, server.base+path+"/shown", v)
			if err != nil {
				return err
			}
			if err := server.put(ctx, path+"/screenshots/"+v.name, picture); err != nil {
				return err
			}
			fmt.Printf("version %d, %s, %s: %d bytes\n", c.Version, lang, v.name, len(picture))
		}
	}
	return nil
}

func (c *screenshotsCommand) browser() (string, error) {
	if c.Chromium != "" {
		return c.Chromium, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fail.New(fail.Unavailable, "There is no Chromium on this machine. Install it or name it with --chromium; until then the console says which pictures are missing.")
}

// languages finds the version, if none was named, and returns its languages.
func (c *screenshotsCommand) languages(ctx context.Context, server *noticeClient) ([]string, error) {
	var list struct {
		Versions []struct {
			Version   int      `json:"version"`
			Languages []string `json:"languages"`
		} `json:"versions"`
	}
	if err := server.get(ctx, "/probity/v1/notices", &list); err != nil {
		return nil, err
	}
	for _, v := range list.Versions {
		if c.Version == 0 || c.Version == v.Version {
			c.Version = v.Version
			return v.Languages, nil
		}
	}
	return nil, fail.New(fail.NotFound, "There is no such version of the notice.")
}

func tail(out []byte) string {
	return strings.TrimSpace(string(out[max(0, len(out)-300):]))
}

// noticeClient calls the API of a running Probity.
type noticeClient struct{ base, token string }

func (n *noticeClient) signIn(ctx context.Context, client string) error {
	name, secret, _ := strings.Cut(client, ":")
	form := url.Values{"grant_type": {"client_credentials"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.base+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return fail.Wrap(fail.Invalid, err, "this is not a URL")
	}
	req.SetBasicAuth(name, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := n.do(req, &answer); err != nil {
		return err
	}
	n.token = answer.Token
	return nil
}

func (n *noticeClient) get(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base+path, nil)
	if err != nil {
		return err
	}
	return n.do(req, out)
}

// pictures returns which pictures of a version are kept, as language and viewport.
func (n *noticeClient) pictures(ctx context.Context, version int) (map[string]bool, error) {
	var list struct {
		Screenshots []struct {
			Language string `json:"language"`
			Viewport string `json:"viewport"`
		} `json:"screenshots"`
	}
	if err := n.get(ctx, fmt.Sprintf("/probity/v1/notices/%s/%d/screenshots", notice.ID, version), &list); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, s := range list.Screenshots {
		have[s.Language+"/"+s.Viewport] = true
	}
	return have, nil
}

func (n *noticeClient) put(ctx context.Context, path string, picture []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, n.base+path, bytes.NewReader(picture))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "image/png")
	return n.do(req, nil)
}

func (n *noticeClient) do(req *http.Request, out any) error {
	if n.token != "" {
		req.Header.Set("Authorization", "Bearer "+n.token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "Probity does not answer")
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "Probity's answer could not be read")
	}
	if answer.StatusCode >= 300 {
		return fail.New(fail.Unavailable, "%s %s was answered with %s: %s", req.Method, req.URL.Path, answer.Status, tail(body))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}
