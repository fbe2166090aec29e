package privacy

import (
	"context"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	site = uuid.MustParse("0194a1b2-0000-7000-8000-000000000001")
)

// fernhill is what the organisation says about itself.
var fernhill = notice.Facts{
	Controller: "Fernhill Ltd", Processors: []string{"Hosting <Ltd>"}, Recipients: []string{"Parcel Post"}, Transfers: []string{"Japan (adequacy decision)"},
	RetentionMonths: 14, ProofYears: 3, Authority: "Harbour Data Authority",
}

// office is the privacy centre over real rooms, with one visitor who agreed to page views.
type office struct {
	http.Handler
	t       testing.TB
	clk     *clock.Fake
	tenant  id.Tenant
	consent *consent.Room
	rights  *rights.Room
	visitor uuid.UUID
	subject id.Subject
}

// newOffice opens the centre of an organisation whose support and marketing rest on a legitimate
// interest, and whose payments rest on a contract.
func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{t: t, clk: clock.NewFake(noon), tenant: id.NewTenant()}
	db := storetest.SQLite(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{7}, o.clk, vault.Options{})
	must(err)
	log := ledger.New(db, keys, o.clk, "probity.test")
	must(log.Migrate(t.Context()))
	people := subject.New(db, keys, o.clk)
	must(people.Migrate(t.Context()))
	o.consent = consent.New(db, log, people, keys, o.clk, nil)
	must(o.consent.Migrate(t.Context()))
	must(o.consent.EnsureDefaults(t.Context(), o.tenant))
	purposes := notice.DefaultPurposes()
	for i := range purposes {
		switch purposes[i].ID {
		case notice.Support, notice.Marketing:
			purposes[i].Basis = notice.LegitimateInterest
		case notice.Predict:
			purposes[i].Basis = notice.Contract
		}
	}
	_, err = o.consent.Publish(t.Context(), o.tenant, notice.Draft{Facts: fernhill, Purposes: purposes, Texts: notice.DefaultTexts()})
	must(err)
	for basis, purposes := range map[notice.Basis][]string{
		notice.LegitimateInterest: {notice.Support, notice.Marketing, notice.Actions}, notice.Contract: {notice.Predict},
	} {
		_, err = o.consent.Declare(t.Context(), o.tenant, consent.Declaration{Basis: string(basis), Purposes: purposes, Assessment: "Visitors expect this, and nothing milder would serve them."})
		must(err)
	}
	nonce, err := o.consent.Nonce(t.Context(), o.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 2, Language: "en"})
	must(err)
	out, err := o.consent.Choose(t.Context(), o.tenant, consent.Choice{
		Deployment: site, Nonce: nonce, UI: consent.UI{Component: "banner", Action: "save", Trusted: true, Viewport: "d"},
		Purposes: map[string]bool{notice.Measure: true, notice.Actions: true, notice.Identity: false, notice.Sales: false},
	})
	must(err)
	o.visitor, o.subject = *out.Visitor, out.Subject
	o.rights = rights.New(rights.Deps{
		DB: db, Keys: keys, People: people, Ledger: log, Gate: o.consent, Clock: o.clk,
		Stores: []rights.Store{rights.Identities(people), rights.Choices(o.consent)},
	})
	must(o.rights.Migrate(t.Context()))
	o.consent.RestrictedBy(o.rights.Restricted)
	must(db.Tenant(o.tenant).Write(t.Context(), func(tx *store.Tx) error {
		_, err := people.Identify(t.Context(), tx, o.subject, map[subject.Kind]string{subject.Email: "mary@example.org"})
		return err
	}))
	o.Handler = New(Deps{
		Rights: o.rights,
		Tenant: o.tenant, Name: func(context.Context) string { return "Fernhill Ltd" }, Subjects: people, Consent: o.consent, Logger: slog.New(slog.DiscardHandler),
	})
	o.clk.Advance(time.Minute)
	return o
}

