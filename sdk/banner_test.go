package sdk_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"probity/e2e/chromium"
)

func TestInChromium(t *testing.T) {
	browser := chromium.Start(t)
	newTab := func(t *testing.T) *tab { return newSite(t).visit(t, browser) }

	run(t, "right-to-left pages mirror the dialog", func(t *testing.T) {
		b := newTab(t)
		b.open("/")
		b.banner()
		b.Press("[data-probity=settings]")
		b.Visible("[data-probity=save]")
		place := `(() => { const l = document.querySelector('.probity label'); return l.querySelector('input').getBoundingClientRect().x > l.querySelector('b').getBoundingClientRect().x })()`
		if !chromium.Value[bool](b.Tab, place) {
			t.Error("left to right, the switch stands before its name")
		}
		b.Script(`document.querySelector('.probity').dir = 'rtl'`)
		if chromium.Value[bool](b.Tab, place) {
			t.Error("right to left, the switch stands after its name")
		}
	})

	run(t, "a choice that can't be recorded is said, and nothing starts", func(t *testing.T) {
		b := newTab(t)
		b.site.set(func(path string) int {
			if strings.HasSuffix(path, "/choices") {
				return 503
			}
			return 0
		})
		b.open("/")
		b.banner()
		b.Press("[data-probity=accept]")
		b.Until(`document.querySelector('[role=status]')?.textContent.includes('could not be saved')`)
		b.Holds()
		b.site.set(nil)
		b.Press("[data-probity=accept]")
		b.events("page_viewed", 1)
	})

	run(t, "the receipt can be kept", func(t *testing.T) {
		b := newTab(t)
		b.choose("/", "reject")
		b.Press("[data-privacy-choices]")
		b.banner()
		b.Script(`URL.createObjectURL = (b) => { b.text().then((t) => window.receipt = t); return 'data:,' }; document.addEventListener('click', e => e.target.download && e.preventDefault(), true)`)
		b.Press("[data-probity=receipt]")
		b.Until("window.receipt")
		if got := chromium.Value[string](b.Tab, "receipt"); !json.Valid([]byte(got)) || !strings.Contains(got, "of the log") {
			t.Errorf("the receipt reads %q", got)
		}
	})

	trackerTests(t, newTab)
	offerTests(t, newTab)
}

// sameWeight compares the buttons with each other: B1, B2, B4 and B5.
func sameWeight(t *testing.T, b *tab, names ...string) {
	t.Helper()
	type look struct {
		Tag, Parent, Style                string
		Width, Height, Left, Top          float64
		Right, Bottom, ViewWidth, ViewHgt float64
	}
	looks := map[string]look{}
	for _, name := range names {
		looks[name] = chromium.Value[look](b.Tab, fmt.Sprintf(`(() => { const e = document.querySelector('[data-probity=%s]'), r = e.getBoundingClientRect(), s = getComputedStyle(e);
			return { Tag: e.tagName, Parent: e.parentElement.className, Style: ['fontSize', 'fontWeight', 'fontFamily', 'borderWidth', 'borderColor', 'borderRadius', 'padding', 'color', 'backgroundColor', 'textTransform', 'letterSpacing', 'textDecoration'].map(k => s[k]).join('|'),
			Width: r.width, Height: r.height, Left: r.left, Top: r.top, Right: r.right, Bottom: r.bottom, ViewWidth: innerWidth, ViewHgt: innerHeight } })()`, name))
	}
	first := looks[names[0]]
	for _, name := range slices.Sorted(maps.Keys(looks)) {
		l := looks[name]
		if l.Tag != "BUTTON" || l.Parent != first.Parent || l.Style != first.Style || math.Abs(l.Width-first.Width) > 2 || math.Abs(l.Height-first.Height) > 2 {
			t.Errorf("%s differs from %s:\n%+v\n%+v", name, names[0], l, first)
		}
		if l.Left < 0 || l.Top < 0 || l.Right > l.ViewWidth || l.Bottom > l.ViewHgt || l.Height < 44 {
			t.Errorf("%s is not fully in view or too small: %+v", name, l)
		}
	}
	if math.Abs(looks["accept"].Top-looks["reject"].Top) > 2 {
		t.Error("accept and reject are not on one line")
	}
}

