package rights_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/verify"
)

func TestAnErasureLeavesNothingAndProvesIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		p, other := h.newPerson(t), h.newPerson(t)
		phone := h.newPerson(t) // a second device of the same person
		h.identify(t, phone.subject, map[subject.Kind]string{subject.Email: p.email})
		access := h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
		if access.Package == nil {
			t.Fatalf("no package: %+v", access)
		}

		q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{JourneyCustomer: &rights.JourneyCustomer{Type: "cookie", ID: p.cookie.String()}}})
		if q.State != rights.Verified || !q.Certified || len(q.Report.Residue) > 0 {
			t.Fatalf("the request is %s: %s %+v", q.State, q.Problem, q.Report)
		}
		if q.Report.Found != 2 {
			t.Errorf("found %d devices of the person, want 2", q.Report.Found)
		}
		if n := h.held(t, p.subject, phone.subject); n != 0 {
			t.Errorf("%d things are still held", n)
		}
		if n := h.held(t, other.subject); n == 0 {
			t.Error("somebody else was erased too")
		}
		if c := find(t, q.Report, "journey"); c.Counts[1].N == 0 {
			t.Errorf("no chunks of events were deleted: %+v", c)
		}

		t.Run("nobody is found by any identifier", func(t *testing.T) {
			for kind, value := range map[subject.Kind]string{subject.Cookie: p.cookie.String(), subject.Email: p.email, subject.Phone: p.phone} {
				found, err := h.subjects.Find(ctx, h.t, kind, value)
				if err != nil || len(found) > 0 {
					t.Errorf("%s finds %v, %v", kind, found, err)
				}
			}
		})
		t.Run("late events are refused", func(t *testing.T) {
			for _, cookie := range []string{p.cookie.String(), phone.cookie.String()} {
				suppressed, err := h.subjects.Suppressed(ctx, h.t, subject.Cookie, cookie)
				if err != nil || !suppressed {
					t.Errorf("a cookie of the person is suppressed: %v, %v", suppressed, err)
				}
			}
		})
		t.Run("the access package is gone", func(t *testing.T) {
			_, _, err := h.Download(ctx, h.t, access.Package.ID, rights.Actor{Kind: "client"})
			if !fail.Is(err, fail.NotFound) {
				t.Errorf("got %v", err)
			}
			again, err := h.Get(ctx, h.t, access.ID)
			if err != nil || again.Package != nil || len(again.Who.EmailAddresses) > 0 {
				t.Errorf("the access request still holds %+v, %v", again.Who, err)
			}
		})
		t.Run("the request forgets who it was about", func(t *testing.T) {
			if q.Who.JourneyCustomer != nil {
				t.Errorf("it still holds %+v", q.Who)
			}
			if len(q.Identifiers) != 1 || q.Identifiers[0] != "cookie" {
				t.Errorf("kinds of identifiers are %v", q.Identifiers)
			}
		})
		t.Run("the certificate verifies offline", func(t *testing.T) {
			file, err := h.Certificate(ctx, h.t, q.ID)
			if err != nil {
				t.Fatal(err)
			}
			key, err := h.ledger.VerifierKey(ctx, h.t)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verify.File(file, key); err != nil {
				t.Errorf("it does not verify: %v", err)
			}
			for _, secret := range []string{p.email, p.phone, p.cookie.String(), p.subject.String()} {
				if strings.Contains(string(file), secret) {
					t.Errorf("it names the person: %s", secret)
				}
			}
			altered := strings.Replace(string(file), `"data_subjects": 2`, `"data_subjects": 3`, 1)
			if altered == string(file) {
				t.Fatal("the certificate does not say how many devices it is about")
			}
			if _, err := verify.File([]byte(altered), key); err == nil {
				t.Error("an altered certificate verifies")
			}
		})
		t.Run("the certificate lists every table, with zeros", func(t *testing.T) {
			before, after := 0, 0
			for _, s := range q.Report.Stores {
				for _, c := range s.Counts {
					switch s.Did {
					case "rows of the person before":
						before += int(c.N)
					case "rows of the person after":
						after += int(c.N)
						if c.N != 0 {
							t.Errorf("%s still has %d rows", c.What, c.N)
						}
					}
				}
			}
			if before == 0 {
				t.Error("nothing was counted before the erasure")
			}
		})
		t.Run("the ledger still audits", func(t *testing.T) {
			if err := h.ledger.Audit(ctx, h.t); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestErasingSomebodyUnknownSaysThatNothingIsHeld(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	for name, who := range map[string]rights.Who{
		"an unknown e-mail address":    {EmailAddresses: []string{"nobody@example.org"}},
		"V7 a number that is none":     {PhoneNumbers: []string{"abc"}},
		"V9 a name that nobody has":    {Name: "Nobody At All"},
		"an address":                   {Addresses: []string{"Somewhere 1"}},
		"a contact that is no UUID":    {ExternalContactID: "7"},
		"a contact that was never one": {ExternalContactID: id.NewSubject().String()},
	} {
		t.Run(name, func(t *testing.T) {
			q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: who})
			if q.State != rights.Verified || q.Report.Matched || len(q.Report.Decisions) == 0 {
				t.Errorf("the request is %s: %+v", q.State, q.Report)
			}
		})
	}
}

