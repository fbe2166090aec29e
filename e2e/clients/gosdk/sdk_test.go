// Package gosdk drives Probity with the unchanged Genesys Cloud SDK for Go. It is a module of its
// own because that SDK takes minutes and several gigabytes to compile.
package gosdk

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	genesys "github.com/mypurecloud/platform-client-sdk-go/v157/platformclientv2"
)

const (
	clientID   = "sdk-test"
	secret     = "sdk-test-secret"
	deployment = "6f1c2a44-3f6b-4a55-9a2e-0d5c6b7a8e90"
	cookie     = "0b9a4a52-8f0c-4d0e-9b5e-3d1f5a6c7b81"
	email      = "go.sdk.visitor@example.com"
)

// serve starts the real binary on an empty data directory and returns its base address.
func serve(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "probity")
	build := exec.Command("go", "build", "-o", bin, "./cmd/probity")
	build.Dir = filepath.Join("..", "..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(),
		"PROBITY_BOOTSTRAP_CLIENT="+clientID+":"+secret,
		"PROBITY_BOOTSTRAP_DEPLOYMENT="+deployment,
		"PROBITY_BOOTSTRAP_BASIS=legitimate_interest")
	log, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("server log:\n%s", b)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	addr, found := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !found {
		t.Fatalf("want a ready line, got %q (%v)", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return addr
}

func ptr[T any](v T) *T { return &v }

// login signs in with client credentials: once through BasePath, once through a gateway, whose
// paths the SDK writes with two leading slashes.
func login(t *testing.T, base string, gateway bool) *genesys.Configuration {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	c := genesys.NewConfiguration()
	if gateway {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		c.GateWayConfiguration = &genesys.GateWayConfiguration{Protocol: u.Scheme, Host: u.Hostname(), Port: u.Port()}
	} else {
		c.BasePath = base
	}
	if err := c.AuthorizeClientCredentials(clientID, secret); err != nil {
		t.Fatalf("authorise (gateway=%v): %v", gateway, err)
	}
	return c
}

func webEvent(name, page string, traits map[string]genesys.Customeventattribute) genesys.Webeventrequest {
	return genesys.Webeventrequest{
		CustomerCookieId: ptr(cookie),
		EventName:        ptr(name),
		Page:             &genesys.Requestpage{Url: ptr("https://shop.example/" + page), Title: ptr("Page " + page)},
		UserAgentString:  ptr("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"),
		Traits:           &traits,
		CreatedDate:      ptr(time.Now().UTC()),
	}
}

func TestUnchangedGoSDKDrivesSessionsAndRights(t *testing.T) {
	base := serve(t)
	cfg := login(t, base, true)
	journey := genesys.NewJourneyApiWithConfig(cfg)
	gdpr := genesys.NewGeneralDataProtectionRegulationApiWithConfig(cfg)

	t.Run("a login through BasePath works too", func(t *testing.T) {
		c := login(t, base, false)
		if _, r, err := genesys.NewGeneralDataProtectionRegulationApiWithConfig(c).GetGdprRequests(0, 0); err != nil {
			t.Fatalf("list: %v (%v)", err, r)
		}
	})

	first, r, err := journey.PostJourneyDeploymentWebevents(deployment, webEvent("page_viewed", "a", nil))
	if err != nil {
		t.Fatalf("web event: %v (%v)", err, r)
	}
	second, r, err := journey.PostJourneyDeploymentWebevents(deployment, webEvent("account_opened", "b",
		map[string]genesys.Customeventattribute{"email": {DataType: ptr("string"), Value: ptr(email)}}))
	if err != nil {
		t.Fatalf("web event with traits: %v (%v)", err, r)
	}
	if first.Session == nil || first.Session.Id == nil || second.Session == nil || *second.Session.Id != *first.Session.Id {
		t.Fatalf("both events belong to one session: %v, %v", first.Session, second.Session)
	}
	sessionID := *first.Session.Id

	session, r, err := journey.GetJourneySession(sessionID)
	if err != nil {
		t.Fatalf("session: %v (%v)", err, r)
	}
	if *session.EventCount != 2 || *session.PageviewCount != 1 || *session.CustomerId != cookie {
		t.Errorf("session counts %d events, %d page views, customer %s", *session.EventCount, *session.PageviewCount, *session.CustomerId)
	}
	events, r, err := journey.GetJourneySessionEvents(sessionID, "10", "", "")
	if err != nil || len(*events.Entities) != 2 {
		t.Fatalf("events: %v (%v): %v", err, r, events)
	}
	if _, r, err := journey.GetJourneySessionOutcomescores(sessionID); err != nil {
		t.Fatalf("scores: %v (%v)", err, r)
	}

	found, r, err := gdpr.GetGdprSubjects("EMAIL", email)
	if err != nil || len(*found.Entities) == 0 {
		t.Fatalf("subjects: %v (%v): %v", err, r, found)
	}

	export := request(t, gdpr, genesys.Gdprrequest{
		RequestType: ptr("GDPR_EXPORT"),
		Subject:     &genesys.Gdprsubject{EmailAddresses: &[]string{email}},
	}, false)
	if export.ResultsUrl == nil || *export.ResultsUrl == "" {
		t.Fatal("a completed export names its results")
	}
	if n := download(t, cfg, base, *export.ResultsUrl); n < 200 {
		t.Errorf("the archive has %d bytes", n)
	}

	unconfirmed := genesys.Gdprrequest{
		RequestType: ptr("GDPR_DELETE"),
		Subject:     &genesys.Gdprsubject{JourneyCustomer: &genesys.Gdprjourneycustomer{VarType: ptr("cookie"), Id: ptr(cookie)}},
	}
	if _, r, err := gdpr.PostGdprRequests(unconfirmed, false); err == nil || r == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("a deletion without deleteConfirmed: %v, %v", err, r)
	}
	request(t, gdpr, unconfirmed, true)
	if _, r, err := journey.GetJourneySession(sessionID); err == nil || r == nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("the session of an erased customer: %v, %v", err, r)
	}
	if _, r, err := journey.PostJourneyDeploymentWebevents(deployment, webEvent("page_viewed", "late", nil)); err == nil || r == nil || r.StatusCode/100 != 4 {
		t.Errorf("a late event of an erased customer: %v, %v", err, r)
	}
	list, r, err := gdpr.GetGdprRequests(0, 0)
	if err != nil || len(*list.Entities) != 2 {
		t.Errorf("requests: %v (%v): %v", err, r, list)
	}
}

