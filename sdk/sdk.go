// Package sdk carries the browser SDK: three small files that a controller's site loads, and the
// stylesheets and the offer renderer they fetch when needed.
//
//   - ac.js, the gate, runs on every page and remembers nothing;
//   - banner.js and banner.css ask for a choice, show it and take it back; they are fetched when a
//     choice is missing or the visitor opens the privacy choices;
//   - tracker.js is fetched after a grant that includes measuring, never before;
//   - offer.js and offer.css are fetched when there is an offer to show.
//
// The sources are TypeScript under src; `go generate ./sdk` bundles them into dist, which is committed.
package sdk

import (
	"embed"
	"io/fs"
)

//go:generate go run ./generate

// Files holds the bundled files under dist/, such as dist/ac.js. Every visitor gets the same bytes.
//
//go:embed dist
var Files embed.FS

// File returns the content of the bundled file with this base name, such as "banner.css", and
// whether there is one.
func File(name string) ([]byte, bool) {
	b, err := fs.ReadFile(Files, "dist/"+name)
	return b, err == nil
}
