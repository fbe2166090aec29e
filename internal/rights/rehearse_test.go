package rights_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

// tell stores an event in which the subject gives traits.
func (h *house) tell(t testing.TB, s id.Subject, traits map[string]string) {
	t.Helper()
	found, err := h.journey.Load(t.Context(), h.t, s)
	if err != nil {
		t.Fatal(err)
	}
	v, plan := found[0], journey.NewPlan(nil, nil, nil, nil)
	var fx journey.Effects
	now := h.clk.Now()
	given := map[string]event.Attr{}
	for name, value := range traits {
		given[name] = event.Attr{Type: event.TypeString, Value: value}
	}
	v.ApplyTo(&fx, plan, &event.Event{
		ID: id.New(), Name: event.PageViewed, At: now.Add(time.Minute), Received: now, Traits: given,
		Page:    event.Page{URL: "https://shop.example/form", Host: "shop.example", Path: "/form"},
		Purpose: "measure", Ground: event.Ground{Basis: "consent", Ledger: 3},
	}, &journey.Env{Allow: func(string) bool { return true }})
	change, err := h.journey.Seal(t.Context(), h.t, plan, v, &fx, now)
	if err != nil {
		t.Fatal(err)
	}
	err = h.db.Tenant(h.t).Write(t.Context(), func(tx *store.Tx) error {
		_, err := h.journey.Save(t.Context(), tx, []*journey.Change{change})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// exported is all that the journey room holds of the subject, opened.
func (h *house) exported(t testing.TB, s id.Subject) string {
	t.Helper()
	all, err := h.journey.Export(t.Context(), h.t, []id.Subject{s})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAPreviewSaysWhatARectificationDoesAndChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		h.tell(t, p.subject, map[string]string{"givenName": "Wrongname", "email": p.email})
		q := rights.Request{
			Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
			Replacements: []rights.ReplacementTerm{
				{Type: "EMAIL", Existing: p.email, Updated: "right@example.org"}, {Type: "NAME", Existing: "Wrongname", Updated: "Rightname"},
			},
		}
		before := h.exported(t, p.subject)
		said, err := h.Preview(t.Context(), h.t, q)
		if err != nil {
			t.Fatal(err)
		}
		if after := h.exported(t, p.subject); after != before {
			t.Error("the preview changed what is held")
		}
		if found, err := h.subjects.Find(t.Context(), h.t, subject.Email, p.email); err != nil || len(found) != 1 {
			t.Errorf("after the preview the old address finds %v, %v", found, err)
		}
		if list, _, err := h.List(t.Context(), h.t, 0, 10); err != nil || len(list) != 0 {
			t.Errorf("the preview left requests: %v, %v", list, err)
		}
		done := h.carryOut(t, q)
		if done.State != rights.Verified {
			t.Fatalf("the request is %s: %s %+v", done.State, done.Problem, done.Report)
		}
		for i := range said.Stores {
			if said.Stores[i].Did != "would be rewritten" {
				t.Errorf("the preview says %q", said.Stores[i].Did)
			}
			said.Stores[i].Did = "rewritten"
		}
		a, _ := json.Marshal(said.Stores)
		b, _ := json.Marshal(done.Report.Stores)
		if string(a) != string(b) || said.Found != 1 {
			t.Errorf("the preview said\n%s\nand done was\n%s", a, b)
		}
		if counts := find(t, done.Report, "journey").Counts; len(counts) != 4 || counts[3].N != 1 {
			t.Errorf("the journey says %+v", counts)
		}
		after := h.exported(t, p.subject)
		if strings.Contains(after, "Wrongname") || strings.Contains(after, p.email) || !strings.Contains(after, "Rightname") {
			t.Error("the old value stands in the history, or the new one doesn't")
		}
	})
}

// careless is a store that counts what it corrects, and corrects nothing.
type careless struct{ rights.Store }

func (careless) Name() string { return "careless" }

func (careless) Rectify(context.Context, *store.Tx, []id.Subject, string, string, string) ([]rights.Count, error) {
	return []rights.Count{{What: "cards", N: 1}}, nil
}

func TestARectificationThatLeavesTheOldValueIsNeverCalledComplete(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.deps.Stores = append(h.deps.Stores, careless{rights.Journeys(h.journey)})
	h.Room = rights.New(h.deps)
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{
		Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
		Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: p.email, Updated: "right@example.org"}},
	})
	if q.State != rights.Failed || q.Certified || len(q.Report.Residue) != 1 {
		t.Errorf("the request is %s, certified: %t, residue %+v", q.State, q.Certified, q.Report.Residue)
	}
}

func TestACorrectionOfHowAValueIsWrittenIsComplete(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	h.tell(t, p.subject, map[string]string{"givenName": "mcdonald"})
	q := h.carryOut(t, rights.Request{
		Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{p.email}},
		Replacements: []rights.ReplacementTerm{{Type: "NAME", Existing: "mcdonald", Updated: "McDonald"}},
	})
	if q.State != rights.Verified || !strings.Contains(h.exported(t, p.subject), "McDonald") {
		t.Errorf("the request is %s: %+v", q.State, q.Report)
	}
}

func TestTermsThatFeedEachOtherAreRefused(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	q := rights.Request{
		Type: rights.Rectification, Who: rights.Who{EmailAddresses: []string{"a@example.org"}},
		Replacements: []rights.ReplacementTerm{{Type: "NAME", Existing: "A", Updated: "B"}, {Type: "NAME", Existing: "b", Updated: "C"}},
	}
	if _, err := h.Submit(t.Context(), h.t, q); !fail.Is(err, fail.Invalid) {
		t.Errorf("got %v", err)
	}
	if _, err := h.Preview(t.Context(), h.t, q); !fail.Is(err, fail.Invalid) {
		t.Errorf("the preview: %v", err)
	}
}
