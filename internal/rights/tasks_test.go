package rights_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestTasksAreTheStepsThatWaitForPeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		tasks := func(want ...string) []rights.Task {
			t.Helper()
			list, total, err := h.Tasks(t.Context(), h.t, 100)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range list {
				got = append(got, k.Do)
			}
			if !slices.Equal(got, want) || total != len(want) {
				t.Errorf("%d tasks: %v, want %v", total, got, want)
			}
			return list
		}
		tasks()
		if err := h.Set(t.Context(), h.t, rights.Settings{SecondPerson: []rights.Type{rights.Erasure}}); err != nil {
			t.Fatal(err)
		}
		p, other, third := h.newPerson(t), h.newPerson(t), h.newPerson(t)
		h.work(t, h.submit(t, rights.Request{Type: rights.Access, Who: byMail(p)})) // nothing waits
		approval := h.submit(t, rights.Request{Type: rights.Erasure, Who: byMail(third)})
		h.clk.Advance(time.Hour)
		objection := h.work(t, h.submit(t, rights.Request{Type: rights.Objection, Who: byMail(other), Facts: rights.Facts{Purposes: []string{"predict"}}}))
		h.clk.Advance(time.Hour)
		asked := h.open(t, rights.Request{Type: rights.Access, Who: byMail(p), Channel: "letter"}, rights.Opening{Ask: "Who are you?", Told: "letter"})
		if _, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: "Parcel Post", Contact: "Mr Post", Categories: []string{"address"}, Way: rights.ByLetter}); err != nil {
			t.Fatal(err)
		}
		restricted := h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: byMail(p)}))
		list := tasks("approval_pending", "deciding", "identity_pending", "tell")
		if list[0].Request != approval.ID || list[1].Request != objection.ID || list[2].Request != asked.ID || !list[2].Paused || list[3].Request != restricted.ID || list[3].Name != "Parcel Post" {
			t.Errorf("the tasks are %+v", list)
		}
		if few, total, err := h.Tasks(t.Context(), h.t, 2); err != nil || len(few) != 2 || total != 4 {
			t.Errorf("the first two of %d: %d (%v)", total, len(few), err)
		}
		h.act(t, restricted, rights.Act{Do: rights.MoveAnnounce, Reason: "It was checked.", Told: "letter", By: clerk})
		tasks("approval_pending", "deciding", "identity_pending", "lift", "tell")
		h.clk.Advance(25 * time.Hour)
		h.act(t, restricted, rights.Act{Do: rights.MoveLift, Reason: "It was checked.", By: clerk})
		if err := h.SettleTold(t.Context(), h.t, restricted.ID, list[3].Recipient, clerk, false, "By letter."); err != nil {
			t.Fatal(err)
		}
		h.act(t, asked, rights.Act{Do: rights.MoveWithdraw, By: clerk})
		tasks("approval_pending", "deciding")
		elsewhere := newHouse(t, db)
		if list, total, err := elsewhere.Tasks(t.Context(), elsewhere.t, 100); err != nil || len(list) != 0 || total != 0 {
			t.Errorf("another organisation sees %d tasks (%v)", total, err)
		}
	})
}

func TestAnErasureThatWaitsForADecisionAboutItsDatabasesIsATask(t *testing.T) {
	eachShop(t, "null", func(t *testing.T, h *house, s *shop) {
		p := h.newPerson(t)
		s.buy(t, 1, p)
		s.exec(t, `ALTER TABLE customers ADD CONSTRAINT named CHECK (name = 'Marked Name' OR name = 'Other')`)
		q := h.submit(t, rights.Request{Type: rights.Erasure, Who: byMail(p)})
		if _, err := h.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, _, err := h.Tasks(t.Context(), h.t, 10)
		if err != nil || len(list) != 1 || list[0].Do != rights.TaskSettle || list[0].Request != q.ID {
			t.Fatalf("the tasks are %+v (%v)", list, err)
		}
		h.clk.Advance(time.Hour)
		if err := h.SettleDatabases(t.Context(), h.t, q.ID, clerk, "It is a name that the law wants kept."); err != nil {
			t.Fatal(err)
		}
		if list, _, err := h.Tasks(t.Context(), h.t, 10); err != nil || len(list) != 0 {
			t.Errorf("it was decided and is still a task: %+v (%v)", list, err)
		}
	})
}

