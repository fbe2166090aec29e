package consent_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"slices"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// begin makes a draft of the newest version that names the controller.
func (w *world) begin(t *testing.T) *consent.Draft {
	t.Helper()
	d, err := w.Begin(t.Context(), w.tenant, consent.Beginning{By: "editor"})
	if err != nil {
		t.Fatal(err)
	}
	d.Draft.Facts = draft().Facts
	if d, err = w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "editor"); err != nil {
		t.Fatal(err)
	}
	return d
}

func code(err error) string {
	if e, ok := errors.AsType[*fail.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestADraftIsEditedByOneAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if _, err := w.Room.Draft(t.Context(), w.tenant); !fail.Is(err, fail.NotFound) {
			t.Fatalf("before it is begun: %v", err)
		}
		d := w.begin(t)
		if _, err := w.Begin(t.Context(), w.tenant, consent.Beginning{}); code(err) != "notice.draft.exists" {
			t.Errorf("a second draft: %v", err)
		}
		first, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "one")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "other"); code(err) != "notice.draft.changed" {
			t.Errorf("who did not see the first change: %v", err)
		}
		if err := w.DiscardDraft(t.Context(), w.tenant, d.Revision); code(err) != "notice.draft.changed" {
			t.Errorf("discarding what was changed meanwhile: %v", err)
		}
		if _, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision}); code(err) != "notice.draft.changed" {
			t.Errorf("publishing what was changed meanwhile: %v", err)
		}
		if err := w.DiscardDraft(t.Context(), w.tenant, first.Revision); err != nil {
			t.Fatal(err)
		}
		again := w.begin(t)
		if again.Revision <= first.Revision {
			t.Error("a revision of a discarded draft came back")
		}
		if _, err := w.Room.Draft(t.Context(), id.NewTenant()); !fail.Is(err, fail.NotFound) {
			t.Errorf("another organisation sees it: %v", err)
		}
	})
}

func TestADraftBeginsWithSomeOfTheBuiltInWords(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d, err := w.Begin(t.Context(), w.tenant, consent.Beginning{Builtin: true, Languages: []string{"de", "en"}})
	if err != nil {
		t.Fatal(err)
	}
	if d.Base != 0 || len(d.Draft.Texts) != 2 || d.Draft.Texts["de"].Title != notice.DefaultTexts()["de"].Title || len(d.Draft.Purposes) != 7 {
		t.Errorf("it begins with %+v", d)
	}
	if err := w.DiscardDraft(t.Context(), w.tenant, d.Revision); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Begin(t.Context(), w.tenant, consent.Beginning{Languages: []string{"tlh"}}); !fail.Is(err, fail.Invalid) {
		t.Errorf("a language without a text: %v", err)
	}
	bad := d.Draft
	bad.Texts = map[string]notice.Text{"not a tag": {}}
	if _, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, bad, ""); !fail.Is(err, fail.Invalid) {
		t.Errorf("a language that is no tag: %v", err)
	}
}

func TestL3_APreviewIsWhatIsPublishedByteForByteInEveryLanguage(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := w.begin(t)
	previews := map[string][]byte{}
	for _, lang := range notice.Languages() {
		n, page, err := w.Preview(t.Context(), w.tenant, lang)
		if err != nil || n.Version != 2 {
			t.Fatalf("%s: version %d, %v", lang, n.Version, err)
		}
		previews[lang] = page
	}
	if _, _, err := w.Preview(t.Context(), w.tenant, "tlh"); !fail.Is(err, fail.NotFound) {
		t.Errorf("a language that is not there: %v", err)
	}
	if _, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision, By: "editor"}); err != nil {
		t.Fatal(err)
	}
	for lang, preview := range previews {
		page, err := w.Artefact(t.Context(), w.tenant, notice.ID, 2, lang)
		if err != nil || !bytes.Equal(page, preview) {
			t.Errorf("%s was published otherwise than it was previewed, %v", lang, err)
		}
	}
	if _, err := w.Room.Draft(t.Context(), w.tenant); !fail.Is(err, fail.NotFound) {
		t.Errorf("the draft is still there: %v", err)
	}
	versions, err := w.Versions(t.Context(), w.tenant)
	if err != nil || len(versions) != 2 || versions[0].Version != 2 || versions[0].By != "editor" || versions[0].Draft.Facts.Controller != "Example Shop Ltd" {
		t.Errorf("the versions are %+v, %v", versions, err)
	}
}

