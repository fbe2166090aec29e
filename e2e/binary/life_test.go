package binary

import (
	"bufio"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestAStopDrainsAndEndsWithNothingOpen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	cookie, _ := s.grant(t)
	var streams []*bufio.Reader
	for range 3 {
		res := s.liveStream(t, cookie)
		t.Cleanup(func() { res.Body.Close() })
		r := bufio.NewReader(res.Body)
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, ":") {
			t.Fatalf("the stream begins with %q, %v", line, err)
		}
		streams = append(streams, r)
	}
	var events []map[string]any
	for seq := range 100 {
		events = append(events, event(seq+1, nil))
	}
	s.send(t, batch(cookie, events...), len(events))
	began := time.Now()
	s.stop(t)
	// The drain may take 20 seconds where a request hangs; nothing hangs here, streams end at once.
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the stop took %s", took)
	}
	for _, r := range streams {
		if _, err := io.ReadAll(r); err != nil {
			t.Errorf("a stream was broken off instead of ended: %v", err)
		}
	}
	if out := s.out.String(); out != "ready "+s.base+"\n" {
		t.Errorf("standard output is %q, want the ready line alone", out)
	}
	if !strings.HasPrefix(s.base, "http://127.0.0.1:") || strings.HasSuffix(s.base, ":0") {
		t.Errorf("the ready line names %s", s.base)
	}
	s = h.start(t)
	s.settle(t)
	if n := h.countEvents(t, s, cookie); n != 100 {
		t.Errorf("%d of 100 acknowledged events are there after the stop", n)
	}
}

// countEvents stops the server and counts what is stored of a visitor.
func (h *house) countEvents(t *testing.T, s *server, cookie string) int {
	t.Helper()
	s.stop(t)
	return h.events(t, cookie)
}

func TestAnInterruptStopsLikeATermination(t *testing.T) {
	t.Parallel()
	s := newHouse(t).start(t)
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.over:
	case <-time.After(patience):
		t.Fatal("the program does not stop")
	}
	if s.err != nil {
		t.Errorf("it ended with %v", s.err)
	}
}

func TestDoubledSlashesKeepTheBodyOfAPost(t *testing.T) {
	t.Parallel()
	s := newHouse(t).start(t)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}.Encode()
	for _, path := range []string{"//oauth/token", "///oauth/token"} {
		var a struct {
			Token string `json:"access_token"`
		}
		s.do(t, "POST", path, form, "Content-Type", "application/x-www-form-urlencoded").want(t, 200).into(t, &a)
		if a.Token == "" {
			t.Errorf("%s gives no token", path)
		}
	}
	auth := s.token(t)
	cookie, _ := s.grant(t)
	s.do(t, "POST", "/"+webEventsPath, webEvent(cookie, nil)).want(t, 200)
	s.do(t, "POST", "/"+eventsPath, batch(cookie, event(1, nil)), "Origin", origin).want(t, 202)
	s.do(t, "POST", "//api/v2/gdpr/requests", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": customer(cookie)}), "Authorization", auth).want(t, 200)
	s.do(t, "GET", "//api/v2/gdpr/requests?pageSize=1", "", "Authorization", auth).want(t, 200)
	for _, path := range []string{"/api//v2/gdpr/requests", "/api/v2/../v2/gdpr/requests"} {
		if a := s.do(t, "POST", path, `{}`, "Authorization", auth); a.status != 404 && a.status != 307 && a.status != 308 {
			t.Errorf("%s answers %d: a client loses the body on the way", path, a.status)
		}
	}
}

func TestBootstrapMakesOnceAndKeeps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	cookie, _ := s.grant(t)
	s.stop(t)
	share := strings.Contains(s.log.String(), "Recovery share")
	if !share {
		t.Error("the first start does not print the recovery share")
	}

	h.env = []string{"PROBITY_BOOTSTRAP_CLIENT=" + client + ":quite-another-secret", "PROBITY_BOOTSTRAP_DEPLOYMENT=" + deployment}
	s = h.start(t)
	if strings.Contains(s.log.String(), "Recovery share") {
		t.Error("the recovery share is printed again")
	}
	s.token(t) // the first secret is still the one
	a := s.do(t, "POST", "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {"quite-another-secret"}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded")
	if a.status != 401 {
		t.Errorf("a secret of a later start answers %d", a.status)
	}
	s.send(t, batch(cookie, event(1, nil)), 1)
	s.stop(t)

	h.env = nil
	s = h.start(t)
	s.token(t)
	s.send(t, batch(cookie, event(2, nil)), 1)
	s.stop(t)
}

func TestBootstrapRefusesWhatItCannotMake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ env, says string }{
		"a deployment that is no UUID":   {"PROBITY_BOOTSTRAP_DEPLOYMENT=shop", "PROBITY_BOOTSTRAP_DEPLOYMENT"},
		"a client without a secret":      {"PROBITY_BOOTSTRAP_CLIENT=shop", "PROBITY_BOOTSTRAP_CLIENT"},
		"a basis without its deployment": {"PROBITY_BOOTSTRAP_BASIS=legitimate_interest", "PROBITY_BOOTSTRAP_DEPLOYMENT"},
		"a level that is none":           {"PROBITY_LOG_LEVEL=loud", "log-level"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.env = []string{c.env}
			if said := h.refused(t); !strings.Contains(said, c.says) {
				t.Errorf("it does not name %s: %s", c.says, said)
			}
		})
	}
}

