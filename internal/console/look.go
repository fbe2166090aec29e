package console

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/org"
)

// look shows how the banner looks on one website, or on all that have no look of their own: as it is
// saved, or as the address asks for, to try it.
func (k *call) look() error {
	site, err := k.lookedAt(k.r.URL.Query().Get("deployment"))
	if err != nil {
		return err
	}
	theme, _, err := k.Notices.Theme(k.r.Context(), k.tenant(), site)
	if err != nil {
		return err
	}
	if asked := k.r.URL.Query(); asked.Has("position") {
		theme, err = themeOf(asked)
		if err == nil {
			err = theme.Check()
		}
		return k.showLook(site, asked, true, err)
	}
	return k.showLook(site, valuesOf(theme), false, nil)
}

func (k *call) saveLook() error {
	if err := k.r.ParseForm(); err != nil {
		return fail.Wrap(fail.Invalid, err, "The form could not be read.")
	}
	form := k.r.PostForm
	site, err := k.lookedAt(form.Get("deployment"))
	if err != nil {
		return err
	}
	var theme *notice.Theme
	if form.Get("do") != "drop" {
		asked, err := themeOf(form)
		if err != nil {
			return k.showLook(site, form, true, err)
		}
		theme = &asked
	}
	err = k.Notices.SetTheme(k.r.Context(), k.tenant(), site, theme)
	if fail.Is(err, fail.Invalid) {
		return k.showLook(site, form, true, err)
	}
	if err != nil {
		return err
	}
	return k.goTo("/console/notices/look?" + url.Values{"deployment": {siteText(site)}}.Encode())
}

// lookFrame is what the frames of the page show: the notice in use in the banner's real files.
func (k *call) lookFrame() error {
	asked := k.r.URL.Query()
	theme, err := themeOf(asked)
	if err != nil {
		return err
	}
	if err := theme.Check(); err != nil {
		return err
	}
	n, err := k.Notices.Notice(k.r.Context(), k.tenant(), asked.Get("lang"))
	if err != nil {
		return err
	}
	scheme := "light"
	if asked.Get("scheme") == "dark" {
		scheme = "dark"
	}
	page, err := notice.Shown(*n, theme.Always(scheme))
	if err != nil {
		return err
	}
	k.w.Header().Set("Content-Security-Policy", notice.ShownPolicy+"; frame-ancestors 'self'; sandbox allow-scripts")
	k.w.Header().Set("Content-Type", notice.MediaType)
	_, _ = k.w.Write(page) // a browser that left needs no answer
	return nil
}

// showLook shows the form with these values. wrong is what the theme in them does that it must not do.
func (k *call) showLook(site uuid.UUID, values url.Values, tried bool, wrong error) error {
	bad, refused := errors.AsType[*fail.Error](wrong)
	if wrong != nil && (!refused || bad.Kind != fail.Invalid) {
		return wrong
	}
	names, err := k.siteNames()
	if err != nil {
		return err
	}
	_, own, err := k.Notices.Theme(k.r.Context(), k.tenant(), site)
	if err != nil {
		return err
	}
	places := []option{{"", "every website without a look of its own", site == uuid.Nil}}
	for _, d := range slices.SortedFunc(maps.Keys(names), func(a, b uuid.UUID) int { return cmp.Compare(names[a], names[b]) }) {
		places = append(places, option{d.String(), names[d], d == site})
	}
	groups := lookGroups(values)
	status := http.StatusOK
	if refused {
		status = http.StatusBadRequest
		fault := notice.Fault{Rule: cmp.Or(bad.Code, "theme"), Severity: notice.Refused, Source: "", Field: bad.Field, Message: bad.Message}
		(&editor{Groups: groups}).place(fault)
	}
	frame := func(scheme string) string {
		q := maps.Clone(values)
		q.Set("scheme", scheme)
		for _, name := range []string{"deployment", "do"} {
			q.Del(name)
		}
		return "/console/notices/look/frame?" + q.Encode()
	}
	k.w.Header().Set("Content-Security-Policy", previewPolicy)
	return k.show(status, "notice-look", "Look", map[string]any{
		"Places": places, "Site": siteText(site), "Groups": groups, "Own": own, "Tried": tried, "Refused": refused,
		"Light": frame("light"), "Dark": frame("dark"), "MaySave": k.staff.Can(org.PermissionNoticePublish),
	})
}

