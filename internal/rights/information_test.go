package rights_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// known wires what the organisation published, as the program does.
func (h *house) known(t testing.TB) {
	t.Helper()
	h.deps.Controller = func(ctx context.Context, tenant id.Tenant) (rights.Controller, error) {
		newest, err := h.consent.Newest(ctx, tenant)
		if err != nil {
			return rights.Controller{}, err
		}
		list, err := h.consent.Purposes(ctx, tenant)
		c := rights.Controller{Name: "Shop", Notice: newest, ProofDays: 1095}
		for _, p := range list {
			texts := map[string]rights.PurposeText{}
			for tag, text := range p.Texts {
				texts[tag] = rights.PurposeText{Title: text.Title, Description: text.Description}
			}
			c.Purposes = append(c.Purposes, rights.Purpose{ID: p.ID, Basis: string(p.Basis), Texts: texts})
		}
		return c, err
	}
	h.Room = rights.New(h.deps)
}

// steps counts events, so that a session is scored after each.
type steps struct{ n byte }

func (s *steps) Observe(*event.Event)           { s.n++ }
func (s *steps) MarshalBinary() ([]byte, error) { return []byte{s.n}, nil }
func (s *steps) UnmarshalBinary(b []byte) error { s.n = b[0]; return nil }

// estimate stores a visit in which the outcome was estimated, and one event of a system of the
// organisation.
func (h *house) estimate(t testing.TB, s id.Subject, o *journey.Outcome, probability float64) {
	t.Helper()
	found, err := h.journey.Load(t.Context(), h.t, s)
	if err != nil {
		t.Fatal(err)
	}
	v, plan := found[0], journey.NewPlan([]journey.Outcome{*o}, nil, nil, nil)
	var fx journey.Effects
	now := h.clk.Now()
	env := &journey.Env{
		Allow: func(string) bool { return true }, Features: func(int) journey.Features { return &steps{} },
		Score: func(uuid.UUID, journey.Features) (journey.Score, bool) {
			return journey.Score{Probability: probability, Shown: true}, true
		},
	}
	for i, origin := range []event.Origin{event.FromBrowser, event.FromServer} {
		ev := &event.Event{
			ID: id.New(), Name: "looked", At: now.Add(time.Duration(i+1) * time.Minute), Received: now, Origin: origin,
			Page: event.Page{URL: "https://shop.example/a", Host: "shop.example", Path: "/a"}, Purpose: "actions", Ground: event.Ground{Basis: "contract", Ledger: -1, Declared: "r1"},
		}
		v.ApplyTo(&fx, plan, ev, env)
	}
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

// told is article15 of a manifest.
type told struct {
	Purposes                                                                 []toldPurpose
	Categories, Recipients, Retention, Contact, Complaint, Source, Transfers []string
	Automated                                                                struct {
		Decides   bool
		Logic     string
		Estimates []struct {
			Name        string
			Probability float64
		}
	} `json:"automated_decisions"`
}

type toldPurpose struct {
	ID, Title, Description, Basis, Ground string
	Choices                               []struct{ Status, Since string }
	Collected                             []struct {
		Basis       string
		Records     int
		First, Last string
	}
}

func (h *house) article15(t *testing.T, p person, language string) (told, string) {
	t.Helper()
	q, files := h.packageOf(t, rights.Request{Type: rights.Access, Language: language, Who: rights.Who{EmailAddresses: []string{p.email}}})
	checkAsStranger(t, q.ID.String(), files)
	var m struct {
		Article15 told `json:"article15"`
	}
	if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	return m.Article15, string(files["index.html"])
}

func has(list []string, parts ...string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(s, part) })
	})
}

