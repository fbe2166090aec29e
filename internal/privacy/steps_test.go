package privacy

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/rights"
)

var (
	forms  = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">(.*?)</form>`)
	inputs = regexp.MustCompile(`<input type="([a-z]+)"([^>]*)>`)
	attrs  = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
)

// walk is somebody who presses links and buttons, without a script, and counts.
type walk struct {
	*office
	path, page string
	pressed    int
}

// press follows the link or sends the form with the test id, with what is filled in.
func (w *walk) press(testid string, filled ...string) {
	w.t.Helper()
	w.pressed++
	mark := `data-testid="` + testid + `"`
	if m := regexp.MustCompile(`<a [^>]*href="([^"#]+)(?:#[^"]*)?"[^>]*` + mark).FindStringSubmatch(w.page); m != nil {
		w.path = html.UnescapeString(m[1])
		w.page = w.get(w.path)
		return
	}
	for _, f := range forms.FindAllStringSubmatch(w.page, -1) {
		if !strings.Contains(f[2], mark) {
			continue
		}
		form := url.Values{}
		for _, i := range inputs.FindAllStringSubmatch(f[2], -1) {
			a := map[string]string{}
			for _, one := range attrs.FindAllStringSubmatch(i[2], -1) {
				a[one[1]] = html.UnescapeString(one[2])
			}
			if i[1] == "hidden" || i[1] == "text" {
				form.Add(a["name"], a["value"])
			}
		}
		for i := 0; i+1 < len(filled); i += 2 {
			form.Set(filled[i], filled[i+1])
		}
		answer := w.post(f[1], form)
		if answer.Code != http.StatusSeeOther {
			w.t.Fatalf("%s: %d\n%s", f[1], answer.Code, answer.Body)
		}
		w.path = answer.Header().Get("Location")
		w.page = w.get(w.path)
		return
	}
	w.t.Fatalf("%s has no %s:\n%s", w.path, testid, w.page)
}