func TestARecipientIsChangedAndItIsKnownWhatTheyWereTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		first, second := newRecipient(t), newRecipient(t)
		first.status = http.StatusBadGateway
		made, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: "Mailer", Contact: "Ms Mail", Categories: []string{"e-mail"}, Way: rights.ByWebhook, URL: first.URL})
		if err != nil {
			t.Fatal(err)
		}
		h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: byMail(h.newPerson(t))}))
		h.tellDue(t, 0)
		all, err := h.Tellings(t.Context(), h.t)
		if one := all[made.ID]; err != nil || one.Due != 1 || !one.Last.IsZero() || one.Outcome != "HTTP 502" {
			t.Errorf("after a call that failed: %+v (%v)", one, err)
		}
		changed, err := h.ChangeRecipient(t.Context(), h.t, made.ID, func(p *rights.Recipient) { p.Name, p.URL = "Mailer <new>", second.URL })
		if err != nil || changed.Secret != made.Secret || changed.ID != made.ID {
			t.Fatalf("%+v (%v)", changed, err)
		}
		h.clk.Advance(time.Minute)
		h.tellDue(t, 1)
		all, _ = h.Tellings(t.Context(), h.t)
		if one := all[made.ID]; one.Due != 0 || !one.Last.Equal(h.clk.Now()) || len(second.bodies) != 1 {
			t.Errorf("after the call to the new address: %+v, %d calls", one, len(second.bodies))
		}
		// By letter from now on: what is on its way becomes a task.
		second.status = http.StatusBadGateway
		h.work(t, h.submit(t, rights.Request{Type: rights.Restriction, Who: byMail(h.newPerson(t))}))
		h.tellDue(t, 0)
		if _, err := h.ChangeRecipient(t.Context(), h.t, made.ID, func(p *rights.Recipient) { p.Way, p.URL = rights.ByLetter, "" }); err != nil {
			t.Fatal(err)
		}
		all, _ = h.Tellings(t.Context(), h.t)
		if one := all[made.ID]; one.Due != 0 || one.Tasks != 1 {
			t.Errorf("told by letter: %+v", one)
		}
		if _, err := h.ChangeRecipient(t.Context(), h.t, made.ID, func(p *rights.Recipient) { p.Name = "" }); !fail.Is(err, fail.Invalid) {
			t.Errorf("without a name: %v", err)
		}
		if _, err := h.ChangeRecipient(t.Context(), h.t, uuid.New(), func(*rights.Recipient) {}); !fail.Is(err, fail.NotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

func TestTheConnectionsAreTriedAndHowTheyStandIsKept(t *testing.T) {
	eachShop(t, "redact", func(t *testing.T, h *house, s *shop) {
		s.exec(t, `CREATE TABLE wishes (id INTEGER PRIMARY KEY, email VARCHAR(100))`)
		if checks, err := h.DatabaseChecks(t.Context(), h.t); err != nil || len(checks) != 0 {
			t.Fatalf("never tried: %v (%v)", checks, err)
		}
		if err := h.CheckDatabases(t.Context(), h.t); err != nil {
			t.Fatal(err)
		}
		checks, err := h.DatabaseChecks(t.Context(), h.t)
		one := checks["shop"]
		if err != nil || !one.Well() || one.Engine == "" || !one.At.Equal(h.clk.Now()) {
			t.Fatalf("%+v (%v)", one, err)
		}
		found := ""
		for _, f := range one.Findings {
			found += f.Collection + "." + f.Field + " "
		}
		if !strings.Contains(found, "wishes") {
			t.Errorf("a table with addresses that no file names is not found: %+v", one.Findings)
		}
		g := s.groups[h.t]
		lost := map[string]string{"shop": "postgres://nobody:top-secret@127.0.0.1:1/nowhere"}
		s.groups[h.t] = rights.ConnectedGroup{Datasets: g.Datasets, Read: lost, Write: g.Write, Targets: g.Targets, Strategy: g.Strategy}
		h.clk.Advance(time.Hour)
		if err := h.CheckDatabases(t.Context(), h.t); err != nil {
			t.Fatal(err)
		}
		checks, _ = h.DatabaseChecks(t.Context(), h.t)
		if one := checks["shop"]; one.Well() || one.Read == "" || one.Write != "" || one.Lint == "" || !one.At.Equal(h.clk.Now()) || strings.Contains(one.Read, "secret") {
			t.Errorf("with an account that does not get in: %+v", one)
		}
		if list := h.ConnectedDatabases(h.t); len(list) != 1 || list[0].Brake != 0.5 || !list[0].OwnReader {
			t.Errorf("connected are %+v", list)
		}
	})
}
