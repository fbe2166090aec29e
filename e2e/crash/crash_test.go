// Package crash kills the real binary at random moments under load and then asks whether everything
// it had acknowledged is there, once.
package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/audit"
	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/internal/vault"
)

const (
	client     = "crash"
	secret     = "crash-secret"
	deployment = "c4a54000-0000-4000-8000-000000000001"
	workers    = 6
)

// kills is how often the process is killed: a few by default, PROBITY_CRASH_KILLS for a long run.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("PROBITY_CRASH_KILLS"))
	if err != nil {
		n = 12
	}
	t.Logf("%d kills", n)
	return n
}

// A visitor is what one worker knows of one data subject. Only that worker touches it.
type visitor struct {
	cookie  string
	visit   string
	acked   int // events 1…acked were acknowledged
	pending int // events acked+1…pending were sent, and the answer was lost
	records []string
}

// worker is one client. It repeats what was not answered, as a browser does.
type worker struct {
	rnd      *rand.Rand
	visitors []*visitor
	requests []string // acknowledged ids
	events   int
	failures []string
}

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "probity")
	build := exec.Command("go", "build", "-o", bin, "./cmd/probity")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	data := filepath.Join(dir, "data")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	crew := make([]*worker, workers)
	for i := range crew {
		crew[i] = &worker{rnd: rand.New(rand.NewPCG(seed, uint64(i)+2))}
	}
	n := kills(t)
	for range n {
		p := run(t, bin, data, log)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, w := range crew {
			wg.Go(func() { w.work(ctx, p) })
		}
		<-time.After(time.Duration(20+rnd.IntN(280)) * time.Millisecond)
		p.kill(t)
		cancel()
		wg.Wait()
	}

	p := run(t, bin, data, log)
	token := p.login(t)
	for _, w := range crew {
		for _, f := range w.failures {
			t.Error(f)
		}
		for _, v := range w.visitors {
			p.checkChoices(t, v)
		}
		for _, r := range w.requests {
			p.checkRequest(t, token, r)
		}
	}
	p.settle(t)
	p.stop(t)
	total := 0
	for _, w := range crew {
		total += w.events
	}
	checkEvents(t, data, crew)
	t.Logf("%d events, %d visitors and %d requests were acknowledged over %d kills", total, count(crew, func(w *worker) int { return len(w.visitors) }),
		count(crew, func(w *worker) int { return len(w.requests) }), n)
	if total == 0 {
		t.Error("nothing was acknowledged: the test tested nothing")
	}
	if t.Failed() {
		b, _ := os.ReadFile(log.Name())
		t.Logf("end of the server's log:\n%s", b[max(0, len(b)-6000):])
	}
}

func count(crew []*worker, of func(*worker) int) (n int) {
	for _, w := range crew {
		n += of(w)
	}
	return n
}

// process is one life of the binary.
type process struct {
	cmd  *exec.Cmd
	base string
	http *http.Client
}

func run(t *testing.T, bin, data string, log io.Writer) *process {
	t.Helper()
	cmd := exec.Command(bin, "serve", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "PROBITY_BOOTSTRAP_CLIENT="+client+":"+secret, "PROBITY_BOOTSTRAP_DEPLOYMENT="+deployment)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ok {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("no ready line after a kill: %q, %v", line, err)
	}
	return &process{cmd: cmd, base: base, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: 20 * time.Second}}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("a stop in order: %v", err)
	}
}

// errLost says that no answer came: whether it took effect is unknown.
var errLost = errors.New("no answer")

// call sends JSON. A refusal is an error other than errLost.
func (p *process) call(ctx context.Context, method, path, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	} else {
		req.Header.Set("Origin", "http://localhost")
	}
	res, err := p.http.Do(req)
	if err != nil {
		return errLost
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return errLost
	}
	if res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests {
		return errLost // refused for now; the client repeats it like a lost one
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, b)
	}
	return json.Unmarshal(b, out)
}