// contrast computes the ratios of WCAG 1.4.3 and 1.4.11 for the dialog and its buttons.
func contrast(t *testing.T, b *tab, scheme string) {
	t.Helper()
	ratios := chromium.Value[map[string]float64](b.Tab, `(() => {
		const lum = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map(Number).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
		const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((a, b) => b - a); return (x + .05) / (y + .05) };
		const d = getComputedStyle(document.querySelector('.probity')), out = { text: ratio(d.color, d.backgroundColor) };
		for (const n of ['accept', 'reject', 'settings']) { const s = getComputedStyle(document.querySelector('[data-probity=' + n + ']')); out[n + ' label'] = ratio(s.color, s.backgroundColor); out[n + ' button'] = ratio(s.backgroundColor, d.backgroundColor) }
		out.link = ratio(getComputedStyle(document.querySelector('.probity a')).color, d.backgroundColor);
		return out })()`)
	for what, ratio := range ratios {
		least := 4.5
		if strings.HasSuffix(what, "button") {
			least = 3
		}
		if ratio < least {
			t.Errorf("%s, %s: contrast %.2f, want %.1f", scheme, what, ratio, least)
		}
	}
}

func TestB1_B2_B4_B5_AllChoicesWeighTheSame(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int64{{1366, 768}, {375, 667}, {320, 568}} {
		b := fresh(t)
		b.Resize(size[0], size[1])
		b.open("/")
		b.banner()
		sameWeight(t, b, "accept", "reject", "settings")
		b.Press("[data-probity=settings]")
		b.Visible("[data-probity=save]")
		b.Away()
		sameWeight(t, b, "accept", "reject", "save", "back")
	}
}

func TestB3_LabelsAndButtonsHaveContrastInLightAndDark(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		b := fresh(t)
		b.Prefer("prefers-color-scheme", scheme)
		b.open("/")
		b.banner()
		contrast(t, b, scheme)
	}
}

func TestB6_B10_B12_NothingIsSwitchedOnBeforehandAndWhatIsShownIsWhatIsSaved(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.open("/")
	b.banner()
	if n := chromium.Value[int](b.Tab, `document.querySelectorAll('.probity input').length`); n != 0 {
		t.Errorf("the first layer has %d switches", n)
	}
	b.Press("[data-probity=settings]")
	b.Visible("[data-probity=save]")
	if n := chromium.Value[int](b.Tab, `document.querySelectorAll('.probity input:checked').length`); n != 0 {
		t.Errorf("%d switches are on before anybody touched them", n)
	}
	if words := chromium.Value[string](b.Tab, `document.querySelector('.probity label').textContent`); !strings.HasSuffix(words, "off") {
		t.Errorf("the switch says %q in words, want off", words)
	}
	b.Press(".probity input[name=measure]")
	b.Press(".probity input[name=predict]")
	if words := chromium.Value[string](b.Tab, `document.querySelector('.probity label').textContent`); !strings.HasSuffix(words, "on") {
		t.Errorf("the switch says %q in words, want on", words)
	}
	b.Press("[data-probity=save]")
	b.Until("localStorage.probity_choice")
	if got := b.site.grants(); !slices.Equal(got, []string{"measure", "predict"}) {
		t.Errorf("the server holds %q", got)
	}
	if got := chromium.Value[string](b.Tab, `localStorage.probity_choice.split('.')[1]`); got != "measure,predict" {
		t.Errorf("the device holds %q", got)
	}
}

func TestB10_EveryCombinationOfSwitchesIsSavedAsShown(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	for mask := range 1 << len(purposes) {
		if mask%16 != 5 { // eight of them, spread; each costs a page
			continue
		}
		b.open("/")
		b.Script(`localStorage.clear(); document.cookie = '_actmu=;path=/;max-age=0'`)
		b.open("/")
		b.banner()
		want := []string{}
		var script strings.Builder
		for i, p := range purposes {
			if mask>>i&1 == 1 {
				want = append(want, p)
				fmt.Fprintf(&script, "document.querySelector('.probity input[name=%s]').click();", p)
			}
		}
		b.Press("[data-probity=settings]")
		b.Script(script.String() + "document.querySelector('[data-probity=save]').click()")
		b.Until("localStorage.probity_choice")
		if got := chromium.Value[string](b.Tab, `localStorage.probity_choice.split('.')[1]`); got != strings.Join(want, ",") {
			t.Fatalf("switched on %q, recorded %q", want, got)
		}
	}
}

func TestB7_B9_NothingButAButtonGrantsAndThePageStaysUsable(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.open("/")
	b.banner()
	b.Do(chromedp.KeyEvent(kb.Escape), chromedp.MouseClickXY(640, 60))
	b.Script(`scrollTo(0, 9999); dispatchEvent(new Event('scroll'))`)
	b.calm()
	b.Press("#link")
	b.Until(`location.pathname == '/elsewhere'`)
	b.banner()
	b.Holds()
	if n := len(b.site.asked("/choices")) + len(b.site.asked("/served")); n != 0 {
		t.Errorf("%d requests about a choice that nobody made", n)
	}
}

