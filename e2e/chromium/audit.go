package chromium

import _ "embed"

//go:embed audit.js
var audit string

// Audit returns what keeps the page from WCAG 2.2 AA as far as a program can tell: names of controls
// and images, language, structure, contrast of every text, size of targets, reflow. Empty is good.
func (b *Tab) Audit() []string {
	b.T.Helper()
	return Value[[]string](b, audit)
}
