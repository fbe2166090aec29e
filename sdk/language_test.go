package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"probity/e2e/chromium"
	"probity/internal/notice"
)

// speaking opens a tab on a site whose pages and notice are in a built-in language.
func speaking(t *testing.T, lang string) *tab {
	t.Helper()
	s := newSite(t)
	s.lang, s.builtin = lang, true
	return s.visit(t, chromium.Shared(t))
}

func TestB13_B16_B23_AnAuditFindsNothingInAnyLanguageSchemeOrDirection(t *testing.T) {
	t.Parallel()
	for i, lang := range notice.Languages() {
		b := speaking(t, lang)
		// Every language in one scheme and one width, by turns; English and German in all of them.
		looks := []string{"light", "dark"}
		if lang != "en" && lang != "de" {
			looks = looks[i%2 : i%2+1]
		}
		for _, scheme := range looks {
			for _, width := range []int64{1280, 320} {
				b.Prefer("prefers-color-scheme", scheme)
				b.Resize(width, 640)
				what := fmt.Sprintf("%s, %s, %d px", lang, scheme, width)
				b.open("/")
				b.banner()
				if got := chromium.Value[string](b.Tab, `document.querySelector('.probity').lang`); got != lang {
					t.Errorf("%s: the dialog says it is in %q", what, got)
				}
				audit(t, b, what+", first layer")
				b.Press("[data-probity=settings]")
				b.Visible("[data-probity=save]")
				audit(t, b, what+", settings")
			}
		}
	}
	b := fresh(t)
	b.open("/")
	b.banner()
	b.Press("[data-probity=settings]")
	b.Visible("[data-probity=save]")
	b.Script(`document.documentElement.dir = 'rtl'; document.querySelector('.probity').dir = 'rtl'`)
	audit(t, b, "right to left")
}

func audit(t *testing.T, b *tab, what string) {
	t.Helper()
	for _, fault := range b.Audit() {
		t.Errorf("%s: %s", what, fault)
	}
}

// refusing are the words by which a consent assistant that knows nothing of us tells the button that
// refuses, by language: whole words of the visible text in lower case.
var refusing = map[string][]string{
	"en": {"reject all", "decline all", "refuse all", "deny all"},
	"de": {"alle ablehnen", "alles ablehnen", "ablehnen"},
	"fr": {"tout refuser", "refuser tout", "tout rejeter"},
	"es": {"rechazar todo", "rechazar todas", "rechazarlo todo"},
	"it": {"rifiuta tutto", "rifiuta tutti", "rifiutare tutto"},
	"nl": {"alles weigeren", "alles afwijzen", "weigeren"},
	"pl": {"odrzuć wszystkie", "odrzuć wszystko"},
	"pt": {"rejeitar tudo", "recusar tudo", "rejeitar todos"},
	"sv": {"avvisa alla", "neka alla", "avböj alla", "avvisa alla ändamål"},
	"ca": {"rebutja-ho tot", "rebutjar-ho tot", "rebutja tot"},
}

func TestB32_AProgramThatSeesOnlyTextAndButtonsRefusesInTenLanguages(t *testing.T) {
	t.Parallel()
	for lang, words := range refusing {
		b := speaking(t, lang)
		b.open("/")
		b.banner()
		// What stands in the accessibility tree and can be seen: no attribute of ours is looked at.
		seen := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('button')].filter(e => e.checkVisibility()).map(e => e.innerText.trim().toLowerCase())`)
		at := slices.IndexFunc(seen, func(text string) bool { return slices.Contains(words, text) })
		if at < 0 {
			t.Errorf("%s: none of %q is a usual word for refusing", lang, seen)
			continue
		}
		b.Script(fmt.Sprintf(`[...document.querySelectorAll('button')].filter(e => e.checkVisibility())[%d].click()`, at))
		b.Until("localStorage.probity_choice")
		if got := b.site.grants(); len(got) != 0 {
			t.Errorf("%s: the server holds %q", lang, got)
		}
		b.Holds("local probity_choice")
	}
}

func TestB11_B28_TheSameChoicesInTheSameOrderOnPhoneAndDesktop(t *testing.T) {
	t.Parallel()
	var wide []string
	for _, size := range [][2]int64{{1366, 768}, {375, 667}} {
		for _, path := range []string{"/", "/another/page"} {
			b := fresh(t)
			b.Resize(size[0], size[1])
			b.open(path)
			b.banner()
			read := func() string {
				return chromium.Value[string](b.Tab, `[...document.querySelectorAll('.probity h2, .probity p, .probity li, .probity button')].map(e => e.textContent.trim()).join(' | ')`)
			}
			got := []string{read()}
			b.Press("[data-probity=settings]")
			b.Visible("[data-probity=save]")
			got = append(got, read())
			order := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('.probity-acts button')].map(e => e.dataset.probity)`)
			if want := []string{"accept", "reject", "save", "back"}; !slices.Equal(order, want) {
				t.Errorf("the settings offer %q, want %q", order, want)
			}
			if wide == nil {
				wide = got
			} else if !slices.Equal(got, wide) {
				t.Errorf("at %d px, %s reads\n%s\nwant\n%s", size[0], path, strings.Join(got, "\n"), strings.Join(wide, "\n"))
			}
		}
	}
}

func TestB8_NoCrossLeavesOpenWhatItMeans(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.open("/")
	b.banner()
	names := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('.probity button, .probity a, .probity [role=button]')].map(e => (e.getAttribute('aria-label') || e.textContent).trim())`)
	if want := []string{"Read the full notice", "Accept all", "Reject all", "Settings"}; !slices.Equal(names, want) {
		t.Errorf("the first layer offers %q, want %q", names, want)
	}
}

func TestB29_ALegitimateInterestIsInformationWithAnObjectionAndNeverASwitch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.interest = "support"
	b := s.visit(t, chromium.Shared(t))
	b.open("/")
	b.banner()
	b.Press("[data-probity=settings]")
	b.Visible("[data-probity=save]")
	if got := chromium.Value[int](b.Tab, `document.querySelectorAll('.probity input').length`); got != len(purposes)-1 {
		t.Errorf("there are %d switches, want one for each purpose that needs consent", got)
	}
	if !chromium.Value[bool](b.Tab, `document.querySelector('.probity').textContent.includes('This rests on a legitimate interest.')`) {
		t.Error("nothing says on what the purpose rests")
	}
	b.Press("[data-probity=accept]")
	b.events("page_viewed", 1)
	if got := b.site.grants(); slices.Contains(got, "support") {
		t.Errorf("accepting all granted %q", got)
	}
	b.Press("[data-privacy-choices]")
	b.Visible("[data-probity=object]")
	b.Press("[data-probity=object]")
	b.Until(`!document.querySelector('[data-probity=object]')`)
	if got := b.site.asked("/consent/object"); len(got) != 1 || !strings.Contains(got[0].body, `"purposes":["support"]`) {
		t.Errorf("the server heard %+v", got)
	}
}
