// Package binary drives the program that is shipped, as an operator and as visitors do: what it
// takes and refuses, what it leaves on disk, how it starts and stops, and whether its documentation
// is true.
package binary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	client     = "binary"
	secret     = "binary-secret-0123456789"
	deployment = "b1a47000-0000-4000-8000-000000000001"
	origin     = "http://localhost"
	patience   = 60 * time.Second // how long a busy machine may take for what usually takes a moment
)

// program is the binary under test. TestMain builds it once.
var program string

func TestMain(m *testing.M) {
	// Most tests wait for a server or a deadline of it rather than compute.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "probity-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "probity")
	build := exec.Command("go", "build", "-o", program, "./cmd/probity")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// transcript keeps all that a process writes and lets a test wait for its first line.
type transcript struct {
	mu    sync.Mutex // guards text
	text  bytes.Buffer
	first chan struct{} // closed with the first line's end
	once  sync.Once
}

func newTranscript() *transcript { return &transcript{first: make(chan struct{})} }

// Write implements io.Writer.
func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if bytes.IndexByte(b, '\n') >= 0 {
		w.once.Do(func() { close(w.first) })
	}
	return len(b), nil
}

// String returns what was written so far.
func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// house is an installation: a data directory and how it is started.
type house struct {
	data  string
	flags []string
	env   []string
	with  []string // a program and its arguments that start the binary; empty: it starts by itself
}

func newHouse(t *testing.T, flags ...string) *house {
	t.Helper()
	return &house{data: filepath.Join(t.TempDir(), "data"), flags: flags, env: bootstrap()}
}

func bootstrap(more ...string) []string {
	return append([]string{"PROBITY_BOOTSTRAP_CLIENT=" + client + ":" + secret, "PROBITY_BOOTSTRAP_DEPLOYMENT=" + deployment}, more...)
}

// environment is ours without what would configure the program.
func environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PROBITY_") {
			env = append(env, v)
		}
	}
	return append(env, more...)
}

// server is a running program.
type server struct {
	cmd  *exec.Cmd
	base string
	out  *transcript
	log  *transcript
	http *http.Client
	over chan struct{} // closed when the process has ended
	err  error         // how it ended; read it after over
}

