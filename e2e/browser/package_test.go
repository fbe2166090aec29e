package browser

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pack makes the npm package, as docs/site.md says, and unpacks it into a folder node_modules.
func pack(t *testing.T, modules string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "pack", "--silent", "--pack-destination", dir, "./sdk")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("npm pack ./sdk: %v\n%s\nNode.js with npm is needed; tools/setup says which", err, out)
	}
	file, err := os.Open(filepath.Join(dir, strings.TrimSpace(string(out))))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(modules, "probity-sdk", strings.TrimPrefix(h.Name, "package/"))
		body, err := io.ReadAll(files)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o755)
		}
		if err == nil {
			err = os.WriteFile(name, body, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePackageHoldsWhatItNeedsAndCanBeImportedOnAServer(t *testing.T) {
	dir := t.TempDir()
	pack(t, filepath.Join(dir, "node_modules"))
	root := filepath.Join(dir, "node_modules", "probity-sdk")
	var files []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(root, path)
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"README.md", "dist/probity.js", "package.json", "probity.d.ts"}; !slices.Equal(files, want) {
		t.Errorf("the package holds %q, want %q", files, want)
	}
	importable(t, dir)
}

// npm install --install-links ./sdk, as docs/site.md says, in a project that holds the folder. Without that word npm
// links to the folder and asks the registry for what the SDK is built with; with it nothing is asked for.
func TestThePackageInstallsFromItsFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "sdk"), os.DirFS("../../sdk")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"shop","private":true}`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "install", "--silent", "--offline", "--no-audit", "--install-links", "./sdk")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install --install-links ./sdk: %v\n%s\nNode.js with npm is needed; tools/setup says which", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "package.json")); err != nil || !strings.Contains(string(text), `"file:sdk"`) {
		t.Errorf("the project depends on %s, %v", text, err)
	}
	importable(t, dir)
}

// importable imports the package as a server does that renders pages.
func importable(t *testing.T, dir string) {
	t.Helper()
	script := `const names = Object.keys(globalThis).length
		const { ac, consent, identify, init, pageview, record } = await import('probity-sdk')
		if (Object.keys(globalThis).length != names) throw 'the import left something behind'
		const done = await init({ deployment: 'none' })
		consent.onChange(() => {})()
		console.log(String(done), JSON.stringify(consent.granted()), [ac('load'), pageview(), record('x'), identify('y')].join())`
	cmd := exec.Command("node", "--input-type=module", "-e", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "undefined [] ,,," {
		t.Errorf("node says %v\n%s", err, got)
	}
}
