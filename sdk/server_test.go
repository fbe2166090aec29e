package sdk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/notice"
	"probity/sdk"
)

const deployment = "0b1f5a3e-6f0c-4a55-9d6e-5d3c1f0a7b21"

var purposes = []string{"measure", "actions", "identity", "predict", "support", "sales", "marketing"}

// desk is a small server of the HTTP contract that keeps everything in memory.
type desk struct {
	url string

	mu       sync.Mutex
	changed  chan struct{}              // closed and replaced when anything below changes
	requests []request                  // every request, in order
	nonces   map[string]bool            // issued and not used
	granted  map[string]map[string]bool // by visitor: what holds
	choices  []map[string]any
	taken    []map[string]any // withdrawals
	events   []event
	actions  []map[string]any
	streams  map[string][]chan string // live streams by visitor
	status   string                   // of every purpose of a visitor who has granted nothing; "": unknown
	interest string                   // a purpose that rests on a legitimate interest
	rtl      bool                     // the notice is in Hebrew
	long     string                   // a word that stands in the title, the intro and the purposes
	theme    notice.Theme             // of the banner
	dnt      bool                     // the deployment honours Do Not Track
	ages     bool                     // the deployment asks for an age; 16 is the age of consent
	parents  []map[string]any         // letters to parents
	google   map[string]string        // kinds of consent that Google knows, and the purposes that stand for them
	builtin  bool                     // serve the notice that is built into Probity, in any of its languages
	answer   func(path string) int    // a status instead of the usual answer; 0: the usual one
}

type request struct {
	method, path, referrer, cookie, contentType, body string
	gpc                                               string
}

type event struct {
	Visitor    string         `json:"-"`
	Visit      string         `json:"-"`
	Seq        int            `json:"seq"`
	Name       string         `json:"name"`
	At         time.Time      `json:"at"`
	URL        string         `json:"url"`
	Title      string         `json:"title"`
	Referrer   string         `json:"referrer"`
	Search     string         `json:"search"`
	Attributes map[string]any `json:"attributes"`
	Traits     map[string]any `json:"traits"`
	ExternalID string         `json:"external_id"`
}

func newDesk(t *testing.T) *desk {
	d := &desk{
		changed: make(chan struct{}),
		nonces:  map[string]bool{},
		granted: map[string]map[string]bool{},
		streams: map[string][]chan string{},
	}
	s := httptest.NewServer(d)
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	d.mu.Lock()
	d.requests = append(d.requests, request{r.Method, r.URL.Path, r.Header.Get("Referer"), r.Header.Get("Cookie"), r.Header.Get("Content-Type"), string(body), r.Header.Get("Sec-GPC")})
	status := 0
	if d.answer != nil {
		status = d.answer(r.URL.Path)
	}
	d.touch()
	d.mu.Unlock()

	w.Header().Set("Access-Control-Allow-Origin", "*")
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprint(w, `{"code":"test.answer","message":"as the test wants it"}`)
		return
	}
	base := path.Base(r.URL.Path)
	switch {
	case r.Method == http.MethodGet && (strings.HasPrefix(r.URL.Path, "/probity/sdk/v1/") || r.URL.Path == "/journey/sdk/js/web/v1/ac.js"):
		content, ok := sdk.File(base)
		if !ok {
			http.NotFound(w, r)
			return
		}
		if base == "banner.css" && r.URL.Query().Get("deployment") == deployment {
			content = d.theme.On(content)
		}
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(base)))
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Write(content)
	case r.Method == http.MethodGet && base == "config":
		json.NewEncoder(w).Encode(d.config(r.URL.Query().Get("lang")))
	case r.Method == http.MethodGet && base == "notice":
		if d.builtin {
			w.Write(builtinNotice(r.URL.Query().Get("lang"), d.ages))
		} else {
			w.Write(d.shopNotice(r.URL.Query().Get("lang")))
		}
	case r.Method == http.MethodPost && base == "live":
		d.live(w, r, body)
	case r.Method == http.MethodPost:
		d.post(w, r.URL.Path, body, r.Header.Get("Sec-GPC") == "1")
	default:
		http.NotFound(w, r)
	}
}

// config is what every page of the deployment gets before anybody has chosen.
func (d *desk) config(lang string) map[string]any {
	var n struct{ Purposes []map[string]string }
	if err := json.Unmarshal(d.shopNotice(lang), &n); err != nil {
		panic(err) // it is made here
	}
	words, ok := notice.DefaultLabels(lang)
	if !ok {
		words, _ = notice.DefaultLabels("en")
	}
	out := map[string]any{"query_keys": []string{"utm_*", "page"}, "search_keys": []string{"q"}, "purposes": n.Purposes, "blocked": words.Blocked, "allow": words.Allow, "still": words.Still, "reload": words.Reload, "withdraw_all": words.WithdrawAll, "language": lang}
	if d.google != nil {
		out["consent_mode"] = d.google
	}
	return out
}