func TestEveryRightIsExercisedInAtMostThreeSteps(t *testing.T) {
	at := func(o *office) *walk { return &walk{office: o, path: "/privacy/", page: o.get("/privacy/?lang=en")} }
	carryOut := func(o *office) {
		if _, err := o.rights.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for name, does := range map[string]func(w *walk) bool{
		"see": func(w *walk) bool {
			w.press("go-data")
			return strings.Contains(w.page, "mary@example.org") && strings.Contains(w.page, "Until when") && strings.Contains(w.page, "Who receives it")
		},
		"download": func(w *walk) bool {
			w.press("go-copy")
			w.press("make-copy")
			carryOut(w.office)
			w.page = w.get(w.path) // it renews itself
			w.press("package")
			return strings.HasPrefix(w.page, "PK")
		},
		"correct": func(w *walk) bool {
			w.press("go-correct")
			w.press("correct", "new", "mary.miller@example.org")
			carryOut(w.office)
			return strings.Contains(w.get("/privacy/data?lang=en"), "mary.miller@example.org")
		},
		"restrict": func(w *walk) bool {
			w.press("go-restrict")
			w.press("restrict", "ground", "b")
			carryOut(w.office)
			return !w.open(notice.Measure) && strings.Contains(w.get(w.path), "From now on we only store it.")
		},
		"object": func(w *walk) bool {
			w.press("go-object")
			w.press("object-support")
			if w.open(notice.Support) || !strings.Contains(w.page, `data-testid="request-support"`) {
				return false
			}
			carryOut(w.office)
			w.press("request-support")
			return strings.Contains(w.page, `data-state="verified"`) && strings.Contains(w.page, "From this moment we no longer use your data for it.") && strings.Contains(w.page, `data-testid="receipt-support"`)
		},
		"review": func(w *walk) bool {
			w.press("go-review")
			w.press("review", "decision", "score", "why", "I was <never> there.")
			carryOut(w.office)
			return strings.Contains(w.get(w.path), "being decided")
		},
		"withdraw": func(w *walk) bool {
			w.press("go-choices")
			w.press("withdraw-measure")
			return !w.open(notice.Measure)
		},
		"erase": func(w *walk) bool {
			w.press("go-erase")
			w.press("erase")
			carryOut(w.office)
			w.page = w.get(w.path)
			w.press("certificate")
			return strings.Contains(w.page, "probity/certificate/v1")
		},
	} {
		w := at(newOffice(t))
		if !does(w) {
			t.Errorf("%s: it was not done; the last page, %s:\n%s", name, w.path, w.page)
		}
		if w.pressed > 3 {
			t.Errorf("%s takes %d steps", name, w.pressed)
		}
		t.Logf("%s: %d steps", name, w.pressed)
	}
}

func TestRequestsStandInTheCentreWithTheirStateAndDueDate(t *testing.T) {
	o := newOffice(t)
	if err := o.rights.Set(t.Context(), o.tenant, rights.Settings{SecondPerson: []rights.Type{rights.Erasure}}); err != nil {
		t.Fatal(err)
	}
	w := &walk{office: o, path: "/privacy/", page: o.get("/privacy/?lang=en")}
	w.press("go-erase")
	w.press("erase")
	address := w.path
	for _, want := range []string{"waiting for approval", "By law you have an answer by 22 December 2026", `data-testid="back"`} {
		if !strings.Contains(w.page, want) {
			t.Errorf("the page of a request that waits lacks %q:\n%s", want, w.page)
		}
	}
	overview := o.get("/privacy/?lang=en")
	for _, want := range []string{"Your requests", "Erasure", "22 November 2026", "waiting for approval", "22 December 2026"} {
		if !strings.Contains(overview, want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
	w.press("back")
	if !strings.Contains(w.page, "You took this request back. Nothing was changed.") || strings.Contains(w.page, `data-testid="back"`) {
		t.Errorf("after it was taken back:\n%s", w.page)
	}
	if a := o.post(regexp.MustCompile(`\?.*`).ReplaceAllString(address, "")+"/back", url.Values{}); a.Code != http.StatusConflict {
		t.Errorf("taken back twice: %d", a.Code)
	}
}

func TestARefusalShowsItsReasonsAndBothRemedies(t *testing.T) {
	o := newOffice(t)
	q, err := o.rights.Open(t.Context(), o.tenant, rights.Request{
		Type: rights.Access, Who: rights.Who{Subjects: []id.Subject{o.subject}}, Channel: "privacy-centre", CreatedBy: rights.Actor{Kind: "subject"},
	}, rights.Opening{Method: rights.ByCookie})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.rights.Act(t.Context(), o.tenant, q.ID, rights.Act{
		Do: rights.MoveRefuse, By: rights.Actor{Kind: "staff"}, Article: "Art. 12(5)(b) GDPR", Told: "letter",
		Reason: "The tenth copy this <week>.", Complaint: "Write to the authority.", Remedy: "The court at the harbour.",
	})
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]string{"en": "We refused this request. The legal ground: Art. 12(5)(b) GDPR.", "de": "Wir haben diesen Antrag abgelehnt."} {
		page := o.get("/privacy/requests/" + q.ID.String() + "?lang=" + lang)
		for _, want := range []string{want, "The tenth copy this &lt;week&gt;.", "Write to the authority.", "The court at the harbour."} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q:\n%s", lang, want, page)
			}
		}
	}
}

