package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/event"
	"probity/internal/replay"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const shopMap = `
deployment: 6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11
basis:
  name: legitimate_interest
  assessment: Old orders teach which pages sell; nobody is contacted because of them.
site: https://shop.example.com
visitor: '{user_id}'
time: {column: event_time, layout: 2006-01-02 15:04:05 MST}
event:
  column: event_type
  names: {view: page_viewed, cart: product_added, purchase: order_completed, remove_from_cart: ""}
page: /product/{product_id}
title: '{brand} {category_code}'
attributes:
  product_id: product_id
  price: {column: price, type: number}
outcomes: [order_completed]
`

const shopHeader = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"

func shopRow(i int, kind string) string {
	return fmt.Sprintf("2019-10-01 00:%02d:%02d UTC,%s,%d,2053013555631882655,garden.chair,acme,%d.90,%d,s\n", i/60%60, i%60, kind, 4000+i, i, 500+i%7)
}

// server is a small import endpoint: it checks the token, decodes as the real one does, and keeps
// what it took. Whatever is in trouble is answered first.
type server struct {
	*httptest.Server
	mu      sync.Mutex // guards all below
	events  []event.Past
	heads   []event.History
	tokens  int
	valid   string
	trouble []func(http.ResponseWriter, *http.Request) bool // each is used once; true: it has answered
	refuse  map[uint32]string
}

func newServer(t *testing.T) *server {
	s := &server{refuse: map[uint32]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id, secret, _ := r.BasicAuth()
		if id != "client" || secret != "se:cret" || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"The client is unknown."}`)
			return
		}
		s.tokens++
		s.valid = fmt.Sprint("token", s.tokens)
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":86400}`, s.valid)
	})
	mux.HandleFunc("POST /probity/v1/import", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.trouble) > 0 {
			first := s.trouble[0]
			s.trouble = s.trouble[1:]
			if first(w, r) {
				return
			}
		}
		if r.Header.Get("Authorization") != "Bearer "+s.valid {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		h, err := event.DecodeHistory(body.Bytes())
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			f := fieldOf(err)
			fmt.Fprintf(w, `{"message":%q,"field":%q}`, err.Error(), f)
			return
		}
		s.heads = append(s.heads, *h)
		var refused []string
		for _, e := range h.Events {
			if code := s.refuse[e.Event.Seq]; code != "" {
				refused = append(refused, fmt.Sprintf(`{"seq":%d,"code":%q,"message":"no"}`, e.Event.Seq, code))
				continue
			}
			s.events = append(s.events, e)
		}
		fmt.Fprintf(w, `{"accepted":%d,"refused":[%s]}`, len(h.Events)-len(refused), strings.Join(refused, ","))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) seqs() (all []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		all = append(all, e.Event.Seq)
	}
	return all
}

// job is a file with its map, ready to be replayed.
type job struct {
	replay.Options
	waits []time.Duration
}

func newJob(t *testing.T, s *server, mapText, csv string) *job {
	t.Helper()
	dir := t.TempDir()
	j := &job{Options: replay.Options{
		File: filepath.Join(dir, "events.csv"), Map: filepath.Join(dir, "map.yml"), Server: s.URL, Client: "client:se:cret",
		BatchRows: 10, Clock: clock.NewFake(noon),
	}}
	j.Wait = func(ctx context.Context, d time.Duration) error {
		j.waits = append(j.waits, d)
		return ctx.Err()
	}
	j.write(t, j.Map, mapText)
	j.write(t, j.File, csv)
	return j
}

func (j *job) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func shopCSV(n int) string {
	var b strings.Builder
	b.WriteString(shopHeader)
	for i := range n {
		b.WriteString(shopRow(i, [...]string{"view", "view", "cart", "purchase"}[i%4]))
	}
	return b.String()
}