// launch starts the program without waiting for it to be ready.
func (h *house) launch(t *testing.T) *server {
	t.Helper()
	args := append([]string{}, h.with...)
	args = append(args, program, "serve", "--data", h.data, "--listen", "127.0.0.1:0")
	args = append(args, h.flags...)
	s := &server{
		cmd: exec.Command(args[0], args[1:]...), out: newTranscript(), log: newTranscript(), over: make(chan struct{}),
		http: &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	s.cmd.Env = environment(h.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.over)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended long ago
		<-s.over
		s.http.CloseIdleConnections()
		if t.Failed() {
			log := s.log.String()
			t.Logf("end of the server's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return s
}

// start starts the program and waits for its ready line.
func (h *house) start(t *testing.T) *server {
	t.Helper()
	s := h.launch(t)
	select {
	case <-s.out.first:
	case <-s.over:
		t.Fatalf("the program ended: %v\n%s", s.err, s.log)
	case <-time.After(patience):
		t.Fatalf("no ready line\n%s", s.log)
	}
	line, _, _ := strings.Cut(s.out.String(), "\n")
	base, ok := strings.CutPrefix(line, "ready ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	s.base = base
	return s
}

// stop ends the program in order.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.over:
	case <-time.After(patience):
		t.Fatal("the program does not stop")
	}
	if s.err != nil {
		t.Errorf("a stop in order ended with %v", s.err)
	}
}

// kill ends the program as a power cut would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.over
}

// refused runs serve, which must end by itself with an error, and returns what it said.
func (h *house) refused(t *testing.T) string {
	t.Helper()
	s := h.launch(t)
	select {
	case <-s.over:
	case <-time.After(20 * time.Second):
		t.Errorf("the program has not refused after 20 seconds; it printed %q", s.out)
		s.kill(t)
		return s.log.String()
	}
	if _, ok := errors.AsType[*exec.ExitError](s.err); !ok {
		t.Errorf("the program ended with %v instead of a failing status", s.err)
	}
	if s.out.String() != "" {
		t.Errorf("a program that refuses to start printed %q", s.out)
	}
	return s.log.String()
}

// command runs another command of the program and returns what it printed.
func command(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return run(t, env, "", args...)
}

// run runs a command of the program in a directory; empty: the test's.
func run(t *testing.T, env []string, dir string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, environment(env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. Headers come in pairs. Without a Content-Type, a body is JSON.
func (s *server) do(t *testing.T, method, path, body string, headers ...string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return &answer{res.StatusCode, res.Header, b}
}

// want fails the test unless the status is the expected one.
func (a *answer) want(t *testing.T, status int) *answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d instead of %d: %s", a.status, status, a.body[:min(len(a.body), 600)])
	}
	return a
}

// into decodes the answer.
func (a *answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

func object(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // tests write what can be written
	}
	return string(b)
}

// token signs the bootstrap client in and returns its Authorization header.
func (s *server) token(t *testing.T) string {
	t.Helper()
	var a struct {
		Token string `json:"access_token"`
	}
	s.do(t, "POST", "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &a)
	return "Bearer " + a.Token
}

var purposes = []string{"measure", "actions", "identity", "predict", "support", "sales", "marketing"}

// grant chooses for a new visitor, who gives all purposes, and returns the cookie and the record.
func (s *server) grant(t *testing.T) (cookie, record string) {
	t.Helper()
	all := map[string]bool{}
	for _, p := range purposes {
		all[p] = true
	}
	var a struct {
		Visitor  string `json:"visitor"`
		RecordID string `json:"record_id"`
	}
	s.do(t, "POST", "/probity/v1/consent/choices", object(choice(s.nonce(t), all)), "Origin", origin).want(t, 201).into(t, &a)
	return a.Visitor, a.RecordID
}

func (s *server) nonce(t *testing.T) string {
	t.Helper()
	var served struct {
		Nonce string `json:"nonce"`
	}
	s.do(t, "POST", "/probity/v1/consent/served", object(map[string]any{
		"deployment": deployment, "notice": "privacy", "version": 1, "language": "en",
	}), "Origin", origin).want(t, 200).into(t, &served)
	return served.Nonce
}

func choice(nonce string, all map[string]bool) map[string]any {
	return map[string]any{
		"deployment": deployment, "nonce": nonce, "visitor": nil, "purposes": all,
		"ui":          map[string]any{"component": "banner", "action": "accept_all", "dwell_ms": 1200, "trusted": true, "viewport": "d"},
		"client_time": now(),
	}
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// event is one event of our tracker.
func event(seq int, more map[string]any) map[string]any {
	e := map[string]any{"seq": seq, "name": "page_viewed", "at": now(), "url": fmt.Sprintf("http://localhost/page/%d", seq), "title": "A page", "attributes": map[string]any{"n": seq}}
	for k, v := range more {
		e[k] = v
	}
	return e
}

func batch(cookie string, events ...map[string]any) string {
	return object(map[string]any{"visitor": cookie, "visit": uuid.NewString(), "context": map[string]any{"lang": "en"}, "events": events})
}

const eventsPath = "/probity/v1/deployments/" + deployment + "/events"

// webEvent is an event on the Genesys wire.
func webEvent(cookie string, more map[string]any) string {
	e := map[string]any{
		"customerCookieId": cookie, "eventName": "page_viewed", "createdDate": now(),
		"page": map[string]any{"url": "https://shop.example/a", "title": "A page"},
	}
	for k, v := range more {
		e[k] = v
	}
	return object(e)
}

const webEventsPath = "/api/v2/journey/deployments/" + deployment + "/webevents"

// sent counts what a batch was told.
type sent struct {
	Accepted int `json:"accepted"`
	Refused  []struct {
		Seq  int    `json:"seq"`
		Code string `json:"code"`
	} `json:"refused"`
}

// send sends a batch that must be taken whole.
func (s *server) send(t *testing.T, body string, n int) {
	t.Helper()
	var a sent
	s.do(t, "POST", eventsPath, body, "Origin", origin).want(t, 202).into(t, &a)
	if a.Accepted != n || len(a.Refused) != 0 {
		t.Fatalf("%d of %d events were accepted; refused: %v", a.Accepted, n, a.Refused)
	}
}

// metric reads one number off /metrics.
func (s *server) metric(t *testing.T, name string) string {
	t.Helper()
	text := "\n" + string(s.do(t, "GET", "/metrics", "").want(t, 200).body)
	_, rest, ok := strings.Cut(text, "\n"+name+" ")
	if !ok {
		t.Fatalf("there is no metric %s", name)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// settle waits until all of the log is processed.
func (s *server) settle(t *testing.T) {
	t.Helper()
	eventually(t, "the log is processed", func() bool { return s.metric(t, "probity_log_partitions_behind") == "0" })
}

// eventually polls until done, and fails the test after patience.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("it never came to pass that %s", what)
		}
	}
}

// request makes a request of the GDPR API and waits until it is carried out.
func (s *server) request(t *testing.T, auth, query, body string) (id string) {
	t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	s.do(t, "POST", "/api/v2/gdpr/requests"+query, body, "Authorization", auth).want(t, 200).into(t, &made)
	eventually(t, "a request is completed", func() bool {
		var got struct {
			Status string `json:"status"`
		}
		s.do(t, "GET", "/api/v2/gdpr/requests/"+made.ID, "", "Authorization", auth).want(t, 200).into(t, &got)
		if got.Status == "ERROR" {
			t.Fatalf("request %s ended in ERROR", made.ID)
		}
		return got.Status == "COMPLETED"
	})
	return made.ID
}

func (s *server) erase(t *testing.T, auth, cookie string) (id string) {
	t.Helper()
	return s.request(t, auth, "?deleteConfirmed=true", object(map[string]any{"requestType": "GDPR_DELETE", "subject": customer(cookie)}))
}

func customer(cookie string) map[string]any {
	return map[string]any{"journeyCustomer": map[string]string{"type": "cookie", "id": cookie}}
}
