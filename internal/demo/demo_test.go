package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

func get(t *testing.T, h http.Handler, path string) (int, http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Header(), w.Body.String()
}

func TestEveryLinkOfTheShopLeadsSomewhere(t *testing.T) {
	h := Shop(uuid.New(), "")
	link := regexp.MustCompile(`(?:href|src|action)="(/demo/[^"#]*)"`)
	seen := map[string]bool{"/demo/": true}
	for queue := []string{"/demo/"}; len(queue) > 0; queue = queue[1:] {
		status, header, body := get(t, h, queue[0])
		if status != http.StatusOK && status != http.StatusSeeOther {
			t.Errorf("%s: status %d", queue[0], status)
		}
		if !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				queue = append(queue, m[1])
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d addresses were found", len(seen))
	}
}

func TestPagesRunNoInlineScriptAndAllowNoOtherSite(t *testing.T) {
	h := Shop(uuid.New(), "")
	inline := regexp.MustCompile(`<script[^>]*>[^<]|\son[a-z]+=|style="`)
	for _, path := range []string{"/demo/", "/demo/c/green", "/demo/p/" + products[0].SKU, "/demo/search?q=tea", "/demo/basket", "/demo/account", "/demo/newsletter", "/demo/privacy"} {
		_, header, body := get(t, h, path)
		if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		if header.Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie before anything was put into the basket", path)
		}
	}
}

func TestWhatIsTypedComesBackEscaped(t *testing.T) {
	_, _, body := get(t, Shop(uuid.New(), ""), "/demo/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
	if strings.Contains(body, "<script>alert") {
		t.Error("the search word is shown as it came")
	}
}

func TestTheSameSeedGivesTheSameVisitors(t *testing.T) {
	draw := func(seed uint64) (list []string) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		for range 200 {
			list = append(list, fmt.Sprintf("%+v", newScript(rnd)))
		}
		return list
	}
	if !slices.Equal(draw(7), draw(7)) {
		t.Error("the same seed gave other visitors")
	}
	if slices.Equal(draw(7), draw(8)) {
		t.Error("another seed gave the same visitors")
	}
}

func TestVisitorsDifferInWhatTheyAgreeToAndWant(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	answers := map[answer]int{}
	bought, withdrew, erased := 0, 0, 0
	const n = 1000
	for range n {
		s := newScript(rnd)
		answers[s.answer]++
		orders := 0
		for _, st := range s.steps {
			if st.name == "order_completed" {
				orders++
			}
		}
		if (orders == 1) != s.bought || orders > 1 {
			t.Fatalf("%d orders of a visitor who bought: %v", orders, s.bought)
		}
		if s.bought {
			bought++
		}
		if s.withdraw >= 0 {
			withdrew++
		}
		if s.erase {
			erased++
		}
	}
	if answers[acceptAll] < n/2 || answers[acceptSome] < n/20 || answers[refuseAll] < n/10 || bought < n/20 || bought > n/4 || withdrew == 0 || erased == 0 {
		t.Errorf("answers %v, %d bought, %d withdrew, %d asked for erasure", answers, bought, withdrew, erased)
	}
}

// contract is the server's part of the wire contract in memory: it hands out what visitors need and
// notes what they send.
type contract struct {
	mu      sync.Mutex // guards what follows
	choices []map[string]bool
	events  map[string][]string // names by visitor
	unasked []string            // requests of visitors who were given no cookie
}

func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var in struct {
		Purposes map[string]bool `json:"purposes"`
		Visitor  string          `json:"visitor"`
		Events   []struct {
			Name string `json:"name"`
		} `json:"events"`
	}
	_ = json.Unmarshal(body, &in)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/notice"):
		fmt.Fprint(w, `{"id":"privacy","version":1,"language":"en","purposes":[{"id":"measure"},{"id":"actions"},{"id":"predict"},{"id":"marketing"}]}`)
	case strings.HasSuffix(r.URL.Path, "/served"):
		fmt.Fprint(w, `{"nonce":"n"}`)
	case strings.HasSuffix(r.URL.Path, "/choices"):
		c.choices = append(c.choices, in.Purposes)
		visitor := "null"
		for _, yes := range in.Purposes {
			if yes {
				visitor = `"` + uuid.NewString() + `"`
			}
		}
		fmt.Fprintf(w, `{"visitor":%s}`, visitor)
	case strings.HasSuffix(r.URL.Path, "/events"):
		if in.Visitor == "" {
			c.unasked = append(c.unasked, r.URL.Path)
		}
		for _, e := range in.Events {
			c.events[in.Visitor] = append(c.events[in.Visitor], e.Name)
		}
		fmt.Fprint(w, `{"accepted":1,"refused":[]}`)
	default:
		fmt.Fprint(w, `{}`)
	}
}

func TestVisitorsSpeakTheContractAndThoseWhoRefuseSendNothing(t *testing.T) {
	c := &contract{events: map[string][]string{}}
	server := httptest.NewServer(c)
	defer server.Close()
	err := Visitors(t.Context(), Options{
		BaseURL: server.URL, Deployment: uuid.New(), N: 4, Seed: 3, Visits: 60, Logger: slog.New(slog.DiscardHandler),
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, choice := range c.choices {
		if !slices.Contains(slices.Collect(values(choice)), true) {
			refused++
		}
	}
	if len(c.choices) != 60 || refused == 0 || len(c.events) != 60-refused || len(c.unasked) > 0 {
		t.Errorf("%d choices, %d refused, %d visitors sent events, %d without a cookie", len(c.choices), refused, len(c.events), len(c.unasked))
	}
}

func values(m map[string]bool) func(yield func(bool) bool) {
	return func(yield func(bool) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}