func TestAFileIsReplayedAsItsMapSays(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(25)+shopRow(25, "remove_from_cart"))
	sum, err := replay.Run(t.Context(), j.Options)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Rows != 26 || sum.Accepted != 25 || sum.Skipped != 1 || sum.Invalid != 0 || len(sum.Refused) != 0 {
		t.Fatalf("got %+v", sum)
	}
	if len(s.heads) != 3 || s.tokens != 1 {
		t.Fatalf("%d requests, %d tokens", len(s.heads), s.tokens)
	}
	h := s.heads[0]
	if h.Deployment.String() != "6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11" || h.Basis != "legitimate_interest" || !strings.HasPrefix(h.Assessment, "Old orders") ||
		h.Source == [16]byte{} || strings.Join(h.Outcomes, ",") != "order_completed" {
		t.Fatalf("got %+v", h)
	}
	e := s.events[3]
	if e.Visitor != "503" || e.Event.Name != "order_completed" || !e.Event.At.Equal(time.Date(2019, 10, 1, 0, 0, 3, 0, time.UTC)) || e.Event.Seq != 4 ||
		e.Event.Page.URL != "https://shop.example.com/product/4003" || e.Event.Page.Title != "acme garden.chair" ||
		e.Event.Attributes["price"] != (event.Attr{Type: "number", Value: "3.90"}) || e.Event.Attributes["product_id"].Value != "4003" || len(e.Event.Attributes) != 2 {
		t.Fatalf("got %+v", e)
	}
	if text := sum.String(); !strings.Contains(text, "26 rows, 25 events accepted, 1 left out by the map") {
		t.Fatalf("got %q", text)
	}
}

func TestAReplayGoesOnWhereItStopped(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(95))
	ctx, stop := context.WithCancel(t.Context())
	s.trouble = []func(http.ResponseWriter, *http.Request) bool{
		pass, pass, pass,
		func(http.ResponseWriter, *http.Request) bool { stop(); return false }, // taken, but the answer comes too late
	}
	first, err := replay.Run(ctx, j.Options)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %+v, %v", first, err)
	}
	second, err := replay.Run(t.Context(), j.Options)
	if err != nil || second.Resumed != 30 || second.Rows != 65 {
		t.Fatalf("got %+v, %v", second, err)
	}
	seen := map[uint32]int{}
	for _, seq := range s.seqs() {
		seen[seq]++
	}
	for i := range uint32(95) {
		if n := seen[i+1]; n == 0 || n > 2 || n > 1 && (i < 30 || i >= 40) {
			t.Errorf("row %d was sent %d times", i+1, n)
		}
	}
	if s.heads[0].Source != s.heads[len(s.heads)-1].Source {
		t.Error("the second run has another source, so the server can't recognise repeated rows")
	}
	t.Run("a third run has nothing to do", func(t *testing.T) {
		before := len(s.heads)
		if third, err := replay.Run(t.Context(), j.Options); err != nil || third.Rows != 0 || third.Resumed != 95 || len(s.heads) != before {
			t.Fatalf("got %+v, %v", third, err)
		}
	})
	t.Run("rows that were added later are sent", func(t *testing.T) {
		j.write(t, j.File, shopCSV(97))
		if sum, err := replay.Run(t.Context(), j.Options); err != nil || sum.Rows != 2 || sum.Accepted != 2 {
			t.Fatalf("got %+v, %v", sum, err)
		}
	})
	t.Run("lines are still counted from the top", func(t *testing.T) {
		j.write(t, j.File, shopCSV(97)+"never,view,1,,,,1,7,s\n")
		_, err := replay.Run(t.Context(), j.Options)
		if err == nil || !strings.Contains(err.Error(), "events.csv:99: ") {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a restart begins at the top", func(t *testing.T) {
		j.write(t, j.File, shopCSV(97))
		j.Restart = true
		if sum, err := replay.Run(t.Context(), j.Options); err != nil || sum.Rows != 97 || sum.Resumed != 0 {
			t.Fatalf("got %+v, %v", sum, err)
		}
	})
}

func pass(http.ResponseWriter, *http.Request) bool { return false }