func (p *process) login(t *testing.T) string {
	t.Helper()
	token, err := p.token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (p *process) token() (string, error) {
	req, err := http.NewRequest(http.MethodPost, p.base+"/oauth/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(client, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.http.Do(req)
	if err != nil {
		return "", errLost
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", errLost
	}
	return answer.Token, nil
}

// work acts as a client until the server dies: new visitors, events of known ones, a request now and
// then.
func (w *worker) work(ctx context.Context, p *process) {
	for ctx.Err() == nil {
		var err error
		switch dice := w.rnd.IntN(20); {
		case len(w.visitors) == 0 || dice == 0:
			err = w.choose(ctx, p)
		case dice == 1:
			err = w.request(ctx, p)
		default:
			err = w.send(ctx, p, w.visitors[w.rnd.IntN(len(w.visitors))])
		}
		if errors.Is(err, errLost) {
			return
		}
		if err != nil {
			w.failures = append(w.failures, err.Error())
			return
		}
	}
}

func (w *worker) choose(ctx context.Context, p *process) error {
	var served struct {
		Nonce string `json:"nonce"`
	}
	if err := p.call(ctx, http.MethodPost, "/probity/v1/consent/served", "", map[string]any{
		"deployment": deployment, "notice": "privacy", "version": 1, "language": "en",
	}, &served); err != nil {
		return err
	}
	var chosen struct {
		Visitor  string `json:"visitor"`
		RecordID string `json:"record_id"`
	}
	all := map[string]bool{"measure": true, "actions": true, "identity": true, "predict": true, "support": true, "sales": true, "marketing": true}
	if err := p.call(ctx, http.MethodPost, "/probity/v1/consent/choices", "", map[string]any{
		"deployment": deployment, "nonce": served.Nonce, "visitor": nil, "purposes": all,
		"ui":          map[string]any{"component": "banner", "action": "accept_all", "dwell_ms": 1200, "trusted": true, "viewport": "d"},
		"client_time": time.Now().UTC().Format(time.RFC3339Nano),
	}, &chosen); err != nil {
		return err
	}
	w.visitors = append(w.visitors, &visitor{cookie: chosen.Visitor, visit: uuid.NewString(), records: []string{chosen.RecordID}})
	return nil
}

// send sends the next events of a visitor, beginning with those that were not answered.
func (w *worker) send(ctx context.Context, p *process, v *visitor) error {
	v.pending = max(v.pending, v.acked+1+w.rnd.IntN(4))
	var events []any
	for seq := v.acked + 1; seq <= v.pending; seq++ {
		events = append(events, map[string]any{
			"seq": seq, "name": "page_viewed", "at": time.Now().UTC().Format(time.RFC3339Nano),
			"url": fmt.Sprintf("http://localhost/page/%d", seq), "title": "A page", "attributes": map[string]any{"n": seq},
		})
	}
	var answer struct {
		Accepted int   `json:"accepted"`
		Refused  []any `json:"refused"`
	}
	if err := p.call(ctx, http.MethodPost, "/probity/v1/deployments/"+deployment+"/events", "", map[string]any{
		"visitor": v.cookie, "visit": v.visit, "context": map[string]any{"lang": "en"}, "events": events,
	}, &answer); err != nil {
		return err
	}
	if answer.Accepted != len(events) {
		return fmt.Errorf("%d of %d events were accepted; refused: %v", answer.Accepted, len(events), answer.Refused)
	}
	w.events += v.pending - v.acked
	v.acked = v.pending
	return nil
}

func (w *worker) request(ctx context.Context, p *process) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	var request struct {
		ID string `json:"id"`
	}
	v := w.visitors[w.rnd.IntN(len(w.visitors))]
	if err := p.call(ctx, http.MethodPost, "/api/v2/gdpr/requests", token, map[string]any{
		"requestType": "GDPR_EXPORT", "subject": map[string]any{"journeyCustomer": map[string]string{"type": "cookie", "id": v.cookie}},
	}, &request); err != nil {
		return err
	}
	w.requests = append(w.requests, request.ID)
	return nil
}

func (p *process) checkChoices(t *testing.T, v *visitor) {
	t.Helper()
	var state struct {
		Purposes map[string]struct {
			Status   string `json:"status"`
			RecordID string `json:"record_id"`
		} `json:"purposes"`
	}
	if err := p.call(t.Context(), http.MethodPost, "/probity/v1/consent/state", "", map[string]any{
		"deployment": deployment, "visitor": v.cookie,
	}, &state); err != nil {
		t.Errorf("the choice of a visitor: %v", err)
		return
	}
	got := state.Purposes["measure"]
	if got.Status != "ConsentGiven" || got.RecordID != v.records[len(v.records)-1] {
		t.Errorf("an acknowledged choice is now %s by record %s, want record %s", got.Status, got.RecordID, v.records[len(v.records)-1])
	}
}

// checkRequest waits until the request has been carried out: a crash may delay it, not lose it.
func (p *process) checkRequest(t *testing.T, token, request string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(90 * time.Second)
	for {
		var got struct {
			Status string `json:"status"`
		}
		if err := p.call(t.Context(), http.MethodGet, "/api/v2/gdpr/requests/"+request, token, struct{}{}, &got); err != nil {
			t.Errorf("an acknowledged request: %v", err)
			return
		}
		switch got.Status {
		case "COMPLETED":
			return
		case "ERROR":
			t.Errorf("request %s ended in ERROR", request)
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Errorf("request %s is still %s", request, got.Status)
			return
		}
	}
}

// settle waits until the worker has processed all of the log.
func (p *process) settle(t *testing.T) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(90 * time.Second)
	for {
		res, err := p.http.Get(p.base + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nprobity_log_partitions_behind 0\n") {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("the log is not processed after 90 seconds")
		}
	}
}

