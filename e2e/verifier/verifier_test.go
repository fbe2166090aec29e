// Package verifier checks the second verifier, the static page in verify/page, in a real browser and
// against the first one.
package verifier

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/evanw/esbuild/pkg/api"

	"probity/e2e/chromium"
	"probity/verify"
	"probity/verify/page"
)

const testdata = "../../verify/testdata/"

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.End()
	os.Exit(code)
}

// outcome is what a verifier says of a file.
type outcome struct {
	Reason  string           `json:"reason"`
	Entries int              `json:"entries"`
	Kinds   map[string]int64 `json:"kinds"`
	Trouble string           `json:"trouble"` // the page failed instead of the file
}

// The page's code, asked about every vector one after the other.
const asker = `
import { check } from './check'
import { Fault } from './fault'
interface Vector { file: string; trusted?: string[]; keys?: string; witnesses?: string[]; needed?: number }
const ask = async (v: Vector) => {
  try {
    const r = await check(new Blob([v.file]), { keys: v.trusted ?? [], list: v.keys ?? '', witnesses: v.witnesses ?? [], needed: v.needed ?? 0 })
    return { reason: '', entries: r.entries.length, kinds: r.kinds }
  } catch (e) {
    return e instanceof Fault ? { reason: e.reason } : { trouble: String(e) }
  }
}
const run = async () => {
  const { files } = await (await fetch('/vectors.json')).json()
  const results = []
  for (const v of files) results.push(await ask(v))
  Object.assign(window, { results })
}
void run()
`

func TestL13_BothVerifiersAgreeOnEveryVector(t *testing.T) {
	list, err := os.ReadFile(testdata + "vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Files []struct {
			outcome
			Name      string   `json:"name"`
			Trusted   []string `json:"trusted"`
			Keys      string   `json:"keys"`
			Witnesses []string `json:"witnesses"`
			Needed    int      `json:"needed"`
			File      string   `json:"file"`
		} `json:"files"`
	}
	if err := json.Unmarshal(list, &vectors); err != nil {
		t.Fatal(err)
	}
	src, err := filepath.Abs("../../verify/page/src")
	if err != nil {
		t.Fatal(err)
	}
	bundle := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: asker, ResolveDir: src, Loader: api.LoaderTS},
		Bundle: true, Format: api.FormatIIFE, Target: api.ES2022,
	})
	if len(bundle.Errors) > 0 {
		t.Fatal(bundle.Errors)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/vectors.json":
			_, _ = w.Write(list)
		case "/asker.js":
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(bundle.OutputFiles[0].Contents)
		default:
			fmt.Fprint(w, `<!doctype html><title>Vectors</title><script src="/asker.js"></script>`)
		}
	}))
	t.Cleanup(server.Close)
	b := chromium.New(t, chromium.Shared(t))
	b.Open(server.URL)
	b.Until(`window.results !== undefined`)
	results := chromium.Value[[]outcome](b, `window.results`)
	if len(results) != len(vectors.Files) || len(results) < 150 {
		t.Fatalf("%d vectors gave %d results", len(vectors.Files), len(results))
	}
	for i, v := range vectors.Files {
		trust := verify.Trust{Keys: v.Trusted, Witnesses: v.Witnesses, Needed: v.Needed}
		var report *verify.Report
		var err error
		if v.Keys != "" {
			var periods []verify.Period
			if _, periods, err = verify.ParseKeychain([]byte(v.Keys)); err == nil {
				err = trust.Follow(periods)
			}
		}
		if err == nil {
			report, err = trust.File([]byte(v.File))
		}
		ours := outcome{Reason: string(verify.ReasonOf(err))}
		if err == nil {
			ours.Entries, ours.Kinds = len(report.Entries), report.Kinds
		}
		theirs := results[i]
		if theirs.Trouble != "" || ours.Reason != theirs.Reason || ours.Entries != theirs.Entries || !equal(ours.Kinds, theirs.Kinds) {
			t.Errorf("%s: Go says %+v, the page %+v", v.Name, ours, theirs)
		}
		if ours.Reason != v.Reason || ours.Entries != v.Entries {
			t.Errorf("%s: Go says %+v, the list %+v", v.Name, ours, v.outcome)
		}
	}
}

