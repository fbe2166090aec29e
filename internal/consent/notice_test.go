package consent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestL3_TheNoticeIsTheSameBytesForEverAndItsDigestIsInTheLedger(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for i, lang := range []string{"de", "en"} {
		golden := filepath.Join("testdata", "notice.v1."+lang+".html")
		artefact, err := w.Artefact(t.Context(), w.tenant, consent.DefaultNotice, 1, lang)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(golden, artefact, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(artefact, want) {
			t.Errorf("the %s notice is not %s; if that is meant, run the tests with -update", lang, golden)
		}
		n, err := w.Notice(t.Context(), w.tenant, lang)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(artefact)
		if n.SHA256 != hex.EncodeToString(sum[:]) || n.Language != lang || n.Version != 1 {
			t.Errorf("the notice says %s %s %d", n.SHA256, n.Language, n.Version)
		}
		words := []string{n.Title, n.Intro, n.Controller, n.WithdrawHint}
		for _, p := range n.Purposes {
			words = append(words, p.Title, p.Description)
		}
		labels := map[string]string{}
		encoded, err := json.Marshal(n.Labels)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &labels); err != nil {
			t.Fatal(err)
		}
		for _, s := range append(words, slices.Collect(maps.Values(labels))...) {
			if !bytes.Contains(artefact, []byte(s)) {
				t.Errorf("the artefact lacks %q", s)
			}
		}
		receipt, err := w.ledger.Receipt(t.Context(), w.tenant, int64(1+i), nil)
		if err != nil {
			t.Fatal(err)
		}
		if entry := w.verified(t, receipt); entry["type"] != "notice.published" || entry["text_sha256"] != n.SHA256 || entry["language"] != lang {
			t.Errorf("the ledger says %v", entry)
		}
	}
}

func TestEnsureDefaultsChangesNothingThatIsThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		entries := w.count(t, "ledger_entry")
		for range 3 {
			if err := w.room().EnsureDefaults(t.Context(), w.tenant); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.count(t, "ledger_entry"); n != entries || n != 3 {
			t.Errorf("there are %d entries, want 3", n)
		}
		if n := w.count(t, "consent_notice"); n != 2 {
			t.Errorf("there are %d notices", n)
		}
		purposes, err := w.Purposes(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, p := range purposes {
			ids = append(ids, p.ID)
		}
		if want := []string{"measure", "actions", "identity", "predict", "support", "sales", "marketing"}; !slices.Equal(ids, want) {
			t.Errorf("the purposes are %v", ids)
		}
		languages, err := w.Languages(t.Context(), w.tenant)
		if err != nil || !slices.Equal(languages, []string{"de", "en"}) {
			t.Errorf("the languages are %v, %v", languages, err)
		}
		for asked, want := range map[string]string{"de": "de", "en": "en", "de-AT": "de", "EN-gb": "en", "fr": "en", "": "en", "den": "en"} {
			if n, err := w.Notice(t.Context(), w.tenant, asked); err != nil || n.Language != want {
				t.Errorf("asked for %q: %+v, %v", asked, n, err)
			}
		}
		if _, err := w.Notice(t.Context(), id.NewTenant(), "en"); !fail.Is(err, fail.NotFound) {
			t.Errorf("of an organisation without one: %v", err)
		}
		if _, err := w.Artefact(t.Context(), w.tenant, consent.DefaultNotice, 2, "en"); !fail.Is(err, fail.NotFound) {
			t.Errorf("a version that is missing: %v", err)
		}
	})
}

func TestANoticeHasTheWireFormatOfTheBanner(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	n, err := w.Notice(t.Context(), w.tenant, "en")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(got)); strings.Join(names, " ") != "controller details_url id intro labels language purposes sha256 title version withdraw_hint" {
		t.Errorf("the members are %v", names)
	}
	labels := slices.Sorted(maps.Keys(got["labels"].(map[string]any)))
	if strings.Join(labels, " ") != "accept back close current details gpc manage off on reject save saved settings withdraw_all" {
		t.Errorf("the labels are %v", labels)
	}
}

func draft() consent.Draft {
	return consent.Draft{Controller: consent.Controller{Name: "Example Shop Ltd", Contact: "privacy@example.org"}, Texts: consent.DefaultTexts()}
}

