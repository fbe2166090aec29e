package notice

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"probity/internal/fail"
)

// colours are those that the dialog has without a theme.
var colours = Colours{"#ffffff", "#1a2330", "#24354a", "#ffffff"}

func TestB3_AThemeWithPoorContrastIsRefusedAndThePairIsNamed(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(c *Colours)
		field, pieces string // empty: it is allowed
	}{
		{"ours", func(*Colours) {}, "", ""},
		{"grey words that just pass", func(c *Colours) { c.Text = "#767676" }, "", ""},
		{"grey words that just don't", func(c *Colours) { c.Text = "#777777" }, "light.text", "text on background is 4.47:1|at least 4.5:1"},
		{"a button that just stands out", func(c *Colours) { c.Button, c.ButtonText = "#949494", "#000000" }, "", ""},
		{"a button that just does not", func(c *Colours) { c.Button, c.ButtonText = "#959595", "#000000" }, "light.button", "button on background is 2.99:1|at least 3.0:1"},
		{"pale words on the buttons", func(c *Colours) { c.ButtonText = "#7f8fa3" }, "light.button_text", "button_text on button"},
		{"everything in one colour", func(c *Colours) { *c = Colours{"#123456", "#123456", "#123456", "#123456"} }, "light.text", "1.00:1"},
		{"a colour by name", func(c *Colours) { c.Text = "black" }, "light.text", "#1a2b3c"},
		{"a colour with a rule behind it", func(c *Colours) { c.Text = "#000000}.probity{display:none" }, "light.text", "#1a2b3c"},
		{"a colour with transparency", func(c *Colours) { c.Text = "#00000080" }, "light.text", "#1a2b3c"},
		{"a sign in place of a digit", func(c *Colours) { c.Text = "#+00000" }, "light.text", "#1a2b3c"},
		{"one colour missing", func(c *Colours) { c.ButtonText = "" }, "light.button_text", "All four"},
	} {
		light := colours
		c.change(&light)
		err := (&Theme{Light: light}).Check()
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		refused, ok := errors.AsType[*fail.Error](err)
		if !ok || refused.Kind != fail.Invalid || refused.Field != c.field {
			t.Errorf("%s: %#v", c.name, err)
			continue
		}
		for piece := range strings.SplitSeq(c.pieces, "|") {
			if !strings.Contains(err.Error(), piece) {
				t.Errorf("%s: %q does not say %q", c.name, err, piece)
			}
		}
	}
	// The dark colours are held to the same.
	dark := Colours{"#000000", "#222222", "#ffffff", "#000000"}
	if err := (&Theme{Dark: dark}).Check(); err == nil || !strings.Contains(err.Error(), "In the dark colours") {
		t.Errorf("dark on black: %v", err)
	}
}

func TestAThemeHasItsBounds(t *testing.T) {
	px := func(n int) *int { return &n }
	for _, ok := range []Theme{{}, {Position: "bottom"}, {Position: "corner", Radius: px(0)}, {Position: "centre", Radius: px(22), Font: "inherit"}} {
		if err := ok.Check(); err != nil {
			t.Errorf("%+v: %v", ok, err)
		}
	}
	for _, bad := range []Theme{{Position: "top"}, {Position: "bottom}"}, {Radius: px(-1)}, {Radius: px(23)}, {Font: "Comic Sans"}, {Font: "inherit}"}} {
		if err := bad.Check(); !fail.Is(err, fail.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if sheet := []byte("a{}"); string((&Theme{}).On(sheet)) != "a{}" {
		t.Error("a theme that changes nothing changes the style sheet")
	}
}

// The law of themes: whatever passes the check touches the dialog as a whole, its message and all of its
// buttons alike, and nothing else.
func TestB4_NoThemeThatIsAllowedSpeaksOfASingleButton(t *testing.T) {
	allowed := map[string]bool{".probity": true, ".probity-said": true, ".probity-acts button": true, ".probity-open": true, ".probity-open body": true}
	selector := regexp.MustCompile(`([^{}]+)\{[^{}]*\}`)
	properties := regexp.MustCompile(`(?:[{;])([a-z-]+):`)
	forbidden := regexp.MustCompile(`^(display|visibility|opacity|order|pointer-events|font-size|font-weight|padding|min-.*|transform|clip.*|content)$`)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	hex := func() string { return fmt.Sprintf("#%06x", random.IntN(1<<24)) }
	passed := 0
	for range 20_000 {
		theme := Theme{Position: pick(append(Positions(), "")...), Font: pick("", "inherit")}
		if n := random.IntN(30); n <= maxRadius {
			theme.Radius = &n
		}
		if random.IntN(3) > 0 {
			theme.Light = Colours{hex(), hex(), hex(), hex()}
		}
		if random.IntN(3) > 0 {
			theme.Dark = Colours{hex(), hex(), hex(), hex()}
		}
		if theme.Check() != nil {
			continue
		}
		passed++
		css := regexp.MustCompile(`@media\([^)]*\)\{`).ReplaceAllString(theme.CSS(), "")
		for _, rule := range selector.FindAllStringSubmatch(css, -1) {
			for one := range strings.SplitSeq(rule[1], ",") {
				if !allowed[strings.TrimSpace(one)] {
					t.Fatalf("%+v speaks of %q", theme, one)
				}
			}
		}
		for _, p := range properties.FindAllStringSubmatch(css, -1) {
			if name := p[1]; forbidden.MatchString(name) && name != "padding-block-end" {
				t.Fatalf("%+v sets %s", theme, name)
			}
		}
		if strings.Count(theme.CSS(), "{") != strings.Count(theme.CSS(), "}") {
			t.Fatalf("%+v leaves a rule open: %s", theme, theme.CSS())
		}
		again := Theme{}
		if body, err := json.Marshal(theme); err != nil || json.Unmarshal(body, &again) != nil || again.CSS() != theme.CSS() {
			t.Fatalf("%+v is another theme after it was stored", theme)
		}
	}
	if passed < 1000 {
		t.Errorf("only %d themes passed; the law was not tried", passed)
	}
}

func TestEachThemeHasANameOfItsOwnInTheStyleSheet(t *testing.T) {
	sheet := []byte(".probity{--look:0}")
	zero, px := Theme{}, 3
	if zero.Look() != Plain || string(zero.On(sheet)) != string(sheet) {
		t.Errorf("a theme that changes nothing: %q, %s", zero.Look(), zero.On(sheet))
	}
	seen := map[string]bool{zero.Look(): true}
	for _, theme := range []Theme{{Position: "corner"}, {Position: "centre"}, {Radius: &px}, {Font: "inherit"}, {Font: "inherit", Radius: &px}} {
		look, again := theme.Look(), theme
		if seen[look] || again.Look() != look || len(look) != 16 {
			t.Errorf("%+v is named %q", theme, look)
		}
		seen[look] = true
		if on := string(theme.On(sheet)); !strings.HasSuffix(on, ".probity{--look:"+look+"}\n") || !strings.Contains(on, theme.CSS()) {
			t.Errorf("%+v: %s", theme, on)
		}
	}
}
