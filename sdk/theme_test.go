package sdk_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"probity/e2e/chromium"
	"probity/internal/notice"
)

// boldest is a theme that changes all it can, with contrasts just above what is needed.
func boldest(position string) notice.Theme {
	radius := 22
	return notice.Theme{
		Position: position, Radius: &radius, Font: "inherit",
		Light: notice.Colours{Background: "#ffffff", Text: "#767676", Button: "#949494", ButtonText: "#000000"},
		Dark:  notice.Colours{Background: "#000000", Text: "#767676", Button: "#5a5a5a", ButtonText: "#f0f0f0"},
	}
}

// place is where the dialog stands, in pixels from the edges of the window.
type place struct{ Left, Right, Top, Bottom, Width float64 }

const placed = `(() => { const r = document.querySelector('.probity').getBoundingClientRect(); return { Left: r.left, Right: document.documentElement.clientWidth - r.right, Top: r.top, Bottom: innerHeight - r.bottom, Width: r.width } })()`

func TestB1_B2_B4_B5_AllChoicesWeighTheSameInEveryThemeSchemeAndDirection(t *testing.T) {
	t.Parallel()
	for _, position := range notice.Positions() {
		theme := boldest(position)
		if err := theme.Check(); err != nil {
			t.Fatal(err)
		}
		for _, rtl := range []bool{false, true} {
			for _, scheme := range []string{"light", "dark"} {
				b := fresh(t)
				b.site.theme = theme
				if rtl {
					b.site.hebrew()
				}
				b.Prefer("prefers-color-scheme", scheme)
				for _, size := range [][2]int64{{1366, 768}, {320, 568}} {
					what := fmt.Sprintf("%s, rtl %v, %s, %d px", position, rtl, scheme, size[0])
					b.Resize(size[0], size[1])
					b.open("/")
					b.banner()
					b.Away()
					got := chromium.Value[string](b.Tab, `(() => { const s = getComputedStyle(document.querySelector('.probity-acts button')); return s.backgroundColor + s.borderRadius + s.fontFamily })()`)
					want := map[string]string{"light": "rgb(148, 148, 148)22px", "dark": "rgb(90, 90, 90)22px"}[scheme] + chromium.Value[string](b.Tab, `getComputedStyle(document.body).fontFamily`)
					if got != want {
						t.Errorf("%s: the theme does not show: %s, want %s", what, got, want)
					}
					stands(t, b, what, position, rtl)
					contrast(t, b, what)
					sameWeight(t, b, "accept", "reject", "settings")
					if cut := chromium.Value[[]string](b.Tab, whole); len(cut) > 0 {
						t.Errorf("%s: cut off are %q", what, cut)
					}
					b.Press("[data-probity=settings]")
					b.Visible("[data-probity=save]")
					b.Away()
					sameWeight(t, b, "accept", "reject", "save", "back")
					stands(t, b, what+", settings", position, rtl)
					audit(t, b, what)
					if t.Failed() {
						t.Fatalf("in %s", what)
					}
				}
			}
		}
	}
}

// stands checks that the dialog is where its theme says, and whole.
func stands(t *testing.T, b *tab, what, position string, rtl bool) {
	t.Helper()
	p := chromium.Value[place](b.Tab, placed)
	near := func(a, b float64) bool { return a-b < 1.5 && b-a < 1.5 }
	narrow := chromium.Value[int](b.Tab, "innerWidth") < 480
	ok := p.Top >= 0 && p.Left >= 0 && p.Right >= -1
	switch {
	case position == "bottom" || narrow:
		ok = ok && near(p.Bottom, 0) && near(p.Left, p.Right)
	case position == "corner" && rtl:
		ok = ok && near(p.Bottom, 16) && near(p.Left, 16) && p.Width < 440
	case position == "corner":
		ok = ok && near(p.Bottom, 16) && near(p.Right, 16) && p.Width < 440
	default:
		ok = ok && near(p.Bottom, p.Top) && near(p.Left, p.Right)
	}
	if !ok {
		t.Errorf("%s: the dialog stands at %+v", what, p)
	}
}