func TestTheControllerIsNamedInTheNotice(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	if v, err := w.Publish(t.Context(), w.tenant, draft()); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}
	n, err := w.Notice(t.Context(), w.tenant, "en")
	if err != nil {
		t.Fatal(err)
	}
	if n.Version != 2 || n.Controller != "Example Shop Ltd" || !strings.HasPrefix(n.Intro, "Example Shop Ltd asks") {
		t.Errorf("the notice is %+v", n)
	}
	old, err := w.Artefact(t.Context(), w.tenant, consent.DefaultNotice, 1, "en")
	if err != nil || bytes.Contains(old, []byte("Example Shop")) {
		t.Errorf("L19: the first version was changed, %v", err)
	}
}

func TestW13_AMaterialChangeSuspendsGrantsAndLeavesRefusals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		out := w.choose(t, nil, consent.Measure)
		w.open(t, out.Subject, consent.Measure)
		elsewhere := w.room()
		w.fake.Advance(time.Hour)
		if _, err := w.Publish(t.Context(), w.tenant, draft()); err != nil {
			t.Fatal(err)
		}
		if !w.open(t, out.Subject, consent.Measure) {
			t.Error("a change of wording suspended the grant")
		}
		w.fake.Advance(time.Hour)
		d := draft()
		d.Material = true
		if _, err := elsewhere.Gate(t.Context(), w.tenant, out.Subject, consent.Measure); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Publish(t.Context(), w.tenant, d); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(consent.CacheLife)
		if _, err := elsewhere.Gate(t.Context(), w.tenant, out.Subject, consent.Measure); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("another process did not notice the material change: %v", err)
		}
		if w.open(t, out.Subject, consent.Measure) {
			t.Error("a material change left the grant in force")
		}
		states, err := w.State(t.Context(), w.tenant, out.Subject)
		if err != nil {
			t.Fatal(err)
		}
		if states[consent.Measure].Status != consent.Suspended || states[consent.Predict].Status != consent.Refused {
			t.Errorf("the states are %v and %v", states[consent.Measure].Status, states[consent.Predict].Status)
		}
		g := consent.Ground{Basis: "consent"}
		if !w.AllowedAt(t.Context(), w.tenant, out.Subject, consent.Measure, g, noon.Add(time.Minute)) {
			t.Error("what was received before the change is refused")
		}
		if w.AllowedAt(t.Context(), w.tenant, out.Subject, consent.Measure, g, w.clk.Now()) {
			t.Error("what was received after the change is let through")
		}
	})
}

func TestTheDefaultTextsPassTheLint(t *testing.T) {
	for _, f := range consent.Lint(consent.DefaultPurposes(), consent.Draft{Texts: consent.DefaultTexts()}) {
		t.Errorf("%s: %s", f.Field, f.Message)
	}
}

func TestB21ToB26_TheLintNamesWhatMakesConsentDoubtful(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(p []consent.Purpose, text *consent.Text)
	}{
		{"B21: a description that is too long", "purposes.measure.en", func(p []consent.Purpose, _ *consent.Text) {
			p[0].Texts["en"] = consent.PurposeText{Title: "Measure", Description: strings.Repeat("word ", 33)}
		}},
		{"B21: a controller that is not named", "texts.en.intro", func(_ []consent.Purpose, text *consent.Text) { text.Intro = "We ask for your consent." }},
		{"B22: withdrawal that is not explained", "texts.en.withdraw_hint", func(_ []consent.Purpose, text *consent.Text) { text.WithdrawHint = " " }},
		{"B23: a purpose without a text", "purposes.predict.en", func(p []consent.Purpose, _ *consent.Text) { delete(p[3].Texts, "en") }},
		{"B23: a missing label", "texts.en.labels.save", func(_ []consent.Purpose, text *consent.Text) { text.Labels.Save = "" }},
		{"B24: profiling that is not called so", "purposes.predict.en", func(p []consent.Purpose, _ *consent.Text) {
			p[3].Texts["en"] = consent.PurposeText{Title: "Smart help", Description: "We find out what you need."}
		}},
		{"B24: a vague phrase", "texts.en", func(_ []consent.Purpose, text *consent.Text) {
			text.Intro = "{controller} wants to improve your experience."
		}},
		{"B25: endless sentences", "texts.en", func(_ []consent.Purpose, text *consent.Text) {
			text.Sections = []consent.Section{{Heading: "Terms", Paragraphs: []string{strings.Repeat("notwithstanding ", 2000) + "."}}}
		}},
		{"B26: a refusal that steers", "texts.en.labels.reject", func(_ []consent.Purpose, text *consent.Text) { text.Labels.Reject = "No, I like slow sites" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			purposes, texts := consent.DefaultPurposes(), consent.DefaultTexts()
			text := texts["en"]
			c.change(purposes, &text)
			texts["en"] = text
			faults := consent.Lint(purposes, consent.Draft{Texts: texts})
			if !slices.ContainsFunc(faults, func(f consent.Fault) bool { return f.Field == c.field }) {
				t.Errorf("got %+v", faults)
			}
		})
	}
}