func TestL19_ADraftCannotBeCitedAndAPublishedVersionIsNeverChanged(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := w.begin(t)
	cite := consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 2, Language: "en"}
	if _, err := w.Nonce(t.Context(), w.tenant, cite); err == nil {
		t.Error("a choice could cite a draft")
	}
	if _, err := w.Artefact(t.Context(), w.tenant, notice.ID, 2, "en"); !fail.Is(err, fail.NotFound) {
		t.Errorf("a draft is handed out as published: %v", err)
	}
	first, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, "en")
	if err != nil {
		t.Fatal(err)
	}
	for want := 2; want <= 3; want++ {
		if v, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision}); err != nil || v != want {
			t.Fatalf("version %d, %v", v, err)
		}
		d = w.begin(t)
	}
	if _, err := w.Nonce(t.Context(), w.tenant, cite); err != nil {
		t.Errorf("a published version can't be cited: %v", err)
	}
	if now, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, "en"); err != nil || !bytes.Equal(first, now) {
		t.Errorf("the first version was changed, %v", err)
	}
	if v, err := w.Version(t.Context(), w.tenant, 1); err != nil || v.Draft.Facts.Controller != "" {
		t.Errorf("what the first version was made of was changed: %+v, %v", v, err)
	}
}

func TestW12_W13_OnlyAMaterialChangeIsAskedAboutAgain(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	publish := func(change func(d *notice.Draft)) *consent.Version {
		t.Helper()
		w.fake.Advance(time.Hour)
		d := w.begin(t)
		change(&d.Draft)
		d, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "")
		if err != nil {
			t.Fatal(err)
		}
		n, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision})
		if err != nil {
			t.Fatal(err)
		}
		v, err := w.Version(t.Context(), w.tenant, n)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	entries := int64(w.count(t, "ledger_entry"))
	worded := publish(func(d *notice.Draft) {
		text := d.Texts["en"]
		text.Title = "May we keep a record of your visit?"
		d.Texts["en"] = text
	})
	if worded.Material || !w.open(t, out.Subject, notice.Measure) {
		t.Error("other words suspended the grant")
	}
	receipt, err := w.ledger.Receipt(t.Context(), w.tenant, entries+1, nil) // after the purposes
	if err != nil {
		t.Fatal(err)
	}
	entry := w.verified(t, receipt)
	if changed, _ := entry["changed"].([]any); entry["material"] != false || !slices.Contains(changed, any("texts.en.title")) {
		t.Errorf("the ledger says of other words: %v", entry)
	}
	if shared := publish(func(d *notice.Draft) { d.Facts.Recipients = []string{"Ad Co"} }); !shared.Material {
		t.Error("a new recipient is not material")
	}
	if w.open(t, out.Subject, notice.Measure) {
		t.Error("a new recipient left the grant in force")
	}
	states, err := w.State(t.Context(), w.tenant, out.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if states[notice.Measure].Status != consent.Suspended || states[notice.Sales].Status != consent.Refused {
		t.Errorf("who granted is %v and who refused is %v: the first is asked again, the other is not", states[notice.Measure].Status, states[notice.Sales].Status)
	}
}

func TestW13_AnEditorMayCallMaterialWhatIsNotButNotTheOtherWayRound(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for _, c := range []struct {
		recipients []string
		claimed    bool
		want       bool
	}{{nil, true, true}, {nil, false, false}, {[]string{"Ad Co"}, false, true}} {
		d := w.begin(t)
		d.Draft.Facts.Recipients = c.recipients
		d, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "")
		if err != nil {
			t.Fatal(err)
		}
		n, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision, Material: c.claimed})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := w.Version(t.Context(), w.tenant, n); err != nil || v.Material != c.want {
			t.Errorf("recipients %v, claimed %v: material %v, %v", c.recipients, c.claimed, v.Material, err)
		}
	}
}