// checkEvents opens the stores themselves and counts every visitor's events: each acknowledged one
// once, in order; of those whose answer was lost each at most once, and no gap.
func checkEvents(t *testing.T, data string, crew []*worker) {
	t.Helper()
	ctx := t.Context()
	root, created, _, err := vault.LoadOrCreateRootKey(filepath.Join(data, "root.key"))
	if err != nil || created {
		t.Fatalf("root key: %v", err)
	}
	keysDB, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(data, "vault.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer keysDB.Close()
	keys, err := vault.Open(ctx, keysDB, root, clock.System(), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(data, "probity.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tenant, err := org.New(db, keys, clock.System(), org.Options{}).Default(ctx)
	if err != nil {
		t.Fatal(err)
	}
	subjects := subject.New(db, keys, clock.System())
	journeys, err := journey.NewStore(db, keys, clock.System())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range crew {
		for _, v := range w.visitors {
			s, known, err := subjects.Lookup(ctx, tenant, subject.Cookie, v.cookie)
			if err != nil || !known {
				t.Errorf("an acknowledged visitor is unknown (%v)", err)
				continue
			}
			checkVisitor(t, journeys, tenant, s, v)
		}
	}
	choices := consent.New(db, ledger.New(db, keys, clock.System(), "probity.invalid"), subjects, keys, clock.System(), nil)
	report, err := audit.Events(ctx, choices, journeys, tenant)
	if err != nil || report.Violated > 0 || report.Checked == 0 {
		t.Errorf("the audit of the stored events: %+v, %v", report, err)
	}
}

func checkVisitor(t *testing.T, journeys *journey.Store, tenant id.Tenant, s id.Subject, v *visitor) {
	t.Helper()
	want := 1
	err := journeys.For(open{}).Events(t.Context(), tenant, s, time.Time{}, func(e journey.StoredEvent) error {
		if got := e.Event.Attributes["n"].Value; got != strconv.Itoa(want) {
			t.Errorf("event %d of a visitor is number %s: lost, doubled or out of order", want, got)
		}
		want++
		return nil
	})
	if err != nil {
		t.Errorf("events of a visitor: %v", err)
	}
	if stored := want - 1; stored < v.acked || stored > v.pending {
		t.Errorf("%d events are stored; %d were acknowledged and %d sent", stored, v.acked, v.pending)
	}
}

// open is a gate for reading what is there, whatever anybody allows.
type open struct{}

func (open) Standing(context.Context, id.Tenant, id.Subject, string) (bool, error) { return true, nil }
