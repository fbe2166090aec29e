package rights_test

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// write stores one event with the attributes, as the worker would.
func (h *house) write(t testing.TB, s id.Subject, page string, attributes map[string]string) {
	t.Helper()
	found, err := h.journey.Load(t.Context(), h.t, s)
	if err != nil {
		t.Fatal(err)
	}
	v, plan := found[0], journey.NewPlan(nil, nil, nil, nil)
	var fx journey.Effects
	now := h.clk.Now()
	ev := &event.Event{
		ID: id.New(), Name: "form_sent", At: now.Add(time.Minute), Received: now,
		Page:       event.Page{URL: page, Title: "Form", Host: "shop.example", Path: "/form"},
		Attributes: map[string]event.Attr{}, Purpose: "actions", Ground: event.Ground{Basis: "consent", Ledger: 3},
	}
	for name, value := range attributes {
		ev.Attributes[name] = event.Attr{Type: event.TypeString, Value: value}
	}
	v.ApplyTo(&fx, plan, ev, &journey.Env{Allow: func(string) bool { return true }})
	change, err := h.journey.Seal(t.Context(), h.t, plan, v, &fx, now)
	if err != nil {
		t.Fatal(err)
	}
	err = h.db.Tenant(h.t).Write(t.Context(), func(tx *store.Tx) error {
		_, err := h.journey.Save(t.Context(), tx, []*journey.Change{change})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// packageOf has a request carried out and returns it with the files of its package.
func (h *house) packageOf(t testing.TB, q rights.Request) (*rights.Request, map[string][]byte) {
	t.Helper()
	done := h.carryOut(t, q)
	if done.State != rights.Verified || done.Package == nil {
		t.Fatalf("the request is %s: %s", done.State, done.Problem)
	}
	_, file, err := h.Download(t.Context(), h.t, done.Package.ID, rights.Actor{Kind: "client"})
	if err != nil {
		t.Fatal(err)
	}
	tt, ok := t.(*testing.T)
	if !ok {
		return done, nil
	}
	return done, unpack(tt, file)
}

// checkAsStranger goes through an access package with nothing but the contract in hand.
func checkAsStranger(t *testing.T, request string, files map[string][]byte) {
	t.Helper()
	var m struct {
		RequestID string          `json:"request_id"`
		Created   string          `json:"created"`
		Subject   json.RawMessage `json:"subject"`
		Files     []struct{ Path, SHA256, Store, Basis, Origin string }
		Article15 map[string]json.RawMessage `json:"article15"`
	}
	if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	if m.RequestID != request {
		t.Errorf("manifest: the request is %q", m.RequestID)
	}
	if _, err := time.Parse(time.RFC3339, m.Created); err != nil {
		t.Errorf("manifest: created: %v", err)
	}
	if empty(m.Subject) {
		t.Error("manifest: no subject")
	}
	var listed []string
	for _, f := range m.Files {
		listed = append(listed, f.Path)
		data, ok := files[f.Path]
		if sum := sha256.Sum256(data); !ok || hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("manifest: %s is not there or has another hash", f.Path)
		}
		if f.Store == "" || f.Basis == "" || f.Origin == "" {
			t.Errorf("manifest: %s lacks something: %+v", f.Path, f)
		}
	}
	slices.Sort(listed)
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(n string) bool { return n == "manifest.json" })
	if !slices.Equal(listed, all) {
		t.Errorf("manifest: lists %v, there are %v", listed, all)
	}
	for _, item := range []string{"purposes", "categories", "recipients", "retention", "rights", "complaint", "source", "automated_decisions"} {
		if empty(m.Article15[item]) {
			t.Errorf("manifest: article15.%s is empty", item)
		}
	}
	session := regexp.MustCompile(`^journey-session-store!([0-9a-f-]{36})\.json$`)
	sessions := 0
	for name, data := range files {
		if strings.ContainsAny(name, `/\:`) || strings.Count(name, "!") > 1 || strings.HasPrefix(name, "!") || strings.HasSuffix(name, "!") {
			t.Errorf("%s is no flat name", name)
		}
		switch filepath.Ext(name) {
		case ".json":
			if !json.Valid(data) {
				t.Errorf("%s is no JSON", name)
			}
		case ".csv":
			rows, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
			if err != nil || len(rows) < 2 {
				t.Errorf("%s: %d rows, %v", name, len(rows), err)
			}
			for _, row := range rows {
				for _, cell := range row {
					if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
						t.Errorf("%s: the cell %q is a formula", name, cell)
					}
				}
			}
		}
		if found := session.FindStringSubmatch(name); found != nil {
			sessions++
			var s struct {
				ID, Type    string
				Channels    []string
				CreatedDate int64
				EventCount  int
			}
			if err := json.Unmarshal(data, &s); err != nil || s.ID != found[1] || s.Type == "" || len(s.Channels) == 0 || s.EventCount == 0 ||
				time.UnixMilli(s.CreatedDate).Year() != 2026 {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		}
	}
	if sessions == 0 {
		t.Error("no file of a journey session")
	}
	checkPage(t, request, files)
}

// checkPage reads index.html as a browser without a network would.
func checkPage(t *testing.T, request string, files map[string][]byte) {
	t.Helper()
	page := string(files["index.html"])
	if !utf8.ValidString(page) {
		t.Error("index.html is not UTF-8")
	}
	for name := range files {
		if !strings.Contains(page, name) {
			t.Errorf("index.html does not name %s", name)
		}
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	tags, ids, text := map[string]int{}, map[string]bool{}, strings.Builder{}
	var links []string
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			text.WriteString(n.Data + " ")
		}
		if n.Type != html.ElementNode {
			continue
		}
		tags[n.Data]++
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				ids[a.Val] = true
			case "href", "src", "action", "poster", "srcset", "data":
				links = append(links, a.Val)
			case "lang":
				if n.Data == "html" && a.Val == "" {
					t.Error("index.html has no language")
				}
			}
		}
	}
	for _, tag := range []string{"title", "h1", "h2", "h3"} {
		if tags[tag] == 0 {
			t.Errorf("index.html has no %s", tag)
		}
	}
	for _, tag := range []string{"script", "link", "img", "iframe", "object"} {
		if tags[tag] > 0 {
			t.Errorf("index.html loads something with %s", tag)
		}
	}
	for _, l := range links {
		if anchor, ok := strings.CutPrefix(l, "#"); ok && ids[anchor] {
			continue
		}
		if _, ok := files[l]; !ok {
			t.Errorf("index.html links to %s", l)
		}
	}
	if strings.Contains(page, "url(") || strings.Contains(page, "@import") {
		t.Error("index.html loads something by its style")
	}
	if !strings.Contains(text.String(), request) {
		t.Error("index.html does not say which request it answers")
	}
}

