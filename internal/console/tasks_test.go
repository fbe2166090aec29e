package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/datamap"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/rights"
)

// told returns the recipients of a request, by name.
func (o *office) told(q *rights.Request) map[string]rights.Told {
	o.t.Helper()
	list, err := o.rights.Told(o.t.Context(), o.tenant, q.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	out := map[string]rights.Told{}
	for _, t := range list {
		out[t.Name] = t
	}
	return out
}

// lacks fails for each text that the page does not hold.
func lacks(t *testing.T, what, page string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(page, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, page)
		}
	}
}

func TestRecipientsAreAddedChangedToldByStaffAndRetired(t *testing.T) {
	o := newOffice(t)
	lacks(t, "a list of nobody", o.see("/console/recipients", http.StatusOK), "Nobody receives data", `aria-current="page">Recipients</a>`)
	post := url.Values{"key": {"k"}, "name": {"Parcel <Post>"}, "contact": {"Mr Post, 12 Quay"}, "categories": {"delivery address\r\nname\r\n"}, "way": {"letter"}}
	for field, bad := range map[string]string{"name": "", "contact": "", "categories": "", "way": "pigeon", "url": "https://post.example"} {
		wrong := url.Values{}
		for name, v := range post {
			wrong[name] = v
		}
		wrong.Set(field, bad)
		r := o.send("/console/recipients/new", wrong)
		if page := text(t, r); r.StatusCode != http.StatusBadRequest || !strings.Contains(page, `id="f-`+field+`-faults"`) {
			t.Errorf("%s %q: %d\n%s", field, bad, r.StatusCode, page)
		}
	}
	list := o.went("/console/recipients/new", post)
	lacks(t, "the list", list, "Parcel &lt;Post&gt;", "Mr Post, 12 Quay", "delivery address, name", "a letter by staff", "never", "nothing")
	out := o.choose(nil, notice.Measure)
	q := o.asked(rights.Restriction, rights.Who{Subjects: []id.Subject{out.Subject}, EmailAddresses: []string{"mary@example.org"}}, day)
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := "/console/requests/" + q.ID.String()
	lacks(t, "the list after a restriction", o.see("/console/recipients", http.StatusOK), "1 task for staff")
	tasks := o.see("/console/tasks", http.StatusOK)
	task := regexp.MustCompile(`href="(` + at + `/recipients/[0-9a-f-]{36})">Tell Parcel &lt;Post&gt;`).FindStringSubmatch(tasks)
	if task == nil || strings.Contains(tasks, "mary@example.org") {
		t.Fatalf("the task is not listed, or names the person:\n%s", tasks)
	}
	lacks(t, "the request", o.see(at, http.StatusOK), "Recipients who must hear of it", "waits for staff", task[1])
	lacks(t, "what is to be told", o.see(task[1], http.StatusOK), "mary@example.org", "Mr Post, 12 Quay", task[1]+"/told", task[1]+"/waive")
	if r := o.send(task[1]+"/told", url.Values{"key": {"k"}}); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), `id="f-reason-faults"`) {
		t.Errorf("told without saying how: %d", r.StatusCode)
	}
	o.clk.Advance(time.Hour)
	lacks(t, "the request after it", o.went(task[1]+"/told", url.Values{"key": {"k"}, "reason": {"By letter of today."}}), ">told</span>", "By letter of today.", "A recipient was told")
	if told := o.told(q)["Parcel <Post>"]; told.State != rights.TellDone {
		t.Errorf("it is %s", told.State)
	}
	lacks(t, "a recipient who was told", o.see("/console/recipients", http.StatusOK), "22 Nov 2026 13:00", "nothing")
	lacks(t, "a message that was told", o.see(task[1], http.StatusOK), "not kept any more")
	if page := o.see("/console/tasks", http.StatusOK); !strings.Contains(page, "Nothing waits for anybody") {
		t.Errorf("the task stays:\n%s", page)
	}

	change := regexp.MustCompile(`href="(/console/recipients/[0-9a-f-]{36})"`).FindStringSubmatch(o.see("/console/recipients", http.StatusOK))[1]
	lacks(t, "the form of a change", o.see(change, http.StatusOK), `value="Parcel &lt;Post&gt;"`, "delivery address\nname", `value="letter" selected`)
	post.Set("name", "Parcel Hub")
	post.Set("way", "webhook")
	post.Set("url", "https://hub.example/told")
	lacks(t, "the list after a change", o.went(change, post), "Parcel Hub", "a signed call", "its secret")

	// Another one is waived, for a reason, by whoever may decide.
	q = o.asked(rights.Restriction, rights.Who{Subjects: []id.Subject{out.Subject}}, day)
	post.Set("way", "letter")
	post.Set("url", "")
	o.went(change, post)
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	waive := "/console/requests/" + q.ID.String() + "/recipients/" + strings.TrimPrefix(change, "/console/recipients/") + "/waive"
	lacks(t, "the request after a waiver", o.went(waive, url.Values{"key": {"k"}, "reason": {"The company is gone."}}), "need not be told", "The company is gone.")

	lacks(t, "the question before retiring", o.see(change+"/retire", http.StatusOK), "Retire Parcel Hub", "They are told nothing more")
	lacks(t, "the list after retiring", o.went(change+"/retire", url.Values{"key": {"k"}}), "Nobody receives data")
	o.see(change, http.StatusNotFound)
	o.see("/console/requests/"+q.ID.String()+"/recipients/nobody", http.StatusNotFound)
}

