// Command generate builds the static page of the verifier from its TypeScript sources into dist.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// build returns the page: one file, whose policy names the digests of its only script and style. The
// code is bundled but left readable. The same sources give the same bytes.
func build(src string) ([]byte, error) {
	src, err := filepath.Abs(src)
	if err != nil {
		return nil, err
	}
	parts := map[string]string{}
	for _, name := range []string{"page.ts", "page.css"} {
		result := api.Build(api.BuildOptions{
			EntryPoints: []string{filepath.Join(src, name)}, AbsWorkingDir: src, Bundle: true, Format: api.FormatIIFE, Target: api.ES2022,
			Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		})
		if len(result.Errors) > 0 {
			return nil, fmt.Errorf("bundle %s: %s", name, strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), ""))
		}
		parts[name] = "\n" + string(result.OutputFiles[0].Contents)
	}
	html, err := os.ReadFile(filepath.Join(src, "page.html"))
	if err != nil {
		return nil, err
	}
	if strings.Contains(parts["page.ts"], "</script") {
		return nil, fmt.Errorf("the script would end the element that holds it")
	}
	policy := fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'", hash(parts["page.ts"]), hash(parts["page.css"]))
	return []byte(strings.NewReplacer("{{policy}}", policy, "{{style}}", parts["page.css"], "{{script}}", parts["page.ts"]).Replace(string(html))), nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