func empty(v json.RawMessage) bool {
	return slices.Contains([]string{"", "null", `""`, "[]", "{}"}, strings.TrimSpace(string(v)))
}

// The golden list tells of every change of what a person gets.
func TestAStrangerFindsEverythingInAnAccessPackage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		q, files := h.packageOf(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
		checkAsStranger(t, q.ID.String(), files)
		var names []string
		for name := range files {
			names = append(names, regexp.MustCompile(`[0-9a-f-]{36}`).ReplaceAllString(name, "<id>"))
		}
		slices.Sort(names)
		list := strings.Join(names, "\n") + "\n"
		golden := filepath.Join("testdata", "access.files")
		if *update {
			if err := os.WriteFile(golden, []byte(list), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || list != string(want) {
			t.Errorf("%v; the package has the files\n%s", err, list)
		}
	})
}

func TestWhatOthersAreReachedByIsMasked(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	h.write(t, p.subject, "https://shop.example/form?from="+p.email+"&to=friend%40elsewhere.example", map[string]string{
		"note":    "Please send it to my sister, anna.k@elsewhere.example, or call her on +46 70 123 45 67. I am " + strings.ToUpper(p.email) + ", " + p.phone + ".",
		"invited": "third.person@elsewhere.example",
		"order":   "20261120",
	})
	q, files := h.packageOf(t, rights.Request{Type: rights.Access, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	checkAsStranger(t, q.ID.String(), files)
	for name, data := range files {
		for _, other := range []string{"anna.k@", "123 45 67", "third.person@", "friend%40", "friend@"} {
			if strings.Contains(string(data), other) {
				t.Errorf("%s holds %s", name, other)
			}
		}
	}
	events := string(files["journey!events.json"])
	for _, want := range []string{"my sister, [email], or call her on [phone]", strings.ToUpper(p.email), p.phone, "from=" + p.email, "to=[email]", "20261120"} {
		if !strings.Contains(events, want) && !strings.Contains(events, strings.ReplaceAll(want, "&", `\u0026`)) {
			t.Errorf("the events lack %q", want)
		}
	}
	if q.Report.Masked == 0 || !strings.Contains(string(files["index.html"]), "other people are masked") {
		t.Errorf("%d masked, and the page says nothing of it", q.Report.Masked)
	}
}

// An agent, another customer and a relative appear in what the person wrote and was told. Their names go, the
// person's own stay, and so do the names of things.
func TestNamesOfOthersInATranscriptAreMasked(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	h.write(t, p.subject, "https://shop.example/Peter-Schmidt", map[string]string{
		"transcript": "Agent Peter Schmidt: Good morning Mary, how can I help?\nMary Marked: My order has not come.\nAgent Peter Schmidt: Mr. Jan Kowalski has taken the last one, Mrs. Marked.",
		"note":       "Please give it to my sister Anna Marked or to Jan Kowalski. Best regards, M. Marked",
		"agent_name": "Peter Schmidt", "agentName": "Mary Marked", "product": "Tom Tailor Hose blau 32", "agent_of_change": "Peter Schmidt",
	})
	q, files := h.packageOf(t, rights.Request{Type: rights.Access, Who: rights.Who{Name: "Mary Marked", EmailAddresses: []string{p.email}}})
	checkAsStranger(t, q.ID.String(), files)
	var events []struct{ Attributes map[string]string }
	if err := json.Unmarshal(files["journey!events.json"], &events); err != nil {
		t.Fatal(err)
	}
	got := events[len(events)-1].Attributes
	for field, want := range map[string]string{
		"transcript": "Agent [name]: Good morning Mary, how can I help?\nMary Marked: My order has not come.\nAgent [name]: Mr. [name] has taken the last one, Mrs. Marked.",
		"note":       "Please give it to my sister [name] or to [name]. Best regards, M. Marked",
		"agent_name": "[name]", "agentName": "Mary Marked", "product": "Tom Tailor Hose blau 32", "agent_of_change": "Peter Schmidt",
	} {
		if got[field] != want {
			t.Errorf("%s is %q, want %q", field, got[field], want)
		}
	}
	if page := string(files["index.html"]); strings.Contains(page, "Kowalski") || strings.Contains(page, "Anna") || !strings.Contains(page, "names, e-mail addresses and phone numbers of other people are masked") {
		t.Error("the page names others, or does not say that they are masked")
	}
	if q.Report.Masked < 6 {
		t.Errorf("%d masked", q.Report.Masked)
	}
}

func TestAFurtherCopyIsFlagged(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	for n := 1; n <= 2; n++ {
		q, files := h.packageOf(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
		var m struct{ Copy int }
		if err := json.Unmarshal(files["manifest.json"], &m); err != nil || m.Copy != n || q.Report.Copies != n {
			t.Errorf("copy %d is flagged as %d and %d, %v", n, m.Copy, q.Report.Copies, err)
		}
		if said := strings.Contains(string(files["index.html"]), "Earlier copy"); said != (n == 2) {
			t.Errorf("copy %d: the page tells of an earlier one: %v", n, said)
		}
		h.clk.Advance(time.Hour)
	}
}
