package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"probity/internal/api"
	"probity/internal/clock"
	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/predict"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/stream"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/internal/withdrawn"
	"probity/internal/witness"
	"probity/internal/worker"
)

const (
	clientID   = "test-client"
	secret     = "secret-of-the-test-client"
	deployment = "0194a1b2-0000-7000-8000-000000000001" // consent only, loopback
	declared   = "0194a1b2-0000-7000-8000-000000000002" // legitimate interest for events from servers
	origin     = "http://localhost:3000"
)

// house is the whole of Probity behind a test server: real rooms, a real log, a clock that is
// turned by hand.
type house struct {
	*httptest.Server
	api     *api.API
	tenant  id.Tenant
	clk     *clock.Fake
	org     *org.Room
	consent *consent.Room
	rights  *rights.Room
	journey *journey.Store
	ledger  *ledger.Ledger
	keys    *vault.Vault
	bus     *stream.Engine
	logs    *logs
	letters *letterbox
	bearer  string // of a client that may do everything
}

// logs collects what is logged. It is safe for concurrent use.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// records lets the worker read what collect wrote.
type records struct{ keys *vault.Vault }

func (records) Head(record []byte) (worker.Head, error) {
	rec, err := collect.DecodeRecord(record)
	return worker.Head{Tenant: rec.Tenant, Subject: rec.Subject, Received: rec.Received}, err
}

func (r records) Open(ctx context.Context, record []byte) ([]*event.Event, error) {
	rec, err := collect.DecodeRecord(record)
	if err != nil {
		return nil, err
	}
	return rec.Open(ctx, r.keys)
}

// newHouse is newHouseOn a fresh SQLite file.
func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseOn(t, storetest.SQLite(t))
}

// newHouseOn builds the house over db and starts what works in the background.
func newHouseOn(t testing.TB, db *store.DB) *house {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h := &house{clk: clock.NewFake(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)), logs: new(logs), letters: new(letterbox)}
	logger := slog.New(slog.NewJSONHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keys, err := vault.Open(ctx, storetest.SQLite(t), vault.RootKey{9}, h.clk, vault.Options{})
	must(err)
	h.keys = keys
	h.bus, err = stream.Open(ctx, stream.Options{Dir: t.TempDir(), Logger: logger})
	must(err)
	t.Cleanup(func() { _ = h.bus.Close() })

	h.org = org.New(db, keys, h.clk, org.Options{SecretRounds: 10})
	h.ledger = ledger.New(db, keys, h.clk, "probity.test")
	subjects := subject.New(db, keys, h.clk)
	h.consent = consent.New(db, h.ledger, subjects, keys, h.clk, h.bus)
	predictor := predict.New(db, h.clk, func(ctx context.Context, t id.Tenant, s id.Subject, purpose string) bool {
		_, err := h.consent.Gate(ctx, t, s, purpose)
		return err == nil
	}, predict.Options{Keys: keys, Workers: 1})
	h.journey, err = journey.NewStore(db, keys, h.clk)
	must(err)
	lessons := rights.Lessons(predictor)
	h.rights = rights.New(rights.Deps{
		DB: db, Keys: keys, People: subjects, Ledger: h.ledger, Models: lessons, Bus: h.bus, Gate: h.consent, Mail: h.letters, Clock: h.clk, Logger: logger,
		Stores: []rights.Store{rights.Identities(subjects), rights.Choices(h.consent), rights.Journeys(h.journey), lessons},
	})
	h.consent.RestrictedBy(h.rights.Restricted)
	for _, migrate := range []func(context.Context) error{
		h.org.Migrate, h.ledger.Migrate, subjects.Migrate, h.consent.Migrate, predictor.Migrate, h.journey.Migrate, h.rights.Migrate,
	} {
		must(migrate(ctx))
	}
	h.tenant, err = h.org.EnsureDefault(ctx, org.Bootstrap{Client: clientID + ":" + secret, Deployment: deployment})
	must(err)
	must(h.consent.EnsureDefaults(ctx, h.tenant))
	h.declare(t)

	w := worker.New(worker.Deps{
		DB: db, Log: h.bus, Bus: h.bus, Records: records{keys}, Journey: h.journey, Consent: h.consent, People: subjects,
		Predict: predictor, Tenants: func(context.Context) ([]id.Tenant, error) { return []id.Tenant{h.tenant}, nil },
		Partition: func(id.Tenant, id.Subject) int { return 0 }, Clock: h.clk, Logger: logger,
	}, worker.Options{Linger: -1})
	must(w.Migrate(ctx))
	collector := collect.New(collect.Deps{
		Deployments: h.org, Subjects: subjects, Gate: h.consent, Sealer: keys, Log: h.bus, Clock: h.clk, Logger: logger,
		Declarations: h.consent,
	})
	cosigner, err := witness.New(keys, h.tenant, "probity.test/witness", h.clk)
	must(err)
	publisher := witness.NewPublisher(witness.Deps{DB: db, Ledger: h.ledger, Clock: h.clk, Logger: logger})
	must(publisher.Migrate(ctx))
	gone := withdrawn.New(withdrawn.Deps{DB: db, Clock: h.clk, Logger: logger})
	must(gone.Migrate(ctx))
	h.api = api.New(api.Deps{
		Witness: cosigner, Publisher: publisher, Withdrawn: gone, OpenDSR: newOpenDSR(t, db, h.rights, h.clk),
		Org: h.org, Rights: h.rights, Consent: h.consent, Subjects: subjects, Journey: h.journey, Ledger: h.ledger,
		Collector: collector, Worker: w, Predictors: predictor, Bus: h.bus, Clock: h.clk, Logger: logger,
		SDK:     fstest.MapFS{"dist/ac.js": {Data: []byte(`gate(d.currentScript,"Privacy choices")`)}, "dist/banner.css": {Data: []byte("b{}")}},
		Metrics: prometheus.NewRegistry(),
		Options: api.Options{
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, SecurityContact: "mailto:security@shop.example", Started: h.clk.Now(),
		},
	})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() { _ = w.Run(running) })
	background.Go(func() { _ = h.rights.Run(running) })
	h.Server = httptest.NewServer(h.api)
	t.Cleanup(func() {
		h.api.Close()
		h.Close()
		stop()
		background.Wait()
	})
	h.bearer = h.token(t, clientID, secret)
	return h
}

