package browser

import (
	"testing"

	"probity/e2e/chromium"
)

// Staff dress the banner, first for themselves, then for visitors of one website.
func TestStaffTryALookAndVisitorsGetIt(t *testing.T) {
	p := start(t, "serve")
	shop := shop(t, p)
	b := p.tab(t, chromium.New(t, chromium.Start(t)))
	b.Open(p.signIn())
	b.Press("[data-testid=sign-in]")
	b.Until("location.pathname == '/console/'")
	b.Open(p.base + "/console/notices")
	b.Press("[data-testid=look]")
	b.Until("location.pathname == '/console/notices/look'")
	b.Open(p.base + "/console/notices/look?deployment=" + deployment)
	b.Script("document.querySelector('#f-position').value = 'corner'")
	colours := map[string]string{"background": "#fffdf7", "text": "#2b2118", "button": "#5c3d1e", "button_text": "#eeeeee"}
	for name, colour := range colours {
		b.Type("[name='light."+name+"']", colour)
	}
	b.Press("[data-testid=try]")
	b.Until("location.search.includes('corner') && document.querySelector('iframe')")
	for _, scheme := range []string{"light", "dark"} {
		b.Prefer("prefers-color-scheme", scheme)
		for _, size := range [][2]int64{{1280, 800}, {320, 640}} {
			b.Resize(size[0], size[1])
			for _, fault := range b.Audit() {
				t.Errorf("the page of the look, %s, %d wide: %s", scheme, size[0], fault)
			}
		}
	}
	b.Resize(1280, 800)
	address := chromium.Value[string](b, "location.href")
	frame := chromium.Value[string](b, "document.querySelector('iframe.desktop').src")
	dark := chromium.Value[string](b, "document.querySelectorAll('iframe.desktop')[1].src")
	const looks = `(() => { const d = document.querySelector('.probity'), s = getComputedStyle(d.querySelector('.probity-acts button')); return [getComputedStyle(d).backgroundColor, s.backgroundColor, s.color, Math.round(innerWidth - d.getBoundingClientRect().right)].join(' ') })()`
	const dressed = "rgb(255, 253, 247) rgb(92, 61, 30) rgb(238, 238, 238) 16"
	b.Open(frame)
	b.Visible(".probity [data-probity=reject]")
	if got := chromium.Value[string](b, looks); got != dressed {
		t.Errorf("the trial looks like %s", got)
	}
	b.Open(dark)
	b.Visible(".probity [data-probity=reject]")
	if got := chromium.Value[string](b, looks); got != "rgb(26, 33, 43) rgb(219, 229, 240) rgb(19, 26, 34) 16" {
		t.Errorf("in the dark the trial looks like %s", got)
	}

	visitor := func() *chromium.Tab {
		v := p.tab(t, chromium.New(t, chromium.Start(t)))
		v.Resize(1280, 800)
		v.Prefer("prefers-color-scheme", "light")
		v.Open(shop + "/")
		v.Visible(".probity [data-probity=reject]")
		return v
	}
	if got := chromium.Value[string](visitor(), looks); got == dressed {
		t.Error("a trial reached a visitor")
	}
	b.Open(address)
	b.Press("[data-testid=save]")
	b.Until("document.querySelector('[data-testid=drop]')")
	if got := chromium.Value[string](visitor(), looks); got != dressed {
		t.Errorf("visitors see %s, want %s", got, dressed)
	}
}