// request submits a request and polls it, as clients must, until it has ended.
func request(t *testing.T, api *genesys.GeneralDataProtectionRegulationApi, body genesys.Gdprrequest, confirmed bool) *genesys.Gdprrequest {
	t.Helper()
	got, r, err := api.PostGdprRequests(body, confirmed)
	if err != nil {
		t.Fatalf("submit %s: %v (%v)", *body.RequestType, err, r)
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(60 * time.Second)
	for {
		switch *got.Status {
		case "COMPLETED":
			return got
		case "ERROR":
			t.Fatalf("%s ended in ERROR", *body.RequestType)
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s still %s after a minute", *body.RequestType, *got.Status)
		}
		if got, r, err = api.GetGdprRequest(*got.Id); err != nil {
			t.Fatalf("poll: %v (%v)", err, r)
		}
	}
}

// download follows a results URL as a client does: with the token, to a short-lived address.
func download(t *testing.T, cfg *genesys.Configuration, base, results string) int {
	t.Helper()
	u, err := url.Parse(results)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string, authorised bool) *http.Response {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorised {
			req.Header.Set("Authorization", "Bearer "+cfg.AccessToken)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	id := u.Path[strings.LastIndex(u.Path, "/")+1:]
	res := get(base+"/api/v2/downloads/"+id+"?issueRedirect=false", true)
	defer res.Body.Close()
	var signed struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(res.Body).Decode(&signed); err != nil || signed.URL == "" {
		t.Fatalf("download %s: status %d, %v", id, res.StatusCode, err)
	}
	file := get(signed.URL, false)
	defer file.Body.Close()
	b, err := io.ReadAll(file.Body)
	if err != nil || file.StatusCode != http.StatusOK || !strings.HasPrefix(string(b), "PK") {
		t.Fatalf("archive: status %d, %d bytes, %v", file.StatusCode, len(b), err)
	}
	return len(b)
}