func (d *desk) post(w http.ResponseWriter, path string, body []byte, gpc bool) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, `{"code":"bad.json"}`, http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.touch()
	visitor, _ := in["visitor"].(string)
	day := time.Now().UTC().Format("20060102")
	switch path {
	case "/probity/v1/consent/served":
		nonce := uuid.NewString()
		d.nonces[nonce] = true
		fmt.Fprintf(w, `{"nonce":%q}`, nonce)
	case "/probity/v1/consent/choices":
		nonce, _ := in["nonce"].(string)
		if !d.nonces[nonce] {
			http.Error(w, `{"code":"consent.nonce.used"}`, http.StatusConflict)
			return
		}
		if band := in["age_band"]; d.ages && band != "16+" && grantsAny(in["purposes"].(map[string]any)) {
			if band == nil {
				http.Error(w, `{"code":"consent.age.required"}`, http.StatusBadRequest)
			} else {
				http.Error(w, `{"code":"consent.parent.required"}`, http.StatusForbidden)
			}
			return
		}
		delete(d.nonces, nonce)
		in["gpc"] = gpc
		d.choices = append(d.choices, in)
		granted := map[string]bool{}
		var list []string
		for _, p := range purposes {
			if in["purposes"].(map[string]any)[p] == true {
				granted[p] = true
				list = append(list, p)
			}
		}
		out := map[string]any{"record_id": uuid.NewString(), "purposes": granted, "receipt": map[string]any{"entry": "of the log"}, "visitor": nil, "choice": "v1.n." + day}
		if len(list) > 0 {
			if visitor == "" || d.granted[visitor] == nil {
				visitor = uuid.NewString()
			}
			d.granted[visitor] = granted
			out["visitor"], out["choice"] = visitor, "v1."+strings.Join(list, ",")+"."+day
		}
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(out)
	case "/probity/v1/consent/parents":
		nonce, _ := in["nonce"].(string)
		if !d.nonces[nonce] {
			http.Error(w, `{"code":"consent.nonce.used"}`, http.StatusConflict)
			return
		}
		delete(d.nonces, nonce)
		in["child"] = uuid.NewString()
		d.parents = append(d.parents, in)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"status":"ConsentRequestDeferred","visitor":%q,"days":7}`, in["child"])
	case "/probity/v1/consent/withdraw":
		d.taken = append(d.taken, in)
		if list, ok := in["purposes"].([]any); ok {
			for _, p := range list {
				delete(d.granted[visitor], p.(string))
			}
		} else {
			clear(d.granted[visitor])
		}
		fmt.Fprint(w, `{"visitor":null}`)
	case "/probity/v1/consent/object":
		fmt.Fprint(w, `{"visitor":null}`)
	case "/probity/v1/consent/state":
		state := map[string]any{}
		for p := range d.granted[visitor] {
			state[p] = map[string]any{"status": "ConsentGiven", "since": "2026-03-14T09:26:53Z", "notice_version": 3, "record_id": "a-record"}
		}
		if len(state) == 0 && d.status != "" {
			for _, p := range purposes {
				state[p] = map[string]any{"status": d.status}
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"purposes": state})
	case "/probity/v1/consent/receipt":
		fmt.Fprint(w, `{"entry":"from the server"}`)
	case "/probity/v1/deployments/" + deployment + "/events":
		d.collect(w, visitor, body)
	case "/api/v2/journey/deployments/" + deployment + "/actionevent":
		d.actions = append(d.actions, in)
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, `{"code":"not.found"}`, http.StatusNotFound)
	}
}

func grantsAny(purposes map[string]any) bool {
	for _, yes := range purposes {
		if yes == true {
			return true
		}
	}
	return false
}

// agree is a parent who confirms the only letter.
func (d *desk) agree() (child string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	child = d.parents[0]["child"].(string)
	d.granted[child] = map[string]bool{}
	for _, p := range d.parents[0]["purposes"].([]any) {
		d.granted[child][p.(string)] = true
	}
	return child
}

func (d *desk) collect(w http.ResponseWriter, visitor string, body []byte) {
	var in struct {
		Visit  string
		Events []event
	}
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, `{"code":"bad.json"}`, http.StatusBadRequest)
		return
	}
	if !d.granted[visitor]["measure"] {
		http.Error(w, `{"code":"consent.required"}`, http.StatusForbidden)
		return
	}
	for _, e := range in.Events {
		e.Visitor, e.Visit = visitor, in.Visit
		d.events = append(d.events, e)
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"accepted":%d,"refused":[]}`, len(in.Events))
}