func TestB14_TheKeyboardReachesEverythingAndTheFocusComesBack(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.open("/")
	b.banner()
	var order []string
	for range 4 {
		b.Key(kb.Tab)
		order = append(order, chromium.Value[string](b.Tab, `document.activeElement.dataset.probity || document.activeElement.tagName`))
	}
	if want := []string{"A", "accept", "reject", "settings"}; !slices.Equal(order, want) {
		t.Errorf("Tab goes to %q, want %q", order, want)
	}
	if width := chromium.Value[float64](b.Tab, `parseFloat(getComputedStyle(document.activeElement).outlineWidth)`); width < 2 {
		t.Errorf("the focus ring is %v px wide", width)
	}
	if !chromium.Value[bool](b.Tab, `(() => { const r = document.activeElement.getBoundingClientRect(); return document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2) === document.activeElement })()`) {
		t.Error("something covers the button that has the focus")
	}
	b.Key(kb.Enter)
	b.Visible("[data-probity=back]")
	b.Key(kb.Escape)
	b.Visible("[data-probity=settings]")
	b.Press("[data-probity=reject]")
	b.Until("!document.querySelector('.probity')")

	b.Focus("[data-privacy-choices]")
	b.Key(kb.Enter)
	b.banner()
	b.Until("document.activeElement.matches('.probity')")
	b.Key(kb.Escape)
	b.Until("!document.querySelector('.probity')")
	if !chromium.Value[bool](b.Tab, `document.activeElement.matches('[data-privacy-choices]')`) {
		t.Error("the focus did not return to where the dialog was opened from")
	}
}

