package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
)

// ledgers is a database of the organisation: an order of the person's alone, one that they share, and a
// column that no strategy can mask.
type ledgers struct{ erased int }

func (*ledgers) List(id.Tenant) []rights.Database {
	return []rights.Database{{Key: "ledgers", Collections: []string{"orders"}, Strategy: "redact", Targets: []string{"user"}}}
}

func (*ledgers) Access(context.Context, id.Tenant, []datamap.Identity, bool) (*datamap.Found, error) {
	return &datamap.Found{}, nil
}

func (l *ledgers) Erase(_ context.Context, _ id.Tenant, _ []datamap.Identity, dryRun bool) (*datamap.Erased, error) {
	out := &datamap.Erased{
		Skipped:     []datamap.Shared{{Collection: "ledgers:orders", Key: json.RawMessage(`{"id":7}`), Owners: 2}},
		Unmaskable:  []datamap.Unmaskable{{Collection: "ledgers:orders", Field: "checksum", Why: "a trigger writes it"}},
		Substituted: []datamap.Substituted{{Collection: "ledgers:orders", Field: "name", Asked: "null", Used: "redact"}},
		Unreachable: []string{"ledgers:archive"},
		Fields:      []datamap.FieldCount{{Collection: "ledgers:orders", Field: "name", Did: "redact", Rows: 1}},
		Verified:    !dryRun,
	}
	if !dryRun {
		l.erased++
	}
	return out, fail.New(fail.Conflict, "one field can't be masked")
}

func TestThePlanNamesRowsOfOthersAndWhatCannotBeMaskedAndStaffDecide(t *testing.T) {
	o := newOffice(t)
	books := &ledgers{}
	o.rights.Databases = books
	o.went("/console/requests/settings", url.Values{"key": {"k"}, "type.erasure": {"on"}})
	q := o.asked(rights.Erasure, rights.Who{EmailAddresses: []string{"mary@example.org"}}, 0)
	at := "/console/requests/" + q.ID.String()
	plan := o.see(at, http.StatusOK)
	for _, want := range []string{
		"Plan in other databases", "ledgers:orders.name", "1 row of ledgers:orders kept: they belong to others too.", "Rows that belong to others too", `{&#34;id&#34;:7}`,
		"ledgers:orders.checksum: a trigger writes it", "redact instead of null", "ledgers:archive",
	} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan lacks %q:\n%s", want, plan)
		}
	}
	if books.erased != 0 || strings.Contains(plan, "/settle") {
		t.Error("looking at the plan changed something, or a decision is asked for before it is due")
	}
	o.become("Second Person", o.door.person.Permissions...)
	o.went(at+"/steps/approve", nil)
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	waits := o.see(at, http.StatusOK)
	if books.erased != 0 || !strings.Contains(waits, at+"/settle") || !strings.Contains(waits, "be masked") {
		t.Fatalf("the erasure does not wait for a decision (erased %d times):\n%s", books.erased, waits)
	}
	if r := o.send(at+"/settle", nil); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), `id="f-reason-faults"`) {
		t.Errorf("decided without a reason: %d", r.StatusCode)
	}
	o.clk.Advance(time.Hour)
	decided := o.went(at+"/settle", url.Values{"reason": {"Invoices stay ten years, Art. 17(3)(b)."}})
	if strings.Contains(decided, at+"/settle") {
		t.Error("the decision is asked for twice")
	}
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := o.see(at, http.StatusOK)
	for _, want := range []string{"done and verified", "verified now", "Invoices stay ten years", "Other databases"} {
		if !strings.Contains(done, want) {
			t.Errorf("the finished erasure lacks %q:\n%s", want, done)
		}
	}
	if books.erased == 0 {
		t.Error("nothing was erased in the database")
	}
}