// An unknown cookie has chosen nothing, so by default nothing of it is taken.
func TestUnknownCookiesNeedAChoiceByDefault(t *testing.T) {
	t.Parallel()
	s := newHouse(t).start(t)
	stranger := uuid.NewString()
	a := s.do(t, "POST", webEventsPath, webEvent(stranger, nil)).want(t, 403)
	var e struct{ Code string }
	if a.into(t, &e); e.Code != "consent.required" {
		t.Errorf("the code is %q", e.Code)
	}
	for _, headers := range [][]string{{"Origin", origin}, nil} {
		var b sent
		s.do(t, "POST", eventsPath, batch(stranger, event(1, nil)), headers...).want(t, 202).into(t, &b)
		if b.Accepted != 0 || len(b.Refused) != 1 || b.Refused[0].Code != "consent.required" {
			t.Errorf("with %v: %+v", headers, b)
		}
	}
	if n := s.metric(t, "probity_events_accepted_total"); n != "0" {
		t.Errorf("%s events were accepted", n)
	}
}

func TestADeclaredBasisOpensTheServersDoorOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.env = bootstrap("PROBITY_BOOTSTRAP_BASIS=legitimate_interest")
	s := h.start(t)
	stranger := uuid.NewString()
	var b sent
	s.do(t, "POST", eventsPath, batch(stranger, event(1, nil)), "Origin", origin).want(t, 202).into(t, &b)
	if b.Accepted != 0 {
		t.Error("an event that a browser sent was taken without a choice")
	}
	s.do(t, "POST", webEventsPath, webEvent(stranger, nil)).want(t, 200)
	b = sent{}
	s.do(t, "POST", eventsPath, batch(stranger, event(2, nil))).want(t, 202).into(t, &b)
	if b.Accepted != 1 {
		t.Errorf("a server's batch: %+v", b)
	}
	if a := s.do(t, "POST", webEventsPath, webEvent(uuid.NewString(), nil), "Sec-GPC", "1"); a.status != 403 {
		t.Errorf("an event with Global Privacy Control answers %d: the signal objects", a.status)
	}

	// What a visitor takes back stays closed, whoever sends it.
	withdraw := func(cookie string) {
		s.do(t, "POST", "/probity/v1/consent/withdraw", object(map[string]any{
			"deployment": deployment, "visitor": cookie, "ui": map[string]any{"component": "preferences", "action": "withdraw_all"}, "client_time": now(),
		}), "Origin", origin).want(t, 200)
	}
	chose, _ := s.grant(t)
	s.do(t, "POST", webEventsPath, webEvent(chose, nil)).want(t, 200)
	for name, cookie := range map[string]string{"who was never asked": stranger, "who had chosen": chose} {
		withdraw(cookie)
		if a := s.do(t, "POST", webEventsPath, webEvent(cookie, nil)); a.status != 403 {
			t.Errorf("an event of a visitor %s answers %d after the objection", name, a.status)
		}
	}
	s.stop(t)

	h.env = bootstrap("PROBITY_BOOTSTRAP_BASIS=legitimate_interest")
	s = h.start(t)
	s.do(t, "POST", webEventsPath, webEvent(uuid.NewString(), nil)).want(t, 200)
	if a := s.do(t, "POST", webEventsPath, webEvent(stranger, nil)); a.status != 403 {
		t.Errorf("after another start, an event of a visitor who objected answers %d", a.status)
	}
	s.stop(t)
}

func TestWrongUsageIsTwoAndFailureIsOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"an unknown flag":        {[]string{"serve", "--nonsense"}, 2},
		"an unknown command":     {[]string{"nonsense"}, 2},
		"no command":             {nil, 2},
		"a file that is missing": {[]string{"verify", "/nonexistent"}, 2},
		"no data directory":      {[]string{"doctor", "--data", "/nonexistent/data"}, 2},
		"sign-in without data":   {[]string{"sign-in", "--data", "/nonexistent/data"}, 2},
		"rotate without data":    {[]string{"keys", "rotate", "--data", "/nonexistent/data"}, 2},
		"an address in use":      {[]string{"serve", "--data", t.TempDir(), "--listen", "192.0.2.1:80"}, 1},
		"the version":            {[]string{"version"}, 0},
	} {
		_, said, err := command(t, nil, c.args...)
		code := 0
		if err != nil {
			e, ok := err.(*exec.ExitError)
			if !ok {
				t.Errorf("%s: %v", name, err)
				continue
			}
			code = e.ExitCode()
		}
		if code != c.code {
			t.Errorf("%s: status %d, want %d\n%s", name, code, c.code, said)
		}
		if code != 0 && said == "" {
			t.Errorf("%s: nothing is said", name)
		}
	}
}
