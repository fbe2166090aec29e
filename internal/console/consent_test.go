package console

import (
	"context"
	"html"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
	"probity/internal/withdrawn"
	"probity/internal/witness"
	"probity/verify"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var site = uuid.MustParse("5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d")

// sites are deployments of one organisation.
type sites []*org.Deployment

func (s sites) Deployments(context.Context, id.Tenant) ([]*org.Deployment, error) { return s, nil }

// office is the console over the real rooms, with somebody signed in who may do everything.
type office struct {
	http.Handler
	t       testing.TB
	db      *store.DB
	clk     *clock.Fake
	consent *consent.Room
	subject *subject.Room
	ledger  *ledger.Ledger
	journey *journey.Store
	tenant  id.Tenant
	door    *door
	keys    *vault.Vault
	rights  *rights.Room
	cookies []*http.Cookie
}

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{t: t, db: storetest.SQLite(t), clk: clock.NewFake(noon), tenant: id.NewTenant()}
	keys, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{7}, o.clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.keys = keys
	quiet := slog.New(slog.DiscardHandler)
	o.ledger = ledger.New(o.db, keys, o.clk, "probity.test")
	o.subject = subject.New(o.db, keys, o.clk)
	o.consent = consent.New(o.db, o.ledger, o.subject, keys, o.clk, nil)
	if o.journey, err = journey.NewStore(o.db, keys, o.clk); err != nil {
		t.Fatal(err)
	}
	log := witness.NewPublisher(witness.Deps{DB: o.db, Ledger: o.ledger, Clock: o.clk, Logger: quiet, Audits: []func(context.Context, id.Tenant) error{o.consent.Audit}, Warnings: []func(context.Context, id.Tenant) ([]string, error){o.consent.Warnings}})
	gone := withdrawn.New(withdrawn.Deps{DB: o.db, Clock: o.clk, Logger: quiet})
	o.rights = rights.New(rights.Deps{
		DB: o.db, Keys: keys, People: o.subject, Ledger: o.ledger, Gate: o.consent, Clock: o.clk,
		Stores: []rights.Store{rights.Identities(o.subject), rights.Choices(o.consent), rights.Journeys(o.journey)},
	})
	for _, migrate := range []func() error{
		func() error { return o.rights.Migrate(t.Context()) },
		func() error { return o.ledger.Migrate(t.Context()) },
		func() error { return o.subject.Migrate(t.Context()) },
		func() error { return o.consent.Migrate(t.Context()) },
		func() error { return o.journey.Migrate(t.Context()) },
		func() error { return log.Migrate(t.Context()) },
		func() error { return gone.Migrate(t.Context()) },
		func() error { return o.consent.EnsureDefaults(t.Context(), o.tenant) },
	} {
		if err := migrate(); err != nil {
			t.Fatal(err)
		}
	}
	o.door = &door{link: "secret", person: &org.Staff{ID: uuid.New(), Tenant: o.tenant, Name: "Dana Desk", Permissions: org.Permissions()}}
	o.Handler = New(Deps{
		Staff: o.door, Sessions: memstore.NewWithCleanupInterval(0), Journey: empty{}, Consent: o.consent, Notices: o.consent,
		Answers: o.consent, Proofs: o.consent, Ways: o.consent, Sites: sites{{ID: site, Name: "Tea <shop>"}}, Subjects: o.subject, Log: log, Entries: o.ledger,
		Excerpts: o.consent, Grounds: o.journey, Withdrawn: gone, Rights: o.rights, Clock: o.clk, Logger: quiet, Plain: true,
	})
	o.cookies = ask(o, "POST", "/console/sign-in", "token=secret", nil).Cookies()
	return o
}