// live holds a stream open and passes on what send was given.
func (d *desk) live(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct{ Visitor string }
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	messages := make(chan string, 8)
	d.mu.Lock()
	d.streams[in.Visitor] = append(d.streams[in.Visitor], messages)
	d.touch()
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.streams[in.Visitor] = slices.DeleteFunc(d.streams[in.Visitor], func(c chan string) bool { return c == messages })
		d.touch()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, ": keep-alive\n\n")
	w.(http.Flusher).Flush()
	for {
		select {
		case m := <-messages:
			fmt.Fprint(w, m)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// send passes a message to every stream of the visitor.
func (d *desk) send(visitor, kind string, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.streams[visitor] {
		c <- fmt.Sprintf("event: %s\ndata: %s\n\n", kind, b)
	}
}

// touch wakes whoever waits; the caller holds the lock.
func (d *desk) touch() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// until waits for the condition, which is called with the lock held.
func (d *desk) until(t *testing.T, ctx context.Context, what string, condition func() bool) {
	t.Helper()
	for {
		d.mu.Lock()
		ok, changed := condition(), d.changed
		d.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain for: %s\n%s", what, d.dump())
		}
	}
}

// set changes how requests are answered.
func (d *desk) set(answer func(path string) int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

func (d *desk) dump() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, r := range d.requests {
		fmt.Fprintf(&b, "%s %s %.200s\n", r.method, r.path, r.body)
	}
	return b.String()
}

// asked returns the requests whose path ends so.
func (d *desk) asked(suffix string) []request {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []request
	for _, r := range d.requests {
		if strings.HasSuffix(r.path, suffix) {
			out = append(out, r)
		}
	}
	return out
}

// named returns the stored events of that name; all for "".
func (d *desk) named(name string) []event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.namedLocked(name)
}

func (d *desk) namedLocked(name string) []event {
	var out []event
	for _, e := range d.events {
		if name == "" || e.Name == name {
			out = append(out, e)
		}
	}
	return out
}

// grants returns what the only visitor has granted, sorted.
func (d *desk) grants() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.granted {
		return slices.Sorted(maps.Keys(g))
	}
	return nil
}

