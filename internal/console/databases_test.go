package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
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

// archives is a database in which nothing can restrict the use of rows but somebody's hand.
type archives struct {
	ledgers
	restricted, lifted int
}

func (a *archives) Restrict(_ context.Context, _ id.Tenant, _ []datamap.Identity, how datamap.Restriction) (*datamap.Restricted, error) {
	switch {
	case how.Lift:
		a.lifted++
	case !how.DryRun:
		a.restricted++
	}
	return &datamap.Restricted{
		Rows:     []datamap.RestrictedRows{{Collection: "ledgers:orders", Column: "blocked", Rows: 2}},
		Tasks:    []datamap.RestrictTask{{Collection: "ledgers:archive", Rows: 1, Why: "the dataset names no column for it"}},
		Verified: !how.DryRun,
	}, nil
}

func TestStaffSayWhatTheyRestrictedByHandAndTheRequestGoesOn(t *testing.T) {
	o := newOffice(t)
	books := &archives{}
	o.rights.Databases = books
	q := o.asked(rights.Restriction, rights.Who{EmailAddresses: []string{"mary@example.org"}}, 0)
	at := "/console/requests/" + q.ID.String()
	work := func() {
		t.Helper()
		if _, err := o.rights.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	work()
	waits := o.see(at, http.StatusOK)
	for _, want := range []string{"Restricted in other databases", "2 rows by blocked", "1 rows by hand: the dataset names no column for it", at + "/by-hand"} {
		if !strings.Contains(waits, want) {
			t.Errorf("the page lacks %q:\n%s", want, waits)
		}
	}
	if r := o.send(at+"/by-hand", url.Values{"collection": {"ledgers:archive"}}); r.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, r), `id="f-reason-faults"`) {
		t.Errorf("done without a word: %d", r.StatusCode)
	}
	o.clk.Advance(time.Hour)
	page := o.went(at+"/by-hand", url.Values{"collection": {"ledgers:archive"}, "reason": {"Moved to the locked shelf."}})
	if strings.Contains(page, at+"/by-hand") {
		t.Error("it is asked for twice")
	}
	work()
	done := o.see(at, http.StatusOK)
	for _, want := range []string{"Somebody did it by hand", "Moved to the locked shelf", "by hand, done"} {
		if !strings.Contains(done, want) {
			t.Errorf("the finished restriction lacks %q:\n%s", want, done)
		}
	}
	if q, err := o.rights.Get(t.Context(), q.Tenant, q.ID); err != nil || q.State != rights.Verified || books.restricted == 0 || books.lifted != 0 {
		t.Errorf("it is %s, %v", q.State, err)
	}
}

// stuck is a store out of order.
type stuck struct{ rights.Store }

func (stuck) Erase(context.Context, *store.Tx, []id.Subject) ([]rights.Count, error) {
	return nil, errors.New("out of order")
}

func TestAFailedRequestIsTriedAgainFromTheDesk(t *testing.T) {
	o := newOffice(t)
	stores := o.rights.Stores
	o.rights.Stores = []rights.Store{stuck{stores[0]}, stores[1], stores[2]}
	q := o.asked(rights.Erasure, rights.Who{Subjects: []id.Subject{o.choose(nil, "measure").Subject}}, 0)
	at := "/console/requests/" + q.ID.String()
	for range 8 {
		if _, err := o.rights.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.clk.Advance(time.Hour)
	}
	if page := o.see(at, http.StatusOK); !strings.Contains(page, at+"/steps/retry") {
		t.Fatalf("the failed request can't be tried again:\n%s", page)
	}
	o.rights.Stores = stores
	o.went(at+"/steps/retry", nil)
	if _, err := o.rights.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page := o.see(at, http.StatusOK); !strings.Contains(page, "It was tried again") || strings.Contains(page, at+"/steps/retry") {
		t.Errorf("it was not done:\n%s", page)
	}
}
