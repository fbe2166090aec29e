package browser

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"probity/e2e/chromium"
	"probity/internal/store/storetest"
)

// TestStaffWorkAtEveryDeskAndAVisitorObjectsAndHasADecisionReviewed walks through the pages beside the
// queue, with a database that is connected, and through an objection and a review from the privacy centre
// to the desk and back. Every page is audited on the way.
func TestStaffWorkAtEveryDeskAndAVisitorObjectsAndHasADecisionReviewed(t *testing.T) {
	dsn, dir := storetest.PostgresURL(t), t.TempDir()
	shop, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shop.Close() })
	for _, statement := range []string{
		`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT)`,
		`CREATE TABLE wishes (id INTEGER PRIMARY KEY, email TEXT)`,
		`INSERT INTO customers VALUES (1, 'mary@example.org', 'Mary')`,
	} {
		if _, err := shop.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "databases.yml")
	for name, text := range map[string]string{
		file: "databases: [{datasets: [shop.yml], max-share: 0.25}]",
		filepath.Join(dir, "shop.yml"): `dataset:
- fides_key: shop
  collections:
  - name: customers
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: name, data_categories: [user.name]}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PROBITY_DSN_SHOP", dsn)
	p := start(t, "serve", "--databases", file)
	site := customer(t, p)
	browser := chromium.Start(t)
	staff := p.tab(t, chromium.New(t, browser))
	audit := func(b *chromium.Tab, what string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			b.Prefer("prefers-color-scheme", scheme)
			for _, size := range [][2]int64{{1280, 800}, {320, 640}} {
				b.Resize(size[0], size[1])
				for _, fault := range b.Audit() {
					t.Errorf("%s, %s, %d wide: %s", what, scheme, size[0], fault)
				}
			}
		}
		b.Resize(1280, 800)
	}
	holds := func(b *chromium.Tab, what string, texts ...string) {
		t.Helper()
		page := chromium.Value[string](b, "document.querySelector('main').innerText")
		for _, want := range texts {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %q:\n%s", what, want, page)
			}
		}
	}
	staff.Open(p.signIn())
	staff.Press("[data-testid=sign-in]")
	staff.Until("location.pathname == '/console/'")
	desk := func(path string) {
		t.Helper()
		staff.Open(p.base + "/console/requests")
		staff.Press("[data-testid=desks] a[href='" + path + "']")
		staff.Until("location.pathname == '" + path + "' && document.querySelector('nav.main a[aria-current]').textContent == 'Requests'")
	}

	// Databases: connected, tried, and with what their file leaves out.
	desk("/console/databases")
	holds(staff, "a database that was not tried", "not tried yet", "customers", "25 % of a table")
	audit(staff, "a database that was not tried")
	staff.Press("[data-testid=check]")
	staff.Visible("[data-testid=findings]")
	holds(staff, "a database that was tried", "answers", "PostgreSQL", "reads all tables", "changes all tables", "wishes")
	if page := chromium.Value[string](staff, "document.documentElement.outerHTML"); strings.Contains(page, dsn) {
		t.Error("the page holds the connection")
	}
	audit(staff, "a database that was tried")

	// Masking rules.
	desk("/console/masking")
	audit(staff, "no masking rules")
	staff.Press("[data-testid=new]")
	staff.Visible("[name=definition]")
	audit(staff, "adding a masking rule")
	staff.Type("[name=name]", "Customer numbers")
	staff.Type("[name=definition]", `\bC-\d{6}\b`)
	staff.Press("[data-testid=check]")
	staff.Visible("[data-testid=rules]")
	staff.Type("[name=text]", "Order C-123456")
	staff.Press("[data-testid=try]")
	staff.Visible("[data-testid=masked]")
	holds(staff, "a text that was tried", "Order ********")
	audit(staff, "a text that was tried")

	// Recipients.
	desk("/console/recipients")
	audit(staff, "no recipients")
	staff.Press("[data-testid=new]")
	staff.Visible("[name=categories]")
	audit(staff, "adding a recipient")
	staff.Type("[name=name]", "Parcel Post")
	staff.Type("[name=contact]", "12 Quay")
	staff.Type("[name=categories]", "delivery address")
	staff.Press("[data-testid=check]")
	staff.Visible("[data-testid=recipients]")
	audit(staff, "a recipient")

	// A correction by phone is written down, and somebody must tell the recipient.
	staff.Open(p.base + "/console/requests/new")
	for _, kind := range []string{"erasure", "restriction", "portability", "objection", "human-review", "rectification"} {
		staff.Press("[data-testid=kinds] a[href$='type=" + kind + "']")
		staff.Until("document.querySelector('input[name=type]').value == '" + kind + "'")
		audit(staff, "writing down: "+kind)
	}
	staff.Type("[name='existing.1']", "Mary")
	staff.Type("[name='updated.1']", "Maria")
	staff.Type("[name=identity]", "mary@example.org")
	staff.Type("[name=reason]", "Called from the known number.")
	staff.Press("[data-testid=check]")
	staff.Until("/^.console.requests.[0-9a-f-]{36}$/.test(location.pathname)")
	staff.Reload("document.querySelector('[data-state=verified]')")
	holds(staff, "the correction", "Mary → Maria", "Recipients who must hear of it", "waits for staff")
	audit(staff, "a correction")
	var name string
	if err := shop.QueryRowContext(t.Context(), `SELECT name FROM customers`).Scan(&name); err != nil || name != "Maria" {
		t.Errorf("the shop calls her %q (%v)", name, err)
	}
	desk("/console/tasks")
	audit(staff, "what waits for people")
	staff.Press("[data-testid=tasks] tbody a")
	staff.Visible("[data-testid=message]")
	holds(staff, "what is to be told", "mary@example.org", "Mary → Maria", "12 Quay")
	audit(staff, "what is to be told")
	staff.Press("[data-testid=told]")
	staff.Visible("[name=reason]")
	audit(staff, "telling a recipient")
	staff.Type("[name=reason]", "By letter.")
	staff.Press("[data-testid=check]")
	staff.Visible("[data-testid=told]")
	holds(staff, "the request after it", "A recipient was told", "By letter.")

	// A visitor objects, and asks for a review.
	b := p.tab(t, chromium.New(t, browser))
	b.Before(counting)
	accept(b, site+"/")
	b.Until("accepted >= 1")
	p.ask("POST", "/probity/v1/consent/declarations", p.token(), map[string]any{
		"basis": "legitimate_interest", "purposes": []string{"support"},
		"assessment": map[string]any{
			"interest": "Help for visitors who are stuck.", "necessity": "Nothing milder finds them.", "balancing": "They expect help and can object.",
			"safeguards": "No profile is made.", "reviewer": "data protection officer", "review": time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339),
		},
	}, http.StatusCreated, nil)
	b.Open(p.base + "/privacy/?lang=en")
	b.Press("[data-testid=go-object]")
	b.Press("[data-testid=object-support]")
	b.Press("[data-testid=request-support]")
	b.Until("location.pathname.startsWith('/privacy/requests/')")
	b.Reload("document.querySelector('[data-state=verified]')")
	holds(b, "an objection", "Objection: done", "we no longer use your data for it")
	audit(b, "an objection")
	b.Open(p.base + "/privacy/?lang=en")
	b.Press("[data-testid=go-review]")
	b.Press("#d-score")
	b.Type("#why", "I never asked for it.")
	audit(b, "asking for a review")
	b.Press("[data-testid=review]")
	b.Until("location.pathname.startsWith('/privacy/requests/')")
	b.Reload("document.querySelector('[data-state=deciding]')")
	address := chromium.Value[string](b, "location.pathname")

	desk("/console/tasks")
	holds(staff, "what waits for people", "Review the automated decision")
	staff.Press("[data-testid=tasks] tbody a")
	staff.Visible("[data-testid=wishes]")
	holds(staff, "the review", "I never asked for it.", "score")
	audit(staff, "a review")
	staff.Press("[href$='/steps/decide']")
	staff.Visible("[name=outcome]")
	staff.Script("document.querySelector('[name=outcome]').value = 'decision-changed'; document.querySelector('[name=told]').value = 'phone'")
	staff.Type("[name=reason]", "Nothing is estimated of you any more.")
	staff.Press("[data-testid=check]")
	staff.Until("/^.console.requests.[0-9a-f-]{36}$/.test(location.pathname)")
	b.Open(p.base + address + "?lang=en")
	b.Reload("document.querySelector('[data-state=verified]')")
	holds(b, "a review that is done", "A person has reviewed the decision. The decision was changed.", "Nothing is estimated of you any more.")
	audit(b, "a review that is done")
	b.Open(p.base + "/privacy/?lang=en")
	holds(b, "the overview", "Objection", "Review by a person")
	staff.Open(p.base + "/console/requests?show=done")
	holds(staff, "the queue", "Objection", "Review by a human", "Rectification")
}