// shopNotice is the locale that the banner fetches.
func (d *desk) shopNotice(lang string) []byte {
	words := map[string]map[string]any{
		"en": {
			"language": "en", "title": "Your privacy on this site",
			"intro":         "We would like to understand how you use our shop. You decide what we may do; the shop works either way.",
			"controller":    "Responsible: Fernhill Ltd, 14 Kiln Lane.",
			"withdraw_hint": "You can change or take back your choice at any time under Privacy choices, on every page.",
			"titles":        []string{"Measure visits", "Note what you do", "Recognise you", "Predict interest", "Offer help", "Offer advice", "Show offers"},
			"descriptions": []string{
				"Count which pages are read and where visits begin, with a random number on your device.",
				"Note clicks, searches and forms begun or sent, without what you type.",
				"Link your visits with your customer account when you sign in.",
				"Estimate from your visit how likely a purchase is. A computer does this; it is profiling.",
				"Offer a chat or a call back when you seem to be stuck.",
				"Offer a talk with a salesperson who sees your visit.",
				"Show offers on this site that fit your visit.",
			},
			"labels": map[string]string{"accept": "Accept all", "reject": "Reject all", "settings": "Settings", "save": "Save choice", "back": "Back", "on": "on", "off": "off", "close": "Close", "saved": "Your choice is saved.", "manage": "Privacy choices", "withdraw_all": "Withdraw all", "current": "Your choice of", "failed": "This could not be saved. Please try again.", "receipt": "Download receipt", "details": "Read the full notice", "gpc": "Your browser sends Global Privacy Control.", "interest": "This rests on a legitimate interest.", "object": "Object"},
		},
		"de": {
			"language": "de", "title": "Ihre Privatsphäre auf dieser Seite",
			"intro":         "Wir möchten verstehen, wie Sie unseren Laden nutzen. Sie entscheiden, was wir dürfen; der Laden geht so oder so.",
			"controller":    "Verantwortlich: Fernhill Ltd, 14 Kiln Lane.",
			"withdraw_hint": "Sie können Ihre Wahl jederzeit auf jeder Seite ändern oder widerrufen.",
			"titles":        []string{"Besuche zählen", "Handlungen merken", "Sie wiedererkennen", "Interesse schätzen", "Hilfe anbieten", "Beratung anbieten", "Angebote zeigen"},
			"descriptions":  []string{"Zählen, welche Seiten gelesen werden.", "Klicks und Suchen merken, ohne Ihre Eingaben.", "Besuche mit Ihrem Kundenkonto verbinden.", "Schätzen, wie wahrscheinlich ein Kauf ist. Das ist Profiling.", "Chat oder Rückruf anbieten.", "Ein Gespräch anbieten.", "Passende Angebote zeigen."},
			"labels":        map[string]string{"accept": "Alle annehmen", "reject": "Alle ablehnen", "settings": "Einstellungen", "save": "Auswahl speichern", "back": "Zurück", "on": "an", "off": "aus", "close": "Schließen", "saved": "Ihre Wahl ist gespeichert.", "manage": "Datenschutz", "withdraw_all": "Alles widerrufen", "current": "Ihre Wahl vom", "failed": "Das konnte nicht gespeichert werden.", "receipt": "Beleg herunterladen", "details": "Alle Hinweise lesen", "gpc": "Ihr Browser sendet Global Privacy Control.", "interest": "Das beruht auf einem berechtigten Interesse.", "object": "Widersprechen"},
		},
	}
	words["he"] = map[string]any{
		"language": "he", "title": "הפרטיות שלך באתר זה",
		"intro":         "אנחנו מבקשים להבין כיצד משתמשים בחנות. ההחלטה בידיך, והחנות פועלת בכל מקרה.",
		"controller":    "אחראי: Fernhill Ltd, 14 Kiln Lane.",
		"withdraw_hint": "אפשר לשנות או לבטל את הבחירה בכל עת, בכל דף.",
		"titles":        []string{"ספירת ביקורים", "רישום פעולות", "זיהוי חוזר", "הערכת עניין", "הצעת עזרה", "הצעת ייעוץ", "הצגת הצעות"},
		"descriptions":  []string{"לספור אילו דפים נקראים.", "לרשום לחיצות וחיפושים.", "לקשר ביקורים לחשבון שלך.", "להעריך את הסיכוי לקנייה. זהו פרופיל.", "להציע שיחה.", "להציע שיחת ייעוץ.", "להציג הצעות מתאימות."},
		"labels":        map[string]string{"accept": "לקבל הכול", "reject": "לדחות הכול", "settings": "הגדרות", "save": "שמירת הבחירה", "back": "חזרה", "on": "פעיל", "off": "כבוי", "close": "סגירה", "saved": "הבחירה נשמרה.", "manage": "בחירות פרטיות", "withdraw_all": "ביטול הכול", "current": "הבחירה מתאריך", "failed": "השמירה נכשלה.", "receipt": "הורדת קבלה", "details": "להודעה המלאה", "gpc": "הדפדפן שולח Global Privacy Control.", "interest": "הבסיס הוא אינטרס לגיטימי.", "object": "התנגדות"},
	}
	n := words[lang]
	if n == nil || lang == "he" && !d.rtl {
		n = words["en"]
	}
	if d.long != "" {
		n["title"], n["intro"] = d.long, d.long+" "+n["intro"].(string)
		n["titles"].([]string)[0] = d.long
		n["descriptions"].([]string)[1] += " " + d.long
	}
	list := make([]map[string]string, len(purposes))
	for i, p := range purposes {
		list[i] = map[string]string{"id": p, "title": n["titles"].([]string)[i], "description": n["descriptions"].([]string)[i], "basis": "consent"}
		if p == d.interest {
			list[i]["basis"] = "legitimate_interest"
		}
	}
	out := map[string]any{"id": "privacy", "version": 3, "sha256": strings.Repeat("ab", 32), "details_url": "/probity/v1/notices/privacy/3/" + n["language"].(string), "purposes": list}
	for _, k := range []string{"language", "title", "intro", "controller", "withdraw_hint", "labels"} {
		out[k] = n[k]
	}
	if d.ages {
		of := notice.Notice{Language: n["language"].(string), Labels: notice.Labels{Manage: n["labels"].(map[string]string)["manage"]}}
		out["age"] = of.Age()
	}
	if d.dnt {
		n["labels"].(map[string]string)["dnt"] = "Your browser asks not to be tracked."
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return b
}

// builtinNotice is the default notice as the server renders it.
func builtinNotice(lang string, ages bool) []byte {
	d := notice.Draft{Facts: notice.Facts{Controller: "Fernhill Ltd"}, Texts: notice.DefaultTexts()}
	n, _, err := notice.Render(notice.DefaultPurposes(), d, 1, lang)
	if err != nil {
		panic(err) // the built-in words are tested
	}
	n.Labels = n.Labels.ForBanner()
	out := struct {
		*notice.Notice
		Age *notice.AgeWords `json:"age,omitempty"`
	}{Notice: &n}
	if ages {
		words := n.Age()
		out.Age = &words
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return b
}