func TestARestrictionNeedsOneOfTheReasonsOfTheLaw(t *testing.T) {
	o := newOffice(t)
	for _, ground := range []string{"", "e", "ab", "'"} {
		if w := o.post("/privacy/restrict", url.Values{"ground": {ground}}); w.Code != http.StatusBadRequest {
			t.Errorf("ground %q: %d", ground, w.Code)
		}
	}
	if w := o.post("/privacy/restrict", url.Values{"ground": {"a"}}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
}

func TestTheOrganisationsOwnFactsTellUntilWhenAndWhoReceives(t *testing.T) {
	o := newOffice(t)
	page := o.get("/privacy/data?lang=en")
	for _, want := range []string{"Hosting &lt;Ltd&gt;", "Parcel Post", "Japan (adequacy decision)", "keep records of your visits: 14.", "after it ends: 3.", "Supervisory authority: Harbour Data Authority"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "Nobody else is recorded") {
		t.Error("the page says that nobody else receives data, though somebody does")
	}
}

func TestEveryStateAndRightReadsInEveryLanguage(t *testing.T) {
	states := []rights.State{
		rights.Received, rights.IdentityPending, rights.Held, rights.ApprovalPending, rights.Deciding, rights.Locating, rights.Rewriting, rights.Erasing,
		rights.Restricting, rights.Settling, rights.Verifying, rights.Packaging, rights.Certifying, rights.Verified, rights.Failed, rights.Refused, rights.Withdrawn,
	}
	outcomes := []rights.Outcome{rights.OutcomeUpheld, rights.OutcomeCompelling, rights.OutcomeChanged, rights.OutcomeConfirmed}
	types := []rights.Type{rights.Access, rights.Portability, rights.Rectification, rights.Erasure, rights.Restriction, rights.Objection, rights.HumanReview}
	for lang, w := range loadWords() {
		for _, s := range states {
			if w["state."+string(s)] == "" {
				t.Errorf("%s has no word for the state %s", lang, s)
			}
		}
		for _, o := range outcomes {
			if w["outcome."+string(o)] == "" {
				t.Errorf("%s has no words for the outcome %s", lang, o)
			}
		}
		for _, typ := range types {
			if w["type."+string(typ)] == "" || w["done."+string(typ)] == "" {
				t.Errorf("%s has no words for %s", lang, typ)
			}
		}
	}
	o := newOffice(t)
	key := regexp.MustCompile(`>(overview|restrict|review|request|type|state|data|outcome)\.[a-z_.-]+<`)
	o.post("/privacy/copy", url.Values{})
	for _, lang := range slices.Sorted(maps.Keys(loadWords())) {
		for _, path := range []string{"/privacy/", "/privacy/restrict", "/privacy/review", "/privacy/data", "/privacy/erase", "/privacy/correct", "/privacy/copy"} {
			page := o.get(path + "?lang=" + lang)
			if bad := key.FindString(page); bad != "" || strings.Contains(page, "{0}") || !strings.Contains(page, `<html lang="`+lang+`">`) {
				t.Errorf("%s in %s shows %q", path, lang, bad)
			}
		}
	}
}

// TestTheDataIsNamedInEveryLanguage holds every part that the rooms of an installation hand out to a
// name in the language of the page.
func TestTheDataIsNamedInEveryLanguage(t *testing.T) {
	o := newOffice(t)
	o.post("/privacy/copy", url.Values{})
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	en := loadWords()["en"]
	english := regexp.MustCompile(`<(td|h2) lang="en">`)
	for lang, w := range loadWords() {
		for _, path := range []string{"/privacy/", "/privacy/data"} {
			page := o.get(path + "?lang=" + lang)
			if lang != "en" && (english.MatchString(page) || strings.Contains(page, en["part.consent/history"])) {
				t.Errorf("%s in %s names data in English", path, lang)
			}
			if !strings.Contains(html.UnescapeString(page), w["part.identities/identifiers"]) {
				t.Errorf("%s in %s does not name the identifiers", path, lang)
			}
		}
	}
}

// TestOnlyOwnRequestsAreSeen keeps one visitor's requests from another's centre.
func TestOnlyOwnRequestsAreSeen(t *testing.T) {
	o := newOffice(t)
	q, err := o.rights.Open(t.Context(), o.tenant, rights.Request{
		Type: rights.Access, Who: rights.Who{ExternalID: "somebody-else"}, Channel: "letter", CreatedBy: rights.Actor{Kind: "staff"},
	}, rights.Opening{Method: rights.ByStaff, Reason: "Known at the counter."})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(o.get("/privacy/?lang=en"), q.ID.String()) {
		t.Error("somebody else's request is listed")
	}
	for _, path := range []string{"", "/file", "/certificate"} {
		if w := call(o, "GET", "/privacy/requests/"+q.ID.String()+path, "", "Cookie", Cookie+"="+o.visitor.String()); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := o.post("/privacy/requests/"+q.ID.String()+"/back", url.Values{}); w.Code != http.StatusNotFound {
		t.Errorf("somebody else's request taken back: %d", w.Code)
	}
}

func TestThePageOfCopiesSaysForHowLongTheyCanBeDownloaded(t *testing.T) {
	o := newOffice(t)
	says := func(path, want string) {
		t.Helper()
		if page := o.get(path); !strings.Contains(page, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	says("/privacy/copy?lang=en", "you can download it for 14 days")
	if err := o.rights.Set(t.Context(), o.tenant, rights.Settings{PackageDays: 3}); err != nil {
		t.Fatal(err)
	}
	says("/privacy/copy?lang=en", "you can download it for 3 days")
	says("/privacy/copy?lang=de", "3 Tage lang herunterladen")
}