func answer(status int, header, value string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if header != "" {
			w.Header().Set(header, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"Not now."}`)
		return true
	}
}

func TestABusyServerIsWaitedFor(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(5))
	s.trouble = []func(http.ResponseWriter, *http.Request) bool{
		answer(429, "Retry-After", "7"), answer(503, "Retry-After", "3"), answer(503, "", ""), answer(502, "", ""),
		func(w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) },
	}
	sum, err := replay.Run(t.Context(), j.Options)
	if err != nil || sum.Accepted != 5 {
		t.Fatal(sum, err)
	}
	if want := []time.Duration{7 * time.Second, 3 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}; fmt.Sprint(j.waits) != fmt.Sprint(want) {
		t.Fatalf("waited %v, want %v", j.waits, want)
	}
}

func TestAServerThatStaysDownIsGivenUp(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(5))
	for range 50 {
		s.trouble = append(s.trouble, answer(503, "", ""))
	}
	_, err := replay.Run(t.Context(), j.Options)
	if err == nil || !strings.Contains(err.Error(), "gave up") || !strings.Contains(err.Error(), "503: Not now.") {
		t.Fatalf("got %v", err)
	}
	if last := j.waits[len(j.waits)-1]; last != time.Minute || len(j.waits) != 11 {
		t.Fatalf("waited %v", j.waits)
	}
}

func TestATokenThatExpiresIsRenewedOnce(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(25))
	s.trouble = []func(http.ResponseWriter, *http.Request) bool{pass, func(http.ResponseWriter, *http.Request) bool { s.valid = "other"; return false }}
	sum, err := replay.Run(t.Context(), j.Options)
	if err != nil || sum.Accepted != 25 || s.tokens != 2 || len(j.waits) != 0 {
		t.Fatal(sum, err, s.tokens, j.waits)
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	s := newServer(t)
	s.refuse[3], s.refuse[7], s.refuse[8] = "subject.erased", "consent.required", "consent.required"
	j := newJob(t, s, shopMap, shopCSV(12))
	sum, err := replay.Run(t.Context(), j.Options)
	if err != nil || sum.Accepted != 9 || sum.Refused["subject.erased"] != 1 || sum.Refused["consent.required"] != 2 {
		t.Fatal(sum, err)
	}
	if text := sum.String(); !strings.Contains(text, "2 refused as consent.required, 1 refused as subject.erased") {
		t.Fatalf("got %q", text)
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	good := shopRow(0, "view")
	for _, c := range []struct {
		name, mapText, csv, want string
	}{
		{"a time that does not fit", shopMap, shopHeader + good + strings.Replace(good, "2019-10-01", "yesterday", 1), `events.csv:3: column "event_time" does not fit the layout`},
		{"a price that is no number", shopMap, shopHeader + good + good + strings.Replace(good, "0.90", "cheap", 1), `events.csv:4: column "price" is no number`},
		{"no visitor", shopMap, shopHeader + strings.Replace(good, ",500,", ",,", 1), `events.csv:2: the visitor is empty`},
		{"a name that is none", shopMap, shopHeader + strings.Replace(good, "view", "<b>", 1), `events.csv:2: the name must consist of letters`},
		{"a field too few", shopMap, shopHeader + good + "a,b\n", `events.csv:3: the row has 2 fields, and the header has 9`},
		{"a quote that is not closed", shopMap, shopHeader + good + "\"a,b\n", `events.csv:3: extraneous or missing`},
		{"text that is not UTF-8", shopMap, shopHeader + strings.Replace(good, "acme", "ac\xffme", 1), `events.csv:2: column "brand" is not UTF-8`},
		{"a line break within a field counts", shopMap, shopHeader + strings.Replace(good, "acme", "\"ac\nme\"", 1) + strings.Replace(good, "0.90", "x", 1), `events.csv:4: column "price"`},
		{"what only the server knows", shopMap, shopHeader + good + strings.Replace(good, ",500,", ","+strings.Repeat("u", 300)+",", 1), `events.csv:3: the server refused the event: visitor must not be longer`},
		{"an empty file", shopMap, "", `events.csv:1: the file is empty`},
		{"a map with a column that is not there", strings.Replace(shopMap, "'{user_id}'", "'{customer}'", 1), shopHeader, `map.yml:7: the CSV has no column "customer"; it has event_time, event_type`},
		{"an attribute whose column is not there", strings.Replace(shopMap, "product_id: product_id", "sku: sku", 1), shopHeader, `map.yml:15: the CSV has no column "sku"`},
		{"a time column that is not there", strings.Replace(shopMap, "column: event_time", "column: at", 1), shopHeader, `map.yml:8: the CSV has no column "at"`},
		{"an event column that is not there", strings.Replace(shopMap, "column: event_type", "column: type", 1), shopHeader, `map.yml:10: the CSV has no column "type"`},
		{"an unknown member", shopMap + "colour: red\n", shopHeader, `map.yml:18: field colour not found`},
		{"an unknown member below", strings.Replace(shopMap, "layout:", "format:", 1), shopHeader, `map.yml:8: field format not found; there are column, layout, zone`},
		{"a map that is no YAML", "a: [", shopHeader, `map.yml:`},
		{"an empty map", "", shopHeader, `map.yml:1: the map is empty`},
		{"no deployment", strings.Replace(shopMap, "deployment:", "#", 1), shopHeader, `map.yml: the deployment is missing`},
		{"no basis", strings.Replace(shopMap, "name: legitimate_interest", "", 1), shopHeader, `map.yml: the lawful basis (basis.name) is missing`},
		{"consent as basis", strings.Replace(shopMap, "legitimate_interest", "consent", 1), shopHeader, `map.yml: consent can't be declared for others`},
		{"no assessment", strings.Replace(shopMap, "Old orders teach which pages sell; nobody is contacted because of them.", "because", 1), shopHeader, `map.yml: basis.assessment must say`},
		{"both a name and a column", strings.Replace(shopMap, "column: event_type", "column: event_type\n  name: x", 1), shopHeader, `map.yml: the event needs either a name or a column`},
		{"an event name that is none", strings.Replace(shopMap, "page_viewed", "'<b>'", 1), shopHeader, `map.yml:10: "<b>"`},
		{"an unknown attribute type", strings.Replace(shopMap, "type: number", "type: money", 1), shopHeader, `map.yml:16: the type of an attribute`},
		{"a brace that is not closed", strings.Replace(shopMap, "{product_id}", "{product_id", 1), shopHeader, `map.yml:12: a brace is not closed`},
		{"an unknown time zone", strings.Replace(shopMap, "MST}", "MST, zone: Mars}", 1), shopHeader, `map.yml:8: time.zone`},
		{"a delimiter of two", shopMap + "delimiter: '::'\n", shopHeader, `map.yml: the delimiter`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			j := newJob(t, s, c.mapText, c.csv)
			_, err := replay.Run(t.Context(), j.Options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			// The name of the test's directory is random, and may hold any digits.
			said := strings.ReplaceAll(err.Error(), filepath.Dir(j.Options.File), "")
			if strings.Contains(said, "500") && !strings.Contains(c.want, "500") {
				t.Fatalf("the error repeats a value: %v", err)
			}
		})
	}
}

