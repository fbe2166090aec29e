// Command generate bundles the browser SDK from its TypeScript sources into dist.
package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// bundles lists what is built, in this order: names shortened for one file are shortened alike in
// all later ones, because the files share the page object.
var bundles = [...]struct {
	entry  string
	format api.Format
}{
	{"gate.ts", api.FormatIIFE},
	{"banner.ts", api.FormatESModule},
	{"tracker.ts", api.FormatESModule},
	{"offer.ts", api.FormatESModule},
	{"others.ts", api.FormatESModule},
	{"placeholder.ts", api.FormatESModule},
	{"still.ts", api.FormatESModule},
	{"out.ts", api.FormatESModule},
	{"google.ts", api.FormatESModule},
	{"held.ts", api.FormatESModule},
	{"age.ts", api.FormatESModule},
	{"probity.ts", api.FormatESModule},
	{"banner.css", api.FormatDefault},
	{"offer.css", api.FormatDefault},
}

// build bundles and minifies every file of the SDK in src and returns them by their base name.
// The same sources give the same bytes.
func build(src string) (map[string][]byte, error) {
	src, err := filepath.Abs(src)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte)
	names := make(map[string]any)
	for _, b := range bundles {
		result := api.Build(api.BuildOptions{
			AbsWorkingDir:     src, // paths in comments are the same wherever it is built
			EntryPoints:       []string{b.entry},
			Bundle:            true,
			Format:            b.format,
			Target:            api.ES2021,
			Charset:           api.CharsetUTF8,
			LegalComments:     api.LegalCommentsNone,
			MinifyWhitespace:  b.entry != "probity.ts", // its comments tell other bundlers what to leave alone
			MinifyIdentifiers: true,
			MinifySyntax:      true,
			MangleProps:       `[^_]_$`,
			MangleCache:       names,
			TreeShaking:       api.TreeShakingTrue,
			TsconfigRaw:       `{"compilerOptions":{"alwaysStrict":false}}`,
		})
		if len(result.Errors) > 0 {
			return nil, fmt.Errorf("bundle %s: %s", b.entry, strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), ""))
		}
		names = result.MangleCache
		name := b.entry
		if name == "gate.ts" {
			name = "ac.js" // the name under which sites already load it
		}
		out[strings.TrimSuffix(name, ".ts")+strings.Repeat(".js", strings.Count(name, ".ts"))] = result.OutputFiles[0].Contents
	}
	return out, nil
}
