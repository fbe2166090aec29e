package consent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestL3_TheNoticeIsTheSameBytesForEverAndItsDigestIsInTheLedger(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for i, lang := range notice.Languages() {
		artefact, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, lang)
		if err != nil {
			t.Fatal(err)
		}
		if lang == "de" || lang == "en" { // two are enough to show that the bytes do not change
			sameAsFile(t, filepath.Join("testdata", "notice.v1."+lang+".html"), artefact)
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
			if !bytes.Contains(artefact, []byte(s)) && !bytes.Contains(artefact, []byte(html.EscapeString(s))) {
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

// sameAsFile compares with a golden file.
func sameAsFile(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the notice is not %s; if that is meant, run the tests with -update", golden)
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
		if n := w.count(t, "ledger_entry"); n != entries || n != 1+len(notice.Languages()) {
			t.Errorf("there are %d entries, want one for the purposes and one for each language", n)
		}
		if n := w.count(t, "consent_notice"); n != len(notice.Languages()) {
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
		if err != nil || !slices.Equal(languages, notice.Languages()) {
			t.Errorf("the languages are %v, %v", languages, err)
		}
		for asked, want := range map[string]string{"de": "de", "en": "en", "de-AT": "de", "EN-gb": "en", "tlh": "en", "": "en", "xx-fr": "en"} {
			if n, err := w.Notice(t.Context(), w.tenant, asked); err != nil || n.Language != want {
				t.Errorf("asked for %q: %+v, %v", asked, n, err)
			}
		}
		if _, err := w.Notice(t.Context(), id.NewTenant(), "en"); !fail.Is(err, fail.NotFound) {
			t.Errorf("of an organisation without one: %v", err)
		}
		if _, err := w.Artefact(t.Context(), w.tenant, notice.ID, 2, "en"); !fail.Is(err, fail.NotFound) {
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
	if strings.Join(labels, " ") != "accept allow back blocked close current details dnt failed gpc interest manage object off on receipt reject reload save saved settings still withdraw_all" {
		t.Errorf("the labels are %v", labels)
	}
}

func draft() notice.Draft {
	return notice.Draft{Facts: notice.Facts{Controller: "Example Shop Ltd", Contact: "privacy@example.org"}, Texts: notice.DefaultTexts()}
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
	old, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, "en")
	if err != nil || bytes.Contains(old, []byte("Example Shop")) {
		t.Errorf("L19: the first version was changed, %v", err)
	}
}

func TestW13_AMaterialChangeSuspendsGrantsAndLeavesRefusals(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		out := w.choose(t, nil, notice.Measure)
		w.open(t, out.Subject, notice.Measure)
		elsewhere := w.room()
		w.fake.Advance(time.Hour)
		if _, err := w.Publish(t.Context(), w.tenant, draft()); err != nil {
			t.Fatal(err)
		}
		if !w.open(t, out.Subject, notice.Measure) {
			t.Error("a change of wording suspended the grant")
		}
		w.fake.Advance(time.Hour)
		d := draft()
		d.Material = true
		if _, err := elsewhere.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Publish(t.Context(), w.tenant, d); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(consent.CacheLife)
		if _, err := elsewhere.Gate(t.Context(), w.tenant, out.Subject, notice.Measure); !fail.Is(err, fail.ConsentRequired) {
			t.Errorf("another process did not notice the material change: %v", err)
		}
		if w.open(t, out.Subject, notice.Measure) {
			t.Error("a material change left the grant in force")
		}
		states, err := w.State(t.Context(), w.tenant, out.Subject)
		if err != nil {
			t.Fatal(err)
		}
		if states[notice.Measure].Status != consent.Suspended || states[notice.Predict].Status != consent.Refused {
			t.Errorf("the states are %v and %v", states[notice.Measure].Status, states[notice.Predict].Status)
		}
		g := consent.Ground{Basis: "consent"}
		if !w.AllowedAt(t.Context(), w.tenant, out.Subject, notice.Measure, g, noon.Add(time.Minute)) {
			t.Error("what was received before the change is refused")
		}
		if w.AllowedAt(t.Context(), w.tenant, out.Subject, notice.Measure, g, w.clk.Now()) {
			t.Error("what was received after the change is let through")
		}
	})
}

func TestF1_F2_L27_AConditionalServiceNeedsAReasonOrAnOverrideThatIsLogged(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := draft()
	d.Purposes = notice.DefaultPurposes()
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
	entry := w.verified(t, w.choose(t, nil, notice.Measure).Receipt)
	if got := entry["conditional_services"].([]any); len(got) != 1 || got[0] != "checkout" {
		t.Errorf("the choice names %v", got)
	}
}

func TestAPurposeThatIsNoLongerPublishedIsClosed(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure, notice.Predict)
	if !w.open(t, out.Subject, notice.Predict) {
		t.Fatal("shut")
	}
	d := draft()
	for _, p := range notice.DefaultPurposes() {
		if p.ID != notice.Predict {
			d.Purposes = append(d.Purposes, p)
		}
	}
	if _, err := w.Publish(t.Context(), w.tenant, d); err != nil {
		t.Fatal(err)
	}
	if w.open(t, out.Subject, notice.Predict) || !w.open(t, out.Subject, notice.Measure) {
		t.Error("the gate does not fit what is published")
	}
}

func TestPurposesThatCannotBeToldApartAreRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for name, change := range map[string]func(p []notice.Purpose) []notice.Purpose{
		"none":               func([]notice.Purpose) []notice.Purpose { return []notice.Purpose{} },
		"an id with a comma": func(p []notice.Purpose) []notice.Purpose { p[0].ID = "a,b"; return p },
		"an id twice":        func(p []notice.Purpose) []notice.Purpose { p[0].ID = p[1].ID; return p },
		"no basis":           func(p []notice.Purpose) []notice.Purpose { p[0].Basis = ""; return p },
	} {
		d := draft()
		d.Purposes = change(notice.DefaultPurposes())
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
	if _, err := w.Publish(t.Context(), w.tenant, notice.Draft{}); !fail.Is(err, fail.Invalid) {
		t.Errorf("an empty draft: %v", err)
	}
	if n := w.count(t, "consent_notice"); n != len(notice.Languages()) {
		t.Errorf("%d notices are stored", n)
	}
}

func TestAnArtefactThatWasTamperedWithIsNotHandedOut(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE consent_notice SET artefact = $2 WHERE tenant_id = $1`, w.tenant, []byte("<p>You agreed to everything.</p>"))
		return err
	})
	if _, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, "en"); err == nil {
		t.Error("a forged notice was handed out")
	}
}

func TestL19_ANoticeThatWasEditedInTheDatabaseIsNeitherShownNorCited(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, change := range map[string]string{
			"the page":               `artefact = $2`,
			"its digest":             `sha256 = $2`,
			"what the banner shows":  `body = replace(body, '"title":"', '"title":"Win a prize! ')`,
			"the name of the button": `body = replace(body, '"reject":"', '"reject":"Maybe later, ')`,
		} {
			w := newWorld(t, db)
			out := w.choose(t, nil, notice.Measure)
			choice := w.choice(t, nil, notice.Measure) // shown before the edit
			w.write(t, func(tx *store.Tx) error {
				args := []any{w.tenant}
				if strings.Contains(change, "$2") {
					args = append(args, []byte("<p>You agreed to everything.</p>"))
				}
				_, err := tx.Exec(t.Context(), `UPDATE consent_notice SET `+change+` WHERE tenant_id = $1`, args...)
				return err
			})
			w.fake.Advance(time.Minute) // settings are read again by then
			changed := func(what string, err error) {
				t.Helper()
				if f, ok := errors.AsType[*fail.Error](err); !ok || f.Kind != fail.Unavailable || f.Code != "consent.notice.changed" {
					t.Errorf("%s was edited: %s gives %v", name, what, err)
				}
			}
			_, err := w.Notice(t.Context(), w.tenant, "en")
			changed("showing it", err)
			_, err = w.Nonce(t.Context(), w.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
			changed("asking for a nonce", err)
			_, err = w.Choose(t.Context(), w.tenant, choice)
			changed("choosing", err)
			if err := w.Audit(t.Context(), w.tenant); err == nil {
				t.Errorf("%s was edited: the audit finds nothing", name)
			}
			// Taking consent back never depends on it.
			if out := w.withdraw(t, *out.Visitor); out.RecordID == uuid.Nil {
				t.Errorf("%s was edited: nothing can be withdrawn", name)
			}
		}
	})
}