func TestInvalidRowsCanBeLeftOut(t *testing.T) {
	s := newServer(t)
	good := shopRow(0, "view")
	j := newJob(t, s, shopMap, shopHeader+good+strings.Replace(good, "2019-10-01", "never", 1)+strings.Replace(good, ",500,", ","+strings.Repeat("u", 300)+",", 1)+good)
	j.SkipInvalid = true
	sum, err := replay.Run(t.Context(), j.Options)
	if err != nil || sum.Accepted != 2 || sum.Invalid != 2 || !strings.Contains(sum.First, "events.csv:3: ") {
		t.Fatalf("got %+v, %v", sum, err)
	}
	if got := s.seqs(); len(got) != 2 || got[0] != 1 || got[1] != 4 {
		t.Fatalf("sent rows %v", got)
	}
}

func TestTheStateBelongsToOneFileAndOneMap(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(5))
	if _, err := replay.Run(t.Context(), j.Options); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, text, want string }{
		{"another map", j.Map, shopMap + "search: '{brand}'\n", "the map has changed"},
		{"another file", j.File, strings.Replace(shopCSV(5), "acme", "acne", 1), "belongs to another file"},
		{"a shorter file", j.File, shopCSV(3), "belongs to another file"},
		{"a broken state", j.File + ".replay", "{", "not the state of a replay"},
		{"the state of a newer program", j.File + ".replay", `{"version":9}`, "not the state of a replay"},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, err := os.ReadFile(c.path)
			if err != nil {
				t.Fatal(err)
			}
			j.write(t, c.path, c.text)
			defer j.write(t, c.path, string(old))
			if _, err := replay.Run(t.Context(), j.Options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		name   string
		change func(*job)
		want   string
	}{
		{"no file", func(j *job) { j.File = "" }, "a CSV file and a map file"},
		{"a file that is not there", func(j *job) { j.File += "x" }, "no such file"},
		{"a map that is not there", func(j *job) { j.Map += "x" }, "no such file"},
		{"no server", func(j *job) { j.Server = "" }, "the address of the server"},
		{"a server without scheme", func(j *job) { j.Server = "localhost:8080" }, "the address of the server"},
		{"a client without secret", func(j *job) { j.Client = "client" }, "id:secret"},
		{"a client that is unknown", func(j *job) { j.Client = "nobody:x" }, `refused the client "nobody" (401): The client is unknown.`},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJob(t, s, shopMap, shopCSV(1))
			c.change(j)
			if _, err := replay.Run(t.Context(), j.Options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestOtherShapesOfFiles(t *testing.T) {
	for _, c := range []struct {
		name    string
		mapText string
		csv     string
		at      time.Time
	}{
		{"tabs, no header, Unix seconds", `
delimiter: tab
columns: [who, when, where]
visitor: 'user-{who}'
time: {column: when, layout: unix}
event: {name: page_viewed}
page: '{where}'
`, "7\t1569888000\thttps://shop.example.com/a\n", time.Date(2019, 10, 1, 0, 0, 0, 0, time.UTC)},
		{"a byte order mark, semicolons, local time, two layouts", `
delimiter: ;
visitor: 'user-{who}'
time: {column: when, layout: [rfc3339, "02.01.2006 15:04"], zone: Europe/Berlin}
event: {name: page_viewed}
page: 'https://shop.example.com/{where}'
`, "\uFEFFwho ; when;where\n7;01.10.2019 02:00;a\n", time.Date(2019, 10, 1, 0, 0, 0, 0, time.UTC)},
		{"milliseconds", `
visitor: 'user-{who}'
time: {column: when, layout: unix_ms}
event: {name: page_viewed}
site: https://shop.example.com/
page: '{where}'
`, "who,when,where\n7,1569888000000,/a\n", time.Date(2019, 10, 1, 0, 0, 0, 0, time.UTC)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			head, _, _ := strings.Cut(shopMap, "site:")
			j := newJob(t, s, head+c.mapText, c.csv)
			if _, err := replay.Run(t.Context(), j.Options); err != nil {
				t.Fatal(err)
			}
			if len(s.events) != 1 || s.events[0].Visitor != "user-7" || !s.events[0].Event.At.Equal(c.at) || s.events[0].Event.Page.URL != "https://shop.example.com/a" {
				t.Fatalf("got %+v", s.events)
			}
		})
	}
}

func TestValuesCanNotBreakOutOfAnAddressOrTheRequest(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopHeader+`2019-10-01 00:00:00 UTC,view,"1/../admin?x=""}]",2,"a","</b>",1,"u"" ,""x",s`+"\n")
	if _, err := replay.Run(t.Context(), j.Options); err != nil {
		t.Fatal(err)
	}
	if e := s.events[0]; e.Event.Page.URL != "https://shop.example.com/product/1%2F..%2Fadmin%3Fx=%22%7D%5D" || e.Visitor != `u" ,"x` {
		t.Fatalf("got %+v", e)
	}
}

func TestProgressIsShown(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(30))
	clk := clock.NewFake(noon)
	j.Clock = clk
	s.trouble = []func(http.ResponseWriter, *http.Request) bool{
		func(http.ResponseWriter, *http.Request) bool { clk.Advance(20 * time.Second); return false }, pass,
		func(http.ResponseWriter, *http.Request) bool { clk.Advance(20 * time.Second); return false },
	}
	var out bytes.Buffer
	j.Progress = &out
	if _, err := replay.Run(t.Context(), j.Options); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 2 || !strings.Contains(lines[0], "10 rows  0/s") && !strings.Contains(lines[0], "10 rows") || !strings.Contains(lines[0], "left") || !strings.HasPrefix(lines[len(lines)-1], "100%") {
		t.Fatalf("got %q", out.String())
	}
}

func TestTheStateIsSavedOnlyAfterTheAcknowledgement(t *testing.T) {
	s := newServer(t)
	j := newJob(t, s, shopMap, shopCSV(20))
	var seen []string
	note := func(http.ResponseWriter, *http.Request) bool {
		raw, _ := os.ReadFile(j.File + ".replay")
		var st struct{ Row int64 }
		_ = json.Unmarshal(raw, &st)
		seen = append(seen, fmt.Sprint(st.Row))
		return false
	}
	s.trouble = []func(http.ResponseWriter, *http.Request) bool{note, note}
	if _, err := replay.Run(t.Context(), j.Options); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, " "); got != "0 10" {
		t.Fatalf("when the batches arrived, the state said %s", got)
	}
	if left, _ := filepath.Glob(j.File + ".replay.*"); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}

// ExampleRun replays a shop's file.
func ExampleRun() {
	sum, err := replay.Run(context.Background(), replay.Options{
		File: "events.csv", Map: "map.yml", Server: "https://probity.example.org", Client: "importer:secret", Progress: os.Stderr,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sum)
	// Output: read the map: open map.yml: no such file or directory
}