func TestAnErasureTwiceIsFine(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	first := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	second := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	for _, q := range []*rights.Request{first, second} {
		if q.State != rights.Verified || !q.Certified {
			t.Errorf("the request is %s: %s", q.State, q.Problem)
		}
	}
}

// leftover is a room that forgot to have its table erased.
func leftover(t *testing.T, h *house, s id.Subject) {
	t.Helper()
	err := h.db.Tenant(h.t).Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(t.Context(), `CREATE TABLE forgotten (tenant_id BLOB NOT NULL, subject BLOB NOT NULL) STRICT`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO forgotten (tenant_id, subject) VALUES ($1, $2)`, h.t, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnErasureTakesWhatOtherRequestsHoldWithIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		change := h.carryOut(t, rights.Request{
			Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
			Replacements: []rights.ReplacementTerm{{Type: "PHONE", Existing: p.phone, Updated: "+46709998877"}},
		})
		if len(change.Who.EmailAddresses) == 0 || len(change.Replacements) == 0 {
			t.Fatalf("the correction does not say what it was about: %+v", change)
		}
		// An access request that is still waiting when the erasure runs.
		waiting := h.submit(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
		if q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}}); q.State != rights.Verified {
			t.Fatalf("the erasure is %s: %s %+v", q.State, q.Problem, q.Report)
		}
		for _, request := range []*rights.Request{change, waiting} {
			q, err := h.Get(t.Context(), h.t, request.ID)
			if err != nil || !q.State.Final() {
				t.Fatalf("the %s is %s, %v", q.Type, q.State, err)
			}
			if len(q.Who.EmailAddresses) > 0 || len(q.Replacements) > 0 || q.Package != nil {
				t.Errorf("the %s still holds %+v %+v", q.Type, q.Who, q.Replacements)
			}
		}
	})
}

func TestARequestWhoseKeyIsGoneEndsAndSaysWhy(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.submit(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
	// The key of the request, as an erasure of the person would destroy it.
	var key id.Subject
	err := h.db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT data_key FROM rights_request WHERE tenant_id = $1 AND id = $2`, h.t, q.ID).Scan(&key)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.keys.Shred(t.Context(), h.t, key); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	done, err := h.Get(t.Context(), h.t, q.ID)
	if err != nil || done.State != rights.Failed || !strings.Contains(done.Problem, "erased") {
		t.Errorf("the request is %s (%s), %v", done.State, done.Problem, err)
	}
}

func TestAnErasureThatLeavesARowAnywhereIsNotComplete(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	leftover(t, h, p.subject)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	if q.State != rights.Failed || q.Certified || q.State.Status() != "ERROR" {
		t.Fatalf("the request is %s, certified %v", q.State, q.Certified)
	}
	if len(q.Report.Residue) != 1 || q.Report.Residue[0].What != "rows in forgotten" {
		t.Errorf("the residue is %+v", q.Report.Residue)
	}
}

func TestNothingOfAPersonStandsInClearInTheDatabase(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
	h.submit(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}, PhoneNumbers: []string{p.phone}}})
	dump := dumpSQLite(t, h.db)
	for _, secret := range []string{p.email, "marked.person", p.phone, p.cookie.String(), "marked-page", "marked-attribute"} {
		if strings.Contains(dump, secret) {
			t.Errorf("%q stands in the database", secret)
		}
	}
}

func TestListingAndPaging(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		for range 5 {
			h.submit(t, rights.Request{Type: rights.Access, Who: rights.Who{Name: "Ada"}})
			h.clk.Advance(time.Millisecond)
		}
		page, total, err := h.List(t.Context(), h.t, 3, 3)
		if err != nil || total != 5 || len(page) != 2 {
			t.Fatalf("got %d of %d, %v", len(page), total, err)
		}
		if page[0].Who.Name != "Ada" {
			t.Errorf("the request does not say whom it is about")
		}
		page, total, err = h.List(t.Context(), h.t, 1000, 3)
		if err != nil || total != 5 || len(page) != 0 {
			t.Errorf("beyond the end: %d of %d, %v", len(page), total, err)
		}
		page, total, err = h.List(t.Context(), id.NewTenant(), 0, 10)
		if err != nil || total != 0 || len(page) != 0 {
			t.Errorf("another organisation sees %d of %d, %v", len(page), total, err)
		}
	})
}

func TestCertificateBodiesAreReadable(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	file, err := h.Certificate(t.Context(), h.t, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	var c verify.Certificate
	if err := json.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	var body struct {
		Article string        `json:"article"`
		Horizon string        `json:"backup_horizon"`
		Kept    []rights.Kept `json:"kept"`
	}
	if err := json.Unmarshal(c.Body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Article != "Art. 17 GDPR" || body.Horizon != "2026-11-27" || len(body.Kept) == 0 {
		t.Errorf("the body is %+v", body)
	}
	for _, k := range body.Kept {
		if k.Article == "" || k.Why == "" {
			t.Errorf("%q is kept without a reason", k.What)
		}
	}
}