func TestF1_AConditionalServiceNeedsAReasonOrAnOverrideThatIsLogged(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := draft()
	d.Purposes = consent.DefaultPurposes()
	d.Purposes[0].NeededFor = []string{"checkout"}
	_, err := w.Publish(t.Context(), w.tenant, d)
	if e, ok := errors.AsType[*fail.Error](err); !ok || e.Field != "purposes.measure.why" {
		t.Fatalf("got %v", err)
	}
	entries := int64(w.count(t, "ledger_entry"))
	d.Override = "Our lawyers looked at it on 3 November and see no problem."
	if _, err := w.Publish(t.Context(), w.tenant, d); err != nil {
		t.Fatal(err)
	}
	receipt, err := w.ledger.Receipt(t.Context(), w.tenant, entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	if entry := w.verified(t, receipt); entry["type"] != "override.made" || entry["reason"] != d.Override || len(entry["faults"].([]any)) != 1 {
		t.Errorf("L27: the ledger says %v", entry)
	}
	// F2: every choice says from now on that a service depends on it.
	entry := w.verified(t, w.choose(t, nil, consent.Measure).Receipt)
	if got := entry["conditional_services"].([]any); len(got) != 1 || got[0] != "checkout" {
		t.Errorf("the choice names %v", got)
	}
}

func TestAPurposeThatIsNoLongerPublishedIsClosed(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, consent.Measure, consent.Predict)
	if !w.open(t, out.Subject, consent.Predict) {
		t.Fatal("shut")
	}
	d := draft()
	for _, p := range consent.DefaultPurposes() {
		if p.ID != consent.Predict {
			d.Purposes = append(d.Purposes, p)
		}
	}
	if _, err := w.Publish(t.Context(), w.tenant, d); err != nil {
		t.Fatal(err)
	}
	if w.open(t, out.Subject, consent.Predict) || !w.open(t, out.Subject, consent.Measure) {
		t.Error("the gate does not fit what is published")
	}
}

func TestPurposesThatCannotBeToldApartAreRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for name, change := range map[string]func(p []consent.Purpose) []consent.Purpose{
		"none":               func([]consent.Purpose) []consent.Purpose { return []consent.Purpose{} },
		"an id with a comma": func(p []consent.Purpose) []consent.Purpose { p[0].ID = "a,b"; return p },
		"an id twice":        func(p []consent.Purpose) []consent.Purpose { p[0].ID = p[1].ID; return p },
		"no basis":           func(p []consent.Purpose) []consent.Purpose { p[0].Basis = ""; return p },
	} {
		d := draft()
		d.Purposes = change(consent.DefaultPurposes())
		d.Override = "There is no reason that makes this right, ever."
		if _, err := w.Publish(t.Context(), w.tenant, d); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABadDraftIsNotPublished(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := draft()
	text := d.Texts["en"]
	text.Labels.Reject = "Maybe later"
	d.Texts["en"] = text
	if _, err := w.Publish(t.Context(), w.tenant, d); !fail.Is(err, fail.Invalid) {
		t.Errorf("got %v", err)
	}
	if _, err := w.Publish(t.Context(), w.tenant, consent.Draft{}); !fail.Is(err, fail.Invalid) {
		t.Errorf("an empty draft: %v", err)
	}
	if n := w.count(t, "consent_notice"); n != 2 {
		t.Errorf("%d notices are stored", n)
	}
}

func TestAnArtefactThatWasTamperedWithIsNotHandedOut(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE consent_notice SET artefact = $2 WHERE tenant_id = $1`, w.tenant, []byte("<p>You agreed to everything.</p>"))
		return err
	})
	if _, err := w.Artefact(t.Context(), w.tenant, consent.DefaultNotice, 1, "en"); err == nil {
		t.Error("a forged notice was handed out")
	}
}