func TestB23_AVisitorGetsOneWholeLanguageNeverAMix(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := w.begin(t)
	text := d.Draft.Texts["de"]
	text.Title = "Dürfen wir den Besuch im Laden aufzeichnen?"
	d.Draft.Texts["de"] = text
	delete(d.Draft.Texts, "fr")
	d, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision}); err != nil {
		t.Fatal(err)
	}
	builtin := notice.DefaultTexts()
	for asked, want := range map[string]string{"de": "de", "it": "it", "fr": "en", "tlh": "en"} {
		n, err := w.Notice(t.Context(), w.tenant, asked)
		if err != nil {
			t.Fatal(err)
		}
		title := builtin[want].Title
		if want == "de" {
			title = text.Title
		}
		if n.Language != want || n.Version != 2 || n.Title != title || n.Labels != builtin[want].Labels || n.WithdrawHint != builtin[want].WithdrawHint {
			t.Errorf("asked for %s: %s %q", asked, n.Language, n.Title)
		}
	}
	half := w.begin(t)
	german := half.Draft.Texts["de"]
	german.Labels.Reject = ""
	half.Draft.Texts["de"] = german
	if half, err = w.SaveDraft(t.Context(), w.tenant, half.Revision, half.Draft, ""); err != nil {
		t.Fatal(err)
	}
	_, err = w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: half.Revision, Override: "We are in a hurry and the rest is fine."})
	if !fail.Is(err, fail.Invalid) || code(err) == "" {
		t.Errorf("half a language was published: %v", err)
	}
}

func TestL27_AnOverrideIsKeptWithTheVersionAndWithItsFaults(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	d := w.begin(t)
	d.Draft.Site.Wall = true
	d, err := w.SaveDraft(t.Context(), w.tenant, d.Revision, d.Draft, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision, Override: "because"}); code(err) != "notice.wall" {
		t.Fatalf("a reason of one word was taken: %v", err)
	}
	reason := "The wall is a test of one day for our own staff only."
	n, err := w.PublishDraft(t.Context(), w.tenant, consent.Publication{Revision: d.Revision, Override: reason, By: "editor"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.Version(t.Context(), w.tenant, n)
	if err != nil || v.Override != reason || len(v.Faults) != 1 || v.Faults[0].Rule != "wall" {
		t.Errorf("kept is %+v, %v", v, err)
	}
}

// picture is a PNG of one colour.
func picture(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestL20_AScreenshotIsKeptWithItsDigestInTheLedger(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		phone := picture(t, 375, 667)
		s, err := w.SaveScreenshot(t.Context(), w.tenant, 1, "en", "m", phone)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := w.ledger.Receipt(t.Context(), w.tenant, s.Ledger, nil)
		if err != nil {
			t.Fatal(err)
		}
		if entry := w.verified(t, receipt); entry["type"] != "notice.screenshot" || entry["screenshot_sha256"] != s.SHA256 || entry["viewport"] != "m" {
			t.Errorf("the ledger says %v", entry)
		}
		if again, err := w.SaveScreenshot(t.Context(), w.tenant, 1, "en", "m", phone); err != nil || again.Ledger != s.Ledger {
			t.Errorf("the same picture again: %+v, %v", again, err)
		}
		if _, err := w.SaveScreenshot(t.Context(), w.tenant, 1, "en", "m", picture(t, 400, 667)); code(err) != "notice.screenshot.exists" {
			t.Errorf("another picture of the same: %v", err)
		}
		for name, bad := range map[string]struct {
			version  int
			viewport string
			png      []byte
		}{
			"not a picture":         {1, "d", []byte("GIF89a")},
			"a phone as a desktop":  {1, "d", phone},
			"another viewport":      {1, "tv", phone},
			"a version not there":   {9, "m", phone},
			"a picture of one spot": {1, "m", picture(t, 1, 1)},
		} {
			if _, err := w.SaveScreenshot(t.Context(), w.tenant, bad.version, "en", bad.viewport, bad.png); err == nil {
				t.Errorf("%s was kept", name)
			}
		}
		if got, err := w.Screenshot(t.Context(), w.tenant, 1, "en", "m"); err != nil || !bytes.Equal(got, phone) {
			t.Errorf("it comes back otherwise, %v", err)
		}
		if list, err := w.Screenshots(t.Context(), w.tenant, 1); err != nil || len(list) != 1 || list[0].SHA256 != s.SHA256 {
			t.Errorf("listed are %+v, %v", list, err)
		}
		w.write(t, func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE consent_screenshot SET png = $2 WHERE tenant_id = $1`, w.tenant, picture(t, 375, 668))
			return err
		})
		if _, err := w.Screenshot(t.Context(), w.tenant, 1, "en", "m"); err == nil {
			t.Error("a forged picture was handed out")
		}
	})
}
