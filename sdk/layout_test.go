package sdk_test

import (
	"fmt"
	"strings"
	"testing"

	"probity/e2e/chromium"
)

// whole is what of the dialog is cut off or stands outside the window: the sides of every element, and
// every text that is wider than its box. Empty is good.
const whole = `[...document.querySelectorAll('.probity, .probity *')].filter(e => { const r = e.getBoundingClientRect(); return r.width && (r.left < -1 || r.right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflowX != 'visible') }).map(e => e.tagName + ' ' + e.textContent.slice(0, 40))`

// hebrew makes the notice one of an organisation that writes from right to left.
func (s *site) hebrew() {
	s.lang, s.rtl = "he", true
}

func TestB13_B28_RightToLeftTheDialogIsMirroredAndNothingIsCutOff(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int64{{1280, 800}, {320, 568}} {
		b := fresh(t)
		b.site.hebrew()
		b.Resize(size[0], size[1])
		b.open("/")
		b.banner()
		if got := chromium.Value[string](b.Tab, `getComputedStyle(document.querySelector('.probity')).direction`); got != "rtl" {
			t.Errorf("the dialog is %s", got)
		}
		// The first choice stands at the right, where reading begins, or above the others.
		if !chromium.Value[bool](b.Tab, `(() => { const [a, r] = ['accept', 'reject'].map(n => document.querySelector('[data-probity=' + n + ']').getBoundingClientRect()); return a.left > r.left || a.top < r.top })()`) {
			t.Error("the buttons are not in the order of reading")
		}
		sameWeight(t, b, "accept", "reject", "settings")
		for _, layer := range []string{"first layer", "settings"} {
			if cut := chromium.Value[[]string](b.Tab, whole); len(cut) > 0 {
				t.Errorf("%d px, %s: cut off are %q", size[0], layer, cut)
			}
			audit(t, b, fmt.Sprintf("right to left, %d px, %s", size[0], layer))
			if layer == "first layer" {
				b.Press("[data-probity=settings]")
				b.Visible("[data-probity=save]")
			}
		}
		if !chromium.Value[bool](b.Tab, `(() => { const l = document.querySelector('.probity label'); return l.querySelector('input').getBoundingClientRect().right < l.querySelector('b').getBoundingClientRect().left })()`) {
			t.Error("the switch does not stand at the left of its name")
		}
	}
}

func TestB4_LongWordsAndLargeTextCutNothingOff(t *testing.T) {
	t.Parallel()
	for name, size := range map[string][2]int64{
		"a small phone":                {320, 568},
		"a laptop at 200 % zoom":       {683, 384},
		"a small laptop at 200 % zoom": {640, 400},
	} {
		b := fresh(t)
		b.site.long = strings.Repeat("Datenschutzgrundverordnungs", 3) + "erklärung"
		b.Resize(size[0], size[1])
		b.open("/")
		b.banner()
		for _, layer := range []string{"first layer", "settings"} {
			if cut := chromium.Value[[]string](b.Tab, whole); len(cut) > 0 {
				t.Errorf("%s, %s: cut off are %q", name, layer, cut)
			}
			if n := chromium.Value[float64](b.Tab, `document.documentElement.scrollWidth - innerWidth`); n > 0 {
				t.Errorf("%s, %s: the page scrolls sideways by %v px", name, layer, n)
			}
			for _, button := range []string{"accept", "reject"} {
				if !chromium.Value[bool](b.Tab, fmt.Sprintf(`(() => { const r = document.querySelector('[data-probity=%s]').getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight })()`, button)) {
					t.Errorf("%s, %s: %s can't be seen without scrolling", name, layer, button)
				}
			}
			if layer == "first layer" {
				b.Press("[data-probity=settings]")
				b.Visible("[data-probity=save]")
			}
		}
	}
}
