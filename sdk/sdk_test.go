package sdk_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"path"
	"strings"
	"testing"

	"probity/internal/notice"
	"probity/sdk"
)

// gzipped returns how many bytes the files are on the wire.
func gzipped(t *testing.T, files ...[]byte) int {
	t.Helper()
	total := 0
	for _, content := range files {
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		total += b.Len()
	}
	return total
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	content, ok := sdk.File(name)
	if !ok {
		t.Fatalf("there is no %s; run go generate ./sdk", name)
	}
	return content
}

func TestB34_T9_EachFileStaysWithinItsBudget(t *testing.T) {
	// The largest of the built-in notices, whichever language it is in.
	var locale []byte
	for _, lang := range notice.Languages() {
		if n := builtinNotice(lang, false); gzipped(t, n) > gzipped(t, locale) {
			locale = n
		}
	}
	for _, budget := range []struct {
		name  string
		most  int
		files [][]byte
	}{
		{"B34 gate", 820, [][]byte{file(t, "ac.js")}},
		{"B34 banner, its style and the largest locale", 6144, [][]byte{file(t, "banner.js"), file(t, "banner.css"), locale}},
		{"T9 tracker", 4096, [][]byte{file(t, "tracker.js")}},
		{"what few visitors need after a choice", 1024, [][]byte{file(t, "held.js")}},
		{"F8 the question for an age", 2048, [][]byte{file(t, "age.js")}},
		{"S8 other tools", 2048, [][]byte{file(t, "others.js")}},
		{"S8 the place of a frame", 2048, [][]byte{file(t, "placeholder.js")}},
		{"S8 what runs on", 1024, [][]byte{file(t, "still.js")}},
		{"W1 the way out", 512, [][]byte{file(t, "out.js")}},
		{"G5 Google", 512, [][]byte{file(t, "google.js")}},
		{"offer and its style", 3072, [][]byte{file(t, "offer.js"), file(t, "offer.css")}},
	} {
		if got := gzipped(t, budget.files...); got > budget.most {
			t.Errorf("%s: %d bytes compressed, at most %d are allowed", budget.name, got, budget.most)
		} else {
			t.Logf("%s: %d of %d bytes", budget.name, got, budget.most)
		}
	}
}

func TestFilesHoldNoCodeThatAStrictPolicyForbids(t *testing.T) {
	names, err := fs.Glob(sdk.Files, "dist/*.js")
	if err != nil || len(names) < 5 {
		t.Fatalf("got %v, %v; want five scripts at least", names, err)
	}
	for _, name := range names {
		content := string(file(t, path.Base(name)))
		for _, bad := range []string{"eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "navigator.webdriver", "indexedDB", "canvas", "AudioContext", ".plugins"} {
			if strings.Contains(content, bad) {
				t.Errorf("%s uses %s", name, bad)
			}
		}
	}
}

func TestFileTellsWhatIsMissing(t *testing.T) {
	if _, ok := sdk.File("none.js"); ok {
		t.Error("a file that does not exist was found")
	}
	if _, ok := sdk.File("../sdk.go"); ok {
		t.Error("a file outside dist was found")
	}
}