// choose says yes to the purposes and no to all others.
func (o *office) choose(visitor *uuid.UUID, yes ...string) *consent.Outcome {
	o.t.Helper()
	nonce, err := o.consent.Nonce(o.t.Context(), o.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
	if err != nil {
		o.t.Fatal(err)
	}
	c := consent.Choice{
		Deployment: site, Nonce: nonce, Visitor: visitor, Purposes: map[string]bool{},
		UI: consent.UI{Component: "banner", Action: "save", DwellMS: 4200, Trusted: true, Viewport: "m"},
	}
	for _, p := range notice.DefaultPurposes() {
		c.Purposes[p.ID] = slices.Contains(yes, p.ID)
	}
	out, err := o.consent.Choose(o.t.Context(), o.tenant, c)
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

func (o *office) withdraw(visitor uuid.UUID, purposes ...string) {
	o.t.Helper()
	_, err := o.consent.Withdraw(o.t.Context(), o.tenant, consent.Withdrawal{
		Deployment: site, Visitor: visitor, Purposes: purposes, UI: consent.UI{Component: "preferences", Action: "withdraw_all", Trusted: true},
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// visit stores an event that rests on the visitor's consent.
func (o *office) visit(s id.Subject, purpose string) {
	o.t.Helper()
	ctx := o.t.Context()
	g, err := o.consent.Gate(ctx, o.tenant, s, purpose)
	if err != nil {
		o.t.Fatal(err)
	}
	found, err := o.journey.Load(ctx, o.tenant, s)
	if err != nil {
		o.t.Fatal(err)
	}
	now := o.clk.Now()
	ev := &event.Event{
		ID: id.New(), Name: event.PageViewed, At: now, Received: now, Deployment: site, Purpose: purpose, Ground: event.Ground(g),
		Page: event.Page{URL: "https://shop.example/p", Path: "/p", Host: "shop.example"},
	}
	var fx journey.Effects
	plan := journey.NewPlan(nil, nil, nil, nil)
	found[0].ApplyTo(&fx, plan, ev, &journey.Env{Allow: func(string) bool { return true }})
	c, err := o.journey.Seal(ctx, o.tenant, plan, found[0], &fx, now)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.db.Tenant(o.tenant).Write(ctx, func(tx *store.Tx) error {
		_, err := o.journey.Save(ctx, tx, []*journey.Change{c})
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) get(path string) *http.Response { return ask(o, "GET", path, "", o.cookies) }

var tags = regexp.MustCompile(`<[^>]*>`)

// page returns the words of a page, without its tags.
func (o *office) page(path string) string {
	o.t.Helper()
	r := o.get(path)
	if r.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: status %d", path, r.StatusCode)
	}
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(text(o.t, r), " "))), " ")
}

func (o *office) says(path string, want ...string) {
	o.t.Helper()
	page := o.page(path)
	for _, w := range want {
		if !strings.Contains(page, w) {
			o.t.Errorf("%s lacks %q:\n%s", path, w, page)
		}
	}
}

func TestThePagesOnConsentOpenOnAnEmptySite(t *testing.T) {
	o := newOffice(t)
	o.says("/console/consent", "Fewer than 10 have answered yet today", "The notice in use lacks", "Version 1 of 1")
	o.says("/console/consent/rates", "Fewer than 10 people answered a notice in this period")
	o.says("/console/consent/ledger", "None was made yet", "Nowhere. Whoever controls this server")
	if r := o.get("/console/visitors/" + id.NewSubject().String() + "/consent"); r.StatusCode != http.StatusNotFound {
		t.Errorf("somebody who never was: status %d", r.StatusCode)
	}
}

func TestRatesAreShownAndNobodyCanBeRecognised(t *testing.T) {
	o := newOffice(t)
	for range 97 {
		o.choose(nil, notice.Measure, notice.Actions)
	}
	for range 3 {
		o.choose(nil, notice.Actions)
	}
	if err := o.consent.FlushShown(t.Context(), o.tenant); err != nil {
		t.Fatal(err)
	}
	o.says("/console/consent/rates", "92–100 %", "fewer than 10", "rounded to the nearest multiple of 10", "more than 95 % agreed to", "2–5 s", "Shown and not answered")
	o.says("/console/consent", "more than 95 % agreed to", "The notice was shown 100 times: 100 answers, fewer than 10 without a choice")
	if page := o.page("/console/consent/rates"); strings.Contains(page, " 97 ") || strings.Contains(page, " 3 fewer") {
		t.Error("a small count follows from what is shown")
	}
	for _, by := range append(consent.Groupings(), "") {
		o.says("/console/consent/rates?by="+by, "Answers a day", "100")
	}
	o.says("/console/consent/rates?by=deployment", "Tea <shop>")
	o.says("/console/consent/rates?by=viewport", "Phone")
	o.says("/console/consent/rates?version=1&language=en&deployment="+site.String()+"&component=banner&viewport=m&from=2026-11-22&to=2026-11-22&purpose=actions", "2026-11-22 to 2026-11-22", "92–100 %")
	file := text(t, o.get("/console/consent/rates.csv?by=day"))
	if !strings.Contains(file, "2026-11-22,measure,100,100,fewer than 10,fewer than 10,0.9174,1.0000") || !strings.Contains(file, `filename="opt-in-rates.csv"`) {
		t.Errorf("the file is %s", file)
	}
	for _, bad := range []string{"?by=subject", "?from=yesterday", "?version=x", "?deployment=x", "?viewport=x", "?from=2026-11-22&to=2026-11-21"} {
		if r := o.get("/console/consent/rates" + bad); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", bad, r.StatusCode)
		}
	}
}

func TestTwoVersionsAreComparedWhereEnoughAnswered(t *testing.T) {
	cell := func(group string, given, answers int64) consent.Cell {
		share := float64(given) / float64(answers)
		return consent.Cell{Group: group, Purpose: "measure", Answers: consent.CountOf(answers), Given: consent.CountOf(given), Low: share, High: share}
	}
	a, b, few := cell("1", 40, 100), cell("2", 55, 100), consent.Cell{Group: "3", High: 1}
	if got := moved(&a, &b); got != "+15.0 points" {
		t.Errorf("moved by %s", got)
	}
	if moved(&a, &few) != "–" || moved(nil, &b) != "–" {
		t.Error("a move is claimed where nothing is known")
	}
	p := ratesPage{}
	p.compare([]consent.Cell{a, b}, "", "", []consent.Edition{{Version: 2}, {Version: 1}}, []notice.Purpose{{ID: "measure"}})
	if p.A != "1" || p.B != "2" || len(p.Versus) != 1 || p.Versus[0].Moved != "+15.0 points" {
		t.Errorf("the two newest: %+v", p)
	}
}

func TestColumnsOfADayWithFewAnswersTellNothing(t *testing.T) {
	day := func(d int) string { return noon.AddDate(0, 0, d).Format(time.DateOnly) }
	from := noon.Truncate(24 * time.Hour)
	c := columnsOf([]consent.Cell{
		{Group: day(0), Purpose: "measure", Answers: consent.CountOf(100), Low: 0.4, High: 0.4},
		{Group: day(1), Purpose: "measure", Answers: consent.CountOf(3), High: 1},
		{Group: day(2), Purpose: "other", Answers: consent.CountOf(500)},
	}, "measure", from, from.AddDate(0, 0, 3))
	if len(c.Columns) != 2 || c.Columns[0].Given != 48 || c.Columns[0].Refused != 72 || !c.Columns[1].Hidden || c.Columns[1].Given != 0 {
		t.Errorf("got %+v", c.Columns)
	}
	if c.Words() != "Answers on 2 days of 4. The most, 100, on 2026-11-22: 40 % agreed." {
		t.Errorf("in words: %s", c.Words())
	}
}

func TestEveryChoiceOfAPersonIsShownWithAProofThatHolds(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure, notice.Actions)
	o.clk.Advance(time.Minute)
	for range 3 {
		o.visit(out.Subject, notice.Measure)
	}
	o.clk.Advance(48 * time.Hour)
	o.withdraw(*out.Visitor, notice.Measure)
	path := "/console/visitors/" + out.Subject.String() + "/consent"
	o.says(path, "2 records", "withdrawn", "In the preference centre, “Withdraw all”.", "In the banner, own selection, after 4 s.",
		"Counts until", "3 stored events rest on it", "3 stored events rest on what it ended", "What was shown notice version 1, English")
	page := o.page(path)
	if n := strings.Count(page, "verified now"); n != 2 {
		t.Errorf("%d proofs hold:\n%s", n, page)
	}
	if strings.Contains(page, "does not hold") {
		t.Error("a proof does not hold")
	}
	// The state between the two, and before either.
	o.says(path+"?at=2026-11-23T12:00", "At 23 Nov 2026 12:00", "See which pages are visited withdrawn 24 Nov 2026 12:01 yes 22 Nov 2026 12:00")
	o.says(path+"?at=2026-11-21T12:00", "never asked")
	if r := o.get(path + "?at=then"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a time that is none: status %d", r.StatusCode)
	}

	key, err := o.ledger.VerifierKey(t.Context(), o.tenant)
	if err != nil {
		t.Fatal(err)
	}
	file := ask(o, "GET", path+"/bundle", "", o.cookies)
	_, body, _ := strings.Cut(text(t, file), "\r\n\r\n")
	if report, err := verify.File([]byte(body), key); err != nil || !report.Trusted {
		t.Errorf("all proofs in one file: %v", err)
	}
	for _, format := range consent.Formats() {
		r := o.get("/console/visitors/" + out.Subject.String() + "/receipts/" + out.RecordID.String() + "?format=" + format)
		if r.StatusCode != http.StatusOK || !strings.Contains(r.Header.Get("Content-Disposition"), format) {
			t.Errorf("as %s: status %d, %s", format, r.StatusCode, r.Header.Get("Content-Disposition"))
		}
	}
}

func TestAProofThatDoesNotHoldIsNamed(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure)
	other := o.choose(nil, notice.Actions)
	if err := o.db.Tenant(o.tenant).Write(t.Context(), func(tx *store.Tx) error {
		for _, sql := range []string{
			`DROP TRIGGER ledger_payload_no_UPDATE`,
			`UPDATE ledger_payload SET body = (SELECT body FROM ledger_payload WHERE n = (SELECT ledger FROM consent_record WHERE record = $1))
				WHERE n = (SELECT ledger FROM consent_record WHERE record = $2)`,
		} {
			var args []any
			if strings.HasPrefix(sql, "UPDATE") {
				args = []any{other.RecordID, out.RecordID}
			}
			if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	o.says("/console/visitors/"+out.Subject.String()+"/consent", "does not hold")
	o.says("/console/visitors/"+other.Subject.String()+"/consent", "verified now")
}

func TestLongHistoriesAreTurnedPageByPage(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure)
	for range 29 {
		o.clk.Advance(time.Minute)
		o.choose(out.Visitor, notice.Measure)
	}
	path := "/console/visitors/" + out.Subject.String() + "/consent"
	first := text(t, o.get(path))
	older := regexp.MustCompile(`\?before=(\d+)`).FindStringSubmatch(first)
	if older == nil || strings.Count(first, "verified now") != historyRows {
		t.Fatalf("the first page ends with %v", older)
	}
	second := text(t, o.get(path+older[0]))
	if n := strings.Count(second, "verified now"); n != 5 || strings.Contains(second, "?before=") {
		t.Errorf("the second page has %d records", n)
	}
}

func TestTheLedgerExaminesItselfWhenAsked(t *testing.T) {
	o := newOffice(t)
	for range 3 {
		o.choose(nil, notice.Measure)
	}
	if _, err := o.ledger.Checkpoint(t.Context(), o.tenant); err != nil {
		t.Fatal(err)
	}
	key, err := o.ledger.VerifierKey(t.Context(), o.tenant)
	if err != nil {
		t.Fatal(err)
	}
	o.says("/console/consent/ledger", "signed entries, 22 Nov 2026 12:00", key, "consent.given 3", "notice.served 3", "It was never found to have jumped", "None was made yet")
	_, note, _ := strings.Cut(text(t, o.get("/console/consent/ledger/checkpoint")), "\r\n\r\n")
	if _, err := verify.OpenCheckpoint([]byte(note), key); err != nil {
		t.Errorf("the checkpoint: %v", err)
	}
	_, excerpt, _ := strings.Cut(text(t, o.get("/console/consent/ledger/excerpt?from=2026-11-22&to=2026-11-22")), "\r\n\r\n")
	if report, err := verify.Read(strings.NewReader(excerpt), key); err != nil || report.Kinds["consent.given"] != 3 {
		t.Errorf("the excerpt: %v", err)
	}
	if r := o.get("/console/consent/ledger/excerpt?from=x&to=2026-11-22"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a period that is none: status %d", r.StatusCode)
	}
	if r := ask(o, "POST", "/console/consent/ledger/audit", "", o.cookies); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("audit now: status %d", r.StatusCode)
	}
	o.says("/console/consent/ledger", "sound Every leaf")
	if r := ask(o, "POST", "/console/consent/ledger/audit", "", o.cookies, "Sec-Fetch-Site", "cross-site"); r.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: status %d", r.StatusCode)
	}
	if err := o.db.Tenant(o.tenant).Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(t.Context(), `DROP TRIGGER ledger_entry_no_UPDATE`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `UPDATE ledger_entry SET leaf = replace(leaf, 'consent.given', 'consent.taken') WHERE leaf LIKE '%consent.given%'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ask(o, "POST", "/console/consent/ledger/audit", "", o.cookies)
	o.says("/console/consent/ledger", "damaged", "The last self-audit found damage")
	o.says("/console/consent", "alarm The last self-audit found damage")
}

func TestPagesOnConsentNeedTheirPermissions(t *testing.T) {
	o := newOffice(t)
	out := o.choose(nil, notice.Measure)
	o.door.person.Permissions = []string{org.PermissionSession, org.PermissionConsole}
	for _, path := range []string{"", "/rates", "/rates.csv", "/ledger", "/ledger/checkpoint", "/ledger/excerpt"} {
		if r := o.get("/console/consent" + path); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{"", "/bundle"} {
		if r := o.get("/console/visitors/" + out.Subject.String() + "/consent" + path); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	if r := ask(o, "POST", "/console/consent/ledger/audit", "", o.cookies); r.StatusCode != http.StatusForbidden {
		t.Errorf("audit now: status %d", r.StatusCode)
	}
}

func TestWhatOthersSaidOfAPersonIsMarkedAndWhatWasInvalidIsNamed(t *testing.T) {
	o := newOffice(t)
	o.clk.Advance(48 * time.Hour)
	done, err := o.consent.Assert(t.Context(), o.tenant, consent.Assertion{
		Who: consent.Who{Kind: subject.Email, Value: "ann@example.org"}, Deployment: site, Channel: "phone",
		Purposes: map[string]bool{notice.Marketing: true}, Said: noon.Add(24 * time.Hour), Notice: notice.ID, Version: 1, Language: "en",
		RecordedBy: "desk", Evidence: "recording 7", Explicit: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.clk.Advance(time.Hour)
	if list, err := o.consent.VoidRecord(t.Context(), o.tenant, done.RecordID, consent.Void{Reason: "The caller was somebody else.", Actor: "desk"}); err != nil || len(list) != 1 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	path := "/console/visitors/" + done.Subject.String() + "/consent"
	o.says(path, "written down", "assertion: somebody wrote down what the person said on 23 Nov 2026 12:00", "By phone", "found invalid", "invalidated")
	page := o.page(path)
	if strings.Count(page, "verified now") != 2 || strings.Count(page, "assertion:") != 1 {
		t.Errorf("the timeline:\n%s", page)
	}
	if strings.Contains(page, "ann@example.org") {
		t.Error("the page names the person")
	}
}

// crowd fills the office: n people's choices in the ledger's shape, their counters, and versions of the
// notice. It writes straight rows, because reading is what is measured; the visitor returned chose
// through the room.
func (o *office) crowd(n, versions int) *consent.Outcome {
	o.t.Helper()
	ctx := o.t.Context()
	write := func(fn func(tx *store.Tx) error) {
		o.t.Helper()
		if err := o.db.Tenant(o.tenant).Write(ctx, fn); err != nil {
			o.t.Fatal(err)
		}
	}
	write(func(tx *store.Tx) error {
		for v := 2; v <= versions; v++ {
			if _, err := tx.Exec(ctx, `
				INSERT INTO consent_version (tenant_id, id, version, body, material, reason, faults, author, published)
				SELECT tenant_id, id, $2, body, FALSE, reason, faults, author, published FROM consent_version WHERE tenant_id = $1 AND version = 1`, o.tenant, v); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `
				INSERT INTO consent_notice (tenant_id, id, version, language, body, artefact, sha256, material, published, ledger)
				SELECT tenant_id, id, $2, language, replace(body, '"version":1', '"version":' || $2), artefact, sha256, FALSE, published, ledger
				FROM consent_notice WHERE tenant_id = $1 AND version = 1`, o.tenant, v); err != nil {
				return err
			}
		}
		return nil
	})
	rnd := rand.New(rand.NewPCG(7, 8))
	langs := []string{"en", "de", "fr", "es", "it", "pl"}
	for done := 0; done < n; done += 1000 {
		write(func(tx *store.Tx) error {
			var entries []ledger.Entry
			for range 1000 {
				entries = append(entries, ledger.Entry{Kind: ledger.ConsentGiven, Payload: []byte(`{"n":1}`)})
			}
			first, err := o.ledger.AppendAll(ctx, tx, entries)
			if err != nil {
				return err
			}
			for i := range int64(1000) {
				minutes := rnd.IntN(100 * 24 * 60)
				at := noon.Add(-time.Duration(minutes) * time.Minute)
				kind, mood := ledger.ConsentRefused, rnd.IntN(10)
				var effects []string
				for _, p := range notice.DefaultPurposes() {
					if mood < 4 || mood > 7 && rnd.IntN(2) == 0 {
						kind, effects = ledger.ConsentGiven, append(effects, p.ID+"=ConsentGiven")
					} else {
						effects = append(effects, p.ID+"=ConsentRefused")
					}
				}
				version, lang, said := versions-minutes*versions/(100*24*60), langs[rnd.IntN(len(langs))], strings.Join(effects, ",")
				if _, err := tx.Exec(ctx, `
					INSERT INTO consent_record (tenant_id, subject, ledger, record, kind, source, deployment, at, until, notice, version, language, effects, gpc, served)
					VALUES ($1, $2, $3, $4, $5, 'banner', $6, $7, $8, $9, $10, $11, $12, FALSE, -1)`, o.tenant, id.NewSubject(), first+i, uuid.New(), kind, site,
					at.UnixMicro(), at.Add(consent.Validity).UnixMicro(), notice.ID, version, lang, said); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `
					INSERT INTO consent_tally (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects, times)
					VALUES ($1, $2, $3, $4, $5, $6, $7, 'banner', $8, $9, $10, 1)
					ON CONFLICT (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects)
					DO UPDATE SET times = consent_tally.times + 1`, o.tenant, at.Format(time.DateOnly), kind, notice.ID, version, lang, site,
					[]string{"m", "d"}[rnd.IntN(2)], consent.Dwells()[rnd.IntN(5)], said); err != nil {
					return err
				}
			}
			return nil
		})
	}
	out := o.choose(nil, notice.Measure)
	for range historyRows + 5 {
		o.clk.Advance(time.Second)
		o.visit(out.Subject, notice.Measure)
		o.choose(out.Visitor, notice.Measure)
	}
	return out
}

func BenchmarkPages(b *testing.B) {
	o := newOffice(b)
	out := o.crowd(100_000, 50)
	for name, path := range map[string]string{
		"overview": "/console/consent", "rates": "/console/consent/rates", "rates by day": "/console/consent/rates?by=day",
		"ledger": "/console/consent/ledger", "history": "/console/visitors/" + out.Subject.String() + "/consent",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if r := o.get(path); r.StatusCode != http.StatusOK {
					b.Fatalf("status %d", r.StatusCode)
				}
			}
		})
	}
}

func TestWhatBecomesOfWithdrawnDataIsSetInTheOverview(t *testing.T) {
	o := newOffice(t)
	o.says("/console/consent", "It is kept, and nobody reads it.", "As this installation was started.")
	for policy, words := range map[string]string{"erase": "It is deleted. Set here.", "keep": "nobody reads it. Set here.", "": "As this installation was started."} {
		if r := o.post("/console/consent/withdrawn-data", url.Values{"policy": {policy}}); r.StatusCode != http.StatusSeeOther {
			t.Fatalf("%q: status %d", policy, r.StatusCode)
		}
		o.says("/console/consent", words)
	}
	if r := o.post("/console/consent/withdrawn-data", url.Values{"policy": {"shred"}}); r.StatusCode != http.StatusBadRequest {
		t.Errorf("another policy: status %d", r.StatusCode)
	}
}