func (o *office) get(path string) string {
	o.t.Helper()
	w := call(o, "GET", path, "", "Cookie", Cookie+"="+o.visitor.String())
	if w.Code != http.StatusOK {
		o.t.Fatalf("GET %s: %d\n%s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (o *office) post(path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	return call(o, "POST", path, form.Encode(), append(headers, "Cookie", Cookie+"="+o.visitor.String())...)
}

// done posts a form and follows to the page that shows what came of it.
func (o *office) done(path string, form url.Values) string {
	o.t.Helper()
	w := o.post(path, form)
	if w.Code != http.StatusSeeOther {
		o.t.Fatalf("POST %s: %d\n%s", path, w.Code, w.Body)
	}
	return o.get(w.Header().Get("Location"))
}

func (o *office) open(purpose string) bool {
	o.t.Helper()
	ok, err := o.consent.Standing(o.t.Context(), o.tenant, o.subject, purpose)
	if err != nil {
		o.t.Fatal(err)
	}
	return ok
}

func TestB29_AnObjectionIsOneButtonWithoutAReasonAndStopsTheUseAtOnce(t *testing.T) {
	o := newOffice(t)
	page := o.get("/privacy/choices?lang=en")
	for _, want := range []string{
		`data-testid="object-support"`, `data-testid="object-marketing"`, `data-testid="object-actions"`,
		"Art. 6(1)(f) GDPR", "Art. 21(1) GDPR", "compelling legitimate grounds", "Art. 21(2) GDPR", "Art. 6(1)(b) GDPR",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, `data-testid="object-predict"`) {
		t.Error("one can object to a contract")
	}
	if n := strings.Count(page, `name="reason"`); n != 2 {
		t.Errorf("%d of the objections that are weighed take a reason, and no other does: want 2", n)
	}

	// To a legitimate interest, with a reason.
	page = o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Support}, "reason": {"I was <never> asked."}})
	for _, want := range []string{"You have objected.", "You objected on 22 November 2026.", "<q>I was &lt;never&gt; asked.</q>", `data-testid="receipt-support"`} {
		if !strings.Contains(page, want) {
			t.Errorf("after the objection the page lacks %q", want)
		}
	}
	if o.open(notice.Support) || !o.open(notice.Marketing) || strings.Contains(page, `data-testid="object-support"`) {
		t.Error("the objection did not count at once, or for more than it was about")
	}
	receipt := regexp.MustCompile(`href="(/privacy/receipts/[^"]+)" data-testid="receipt-support"`).FindStringSubmatch(page)
	if receipt == nil || !strings.Contains(o.get(receipt[1]), `consent.objected`) {
		t.Error("the receipt of the objection can't be had")
	}

	// To advertising, without; in another language.
	page = o.done("/privacy/object", url.Values{"lang": {"de"}, "purpose": {notice.Marketing}})
	if o.open(notice.Marketing) || !strings.Contains(page, "Sie haben am 22. November 2026 widersprochen.") {
		t.Error("advertising goes on, or nobody is told that it stopped")
	}
	// To what rests on consent too: the objection ends both.
	if o.done("/privacy/object", url.Values{"lang": {"en"}, "purpose": {notice.Actions}}); o.open(notice.Actions) || !o.open(notice.Measure) {
		t.Error("an objection to a purpose with two bases left one")
	}
}

func TestAnObjectionFromElsewhereOrToNothingIsRefused(t *testing.T) {
	o := newOffice(t)
	form := url.Values{"purpose": {notice.Support}}
	if w := o.post("/privacy/object", form, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
	for _, purpose := range []string{"", "none", notice.Predict, notice.Measure} {
		if w := o.post("/privacy/object", url.Values{"purpose": {purpose}}); w.Code != http.StatusBadRequest {
			t.Errorf("to %q: %d", purpose, w.Code)
		}
	}
	if w := o.post("/privacy/object", url.Values{"purpose": {notice.Support}, "reason": {strings.Repeat("x", consent.MaxReason+1)}}); w.Code != http.StatusBadRequest {
		t.Errorf("with an endless reason: %d", w.Code)
	}
	if !o.open(notice.Support) {
		t.Error("a refused objection counted")
	}
	o.visitor = uuid.New()
	if w := o.post("/privacy/object", form); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Nothing is linked to this browser") {
		t.Errorf("by a stranger: %d", w.Code)
	}
}

