// Package sdk carries the browser SDK: three small files that a controller's site loads, and the
// stylesheets and the smaller files they fetch when needed.
//
//   - ac.js, the gate, runs on every page and remembers nothing;
//   - banner.js and banner.css ask for a choice, show it and take it back; they are fetched when a
//     choice is missing or the visitor opens the privacy choices;
//   - tracker.js is fetched after a grant that includes measuring, never before, and out.js with it: the control
//     that takes everything back in one click;
//   - held.js is fetched when a visitor keeps a receipt or objects, or the server refuses what the
//     device thought was granted;
//   - age.js is fetched where an age has to be asked for before anything is granted;
//   - probity.js is a module that loads the gate, for who imports rather than writes a tag; the npm
//     package in this folder holds the same file;
//   - others.js and placeholder.js keep other tools of the site waiting, where a page has any, still.js says which
//     run on after a withdrawal, and google.js tells Google what was chosen, where the deployment wants it;
//   - offer.js and offer.css are fetched when there is an offer to show.
//
// The sources are TypeScript under src; `go generate ./sdk` bundles them into dist, which is committed.
package sdk

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
)

//go:generate go run ./generate

// Files holds the bundled files under dist/, such as dist/ac.js. Every visitor gets the same bytes.
//
//go:embed dist
var Files embed.FS

// Version names the SDK by its content: the first 12 hex digits of a SHA-256 over the names and
// digests of all bundled files.
func Version() string {
	h := sha256.New()
	_ = fs.WalkDir(Files, "dist", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(Files, path)
		sum := sha256.Sum256(body)
		fmt.Fprintf(h, "%s %x\n", path, sum)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// File returns the content of the bundled file with this base name, such as "banner.css", and
// whether there is one.
func File(name string) ([]byte, bool) {
	b, err := fs.ReadFile(Files, "dist/"+name)
	return b, err == nil
}
