package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestStaffDressTheBannerAndAreToldWhichPairIsPoor(t *testing.T) {
	o := newOffice(t)
	o.says("/console/notices", "Look Place, font and colours")
	o.says("/console/notices/look", "ours; nothing was changed", "every website without a look of its own", "Tea <shop>", "In the dark")

	good := url.Values{
		"deployment": {site.String()}, "position": {"corner"}, "radius": {"4"}, "font": {"on"},
		"light.background": {"#fffdf7"}, "light.text": {"#2b2118"}, "light.button": {"#5c3d1e"}, "light.button_text": {"#ffffff"},
	}
	// A trial is seen by who tries it, and saves nothing.
	trial := "/console/notices/look?" + good.Encode()
	o.says(trial, "a trial; nobody but you sees it")
	theme, own, err := o.consent.Theme(t.Context(), o.tenant, site)
	if err != nil || own || theme.Position != "" {
		t.Errorf("a trial was saved: %+v, %v, %v", theme, own, err)
	}

	poor := url.Values{}
	for name, v := range good {
		poor[name] = v
	}
	poor.Set("light.text", "#cccccc")
	for name, r := range map[string]*http.Response{"tried": o.get("/console/notices/look?" + poor.Encode()), "saved": o.post("/console/notices/look", poor)} {
		page := text(t, r)
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(page, "the contrast of text on background is 1.5") || !strings.Contains(page, `value="#cccccc"`) || !strings.Contains(page, "f-light-text-faults") || strings.Contains(page, "<iframe") {
			t.Errorf("%s: %d\n%s", name, r.StatusCode, page)
		}
	}
	if r := o.get("/console/notices/look/frame?" + poor.Encode()); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a poor theme is shown: %d", r.StatusCode)
	}

	if r := o.post("/console/notices/look", good); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving: %d\n%s", r.StatusCode, text(t, r))
	}
	o.says("/console/notices/look?deployment="+site.String(), "as visitors see it", "Take it away")
	if theme, own, err := o.consent.Theme(t.Context(), o.tenant, site); err != nil || !own || theme.Position != "corner" || *theme.Radius != 4 || theme.Font != "inherit" || theme.Light.Button != "#5c3d1e" {
		t.Errorf("what was saved: %+v, %v, %v", theme, own, err)
	}
	frame := text(t, o.get("/console/notices/look/frame?scheme=dark&"+good.Encode()))
	if !strings.Contains(frame, "<style>.probity{border-radius:4px") || !strings.Contains(frame, "--bg:#1a212b") || strings.Contains(frame, "#fffdf7") {
		t.Errorf("the frame of the dark shows\n%s", frame)
	}

	for name, change := range map[string][2]string{"radius": {"radius", "wide"}, "place": {"position", "top"}, "rule": {"dark.text", "red}"}} {
		bad := url.Values{}
		for name, v := range good {
			bad[name] = v
		}
		bad.Set(change[0], change[1])
		if r := o.post("/console/notices/look", bad); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
	if r := o.post("/console/notices/look", url.Values{"deployment": {uuid.NewString()}, "position": {"corner"}}); r.StatusCode != http.StatusNotFound {
		t.Errorf("a website of nobody: %d", r.StatusCode)
	}
	if r := o.post("/console/notices/look", url.Values{"deployment": {site.String()}, "do": {"drop"}}); r.StatusCode != http.StatusSeeOther {
		t.Errorf("taking it away: %d", r.StatusCode)
	}
	if _, own, err := o.consent.Theme(t.Context(), o.tenant, site); err != nil || own {
		t.Errorf("it was not taken away: %v, %v", own, err)
	}
}