func TestWhatWaitsForPeopleStandsOnOnePageWithWhoMay(t *testing.T) {
	o := newOffice(t)
	o.went("/console/requests/settings", url.Values{"key": {"k"}, "type.erasure": {"on"}})
	out := o.choose(nil, notice.Measure)
	erasure := o.asked(rights.Erasure, rights.Who{EmailAddresses: []string{"late@example.org"}}, 60*day)
	review, err := o.rights.Submit(t.Context(), o.tenant, rights.Request{Type: rights.HumanReview, Who: rights.Who{Subjects: []id.Subject{out.Subject}}, Facts: rights.Facts{Automated: &rights.Automated{Kind: "score"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.went("/console/requests/"+review.ID.String()+"/take", nil)
	page := o.see("/console/tasks", http.StatusOK)
	lacks(t, "the page", page, "2 steps", "Approve as the second person", "Review the automated decision", "days late", "Dana Desk", ">you<", erasure.ID.String()+`">Approve as`)
	if got, want := listed(page), []string{erasure.ID.String(), erasure.ID.String(), review.ID.String(), review.ID.String()}; !slices.Equal(got, want) || strings.Contains(page, "example.org") {
		t.Errorf("the steps lead to %v, want %v", got, want)
	}
	o.become("Only Reads", org.PermissionConsole, org.PermissionRights)
	page = o.see("/console/tasks", http.StatusOK)
	if strings.Contains(page, erasure.ID.String()+`">Approve as`) || !strings.Contains(page, "Approve as the second person") {
		t.Error("a step is offered to somebody who may not take it")
	}
	if strings.Contains(page, "/console/recipients") || strings.Contains(page, "/console/masking") || !strings.Contains(page, "/console/databases") {
		t.Errorf("the tabs are not those that the person may see:\n%s", page)
	}
}

// TestWhatWaitsForPeopleOpensAtOnceWithAThousandSteps holds the page to the budget of the queue.
func TestWhatWaitsForPeopleOpensAtOnceWithAThousandSteps(t *testing.T) {
	o := newOffice(t)
	if err := o.rights.Set(t.Context(), o.tenant, rights.Settings{SecondPerson: []rights.Type{rights.Access}}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		o.asked(rights.Access, rights.Who{ExternalID: fmt.Sprint("customer-", i)}, time.Duration(i)*time.Hour)
	}
	best := time.Hour
	for range 5 {
		began := time.Now()
		page := o.see("/console/tasks", http.StatusOK)
		best = min(best, time.Since(began))
		lacks(t, "the page", page, "1000 steps", "800 steps more follow")
	}
	t.Logf("1,000 steps that wait were shown in %v", best)
	if best > 200*time.Millisecond {
		t.Errorf("the page took %v, more than 200 ms", best)
	}
}

func TestEachDeskNeedsItsPermission(t *testing.T) {
	o := newOffice(t)
	rule, err := o.rights.AddMaskingRule(t.Context(), o.tenant, rights.MaskingRule{Name: "Numbers", Substitute: "*", Definition: `\d`, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	all := org.Permissions()
	for path, may := range map[string]string{
		"/console/tasks": org.PermissionRights, "/console/recipients": org.PermissionAdmin, "/console/recipients/new": org.PermissionAdmin, "/console/databases": org.PermissionRights,
		"/console/masking": maskingView, "/console/masking/new": maskingAdd, "/console/masking/" + rule.ID.String(): maskingEdit, "/console/masking/" + rule.ID.String() + "/delete": maskingDelete,
	} {
		o.door.person.Permissions = slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == may })
		o.see(path, http.StatusForbidden)
		o.door.person.Permissions = all
		o.see(path, http.StatusOK)
	}
	for path, may := range map[string]string{"/console/masking/try": maskingExecute, "/console/databases/check": org.PermissionAdmin} {
		o.door.person.Permissions = slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == may })
		if r := o.send(path, url.Values{"text": {"7"}}); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s without %s: %d", path, may, r.StatusCode)
		}
	}
}

// connected is a database that was connected, and how it stands when it is tried.
type connected struct {
	ledgers
	stands rights.DatabaseCheck
}

func (*connected) List(id.Tenant) []rights.Database {
	return []rights.Database{{Key: "shop", Collections: []string{"customers", "orders"}, Strategy: "redact", Targets: []string{"user"}, Brake: 0.25}}
}

func (c *connected) Check(context.Context, id.Tenant) ([]rights.DatabaseCheck, error) {
	return []rights.DatabaseCheck{c.stands}, nil
}

func TestConnectedDatabasesShowHowTheyStood(t *testing.T) {
	o := newOffice(t)
	lacks(t, "the page without any", o.see("/console/databases", http.StatusOK), "No database is connected")
	shop := &connected{stands: rights.DatabaseCheck{Key: "shop", Engine: "PostgreSQL"}}
	o.rights.Databases = shop
	lacks(t, "the page before a trial", o.see("/console/databases", http.StatusOK), "not tried yet", "customers, orders", "no erasure goes beyond 25 % of a table’s rows", "the same as for erasures", `data-testid="check"`)
	o.clk.Advance(90 * time.Minute)
	page := o.went("/console/databases/check", nil)
	lacks(t, "the page after a trial", page, "answers", "22 Nov 2026 13:30", "PostgreSQL", "reads all tables", "changes all tables", "match what is there")
	shop.stands = rights.DatabaseCheck{
		Key: "shop", Engine: "PostgreSQL", Missing: []string{"wishes"}, Unreadable: []string{"orders"}, Fixed: []string{"customers"},
		Findings: []datamap.Finding{{Rule: "not-described", Collection: "shop:letters", Field: "email", Message: "looks <personal>"}},
	}
	lacks(t, "the page of one with faults", o.went("/console/databases/check", nil), "needs attention", "can’t read</span> orders", "can’t change</span> customers", "missing</span> wishes", "shop:letters.email", "looks &lt;personal&gt;")
	shop.stands = rights.DatabaseCheck{Key: "shop", Read: "the store shop does not answer", Write: "the store shop does not answer", Lint: "The dataset files are compared when every database answers."}
	lacks(t, "the page of one that is away", o.went("/console/databases/check", nil), "does not get in</span> the store shop does not answer", "not compared")
}

func TestMaskingRulesAreAddedTriedChangedAndDeleted(t *testing.T) {
	o := newOffice(t)
	lacks(t, "the page without rules", o.see("/console/masking", http.StatusOK), "No rules of your own", `data-testid="try"`)
	lacks(t, "the form", o.see("/console/masking/new", http.StatusOK), `name="enabled" value="on" checked`, `name="substituteCharacter" value="*"`)
	rule := url.Values{"key": {"k"}, "name": {"Customer <numbers>"}, "description": {"Of ours."}, "definition": {`\bC-\d{6}\b`}, "substituteCharacter": {"#"}, "enabled": {"on"}}
	for field, bad := range map[string]string{"name": "", "definition": "(?=x)", "substituteCharacter": "##", "direction": "sideways"} {
		wrong := url.Values{}
		for name, v := range rule {
			wrong[name] = v
		}
		wrong.Set(field, bad)
		r := o.send("/console/masking/new", wrong)
		if page := text(t, r); r.StatusCode != http.StatusBadRequest || !strings.Contains(page, `id="f-`+field+`-faults"`) {
			t.Errorf("%s %q: %d\n%s", field, bad, r.StatusCode, page)
		}
	}
	page := o.went("/console/masking/new", rule)
	lacks(t, "the list", page, "Customer &lt;numbers&gt;", `\bC-\d{6}\b`, "in use", "Of ours.")
	try := func(status int, form url.Values) string {
		t.Helper()
		r := o.send("/console/masking/try", form)
		page := text(t, r)
		if r.StatusCode != status {
			t.Errorf("%v: %d\n%s", form, r.StatusCode, page)
		}
		return page
	}
	lacks(t, "a trial of the rules in use", try(http.StatusOK, url.Values{"text": {"Order C-123456 of <Mary>"}}), "Order ######## of &lt;Mary&gt;", ">masked<", `aria-current="page">Masking rules`)
	lacks(t, "a trial of an expression", try(http.StatusOK, url.Values{"text": {"Order C-123456"}, "definition": {"O.d"}}), "***er C-123456")
	lacks(t, "a trial that matches nothing", try(http.StatusOK, url.Values{"text": {"Order 7"}}), "nothing matches", `data-testid="masked"`)
	lacks(t, "a trial of what is no expression", try(http.StatusBadRequest, url.Values{"text": {"Order 7"}, "definition": {"("}}), `id="f-definition-faults"`, "Order 7")
	lacks(t, "a trial of nothing", try(http.StatusBadRequest, url.Values{}), `id="f-text-faults"`)

	at := regexp.MustCompile(`href="(/console/masking/[0-9a-f-]{36})"`).FindStringSubmatch(page)[1]
	lacks(t, "the form of a change", o.see(at, http.StatusOK), `value="Customer &lt;numbers&gt;"`, "checked")
	rule.Del("enabled")
	lacks(t, "the list after a change", o.went(at, rule), "not in use")
	if page := try(http.StatusOK, url.Values{"text": {"Order C-123456"}}); !strings.Contains(page, "nothing matches") {
		t.Error("a rule that is not in use masks")
	}
	lacks(t, "the question before deleting", o.see(at+"/delete", http.StatusOK), "take it out of use instead")
	lacks(t, "the list after deleting", o.went(at+"/delete", url.Values{"key": {"k"}}), "No rules of your own")
	o.see(at, http.StatusNotFound)
	o.see("/console/masking/x", http.StatusNotFound)
}
