package consent_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestAThemeHoldsForADeploymentOrForAllThatHaveNone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		other := uuid.New()
		set := func(r *consent.Room, deployment uuid.UUID, theme *notice.Theme) {
			t.Helper()
			if err := r.SetTheme(t.Context(), w.tenant, deployment, theme); err != nil {
				t.Fatal(err)
			}
		}
		is := func(r *consent.Room, deployment uuid.UUID, position string, own bool) {
			t.Helper()
			theme, of, err := r.Theme(t.Context(), w.tenant, deployment)
			if err != nil || theme.Position != position || of != own {
				t.Errorf("the theme is %+v, own %v, %v; want %q, own %v", theme, of, err, position, own)
			}
		}
		is(w.Room, site, "", false)
		set(w.Room, uuid.Nil, &notice.Theme{Position: "corner"})
		set(w.Room, site, &notice.Theme{Position: "centre"})
		is(w.Room, site, "centre", true)
		is(w.Room, other, "corner", false)
		poor := notice.Theme{Light: notice.Colours{Background: "#ffffff", Text: "#eeeeee", Button: "#000000", ButtonText: "#ffffff"}}
		if err := w.SetTheme(t.Context(), w.tenant, site, &poor); !fail.Is(err, fail.Invalid) || !strings.Contains(err.Error(), "text on background") {
			t.Errorf("a theme that can't be read: %v", err)
		}
		is(w.Room, site, "centre", true)

		// Another process believes its settings for a minute, over several looks at a log that grows.
		second := w.room()
		is(second, site, "centre", true)
		set(w.Room, site, nil)
		is(w.Room, site, "corner", false)
		w.fake.Advance(2 * consent.CacheLife)
		w.choose(t, nil, notice.Measure)
		is(second, other, "corner", false)
		w.fake.Advance(time.Minute)
		is(second, site, "corner", false)
	})
}

// The layout that an entry cites is the style sheet that the browser was served: base and theme.
func TestL3_TheLayoutThatAnEntryCitesIsTheOneOfTheThemeAndIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.Describe(consent.Terms{Build: build})
		px := 3
		themes := []notice.Theme{{}, {Position: "corner", Radius: &px}, {Position: "centre"}}
		cited := map[string]bool{}
		for i, theme := range themes {
			if err := w.SetTheme(t.Context(), w.tenant, site, &theme); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second choice finds the build recorded
				before := w.count(t, "ledger_entry")
				out := w.choose(t, nil, notice.Measure)
				if n := w.count(t, "ledger_entry") - before; i > 0 && n > 3 {
					t.Errorf("a choice made %d entries", n)
				}
				receipt, err := w.Receipt(t.Context(), w.tenant, out.Subject, w.history(t, out.Subject)[0].ID)
				if err != nil {
					t.Fatal(err)
				}
				sum := w.verified(t, receipt)["notice"].(map[string]any)["layout_sha256"].(string)
				name, body, err := w.Build(t.Context(), w.tenant, sum)
				if err != nil || name != "banner.css" || !bytes.Equal(body, theme.On(build.Files["banner.css"])) {
					t.Errorf("theme %d: the entry cites %s %q, %v", i, name, body, err)
				}
				cited[sum] = true
			}
		}
		if len(cited) != len(themes) {
			t.Errorf("%d themes have %d layouts", len(themes), len(cited))
		}
		// Each layout was logged once, before the first choice that was made with it.
		logged := w.count(t, "consent_build")
		if logged != len(themes)+1 {
			t.Errorf("%d files are kept, want one script and %d style sheets", logged, len(themes))
		}
		// A refusal by somebody unknown cites its layout too.
		before := w.count(t, "ledger_entry")
		w.choose(t, nil)
		if w.count(t, "ledger_entry") != before+2 {
			t.Error("a known build was logged again")
		}
	})
}

func TestAThemeSurvivesAsItWasSaid(t *testing.T) {
	body := `{"position":"centre","radius":0,"font":"inherit","light":{"background":"#ffffff","text":"#000000","button":"#000000","button_text":"#ffffff"}}`
	var theme notice.Theme
	if err := json.Unmarshal([]byte(body), &theme); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(theme)
	if err != nil || string(again) != body {
		t.Errorf("%s, %v", again, err)
	}
}

// The theme is changed while dialogs are open. An entry cites the one that was seen, if the deployment
// ever had it, and none if nobody knows.
func TestL2_L3_AnEntryCitesTheThemeThatWasSeenNotTheOneInForce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.Describe(consent.Terms{Build: build})
		set := func(deployment uuid.UUID, theme *notice.Theme) string {
			t.Helper()
			if err := w.SetTheme(t.Context(), w.tenant, deployment, theme); err != nil {
				t.Fatal(err)
			}
			return theme.Look()
		}
		old, late, of, other := &notice.Theme{Position: "corner"}, &notice.Theme{Position: "centre"}, &notice.Theme{Font: "inherit"}, &notice.Theme{Position: "corner", Font: "inherit"}
		seen := set(site, old)
		everybody := set(uuid.Nil, of)
		foreign := set(uuid.New(), other)
		now := set(site, late)
		unstyled, plain, forged, spaced := "", notice.Plain, "0123456789abcdef", " "+seen
		for _, c := range []struct {
			name, component string
			look            *string
			sheet           *notice.Theme // nil: no layout is cited
			how             string
		}{
			{"the theme in force", "banner", &now, late, "named"},
			{"a theme that was replaced", "banner", &seen, old, "named"},
			{"a theme that was replaced, spelled with a space", "preferences", &spaced, old, "named"},
			{"the organisation's theme", "banner", &everybody, of, "named"},
			{"no theme", "banner", &plain, &notice.Theme{}, "named"},
			{"not said", "banner", nil, late, "assumed"},
			{"without a style sheet", "banner", &unstyled, nil, "none"},
			{"a theme of another deployment", "banner", &foreign, nil, "unknown"},
			{"a theme that never was", "banner", &forged, nil, "unknown"},
			{"in place of a frame, without a dialog", "placeholder", &now, nil, ""},
		} {
			for _, yes := range [][]string{{notice.Measure}, {}} {
				choice := w.choice(t, nil, yes...)
				choice.UI.Component, choice.Look = c.component, c.look
				before := w.count(t, "ledger_entry")
				out, err := w.Choose(t.Context(), w.tenant, choice)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				cited := w.verified(t, out.Receipt)["notice"].(map[string]any)
				sum, _ := cited["layout_sha256"].(string)
				how, _ := cited["layout_seen"].(string)
				if how != c.how || c.sheet == nil && sum != "" {
					t.Errorf("%s: known as %q with layout %q", c.name, how, sum)
				}
				if c.sheet != nil {
					name, body, err := w.Build(t.Context(), w.tenant, sum)
					if err != nil || name != "banner.css" || !bytes.Equal(body, c.sheet.On(build.Files["banner.css"])) {
						t.Errorf("%s: the entry cites %s %q, %v", c.name, name, body, err)
					}
				}
				if w.count(t, "ledger_entry") == before {
					t.Errorf("%s: nothing was logged", c.name)
				}
			}
		}
		// What was shown to nobody cites no layout.
		out := w.choose(t, nil, notice.Measure)
		taken := w.withdraw(t, *out.Visitor)
		if sum := w.verified(t, taken.Receipt)["notice"].(map[string]any)["layout_sha256"]; sum != nil {
			t.Errorf("a withdrawal cites the layout %v", sum)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}
