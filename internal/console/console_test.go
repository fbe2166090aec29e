package console

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/org"
)

// door is a Staff with one person and one link.
type door struct {
	person *org.Staff
	link   string
}

func (d *door) RedeemLink(_ context.Context, token string) (*org.Staff, error) {
	if d.link == "" || token != d.link {
		return nil, fail.New(fail.Gone, "This link was used or has expired.")
	}
	d.link = ""
	return d.person, nil
}

func (d *door) Staff(_ context.Context, t id.Tenant, staff uuid.UUID) (*org.Staff, error) {
	if d.person == nil || d.person.ID != staff || d.person.Tenant != t {
		return nil, fail.New(fail.NotFound, "no such person")
	}
	return d.person, nil
}

func (d *door) Organisation(context.Context, id.Tenant) (*org.Organisation, error) {
	return &org.Organisation{Name: `Tea <b>& Co`}, nil
}

// empty is a Journeys in which nothing has happened yet.
type empty struct{ Journeys }

func (empty) Visitors(context.Context, id.Tenant, int) ([]*journey.Visitor, error) { return nil, nil }
func (empty) Plan(context.Context, id.Tenant) (*journey.Plan, error)               { return &journey.Plan{}, nil }

func newConsole(d *door) http.Handler {
	return New(Deps{Staff: d, Sessions: memstore.NewWithCleanupInterval(0), Journey: empty{}, Clock: clock.System(), Logger: slog.New(slog.DiscardHandler), Plain: true})
}

func ask(h http.Handler, method, path, body string, cookies []*http.Cookie, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStrangersAreAskedToSignInOnEveryPage(t *testing.T) {
	h := newConsole(&door{})
	for _, path := range []string{"/console/", "/console/live/rows", "/console/live/stream", "/console/requests", "/console/tasks", "/console/recipients", "/console/databases", "/console/masking", "/console/outcomes", "/console/visitors/x", "/console/nowhere"} {
		r := ask(h, "GET", path, "", nil)
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
		if got := r.Header.Get("Content-Security-Policy"); got != contentPolicy {
			t.Errorf("%s: policy %q", path, got)
		}
	}
}

func TestALinkSignsInOnceAndNeedsAClick(t *testing.T) {
	d := &door{link: "secret", person: &org.Staff{ID: uuid.New(), Tenant: id.NewTenant(), Permissions: []string{org.PermissionSession, org.PermissionConsole} /* sorted */}}
	h := newConsole(d)
	if r := ask(h, "GET", "/console/sign-in?token=secret", "", nil); r.StatusCode != http.StatusOK || d.link == "" {
		t.Fatalf("opening the link: status %d, link used up: %v", r.StatusCode, d.link == "")
	}
	r := ask(h, "POST", "/console/sign-in", "token=secret", nil)
	if r.StatusCode != http.StatusSeeOther || len(r.Cookies()) != 1 || !r.Cookies()[0].HttpOnly {
		t.Fatalf("signing in: status %d, cookies %v", r.StatusCode, r.Cookies())
	}
	page := text(t, ask(h, "GET", "/console/", "", r.Cookies()))
	if !strings.Contains(page, "Nobody is here right now") || !strings.Contains(page, "Tea &lt;b&gt;&amp; Co") {
		t.Errorf("the live page of an empty site:\n%s", page)
	}
	if again := ask(h, "POST", "/console/sign-in", "token=secret", nil); again.StatusCode != http.StatusGone {
		t.Errorf("the second use of a link: status %d", again.StatusCode)
	}
	if r := ask(h, "GET", "/console/requests", "", r.Cookies()); r.StatusCode != http.StatusForbidden {
		t.Errorf("a page without its permission: status %d", r.StatusCode)
	}
	d.person = nil
	if r := ask(h, "GET", "/console/", "", r.Cookies()); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the account was closed: status %d", r.StatusCode)
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	h := newConsole(&door{link: "secret", person: &org.Staff{ID: uuid.New(), Tenant: id.NewTenant()}})
	r := ask(h, "POST", "/console/sign-in", "token=secret", nil, "Sec-Fetch-Site", "cross-site")
	if r.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestProbabilitiesAreWrittenWithTheDigitsWorthReading(t *testing.T) {
	for p, want := range map[float64]string{0: "0.0 %", 0.0004: "< 0.1 %", 0.0312: "3.1 %", 0.4567: "46 %", 1: "100 %"} {
		if got := percent(p); got != want {
			t.Errorf("percent(%v) = %q, want %q", p, got, want)
		}
	}
}

func TestAChartStaysWithinItsFrameAndSaysItself(t *testing.T) {
	var c chart
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, p := range []float64{0.03, 0.31, 0.12} {
		c.add(at, p)
	}
	if top := c.Top(); top < 0.31 || top > 0.41 {
		t.Errorf("upper edge %v", top)
	}
	if got := c.Words(); got != "From 3.0 % at the first event to 12 % at the latest; lowest 3.0 %, highest 31 %." {
		t.Errorf("in words: %q", got)
	}
	if got := strings.Fields(c.Line()); len(got) != 3 || !strings.HasPrefix(got[0], "0.0,") || !strings.HasPrefix(got[2], "600.0,") {
		t.Errorf("line %v", got)
	}
}
