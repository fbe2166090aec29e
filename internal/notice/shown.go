package notice

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed shown.html.tmpl
var shownPage string

//go:embed shown.js
var shownScript []byte

// ShownPolicy is the content security policy of a page that Shown makes.
const ShownPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'"

// Shown returns a page on which the banner's real files show a notice in a theme that was checked, as visitors
// see it: for previews and pictures. It loads ac.js and ShownScript from the origin that serves it and records nothing.
func Shown(n Notice, theme Theme) ([]byte, error) {
	page, err := template.New("shown").Parse(shownPage)
	if err != nil {
		return nil, fmt.Errorf("read the template of a shown notice: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, struct {
		Notice
		Style template.CSS // made here from checked values; it follows the banner's own, which is loaded into the head
	}{n, template.CSS(theme.CSS())}); err != nil {
		return nil, fmt.Errorf("show a notice: %w", err)
	}
	return b.Bytes(), nil
}

// ShownScript returns the script at /probity/v1/notices/shown.js.
func ShownScript() []byte { return shownScript }