func TestConsentIsGivenByAFormWithABoxForEachPurpose(t *testing.T) {
	o := newOffice(t)
	page := o.get("/privacy/give?lang=de")
	boxes := regexp.MustCompile(`<input type="checkbox" [^>]*value="([a-z]+)"[^>]*?( checked)?>`).FindAllStringSubmatch(page, -1)
	got := map[string]bool{}
	for _, b := range boxes {
		got[b[1]] = b[2] != ""
	}
	want := map[string]bool{notice.Measure: true, notice.Actions: true, notice.Identity: false, notice.Sales: false}
	if !maps.Equal(got, want) {
		t.Fatalf("the boxes are %v, want those on consent, ticked only if given: %v", got, want)
	}
	nonce := regexp.MustCompile(`name="nonce" value="([^"]+)"`).FindStringSubmatch(page)
	if nonce == nil {
		t.Fatal("the form has no nonce")
	}
	form := url.Values{"lang": {"de"}, "nonce": {nonce[1]}, "purpose": {notice.Measure, notice.Identity}}
	if w := o.post("/privacy/give", form, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden || o.open(notice.Identity) {
		t.Errorf("from another site: %d", w.Code)
	}
	page = o.done("/privacy/give", form)
	if !strings.Contains(page, "Was Sie neu ankreuzen, beginnt auf der Website erst, wenn Sie dort „Datenschutz-Auswahl“ öffnen") {
		t.Error("the page does not say that the device still holds what it held")
	}
	if !strings.Contains(page, "Ihre Auswahl ist gespeichert.") || !o.open(notice.Identity) || !o.open(notice.Measure) || o.open(notice.Sales) {
		t.Error("what was ticked is not what counts")
	}
	records, err := o.consent.History(t.Context(), o.tenant, []id.Subject{o.subject})
	if err != nil {
		t.Fatal(err)
	}
	if last := records[len(records)-1]; last.Source != "form" || last.Language != "de" || last.Version != 2 || last.Deployment != site {
		t.Errorf("the record is %+v", last)
	}
	if w := o.post("/privacy/give", form); w.Code != http.StatusConflict {
		t.Errorf("the same form sent twice: %d", w.Code)
	}
	form.Set("nonce", "x")
	if w := o.post("/privacy/give", form); w.Code != http.StatusBadRequest {
		t.Errorf("a forged form: %d", w.Code)
	}
	form["purpose"] = []string{notice.Support}
	if w := o.post("/privacy/give", form); w.Code != http.StatusBadRequest {
		t.Errorf("consent to what does not rest on it: %d", w.Code)
	}
}

func TestTheChoicesReadInEveryLanguage(t *testing.T) {
	o := newOffice(t)
	if w := o.post("/privacy/object", url.Values{"purpose": {notice.Support}}); w.Code != http.StatusSeeOther {
		t.Fatal(w.Code)
	}
	key := regexp.MustCompile(`>(object|give|choices|basis)\.[a-z_]+<`)
	texts := notice.DefaultTexts()
	for _, lang := range slices.Sorted(maps.Keys(loadWords())) {
		for _, path := range []string{"/privacy/choices?objected=1", "/privacy/choices?given=1", "/privacy/give?a=b"} {
			page := o.get(path + "&lang=" + lang)
			// What a form can't change is what the website's own control can, by the name that it has there.
			if says := loadWords()[lang].text("give.device", texts[lang].Labels.Manage); !strings.Contains(path, "objected") && !strings.Contains(html.UnescapeString(page), says) {
				t.Errorf("%s in %s does not say %q", path, lang, says)
			}
			if bad := key.FindString(page); bad != "" || strings.Contains(page, "{0}") || !strings.Contains(page, `<html lang="`+lang+`">`) {
				t.Errorf("%s in %s shows %q", path, lang, bad)
			}
		}
	}
}