func TestB15_B16_B23_TheDialogHasItsRoleItsNameItsLanguageAndLargeTargets(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.site.lang = "de"
	b.open("/")
	b.banner()
	got := chromium.Value[[]string](b.Tab, `(() => { const d = document.querySelector('.probity'); return [d.getAttribute('role'), d.lang,
		document.getElementById(d.getAttribute('aria-labelledby')).textContent, String(!!document.getElementById(d.getAttribute('aria-describedby')).textContent), String(d.hasAttribute('aria-modal'))] })()`)
	if want := []string{"dialog", "de", "Ihre Privatsphäre auf dieser Seite", "true", "false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Press("[data-probity=settings]")
	b.Visible("[data-probity=save]")
	small := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('.probity button, .probity label, body > [data-privacy-choices]')].filter(e => e.offsetHeight < 44 || e.offsetWidth < 44).map(e => e.textContent + ' ' + e.offsetWidth + '×' + e.offsetHeight)`)
	if len(small) > 0 {
		t.Errorf("targets under 44 px: %q", small)
	}
	b.Press("[data-probity=reject]")
	b.Until(`document.querySelector('[role=status]')?.textContent == 'Ihre Wahl ist gespeichert.'`)
}

func TestB17_NothingMovesAndForcedColoursKeepTheSwitchesVisible(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.Prefer("forced-colors", "active", "prefers-reduced-motion", "reduce")
	b.open("/")
	b.banner()
	b.Press("[data-probity=settings]")
	b.Visible("[data-probity=save]")
	if got := chromium.Value[string](b.Tab, `getComputedStyle(document.querySelector('.probity input')).appearance`); got != "auto" {
		t.Errorf("the switch has appearance %q in forced colours", got)
	}
	if n := chromium.Value[int](b.Tab, `document.getAnimations().length`); n != 0 {
		t.Errorf("%d animations run", n)
	}
}

func TestB18_TheBannerShiftsNothing(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.Before(`window.shift = 0; new PerformanceObserver(l => l.getEntries().forEach(e => window.shift += e.value)).observe({type: 'layout-shift', buffered: true})`)
	b.open("/")
	b.banner()
	b.calm()
	if shift := chromium.Value[float64](b.Tab, "shift"); shift > 0.01 {
		t.Errorf("layout shift of %v", shift)
	}
}

// pageOfText is a page whose largest paint is its own text, at whatever width.
const pageOfText = `<p id="text">%s</p>`

// Noise of the machine only ever adds to a time, so the best of the loads is compared with the best of
// the same page without Probity: a cost that is always there is in the best one too. A busy machine gets
// more loads to show one that it left alone.
func TestB18_NoLongTaskAndNoLaterLargestPaint(t *testing.T) {
	t.Parallel()
	const least, most = 6, 18
	type measured struct {
		Paint float64 // when the largest paint of the page was, in ms
		What  string  // its element
		Tasks []float64
	}
	load := func(with bool, loader string) measured {
		b := fresh(t)
		b.site.onPage = fmt.Sprintf(pageOfText, strings.Repeat("Jugs are thrown, dried, glazed and fired twice before they are sold. ", 40))
		b.site.loader = loader
		b.site.plain = !with
		b.Before(`window.tasks = []; new PerformanceObserver(l => l.getEntries().forEach(e => tasks.push(e.duration))).observe({type: 'longtask', buffered: true});
			new PerformanceObserver(l => l.getEntries().forEach(e => window.paint = [e.startTime, e.element ? e.element.id || e.element.className : ''])).observe({type: 'largest-contentful-paint', buffered: true})`)
		b.open("/")
		b.Until("window.paint")
		if with {
			b.banner()
		}
		b.calm()
		paint := chromium.Value[[]any](b.Tab, "paint")
		if with {
			b.Press("[data-probity=settings]")
			b.Visible("[data-probity=save]")
			b.Press("[data-probity=accept]")
			b.events("page_viewed", 1)
			b.calm()
		}
		return measured{paint[0].(float64), paint[1].(string), chromium.Value[[]float64](b.Tab, "tasks")}
	}
	if blocked := load(false, "for (const t = performance.now(); performance.now() < t + 120;);"); len(blocked.Tasks) == 0 {
		t.Fatal("a script that blocked the page for 120 ms was not seen, so this shows nothing")
	}
	best := map[bool]float64{false: math.Inf(1), true: math.Inf(1)}
	fewest := map[bool]int{false: math.MaxInt, true: math.MaxInt}
	late := func() float64 { return best[true] - best[false] }
	for i := range most {
		if i >= least && late() <= 50 && fewest[true] <= fewest[false] {
			break
		}
		for _, with := range []bool{false, true} {
			m := load(with, "")
			if m.What != "text" {
				t.Fatalf("with Probity: %t: the largest paint was of %q, want the page's own text", with, m.What)
			}
			best[with] = min(best[with], m.Paint)
			fewest[with] = min(fewest[with], len(m.Tasks))
		}
	}
	t.Logf("largest paint after %.0f ms, without Probity after %.0f ms; long tasks %d and %d", best[true], best[false], fewest[true], fewest[false])
	if late() > 50 {
		t.Errorf("the largest paint comes %.0f ms later, at most 50 ms are allowed", late())
	}
	if fewest[true] > fewest[false] {
		t.Errorf("%d tasks of more than 50 ms in every load of the page, without Probity %d", fewest[true], fewest[false])
	}
}

func TestB19_AStrictPolicyWithTrustedTypesBlocksNothingOfOurs(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.Before(`window.violations = []; document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI))`)
	b.choose("/", "accept")
	b.events("page_viewed", 1)
	b.Press("[data-privacy-choices]")
	b.banner()
	if got := chromium.Value[[]string](b.Tab, "violations"); len(got) > 0 {
		t.Errorf("the policy was violated: %q", got)
	}
	if got := chromium.Value[string](b.Tab, `getComputedStyle(document.querySelector('.probity')).position`); got != "fixed" {
		t.Errorf("the style sheet was not applied: position is %s", got)
	}
}

func TestB31_TheBannerShowsForAutomatedBrowsersAsForAll(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.open("/")
	if !chromium.Value[bool](b.Tab, "navigator.webdriver") {
		t.Error("the browser does not say that it is driven, so this shows nothing")
	}
	b.banner()
}

func TestG1_G4_GlobalPrivacyControlIsShownAndRecordedAndALaterGrantStillCounts(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	b.Before(`Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })`)
	b.open("/")
	b.banner()
	if !chromium.Value[bool](b.Tab, `document.querySelector('.probity').textContent.includes('Global Privacy Control')`) {
		t.Error("the banner does not mention the signal")
	}
	b.Press("[data-probity=accept]")
	b.events("page_viewed", 1)
	b.open("/next")
	b.events("page_viewed", 2)
}

func TestG1_DoNotTrackIsShownWhereItCountsAndOnlyThere(t *testing.T) {
	t.Parallel()
	for _, on := range []struct {
		honoured bool
		signals  string
		want     string // of what the dialog says about signals
	}{
		{false, `doNotTrack: '1'`, ""},
		{true, `doNotTrack: null`, ""},
		{true, `doNotTrack: '0'`, ""},
		{true, `doNotTrack: '1'`, "Your browser asks not to be tracked."},
		{true, `doNotTrack: '1', globalPrivacyControl: true`, "Your browser sends Global Privacy Control."},
	} {
		b := fresh(t)
		b.site.dnt = on.honoured
		b.Before(`for (const [name, value] of Object.entries({` + on.signals + `})) Object.defineProperty(Navigator.prototype, name, { value })`)
		b.open("/")
		b.banner()
		if got := chromium.Value[string](b.Tab, `document.querySelector('.probity-now').textContent.trim()`); got != on.want {
			t.Errorf("honoured: %t, %s: the dialog says %q, want %q", on.honoured, on.signals, got, on.want)
		}
	}
}