func TestACopyTellsWhatIsSoForThePersonAndNothingElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.known(t)
		p := h.newPerson(t)
		facts := notice.Facts{
			Controller: "Fernhill Ltd", Address: "1 Hill Road, Fernhill", Contact: "privacy@fernhill.example", DPO: "Dr. Vale", Processors: []string{"Hosting Ltd"},
			Recipients: []string{"Parcel Post"}, Transfers: []string{"Japan (adequacy decision)"}, RetentionMonths: 13, ProofYears: 3, Authority: "Harbour Data Authority",
		}
		if _, err := h.consent.Publish(t.Context(), h.t, notice.Draft{Facts: facts, Texts: notice.DefaultTexts()}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: "Carrier AG", Contact: "data@carrier.example", Categories: []string{"address", "order"}, Way: rights.ByLetter}); err != nil {
			t.Fatal(err)
		}
		outcome, err := h.journey.CreateOutcome(t.Context(), h.t, journey.EventOutcome("Bought a lamp", "bought"))
		if err != nil {
			t.Fatal(err)
		}
		h.estimate(t, p.subject, outcome, 0.42)

		got, page := h.article15(t, p, "de")
		i := slices.IndexFunc(got.Purposes, func(one toldPurpose) bool { return one.ID == "measure" })
		if i < 0 || got.Purposes[i].Title != "Sehen, welche Seiten besucht werden" || len(got.Purposes[i].Choices) != 1 || got.Purposes[i].Choices[0].Status != "ConsentRequested" ||
			len(got.Purposes[i].Collected) != 1 || got.Purposes[i].Collected[0].Records != 20 || got.Purposes[i].Collected[0].Basis != "consent" {
			t.Errorf("of the purposes it tells %+v", got.Purposes)
		}
		for what, said := range map[string]bool{
			"the address":                has(got.Contact, "Anschrift: 1 Hill Road, Fernhill."),
			"the contact":                has(got.Contact, "privacy@fernhill.example"),
			"the officer":                has(got.Contact, "Datenschutzbeauftragter: Dr. Vale."),
			"who processes":              has(got.Recipients, "Hosting Ltd"),
			"who the notice names":       has(got.Recipients, "Parcel Post"),
			"who was configured":         has(got.Recipients, "Carrier AG, data@carrier.example: address, order"),
			"how long visits stay":       has(got.Retention, "13 Monaten"),
			"how long proofs stay":       has(got.Retention, "als Nachweis: 1095"),
			"how long identifiers stay":  has(got.Retention, "Woran Sie erkannt werden: bis es gelöscht wird") && !has(got.Retention, "Ihre Besuche: bis"),
			"the authority":              has(got.Complaint, "Harbour Data Authority"),
			"the transfer":               has(got.Transfers, "Japan (adequacy decision)"),
			"what was observed":          has(got.Source, "auf der Website beobachtet (21)", "von einem anderen System der Organisation gesendet (1)"),
			"what the person gave":       has(got.Source, "von Ihnen angegeben"),
			"what was worked out":        has(got.Source, "aus dem Übrigen errechnet"),
			"the logic":                  strings.Contains(got.Automated.Logic, "Ein Profil bilden und vorhersagen") && strings.Contains(got.Automated.Logic, "statistisches Modell"),
			"that nothing is decided":    !got.Automated.Decides,
			"the person's own estimate":  len(got.Automated.Estimates) == 1 && got.Automated.Estimates[0].Name == "Bought a lamp" && got.Automated.Estimates[0].Probability == 0.42,
			"the estimate on the page":   strings.Contains(page, "Bought a lamp: 0.42"),
			"what became of the choice":  strings.Contains(page, "Sie werden noch einmal gefragt, weil sich der Text geändert hat, 20. November 2026"),
			"another basis on the page":  strings.Contains(page, "Vertrag mit Ihnen"),
			"what a field is":            strings.Contains(page, "Rechtsgrundlage <code>legal_ground</code>"),
			"nothing that it lacks":      !strings.Contains(page, "nichts mitgeteilt"),
			"nothing for want of a fact": !strings.Contains(page, "nicht in andere Länder"),
		} {
			if !said {
				t.Errorf("the copy does not tell %s: %+v", what, got)
			}
		}
		for _, english := range []string{"The ", "You ", "Data protection officer"} {
			for _, said := range slices.Concat(got.Categories, got.Recipients, got.Retention, got.Contact, got.Complaint, got.Source, got.Transfers, []string{got.Automated.Logic}) {
				if strings.Contains(said, english) {
					t.Errorf("a German copy says %q", said)
				}
			}
		}
	})
}

func TestACopySaysWhatTheOrganisationHasNotTold(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.known(t)
	p := h.newPerson(t)
	for language, untold := range map[string]string{"en": "The organisation has stated nothing about this.", "fr": "L’organisme n’a rien indiqué à ce sujet."} {
		got, _ := h.article15(t, p, language)
		for what, list := range map[string][]string{"recipients": got.Recipients, "contact": got.Contact, "complaint": got.Complaint, "transfers": got.Transfers} {
			if !slices.Contains(list, untold) {
				t.Errorf("%s: of %s it says %q", language, what, list)
			}
		}
		if len(got.Automated.Estimates) != 0 || !strings.Contains(got.Automated.Logic, map[string]string{"en": "No estimate about you is held.", "fr": "Aucune estimation à votre sujet n’est conservée."}[language]) {
			t.Errorf("%s: of estimates it says %+v", language, got.Automated)
		}
	}
}

// The organisation publishes in German only; the person reads Polish, and gets no German.
func TestACopyDoesNotMixLanguages(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.known(t)
	p := h.newPerson(t)
	purposes := []notice.Purpose{{
		ID: "measure", Basis: notice.Consent, Categories: []string{"pages-visited"}, Storage: []notice.StorageKey{},
		Texts: map[string]notice.PurposeText{"de": {Title: "Seitenaufrufe zählen", Description: "Wir zeichnen auf, welche Seiten Sie öffnen."}},
	}}
	text := notice.DefaultTexts()["de"]
	_, err := h.consent.Publish(t.Context(), h.t, notice.Draft{
		Facts: notice.Facts{Controller: "Tannenhügel", Authority: "Landesamt Nord"}, Purposes: purposes, Texts: map[string]notice.Text{"de": text}, Override: "The test needs a notice of one language only.",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, page := h.article15(t, p, "pl")
	if got.Purposes[0].Title != "measure" || got.Purposes[0].Description != "Organizacja nie opisała tego w tym języku." {
		t.Errorf("the purpose is %+v", got.Purposes[0])
	}
	if strings.Contains(page, "Seitenaufrufe") || !has(got.Complaint, "Landesamt Nord") || has(got.Complaint, "Datenschutzbehörde") {
		t.Errorf("of the authority it says %q", got.Complaint)
	}
	if got, _ = h.article15(t, p, "de"); got.Purposes[0].Title != "Seitenaufrufe zählen" {
		t.Errorf("in German the purpose is %+v", got.Purposes[0])
	}
}

// Every file that a store gives out has a place that declares how long it is kept.
func TestEveryFileOfAPackageHasADeclaredRetention(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	sections, err := h.Held(t.Context(), h.t, p.subject)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"downstream/told", "withdrawn/deleted", "rectification/statements", "consent/asked", "predict/visits"}
	for _, s := range sections {
		files = append(files, s.File)
	}
	for _, file := range files {
		if !slices.ContainsFunc(rights.Inventory(), func(p rights.Place) bool { return slices.Contains(p.Files, file) }) {
			t.Errorf("no place declares how long %s is kept", file)
		}
	}
	if consent.AskLife != 7*24*time.Hour {
		t.Error("letters that ask are kept for another time than is told")
	}
}