// lookedAt reads which website a page is about; empty: all of them.
func (k *call) lookedAt(text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	names, err := k.siteNames()
	if err != nil {
		return uuid.Nil, err
	}
	d, err := uuid.Parse(text)
	if _, ok := names[d]; err != nil || !ok {
		return uuid.Nil, fail.New(fail.NotFound, "There is no such website.")
	}
	return d, nil
}

func siteText(site uuid.UUID) string {
	if site == uuid.Nil {
		return ""
	}
	return site.String()
}

// lookGroups are the fields of the form, under the names that errors give them.
func lookGroups(values url.Values) []group {
	where := field{Name: "position", Label: "Place", Kind: "pick", Help: "On narrow screens it is at the bottom always."}
	for _, p := range notice.Positions() {
		label := map[string]string{"bottom": "At the bottom", "corner": "In the corner where lines end", "centre": "In the centre"}[p]
		where.Picks = append(where.Picks, picks(cmp.Or(values.Get("position"), "bottom"), p, label)...)
	}
	out := []group{{"Shape", "", []field{
		where,
		{Name: "radius", Label: "Radius of the corners, in pixels", Help: "0 to 22. Empty: ours.", Kind: "number", Value: values.Get("radius")},
		{Name: "font", Label: "Use the font of the page", Kind: "check", Value: values.Get("font")},
	}}}
	for _, scheme := range []string{"light", "dark"} {
		g := group{Title: map[string]string{"light": "Colours in the light", "dark": "Colours in the dark"}[scheme], Help: "As #1a2b3c; all four, or none for ours. They hold for all buttons alike."}
		for _, c := range []struct{ name, label string }{{"background", "Background"}, {"text", "Words"}, {"button", "Buttons"}, {"button_text", "Words on buttons"}} {
			name := scheme + "." + c.name
			g.Fields = append(g.Fields, field{Name: name, Label: c.label, Value: values.Get(name)})
		}
		out = append(out, g)
	}
	return out
}

// valuesOf is a theme as the form sends it.
func valuesOf(t notice.Theme) url.Values {
	out := url.Values{"position": {t.Position}}
	if t.Radius != nil {
		out.Set("radius", strconv.Itoa(*t.Radius))
	}
	if t.Font != "" {
		out.Set("font", "on")
	}
	for name, value := range coloursOf(&t) {
		out.Set(name, *value)
	}
	return out
}

// themeOf reads the theme in a form. Whether it is allowed is for the theme to say.
func themeOf(form url.Values) (notice.Theme, error) {
	t := notice.Theme{Position: form.Get("position")}
	if text := form.Get("radius"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return t, fail.Field("radius", "The radius is a whole number of pixels.")
		}
		t.Radius = &n
	}
	if form.Get("font") != "" {
		t.Font = "inherit"
	}
	for name, value := range coloursOf(&t) {
		*value = form.Get(name)
	}
	return t, nil
}

// coloursOf names the colours of a theme as its errors do.
func coloursOf(t *notice.Theme) map[string]*string {
	return map[string]*string{
		"light.background": &t.Light.Background, "light.text": &t.Light.Text, "light.button": &t.Light.Button, "light.button_text": &t.Light.ButtonText,
		"dark.background": &t.Dark.Background, "dark.text": &t.Dark.Text, "dark.button": &t.Dark.Button, "dark.button_text": &t.Dark.ButtonText,
	}
}