// declare makes a second deployment whose events from servers rest on legitimate interest.
func (h *house) declare(t testing.TB) {
	t.Helper()
	v := uuid.MustParse(declared)
	if _, err := h.org.SaveDeployment(t.Context(), h.tenant, org.Deployment{ID: v, Name: "Servers"}); err != nil {
		t.Fatal(err)
	}
	record, err := h.consent.Declare(t.Context(), h.tenant, consent.Declaration{
		Deployment: v, Basis: "legitimate_interest", Purposes: []string{"measure", "actions"}, Assessment: "The interest of the shop in knowing its visitors was weighed against theirs on 20 November 2026.",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.org.SetBasis(t.Context(), h.tenant, v, "legitimate_interest", record); err != nil {
		t.Fatal(err)
	}
}

func (h *house) token(t testing.TB, id, secret string) string {
	t.Helper()
	a := h.do(t, "POST", "/oauth/token", "grant_type=client_credentials",
		"Authorization", basic(id, secret), "Content-Type", "application/x-www-form-urlencoded")
	a.want(t, 200)
	return a.str(t, "access_token")
}

// answer is an HTTP response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// do sends a request and reads the answer. Headers come in pairs. Redirects are not followed.
func (h *house) do(t testing.TB, method, path, body string, headers ...string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	rest, query, _ := strings.Cut(path, "?")
	req.URL.Path, req.URL.RawQuery = rest, query
	if body != "" {
		req.Body = io.NopCloser(strings.NewReader(body))
		req.ContentLength = int64(len(body))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return h.send(t, req)
}

func (h *house) send(t testing.TB, req *http.Request) *answer {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		_ = json.Unmarshal(a.body, &a.json) // a list or a text stays unread
	}
	return a
}

// call sends JSON with the token of a client that may do everything.
func (h *house) call(t testing.TB, method, path, body string) *answer {
	t.Helper()
	return h.do(t, method, path, body, "Authorization", "Bearer "+h.bearer, "Content-Type", "application/json")
}

func (a *answer) want(t testing.TB, status int) *answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// at returns the value at a dotted path of the JSON body, or nil.
func (a *answer) at(path string) any {
	var v any = a.json
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

func (a *answer) str(t testing.TB, path string) string {
	t.Helper()
	s, ok := a.at(path).(string)
	if !ok {
		t.Fatalf("%s is no text in %s", path, a.body)
	}
	return s
}

// visitor is a browser that has agreed to the purposes.
func (h *house) visitor(t testing.TB, refused ...string) string {
	t.Helper()
	a := h.do(t, "POST", "/probity/v1/consent/choices", h.choice(t, refused...), "Origin", origin, "Content-Type", "text/plain")
	a.want(t, 201)
	return a.str(t, "visitor")
}

// choice is the body of a choice that agrees to everything but what is refused.
func (h *house) choice(t testing.TB, refused ...string) string {
	t.Helper()
	a := h.do(t, "POST", "/probity/v1/consent/served", `{"deployment":"`+deployment+`","notice":"privacy","version":1,"language":"en"}`,
		"Origin", origin, "Content-Type", "application/json")
	a.want(t, 200)
	purposes := map[string]bool{}
	list, err := h.consent.Purposes(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		purposes[p.ID] = true
	}
	for _, p := range refused {
		if p == "*" {
			for name := range purposes {
				purposes[name] = false
			}
			continue
		}
		purposes[p] = false
	}
	body, err := json.Marshal(map[string]any{
		"deployment": deployment, "nonce": a.str(t, "nonce"), "visitor": nil, "purposes": purposes,
		"ui":          map[string]any{"component": "banner", "action": "save", "dwell_ms": 900, "trusted": true, "viewport": "d"},
		"client_time": h.clk.Now().Format(time.RFC3339Nano),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// webEvent is the body of a Genesys web event.
func (h *house) webEvent(cookie, name string, more ...string) string {
	body := `{"customerCookieId":"` + cookie + `","eventName":"` + name + `","createdDate":"` + h.clk.Now().Format("2006-01-02T15:04:05.000Z") +
		`","page":{"url":"https://shop.example/p/1?utm_source=mail&secret=1","title":"One"}`
	for i := 0; i+1 < len(more); i += 2 {
		body += `,"` + more[i] + `":` + more[i+1]
	}
	return body + "}"
}

// finished waits until the request is final.
func (h *house) finished(t testing.TB, request string) *rights.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	q, err := h.rights.Wait(ctx, h.tenant, uuid.MustParse(request))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func basic(id, secret string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}
