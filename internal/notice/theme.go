package notice

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"probity/internal/fail"
)

// Theme is how an organisation wants the dialog to look. It has no setting for a single button and none
// for size or order, so that no theme can make one answer weigh more than another.
type Theme struct {
	Position string  `json:"position"`       // one of Positions; empty: bottom
	Radius   *int    `json:"radius"`         // of the corners, in pixels, at most maxRadius; nil: ours
	Font     string  `json:"font"`           // "inherit": the page's; empty: the system's
	Light    Colours `json:"light,omitzero"` // zero: ours
	Dark     Colours `json:"dark,omitzero"`  // for those who prefer dark; zero: ours
}

// Colours are those of the dialog and of all its buttons, as #rrggbb.
type Colours struct {
	Background string `json:"background"`
	Text       string `json:"text"`
	Button     string `json:"button"`
	ButtonText string `json:"button_text"`
}

// ours are the colours of the dialog's own style sheet, by scheme.
var ours = map[string]Colours{
	"light": {"#ffffff", "#1a2330", "#24354a", "#ffffff"},
	"dark":  {"#1a212b", "#eef2f6", "#dbe5f0", "#131a22"},
}

// Always returns the theme as it looks in one scheme, "light" or "dark", whatever a device prefers: for previews.
func (t *Theme) Always(scheme string) Theme {
	out := *t
	wanted := t.Light
	if scheme == "dark" {
		wanted = t.Dark
	}
	if wanted == (Colours{}) {
		wanted = ours[scheme]
	}
	out.Light, out.Dark = wanted, wanted
	return out
}

// Positions are the places where the dialog can stand. In none does it keep the page from being used,
// and on narrow screens it is at the bottom in all of them.
func Positions() []string { return []string{"bottom", "corner", "centre"} }

const maxRadius = 22

// Check finds what a theme must not do. The contrasts are those of WCAG 2.2 AA: 4.5:1 for words, 3:1 for
// the edge of a button.
//
// Errors: fail.Invalid with the field, and for a contrast with the pair, its ratio and what is wanted.
func (t *Theme) Check() error {
	switch t.Position {
	case "", "bottom", "corner", "centre":
	default:
		return fail.Field("position", "The position is one of %s.", strings.Join(Positions(), ", "))
	}
	if t.Radius != nil && (*t.Radius < 0 || *t.Radius > maxRadius) {
		return fail.Field("radius", "The radius is between 0 and %d pixels.", maxRadius)
	}
	if t.Font != "" && t.Font != "inherit" {
		return fail.Field("font", `The font is "inherit", or empty for the system's.`)
	}
	if err := t.Light.check("light"); err != nil {
		return err
	}
	return t.Dark.check("dark")
}

func (c Colours) check(scheme string) error {
	if c == (Colours{}) {
		return nil
	}
	luminance := map[string]float64{}
	for _, part := range []struct{ name, colour string }{
		{"background", c.Background}, {"text", c.Text}, {"button", c.Button}, {"button_text", c.ButtonText},
	} {
		l, ok := luminanceOf(part.colour)
		if !ok {
			return fail.Field(scheme+"."+part.name, "The colour %s of %s is not of the form #1a2b3c. All four are needed, or none.", part.name, scheme)
		}
		luminance[part.name] = l
	}
	for _, pair := range []struct {
		over, under string
		least       float64
	}{
		{"text", "background", 4.5}, {"button_text", "button", 4.5}, {"button", "background", 3},
	} {
		a, b := luminance[pair.over], luminance[pair.under]
		ratio := (max(a, b) + .05) / (min(a, b) + .05)
		if ratio < pair.least {
			// Cut, not rounded: 4.499 is not shown as the 4.5 it fails.
			return fail.Field(scheme+"."+pair.over, "In the %s colours, the contrast of %s on %s is %.2f:1; at least %.1f:1 is needed (WCAG 2.2 AA). Make one of them lighter or the other darker.",
				scheme, pair.over, pair.under, math.Floor(ratio*100)/100, pair.least).WithCode("theme.contrast")
		}
	}
	return nil
}

// luminanceOf returns the relative luminance of WCAG 2.2 of a colour #rrggbb.
func luminanceOf(colour string) (float64, bool) {
	if len(colour) != 7 || colour[0] != '#' {
		return 0, false
	}
	n, err := strconv.ParseUint(colour[1:], 16, 32)
	if err != nil {
		return 0, false
	}
	part := func(shift int) float64 {
		v := float64(n>>shift&0xff) / 255
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*part(16) + .7152*part(8) + .0722*part(0), true
}

// Look names the theme in the style sheet, where a browser finds it: the custom property --look of the
// dialog. Equal themes have one name; that of a theme that changes nothing, Plain, is in the dialog's own
// style sheet.
func (t *Theme) Look() string {
	css := t.CSS()
	if css == "" {
		return Plain
	}
	sum := sha256.Sum256([]byte(css))
	return hex.EncodeToString(sum[:8])
}

// Plain is the look of a dialog without a theme.
const Plain = "0"

// On returns the dialog's style sheet in this theme: what a browser is served and an entry cites by its
// SHA-256. A theme that changes nothing leaves it as it is.
func (t *Theme) On(sheet []byte) []byte {
	if css := t.CSS(); css != "" {
		return fmt.Appendf(bytes.Clone(sheet), "\n%s.probity{--look:%s}\n", css, t.Look())
	}
	return sheet
}

// CSS returns the rules that follow the dialog's own style sheet, empty for a zero theme. Call it on a
// theme that was checked.
func (t *Theme) CSS() string {
	var b strings.Builder
	radius := 14
	if t.Radius != nil {
		radius = *t.Radius
		fmt.Fprintf(&b, ".probity{border-radius:%dpx %[1]dpx 0 0}.probity-said,.probity-acts button{border-radius:%[1]dpx}\n", radius)
	}
	if t.Font == "inherit" {
		b.WriteString(".probity,.probity-said,.probity-acts button{font-family:inherit}\n")
	}
	switch t.Position {
	case "corner":
		fmt.Fprintf(&b, "@media(min-width:480px){.probity{inset-inline:auto 1rem;inset-block-end:1rem;margin:0;inline-size:27rem;max-inline-size:calc(100%% - 2rem);border-radius:%dpx}.probity-open{scroll-padding-block-end:calc(70vh + 1rem)}.probity-open body{padding-block-end:calc(70vh + 1rem)}}\n", radius)
	case "centre":
		// What has the focus is scrolled above the dialog, which begins below 15 % of the height at the earliest.
		fmt.Fprintf(&b, "@media(min-width:480px){.probity{inset-block:0;margin:auto;block-size:fit-content;inline-size:40rem;max-inline-size:calc(100%% - 2rem);border-radius:%dpx}.probity-open{scroll-padding-block-end:85vh}.probity-open body{padding-block-end:85vh}}\n", radius)
	}
	b.WriteString(t.Light.css())
	if dark := t.Dark.css(); dark != "" {
		b.WriteString("@media(prefers-color-scheme:dark){" + dark + "}\n")
	} else if t.Light != (Colours{}) {
		// Without colours of its own for the dark, a theme keeps ours there.
		b.WriteString("@media(prefers-color-scheme:dark){" + ours["dark"].css() + "}\n")
	}
	return b.String()
}

func (c Colours) css() string {
	if c == (Colours{}) {
		return ""
	}
	return fmt.Sprintf(".probity,.probity-said{--bg:%s;--fg:%s;--act:%s;--on-act:%s}", c.Background, c.Text, c.Button, c.ButtonText)
}
