// Package page is the second verifier: one static page in TypeScript that checks the same files as
// package verify, with code of its own, in a browser and without a network.
package page

import (
	_ "embed"
	"regexp"
)

//go:generate go run ./generate

// HTML is the whole page. It works from a file as well as from a server.
//
//go:embed dist/verify.html
var HTML []byte

var policy = regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]+)"`)

// Policy returns the content security policy of the page, to be sent as a header with it too: nothing
// is loaded from anywhere, and no other code than the page's own runs.
func Policy() string {
	if m := policy.FindSubmatch(HTML); m != nil {
		return string(m[1])
	}
	return "default-src 'none'"
}