// Wherever it stands, what lies beside it can be pressed, and what has the focus can be seen.
func TestB9_InEveryThemeThePageStaysUsable(t *testing.T) {
	t.Parallel()
	for _, position := range notice.Positions() {
		b := fresh(t)
		b.site.theme = boldest(position)
		b.site.onPage = `<div id="lines"></div>`
		b.Resize(1024, 640)
		b.Before(`addEventListener('DOMContentLoaded', () => { for (let i = 0; i < 60; i++) { const a = document.createElement('a'); a.href = '#' + i; a.textContent = 'Line ' + i; a.style.display = 'block'; const p = document.createElement('p'); p.append(a); document.getElementById('lines').append(p) } })`)
		b.open("/")
		b.banner()
		b.Press("#act")
		if n := chromium.Value[int](b.Tab, `document.querySelectorAll('[inert], [aria-modal=true], dialog').length`); n != 0 {
			t.Errorf("%s: the page is shut off", position)
		}
		for how, list := range map[string]string{"forward": "", "backward": ".reverse()"} {
			hidden := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('#lines a')]`+list+`.filter((a) => { a.focus(); const r = a.getBoundingClientRect(); return [.02, .5, .98].some((x) => document.elementFromPoint(r.x + r.width * x, r.y + r.height / 2) !== a) }).map((a) => a.textContent)`)
			if len(hidden) > 0 {
				t.Errorf("%s, %s: the dialog hides what has the focus: %q", position, how, hidden)
			}
		}
		// All of the page can be scrolled clear of it.
		b.Script(`scrollTo(0, 1e6)`)
		if !chromium.Value[bool](b.Tab, `(() => { const r = document.getElementById('end').getBoundingClientRect(); return r.bottom <= document.querySelector('.probity').getBoundingClientRect().top })()`) {
			t.Errorf("%s: the end of the page stays under the dialog", position)
		}
		b.Holds()
	}
}

// A theme that sets colours for the light only keeps ours in the dark, and the other way round.
func TestB3_AThemeForOneSchemeLeavesTheOtherReadable(t *testing.T) {
	t.Parallel()
	for name, theme := range map[string]notice.Theme{
		"light only": {Light: boldest("").Light},
		"dark only":  {Dark: boldest("").Dark},
	} {
		for _, scheme := range []string{"light", "dark"} {
			b := fresh(t)
			b.site.theme = theme
			b.Prefer("prefers-color-scheme", scheme)
			b.open("/")
			b.banner()
			contrast(t, b, name+", "+scheme)
			sameWeight(t, b, "accept", "reject", "settings")
		}
	}
}

// Previews show the colours of the style sheet where a theme has none of its own.
func TestThePreviewsKnowTheColoursOfTheStyleSheet(t *testing.T) {
	light, dark, found := strings.Cut(string(file(t, "banner.css")), "prefers-color-scheme")
	if !found {
		t.Fatal("the style sheet has no dark scheme")
	}
	for scheme, sheet := range map[string]string{"light": light, "dark": dark} {
		theme := (&notice.Theme{}).Always(scheme)
		if err := theme.Check(); err != nil {
			t.Errorf("our own colours: %v", err)
		}
		for variable, colour := range map[string]string{"--bg": theme.Light.Background, "--fg": theme.Light.Text, "--act": theme.Light.Button, "--on-act": theme.Light.ButtonText} {
			// The bundler writes #ffffff as #fff.
			if !regexp.MustCompile(variable + ": ?" + strings.ReplaceAll(colour, "#ffffff", "#fff") + "[;}]").MatchString(sheet) {
				t.Errorf("%s: %s is %s in previews, and not in the style sheet", scheme, variable, colour)
			}
		}
	}
}

// Which theme was seen is told with the choice, and with a page that stays open it is not the one that the
// server has by then.
func TestL3_AChoiceTellsWhichThemeWasSeen(t *testing.T) {
	t.Parallel()
	corner := notice.Theme{Position: "corner"}
	for name, c := range map[string]struct {
		theme  notice.Theme
		broken bool
		want   string
	}{
		"ours": {notice.Theme{}, false, notice.Plain}, "a theme": {corner, false, corner.Look()}, "no style sheet": {corner, true, ""},
	} {
		run(t, name, func(t *testing.T) {
			b := fresh(t)
			b.site.theme = c.theme
			if c.broken {
				chromium.Call(b.Tab, network.Enable, network.EnableParams{})
				chromium.Call(b.Tab, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/*.css*", Block: true}}})
			}
			b.open("/")
			b.banner()
			b.site.mu.Lock()
			b.site.theme = boldest("centre")
			b.site.mu.Unlock()
			b.Script(`document.querySelector('[data-probity=accept]').click()`)
			b.site.until(t, b.ctx, "a choice", func() bool { return len(b.site.choices) == 1 })
			if got := b.site.choices[0]["look"]; got != c.want {
				t.Errorf("the choice tells of the look %q, want %q", got, c.want)
			}
		})
	}
}
