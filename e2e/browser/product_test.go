// Package browser walks the whole product in a real Chromium: the real binary with its real engines,
// a customer's site, the demo shop, the console and the privacy centre.
package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"probity/e2e/chromium"
)

const (
	deployment   = "7d9c1f52-3a1e-4a0c-9a59-0b6f2a7c4e10"
	clientID     = "e2e"
	clientSecret = "a-secret-of-this-run"
)

// binary builds the program once for all tests; PROBITY_BINARY names one that is built already.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PROBITY_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "probity-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "probity")
	build := exec.Command("go", "build", "-o", path, "probity/cmd/probity")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.End()
	if path, err := binary(); err == nil && os.Getenv("PROBITY_BINARY") == "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// product is a running server.
type product struct {
	t    *testing.T
	path string
	data string
	base string
	said *printed
}

// printed collects what the process prints.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced when there is more text
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.more)
	p.more = make(chan struct{})
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// find waits until the process has printed what the pattern matches.
func (p *printed) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	patience := time.After(chromium.Patience)
	for {
		p.mu.Lock()
		found, more := re.FindString(p.text.String()), p.more
		p.mu.Unlock()
		if found != "" {
			return found
		}
		select {
		case <-more:
		case <-patience:
			t.Fatalf("%q was never printed:\n%s", pattern, p)
		}
	}
}

// start runs the program and waits for its ready line. It ends with the test.
func start(t *testing.T, command string, args ...string) *product {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &product{t: t, path: path, data: t.TempDir(), said: &printed{more: make(chan struct{})}}
	cmd := exec.Command(path, append([]string{command, "--data", p.data, "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "PROBITY_BOOTSTRAP_CLIENT="+clientID+":"+clientSecret, "PROBITY_BOOTSTRAP_DEPLOYMENT="+deployment)
	cmd.Stderr = p.said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server ended with %v\n%s", err, p.said)
			}
		case <-time.After(chromium.Patience):
			_ = cmd.Process.Kill()
			t.Errorf("the server did not stop\n%s", p.said)
		}
	})
	lines := bufio.NewScanner(out)
	ready := make(chan string, 1)
	go func() {
		for lines.Scan() {
			fmt.Fprintln(p.said, lines.Text())
			if base, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- base
			}
		}
		ended <- cmd.Wait()
	}()
	select {
	case p.base = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the server ended before it was ready: %v\n%s", err, p.said)
	case <-time.After(chromium.Patience):
		t.Fatalf("the server was not ready in time\n%s", p.said)
	}
	return p
}

// tab opens a browser tab whose failures show what the server said.
func (p *product) tab(t *testing.T, c *chromium.Tab) *chromium.Tab {
	t.Helper()
	c.Explain = func() string {
		said := p.said.String()
		return said[max(0, len(said)-4000):]
	}
	return c
}

// token gets an access token for the client of this run.
func (p *product) token() string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.base+"/oauth/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth(clientID, clientSecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var out struct {
		Token string `json:"access_token"`
	}
	p.do(req, http.StatusOK, &out)
	return out.Token
}

// ask calls the API and reads the answer into out, which may be nil.
func (p *product) ask(method, path, token string, body any, status int, out any) {
	p.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			p.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, &b)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	p.do(req, status, out)
}

func (p *product) do(req *http.Request, status int, out any) {
	p.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != status {
		p.t.Fatalf("%s %s: status %d, want %d\n%s\n%s", req.Method, req.URL.Path, res.StatusCode, status, body, p.said)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			p.t.Fatalf("%s %s: %v\n%s", req.Method, req.URL.Path, err, body)
		}
	}
}

// signIn returns a one-time link for staff, as whoever runs the server gets it.
func (p *product) signIn() string {
	p.t.Helper()
	cmd := exec.Command(p.path, "sign-in", "--data", p.data, "--listen", strings.TrimPrefix(p.base, "http://"))
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("probity sign-in: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// download gets a file that a page links to, as the browser with that cookie would.
func (p *product) download(path string, cookies ...*http.Cookie) []byte {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("download %s: status %d, %v\n%.500s", req.URL.Path, res.StatusCode, err, body)
	}
	return body
}

// verify runs probity verify on a file with this content and returns what it says.
func (p *product) verify(content []byte) (string, error) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "proof.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command(p.path, "verify", file).CombinedOutput()
	return string(out), err
}