func equal(a, b map[string]int64) bool {
	if len(a) != len(b) {
		return false
	}
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	return true
}

// open shows the page from a file, as somebody who has saved it, and chooses a file to check.
func open(t *testing.T, b *chromium.Tab, file string) {
	t.Helper()
	saved := filepath.Join(t.TempDir(), "verify.html")
	if err := os.WriteFile(saved, page.HTML, 0o644); err != nil {
		t.Fatal(err)
	}
	b.Open("file://" + saved)
	choose(t, b, file)
}

func choose(t *testing.T, b *chromium.Tab, file string) {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	b.Do(chromedp.SetUploadFiles(`#file`, []string{path}))
	b.Until(`document.querySelector('#result h2') && !document.querySelector('#result h2').textContent.startsWith('Checking')`)
}

func TestL13_ThePageWorksFromAFileWithoutANetwork(t *testing.T) {
	b := chromium.New(t, chromium.Shared(t))
	b.Offline(true)
	for _, name := range []string{"receipt.json", "certificate.json", "bundle.json"} {
		open(t, b, testdata+name)
		text := chromium.Value[string](b, `document.querySelector('#result').innerText`)
		if !strings.Contains(text, name+" verifies") || !strings.Contains(text, "Whose key it is") {
			t.Errorf("%s: %s", name, text)
		}
		if faults := b.Audit(); len(faults) > 0 {
			t.Errorf("%s: the page is not accessible: %q", name, faults)
		}
	}
	// A key from elsewhere.
	b.Type(`#keys`, "probity.test/log/1+7ef8dade+AUy1q/atefv1q7zK/MJp2FzSZR7UuIW1hp8kGu3wpbop")
	b.Script(`document.querySelector('#keys').dispatchEvent(new Event('change'))`)
	b.Until(`document.querySelector('#result').innerText.includes('one that you trust')`)

	edited := filepath.Join(t.TempDir(), "edited.json")
	receipt, err := os.ReadFile(testdata + "receipt.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(edited, []byte(strings.Replace(string(receipt), "ConsentGiven", "ConsentRefused", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, b, edited)
	if text := chromium.Value[string](b, `document.querySelector('#result').innerText`); !strings.Contains(text, "does NOT verify") || !strings.Contains(text, "edited entry") {
		t.Errorf("an edited receipt: %s", text)
	}
	if faults := b.Audit(); len(faults) > 0 {
		t.Errorf("the page is not accessible: %q", faults)
	}
}

func TestL13_ABrowserWithoutEd25519NeverSaysThatAFileHolds(t *testing.T) {
	b := chromium.New(t, chromium.Shared(t))
	b.Before(`SubtleCrypto.prototype.importKey = () => Promise.reject(new DOMException('unknown', 'NotSupportedError'))`)
	open(t, b, testdata+"receipt.json")
	text := chromium.Value[string](b, `document.querySelector('#result').innerText`)
	if strings.Contains(text, "verifies") || !strings.Contains(text, "could not be checked") || !strings.Contains(text, "Ed25519") {
		t.Errorf("the page says %s", text)
	}
}

// A file cut off, doubled, nested or huge gets its reason, and the page goes on working.
func TestL13_BadFilesDoNotBreakThePage(t *testing.T) {
	b := chromium.New(t, chromium.Shared(t))
	dir := t.TempDir()
	receipt, err := os.ReadFile(testdata + "receipt.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"cut.json":    string(receipt[:len(receipt)/2]),
		"double.json": string(receipt) + string(receipt),
		"deep.json":   strings.Repeat("[", 1<<20),
		"long.jsonl":  `{"type":"probity/excerpt/v1",` + strings.Repeat(" ", 5<<20),
		"huge.json":   strings.Repeat(" ", 65<<20),
		"bytes.bin":   "\xff\xfe\x00",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		open(t, b, path)
		if text := chromium.Value[string](b, `document.querySelector('#result').innerText`); !strings.Contains(text, "does NOT verify") || !strings.Contains(text, "malformed") {
			t.Errorf("%s: %s", name, text)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	choose(t, b, testdata+"receipt.json")
	if text := chromium.Value[string](b, `document.querySelector('#result').innerText`); !strings.Contains(text, "receipt.json verifies") {
		t.Errorf("afterwards: %s", text)
	}
}
